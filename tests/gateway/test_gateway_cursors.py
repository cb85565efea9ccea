"""Pages: every row once, whoever is asked, how often, and whatever was forgotten meanwhile."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aerospike
import pytest
from served_reads import ALL, LARGE, between, count, equal, pages_of, read, splits_of, where

from aerospike_magic.connection import Connection, connect
from aerospike_magic.gateway.messages import Domain, Ranges, ServiceError, TableName, TupleDomain
from aerospike_magic.gateway.options import ServiceOptions
from aerospike_magic.gateway.service import AerospikeService

FLIGHTS = TableName("demo", "flights")
N_FLIGHTS = 336_776
KEYS = ("key__",)
SMALL = 20_000


@pytest.fixture(scope="module")
def shared(server: Any) -> Iterator[Connection]:
    with connect(server.address) as connection:
        yield connection


@pytest.fixture
def service(shared: Connection) -> Iterator[AerospikeService]:
    with AerospikeService(shared) as served:
        yield served
    assert threads() == []
    assert served.n_open_scans == 0


@pytest.fixture(scope="module")
def sparse(client: Any) -> Iterator[TableName]:
    """3,000 records, of which every tenth has the bin `seldom`, and the others none that is in all."""
    name = f"gw{uuid.uuid4().hex[:8]}"
    for i in range(3_000):
        bins = {"seldom": i} if i % 10 == 0 else {f"other{i % 3}": f"text{i}"}
        client.put(("test", name, i), bins, policy={"key": aerospike.POLICY_KEY_SEND})
    yield TableName("test", name)
    client.truncate("test", name, 0)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("aerospike-scan", "aerospike-gateway"))]


def split_table(table: TableName, n: int) -> TableName:
    return TableName(table.schema, f"{table.table}__splits_{n}")


def test_a_set_is_read_record_by_record(service: AerospikeService, shared: Connection) -> None:
    from aerospike_magic.dataset import AerospikeDataset

    columns = ["carrier", "dep_delay", "tailnum"]
    rows = read(service, FLIGHTS, ["key__", *columns])
    expected = AerospikeDataset(shared, "demo.flights").to_table(columns=["__key", *columns])
    expected = expected.rename_columns(["key__", *columns])
    assert sorted(map(repr, rows)) == sorted(map(repr, expected.to_pylist()))


def test_pages_are_as_large_as_asked_for(service: AerospikeService) -> None:
    (split,) = splits_of(service, split_table(FLIGHTS, 1))
    pages = pages_of(service, split, ["key__", "origin"], 100_000)
    assert sum(page.num_rows for page in pages) == N_FLIGHTS
    # 9 bytes a number, 5 and its bytes a text.
    sizes = [page.num_rows * (9 + 5 + 3) for page in pages]
    assert max(sizes) <= 100_000
    assert sorted(sizes)[len(sizes) // 4] > 90_000


def test_a_row_larger_than_a_page_is_sent(service: AerospikeService, client: Any) -> None:
    name = f"gw{uuid.uuid4().hex[:8]}"
    try:
        for i in range(20):
            client.put(("test", name, i), {"i": i, "text": "x" * 50_000})
        rows = read(service, TableName("test", name), ["i", "text"], max_bytes=1_000)
        assert sorted(row["i"] for row in rows) == list(range(20))
        assert {len(row["text"]) for row in rows} == {50_000}
    finally:
        client.truncate("test", name, 0)


def tokens_of(service: AerospikeService, split_id: bytes, columns: Sequence[str], max_bytes: int) -> list[Any]:
    """(token, the rows that came before it), page by page."""
    found: list[Any] = [(None, [])]
    rows: list[Any] = []
    token = None
    while True:
        page = service.rows(split_id, columns, max_bytes, token)
        rows = rows + page.columns[0].to_pylist()
        token = page.next_token
        if token is None:
            found.append((None, rows))
            return found
        found.append((token, rows))


@pytest.mark.parametrize(
    ("domain", "columns"),
    [
        (ALL, ["key__"]),
        (ALL, ["key__", "seldom"]),
        (where(seldom=Domain(Ranges(()), True)), ["key__"]),
        (where(other1=between("text1", None)), ["key__", "other1"]),
        (where(key__=between(500, None)), ["key__", "seldom"]),
    ],
)
def test_the_same_token_gives_the_same_rest_again_and_after_a_restart(
    service: AerospikeService, server: Any, sparse: TableName, domain: TupleDomain, columns: list[str]
) -> None:
    n_rows = 0
    for split in splits_of(service, split_table(sparse, 3), domain):
        steps = tokens_of(service, split.id, columns, 3_000)
        everything = Counter(steps[-1][1])
        assert max(everything.values()) == 1
        n_rows += len(everything)
        with connect(server.address) as other, AerospikeService(other) as restarted:
            for token, before in steps[:-1]:
                for asked in (service, restarted):
                    pages = pages_of(asked, split, columns, LARGE, token)
                    rest = [key for page in pages for key in page["key__"].to_pylist()]
                    assert Counter(before) + Counter(rest) == everything
    assert n_rows == count(service, sparse, domain)
    assert n_rows > 0


def test_an_index_query_goes_on_where_it_was(service: AerospikeService, client: Any, server: Any) -> None:
    name = f"gw{uuid.uuid4().hex[:8]}"
    for i in range(4_000):
        client.put(("test", name, i), {"n": i % 100}, policy={"key": aerospike.POLICY_KEY_SEND})
    client.index_single_value_create("test", name, "n", aerospike.INDEX_NUMERIC, f"{name}_n")
    try:
        table, asked = TableName("test", f"{name}__splits_2"), where(n=between(10, 14))
        found: list[int] = []
        for split in splits_of(service, table, asked):
            from aerospike_magic.gateway.splits import SetSplit, decode_split

            decoded = decode_split(split.id)
            assert isinstance(decoded, SetSplit)
            assert decoded.query.index is not None
            steps = tokens_of(service, split.id, ["key__", "n"], 500)
            assert len(steps) > 3
            for token, before in steps[:-1:3]:
                with connect(server.address) as other, AerospikeService(other) as restarted:
                    rest = [
                        k
                        for page in pages_of(restarted, split, ["key__", "n"], LARGE, token)
                        for k in page["key__"].to_pylist()
                    ]
                assert sorted(before + rest) == sorted(steps[-1][1])
            found += steps[-1][1]
        assert sorted(found) == [i for i in range(4_000) if 10 <= i % 100 <= 14]
    finally:
        client.index_remove("test", f"{name}_n")
        client.truncate("test", name, 0)


def test_a_token_asked_for_twice_at_once(service: AerospikeService) -> None:
    (split,) = splits_of(service, split_table(FLIGHTS, 1))
    first = service.rows(split.id, KEYS, SMALL, None)
    with ThreadPoolExecutor(4) as pool:
        rests = list(pool.map(lambda _: pages_of(service, split, KEYS, 400_000, first.next_token), range(4)))
    for rest in rests:
        keys = [key for page in rest for key in page["key__"].to_pylist()]
        assert len(set(keys) | set(first.columns[0].to_pylist())) == N_FLIGHTS
        assert len(keys) + first.n_rows == N_FLIGHTS


def test_many_splits_read_side_by_side_with_few_open_scans(shared: Connection) -> None:
    options = ServiceOptions(max_scans=4, buffered_bytes=1 << 20)
    most = 0

    with AerospikeService(shared, options) as service:
        splits = splits_of(service, split_table(FLIGHTS, 24))
        tokens: dict[int, bytes | None] = dict.fromkeys(range(24))
        keys: list[int] = []
        lock = threading.Lock()

        def step(i: int) -> None:
            nonlocal most
            page = service.rows(splits[i].id, KEYS, SMALL * 2, tokens[i])
            with lock:
                keys.extend(page.columns[0].to_pylist())
                most = max(most, service.n_open_scans)
                if page.next_token is None:
                    del tokens[i]
                else:
                    tokens[i] = page.next_token

        with ThreadPoolExecutor(4) as pool:
            while tokens:
                list(pool.map(step, list(tokens)))
        assert sorted(keys) == list(range(1, N_FLIGHTS + 1)) or len(set(keys)) == len(keys) == N_FLIGHTS
        assert most <= 4


def test_more_requests_than_open_scans_wait_and_are_refused_for_the_time_being(shared: Connection) -> None:
    options = ServiceOptions(max_scans=1, wait_s=0.2)
    with AerospikeService(shared, options) as service:
        slow = TableName("demo", "flights__splits_1__rps_1000")
        (split,) = splits_of(service, slow)
        (other,) = splits_of(service, split_table(FLIGHTS, 1))
        busy = threading.Thread(target=service.rows, args=(split.id, KEYS, LARGE, None))
        busy.start()
        time.sleep(0.3)
        with pytest.raises(ServiceError, match="can open no more") as caught:
            service.rows(other.id, KEYS, SMALL, None)
        assert caught.value.retryable
        busy.join()
        assert service.rows(other.id, KEYS, SMALL, None).n_rows


def test_a_scan_that_nobody_asks_for_ends(shared: Connection, server: Any) -> None:
    with AerospikeService(shared, ServiceOptions(idle_s=0.3)) as service:
        (split,) = splits_of(service, split_table(FLIGHTS, 1))
        page = service.rows(split.id, KEYS, SMALL, None)
        assert service.n_open_scans == 1
        deadline = time.monotonic() + 20
        while service.n_open_scans or any(t.startswith("aerospike-scan") for t in threads()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        rest = pages_of(service, split, KEYS, LARGE, page.next_token)
        assert page.n_rows + sum(r.num_rows for r in rest) == N_FLIGHTS
    assert threads() == []


def test_a_scan_that_was_left_ends_on_the_server_too(shared: Connection) -> None:
    def running() -> list[str]:
        answers = shared.info("query-show").values()
        return [job for answer in answers for job in answer.split(";") if "status=active" in job]

    with AerospikeService(shared, ServiceOptions(idle_s=0.3)) as service:
        (split,) = splits_of(service, TableName("demo", "flights__splits_1__rps_500"))
        service.rows(split.id, KEYS, LARGE, None)
        assert running()
        deadline = time.monotonic() + 20
        while running():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_throttled_scan_sends_what_it_has(shared: Connection) -> None:
    with AerospikeService(shared, ServiceOptions(page_s=0.3)) as service:
        (split,) = splits_of(service, TableName("demo", "airports__splits_1__rps_500"))
        started = time.monotonic()
        page = service.rows(split.id, ["key__"], LARGE, None)
        assert page.n_rows > 0
        assert page.next_token is not None
        assert time.monotonic() - started < 10
        rest = pages_of(service, split, ["key__"], LARGE, page.next_token)
        assert page.n_rows + sum(r.num_rows for r in rest) == 1_458


def test_counting_reads_no_values_and_comes_in_few_pages(service: AerospikeService) -> None:
    (split,) = splits_of(service, split_table(FLIGHTS, 1))
    token, n_rows, n_pages = None, 0, 0
    while True:
        page = service.rows(split.id, [], 1_000, token)
        n_rows, n_pages, token = n_rows + page.n_rows, n_pages + 1, page.next_token
        if token is None:
            break
    assert n_rows == N_FLIGHTS
    assert n_pages < 40
    assert count(service, FLIGHTS, where(origin=equal("JFK"))) == 111_279


@pytest.mark.parametrize("broken", [b"", b"x", b"P1" + b"\0" * 40, b"\xff" * 200])
def test_a_token_that_is_none_is_refused(service: AerospikeService, broken: bytes) -> None:
    first, second = splits_of(service, split_table(FLIGHTS, 2))
    with pytest.raises(ServiceError, match="not a token") as caught:
        service.rows(first.id, KEYS, SMALL, broken)
    assert not caught.value.retryable
    token = service.rows(first.id, KEYS, SMALL, None).next_token
    assert token is not None
    with pytest.raises(ServiceError, match="not a token"):
        service.rows(second.id, KEYS, SMALL, token)
    with pytest.raises(ServiceError, match="not a token"):
        service.rows(first.id, KEYS, SMALL, token[:-1])


def test_a_column_that_there_is_not(service: AerospikeService) -> None:
    (split,) = splits_of(service, split_table(FLIGHTS, 1))
    with pytest.raises(ServiceError, match="no column 'nothing'"):
        service.rows(split.id, ["nothing"], SMALL, None)
