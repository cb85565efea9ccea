"""One worker: takes groups of partitions, asks their node, decodes the answer, hands the batches on.

A worker is a thread with a socket a node. Receiving and decoding both run without the GIL, and the kernel's socket
buffer fills while a chunk is decoded, so a few workers keep every core and the network busy.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom

from aerospike_magic.connection import Connection, Node
from aerospike_magic.errors import AerospikeMagicError, ConnectError, ScanTimeout, ServerError
from aerospike_magic.scan.decode import AnswerDecoder, ResumePoints, Step
from aerospike_magic.scan.jobs import JobCounts, ask_job
from aerospike_magic.scan.position import Marks
from aerospike_magic.scan.tracker import Group, PartitionTracker
from aerospike_magic.wire.message import ResultCode, result_text

# Refusals that pass: another node, or the same one a little later, will serve the partitions.
_PASSING = frozenset(
    (
        ResultCode.CLUSTER_KEY_MISMATCH,
        ResultCode.TIMEOUT,
        ResultCode.UNAVAILABLE,
        ResultCode.KEY_BUSY,
        ResultCode.DEVICE_OVERLOAD,
        ResultCode.EXPIRED_SESSION,
        ResultCode.QUOTA_EXCEEDED,
        210,  # a queue of queries is full (as_query_manager_start_job)
    )
)
_RECEIVE_BUFFER_BYTES = 4 << 20
_QUESTION = "?"
_QUESTION_TIMEOUT_S = 2.0
_random = SystemRandom()


@dataclass
class ScanPass:
    """One way over the partitions: what is asked, what is still to do, and where each partition stands.

    Attributes:
        tracker: the partitions.
        request: (partitions, resume points, task id) → the bytes of a request.
        counted: whether to ask the node, after each answer, how many records it looked at.
        resume: the last record read of each partition.
        on_omitted: takes partitions where the node passed over records that had none of the bins asked for.
    """

    tracker: PartitionTracker
    request: Callable[[tuple[int, ...], ResumePoints, int], bytes]
    counted: bool
    resume: ResumePoints = field(default_factory=ResumePoints)
    on_omitted: Callable[[tuple[int, ...]], None] | None = None


@dataclass(frozen=True)
class RunningJob:
    """A query that a node is running for us; named so that it can be aborted."""

    node: Node
    task_id: int


class Worker(threading.Thread):
    """Run until the passes have no more groups, or until stopped.

    Args:
        connection: opens the sockets.
        passes: worked through in order; the next begins when all workers have finished the one before.
        decoder: this worker's own.
        timeout_s: longest silence of a node.
        on_error: takes the error that ends the scan.
        on_end: called when the thread ends, however it ends.
        marks: takes what there is to say with this worker's next piece; None where nobody keeps a position.
        on_marks: called when there is something to say and no row to say it with.
    """

    def __init__(
        self,
        connection: Connection,
        passes: tuple[ScanPass, ...],
        decoder: AnswerDecoder,
        *,
        timeout_s: float,
        on_error: Callable[[BaseException], None],
        on_end: Callable[[], None],
        name: str,
        marks: Marks | None = None,
        on_marks: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._connection = connection
        self._passes = passes
        self.decoder = decoder
        self._timeout_s = timeout_s
        self._on_error = on_error
        self._on_end = on_end
        self._marks = marks
        self._on_marks = on_marks
        self._sockets: dict[str, socket.socket] = {}
        self._stopping = threading.Event()
        self.job: RunningJob | None = None
        self.n_bytes = 0
        self.scanned = 0
        self.received = 0
        self.received_before_failures = 0
        self.records_by_node: dict[int, int] = {}
        self.bytes_by_node: dict[int, int] = {}

    def stop(self) -> None:
        """Make the thread end soon: its sockets are shut down, which wakes a blocked receive."""
        self._stopping.set()
        for connected in list(self._sockets.values()):
            _shut_down(connected)

    def run(self) -> None:
        """Work; every error goes to `on_error`, nothing escapes."""
        try:
            for number, scan_pass in enumerate(self._passes):
                if self._marks is not None and number:
                    # A piece has rows of one pass: only then do their digests say where that one stands.
                    self.decoder.flush()
                    self._marks.pass_number = number
                self._run_pass(scan_pass)
            if not self._stopping.is_set():
                self.decoder.flush()
        except BaseException as error:
            if not self._stopping.is_set():
                self._on_error(error)
        finally:
            for connected in self._sockets.values():
                connected.close()
            self._sockets.clear()
            self._on_end()

    def _run_pass(self, scan_pass: ScanPass) -> None:
        node_index = -1
        while not self._stopping.is_set():
            # Rows that were read do not wait for partitions in trouble.
            group = scan_pass.tracker.take(node_index, before_wait=self.decoder.flush)
            if group is None:
                return
            node_index = group.node_index
            before = self.decoder.n_records
            try:
                self._read_group(scan_pass, group)
            except (OSError, ConnectError, ScanTimeout, ServerError) as error:
                if self._stopping.is_set() or not _is_passing(error):
                    raise
                self._drop_socket(group.node.name)
                self.received_before_failures += self.decoder.n_records - before
                if scan_pass.on_omitted is not None:
                    # Records passed over before the cut lie behind the resume points: nobody would count them.
                    self._omit(scan_pass, group.partitions)
                if self._marks is not None:
                    # Another worker may go on in these partitions: its rows come after ours.
                    self.decoder.flush()
                scan_pass.tracker.fail(group, error, self.decoder.n_records > before)
            finally:
                self.job = None
                self._add(self.records_by_node, node_index, self.decoder.n_records - before)

    def _read_group(self, scan_pass: ScanPass, group: Group) -> None:
        connected = self._connected(group.node)
        task_id = _random.getrandbits(63) | 1
        self.job = RunningJob(group.node, task_id)
        records_before = self.decoder.n_records
        connected.sendall(scan_pass.request(group.partitions, scan_pass.resume, task_id))
        self.decoder.begin_answer()
        while True:
            n_bytes = self._receive(connected, group.node, task_id)
            self.n_bytes += n_bytes
            self._add(self.bytes_by_node, group.node_index, n_bytes)
            self.decoder.received(n_bytes)
            if self.decoder.step(scan_pass.resume) is Step.LAST:
                break
            if self._stopping.is_set():
                return
        answer = self.decoder.answer()
        if answer.result_code != ResultCode.OK:
            self._drop_socket(group.node.name)
            raise ServerError(
                f"the server refused a scan: {result_text(answer.result_code)}",
                code=answer.result_code,
                node=str(group.node),
            )
        received = self.decoder.n_records - records_before
        self.received += received
        if scan_pass.counted:
            self._compare_counts(scan_pass, group, connected, task_id, received)
        else:
            self.scanned += received
        reason = ServerError("partitions unavailable", code=ResultCode.UNAVAILABLE, node=str(group.node))
        if self._marks is not None:
            self._mark_done(group, answer.unavailable)
        scan_pass.tracker.finish(group, answer.unavailable, reason if answer.unavailable else None)

    def _mark_done(self, group: Group, unavailable: tuple[int, ...]) -> None:
        assert self._marks is not None
        self._marks.note([p for p in group.partitions if p not in unavailable])
        if unavailable:
            self.decoder.flush()
        if self._marks and not self.decoder.has_rows:
            self._on_marks()

    def _omit(self, scan_pass: ScanPass, partitions: tuple[int, ...]) -> None:
        """Have the second pass read partitions in which the node may have passed over records."""
        if scan_pass.on_omitted is not None:
            scan_pass.on_omitted(partitions)
        if self._marks is not None:
            self._marks.note(omitted=partitions)

    def _compare_counts(
        self, scan_pass: ScanPass, group: Group, connected: socket.socket, task_id: int, received: int
    ) -> None:
        """Ask what the node looked at; it leaves out, without a word, records that have none of the bins asked for."""
        counts = ask_job(connected, task_id)
        if counts is None:
            counts = JobCounts(succeeded=-1, filtered=0)
        self.scanned += max(counts.succeeded, received) + counts.filtered
        if scan_pass.on_omitted is not None and counts.succeeded != received:
            self._omit(scan_pass, group.partitions)

    def _receive(self, connected: socket.socket, node: Node, task_id: int) -> int:
        """Receive what is there, at least one byte. Silence is well while the node still runs our query."""
        while True:
            try:
                n_bytes = connected.recv_into(self.decoder.free_space())
            except TimeoutError:
                if self._stopping.is_set() or self._is_running(node, task_id):
                    continue
                raise ScanTimeout(
                    f"no byte for {self._timeout_s:g} s",
                    node=str(node),
                    hint="is the node overloaded or cut off? see timeout_s",
                ) from None
            if n_bytes == 0:
                raise ConnectError("the node closed the connection", node=str(node))
            return n_bytes

    def _is_running(self, node: Node, task_id: int) -> bool:
        """Whether the node, asked over another socket, still runs our query."""
        try:
            counts = ask_job(self._open(_QUESTION, node, min(self._timeout_s, _QUESTION_TIMEOUT_S)), task_id)
        except (AerospikeMagicError, OSError):
            return False
        finally:
            self._drop_socket(_QUESTION)
        return counts is not None and counts.is_active

    def _connected(self, node: Node) -> socket.socket:
        connected = self._sockets.get(node.name)
        if connected is None:
            connected = self._open(node.name, node, self._timeout_s)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        return connected

    def _open(self, name: str, node: Node, timeout_s: float) -> socket.socket:
        """Open a socket, under a name by which `stop` finds and wakes it."""
        connected = self._connection.open_socket(node, timeout_s)
        self._sockets[name] = connected
        if self._stopping.is_set():
            _shut_down(connected)
        return connected

    def _drop_socket(self, name: str) -> None:
        connected = self._sockets.pop(name, None)
        if connected is not None:
            connected.close()

    @staticmethod
    def _add(counts: dict[int, int], node_index: int, n: int) -> None:
        counts[node_index] = counts.get(node_index, 0) + n


def _is_passing(error: BaseException) -> bool:
    """Whether asking again, maybe elsewhere, can help."""
    if isinstance(error, ServerError):
        return error.code in _PASSING
    if isinstance(error, ConnectError):
        return not error.is_lasting
    return not isinstance(error, AerospikeMagicError) or isinstance(error, ScanTimeout)


def _shut_down(connected: socket.socket) -> None:
    try:
        # An SSLSocket's own would make it a plain one, while its worker still reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        # Already closed by its worker, or never connected: nothing is left to wake.
        return
