"""The jar that plans push-down: where it is, and how a session gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

JAR = Path(__file__).parent / "jars" / "aerospike-magic-spark.jar"
"""Also for `spark.jars`, `--jars` and the like, for programs that call nothing of ours."""


def add_jar(spark: Any) -> None:
    """Hand the jar to a session, Classic or Connect; nothing happens if it has it."""
    if hasattr(spark, "_jsparkSession"):
        path = str(JAR).replace("\\", "\\\\").replace("'", "\\'")
        spark.sql(f"ADD JAR '{path}'")
        return
    listed = {row[0].rpartition("/")[2] for row in spark.sql("LIST JARS").collect()}
    if JAR.name not in listed:
        spark.addArtifacts(str(JAR))


def use_jar_here(spark: Any) -> None:
    """Let this thread find the jar that a Classic session was handed in another.

    Spark looks data sources up by the class loader of the current Java thread, `ADD JAR` sets that of its own only, and
    each Python thread has a Java thread to itself: elsewhere the source would be found without its push-down.
    """
    if hasattr(spark, "_jsparkSession"):
        loader = spark._jsparkSession.sharedState().jarClassLoader()
        spark._jvm.java.lang.Thread.currentThread().setContextClassLoader(loader)
