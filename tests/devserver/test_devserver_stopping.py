"""Stopping: an order counts whenever it comes, before the wait too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from aerospike_magic.devserver.stopping import StopOrder

_SIGNAL_FIRST = """
import os, signal
from aerospike_magic.devserver.stopping import StopOrder
stop = StopOrder()
stop.give_on_signals()
assert not stop.wait(0)
stop.is_waited_for = True
os.kill(os.getpid(), signal.{name})
assert stop.wait(None)
"""


def test_order_from_another_thread() -> None:
    stop = StopOrder()
    assert not stop.wait(0)
    threading.Timer(0.05, stop.give).start()
    assert stop.wait(10)
    assert stop.wait(0)


def test_more_orders_than_the_pipe_holds() -> None:
    stop = StopOrder()
    for _ in range(100_000):
        stop.give()
    assert stop.wait(0)


def test_signal_long_before_the_wait() -> None:
    script = _SIGNAL_FIRST.format(name="SIGTERM").replace("stop.is_waited_for = True", "")
    done = subprocess.run([sys.executable, "-c", script], timeout=60, env=dict(os.environ), capture_output=True)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(b"Stopped")


def test_signal_before_the_wait() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        script = _SIGNAL_FIRST.format(name=number.name)
        done = subprocess.run([sys.executable, "-c", script], timeout=60, env=dict(os.environ))
        assert done.returncode == 0
