"""Where Spark finds the data source `aerospike`: the `DefaultSource` of an installed module named `pyspark_…`."""

from __future__ import annotations

from aerospike_magic.engines.spark.source import AerospikeDataSource

DefaultSource = AerospikeDataSource
