"""`writeStream`: each micro-batch is written by key, as a DataFrame is, and written again it is the same.

A batch that Spark runs again, after a failure between the writing and its own commit, meets the records that it has
written and makes them what they are already; a key never becomes two records. So no ledger of batches is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import datasource

from aerospike_magic.engines.spark.types import to_give

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

    from aerospike_magic.engines.spark.write import AerospikeWriter, Written

_ROWS_PER_BATCH = 8_192
# Spark 4.0 streams rows only.
_TAKES_ARROW = hasattr(datasource, "DataSourceStreamArrowWriter")
_Base: Any = datasource.DataSourceStreamArrowWriter if _TAKES_ARROW else datasource.DataSourceStreamWriter


class AerospikeStreamWriter(_Base):
    """Writes the rows of every micro-batch to a set.

    Args:
        writer: what writes the rows of one task.
        schema: of the rows.
    """

    def __init__(self, writer: AerospikeWriter, schema: StructType) -> None:
        self._writer = writer
        self._schema = schema

    def write(self, iterator: Iterator[Any]) -> Written:
        """Write one task's rows; runs in an executor.

        Raises:
            WriteError: rows were refused, which fails the batch; all others of the task are written.
        """
        return self._writer.write(iterator if _TAKES_ARROW else self._batches(iterator))

    def _batches(self, rows: Iterator[Any]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([pa.field(field.name, to_give(field)) for field in self._schema.fields])
        while chunk := list(islice(rows, _ROWS_PER_BATCH)):
            columns = zip(*chunk, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
