"""The scan's bad days: nodes die, partitions move, sockets fall silent. Nothing lost or doubled, or a clear error."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aerospike
import numpy as np
import pytest
from cluster_scans import (
    SLOW,
    TABLE,
    N,
    Repeated,
    check_bench,
    open_sockets,
    scan_all,
    scan_threads,
    wait_until,
)

from aerospike_magic.connection import Connection, connect
from aerospike_magic.devserver import DevServer
from aerospike_magic.devserver.orders import ALL
from aerospike_magic.errors import (
    PartitionsUnavailable,
    ScanCancelled,
    ScanError,
    ScanTimeout,
    ServerError,
)
from aerospike_magic.filters.predicate import And, Compare
from aerospike_magic.scan import Scan, ScanOptions, ScanProgress, plan_scan

FAST = ScanOptions(partitions_per_request=64, batch_rows=1_024)


@pytest.fixture(scope="module")
def cluster() -> Iterator[DevServer]:
    with DevServer(namespaces=("test",), synthetic=N, nodes=3) as running:
        yield running


@pytest.fixture(scope="module")
def joined(cluster: DevServer) -> Iterator[Connection]:
    """One connection for all tests, as in a notebook: it has to live through all of it."""
    with connect(f"{cluster.host}:{cluster.port}") as connected:
        connected.schema(TABLE)
        yield connected


@pytest.fixture(autouse=True)
def healed(cluster: DevServer, joined: Connection) -> Iterator[None]:
    yield
    cluster.control.heal()
    cluster.control.move(range(4096))
    cluster.control.release(range(4096))
    for i, node in enumerate(cluster.control.status()):
        if not node.is_up:
            cluster.control.start_node(i)
    assert scan_threads() == []
    wait_until(lambda: len(joined.nodes()) == 3 and not len(joined.partition_map("test").missing))


# -- several nodes --


def test_what_a_connection_sees_of_a_cluster(cluster: DevServer, joined: Connection) -> None:
    assert len(joined.nodes()) == 3
    partition_map = joined.partition_map("test")
    counts = np.bincount(partition_map.owners, minlength=3)
    assert counts.sum() == 4096
    assert counts.max() - counts.min() <= 3
    info = next(s for s in joined.sets("test") if s.full_name == TABLE)
    assert (info.objects, info.replication_factor) == (N, 2)


def test_progress_is_told_by_node(cluster: DevServer, joined: Connection) -> None:
    told: list[ScanProgress] = []
    table, progress = scan_all(joined, options=replace(SLOW, on_progress=told.append))
    check_bench(table)
    assert [node.partitions_done for node in progress.nodes] == [node.partitions_total for node in progress.nodes]
    assert sum(node.partitions_total for node in progress.nodes) == 4096
    assert sum(node.records for node in progress.nodes) == N
    assert min(node.records for node in progress.nodes) > N // 4
    assert {node.address for node in progress.nodes} == {f"{cluster.host}:{port}" for port in cluster.ports}
    assert set(progress.owners) == {0, 1, 2}
    fractions = [p.fraction for p in told]
    assert fractions == sorted(fractions)
    assert progress.retries == 0


# -- nodes that die --


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("node", [0, 1])
def test_a_node_is_killed(cluster: DevServer, joined: Connection, share: float, node: int) -> None:
    table, progress = scan_all(joined, [(share, lambda: cluster.control.stop_node(node))])
    check_bench(table)
    assert progress.retries > 0
    assert progress.state == "done"


def test_a_node_is_killed_and_nobody_notices_for_a_while(cluster: DevServer, joined: Connection) -> None:
    killer = threading.Thread(target=cluster.control.stop_node, args=(2, 1.5))
    table, _ = scan_all(joined, [(0.3, killer.start)])
    killer.join()
    check_bench(table)


def test_a_node_is_killed_and_comes_back(cluster: DevServer, joined: Connection) -> None:
    table, _ = scan_all(
        joined, [(0.2, lambda: cluster.control.stop_node(1)), (0.5, lambda: cluster.control.start_node(1))]
    )
    check_bench(table)


def test_a_filtered_scan_survives_too(cluster: DevServer, joined: Connection) -> None:
    predicate = Compare(">=", "id", N // 3)
    table, progress = scan_all(joined, [(0.2, lambda: cluster.control.stop_node(1))], predicate=predicate)
    check_bench(table, range(N // 3, N))
    assert progress.pushed


def test_a_node_dies_while_the_consumer_is_slow(cluster: DevServer, joined: Connection) -> None:
    """The scan runs at full speed until it is held back, with answers on their way from all nodes."""
    options = replace(FAST, buffered_bytes=100_000)
    table, progress = scan_all(joined, [(0.4, lambda: cluster.control.stop_node(1))], options=options)
    check_bench(table)
    assert progress.retries > 0


def test_records_without_the_asked_bins_are_found_though_a_node_dies(cluster: DevServer, joined: Connection) -> None:
    n = 5_000
    _fill(joined, "sparse", range(n), seldom=97)
    options = replace(SLOW, records_per_second=3_000)
    table, _ = scan_all(
        joined,
        [(0.2, lambda: cluster.control.stop_node(2))],
        columns=["seldom", "__digest"],
        options=options,
        table="test.sparse",
        n_rows=n // 97,
    )
    assert table.num_rows == n == len(set(table["__digest"].to_pylist()))
    assert sorted(table["seldom"].drop_null().to_pylist()) == list(range(0, n, 97))


def test_an_index_scan_survives_a_node(cluster: DevServer, joined: Connection) -> None:
    joined.client.index_single_value_create("test", "bench", "id", aerospike.INDEX_NUMERIC, "bench_id")
    try:
        predicate = And(Compare(">=", "id", 500), Compare("<", "id", 2_500))
        options = replace(SLOW, records_per_second=1_000, partitions_per_request=256)
        table, progress = scan_all(
            joined,
            [(0.2, lambda: cluster.control.stop_node(1))],
            predicate=predicate,
            options=options,
            n_rows=2_000,
        )
        assert progress.access == "secondary index bench_id"
        check_bench(table, range(500, 2_500))
    finally:
        joined.client.index_remove("test", "bench_id")


# -- partitions that move --


def test_partitions_move_back_and_forth(cluster: DevServer, joined: Connection) -> None:
    chance = random.Random(3)

    def move(turn: int) -> None:
        first = chance.randrange(4096 - 800)
        if turn % 3 == 2:
            cluster.control.move(range(4096))
        else:
            master, replica = chance.sample(range(3), 2)
            cluster.control.move(range(first, first + 800), master, replica)

    with Repeated(move, 0.04) as moving:
        for _ in range(2):
            table, _ = scan_all(joined)
            check_bench(table)
    assert moving.n_done > 10


def test_a_partition_is_unavailable_for_two_seconds(cluster: DevServer, joined: Connection) -> None:
    away = range(0, 4096, 10)
    started = time.monotonic()
    timer = threading.Timer(2.0, cluster.control.release, (away,))
    cluster.control.withhold(away)
    timer.start()
    table, progress = scan_all(joined)
    timer.join()
    check_bench(table)
    assert 2.0 < time.monotonic() - started < 8.0
    assert progress.retries > 0


def test_a_partition_that_stays_unavailable_is_a_clear_error(cluster: DevServer, joined: Connection) -> None:
    cluster.control.withhold([17, 4000])
    with pytest.raises(PartitionsUnavailable, match=r"^2 of 4,096 partitions .*17, 4000") as caught:
        scan_all(joined, options=replace(FAST, give_up_s=0.8))
    assert caught.value.partitions == (17, 4000)
    lost = sum(1 for i in range(N) if joined.client.get_key_partition_id("test", "bench", i) in (17, 4000))
    assert f"{N - lost:,} records from 4,094 partitions were read, they are not a whole" in caught.value.hint


# -- nodes that are slow or silent --


def test_a_silent_node_is_an_error_in_time(cluster: DevServer, joined: Connection) -> None:
    options = replace(SLOW, timeout_s=0.4, give_up_s=1.5)
    started = time.monotonic()
    with pytest.raises((PartitionsUnavailable, ScanTimeout)) as caught:
        scan_all(joined, [(0.2, lambda: cluster.control.freeze(1))], options=options)
    assert time.monotonic() - started < 10
    assert "not a whole result" in caught.value.hint
    assert scan_threads() == []


def test_a_silent_node_goes_on(cluster: DevServer, joined: Connection) -> None:
    timer = threading.Timer(1.0, cluster.control.thaw, (1,))

    def freeze() -> None:
        cluster.control.freeze(1)
        timer.start()

    table, _ = scan_all(joined, [(0.2, freeze)], options=replace(SLOW, timeout_s=0.4))
    timer.join()
    check_bench(table)


def test_a_silent_node_is_taken_out(cluster: DevServer, joined: Connection) -> None:
    timer = threading.Timer(0.8, cluster.control.stop_node, (1,))

    def freeze() -> None:
        cluster.control.freeze(1)
        timer.start()

    table, _ = scan_all(joined, [(0.2, freeze)], options=replace(SLOW, timeout_s=0.4))
    timer.join()
    check_bench(table)


def test_a_scan_with_a_silent_node_can_be_cancelled_within_a_second(cluster: DevServer, joined: Connection) -> None:
    scan = Scan(joined, plan_scan(joined, joined.schema(TABLE), options=SLOW))
    reader = scan.batches()
    next(reader)
    cluster.control.freeze(ALL)
    time.sleep(0.5)
    started = time.monotonic()
    threading.Timer(0.1, scan.cancel).start()
    with pytest.raises(ScanCancelled):
        for _ in reader:
            pass
    scan.close()
    assert time.monotonic() - started < 2.0
    wait_until(lambda: scan_threads() == [], 3.0)


def test_latency_and_a_slow_network(cluster: DevServer, joined: Connection) -> None:
    cluster.control.set_latency(0, 0.02)
    cluster.control.throttle(1, 1_000_000)
    table, progress = scan_all(joined, options=replace(FAST, timeout_s=1.0))
    check_bench(table)
    assert progress.retries == 0


# -- cuts --


def test_a_small_answer_cut_at_every_byte(cluster: DevServer, joined: Connection) -> None:
    for i in range(2):
        joined.client.put(("test", "tiny", i), {"i": i, "t": f"t{i}"})
    held = {joined.client.get_key_partition_id("test", "tiny", i) for i in range(2)}
    cluster.control.move(sorted(held), 0)
    options = ScanOptions(workers=1, partitions_per_request=4096)
    schema = joined.schema("test.tiny")
    _, whole = scan_all(joined, options=options, table="test.tiny")
    n_bytes = next(n.n_bytes for n in whole.nodes if n.records)
    assert 150 < n_bytes < 300
    plan = plan_scan(joined, schema, options=options)
    for cut in range(n_bytes):
        cluster.control.cut(0, cut)
        with Scan(joined, plan) as scan:
            rows = [row for batch in scan.batches() for row in batch.to_pylist()]
        cluster.control.heal(0)
        assert sorted(row["i"] for row in rows) == [0, 1], cut
        assert all(row["t"] == f"t{row['i']}" for row in rows)


def test_many_cuts_everywhere(cluster: DevServer, joined: Connection) -> None:
    chance = random.Random(5)
    for _ in range(60):
        cluster.control.cut(ALL, chance.randrange(200_000))
    table, progress = scan_all(joined, options=FAST)
    check_bench(table)
    assert progress.retries > 0


# -- error codes --


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("code", [7, 9, 11, 14, 18, 210])
def test_an_error_that_passes(cluster: DevServer, joined: Connection, code: int, late: bool) -> None:
    cluster.control.refuse(ALL, code, 4, late=late)
    table, progress = scan_all(joined, options=FAST)
    check_bench(table)
    assert progress.retries > 0


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("code", [1, 4, 8, 15, 16, 20, 22, 81, 201])
def test_an_error_that_does_not_pass(cluster: DevServer, joined: Connection, code: int, late: bool) -> None:
    cluster.control.refuse(1, code, late=late)
    with pytest.raises(ServerError) as caught:
        scan_all(joined, options=FAST)
    assert caught.value.code == code
    assert caught.value.node is not None
    assert str(cluster.ports[1]) in caught.value.node


def test_an_error_that_never_passes(cluster: DevServer, joined: Connection) -> None:
    cluster.control.refuse(1, 18, 10_000)
    with pytest.raises(PartitionsUnavailable, match="device") as caught:
        scan_all(joined, options=replace(FAST, give_up_s=0.8))
    assert str(cluster.ports[1]) in (caught.value.node or "")


# -- cancel, many at once --


def test_cancelled_at_any_moment_nothing_is_left_behind(cluster: DevServer, joined: Connection) -> None:
    sockets = open_sockets(cluster)
    chance = random.Random(11)
    n_cancelled = 0
    for _ in range(50):
        scan = Scan(joined, plan_scan(joined, joined.schema(TABLE), options=FAST))
        timer = threading.Timer(chance.random() * 0.15, scan.cancel)
        timer.start()
        try:
            assert sum(batch.num_rows for batch in scan.batches()) == N
        except ScanCancelled:
            n_cancelled += 1
        timer.join()
        scan.close()
        assert scan_threads() == []
    assert n_cancelled > 5
    wait_until(lambda: sum(node.queries_running for node in cluster.control.status()) == 0)
    wait_until(lambda: open_sockets(cluster) <= sockets)


def test_eight_scans_at_once_while_a_node_dies(cluster: DevServer, joined: Connection) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            check_bench(scan_all(joined, options=replace(SLOW, workers=4))[0])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    cluster.control.stop_node(1)
    for thread in threads:
        thread.join()
    assert failures == []


# -- sets that change, and odd records --


def _fill(joined: Connection, name: str, ids: range, seldom: int = 0) -> None:
    from aerospike_helpers.batch import records as batch
    from aerospike_helpers.operations import operations

    def write(i: int) -> batch.Write:
        bins = [operations.write("name", f"item{i:06d}")] * (i != 11) + [operations.write("id", i)] * (not seldom)
        bins += [operations.write("seldom", i)] * bool(seldom and i % seldom == 0)
        return batch.Write(("test", name, i), bins or [operations.write("other", 1)])

    for start in range(ids.start, ids.stop, 500):
        rows = [write(i) for i in range(start, min(start + 500, ids.stop))]
        joined.client.batch_write(batch.BatchRecords(rows))


def test_a_set_truncated_while_it_is_scanned(cluster: DevServer, joined: Connection) -> None:
    n = 6_000
    _fill(joined, "shrinks", range(n))
    options = replace(SLOW, records_per_second=4_000)
    table, progress = scan_all(
        joined,
        [(0.3, lambda: joined.client.truncate("test", "shrinks", 0))],
        options=options,
        table="test.shrinks",
        n_rows=n,
    )
    ids = table["id"].to_pylist()
    assert len(ids) == len(set(ids))
    assert 0.3 * n <= len(ids) < n
    assert progress.state == "done"


def test_a_set_that_grows_while_it_is_scanned(cluster: DevServer, joined: Connection) -> None:
    n = 4_000
    joined.client.truncate("test", "grows", 0)
    _fill(joined, "grows", range(n))
    options = replace(SLOW, records_per_second=3_000)
    table, _ = scan_all(
        joined,
        [(0.2, lambda: _fill(joined, "grows", range(n, 2 * n)))],
        options=options,
        table="test.grows",
        n_rows=n,
    )
    ids = table["id"].to_pylist()
    assert len(ids) == len(set(ids))
    assert set(range(n)) <= set(ids) <= set(range(2 * n))


def test_records_of_nearly_a_megabyte(cluster: DevServer, joined: Connection) -> None:
    size = (1 << 20) - 100
    with pytest.raises(aerospike.exception.RecordTooBig):
        joined.client.put(("test", "big", "too big"), {"b": bytes(1 << 20)})
    for i in range(12):
        joined.client.put(("test", "big", i), {"i": i, "b": bytes([i]) * (size - 64)})
    joined.schema("test.big")
    cluster.control.cut(ALL, 1_500_000)
    table, _ = scan_all(joined, options=ScanOptions(buffered_bytes=1 << 20), table="test.big", n_rows=12)
    rows = {row["i"]: row["b"] for row in table.to_pylist()}
    assert rows == {i: bytes([i]) * (size - 64) for i in range(12)}


def test_thousands_of_bins_of_differing_names(cluster: DevServer, joined: Connection) -> None:
    n, each = 800, 5
    for i in range(n):
        bins: dict[str, Any] = {f"b{i * each + k}": i for k in range(each)}
        joined.client.put(("test", "wide", i), bins | {"i": i})
    schema = joined.schema("test.wide", sample_records=200)
    known = [c.bin for c in schema.bins]
    table, progress = scan_all(joined, options=FAST, table="test.wide", n_rows=n)
    assert sorted(table["i"].to_pylist()) == list(range(n))
    for name in known:
        if name != "i":
            owner = int(name[1:]) // each
            assert table.filter(table[name].is_valid())["i"].to_pylist() == [owner]
    unseen = sum(m.count for m in progress.mismatches if m.kind == "unseen")
    assert unseen == n * each - (len(known) - 1)


def test_a_record_of_thousands_of_bins(cluster: DevServer, joined: Connection) -> None:
    n = 3_000
    joined.client.put(("test", "broad", 1), {f"b{i}": i for i in range(n)})
    joined.client.put(("test", "broad", 2), {f"b{i}": -i for i in range(n)})
    table, _ = scan_all(joined, options=FAST, table="test.broad", n_rows=2)
    rows = sorted(table.to_pylist(), key=lambda row: row["b1"])
    assert [[row[f"b{i}"] for i in range(n)] for row in rows] == [[-i for i in range(n)], list(range(n))]


def test_no_node_is_left(cluster: DevServer, joined: Connection) -> None:
    started = time.monotonic()
    with pytest.raises(ScanError, match="partitions could not be read"):
        scan_all(
            joined,
            [(0.2, lambda: [cluster.control.stop_node(i) for i in range(3)])],
            options=replace(SLOW, give_up_s=1.0),
        )
    assert time.monotonic() - started < 8
