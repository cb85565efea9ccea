"""A set of its own for each test, and its records."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def table(client: Any) -> Iterator[str]:
    """The name of a set in namespace test, empty."""
    name = f"write{uuid.uuid4().hex[:8]}"
    yield name
    client.truncate("test", name, 0)


@pytest.fixture
def stored(client: Any, table: str) -> Callable[[], dict[Any, dict[str, Any]]]:
    """Read all records with the official client: bin `id` → bins."""
    return lambda: {record[2].get("id"): record[2] for record in client.query("test", table).results()}


@pytest.fixture
def generations(client: Any, table: str) -> Callable[[], dict[Any, int]]:
    """Read all records' generations: bin `id` → generation."""
    return lambda: {record[2].get("id"): record[1]["gen"] for record in client.query("test", table).results()}
