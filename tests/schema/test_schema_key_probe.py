"""The type of keys that are not stored, from a bin that hashes to the digest."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from aerospike_magic.schema.infer import SampleRecord, infer_schema
from aerospike_magic.wire.digest import compute_digest


def sample(key: Any, bins: dict[str, Any]) -> SampleRecord:
    return SampleRecord(None, compute_digest("s", key), 1, -1, bins)


@pytest.mark.parametrize(("keys", "dtype"), [(range(50), pa.int64()), (["a", "b", "ü"], pa.string())])
def test_a_bin_that_holds_the_key_gives_its_type(keys: Any, dtype: pa.DataType) -> None:
    schema = infer_schema("n", "s", [sample(k, {"x": 1, "y": "b", "id": k}) for k in keys], 50)
    assert schema.column("__key").type == dtype
    assert not schema.has_keys
    assert "__key" not in schema.arrow.names


def test_a_bin_that_is_the_key_of_some_records_only_is_not_the_key() -> None:
    records = [sample(k, {"id": k if k != 3 else 99}) for k in range(5)]
    assert infer_schema("n", "s", records, 5).column("__key").type == pa.string()


def test_a_boolean_is_no_key() -> None:
    assert infer_schema("n", "s", [sample(1, {"flag": True})], 1).column("__key").type == pa.string()
