"""The two questions that tell whether a server is ready. Asked without a proxy, whatever the environment says."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 10.0
_MOST_PAGES = 1_000


def ask_info(host: str, port: int) -> dict[str, Any] | None:
    """Return what a server says of itself, None if none answers."""
    answer = _ask("GET", host, port, "/v1/info")
    return answer if isinstance(answer, dict) else None


def run_query(kind: str, host: str, port: int, sql: str) -> list[list[Any]] | None:
    """Run a query of a few rows.

    Returns:
        Its rows; None if it fails. A server that has just started may have no node yet that runs it.
    """
    headers = {f"X-{kind.capitalize()}-User": "aerospike_magic"}
    answer = _ask("POST", host, port, "/v1/statement", headers, sql)
    rows: list[list[Any]] = []
    for _ in range(_MOST_PAGES):
        if not isinstance(answer, dict) or "error" in answer:
            return None
        rows += answer.get("data") or []
        following = urlsplit(answer.get("nextUri") or "")
        if not following.path:
            return rows
        answer = _ask("GET", host, port, f"{following.path}?{following.query}", headers)
    return None


def _ask(method: str, host: str, port: int, path: str, headers: dict[str, str] | None = None, body: str = "") -> Any:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        said = answer.read()
        return json.loads(said) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
