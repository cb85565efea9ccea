"""A Trino or Presto of our own on this machine: fetched once, run on loopback, gone with its owner.

`releases` says which and of what files, `maven` downloads, `unpack` takes out what is kept, `fetch` does both once;
`java` finds a Java, `catalogs` and `settings` write what the server reads, `launcher` watches it, `process` is the
whole: `LocalServer.start("trino", catalogs)`.
"""

from __future__ import annotations

from aerospike_magic.engines.trino.server.fetch import ServerProgress, fetch_server, find_server
from aerospike_magic.engines.trino.server.process import LocalServer

__all__ = ["LocalServer", "ServerProgress", "fetch_server", "find_server"]
