"""A predicate applied to a record batch, vectorised: the reference that the pushed expression must equal.

The semantics are those of `predicate`, which are DuckDB's and polars' too; they differ from Arrow's own
kernels in NaN (Arrow follows IEEE: NaN is neither equal to nor greater than anything).
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from aerospike_magic.errors import FilterError
from aerospike_magic.filters.bind import Domain, bind_compare, bind_in, domain_of
from aerospike_magic.filters.predicate import (
    Always,
    And,
    Compare,
    In,
    IsNull,
    Not,
    Opaque,
    Operator,
    Or,
    Predicate,
    StartsWith,
    describe,
    is_nan,
    simplify,
)

_KERNELS: dict[Operator, str] = {
    "=": "equal",
    "<>": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}


def evaluate(predicate: Predicate | None, batch: pa.RecordBatch) -> pa.BooleanArray:
    """Return which rows of the batch the predicate keeps.

    Args:
        predicate: any tree over columns of the batch; None keeps all rows.
        batch: the rows; it must hold every column of `columns_of(predicate)`.

    Returns:
        One bool a row, without NULLs: a row for which the predicate is NULL is not kept.

    Raises:
        FilterError: a column is not in the batch, or is compared with a constant of another type.
    """
    return _mask(Always(True) if predicate is None else simplify(predicate), batch)


def filter_batch(predicate: Predicate | None, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows of the batch that the predicate keeps, in order; the batch itself for None."""
    return batch if predicate is None else batch.filter(evaluate(predicate, batch))


def _mask(p: Predicate, batch: pa.RecordBatch) -> pa.BooleanArray:
    if isinstance(p, And | Or):
        return _joined(p, batch)
    if isinstance(p, Always):
        return pa.repeat(pa.scalar(p.value), batch.num_rows)
    if isinstance(p, Opaque):
        return _opaque(p, batch)
    if isinstance(p, Not):
        return _negated(p.child, batch)
    if isinstance(p, IsNull):
        return pc.is_null(_column(p.column, p, batch))
    if isinstance(p, StartsWith):
        return pc.fill_null(_starts_with(p, batch), False)
    return _leaf(p, batch)


def _joined(p: And | Or, batch: pa.RecordBatch) -> pa.BooleanArray:
    masks = [_mask(child, batch) for child in p.children]
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.and_(mask, other) if isinstance(p, And) else pc.or_(mask, other)
    return mask


def _negated(child: Predicate, batch: pa.RecordBatch) -> pa.BooleanArray:
    # After simplify only a leaf stands under a NOT; of these In is exact on non-NULL rows.
    if isinstance(child, Opaque):
        return pc.fill_null(pc.invert(_opaque_values(child, batch)), False)
    if isinstance(child, StartsWith):
        return pc.fill_null(pc.invert(_starts_with(child, batch)), False)
    if isinstance(child, IsNull):
        return pc.is_valid(_column(child.column, child, batch))
    if isinstance(child, In):
        valid = pc.is_valid(_column(child.column, child, batch))
        return pc.and_not(valid, _mask(child, batch))
    return _mask(simplify(Not(child)), batch)


def _leaf(p: Compare | In, batch: pa.RecordBatch) -> pa.BooleanArray:
    column = _column(p.column, p, batch)
    domain = domain_of(column.type)
    bound = bind_compare(p, domain) if isinstance(p, Compare) else bind_in(p, domain)
    if isinstance(bound, Compare):
        return _compared(bound, domain, column)
    if isinstance(bound, In):
        return _contained(bound, domain, column)
    return _mask(bound, batch)


def _compared(p: Compare, domain: Domain, column: pa.Array) -> pa.BooleanArray:
    if domain is Domain.DOUBLE:
        return pc.fill_null(_compared_double(p, column), False)
    return pc.fill_null(pc.call_function(_KERNELS[p.op], [column, pa.scalar(p.value, column.type)]), False)


def _compared_double(p: Compare, column: pa.Array) -> pa.BooleanArray:
    nan = pc.is_nan(column)
    if is_nan(p.value):
        # `bind_compare` leaves = and <> of all comparisons with NaN.
        return nan if p.op == "=" else pc.invert(nan)
    found = pc.call_function(_KERNELS[p.op], [column, pa.scalar(p.value, pa.float64())])
    return pc.or_(found, nan) if p.op in (">", ">=") else found


def _contained(p: In, domain: Domain, column: pa.Array) -> pa.BooleanArray:
    if domain is not Domain.DOUBLE:
        return pc.is_in(column, value_set=pa.array(p.values, column.type), skip_nulls=True)
    # Arrow's hash tells 0.0 from -0.0.
    values = [v for v in p.values if not is_nan(v)]
    values += [-v for v in values if v == 0]
    found = pc.is_in(column, value_set=pa.array(values, column.type), skip_nulls=True)
    if any(map(is_nan, p.values)):
        found = pc.or_(found, pc.fill_null(pc.is_nan(column), False))
    return found


def _starts_with(p: StartsWith, batch: pa.RecordBatch) -> pa.BooleanArray:
    column = _column(p.column, p, batch)
    if domain_of(column.type) is not Domain.STRING:
        raise FilterError(f"{describe(p)}: {p.column} does not hold strings")
    return pc.starts_with(column, p.prefix)


def _opaque(p: Opaque, batch: pa.RecordBatch) -> pa.BooleanArray:
    return pc.fill_null(_opaque_values(p, batch), False)


def _opaque_values(p: Opaque, batch: pa.RecordBatch) -> pa.BooleanArray:
    from pyarrow import acero

    plan = acero.Declaration.from_sequence(
        [
            acero.Declaration("table_source", acero.TableSourceNodeOptions(pa.Table.from_batches([batch]))),
            acero.Declaration("project", acero.ProjectNodeOptions([p.expression], ["keep"])),
        ]
    )
    values = plan.to_table(use_threads=False).column(0).combine_chunks()
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _column(name: str, p: Predicate, batch: pa.RecordBatch) -> pa.Array:
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise FilterError(f"{describe(p)}: the batch has no column {name}")
    column = batch.column(index)
    # The comparison kernels do not take fixed-size binary (digests) beside a scalar of another width.
    return column.cast(pa.binary()) if pa.types.is_fixed_size_binary(column.type) else column
