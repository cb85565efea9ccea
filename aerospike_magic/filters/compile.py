"""A predicate split into what the server decides, as a filter expression, and what is left to decide here.

Mechanism: `simplify` leaves AND and OR over leaves that must only say when they are *true*; there the
server's *unknown* (a missing bin, a bin of another type) and its false are the same, so a leaf compiles to
the bare comparison, without guards. Each leaf becomes a `Term`: exact, or a superset of the rows (at least
"the bin is there"), or nothing. A superset of a leaf gives a superset of the tree, so a conjunct that is
not exact is pushed as the superset and checked again here. Never the other way round: no row may be lost on
the server.

Source for the server's semantics: Aerospike server, as/src/base/exp.c, and tests/vectors/expressions.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from aerospike_magic.errors import FilterError
from aerospike_magic.filters.bind import Domain, bind_compare, bind_in, domain_of
from aerospike_magic.filters.leaf import EXACT_TRUE, NOTHING, Term, compile_leaf, false_expression
from aerospike_magic.filters.predicate import (
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Opaque,
    Or,
    Predicate,
    StartsWith,
    columns_of,
    conjunction,
    conjuncts,
    describe,
    leaves_of,
    simplify,
)
from aerospike_magic.schema.types import SetSchema

Encode: TypeAlias = Callable[[Any], bytes]

# The server refuses filters above 1 MiB; far below that, sending one to every node costs more than it saves.
MAX_EXPRESSION_SIZE = 512 * 1024
MAX_CONSTANTS = 4_000


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """What is decided where.

    Attributes:
        expression: the server's filter expression in its wire form, None to send none.
        pushed: the part that `expression` decides alone.
        residual: the part to apply to the batches; `expression` may have thinned it out already.
        verify: columns that the scan must read and, in a batch where one of them has values that do not fit,
            apply `pushed` again: the server compares strings that are not UTF-8, in SQL they are NULL.
    """

    expression: bytes | None = None
    pushed: Predicate | None = None
    residual: Predicate | None = None
    verify: frozenset[str] = frozenset()

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the scan must read for the filter's sake: of the residual, and `verify`."""
        return columns_of(self.residual) | self.verify

    def describe(self) -> str:
        """Return in words what the server decides and what is checked after the scan."""
        parts = []
        if self.pushed is not None:
            parts.append(f"{describe(self.pushed)} pushed")
        if self.residual is not None:
            parts.append(f"{describe(self.residual)} checked after the scan")
        return "; ".join(parts) or "no filter"


def compile_filter(predicate: Predicate | None, schema: SetSchema, encode: Encode) -> CompiledFilter:
    """Split a predicate into a server expression and a residual.

    Args:
        predicate: the filter; None for none.
        schema: what the columns hold; it decides which particles count as NULL.
        encode: turns an `aerospike_helpers` expression into its wire form (`Connection.encode_expression`).

    Returns:
        the split; scanning with `expression`, then applying `residual` (and `pushed` where `verify` asks
        for it) keeps exactly the rows that `evaluate(predicate, …)` keeps of all rows.

    Raises:
        FilterError: a column is compared with a constant of another type, or cannot be compared at all.
        SchemaError: a column that the set does not have.
    """
    terms: list[Any] = []
    pushed: list[Predicate] = []
    residual: list[Predicate] = []
    doubtful: list[Predicate] = []
    for part in conjuncts(None if predicate is None else simplify(predicate)):
        term = _compile_conjunct(part, schema)
        (pushed if term.exact else residual).append(part)
        if term.exact and term.verify:
            doubtful.append(part)
        if term.expression is not None:
            terms.append(term.expression)
    expression = _encode(terms, encode)
    if terms and expression is None:
        return CompiledFilter(residual=conjunction([*pushed, *residual]))
    # `pushed` is applied again as a whole, so all its columns must have been read.
    verify = columns_of(conjunction(pushed)) if doubtful else frozenset[str]()
    return CompiledFilter(expression, conjunction(pushed), conjunction(residual), verify)


def bind(predicate: Predicate, schema: SetSchema) -> Predicate:
    """Return the simplified predicate with every constant in its column's domain, and folded again.

    Raises:
        FilterError, SchemaError: see `compile_filter`.
    """
    return simplify(_bind(simplify(predicate), schema))


def _encode(terms: list[Any], encode: Encode) -> bytes | None:
    if not terms:
        return None
    from aerospike_helpers import expressions as exp

    encoded = encode(terms[0] if len(terms) == 1 else exp.And(*terms))
    return encoded if len(encoded) <= MAX_EXPRESSION_SIZE else None


def _compile_conjunct(part: Predicate, schema: SetSchema) -> Term:
    constants = sum(len(leaf.values) if isinstance(leaf, In) else 1 for leaf in leaves_of(part))
    bound = bind(part, schema)
    return NOTHING if constants > MAX_CONSTANTS else _compile(bound, schema)


def _compile(p: Predicate, schema: SetSchema) -> Term:
    if isinstance(p, Always):
        return EXACT_TRUE if p.value else Term(false_expression())
    if isinstance(p, And):
        return _all_of([_compile(child, schema) for child in p.children])
    if isinstance(p, Or):
        return _any_of([_compile(child, schema) for child in p.children])
    leaf = p.child if isinstance(p, Not) else p
    if isinstance(leaf, Opaque):
        return NOTHING
    assert isinstance(leaf, Compare | In | IsNull | StartsWith)
    return compile_leaf(leaf, schema.column(leaf.column), negated=isinstance(p, Not))


def _all_of(terms: list[Term]) -> Term:
    from aerospike_helpers import expressions as exp

    pushable = [t.expression for t in terms if t.expression is not None]
    expression = None if not pushable else pushable[0] if len(pushable) == 1 else exp.And(*pushable)
    return Term(expression, all(t.exact for t in terms), _verify(terms))


def _any_of(terms: list[Term]) -> Term:
    from aerospike_helpers import expressions as exp

    if any(t.expression is None for t in terms):
        return NOTHING
    return Term(exp.Or(*(t.expression for t in terms)), all(t.exact for t in terms), _verify(terms))


def _verify(terms: Iterable[Term]) -> frozenset[str]:
    return frozenset().union(*(t.verify for t in terms))


def _bind(p: Predicate, schema: SetSchema) -> Predicate:
    if isinstance(p, And):
        return And(*(_bind(child, schema) for child in p.children))
    if isinstance(p, Or):
        return Or(*(_bind(child, schema) for child in p.children))
    if isinstance(p, Not) and isinstance(p.child, In):
        return _bind_not_in(p.child, schema)
    if isinstance(p, Compare):
        return bind_compare(p, domain_of(schema.column(p.column).type))
    if isinstance(p, In):
        return bind_in(p, domain_of(schema.column(p.column).type))
    leaf = p.child if isinstance(p, Not) else p
    if isinstance(leaf, StartsWith) and domain_of(schema.column(leaf.column).type) is not Domain.STRING:
        raise FilterError(f"{describe(leaf)}: {leaf.column} does not hold strings")
    return p


def _bind_not_in(p: In, schema: SetSchema) -> Predicate:
    bound = bind_in(p, domain_of(schema.column(p.column).type))
    if isinstance(bound, Always):
        return Not(IsNull(p.column))
    return Not(bound)
