"""The servers that tests talk to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TestServer:
    """Where the server under test listens."""

    __test__ = False

    host: str
    port: int
    is_embedded: bool

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class EngineServer:
    """A real Trino or Presto, whose catalog `aerospike` reads through a gateway in this process.

    Attributes:
        server: a `LocalServer`, with its host, port, url and kind.
        service: what the gateway serves.
        connection: to the server under test.
    """

    server: Any
    service: Any
    connection: Any
