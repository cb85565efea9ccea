"""Scans of a server: every record once, with its values, whatever is asked and whatever goes wrong."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from aerospike_magic.connection import Connection
from aerospike_magic.errors import (
    ConfigError,
    MismatchError,
    PartitionsUnavailable,
    ScanCancelled,
    ScanError,
    ScanTimeout,
    ServerError,
)
from aerospike_magic.filters.predicate import And, Compare, In, IsNull, Predicate, StartsWith
from aerospike_magic.scan import Scan, ScanOptions, ScanProgress, plan_scan
from aerospike_magic.schema.types import SetSchema

N = 3_000


def make_record(i: int) -> dict[str, Any]:
    bins: dict[str, Any] = {"id": i, "name": f"näme {i}"}
    if i % 2:
        bins["half"] = i / 2
    if i % 5 == 0:
        bins["seldom"] = f"s{i}"
    if i % 7 == 0:
        bins |= {"tags": [i, i + 1], "place": {"x": i, "y": i * 2}}
    return bins


@pytest.fixture(scope="module")
def table(client: Any) -> Iterator[str]:
    """A set of N records; every third one stores its key."""
    name = f"scan{uuid.uuid4().hex[:8]}"
    import aerospike

    for i in range(N):
        policy = {"key": aerospike.POLICY_KEY_SEND if i % 3 == 0 else aerospike.POLICY_KEY_DIGEST}
        client.put(("test", name, i), make_record(i), policy=policy)
    yield name
    client.truncate("test", name, 0)


def read(connection: Connection, schema: SetSchema, *, run: Any = None, **wanted: Any) -> tuple[pa.Table, ScanProgress]:
    """Scan into one table; the final progress too."""
    options = wanted.pop("options", None) or ScanOptions()
    with Scan(connection, plan_scan(connection, schema, options=options, **wanted)) as scan:
        result = pa.Table.from_batches(scan.batches(), scan.schema)
        result.validate(full=True)
        return result, scan.progress


def by_id(table: pa.Table) -> dict[int, dict[str, Any]]:
    rows = {row["id"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    return rows


def scan_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("aerospike-scan")]


def test_all_columns_record_by_record(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    result, progress = read(connection, schema)
    assert result.schema.names[0] == "__key"
    rows = by_id(result)
    assert len(rows) == N
    for i in range(N):
        wanted = make_record(i)
        for name in ("id", "name", "half", "seldom", "tags", "place"):
            assert rows[i][name] == wanted.get(name)
        assert rows[i]["__key"] == (i if i % 3 == 0 else None)
    assert (progress.state, progress.partitions_done, progress.scanned, progress.returned) == ("done", 4096, N, N)
    assert progress.mismatches == ()
    assert scan_threads() == []


@pytest.mark.parametrize("columns", [["seldom"], ["tags", "seldom"], ["half", "__generation"], ["place"]])
def test_records_with_none_of_the_asked_bins_are_rows_of_nulls(
    connection: Connection, table: str, columns: list[str]
) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    # Without an anchor the second pass has to find them; with one they come in the first.
    for known in (
        schema,
        SetSchema("test", table, tuple(c for c in schema.columns if c.name in columns or not c.is_bin)),
    ):
        result, _ = read(connection, known, columns=columns)
        assert result.num_rows == N
        for name in columns:
            if not name.startswith("__"):
                got = sorted(map(str, result.column(name).to_pylist()))
                assert got == sorted(str(make_record(i).get(name)) for i in range(N))


@pytest.mark.parametrize(
    ("predicate", "keeps"),
    [
        (Compare("<", "id", 100), lambda b: b["id"] < 100),
        (In("seldom", ("s5", "s10", "zz")), lambda b: b.get("seldom") in ("s5", "s10")),
        (IsNull("half"), lambda b: "half" not in b),
        (
            And(Compare(">", "half", 700), StartsWith("name", "näme 14")),
            lambda b: b.get("half", 0) > 700 and b["name"].startswith("näme 14"),
        ),
    ],
)
def test_filters_keep_the_right_rows(connection: Connection, table: str, predicate: Predicate, keeps: Any) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    wanted = {i for i in range(N) if keeps(make_record(i))}
    for columns in (["id"], ["id", "half", "tags"]):
        result, progress = read(connection, schema, columns=columns, predicate=predicate)
        assert set(by_id(result)) == wanted
        assert progress.records == len(wanted) == progress.returned
        assert progress.scanned == N
        assert progress.pushed
    counted, progress = read(connection, schema, columns=[], predicate=predicate)
    assert counted.num_columns == 0
    assert progress.returned == len(wanted)


def test_a_filter_on_another_column_than_the_asked_one_keeps_rows_of_nulls(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    result, _ = read(connection, schema, columns=["seldom"], predicate=Compare("<", "id", 50))
    assert sorted(map(str, result["seldom"].to_pylist())) == sorted(
        str(make_record(i).get("seldom")) for i in range(50)
    )


def test_count_asks_for_no_bins(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}")
    plan = plan_scan(connection, schema, columns=[])
    assert plan.bins == ()
    with Scan(connection, plan) as scan:
        assert sum(b.num_rows for b in scan.batches()) == N


def test_limit_stops_the_scan(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}")
    options = ScanOptions(partitions_per_request=8, workers=2)
    for limit in (0, 1, 10, N, N + 5):
        result, progress = read(connection, schema, limit=limit, options=options)
        assert result.num_rows == min(limit, N)
        assert progress.state == "done"
    assert scan_threads() == []


def test_key_look_ups_find_records_whose_key_was_not_stored(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    wanted = In("__key", (1, 3, 3, 2_999, 1_000_000))
    result, progress = read(connection, schema, columns=["__key", "id", "tags", "__generation"], predicate=wanted)
    assert {row["__key"]: row["id"] for row in result.to_pylist()} == {1: 1, 3: 3, 2_999: 2_999}
    assert progress.access == "key look-up"
    narrowed, _ = read(connection, schema, predicate=And(wanted, Compare(">", "half", 100.0)))
    assert narrowed["id"].to_pylist() == [2_999]


def test_a_secondary_index_is_used_and_gives_the_same_rows(connection: Connection, client: Any, table: str) -> None:
    name = f"i{table}"
    _create_index(client, table, name)
    try:
        _wait_for_index(connection, name)
        schema = connection.schema(f"test.{table}", sample_records=100_000)
        result, progress = read(connection, schema, columns=["id", "seldom"], predicate=Compare("=", "id", 5))
        assert result.to_pylist() == [{"id": 5, "seldom": "s5"}]
        assert progress.access == f"secondary index {name}"
    finally:
        client.index_remove("test", name)


def _create_index(client: Any, table: str, name: str) -> None:
    import aerospike

    client.index_single_value_create("test", table, "id", aerospike.INDEX_NUMERIC, name)


def _wait_for_index(connection: Connection, name: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if any(i.name == name and i.ready for i in connection.indexes("test")):
            return
        time.sleep(0.05)
    raise AssertionError("the index is not ready")


def test_values_that_do_not_fit_are_null_and_counted(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    narrow = SetSchema("test", table, tuple(c for c in schema.columns if c.name != "seldom"))
    result, progress = read(connection, narrow.with_types({"name": "int64"}))
    assert result["name"].null_count == N
    found = {m.bin: (m.kind, m.count) for m in progress.mismatches}
    assert found == {"name": ("type", N), "seldom": ("unseen", N // 5)}
    with pytest.raises(MismatchError, match="bin name"):
        read(connection, narrow.with_types({"name": "int64"}), options=ScanOptions(on_mismatch="error"))
    assert scan_threads() == []


def test_progress_comes_at_once_and_ends_with_the_result(connection: Connection, table: str) -> None:
    told: list[ScanProgress] = []
    schema = connection.schema(f"test.{table}")
    read(connection, schema, options=ScanOptions(on_progress=told.append))
    assert told[0].state == "running"
    assert told[-1].state == "done"
    assert told[-1].fraction == 1.0
    assert [p.partitions_done for p in told] == sorted(p.partitions_done for p in told)


def test_a_throttled_scan_takes_its_time_and_can_be_cancelled_within_a_second(
    connection: Connection, table: str
) -> None:
    scan = Scan(
        connection,
        plan_scan(connection, connection.schema(f"test.{table}"), options=ScanOptions(records_per_second=100)),
    )
    reader = scan.batches()
    next(reader)
    threading.Timer(0.2, scan.cancel).start()
    started = time.monotonic()
    with pytest.raises(ScanCancelled):
        for _ in reader:
            pass
    assert time.monotonic() - started < 2.0
    assert scan.progress.throttled
    assert scan.progress.state == "cancelled"
    assert scan_threads() == []


def test_cancelling_at_any_moment_leaves_nothing_behind(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}")
    for i in range(25):
        scan = Scan(connection, plan_scan(connection, schema))
        timer = threading.Timer(i * 0.002, scan.cancel)
        timer.start()
        try:
            rows = sum(b.num_rows for b in scan.batches())
            assert rows == N
        except ScanCancelled:
            pass
        timer.join()
        scan.close()
        assert scan_threads() == []


def test_leaving_the_iteration_stops_the_scan(connection: Connection, table: str) -> None:
    scan = Scan(connection, plan_scan(connection, connection.schema(f"test.{table}")))
    reader = scan.batches()
    next(reader)
    reader.close()
    assert scan_threads() == []
    with pytest.raises(ScanError, match="once"):
        next(scan.batches())


class CutSocket:
    """A socket that fails after some bytes, for one connection's scans."""

    def __init__(self, inner: socket.socket, n_bytes: int) -> None:
        self._inner = inner
        self._left = n_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> CutSocket:
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.close()

    def recv_into(self, space: Any) -> int:
        if self._left <= 0:
            raise ConnectionResetError("cut by the test")
        n_bytes = self._inner.recv_into(memoryview(space)[: min(len(space), self._left)])
        self._left -= n_bytes
        return n_bytes


class FlakyConnection:
    """A connection whose sockets are cut after ever more bytes, `cuts` times."""

    def __init__(self, inner: Connection, cuts: int, first: int = 1, step: int = 997) -> None:
        self._inner = inner
        self.cuts = cuts
        self._first, self._step = first, step
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open_socket(self, node: Any, timeout_s: float | None = None) -> Any:
        connected = self._inner.open_socket(node, timeout_s)
        with self._lock:
            if self.cuts <= 0:
                return connected
            self.cuts -= 1
            self._first += self._step
            return CutSocket(connected, self._first)


def test_a_record_passed_over_before_a_cut_is_not_lost(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    known = SetSchema("test", table, tuple(c for c in schema.columns if c.name == "half" or not c.is_bin))
    for step in (53, 131, 1009):
        flaky: Any = FlakyConnection(connection, cuts=60, step=step)
        result, _ = read(flaky, known, columns=["half", "__digest"])
        assert result.num_rows == N
        assert result["half"].null_count == N // 2
        assert len(set(result["__digest"].to_pylist())) == N


@pytest.mark.parametrize("columns", [None, ["seldom", "id"], ["seldom"]])
def test_no_row_is_lost_or_doubled_when_connections_are_cut(
    connection: Connection, table: str, columns: list[str] | None
) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    flaky: Any = FlakyConnection(connection, cuts=40)
    wanted = None if columns is None else [*columns, "__digest"]
    result, progress = read(flaky, schema, columns=wanted)
    assert flaky.cuts < 35
    assert progress.retries > 0
    assert result.num_rows == N
    if columns is None:
        assert {i: row["name"] for i, row in by_id(result).items()} == {i: make_record(i)["name"] for i in range(N)}
    else:
        assert len(set(result["__digest"].to_pylist())) == N


def test_an_index_scan_resumes_too(connection: Connection, client: Any, table: str) -> None:
    name = f"r{table}"
    _create_index(client, table, name)
    try:
        _wait_for_index(connection, name)
        schema = connection.schema(f"test.{table}", sample_records=100_000)
        predicate = And(Compare(">=", "id", 100), Compare("<", "id", 220))
        flaky: Any = FlakyConnection(connection, cuts=12, step=211)
        result, progress = read(flaky, schema, columns=["id"], predicate=predicate)
        assert progress.access == f"secondary index {name}"
        assert sorted(result["id"].to_pylist()) == list(range(100, 220))
    finally:
        client.index_remove("test", name)


def test_a_server_that_never_recovers_is_a_clear_error(connection: Connection, table: str) -> None:
    flaky: Any = FlakyConnection(connection, cuts=10**9, first=-1_000, step=0)
    with pytest.raises(PartitionsUnavailable, match=r"of 4,096 partitions .*cut by the test") as caught:
        read(flaky, connection.schema(f"test.{table}"), options=ScanOptions(give_up_s=0.5))
    assert caught.value.partitions
    assert "not a whole result" in caught.value.hint
    assert scan_threads() == []


def test_a_node_that_falls_silent_is_a_timeout_not_a_hang(connection: Connection, table: str) -> None:
    silent: list[socket.socket] = []

    class Silent(FlakyConnection):
        def open_socket(self, node: Any, timeout_s: float | None = None) -> Any:
            ours, theirs = socket.socketpair()
            ours.settimeout(0.2)
            silent.append(theirs)
            return ours

    options = ScanOptions(timeout_s=0.2, give_up_s=0.5, workers=1)
    with pytest.raises((PartitionsUnavailable, ScanTimeout), match="no byte for 0.2 s"):
        read(Silent(connection, 0), connection.schema(f"test.{table}"), options=options)  # type: ignore[arg-type]
    for theirs in silent:
        theirs.close()


def test_a_scan_that_takes_too_long_in_all_is_an_error(connection: Connection, table: str) -> None:
    options = ScanOptions(records_per_second=50, total_timeout_s=0.6)
    with pytest.raises(ScanTimeout, match="within 0.6 s"):
        read(connection, connection.schema(f"test.{table}"), options=options)


def test_a_refused_filter_is_the_servers_error(connection: Connection, table: str) -> None:
    from dataclasses import replace

    plan = plan_scan(connection, connection.schema(f"test.{table}"), predicate=Compare("=", "id", 1))
    broken = replace(plan, filter=replace(plan.filter, expression=b"\x93\x01\x02"))
    with pytest.raises(ServerError) as caught, Scan(connection, broken) as scan:
        list(scan.batches())
    assert caught.value.code == 4
    assert scan_threads() == []


def test_a_slow_consumer_holds_the_scan_back(connection: Connection, table: str) -> None:
    options = ScanOptions(buffered_bytes=1_000, batch_rows=64, workers=2)
    scan = Scan(connection, plan_scan(connection, connection.schema(f"test.{table}"), options=options))
    reader = scan.batches()
    rows = next(reader).num_rows
    time.sleep(0.3)
    assert scan.progress.records < N
    assert rows + sum(b.num_rows for b in reader) == N


def test_several_scans_at_once(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}")
    results: list[int] = []

    def run() -> None:
        results.append(read(connection, schema)[0].num_rows)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [N] * 8


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"batch_rows": 0}, {"timeout_s": 0}, {"records_per_second": -1}, {"on_mismatch": "x"}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ScanOptions(**wrong)


def test_a_batch_ends_at_so_many_bytes(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    options = ScanOptions(batch_bytes=2_000, workers=1)
    with Scan(connection, plan_scan(connection, schema, columns=["name"], options=options)) as scan:
        sizes = [batch.num_rows for batch in scan.batches()]
    assert sum(sizes) == N
    assert len(sizes) > 1
    with pytest.raises(ConfigError, match="batch_bytes"):
        ScanOptions(batch_bytes=0)
