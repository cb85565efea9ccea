"""The server that tests talk to."""

from __future__ import annotations

from dataclasses import dataclass


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
