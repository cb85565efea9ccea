"""The service: what is answered, on a connection to a cluster.

Every method reads its arguments alone; what is kept between calls (schemas, plans, open scans) can be lost at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import pyarrow as pa

from aerospike_magic.connection import Connection
from aerospike_magic.errors import (
    AerospikeMagicError,
    ConfigError,
    ConnectError,
    PartitionsUnavailable,
    ScanTimeout,
)
from aerospike_magic.gateway.cursors import Busy, Cursors
from aerospike_magic.gateway.division import Divider
from aerospike_magic.gateway.frames import Frames
from aerospike_magic.gateway.messages import (
    Page,
    ServiceError,
    SplitBatch,
    TableMetadata,
    TableName,
    TupleDomain,
)
from aerospike_magic.gateway.options import ServiceOptions
from aerospike_magic.gateway.splits import RowsSplit, decode_split
from aerospike_magic.gateway.tables import FRAMES_SCHEMA, KEY_SPELLING, OWN_SCHEMA, SetTable, Tables
from aerospike_magic.scan.teller import ProgressAddress

_log = logging.getLogger(__name__)
_F = TypeVar("_F", bound=Callable[..., Any])
_PASSING = (ScanTimeout, PartitionsUnavailable, Busy)


def _told(method: _F) -> _F:
    """Let nothing but `ServiceError` out."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except ServiceError:
            raise
        except AerospikeMagicError as error:
            raise ServiceError(str(error), retryable=_may_pass(error)) from error
        except Exception as error:
            _log.exception("%s failed", method.__name__)
            raise ServiceError(f"the gateway failed: {type(error).__name__}: {error}") from error

    return cast(_F, call)


def _may_pass(error: AerospikeMagicError) -> bool:
    return isinstance(error, _PASSING) or (isinstance(error, ConnectError) and not error.is_lasting)


class AerospikeService:
    """Implements `messages.Service` over the sets of a cluster; safe to call from many threads.

    Args:
        connection: to the cluster; it stays the caller's, who closes it after the service.
        options: the bounds; None = the defaults.
    """

    def __init__(self, connection: Connection, options: ServiceOptions | None = None) -> None:
        self._options = options or ServiceOptions()
        self._tables = Tables(connection, self._options.schema_age_s)
        self._divider = Divider(connection, self._options)
        self._cursors = Cursors(connection, self._options)
        self._frames = Frames()

    def __enter__(self) -> AerospikeService:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def n_open_scans(self) -> int:
        """How many scans are open."""
        return self._cursors.n_open

    def close(self) -> None:
        """End every scan; calls after it may fail."""
        self._cursors.close()

    def add_frame(self, name: str, table: pa.Table) -> TableName:
        """Serve a table of this process as ``aerospike_frames.<name>``, instead of an earlier one of that name.

        Args:
            name: any; it is spelled as the connectors take it.
            table: its rows; columns of types that the wire does not have become text, see `gateway.frames`.
        """
        return self._frames.add(name, table)

    def remove_frame(self, name: TableName | str) -> None:
        """Serve a table no more."""
        self._frames.remove(name)

    @_told
    def list_schemas(self) -> Sequence[str]:
        """Return the namespaces, and the schemas of the gateway's own."""
        own = dict.fromkeys(name.schema for name in self._frames.list_tables())
        return [*self._tables.list_schemas(), *own]

    @_told
    def list_tables(self, schema: str | None) -> Sequence[TableName]:
        """Return the tables of a schema, or of all."""
        own = [name for name in self._frames.list_tables() if schema in (None, name.schema)]
        return own if schema in (OWN_SCHEMA, FRAMES_SCHEMA) else [*self._tables.list_tables(schema), *own]

    @_told
    def table_metadata(self, table: TableName) -> TableMetadata | None:
        """Describe a table; None if there is none of that name."""
        if table.schema in (OWN_SCHEMA, FRAMES_SCHEMA):
            return self._frames.metadata(table)
        found = self._find(table, fresh=True)
        return None if found is None else found.metadata()

    @_told
    def splits(
        self,
        table: TableName,
        columns: frozenset[str] | None,
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        """Divide a table."""
        if table.schema in (OWN_SCHEMA, FRAMES_SCHEMA):
            return self._frames.splits(table, constraint, max_count, token)
        return self._divider.divide(self._found(table), columns, constraint, max_count, token)

    @_told
    def index_splits(
        self,
        table: TableName,
        index_columns: Sequence[str],
        output_columns: Sequence[str],
        keys: Sequence[Sequence[object]],
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        """Return splits that look records up by `key__`."""
        found = self._found(table)
        if list(index_columns) != [KEY_SPELLING] or len(keys) != 1 or not found.can_look_up:
            raise ServiceError(
                f"{table.table} cannot be looked up by {', '.join(index_columns)}, only by {KEY_SPELLING}"
            )
        return self._divider.look_up(found, keys[0], constraint, max_count, token)

    @_told
    def rows(self, split_id: bytes, columns: Sequence[str], max_bytes: int, token: bytes | None) -> Page:
        """Return a page of a split."""
        split = decode_split(split_id)
        if isinstance(split, RowsSplit):
            return self._frames.rows(split, columns, max_bytes, token)
        self._check_progress(split.query.progress)
        return self._cursors.read(split, split_id, columns, max_bytes, token)

    def _find(self, table: TableName, *, fresh: bool = False) -> SetTable | None:
        found = self._tables.find(table, fresh=fresh)
        if found is not None:
            self._check_progress(found.options.progress)
        return found

    def _check_progress(self, progress: ProgressAddress | None) -> None:
        if progress is not None and not self._options.may_tell(progress):
            raise ConfigError(f"progress may not be told to {progress.host}", hint="start the gateway with --tell-to")

    def _found(self, table: TableName) -> SetTable:
        found = self._find(table)
        if found is None:
            raise ServiceError(f"there is no table {table.schema}.{table.table}")
        return found
