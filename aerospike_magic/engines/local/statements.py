"""What a statement is and which tables and names it has, before DuckDB runs it.

DuckDB's parser says what kind of statement a text is; only kinds that read are let through. sqlglot's tree says which
tables it names and where. A statement that DuckDB takes and sqlglot does not is still run: then every name in it that
could be a table is one, and no filter is derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.lexer import Token, statement_end, tokenize
from aerospike_magic.engines.names import TableName
from aerospike_magic.engines.statements import check_single, find_write
from aerospike_magic.errors import ReadOnlyError

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

    from aerospike_magic.engines.parameters import BoundSql

READS = (
    "SELECT",
    "WITH",
    "FROM",
    "VALUES",
    "DESCRIBE",
    "DESC",
    "SHOW",
    "SUMMARIZE",
    "EXPLAIN",
    "PIVOT",
    "UNPIVOT",
    "TABLE",
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that only reads.

    Attributes:
        text: what DuckDB is given; without the closing semicolon.
        tokens: its tokens.
        tree: sqlglot's tree, or None when sqlglot cannot read it.
        tables: the tables it names; with no tree, whatever could be one.
        is_explain: whether it is an EXPLAIN.
    """

    text: str
    tokens: tuple[Token, ...]
    tree: exp.Expr | None
    tables: tuple[TableName, ...]
    is_explain: bool

    @property
    def identifiers(self) -> frozenset[str]:
        """Every name in the statement, in lower case."""
        return frozenset(token.identifier.lower() for token in self.tokens if token.identifier)

    @property
    def is_list_of_sets(self) -> bool:
        """Whether it is SHOW [ALL] TABLES [FROM namespace], which asks for the sets."""
        words = [token.upper for token in self.tokens]
        named = len(words) == 4 and words[:3] == ["SHOW", "TABLES", "FROM"]
        return named or words in (["SHOW", "TABLES"], ["SHOW", "ALL", "TABLES"])


def read_statement(bound: BoundSql, con: duckdb.DuckDBPyConnection) -> Statement:
    """Return the one reading statement of a text.

    Raises:
        ReadOnlyError: it writes, or changes settings.
        QueryError: there is none, or more than one.
        duckdb.Error: DuckDB cannot parse it.
    """
    tokens = tokenize(bound.text)
    text = bound.text[: statement_end(tokens)]
    check_single(bound, tokens)
    _check_reads(bound, tokens, con, text)
    kept = tuple(token for token in tokens if token.end <= len(text))
    tree = _tree(bound.analysis[: len(text)], kept[0])
    tables = _tables_of_tree(tree) if tree is not None else _tables_of_tokens(kept)
    return Statement(text, kept, tree, tables, kept[0].upper == "EXPLAIN")


def _check_reads(bound: BoundSql, tokens: list[Token], con: duckdb.DuckDBPyConnection, text: str) -> None:
    first = next(token for token in tokens if token.text not in ("(", ";"))
    body = _explained(tokens) if first.upper == "EXPLAIN" else first
    kinds = [
        statement.type.name for statement in con.extract_statements(text[body.start if body is not first else 0 :])
    ]
    # DuckDB runs PIVOT as several statements, the first of which only note its values in memory.
    is_read = all(kind in ("SELECT", "MULTI", "EXPLAIN") for kind in kinds) and body.upper in READS
    culprit = None if is_read else body
    culprit = find_write(tokens) or culprit
    if culprit is not None:
        raise ReadOnlyError(
            f"{culprit.upper or culprit.text} does not run here: only statements that read do",
            hint="SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW and EXPLAIN do",
            sql=bound.original,
            position=bound.original_position(culprit.start),
        )


def _explained(tokens: list[Token]) -> Token:
    """Return the first token of what EXPLAIN explains: past ANALYZE and (options)."""
    depth = 0
    for i, token in enumerate(tokens[1:], 1):
        if token.text == "(" and not depth and tokens[i + 1 : i + 2] and tokens[i + 1].upper in READS:
            continue
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.upper not in ("", "ANALYZE"):
            return token
    return tokens[-1]


def _tree(sql: str, first: Token) -> exp.Expr | None:
    if first.upper in ("EXPLAIN", "SHOW"):
        return None  # sqlglot does not read these, and logs that it does not
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree: Any = sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None
    return None if tree is None or isinstance(tree, exp.Command) else tree


def _tables_of_tree(tree: exp.Expr) -> tuple[TableName, ...]:
    from sqlglot import exp

    found: list[TableName] = []
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier):
            parts = tuple(part.name for part in table.parts)
            start = table.parts[0].meta.get("start", 0)
            found.append(TableName(parts, start))
    return tuple(found)


def _tables_of_tokens(tokens: tuple[Token, ...]) -> tuple[TableName, ...]:
    found: list[TableName] = []
    for i, token in enumerate(tokens):
        if not token.identifier or (i and tokens[i - 1].text == "."):
            continue
        parts = [token.identifier]
        while i + 2 < len(tokens) and tokens[i + 1].text == "." and tokens[i + 2].identifier:
            parts.append(tokens[i + 2].identifier)
            i += 2
        # the first two parts of a.b.c may be the table, and c a column
        found.append(TableName(tuple(parts[:2]), token.start))
    return tuple(found)
