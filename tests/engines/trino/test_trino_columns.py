"""Types as the server writes them, and values as its JSON has them, in Arrow."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from aerospike_magic.engines.trino.columns import to_arrow
from aerospike_magic.engines.trino.types import parse_type
from aerospike_magic.errors import QueryError

UTC = dt.UTC


@pytest.mark.parametrize(
    ("text", "arrow"),
    [
        ("boolean", pa.bool_()),
        ("tinyint", pa.int8()),
        ("smallint", pa.int16()),
        ("integer", pa.int32()),
        ("bigint", pa.int64()),
        ("real", pa.float32()),
        ("double", pa.float64()),
        ("decimal(38,0)", pa.decimal128(38, 0)),
        ("decimal(30, 2)", pa.decimal128(30, 2)),
        ("varchar", pa.string()),
        ("varchar(25)", pa.string()),
        ("char(3)", pa.string()),
        ("json", pa.string()),
        ("uuid", pa.string()),
        ("ipaddress", pa.string()),
        ("varbinary", pa.binary()),
        ("HyperLogLog", pa.binary()),
        ("qdigest(bigint)", pa.binary()),
        ("date", pa.date32()),
        ("time(3)", pa.time64("us")),
        ("time(9)", pa.time64("ns")),
        ("time(3) with time zone", pa.string()),
        ("timestamp", pa.timestamp("us")),
        ("timestamp(6)", pa.timestamp("us")),
        ("timestamp(9)", pa.timestamp("ns")),
        ("timestamp(12)", pa.string()),
        ("timestamp(3) with time zone", pa.timestamp("us", "UTC")),
        ("timestamp with time zone", pa.timestamp("us", "UTC")),
        ("INTERVAL DAY TO SECOND", pa.duration("us")),
        ("interval year to month", pa.month_day_nano_interval()),
        ("unknown", pa.null()),
        ("array(integer)", pa.list_(pa.int32())),
        ("map(varchar(2), array(double))", pa.map_(pa.string(), pa.list_(pa.float64()))),
        ("row(integer, varchar(1))", pa.struct([("field0", pa.int32()), ("field1", pa.string())])),
        ('row("A b" bigint, y decimal(3, 1))', pa.struct([("A b", pa.int64()), ("y", pa.decimal128(3, 1))])),
        ('row("a""(," bigint)', pa.struct([('a"(,', pa.int64())])),
        ("row(interval bigint, timestamp date)", pa.struct([("interval", pa.int64()), ("timestamp", pa.date32())])),
        ("row(timestamp(3) with time zone)", pa.struct([("field0", pa.timestamp("us", "UTC"))])),
        ("row(x row(y array(map(bigint, real))))", None),
        ("Geometry", pa.string()),
    ],
)
def test_types(text, arrow):
    found = parse_type(text).arrow
    if arrow is None:
        assert str(found).startswith("struct<x: struct<y: list<")
    else:
        assert found == arrow


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ("tinyint", -128, -128),
        ("bigint", 2**63 - 1, 2**63 - 1),
        ("double", "Infinity", float("inf")),
        ("double", "-Infinity", float("-inf")),
        ("double", 1e300, 1e300),
        (
            "decimal(38, 2)",
            "-123456789012345678901234567890123456.78",
            Decimal("-123456789012345678901234567890123456.78"),
        ),
        ("varchar", "Größe 😀\x00", "Größe 😀\x00"),
        ("json", '{"a":1}', '{"a":1}'),
        ("Geometry", {"x": 1}, '{"x": 1}'),
        ("varbinary", "AP8=", b"\x00\xff"),
        ("date", "0001-01-01", dt.date(1, 1, 1)),
        ("time(6)", "23:59:59.123456", dt.time(23, 59, 59, 123456)),
        ("timestamp(6)", "2020-01-01 00:00:00.123456", dt.datetime(2020, 1, 1, 0, 0, 0, 123456)),
        ("timestamp(0) with time zone", "2020-07-01 12:00:00 Europe/Berlin", dt.datetime(2020, 7, 1, 10, tzinfo=UTC)),
        ("timestamp(0) with time zone", "2020-07-01 12:00:00 +02:00", dt.datetime(2020, 7, 1, 10, tzinfo=UTC)),
        ("timestamp(0) with time zone", "2020-07-01 12:00:00 UTC", dt.datetime(2020, 7, 1, 12, tzinfo=UTC)),
        ("interval day to second", "-1 02:03:04.500", -dt.timedelta(1, 4, 0, 500, 3, 2)),
        ("interval year to month", "-1-3", pa.MonthDayNano([-15, 0, 0])),
        ("array(array(bigint))", [[1, None], None, []], [[1, None], None, []]),
        ("map(bigint, varchar)", {"1": "a", "-2": None}, [(1, "a"), (-2, None)]),
        ("map(boolean, double)", {"true": "Infinity"}, [(True, float("inf"))]),
        ("map(double, bigint)", {"1.5": 1}, [(1.5, 1)]),
        ("map(date, bigint)", {"2020-01-01": 1}, [(dt.date(2020, 1, 1), 1)]),
        ("row(a bigint, b varbinary)", [1, "AP8="], {"a": 1, "b": b"\x00\xff"}),
        ("array(row(a decimal(3, 1)))", [["1.5"], None, [None]], [{"a": Decimal("1.5")}, None, {"a": None}]),
        # Presto writes nested values as text.
        ("array(map(varchar, bigint))", '[{"a": 1}]', [[("a", 1)]]),
        ("row(a array(bigint))", "[[1, null]]", {"a": [1, None]}),
        ("unknown", None, None),
    ],
)
def test_values(text, value, wanted):
    array = to_arrow([value, None, value], parse_type(text))
    array.validate(full=True)
    assert array.to_pylist() == [wanted, None, wanted]


def test_nan():
    found = to_arrow([1.5, "NaN", None], parse_type("real"))
    assert str(found.to_pylist()) == "[1.5, nan, None]"


def test_years_before_and_after_pythons():
    dates = to_arrow(["-0005-01-01", "+12020-03-01", "2020-01-01"], parse_type("date"))
    assert dates.cast(pa.int32()).to_pylist() == [-721_354, 3_670_747, 18_262]
    moments = to_arrow(["-0001-01-01 00:00:01"], parse_type("timestamp(0)"))
    assert moments.cast(pa.int64()).to_pylist() == [-62_198_755_199_000_000]


def test_zones_of_each_row():
    values = ["2020-01-01 00:00:00 Asia/Tokyo", None, "2020-01-01 00:00:00 -05:00", "2020-01-01 00:00:00 UTC"]
    found = to_arrow(values, parse_type("timestamp(3) with time zone")).to_pylist()
    assert [None if v is None else v.hour for v in found] == [15, None, 5, 0]


def test_no_rows_and_only_nulls():
    for text in ("bigint", "array(row(a map(bigint, date)))", "timestamp(3) with time zone", "varbinary"):
        kind = parse_type(text)
        assert to_arrow([], kind).type == kind.arrow
        assert to_arrow([None, None], kind).null_count == 2


def test_what_cannot_be_held_says_what_to_do():
    with pytest.raises(QueryError, match="timestamp") as raised:
        to_arrow(["9999-01-01 00:00:00.000000001"], parse_type("timestamp(9)"))
    assert "cast" in raised.value.hint
    with pytest.raises(QueryError, match="keys"):
        to_arrow([{"[1]": 1}], parse_type("map(array(bigint), bigint)"))
