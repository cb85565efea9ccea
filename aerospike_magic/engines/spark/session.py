"""The Spark session of a cell: the notebook's own, or one on this machine, with settings that suit the data source."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlsplit

from aerospike_magic.engines.spark.jar import use_jar_here
from aerospike_magic.engines.spark.jobs import is_connect
from aerospike_magic.errors import ConfigError

# See design notes and docs/spark.md for what each is worth.
LOCAL_SETTINGS: Mapping[str, str] = {
    "spark.app.name": "aerospike_magic",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.maxResultSize": "0",
    "spark.log.level": "OFF",
    "spark.python.task.killTimeout": "200ms",
    "spark.python.unix.domain.socket.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
PROGRESS_HOST = "spark.aerospike_magic.progress.host"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_session(value: object) -> bool:
    """Whether a value is a `SparkSession`, Classic or Connect; told without importing Spark."""
    kind = type(value)
    return kind.__name__ == "SparkSession" and kind.__module__.partition(".")[0] == "pyspark"


def is_usable(spark: Any) -> bool:
    """Whether a session has not been stopped."""
    return not spark.is_stopped if is_connect(spark) else spark.sparkContext._jsc is not None


def find_session() -> Any | None:
    """Return the session that this process already has, None if there is none."""
    if "pyspark" not in sys.modules:
        return None
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def use_session_here(spark: Any) -> None:
    """Let this thread work with a session that another thread has started, or handed the jar.

    Which session is active, and where classes are found, Spark keeps for each Java thread, and each Python thread has
    a Java thread to itself. Without the one `df.write` finds no Python source, without the other nothing is pushed.
    """
    if is_connect(spark):
        return
    from pyspark.sql import SparkSession

    SparkSession._get_j_spark_session_class(spark._jvm).setActiveSession(spark._jsparkSession)
    use_jar_here(spark)


def start_session() -> Any:
    """Start Spark on this machine, with all its cores.

    Raises:
        ConfigError: pyspark or Java is missing, or Spark does not start; the hint says what to install.
    """
    try:
        import pyspark  # noqa: F401  # only whether it is there
    except ImportError:
        raise ConfigError("pyspark is not installed", hint="pip install 'aerospike-magic[spark]'") from None
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise ConfigError(
            "Spark needs Java, and there is none",
            hint="install a JDK, 17 or newer, on the PATH or at JAVA_HOME",
        )
    with warnings.catch_warnings(), _environment(), tempfile.TemporaryFile() as log:
        warnings.simplefilter("ignore")  # pyspark's, about its own imports
        try:
            return _start(log)
        except Exception as error:
            raise ConfigError(
                f"Spark does not start: {_last_words(log, error)}", hint="is it Java 17 or newer?"
            ) from None


def _start(log: IO[bytes]) -> Any:
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    conf = SparkConf(loadDefaults=False).setMaster("local[*]").setAll(list(LOCAL_SETTINGS.items()))
    conf.set("spark.sql.warehouse.dir", _temporary_folder())
    if SparkContext._gateway is None:
        # What Java writes belongs in no cell; the file has no name, and goes with the processes that hold it.
        gateway = launch_gateway(conf, {"stdout": log, "stderr": log})
        SparkContext._ensure_initialized(gateway=gateway, conf=conf)
    return SparkSession(SparkContext.getOrCreate(conf))


def _temporary_folder() -> str:
    """A folder that goes with this process: the session's catalog, which alone knows the tables in it, goes too."""
    folder = tempfile.mkdtemp(prefix="aerospike-magic-spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _last_words(log: IO[bytes], error: Exception) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    wrong = [line for line in lines if "Error" in line or "Exception" in line]
    return (wrong or [str(error).strip().partition("\n")[0]])[0]


def progress_hosts(spark: Any) -> tuple[str, str] | None:
    """Return where to listen for the tasks of a session, and what to tell them; None where nobody said.

    With executors on this machine that is the loopback address. A Classic driver listens for its executors anyway,
    and so do we, at the same address. To be heard by a Connect server elsewhere is asked for by setting
    `spark.aerospike_magic.progress.host`.
    """
    told = spark.conf.get(PROGRESS_HOST, None)
    if told:
        return told, told
    if is_connect(spark):
        remote = urlsplit(spark.client.host if "://" in spark.client.host else f"sc://{spark.client.host}").hostname
        return ("127.0.0.1", "127.0.0.1") if remote in _LOOPBACK else None
    context = spark.sparkContext
    if context.master.startswith("local"):
        return "127.0.0.1", "127.0.0.1"
    host = context.getConf().get("spark.driver.host")
    return (context.getConf().get("spark.driver.bindAddress", host), host) if host else None


@contextmanager
def _environment() -> Iterator[None]:
    """Let Spark's workers be this Python and its servers listen here only, unless the user chose otherwise."""
    wanted = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
