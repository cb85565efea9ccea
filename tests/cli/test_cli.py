"""The command line: the demo in a real terminal, the doctor, the version."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from aerospike_magic import __version__
from aerospike_magic.cli import main
from aerospike_magic.cli.doctor import run_doctor
from aerospike_magic.connection.settings import ENVIRONMENT


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"aerospike-magic {__version__}\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "demo | server | gateway | trino | trino-catalog |" in capsys.readouterr().out


def test_the_doctor_checks_a_connection(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_doctor(server.address) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok    Python: ")
    assert any(line.startswith("ok    duckdb: ") for line in lines)
    assert any("decoder: " in line for line in lines)
    assert any(" Java: " in line for line in lines)
    assert lines[-1].startswith(f"ok    connection: {server.address}, 1 node, namespaces: ")


def test_the_doctor_lists_the_settings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEROSPIKE_PASSWORD", "hunter2")
    assert main(["doctor", "--settings"]) == 0
    shown = capsys.readouterr().out
    for name, (_, meaning) in ENVIRONMENT.items():
        assert any(line.startswith(name) and line.endswith(meaning) for line in shown.splitlines())
    assert "hunter2" not in shown


def test_the_doctor_fails_where_nothing_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_doctor("127.0.0.1:9") == 1
    assert "FAIL  connection: 127.0.0.1:9" in capsys.readouterr().out


def test_the_doctor_without_a_target_only_notes_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in [name for name in os.environ if name.startswith("AEROSPIKE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run_doctor() == 0
    assert "note  connection: " in capsys.readouterr().out


@pytest.mark.slow
def test_the_demo_runs_in_a_terminal(server: Any) -> None:
    code, shown = run_in_terminal("demo", "--address", server.address)
    assert code == 0, shown[-2000:]
    for words in (
        "In: %%aerosql -o delays",
        "336,776 scanned → 336,776 returned",
        "SkyWest Airlines Inc.",
        "pushed to the server: origin = 'JFK' AND dep_delay > 120",
        "late: 3,048 rows × 4 columns",
        "Next: `make lab`",
    ):
        assert words in shown, words


def test_the_demo_says_why_it_cannot_start() -> None:
    code, shown = run_in_terminal("demo", "--address", "127.0.0.1:9")
    assert code == 1
    assert "no Aerospike node answered at 127.0.0.1:9" in shown
    assert "Traceback" not in shown


def run_in_terminal(*arguments: str) -> tuple[int, str]:
    """Run the command in a pseudo-terminal; return its exit code and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from aerospike_magic.cli import main; raise SystemExit(main())", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(60), shown.decode()
