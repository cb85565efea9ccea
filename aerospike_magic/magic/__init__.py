"""The notebook's commands: `%aerospike` and `%%aerosql`, loaded by `%load_ext aerospike_magic`.

A line becomes a frozen command, a command runs on an engine, its result is shown; all state is one
`Session` held by the magics instance. Loading imports neither the database client nor DuckDB: `%aerospike
connect` does.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics and their completion; called by `%load_ext aerospike_magic`.

    A shell that had them before gets the same ones again, with their connection and their settings.
    """
    from aerospike_magic.magic.completion import SqlMatcher
    from aerospike_magic.magic.magics import AerospikeMagics

    unload_ipython_extension(ipython)
    known = ipython.magics_manager.registry.get(AerospikeMagics.__name__)
    magics = known if isinstance(known, AerospikeMagics) else AerospikeMagics(ipython)
    ipython.register_magics(magics)
    ipython.Completer.custom_matchers.append(SqlMatcher(magics.session, ipython).match)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics and the completion away; called by `%unload_ext`, and by `%reload_ext` before it loads again.

    The connection stays for that: `%aerospike disconnect`, or the end of the process, closes it.
    """
    from aerospike_magic.magic.completion import SqlMatcher

    matchers = ipython.Completer.custom_matchers
    for matcher in [each for each in matchers if isinstance(getattr(each, "__self__", None), SqlMatcher)]:
        matchers.remove(matcher)
    for kind, name in (("line", "aerospike"), ("line", "aerosql"), ("cell", "aerosql")):
        ipython.magics_manager.magics[kind].pop(name, None)
