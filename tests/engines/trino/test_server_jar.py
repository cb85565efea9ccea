"""The committed jar is what its sources compile to."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("jar_build", ROOT / "jvm" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as jar:
        return {name: jar.read(name) for name in jar.namelist()}


def test_jar_was_built_from_these_sources(builder: ModuleType) -> None:
    manifest = contents(builder.PRESTO.target)["META-INF/MANIFEST.MF"].decode()
    assert f"Sources-Digest: {builder.sources_digest(builder.PRESTO)}\r\n" in manifest, "jvm/build.py presto"
    assert "Premain-Class: aerospikemagic.presto.LoopbackAgent\r\n" in manifest


@pytest.mark.trino("presto")
def test_jar_holds_what_the_sources_compile_to(builder: ModuleType, tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("no javac to compile the sources with")
    version = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("javac 17."):
        pytest.skip(f"the jar is built by JDK 17, here is {version.strip()}")
    built = builder.build(builder.PRESTO, tmp_path / "again.jar")
    assert contents(built) == contents(builder.PRESTO.target), "jvm/build.py presto"
