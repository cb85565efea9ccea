"""Cells against a server that demands a login and TLS: settings from the environment, mistakes in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aerospike_magic.devserver import DevServer

PASSWORD = "s3cret-Passw0rd"


@pytest.fixture(scope="module")
def secured(authority: Path) -> Iterator[DevServer]:
    with DevServer(
        namespaces=("test",),
        synthetic=3_000,
        users={"ann": (PASSWORD, "read")},
        tls_certfile=authority / "node.test.pem",
        tls_keyfile=authority / "node.test.key",
    ) as running:
        yield running


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, authority: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AEROSPIKE_USER", "ann")
    monkeypatch.setenv("AEROSPIKE_PASSWORD", PASSWORD)
    monkeypatch.setenv("AEROSPIKE_TLS_NAME", "node.test")
    monkeypatch.setenv("AEROSPIKE_TLS_CAFILE", str(authority / "ca.pem"))
    return monkeypatch


def test_a_cell_reads_through_login_and_tls(
    bare_notebook: Any, secured: DevServer, environment: pytest.MonkeyPatch
) -> None:
    connected = bare_notebook.run(f"%aerospike connect {secured.address}")
    assert connected.error is None and PASSWORD not in connected.text + connected.plain
    cell = bare_notebook.run("%%aerosql -o found\nSELECT count(*) AS n FROM test.bench")
    assert cell.error is None, cell.text
    assert bare_notebook["found"]["n"].tolist() == [3_000]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AEROSPIKE_PASSWORD", "n0t-it", "the password is wrong"),
        ("AEROSPIKE_USER", "nobody", "there is no such user"),
        ("AEROSPIKE_TLS_NAME", "other.test", "not for the name"),
        ("AEROSPIKE_TLS_CAFILE", "other-ca.pem", "no authority that we trust"),
    ],
)
def test_a_mistake_is_one_line(
    bare_notebook: Any,
    secured: DevServer,
    environment: pytest.MonkeyPatch,
    authority: Path,
    variable: str,
    value: str,
    words: str,
) -> None:
    environment.setenv(variable, str(authority / value) if value.endswith(".pem") else value)
    cell = bare_notebook.run(f"%aerospike connect {secured.address}")
    said = cell.text + cell.plain
    assert words in said
    assert "Traceback" not in said and PASSWORD not in said and "n0t-it" not in said
