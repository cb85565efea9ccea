"""The splits being read, of all queries: a bounded cache of open scans.

An open scan is kept under (split, columns, token of the next page). Who asks with that token takes it out, reads a page
and puts it back under the next token: so no two requests ever read from one scan, and whoever asks for a page that no
open scan stands at - again, after a restart, from another gateway - gets a scan that is opened at the token. What the
cache drops is therefore never lost, only slower.

There are never more than `max_scans`: the one that nobody has asked for the longest is closed for a new one, and one
that nobody asks for at all ends after `idle_s`, which also ends it on the server. Each may read ahead of its reader by
its part of `buffered_bytes`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from aerospike_magic.connection import Connection
from aerospike_magic.errors import AerospikeMagicError, SchemaError
from aerospike_magic.gateway.messages import Page
from aerospike_magic.gateway.options import ServiceOptions
from aerospike_magic.gateway.reading import Reading
from aerospike_magic.gateway.splits import SetSplit
from aerospike_magic.gateway.tables import WireColumn, wire_columns
from aerospike_magic.scan import ScanOptions, ScanPlan
from aerospike_magic.scan.plan import plan_access

_KEPT_PLANS = 256
_BATCH_ROWS = 32_768
_BATCH_BYTES = 1 << 20

_K = TypeVar("_K")
_V = TypeVar("_V")

Key = tuple[bytes, tuple[str, ...], bytes | None]
"""A split, columns, and the token of the next page."""


class Busy(AerospikeMagicError):
    """As many scans are open, and being read from, as may be."""


class Cursors:
    """Reads splits page by page.

    Args:
        connection: to the cluster.
        options: the bounds.
    """

    def __init__(self, connection: Connection, options: ServiceOptions) -> None:
        self._connection = connection
        self._options = options
        self._changed = threading.Condition()
        self._idle: OrderedDict[Key, tuple[float, Reading]] = OrderedDict()
        self._n_open = 0
        self._closed = False
        self._sweeper: threading.Thread | None = None
        self._plans = _Plans(connection, options.buffered_bytes // options.max_scans)

    @property
    def n_open(self) -> int:
        """How many scans are open."""
        with self._changed:
            return self._n_open

    def read(
        self, split: SetSplit, split_id: bytes, columns: Sequence[str], max_bytes: int, token: bytes | None
    ) -> Page:
        """Return the page of a split that a token stands for; None for the first.

        Raises:
            WireError: the token is none of this split.
            SchemaError: a column that the set does not have.
            AerospikeMagicError: the scan failed.
        """
        key = split_id, tuple(columns), token
        reading = self._take(key)
        if reading is None:
            reading = self._open(split, split_id, columns, token)
        try:
            page = reading.page(min(max_bytes, self._options.page_bytes), self._options.page_s)
        except BaseException:
            self._drop(reading)
            raise
        if page.next_token is None:
            self._drop(reading)
        else:
            self._put((split_id, tuple(columns), page.next_token), reading)
        return page

    def close(self) -> None:
        """Close every scan that nobody reads from now; those that are read from end with their page."""
        with self._changed:
            self._closed = True
            idle = [reading for _, reading in self._idle.values()]
            self._idle.clear()
            self._changed.notify_all()
        for reading in idle:
            self._drop(reading)
        if self._sweeper is not None:
            self._sweeper.join()

    def _open(self, split: SetSplit, split_id: bytes, columns: Sequence[str], token: bytes | None) -> Reading:
        self._reserve()
        try:
            wires = self._plans.columns(split, columns)
            make_plan = partial(self._plans.plan, split, wires)
            return Reading(self._connection, split, split_id, make_plan, wires, token)
        except BaseException:
            self._release()
            raise

    def _reserve(self) -> None:
        """Count one more open scan; another one, or time, gives way for it."""
        deadline = time.monotonic() + self._options.wait_s
        evicted: Reading | None = None
        with self._changed:
            while self._n_open >= self._options.max_scans and not self._idle:
                if self._closed or not self._changed.wait(deadline - time.monotonic()):
                    raise Busy(
                        f"the gateway reads {self._n_open:,} splits at once, and can open no more just now",
                        hint="see max_scans",
                    )
            if self._n_open >= self._options.max_scans:
                _, (_, evicted) = self._idle.popitem(last=False)
            else:
                self._n_open += 1
        if evicted is not None:
            try:
                evicted.close()  # its place is ours
            except BaseException:
                self._release()
                raise

    def _release(self) -> None:
        with self._changed:
            self._n_open -= 1
            self._changed.notify()

    def _take(self, key: Key) -> Reading | None:
        with self._changed:
            found = self._idle.pop(key, None)
        return None if found is None else found[1]

    def _put(self, key: Key, reading: Reading) -> None:
        with self._changed:
            # Asked for the same page twice at once, two scans now stand at one place.
            _, unwanted = self._idle.pop(key, (0.0, None))
            if self._closed:
                unwanted = reading
            else:
                self._idle[key] = time.monotonic(), reading
                self._changed.notify()
                self._start_sweeper()
        if unwanted is not None:
            self._drop(unwanted)

    def _drop(self, reading: Reading) -> None:
        try:
            reading.close()
        finally:
            self._release()

    def _start_sweeper(self) -> None:
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweep, name="aerospike-gateway-sweep", daemon=True)
            self._sweeper.start()

    def _sweep(self) -> None:
        """Close scans that nobody asks for, until there are none."""
        while True:
            with self._changed:
                if self._closed:
                    return
                oldest = next(iter(self._idle.values()), None)
                wait_s = self._options.idle_s if oldest is None else oldest[0] + self._options.idle_s - time.monotonic()
                if wait_s > 0:
                    self._changed.wait(wait_s)
                    continue
                _, (_, reading) = self._idle.popitem(last=False)
            self._drop(reading)


class _Plans:
    """Plans of the queries that splits belong to, made once for all their splits."""

    def __init__(self, connection: Connection, buffered_bytes: int) -> None:
        self._connection = connection
        self._buffered_bytes = buffered_bytes
        self._lock = threading.Lock()
        self._wires: OrderedDict[bytes, dict[str, WireColumn]] = OrderedDict()
        self._plans: OrderedDict[tuple[bytes, tuple[str, ...]], ScanPlan] = OrderedDict()

    def columns(self, split: SetSplit, names: Sequence[str]) -> tuple[WireColumn, ...]:
        """Return a split's columns of these names."""
        wires = self._kept(self._wires, split.query_bytes, lambda: wire_columns(split.query.schema))
        try:
            return tuple(wires[name] for name in names)
        except KeyError as error:
            raise SchemaError(f"{split.query.schema.name} has no column {error.args[0]!r}") from None

    def plan(self, split: SetSplit, columns: Sequence[WireColumn], n_keys_done: int) -> ScanPlan:
        """Return the plan of a split's scan.

        Args:
            split: the split.
            columns: wanted.
            n_keys_done: of a look-up, how many keys to leave out.
        """
        if split.share is None:
            return self._make(split, columns, (split.keys or ())[n_keys_done:])
        names = tuple(wire.name for wire in columns)
        plan = self._kept(self._plans, (split.query_bytes, names), lambda: self._make(split, columns, None))
        return plan.for_share(split.share)

    def _make(
        self, split: SetSplit, columns: Sequence[WireColumn], keys: tuple[int | str | bytes, ...] | None
    ) -> ScanPlan:
        query = split.query
        options = ScanOptions(
            workers=1,
            batch_rows=_BATCH_ROWS,
            batch_bytes=_BATCH_BYTES,
            buffered_bytes=self._buffered_bytes,
            records_per_second=query.rps,
            on_mismatch="error" if query.mismatch == "error" else "null",
        )
        return plan_access(
            self._connection,
            query.schema,
            query.access(self._connection, keys),
            columns=[wire.column.name for wire in columns],
            objects=query.objects,
            options=options,
        )

    def _kept(self, kept: OrderedDict[_K, _V], key: _K, make: Callable[[], _V]) -> _V:
        with self._lock:
            found = kept.get(key)
            if found is not None:
                kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            kept[key] = made
            while len(kept) > _KEPT_PLANS:
                kept.popitem(last=False)
        return made
