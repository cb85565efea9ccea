"""Loading files at the start: what a row becomes, and one plain line for what cannot be loaded."""

from __future__ import annotations

import datetime
import decimal
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aerospike
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from aerospike_magic.devserver import DevServer
from aerospike_magic.devserver.files import Source
from aerospike_magic.errors import DevServerError

NESTED = pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))])
COLUMNS: dict[str, tuple[pa.DataType, list[Any], list[Any]]] = {
    "id": (pa.int32(), [7, 8, 9], [7, 8, 9]),
    "n": (pa.int64(), [1, None, -(2**63)], [1, None, -(2**63)]),
    "small": (pa.uint8(), [1, 255, None], [1, 255, None]),
    "f": (pa.float32(), [0.5, 1.0, None], [0.5, 1.0, None]),
    "s": (pa.string(), ["a", None, "héllo"], ["a", None, "héllo"]),
    "d": (pa.dictionary(pa.int8(), pa.string()), ["x", "y", "x"], ["x", "y", "x"]),
    "b": (pa.bool_(), [True, False, None], [True, False, None]),
    "raw": (pa.binary(), [b"\0\xff", b"", None], [b"\0\xff", b"", None]),
    "l": (pa.list_(pa.int64()), [[1, None], [], None], [[1, None], [], None]),
    "st": (NESTED, [{"x": 1, "y": ["a"]}, {"x": None, "y": None}, None], [{"x": 1, "y": ["a"]}, {}, None]),
    "m": (pa.map_(pa.string(), pa.int64()), [[("k", 1)], [], None], [{"k": 1}, {}, None]),
    "day": (pa.date32(), [datetime.date(2013, 1, 2), None, None], ["2013-01-02", None, None]),
    "at": (
        pa.timestamp("us"),
        [datetime.datetime(2013, 1, 2, 3, 4, 5, 6), None, None],
        ["2013-01-02T03:04:05.000006", None, None],
    ),
    "dec": (pa.decimal128(9, 2), [decimal.Decimal("1.50"), None, None], ["1.50", None, None]),
}


def records(server: DevServer, namespace: str, set_name: str) -> dict[Any, dict[str, Any]]:
    client = aerospike.client({"hosts": [(server.host, server.port)]}).connect()
    try:
        return {key[2]: bins for key, _, bins in client.query(namespace, set_name).results()}
    finally:
        client.close()


def test_parquet_with_a_key_column_beside_csv_and_json_lines(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    table = pa.table({name: pa.array(values, kind) for name, (kind, values, _) in COLUMNS.items()})
    parquet.write_table(table, rows, row_group_size=2)
    (tmp_path / "with:colon.csv").write_text("code,n,f,s\nA,1,0.5,x\nB,,2.0,\n")
    lines = [{"k": 1, "l": [1, 2]}, {"k": 2, "m": {"a": "b"}}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    load = [f"{rows}:test.rows:id", f"{tmp_path}/with:colon.csv:other.codes:code", f"{tmp_path}/rows.jsonl:test.lines"]
    with DevServer(namespaces=("test",), load=load) as server:
        expected = {
            7 + i: {name: wanted[i] for name, (_, _, wanted) in COLUMNS.items() if wanted[i] is not None}
            for i in range(3)
        }
        found = records(server, "test", "rows")
        assert found == expected
        assert [type(value) for value in found[7].values()] == [
            *(int, int, int, float, str, str, bool, bytes, list, dict, dict, str, str, str)
        ]
        assert records(server, "other", "codes") == {
            "A": {"code": "A", "n": 1, "f": 0.5, "s": "x"},
            "B": {"code": "B", "f": 2.0},
        }
        assert records(server, "test", "lines") == {1: lines[0], 2: lines[1]}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a.csv:ns.set", ("a.csv", "ns", "set", None)),
        ("a.csv:ns.set:key", ("a.csv", "ns", "set", "key")),
        ("b:c.csv:ns.set:k.v", ("b:c.csv", "ns", "set", "k.v")),
    ],
)
def test_forms_of_a_source(tmp_path: Path, text: str, parsed: Any) -> None:
    (tmp_path / parsed[0]).write_text("x\n1\n")
    source = Source.parse(f"{tmp_path}/{text}")
    assert (source.path.name, source.namespace, source.set_name, source.key) == parsed


@pytest.mark.parametrize("text", ["", "a.csv", "a.csv:set", "a.csv:ns.", ":ns.set", "a.csv:ns.set:"])
def test_bad_forms(text: str) -> None:
    with pytest.raises(DevServerError, match=r"FILE:namespace\.set"):
        Source.parse(text)


@pytest.mark.parametrize(
    ("name", "content", "key", "told"),
    [
        ("a.csv", "x,y\n1,2\n", "z", "has no column 'z' for the keys · it has x, y"),
        ("a.csv", "x,y\n1,2\n,3\n", "x", "row 2 has no value in the key column 'x'"),
        ("a.csv", "x,y\n1,2\n1,3\n", "x", "two records have the same key"),
        ("a.csv", "x,y\n1.5,2\n", "x", "keys are integers or strings, column 'x' is neither"),
        ("a.csv", "x,y\n1,2\n,\n", "", "row 2 has no value at all"),
        ("a.csv", "a_name_of_16_char\n1\n", "", "column 'a_name_of_16_char' cannot be a bin"),
        ("a.csv", "x,y\n1\n", "", "cannot read a.csv: CSV parse error"),
        ("a.parquet", "nonsense", "", "cannot read a.parquet:"),
        ("a.jsonl", "{]\n", "", "cannot read a.jsonl:"),
        ("a.xlsx", "x", "", "a.xlsx: cannot tell its format · known endings: .csv"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(tmp_path: Path, name: str, content: str, key: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    source = f"{path}:test.s" + (f":{key}" if key else "")
    command = [sys.executable, "-m", "aerospike_magic.devserver", "--port", "0", "--quiet", "--load", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("aerospike-magic server: ")
    assert told in done.stderr


def test_a_missing_file(capsys: Any) -> None:
    with pytest.raises(DevServerError, match="there is no file nowhere.csv"):
        Source.parse("nowhere.csv:ns.set:key")
