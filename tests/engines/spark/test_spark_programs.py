"""Spark as it is run in earnest: executors of their own, a Connect server, TLS and logins, nodes and tasks that die."""

from __future__ import annotations

import os
import threading
import time
import uuid

import aerospike
import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")

from aerospike_magic.connection import connect
from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.devserver import DevServer

pytestmark = pytest.mark.timeout(600)  # each starts a JVM or two, and their Python workers

N = 3_000
PASSWORD, WRONG = "geheim-Kw77", "falsch-Kw88"


def rows_without_spark(address, table, **options):
    with connect(address, **options) as connection:
        return {row["id"]: row for row in AerospikeDataset(connection, table).to_table().to_pylist()}


def by_id(rows, without=()):
    found = {row["id"]: {name: value for name, value in row.items() if name not in without} for row in rows}
    assert len(found) == len(rows)
    return found


def test_executors_of_their_own_read_every_record_though_a_node_goes(run_program, jar, tmp_path):
    sign = tmp_path / "reading"
    with DevServer(namespaces=("test",), synthetic=N, nodes=3) as server:
        wanted = rows_without_spark(server.address, "test.bench")
        assert len(wanted) == N

        def stop_a_node():
            for wanted_state in (True, False, True):  # the first read, its end, the slow one
                while sign.exists() != wanted_state and not over.is_set():
                    time.sleep(0.05)
            if not over.is_set():
                server.control.stop_node(2)

        over = threading.Event()
        watcher = threading.Thread(target=stop_a_node)
        watcher.start()
        try:
            found = run_program(
                "on_a_cluster", address=server.address, table="test.bench", jar=str(jar), sign=str(sign)
            )
        finally:
            over.set()
            watcher.join()
        assert len(server.control.status()) == 3
        assert sum(node.is_up for node in server.control.status()) == 2
    assert len({row["process"] for row in found["whole"]}) == 2
    assert by_id(found["whole"], ["process"]) == wanted
    assert by_id(found["slow"], ["process"]) == wanted
    assert found["pushed"] == list(range(4, 100, 2))
    assert "filters [" in found["plan"]
    assert found["count"] == N


@pytest.fixture(scope="module")
def cluster():
    """The address of three nodes, or of the server under test."""
    given = os.environ.get("AEROSPIKE_TEST_HOST")
    if given:
        yield given
        return
    with DevServer(namespaces=("test",), nodes=3) as running:
        yield running.address


@pytest.fixture
def table(cluster):
    host, _, port = cluster.rpartition(":")
    client = aerospike.client({"hosts": [(host, int(port))]}).connect()
    name = f"program{uuid.uuid4().hex[:8]}"
    for i in range(200):
        bins = {"id": i, "name": f"näme {i}", "even": i % 2 == 0, "half": i / 2, "tags": [i, i + 1]}
        client.put(("test", name, i), bins, policy={"key": 1})
    yield f"test.{name}"
    for suffix in ("", "p", "ps", "w", "ws"):
        client.truncate("test", name + suffix, 0)
    client.close()


def test_all_through_a_connect_server(run_program, cluster, table):
    pytest.importorskip("grpc", reason="Spark Connect needs grpcio: pip install 'pyspark[connect]'")
    found = run_program("by_connect", address=cluster, table=table)
    wanted = rows_without_spark(cluster, table)
    check_connect(found["plain"], wanted, push_down=False)
    check_connect(found["with the jar"], wanted, push_down=True)


def check_connect(found, wanted, push_down):
    assert found["is_connect"]
    assert by_id(found["rows"], ["__generation", "__ttl"]) == wanted
    assert found["chosen"] == [[3, "näme 3"], [5, "näme 5"], [77, "näme 77"]]
    assert found["sums"] == [[False, 10_000], [True, 9_900]]
    assert ("filters [" in found["plan"]) == push_down
    assert found["written"] == [[i, f"w{i}", [i, i]] for i in range(300)]
    first, second, third = found["streamed"]
    assert first == [[i, f"W{i}", 1] for i in range(300)]
    assert second == [[i, "CHANGED", 2] if i < 7 else [i, f"W{i}", 1] for i in range(300)]
    assert third == second
    option, no_set, no_key, misfit = found["errors"]
    assert "there is no option aerospike.seedhots · did you mean aerospike.seedhost" in option
    assert "nosuchset" in no_set
    assert "nothing says which column is the key" in no_key
    assert "name" in misfit


def test_with_tls_and_a_login_through_tasks_that_die_and_no_secret_is_shown(run_program, authority):
    tls = {"tls_certfile": authority / "node.test.pem", "tls_keyfile": authority / "node.test.key"}
    users = {"ann": (PASSWORD, "read-write")}
    with DevServer(namespaces=("test",), synthetic=N, nodes=2, users=users, **tls) as server:
        login = {"user": "ann", "password": PASSWORD, "tls_cafile": str(authority / "ca.pem"), "tls_name": "node.test"}
        wanted = rows_without_spark(server.address, "test.bench", **login)
        found = run_program(
            "on_bad_days",
            address=server.address,
            table="test.bench",
            cafile=str(authority / "ca.pem"),
            user="ann",
            password=PASSWORD,
            wrong=WRONG,
        )
    assert by_id(found["rows"]) == wanted
    assert found["written"] == [[i, i * 2] for i in range(400)]
    assert found["pushed"] == list(range(9))
    assert found["streamed"] == N
    assert "exited unexpectedly" in found["log"]  # tasks did die
    assert "half-way" in found["log"]
    password, option, write = found["errors"]
    assert "log in" in password or "password" in password, password
    assert "there is no option aerospike.nosuch" in option
    assert write
    for text in (*found["shown"], *found["errors"], found["log"]):
        for secret in (PASSWORD, WRONG):
            assert secret not in text, text[max(0, text.find(secret) - 300) : text.find(secret) + 50]


@pytest.mark.parametrize("kind", ["connect", "cluster"])
def test_a_cell_in_sessions_of_other_kinds(run_program, cluster, table, kind):
    if kind == "connect":
        pytest.importorskip("grpc", reason="Spark Connect needs grpcio: pip install 'pyspark[connect]'")
    found = run_program("by_engine", address=cluster, table=table, kind=kind)
    rows = by_id(found["rows"], ["__key"])
    assert rows == {
        i: {"id": i, "name": f"näme {i}", "even": i % 2 == 0, "half": i / 2, "tags": [i, i + 1]} for i in range(200)
    }
    with connect(cluster) as connection:
        n_nodes = len(connection.nodes())
    assert found["whole"] == {"state": "done", "records": 200, "fraction": 1.0, "nodes": n_nodes}
    assert found["joined"] == [{"id": 1, "word": "a"}, {"id": 3, "word": "b"}]
    assert found["lazy"] == [190, 191, 192, 193, 194]
    ((name, pushed, columns),) = found["explained"]
    assert (name, columns) == (table, ["id"])
    assert "id > 190" in pushed
    (column, missing, division) = found["errors"]
    assert column == ["UnknownNameError", f"there is no column idd in {table} · did you mean id?", 7]
    assert missing[0] == "UnknownNameError"
    assert "Division by zero" in division[1]
    assert division[2] == 7
    assert found["stopped"]["ended"] == found["stopped"]["state"] == "cancelled"
    assert found["stopped"]["took_s"] < 2
    assert "stage 1 of 1" in found["stopped"]["activity"][0]
    # That of the lazy result, which a Connect server looks up when it runs.
    assert len(found["views"]) == (1 if kind == "connect" else 0)
