"""The pytest plug-in, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import aerospike


def test_one(aerospike_server):
    client = aerospike.client({"hosts": [(aerospike_server.host, aerospike_server.port)]}).connect()
    client.put(("shop", "s", 1), {"a": 1})
    assert client.get(("shop", "orders", 7))[2] == {"id": 7, "what": "tea"}
    client.close()


def test_two_sees_the_same_server(aerospike_server):
    client = aerospike.client({"hosts": [(aerospike_server.host, aerospike_server.port)]}).connect()
    assert client.get(("shop", "s", 1))[2] == {"a": 1}
    client.close()
"""
CONFTEST = """
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def aerospike_server_options():
    return {"namespaces": ("shop",), "load": [f"{Path(__file__).parent}/orders.csv:shop.orders:id"]}
"""


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "orders.csv").write_text("id,what\n7,tea\n8,milk\n")
    # Loaded by name, whether or not the installed package announces it.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "aerospike_magic.pytest_plugin", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
