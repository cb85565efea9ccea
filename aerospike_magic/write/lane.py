"""One lane: a thread that writes the rows of its share of the partitions, in their order.

A row's partition decides its lane, so that two rows with one key are written one after the other, the later one last,
also when the first had to be tried again. Within a request a server may work on rows in any order; rows with a key that
came before in the same batch are therefore sent in a later request.

What a passing trouble refused is sent again, to whoever owns the partition by then. A request without an answer may
have been carried out: its rows are marked as doubted, and are looked up when the server then says that the record is
not as they expect it.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aerospike_magic.connection import Connection, Node
from aerospike_magic.errors import AerospikeMagicError, ConnectError, ServerError, WireError
from aerospike_magic.wire.proto import HEADER_SIZE, ProtoType, decode_header
from aerospike_magic.wire.result import ResultCode, result_text
from aerospike_magic.write import kernels
from aerospike_magic.write.cluster import Owners, Throttle
from aerospike_magic.write.doubt import settle_doubts
from aerospike_magic.write.prepared import NO_ANSWER, NO_OWNER, PENDING, UNREACHABLE, Ints, PreparedBatch

# Refusals that pass: another node, or the same one a little later, will take the row.
_PASSING = (
    PENDING,
    NO_ANSWER,
    NO_OWNER,
    ResultCode.TIMEOUT,
    ResultCode.KEY_BUSY,
    ResultCode.DEVICE_OVERLOAD,
    ResultCode.UNAVAILABLE,
    ResultCode.CLUSTER_KEY_MISMATCH,
    ResultCode.QUOTA_EXCEEDED,
    ResultCode.BATCH_QUEUES_FULL,
)
# Of a batch as a whole: after these a new socket, or a smaller or later batch, can help.
_LOGIN_AGAIN = (ResultCode.EXPIRED_SESSION, ResultCode.NOT_AUTHENTICATED)
_IN_DOUBT = (NO_ANSWER, ResultCode.TIMEOUT)
_REFUSED_BY_STATE = (ResultCode.GENERATION, ResultCode.RECORD_EXISTS)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0
_MAP_TIMEOUT_S = 2.0
_ANSWER_BYTES = 128 << 10


@dataclass(frozen=True)
class LaneSettings:
    """How lanes work.

    Attributes:
        rows_per_request: most rows of a request.
        bytes_per_request: most bytes, unless one row has more.
        timeout_s: longest silence of a node.
        give_up_s: how long rows are tried again without any of them succeeding.
    """

    rows_per_request: int = 1_000
    bytes_per_request: int = 1 << 20
    timeout_s: float = 10.0
    give_up_s: float = 30.0


class Job:
    """A prepared batch on its way through the lanes.

    Args:
        prepared: the rows.
        n_lanes: how many lanes have to work on it.
    """

    def __init__(self, prepared: PreparedBatch, n_lanes: int) -> None:
        self.prepared = prepared
        self._left = n_lanes
        self._lock = threading.Lock()

    def done(self) -> bool:
        """Note that a lane has finished with it; returns whether all have."""
        with self._lock:
            self._left -= 1
            return self._left == 0


class Lane(threading.Thread):
    """Writes the rows of the partitions p with p modulo `n_lanes` = `number`.

    Args:
        connection: opens the sockets.
        owners, throttle: shared with the other lanes.
        stopping: set when no further request is to be sent.
        on_done: takes each job when this lane has finished with it.
        on_error: takes the error that ends the write.
    """

    def __init__(
        self,
        connection: Connection,
        number: int,
        n_lanes: int,
        *,
        settings: LaneSettings,
        owners: Owners,
        throttle: Throttle,
        stopping: threading.Event,
        on_done: Callable[[Job], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name=f"aerospike-write-{number}", daemon=True)
        self.jobs: queue.Queue[Job | None] = queue.Queue()
        self.written = 0
        self.retries = 0
        self.n_bytes = 0
        self._connection = connection
        self._number = number
        self._n_lanes = n_lanes
        self._settings = settings
        self._owners = owners
        self._throttle = throttle
        self._stopping = stopping
        self._on_done = on_done
        self._on_error = on_error
        self._rows_per_request = settings.rows_per_request
        self._sockets: dict[str, socket.socket] = {}
        self._hopeless: set[str] = set()
        self._request = np.empty(0, np.uint8)
        self._answer = bytearray(_ANSWER_BYTES)

    def interrupt(self) -> None:
        """Wake a blocked send or receive; what was sent and is not answered stays in doubt."""
        for connected in list(self._sockets.values()):
            _shut_down(connected)

    def run(self) -> None:
        """Work until None comes; every error goes to `on_error`, nothing escapes."""
        try:
            while (job := self.jobs.get()) is not None:
                try:
                    if not self._stopping.is_set():
                        self._write(job.prepared)
                except BaseException as error:
                    self._on_error(error)
                finally:
                    self._on_done(job)
        finally:
            for connected in self._sockets.values():
                connected.close()
            self._sockets.clear()

    def _write(self, prepared: PreparedBatch) -> None:
        own = (prepared.codes == PENDING) & (prepared.partitions % self._n_lanes == self._number)
        for rows in _rounds(prepared, np.flatnonzero(own)):
            if self._stopping.is_set():
                return
            self._write_round(prepared, rows)

    def _write_round(self, prepared: PreparedBatch, rows: Ints) -> None:
        """Write rows with different keys, again and again until each has an answer that is final."""
        wait_s = _FIRST_WAIT_S
        since = time.monotonic()
        todo = rows
        while True:
            failing = self._send_all(prepared, todo)
            codes = prepared.codes[todo]
            prepared.doubted[todo[np.isin(codes, _IN_DOUBT)]] = True
            again = todo[np.isin(codes, _PASSING)]
            if len(again) < len(todo):
                since, wait_s = time.monotonic(), _FIRST_WAIT_S
            if not len(again):
                break
            if self._stopping.is_set() or self._stopping.wait(0 if self._gives_up(failing, since) else wait_s):
                # Not finally refused: nothing will be said of those that were never sent.
                prepared.codes[again[~prepared.doubted[again]]] = PENDING
                return
            if self._gives_up(failing, since):
                self._hopeless |= failing
                prepared.codes[again[prepared.codes[again] == PENDING]] = UNREACHABLE
                break
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            self._refresh_owners()
            self.retries += len(again)
            todo = again
        self._look_up(prepared, rows)

    def _gives_up(self, failing: set[str], since: float) -> bool:
        """Whether to try no more: too long without success, or none but nodes that have been given up already."""
        return (bool(failing) and failing <= self._hopeless) or time.monotonic() - since > self._settings.give_up_s

    def _send_all(self, prepared: PreparedBatch, rows: Ints) -> set[str]:
        """Send rows to their nodes once; returns the nodes that failed, "" for partitions without one."""
        owners, nodes = self._owners.of(prepared.partitions[rows])
        failing = set()
        for index in np.unique(owners):
            its_rows = rows[owners == index]
            if index < 0:
                prepared.codes[its_rows] = NO_OWNER
                failing.add("")
                continue
            node = nodes[index]
            try:
                self._send_to(prepared, node, its_rows)
                self._hopeless.discard(node.name)
            except (OSError, ConnectError) as error:
                self._drop_socket(node.name)
                if isinstance(error, ConnectError) and error.is_lasting:
                    raise
                failing.add(node.name)
            if self._stopping.is_set():
                break
        return failing

    def _send_to(self, prepared: PreparedBatch, node: Node, rows: Ints) -> None:
        start = 0
        while start < len(rows) and not self._stopping.is_set():
            most = self._throttle.most_rows(self._rows_per_request)
            part = next(prepared.cut(rows[start:], most, self._settings.bytes_per_request))
            self._throttle.wait(len(part))
            if self._stopping.is_set():
                return
            code = self._exchange(prepared, node, part)
            if code == ResultCode.BATCH_MAX_REQUESTS and self._rows_per_request > 1:
                self._rows_per_request = max(1, min(self._rows_per_request, len(part)) // 2)
                continue
            start += len(part)
            if code in _LOGIN_AGAIN:
                self._drop_socket(node.name)
            elif code != ResultCode.OK and code not in _PASSING:
                raise ServerError(
                    f"the server refused a batch of writes: {result_text(code)}", code=code, node=str(node)
                )

    def _exchange(self, prepared: PreparedBatch, node: Node, rows: Ints) -> int:
        """Send one request and take its answer into `prepared.codes`; returns the code of the batch as a whole."""
        connected = self._connected(node)
        size = prepared.request_size(rows)
        if size > len(self._request):
            self._request = np.empty(size + size // 4, np.uint8)
        n_bytes = prepared.request(rows, self._request)
        # From here on, and until it is answered, nobody knows what became of the rows.
        codes = np.full(len(rows), NO_ANSWER, np.int64)
        last = np.zeros(1, np.int64)
        try:
            connected.sendall(self._request[:n_bytes].data)
            self.n_bytes += n_bytes
            state = kernels.MORE
            while state == kernels.MORE:
                body = self._receive_frame(connected, node)
                state = kernels.read_answers(
                    body.ctypes.data, len(body), codes.ctypes.data, len(rows), last.ctypes.data
                )
            if state == kernels.MALFORMED:
                self._drop_socket(node.name)
                raise WireError("the answer to a batch of writes is not the protocol", node=str(node))
        finally:
            code = int(last[0])
            # A batch refused as a whole was not begun, unless it timed out.
            if code not in (ResultCode.OK, ResultCode.TIMEOUT):
                codes[codes == NO_ANSWER] = PENDING
            prepared.codes[rows] = codes
            self.written += int(np.count_nonzero(codes == ResultCode.OK))
        return code

    def _receive_frame(self, connected: socket.socket, node: Node) -> npt.NDArray[np.uint8]:
        kind, size = decode_header(bytes(self._receive(connected, HEADER_SIZE, node)))
        if kind is not ProtoType.MESSAGE:
            raise WireError(f"the answer to a batch of writes is of type {kind.name}", node=str(node))
        return np.frombuffer(self._receive(connected, size, node), np.uint8)

    def _receive(self, connected: socket.socket, size: int, node: Node) -> memoryview:
        if size > len(self._answer):
            self._answer = bytearray(size)
        view = memoryview(self._answer)[:size]
        at = 0
        while at < size:
            n_bytes = connected.recv_into(view[at:])
            if n_bytes == 0:
                raise ConnectError("the node closed the connection", node=str(node))
            at += n_bytes
        return view

    def _look_up(self, prepared: PreparedBatch, rows: Ints) -> None:
        """See whether rows that were refused for the state of their record had themselves brought it about."""
        refused = np.isin(prepared.codes[rows], _REFUSED_BY_STATE)
        if not prepared.target.options.may_repeat:
            refused &= prepared.doubted[rows]
        asked = rows[refused]
        if len(asked):
            # Whatever the look-up says, these were sent, by this run or the one before.
            prepared.doubted[asked] = True
            self.written += settle_doubts(self._connection, prepared, asked)

    def _refresh_owners(self) -> None:
        try:
            self._owners.refresh(_MAP_TIMEOUT_S)
        except AerospikeMagicError:
            # Nobody answers now; the map that there is serves until somebody does, or the rows are given up.
            return

    def _connected(self, node: Node) -> socket.socket:
        connected = self._sockets.get(node.name)
        if connected is None:
            connected = self._connection.open_socket(node, self._settings.timeout_s)
            self._sockets[node.name] = connected
            if self._stopping.is_set():
                _shut_down(connected)
        return connected

    def _drop_socket(self, name: str) -> None:
        connected = self._sockets.pop(name, None)
        if connected is not None:
            connected.close()


def _rounds(prepared: PreparedBatch, rows: Ints) -> Iterator[Ints]:
    """Yield the rows in groups without two of the same key, so that equal keys keep their order."""
    if not len(rows):
        return
    prefix = np.ascontiguousarray(prepared.digests[rows, :8]).view(np.uint64).ravel()
    order = np.argsort(prefix, kind="stable")
    sorted_prefix = prefix[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_prefix[1:] != sorted_prefix[:-1])))
    if len(starts) == len(rows):
        yield rows
        return
    lengths = np.diff(np.append(starts, len(rows)))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, lengths)
    for turn in range(int(rank.max()) + 1):
        yield rows[rank == turn]


def _shut_down(connected: socket.socket) -> None:
    try:
        # An SSLSocket's own would make it a plain one, while its lane still reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        # Already closed by its lane, or never connected: nothing is left to wake.
        return
