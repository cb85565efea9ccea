"""Writing a DataFrame: each task writes its rows by key, and a task that Spark runs again writes the same again.

There is no transaction over records: what a task has written stays, whatever becomes of the others. So the rows that
could not be written fail the job, with their number and reasons, after all others have been tried.

Where a row is written only to a record in a certain state (a generation, or none), the task that runs again, or twice
at once, is refused what the other attempt has written. Such rows are looked up, and count as written where the record
is exactly what the row makes of it (`write.doubt`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import StructType

from aerospike_magic.connection.settings import ConnectionSettings
from aerospike_magic.engines.spark.options import SparkOptions
from aerospike_magic.engines.spark.reader import worker_connection
from aerospike_magic.engines.spark.types import to_give
from aerospike_magic.errors import ConfigError
from aerospike_magic.scan.teller import ProgressAddress, tell_written
from aerospike_magic.write import MODES, WriteOptions, Writer, check_columns, failed_rows
from aerospike_magic.write.options import GenerationPolicy, Mode

_LANES_A_TASK = 2
_GENERATION_POLICIES: dict[str, GenerationPolicy] = {
    "none": "none",
    "expectgenequal": "equal",
    "equal": "equal",
    "expectgengt": "greater",
    "greater": "greater",
}


@dataclass
class Written(WriterCommitMessage):
    """What one task has written."""

    rows: int


class AerospikeWriter(DataSourceArrowWriter):
    """Writes the rows of a DataFrame to a set.

    Args:
        settings: how executors connect.
        namespace, set_name: where to.
        options: how rows become records.
        records_per_second: throttle of each task; 0 for none.
        progress: where to tell how many rows were written, None for nowhere.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        namespace: str,
        set_name: str,
        options: WriteOptions,
        records_per_second: int = 0,
        progress: ProgressAddress | None = None,
    ) -> None:
        self._settings = settings
        self._namespace = namespace
        self._set_name = set_name
        self._options = options
        self._records_per_second = records_per_second
        self._progress = progress

    def write(self, iterator: Iterator[pa.RecordBatch]) -> Written:
        """Write one task's rows; runs in an executor.

        Raises:
            WriteError: rows were refused; all others of the task are written.
        """
        writer = Writer(
            worker_connection(self._settings),
            self._namespace,
            self._set_name,
            self._options,
            records_per_second=self._records_per_second,
            n_lanes=_LANES_A_TASK,
        )
        report = writer.write(iterator)
        if report.failures:
            raise failed_rows(report, f"{self._namespace}.{self._set_name}")
        return Written(report.written)

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """Tell what all tasks have written; it was there before."""
        if self._progress is not None:
            tell_written(self._progress, sum(each.rows for each in messages if isinstance(each, Written)))


def write_options(schema: StructType, options: SparkOptions, overwrite: bool) -> WriteOptions:
    """Return how rows of a schema are written, checked before anything is.

    Raises:
        ConfigError: no column is named as the key.
        SchemaError: a column cannot be the key, or not be a bin.
    """
    metadata = frozenset((options.key_column, options.digest_column, options.generation_column, options.ttl_column))
    key = options.update_by_key or (options.key_column if options.key_column in schema.names else None)
    if key is None and options.update_by_digest is None:
        raise ConfigError(
            "nothing says which column is the key", hint='give .option("aerospike.updateByKey", "the column")'
        )
    found = WriteOptions(
        key=None if options.update_by_digest else key,
        digest=options.update_by_digest,
        send_key=options.send_key,
        mode=_mode(options, overwrite),
        ttl_s=options.ttl,
        ttl_column=options.ttl_column if options.ttl_column in schema.names else None,
        generation_column=options.generation_column,
        generation_policy=_generation_policy(options),
        may_repeat=True,
        left_out=metadata | ({options.update_by_digest} if options.update_by_digest else frozenset()),
    )
    check_columns(pa.schema([pa.field(f.name, to_give(f)) for f in schema.fields]), found)
    return found


def _mode(options: SparkOptions, overwrite: bool) -> Mode:
    default: Mode = "replace" if overwrite else "update"
    word = (options.write_mode or default).casefold().replace("-", "_")
    found = next((mode for mode in MODES if word in (mode, mode.replace("_", ""))), None)
    if found is None:
        raise ConfigError(f"aerospike.write.mode is {options.write_mode!r}", hint=f"it is one of {', '.join(MODES)}")
    if overwrite and not found.startswith("replace"):
        raise ConfigError(
            f'aerospike.write.mode {found} contradicts mode("overwrite")', hint='use mode("append") with it'
        )
    return found


def _generation_policy(options: SparkOptions) -> GenerationPolicy:
    word = (options.generation_policy or "none").casefold().replace("_", "")
    found = _GENERATION_POLICIES.get(word.rpartition(".")[2])
    if found is None:
        raise ConfigError(
            f"aerospike.generationPolicy is {options.generation_policy!r}",
            hint="it is NONE, EXPECT_GEN_EQUAL or EXPECT_GEN_GT",
        )
    return found
