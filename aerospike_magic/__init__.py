"""SQL on Aerospike from a notebook, in place.

::

    %load_ext aerospike_magic
    %aerospike connect 127.0.0.1:3000
    %%aerosql
    SELECT origin, count(*) FROM demo.flights GROUP BY origin

In Python, ``connect("127.0.0.1:3000")`` gives a `Connection`, and
``AerospikeDataset(connection, "demo.flights")`` a `pyarrow.dataset.Dataset`, and
``write(frame, "demo.copy", key="id")`` writes one back. Importing this package costs
milliseconds: the rest is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection, connect
    from aerospike_magic.dataset import AerospikeDataset
    from aerospike_magic.scan.options import ScanOptions
    from aerospike_magic.schema.types import SetSchema
    from aerospike_magic.write.frames import write

__version__ = "0.1.0"

__all__ = [
    "AerospikeDataset",
    "Connection",
    "ScanOptions",
    "SetSchema",
    "__version__",
    "connect",
    "load_ipython_extension",
    "unload_ipython_extension",
    "write",
]

_LAZY = {
    "connect": "aerospike_magic.connection",
    "Connection": "aerospike_magic.connection",
    "AerospikeDataset": "aerospike_magic.dataset",
    "ScanOptions": "aerospike_magic.scan.options",
    "SetSchema": "aerospike_magic.schema.types",
    "write": "aerospike_magic.write",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%aerospike`` and ``%%aerosql``; what ``%load_ext aerospike_magic`` calls."""
    from aerospike_magic.magic import load_ipython_extension as load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics away again; what ``%unload_ext aerospike_magic`` calls."""
    from aerospike_magic.magic import unload_ipython_extension as unload

    unload(ipython)
