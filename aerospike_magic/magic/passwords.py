"""Where a missing password comes from: the keyring, or a prompt; never the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from aerospike_magic.errors import ConfigError


def with_password(target: str | None, options: Mapping[str, Any], ask: Callable[[str], str]) -> dict[str, Any]:
    """Return the options of a connection, with a password when one is needed and none was found.

    Args:
        target: hosts, a profile or None, as for `connect`.
        options: what was given on the line.
        ask: prompts for a password with a text, without echo.

    Raises:
        ConfigError: something else is wrong with the settings.
    """
    from aerospike_magic.connection.profiles import resolve_secret
    from aerospike_magic.connection.settings import resolve_settings

    try:
        resolve_settings(target, **options)
        return dict(options)
    except ConfigError:
        # With any password the rest must be right; if it is not, this raises what is wrong with it.
        settings = resolve_settings(target, **{**options, "password": "any"})
    try:
        password = resolve_secret("keyring:", "password", settings.profile, settings.user, os.environ)
    except ConfigError:
        password = ask(f"Password of {settings.user}: ")
    return {**options, "password": password}
