"""Brings the Trino and the Presto of the tests into the cache; run by .ci/run while lint and other tests run.

Where Maven is installed, it resolves the files into its own repository, with its settings and mirrors, and our own code
finds them there. What it does not bring, our own code downloads.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aerospike_magic.engines.trino.server import fetch_server, find_server
from aerospike_magic.engines.trino.server.maven import Artifact
from aerospike_magic.engines.trino.server.releases import find_release
from aerospike_magic.errors import EngineServerError

N_TRIES = 3
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>x</groupId><artifactId>x</artifactId><version>1</version><dependencies>
{}
</dependencies></project>
"""


def dependency(artifact: Artifact) -> str:
    """Return a file as a dependency that brings no others."""
    group, name, extension, *classifier, version = artifact.coordinates.split(":")
    said = (
        f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version><type>{extension}</type>"
    )
    said += "".join(f"<classifier>{text}</classifier>" for text in classifier)
    none = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    return f"<dependency>{said}{none}</dependency>"


def resolve(kind: str) -> None:
    """Let Maven bring the files of a server into its repository; that it could not is seen later."""
    with tempfile.TemporaryDirectory() as folder:
        pom = Path(folder) / "pom.xml"
        pom.write_text(POM.format("\n".join(map(dependency, find_release(kind).artifacts))))
        subprocess.run(["mvn", "-q", "-B", "-f", str(pom), "dependency:resolve"], stdout=subprocess.DEVNULL)


def bring(kind: str) -> bool:
    """Fetch a server; False if it could not be had."""
    for attempt in range(N_TRIES):
        if attempt:
            time.sleep(10 * attempt)
        if find_server(kind) is None and shutil.which("mvn"):
            resolve(kind)
        try:
            print(f"{kind}: {fetch_server(kind)}", flush=True)
            return True
        except EngineServerError as error:
            print(f"{kind}: {error}", file=sys.stderr, flush=True)
    return False


if __name__ == "__main__":
    brought = [bring(kind) for kind in ("presto", "trino")]
    sys.exit(not all(brought))
