"""Requests of one connection: tell record commands, batches and queries apart, run them, send what comes of it."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Sequence
from typing import TypeAlias

from aerospike_magic.devserver.background import BackgroundQuery
from aerospike_magic.devserver.evaluate import Expression
from aerospike_magic.devserver.faults import Faults
from aerospike_magic.devserver.instructions import ExpressionError
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.operations import Refused
from aerospike_magic.devserver.permissions import Permission
from aerospike_magic.devserver.plain_batch import find_plain_batch, put_plain_batch
from aerospike_magic.devserver.query import QueryRunner
from aerospike_magic.devserver.records import Answer, Command, Filter, run_command
from aerospike_magic.devserver.security import Guard
from aerospike_magic.devserver.store import partition_of
from aerospike_magic.errors import WireError
from aerospike_magic.wire.batch import BatchRow, decode_batch_request, encode_batch_last
from aerospike_magic.wire.digest import DIGEST_SIZE
from aerospike_magic.wire.message import (
    FieldType,
    Info1,
    Info2,
    Info3,
    Message,
    ResultCode,
    decode_message,
    encode_message,
)
from aerospike_magic.wire.proto import ProtoType, encode_proto
from aerospike_magic.wire.query import decode_query_request

log = logging.getLogger(__name__)

_BATCH_CHUNK = 128 << 10
_HEADER = struct.Struct(">BBBBBBIIIHH")


Form: TypeAlias = Message | BatchRow
"""A single request, or a row of a batch."""


class CommandRunner:
    """Runs the requests of one connection, one after another.

    Args:
        node: whose records.
        connection: where answers go.
        client: the peer, as `query-show` tells it.
        faults: the node's, for queries that are to be refused.
        guard: what the connection may do; None where everyone may do everything.
    """

    def __init__(
        self,
        node: Node,
        connection: socket.socket,
        client: str,
        faults: Faults | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._node = node
        self._guard = guard
        self._faults = faults
        self._socket = connection
        self._client = client

    def run(self, body: bytes) -> None:
        """Run one request.

        Raises:
            WireError: the bytes are no request.
            OSError: the answer could not be sent.
        """
        message, _ = decode_message(body)
        is_batch = message.field(FieldType.BATCH) is not None or message.field(FieldType.BATCH_WITH_SET) is not None
        if self._guard is not None and (code := self._guard.check()):
            self._refuse(code, last=is_batch)
        elif is_batch:
            self._run_batch(message)
        elif message.field(FieldType.DIGEST) is not None or message.field(FieldType.KEY) is not None:
            self._run_record(message)
        else:
            self._run_query(message)

    def _run_query(self, message: Message) -> None:
        if self._guard is not None and (code := self._guard.check(query_permission(message))):
            self._refuse(code)
            return
        if message.info2 or message.field(FieldType.UDF_OP) is not None:
            self._run_background(message)
            return
        try:
            request = decode_query_request(message)
        except WireError as error:
            log.warning("refused a query of %s: %s", self._client, error)
            self._refuse(ResultCode.PARAMETER)
            return
        refusal = self._faults.take_refusal() if self._faults is not None else None
        QueryRunner(self._node, request, self._socket, self._client, refusal).run()

    def _run_background(self, message: Message) -> None:
        try:
            query = BackgroundQuery(self._node, message, self._client)
        except Refused as refused:
            self._refuse(refused.code)
            return
        data = encode_proto(ProtoType.MESSAGE, encode_message(Message(info3=int(Info3.LAST))))
        query.job.sent_bytes = len(data)
        query.start()
        self._socket.sendall(data)

    def _run_record(self, message: Message) -> None:
        answer = self._record_answer(message, message.field(FieldType.DIGEST), None)
        self._socket.sendall(encode_proto(ProtoType.MESSAGE, encode_answer(answer)))

    def _record_answer(self, form: Form, digest: bytes | None, matches: Filter | None) -> Answer:
        namespace = self._node.namespaces.get(_text(form, FieldType.NAMESPACE))
        if namespace is None:
            return Answer(ResultCode.NAMESPACE)
        if self._guard is not None and (code := self._guard.check(record_permission(form.info1, form.info2))):
            return Answer(code)
        if digest is None or len(digest) != DIGEST_SIZE:
            return Answer(ResultCode.PARAMETER)
        for kind, code in _UNSUPPORTED.items():
            if _field(form, kind) is not None:
                log.warning("refused a request of %s: it has the field %s", self._client, kind.name)
                return Answer(code)
        try:
            own = compile_filter(_field(form, FieldType.FILTER_EXPRESSION))
        except Refused as refused:
            return Answer(refused.code)
        command = Command(
            _text(form, FieldType.SET),
            digest,
            form.info1,
            form.info2,
            form.info3,
            form.generation,
            form.record_ttl,
            _field(form, FieldType.KEY),
            form.ops,
            own or matches,
        )
        partition = partition_of(digest)
        if not self._node.membership.is_available(partition):
            return Answer(ResultCode.UNAVAILABLE)
        if form.info2:
            self._node.counters.writes += 1
        else:
            self._node.counters.reads += 1
        # A real node sends what is another one's over to that one; here the store is the same, but it is counted.
        if not (self._node.is_master(partition) if form.info2 else self._node.holds(partition)):
            self._node.counters.proxied += 1
        return run_command(namespace, command)

    def _run_batch(self, message: Message) -> None:
        self._node.counters.batches += 1
        field = message.field(FieldType.BATCH)
        plain = None
        if field is not None and message.field(FieldType.FILTER_EXPRESSION) is None:
            plain = find_plain_batch(field)
        namespace = self._node.namespaces.get(plain.namespace) if plain is not None else None
        may_write = self._guard is None or not self._guard.check(Permission.WRITE)
        if (
            plain is not None
            and namespace is not None
            and may_write
            and plain.largest_row <= namespace.max_record_size
            and self._node.membership.is_whole
        ):
            answers, left = put_plain_batch(namespace, plain)
            self._node.counters.writes += plain.n_rows - len(left)
            self._answer_rows(left, None, answers)
            return
        try:
            request = decode_batch_request(message)
            matches = compile_filter(request.filter_expression)
        except WireError as error:
            log.warning("refused a batch of %s: %s", self._client, error)
            self._refuse(ResultCode.PARAMETER, last=True)
        except Refused as refused:
            self._refuse(refused.code, last=True)
        else:
            self._answer_rows(request.rows, matches, b"")

    def _answer_rows(self, rows: Sequence[BatchRow], matches: Filter | None, answered: bytes) -> None:
        parts, size = [answered], len(answered)
        for row in rows:
            parts.append(encode_answer(self._record_answer(row, row.digest, matches), row.index))
            size += len(parts[-1])
            if size > _BATCH_CHUNK:
                self._socket.sendall(encode_proto(ProtoType.MESSAGE, b"".join(parts)))
                parts, size = [], 0
        last = encode_proto(ProtoType.MESSAGE, encode_batch_last())
        if size:
            last = encode_proto(ProtoType.MESSAGE, b"".join(parts)) + last
        self._socket.sendall(last)

    def _refuse(self, code: int, *, last: bool = False) -> None:
        message = Message(info3=int(Info3.LAST) if last else 0, result_code=code)
        self._socket.sendall(encode_proto(ProtoType.MESSAGE, encode_message(message)))


_UNSUPPORTED = {
    FieldType.MRT_ID: ResultCode.ENTERPRISE_ONLY,
    FieldType.UDF_FILENAME: ResultCode.UNSUPPORTED_FEATURE,
}
"""Fields of transactions and of functions on records: what is answered to whoever sends them."""


def query_permission(message: Message) -> Permission:
    """What a query needs."""
    if message.field(FieldType.UDF_OP) is not None:
        return Permission.UDF_QUERY
    return Permission.OPS_QUERY if message.info2 & Info2.WRITE else Permission.QUERY


def record_permission(info1: int, info2: int) -> Permission:
    """What a request for a record needs; a write that also reads needs both."""
    if not info2 & Info2.WRITE:
        return Permission.READ
    return Permission.WRITE | (Permission.READ if info1 & Info1.READ else Permission.NONE)


def _field(form: Form, kind: FieldType) -> bytes | None:
    return next((field.data for field in form.fields if field.type == kind), None)


def _text(form: Form, kind: FieldType) -> str:
    return (_field(form, kind) or b"").decode(errors="replace")


def encode_answer(answer: Answer, index: int = 0) -> bytes:
    """Encode an answer; `index` is its row in a batch."""
    return (
        _HEADER.pack(22, 0, 0, 0, 0, answer.code, answer.generation, answer.void_time, index, 0, answer.n_ops)
        + answer.ops
    )


def compile_filter(data: bytes | None) -> Filter | None:
    """Make a record filter of a wire expression.

    Raises:
        Refused: the expression is not one, or has a part that is not supported.
    """
    if data is None:
        return None
    try:
        return Expression(data).matches
    except ExpressionError as error:
        log.warning("refused a filter: %s", error)
        raise Refused(error.code) from None
