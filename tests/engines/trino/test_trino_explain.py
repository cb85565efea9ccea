"""The scans of a plan's text, and what its conditions imply."""

from __future__ import annotations

import pyarrow as pa
import pytest

from aerospike_magic.engines.trino.explain import planned_scans
from aerospike_magic.engines.trino.presto_plan import predicate_of
from aerospike_magic.filters.predicate import And, Compare, In, IsNull, Not, Or
from aerospike_magic.gateway.tables import WireColumn
from aerospike_magic.schema.type_text import Kind
from aerospike_magic.schema.types import bin_column

TRINO = """Fragment 1 [SOURCE]
    Output layout: [count_0]
    Aggregate[type = PARTIAL]
    │   Layout: [count_0:bigint]
    │   count_0 := count(*)
    └─ ScanFilterProject[table = aerospike:demo:flights__rps_5, filterPredicate = (day > bigint '1')]
           Layout: []
           Estimates: {rows: ? (0B), cpu: ?, memory: 0B, network: 0B}
           day := day:bigint
           key := key__:bigint
    └─ TableScan[table = tpch:tiny:nation]
           Layout: [name:varchar(25)]
           name := tpch:name:varchar(25)
"""
PRESTO = (
    "    - ScanFilterProject[PlanNodeId 0,229,2][table = TableHandle {connectorId='aerospike', "
    "connectorHandle='demo:airports', layout='Optional[demo:airports]'}, filterPredicate = "
    "IN(key_, VARCHAR'JFK', VARCHAR'LGA'), projectLocality = LOCAL] => [name:varchar]\n"
    "            Estimates: {source: CostBasedSourceInfo, rows: ? (?)}\n"
    "            key_ := key__:varchar (1:26)\n"
    "            name := name:varchar (1:26)\n"
    "        - Other[x]\n"
)


def test_scans_of_trino():
    first, second = planned_scans(TRINO)
    assert (first.table, dict(first.columns)) == ("demo:flights__rps_5", {"day": "day", "key": "key__"})
    assert first.filter == "(day > bigint '1')"
    assert second.table == "tiny:nation"


def test_scans_of_presto():
    (scan,) = planned_scans(PRESTO)
    assert (scan.table, dict(scan.columns)) == ("demo:airports", {"key_": "key__", "name": "name"})
    assert scan.filter == "IN(key_, VARCHAR'JFK', VARCHAR'LGA')"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(n) > (BIGINT'60')", Compare(">", "N", 60)),
        ("IN(s, VARCHAR'a''b', VARCHAR'c')", In("s", ("a'b", "c"))),
        ("((n) = (BIGINT'1')) AND ((SUBSTR(s, BIGINT'1', BIGINT'1')) = (VARCHAR'J'))", Compare("=", "N", 1)),
        ("(n) BETWEEN (BIGINT'1') AND (BIGINT'3')", And(Compare(">=", "N", 1), Compare("<=", "N", 3))),
        ("not(IS_NULL(s))", Not(IsNull("s"))),
        ("(IS_NULL(s)) OR ((n) < (BIGINT'-5'))", Or(IsNull("s"), Compare("<", "N", -5))),
        ("(IS_NULL(s)) OR ((length(s)) < (BIGINT'5'))", None),
        ("(n) = (m)", None),
        ("((", None),
    ],
)
def test_conditions(text, wanted):
    columns = {
        "n": WireColumn("n", bin_column("N", Kind.INT64, pa.int64()), "bigint"),
        "s": WireColumn("s", bin_column("s", Kind.STRING, pa.string()), "varchar"),
    }
    assert predicate_of(text, columns) == wanted
