"""Where a scan stands, in terms of the rows that its reader has taken: enough to read exactly the rest later.

A scan that is given a `ScanPosition` hands out `Piece`s: rows with their digests, and which partitions were read to
their end before. Rows of one partition come in the server's order, so the digest of the last one taken (with its
secondary-index value, in an index query) says where to go on in it. The reader advances the position piece by piece,
or part of a piece by part, and can keep it as bytes.

A partition that was left half-way may have had records that the server passed over (see `scan.plan`), which nobody
will count any more: the second pass reads it in any case.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyarrow as pa

from aerospike_magic.errors import WireError
from aerospike_magic.scan.decode import ResumePoints
from aerospike_magic.wire.digest import DIGEST_SIZE, N_PARTITIONS

N_PASSES = 2
_POINT = struct.Struct("<H20sq")
_COUNT = struct.Struct("<H")

Done = tuple[int, tuple[int, ...]]
"""A pass, and partitions that it has read to their end."""


@dataclass(frozen=True)
class Piece:
    """Rows of a scan, and what they say of its position.

    Attributes:
        batch: the rows; may be none.
        digests: of the rows, 20 bytes each; None without rows.
        index_values: by which the rows were found, None outside an index query.
        pass_number: which pass has read them.
        done: what has been read to its end, these rows included.
        omitted: partitions that the second pass is to read.
    """

    batch: pa.RecordBatch
    digests: pa.Array | None = None
    index_values: pa.Array | None = None
    pass_number: int = 0
    done: tuple[Done, ...] = ()
    omitted: tuple[int, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the memory that the piece holds, which is quicker to tell than that of its values."""
        digests = 0 if self.digests is None else self.digests.get_total_buffer_size()
        return int(self.batch.get_total_buffer_size()) + digests

    def split(self, n_rows: int) -> tuple[Piece, Piece]:
        """Return the first rows, and the rest; what is said of partitions goes with the rest."""
        return (
            self._slice(0, n_rows, (), ()),
            self._slice(n_rows, self.batch.num_rows - n_rows, self.done, self.omitted),
        )

    def _slice(self, start: int, n_rows: int, done: tuple[Done, ...], omitted: tuple[int, ...]) -> Piece:
        return Piece(
            self.batch.slice(start, n_rows),
            None if self.digests is None else self.digests.slice(start, n_rows),
            None if self.index_values is None else self.index_values.slice(start, n_rows),
            self.pass_number,
            done,
            omitted,
        )


class Marks:
    """What one worker has to say with its next piece; used by its thread only."""

    def __init__(self) -> None:
        self.pass_number = 0
        self._done: list[Done] = []
        self._omitted: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._done or self._omitted)

    def note(self, done: Sequence[int] = (), omitted: Iterable[int] = ()) -> None:
        """Remember partitions that were read to their end, and such as the second pass is to read."""
        if done:
            self._done.append((self.pass_number, tuple(done)))
        self._omitted += omitted

    def take(self) -> tuple[tuple[Done, ...], tuple[int, ...]]:
        """Return what is to be said, and forget it."""
        found = tuple(self._done), tuple(self._omitted)
        self._done, self._omitted = [], []
        return found


@dataclass
class PassPosition:
    """Where one pass stands.

    Attributes:
        done: partitions that were read to their end.
        last: digest and index value of the last row taken, of the other partitions that rows have come from.
    """

    done: set[int] = field(default_factory=set)
    last: dict[int, tuple[bytes, int]] = field(default_factory=dict)

    def resume_points(self) -> ResumePoints:
        """Return the same for a scan."""
        points = ResumePoints()
        for partition, (digest, value) in self.last.items():
            points.set(partition, digest, value)
        return points


class ScanPosition:
    """Where a scan stands; at first, at its beginning."""

    def __init__(self) -> None:
        self.passes = tuple(PassPosition() for _ in range(N_PASSES))
        self.omitted: set[int] = set()

    def advance(self, piece: Piece) -> None:
        """Note that the rows of a piece were taken."""
        if piece.digests is not None and len(piece.digests):
            self._note_rows(self.passes[piece.pass_number], piece.digests, piece.index_values)
        self.omitted.update(piece.omitted)
        for number, partitions in piece.done:
            reached = self.passes[number]
            reached.done.update(partitions)
            for partition in partitions:
                reached.last.pop(partition, None)

    @staticmethod
    def _note_rows(reached: PassPosition, digests: pa.Array, index_values: pa.Array | None) -> None:
        raw = digests.buffers()[1]
        start = digests.offset * DIGEST_SIZE
        # The partition is in the first two bytes.
        heads = np.ndarray(len(digests), "<u2", raw, start, (DIGEST_SIZE,)) & (N_PARTITIONS - 1)
        last_rows = np.append(np.flatnonzero(heads[1:] != heads[:-1]), len(heads) - 1)
        values = [0] * len(last_rows) if index_values is None else index_values.to_numpy()[last_rows].tolist()
        for partition, row, value in zip(heads[last_rows].tolist(), last_rows.tolist(), values, strict=True):
            at = start + row * DIGEST_SIZE
            reached.last[partition] = raw[at : at + DIGEST_SIZE].to_pybytes(), value

    def to_bytes(self, partitions: Sequence[int]) -> bytes:
        """Return the position in a scan of these partitions, some 28 bytes for each that was begun and not ended."""
        index_of = _indexes(tuple(partitions))
        parts = [_bitmap(self.omitted, index_of)]
        for reached in self.passes:
            parts += [_bitmap(reached.done, index_of), _COUNT.pack(len(reached.last))]
            parts += [_POINT.pack(index_of[p], *point) for p, point in sorted(reached.last.items())]
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes, partitions: Sequence[int]) -> ScanPosition:
        """Read what `to_bytes` returned for the same partitions.

        Raises:
            WireError: it did not return this.
        """
        position = cls()
        width = (len(partitions) + 7) // 8
        try:
            position.omitted = _members(data[:width], partitions)
            at = width
            for reached in position.passes:
                reached.done = _members(data[at : at + width], partitions)
                (n_points,) = _COUNT.unpack_from(data, at + width)
                at += width + _COUNT.size
                for _ in range(n_points):
                    index, digest, value = _POINT.unpack_from(data, at)
                    reached.last[partitions[index]] = digest, value
                    at += _POINT.size
        except (struct.error, IndexError):
            raise WireError("these bytes are no position of this scan") from None
        if at != len(data):
            raise WireError("these bytes are no position of this scan")
        return position


@lru_cache(maxsize=64)
def _indexes(partitions: tuple[int, ...]) -> dict[int, int]:
    return {partition: i for i, partition in enumerate(partitions)}


def _bitmap(members: Iterable[int], index_of: dict[int, int]) -> bytes:
    bits = np.zeros(len(index_of), np.uint8)
    bits[[index_of[p] for p in members]] = 1
    return np.packbits(bits).tobytes()


def _members(data: bytes, partitions: Sequence[int]) -> set[int]:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=len(partitions))
    return {partitions[i] for i in np.flatnonzero(bits).tolist()}
