"""The service's methods: for each, how its arguments and its result look on the wire, and what is called.

Trino and Presto name them alike but for the first word, ``trinoGetRows`` and ``prestoGetRows``. `METHODS` has both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aerospike_magic.errors import WireError
from aerospike_magic.gateway import structures as s
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.blocks import Parts
from aerospike_magic.gateway.messages import Service, ServiceError, TableName
from aerospike_magic.gateway.thrift import STOP, Field, Reader, Type

FLAVORS = ("trino", "presto")


@dataclass(frozen=True, slots=True)
class Method:
    """A method.

    Attributes:
        name: without its first word, `GetRows`.
        fields: its arguments as a struct.
        run: calls the service.
        result: the type of what is returned, and what reads it.
        write_result: what writes it.
        is_rows: whether it returns rows, which may be many, and takes its time.
    """

    name: str
    fields: Mapping[int, Field]
    run: Callable[[Service, Arguments], Any]
    result: Field
    write_result: Callable[[Any], Parts]
    is_rows: bool = False


class Arguments:
    """The arguments of a call, by field.

    Args:
        found: by number.
    """

    def __init__(self, found: Mapping[int, Any]) -> None:
        self._found = found

    def __getitem__(self, number: int) -> Any:
        return s.need(self._found, number, "a call")

    def get(self, number: int) -> Any:
        """Return an argument that may be missing."""
        return self._found.get(number)

    def reply_bytes(self, method: Method) -> int:
        """Return how large the reply may become, as far as the client limits it."""
        return max(0, self[3]) if method.is_rows else 0


def read_arguments(method: Method, body: Reader) -> Arguments:
    """Read the arguments of a call.

    Raises:
        WireError: they are not the method's.
    """
    arguments = Arguments(body.struct(method.fields))
    for number in method.fields:
        # Whatever may be absent is in a struct of its own, so all must be there, but the last: a token.
        if number != max(method.fields) or number == 1:
            arguments[number]
    if method.is_rows and arguments[3] <= 0:
        raise WireError(f"a call for at most {arguments[3]:,} bytes of rows")
    return arguments


def result_body(method: Method, result: Any) -> Parts:
    """Return a reply's struct.

    Raises:
        ValueError: a page whose columns do not fit its types.
    """
    return [thrift.field(method.result[0], 0), *method.write_result(result), STOP]


def error_body(error: ServiceError) -> Parts:
    """Return the struct of a reply that says what went wrong."""
    return [thrift.field(Type.STRUCT, 1), s.write_service_error(error), STOP]


def read_result(method: Method, body: Reader) -> Any:
    """Read a reply's struct.

    Raises:
        ServiceError: it says what went wrong.
        WireError: it is neither a result nor an error.
    """
    found = body.struct({0: method.result, 1: (Type.STRUCT, s.read_service_error)})
    if 1 in found:
        raise found[1]
    return s.need(found, 0, "a reply")


def write_arguments(*arguments: tuple[Type, bytes | Parts]) -> Parts:
    """Return the struct of a call's arguments, in the order of their numbers."""
    parts: Parts = []
    for number, (kind, written) in enumerate(arguments, 1):
        parts.append(thrift.field(kind, number))
        parts += [written] if isinstance(written, bytes) else written
    return [*parts, STOP]


def _one(write: Callable[[Any], bytes]) -> Callable[[Any], Parts]:
    return lambda result: [write(result)]


def _run_splits(service: Service, a: Arguments) -> Any:
    return service.splits(a[1], a[2], a[3], a[4], a.get(5))


def _run_index_splits(service: Service, a: Arguments) -> Any:
    return service.index_splits(a[1], a[2], a[3], a[4], a[5], a[6], a.get(7))


def _write_tables(names: Sequence[TableName]) -> bytes:
    return thrift.sequence_of(Type.STRUCT, map(s.write_table_name, names))


_TABLE: Field = (Type.STRUCT, s.read_table_name)
_CONSTRAINT: Field = (Type.STRUCT, s.read_constraint)
_TEXTS: Field = (Type.LIST, s.read_texts)
_TOKEN: Field = (Type.STRUCT, s.read_token)
_I32: Field = (Type.I32, Reader.i32)
_SPLITS: Field = (Type.STRUCT, s.read_split_batch)

_ALL = (
    Method("ListSchemaNames", {}, lambda service, _: service.list_schemas(), _TEXTS, _one(s.write_texts)),
    Method(
        "ListTables",
        {1: (Type.STRUCT, s.read_nullable_text)},
        lambda service, a: service.list_tables(a[1]),
        (Type.LIST, lambda reader: reader.list_of(Type.STRUCT, s.read_table_name)),
        _one(_write_tables),
    ),
    Method(
        "GetTableMetadata",
        {1: _TABLE},
        lambda service, a: service.table_metadata(a[1]),
        (Type.STRUCT, s.read_table_metadata),
        _one(s.write_table_metadata),
    ),
    Method(
        "GetSplits",
        {1: _TABLE, 2: (Type.STRUCT, s.read_column_set), 3: _CONSTRAINT, 4: _I32, 5: _TOKEN},
        _run_splits,
        _SPLITS,
        _one(s.write_split_batch),
    ),
    Method(
        "GetIndexSplits",
        {1: _TABLE, 2: _TEXTS, 3: _TEXTS, 4: (Type.STRUCT, s.read_keys), 5: _CONSTRAINT, 6: _I32, 7: _TOKEN},
        _run_index_splits,
        _SPLITS,
        _one(s.write_split_batch),
    ),
    Method(
        "GetRows",
        {1: (Type.STRUCT, s.read_id), 2: _TEXTS, 3: (Type.I64, Reader.i64), 4: _TOKEN},
        lambda service, a: service.rows(a[1], a[2], a[3], a.get(4)),
        (Type.STRUCT, s.read_page),
        s.write_page,
        is_rows=True,
    ),
)

METHODS: Mapping[str, Method] = {flavor + method.name: method for flavor in FLAVORS for method in _ALL}

WRITING = frozenset({"prestoAddRows", "prestoFinishAddRows", "prestoAbortAddRows"})
"""Presto's methods for INSERT, which we refuse by name."""
