"""Cases where Spark's own filter push-down for Python data sources gives wrong rows (4.1 to 4.3): here they are right.

Spark keeps filters that it pushed on an object that all scans of a relation share. The data source never takes any,
and these are the queries that would show it if that changed. The jar pushes filters in a way of its own, and the same
queries hold with it.
"""

from __future__ import annotations

import pytest

N = 300


@pytest.fixture(scope="module", params=["plain", "with the jar"])
def view(request, spark, server, client):
    for i in range(N):
        client.put(("test", "known_wrong", i), {"id": i, "grp": i % 3})
    source = "aerospike" if request.param == "plain" else request.getfixturevalue("planner")
    spark.read.format(source).option("aerospike.seedhost", server.address).load(
        "test.known_wrong"
    ).createOrReplaceTempView("v")
    yield "v"
    client.truncate("test", "known_wrong", 0)


CASES = {
    "unfiltered after filtered": (
        ["SELECT id FROM v WHERE id = 3", "SELECT id FROM v"],
        [[3], list(range(N))],
    ),
    "self-join with different filters": (
        ["SELECT a.id + b.id FROM v a JOIN v b ON a.grp = b.grp WHERE a.id = 3 AND b.id IN (6, 9)"],
        [[9, 12]],
    ),
    "a CTE used twice": (
        ["WITH c AS (SELECT * FROM v) SELECT x.id FROM c x, c y WHERE x.id = 5 AND y.id = 8"],
        [[5]],
    ),
    "UNION over one view": (
        ["SELECT id FROM v WHERE id < 2 UNION ALL SELECT id FROM v WHERE id > 297 UNION ALL SELECT count(*) FROM v"],
        [[0, 1, 298, 299, N]],
    ),
    "a filter in a subquery and none outside": (
        ["SELECT id FROM v WHERE grp = (SELECT max(grp) FROM v WHERE id = 4) AND id < 5"],
        [[1, 4]],
    ),
    "self-join with different first rows": (
        [
            "SELECT a.id + b.id FROM (SELECT * FROM v ORDER BY id LIMIT 2) a, "
            "(SELECT * FROM v ORDER BY id DESC LIMIT 2) b"
        ],
        [[N - 2, N - 1, N - 1, N]],
    ),
    "all rows after first rows": (
        ["SELECT id FROM v ORDER BY id LIMIT 3", "SELECT id FROM v ORDER BY id DESC LIMIT 1", "SELECT id FROM v"],
        [[0, 1, 2], [N - 1], list(range(N))],
    ),
    "EXCEPT of two filters": (
        ["SELECT id FROM v WHERE id < 5 EXCEPT SELECT id FROM v WHERE id < 3"],
        [[3, 4]],
    ),
}


@pytest.mark.parametrize(("statements", "wanted"), CASES.values(), ids=CASES)
def test_scans_of_one_relation_do_not_share_filters(spark, view, statements, wanted):
    assert [sorted(row[0] for row in spark.sql(statement).collect()) for statement in statements] == wanted


def test_the_same_with_sparks_push_down_on(spark, view):
    # The setting that turns the faulty push-down on must have nothing to turn on.
    spark.conf.set("spark.sql.python.filterPushdown.enabled", "true")
    try:
        assert [row.id for row in spark.sql("SELECT id FROM v WHERE id = 3").collect()] == [3]
        assert spark.sql("SELECT id FROM v").count() == N
    finally:
        spark.conf.unset("spark.sql.python.filterPushdown.enabled")


def test_the_reader_takes_no_filters():
    pytest.importorskip("pyspark")
    from pyspark.sql.datasource import DataSourceReader

    from aerospike_magic.engines.spark.reader import AerospikeReader

    # Spark 4.0 has no such method.
    assert getattr(AerospikeReader, "pushFilters", None) is getattr(DataSourceReader, "pushFilters", None)
