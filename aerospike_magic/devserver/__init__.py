"""An Aerospike-compatible server for development and tests: in memory, its own process, one node or several.

`DevServer` starts it as a child process; `python -m aerospike_magic.devserver` runs it. The rest of this room is the
server's own: `cluster` (nodes) → `server` (sockets) → `commands` → `records`, `query`, `info` → `store` → `kernels`.
"""

from __future__ import annotations

from aerospike_magic.devserver.process import DevServer

__all__ = ["DevServer"]
