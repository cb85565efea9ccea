"""Which sets there are and what columns they have: what every engine asks of a cluster before it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from aerospike_magic.schema.types import SetSchema

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection


class SetCatalog(Protocol):
    """The sets of a cluster."""

    def sets(self) -> Sequence[tuple[str, str]]:
        """Return (namespace, set) of every set."""

    def namespaces(self) -> Sequence[str]:
        """Return every namespace, those without sets too."""

    def schema(self, namespace: str, set_name: str) -> SetSchema:
        """Return the columns of a set that `sets` lists."""


class ClusterSets:
    """The sets of the cluster behind a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def sets(self) -> Sequence[tuple[str, str]]:
        """Return (namespace, set) of every set, by info."""
        return [(found.namespace, found.name) for found in self._connection.sets()]

    def namespaces(self) -> Sequence[str]:
        """Return every namespace, by info."""
        return self._connection.namespaces()

    def schema(self, namespace: str, set_name: str) -> SetSchema:
        """Return the connection's schema of the set, sampled at the first call."""
        return self._connection.schema(f"{namespace}.{set_name}")
