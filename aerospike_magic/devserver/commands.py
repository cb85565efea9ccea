"""Requests of one connection: tell record commands, batches and queries apart, run them, send what comes of it."""

from __future__ import annotations

import logging
import socket
import struct

from aerospike_magic.devserver.expression import ExpressionError, parse_expression
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.query import QueryRunner
from aerospike_magic.devserver.records import Answer, Command, Filter, Refused, run_command
from aerospike_magic.errors import WireError
from aerospike_magic.wire.message import (
    FieldType,

    Info3,
    Message,
    ResultCode,
    decode_message,
    encode_message,
)
from aerospike_magic.wire.proto import ProtoType, encode_proto
from aerospike_magic.wire.query import decode_query_request

log = logging.getLogger(__name__)

_HEADER = struct.Struct(">BBBBBBIIIHH")


class CommandRunner:
    """Runs the requests of one connection, one after another.

    Args:
        node: whose records.
        connection: where answers go.
        client: the peer, as `query-show` tells it.
    """

    def __init__(self, node: Node, connection: socket.socket, client: str) -> None:
        self._node = node
        self._socket = connection
        self._client = client

    def run(self, body: bytes) -> None:
        """Run one request.

        Raises:
            WireError: the bytes are no request.
            OSError: the answer could not be sent.
        """
        message, _ = decode_message(body)
        if message.field(FieldType.BATCH) is not None or message.field(FieldType.BATCH_WITH_SET) is not None:
            self._node.counters.batches += 1
            self._refuse(ResultCode.UNSUPPORTED_FEATURE, last=True)
        elif message.field(FieldType.DIGEST) is not None or message.field(FieldType.KEY) is not None:
            self._run_record(message)
        else:
            self._run_query(message)

    def _run_query(self, message: Message) -> None:
        try:
            request = decode_query_request(message)
        except WireError as error:
            log.warning("refused a query of %s: %s", self._client, error)
            self._refuse(ResultCode.PARAMETER)
            return
        QueryRunner(self._node, request, self._socket, self._client).run()

    def _run_record(self, message: Message) -> None:
        name = message.field(FieldType.NAMESPACE) or b""
        namespace = self._node.namespaces.get(name.decode(errors="replace"))
        if namespace is None:
            self._refuse(ResultCode.NAMESPACE)
            return
        digest = message.field(FieldType.DIGEST)
        if digest is None or len(digest) != 20:
            self._refuse(ResultCode.PARAMETER)
            return
        try:
            matches = compile_filter(message.field(FieldType.FILTER_EXPRESSION))
        except Refused as refused:
            self._refuse(refused.code)
            return
        command = Command(
            (message.field(FieldType.SET) or b"").decode(errors="replace"),
            digest,
            message.info1,
            message.info2,
            message.info3,
            message.generation,
            message.record_ttl,
            message.field(FieldType.KEY),
            message.ops,
            matches,
        )
        if message.info2:
            self._node.counters.writes += 1
        else:
            self._node.counters.reads += 1
        answer = run_command(namespace, command)
        self._socket.sendall(encode_proto(ProtoType.MESSAGE, encode_answer(answer)))

    def _refuse(self, code: int, *, last: bool = False) -> None:
        message = Message(info3=int(Info3.LAST) if last else 0, result_code=code)
        self._socket.sendall(encode_proto(ProtoType.MESSAGE, encode_message(message)))


def encode_answer(answer: Answer, index: int = 0) -> bytes:
    """Encode an answer; `index` is its row in a batch."""
    return (
        _HEADER.pack(
            22, 0, 0, 0, 0, answer.code, answer.generation, answer.void_time, index, 0, answer.n_ops
        )
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
        return parse_expression(data).matches
    except ExpressionError as error:
        log.warning("refused a filter: %s", error)
        raise Refused(error.code) from None


