"""Stands between this package and a Java server: ends it, and removes its folder, however its owner ends.

Run as a program: `python launcher.py FOLDER java …`. Its owner holds the other end of its standard input; when that
ends, or the owner is gone, or SIGTERM comes, the server is told to stop, then killed, and FOLDER is removed. It imports
nothing of the package, so it starts at once and can do without it. One thread only: what the system sends a child
when "the parent" dies it sends when the thread that started it ends.
"""

import contextlib
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

WANTED_FILES = 65_536
"""Open files; Trino complains below 4,096."""

# It has nothing to save; Presto takes half a minute to be polite.
STOP_S = 2.0
OWNER_S = 2.0
_PR_SET_PDEATHSIG = 1


def main(folder: str, command: Sequence[str]) -> int:
    """Run a server until its owner ends or says so.

    Args:
        folder: the server's own, removed in the end.
        command: what to run; its working directory is `folder`.

    Returns:
        The server's exit code.
    """
    owner = os.getppid()
    _raise_limit()
    awake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, preexec_fn=_die_with_launcher)
        _wait(server, awake, owner)
        return _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: "subprocess.Popen[bytes]", awake: int, owner: int) -> None:
    """Return when the server has ended or is to end."""
    while server.poll() is None and os.getppid() == owner:
        ready = select.select([0, awake], [], [], OWNER_S)[0]
        if 0 in ready and not os.read(0, 4096):
            return
        if awake in ready and signal.SIGTERM in os.read(awake, 4096):
            return


def _stop(server: "subprocess.Popen[bytes]") -> int:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
    return server.wait()


def _raise_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _die_with_launcher() -> None:
    """Ask Linux to kill the server should the launcher itself be killed; elsewhere there is no such thing."""
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
