"""Queries through the official client and bare sockets: record by record the same as was put."""

from __future__ import annotations

import threading
import time
from typing import Any

import aerospike
import pytest
from aerospike import exception, predicates
from aerospike_helpers import expressions as exp
from raw_client import bins_of, connected, query

from aerospike_magic.wire.digest import partition_id
from aerospike_magic.wire.info import parse_info_list
from aerospike_magic.wire.message import FieldType
from aerospike_magic.wire.query import IndexRange, encode_query_request

N = 3000


@pytest.fixture(scope="module")
def many(client: Any) -> str:
    client.truncate("test", "many", 0)
    for i in range(N):
        bins = {"i": i, "s": f"s{i % 7}"}
        if i % 3:
            bins["f"] = i / 2
        client.put(("test", "many", i), bins)
    client.index_single_value_create("test", "many", "i", aerospike.INDEX_NUMERIC, "many_i")
    client.index_single_value_create("test", "many", "s", aerospike.INDEX_STRING, "many_s")
    return "many"


def ids(records: list[Any]) -> list[int]:
    return [record[2]["i"] for record in records]


def test_all_bins(client: Any, many: str) -> None:
    found = {record[2]["i"]: record[2] for record in client.query("test", many).results()}
    assert found == {i: {"i": i, "s": f"s{i % 7}", **({"f": i / 2} if i % 3 else {})} for i in range(N)}


def test_some_bins_leave_out_records_without_any(client: Any, many: str) -> None:
    query = client.query("test", many)
    query.select("f")
    assert sorted(record[2]["f"] for record in query.results()) == [i / 2 for i in range(N) if i % 3]


def test_no_bins(client: Any, many: str) -> None:
    found = client.query("test", many).results(options={"nobins": True})
    assert len(found) == N
    assert all(record[2] == {} and record[1]["gen"] == 1 for record in found)


def test_other_and_unknown_sets(client: Any, many: str) -> None:
    client.put(("test", "few", 1), {"a": 1})
    assert len(client.query("test", "few").results()) == 1
    assert client.query("test", "nothing").results() == []
    assert len(client.query("test", None).results()) >= N + 1


def test_partitions_in_digest_order(server: Any, many: str) -> None:
    _, records = query(server, "test", many, partitions=range(100, 300))
    digests = [record.field(FieldType.DIGEST) for record in records]
    places = [(partition_id(digest), digest) for digest in digests]
    assert places == sorted(places)
    assert {partition for partition, _ in places} <= set(range(100, 300))


def test_resume_behind_every_digest(server: Any, many: str) -> None:
    _, records = query(server, "test", "", partitions=range(8))
    by_partition: dict[int, list[bytes]] = {}
    for record in records:
        digest = record.field(FieldType.DIGEST)
        by_partition.setdefault(partition_id(digest), []).append(digest)
    for digests in by_partition.values():
        for i, digest in enumerate(digests):
            _, rest = query(server, "test", "", partitions=(), digests=[digest])
            assert [record.field(FieldType.DIGEST) for record in rest] == digests[i + 1 :]


@pytest.mark.parametrize("page", [1, 250, 2999, 3000, 5000])
def test_pages(client: Any, many: str, page: int) -> None:
    if page == 1:
        page_set, n = "few", 1
        client.put(("test", "few", 1), {"i": 1})
    else:
        page_set, n = many, N
    query = client.query("test", page_set)
    query.paginate()
    query.max_records = page
    found: list[int] = []
    while not query.is_done():
        got = query.results()
        assert len(got) <= page
        found += ids(got)
    assert sorted(found) == (list(range(N)) if n == N else [1])


def test_max_records(client: Any, many: str) -> None:
    query = client.query("test", many)
    query.max_records = 17
    assert len(query.results()) == 17


def test_records_per_second(server: Any, many: str) -> None:
    started = time.monotonic()
    _, records = query(server, "test", many, partitions=range(1024), records_per_second=1500)
    assert time.monotonic() - started >= 0.9 * len(records) / 1500


def test_filter(client: Any, many: str) -> None:
    query = client.query("test", many)
    policy = {"expressions": exp.And(exp.LT(exp.IntBin("i"), 100), exp.Eq(exp.StrBin("s"), "s3")).compile()}
    assert sorted(ids(query.results(policy=policy))) == [i for i in range(100) if i % 7 == 3]


def test_numeric_index(client: Any, many: str) -> None:
    query = client.query("test", many)
    query.where(predicates.between("i", 10, 20))
    assert sorted(ids(query.results())) == list(range(10, 21))
    query = client.query("test", many)
    query.where(predicates.equals("i", 77))
    query.select("s")
    assert [record[2] for record in query.results()] == [{"s": "s0"}]


def test_string_index_with_filter(client: Any, many: str) -> None:
    query = client.query("test", many)
    query.where(predicates.equals("s", "s2"))
    policy = {"expressions": exp.GE(exp.IntBin("i"), N - 50).compile()}
    assert sorted(ids(query.results(policy=policy))) == [i for i in range(N - 50, N) if i % 7 == 2]


def test_index_follows_writes(client: Any, many: str) -> None:
    def find(value: int) -> list[int]:
        query = client.query("test", many)
        query.where(predicates.equals("i", value))
        return ids(query.results())

    client.put(("test", many, "late"), {"i": 10**6})
    assert find(10**6) == [10**6]
    client.put(("test", many, "late"), {"i": 10**6 + 1})
    assert (find(10**6), find(10**6 + 1)) == ([], [10**6 + 1])
    client.remove(("test", many, "late"))
    assert find(10**6 + 1) == []


def test_index_pages_resume_by_value_and_digest(server: Any, many: str) -> None:
    everything = IndexRange.integers("i", 0, N)
    _, whole = query(server, "test", many, partitions=range(4), index_range=everything)
    assert len(whole) > 1
    for record in whole:
        digest, bval = record.field(FieldType.DIGEST), record.field(FieldType.BVAL_ARRAY)
        value = int.from_bytes(bval, "little", signed=True)
        assert value == bins_of(record)["i"]
        _, rest = query(server, "test", many, partitions=(), digests=[digest], bvals=[value], index_range=everything)
        partition = partition_id(digest)
        of_partition = [r for r in whole if partition_id(r.field(FieldType.DIGEST)) == partition]
        assert rest == of_partition[of_partition.index(record) + 1 :]


def test_index_that_is_not_there(client: Any, many: str) -> None:
    query = client.query("test", many)
    query.where(predicates.equals("f", 1))
    with pytest.raises(exception.IndexNotFound):
        query.results()


def test_index_removed(client: Any, many: str) -> None:
    client.index_single_value_create("test", many, "f", aerospike.INDEX_NUMERIC, "gone")
    client.index_remove("test", "gone")
    client.index_remove("test", "gone")
    assert "gone" not in str(client.info_all("sindex-list:ns=test"))


def test_query_show_and_abort(server: Any, client: Any, many: str) -> None:
    with connected(server) as opened:
        opened.sendall(encode_query_request("test", many, partitions=range(4096), task_id=4711, records_per_second=100))
        deadline = time.monotonic() + 10
        while not (rows := shown(client, 4711)) or rows[0]["recs-succeeded"] == "0":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert rows[0]["status"] == "active(ok)"
        assert rows[0]["rps"] == "100"
        assert info(client, "query-abort:trid=4711") == "ok"
        data = b""
        while piece := opened.recv(1 << 16):
            data += piece
            if data[-22:-16] == bytes((22, 0, 0, 1, 0, 15)):
                break
        else:
            raise AssertionError("no last message")
    row = shown(client, 4711)[0]
    assert row["status"] == "done(user-aborted)"
    assert int(row["recs-succeeded"]) < N
    with pytest.raises(exception.RecordNotFound):
        info(client, "query-abort:trid=4711")


def shown(client: Any, task_id: int) -> list[dict[str, str]]:
    return [row for row in parse_info_list(info(client, "query-show")) if row["trid"] == str(task_id)]


def info(client: Any, command: str) -> str:
    [(error, answer)] = client.info_all(command).values()
    return str(answer or error).rpartition("\t")[2].rstrip("\n")


def test_a_slow_query_holds_up_nobody(server: Any, client: Any, many: str) -> None:
    slow = threading.Thread(
        target=query, args=(server, "test", many), kwargs={"records_per_second": 2000, "task_id": 5}
    )
    slow.start()
    started = time.monotonic()
    for i in range(50):
        client.get(("test", many, i))
    assert time.monotonic() - started < 1.0
    slow.join()


def test_a_reader_that_stops_reading_is_dropped(server: Any, client: Any) -> None:
    client.truncate("test", "big", 0)
    for i in range(40):
        client.put(("test", "big", i), {"x": "x" * 500_000})
    with connected(server) as opened:
        opened.sendall(encode_query_request("test", "big", partitions=range(4096), task_id=99, socket_timeout_ms=300))
        deadline = time.monotonic() + 10
        while not (rows := shown(client, 99)) or not rows[0]["status"].startswith("done"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert rows[0]["status"] == "done(response-timeout)"
    client.truncate("test", "big", 0)
