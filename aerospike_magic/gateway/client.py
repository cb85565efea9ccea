"""A client of a gateway, itself a `Service`: for tests, and to find out whether a gateway answers.

Calls may be made from several threads at once; each waits for its own reply, in whatever order they come.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from aerospike_magic.errors import ConnectError, WireError
from aerospike_magic.gateway import structures as s
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.blocks import Parts
from aerospike_magic.gateway.calls import METHODS, read_result, write_arguments
from aerospike_magic.gateway.messages import Page, SplitBatch, TableMetadata, TableName, TupleDomain
from aerospike_magic.gateway.thrift import Kind, Message, Type

EVERYTHING = TupleDomain({})


class GatewayClient:
    """A connection to a gateway.

    Args:
        host, port: where it listens.
        flavor: whose names the methods have, "trino" or "presto".
        context: for TLS; None for clear text.
        server_hostname: the name in the gateway's certificate; `host` by default.
        types: of the columns that constraints name, beyond those of tables whose metadata was asked for.
        timeout_s: seconds for connecting and for a reply.

    Raises:
        ConnectError: nothing answers there, or TLS fails.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        flavor: str = "trino",
        context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        types: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._flavor = flavor
        self._timeout_s = timeout_s
        self._types = dict(types or {})
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
            if context is not None:
                self._socket = context.wrap_socket(self._socket, server_hostname=server_hostname or host)
        except OSError as error:
            said = getattr(error, "reason", None) or error.strerror or str(error)
            raise ConnectError(f"no gateway can be reached at {host}:{port}: {said.lower()}") from None
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Message]] = {}
        self._n_calls = 0
        self._turn = threading.Lock()

    def call(self, name: str, *arguments: tuple[Type, bytes | Parts]) -> Any:
        """Call a method.

        Args:
            name: without its first word, `GetRows`.
            arguments: type and bytes of each, in their order.

        Raises:
            ServiceError: the gateway says that it failed.
            ApplicationError: the gateway does not understand the call.
            ConnectError: the connection is lost.
        """
        full = self._flavor + name
        reply = self._result_of(self.send(full, write_arguments(*arguments)))
        if reply.kind is Kind.EXCEPTION:
            raise thrift.read_exception(reply.body)
        if reply.kind is not Kind.REPLY or reply.name != full:
            raise WireError(f"a {reply.kind.name} to {reply.name} came for {full}")
        return read_result(METHODS[full], reply.body)

    def send(self, name: str, body: Parts) -> Future[Message]:
        """Send a call and return at once; `take` reads replies until this one's is there."""
        with self._lock:
            self._n_calls += 1
            sequence = self._n_calls
            reply: Future[Message] = Future()
            self._waiting[sequence] = reply
            frame = b"".join(thrift.frame_message(Kind.CALL, name, sequence, body))
            try:
                self._socket.sendall(frame)
            except OSError as error:
                raise ConnectError(f"the gateway has hung up: {error.strerror or error}") from None
        return reply

    def take(self) -> Message:
        """Read the next reply, whosever it is."""
        size = thrift.frame_size(self._receive(thrift.HEADER_SIZE))
        if size < 0:
            raise WireError(f"a frame of {size} bytes")
        reply = thrift.read_message(self._receive(size))
        with self._lock:
            waiting = self._waiting.pop(reply.sequence, None)
        if waiting is None:
            raise WireError(f"a reply to call {reply.sequence}, which nobody has made")
        waiting.set_result(reply)
        return reply

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def list_schemas(self) -> Sequence[str]:
        """Return the names of the schemas."""
        return self.call("ListSchemaNames")

    def list_tables(self, schema: str | None) -> Sequence[TableName]:
        """Return the tables of a schema, or of all."""
        return self.call("ListTables", (Type.STRUCT, s.write_nullable_text(schema)))

    def table_metadata(self, table: TableName) -> TableMetadata | None:
        """Describe a table; None if there is none of that name."""
        found: TableMetadata | None = self.call("GetTableMetadata", (Type.STRUCT, s.write_table_name(table)))
        if found is not None:
            self._types |= {column.name: column.type for column in found.columns}
        return found

    def splits(
        self,
        table: TableName,
        columns: frozenset[str] | None = None,
        constraint: TupleDomain = EVERYTHING,
        max_count: int = 1000,
        token: bytes | None = None,
    ) -> SplitBatch:
        """Divide a table."""
        return self.call(
            "GetSplits",
            (Type.STRUCT, s.write_table_name(table)),
            (Type.STRUCT, s.write_column_set(columns)),
            (Type.STRUCT, s.write_constraint(constraint, self._types)),
            (Type.I32, thrift.i32(max_count)),
            (Type.STRUCT, s.write_token(token)),
        )

    def index_splits(
        self,
        table: TableName,
        index_columns: Sequence[str],
        output_columns: Sequence[str],
        keys: Sequence[Sequence[object]],
        constraint: TupleDomain = EVERYTHING,
        max_count: int = 1000,
        token: bytes | None = None,
    ) -> SplitBatch:
        """Return splits of the rows whose `index_columns` equal one of the keys."""
        return self.call(
            "GetIndexSplits",
            (Type.STRUCT, s.write_table_name(table)),
            (Type.LIST, s.write_texts(index_columns)),
            (Type.LIST, s.write_texts(output_columns)),
            (Type.STRUCT, s.write_keys(keys, [self._types[name] for name in index_columns])),
            (Type.STRUCT, s.write_constraint(constraint, self._types)),
            (Type.I32, thrift.i32(max_count)),
            (Type.STRUCT, s.write_token(token)),
        )

    def rows(
        self, split_id: bytes, columns: Sequence[str], max_bytes: int = 1 << 20, token: bytes | None = None
    ) -> Page:
        """Return a page of a split."""
        return self.call(
            "GetRows",
            (Type.STRUCT, s.write_id(split_id)),
            (Type.LIST, s.write_texts(columns)),
            (Type.I64, thrift.i64(max_bytes)),
            (Type.STRUCT, s.write_token(token)),
        )

    def _result_of(self, reply: Future[Message]) -> Message:
        """Wait for a reply, reading those of other threads while it is our turn."""
        while not reply.done():
            with self._turn:
                if not reply.done():
                    self.take()
        return reply.result()

    def _receive(self, size: int) -> bytearray:
        received = bytearray(size)
        free = memoryview(received)
        while free:
            try:
                n_bytes = self._socket.recv_into(free)
            except TimeoutError:
                raise ConnectError(f"the gateway did not answer within {self._timeout_s:g} s") from None
            except OSError as error:
                raise ConnectError(f"the gateway has hung up: {error.strerror or error}") from None
            if not n_bytes:
                raise ConnectError("the gateway has hung up")
            free = free[n_bytes:]
        return received

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
