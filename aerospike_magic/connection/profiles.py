"""The profiles file and its secrets.

``connections.toml`` in the user's configuration folder (``~/.config/aerospike-magic`` on Linux), one table
a profile::

    [default]
    hosts = "127.0.0.1:3000"

    [prod]
    hosts = ["10.0.0.1:4333", "10.0.0.2:4333"]
    namespace = "shop"
    user = "analyst"
    password = "keyring:"        # keyring set aerospike-magic prod
    tls_name = "shop-cluster"
    tls_cafile = "~/certs/ca.pem"

A password is written as ``keyring:`` (the system's keyring, service ``aerospike-magic``, the profile's name
as the user), ``keyring:SERVICE/USER``, ``env:NAME``, or, against advice, as it is. Secrets are fetched only
for the profile that is used, and `keyring` is imported only then.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerospike_magic.errors import ConfigError

KEYRING_SERVICE = "aerospike-magic"
CONFIG_VARIABLE = "AEROSPIKE_MAGIC_CONFIG"


def profiles_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the profiles file is: ``AEROSPIKE_MAGIC_CONFIG``, or in the user's configuration."""
    environ = os.environ if environ is None else environ
    override = environ.get(CONFIG_VARIABLE)
    if override:
        return Path(override).expanduser()
    xdg = environ.get("XDG_CONFIG_HOME")
    if xdg:
        return Path(xdg) / "aerospike-magic" / "connections.toml"
    import platformdirs

    return Path(platformdirs.user_config_dir("aerospike-magic", appauthor=False)) / "connections.toml"


def load_profiles(environ: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Read all profiles, as name → settings as written (secrets unresolved); {} without a file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has values outside a profile.
    """
    environ = os.environ if environ is None else environ
    path = profiles_path(environ)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if environ.get(CONFIG_VARIABLE):
            raise ConfigError(f"{CONFIG_VARIABLE} names {path}, which does not exist") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the profiles file {path}: {error}") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's message has the place but no text of the file, so no password.
        raise ConfigError(f"the profiles file {path} is not TOML: {error}") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} stands outside a profile", hint="put it under a line such as [default]")
    return tables


def resolve_secret(
    written: str, setting: str, profile: str | None, user: str | None, environ: Mapping[str, str]
) -> str:
    """Return the secret that a setting's text means: from the keyring, the environment, or the text itself.

    Raises:
        ConfigError: the keyring or the environment does not have it.
    """
    if written.startswith("env:"):
        variable = written.removeprefix("env:")
        if variable not in environ:
            raise ConfigError(f"{setting}: the environment has no {variable}", hint=f"set {variable}")
        return environ[variable]
    if written.startswith("keyring:"):
        service, _, account = written.removeprefix("keyring:").rpartition("/")
        if not account:
            account = profile or user or ""
        return _from_keyring(service or KEYRING_SERVICE, account, setting)
    return written


def _from_keyring(service: str, account: str, setting: str) -> str:
    hint = f"store it with: keyring set {service} {account}"
    if not account:
        raise ConfigError(
            f"{setting}: keyring: needs a profile or a user to look up", hint="write keyring:SERVICE/USER"
        )
    import keyring
    import keyring.errors

    try:
        secret = keyring.get_password(service, account)
    except keyring.errors.KeyringError as error:
        raise ConfigError(f"{setting}: the keyring could not be read ({type(error).__name__})", hint=hint) from None
    if secret is None:
        raise ConfigError(f"{setting}: the keyring has nothing for {service} {account}", hint=hint)
    return str(secret)
