"""The same law end to end: a dataset's filter, whatever part of it the server decides, keeps SQL's rows.

Here are also the particles that the official client cannot write: strings that are not UTF-8, written as raw bytes.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.schema.types import Kind, SetSchema, bin_column, metadata_columns
from aerospike_magic.wire.digest import compute_digest
from aerospike_magic.wire.message import (
    Field,
    FieldType,
    Info2,
    Message,
    Op,
    OpType,
    decode_message,
    encode_message_proto,
)

pytestmark = pytest.mark.filterwarnings("ignore::aerospike_magic.errors.MismatchWarning")

SET = "filter_scan"
RAW = [b"abc", b"\xff\xfe", b"z", b"a\xff", b""]
F = pc.field


def write_raw(connection, key, text):
    message = Message(
        info2=Info2.WRITE,
        fields=(
            Field(FieldType.NAMESPACE, b"test"),
            Field(FieldType.SET, SET.encode()),
            Field(FieldType.DIGEST, compute_digest(SET, key)),
        ),
        ops=(Op(OpType.WRITE, 3, "s", text), Op(OpType.WRITE, 1, "n", key.to_bytes(8, "big"))),
    )
    owner = connection.nodes()[0]
    with connection.open_socket(owner, 5.0) as connected:
        connected.sendall(encode_message_proto(message))
        assert decode_message(connected.recv(1000)[8:])[0].result_code == 0


@pytest.fixture
def dataset(connection):
    for key, text in enumerate(RAW):
        write_raw(connection, key, text)
    client = connection.client
    client.put(("test", SET, 99), {"n": 99, "s": 5})
    client.put(("test", SET, 100), {"n": 100, "l": [1, "a"]})
    client.put(("test", SET, 101), {"n": 101, "l": [1, 2], "s": "zz"})
    key, *metadata = metadata_columns()
    bins = (
        bin_column("n", Kind.INT64, pa.int64()),
        bin_column("s", Kind.STRING, pa.string()),
        bin_column("l", Kind.LIST, pa.list_(pa.int64())),
    )
    schema = SetSchema("test", SET, (key, *bins, *metadata))
    yield AerospikeDataset(connection, f"test.{SET}", schema=schema)
    for written in (*range(len(RAW)), 99, 100, 101):
        client.remove(("test", SET, written))


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        (None, [0, 1, 2, 3, 4, 99, 100, 101]),
        (F("s").is_null(), [1, 3, 99, 100]),
        (F("s").is_valid(), [0, 2, 4, 101]),
        (F("s") > "a", [0, 2, 101]),
        (F("s") != "abc", [2, 4, 101]),
        (F("s") == "abc", [0]),
        (pc.starts_with(F("s"), "a"), [0]),
        (~pc.starts_with(F("s"), "a"), [2, 4, 101]),
        (F("l").is_valid(), [101]),
        (F("l").is_null(), [0, 1, 2, 3, 4, 99, 100]),
        ((F("s") > "b") | (F("n") == 100), [2, 100, 101]),
        ((F("s") > "a") & (F("n") + 1 > 3), [101]),
        (F("__key").isin([1, 3, 7]), [1, 3]),
        ((F("__key") == 101) & (F("s") == "zz"), [101]),
        ((F("__key") == 101) & (F("s") == "z"), []),
        (F("n") == 2.5, []),
    ],
)
def test_a_dataset_keeps_sqls_rows(dataset, expression, kept):
    assert sorted(dataset.to_table(columns=["n"], filter=expression)["n"].to_pylist()) == kept
    assert dataset.count_rows(filter=expression) == len(kept)
