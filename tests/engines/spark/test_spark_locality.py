"""Tasks prefer an executor beside the node that they read from, where there is one, and run anywhere else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest

from aerospike_magic.scan.share import Share
from aerospike_magic.scan.tasks import beside, split

THREE_NODES = [p % 3 for p in range(4096)]


def test_a_share_is_read_beside_the_node_that_owns_most_of_it() -> None:
    hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    shares = split(48, THREE_NODES)
    found = beside(shares, THREE_NODES, hosts)
    assert {host: found.count(host) for host in hosts} == {"10.0.0.1": 16, "10.0.0.2": 16, "10.0.0.3": 16}
    for share, host in zip(shares, found, strict=True):
        assert sum(hosts[THREE_NODES[p]] == host for p in share.partitions) > len(share.partitions) / 2
    assert beside([Share((1,), 8, 3)], THREE_NODES, hosts) == ["10.0.0.2"]
    assert beside(shares[:2], [-1] * 4096, hosts) == ["", ""]


def test_the_host_stands_in_what_is_pickled() -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")
    from aerospike_magic.engines.spark.reader import SharePartition

    assert b"aerospike-node-host=10.0.0.1;" in pickle.dumps(SharePartition(Share(tuple(range(4096))), host="10.0.0.1"))
    assert b"aerospike-node-host" not in pickle.dumps(SharePartition(Share((1,))))


_PROGRAM = """
import sys, time
from pyspark.sql import SparkSession
from aerospike_magic.engines.spark import register
spark = (SparkSession.builder.master(sys.argv[2]).config("spark.ui.enabled", "false")
         .config("spark.python.unix.domain.socket.enabled", "true").config("spark.locality.wait", "60s")
         .config("aerospike.seedhost", sys.argv[1]).getOrCreate())
spark.sparkContext.setLogLevel("OFF")
register(spark)
tracker = spark._jsc.sc().statusTracker()
while len(tracker.getExecutorInfos()) < (1 if sys.argv[2].startswith("local[") else 3):
    time.sleep(0.1)
frame = spark.read.format("aerospike").option("aerospike.partition.count", "6").load("demo.airports")
rdd = frame._jdf.queryExecution().executedPlan().collectLeaves().apply(0).inputRDD()
print("preferred", sorted({rdd.preferredLocations(task).mkString(",") for task in rdd.partitions()}))
print("rows", len(frame.collect()))
"""


@pytest.mark.parametrize("master", ["local-cluster[2,1,1024]", "local[2]"])
def test_executors_beside_a_node_are_preferred(spark, server, master: str) -> None:
    if not server.host.startswith("127."):
        pytest.skip("the executors here run on this machine, the nodes do not")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, server.address, master],
        capture_output=True,
        text=True,
        timeout=170,
        # The executors are then known by the address that the embedded server's nodes have.
        env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
    )
    assert "rows 1458" in ran.stdout, ran.stderr[-2000:]
    # With executors of its own, each task prefers the host; in one process there is nothing to prefer.
    expected = "['localhost']" if "cluster" in master else "['']"
    assert f"preferred {expected}" in ran.stdout.replace("127.0.0.1", "localhost")
