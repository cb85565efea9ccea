"""Whatever rows are written, the official client reads the same values back, one by one."""

from __future__ import annotations

import uuid
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from random_rows import batches

from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.wire.digest import compute_digest
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.write import WriteOptions, check_columns, write_batches


def as_read(value: Any) -> Any:
    """A value as bytes that tell everything: NaN equals NaN, -0.0 not 0.0, 1 not True.

    Text ends at a NUL, where the official client's ends, too.
    """
    if isinstance(value, str):
        value = value.partition("\0")[0]
    if isinstance(value, bytearray):
        value = bytes(value)
    if isinstance(value, dict):
        return {as_read(k): as_read(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_read(item) for item in value]
    return encode_particle(value)


@given(batches())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_come_back(connection: Any, client: Any, batch: pa.RecordBatch) -> None:
    table = f"values{uuid.uuid4().hex[:6]}"
    options = WriteOptions("__key", send_key=True)
    check_columns(batch.schema, options)
    report = write_batches(connection, "test", table, [batch], options)
    wanted: dict[bytes, dict[str, Any]] = {}
    keys = {}
    for row in batch.to_pylist(maps_as_pydicts="strict"):
        key = row.pop("__key")
        digest = compute_digest(table, key)
        # A later row with the same key changes the record; what is NULL in it is taken away.
        merged = wanted.get(digest, {}) | row
        wanted[digest] = {name: value for name, value in merged.items() if value is not None}
        keys[digest] = key
    wanted = {digest: bins for digest, bins in wanted.items() if bins}
    try:
        stored = {bytes(key[3]): (key[2], bins) for key, _, bins in client.query("test", table).results()}
        assert stored.keys() == wanted.keys()
        for digest, (key, bins) in stored.items():
            assert as_read(key) == as_read(keys[digest])
            assert as_read(bins) == as_read(wanted[digest])
        assert report.written >= len(wanted)
        assert {f.reason for f in report.failures} <= {"a record needs at least one bin that is not NULL"}
    finally:
        client.truncate("test", table, 0)


def test_a_nul_does_not_end_a_text(connection: Any) -> None:
    table = f"values{uuid.uuid4().hex[:6]}"
    rows = [{"__key": 1, "text": "\0"}, {"__key": 2, "text": "a\0b"}]
    write_batches(connection, "test", table, [pa.RecordBatch.from_pylist(rows)], WriteOptions("__key", send_key=True))
    try:
        stored = AerospikeDataset(connection, f"test.{table}").to_table().to_pylist()
        assert sorted(stored, key=lambda row: row["__key"]) == rows
    finally:
        connection.client.truncate("test", table, 0)
