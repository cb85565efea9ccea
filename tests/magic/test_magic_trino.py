"""Cells that Trino or Presto runs, on real servers."""

from __future__ import annotations

from typing import Any

import pytest

from aerospike_magic.errors import ConfigError
from aerospike_magic.magic.command import parse_aerospike, parse_query


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.trino(kind)) for kind in ("trino", "presto")])
def with_server(request: Any, notebook: Any) -> Any:
    """A connected notebook that knows a server by name, and that server."""
    running = request.getfixturevalue(f"{request.param}_server")
    cell = notebook.run(f"%aerospike {request.param} 127.0.0.1:{running.server.port}")
    assert cell.error is None, cell.text
    assert f":{running.server.port}" in cell.text and "catalog aerospike" in cell.text
    return notebook, request.param, running


def test_a_cell(with_server: Any) -> None:
    notebook, kind, _ = with_server
    cell = notebook.run(
        f"%%aerosql --engine {kind}\n"
        "SELECT origin, count(*) AS n FROM demo.flights WHERE dep_delay > 60 GROUP BY origin ORDER BY origin"
    )
    assert cell.error is None, cell.text
    assert "EWR" in cell.plain and "LGA" in cell.plain
    assert "dep_delay > 60 pushed" in cell.text + cell.plain


def test_a_result_in_a_variable_joined_with_another_catalog(with_server: Any) -> None:
    notebook, kind, _ = with_server
    notebook.run("month = 2")
    cell = notebook.run(
        f"%%aerosql --engine {kind} -t polars\n"
        "found << SELECT n.name, count(*) AS n FROM demo.flights f JOIN tpch.tiny.nation n ON n.nationkey = f.month "
        "WHERE f.month = :month GROUP BY n.name"
    )
    assert cell.error is None, cell.text
    assert notebook["found"].rows() == [("BRAZIL", 24_951)]


def test_the_caret_is_in_the_statement_as_written(with_server: Any) -> None:
    notebook, kind, _ = with_server
    cell = notebook.run(f"%%aerosql --engine {kind}\nSELECT nam FROM demo.airports")
    assert "there is no column nam" in cell.text
    assert "\n" + " " * 9 + "^\n" in cell.text
    for word in ("Traceback", "io.trino", "com.facebook"):
        assert word not in cell.text
    assert "Exception" in notebook.run("%aerospike trace").text


def test_explain(with_server: Any) -> None:
    notebook, kind, _ = with_server
    cell = notebook.run(f"%%aerosql --engine {kind} --explain\nSELECT dest FROM demo.flights WHERE distance > 2000")
    assert cell.error is None, cell.text
    assert "distance > 2000" in cell.plain


def test_an_insert_is_written_by_our_writer(with_server: Any, client: Any) -> None:
    notebook, kind, _ = with_server
    cell = notebook.run(
        f"%%aerosql --engine {kind} --write --key nationkey\n"
        "INSERT INTO test.nations SELECT nationkey, name FROM tpch.tiny.nation WHERE regionkey = :region",
    )
    assert "region has no value" in cell.text
    notebook.run("region = 3")
    cell = notebook.run(
        f"%%aerosql --engine {kind} --write --key nationkey\n"
        "INSERT INTO test.nations SELECT nationkey, name FROM tpch.tiny.nation WHERE regionkey = :region",
    )
    assert cell.error is None, cell.text
    assert "5 rows written to test.nations" in cell.text + cell.plain
    assert client.get(("test", "nations", 7))[2]["name"] == "GERMANY"
    client.truncate("test", "nations", 0)


def test_a_statement_in_another_dialect(with_server: Any) -> None:
    notebook, kind, _ = with_server
    sql = "SELECT faa::varchar AS faa FROM demo.airports WHERE faa = 'JFK'"
    cell = notebook.run(f"%%aerosql --engine {kind} --dialect postgres -o found -t arrow\n{sql}")
    assert cell.error is None, cell.text
    assert notebook["found"].to_pylist() == [{"faa": "JFK"}]


def test_which_server_and_none(with_server: Any) -> None:
    notebook, kind, running = with_server
    assert str(running.server.port) in notebook.run(f"%aerospike {kind}").text
    assert "stopped" in notebook.run(f"%aerospike {kind} stop").text
    assert f"%aerospike {kind} start" in notebook.run(f"%aerospike {kind}").text


def test_the_environment_names_a_server(notebook: Any, trino_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRINO_HOST", f"127.0.0.1:{trino_server.server.port}")
    cell = notebook.run("%aerosql --engine trino -o found -t arrow SELECT count(*) AS n FROM demo.airports")
    assert cell.error is None, cell.text
    assert notebook["found"].to_pylist() == [{"n": 1_458}]


def test_one_beside_the_notebook(notebook: Any, trino_server: Any) -> None:
    cell = notebook.run("%aerospike trino start")
    assert cell.error is None, cell.text
    assert "starting Trino" in cell.text and "on this machine at 127.0.0.1" in cell.text
    notebook.run("import pandas as pd\nwanted = pd.DataFrame({'faa': ['JFK', 'LGA']})")
    cell = notebook.run(
        "%aerosql --engine trino -o found -t arrow SELECT name FROM wanted JOIN demo.airports USING (faa)"
    )
    assert cell.error is None, cell.text
    assert sorted(notebook["found"]["name"].to_pylist()) == ["John F Kennedy Intl", "La Guardia"]
    assert "stopped" in notebook.run("%aerospike trino stop").text


def test_without_any_server(notebook: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("AEROSPIKE_MAGIC_CACHE", str(tmp_path))
    cell = notebook.run("%aerosql --engine trino SELECT 1")
    assert "there is no Trino to run this" in cell.text
    assert "%aerospike trino start downloads one (821 MB" in cell.text
    assert "nothing answers" in notebook.run("%aerospike trino 127.0.0.1:1").text


def test_the_catalog_file(bare_notebook: Any) -> None:
    text = bare_notebook.run("%aerospike trino-catalog --gateway 10.0.0.5:3030,10.0.0.6:3030").text
    assert "connector.name=trino_thrift" in text
    assert "trino.thrift.client.addresses=10.0.0.5:3030,10.0.0.6:3030" in text
    assert "connector.name=presto-thrift" in bare_notebook.run("%aerospike trino-catalog --presto").text


def test_completion(notebook: Any) -> None:
    assert {"trino", "presto"} <= set(notebook.complete("%%aerosql --engine ‸"))
    assert {"trino", "trino-catalog"} <= set(notebook.complete("%aerospike tri‸"))
    assert {"start", "stop"} <= set(notebook.complete("%aerospike trino ‸"))
    assert "--http-scheme" in notebook.complete("%aerospike trino host --h‸")
    assert "postgres" in notebook.complete("%%aerosql --dialect post‸")


def test_lines() -> None:
    found = parse_aerospike("trino t:443 --user ada --password --http-scheme https")
    assert found.arguments == ("t:443",)
    assert found.options == {"user": "ada", "password": True, "scheme": "https"}
    assert parse_query("--engine presto --dialect DuckDB", "SELECT 1").dialect == "duckdb"
    for line in ("trino t:443 --password hunter2", "trino t:443 --password=hunter2", "trino --jwt abc t:1 x"):
        with pytest.raises(ConfigError) as raised:
            parse_aerospike(line)
        assert "hunter2" not in str(raised.value)


def test_secrets_come_from_environment_keyring_or_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    from aerospike_magic.magic.trino import named_server

    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return "typed"

    import keyring
    from keyring.backends.null import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    try:
        found = named_server("trino", "t", {"user": "ada", "password": True}, ask)
        assert (found.password, found.url, asked) == ("typed", "https://t:443", ["Password of ada at t:443: "])
        monkeypatch.setenv("TRINO_JWT", "from.environment")
        assert named_server("trino", "t", {"token": True}, ask).token == "from.environment"
        assert len(asked) == 1
        with pytest.raises(ConfigError, match="one way"):
            named_server("trino", "t", {"token": True, "password": True}, ask)
    finally:
        keyring.set_keyring(before)
