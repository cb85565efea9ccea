"""A sample of a set: whole random partitions, read over sockets of our own.

Digests are hashes, so a run of neighbouring partitions is as random a part of the records as any, and one
request a node reads it. A few runs from random places guard against a node that is not there. Where a
single partition has more records than wanted, each is bounded.

The official client is not used here: one value that it cannot turn into Python (a string that is not UTF-8,
a map with a list for a key) fails its whole query, and an unsigned 64-bit integer in a list comes out of it
negative.
"""

from __future__ import annotations

import math
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aerospike_magic.connection.cluster import N_PARTITIONS, Node, PartitionMap
from aerospike_magic.errors import ConnectError, ServerError, WireError
from aerospike_magic.schema.infer import SampleRecord
from aerospike_magic.wire.message import FieldType, Info3, Message, iter_messages
from aerospike_magic.wire.particle import decode_particle
from aerospike_magic.wire.proto import Frame, FrameDecoder, ProtoType
from aerospike_magic.wire.query import encode_query_request
from aerospike_magic.wire.result import ResultCode, result_text

_RUNS = 8
# Expiry times on the wire count from here: 2010-01-01 UTC, in Unix seconds.
_CITRUSLEAF_EPOCH = 1_262_304_000
_RECEIVE_SIZE = 1 << 18
# A cluster takes a second or two to share out the partitions of a node that died.
_WAITS_S = (0.3, 1.0)
_PATIENCE_S = 5.0
# NOT_FOUND ends a query of an empty set on older servers; UNAVAILABLE names a partition that has just moved.
_GOES_ON = (ResultCode.OK, ResultCode.NOT_FOUND, ResultCode.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class PartitionRun:
    """Neighbouring partitions to read with one request.

    Attributes:
        begin: first partition, 0..4095.
        count: number of partitions.
        max_records: bound on the records of the run, 0 for none.
    """

    begin: int
    count: int
    max_records: int = 0

    @property
    def partitions(self) -> range:
        """The ids of the partitions."""
        return range(self.begin, self.begin + self.count)


def plan_sample(objects: int, sample_records: int, seed: int) -> list[PartitionRun]:
    """Choose the partitions to read.

    Args:
        objects: records in the set, as the servers count; 0 when unknown.
        sample_records: number of records wanted, at least 1.
        seed: the same seed chooses the same partitions.

    Returns:
        Runs that do not overlap and together hold about `sample_records` records, or all of them when the
        set is not larger than that.
    """
    if objects <= sample_records * 1.5:
        # The count may be behind (a set just loaded), so the bound stays.
        return [PartitionRun(0, N_PARTITIONS, 2 * sample_records)]
    per_partition = objects / N_PARTITIONS
    wanted = sample_records / per_partition
    runs = min(_RUNS, max(1, round(wanted)))
    count = max(1, math.ceil(wanted / runs))
    slot = N_PARTITIONS // runs
    chooser = random.Random(seed)
    starts = [i * slot + chooser.randrange(slot - count + 1) for i in range(runs)]
    bound = 0 if count > 1 else math.ceil(2 * sample_records / runs)
    order = [PartitionRun(start, count, bound) for start in starts]
    chooser.shuffle(order)
    return order


def read_sample(
    open_socket: Callable[[Node], socket.socket],
    find_map: Callable[[], PartitionMap],
    set_name: str,
    runs: Sequence[PartitionRun],
    sample_records: int,
    filter_expression: bytes | None = None,
) -> tuple[list[SampleRecord], int]:
    """Read runs, one after another, until there are enough records; from the start again if a node goes away.

    Args:
        open_socket: opens a socket to a node, login done.
        find_map: asks for the namespace's partition map.
        set_name: the set.
        runs: from `plan_sample`.
        sample_records: stop after the run that brings this many.
        filter_expression: of the records to read, in its wire form; None for all.

    Returns:
        (records, number of partitions read). Partitions that no node can serve now are not read.

    Raises:
        ServerError: a node refused the query.
        ConnectError: a node stopped answering.
    """
    patience_ends = time.monotonic() + _PATIENCE_S
    for wait_s in _WAITS_S:
        try:
            return _read_runs(open_socket, find_map(), set_name, runs, sample_records, filter_expression)
        except ConnectError as error:
            if error.is_lasting or time.monotonic() + wait_s > patience_ends:
                raise
        time.sleep(wait_s)
    return _read_runs(open_socket, find_map(), set_name, runs, sample_records, filter_expression)


def _read_runs(
    open_socket: Callable[[Node], socket.socket],
    partition_map: PartitionMap,
    set_name: str,
    runs: Sequence[PartitionRun],
    sample_records: int,
    filter_expression: bytes | None,
) -> tuple[list[SampleRecord], int]:
    sockets: dict[Node, socket.socket] = {}
    records: list[SampleRecord] = []
    n_partitions = 0
    try:
        for run in runs:
            for node in partition_map.nodes:
                partitions = [p for p in partition_map.partitions_of(node).tolist() if p in run.partitions]
                if not partitions:
                    continue
                if node not in sockets:
                    sockets[node] = open_socket(node)
                request = encode_query_request(
                    partition_map.namespace,
                    set_name,
                    partitions=partitions,
                    max_records=run.max_records,
                    filter_expression=filter_expression,
                    task_id=secrets.randbits(63),
                )
                records += _read_records(sockets[node], request, node)
                n_partitions += len(partitions)
            if len(records) >= sample_records:
                break
    finally:
        for opened in sockets.values():
            opened.close()
    return records, n_partitions


def _read_records(sock: socket.socket, request: bytes, node: Node) -> Iterator[SampleRecord]:
    for message in _read_messages(sock, request, node):
        if message.result_code not in _GOES_ON:
            raise ServerError(
                f"the sample was refused: {result_text(message.result_code)}",
                code=message.result_code,
                node=str(node),
            )
        if message.is_last:
            return
        if not message.info3 & Info3.PARTITION_DONE and message.result_code == ResultCode.OK:
            yield _to_record(message)


def _read_messages(sock: socket.socket, request: bytes, node: Node) -> Iterator[Message]:
    decoder = FrameDecoder()
    try:
        sock.sendall(request)
        while True:
            piece = sock.recv(_RECEIVE_SIZE)
            if not piece:
                raise ConnectError("the node closed the connection while the set was sampled", node=str(node))
            decoder.feed(piece)
            for frame in decoder.frames():
                yield from _messages_of(frame, node)
    except OSError as error:
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        raise ConnectError(f"the set could not be sampled: {words}", node=str(node)) from error


def _messages_of(frame: Frame, node: Node) -> Iterator[Message]:
    if frame.type is not ProtoType.MESSAGE:
        raise WireError(f"a query was answered with a frame of type {frame.type.name}", node=str(node))
    return iter_messages(frame.body)


def _to_record(message: Message) -> SampleRecord:
    # One value that nobody can read must not hide the set; the scan counts it as a mismatch.
    bins = {}
    for op in message.ops:
        with suppress(WireError):
            bins[op.name] = decode_particle(op.particle_type, op.data)
    stored = message.field(FieldType.KEY)
    key = None
    if stored:
        with suppress(WireError):
            key = decode_particle(stored[0], stored[1:])
    expiry = message.record_ttl
    return SampleRecord(
        key=key,
        digest=message.field(FieldType.DIGEST) or b"",
        generation=message.generation,
        ttl=-1 if expiry == 0 else max(0, expiry + _CITRUSLEAF_EPOCH - int(time.time())),
        bins=bins,
    )
