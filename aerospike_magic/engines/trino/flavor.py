"""What Trino and Presto do differently: names, mostly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flavor:
    """One of the two.

    Attributes:
        name: of the engine, as a user writes it.
        title: for people.
        header: what the names of its HTTP headers begin with.
        capabilities: what we tell the server that we understand.
        digits: of a second's fraction that a timestamp may have.
        environment: what the names of its environment variables begin with.
    """

    name: str
    title: str
    header: str
    capabilities: str
    digits: int
    environment: str


TRINO = Flavor("trino", "Trino", "X-Trino-", "PARAMETRIC_DATETIME", 12, "TRINO_")
PRESTO = Flavor("presto", "Presto", "X-Presto-", "", 3, "PRESTO_")

FLAVORS = {flavor.name: flavor for flavor in (TRINO, PRESTO)}
