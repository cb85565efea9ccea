"""Rows a second out of Trino into Arrow, by our client and by the dbapi, of the same statements in one run.

    python benchmarks/trino_fetch.py [rows]

Needs the package `trino` and a Trino on this machine (`aerospike-magic trino start` fetches one). The rows lie in
Trino's memory connector, so that what is measured is the way out of Trino.
"""

from __future__ import annotations

import sys
import time

import pyarrow as pa

from aerospike_magic.engines.trino.client import RunningStatement, ask
from aerospike_magic.engines.trino.columns import to_arrow
from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.server import LocalServer
from aerospike_magic.engines.trino.types import parse_type

TABLE = "memory.default.fetched"
STATEMENTS = {
    "6 columns, numbers and text": f"SELECT orderkey, partkey, suppkey, quantity, comment, extendedprice FROM {TABLE}",
    "4 columns, dates, decimals, timestamps": f"SELECT shipdate, price, at, zoned FROM {TABLE}",
    "3 bigint columns": f"SELECT orderkey, partkey, suppkey FROM {TABLE}",
}


def by_client(server: TrinoServer, sql: str) -> int:
    statement = RunningStatement(server, sql)
    kinds: list = []
    batches = []
    while True:
        has_ended = statement.has_ended
        page = statement.next_page(0.05)
        if page is None:
            if has_ended:
                break
            continue
        kinds = kinds or [parse_type(column.type) for column in statement.columns]
        arrays = [to_arrow(values, kind) for values, kind in zip(page, kinds, strict=True)]
        batches.append(pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))]))
    return sum(batch.num_rows for batch in batches)


def by_dbapi(server: TrinoServer, sql: str) -> int:
    from trino.dbapi import connect

    with connect(host=server.host, port=server.port, user="benchmark") as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return len(cursor.fetchall())


def main(n_rows: int) -> None:
    with LocalServer.start("trino") as running:
        server = TrinoServer(running.host, running.port)
        ask(
            server,
            f"CREATE TABLE {TABLE} AS SELECT *, CAST(extendedprice AS decimal(12, 2)) AS price, "
            "CAST(shipdate AS timestamp(6)) AS at, CAST(shipdate AS timestamp(3) with time zone) AS zoned "
            f"FROM tpch.sf1.lineitem LIMIT {n_rows}",
        )
        for words, sql in STATEMENTS.items():
            rates = {}
            for way in (by_dbapi, by_client, by_dbapi, by_client):
                started = time.perf_counter()
                found = way(server, sql)
                rates.setdefault(way.__name__, []).append(found / (time.perf_counter() - started))
            client, dbapi = max(rates["by_client"]), max(rates["by_dbapi"])
            print(f"{words}: client {client:,.0f} rows/s, dbapi {dbapi:,.0f} rows/s, {client / dbapi:.1f} times")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
