"""The settings and counters that an idle, in-memory node of this build tells about itself.

Only what clients and tools read is here; the rest of a real server's several hundred names is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DATA_SIZE = 64 << 30

SERVICE: Mapping[str, Any] = {
    "batch-max-buffers-per-queue": 255,
    "cluster-size-max": 1,
    "proto-fd-max": 15000,
    "query-max-done": 100,
    "query-threads-limit": 128,
    "ticker-interval": 10,
}

NAMESPACE: Mapping[str, Any] = {
    "active-rack": 0,
    "allow-ttl-without-nsup": "true",
    "background-query-max-rps": 10000,
    "conflict-resolution-policy": "generation",
    "default-read-touch-ttl-pct": 0,
    "default-ttl": 0,
    "disallow-null-setname": "false",
    "enable-benchmarks-read": "false",
    "enable-benchmarks-write": "false",
    "force-long-queries": "false",
    "indexes-memory-budget": 0,
    "inline-short-queries": "false",
    "max-record-size": 1 << 20,
    "nsup-period": 0,
    "partition-tree-sprigs": 256,
    "prefer-uniform-balance": "false",
    "rack-id": 0,
    "read-consistency-level-override": "off",
    "replication-factor": 1,
    "single-query-threads": 4,
    "stop-writes-sys-memory-pct": 98,
    "strong-consistency": "false",
    "truncate-threads": 4,
    "write-commit-level-override": "off",
    "index-type": "mem",
    "sindex-type": "mem",
    "storage-engine": "memory",
    "storage-engine.data-size": DATA_SIZE,
    "storage-engine.stop-writes-avail-pct": 5,
    "storage-engine.stop-writes-used-pct": 70,
}

NAMESPACE_STATISTICS: Mapping[str, Any] = {
    "ns_cluster_size": 1,
    "effective_replication_factor": 1,
    "objects": 0,
    "tombstones": 0,
    "master_objects": 0,
    "master_tombstones": 0,
    "prole_objects": 0,
    "prole_tombstones": 0,
    "non_replica_objects": 0,
    "non_replica_tombstones": 0,
    "unreplicated_records": 0,
    "dead_partitions": 0,
    "unavailable_partitions": 0,
    "clock_skew_stop_writes": "false",
    "stop_writes": "false",
    "hwm_breached": "false",
    "current_time": 0,
    "non_expirable_objects": 0,
    "expired_objects": 0,
    "evicted_objects": 0,
    "truncate_lut": 0,
    "truncating": "false",
    "index_used_bytes": 0,
    "set_index_used_bytes": 0,
    "sindex_used_bytes": 0,
    "data_total_bytes": DATA_SIZE,
    "data_used_bytes": 0,
    "data_used_pct": 0,
    "data_avail_pct": 100,
    "migrate_tx_partitions_active": 0,
    "migrate_rx_partitions_active": 0,
    "migrate_tx_partitions_remaining": 0,
    "migrate_rx_partitions_remaining": 0,
    "migrate_fresh_partitions": 4096,
    "client_proxy_complete": 0,
    "pi_query_long_basic_complete": 0,
    "pi_query_long_basic_error": 0,
    "pi_query_long_basic_abort": 0,
}

STATISTICS: Mapping[str, Any] = {
    "failed_best_practices": "false",
    "cluster_size": 1,
    "cluster_key": "",
    "cluster_generation": 1,
    "cluster_principal": "",
    "cluster_min_compatibility_id": 15,
    "cluster_max_compatibility_id": 15,
    "cluster_integrity": "true",
    "cluster_is_member": "true",
    "cluster_duplicate_nodes": "null",
    "cluster_clock_skew_stop_writes_sec": 0,
    "cluster_clock_skew_ms": 0,
    "cluster_clock_skew_outliers": "null",
    "uptime": 0,
    "objects": 0,
    "tombstones": 0,
    "client_connections": 0,
    "client_connections_opened": 0,
    "client_connections_closed": 0,
    "info_complete": 0,
    "demarshal_error": 0,
    "long_queries_active": 0,
    "batch_index_initiate": 0,
    "batch_index_complete": 0,
    "batch_index_error": 0,
    "paxos_principal": "",
    "migrate_allowed": "true",
    "migrate_partitions_remaining": 0,
}


def pairs(values: Mapping[str, Any]) -> str:
    """Write `a=b;c=d`."""
    return ";".join(f"{name}={value}" for name, value in values.items())
