"""Files of a Maven repository, fetched without Maven: resumed when cut off, tried again, checked before they are used.

A download grows as `NAME.part` and gets its name only when its SHA-256 is the one known here. So a file with its name
is whole and right; a part that is left behind by an interrupt or a cut connection is where the next try goes on.
A repository of Maven's own on this machine is looked into first.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from aerospike_magic.errors import EngineServerError

CENTRAL = "https://repo.maven.apache.org/maven2"
"""Where files come from unless `AEROSPIKE_MAGIC_MAVEN` names another repository, a company's mirror for one."""

VARIABLE = "AEROSPIKE_MAGIC_MAVEN"
N_TRIES = 5
WAIT_S = 1.0
TIMEOUT_S = 30.0
CHUNK = 1 << 20

OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven repository.

    Args:
        coordinates: `group:name:extension:version`, with a classifier before the version where there is one.
        n_bytes: its size.
        sha256: its digest, in hex.
    """

    coordinates: str
    n_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name."""
        _, name, extension, *classifier, version = self.coordinates.split(":")
        return f"{'-'.join([name, version, *classifier])}.{extension}"

    @property
    def title(self) -> str:
        """Its name without version."""
        return self.coordinates.split(":")[1]

    @property
    def path(self) -> str:
        """Where it is in a repository."""
        group, name, *_, version = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{name}/{version}/{self.name}"


class _Cut(Exception):
    """The connection ended, or the server is busy: to be tried again."""


class _Damaged(Exception):
    """What has arrived is not the file that is known here."""


def repository() -> str:
    """Return the repository's address."""
    return (os.environ.get(VARIABLE) or CENTRAL).rstrip("/")


def fetch_artifact(artifact: Artifact, folder: Path, on_bytes: OnBytes = lambda n_bytes: None) -> Path:
    """Bring a file into a folder, unless it is there.

    Args:
        artifact: the file.
        folder: where to put it; it exists.
        on_bytes: is told how many bytes of the file are there, whenever it has grown.

    Returns:
        Its path; what is there has the right digest.

    Raises:
        EngineServerError: the repository does not answer, does not have it, or has another file under its name.
    """
    target = folder / artifact.name
    part = folder / f"{artifact.name}.part"
    if not target.exists() and not _take_local(artifact, part):
        _download(artifact, part, on_bytes)
    if not target.exists():
        part.replace(target)
    on_bytes(artifact.n_bytes)
    return target


def _take_local(artifact: Artifact, part: Path) -> bool:
    """Copy the file from Maven's repository on this machine; False if it is not there, or another one is."""
    local = Path.home() / ".m2" / "repository" / artifact.path
    with contextlib.suppress(OSError):
        if local.stat().st_size != artifact.n_bytes or digest_of(local) != artifact.sha256:
            return False
        with local.open("rb") as source, part.open("wb") as copy:
            while data := source.read(CHUNK):
                copy.write(data)
        return True
    return False


def _download(artifact: Artifact, part: Path, on_bytes: OnBytes) -> None:
    url = f"{repository()}/{artifact.path}"
    failure = "nothing came"
    for attempt in range(N_TRIES):
        if attempt:
            time.sleep(WAIT_S * 2.0 ** (attempt - 1))
        try:
            _download_rest(url, artifact, part, on_bytes)
            _check(url, artifact, part)
            return
        except _Cut as cut:
            failure = str(cut)
        except _Damaged:
            failure = "what arrives is damaged"
            part.unlink()
    raise EngineServerError(
        f"{artifact.name} could not be fetched in {N_TRIES} tries: {failure}",
        hint=f"from {_without_secret(url)}; what has arrived is kept, and the next try goes on there",
    )


def _download_rest(url: str, artifact: Artifact, part: Path, on_bytes: OnBytes) -> None:
    """Append to the part what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    if have > artifact.n_bytes:
        part.unlink()
        have = 0
    if have == artifact.n_bytes:
        return
    request = _request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            # A server without ranges, or a proxy, answers with the whole.
            is_rest = answer.status == http.client.PARTIAL_CONTENT
            with part.open("ab" if is_rest else "wb") as file:
                _copy(answer, file, artifact.n_bytes, on_bytes)
    except urllib.error.HTTPError as error:
        _judge(error, url, artifact, part)
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(_reason(error)) from None


def _request(url: str) -> urllib.request.Request:
    """Ask for a file; the user and password that a mirror's address may carry go to the mirror, and no further."""
    request = urllib.request.Request(_without_secret(url), headers={"User-Agent": "aerospike-magic"})
    request.add_header("Accept-Encoding", "identity")
    parts = urlsplit(url)
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(secret).decode()}")
    return request


def _copy(answer: BinaryIO, file: BinaryIO, n_bytes: int, on_bytes: OnBytes) -> None:
    have = file.tell()
    while data := answer.read(CHUNK):
        file.write(data)
        have += len(data)
        if have > n_bytes:
            return  # another file; its digest will say so
        on_bytes(have)
    if have < n_bytes:
        raise _Cut(f"the connection ended after {have:,} of {n_bytes:,} bytes")


def _judge(error: urllib.error.HTTPError, url: str, artifact: Artifact, part: Path) -> None:
    """Decide whether an answer that is a refusal is worth another try."""
    with error:
        code = error.code
    if code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.unlink()
        raise _Cut("the repository's file has another size")
    if code == http.client.TOO_MANY_REQUESTS or code >= 500:
        raise _Cut(f"the repository answers {code}")
    raise EngineServerError(
        f"{artifact.name} could not be fetched: the repository answers {code} {error.reason}",
        hint=f"{_without_secret(url)}; {VARIABLE} names another repository",
    )


def _check(url: str, artifact: Artifact, part: Path) -> None:
    if part.stat().st_size == artifact.n_bytes and digest_of(part) == artifact.sha256:
        return
    if digest_of(part, "sha1") == _announced(url):
        part.unlink()
        raise EngineServerError(
            f"{artifact.name} in the repository is not the file that this version of aerospike-magic knows",
            hint=f"{_without_secret(url)} has another SHA-256; {VARIABLE} names another repository",
        )
    raise _Damaged


def _announced(url: str) -> str:
    """Return the SHA-1 that the repository itself announces for a file, "" for none."""
    with (
        contextlib.suppress(OSError, http.client.HTTPException),
        urllib.request.urlopen(_request(f"{url}.sha1"), timeout=TIMEOUT_S) as answer,
    ):
        return answer.read(200).decode("ascii", "replace").split(" ")[0].strip()
    return ""


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's digest in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(error).__name__


def _without_secret(url: str) -> str:
    """Return an address without the user and password that a mirror's may carry."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
