"""Where Spark finds the data source `aerospike`: it looks for `DefaultSource` in modules named `pyspark_…`."""

from __future__ import annotations

from aerospike_magic.engines.spark.source import AerospikeDataSource

DefaultSource = AerospikeDataSource
