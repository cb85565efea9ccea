"""Several nodes: even shares, the official client's routing, nodes that stop and start, partitions that move."""

from __future__ import annotations

import base64
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import aerospike
import numpy as np
import pytest
from raw_client import query, read_frames

from aerospike_magic.connection import connect
from aerospike_magic.devserver import DevServer
from aerospike_magic.devserver.membership import Membership
from aerospike_magic.devserver.node import Node, Storage
from aerospike_magic.devserver.orders import ClusterControl
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.digest import partition_id
from aerospike_magic.wire.info import decode_info_response, encode_info_request, parse_info_list, parse_info_pairs

N = 2_000


class At:
    """A node's address, as `raw_client` wants it."""

    def __init__(self, port: int) -> None:
        self.host, self.port = "127.0.0.1", port


def ask(port: int, *commands: str) -> dict[str, str]:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as opened:
        opened.sendall(encode_info_request(commands))
        return decode_info_response(next(read_frames(opened)).body)


def wait_until(is_true: Callable[[], bool], timeout_s: float = 12.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def columns(port: int) -> list[np.ndarray[Any, Any]]:
    name, _, rest = ask(port, "replicas")["replicas"].partition(":")
    regime, n_replicas, *bitmaps = rest.split(",")
    assert (name, regime, n_replicas) == ("test", "0", str(len(bitmaps)))
    return [np.unpackbits(np.frombuffer(base64.b64decode(b), np.uint8)).astype(bool) for b in bitmaps]


@pytest.fixture(scope="module")
def cluster() -> Iterator[DevServer]:
    with DevServer(namespaces=("test",), nodes=3) as running:
        yield running


@pytest.fixture(scope="module")
def client3(cluster: DevServer) -> Iterator[Any]:
    connected = aerospike.client({"hosts": [(cluster.host, cluster.port)], "tend_interval": 250}).connect()
    for i in range(N):
        connected.put(("test", "c", i), {"i": i})
    yield connected
    connected.close()


@pytest.fixture(autouse=True)
def healed(cluster: DevServer) -> Iterator[None]:
    yield
    cluster.control.heal()
    cluster.control.move(range(4096))
    cluster.control.release(range(4096))


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 5, 8])
def test_shares_are_even_also_with_a_node_down(n_nodes: int) -> None:
    cluster = Membership([f"BB{i}" for i in range(n_nodes)], [""] * n_nodes)
    for down in (None, 0):
        if down is not None and n_nodes > 1:
            cluster.leave(down)
        for column in range(cluster.replication_factor):
            counts = [int((cluster.columns[i] == column).sum()) for i in range(n_nodes) if cluster.is_up(i)]
            assert sum(counts) == 4096
            assert max(counts) - min(counts) <= 2 * n_nodes
    assert cluster.is_whole


def test_a_replica_becomes_the_master() -> None:
    cluster = Membership(["A", "B", "C"], [""] * 3)
    before = [cluster.holders(p) for p in range(4096)]
    cluster.leave(1)
    for partition, (master, replica) in enumerate(before):
        assert cluster.holders(partition)[0] == (replica if master == 1 else master)
    cluster.join(1)
    assert [cluster.holders(p) for p in range(4096)] == before
    assert cluster.generations == [2, 2, 2]


def test_every_partition_is_owned_by_one_node() -> None:
    cluster = Membership(["A", "B", "C"], [""] * 3)
    storage = Storage(("test",))
    nodes = [Node(name, "127.0.0.1", 0, storage, membership=cluster, index=i) for i, name in enumerate("ABC")]
    assert sorted(p for node in nodes for p in node.owned) == list(range(4096))
    assert all(node.holds(p) and node.is_master(p) for node in nodes for p in node.owned)


def test_info_of_a_cluster(cluster: DevServer) -> None:
    names = [ask(port, "node")["node"] for port in cluster.ports]
    assert len(set(names)) == 3
    masters = [columns(port)[0] for port in cluster.ports]
    replicas = [columns(port)[1] for port in cluster.ports]
    assert (sum(m.astype(int) for m in masters) == 1).all()
    assert (sum(r.astype(int) for r in replicas) == 1).all()
    assert not any((m & r).any() for m, r in zip(masters, replicas, strict=True))
    for i, port in enumerate(cluster.ports):
        answer = ask(port, "peers-clear-std")["peers-clear-std"]
        assert re.fullmatch(r"0,3000,\[(\[[0-9A-F]+,,\[127\.0\.0\.1:\d+\]\],?){2}\]", answer)
        for j in range(3):
            assert (f"[{names[j]},,[127.0.0.1:{cluster.ports[j]}]]" in answer) == (i != j)
        told = parse_info_pairs(ask(port, "statistics")["statistics"])
        assert (told["cluster_size"], told["cluster_principal"]) == ("3", max(names))
        told = parse_info_pairs(ask(port, "namespace/test")["namespace/test"])
        assert (told["effective_replication_factor"], told["replication-factor"]) == ("2", "2")


def test_the_official_client_sends_each_command_to_the_right_node(cluster: DevServer, client3: Any) -> None:
    assert len(client3.get_node_names()) == 3
    for i in range(0, N, 7):
        assert client3.get(("test", "c", i))[2] == {"i": i}
    got = client3.batch_read([("test", "c", i) for i in range(N)])
    assert [record.record[2]["i"] for record in got.batch_records] == list(range(N))
    assert sorted(r[2]["i"] for r in client3.query("test", "c").results()) == list(range(N))
    status = cluster.control.status()
    assert [node.proxied for node in status] == [0, 0, 0]
    assert all(node.queries_done for node in status)


def test_replicas_answer_reads(cluster: DevServer, client3: Any) -> None:
    for replica in (aerospike.POLICY_REPLICA_ANY, aerospike.POLICY_REPLICA_SEQUENCE, aerospike.POLICY_REPLICA_MASTER):
        for i in range(0, N, 31):
            assert client3.get(("test", "c", i), {"replica": replica})[2] == {"i": i}
    assert [node.proxied for node in cluster.control.status()] == [0, 0, 0]


def test_the_official_client_follows_partitions_that_move(cluster: DevServer, client3: Any) -> None:
    for turn in range(6):
        cluster.control.move(range(turn * 300, turn * 300 + 1500), turn % 3, (turn + 1) % 3)
        assert sorted(r[2]["i"] for r in client3.query("test", "c").results()) == list(range(N))
        assert all(record.record for record in client3.batch_read([("test", "c", i) for i in range(N)]).batch_records)


def test_counts_of_a_node_are_of_its_partitions(cluster: DevServer, client3: Any) -> None:
    objects = masters = 0
    for port in cluster.ports:
        row = next(r for r in parse_info_list(ask(port, "sets/test")["sets/test"]) if r["set"] == "c")
        told = parse_info_pairs(ask(port, "namespace/test")["namespace/test"])
        assert 0 < int(row["objects"]) < N
        assert int(told["objects"]) == int(told["master_objects"]) + int(told["prole_objects"])
        objects += int(row["objects"])
        masters += int(told["master_objects"])
    assert objects == 2 * N
    assert masters == N


def test_an_index_counts_what_its_node_holds(cluster: DevServer, client3: Any) -> None:
    client3.index_single_value_create("test", "c", "i", aerospike.INDEX_NUMERIC, "c_i")
    with connect(f"127.0.0.1:{cluster.port}") as connection:
        index = next(i for i in connection.indexes("test") if i.name == "c_i")
        assert (index.entries, index.ready) == (N, True)
        info = next(s for s in connection.sets("test") if s.name == "c")
        assert (info.objects, info.replication_factor) == (N, 2)
        counts = np.bincount(connection.partition_map("test").owners)
        assert len(counts) == 3
        assert counts.max() - counts.min() <= 3
    wanted = client3.query("test", "c")
    wanted.where(aerospike.predicates.between("i", 10, 400))
    assert sorted(r[2]["i"] for r in wanted.results()) == list(range(10, 401))


def test_a_query_of_partitions_that_a_node_does_not_hold(cluster: DevServer, client3: Any) -> None:
    """A master and a replica answer it; of the others the node says that they are unavailable."""
    found: list[int] = []
    for port in cluster.ports:
        held = np.flatnonzero(np.logical_or(*columns(port)))
        _, records = query(At(port), "test", "c", partitions=held.tolist(), task_id=5)
        assert {partition_id(r.field(4) or b"") for r in records} <= set(held.tolist())
        found.append(len(records))
    assert sum(found) == 2 * N
    other = np.flatnonzero(~np.logical_or(*columns(cluster.port)))[:3].tolist()
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=5) as opened:
        from aerospike_magic.wire.message import iter_messages
        from aerospike_magic.wire.query import encode_query_request

        opened.sendall(encode_query_request("test", "c", partitions=other, task_id=6))
        messages = []
        for frame in read_frames(opened):
            messages += iter_messages(frame.body)
            if messages[-1].is_last:
                break
    assert [(m.info3, m.result_code, m.generation) for m in messages[:-1]] == [(4, 11, p) for p in other]
    assert messages[-1].result_code == 0


def test_a_command_at_the_wrong_node_is_carried_out_and_counted(cluster: DevServer, client3: Any) -> None:
    key = ("test", "c", 1)
    partition = client3.get_key_partition_id(*key)
    holders = [i for i, port in enumerate(cluster.ports) if columns(port)[0][partition]]
    others = [i for i in range(3) if i not in holders]
    cluster.control.move([partition], *others)
    # The client's map is old for a moment: what it sends goes to a node that is no longer the master.
    client3.put(key, {"i": 1})
    assert client3.get(key)[2] == {"i": 1}
    wait_until(lambda: columns(cluster.ports[others[0]])[0][partition])


def test_an_unavailable_partition_is_refused(cluster: DevServer, client3: Any) -> None:
    key = ("test", "c", 3)
    partition = client3.get_key_partition_id(*key)
    cluster.control.withhold([partition])
    policy = {"max_retries": 0, "total_timeout": 1000}
    for call in (lambda: client3.get(key, policy), lambda: client3.put(key, {"i": 3}, policy=policy)):
        with pytest.raises(aerospike.exception.AerospikeError) as caught:
            call()
        assert caught.value.code in (11, -8)
    cluster.control.release([partition])
    wait_until(lambda: _reads(client3, key))


def _reads(client: Any, key: tuple[str, str, int]) -> bool:
    try:
        return bool(client.get(key)[2])
    except aerospike.exception.AerospikeError:
        return False


def test_a_node_stops_and_comes_back(cluster: DevServer, client3: Any) -> None:
    generation = ask(cluster.ports[0], "peers-generation")["peers-generation"]
    cluster.control.stop_node(1)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", cluster.ports[1]), timeout=1)
    assert int(ask(cluster.ports[0], "peers-generation")["peers-generation"]) == int(generation) + 1
    assert str(cluster.ports[1]) not in ask(cluster.ports[0], "peers-clear-std")["peers-clear-std"]
    for i in range(0, N, 11):
        wait_until(lambda i=i: _reads(client3, ("test", "c", i)))  # type: ignore[misc]
    cluster.control.start_node(1)
    wait_until(lambda: len(client3.get_node_names()) == 3)
    assert sorted(r[2]["i"] for r in client3.query("test", "c").results()) == list(range(N))
    with pytest.raises(DevServerError, match="runs already"):
        cluster.control.start_node(1)
    with pytest.raises(DevServerError, match="cannot read"):
        cluster.control.stop_node(7)


def test_latency_throttle_and_silence(cluster: DevServer, client3: Any) -> None:
    started = time.monotonic()
    cluster.control.set_latency(0, 0.2)
    ask(cluster.port, "build")
    assert time.monotonic() - started >= 0.2
    cluster.control.heal()
    cluster.control.throttle(0, 100_000)
    started = time.monotonic()
    query(At(cluster.port), "test", "c", task_id=7)
    assert time.monotonic() - started > 0.5
    cluster.control.heal()
    cluster.control.freeze(0)
    with pytest.raises(TimeoutError), socket.create_connection(("127.0.0.1", cluster.port), timeout=0.3) as opened:
        opened.sendall(encode_info_request(["build"]))
        opened.recv(1)


@pytest.mark.parametrize("n_bytes", [0, 1, 7, 30, 1000])
def test_a_connection_is_cut_after_so_many_bytes(cluster: DevServer, client3: Any, n_bytes: int) -> None:
    from aerospike_magic.wire.query import encode_query_request

    cluster.control.cut(0, n_bytes)
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=5) as opened:
        opened.sendall(encode_query_request("test", "c", partitions=range(4096), task_id=8))
        received = b""
        while data := opened.recv(1 << 16):
            received += data
    assert len(received) == n_bytes
    query(At(cluster.port), "test", "c", task_id=9)


@pytest.mark.parametrize("late", [False, True])
def test_a_query_is_refused_on_demand(cluster: DevServer, client3: Any, late: bool) -> None:
    held = np.flatnonzero(columns(cluster.port)[0]).tolist()
    cluster.control.refuse(0, 18, late=late)
    code, records = query(At(cluster.port), "test", "c", partitions=held, task_id=10)
    assert code == 18
    assert bool(records) == late
    assert query(At(cluster.port), "test", "c", partitions=held, task_id=11)[0] == 0


def test_orders_over_the_command_line() -> None:
    command = [sys.executable, "-m", "aerospike_magic.devserver"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--nodes", "2", "--quiet", "--control"], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        _, host, first, second = process.stdout.readline().split()

        def order(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([*command, "control", f"{host}:{first}", *words], capture_output=True, text=True)

        assert order("stop", "1").returncode == 0
        assert '"is_up": false' in order("status").stdout
        assert order("start", "1").stdout == "ok\n"
        assert ask(int(second), "build")
        assert order("dance").returncode == 1
        assert order().returncode == 2
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_without_leave_there_are_no_orders(cluster: DevServer) -> None:
    assert ask(cluster.port, "devserver-control:status")["devserver-control:status"].startswith("ERROR:4")
    with pytest.raises(DevServerError, match="does not run"):
        DevServer().control.status()
    with pytest.raises(DevServerError, match="no answer"):
        ClusterControl(lambda line: "").heal()
