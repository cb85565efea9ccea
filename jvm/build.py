"""Builds the planning jar: the same bytes from the same sources and compiler, whatever the time or place.

    python jvm/build.py [TARGET]

Needs a JDK (17 or newer) and pyspark, whose jars the sources are compiled against. The jar's manifest holds a digest of
the sources, by which a test sees a jar that was not built again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "src"
RESOURCES = HERE / "resources"
TARGET = HERE.parent / "aerospike_magic" / "engines" / "spark" / "jars" / "aerospike-magic-spark.jar"
_TIME = (1980, 1, 1, 0, 0, 0)


def sources_digest() -> str:
    """Digest the names and texts of all sources and resources; in hexadecimal, short enough for a manifest's line."""
    digest = hashlib.blake2b(digest_size=24)
    for root in (SOURCES, RESOURCES):
        for path in _files(root):
            digest.update(f"{path.relative_to(HERE).as_posix()}\n".encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def build(target: Path = TARGET) -> Path:
    """Compile the sources and pack the jar.

    Args:
        target: the jar to write.

    Returns:
        the same path.

    Raises:
        SystemExit: there is no compiler or no pyspark, or the sources do not compile.
    """
    with tempfile.TemporaryDirectory() as scratch:
        classes = Path(scratch)
        _compile(classes)
        entries = {path.relative_to(classes).as_posix(): path.read_bytes() for path in _files(classes)}
    entries |= {path.relative_to(RESOURCES).as_posix(): path.read_bytes() for path in _files(RESOURCES)}
    manifest = f"Manifest-Version: 1.0\r\nSources-Digest: {sources_digest()}\r\n\r\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as jar:
        for name, data in [("META-INF/MANIFEST.MF", manifest.encode()), *sorted(entries.items())]:
            jar.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
    return target


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _compile(classes: Path) -> None:
    java_home = os.environ.get("JAVA_HOME")
    compiler = shutil.which("javac", path=f"{java_home}/bin" if java_home else None) or shutil.which("javac")
    if compiler is None:
        raise SystemExit("no javac: install a JDK, 17 or newer, or set JAVA_HOME")
    try:
        import pyspark
    except ImportError:
        raise SystemExit("no pyspark: pip install 'aerospike-magic[spark]'") from None
    jars = Path(pyspark.__file__).parent / "jars"
    command = [compiler, "-Xlint:all,-classfile,-path", "-Werror", "--release", "17", "-g:none", "-proc:none"]
    command += ["-cp", f"{jars}/*", "-d", str(classes), *map(str, _files(SOURCES))]
    if subprocess.run(command).returncode:
        raise SystemExit("the sources of the jar do not compile")


if __name__ == "__main__":
    built = build(*map(Path, sys.argv[1:2]))
    print(f"{built.name}: {built.stat().st_size:,} bytes")
