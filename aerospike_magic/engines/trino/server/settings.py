"""What a server here is told: its own folder of settings, and the flags of its Java.

Everything is in one temporary folder: `etc/`, catalogs, and links to the plugins that the catalogs need and no others,
which is what makes it start quickly. It listens on the loopback address only, which `node.bind-ip` says for all that it
serves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from aerospike_magic.engines.trino.server.catalogs import CONNECTOR, write_properties
from aerospike_magic.engines.trino.server.releases import LIBRARIES, PLUGINS, Release

LOOPBACK = "127.0.0.1"
# A task begins with few splits at a time; a gateway serves many more, and most of a split's time is waiting.
SPLITS_AT_ONCE = 64
MB = 1 << 20
AGENT = Path(__file__).parent / "jars" / "aerospike-magic-presto.jar"
"""Keeps Presto on the loopback address where its settings cannot; its sources are in `jvm/presto`."""

# Presto's libraries are older than Java's closed modules.
_OPENED = ("java.base/java.lang", "java.base/java.nio", "java.base/java.io", "java.base/java.util")


def heap_bytes() -> int:
    """Return how much heap suits this machine: a quarter of its memory or of the container's, 768 MB to 2 GB."""
    import psutil

    total = int(psutil.virtual_memory().total)
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(max(total // 4, 768 * MB), 2048 * MB)


def write_settings(
    folder: Path, release: Release, home: Path, port: int, environment: str, catalogs: Mapping[str, Mapping[str, str]]
) -> None:
    """Fill a server's folder.

    Args:
        folder: the folder, empty.
        release: the server.
        home: where it was unpacked.
        port: where it is to listen.
        environment: the name that it gives to its world, by which it is known again.
        catalogs: its catalogs, checked.
    """
    for name in ("etc/catalog", "plugin", "tmp"):
        (folder / name).mkdir(parents=True)
    for connector in {properties[CONNECTOR] for properties in catalogs.values()}:
        plugin = release.plugins[connector]
        (folder / "plugin" / plugin).symlink_to(home / PLUGINS / plugin)
    for name, properties in catalogs.items():
        write_properties(folder / "etc/catalog" / f"{name}.properties", properties)
    write_properties(folder / "etc/log.properties", {"io.airlift.bootstrap": "WARN", "Bootstrap": "WARN"})
    write_properties(folder / "etc/config.properties", _config(folder, release, port, environment))


def _config(folder: Path, release: Release, port: int, environment: str) -> dict[str, object]:
    settings: dict[str, object] = {
        "node.environment": environment,
        "node.id": environment,
        "node.internal-address": LOOPBACK,
        "node.bind-ip": LOOPBACK,
        "http-server.http.port": port,
        "discovery.uri": f"http://{LOOPBACK}:{port}",
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "plugin.dir": folder / "plugin",
        "catalog.config-dir": folder / "etc/catalog",
        "log.levels-file": folder / "etc/log.properties",
        "log.enable-console": "true",
        "task.min-drivers": SPLITS_AT_ONCE,
        "task.initial-splits-per-node": SPLITS_AT_ONCE,
    }
    if release.kind == "presto":
        settings["discovery-server.enabled"] = "true"
    return settings


def java_command(java: Path, release: Release, home: Path, folder: Path, heap: int, java_version: int) -> list[str]:
    """Return the command that runs a server.

    Args:
        java: the program `java`.
        release: the server.
        home: where it was unpacked.
        folder: its folder of settings.
        heap: bytes of heap that it may have.
        java_version: the Java's version.
    """
    flags = [
        f"-Xmx{heap // MB}m",
        "-XX:+UseG1GC",
        "-XX:+ExplicitGCInvokesConcurrent",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-OmitStackTraceInFastThrow",
        "-XX:-UsePerfData",  # a file in /tmp otherwise, which stays behind a process that is killed
        "-XX:ReservedCodeCacheSize=256M",
        "-XX:PerMethodRecompilationCutoff=10000",
        "-Dfile.encoding=UTF-8",
        "-Djava.awt.headless=true",
        "-Djdk.attach.allowAttachSelf=true",
        "-Djdk.nio.maxCachedBufferSize=2000000",
        "-Djol.skipHotspotSAAttach=true",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dconfig={folder / 'etc/config.properties'}",
    ]
    if java_version >= 21:
        flags += ["-XX:+EnableDynamicAgentLoading", "--enable-native-access=ALL-UNNAMED"]
    if release.kind == "presto":
        flags += [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED]
        flags.append(f"-javaagent:{AGENT}")
    return [str(java), *flags, "-cp", f"{home / LIBRARIES}/*", release.main_class]
