"""Which Trino and which Presto run here, what they consist of, and what of it is kept.

Trino comes as one archive, of which the server and a few plugins are kept. Presto has none in a Maven repository in
this release, so it is put together of its server's libraries, listed in `presto-0.287.txt`, and plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aerospike_magic.engines.trino.server.maven import Artifact
from aerospike_magic.errors import EngineServerError

LIBRARIES = "lib"
PLUGINS = "plugin"


@dataclass(frozen=True, slots=True)
class Release:
    """A server that can be fetched and started.

    Attributes:
        kind: "trino" or "presto".
        title: its name for people.
        version: its version.
        main_class: what Java runs.
        java: the oldest Java that it runs on, and the newest; None for no limit.
        artifacts: what is downloaded, each with the folders that it goes to; none for an archive of the whole.
        plugins: connector name → folder of its plugin, for the connectors that are kept.
        unpacked_bytes: what it takes on the disk in the end.
    """

    kind: str
    title: str
    version: str
    main_class: str
    java: tuple[int, int | None]
    artifacts: Mapping[Artifact, tuple[str, ...]]
    plugins: Mapping[str, str]
    unpacked_bytes: int

    @property
    def name(self) -> str:
        """Its folder's name in the cache; the last number changes with what is kept."""
        return f"{self.kind}-{self.version}-1"

    @property
    def download_bytes(self) -> int:
        """How much is downloaded."""
        return sum(artifact.n_bytes for artifact in self.artifacts)

    def jars_of(self, folder: str) -> set[str]:
        """Names, without version, of the jars that go to a folder by themselves, in place of a plugin's own."""
        by_themselves = (artifact for artifact, folders in self.artifacts.items() if folder in folders)
        return {artifact.title for artifact in by_themselves if artifact.name.endswith(".jar")}


TRINO = Release(
    kind="trino",
    title="Trino",
    version="476",
    main_class="io.trino.server.TrinoServer",
    java=(24, None),
    artifacts={
        Artifact(
            "io.trino:trino-server:tar.gz:476",
            821_045_832,
            "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f",
        ): ()
    },
    plugins={
        "trino_thrift": "thrift",
        "tpch": "tpch",
        "tpcds": "tpcds",
        "memory": "memory",
        "blackhole": "blackhole",
        "jmx": "jmx",
        "mariadb": "mariadb",
        "mongodb": "mongodb",
        "mysql": "mysql",
        "postgresql": "postgresql",
        "prometheus": "prometheus",
        "redis": "redis",
        "sqlserver": "sqlserver",
    },
    unpacked_bytes=130_000_000,
)


def find_release(kind: str) -> Release:
    """Return the release of a kind of server.

    Raises:
        EngineServerError: there is no such kind.
    """
    if kind == "trino":
        return TRINO
    if kind == "presto":
        return _presto()
    raise EngineServerError(f"there is no server of the kind {kind!r}", hint="trino or presto")


def _presto() -> Release:
    """Read the list of Presto's files: a line each, of coordinates, size, SHA-256 and the folders that it goes to."""
    artifacts: dict[Artifact, tuple[str, ...]] = {}
    for line in Path(__file__).with_name("presto-0.287.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            coordinates, n_bytes, sha256, folders = line.split()
            artifacts[Artifact(coordinates, int(n_bytes), sha256)] = tuple(folders.split(","))
    return Release(
        kind="presto",
        title="Presto",
        version="0.287",
        main_class="com.facebook.presto.server.PrestoServer",
        java=(17, None),
        artifacts=artifacts,
        plugins={"presto-thrift": "thrift", "tpch": "tpch", "memory": "memory"},
        unpacked_bytes=sum(artifact.n_bytes for artifact in artifacts),
    )
