"""A statement in one engine's SQL as the same in another's, on request only: by sqlglot, which knows many, not all.

Parameters are kept: each stands as a placeholder, or as a quoted name, while the statement is translated.
"""

from __future__ import annotations

import difflib
import re

from aerospike_magic.engines.lexer import DUCKDB, PRESTO, SPARK, TRINO, Dialect
from aerospike_magic.engines.parameters import written_parameters
from aerospike_magic.errors import ConfigError, QueryError

_TARGETS = {"local": "duckdb", "spark": "spark", "trino": "trino", "presto": "presto"}
_BACKTICKS = frozenset(
    {"spark", "spark2", "hive", "databricks", "bigquery", "mysql", "doris", "starrocks", "clickhouse"}
)
_MARK = "aerosql_parameter_"
_PLACE = re.compile(rf"""[:$@]{_MARK}(\d+)\b|["`\[]{_MARK}(\d+)["`\]]|\b{_MARK}(\d+)\b""", re.IGNORECASE)
_LEXERS = {dialect.name: dialect for dialect in (DUCKDB, SPARK, TRINO, PRESTO)}


def translate(sql: str, source: str, engine: str) -> str:
    """Return a statement in the SQL of an engine.

    Args:
        sql: as written, with ``:name`` and ``{{name}}``.
        source: sqlglot's name of the dialect that it is written in.
        engine: "local", "spark", "trino" or "presto".

    Raises:
        ConfigError: sqlglot does not know the dialect.
        QueryError: it cannot read the statement.

    >>> translate("SELECT list_filter(x, e -> e > :n) FROM test.t", "duckdb", "trino")
    'SELECT FILTER(x, e -> e > :n) FROM test.t'
    """
    import sqlglot
    from sqlglot.errors import ParseError, SqlglotError

    _check(source)
    colon = "$" if source == "duckdb" else ":"  # SELECT :x is an alias in DuckDB
    written: list[str] = []
    out: list[str] = []
    at = 0
    for start, end, is_name in written_parameters(sql, _lexer(source)):
        mark = f"{_MARK}{len(written)}"
        out += [sql[at:start], _quoted(mark, source) if is_name else f"{colon}{mark}"]
        written.append(sql[start:end])
        at = end
    marked = "".join(out) + sql[at:]
    try:
        translated = sqlglot.transpile(marked, read=source, write=_TARGETS[engine])
    except ParseError as error:
        raise QueryError(
            f"this is no {source} SQL that can be translated: {_words(error)}", hint="leave out --dialect", sql=sql
        ) from None
    except (SqlglotError, RecursionError) as error:
        raise QueryError(f"this cannot be translated from {source}: {error}", hint="leave out --dialect") from None
    if len(translated) != 1:
        raise QueryError("only one statement runs at a time", hint="give each its own cell", sql=sql, position=0)
    return _PLACE.sub(lambda found: written[int(found[1] or found[2] or found[3])], translated[0])


def _check(source: str) -> None:
    from sqlglot.dialects.dialect import Dialect as SqlglotDialect

    known = sorted(name for name in SqlglotDialect.classes if name)
    if source not in known:
        near = difflib.get_close_matches(source, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"no dialect {source} is known", hint=hint)


def _lexer(source: str) -> Dialect:
    return SPARK if source in _BACKTICKS else _LEXERS.get(source, TRINO)


def _quoted(name: str, source: str) -> str:
    return f"`{name}`" if source in _BACKTICKS else f'"{name}"'


def _words(error: Exception) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).partition("\n")[0].rstrip(".")
