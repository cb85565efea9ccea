"""One law: a pushed filter, the same filter after the scan, SQL's own logic and DuckDB keep the same rows.

Records hold anything in any bin. What a schema makes of them is told here once more, in plain Python
(`column_value`), and so is the three-valued logic (`truth`), so that the package is not its own witness.
"""

from __future__ import annotations

import base64
import math

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerospike_magic.filters import (
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Or,
    StartsWith,
    columns_of,
)
from aerospike_magic.filters.compile import compile_filter
from aerospike_magic.filters.evaluate import evaluate
from aerospike_magic.schema.types import Kind, SetSchema, bin_column, metadata_columns

KINDS = {
    "n": (Kind.INT64, pa.int64()),
    "f": (Kind.DOUBLE, pa.float64()),
    "s": (Kind.STRING, pa.string()),
    "b": (Kind.BOOL, pa.bool_()),
    "x": (Kind.BINARY, pa.binary()),
    "l": (Kind.LIST, pa.list_(pa.int64())),
}
SCHEMA = SetSchema("test", "p", (*metadata_columns(), *(bin_column(name, *kind) for name, kind in KINDS.items())))
EDGE = 2**53
INTS = [0, 1, -1, 2, 100, EDGE - 1, EDGE, EDGE + 1, -EDGE - 1, 2**60, 2**63 - 1024, 2**63 - 512, 2**63 - 1]
INTS += [-(2**63), -(2**63) + 1, -(2**62) - 1]
FLOATS = [
    0.0,
    -0.0,
    1.0,
    2.5,
    -2.5,
    1e-300,
    1e300,
    float(EDGE),
    float(2**63),
    -float(2**63),
    float(2**63 - 1024),
]
FLOATS += [math.nan, math.inf, -math.inf, 5e-324, 100.0]
STRINGS = [
    "",
    "a",
    "ab",
    "abc",
    "b",
    "Ab",
    "a\nb",
    "é",
    "aé",
    "日本",
    "\U0010ffff",
    "a\U0010ffff",
    "\ud7ff",
    "\ue000",
]
STRINGS += ["a\x01", "a%", ".*", "a\tb"]
BLOBS = [b"", b"a", b"ab", b"\x00", b"a\x00b", b"\xff", b"\xff\xfe"]

ints = st.sampled_from(INTS) | st.integers(-(2**63), 2**63 - 1)
floats = st.sampled_from(FLOATS) | st.floats()
strings = st.sampled_from(STRINGS) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
blobs = st.sampled_from(BLOBS) | st.binary(max_size=3)
particles = st.one_of(ints, floats, strings, st.booleans(), blobs, st.lists(ints, max_size=2))
OWN = {
    "n": ints,
    "f": floats | ints,
    "s": strings,
    "b": st.booleans(),
    "x": blobs,
    "l": st.lists(ints, max_size=2),
}


@st.composite
def records(draw):
    """A record: any bin may be missing, three in four of the others hold what the column expects."""
    record = {}
    for name, own in OWN.items():
        choice = draw(st.integers(0, 7))
        if choice:
            record[name] = draw(own if choice > 2 else particles)
    return record


CONSTANTS = {
    "n": ints | floats | st.integers(-(2**70), 2**70),
    "f": floats | ints | st.integers(-(10**400), 10**400),
    "s": strings,
    "b": st.booleans(),
    "x": blobs,
}
OPERATORS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])


@st.composite
def leaves(draw):
    column = draw(st.sampled_from([*CONSTANTS, *CONSTANTS, "l"]))
    kind = draw(st.integers(0, 9))
    if column == "l" or kind == 0:
        return IsNull(column)
    if column == "s" and kind <= 3:
        return StartsWith("s", draw(strings))
    constants = CONSTANTS[column]
    if kind <= 5:
        size = draw(st.sampled_from([0, 1, 2, 3, 20]))
        values = draw(st.lists(constants, min_size=size, max_size=size))
        null = draw(st.integers(0, 7)) == 0
        return In(column, (*values, None) if null else tuple(values))
    value = None if draw(st.integers(0, 15)) == 0 else draw(constants)
    return Compare(draw(OPERATORS), column, value)


def _grow(children):
    several = st.lists(children, max_size=3)
    return st.one_of(
        children.map(Not),
        several.map(lambda c: And(*c)),
        several.map(lambda c: Or(*c)),
        st.builds(Always, st.booleans()),
    )


predicates = st.recursive(leaves(), _grow, max_leaves=6)


def column_value(name, record):
    """What SQL sees of a bin."""
    value = record.get(name)
    if name == "n":
        return value if type(value) is int else None
    if name == "f":
        if type(value) is int:
            return float(value) if int(float(value)) == value else None
        return value if type(value) is float else None
    wanted = {"s": str, "b": bool, "x": bytes, "l": list}[name]
    return value if type(value) is wanted else None


def _rank(value):
    # NaN above all numbers; Python compares int and float exactly.
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)


def _compare(op, a, b):
    if a is None or b is None:
        return None
    if isinstance(a, str):
        a, b = a.encode(), b.encode()
    a, b = _rank(a), _rank(b)
    return {"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def _any(truths):
    return True if True in truths else None if None in truths else False


def truth(p, row):
    """SQL's three-valued logic over one row: True, False or None."""
    if isinstance(p, Compare):
        return _compare(p.op, row[p.column], p.value)
    if isinstance(p, In):
        return _any([_compare("=", row[p.column], v) for v in p.values])
    if isinstance(p, IsNull):
        return row[p.column] is None
    if isinstance(p, StartsWith):
        return None if row["s"] is None else row["s"].startswith(p.prefix)
    if isinstance(p, Always):
        return p.value
    if isinstance(p, Not):
        inner = truth(p.child, row)
        return None if inner is None else not inner
    truths = [truth(c, row) for c in p.children]
    if isinstance(p, Or):
        return _any(truths)
    inverse = _any([None if t is None else not t for t in truths])
    return None if inverse is None else not inverse


def to_sql(p, parameters):
    """The predicate as SQL text with ? for its constants, which are appended to `parameters`."""

    def constant(value, column):
        if value is None:
            return "NULL"
        parameters.append(value)
        sql_type = {"n": "BIGINT", "f": "DOUBLE", "s": "VARCHAR", "b": "BOOLEAN", "x": "BLOB"}[column]
        return f"CAST(? AS {sql_type})"

    if isinstance(p, Compare):
        return f"({p.column} {p.op} {constant(p.value, p.column)})"
    if isinstance(p, In):
        # DuckDB's grammar has no empty list.
        listed = ", ".join(constant(v, p.column) for v in p.values)
        return f"({p.column} IN ({listed}))" if listed else "(1 = 0)"
    if isinstance(p, IsNull):
        return f"({p.column} IS NULL)"
    if isinstance(p, StartsWith):
        return f"starts_with(s, {constant(p.prefix, 's')})"
    if isinstance(p, Always):
        return "(1 = 1)" if p.value else "(1 = 0)"
    if isinstance(p, Not):
        return f"(NOT {to_sql(p.child, parameters)})"
    empty = "(1 = 1)" if isinstance(p, And) else "(1 = 0)"
    word = " AND " if isinstance(p, And) else " OR "
    return "(" + word.join(to_sql(c, parameters) for c in p.children) + ")" if p.children else empty


def crosses_types(p):
    """Whether a constant is not of its column's own type: DuckDB then rounds, this package compares exactly."""
    if isinstance(p, Compare | In):
        own = {"n": int, "f": float, "s": str, "b": bool, "x": bytes}[p.column]
        values = p.values if isinstance(p, In) else (p.value,)
        return any(v is not None and (type(v) is not own or (own is int and not -(2**63) <= v < 2**63)) for v in values)
    return any(map(crosses_types, p.children if isinstance(p, And | Or) else [p.child] if isinstance(p, Not) else []))


def materialise(stored):
    """The converted table, with the row number as `id`."""
    columns = {name: pa.array([column_value(name, r) for r in stored], dtype) for name, (_, dtype) in KINDS.items()}
    return pa.table({"id": pa.array(range(len(stored)), pa.int64()), **columns})


def by_duckdb(con, p):
    parameters = []
    sql = to_sql(p, parameters)
    return {row[0] for row in con.execute(f"SELECT id FROM t WHERE {sql}", parameters).fetchall()}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(records(), min_size=1, max_size=40), st.lists(predicates, min_size=10, max_size=10))
def test_evaluate_is_sql(stored, asked):
    table = materialise(stored)
    batch = table.combine_chunks().to_batches()[0]
    rows = table.to_pylist()
    with duckdb.connect() as con:
        con.register("arrow_rows", table)
        con.execute("CREATE TABLE t AS SELECT * FROM arrow_rows")
        for p in asked:
            expected = {row["id"] for row in rows if truth(p, row) is True}
            kept = evaluate(p, batch)
            assert kept.null_count == 0
            assert {i for i, keep in enumerate(kept.to_pylist()) if keep} == expected, p
            if not crosses_types(p):
                assert by_duckdb(con, p) == expected, p


class Stored:
    """Records on the server for as long as the context lasts, read back with an expression."""

    def __init__(self, client, stored):
        self.client = client
        self.keys = [("test", "filter_law", i) for i in range(len(stored))]
        self.records = stored

    def __enter__(self):
        for key, record in zip(self.keys, self.records, strict=True):
            self.client.put(key, {"id": key[2], **record})
        return self

    def __exit__(self, *_):
        for key in self.keys:
            self.client.remove(key)

    def ids(self, expression):
        query = self.client.query("test", "filter_law")
        query.select("id")
        policy = {"expressions": expression.compile()} if expression is not None else {}
        return [bins["id"] for _, _, bins in query.results(policy)]


def pushed_then_residual(client, on_server, p, batch):
    """The rows that are left when the server and then the residual have had their say."""
    expressions = []

    def encode(expression):
        expressions.append(expression)
        return base64.b64decode(client.get_expression_base64(expression.compile()))

    compiled = compile_filter(p, SCHEMA, encode)
    found = on_server.ids(expressions[0] if expressions else None)
    assert len(set(found)) == len(found)
    ids = sorted(found)
    # Without bytes that are not UTF-8 there is nothing to verify.
    assert columns_of(compiled.residual) <= compiled.columns
    left = batch.take(pa.array(ids, pa.int64()))
    kept = evaluate(compiled.residual, left).to_pylist()
    return {i for i, keep in zip(ids, kept, strict=True) if keep}, compiled


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pushed_is_residual_is_sql(client, data):
    stored = data.draw(st.lists(records(), min_size=30, max_size=60))
    table = materialise(stored)
    batch = table.combine_chunks().to_batches()[0]
    rows = table.to_pylist()
    with Stored(client, stored) as on_server:
        for _ in range(20):
            p = data.draw(predicates)
            expected = {row["id"] for row in rows if truth(p, row) is True}
            kept, compiled = pushed_then_residual(client, on_server, p, batch)
            assert kept == expected, compiled


LEAVES = [
    *(
        Compare(op, "n", v)
        for op in ("=", "<>", "<", "<=", ">", ">=")
        for v in [0, 2.5, EDGE + 1, 2**63, math.nan, -math.inf]
    ),
    *(Compare(op, "f", v) for op in ("=", "<>", "<", "<=", ">", ">=") for v in [*FLOATS, EDGE + 1, 2**63, 10**400]),
    *(Compare(op, "s", v) for op in ("=", "<>", "<", "<=", ">", ">=") for v in STRINGS),
    *(Compare(op, "b", v) for op in ("=", "<>", "<", "<=", ">", ">=") for v in (True, False)),
    *(Compare(op, "x", v) for op in ("=", "<>", "<", ">=") for v in BLOBS),
    *(IsNull(c) for c in KINDS),
    *(StartsWith("s", v) for v in STRINGS),
    *(
        In("n", tuple(INTS)),
        In("f", tuple(FLOATS)),
        In("s", tuple(STRINGS)),
        In("b", (True, False)),
        In("x", tuple(BLOBS)),
    ),
]


def test_every_leaf_and_its_negation(client):
    values = [*INTS, *FLOATS, *STRINGS, True, False, *BLOBS, [1], []]
    stored = [dict.fromkeys(KINDS, v) for v in values] + [{}]
    table = materialise(stored)
    batch = table.combine_chunks().to_batches()[0]
    rows = table.to_pylist()
    with Stored(client, stored) as on_server:
        for p in (*LEAVES, *map(Not, LEAVES), Or(LEAVES[0], IsNull("b"))):
            expected = {row["id"] for row in rows if truth(p, row) is True}
            kept, compiled = pushed_then_residual(client, on_server, p, batch)
            assert kept == expected, compiled
