"""What `%aerospike` alone shows: where things stand, and what can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aerospike_magic.display.grid import Grid, GridColumn
from aerospike_magic.display.style import page
from aerospike_magic.display.text import clean, escape, plural
from aerospike_magic.magic.command import SUBCOMMANDS

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection


def status_line(connection: Connection | None) -> str:
    """Say in one line what is connected: nodes and namespaces, never a secret."""
    if connection is None:
        return "not connected"
    nodes = connection.nodes()
    addresses = ", ".join(f"{node.host}:{node.port}" for node in nodes[:4])
    more = f" and {len(nodes) - 4} more" if len(nodes) > 4 else ""
    namespaces = ", ".join(connection.namespaces())
    return clean(f"connected to {plural(len(nodes), 'node')} ({addresses}{more}) · namespaces: {namespaces}")


def status_bundle(connection: Connection | None, *, with_help: bool = True) -> dict[str, str]:
    """Return the state, and the subcommands below it, by MIME type."""
    line = status_line(connection)
    fragment = f'<div class="aero-line">{escape(line)}</div>'
    if not with_help:
        return {"text/plain": line, "text/html": page(fragment)}
    grid = help_grid()
    return {"text/plain": f"{line}\n\n{grid.text()}", "text/html": page(fragment + grid.fragment())}


def help_grid() -> Grid:
    """Lay out the subcommands of `%aerospike`, and the cell."""
    rows = [(f"%aerospike {name} {takes}".strip(), words) for name, (takes, words) in SUBCOMMANDS.items()]
    rows.append(("%%aerosql [-o NAME] …", "run SQL; %%aerosql? has the options"))
    return Grid((GridColumn("type"), GridColumn("to")), tuple(rows))
