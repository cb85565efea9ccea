"""What the table names of a statement mean, and what to say of one that means nothing.

- ``namespace.set`` is that set, whatever else is called so.
- A bare name is a CTE, else a local frame given by that name, else the set of that name if exactly one namespace
  has it. So what the user has made wins over what is far away, and a qualified name always reaches the set.
- Names are compared as written first, then without regard to case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aerospike_magic.engines.catalog import SetCatalog
from aerospike_magic.schema.types import near_matches

_MAX_LISTED = 12

SetName = tuple[str, str]
"""(namespace, set)."""


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as a statement names it: one or more parts, and the place of the first."""

    parts: tuple[str, ...]
    start: int


def find_set(parts: tuple[str, ...], known: Sequence[SetName]) -> SetName | None:
    """Return the set that a name of one or two parts means; None for none, or if it is not clear which."""
    if len(parts) == 1:
        same = bare_sets(parts[0], known)
    elif len(parts) == 2:
        wanted = (parts[0], parts[1])
        same = [wanted] if wanted in known else [pair for pair in known if _fold(pair) == _fold(wanted)]
    else:
        same = []
    return same[0] if len(same) == 1 else None


def bare_sets(name: str, known: Sequence[SetName]) -> list[SetName]:
    """Return the sets that a name without a namespace may mean; it means one only if there is one."""
    return [pair for pair in known if pair[1] == name] or [p for p in known if p[1].lower() == name.lower()]


def is_frame(value: object) -> bool:
    """Whether a Python object is a table of this process that engines read: pandas, polars, Arrow."""
    module = type(value).__module__.partition(".")[0]
    kind = type(value).__name__
    if module in ("pandas", "polars"):
        return kind in ("DataFrame", "LazyFrame")
    return module == "pyarrow" and kind in ("Table", "RecordBatch", "RecordBatchReader")


def unknown_bare(name: str, known: Sequence[SetName]) -> tuple[str, str]:
    """Return message and hint for a bare name that means no table, or more than one."""
    same = bare_sets(name, known)
    if len(same) > 1:
        namespaces = sorted(namespace for namespace, _ in same)
        return (
            f"set {name} is in {len(same)} namespaces",
            "write " + " or ".join(f"{namespace}.{name}" for namespace in namespaces),
        )
    near = near_matches(name, [set_name for _, set_name in known])
    full = [f"{namespace}.{set_name}" for namespace, set_name in known if set_name in near]
    return f"there is no set, and no local DataFrame, {name}", did_you_mean(full, "tables are written namespace.set")


def unknown_qualified(namespace: str, set_name: str, catalog: SetCatalog) -> tuple[str, str]:
    """Return message and hint for a qualified name that means no set."""
    namespaces = list(catalog.namespaces())
    same = [known for known in namespaces if known.lower() == namespace.lower()]
    if not same:
        near = near_matches(namespace, namespaces)
        return f"there is no namespace {namespace}", did_you_mean(near, listed("namespaces", namespaces))
    sets = [known for of, known in catalog.sets() if of in same]
    near = [f"{same[0]}.{known}" for known in near_matches(set_name, sets)]
    return f"namespace {same[0]} has no set {set_name}", did_you_mean(near, listed("its sets", sets))


def did_you_mean(names: Sequence[str], otherwise: str) -> str:
    """Return a hint that names near matches, or another if there are none."""
    return f"did you mean {' or '.join(names)}?" if names else otherwise


def listed(what: str, names: Iterable[str]) -> str:
    """Return a hint that lists what there is: "its bins: a, b, …"."""
    ordered = sorted(names)
    more = ", …" if len(ordered) > _MAX_LISTED else ""
    return f"{what}: {', '.join(ordered[:_MAX_LISTED])}{more}" if ordered else f"there are no {what}"


def _fold(pair: SetName) -> SetName:
    return pair[0].lower(), pair[1].lower()
