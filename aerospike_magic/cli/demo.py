"""`aerospike-magic demo`: the notebook's cells, run one by one in a terminal, over real data in a real server."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from aerospike_magic.errors import AerospikeMagicError

CELLS = (
    "%load_ext aerospike_magic",
    "%aerospike connect {address}",
    "%aerospike tables demo",
    """%%aerosql -o delays
SELECT f.origin, a.name AS airline, count(*) AS flights, round(avg(f.dep_delay), 1) AS delay
FROM demo.flights f JOIN demo.airlines a ON f.carrier = a.carrier
GROUP BY ALL
ORDER BY delay DESC""",
    "delays.head()",
    "airport, minutes = 'JFK', 120",
    """%%aerosql --explain
SELECT carrier, flight, dest, dep_delay
FROM demo.flights
WHERE origin = :airport AND dep_delay > :minutes""",
    """%%aerosql -o late
SELECT carrier, flight, dest, dep_delay
FROM demo.flights
WHERE origin = :airport AND dep_delay > :minutes""",
    "late.head()",
)


def run_demo(address: str | None = None) -> int:
    """Run the demo.

    Args:
        address: HOST:PORT of a server that has the demo data; None starts an embedded one.

    Returns:
        The exit code: 0, or 1 when a cell failed.
    """
    with ExitStack() as stack:
        try:
            address = address or _start_server(stack)
        except AerospikeMagicError as error:
            print(f"aerospike-magic demo: {error}")
            return 1
        shell = _shell()
        for cell in CELLS:
            if not _run(shell, cell.replace("{address}", address)):
                return 1
        shell.run_line_magic("aerospike", "disconnect")
    print(
        "\nNext: `make lab` opens JupyterLab with notebooks/01_quickstart.ipynb, where the progress is a live map;"
        "\n      `aerospike-magic server --demo --port 3000` keeps a server running to connect to."
    )
    return 0


def _start_server(stack: ExitStack) -> str:
    from aerospike_magic.devserver import DevServer

    print("Starting the embedded server and loading 336,776 flights …", flush=True)
    return str(stack.enter_context(DevServer(namespaces=("demo",), demo=True)).address)


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    # The demo leaves nothing behind in the user's IPython history.
    config.HistoryManager.enabled = False
    return InteractiveShell.instance(config=config)


def _run(shell: Any, cell: str) -> bool:
    marks = ["In: ", *["  : "] * cell.count("\n")]
    print("\n" + "\n".join(mark + line for mark, line in zip(marks, cell.split("\n"), strict=True)), flush=True)
    return bool(shell.run_cell(cell, store_history=False).success)
