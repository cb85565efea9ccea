"""What a statement for Trino or Presto is, and the same statement with its tables and values written out.

What is let through is decided here, before the server sees it: one statement, which reads. Its tables are found by
sqlglot's tree; of a statement that sqlglot cannot read, every name behind FROM or JOIN could be one. A set becomes
the gateway's table, or a subquery over it, with the set's own name as alias where the user gave none; a parameter
becomes a literal. Every place in the new text can be led back to the text as written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.lexer import Dialect, Token, statement_end, tokenize
from aerospike_magic.engines.names import TableName
from aerospike_magic.engines.parameters import BoundSql
from aerospike_magic.engines.rewriting import Edit, Rewritten, dotted_names, edited, shortened_columns
from aerospike_magic.engines.scopes import places_of_tables
from aerospike_magic.engines.statements import check_single, find_write
from aerospike_magic.errors import QueryError, ReadOnlyError
from aerospike_magic.schema.types import near_matches

if TYPE_CHECKING:
    from sqlglot import exp

READS = ("SELECT", "WITH", "VALUES", "TABLE", "DESCRIBE", "DESC", "SHOW", "EXPLAIN")
_COMMANDS = frozenset(
    {
        *("ALTER", "ANALYZE", "CALL", "COMMENT", "COMMIT", "CREATE", "DEALLOCATE", "DELETE", "DENY", "DROP"),
        *("EXECUTE", "GRANT", "INSERT", "MERGE", "PREPARE", "REFRESH", "RESET", "REVOKE", "ROLLBACK", "SET"),
        *("START", "TRUNCATE", "UPDATE", "USE"),
    }
)
# A table that one of these words follows has no alias.
_AFTER_TABLE = frozenset(
    {
        *("WHERE", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON", "USING", "GROUP", "ORDER"),
        *("HAVING", "LIMIT", "OFFSET", "FETCH", "UNION", "EXCEPT", "INTERSECT", "WINDOW", "TABLESAMPLE", "FOR"),
        *("MATCH_RECOGNIZE",),
    }
)
# Words before a table that stands for itself: no alias, and no subquery in its place.
_ALONE = frozenset({"TABLE", "DESCRIBE", "DESC"})
_OF_TABLE = (("SHOW", "COLUMNS"), ("SHOW", "STATS"), ("SHOW", "CREATE"))
_EXPLAIN = re.compile(r"explain\b(?:\s+analyze\b)?(?:\s+verbose\b)?(?:\s*\([^()]*\)(?=\s*[\w(]))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """One place where a statement names a table.

    Attributes:
        name: as written.
        end: one past the name, in the text.
        alone: whether it can be the name of a table only.
        has_alias: whether the user gave it an alias.
        query_at: where the word TABLE stands that makes it a query of its own; None where there is none.
    """

    name: TableName
    end: int
    alone: bool
    has_alias: bool
    query_at: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that only reads.

    Attributes:
        bound: the text with its values.
        text: the text with ``$name`` markers, without the closing semicolon.
        tokens: its tokens.
        tree: sqlglot's tree, or None when sqlglot cannot read it.
        references: the tables it names; with no tree, whatever could be one.
        dialect: whose SQL.
    """

    bound: BoundSql
    text: str
    tokens: tuple[Token, ...]
    tree: exp.Expr | None
    references: tuple[Reference, ...]
    dialect: Dialect

    @property
    def identifiers(self) -> frozenset[str]:
        """Every name in the statement, in lower case."""
        return frozenset(token.identifier.lower() for token in self.tokens if token.identifier)

    @property
    def is_list_of_sets(self) -> bool:
        """Whether it is SHOW TABLES, which asks for the sets."""
        return [token.upper for token in self.tokens] == ["SHOW", "TABLES"]

    @property
    def takes_all_columns(self) -> bool:
        """Whether a star, or something like it, may take every column of a table."""
        if self.tree is None:
            return True
        from sqlglot import exp

        if any(token.upper in ("NATURAL", "TABLE") for token in self.tokens):
            return True
        return any(not isinstance(star.parent, exp.Count) for star in self.tree.find_all(exp.Star))

    @property
    def plain_outputs(self) -> frozenset[str]:
        """The output columns that are columns of a table as they are, without an alias, as written."""
        from sqlglot import exp

        select = self.tree
        while isinstance(select, exp.SetOperation | exp.Subquery):
            select = select.this
        if not isinstance(select, exp.Select):
            return frozenset()
        names = {item.name for item in select.expressions if isinstance(item, exp.Column)}
        return frozenset(names - {item.alias for item in select.expressions if isinstance(item, exp.Alias)})

    def position_of(self, name: str) -> int | None:
        """Return the place in the text as written of the first token that is this name."""
        for token in self.tokens:
            if token.identifier.lower() == name.lower():
                return self.bound.original_position(token.start)
        return None


def read_statement(bound: BoundSql, dialect: Dialect) -> Statement:
    """Return the one reading statement of a text.

    Raises:
        ReadOnlyError: it writes, or changes the session.
        QueryError: there is none, or more than one.
    """
    tokens = tokenize(bound.text, dialect)
    check_single(bound, tokens)
    text = bound.text[: statement_end(tokens)]
    kept = tuple(token for token in tokens if token.end <= len(text))
    body = _explained(text, kept)
    first = next((token for token in body if token.text != "("), kept[0])
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
            hint="a cell reads: SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE, EXPLAIN",
            sql=bound.original,
            position=bound.original_position(culprit.start),
        )
    tree = _tree(" " * body[0].start + bound.analysis[body[0].start : len(text)], first, dialect)
    places = places_of_tables(tree) if tree is not None else None
    return Statement(bound, text, kept, tree, tuple(_references(kept, places)), dialect)


def rewrite(
    statement: Statement,
    tables: Mapping[Reference, str],
    stars: Mapping[int, str],
    values: Mapping[str, str],
) -> Rewritten:
    """Return the statement's text as the server gets it.

    Args:
        statement: the statement.
        tables: what to write for a reference; references that are not in it stay as they are.
        stars: what to write in place of the stars at these places.
        values: the literal of each marker.
    """
    edits: list[Edit] = [(at, at + 1, text) for at, text in stars.items()]
    for reference, table in tables.items():
        if reference.query_at is not None and table.startswith("("):
            edits.append((reference.query_at, reference.end, table))
            continue
        alias = statement.dialect.quote_identifier(reference.name.parts[-1])
        tail = "" if reference.alone or reference.has_alias else f" AS {alias}"
        edits.append((reference.name.start, reference.end, table + tail))
    for token in statement.tokens:
        if token.kind == "dollar" and token.text[1:] in values:
            edits.append((token.start, token.end, values[token.text[1:]]))
    edits += shortened_columns(statement.tokens, [reference.name for reference in tables])
    return edited(statement.text, statement.bound, edits)


def _explained(text: str, tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens of the statement that an EXPLAIN explains; all of another statement."""
    if tokens[0].upper != "EXPLAIN":
        return tokens
    found = _EXPLAIN.match(text, tokens[0].start)
    end = found.end() if found else tokens[0].end
    return [token for token in tokens if token.start >= end] or tokens


def _tree(sql: str, first: Token, dialect: Dialect) -> exp.Expr | None:
    if first.upper in ("SHOW", "DESCRIBE", "DESC"):
        return None  # sqlglot does not read these, and logs that it does not
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree: Any = sqlglot.parse_one(sql, dialect=dialect.name)
    except (SqlglotError, RecursionError):
        return None
    return None if tree is None or isinstance(tree, exp.Command) else tree


def _references(tokens: Sequence[Token], places: set[int] | None) -> list[Reference]:
    found = []
    words = tuple(token.upper for token in tokens)
    is_of_table = words[:2] in _OF_TABLE
    for i, parts in dotted_names(tokens):
        before = words[i - 1] or tokens[i - 1].text if i else ""
        after = i + 2 * len(parts) - 1
        if places is not None:
            could_be = parts[0].start in places
        elif words[0] == "SHOW":
            could_be = is_of_table and before in ("FROM", "IN", "FOR", "TABLE")
        else:
            could_be = before in ("FROM", "JOIN", *_ALONE) or (before in (",", "(") and len(parts) == 2)
        if could_be and not (after < len(tokens) and tokens[after].text == "("):  # a function
            name = TableName(tuple(token.identifier for token in parts), parts[0].start)
            is_query = before == "TABLE" and not is_of_table
            alone = before in _ALONE or is_of_table
            query_at = tokens[i - 1].start if is_query else None
            found.append(Reference(name, parts[-1].end, alone, _has_alias(tokens, after), query_at))
    return found


def _has_alias(tokens: Sequence[Token], after: int) -> bool:
    if after >= len(tokens):
        return False
    follower = tokens[after]
    return follower.kind == "quoted" or (follower.kind == "word" and follower.upper not in _AFTER_TABLE)
