"""Offsets of a stream: points in time, and how far the window after one has been read.

A record's last-update-time is milliseconds, stamped by the node that wrote it. An offset says: every record whose
last-update-time lies before `until_ms` has been read. A window that is too large for one batch is read by partitions
of the cluster, and then by slices of a partition; the offset then also says how far: `Part`. From two offsets follows
what lies between them, and nothing else is needed to read it, so a batch can be read again by another process.

Windows hold their start and not their end, so no two of them have a last-update-time in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aerospike_magic.errors import ConfigError
from aerospike_magic.wire.digest import N_PARTITIONS

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """How far a window has been read.

    Attributes:
        end_ms: the window's end; it starts at the offset's `until_ms`.
        partition: all partitions before this one are read, 0..4095.
        slice: and this many slices of it.
        slices: into how many slices that partition is cut by its digests, 1 = not at all.
    """

    end_ms: int
    partition: int
    slice: int = 0
    slices: int = 1


@dataclass(frozen=True, slots=True)
class Offset:
    """What has been read of a set.

    Attributes:
        until_ms: every record last updated before this is, in milliseconds since 1970.
        part: and this much of the window that starts there; None for nothing.
    """

    until_ms: int
    part: Part | None = None

    def to_json(self) -> dict[str, int]:
        """Return the offset as Spark keeps it in its checkpoint; equal offsets give the same text."""
        found = {"version": _VERSION, "until_ms": self.until_ms}
        if self.part is not None:
            found |= {"end_ms": self.part.end_ms, "partition": self.part.partition}
            found |= {"slice": self.part.slice, "slices": self.part.slices}
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Offset:
        """Read an offset from a checkpoint.

        Raises:
            ConfigError: it is none of this source.
        """
        if data.get("version") != _VERSION:
            raise ConfigError(
                f"the checkpoint has the offset {dict(data)}, which is none of this data source",
                hint="is it the checkpoint of another query, or of a newer release?",
            )
        part = None
        if "partition" in data:
            part = Part(data["end_ms"], data["partition"], data["slice"], data["slices"])
        return cls(data["until_ms"], part)


@dataclass(frozen=True, slots=True)
class Piece:
    """A window, of some partitions, or of some slices of one.

    Attributes:
        start_ms, end_ms: last-update-times, the first in it, the second not.
        partitions: ids, a range.
        slices: into how many slices the partition is cut; 1 = the partitions are read whole.
        remainders: which of the slices.
    """

    start_ms: int
    end_ms: int
    partitions: range
    slices: int = 1
    remainders: range = range(1)

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the set."""
        return len(self.partitions) == N_PARTITIONS


def pieces_between(start: Offset, end: Offset) -> list[Piece]:
    """Return what lies between two offsets, in order, without overlap; nothing if `end` is not after `start`."""
    pieces: list[Piece] = []
    if start.part is not None and end.part is not None and start.until_ms == end.until_ms:
        if start.part.end_ms == end.part.end_ms:
            pieces = [*_of_window(start.until_ms, start.part, end.part)]
        return [piece for piece in pieces if piece.partitions and piece.remainders]
    at_ms = start.until_ms
    if start.part is not None and end.until_ms > start.until_ms:
        pieces += _of_window(at_ms, start.part, Part(start.part.end_ms, N_PARTITIONS))
        at_ms = start.part.end_ms
    if end.until_ms > at_ms:
        pieces.append(Piece(at_ms, end.until_ms, range(N_PARTITIONS)))
        at_ms = end.until_ms
    if end.part is not None and end.until_ms == at_ms:
        pieces += _of_window(at_ms, Part(end.part.end_ms, 0), end.part)
    return [piece for piece in pieces if piece.partitions and piece.remainders]


def _of_window(start_ms: int, low: Part, high: Part) -> Iterator[Piece]:
    """What lies between two points in one window."""
    if (high.partition, high.slice) <= (low.partition, low.slice):
        return
    end_ms, first = low.end_ms, low.partition
    if low.slice:
        last = high.slice if (high.partition, high.slices) == (first, low.slices) else low.slices
        yield Piece(start_ms, end_ms, range(first, first + 1), low.slices, range(low.slice, last))
        first += 1
    yield Piece(start_ms, end_ms, range(first, high.partition))
    if high.slice and high.partition >= first:
        yield Piece(start_ms, end_ms, range(high.partition, high.partition + 1), high.slices, range(high.slice))
