"""Spark SQL over sets, in place: a Python data source named `aerospike`, for PySpark 4.

`source` is what Spark registers, `reader` runs in the executors, `options` is the table of all options,
`partitions` divides a set among tasks, `types` holds the types against each other. A small jar (`jvm/`, built into
`jars/`) plans push-down in front of it: `pushed` reads what the jar tells, `aggregates` computes what it asks for.
"""

from __future__ import annotations
