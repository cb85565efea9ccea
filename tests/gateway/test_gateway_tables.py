"""Sets as tables: names, columns, types, and the values that these come with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import aerospike
import pytest
from served_reads import count, equal, read, where

from aerospike_magic.connection import Connection
from aerospike_magic.gateway.messages import ServiceError, TableName
from aerospike_magic.gateway.options import ServiceOptions
from aerospike_magic.gateway.service import AerospikeService
from aerospike_magic.schema.json_text import value_of
from aerospike_magic.schema.types import SetSchema

RECORDS: list[dict[str, Any]] = [
    {
        "n": i,
        "d": i / 3,
        "text": f"t{i} é",
        "flag": i % 2 == 0,
        "blob": bytes([i, 255 - i]),
        "list": [i, i + 1],
        "map": {"a": i, "b": f"x{i}"},
        "deep": {"k": [1, {"z": i}]},
        "mix": i if i % 2 else f"m{i}",
        "geo": aerospike.GeoJSON({"type": "Point", "coordinates": [i % 90, 1.5]}),
    }
    for i in range(60)
]


@pytest.fixture
def service(connection: Connection) -> Iterator[AerospikeService]:
    with AerospikeService(connection) as served:
        yield served


@pytest.fixture(scope="module")
def every_type(client: Any) -> Iterator[TableName]:
    name = f"gw{uuid.uuid4().hex[:8]}"
    for i, record in enumerate(RECORDS):
        client.put(("test", name, f"k{i}"), record, policy={"key": aerospike.POLICY_KEY_SEND})
    yield TableName("test", name)
    client.truncate("test", name, 0)


def test_namespaces_are_schemas_and_sets_tables(service: AerospikeService, every_type: TableName) -> None:
    assert {"test", "demo", "aerospike_magic"} <= set(service.list_schemas())
    assert every_type in service.list_tables("test")
    assert TableName("demo", "flights") in service.list_tables("demo")
    assert TableName("demo", "flights") in service.list_tables(None)
    assert not any(name.schema == "test" for name in service.list_tables("demo"))
    assert list(service.list_tables("nowhere")) == []


def test_columns_have_types_of_the_wire(service: AerospikeService, every_type: TableName) -> None:
    metadata = service.table_metadata(every_type)
    assert metadata is not None
    types = {c.name: c.type for c in metadata.columns}
    assert types == {
        "key__": "varchar",
        "n": "bigint",
        "d": "double",
        "text": "varchar",
        "flag": "boolean",
        "blob": "varchar",
        "list": "json",
        "map": "json",
        "deep": "json",
        "mix": "json",
        "geo": "json",
        "digest__": "varchar",
        "generation__": "bigint",
        "ttl__": "bigint",
    }
    assert [c.name for c in metadata.columns if c.hidden] == ["digest__", "generation__", "ttl__"]
    assert metadata.columns[0].name == "key__"
    assert metadata.indexable_keys == (frozenset({"key__"}),)
    assert "60 records" in metadata.comment
    assert next(c.comment for c in metadata.columns if c.name == "list").startswith("list<int64>")


def test_every_value_comes_as_its_column_says(service: AerospikeService, every_type: TableName) -> None:
    metadata = service.table_metadata(every_type)
    assert metadata is not None
    rows = {row["key__"]: row for row in read(service, every_type, [c.name for c in metadata.columns])}
    assert len(rows) == len(RECORDS)
    for i, record in enumerate(RECORDS):
        row = rows[f"k{i}"]
        for name in ("n", "d", "text", "flag"):
            assert row[name] == record[name]
        assert bytes.fromhex(row["blob"]) == record["blob"]
        assert row["blob"] == row["blob"].upper()
        for name in ("list", "map", "deep", "mix"):
            assert value_of(row[name]) == record[name]
        assert json.loads(row["geo"]) == {"type": "Point", "coordinates": [i % 90, 1.5]}
        assert len(row["digest__"]) == 40
        assert row["generation__"] == 1


def test_a_table_that_there_is_not(service: AerospikeService) -> None:
    assert service.table_metadata(TableName("test", "no_such_set")) is None
    assert service.table_metadata(TableName("nowhere", "flights")) is None
    with pytest.raises(ServiceError, match=r"no table test\.no_such_set"):
        read(service, TableName("test", "no_such_set"), [])


def test_names_that_differ_in_case_only(service: AerospikeService, client: Any, connection: Connection) -> None:
    base = f"Gw{uuid.uuid4().hex[:8]}"
    sets = [base, base.upper(), base.lower()]
    try:
        for i, name in enumerate(sets):
            client.put(("test", name, 1), {"Bin": i, "bIN": 10 + i, "bin": 20 + i, "Other": 1}, policy={"key": 1})
        tables = [t for t in service.list_tables("test") if t.table.replace("_", "").lstrip("q") == base.lower()]
        assert len(tables) == 3
        found = set()
        for table in tables:
            metadata = service.table_metadata(table)
            assert metadata is not None
            assert {c.name for c in metadata.columns if not c.hidden} == {"key__", "q__bin", "q_b_i_n", "bin", "other"}
            (row,) = read(service, table, ["q__bin", "q_b_i_n", "bin"])
            found.add(tuple(row.values()))
            assert read(service, table, ["bin"], where(q_b_i_n=equal(row["q_b_i_n"]))) == [{"bin": row["bin"]}]
        assert found == {(i, 10 + i, 20 + i) for i in range(3)}
    finally:
        for name in sets:
            client.truncate("test", name, 0)


def test_records_without_a_set_are_a_table(service: AerospikeService, client: Any) -> None:
    null = TableName("test", "null__")
    keys = [("test", None, f"gw{i}") for i in range(20)]
    try:
        for i, key in enumerate(keys):
            client.put(key, {"only_null": i}, policy={"key": 1})
        assert null in service.list_tables("test")
        metadata = service.table_metadata(null)
        assert metadata is not None
        assert {c.name for c in metadata.columns if not c.hidden} == {"key__", "only_null"}
        rows = read(service, null, ["key__", "only_null"])
        assert sorted(row["only_null"] for row in rows) == list(range(20))
        assert count(service, null) == 20
        assert count(service, null, where(only_null=equal(3, 4))) == 2
        assert read(service, null, ["only_null"], where(key__=equal("gw7"))) == [{"only_null": 7}]
    finally:
        for key in keys:
            client.remove(key)


def test_a_schema_that_the_user_set_holds(
    service: AerospikeService, connection: Connection, every_type: TableName
) -> None:
    schema = connection.schema(f"test.{every_type.table}")
    assert isinstance(schema, SetSchema)
    connection.set_schema(schema.with_types({"text": "json", "fresh": "int64"}))
    try:
        metadata = service.table_metadata(every_type)
        assert metadata is not None
        types = {c.name: c.type for c in metadata.columns}
        assert (types["text"], types["fresh"]) == ("json", "bigint")
        assert {row["text"] for row in read(service, every_type, ["text"])} == {f'"t{i} é"' for i in range(60)}
    finally:
        connection.set_schema(schema)


def test_new_bins_are_seen_after_a_while(connection: Connection, client: Any) -> None:
    name = f"gw{uuid.uuid4().hex[:8]}"
    try:
        client.put(("test", name, 1), {"a": 1})
        with (
            AerospikeService(connection) as kept,
            AerospikeService(connection, ServiceOptions(schema_age_s=0)) as fresh,
        ):

            def columns(service: AerospikeService) -> set[str]:
                metadata = service.table_metadata(TableName("test", name))
                assert metadata is not None
                return {c.name for c in metadata.columns if not c.hidden}

            assert columns(kept) == columns(fresh) == {"a"}
            client.put(("test", name, 2), {"b": 1})
            assert columns(kept) == {"a"}
            assert columns(fresh) == {"a", "b"}
    finally:
        client.truncate("test", name, 0)


def test_options_behind_the_name_are_not_another_table(service: AerospikeService, every_type: TableName) -> None:
    with_options = TableName("test", f"{every_type.table}__splits_5__rps_100000")
    metadata = service.table_metadata(with_options)
    assert metadata is not None
    assert metadata.name == with_options
    assert with_options not in service.list_tables("test")
    assert count(service, with_options) == 60
    with pytest.raises(ServiceError, match="no option"):
        service.table_metadata(TableName("test", f"{every_type.table}__slits_5"))


def test_keys_of_other_types(service: AerospikeService, client: Any) -> None:
    name = f"gw{uuid.uuid4().hex[:8]}"
    try:
        for i in range(30):
            client.put(("test", name, bytearray([i, 200])), {"n": i}, policy={"key": 1})
        table = TableName("test", name)
        metadata = service.table_metadata(table)
        assert metadata is not None
        assert metadata.columns[0].type == "varchar"
        rows = read(service, table, ["key__", "n"])
        assert sorted(row["key__"] for row in rows) == [f"{i:02X}C8" for i in range(30)]
        assert read(service, table, ["key__", "n"], where(key__=equal("07C8", "zz", "0"))) == [
            {"key__": "07C8", "n": 7}
        ]
    finally:
        client.truncate("test", name, 0)
