"""(l) Trino, two cores: a set through the gateway, against the same rows in Trino's memory connector and the raw scan.

Trino, the gateway and the client that asks run on one machine. Two limits stand beside the figures: the scan alone,
of the same columns (`scan`), and the gateway alone, whose pages a client in another process drops (`gateway`). Where a
result is fetched, it is fetched by the cell's engine and by the `trino` package's DB-API, in turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.child import call
from benchmarks.data import NAMESPACE, Target
from benchmarks.report import Figure, Measurement
from benchmarks.timing import take_turns

KEPT = 7
"""`qty` is one of 100 numbers, all alike: 1 % of the records have this one."""
JOINED = 1_000
ADDED_AT_MOST = 1.25
FETCH_AT_LEAST = 2.0
_FETCHED = 200_000
_READERS = 4
_PAGE_BYTES = 16 << 20


@dataclass(frozen=True)
class Query:
    """What is asked.

    Attributes:
        title: for people.
        sql: of a table.
        columns: what it reads.
        filtered: whether only records with `qty` = KEPT.
    """

    title: str
    sql: str
    columns: tuple[str, ...]
    filtered: bool = False


ALL = ("id", "name", "price", "qty", "cat", "ts", "flag")
QUERIES = {
    "full": Query(
        "full scan, all columns",
        "SELECT count(id), count(name), count(price), count(qty), count(cat), count(ts), count(flag) FROM {table}",
        ALL,
    ),
    "filtered": Query(
        "aggregate of 1 %",
        f"SELECT count(*), sum(id), avg(price) FROM {{table}} WHERE qty = {KEPT}",
        ("id", "price"),
        filtered=True,
    ),
    "count": Query("count(*)", "SELECT count(*) FROM {table}", ()),
}
JOIN = f"SELECT count(*), sum(t.qty) FROM memory.default.keys k JOIN {{table}} t ON t.{{key}} = k.id -- {JOINED:,} keys"


def measure(target: Target, repeat: int) -> Measurement:
    title = f"Trino on this machine: {target.records:,} records"
    if reason := missing():
        return Measurement("l", title, (), f"skipped: {reason}")
    runs = call(compare, target.address, target.set_name, target.records, repeat)
    samples: Mapping[str, list[float]] = runs["samples"]
    best = {name: min(seconds) for name, seconds in samples.items()}
    figures = [figure for key, query in QUERIES.items() for figure in _figures(key, query, best)]
    figures += [
        Figure(f"join with {JOINED:,} keys: through the gateway, by look-ups", best["join ours"]),
        Figure("  … Trino's memory connector", best["join memory"]),
        Figure("full scan: CPU seconds of Trino", runs["trino_cpu_s"]),
        Figure("  … of the gateway, and the scan in it", runs["gateway_cpu_s"]),
        Figure("  … Trino / gateway: above 1, Trino saturates first", runs["trino_cpu_s"] / runs["gateway_cpu_s"], "×"),
        Figure(f"{runs['fetched']:,} rows of all columns fetched by the cell's engine", best["fetch ours"]),
        Figure("  … by the DB-API of the trino package", best["fetch dbapi"]),
        Figure("  … faster than that", best["fetch dbapi"] / best["fetch ours"], "×", at_least=FETCH_AT_LEAST),
    ]
    return Measurement(
        "l",
        title,
        tuple(figures),
        f"best of {len(samples['full ours'])} in turn, warm, planning counted; server, gateway and Trino share the "
        "machine's cores; the gateway alone is read by one more process",
        dict(samples),
    )


def missing() -> str:
    """What is not there of what is needed, in words; "" where all is."""
    import importlib.util

    if importlib.util.find_spec("trino") is None:
        return "the trino package is not installed: pip install 'aerospike-magic[trino]'"
    from aerospike_magic.engines.trino.server import find_server

    return "" if find_server() is not None else "Trino is not on this machine: aerospike-magic trino start fetches it"


def _figures(key: str, query: Query, best: Mapping[str, float]) -> list[Figure]:
    ours, scan, gateway = best[f"{key} ours"], best[f"{key} scan"], best[f"{key} gateway"]
    is_full = key == "full"
    return [
        Figure(f"{query.title}: through the gateway", ours),
        Figure("  … Trino's memory connector", best[f"{key} memory"]),
        Figure("  … the scan alone, same columns", scan),
        Figure("  … the gateway alone", gateway),
        Figure("  … the gateway alone / the scan", gateway / scan, "×", at_most=ADDED_AT_MOST if is_full else None),
    ]


# -- in a process of its own --


def compare(address: str, set_name: str, records: int, repeat: int) -> dict[str, Any]:
    """Run all contenders; returns the seconds of every run, and what else was measured."""
    from aerospike_magic.connection import connect
    from aerospike_magic.dataset import AerospikeDataset
    from aerospike_magic.engines.trino.engine import TrinoEngine
    from aerospike_magic.engines.trino.local import LocalTrino
    from aerospike_magic.filters.predicate import Compare

    name = f"{NAMESPACE}.{set_name}"
    tables = {"ours": f"aerospike.{NAMESPACE}.{set_name}", "memory": "memory.default.bench"}
    with connect(address) as connection:
        trino = LocalTrino.start(connection)
        try:
            engine = TrinoEngine(connection, trino.server, trino.service)
            engine.ask(f"CREATE TABLE memory.default.bench AS SELECT * FROM {tables['ours']}")
            step = max(records // JOINED, 1)
            engine.ask(f"CREATE TABLE memory.default.keys AS SELECT id FROM {tables['ours']} WHERE id % {step} = 0")
            dataset = AerospikeDataset(connection, name)
            schema = dataset.schema

            def by_trino(place: str, query: Query) -> None:
                (row,) = engine.ask(query.sql.format(table=tables[place]))
                if not query.filtered and row[0] != records:
                    raise AssertionError(f"{place}: {query.sql} gave {row}")

            def by_scan(query: Query) -> None:
                if not query.columns:
                    dataset.count_rows()
                    return
                kept = Compare("=", "qty", KEPT) if query.filtered else None
                for _ in dataset.to_batches(columns=list(query.columns), filter=kept):
                    pass

            samples: dict[str, list[float]] = {}

            def take(key: str, contenders: Mapping[str, Callable[[], object]], times: int) -> None:
                for contender, turns in take_turns(contenders, times).items():
                    samples[f"{key} {contender}"] = turns.seconds

            assert schema is not None
            gateway = trino.gateway.address
            for key, query in QUERIES.items():
                contenders = {place: partial(by_trino, place, query) for place in tables}
                take(key, {**contenders, "scan": partial(by_scan, query)}, repeat)
                samples[f"{key} gateway"] = call(drain, gateway, set_name, query.columns, query.filtered, repeat)
            keys = {"ours": "key__", "memory": "id"}
            take("join", {p: partial(engine.ask, JOIN.format(table=tables[p], key=keys[p])) for p in tables}, repeat)
            used = _cpu_seconds(trino, partial(by_trino, "ours", QUERIES["full"]))
            fetched = min(records, _FETCHED)
            text = f"SELECT * FROM memory.default.bench LIMIT {fetched}"
            fetchers = {"ours": lambda: engine.query(text).to_arrow(), "dbapi": partial(_by_dbapi, trino.server, text)}
            take("fetch", fetchers, min(repeat, 3))
        finally:
            trino.close()
    return {"samples": samples, "trino_cpu_s": used[0], "gateway_cpu_s": used[1], "fetched": fetched}


def drain(address: str, set_name: str, columns: list[str], filtered: bool, repeat: int) -> list[float]:
    """Read all pages of a set from a gateway, and drop them; returns the seconds of each turn after a first one."""
    from aerospike_magic.gateway.client import GatewayClient
    from aerospike_magic.gateway.messages import Domain, Range, Ranges, TableName, TupleDomain

    host, _, port = address.rpartition(":")
    table = TableName(NAMESPACE, set_name)
    kept = Domain(Ranges((Range(KEPT, True, KEPT, True),)), null_allowed=False)
    constraint = TupleDomain({"qty": kept} if filtered else {})
    seconds = []
    clients = [GatewayClient(host, int(port)) for _ in range(_READERS)]
    try:
        for client in clients:
            client.table_metadata(table)
        for _ in range(repeat + 1):
            started = time.perf_counter()
            splits = [s.id for s in clients[0].splits(table, frozenset(columns), constraint).splits]
            threads = [threading.Thread(target=_drain, args=(client, splits, columns)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds.append(time.perf_counter() - started)
    finally:
        for client in clients:
            client.close()
    return seconds[1:]


def _drain(client: Any, splits: list[bytes], columns: list[str]) -> None:
    while splits:
        try:
            split = splits.pop()
        except IndexError:
            return
        token = None
        while True:
            token = _next_token(client, split, columns, token)
            if token is None:
                break


def _next_token(client: Any, split: bytes, columns: list[str], token: bytes | None) -> bytes | None:
    """Read a page, and of it only where the next one is: what its columns hold is not decoded."""
    from aerospike_magic.gateway import structures, thrift
    from aerospike_magic.gateway.calls import write_arguments
    from aerospike_magic.gateway.thrift import Type

    asked = write_arguments(
        (Type.STRUCT, structures.write_id(split)),
        (Type.LIST, structures.write_texts(columns)),
        (Type.I64, thrift.i64(_PAGE_BYTES)),
        (Type.STRUCT, structures.write_token(token)),
    )
    reply = client.send("trinoGetRows", asked)
    client.take()

    def page(reader: Any) -> dict[int, Any]:
        found: dict[int, Any] = reader.struct({3: (Type.STRUCT, structures.read_id)})
        return found

    found = reply.result().body.struct({0: (Type.STRUCT, page)})
    if 0 not in found:
        raise AssertionError("the gateway answered with an error instead of a page")
    token_read: bytes | None = found[0].get(3)
    return token_read


def _by_dbapi(server: Any, text: str) -> None:
    from trino.dbapi import connect

    with connect(host=server.host, port=server.port, user="benchmark") as connection:
        cursor = connection.cursor()
        cursor.execute(text)
        cursor.fetchall()


def _cpu_seconds(trino: Any, work: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU seconds that Trino and this process, with the gateway in it, take for some work."""
    import psutil

    (java,) = psutil.Process(trino.process.pid).children()
    here = psutil.Process()

    def used(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    before = used(java), used(here)
    work()
    return used(java) - before[0], max(used(here) - before[1], 0.01)
