"""(b) A set to a DataFrame: this project, the official client, `aerospike-py`; time, and memory above the start."""

from __future__ import annotations

from typing import Any

from benchmarks.child import call, measured
from benchmarks.data import NAMESPACE, Target
from benchmarks.report import Figure, Measurement

_WARM_RECORDS = 1_000


def measure(target: Target, repeat: int) -> Measurement:
    # The slow ones are repeated less: their spread is small beside their distance.
    contenders = {
        "ours": (by_scan, repeat),
        "SELECT *": (by_engine, min(repeat, 2)),
        "official": (by_official_client, min(repeat, 3)),
        "aerospike-py": (by_aerospike_py, min(repeat, 2)),
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for turn in range(repeat):
        for name, (function, times) in contenders.items():
            if turn < times:
                runs[name].append(call(function, target.address, target.set_name))
                if runs[name][-1]["rows"] != target.records:
                    raise AssertionError(f"{name} gave {runs[name][-1]['rows']:,} rows of {target.records:,}")
    seconds = {name: min(run["seconds"] for run in taken) for name, taken in runs.items()}
    memory = {name: min(run["peak_mb"] - run["before_mb"] for run in taken) for name, taken in runs.items()}
    return Measurement(
        "b",
        "scan to pandas, against other clients' query().results() and DataFrame",
        (
            Figure("this project", seconds["ours"]),
            Figure("this project, SELECT * by the embedded engine", seconds["SELECT *"]),
            Figure("official client", seconds["official"]),
            Figure("aerospike-py", seconds["aerospike-py"]),
            Figure("faster than the official client", seconds["official"] / seconds["ours"], "×", at_least=7),
            Figure("faster than aerospike-py", seconds["aerospike-py"] / seconds["ours"], "×", at_least=20),
            Figure("memory, this project", memory["ours"], "MB"),
            Figure("memory, SELECT * by the embedded engine", memory["SELECT *"], "MB"),
            Figure("memory, official client", memory["official"], "MB"),
            Figure("memory, aerospike-py", memory["aerospike-py"], "MB"),
            Figure("memory / official client's", memory["ours"] / memory["official"], "×", at_most=0.25),
        ),
        "fresh process each, in turn; connected and warm before the clock starts; best of "
        + ", ".join(f"{len(taken)} {name}" for name, taken in runs.items())
        + "; memory is the peak above the start",
        {
            f"{name} {what}": [run[what] for run in taken]
            for name, taken in runs.items()
            for what in ("seconds", "before_mb", "peak_mb")
        },
    )


def by_scan(address: str, set_name: str) -> dict[str, Any]:
    from aerospike_magic.connection import connect
    from aerospike_magic.dataset import AerospikeDataset

    with connect(address) as connection:
        dataset = AerospikeDataset(connection, f"{NAMESPACE}.{set_name}")
        dataset.head(_WARM_RECORDS).to_pandas()
        frames: list[Any] = []
        figures = measured(lambda: frames.append(dataset.to_table().to_pandas()))
        return {**figures, "rows": len(frames[0])}


def by_engine(address: str, set_name: str) -> dict[str, Any]:
    from aerospike_magic.connection import connect
    from aerospike_magic.engines.local.engine import LocalEngine

    with connect(address) as connection:
        engine = LocalEngine(connection)
        frames: list[Any] = []

        def select(limit: str) -> None:
            with engine.query(f"SELECT * FROM {NAMESPACE}.{set_name} {limit}") as result:
                frames.append(result.to_pandas())

        select(f"LIMIT {_WARM_RECORDS}")
        figures = measured(lambda: select(""))
        engine.close()
        return {**figures, "rows": len(frames[-1])}


def by_official_client(address: str, set_name: str) -> dict[str, Any]:
    import aerospike
    import pandas as pd

    host, _, port = address.rpartition(":")
    client = aerospike.client({"hosts": [(host, int(port))]}).connect()
    frames: list[Any] = []

    def read(max_records: int) -> None:
        query = client.query(NAMESPACE, set_name)
        query.max_records = max_records
        frames.append(pd.DataFrame([bins for _, _, bins in query.results()]))

    read(_WARM_RECORDS)
    figures = measured(lambda: read(0))
    client.close()
    return {**figures, "rows": len(frames[-1])}


def by_aerospike_py(address: str, set_name: str) -> dict[str, Any]:
    import aerospike_py
    import pandas as pd

    host, _, port = address.rpartition(":")
    client = aerospike_py.client({"hosts": [(host, int(port))]}).connect()
    frames: list[Any] = []

    def read(policy: dict[str, Any] | None) -> None:
        records = client.query(NAMESPACE, set_name).results(policy)
        frames.append(pd.DataFrame([record.bins for record in records]))

    read({"max_records": _WARM_RECORDS})
    figures = measured(lambda: read(None))
    client.close()
    return {**figures, "rows": len(frames[-1])}
