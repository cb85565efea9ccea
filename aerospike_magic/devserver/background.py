"""Background queries: operations on every record of a set or an index range, with nothing sent back.

The client is answered at once; the query runs on in a thread of its own and shows in `query-show`.

Source: Aerospike server, as/src/query/query.c (`ops_bg_query_job_start`).
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Iterator

from aerospike_magic.devserver.directory import N_PARTITIONS
from aerospike_magic.devserver.evaluate import Expression
from aerospike_magic.devserver.instructions import ExpressionError
from aerospike_magic.devserver.jobs import QueryJob
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.operations import WRITES, Refused
from aerospike_magic.devserver.records import Command, Filter, run_command
from aerospike_magic.devserver.sindex import SecondaryIndex
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.errors import WireError
from aerospike_magic.wire.digest import DIGEST_SIZE
from aerospike_magic.wire.message import FieldType, Info3, Message, ResultCode
from aerospike_magic.wire.query import QueryRequest, decode_query_request

log = logging.getLogger(__name__)

_UNKNOWN = 1
"""The result code of an error of this server's own."""

DEFAULT_RECORDS_PER_SECOND = 10_000
"""What a real server takes where the client says nothing. It is only shown here, nothing is throttled."""


class BackgroundQuery:
    """Runs operations on the records that a query finds.

    Args:
        node: whose records.
        message: the request.
        client: the peer, as `query-show` tells it.

    Raises:
        Refused: the request is wrong, or asks for what this server does not have.
    """

    def __init__(self, node: Node, message: Message, client: str) -> None:
        self._node = node
        self._message = message
        self._request = self._decode(message)
        namespace = node.namespaces.get(self._request.namespace)
        if namespace is None:
            raise Refused(ResultCode.NAMESPACE)
        self._namespace: Namespace = namespace
        self._check_operations()
        self._matches = self._filter()
        self._index = self._find_index()
        request = self._request
        self.job = QueryJob(
            request.task_id,
            request.namespace,
            request.set_name,
            len(request.partitions),
            0,
            request.records_per_second or DEFAULT_RECORDS_PER_SECOND,
            client,
            request.socket_timeout_ms,
            self._index.name if self._index else "",
            is_background=True,
        )

    def start(self) -> None:
        """Start the query's thread."""
        self._node.queries.start(self.job)
        threading.Thread(target=self._run, name="background-query", daemon=True).start()

    def _decode(self, message: Message) -> QueryRequest:
        if message.field(FieldType.UDF_OP) is not None:
            log.warning("refused: user-defined functions are not supported yet")
            raise Refused(ResultCode.UNSUPPORTED_FEATURE)
        try:
            return decode_query_request(dataclasses.replace(message, info2=0, ops=()))
        except WireError as error:
            log.warning("refused a background query: %s", error)
            raise Refused(ResultCode.PARAMETER) from None

    def _check_operations(self) -> None:
        if not self._message.ops:
            raise Refused(ResultCode.PARAMETER)
        for op in self._message.ops:
            if op.type not in WRITES:
                log.warning("refused: operation type %d in a background query", op.type)
                raise Refused(ResultCode.UNSUPPORTED_FEATURE)

    def _filter(self) -> Filter | None:
        data = self._request.filter_expression
        if data is None:
            return None
        try:
            return Expression(data).matches
        except ExpressionError as error:
            log.warning("refused a filter: %s", error)
            raise Refused(error.code) from None

    def _find_index(self) -> SecondaryIndex | None:
        wanted = self._request.index_range
        if wanted is None:
            return None
        index = self._node.indexes[self._namespace.name].find(self._request.set_name, wanted)
        if index is None:
            raise Refused(ResultCode.INDEX_NOT_FOUND)
        return index

    def _run(self) -> None:
        code = 0
        try:
            for digest in self._digests():
                if self.job.aborted:
                    code = ResultCode.QUERY_ABORT
                    break
                self._change(digest)
        except Exception:
            code = _UNKNOWN
            log.exception("a background query failed")
        finally:
            self.job.partitions_done = self.job.n_partitions
            self._node.queries.finish(self.job, code)

    def _digests(self) -> Iterator[bytes]:
        request, namespace = self._request, self._namespace
        partitions = [p for p in request.partitions or range(N_PARTITIONS) if self._node.is_master(p)]
        if self._index is not None:
            assert request.index_range is not None
            arena, offsets, _ = self._index.lookup(namespace, request.index_range, partitions, {}, {})
            for at in offsets.tolist():
                yield namespace.record(at, arena).digest
            return
        for partition in partitions:
            with namespace.lock:
                arena, offsets = namespace.arena, namespace.snapshot(partition)
            state = namespace.find_set(request.set_name) if request.set_name else None
            for at in offsets.tolist():
                if not request.set_name or (state and arena.words16[(at >> 1) + 10] == state.set_id):
                    start = at + namespace.digest_at
                    yield arena.bytes[start : start + DIGEST_SIZE].tobytes()

    def _change(self, digest: bytes) -> None:
        message = self._message
        command = Command(
            self._request.set_name,
            digest,
            0,
            message.info2,
            # A record that was removed meanwhile is not made anew.
            message.info3 | int(Info3.UPDATE_ONLY),
            message.generation,
            message.record_ttl,
            None,
            message.ops,
            self._matches,
        )
        code = run_command(self._namespace, command).code
        if code == 0:
            self.job.succeeded += 1
        elif code == ResultCode.FILTERED_OUT:
            self.job.filtered_bins += 1
        elif code != ResultCode.NOT_FOUND:
            self.job.failed += 1
