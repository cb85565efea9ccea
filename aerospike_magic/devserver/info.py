"""Info commands: what the node tells about itself, and the few things it is told to do.

A command is `name`, `name:parameters` or `name/parameters`. Answers have the shape of a real server of this build; what
this server has no notion of answers what an idle single node would.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeAlias

from aerospike_magic.devserver import configuration
from aerospike_magic.devserver.directory import N_PARTITIONS
from aerospike_magic.devserver.journal import NotStored
from aerospike_magic.devserver.node import BUILD, Node
from aerospike_magic.devserver.security import Guard
from aerospike_magic.devserver.settings import get_config, namespace_configuration, set_config
from aerospike_magic.devserver.shares import count_namespace, count_sets, held_partitions
from aerospike_magic.devserver.sindex import KINDS, TYPES, SecondaryIndex
from aerospike_magic.devserver.store import EPOCH_S, Namespace, SetState, now_ms, now_s
from aerospike_magic.wire.info import parse_info_pairs
from aerospike_magic.wire.message import ResultCode

log = logging.getLogger(__name__)

EDITION = "Aerospike Community Edition"
"""Clients read it to know what not to ask for; the log line at start says what this really is."""

FEATURES = (
    "batch-any;batch-index;blob-bits;cdt-index;cdt-list;cdt-map;cluster-stable;float;geo;sindex-exists;peers;"
    "pipelining;pquery;pscans;query-show;relaxed-sc;replicas;replicas-all;replicas-master;replicas-max;"
    "truncate-namespace;udf"
)
CONTROL = "devserver-control"
"""Not a real command: what `control` takes, if the server was started to listen to that."""

_MAX_INDEX_NAME = 63

Handler: TypeAlias = Callable[[Node, str], str]


class InfoError(Exception):
    """A refused info command."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.answer = f"ERROR:{code}:{text}"


def answer_info(node: Node, command: str, guard: Guard | None = None) -> str:
    """Answer one info command.

    Args:
        node: who answers.
        command: one line of a request.
        guard: of the connection it came on, where the node has users.

    Returns:
        the answer without the command; refusals are `ERROR:code:text`.
    """
    name, parameters = _split(command)
    if guard is not None and (refusal := guard.check_info(name)):
        return refusal
    if name == CONTROL and node.control is not None:
        return node.control(parameters)
    handler = _HANDLERS.get(name)
    if handler is None:
        if name in _ENTERPRISE:
            return "ERROR:25:enterprise only"
        log.info("unknown info command %.80r", command)
        return "ERROR:4:unrecognized command"
    try:
        return handler(node, parameters)
    except InfoError as error:
        return error.answer
    except NotStored as error:
        return f"ERROR:{ResultCode.OUT_OF_SPACE:d}:{error.message}"


def _split(command: str) -> tuple[str, str]:
    for i, letter in enumerate(command):
        if letter in ":/":
            return command[:i], command[i + 1 :]
    return command, ""


def _namespace(node: Node, parameters: dict[str, str]) -> Namespace:
    name = parameters.get("ns") or parameters.get("namespace") or parameters.get("id")
    if not name:
        raise InfoError(20, "missing 'namespace'")
    namespace = node.namespaces.get(name)
    if namespace is None:
        raise InfoError(20, "namespace not found on node")
    return namespace


# -- who and where --


def _address(node: Node, _: str) -> str:
    return node.address


def _service(node: Node, _: str) -> str:
    """Its address in clear."""
    return "" if node.tls else node.address


def _service_tls(node: Node, _: str) -> str:
    return node.address if node.tls else ""


def _peers(node: Node, parameters: str) -> str:
    return _no_peers(node, parameters) if node.tls else _all_peers(node, "")


def _peers_tls(node: Node, parameters: str) -> str:
    return _all_peers(node, node.tls.name) if node.tls else _no_peers(node, parameters)


def _all_peers(node: Node, tls_name: str) -> str:
    cluster = node.membership
    # An address leaves out the default port, as the second field has it.
    peers = [
        f"[{cluster.names[i]},{tls_name},[{cluster.addresses[i].removesuffix(':3000')}]]"
        for i in cluster.peers(node.index)
    ]
    return f"{cluster.peers_generation},3000,[{','.join(peers)}]"


def _no_peers(node: Node, _: str) -> str:
    """Peers by a kind of address that no node has."""
    return f"{node.membership.peers_generation},3000,[]"


def _services(node: Node, _: str) -> str:
    if node.tls:
        return ""
    cluster = node.membership
    return ";".join(cluster.addresses[i] for i in cluster.peers(node.index))


def _replicas(node: Node, _: str) -> str:
    bitmaps = node.membership.bitmaps(node.index)
    return ";".join(f"{name}:0,{len(bitmaps)},{','.join(bitmaps)}" for name in node.namespaces)


def _replicas_all(node: Node, _: str) -> str:
    bitmaps = node.membership.bitmaps(node.index)
    return ";".join(f"{name}:{len(bitmaps)},{','.join(bitmaps)}" for name in node.namespaces)


def _replicas_master(node: Node, _: str) -> str:
    bitmap = node.membership.bitmaps(node.index)[0]
    return ";".join(f"{name}:{bitmap}" for name in node.namespaces)


def _statistics(node: Node, _: str) -> str:
    objects = sum(sum(count_namespace(node, namespace)) for namespace in node.namespaces.values())
    counters = node.counters
    return configuration.pairs(
        {
            **configuration.STATISTICS,
            "cluster_key": node.membership.cluster_key,
            "cluster_size": node.membership.size,
            "cluster_generation": 1 + node.membership.peers_generation,
            "cluster_principal": node.membership.principal,
            "paxos_principal": node.membership.principal,
            "uptime": int(time.monotonic() - node.started),
            "objects": objects,
            "client_connections": counters.connections,
            "client_connections_opened": counters.connections_opened,
            "client_connections_closed": counters.connections_opened - counters.connections,
            "info_complete": counters.info,
            "demarshal_error": counters.malformed,
            "long_queries_active": node.queries.n_running,
            "batch_index_initiate": counters.batches,
            "batch_index_complete": counters.batches,
        }
    )


# -- namespaces and sets --


def _namespaces(node: Node, _: str) -> str:
    return ";".join(node.namespaces)


def _namespace_info(node: Node, parameters: str) -> str:
    namespace = node.namespaces.get(parameters)
    if namespace is None:
        return "type=unknown"
    cluster = node.membership
    masters, replicas = count_namespace(node, namespace)
    used = sum(n_bytes for _, n_bytes in count_sets(node, namespace))
    size = configuration.DATA_SIZE
    return configuration.pairs(
        {
            **configuration.NAMESPACE_STATISTICS,
            "objects": masters + replicas,
            "master_objects": masters,
            "prole_objects": replicas,
            "ns_cluster_size": cluster.size,
            "effective_replication_factor": cluster.replication_factor,
            "unavailable_partitions": cluster.n_unavailable,
            "client_proxy_complete": node.counters.proxied,
            "current_time": now_s(),
            "index_used_bytes": (masters + replicas) * 64,
            "sindex_used_bytes": (16 << 20) * sum(1 for _ in node.indexes[parameters]),
            "data_total_bytes": size,
            "data_used_bytes": used,
            "data_used_pct": 100 * used // size,
            "data_avail_pct": 100 - 100 * used // size,
            "pi_query_long_basic_complete": node.queries.completed,
            **namespace_configuration(node, namespace),
        }
    )


def _sets(node: Node, parameters: str) -> str:
    name, _, set_name = parameters.partition("/")
    if name and name not in node.namespaces:
        return "ns_type=unknown"
    answers = []
    for namespace in node.namespaces.values():
        if name and namespace.name != name:
            continue
        counts = count_sets(node, namespace)
        for state, (objects, n_bytes) in zip(namespace.sets[1 : len(counts)], counts[1:], strict=True):
            if set_name and state.name != set_name:
                continue
            answer = _describe_set(node, namespace, state, objects, n_bytes)
            answers.append(answer if set_name else f"ns={namespace.name}:set={state.name}:{answer}")
    return ";".join(answers) + (";" if answers else "")


def _describe_set(node: Node, namespace: Namespace, state: SetState, objects: int, n_bytes: int) -> str:
    return (
        f"objects={objects}:tombstones=0"
        f":data_used_bytes={n_bytes}:truncate_lut={state.truncated_ms}"
        f":sindexes={node.indexes[namespace.name].count(state.name)}:index_populating=false:truncating=false"
        ":default-read-touch-ttl-pct=0:default-ttl=0:disable-eviction=false:enable-index=false"
        ":stop-writes-count=0:stop-writes-size=0"
    )


def _truncate(node: Node, parameters: str) -> str:
    wanted = parse_info_pairs(parameters)
    namespace = _namespace(node, wanted)
    set_name = wanted.get("set")
    if not set_name:
        raise InfoError(4, "missing 'set'")
    namespace.truncate(set_name, _truncate_time(wanted))
    return "ok"


def _truncate_namespace(node: Node, parameters: str) -> str:
    wanted = parse_info_pairs(parameters)
    _namespace(node, wanted).truncate(None, _truncate_time(wanted))
    return "ok"


def _truncate_time(wanted: dict[str, str]) -> int | None:
    """The `lut` of a truncation, Unix nanoseconds, as milliseconds since the Aerospike epoch."""
    if "lut" not in wanted:
        return None
    try:
        before_ms = int(wanted["lut"]) // 1_000_000 - EPOCH_S * 1000
    except ValueError:
        raise InfoError(4, "bad lut") from None
    if before_ms > now_ms():
        raise InfoError(4, "lut in the future")
    return before_ms


# -- secondary indexes --


def _sindex(node: Node, parameters: str) -> str:
    name, _, index_name = parameters.partition("/")
    if name and name not in node.namespaces:
        return "ns_type=unknown"
    if index_name:
        return _index_stats(node, name, index_name)
    return _index_list(node, name)


def _sindex_list(node: Node, parameters: str) -> str:
    wanted = parse_info_pairs(parameters)
    return _index_list(node, _namespace(node, wanted).name if wanted else "")


def _index_list(node: Node, name: str) -> str:
    return ";".join(
        index.describe() for namespace, indexes in node.indexes.items() for index in indexes if name in ("", namespace)
    )


def _sindex_stat(node: Node, parameters: str) -> str:
    wanted = parse_info_pairs(parameters)
    if "indexname" not in wanted:
        raise InfoError(4, "missing 'indexname'")
    return _index_stats(node, _namespace(node, wanted).name, wanted["indexname"])


def _index_stats(node: Node, name: str, index_name: str) -> str:
    index = node.indexes[name].get(index_name)
    if index is None:
        raise InfoError(201, "no index")
    return index.stats(node.namespaces[name], held_partitions(node))


def _sindex_create(node: Node, parameters: str) -> str:
    wanted = parse_info_pairs(parameters)
    namespace = _namespace(node, wanted)
    name = wanted.get("indexname", "")
    if not 0 < len(name) <= _MAX_INDEX_NAME:
        raise InfoError(4, "bad or missing 'indexname'")
    bin_name, _, data_type = wanted.get("indexdata", "").partition(",")
    bin_name = wanted.get("bin", bin_name)
    data_type = wanted.get("type", data_type).lower()
    kind = wanted.get("indextype", "default").lower()
    if not bin_name or not data_type:
        raise InfoError(4, "missing 'indexdata'")
    if kind not in KINDS:
        raise InfoError(4, "bad 'indextype' - must be one of 'default', 'list', 'mapkeys', 'mapvalues'")
    if data_type not in (*TYPES, "geo2dsphere"):
        raise InfoError(4, "bad 'indexdata' bin type - must be one of 'numeric', 'string', 'blob', 'geo2dsphere'")
    if data_type not in TYPES or wanted.get("context", "null") != "null" or "exp" in wanted:
        log.warning("refused: a secondary index %r is not supported yet", parameters)
        raise InfoError(16, "not supported by this development server")
    index = SecondaryIndex(namespace.name, wanted.get("set", ""), name, bin_name, data_type, kind)
    if not node.indexes[namespace.name].create(index):
        raise InfoError(200, "index already exists")
    return "ok"


def _sindex_delete(node: Node, parameters: str) -> str:
    wanted = parse_info_pairs(parameters)
    node.indexes[_namespace(node, wanted).name].remove(wanted.get("indexname", ""))
    return "ok"


def _sindex_exists(node: Node, parameters: str) -> str:
    wanted = parse_info_pairs(parameters)
    found = node.indexes[_namespace(node, wanted).name].get(wanted.get("indexname", ""))
    return "true" if found else "false"


# -- queries --


def _query_id(parameters: str) -> int:
    wanted = parse_info_pairs(parameters)
    text = wanted.get("trid") or wanted.get("id") or ""
    if not text:
        raise InfoError(4, "missing 'id'")
    try:
        return int(text, 0)
    except ValueError:
        raise InfoError(4, "bad id") from None


def _query_show(node: Node, parameters: str) -> str:
    if not parameters:
        return ";".join(job.describe() for job in node.queries)
    job = node.queries.find(_query_id(parameters))
    if job is None:
        raise InfoError(2, "job not found")
    return job.describe()


def _query_abort(node: Node, parameters: str) -> str:
    if not node.queries.abort(_query_id(parameters)):
        raise InfoError(2, "id not active")
    return "ok"


def _query_abort_all(node: Node, _: str) -> str:
    return f"number-of-queries-killed:{node.queries.abort_all()}"


def _fixed(text: str) -> Handler:
    return lambda node, parameters: text


def _cluster_stable(node: Node, parameters: str) -> str:
    size = parse_info_pairs(parameters).get("size")
    if size is not None and size != str(node.membership.size):
        raise InfoError(7, "cluster not specified size")
    return node.membership.cluster_key


def _histogram(node: Node, parameters: str) -> str:
    _namespace(node, parse_info_pairs(parameters))
    return ""


def _objects(node: Node, _: str) -> str:
    return str(sum(sum(count_namespace(node, namespace)) for namespace in node.namespaces.values()))


_ENTERPRISE = frozenset(
    (
        "feature-key",
        "masking",
        "quiesce",
        "quiesce-undo",
        "rack-ids",
        "racks",
        "revive",
        "roster",
        "roster-set",
        "xdr-dc-state",
    )
)

_HANDLERS: dict[str, Handler] = {
    "alumni-clear-std": _peers,
    "best-practices": _fixed("failed_best_practices=none"),
    "build": _fixed(BUILD),
    "build-os": _fixed("python"),
    "cluster-name": lambda node, _: node.cluster_name,
    "cluster-stable": _cluster_stable,
    "compatibility-id": lambda node, _: str(configuration.STATISTICS["cluster_max_compatibility_id"]),
    "edition": _fixed(EDITION),
    "features": _fixed(FEATURES),
    "get-config": get_config,
    "histogram": _histogram,
    "health-outliers": _fixed(""),
    "health-stats": _fixed(""),
    "latencies": _fixed(""),
    "logs": _fixed("0:stderr"),
    "mesh": _address,
    "name": lambda node, _: node.name,
    "namespace": _namespace_info,
    "namespaces": _namespaces,
    "node": lambda node, _: node.name,
    "objects": _objects,
    "partition-generation": lambda node, _: str(node.partition_generation),
    "partitions": _fixed(str(N_PARTITIONS)),
    "peers-clear-alt": _no_peers,
    "peers-clear-std": _peers,
    "peers-generation": lambda node, _: str(node.membership.peers_generation),
    "peers-tls-alt": _no_peers,
    "peers-tls-std": _peers_tls,
    "query-abort": _query_abort,
    "query-abort-all": _query_abort_all,
    "query-show": _query_show,
    "rebalance-generation": lambda node, _: str(node.membership.rebalances),
    "replicas": _replicas,
    "replicas-all": _replicas_all,
    "replicas-master": _replicas_master,
    "scan-abort": _query_abort,
    "service": _service,
    "service-clear-alt": _fixed(""),
    "service-clear-std": _service,
    "service-tls-alt": _fixed(""),
    "service-tls-std": _service_tls,
    "services": _services,
    "services-alumni": _services,
    "sets": _sets,
    "set-config": set_config,
    "sindex": _sindex,
    "sindex-create": _sindex_create,
    "sindex-delete": _sindex_delete,
    "sindex-exists": _sindex_exists,
    "sindex-list": _sindex_list,
    "sindex-stat": _sindex_stat,
    "statistics": _statistics,
    "status": _fixed("ok"),
    "truncate": _truncate,
    "udf-list": _fixed(""),
    "truncate-namespace": _truncate_namespace,
    "version": _fixed(f"{EDITION} build {BUILD}"),
}
