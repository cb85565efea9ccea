"""Command lines: options from the left, the statement untouched."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aerospike_magic.errors import ConfigError
from aerospike_magic.magic.command import QueryCommand, parse_aerospike, parse_query

OPTIONS = "it takes -o, -t, --engine, --limit, --explain, --param, --quiet, --rps, --write, --key, --mode, --dialect"
BEFORE = "options go before it: %aerosql "


def test_a_cell_with_every_option() -> None:
    line = "-o df -t arrow --limit 10 --param n=5 --param name=JFK --param x='[1, 2]' --quiet --rps 1_000"
    assert parse_query(line, "SELECT 1\n") == QueryCommand(
        sql="SELECT 1",
        output="df",
        kind="arrow",
        limit=10,
        parameters={"n": 5, "name": "JFK", "x": "[1, 2]"},
        quiet=True,
        records_per_second=1000,
    )


def test_a_quoted_parameter_may_have_blanks() -> None:
    assert parse_query('--param "x=[1, 2]" SELECT :x').parameters == {"x": [1, 2]}


@pytest.mark.parametrize(
    ("line", "cell"),
    [("df << SELECT 1", None), ("", "df << SELECT 1"), ("df <<", "SELECT 1"), ("", "\n  df<<SELECT 1")],
)
def test_an_assignment_names_the_output(line: str, cell: str | None) -> None:
    command = parse_query(line, cell)
    assert (command.output, command.sql.strip()) == ("df", "SELECT 1")


def test_a_shift_inside_the_statement_is_no_assignment() -> None:
    assert parse_query("", "SELECT a << 2 FROM t").output == ""


def test_a_comment_first_is_part_of_the_statement() -> None:
    assert parse_query("-- all of it\n", "SELECT 1").sql == "-- all of it\n\nSELECT 1"
    assert parse_query("--limit=3 SELECT -1").sql == "SELECT -1"


@given(st.text(max_size=80))
def test_the_statement_arrives_as_it_was_typed(text: str) -> None:
    sql = "SELECT " + text
    assert parse_query("-o x", sql).sql == sql.strip("\n")


@given(st.text(max_size=80))
@example("--")
def test_any_line_gives_a_command_or_an_error_of_ours(line: str) -> None:
    for parse in (parse_query, parse_aerospike):
        try:
            parse(line)
        except ConfigError as error:
            assert error.message


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("--limt 3 SELECT 1", "%%aerosql has no option --limt", "did you mean --limit?"),
        ("--bogus SELECT 1", "%%aerosql has no option --bogus", OPTIONS),
        ("--expalin SELECT 1", "%%aerosql has no option --expalin", "did you mean --explain?"),
        ("SELECT a FROM t -o df", "-o df comes after the statement", BEFORE + "-o df SELECT …"),
        ("SELECT a FROM t --limit 3", "--limit 3 comes after the statement", BEFORE + "--limit 3 SELECT …"),
        ("SELECT a FROM t --explain ", "--explain comes after the statement", BEFORE + "--explain SELECT …"),
        ("--limit x SELECT 1", "--limit needs a whole number, not `x`", ""),
        ("-t excel SELECT 1", "-t needs one of pandas, polars, arrow, duckdb, spark, not `excel`", ""),
        ("-o class SELECT 1", "-o needs a variable name, not `class`", ""),
        ("--quiet=1 SELECT 1", "--quiet takes no value", ""),
        ("--limit", "--limit needs a value: at most so many rows", ""),
        ("-o a b << SELECT 1", "the result's name is given twice", "use -o NAME or NAME << SELECT …"),
        ("  ", "there is no statement", "write SELECT … below the options, or %%aerosql? for help"),
    ],
)
def test_a_wrong_line_is_told_in_one_line(line: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_query(line)
    assert (raised.value.message, raised.value.hint) == (message, hint)


def test_connect_takes_options_before_and_after_the_address() -> None:
    command = parse_aerospike("connect 10.0.0.1:3000,10.0.0.2 --user me --tls --timeout 2.5")
    assert command.arguments == ("10.0.0.1:3000,10.0.0.2",)
    assert command.options == {"user": "me", "tls": True, "timeout_s": 2.5}
    assert parse_aerospike("connect --user me prod").arguments == ("prod",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("conect x", "%aerospike has no `conect`"),
        ("schema", "%aerospike schema needs NAMESPACE.SET"),
        ("tables a b", "%aerospike tables takes [NAMESPACE]"),
        ("disconnect now", "%aerospike disconnect takes no argument"),
        ("connect h --password secret", "a password is never given on the line"),
    ],
)
def test_a_wrong_subcommand_is_told(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_aerospike(line)
    assert raised.value.message == message
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("sql", ["SELECT a -o FROM t", "SELECT ' -o x'", "SELECT 1 -- explain", "SELECT 5-o"])
def test_what_only_looks_like_a_late_option_is_sql(sql: str) -> None:
    assert parse_query(sql).sql == sql


def test_a_schema_can_be_saved_and_loaded() -> None:
    assert parse_aerospike("schema demo.flights --save a.toml").options == {"save": "a.toml"}
    assert parse_aerospike("schema --load 'my file.toml' demo.flights") == parse_aerospike(
        "schema demo.flights --load='my file.toml'"
    )
    with pytest.raises(ConfigError, match="has no option --save"):
        parse_aerospike("tables --save x")
