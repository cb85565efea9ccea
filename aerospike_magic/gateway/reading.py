"""One split being read: an open scan, where its reader stands, and the token that says so.

A token holds the position after the rows that were sent, so that whoever is asked with it reads exactly the rest: of a
share, what `scan.position` keeps; of a look-up, how many of the keys were dealt with. It also carries what had been
counted, for the progress.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from aerospike_magic.connection import Connection
from aerospike_magic.errors import WireError
from aerospike_magic.gateway.messages import Page
from aerospike_magic.gateway.pages import encoded_size, rows_within, to_page
from aerospike_magic.gateway.splits import SetSplit
from aerospike_magic.gateway.tables import WireColumn
from aerospike_magic.scan import ScanPlan
from aerospike_magic.scan.position import Piece, ScanPosition
from aerospike_magic.scan.progress import ScanProgress
from aerospike_magic.scan.teller import TaskTeller
from aerospike_magic.wire.digest import compute_digest

_HEAD = struct.Struct("<2sII")
_COUNTS = struct.Struct("<4Q")
_OFFSET = struct.Struct("<Q")
_VERSION = b"P1"
_TELL_EVERY_S = 0.2
# A page without rows is sent later than one that has some: there is less in it for whoever asks.
_EMPTY_PAGE_FACTOR = 4
# A page with less of what it may hold gets a part of the next piece, which costs more than to send it whole later.
_FULL_ENOUGH = 0.75
_MOST_ROWS = (1 << 31) - 1


@dataclass
class Counts:
    """What was counted before a scan was opened again."""

    scanned: int = 0
    records: int = 0
    returned: int = 0
    n_bytes: int = 0

    def added_to(self, progress: ScanProgress) -> ScanProgress:
        """Return the progress of the whole split."""
        return replace(
            progress,
            scanned=progress.scanned + self.scanned,
            records=progress.records + self.records,
            returned=progress.returned + self.returned,
            n_bytes=progress.n_bytes + self.n_bytes,
        )


class Reading:
    """A split being read; used by one thread at a time.

    Args:
        connection: to the cluster.
        split: what is read.
        split_id: its id.
        make_plan: makes the plan of the split's scan, of a look-up for the keys from this number on.
        columns: of the rows, in order.
        token: where to begin; None = at the split's beginning.

    Raises:
        WireError: the token is none of this split.
    """

    def __init__(
        self,
        connection: Connection,
        split: SetSplit,
        split_id: bytes,
        make_plan: Callable[[int], ScanPlan],
        columns: Sequence[WireColumn],
        token: bytes | None,
    ) -> None:
        from aerospike_magic.scan import Scan

        self._split = split
        self._checksum = zlib.crc32(split_id)
        self._columns = tuple(columns)
        self._before = Counts()
        self._position = ScanPosition()
        self._offset = 0
        if token is not None:
            self._take_token(token)
        self._key_numbers: dict[bytes, int] = {}
        self._teller = self._make_teller()
        plan = make_plan(self._offset)
        if self._teller is not None:
            plan = replace(plan, options=replace(plan.options, on_progress=self._tell))
        self._told_at = 0.0
        self._held: Piece | None = None
        self._scan = Scan(connection, plan, self._position)
        self._pieces: Iterator[Piece] = self._scan.pieces()

    def close(self) -> None:
        """Stop the scan if it runs."""
        self._scan.close()

    def page(self, max_bytes: int, page_s: float) -> Page:
        """Return the next page; without a next token, it was the last and the reading is closed.

        Args:
            max_bytes: of the page, about; one row is sent whatever its size.
            page_s: seconds after which a page is sent as it is.

        Raises:
            AerospikeMagicError: the scan failed; it cannot go on.
        """
        batches: list[pa.RecordBatch] = []
        n_bytes = n_rows = 0
        started = time.monotonic()
        while True:
            piece = self._next()
            if piece is None:
                self._end()
                return self._page(batches, n_rows, None)
            size = encoded_size(piece.batch, self._columns)
            if n_bytes + size > max_bytes:
                if n_bytes > max_bytes * _FULL_ENOUGH:
                    self._held = piece
                    return self._page(batches, n_rows, self.token())
                fitting = rows_within(piece.batch, self._columns, max_bytes - n_bytes)
                piece = self._first_rows(piece, max(fitting, 0 if n_rows else 1))
                size = max_bytes
            if piece.batch.num_rows:
                batches.append(piece.batch)
                n_rows += piece.batch.num_rows
            n_bytes += size
            self._advance(piece)
            waited_s = time.monotonic() - started
            is_due = waited_s > (page_s if n_rows else page_s * _EMPTY_PAGE_FACTOR)
            if n_bytes >= max_bytes or is_due or n_rows > _MOST_ROWS // 2:
                return self._page(batches, n_rows, self.token())

    def token(self) -> bytes:
        """Return the token of the position after the rows that were handed out."""
        counted = self._before.added_to(self._scan.progress)
        body = _COUNTS.pack(counted.scanned, counted.records, counted.returned, counted.n_bytes)
        if self._split.share is None:
            body += _OFFSET.pack(self._offset)
        else:
            body += self._position.to_bytes(self._split.share.partitions)
        return _HEAD.pack(_VERSION, zlib.crc32(body), self._checksum) + body

    def _take_token(self, token: bytes) -> None:
        try:
            version, checksum, of_split = _HEAD.unpack_from(token)
            body = token[_HEAD.size :]
            counts = _COUNTS.unpack_from(body)
            if version != _VERSION or checksum != zlib.crc32(body) or of_split != self._checksum:
                raise WireError("")
            rest = body[_COUNTS.size :]
            if self._split.share is None:
                (self._offset,) = _OFFSET.unpack(rest)
            else:
                self._position = ScanPosition.from_bytes(rest, self._split.share.partitions)
        except (struct.error, WireError):
            raise WireError("this is not a token of a page of this split", hint="run the query again") from None
        self._before = Counts(*counts)

    def _next(self) -> Piece | None:
        held, self._held = self._held, None
        return held if held is not None else next(self._pieces, None)

    def _first_rows(self, piece: Piece, n_rows: int) -> Piece:
        if n_rows >= piece.batch.num_rows:
            return piece
        first, self._held = piece.split(n_rows)
        return first

    def _advance(self, piece: Piece) -> None:
        if self._split.share is not None:
            self._position.advance(piece)
        elif piece.digests is not None and len(piece.digests):
            self._offset = self._key_number(piece.digests[-1].as_py()) + 1

    def _key_number(self, digest: bytes) -> int:
        if not self._key_numbers:
            keys, set_name = self._split.keys or (), self._split.query.schema.set_name
            self._key_numbers = {compute_digest(set_name, key): i for i, key in enumerate(keys)}
        return self._key_numbers[digest]

    def _page(self, batches: list[pa.RecordBatch], n_rows: int, next_token: bytes | None) -> Page:
        if not batches:
            batches = [pa.record_batch([pa.nulls(0, f.type) for f in self._scan.schema], schema=self._scan.schema)]
        return to_page(batches, self._columns, n_rows, next_token)

    def _make_teller(self) -> TaskTeller | None:
        query, share = self._split.query, self._split.share
        if query.progress is None:
            return None
        return TaskTeller(query.progress, query.scan_id, self._split.number, 1 if share is None else share.modulus)

    def _tell(self, progress: ScanProgress) -> None:
        now = time.monotonic()
        if self._teller is not None and now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._teller.tell(self._before.added_to(progress))

    def _end(self) -> None:
        self._scan.close()
        if self._teller is not None:
            progress = self._before.added_to(self._scan.progress)
            self._teller.finish(progress, progress.mismatches)
