"""Answers on bad days: cut at any byte, refused with any code, of sets that change and of odd records."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import aerospike
import pytest
from cluster_scans import FAST, SLOW, check_bench, fill, scan_all

from aerospike_magic.connection import Connection
from aerospike_magic.devserver import DevServer
from aerospike_magic.devserver.orders import ALL
from aerospike_magic.errors import PartitionsUnavailable, ServerError
from aerospike_magic.scan import Scan, ScanOptions, plan_scan
from aerospike_magic.scan.progress import most_telling

# -- cuts --


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_a_small_answer_cut_at_every_byte(cluster: DevServer, joined: Connection, step: int) -> None:
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
    for cut in range(0, n_bytes, step):
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
@pytest.mark.parametrize("code", [7, 9, 11, 14, 18, 22, 210])
def test_an_error_that_passes(cluster: DevServer, joined: Connection, code: int, late: bool) -> None:
    cluster.control.refuse(ALL, code, 4, late=late)
    table, progress = scan_all(joined, options=FAST)
    check_bench(table)
    assert progress.retries > 0


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("code", [1, 4, 8, 15, 16, 20, 81, 201])
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


def test_a_node_that_runs_as_many_queries_as_it_may_is_waited_for(cluster: DevServer, joined: Connection) -> None:
    cluster.control.refuse(1, 22, 40)
    table, progress = scan_all(joined, options=replace(FAST, give_up_s=0.1))
    check_bench(table)
    assert progress.retries > 0


def test_a_node_that_stays_busy_is_given_up_with_what_to_look_at(cluster: DevServer, joined: Connection) -> None:
    cluster.control.refuse(1, 22, 10_000)
    with pytest.raises(PartitionsUnavailable, match=r"for 0\.6 s: .*query-threads-limit"):
        scan_all(joined, options=replace(FAST, give_up_s=0.03))


# -- sets that change, and odd records --


def test_a_set_truncated_while_it_is_scanned(cluster: DevServer, joined: Connection) -> None:
    n = 6_000
    fill(joined, "shrinks", range(n))
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
    fill(joined, "grows", range(n))
    options = replace(SLOW, records_per_second=3_000)
    table, _ = scan_all(
        joined,
        [(0.2, lambda: fill(joined, "grows", range(n, 2 * n)))],
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


@pytest.mark.parametrize("n", [800, pytest.param(6400, marks=pytest.mark.slow)])
def test_thousands_of_bins_of_differing_names(cluster: DevServer, joined: Connection, n: int) -> None:
    each, name_of_set = 5, f"wide{n}"
    for i in range(n):
        bins: dict[str, Any] = {f"b{i * each + k}": i for k in range(each)}
        joined.client.put(("test", name_of_set, i), bins | {"i": i})
    schema = joined.schema(f"test.{name_of_set}", sample_records=200)
    known = [c.bin for c in schema.bins]
    table, progress = scan_all(joined, options=FAST, table=f"test.{name_of_set}", n_rows=n)
    assert sorted(table["i"].to_pylist()) == list(range(n))
    for name in known:
        if name != "i":
            owner = int(name[1:]) // each
            assert table.filter(table[name].is_valid())["i"].to_pylist() == [owner]
    unseen = sum(m.count for m in progress.mismatches if m.kind == "unseen")
    assert unseen == n * each - (len(known) - 1)
    told = most_telling(progress.mismatches)
    assert len(told) == 9
    assert sum(m.count for m in told) == unseen


def test_a_record_of_thousands_of_bins(cluster: DevServer, joined: Connection) -> None:
    n = 3_000
    joined.client.put(("test", "broad", 1), {f"b{i}": i for i in range(n)})
    joined.client.put(("test", "broad", 2), {f"b{i}": -i for i in range(n)})
    table, _ = scan_all(joined, options=FAST, table="test.broad", n_rows=2)
    rows = sorted(table.to_pylist(), key=lambda row: row["b1"])
    assert [[row[f"b{i}"] for i in range(n)] for row in rows] == [[-i for i in range(n)], list(range(n))]
