"""Command lines to frozen commands; no side effects, no third-party imports.

SQL is never split like a shell line: options are read one by one from the left, and what follows the last
one is the statement, untouched. That keeps quotes, `--` comments and positions in it as they were typed.
"""

from __future__ import annotations

import ast
import difflib
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from aerospike_magic.errors import ConfigError

ResultKind = Literal["pandas", "polars", "arrow", "duckdb", "spark"]
EngineName = Literal["local", "spark", "trino", "presto"]
WriteMode = Literal["update", "update_only", "replace", "replace_only", "create_only"]

# Those that completion offers; `--dialect` takes every one that sqlglot knows.
DIALECTS = (
    *("duckdb", "spark", "trino", "presto", "postgres", "mysql", "sqlite", "bigquery", "snowflake", "redshift"),
    *("databricks", "clickhouse", "hive", "oracle", "tsql"),
)

_TOKEN = re.compile(r"\s*((?:[^\s'\"]|'[^']*'|\"[^\"]*\")+)")
# An option of ours behind a statement; SQL has no such end, but for comments and a column called o.
_LATE_OPTION = re.compile(
    r"\s(?:-[ot]\s+\w+|--(?:explain|quiet|write)|--(?:limit|rps|engine|key|mode|dialect)[=\s]\s*\w+|--param[=\s]\s*\w+=[^\s'\"]+)\s*$"
)
_ASSIGNMENT = re.compile(r"\s*([^\W\d]\w*)\s*<<(?!=)\s*")


@dataclass(frozen=True, slots=True)
class QueryCommand:
    """What an `%%aerosql` cell asks for.

    Attributes:
        sql: the statement.
        output: the variable that takes the whole result, or "" to show the first rows.
        kind: the result's type.
        limit: at most so many rows, or None.
        explain: whether to show the plan and run nothing.
        parameters: values given on the line, before those of Python variables.
        quiet: whether to show no progress and no summary.
        records_per_second: the server's throttle; 0 is none.
        engine: which engine runs it; "" for the one that is configured.
        write: whether it may write, which an INSERT needs.
        key: the column that is the key of what is written, or "".
        mode: how an INSERT treats records that exist; "" for the usual.
        dialect: the SQL that the statement is written in, to be translated to the engine's; "" for the engine's own.
    """

    sql: str
    output: str = ""
    kind: ResultKind = "pandas"
    limit: int | None = None
    explain: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    quiet: bool = False
    records_per_second: int = 0
    engine: EngineName | Literal[""] = ""
    write: bool = False
    key: str = ""
    mode: WriteMode | Literal[""] = ""
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class AerospikeCommand:
    """What an `%aerospike` line asks for: a subcommand, its arguments, its options."""

    name: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the key it sets, how its value is read (None for a switch), and what it does."""

    key: str
    read: Callable[[str], Any] | None
    help: str


def _name(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise ValueError("a variable name")
    return text


def _kind(text: str) -> str:
    if text not in get_args(ResultKind):
        raise ValueError("one of " + ", ".join(get_args(ResultKind)))
    return text


def _engine(text: str) -> str:
    if text not in get_args(EngineName):
        raise ValueError("one of " + ", ".join(get_args(EngineName)))
    return text


def _mode(text: str) -> str:
    if text not in get_args(WriteMode):
        raise ValueError("one of " + ", ".join(get_args(WriteMode)))
    return text


def _count(text: str) -> int:
    if not text.replace("_", "").isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("a number of seconds") from None
    if not 0 < value < 1e6:
        raise ValueError("a number of seconds")
    return value


def _auth(text: str) -> str:
    if text not in ("internal", "external", "pki", "none"):
        raise ValueError("one of internal, external, pki, none")
    return text


def _scheme(text: str) -> str:
    if text not in ("http", "https"):
        raise ValueError("http or https")
    return text


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError("name=value")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return name, value


QUERY_OPTIONS: Mapping[str, Option] = {
    "-o": Option("output", _name, "put the whole result into this variable"),
    "-t": Option("kind", _kind, "its type: pandas, polars, arrow, duckdb, spark"),
    "--engine": Option("engine", _engine, "what runs it: local, spark, trino, presto"),
    "--limit": Option("limit", _count, "at most so many rows"),
    "--explain": Option("explain", None, "say how it would run"),
    "--param": Option("parameters", _parameter, "a value for :name"),
    "--quiet": Option("quiet", None, "show no progress"),
    "--rps": Option("records_per_second", _count, "records a second and node, at most"),
    "--write": Option("write", None, "let INSERT INTO write"),
    "--key": Option("key", str, "with --write: the column that is the key"),
    "--mode": Option("mode", _mode, "with --write: update, replace, create_only, …"),
    "--dialect": Option(
        "dialect", str.lower, "translate the statement from this SQL: duckdb, spark, trino, postgres, …"
    ),
}

CONNECT_OPTIONS: Mapping[str, Option] = {
    "--user": Option("user", str, "log in; the password comes from the keyring, the environment or a prompt"),
    "--auth": Option("auth", _auth, "internal, external, pki or none"),
    "--namespace": Option("namespace", str, "the namespace of sets named without one"),
    "--tls": Option("tls", None, "encrypt"),
    "--tls-name": Option("tls_name", str, "the name in the server's certificate"),
    "--tls-cafile": Option("tls_cafile", str, "PEM file of the authorities to trust"),
    "--tls-certfile": Option("tls_certfile", str, "PEM file of the client's certificate"),
    "--tls-keyfile": Option("tls_keyfile", str, "PEM file of the client's key"),
    "--services-alternate": Option("services_alternate", None, "use the nodes' alternate addresses"),
    "--timeout": Option("timeout_s", _seconds, "seconds to wait for an answer"),
}

SCHEMA_OPTIONS: Mapping[str, Option] = {
    "--save": Option("save", str, "write the schema to this TOML file"),
    "--load": Option("load", str, "use the schema in this TOML file from now on"),
}

# A secret is never on the line: the switches say which to look for, in environment and keyring, or to ask for.
TRINO_OPTIONS: Mapping[str, Option] = {
    "--user": Option("user", str, "as whom statements run"),
    "--catalog": Option("catalog", str, "the catalog in which sets are; aerospike if not given"),
    "--schema": Option("schema", str, "the schema of other tables named without one"),
    "--password": Option("password", None, "log in by a password, from the environment, the keyring or a prompt"),
    "--jwt": Option("token", None, "log in by a JSON web token, from the environment, the keyring or a prompt"),
    "--oauth": Option("oauth", None, "log in in the browser"),
    "--http-scheme": Option("scheme", _scheme, "http or https"),
    "--tls-cafile": Option("cafile", str, "PEM file of the authorities to trust"),
    "--tls-certfile": Option("certificate", str, "PEM file of the client's certificate"),
    "--tls-keyfile": Option("key", str, "PEM file of the client's key"),
    "--no-verify": Option("no_verify", None, "trust any certificate"),
}

CATALOG_OPTIONS: Mapping[str, Option] = {
    "--gateway": Option("gateway", str, "HOST:PORT[,HOST:PORT] of the gateway, as the cluster's nodes reach it"),
    "--presto": Option("presto", None, "for Presto"),
    "--tls-cafile": Option("cafile", str, "PEM file, on the nodes, of the authority of the gateway's certificate"),
}

# What each subcommand of `%aerospike` takes besides its argument.
SUBCOMMAND_OPTIONS: Mapping[str, Mapping[str, Option]] = {
    "connect": CONNECT_OPTIONS,
    "schema": SCHEMA_OPTIONS,
    "trino": TRINO_OPTIONS,
    "presto": TRINO_OPTIONS,
    "trino-catalog": CATALOG_OPTIONS,
}

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "connect": (
        "[HOST:PORT|PROFILE]",
        "connect; with nothing, as the environment and the default profile say",
    ),
    "tables": ("[NAMESPACE]", "the sets, their records, size and storage"),
    "schema": ("NAMESPACE.SET", "a set's columns and why they have their types; --save FILE or --load FILE"),
    "indexes": ("[NAMESPACE]", "the secondary indexes"),
    "profiles": ("", "the connections in the profile file"),
    "trino": ("[HOST:PORT|start|stop]", "use a Trino of yours, or one on this machine"),
    "presto": ("[HOST:PORT|start|stop]", "the same with Presto"),
    "trino-catalog": ("", "the catalog file that makes a Trino or Presto of yours read sets"),
    "trace": ("", "what an engine said in full of the last error"),
    "disconnect": ("", "close the connection"),
}


def parse_query(line: str, cell: str | None = None) -> QueryCommand:
    """Read an `%aerosql` line, or an `%%aerosql` cell.

    Args:
        line: what follows the magic's name.
        cell: the cell's body; None for a line magic.

    Raises:
        ConfigError: an unknown option, a value that cannot be read, or no statement.
    """
    options, rest = _read_options(line, QUERY_OPTIONS, "%%aerosql")
    sql = rest if cell is None else f"{rest}\n{cell}" if rest.strip() else cell
    assigned = _ASSIGNMENT.match(sql)
    if assigned:
        if "output" in options:
            raise ConfigError("the result's name is given twice", hint="use -o NAME or NAME << SELECT …")
        options["output"] = _checked(_name, assigned[1], "NAME <<")
        sql = sql[assigned.end() :]
    if not sql.strip():
        raise ConfigError("there is no statement", hint="write SELECT … below the options, or %%aerosql? for help")
    if cell is None and (late := _LATE_OPTION.search(sql)):
        option = late[0].strip()
        raise ConfigError(
            f"{option} comes after the statement", hint=f"options go before it: %aerosql {option} SELECT …"
        )
    return QueryCommand(sql=sql.strip("\n"), **options)


def parse_aerospike(line: str) -> AerospikeCommand:
    """Read an `%aerospike` line.

    Raises:
        ConfigError: an unknown subcommand or option, or arguments that do not fit.
    """
    words, rest = [], line
    while (match := _TOKEN.match(rest)) and not match[1].startswith("-"):
        words.append(_unquoted(match[1]))
        rest = rest[match.end() :]
    name = words[0] if words else "status"
    if words and name not in SUBCOMMANDS:
        raise ConfigError(f"%aerospike has no `{name}`", hint=_near(name, SUBCOMMANDS))
    is_switch = "--password" in SUBCOMMAND_OPTIONS.get(name, {})
    if re.search(r"--password(?!\s*(?:$|\s-))" if is_switch else "--password", rest):
        raise ConfigError("a password is never given on the line", hint="leave it out and you will be asked")
    options, rest = _read_options(rest, SUBCOMMAND_OPTIONS.get(name, {}), f"%aerospike {name}")
    while match := _TOKEN.match(rest):
        words.append(_unquoted(match[1]))
        rest = rest[match.end() :]
    if rest.strip():
        raise ConfigError(f"a quote is not closed: {rest.strip()}")
    if words and words[0] != name:  # a word that stands behind an option
        raise ConfigError(f"%aerospike has no `{words[0]}`", hint=_near(words[0], SUBCOMMANDS))
    takes = SUBCOMMANDS[name][0] if words else ""
    arguments = tuple(words[1:])
    if len(arguments) > (1 if takes else 0):
        raise ConfigError(f"%aerospike {name} takes {takes or 'no argument'}", hint="see %aerospike?")
    if takes and not takes.startswith("[") and not arguments:
        raise ConfigError(f"%aerospike {name} needs {takes}", hint=f"write %aerospike {name} {takes}")
    return AerospikeCommand(name, arguments, options)


def _read_options(line: str, known: Mapping[str, Option], magic: str) -> tuple[dict[str, Any], str]:
    options: dict[str, Any] = {}
    rest = line
    while (match := _TOKEN.match(rest)) and match[1].startswith("-") and match[1] != "--":
        flag, equals, value = match[1].partition("=")
        rest = rest[match.end() :]
        option = known.get(flag)
        if option is None:
            raise ConfigError(f"{magic} has no option {flag}", hint=_near(flag, known))
        if option.read is None:
            if equals:
                raise ConfigError(f"{flag} takes no value")
            options[option.key] = True
            continue
        if not equals:
            match = _TOKEN.match(rest)
            if match is None:
                raise ConfigError(f"{flag} needs a value: {option.help}")
            value, rest = match[1], rest[match.end() :]
        read = _checked(option.read, _unquoted(value), flag)
        if option.key == "parameters":
            options.setdefault("parameters", {})[read[0]] = read[1]
        else:
            options[option.key] = read
    return options, rest.lstrip()


def _checked(read: Callable[[str], Any], text: str, flag: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError(f"{flag} needs {error}, not `{text}`") from None


def _unquoted(token: str) -> str:
    if len(token) >= 2 and token[0] == token[-1] and token[0] in "'\"":
        return token[1:-1]
    return token


def _near(word: str, known: Mapping[str, Any]) -> str:
    # The dashes are in every option and say nothing about how alike two are.
    bare = {each.lstrip("-"): each for each in known}
    near = difflib.get_close_matches(word.lstrip("-"), list(bare), 1, 0.7)
    if near:
        return f"did you mean {bare[near[0]]}?"
    return f"it takes {', '.join(known)}" if known else "it takes none"


def engine_names() -> tuple[EngineName, ...]:
    """Return the names that `--engine` takes."""
    return cast("tuple[EngineName, ...]", get_args(EngineName))


def result_kinds() -> tuple[ResultKind, ...]:
    """Return the names that `-t` takes."""
    return cast("tuple[ResultKind, ...]", get_args(ResultKind))
