"""Queries: walk partitions or an index, filter, and stream the records out.

Records go through in runs of a few thousand offsets: kernels pick those of the set, the filter shortens the list, a
kernel writes the messages into one buffer, which is sent when full. Nothing is locked while that happens except for the
moment in which a partition's offsets are copied.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.arena import Arena
from aerospike_magic.devserver.evaluate import Expression
from aerospike_magic.devserver.faults import Refusal
from aerospike_magic.devserver.instructions import ExpressionError
from aerospike_magic.devserver.jobs import QueryJob
from aerospike_magic.devserver.kernels.scan import select_records, write_parts, write_whole
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.program import Matcher, make_matcher
from aerospike_magic.devserver.sindex import SecondaryIndex
from aerospike_magic.devserver.store import Namespace, concatenate, now_s, partition_of
from aerospike_magic.wire.message import Info3, Message, ResultCode, encode_message
from aerospike_magic.wire.proto import HEADER_SIZE, ProtoType, encode_proto
from aerospike_magic.wire.query import QueryRequest

log = logging.getLogger(__name__)

RUN = 4096
"""Records looked at in one go: their bytes stay in the cache between the passes."""

CHUNK = 256 << 10
"""Bytes of a response sent in one go."""

_NO_VALUES = np.empty(0, np.int64)
Offsets = npt.NDArray[np.int64]


class Stopped(Exception):
    """The query ends early with a result code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Batch:
    """Records of some partitions: offsets in order, the arena they lie in, and their index values if any."""

    arena: Arena
    offsets: Offsets
    values: Offsets
    n_partitions: int


class QueryRunner:
    """Runs one query and writes its answer to a socket.

    Args:
        node: whose records.
        request: what is asked for.
        connection: where the answer goes; its time-out is set for sending.
        client: the peer, as `query-show` tells it.
        refusal: how a test wants it to end; None for as it comes.
    """

    def __init__(
        self,
        node: Node,
        request: QueryRequest,
        connection: socket.socket,
        client: str,
        refusal: Refusal | None = None,
    ) -> None:
        self._node = node
        self._refusal = refusal
        self._request = request
        self._socket = connection
        self.job = QueryJob(
            request.task_id,
            request.namespace,
            request.set_name,
            len(request.partitions),
            len(request.digests),
            request.records_per_second,
            client,
            request.socket_timeout_ms,
        )
        self._out = np.empty(CHUNK + HEADER_SIZE, np.uint8)
        self._at = HEADER_SIZE
        self._left = request.max_records or 1 << 62
        names = [name.encode() for name in dict.fromkeys(request.bins or ())]
        self._names = np.frombuffer(b"".join(names), np.uint8)
        self._name_ends = np.cumsum([len(name) for name in names], dtype=np.int64)
        self._whole = not names and not request.no_bin_data and request.index_range is None

    def run(self) -> None:
        """Run the query to its end and send the last message.

        Raises:
            OSError: the client went away or did not read in time.
        """
        code = 0
        try:
            if self._refusal is not None and not self._refusal.late:
                raise Stopped(self._refusal.code)
            namespace, set_id, matcher, index = self._prepare()
        except Stopped as stopped:
            self._send_last(stopped.code)
            return
        jobs = self._node.queries
        jobs.start(self.job)
        previous = self._socket.gettimeout()
        timeout_ms = self._request.socket_timeout_ms
        self._socket.settimeout(timeout_ms / 1000 if timeout_ms else None)
        try:
            for batch in self._batches(namespace, index):
                self._run_batch(namespace, batch, set_id, matcher)
                self.job.partitions_done += batch.n_partitions
                if not self._left:
                    break
            self._flush()
            if self._refusal is not None:
                code = self._refusal.code
        except Stopped as stopped:
            code = stopped.code
        except OSError:
            code = ResultCode.TIMEOUT
            raise
        finally:
            jobs.finish(self.job, code)
        self._send_last(code)
        self._socket.settimeout(previous)

    # -- what to read --

    def _prepare(self) -> tuple[Namespace, int, Matcher | None, SecondaryIndex | None]:
        request = self._request
        namespace = self._node.namespaces.get(request.namespace)
        if namespace is None:
            raise Stopped(ResultCode.NAMESPACE)
        set_id = -1
        if request.set_name:
            state = namespace.find_set(request.set_name)
            set_id = 0xFFFF if state is None else state.set_id
        matcher: Matcher | None = None
        if request.filter_expression is not None:
            matcher = self._matcher(request.filter_expression)
        index = None
        if request.index_range is not None:
            index = self._node.indexes[namespace.name].find(request.set_name, request.index_range)
            if index is None:
                raise Stopped(ResultCode.INDEX_NOT_FOUND)
            self.job.index_name = index.name
        return namespace, set_id, matcher, index

    def _matcher(self, filter_expression: bytes) -> Matcher:
        try:
            return make_matcher(Expression(filter_expression))
        except ExpressionError as error:
            log.warning("refused a filter: %s", error)
            raise Stopped(error.code) from None

    def _batches(self, namespace: Namespace, index: SecondaryIndex | None) -> Iterator[Batch]:
        request = self._request
        after = {partition_of(digest): digest for digest in request.digests}
        wanted = sorted({*after, *request.partitions})
        if index is not None:
            assert request.index_range is not None
            bvals = {partition_of(d): bval for d, bval in zip(request.digests, request.bvals, strict=False)}
            held = [partition for partition in wanted if self._holds(partition)]
            yield from self._index_batches(namespace, index, held, after, bvals)
            return
        parts: list[Offsets] = []
        with_arena = namespace.arena
        size = 0
        for partition in wanted:
            # Asked when its turn comes, as by a real node: partitions may move while a query runs.
            if not self._holds(partition):
                continue
            with namespace.lock:
                arena, offsets = namespace.arena, namespace.snapshot(partition, after.get(partition))
            if parts and (arena is not with_arena or size + len(offsets) > 4 * RUN or len(parts) >= 256):
                yield Batch(with_arena, concatenate(parts), _NO_VALUES, len(parts))
                parts, size = [], 0
            with_arena = arena
            parts.append(offsets)
            size += len(offsets)
        yield Batch(with_arena, concatenate(parts), _NO_VALUES, len(parts))

    def _index_batches(
        self,
        namespace: Namespace,
        index: SecondaryIndex,
        wanted: list[int],
        after: dict[int, bytes],
        bvals: dict[int, int],
    ) -> Iterator[Batch]:
        assert self._request.index_range is not None
        arena, offsets, values = index.lookup(namespace, self._request.index_range, wanted, after, bvals)
        for start in range(0, max(len(offsets), 1), RUN):
            end = min(start + RUN, len(offsets))
            done = len(wanted) if end == len(offsets) else 0
            yield Batch(arena, offsets[start:end], values[start:end], done)

    # -- one run of records --

    def _run_batch(self, namespace: Namespace, batch: Batch, set_id: int, matcher: Matcher | None) -> None:
        rate = self._request.records_per_second
        run = RUN if not rate else max(1, min(RUN, rate // 20))
        kept = np.empty(run, np.int64)
        for start in range(0, len(batch.offsets), run):
            if self.job.aborted:
                raise Stopped(ResultCode.QUERY_ABORT)
            stop = min(start + run, len(batch.offsets))
            arena = batch.arena
            if len(batch.values):
                picked, values = batch.offsets[start:stop], batch.values[start:stop]
                n = stop - start
            else:
                n = select_records(arena.bytes, arena.words16, batch.offsets, start, stop, set_id, now_s(), kept)
                picked, values = kept[:n], batch.values
            if matcher is not None and n:
                matched = matcher.select(namespace, arena, picked)
                if len(values):
                    values = values[np.isin(picked, matched)]
                self.job.filtered_bins += n - len(matched)
                picked = matched
            self._write(arena, picked, values)
            if not self._left:
                return
            if rate:
                self._throttle(rate, n)

    def _throttle(self, rate: int, n: int) -> None:
        job = self.job
        seen = job.succeeded + job.filtered_bins
        ahead = seen / rate - (time.monotonic() - job.started)
        if ahead > 0.001:
            job.throttled += n
            self._flush()
            time.sleep(ahead)

    def _write(self, arena: Arena, offsets: Offsets, values: Offsets) -> None:
        i = 0
        while i < len(offsets) and self._left:
            if self._whole:
                stop = min(len(offsets), i + self._left)
                done, end = write_whole(
                    arena.bytes, arena.words32, offsets, i, stop, self._out, self._at, len(self._out)
                )
                n = done - i
            else:
                done, end, n = write_parts(
                    arena.bytes,
                    arena.words32,
                    offsets,
                    values,
                    i,
                    len(offsets),
                    self._left,
                    self._request.no_bin_data,
                    self._names,
                    self._name_ends,
                    self._out,
                    self._at,
                    len(self._out),
                )
            self._left -= n
            # Records with none of the bins asked for are passed over, yet a server counts them as succeeded.
            self.job.succeeded += done - i
            empty = self._at == HEADER_SIZE
            self._at = end
            if done < len(offsets) and self._left:
                if done == i and empty:
                    self._make_room(arena, int(offsets[done]))
                else:
                    self._flush()
            i = done

    def _make_room(self, arena: Arena, offset: int) -> None:
        size = int(arena.words32[(offset >> 2) + 1]) + 64
        self._out = np.empty(HEADER_SIZE + size, np.uint8)

    # -- sending --

    def _flush(self) -> None:
        body = self._at - HEADER_SIZE
        if not body:
            return
        self._out[:HEADER_SIZE] = np.frombuffer(bytes((2, ProtoType.MESSAGE)) + body.to_bytes(6, "big"), np.uint8)
        started = time.monotonic()
        self._socket.sendall(self._out[: self._at].data)
        self.job.sending_s += time.monotonic() - started
        self.job.sent_bytes += self._at
        self._at = HEADER_SIZE

    def _send(self, message: Message) -> None:
        data = encode_proto(ProtoType.MESSAGE, encode_message(message))
        self._socket.sendall(data)
        self.job.sent_bytes += len(data)

    def _send_last(self, code: int) -> None:
        # A refusal carries no LAST flag on a real server; only a query that was started ends with one.
        self._send(Message(info3=int(Info3.LAST) if self.job.ended else 0, result_code=code))

    def _holds(self, partition: int) -> bool:
        """Whether the node can read a partition; says so to the client if not."""
        if self._node.holds(partition):
            return True
        done = Message(info3=int(Info3.PARTITION_DONE), result_code=ResultCode.UNAVAILABLE, generation=partition)
        data = encode_message(done)
        if self._at + len(data) > len(self._out):
            self._flush()
        end = self._at + len(data)
        self._out[self._at : end] = np.frombuffer(data, np.uint8)
        self._at = end
        return False
