"""A gateway of several processes: one address, ports of their own, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_gateway_server import wait_until

from aerospike_magic.errors import ConnectError, GatewayError
from aerospike_magic.gateway.client import GatewayClient
from aerospike_magic.gateway.messages import TableName
from aerospike_magic.gateway.processes import GatewayProcesses

NUMBERS, PROCESS = TableName("test", "numbers"), TableName("test", "process")
FACTORY = "table_service:open_tables"
COMMAND = [
    sys.executable,
    "-c",
    "import sys; from aerospike_magic.cli.gateway import run_gateway; "
    f"raise SystemExit(run_gateway(sys.argv[1:], factory={FACTORY!r}))",
]


@pytest.fixture(autouse=True)
def _children_find_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    found = [str(Path(__file__).parent), str(Path(__file__).parent.parent.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(found))


def processes(n: int, **settings: Any) -> GatewayProcesses:
    return GatewayProcesses({"rows": 100, **settings}, n=n, factory=FACTORY)


def pid_at(host: str, port: int) -> int:
    with GatewayClient(host, port) as client:
        pages = [client.rows(split.id, ["pid"]) for split in client.splits(PROCESS).splits]
    (pid,) = [pid for page in pages for pid in page.columns[0].to_pylist()]
    return int(pid)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of a killed parent may still be a zombie of init's.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def answers(host: str, port: int) -> Callable[[], bool]:
    def answered() -> bool:
        try:
            pid_at(host, port)
        except ConnectError:
            return False
        return True

    return answered


def test_splits_name_the_processes_own_ports() -> None:
    with processes(3) as gateway:
        with GatewayClient(gateway.host, gateway.port) as client:
            splits = client.splits(NUMBERS).splits
            assert {host for split in splits for host in split.hosts} == set(gateway.hosts)
        assert {pid_at(host.host, host.port) for host in gateway.hosts} == set(gateway.pids)
        for split in splits:
            with GatewayClient(split.hosts[0].host, split.hosts[0].port) as client:
                assert client.rows(split.id, ["id"]).n_rows == 25
    assert not any(map(is_alive, gateway.pids))


def test_one_process_needs_no_port_of_its_own() -> None:
    with processes(1) as gateway:
        assert gateway.hosts == ()
        assert pid_at(gateway.host, gateway.port) == gateway.pids[0]


def test_a_process_that_is_killed_is_started_again_at_its_port() -> None:
    with processes(2) as gateway:
        victim = pid_at(gateway.hosts[0].host, gateway.hosts[0].port)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in gateway.pids, 60)
        wait_until(answers(gateway.hosts[0].host, gateway.hosts[0].port), 60)
        assert pid_at(gateway.hosts[0].host, gateway.hosts[0].port) in gateway.pids


def test_all_end_together_and_soon() -> None:
    gateway = processes(2).start()
    pids = gateway.pids
    began = time.monotonic()
    gateway.close()
    assert time.monotonic() - began < 5  # one second, on a machine with nothing else to do
    assert not any(map(is_alive, pids))
    with pytest.raises(ConnectError):
        GatewayClient(gateway.host, gateway.port)


def test_what_keeps_a_process_from_serving_is_said() -> None:
    gateway = processes(2, refuse="no such cluster")
    with pytest.raises(GatewayError, match="no such cluster") as raised:
        gateway.start()
    assert raised.value.hint == "say something else"
    assert gateway.pids == ()


def test_a_port_in_use_is_said() -> None:
    with processes(1) as gateway, pytest.raises(GatewayError, match="cannot listen on .*: address already in use"):
        GatewayProcesses({"rows": 1}, (gateway.host, gateway.port), factory=FACTORY).start()


@pytest.mark.parametrize("n", [0, 65])
def test_a_number_of_processes_that_makes_no_sense(n: int) -> None:
    with pytest.raises(GatewayError, match="1 to 64 processes"):
        processes(n)


def start_command(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def command() -> Any:
    """The command with two processes, and the lines it has printed; the table service stands in for a cluster."""
    # The factory of tests takes "rows" from the settings, which the command line does not give.
    code = COMMAND[2].replace(
        "import sys;", "import sys; import aerospike_magic.gateway.opening as o; o.as_settings = lambda _: {'rows': 9};"
    )
    environment = {**os.environ, "AEROSPIKE_USER": "ann", "AEROSPIKE_PASSWORD": "hunter2"}
    process = subprocess.Popen(
        [COMMAND[0], "-c", code, "127.0.0.1:3000", "--listen", "127.0.0.1:0", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip()]
    while lines[-1] and not lines[-1].startswith("trino-thrift.max-response-size"):
        lines.append(process.stdout.readline().rstrip())
    yield process, lines
    process.kill()
    process.communicate()


def test_the_command_says_where_it_listens_and_what_to_copy(command: Any) -> None:
    process, lines = command
    address = lines[0].split()[2].rstrip(",")
    assert lines[0] == (
        f"listening on {address}, 2 processes, serves 127.0.0.1:3000 for every user of this machine, who all read "
        "what the gateway may read"
    )
    assert lines[1] == "# copy to etc/catalog/aerospike.properties on each node of Trino"
    assert f"trino.thrift.client.addresses={address}" in lines
    host, port = address.split(":")
    assert pid_at(host, int(port)) in children_of(process.pid)


def test_no_secret_is_on_a_command_line(command: Any) -> None:
    process, lines = command
    for pid in children_of(process.pid):
        assert b"hunter2" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all(command: Any, number: signal.Signals) -> None:
    process, _ = command
    children = children_of(process.pid)
    assert len(children) == 2
    process.send_signal(number)
    assert process.wait(30) == 0
    assert not any(map(is_alive, children))
    assert "Traceback" not in process.stderr.read()


def test_children_end_with_a_parent_that_is_killed(command: Any) -> None:
    process, _ = command
    children = children_of(process.pid)
    process.kill()
    process.wait(30)
    wait_until(lambda: not any(map(is_alive, children)), 30)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["127.0.0.1:3000", "--listen", "here"], "not an address to listen on: 'here' · write host:port"),
        (["127.0.0.1:3000", "--listen", "0.0.0.0:0"], "in clear would let everyone who reaches it read"),
        (["127.0.0.1:3000", "--listen", "127.0.0.1:0", "--tls-certfile", "none.pem"], "cannot use none.pem for TLS"),
        (["127.0.0.1:3000", "--listen", "127.0.0.1:0", "--workers", "0"], "1 to 64 processes, not 0"),
        (["nobody"], "there is no profile named 'nobody'"),
    ],
)
def test_what_keeps_the_command_from_starting_is_one_line(arguments: list[str], said: str) -> None:
    process = start_command(*arguments)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert complaint.startswith("aerospike-magic gateway: ")
    assert said in complaint
    assert complaint.count("\n") == 1
