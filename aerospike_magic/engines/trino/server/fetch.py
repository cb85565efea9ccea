"""Brings a server onto this machine, once: downloaded, checked, unpacked into the user's cache, whole or not at all.

A server is unpacked into a folder beside its own and then renamed, so a folder with the right name is whole. Who
fetches holds a lock on a file; another process that wants the same server waits for it and finds it done.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aerospike_magic.engines.trino.server.maven import digest_of, fetch_artifact
from aerospike_magic.engines.trino.server.releases import LIBRARIES, PLUGINS, Release, find_release
from aerospike_magic.engines.trino.server.unpack import unpack_plugin, unpack_server
from aerospike_magic.errors import EngineServerError

VARIABLE = "AEROSPIKE_MAGIC_CACHE"


@dataclass(frozen=True, slots=True)
class ServerProgress:
    """How far a server is on its way.

    Attributes:
        stage: "wait" for another process that fetches it, "download", "unpack", "start", "ready".
        title: the server's name and version.
        done: bytes of this stage that are done; 0 where nothing is counted.
        total: bytes of this stage; 0 where nothing is counted.
    """

    stage: Literal["wait", "download", "unpack", "start", "ready"]
    title: str
    done: int = 0
    total: int = 0


OnProgress = Callable[[ServerProgress], None]


def _ignore(progress: ServerProgress) -> None:
    """Nobody wants to know."""


def cache_folder() -> Path:
    """Return where servers are kept: `AEROSPIKE_MAGIC_CACHE`, or the system's place for a user's caches."""
    import platformdirs

    # Absolute, for the server works in a folder of its own.
    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_dir("aerospike-magic", appauthor=False)).absolute()


def find_server(kind: str = "trino") -> Path | None:
    """Return the folder of a server that has been fetched, None if it has not.

    Args:
        kind: "trino" or "presto".
    """
    home = cache_folder() / find_release(kind).name
    return home if home.is_dir() else None


def fetch_server(kind: str = "trino", on_progress: OnProgress | None = None) -> Path:
    """Return the folder of a server, fetched first if it is not there.

    Args:
        kind: "trino" or "presto".
        on_progress: is told how far it is, in this thread.

    Raises:
        EngineServerError: no room on the disk, no answer from the repository, or not the file that is known here.
    """
    release = find_release(kind)
    home = cache_folder() / release.name
    if home.is_dir():
        return home
    tell = on_progress or _ignore
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _lock(home.with_name(f"{release.name}.lock"), release, tell):
            if not home.is_dir():
                _fetch(release, home, tell)
    except OSError as error:
        raise EngineServerError(
            f"{release.title} could not be put into {home.parent}: {error.strerror or error}",
            hint=f"{VARIABLE} names another folder",
        ) from None
    return home


@contextlib.contextmanager
def _lock(path: Path, release: Release, tell: OnProgress) -> Iterator[None]:
    """Be the only process that fetches; the system gives the lock back when a process dies."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                tell(ServerProgress("wait", f"{release.title} {release.version}"))
                time.sleep(0.5)
        yield


def _fetch(release: Release, home: Path, tell: OnProgress) -> None:
    downloads = home.with_name(f"{release.name}.downloads")
    downloads.mkdir(exist_ok=True)
    _check_room(release, downloads)
    _download(release, downloads, tell)
    for left in home.parent.glob(f"{release.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed; the lock says that there is no other
    unpacked = Path(tempfile.mkdtemp(prefix=f"{release.name}.new-", dir=home.parent))
    try:
        _unpack(release, downloads, unpacked, tell)
        unpacked.chmod(0o755)
        unpacked.rename(home)
    except BaseException:
        shutil.rmtree(unpacked, ignore_errors=True)
        raise
    shutil.rmtree(downloads)


def _check_room(release: Release, downloads: Path) -> None:
    have = sum(path.stat().st_size for path in downloads.iterdir())
    needed = release.download_bytes - have + int(1.1 * release.unpacked_bytes)
    free = shutil.disk_usage(downloads).free
    if free < needed:
        raise EngineServerError(
            f"{release.title} {release.version} needs {needed / 1e6:,.0f} MB in {downloads.parent}, "
            f"and {free / 1e6:,.0f} MB are free",
            hint=f"make room, or name another folder by {VARIABLE}",
        )


def _download(release: Release, downloads: Path, tell: OnProgress) -> None:
    before = 0
    title, total = f"{release.title} {release.version}", release.download_bytes
    tell(ServerProgress("download", title, 0, total))  # how large it is, before anything comes
    for artifact in release.artifacts:

        def on_bytes(n_bytes: int, before: int = before) -> None:
            tell(ServerProgress("download", title, before + n_bytes, total))

        path = downloads / artifact.name
        if path.exists() and digest_of(path) != artifact.sha256:
            path.unlink()  # damaged since it was fetched
        fetch_artifact(artifact, downloads, on_bytes)
        before += artifact.n_bytes


def _unpack(release: Release, downloads: Path, target: Path, tell: OnProgress) -> None:
    title = f"{release.title} {release.version}"
    total = sum(artifact.n_bytes * (1 if folders else 2) for artifact, folders in release.artifacts.items())
    before = 0

    def on_bytes(n_bytes: int) -> None:
        tell(ServerProgress("unpack", title, before + n_bytes, total))

    for artifact, folders in release.artifacts.items():
        archive = downloads / artifact.name
        if not folders:
            unpack_server(archive, target, set(release.plugins.values()), on_bytes)
        for folder in folders:
            place = target / folder
            place.mkdir(parents=True, exist_ok=True)
            if archive.suffix == ".zip":
                unpack_plugin(archive, place, release.jars_of(folder))
            else:
                shutil.copyfile(archive, place / archive.name)
        before += artifact.n_bytes * (1 if folders else 2)
        on_bytes(0)
    for needed in (LIBRARIES, *(f"{PLUGINS}/{name}" for name in release.plugins.values())):
        if not (target / needed).is_dir():
            raise EngineServerError(f"{release.title} came without {needed}")
