"""The vector data set, loaded into the server under test."""

from __future__ import annotations

import json
from typing import Any

import aerospike
import pytest
from recorded import VECTORS, decode_value


@pytest.fixture(scope="session")
def dataset() -> list[dict[str, Any]]:
    """The records of set vecx, by id."""
    return [decode_value(record) for record in json.loads((VECTORS / "dataset.json").read_text())]


@pytest.fixture(scope="session")
def vecx(client: Any, dataset: list[dict[str, Any]]) -> str:
    """The data set in test.vecx; odd ids with their user key. Returns the set's name."""
    client.truncate("test", "vecx", 0)
    for record in dataset:
        sends_key = record["id"] % 2 == 1
        policy = {"key": aerospike.POLICY_KEY_SEND if sends_key else aerospike.POLICY_KEY_DIGEST}
        client.put(("test", "vecx", record["id"]), record, policy=policy)
    return "vecx"
