"""Every error this package raises, in one tree.

::

    AerospikeMagicError          .hint, .node, .partition
    ├── ConfigError              a profile, an option, the environment or a file is wrong
    ├── ConnectError             no node reachable, login refused, TLS failed
    ├── WireError                bytes that are not the protocol
    ├── ServerError              the server refused, with .code
    ├── SchemaError              a set, bin or type that cannot be read as asked
    ├── FilterError              a predicate that makes no sense for its column
    ├── ScanError                a scan could not finish
    │   ├── ScanTimeout          a node stopped answering
    │   ├── ScanCancelled        the user, or a closed reader, stopped it
    │   ├── PartitionsUnavailable  .partitions had no owner for too long
    │   └── MismatchError        a value does not fit its column, under on_mismatch="error"
    ├── EngineServerError        a Trino or Presto of our own could not be fetched or started
    ├── WriteError               rows could not be written; .report says what became of them
    │   └── WriteCancelled       the user stopped it
    ├── QueryError               a statement that cannot run; .sql and .position for a caret
    │   ├── ParameterError       a :name without a value, or a value that cannot be bound
    │   ├── ReadOnlyError        a statement that writes
    │   ├── UnknownNameError     a namespace, set or bin that is not there; the hint has near matches
    │   └── ResultTooLarge       the result would not fit in free memory
    ├── GatewayError             the gateway for Trino and Presto could not start
    └── DevServerError           the embedded server could not start or load

`MismatchWarning` is no error: it says that values became NULL where a result is read without a cell to show it.

A message says what happened; `hint` what to do next; `node` and `partition` where, when known. No message and no
repr carries a password, a token or a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class AerospikeMagicError(Exception):
    """Base of all our errors.

    Args:
        message: what happened, one line, plain words.
        hint: what to do next, one line; empty if there is nothing useful to say.
        node: the node ("BB9… 10.0.0.1:3000") where it happened, when known.
        partition: the partition id, 0..4095, when known.

    `details` is what the engine below said in full, a Java trace for one; "" for nothing more.
    """

    details = ""

    def __init__(self, message: str, *, hint: str = "", node: str | None = None, partition: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.node = node
        self.partition = partition

    def __str__(self) -> str:
        where = [f"node {self.node}"] if self.node else []
        if self.partition is not None:
            where.append(f"partition {self.partition}")
        text = self.message + (f" ({', '.join(where)})" if where else "")
        return f"{text} · {self.hint}" if self.hint else text


class ConfigError(AerospikeMagicError):
    """A profile, an option, an environment variable or a file is wrong."""


class ConnectError(AerospikeMagicError):
    """No node could be reached, the login was refused, or TLS failed.

    `is_lasting` says that asking again cannot help: a wrong password, a certificate that is not trusted.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        node: str | None = None,
        partition: int | None = None,
        is_lasting: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, node=node, partition=partition)
        self.is_lasting = is_lasting


class WireError(AerospikeMagicError):
    """Bytes arrived, or were about to be sent, that are not the protocol: Aerospike's, or Thrift's in a gateway."""


class ServerError(AerospikeMagicError):
    """The server answered with a result code other than OK; see `code`."""

    def __init__(
        self,
        message: str,
        *,
        code: int,
        hint: str = "",
        node: str | None = None,
        partition: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, node=node, partition=partition)
        self.code = code


class SchemaError(AerospikeMagicError):
    """A set, bin or type cannot be read as asked."""


class FilterError(AerospikeMagicError):
    """A predicate that makes no sense for its column."""


class ScanError(AerospikeMagicError):
    """A scan could not finish; whatever was read before is not presented as a result."""


class ScanTimeout(ScanError):
    """A node stopped answering for longer than the timeout."""


class ScanCancelled(ScanError):
    """The scan was stopped by its user, or because its reader was closed."""


class PartitionsUnavailable(ScanError):
    """Some partitions had no reachable owner for longer than the retries allow; see `partitions`."""

    def __init__(
        self, message: str, *, partitions: Sequence[int] = (), hint: str = "", node: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, node=node)
        self.partitions = tuple(partitions)


class MismatchError(ScanError):
    """A value does not fit its column, and the scan was asked to stop at the first one."""


class EngineServerError(AerospikeMagicError):
    """A Trino or Presto on this machine could not be fetched, started or stopped; `details` is the end of its log."""


class WriteError(AerospikeMagicError):
    """Rows could not be written; the message counts them, those written before and beside them stay.

    `report` is the `aerospike_magic.write.WriteReport` of all rows, where there is one.
    """

    def __init__(self, message: str, *, hint: str = "", node: str | None = None, report: Any = None) -> None:
        super().__init__(message, hint=hint, node=node)
        self.report = report


class WriteCancelled(WriteError):
    """A write was stopped by its user; what was written stays, `report` counts it."""


class QueryError(AerospikeMagicError):
    """A statement that cannot run.

    `position` is the 0-based character offset in `sql` where the parser stumbled, or None.
    """

    def __init__(self, message: str, *, hint: str = "", sql: str = "", position: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sql = sql
        self.position = position


class ParameterError(QueryError):
    """A parameter without a value, or a value that cannot be bound."""


class ReadOnlyError(QueryError):
    """A statement that writes, where only reads run."""


class UnknownNameError(QueryError):
    """A namespace, set or bin that does not exist; the hint lists near matches."""


class ResultTooLarge(QueryError):
    """The estimated result does not fit in free memory."""


class GatewayError(AerospikeMagicError):
    """The gateway for Trino and Presto could not start: its address, its certificates, its processes."""


class DevServerError(AerospikeMagicError):
    """The embedded server could not start or load its data."""


class MismatchWarning(UserWarning):
    """Values did not fit their column and are NULL, or a bin has no column; a result is shown all the same."""
