"""One law: the rows of a constraint are those of a full scan that the constraint describes, whatever is in the bins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import aerospike
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served_reads import kept, read

from aerospike_magic.connection import Connection
from aerospike_magic.gateway.messages import AllOrNone, Domain, Equatable, Range, Ranges, TableName, TupleDomain
from aerospike_magic.gateway.service import AerospikeService
from aerospike_magic.schema.types import Kind, SetSchema, bin_column, metadata_columns

KINDS = {
    "n": (Kind.INT64, pa.int64()),
    "f": (Kind.DOUBLE, pa.float64()),
    "s": (Kind.STRING, pa.string()),
    "b": (Kind.BOOL, pa.bool_()),
    "x": (Kind.BINARY, pa.binary()),
    "l": (Kind.LIST, pa.list_(pa.int64())),
    "j": (Kind.JSON, pa.string()),
}
SET = "gw_filter_law"
COLUMNS = ["key__", *KINDS]
INTS = [0, 1, -1, 2, 100, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, 2.5, -2.5, 1e300, 5e-324, math.inf, -math.inf, float(2**53)]
STRINGS = ["", "a", "ab", "abc", "b", "Ab", "a\nb", "é", "日本", "\U0010ffff", "\ud7ff", "a\x01", "a%"]
BLOBS = [b"", b"a", b"ab", b"\x00", b"\x0a", b"\xa0", b"\xff", b"\xff\xfe", b"\xf0"]
HEX = [b.hex().upper() for b in BLOBS] + ["A", "F", "FFF", "ab", "0", "G", "a0", "0G", "FG", "F@", "é", "A@", ":"]

ints = st.sampled_from(INTS) | st.integers(-(2**63), 2**63 - 1)
floats = st.sampled_from(FLOATS) | st.floats(allow_nan=False)
strings = st.sampled_from(STRINGS) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
hexes = st.sampled_from(HEX) | st.text("0123456789ABCDEFafG@", max_size=4)
blobs = st.sampled_from(BLOBS) | st.binary(max_size=2)
doubles = floats | st.just(math.nan)
particles = st.one_of(ints, doubles, strings, st.booleans(), blobs, st.lists(ints, max_size=2))
OWN = {
    "n": ints,
    "f": doubles | ints,
    "s": strings,
    "b": st.booleans(),
    "x": blobs,
    "l": st.lists(ints, max_size=2),
    "j": particles,
}
CONSTANTS = {"n": ints, "f": floats, "s": strings, "b": st.booleans(), "x": hexes, "key__": st.integers(-1, 60)}


@st.composite
def records(draw: Any) -> dict[str, Any]:
    record = {}
    for name, own in OWN.items():
        choice = draw(st.integers(0, 7))
        if choice:
            record[name] = draw(own if choice > 2 else particles)
    return record


def _order(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@st.composite
def ranges(draw: Any, constants: Any) -> Ranges:
    """Ranges in order and apart, as an engine sends them."""
    marks = sorted(set(draw(st.lists(constants, max_size=8))), key=_order)
    found: list[Range] = []
    at = 0
    if marks and draw(st.booleans()):
        found.append(Range(None, False, marks[0], draw(st.booleans())))
        at = 0 if not found[0].high_inclusive and draw(st.booleans()) else 1
    while at < len(marks):
        if draw(st.integers(0, 2)) == 0:
            found.append(Range(marks[at], True, marks[at], True))
            at += 1
        elif at + 1 == len(marks):
            found.append(Range(marks[at], False, None, False))
            at += 1
        else:
            found.append(Range(marks[at], draw(st.booleans()) and not found, marks[at + 1], draw(st.booleans())))
            at += 1 if not found[-1].high_inclusive else 2
            if at < len(marks) and marks[at] == found[-1].high and found[-1].high_inclusive:
                at += 1
    return Ranges(tuple(found))


@st.composite
def domains(draw: Any) -> tuple[str, Domain]:
    name = draw(st.sampled_from([*CONSTANTS, "l", "j"]))
    null = draw(st.booleans())
    kind = draw(st.integers(0, 5))
    if name in ("l", "j") or kind == 0:
        return name, Domain(AllOrNone(draw(st.booleans())), null)
    constants = CONSTANTS[name]
    if kind == 1:
        return name, Domain(Equatable(draw(st.booleans()), tuple(draw(st.lists(constants, max_size=4)))), null)
    return name, Domain(draw(ranges(constants)), null)


constraints = st.lists(domains(), max_size=3).map(lambda found: TupleDomain(dict(found)))


@pytest.fixture
def service(connection: Connection) -> Iterator[AerospikeService]:
    columns = (*metadata_columns(), *(bin_column(name, *kind) for name, kind in KINDS.items()))
    schema = SetSchema("test", SET, columns, has_keys=True).with_types({"__key": "int64"})
    connection.set_schema(schema)
    with AerospikeService(connection) as served:
        yield served


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_rows_of_a_constraint_are_the_rows_it_describes(client: Any, service: AerospikeService, data: Any) -> None:
    stored = data.draw(st.lists(records(), min_size=20, max_size=50))
    keys = [("test", SET, i) for i in range(len(stored))]
    for key, record in zip(keys, stored, strict=True):
        client.put(key, {**record, "id": key[2]}, policy={"key": aerospike.POLICY_KEY_SEND})
    try:
        table = TableName("test", SET)
        rows = sorted(read(service, table, COLUMNS), key=lambda row: row["key__"])
        assert [row["key__"] for row in rows] == list(range(len(stored)))
        for _ in range(15):
            constraint = data.draw(constraints)
            found = sorted(read(service, table, COLUMNS, constraint), key=lambda row: row["key__"])
            assert repr(found) == repr(kept(rows, constraint)), constraint
    finally:
        for key in keys:
            client.remove(key)
