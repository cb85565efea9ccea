"""Writing a DataFrame: each task writes its rows by key, and a task that Spark runs again writes the same again.

There is no transaction over records: what a task has written stays, whatever becomes of the others. So the rows that
could not be written fail the job, with their number and reasons, after all others have been tried.
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
from aerospike_magic.errors import ConfigError, WriteError
from aerospike_magic.write import WriteOptions, check_columns, write_batches


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
    """

    def __init__(self, settings: ConnectionSettings, namespace: str, set_name: str, options: WriteOptions) -> None:
        self._settings = settings
        self._namespace = namespace
        self._set_name = set_name
        self._options = options

    def write(self, iterator: Iterator[pa.RecordBatch]) -> Written:
        """Write one task's rows; runs in an executor.

        Raises:
            WriteError: rows were refused; all others of the task are written.
        """
        connection = worker_connection(self._settings)
        report = write_batches(connection, self._namespace, self._set_name, iterator, self._options)
        if report.failures:
            reasons = "; ".join(map(str, report.failures))
            raise WriteError(
                f"{report.failed:,} of {report.failed + report.written:,} rows of a task were not written to "
                f"{self._namespace}.{self._set_name}: {reasons}",
                hint="the others are written; writing the same rows again does no harm",
            )
        return Written(report.written)


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
        key=key,
        digest=options.update_by_digest,
        send_key=options.send_key,
        mode="replace" if overwrite else "update",
        ttl_s=options.ttl,
        ttl_column=options.ttl_column if options.ttl_column in schema.names else None,
        left_out=metadata | ({options.update_by_digest} if options.update_by_digest else frozenset()),
    )
    check_columns(pa.schema([pa.field(f.name, to_give(f)) for f in schema.fields]), found)
    return found
