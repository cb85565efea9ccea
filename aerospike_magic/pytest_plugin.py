"""A pytest plug-in: the fixture `aerospike_server`, an Aerospike-compatible server for tests.

Installed with the package, it costs nothing until a test asks for the fixture: pytest itself is all that it imports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aerospike_magic.devserver import DevServer


@pytest.fixture(scope="session")
def aerospike_server_options() -> dict[str, Any]:
    """What `aerospike_server` is started with, see `DevServer`; a conftest.py overrides it.

    Example:
        >>> @pytest.fixture(scope="session")
        ... def aerospike_server_options():
        ...     return {"namespaces": ("shop",), "load": ["tests/orders.csv:shop.orders:id"]}
    """
    return {"namespaces": ("test",)}


@pytest.fixture(scope="session")
def aerospike_server(aerospike_server_options: dict[str, Any]) -> Iterator[DevServer]:
    """A development server on a free port, one for all tests of a run (with pytest-xdist: of a worker).

    Yields:
        the running server, with `.host`, `.port` and `.address`.

    Raises:
        DevServerError: it did not start.
    """
    from aerospike_magic.devserver import DevServer

    with DevServer(**aerospike_server_options) as server:
        yield server
