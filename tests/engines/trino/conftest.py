"""A Maven repository of our own, over HTTP on loopback, that can behave badly; a small server to fetch from it."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aerospike_magic.engines.trino.server import fetch, maven
from aerospike_magic.engines.trino.server.maven import VARIABLE, Artifact
from aerospike_magic.engines.trino.server.releases import Release


class Repository(ThreadingHTTPServer):
    """Serves files by their path in the repository.

    Attributes:
        files: path → bytes.
        asked: path and range of each request, in order.
        logins: what the requests said of who asks.
        cut: how many bytes each of the next answers has before the connection ends; then all.
        refuse: codes that the next requests are answered with.
        damage: how many of the next answers have a wrong byte.
        has_ranges: whether it knows how to send the rest of a file.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.logins: set[str | None] = set()
        self.cut: list[int] = []
        self.refuse: list[int] = []
        self.damage = 0
        self.has_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, coordinates: str, data: bytes) -> Artifact:
        artifact = Artifact(coordinates, len(data), hashlib.sha256(data).hexdigest())
        self.files[f"/{artifact.path}"] = data
        self.files[f"/{artifact.path}.sha1"] = hashlib.sha1(data).hexdigest().encode()
        return artifact


class _Handler(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.logins.add(self.headers.get("Authorization"))
        self.server.asked.append((self.path, wanted))
        is_digest = self.path.endswith(".sha1")
        if self.server.refuse and not is_digest:
            self.send_error(self.server.refuse.pop(0))
            return
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.has_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if self.server.damage and not is_digest:
            self.server.damage -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        if self.server.cut and not is_digest:
            body = body[: self.server.cut.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    """A repository; the one that our code asks, which finds no repository of Maven's own on this machine."""
    with Repository() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv(VARIABLE, running.url)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setattr(maven, "WAIT_S", 0.0)
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(fetch.VARIABLE, str(folder))
    return folder


@pytest.fixture
def small(repository: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """What is fetched: like Trino an archive with links, and like Presto jars and a plugin's zip."""
    release = Release(
        kind="trino",
        title="Small",
        version="1",
        main_class="x.Main",
        java=(17, None),
        artifacts={
            repository.add("io.small:server:tar.gz:1", archive()): (),
            repository.add("io.small:more:jar:1", b"more"): ("lib", "plugin/zipped"),
            repository.add("io.small:zipped:zip:1", zipped()): ("plugin/zipped",),
        },
        plugins={"kept": "kept", "zipped": "zipped"},
        unpacked_bytes=1_000,
    )
    monkeypatch.setattr(fetch, "find_release", lambda kind: release)
    return release


def archive() -> bytes:
    """An archive with files shared by `lib`, a plugin that is kept and one that is not, and a file that climbs out."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as members:

        def add(name: str, data: bytes = b"", link: str = "") -> None:
            member = tarfile.TarInfo(f"server-1/{name}")
            member.size = len(data)
            if link:
                member.type, member.linkname = tarfile.LNKTYPE, f"server-1/{link}"
            members.addfile(member, io.BytesIO(data))

        add("README.txt", b"read me")
        add("lib/a.jar", b"a" * 1000)
        add("plugin/dropped/b.jar", b"b" * 1000)
        add("plugin/kept/a.jar", link="lib/a.jar")
        add("plugin/kept/b.jar", link="plugin/dropped/b.jar")
        add("plugin/kept/c.jar", b"c" * 1000)
        add("plugin/kept/../../../out.jar", b"out")
        add("plugin/dropped/c.jar", link="plugin/kept/c.jar")
    return made.getvalue()


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as members:
        members.writestr("zipped-1/zipped-1.jar", b"its own")
        members.writestr("zipped-1/more-0.9.jar", b"older")
        members.writestr("zipped-1/readme.txt", b"")
    return made.getvalue()
