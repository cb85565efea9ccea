"""Spark SQL over sets, in place: a Python data source named `aerospike`, for PySpark 4.

`source` is what Spark registers, `reader` runs in the executors, `options` is the table of all options,
`partitions` divides a set among tasks, `types` holds the types against each other.
"""

from __future__ import annotations
