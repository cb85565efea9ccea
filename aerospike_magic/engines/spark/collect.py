"""The rows of a Spark DataFrame as Arrow batches, counted while they arrive.

`DataFrame.toArrow` gives the same, but only when all of it is there, which for a result that does not fit in memory is
too late. Spark's tasks finish in any order; their batches are put in the order of the rows at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from aerospike_magic.engines.spark.jobs import is_connect
from aerospike_magic.errors import AerospikeMagicError


def collect_batches(frame: Any, on_batch: Callable[[pa.RecordBatch], None]) -> list[pa.RecordBatch]:
    """Run a DataFrame and return its rows.

    Args:
        frame: a Spark DataFrame, Classic or Connect.
        on_batch: called with each batch as it arrives; what it raises ends the reading.
    """
    if is_connect(frame.sparkSession):
        return _from_connect(frame, on_batch)
    return _from_classic(frame, on_batch)


def arrow_schema(frame: Any) -> pa.Schema:
    """Return the Arrow schema of a DataFrame's rows, without running it."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(frame.schema, timezone="UTC")


def _from_classic(frame: Any, on_batch: Callable[[pa.RecordBatch], None]) -> list[pa.RecordBatch]:
    from pyspark.errors.exceptions.captured import unwrap_spark_exception
    from pyspark.util import _create_local_socket

    port, secret, server = frame._jdf.collectAsArrowToPython()
    opened = _create_local_socket((port, secret))
    # Spark 4.0 returns the stream, later releases the stream and its socket.
    stream, *sock = opened if isinstance(opened, tuple) else (opened,)
    try:
        batches = _read(stream, on_batch)
    except AerospikeMagicError:
        raise  # from `on_batch`; what the job says of the closed socket is of no interest
    except Exception:
        with unwrap_spark_exception():
            server.getResult()  # raises what made the job fail
        raise
    finally:
        for each in (stream, *sock):
            each.close()
    with unwrap_spark_exception():
        server.getResult()
    return batches


def _read(stream: Any, on_batch: Callable[[pa.RecordBatch], None]) -> list[pa.RecordBatch]:
    """Read what Spark writes: an Arrow stream, then the order of its batches, or -1 if the job failed."""
    from pyspark.serializers import read_int

    batches = []
    for batch in pa.ipc.open_stream(stream):
        on_batch(batch)
        batches.append(batch)
    count = read_int(stream)
    if count < 0:
        raise EOFError("the job failed")
    return [batches[read_int(stream)] for _ in range(count)]


def _from_connect(frame: Any, on_batch: Callable[[pa.RecordBatch], None]) -> list[pa.RecordBatch]:
    client = frame.sparkSession.client
    plan = frame._plan
    batches = []
    for part in client.to_table_as_iterator(plan.to_proto(client), plan.observations):
        if isinstance(part, pa.Table):
            for batch in part.to_batches():
                on_batch(batch)
                batches.append(batch)
    return batches
