"""Reaching a cluster: profiles and settings, the official client, nodes and partitions, sets, indexes,
schemas.

`settings` finds what to connect to, `client` starts the official client and `refusals` translates its errors,
`cluster` and `catalog` read info answers, `sockets` opens the connections that scans read from, and
`Connection` is all of it together.
"""

from __future__ import annotations

from aerospike_magic.connection.catalog import IndexInfo, NamespaceInfo, SetInfo
from aerospike_magic.connection.cluster import N_PARTITIONS, Node, PartitionMap
from aerospike_magic.connection.connection import Connection, connect
from aerospike_magic.connection.names import split_name
from aerospike_magic.connection.profiles import load_profiles, profiles_path
from aerospike_magic.connection.settings import ENVIRONMENT, ConnectionSettings, resolve_settings

__all__ = [
    "ENVIRONMENT",
    "N_PARTITIONS",
    "Connection",
    "ConnectionSettings",
    "IndexInfo",
    "NamespaceInfo",
    "Node",
    "PartitionMap",
    "SetInfo",
    "connect",
    "load_profiles",
    "profiles_path",
    "resolve_settings",
    "split_name",
]
