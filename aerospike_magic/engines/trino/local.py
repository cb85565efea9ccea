"""A Trino or Presto of our own beside this process, and the gateway in it that serves it the sets.

Both listen on loopback only, and both end with `close`, or with the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.flavor import TRINO, Flavor
from aerospike_magic.engines.trino.server import LocalServer, find_server
from aerospike_magic.engines.trino.server.catalogs import read_properties
from aerospike_magic.errors import EngineServerError
from aerospike_magic.gateway.catalog_file import catalog_text
from aerospike_magic.gateway.server import Gateway
from aerospike_magic.gateway.service import AerospikeService

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection
    from aerospike_magic.engines.trino.server.fetch import OnProgress

CATALOG = "aerospike"


class LocalTrino:
    """A server on this machine and its gateway; `LocalTrino.start` makes one.

    Attributes:
        service: what the gateway serves.
        server: how the server is asked.
        gateway: between the two.
        process: the server's.
    """

    def __init__(self, service: AerospikeService, gateway: Gateway, process: LocalServer, flavor: Flavor) -> None:
        self.service = service
        self.gateway = gateway
        self.process = process
        self.server = TrinoServer(process.host, process.port, catalog=CATALOG, flavor=flavor)

    @classmethod
    def start(cls, connection: Connection, flavor: Flavor = TRINO, on_progress: OnProgress | None = None) -> LocalTrino:
        """Start a gateway and a server, which is fetched first if it is not on this machine.

        Args:
            connection: to the cluster whose sets are served.
            flavor: Trino or Presto.
            on_progress: is told of download, unpacking and start, in this thread.

        Raises:
            EngineServerError: the server cannot be fetched, has no Java, or does not start.
        """
        service = AerospikeService(connection)
        gateway = Gateway(service)
        try:
            gateway.start()
            catalog = read_properties(catalog_text(flavor.name, [gateway.address]))
            process = LocalServer.start(flavor.name, {CATALOG: catalog}, on_progress=on_progress)
        except BaseException:
            gateway.close()
            service.close()
            raise
        return cls(service, gateway, process, flavor)

    @property
    def is_running(self) -> bool:
        """Whether the server has not ended."""
        return self.process.is_running

    def __repr__(self) -> str:
        state = "" if self.is_running else " stopped"
        return f"<LocalTrino {self.server.flavor.name} {self.server.address}, gateway {self.gateway.address}{state}>"

    def close(self) -> None:
        """Stop the server, then the gateway."""
        self.process.stop()
        self.gateway.close()
        self.service.close()


def is_fetched(flavor: Flavor) -> bool:
    """Whether the server is on this machine, so that it starts within seconds."""
    return find_server(flavor.name) is not None


def not_here(flavor: Flavor) -> EngineServerError:
    """Return what to say where there is no server to run a cell."""
    from aerospike_magic.engines.trino.server.releases import find_release

    n_bytes = find_release(flavor.name).download_bytes
    return EngineServerError(
        f"there is no {flavor.title} to run this",
        hint=f"%aerospike {flavor.name} start downloads one ({n_bytes / 1e6:,.0f} MB, once); "
        f"%aerospike {flavor.name} HOST:PORT uses yours",
    )
