"""Fixtures: tables to serve, and gateways over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from table_service import TableService, table_of, typed

from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.client import GatewayClient
from aerospike_magic.gateway.server import Gateway

N_ROWS = 1_000


def some(value: Any, i: int, every: int) -> Any:
    return None if i % every == 0 else value


@pytest.fixture
def service() -> TableService:
    """`test.items` with a column of each type, and `test.empty`."""
    rows = range(N_ROWS)
    items = table_of(
        typed("id", "bigint", rows),
        typed("qty", "bigint", [some(i * 3, i, 4) for i in rows]),
        typed("price", "double", [some(i / 4, i, 5) for i in rows]),
        typed("name", "varchar", [some("é" * (i % 9), i, 6) for i in rows]),
        typed("flag", "boolean", [some(i % 2 == 0, i, 7) for i in rows]),
        typed("small", "integer", [some(-i, i, 8) for i in rows]),
        typed("day", "date", [some(i, i, 9) for i in rows]),
        typed("ts", "timestamp", [some(i * 1001, i, 10) for i in rows]),
        typed("doc", "json", [some(f'{{"i":{i}}}', i, 11) for i in rows]),
        typed("sketch", "hyperloglog", [some(bytes([i % 256]), i, 12) for i in rows]),
        typed("tags", "array(bigint)", [some([i, None][: i % 3], i, 13) for i in rows]),
        typed("nothing", "varchar", [None] * N_ROWS),
    )
    return TableService({("test", "items"): items, ("test", "empty"): items.slice(0, 0)}, keys=["id"])


@pytest.fixture
def serve(service: TableService) -> Iterator[Callable[..., Gateway]]:
    """Starts a gateway over `service` with some options, and closes it in the end."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Gateway(service, options=GatewayOptions(**options)))


@pytest.fixture
def gateway(serve: Callable[..., Gateway]) -> Gateway:
    """A gateway over `service`."""
    return serve()


@pytest.fixture
def connect() -> Iterator[Callable[..., GatewayClient]]:
    """Connects to a gateway, and hangs up in the end."""
    with ExitStack() as stack:
        yield lambda gateway, **more: stack.enter_context(GatewayClient(gateway.host, gateway.port, **more))
