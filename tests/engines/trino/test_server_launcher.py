"""What stands between an owner and its server, here with a program that only waits in the server's place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aerospike_magic.engines.trino.server import launcher

LAUNCHER = launcher.__file__
WAITS = "import time, pathlib; pathlib.Path('ready').touch(); time.sleep(600)"
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS
OWNER = """
import subprocess, sys, time
launcher = subprocess.Popen([sys.executable, {launcher!r}, {folder!r}, sys.executable, "-c", {program!r}],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0)
print(launcher.pid, flush=True)
{then}
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "server"
    made.mkdir()
    (made / "data").write_text("data")
    return made


def wait_for(true, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_owner(folder: Path, then: str, program: str = WAITS):
    """A process that owns a launcher: itself, the launcher and what stands for the server."""
    text = OWNER.format(launcher=LAUNCHER, folder=str(folder), program=program, then=then)
    owner = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started = psutil.Process(int(owner.stdout.readline()))
    wait_for((folder / "ready").exists)
    return owner, started, started.children()[0]


def launch(folder: Path, program: str = WAITS):
    """A launcher of this process's own."""
    command = [sys.executable, LAUNCHER, str(folder), sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)


def is_gone(*processes: psutil.Process) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_when_its_owner_is_killed(folder, number):
    owner, *below = start_owner(folder, "time.sleep(600)")
    owner.send_signal(number)
    owner.communicate()
    wait_for(lambda: is_gone(*below))
    assert not folder.exists()


def test_the_server_ends_when_its_owner_does(folder):
    owner, *below = start_owner(folder, "sys.stdin.readline()")
    owner.communicate("end\n")
    wait_for(lambda: is_gone(*below))
    assert not folder.exists()


def test_a_forked_child_of_the_owner_that_lives_on_does_not_hold_it(folder):
    """The child holds the other end of every pipe, so that none of them ends with the owner."""
    fork = "import os\nif os.fork() == 0:\n    os.close(1); time.sleep(60); os._exit(0)\ntime.sleep(600)"
    owner, *below = start_owner(folder, fork)
    children = [child for child in psutil.Process(owner.pid).children() if child.pid != below[0].pid]
    assert children
    owner.kill()
    owner.communicate()
    wait_for(lambda: is_gone(*below))
    for child in children:
        child.kill()


def test_a_server_that_does_not_listen_is_killed(folder):
    owner, *below = start_owner(folder, "time.sleep(600)", IGNORES)
    owner.kill()
    owner.communicate()
    wait_for(lambda: is_gone(*below))
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_the_server_ends_when_the_launcher_is_killed(folder):
    started = launch(folder)
    wait_for((folder / "ready").exists)
    (server,) = psutil.Process(started.pid).children()
    started.kill()
    started.communicate()
    wait_for(lambda: is_gone(server))


def test_an_interrupt_is_not_for_the_server(folder):
    started = launch(folder)
    wait_for((folder / "ready").exists)
    os.kill(started.pid, signal.SIGINT)
    time.sleep(0.2)
    assert started.poll() is None
    started.communicate()
    assert started.returncode != 0


@pytest.mark.parametrize("code", [0, 3])
def test_a_server_that_ends_by_itself_ends_the_launcher_with_its_code(folder, code):
    started = launch(folder, f"print('some words', flush=True); raise SystemExit({code})")
    out = started.stdout.read()
    assert started.wait(60) == code
    assert out == "some words\n"
    assert not folder.exists()
    started.communicate()


def test_a_program_that_is_not_there_ends_the_launcher(folder):
    command = [sys.executable, LAUNCHER, str(folder), "/no/such/java"]
    ended = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "/no/such/java" in ended.stderr
    assert not folder.exists()


def test_the_server_may_open_more_files_than_its_owner(folder):
    text = (
        "import resource, subprocess, sys; _, hard = resource.getrlimit(resource.RLIMIT_NOFILE); "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)); "
        f"subprocess.run([sys.executable, {LAUNCHER!r}, {str(folder)!r}, sys.executable, '-c', "
        "'import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))'], stdin=0)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        said = started.stdout.read()
    soft, hard = map(int, said.split())
    assert soft == (65_536 if hard < 0 else min(hard, 65_536))
