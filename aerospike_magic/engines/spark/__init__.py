"""Spark SQL over sets, in place: a Python data source named `aerospike`, for PySpark 4.

`source` is what Spark registers, `reader` runs in the executors, `report` is what they tell the driver. `options` is
the table of all options, `columns` finds the schema, `types` holds the types against each other, `partitions` divides
a set among tasks. A small jar (`jar`, its sources in `jvm/`) plans push-down: `pushed` reads what it tells,
`aggregates` computes what it asks for. pyspark is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.spark.jar import JAR

if TYPE_CHECKING:
    from aerospike_magic.engines.spark.source import register

__all__ = ["JAR", "register"]


def __getattr__(name: str) -> Any:
    if name == "register":
        from aerospike_magic.engines.spark.source import register

        return register
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
