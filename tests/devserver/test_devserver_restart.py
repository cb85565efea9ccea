"""A server with --data over restarts: through the official client, value by value, and killed at bad moments."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aerospike
import psutil
import pytest
from aerospike_helpers import HyperLogLog
from aerospike_helpers.batch import records as batch
from aerospike_helpers.operations import operations

from aerospike_magic.devserver import DevServer
from aerospike_magic.errors import DevServerError

VALUES: dict[str, Any] = {
    "int": -(1 << 63),
    "float": -0.1,
    "text": "Zürich ✈",
    "bytes": bytes(range(256)),
    "yes": True,
    "list": [1, "two", [3.0, None], {"four": b"5"}],
    "map": {1: "a", "b": [2], b"c": {"d": None}},
    "ordered": aerospike.KeyOrderedDict({"z": 1, "a": 2}),
    "geo": aerospike.GeoJSON({"type": "Point", "coordinates": [8.5, 47.4]}),
    "hll": HyperLogLog(b"\x00\x08\x00" + bytes(8) + bytes(256 * 6 // 8)),
    "empty": "",
}


@contextmanager
def client_of(server: DevServer) -> Iterator[Any]:
    client = aerospike.client({"hosts": [(server.host, server.port)]}).connect()
    try:
        yield client
    finally:
        client.close()


def kill(server: DevServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


def read_all(client: Any, set_name: str) -> dict[bytes, Any]:
    return {bytes(key[3]): (key[2], meta, bins) for key, meta, bins in client.query("test", set_name).results()}


def without_ttl(records: dict[bytes, Any]) -> dict[bytes, str]:
    # As text: GeoJSON objects of the client are equal to nothing.
    return {digest: repr((key, meta["gen"], bins)) for digest, (key, meta, bins) in records.items()}


@pytest.mark.parametrize("end", [DevServer.stop, kill])
def test_everything_is_there_again(tmp_path: Path, end: Any) -> None:
    with DevServer(("test",), data=tmp_path) as server, client_of(server) as client:
        for i, (name, value) in enumerate(VALUES.items()):
            for bins in ({name: value}, {"n": i})[: 1 + i % 2]:
                client.put(
                    ("test", "all", name if i % 2 else i),
                    bins,
                    policy={
                        "ttl": 5000 + i if i % 3 else aerospike.TTL_NEVER_EXPIRE,
                        "key": aerospike.POLICY_KEY_SEND if i % 2 else aerospike.POLICY_KEY_DIGEST,
                    },
                )
        client.put(("test", "all", "one"), VALUES)
        client.put(("test", "gone", 1), {"a": 1})
        client.put(("test", "cut", 1), {"a": 1})
        client.remove(("test", "gone", 1))
        client.truncate("test", "cut", 0)
        client.put(("test", "short", 1), {"a": 1}, policy={"ttl": 1})
        client.index_single_value_create("test", "all", "n", aerospike.INDEX_NUMERIC, "by_n")
        before = read_all(client, "all")
        sets = sorted(client.info_random_node("sets/test").split(";"))
        indexes = client.info_random_node("sindex-list")
        end(server)
    assert len(before) == len(VALUES) + 1
    time.sleep(1.1)
    with DevServer(("test",), data=tmp_path) as server, client_of(server) as client:
        after = read_all(client, "all")
        assert without_ttl(after) == without_ttl(before)
        for digest, (_, meta, _) in before.items():
            assert meta["ttl"] - 10 < after[digest][1]["ttl"] <= meta["ttl"]
        assert client.info_random_node("sindex-list") == indexes
        assert sorted(client.info_random_node("sets/test").split(";")) == sets
        query = client.query("test", "all")
        query.where(aerospike.predicates.between("n", 0, 100))
        assert len(query.results()) == len(VALUES) // 2
        with pytest.raises(aerospike.exception.RecordNotFound):
            client.get(("test", "short", 1))
        client.put(("test", "all", "one"), {"int": 1})
        assert (
            client.get(("test", "all", "one"))[1]["gen"]
            == before[bytes(aerospike.calc_digest("test", "all", "one"))][1]["gen"] + 1
        )


def test_killed_while_it_is_written(tmp_path: Path) -> None:
    """Whatever was answered is there afterwards, whole; what was not answered is there whole or not at all."""
    written: dict[int, int] = {}
    for turn in range(1, 4):
        server = DevServer(("test",), data=tmp_path).start()
        with contextlib.suppress(aerospike.exception.AerospikeError):
            threads = [threading.Thread(target=write, args=(server, part, turn, written)) for part in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.7)
            kill(server)
            for thread in threads:
                thread.join()
        with DevServer(("test",), data=tmp_path) as server, client_of(server) as client:
            found = {bins["id"]: bins for _, _, bins in client.query("test", "w").results()}
        assert len(written) > 100 * turn
        assert written.keys() <= found.keys()
        for i, bins in found.items():
            assert bins["text"] == f"{i}/{bins['turn']}" * 20
            assert written.get(i, 0) <= bins["turn"] <= turn


def write(server: DevServer, part: int, turn: int, written: dict[int, int]) -> None:
    with contextlib.suppress(aerospike.exception.AerospikeError), client_of(server) as client:
        for start in range(0, 1 << 20, 100):
            ids = range(part << 22 | start, part << 22 | start + 100)
            if part == 0:
                for i in ids:
                    client.put(("test", "w", i), row(i, turn))
                    written[i] = turn
                continue
            rows = [
                batch.Write(("test", "w", i), [operations.write(*bin) for bin in row(i, turn).items()]) for i in ids
            ]
            answer = client.batch_write(batch.BatchRecords(rows))
            if answer.result != 0:
                # The connection is gone: the rows have no results then, which read as 0.
                break
            for done in answer.batch_records:
                if done.result == 0:
                    written[done.key[2]] = turn


def row(i: int, turn: int) -> dict[str, Any]:
    return {"id": i, "turn": turn, "text": f"{i}/{turn}" * 20}


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path, capfd: Any) -> None:
    with DevServer(("test",), data=tmp_path) as server, client_of(server) as client:
        client.put(("test", "s", 1), {"a": 1})
        process = psutil.Process(server.pid)
        size = (tmp_path / "test.data").stat().st_size
        process.rlimit(resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))
        with pytest.raises(aerospike.exception.AerospikeError) as refused:
            client.put(("test", "s", 2), {"a": "x" * 2000})
        assert refused.value.code == 8
        with pytest.raises(aerospike.exception.AerospikeError):
            client.put(("test", "s", 1), {"a": "x" * 2000})
        rows = [batch.Write(("test", "s", i), [operations.write("a", "y" * 100)]) for i in range(10, 30)]
        results = [done.result for done in client.batch_write(batch.BatchRecords(rows)).batch_records]
        assert set(results) == {0, 8}
        with pytest.raises(aerospike.exception.AerospikeError):
            client.truncate("test", "s", 0) or client.index_single_value_create(
                "test", "s", "a", aerospike.INDEX_NUMERIC, "i"
            )
        assert client.get(("test", "s", 1))[2] == {"a": 1}
        assert len(read_all(client, "s")) == 1 + results.count(0)
        before = read_all(client, "s")
        kill(server)
    log = capfd.readouterr().err
    # A smaller record fitted in between.
    assert log.count("cannot write: File too large") == 1 + log.count("writing works again")
    with DevServer(("test",), data=tmp_path) as server, client_of(server) as client:
        assert read_all(client, "s") == before


def test_two_servers_one_directory(tmp_path: Path, capfd: Any) -> None:
    with (
        DevServer(("test",), data=tmp_path) as server,
        pytest.raises(DevServerError, match="did not start"),
    ):
        DevServer(("test",), data=tmp_path).start()
    lines = capfd.readouterr().err.strip().splitlines()
    assert lines[0].startswith(f"aerospike-magic server: {tmp_path} is in use by another server (process ")
    assert len(lines) <= 2
    assert server.pid is None


def test_damage_is_one_line(tmp_path: Path, capfd: Any) -> None:
    with DevServer(("test",), data=tmp_path) as server, client_of(server) as client:
        for i in range(10):
            client.put(("test", "s", i), {"a": i})
    file = tmp_path / "test.data"
    data = bytearray(file.read_bytes())
    data[400] ^= 1
    file.write_bytes(data)
    with pytest.raises(DevServerError, match="did not start"):
        DevServer(("test",), data=tmp_path).start()
    lines = capfd.readouterr().err.strip().splitlines()
    assert lines[0].startswith(f"aerospike-magic server: {file} is damaged: the block at byte ")
    command = lines[-1].rpartition(": ")[2].split()
    assert command[:2] == ["truncate", "-s"]
    os.truncate(command[3], int(command[2]))
    with DevServer(("test",), data=tmp_path) as server, client_of(server) as client:
        assert 0 < len(read_all(client, "s")) < 10


def test_an_order_to_stop_keeps_all(tmp_path: Path, capfd: Any) -> None:
    """By a signal while clients write, or by the end of the parent."""
    script = (
        "import sys, time\n"
        "from aerospike_magic.devserver import DevServer\n"
        f"s = DevServer(('test',), data={str(tmp_path)!r}).start()\n"
        "print(s.port, s.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    written: dict[int, int] = {}

    def wait_until_gone(child: psutil.Process) -> None:
        deadline = time.monotonic() + 20
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    for turn, number in enumerate((signal.SIGTERM, signal.SIGKILL), 1):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            port, pid = map(int, parent.stdout.readline().split())
            server = DevServer(port=port)
            writer = threading.Thread(target=write, args=(server, 0, turn, written))
            writer.start()
            time.sleep(0.3)
            child = psutil.Process(pid)
            # The child stops in order either way: told to, or as its parent is gone.
            (child if number == signal.SIGTERM else parent).send_signal(number)
            wait_until_gone(child)
            parent.kill()
            writer.join()
    capfd.readouterr()
    with DevServer(("test",), data=tmp_path) as started, client_of(started) as client:
        found = {bins["id"]: bins["turn"] for _, _, bins in client.query("test", "w").results()}
    assert capfd.readouterr().err == "", "stopped in order: nothing to report"
    assert len(written) > 50
    assert written.keys() <= found.keys()


def test_a_cluster_has_one_directory(tmp_path: Path) -> None:
    for turn in range(2):
        with DevServer(("test",), data=tmp_path, nodes=3) as server, client_of(server) as client:
            for i in range(turn * 100, turn * 100 + 100):
                client.put(("test", "s", i), {"a": i})
            assert len(read_all(client, "s")) == turn * 100 + 100
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "test.data"]


def test_loading_again(tmp_path: Path) -> None:
    """Made-up and demo records are not loaded over what is there; a file replaces by key."""
    (tmp_path / "some.csv").write_text("id,v\n1,one\n2,two\n")
    options: dict[str, Any] = {"data": tmp_path / "d", "synthetic": 1000, "load": [f"{tmp_path}/some.csv:shop.s:id"]}
    with DevServer(("test",), **options) as server, client_of(server) as client:
        client.put(("test", "bench", 5), {"price": 0})
        client.put(("shop", "s", 2), {"v": "changed"})
        client.put(("shop", "s", 3), {"v": "mine"})
    with DevServer(("test",), **options) as server, client_of(server) as client:
        assert client.get(("test", "bench", 5))[2]["price"] == 0
        assert client.get(("shop", "s", 2))[2]["v"] == "two"
        assert client.get(("shop", "s", 3))[2]["v"] == "mine"
    with DevServer(("test",), data=tmp_path / "d") as server, client_of(server) as client:
        assert client.get(("shop", "s", 1))[2]["v"] == "one"
        assert len(read_all(client, "bench")) == 1000
