"""What the programs of this folder have in common.

A process has one Spark session, so each kind of session is a program of its own: the tests start it with its arguments
as JSON, and it prints what it has found as one line of JSON. Whatever else it prints is Spark's log.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

MARK = "FOUND "


def run(main):
    """Run `main(**arguments)` with the arguments of the command line, and print the dictionary that it returns."""
    found = main(**json.loads(sys.argv[1]))
    print(MARK + json.dumps(found), flush=True)


def start(master, **settings):
    """Start a session of `local[2]`, `local-cluster[…]` and the like; dots of settings are written `__`."""
    from pyspark.sql import SparkSession

    given = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.memory": "1g",
        "spark.python.unix.domain.socket.enabled": "true",
        "spark.executorEnv.PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "spark.sql.session.timeZone": "UTC",
    }
    builder = SparkSession.builder.master(master)
    for name, value in (given | {name.replace("__", "."): value for name, value in settings.items()}).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@contextlib.contextmanager
def connect_server(master):
    """A Spark Connect server in a process of its own, on a port of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-W", "ignore", __file__, master, port]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stdout:
                if line.startswith("ready"):
                    break
            yield f"sc://127.0.0.1:{port}"
        finally:
            server.stdin.close()
            server.wait(30)


def _serve(master, port):
    spark = start(master, spark__plugins="org.apache.spark.sql.connect.SparkConnectPlugin",
                  spark__connect__grpc__binding__port=port)  # fmt: skip
    print("ready", flush=True)
    sys.stdin.read()
    spark.stop()


def remove_work(application):
    """Remove what the workers of a local cluster leave in Spark's home."""
    import pyspark

    work = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent) / "work"
    shutil.rmtree(work / application, ignore_errors=True)
    if work.is_dir() and not any(work.iterdir()):
        work.rmdir()


def wait_for(query, seconds=60):
    """Wait for a streaming query that ends by itself; raises its error."""
    deadline = time.monotonic() + seconds
    while query.isActive and time.monotonic() < deadline:
        query.awaitTermination(1)
    if query.isActive:
        query.stop()
        raise TimeoutError("the query did not end")
    if query.exception() is not None:
        raise query.exception()


def error_of(action):
    """Return the message of the error that an action raises."""
    try:
        action()
    except Exception as error:
        return str(error)
    return ""


if __name__ == "__main__":
    _serve(*sys.argv[1:])
