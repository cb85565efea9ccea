"""Table names: ``namespace.set``, or just ``set`` where the namespace is clear."""

from __future__ import annotations

from collections.abc import Sequence

from aerospike_magic.errors import SchemaError
from aerospike_magic.schema.types import near_matches


def split_name(
    name: str, *, default_namespace: str | None = None, namespaces: Sequence[str] | None = None
) -> tuple[str, str]:
    """Split a table's name into namespace and set.

    Args:
        name: ``"ns.set"``, or ``"set"`` with a default namespace. The first dot splits, unless a known
            namespace with a dot in it is a longer match: set names may have dots too.
        default_namespace: the namespace of a name without one.
        namespaces: the namespaces that exist, when known; then any other is refused.

    Returns:
        (namespace, set).

    Raises:
        SchemaError: no namespace can be told, or it does not exist; the hint has near matches.
    """
    name = name.strip()
    known = sorted((n for n in namespaces or () if name.startswith(n + ".")), key=len)
    if known and len(name) > len(known[-1]) + 1:
        return known[-1], name[len(known[-1]) + 1 :]
    namespace, dot, set_name = name.partition(".")
    if not dot:
        if not name:
            raise SchemaError("a set was named by nothing", hint="write namespace.set")
        if default_namespace is not None:
            return default_namespace, name
        if namespaces is not None and len(namespaces) == 1:
            return namespaces[0], name
        raise SchemaError(f"which namespace is {name!r} in?", hint=f"write {(namespaces or ['namespace'])[0]}.{name}")
    if not namespace or not set_name:
        raise SchemaError(f"not the name of a set: {name!r}", hint="write namespace.set")
    if namespaces is not None and namespace not in namespaces:
        if default_namespace is not None:
            return default_namespace, name
        raise SchemaError(
            f"there is no namespace {namespace!r}", hint=_near_hint(namespace, list(namespaces), "namespaces")
        )
    return namespace, set_name


def no_such_set(namespace: str, set_name: str, sets: Sequence[str]) -> SchemaError:
    """Return the error for a set that does not exist, with near matches among the `sets` of its namespace."""
    return SchemaError(f"namespace {namespace} has no set {set_name!r}", hint=_near_hint(set_name, list(sets), "sets"))


def _near_hint(name: str, names: list[str], what: str) -> str:
    near = near_matches(name, names)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"{what}: {', '.join(names[:20])}" if names else f"there are no {what} yet"
