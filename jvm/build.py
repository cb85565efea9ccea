"""Builds the jars of the package: the same bytes from the same sources and compiler, whatever the time or place.

    python jvm/build.py [spark] [presto]

`spark` plans push-down and is compiled against pyspark's jars; `presto` keeps our local Presto on the loopback address
and is compiled against the ASM of a Presto in the cache. Both need a JDK, 17 or newer. A jar's manifest holds a digest
of its sources, by which a test sees a jar that was not built again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ENGINES = HERE.parent / "aerospike_magic" / "engines"
_TIME = (1980, 1, 1, 0, 0, 0)


def _spark_jars() -> str:
    try:
        import pyspark
    except ImportError:
        raise SystemExit("no pyspark: pip install 'aerospike-magic[spark]'") from None
    return f"{Path(pyspark.__file__).parent / 'jars'}/*"


def _presto_jars() -> str:
    from aerospike_magic.engines.trino.server import find_server

    home = find_server("presto")
    if home is None:
        raise SystemExit("no Presto in the cache: aerospike-magic trino start --presto")
    return f"{home / 'lib'}/*"


class Jar(NamedTuple):
    """A jar of the package.

    Attributes:
        root: folder of `src` and `resources`.
        target: where it is committed.
        class_path: finds what it is compiled against.
        manifest: lines of its manifest.
    """

    root: Path
    target: Path
    class_path: Callable[[], str]
    manifest: str = ""

    @property
    def sources(self) -> list[Path]:
        """Its sources."""
        return _files(self.root / "src")

    @property
    def resources(self) -> list[Path]:
        """Its other files."""
        return _files(self.root / "resources")


SPARK = Jar(HERE, ENGINES / "spark" / "jars" / "aerospike-magic-spark.jar", _spark_jars)
PRESTO = Jar(
    HERE / "presto",
    ENGINES / "trino" / "server" / "jars" / "aerospike-magic-presto.jar",
    _presto_jars,
    "Premain-Class: aerospikemagic.presto.LoopbackAgent\r\n",
)
JARS = {"spark": SPARK, "presto": PRESTO}


def sources_digest(jar: Jar = SPARK) -> str:
    """Digest the names and texts of all sources and resources; in hexadecimal, short enough for a manifest's line."""
    digest = hashlib.blake2b(digest_size=24)
    for path in [*jar.sources, *jar.resources]:
        digest.update(f"{path.relative_to(jar.root).as_posix()}\n".encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def build(jar: Jar = SPARK, target: Path | None = None) -> Path:
    """Compile the sources and pack the jar.

    Args:
        jar: the jar.
        target: the file to write; by default the one that is committed.

    Returns:
        the file.

    Raises:
        SystemExit: there is no compiler, nothing to compile against, or the sources do not compile.
    """
    target = target or jar.target
    with tempfile.TemporaryDirectory() as scratch:
        classes = Path(scratch)
        _compile(jar, classes)
        entries = {path.relative_to(classes).as_posix(): path.read_bytes() for path in _files(classes)}
    entries |= {path.relative_to(jar.root / "resources").as_posix(): path.read_bytes() for path in jar.resources}
    manifest = f"Manifest-Version: 1.0\r\n{jar.manifest}Sources-Digest: {sources_digest(jar)}\r\n\r\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in [("META-INF/MANIFEST.MF", manifest.encode()), *sorted(entries.items())]:
            packed.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
    return target


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _compile(jar: Jar, classes: Path) -> None:
    java_home = os.environ.get("JAVA_HOME")
    compiler = shutil.which("javac", path=f"{java_home}/bin" if java_home else None) or shutil.which("javac")
    if compiler is None:
        raise SystemExit("no javac: install a JDK, 17 or newer, or set JAVA_HOME")
    command = [compiler, "-Xlint:all,-classfile,-path", "-Werror", "--release", "17", "-g:none", "-proc:none"]
    command += ["-cp", jar.class_path(), "-d", str(classes), *map(str, jar.sources)]
    if subprocess.run(command).returncode:
        raise SystemExit("the sources of the jar do not compile")


if __name__ == "__main__":
    for kind in sys.argv[1:] or ["spark"]:
        built = build(JARS[kind])
        print(f"{built.name}: {built.stat().st_size:,} bytes")
