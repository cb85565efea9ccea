"""A real server: ready, alone on the loopback address, and gone with its owner."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aerospike_magic.engines.trino.server import LocalServer
from aerospike_magic.engines.trino.server.asking import ask_info, run_query
from aerospike_magic.errors import EngineServerError

KINDS = [pytest.param(kind, marks=pytest.mark.trino(kind)) for kind in ("trino", "presto")]
MB = 1 << 20


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    """A server of each kind, that nothing but its own process knows."""
    told = []
    with LocalServer.start(request.param, memory=768 * MB, on_progress=told.append) as server:
        server.told = told
        yield server


def java_of(server: LocalServer) -> psutil.Process:
    (java,) = psutil.Process(server.pid).children()
    return java


def folder_of(java: psutil.Process) -> Path:
    return Path(java.cwd())


def wait_until_gone(*pids: int, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{pids} live on"
        time.sleep(0.05)


def test_it_answers_queries(running):
    assert run_query(running.kind, running.host, running.port, "SELECT 1, 'a'") == [[1, "a"]]
    counted = run_query(running.kind, running.host, running.port, "SELECT count(*) FROM tpch.tiny.nation")
    assert counted == [[25]]


def test_memory_keeps_tables_while_it_runs(running):
    def ask(sql):
        return run_query(running.kind, running.host, running.port, sql)

    assert ask("CREATE TABLE memory.default.kept AS SELECT name, nationkey FROM tpch.tiny.nation") == [[25]]
    assert ask("SELECT name FROM memory.default.kept WHERE nationkey = 7") == [["GERMANY"]]
    ask("DROP TABLE memory.default.kept")


def test_it_tells_what_it_is(running):
    assert repr(running) == f"<LocalServer {running.kind.capitalize()} {running.version} {running.url}>"
    assert running.url == f"http://127.0.0.1:{running.port}"
    assert running.is_running
    assert set(running.catalogs) == {"tpch", "memory"}
    assert [step.stage for step in running.told] == ["start", "ready"]
    assert "SERVER STARTED" in running.log_tail


def test_nothing_listens_beyond_loopback(running):
    run_query(running.kind, running.host, running.port, "SELECT count(*) FROM tpch.tiny.region")
    sockets = java_of(running).net_connections(kind="inet")
    listening = {(c.laddr.ip.removeprefix("::ffff:"), c.laddr.port) for c in sockets if c.status == psutil.CONN_LISTEN}
    datagrams = {c.laddr.ip for c in sockets if c.type == socket.SOCK_DGRAM}
    assert ("127.0.0.1", running.port) in listening
    assert {ip for ip, _ in listening} == {"127.0.0.1"}
    assert not datagrams


def test_its_java_is_as_large_as_asked_and_may_open_enough_files(running):
    java = java_of(running)
    assert f"-Xmx{768}m" in java.cmdline()
    soft = int(next(
        line.split()[3] for line in Path(f"/proc/{java.pid}/limits").read_text().splitlines() if "open files" in line
    ))  # fmt: skip
    assert soft >= 4096


def test_many_splits_run_at_once(running):
    config = (folder_of(java_of(running)) / "etc/config.properties").read_text()
    assert "task.min-drivers=64\n" in config
    assert "task.initial-splits-per-node=64\n" in config


def test_its_folder_is_private(running):
    assert folder_of(java_of(running)).stat().st_mode & 0o077 == 0


@pytest.mark.trino("trino")
def test_two_at_once_do_not_meet_and_stopping_one_leaves_the_other():
    with LocalServer.start(memory=512 * MB) as first, LocalServer.start(memory=512 * MB) as second:
        assert first.port != second.port
        environments = {ask_info(server.host, server.port)["environment"] for server in (first, second)}
        assert len(environments) == 2
        java, folder = java_of(first), folder_of(java_of(first))
        launcher = first.pid
        first.stop()
        assert not first.is_running
        assert not psutil.pid_exists(java.pid)
        assert not psutil.pid_exists(launcher)
        assert not folder.exists()
        assert repr(first).endswith(" stopped>")
        first.stop()
        assert run_query("trino", second.host, second.port, "SELECT 2") == [[2]]


OWNER = """
import sys, json, time
from aerospike_magic.engines.trino.server import LocalServer
server = LocalServer.start("trino", memory=512 << 20)
print(json.dumps([server.pid, server.port]), flush=True)
{then}
"""


def start_owner(then: str) -> tuple[subprocess.Popen[str], int, int]:
    """Another process that owns a server, with the launcher's and Java's process ids."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER.format(then=then)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    launcher, _ = json.loads(owner.stdout.readline())
    return owner, launcher, psutil.Process(launcher).children()[0].pid


@pytest.mark.trino("trino")
def test_it_ends_when_its_owner_is_killed():
    """Other ends are tried in `test_server_launcher.py`."""
    owner, launcher, java = start_owner("time.sleep(600)")
    folder = folder_of(psutil.Process(java))
    owner.kill()
    owner.communicate()
    wait_until_gone(launcher, java)
    assert not folder.exists()


@pytest.mark.trino("trino")
def test_it_ends_when_its_owner_does():
    owner, launcher, java = start_owner("")
    assert owner.wait(60) == 0
    owner.communicate()
    wait_until_gone(launcher, java)


@pytest.mark.trino("trino")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_a_launcher_that_is_killed_leaves_nothing():
    with LocalServer.start(memory=512 * MB) as server:
        java = java_of(server)
        folder = folder_of(java)
        psutil.Process(server.pid).kill()
        wait_until_gone(java.pid)
        assert not server.is_running
    assert not folder.exists()


@pytest.mark.trino("trino")
def test_a_wrong_property_is_told_in_the_servers_words():
    with pytest.raises(EngineServerError, match="Trino 476 did not start: .*no.such.property") as caught:
        LocalServer.start(catalogs={"wrong": {"connector.name": "tpch", "no.such.property": "1"}})
    assert "no.such.property" in caught.value.details
    assert "\n" not in str(caught.value)


@pytest.mark.trino("trino")
def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EngineServerError, match="is taken"):
        LocalServer.start(port=taken.getsockname()[1])


@pytest.mark.trino("trino")
def test_a_start_that_takes_too_long_leaves_nothing():
    before = set(psutil.Process().children())
    with pytest.raises(EngineServerError, match="was not ready in time"):
        LocalServer.start(timeout_s=1.0)
    assert set(psutil.Process().children()) <= before


def test_too_little_memory_is_refused_before_anything():
    with pytest.raises(EngineServerError, match="cannot run in 1,000 bytes"):
        LocalServer.start(memory=1000)
