"""Settings told and changed while the server runs: `get-config` and `set-config`.

One can be changed, a namespace's largest record; an administrator who changes another is told that it is invalid, as
of a name that does not exist.

Source: Aerospike server, as/src/base/cfg_info.c (`as_cfg_info_cmd_config_get`, `as_cfg_info_namespace_config_set`).
"""

from __future__ import annotations

import logging
import re
from typing import Any

from aerospike_magic.devserver import configuration
from aerospike_magic.devserver.membership import REPLICATION_FACTOR
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.record_size import MAX_RECORD_SIZE, MIN_RECORD_SIZE
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.wire.info import parse_info_pairs

log = logging.getLogger(__name__)

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


def read_size(text: str) -> int | None:
    """Read a number of bytes, with K, M, G, T or P behind it for powers of 1,024; None if it is none."""
    found = re.fullmatch(r"(\d{1,18})([KMGTP]?)", text.upper())
    return int(found[1]) * _UNITS[found[2]] if found else None


def namespace_configuration(node: Node, namespace: Namespace) -> dict[str, Any]:
    """A namespace's settings."""
    return {
        **configuration.NAMESPACE,
        "max-record-size": namespace.max_record_size,
        "replication-factor": min(REPLICATION_FACTOR, len(node.membership.names)),
    }


def get_config(node: Node, parameters: str) -> str:
    """Answer `get-config:context=…`."""
    wanted = parse_info_pairs(parameters)
    context = wanted.get("context", "service")
    if context == "namespace":
        namespace = _namespace(node, wanted)
        return (
            namespace if isinstance(namespace, str) else configuration.pairs(namespace_configuration(node, namespace))
        )
    if context == "network":
        return configuration.pairs({"service.port": node.port})
    if context not in ("service", "logging", "security", "xdr"):
        return "ERROR:4:invalid context"
    return configuration.pairs({"cluster-name": node.cluster_name, "service.port": node.port, **configuration.SERVICE})


def set_config(node: Node, parameters: str) -> str:
    """Answer `set-config:context=…;name=value`."""
    wanted = parse_info_pairs(parameters)
    context = wanted.get("context")
    if not context:
        return "ERROR:4:missing 'context'"
    if context == "namespace":
        namespace = _namespace(node, wanted)
        if isinstance(namespace, str):
            return namespace
        size = read_size(wanted.get("max-record-size", ""))
        if size is not None and MIN_RECORD_SIZE <= size <= MAX_RECORD_SIZE:
            namespace.max_record_size = size
            return "ok"
    elif context not in ("service", "network", "logging", "security", "xdr"):
        return "ERROR:4:invalid context"
    log.warning("refused: the setting %r is not one that can be changed here, or has a wrong value", parameters)
    return "ERROR:4:invalid set-config parameter"


def _namespace(node: Node, wanted: dict[str, str]) -> Namespace | str:
    """The namespace that is meant, or the error."""
    name = wanted.get("ns") or wanted.get("namespace") or wanted.get("id")
    if not name:
        return "ERROR:20:missing 'namespace'"
    return node.namespaces.get(name) or "ERROR:20:namespace not found on node"
