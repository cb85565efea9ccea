"""The notebook's commands: `%aerospike` and `%%aerosql`, loaded by `%load_ext aerospike_magic`.

A line becomes a frozen command, a command runs on an engine, its result is shown; all state is one
`Session` held by the magics instance. Loading imports neither the database client nor DuckDB: `%aerospike
connect` does.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics and their completion; called by `%load_ext aerospike_magic`."""
    from aerospike_magic.magic.completion import SqlMatcher
    from aerospike_magic.magic.magics import AerospikeMagics

    unload_ipython_extension(ipython)
    magics = AerospikeMagics(ipython)
    ipython.register_magics(magics)
    ipython.Completer.custom_matchers.append(SqlMatcher(magics.session, ipython).match)


def unload_ipython_extension(ipython: Any) -> None:
    """Disconnect and take the completion away; called by `%unload_ext aerospike_magic`."""
    from aerospike_magic.magic.completion import SqlMatcher

    matchers = ipython.Completer.custom_matchers
    for matcher in [each for each in matchers if isinstance(getattr(each, "__self__", None), SqlMatcher)]:
        matcher.__self__.session.disconnect()
        matchers.remove(matcher)
