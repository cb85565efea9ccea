"""The scan's bad days: nodes die, partitions move, sockets fall silent. Nothing lost or doubled, or a clear error."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace

import aerospike
import numpy as np
import pytest
from cluster_scans import (
    FAST,
    SLOW,
    TABLE,
    N,
    Repeated,
    check_bench,
    fill,
    open_sockets,
    scan_all,
    scan_threads,
    wait_until,
)

from aerospike_magic.connection import Connection
from aerospike_magic.devserver import DevServer
from aerospike_magic.devserver.orders import ALL
from aerospike_magic.errors import (
    PartitionsUnavailable,
    ScanCancelled,
    ScanError,
    ScanTimeout,
)
from aerospike_magic.filters.predicate import And, Compare
from aerospike_magic.scan import Scan, ScanProgress, plan_scan

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
    assert progress.state == "done"
    if share < 0.9:  # so late, the node may have sent everything
        assert progress.retries > 0


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
    assert progress.retries > 0
    assert progress.scanned == pytest.approx(N, rel=0.05)


def test_a_node_dies_while_the_consumer_is_slow(cluster: DevServer, joined: Connection) -> None:
    """The scan runs at full speed until it is held back, with answers on their way from all nodes."""
    options = replace(FAST, buffered_bytes=100_000)
    table, progress = scan_all(joined, [(0.4, lambda: cluster.control.stop_node(1))], options=options)
    check_bench(table)
    assert progress.retries > 0


def test_records_without_the_asked_bins_are_found_though_a_node_dies(cluster: DevServer, joined: Connection) -> None:
    n = 5_000
    fill(joined, "sparse", range(n), seldom=97)
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


def test_a_schema_is_sampled_though_a_node_dies(cluster: DevServer, joined: Connection) -> None:
    wanted = joined.schema(TABLE, refresh=True).arrow
    killer = threading.Thread(target=cluster.control.stop_node, args=(1, 0.4))
    cluster.control.cut(ALL, 2_000)
    killer.start()
    assert joined.schema(TABLE, refresh=True).arrow == wanted
    killer.join()


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


def test_rows_do_not_wait_for_a_partition_in_trouble(cluster: DevServer, joined: Connection) -> None:
    away = [17, 4000]
    lost = sum(1 for i in range(N) if joined.client.get_key_partition_id("test", "bench", i) in away)
    cluster.control.withhold(away)
    released: list[int] = []
    rows = 0
    with Scan(joined, plan_scan(joined, joined.schema(TABLE))) as scan:
        for batch in scan.batches():
            rows += batch.num_rows
            if rows == N - lost:
                released.append(rows)
                cluster.control.release(away)
    assert released == [N - lost]
    assert rows == N


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


# -- cancel, many at once --


@pytest.mark.parametrize("times", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_cancelled_at_any_moment_nothing_is_left_behind(cluster: DevServer, joined: Connection, times: int) -> None:
    sockets = open_sockets(cluster)
    chance = random.Random(11)
    n_cancelled = 0
    for _ in range(times):
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_everything_at_once(cluster: DevServer, joined: Connection, seed: int) -> None:
    chance = random.Random(seed)
    orders = cluster.control
    down: list[int] = []

    def trouble(turn: int) -> None:
        kind = chance.randrange(7)
        first = chance.randrange(3_000)
        if turn % 4 == 0:
            orders.heal()  # or refusals would come faster than they are met
        if kind == 0 and not down:
            down.append(chance.randrange(3))
            orders.stop_node(down[0], chance.random() * 0.3)
        elif kind <= 1 and down:
            orders.start_node(down.pop())
        elif kind == 2:
            orders.move(range(first, first + 500), *chance.sample(range(3), 2))
        elif kind == 3:
            orders.cut(ALL, chance.randrange(100_000), 2)
        elif kind == 4:
            orders.refuse(ALL, chance.choice([7, 9, 11, 14, 18, 22, 210]), 2, late=chance.random() < 0.5)
        elif kind == 5:
            orders.withhold(range(first, first + 200))
            time.sleep(chance.random() * 0.2)
            orders.release(range(first, first + 200))
        else:
            orders.freeze(first % 3)
            time.sleep(chance.random() * 0.3)
            orders.thaw(first % 3)

    with Repeated(trouble, 0.05) as troubles:
        for _ in range(5):
            check_bench(scan_all(joined, options=FAST)[0])
            check_bench(scan_all(joined, options=replace(SLOW, records_per_second=30_000))[0])
    assert troubles.n_done > 20


def test_no_node_is_left(cluster: DevServer, joined: Connection) -> None:
    started = time.monotonic()
    with pytest.raises(ScanError, match="partitions could not be read"):
        scan_all(
            joined,
            [(0.2, lambda: [cluster.control.stop_node(i) for i in range(3)])],
            options=replace(SLOW, give_up_s=1.0),
        )
    assert time.monotonic() - started < 8
