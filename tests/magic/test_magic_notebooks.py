"""Notebooks, executed by nbclient as a CI does: what they save, and where they stop."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
QUICKSTART = NOTEBOOKS / "01_quickstart.ipynb"
SPARK = NOTEBOOKS / "02_spark.ipynb"
TRINO = NOTEBOOKS / "03_trino.ipynb"


def execute(book: Any, folder: Path, timeout: int = 120) -> Any:
    NotebookClient(
        book, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return book


def notebook_of(*cells: str) -> Any:
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return book


def shown(cell: Any, kind: str = "text/plain") -> str:
    return "\n".join(output.data.get(kind, "") for output in cell.outputs if "data" in output)


@pytest.mark.notebook
def test_the_quickstart_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AEROSPIKE_HOST", raising=False)
    book = execute(nbformat.read(QUICKSTART, as_version=4), tmp_path)
    text = "\n".join(shown(cell) for cell in book.cells if cell.cell_type == "code")
    assert "demo.flights" in text
    assert "336,776 scanned" in text
    assert "origin = 'JFK' AND dep_delay > 60 pushed" in text


def test_the_quickstart_is_kept_without_outputs() -> None:
    book = nbformat.read(QUICKSTART, as_version=4)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in book.cells if cell.cell_type == "code")


def words(book: Any) -> str:
    """All that the cells of a notebook show, as text."""
    texts = [
        output.get("text", "") + output.get("data", {}).get("text/plain", "") + "\n".join(output.get("traceback", []))
        for cell in book.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    return squashed(re.sub("\x1b\\[[0-9;]*m", "", "\n".join(texts)))


def squashed(text: str) -> str:
    """Text with one space for any: lines are broken where the terminal ends."""
    return " ".join(text.split())


SHOWN_BY_SPARK = (
    "336,776 scanned → 111,279 returned · origin = 'JFK' AND carrier IS NOT NULL pushed",
    "delays: 10 rows × 3 columns, pandas",
    "pushed to the server: origin IN ('JFK', 'LGA') AND month = 2 AND starts_with(carrier, 'U')",
    "late: a Spark DataFrame of 8 columns, which runs when it is used",
    "|   LGA|1273|122.4|",
    "{'count': 10}    10 tasks, 336,776 rows",
    "{'factor': 6}    64 tasks, 336,776 rows",
    "3 scanned → 3 returned · key look-up",
    "General Edward Lawrence Logan Intl     19      1",
    "100 rows written to test.lab_late",
    "ORD        1480   124.5    740",
    "105 records at first",
    "1 record has changed",
    "HNL          -1   4983",
    "there is no column dep_dely in demo.flights",
)

SHOWN_BY_TRINO = (
    "336,776 scanned → 8,401 returned",
    "origin = 'JFK' AND dep_delay > 60 pushed",
    "late: 10 rows × 3 columns, pandas",
    "pushed to the server: carrier >= 'U' AND carrier < 'V' AND dep_delay > 60 AND origin = 'JFK'",
    "west    LAX       16174",
    "UA         58665",
    "105 rows written to test.delays_by_dest",
    "CAE         116  41.7641509434",
    "trino.thrift.client.addresses=gateway.example:9779",
)


@pytest.mark.notebook
@pytest.mark.timeout(900)
def test_the_spark_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java 17 or newer, and there is none")
    monkeypatch.delenv("AEROSPIKE_HOST", raising=False)
    found = words(execute(nbformat.read(SPARK, as_version=4), tmp_path, timeout=300))
    for line in SHOWN_BY_SPARK:
        assert squashed(line) in found


@pytest.mark.parametrize(
    ("path", "shown_lines", "error_names"),
    [(SPARK, SHOWN_BY_SPARK, ["UnknownNameError"]), (TRINO, SHOWN_BY_TRINO, [])],
    ids=["spark", "trino"],
)
def test_a_notebook_is_kept_with_its_outputs_and_no_path_of_anyones_machine(
    path: Path, shown_lines: tuple[str, ...], error_names: list[str]
) -> None:
    book = nbformat.read(path, as_version=4)
    kept = words(book)
    for line in shown_lines:
        assert squashed(line) in kept
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w./<])/(home|root|work|tmp|usr|opt|Users|private|var)/", text)
    assert "widget-view" not in text
    errors = [
        output.ename for cell in book.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]
    assert errors == error_names


@pytest.mark.notebook
def test_a_saved_notebook_keeps_the_line_without_any_widget(server: Any, tmp_path: Path) -> None:
    book = execute(
        notebook_of(
            f"%load_ext aerospike_magic\n%aerospike connect {server.address}",
            # Throttled, so that the widget is shown before the query ends.
            "%%aerosql -o df --rps 40000\nSELECT flight FROM demo.flights WHERE origin = 'JFK'",
        ),
        tmp_path,
    )
    outputs = book.cells[1].outputs
    assert [output.output_type for output in outputs] == ["display_data"]
    assert "336,776 scanned → 111,279 returned · origin = 'JFK' pushed" in outputs[0].data["text/plain"]
    assert 'role="status"' in outputs[0].data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in outputs[0].data


@pytest.mark.notebook
def test_run_all_stops_at_an_error_and_saves_its_short_form(server: Any, tmp_path: Path) -> None:
    book = notebook_of(
        f"%load_ext aerospike_magic\n%aerospike connect {server.address}",
        "%%aerosql\nSELECT dep_dely FROM demo.flights",
        "print('not reached')",
    )
    with pytest.raises(CellExecutionError):
        execute(book, tmp_path)
    # The progress of a query that failed while it was planned is taken away again.
    *progress, error = book.cells[1].outputs
    assert all(output.data["text/plain"] == "" for output in progress)
    assert error.ename == "UnknownNameError"
    assert "magics.py" not in "\n".join(error.traceback)
    assert "did you mean dep_delay" in "\n".join(error.traceback)
    assert book.cells[2].outputs == []


@pytest.mark.notebook
@pytest.mark.trino("trino")
@pytest.mark.timeout(600)
def test_the_trino_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AEROSPIKE_HOST", raising=False)
    found = words(execute(nbformat.read(TRINO, as_version=4), tmp_path, timeout=300))
    for line in SHOWN_BY_TRINO:
        assert squashed(line) in found
