"""The server as a process: starts, refuses, survives nonsense, and never outlives whoever started it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any

import aerospike
import psutil
import pytest
from raw_client import connected, query, read_frames

from aerospike_magic.devserver import DevServer
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.login import decode_login_response, encode_login_request
from aerospike_magic.wire.query import encode_query_request


def wait_until(is_true: Any, timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_start_serve_stop() -> None:
    server = DevServer(namespaces=("one",), synthetic=0)
    with server:
        assert server.address == f"127.0.0.1:{server.port}"
        pid = server.pid
        client = aerospike.client({"hosts": [(server.host, server.port)]}).connect()
        client.put(("one", "s", 1), {"a": 1})
        client.close()
    assert server.pid is None
    assert not psutil.pid_exists(pid)
    with pytest.raises(OSError):
        socket.create_connection((server.host, server.port), timeout=1)


def test_synthetic_records() -> None:
    with DevServer(namespaces=("test",), synthetic=5000) as server:
        client = aerospike.client({"hosts": [(server.host, server.port)]}).connect()
        found = sorted(record[2]["id"] for record in client.query("test", "bench").results())
        assert found == list(range(5000))
        _, _, bins = client.get(("test", "bench", 4321))
        assert bins["id"] == 4321
        assert bins["name"] == "item004321"
        assert [type(value) for value in bins.values()] == [int, str, float, int, str, int, bool]
        client.close()


def test_port_in_use_is_one_line(capfd: Any) -> None:
    with DevServer(namespaces=("one",)) as server, pytest.raises(DevServerError, match="did not start"):
        DevServer(port=server.port).start()
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(
        f"aerospike-magic server: cannot listen on 127.0.0.1:{server.port}: Address already in use"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_on_signal(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "aerospike_magic.devserver", "--port", "0", "--quiet"], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        word, host, port = process.stdout.readline().split()
        assert word == "ready"
        with socket.create_connection((host, int(port))) as opened:
            process.send_signal(number)
            try:
                code = process.wait(timeout=10)
            finally:
                process.kill()
            assert code == 0
            with contextlib.suppress(ConnectionResetError):
                assert opened.recv(1) == b""


def test_dies_with_a_killed_parent() -> None:
    script = (
        "from aerospike_magic.devserver import DevServer\n"
        "import time\n"
        "s = DevServer(namespaces=('one',)).start()\n"
        "print(s.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        child.wait(timeout=10)
    assert not child.is_running()


def test_malformed_bytes_close_only_their_connection(server: Any) -> None:
    generator = random.Random(7)
    good = encode_query_request("test", "none", partitions=range(64), task_id=3)
    with connected(server) as bystander:
        for _ in range(60):
            data = bytearray(good)
            for _ in range(generator.randrange(1, 8)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            with connected(server, timeout_s=5) as opened, contextlib.suppress(OSError):
                opened.sendall(data[: generator.randrange(1, len(data) + 1)])
                opened.shutdown(socket.SHUT_WR)
                while opened.recv(1 << 16):
                    pass
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x02\x03\xff\xff\xff\xff\xff\xff", b"\x00" * 64):
            with connected(server, timeout_s=5) as opened, contextlib.suppress(ConnectionResetError):
                opened.sendall(nonsense)
                assert opened.recv(1) == b""
        bystander.sendall(b"\x02\x01\0\0\0\0\0\x06build\n")
        assert b"8.0.0.9" in bystander.recv(100)
    assert query(server, "test", "none") == (0, [])


def test_requests_split_at_every_byte(server: Any) -> None:
    request = b"\x02\x01\0\0\0\0\0\x06build\n"
    for cut in range(1, len(request)):
        with connected(server) as opened:
            opened.sendall(request[:cut])
            time.sleep(0.001)
            opened.sendall(request[cut:])
            assert opened.recv(100).endswith(b"build\t8.0.0.9\n")


def test_an_interrupt_of_the_group_is_not_meant_for_the_server() -> None:
    script = (
        "from aerospike_magic.devserver import DevServer\n"
        "import os, signal, socket\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
        "with DevServer(namespaces=('one',)) as s:\n"
        "    os.killpg(os.getpgrp(), signal.SIGINT)\n"
        "    socket.create_connection((s.host, s.port)).sendall(b'x')\n"
        "    print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, process_group=0)
    assert done.stdout == "alive\n"


def test_a_login_is_refused_as_by_a_community_edition(server: Any) -> None:
    with connected(server) as opened:
        opened.sendall(encode_login_request("user", b"secret"))
        frame = next(read_frames(opened))
        assert decode_login_response(frame.body).result_code == 51


def test_connections_leave_nothing_behind() -> None:
    with DevServer(namespaces=("one",)) as server:
        process = psutil.Process(server.pid)
        before = process.num_fds(), process.num_threads()
        for _ in range(30):
            with connected(server) as opened:
                opened.sendall(encode_query_request("one", "s", partitions=range(4096), task_id=1))
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: process.num_fds() <= before[0] and process.num_threads() <= before[1] + 1)


def test_runs_without_a_parent_to_watch() -> None:
    """Started by hand, with standard input closed, it keeps running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "aerospike_magic.devserver", "--port", "0", "--quiet"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        _, host, port = process.stdout.readline().split()
        time.sleep(0.3)
        with socket.create_connection((host, int(port))) as opened:
            opened.sendall(b"\x02\x01\0\0\0\0\0\x06build\n")
            assert opened.recv(100)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_while_it_loads(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "aerospike_magic.devserver", "--port", "0", "--synthetic", "20000000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            time.sleep(3)
            process.send_signal(number)
            said, log = process.communicate(timeout=15)
        finally:
            process.kill()
    assert process.returncode == 0
    assert said == ""
    assert "stopped while loading" in log
    assert "Traceback" not in log


def test_an_interrupted_start_leaves_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    server = DevServer(namespaces="one")
    started = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            started.append(psutil.Process(self.pid))
            threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert server.pid is None
    (child,) = started
    assert not child.is_running()


def test_not_ready_in_time_says_so() -> None:
    with pytest.raises(DevServerError, match="not ready within 0.2 s") as caught:
        DevServer(timeout_s=0.2).start()
    assert "timeout_s" in caught.value.hint


def test_users_that_are_no_mapping() -> None:
    with pytest.raises(DevServerError, match="no mapping"):
        DevServer(users=["ann"])  # type: ignore[arg-type]
