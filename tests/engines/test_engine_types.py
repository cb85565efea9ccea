"""Every kind of value on every engine: the same rows, of the same types, in the same columns."""

from __future__ import annotations

import math

import aerospike
import pyarrow as pa
import pytest
from test_engine_contract import ENGINES, MARKS, NAME, make_engine

from aerospike_magic.connection import connect
from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.errors import ScanError

SET = "eng_kinds"
POINT = '{"type": "Point", "coordinates": [1.5, -2.25]}'


def kinds(i):
    """The bins of a record: every particle type, at its edges."""
    bins = {
        "n": [0, 1, -1, 2**63 - 1, -(2**63)][i % 5],
        "d": [0.1, -0.0, math.nan, math.inf, -math.inf, 5e-324][i % 6],
        "s": ["", 'O\'Hara \\ "x"', "Größe 😀", "a\nb\tc\x00d"][i % 4],
        "b": i % 3 == 0,
        "raw": [b"", b"\x00\xff", bytes(range(256))][i % 3],
        "geo": aerospike.GeoJSON(POINT),
        "ints": [[1, None, -(2**63)], [], [i]][i % 3],
        "doubles": [[1.5, math.nan], [math.inf, -math.inf, None], []][i % 3],
        "words": {"a": i, "Ä'\"": None} if i % 2 else {},
        "by_number": {i: f"n{i}", -1: "x"},
        "place": {"City": "Bonn", "zip": i, "Inner": {"Deep": [True, None]}},
        "blobs": [b"\x00\xff", b""],
        "lists": [[1, 2], [], None],
        "any": [1, "two", 3.5, [None], {"k": b"\x01"}][i % 5],
        "CamelCase": i,
        "mixed_Case": f"m{i}",
    }
    if i % 7 == 6:
        bins = {"n": i}
    return bins


@pytest.fixture(scope="module")
def reference(server, client):
    """The set as the scan gives it, by key."""
    for i in range(60):
        client.put(("test", SET, i), kinds(i), policy={"key": 1})
    with connect(server.address) as connection:
        yield connection, AerospikeDataset(connection, f"test.{SET}").to_table().sort_by("__key")
    client.truncate("test", SET, 0)


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in ENGINES])
def engine(request, reference):
    made = make_engine(request.param, reference[0], request)
    yield made
    made.close()


def shape(dtype):
    """A type without the names that Arrow gives to the elements of lists and maps, which differ by who makes them."""
    if pa.types.is_list(dtype):
        return ["list", shape(dtype.value_type)]
    if pa.types.is_map(dtype):
        return ["map", shape(dtype.key_type), shape(dtype.item_type)]
    if pa.types.is_struct(dtype):
        return ["struct", *((field.name, shape(field.type)) for field in dtype)]
    return "binary" if pa.types.is_fixed_size_binary(dtype) else str(dtype)


def same(value):
    """A value to be compared with ==: NaN is NaN, -0.0 is not 0.0, the order of a map is not kept by every engine."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else (value, math.copysign(1.0, value))
    if isinstance(value, dict):
        return {key: same(each) for key, each in value.items()}
    if isinstance(value, list):
        items = [same(each) for each in value]
        pairs = items and all(isinstance(each, tuple) and len(each) == 2 for each in value)
        return sorted(items, key=repr) if pairs else items
    return tuple(map(same, value)) if isinstance(value, tuple) else value


def test_every_type_arrives_exactly(engine, reference):
    wanted = reference[1]
    with engine.query(f"SELECT * FROM test.{SET}") as result:
        found = result.to_arrow().sort_by("__key")
    assert found.column_names == wanted.column_names
    assert [shape(field.type) for field in found.schema] == [shape(field.type) for field in wanted.schema]
    for name in wanted.column_names:
        pairs = zip(found[name].to_pylist(), wanted[name].to_pylist(), strict=True)
        assert [(same(a), same(b)) for a, b in pairs if same(a) != same(b)] == [], name


@pytest.mark.parametrize("bin_name", ["raw", "ints", "doubles", "words", "by_number", "blobs", "any", "geo"])
def test_one_column_alone(engine, reference, bin_name):
    sql = f"SELECT __key, {NAME[engine.name].format(bin_name)} AS x FROM test.{SET}"
    with engine.query(sql) as result:
        found = result.to_arrow().sort_by("__key")
    wanted = reference[1][bin_name]
    assert shape(found.schema.field("x").type) == shape(wanted.type)
    assert list(map(same, found["x"].to_pylist())) == list(map(same, wanted.to_pylist()))


def test_a_column_has_the_bins_own_name(engine, reference):
    names = ("camelcase", "MIXED_CASE", "n")
    with engine.query(f"SELECT {', '.join(names)} FROM test.{SET} LIMIT 1") as result:
        found = result.to_arrow().column_names
    # Spark names a column as the statement does.
    assert found == (list(names) if engine.name == "spark" else ["CamelCase", "mixed_Case", "n"])


def test_metadata_beside_a_star(engine, reference):
    with engine.query(f"SELECT *, __generation FROM test.{SET} WHERE __ttl IS NOT NULL") as result:
        found = result.to_arrow()
    assert found.column_names == [*reference[1].column_names, "__generation"]
    assert found.num_rows == reference[1].num_rows


@pytest.fixture
def misfits(engine, reference, client, request):
    """A set of 40 records, of which one has text where the others, and the schema, have a number."""
    for i in range(40):
        client.put(("test", "eng_misfits", i), {"n": i if i != 5 else "five"})
    schema = reference[0].schema("test.eng_misfits").with_types({"n": "int64"})
    reference[0].set_schema(schema)
    if engine.name in ("trino", "presto"):
        request.getfixturevalue(f"{engine.name}_server").connection.set_schema(schema)
    yield "test.eng_misfits"
    client.truncate("test", "eng_misfits", 0)


def test_values_that_do_not_fit(engine, misfits):
    sql = f"SELECT count(*) AS records, count(n) AS fitting FROM {misfits}"
    with engine.query(sql) as result:
        assert result.to_arrow().to_pylist() == [{"records": 40, "fitting": 39}]
    with pytest.raises(ScanError, match="five"):
        engine.query(sql, options=QueryOptions(on_mismatch="error")).to_arrow()
