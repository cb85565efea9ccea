"""What a statement for Spark is, and the same statement with its tables under other names.

Spark runs a command as soon as it sees it, so what is let through is decided here, before. A set, or a frame of the
notebook, becomes a temporary view that only this statement knows; its name in the text is replaced, with the set's
own name as alias where the user gave none. Every place in the replaced text can be led back to the text as written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.lexer import SPARK, Token, statement_end, tokenize
from aerospike_magic.engines.names import TableName
from aerospike_magic.engines.parameters import BoundSql
from aerospike_magic.engines.rewriting import Rewritten, dotted_names, edited, shortened_columns
from aerospike_magic.engines.scopes import places_of_tables
from aerospike_magic.engines.statements import check_single, find_write
from aerospike_magic.errors import QueryError, ReadOnlyError
from aerospike_magic.schema.types import near_matches

if TYPE_CHECKING:
    from sqlglot import exp

READS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "DESCRIBE", "DESC", "SHOW", "EXPLAIN")
_COMMANDS = frozenset(
    {
        *("ADD", "ALTER", "ANALYZE", "BEGIN", "CACHE", "CALL", "CLEAR", "COMMENT", "CREATE", "DECLARE", "DELETE"),
        *("DFS", "DROP", "EXECUTE", "EXPORT", "GRANT", "IMPORT", "INSERT", "LIST", "LOAD", "LOCK", "MAP", "MERGE"),
        *("MSCK", "REDUCE", "REFRESH", "REPAIR", "REPLACE", "RESET", "REVOKE", "ROLLBACK", "SET", "TRUNCATE"),
        *("UNCACHE", "UNLOCK", "UNSET", "UPDATE", "USE"),
    }
)
# A table that one of these words follows has no alias.
_AFTER_TABLE = frozenset(
    {
        *("WHERE", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "SEMI", "ANTI", "ON"),
        *("USING", "GROUP", "ORDER", "SORT", "CLUSTER", "DISTRIBUTE", "HAVING", "LIMIT", "OFFSET", "UNION"),
        *("EXCEPT", "MINUS", "SETMINUS", "INTERSECT", "LATERAL", "PIVOT", "UNPIVOT", "WINDOW", "QUALIFY", "SELECT"),
        *("MAP", "REDUCE", "TABLESAMPLE"),
    }
)
# Words that name a table which cannot have an alias.
_NO_ALIAS = frozenset({"TABLE", "DESCRIBE", "DESC", "EXTENDED", "FORMATTED", "COLUMNS", "IN"})


@dataclass(frozen=True, slots=True)
class Reference:
    """One place where a statement names a table.

    Attributes:
        name: as written.
        end: one past the name, in the text.
        alias_at: where an alias has to be put so that columns are found by the table's own name; None for nowhere.
    """

    name: TableName
    end: int
    alias_at: int | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that only reads.

    Attributes:
        bound: the text with its values.
        text: what Spark would be given, with ``:name`` markers and without the closing semicolon.
        tokens: its tokens.
        tree: sqlglot's tree, or None when sqlglot cannot read it.
        references: the tables it names; with no tree, whatever could be one.
    """

    bound: BoundSql
    text: str
    tokens: tuple[Token, ...]
    tree: exp.Expr | None
    references: tuple[Reference, ...]

    @property
    def identifiers(self) -> frozenset[str]:
        """Every name in the statement, in lower case."""
        return frozenset(token.identifier.lower() for token in self.tokens if token.identifier)

    @property
    def is_list_of_sets(self) -> bool:
        """Whether it is SHOW TABLES, which asks for the sets."""
        return [token.upper for token in self.tokens] == ["SHOW", "TABLES"]

    def position_of(self, name: str) -> int | None:
        """Return the place in the text as written of the first token that is this name."""
        for token in self.tokens:
            if token.identifier.lower() == name.lower():
                return self.bound.original_position(token.start)
        return None


def read_statement(bound: BoundSql) -> Statement:
    """Return the one reading statement of a text.

    Raises:
        ReadOnlyError: it writes, or changes the session.
        QueryError: there is none, or more than one.
    """
    tokens = tokenize(bound.analysis, SPARK)
    check_single(bound, tokens)
    text = bound.analysis[: statement_end(tokens)]
    kept = tuple(token for token in tokens if token.end <= len(text))
    first = next((token for token in kept if token.text != "("), kept[0])
    culprit = find_write(kept) or (None if first.upper in READS else first)
    if culprit is first and first.upper not in _COMMANDS:
        near = near_matches(first.upper, list(READS))
        raise QueryError(
            f"{first.text} begins no statement",
            hint=f"did you mean {near[0]}?" if near else "write a SELECT",
            sql=bound.original,
            position=bound.original_position(first.start),
        )
    if culprit is not None:
        raise ReadOnlyError(
            f"{culprit.upper or culprit.text} does not run here: only statements that read do",
            hint="spark.sql(…) runs what changes a session; a cell reads: SELECT, WITH, FROM, VALUES, SHOW, DESCRIBE",
            sql=bound.original,
            position=bound.original_position(culprit.start),
        )
    tree = _tree(text, first)
    places = places_of_tables(tree) if tree is not None else None
    return Statement(bound, text, kept, tree, tuple(_references(kept, places)))


def rewrite(statement: Statement, views: Mapping[Reference, str], stars: Mapping[int, str]) -> Rewritten:
    """Return the statement's text with views in place of tables.

    Args:
        statement: the statement.
        views: the view that stands for a reference; references that are not in it stay as they are.
        stars: what to write in place of the stars at these places.
    """
    edits = [(at, at + 1, text) for at, text in stars.items()]
    for reference, view in views.items():
        edits.append((reference.name.start, reference.end, SPARK.quote_identifier(view)))
        if reference.alias_at is not None:
            alias = SPARK.quote_identifier(reference.name.parts[-1])
            edits.append((reference.alias_at, reference.alias_at, f" AS {alias}"))
    edits += shortened_columns(statement.tokens, [reference.name for reference in views])
    return edited(statement.text, statement.bound, edits)


def _tree(sql: str, first: Token) -> exp.Expr | None:
    if first.upper in ("EXPLAIN", "SHOW"):
        return None  # sqlglot does not read these, and logs that it does not
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree: Any = sqlglot.parse_one(sql, dialect="spark")
    except (SqlglotError, RecursionError):
        return None
    return None if tree is None or isinstance(tree, exp.Command) else tree


def _references(tokens: Sequence[Token], places: set[int] | None) -> list[Reference]:
    found = []
    for i, parts in dotted_names(tokens):
        before = _upper(tokens, i - 1) or _text(tokens, i - 1)
        if places is None:
            could_be = before in ("FROM", "JOIN") or (before in (",", "(", *_NO_ALIAS) and len(parts) == 2)
        else:
            could_be = parts[0].start in places
        if could_be:
            name = TableName(tuple(token.identifier for token in parts), parts[0].start)
            found.append(Reference(name, parts[-1].end, _alias_place(tokens, i, i + 2 * len(parts) - 1)))
    return found


def _alias_place(tokens: Sequence[Token], first: int, after: int) -> int | None:
    """Where an alias belongs: behind the name, or behind its TABLESAMPLE; None if there is one, or can be none."""
    before = _upper(tokens, first - 1)
    if before in _NO_ALIAS or (_text(tokens, first - 1) == "(" and _upper(tokens, first - 2) == "TABLE"):
        return None
    while _upper(tokens, after) in ("TABLESAMPLE", "REPEATABLE"):
        after = _closing(tokens, after + 1) + 1
    end = tokens[after - 1].end
    if after >= len(tokens):
        return end
    follower = tokens[after]
    has_alias = follower.kind == "quoted" or (follower.kind == "word" and follower.upper not in _AFTER_TABLE)
    return None if has_alias else end


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for i in range(opening, len(tokens)):
        depth += (tokens[i].text == "(") - (tokens[i].text == ")")
        if depth <= 0:
            return i
    return len(tokens) - 1


def _upper(tokens: Sequence[Token], i: int) -> str:
    return tokens[i].upper if 0 <= i < len(tokens) else ""


def _text(tokens: Sequence[Token], i: int) -> str:
    return tokens[i].text if 0 <= i < len(tokens) else ""
