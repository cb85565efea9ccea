"""Frames of the process that serves, as tables."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from served_reads import count, read, splits_of

import aerospike_magic
from aerospike_magic.connection import Connection
from aerospike_magic.errors import SchemaError
from aerospike_magic.gateway.messages import ServiceError, TableName, TupleDomain
from aerospike_magic.gateway.service import AerospikeService

GATEWAY = TableName("aerospike_magic", "gateway")


@pytest.fixture
def service(connection: Connection) -> Iterator[AerospikeService]:
    with AerospikeService(connection) as served:
        yield served


def test_the_gateway_tells_its_version(service: AerospikeService) -> None:
    assert list(service.list_tables("aerospike_magic")) == [GATEWAY]
    assert read(service, GATEWAY, ["version"]) == [{"version": aerospike_magic.__version__}]
    assert service.table_metadata(TableName("aerospike_magic", "other")) is None


DAY = datetime.date(2024, 2, 29)
STAMP = datetime.datetime(2024, 2, 29, 12, 30, 1, 500_000)
COLUMNS: list[tuple[pa.Array, str, list[Any]]] = [
    (pa.array([1, None, -3], pa.int32()), "integer", [1, None, -3]),
    (pa.array([1, None, 2**63 - 1], pa.int64()), "bigint", [1, None, 2**63 - 1]),
    (pa.array([1, None, 2], pa.uint64()), "bigint", [1, None, 2]),
    (pa.array([1, None, 2**64 - 1], pa.uint64()), "varchar", ["1", None, str(2**64 - 1)]),
    (pa.array([1.5, None, float("inf")], pa.float32()), "double", [1.5, None, float("inf")]),
    (pa.array(["a", None, "é"], pa.large_string()), "varchar", ["a", None, "é"]),
    (pa.array(["a", None, "a"]).dictionary_encode(), "varchar", ["a", None, "a"]),
    (pa.array([True, None, False]), "boolean", [True, None, False]),
    (pa.array([DAY, None, DAY], pa.date32()), "date", [19_782, None, 19_782]),
    (pa.array([STAMP, None, STAMP], pa.timestamp("us")), "timestamp", [1_709_209_801_500, None, 1_709_209_801_500]),
    (
        pa.array([1, None, 2], pa.timestamp("ns")),
        "varchar",
        ["1970-01-01 00:00:00.000000001", None, "1970-01-01 00:00:00.000000002"],
    ),
    (pa.array([[1, None], None, []], pa.list_(pa.int32())), "array(bigint)", [[1, None], None, []]),
    (pa.array([b"\x00\xff", None, b""]), "varchar", ["00FF", None, ""]),
    (pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-2.25")]), "varchar", ["1.50", None, "-2.25"]),
    (pa.nulls(3), "varchar", [None] * 3),
]


@pytest.mark.parametrize(("array", "type_", "values"), COLUMNS, ids=[str(c[0].type) + c[1] for c in COLUMNS])
def test_a_column_has_a_type_of_the_wire(
    service: AerospikeService, array: pa.Array, type_: str, values: list[Any]
) -> None:
    name = service.add_frame("Frame", pa.table({"Col": array}))
    assert name == TableName("aerospike_frames", "frame")
    assert "aerospike_frames" in service.list_schemas()
    metadata = service.table_metadata(name)
    assert metadata is not None
    assert [(c.name, c.type) for c in metadata.columns] == [("col", type_)]
    assert [row["col"] for row in read(service, name, ["col"])] == values


def test_nested_values_are_json(service: AerospikeService) -> None:
    table = pa.table({"s": [{"a": 1, "b": ["x", None]}, None], "t": [[{"k": DAY}], None]})
    name = service.add_frame("f", table)
    rows = read(service, name, ["s", "t"])
    assert json.loads(rows[0]["s"]) == {"a": 1, "b": ["x", None]}
    assert json.loads(rows[0]["t"]) == [{"k": "2024-02-29"}]
    assert rows[1] == {"s": None, "t": None}


def test_a_large_frame_comes_in_splits_and_pages(service: AerospikeService) -> None:
    table = pa.table({"i": range(250_000), "t": [f"t{i}" for i in range(250_000)]})
    name = service.add_frame("large", table)
    assert len(splits_of(service, name, max_count=2)) == 3
    rows = read(service, name, ["t", "i"], max_bytes=100_000)
    assert rows == [{"t": f"t{i}", "i": i} for i in range(250_000)]
    assert count(service, name) == 250_000
    assert splits_of(service, name, TupleDomain(None)) == []


def test_a_frame_that_is_gone_or_another(service: AerospikeService) -> None:
    name = service.add_frame("f", pa.table({"i": [1]}))
    (split,) = splits_of(service, name)
    service.add_frame("f", pa.table({"i": [2]}))
    with pytest.raises(ServiceError, match="not there any more"):
        service.rows(split.id, ["i"], 1_000, None)
    service.remove_frame(name)
    assert service.table_metadata(name) is None
    with pytest.raises(ServiceError, match="no table"):
        splits_of(service, name)
    with pytest.raises(SchemaError, match="two columns"):
        service.add_frame("f", pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]))
