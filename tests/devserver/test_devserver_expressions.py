"""Filter expressions: every recorded row gives the recorded ids, or the recorded error."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from raw_client import run_filter
from recorded import load_lines

ROWS = [row for row in load_lines("expressions.jsonl") if "client_error" not in row]


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_recorded_expression(server: Any, vecx: str, row: dict[str, Any]) -> None:
    code, ids = run_filter(server, base64.b64decode(row["filter"]))
    assert code == row.get("error", 0)
    if "ids" in row:
        assert sorted(ids) == sorted(row["ids"])
