"""`aerospike-magic trino` and `trino-catalog`, as a person uses them."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest

from aerospike_magic.cli import main
from aerospike_magic.cli.trino import ProgressLine
from aerospike_magic.engines.trino.server import ServerProgress
from aerospike_magic.engines.trino.server.asking import run_query


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ([], ["connector.name=trino_thrift", "trino.thrift.client.addresses=gw1:9779,gw2:9779"]),
        (["--presto"], ["connector.name=presto-thrift", "presto.thrift.client.addresses=gw1:9779,gw2:9779"]),
    ],
)
def test_the_catalog_file_is_printed_ready_to_copy(
    options: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trino-catalog", *options, "gw1:9779", "gw2:9779"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("# etc/catalog/aerospike.properties")
    assert set(lines) <= set(shown)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


STEPS = [ServerProgress("download", "Trino 476", n * 1_000_000, 800_000_000) for n in range(0, 801, 5)]
STEPS += [ServerProgress("unpack", "Trino 476", n, 100) for n in range(101)]
STEPS += [ServerProgress("start", "Trino 476"), ServerProgress("ready", "Trino 476")]


def test_a_log_gets_a_line_every_tenth(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEROSPIKE_MAGIC_CACHE", "/the/cache")
    shown = io.StringIO()
    line = ProgressLine(shown)
    for step in STEPS:
        line(step)
    lines = shown.getvalue().splitlines()
    assert lines[0] == "Trino 476 is not on this machine: 800 MB to download, once, into /the/cache"
    assert re.fullmatch(r"  download 100 %, 800 of 800 MB, [\d.,]+ MB/s", lines[11])
    assert lines[12] == "checked; unpacking"
    assert lines[-1] == "starting Trino 476"
    assert len(lines) == 1 + 11 + 1 + 11 + 1


def test_a_terminal_gets_one_line_that_changes() -> None:
    shown = Terminal()
    line = ProgressLine(shown)
    for step in STEPS:
        line(step)
    assert shown.getvalue().count("\n") == 5
    assert "\r  download 100 %, 800 of 800 MB" in shown.getvalue()


def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from aerospike_magic.cli import main; raise SystemExit(main())", "trino", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_what_cannot_be_fetched_is_one_line(tmp_path: Any) -> None:
    process = run(
        "fetch", AEROSPIKE_MAGIC_CACHE=str(tmp_path), AEROSPIKE_MAGIC_MAVEN="file:///none", HOME=str(tmp_path)
    )
    out, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == ""
    assert "Traceback" not in error
    assert error.splitlines()[-1].startswith("aerospike-magic trino: trino-server-476.tar.gz could not be fetched")


@pytest.mark.trino("trino")
def test_fetching_what_is_there_says_where() -> None:
    process = run("fetch")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert re.fullmatch(r"Trino is in /.*/trino-476-\d+\n", out)


@pytest.mark.trino("trino")
def test_start_serves_the_sets_until_it_is_interrupted(server: Any) -> None:
    process = run("start", "--port", "0", "--connect", server.address, "--memory", "768")
    assert process.stdout is not None
    ready = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)> is ready, with 0\.8 GiB of heap", ready)
    assert found is not None, ready + process.communicate()[1]
    children = psutil.Process(process.pid).children(recursive=True)
    rows = run_query("trino", "127.0.0.1", int(found[1]), "SELECT count(*) FROM aerospike.demo.airlines")
    assert rows == [[16]]
    process.send_signal(signal.SIGINT)
    out = process.stdout.read()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "in a notebook: %aerospike trino 127.0.0.1:" in out
    assert "starting Trino 476" in error
    assert "Traceback" not in error
    assert not any(child.is_running() for child in children)
