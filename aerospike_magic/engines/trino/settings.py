"""How a user's own Trino or Presto is named: by what is given, else by the environment.

=======================  =====================================================================
variable                 what it sets
=======================  =====================================================================
TRINO_HOST               host, or host:port
TRINO_PORT               port; 8080, or 443 for https, where there is none
TRINO_USER               as whom statements run; the system's user where there is none
TRINO_CATALOG            the catalog in which sets are; "aerospike" where there is none
TRINO_SCHEMA             schema of other tables named without one
TRINO_HTTP_SCHEME        http or https
TRINO_TLS_CAFILE         PEM file of the authorities to trust
TRINO_TLS_CERTFILE       PEM file of the client's certificate, TRINO_TLS_KEYFILE its key
TRINO_PASSWORD           password, TRINO_JWT a token: both need https
=======================  =====================================================================

For Presto the names begin with ``PRESTO_``.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.flavor import Flavor
from aerospike_magic.errors import ConfigError

_PORTS = {"http": 8080, "https": 443}
_VARIABLES = {
    "host": "HOST",
    "port": "PORT",
    "user": "USER",
    "catalog": "CATALOG",
    "schema": "SCHEMA",
    "scheme": "HTTP_SCHEME",
    "cafile": "TLS_CAFILE",
    "certificate": "TLS_CERTFILE",
    "key": "TLS_KEYFILE",
    "password": "PASSWORD",
    "token": "JWT",
}
KNOWN = frozenset({*_VARIABLES, "verify", "auth", "session", "timezone", "timeout_s"})


def is_named(flavor: Flavor, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment names a server."""
    return bool((os.environ if environ is None else environ).get(flavor.environment + "HOST"))


def resolve_server(
    address: str | None, given: Mapping[str, Any], flavor: Flavor, environ: Mapping[str, str] | None = None
) -> TrinoServer:
    """Return the server that is meant.

    Args:
        address: "host" or "host:port"; None for the environment's.
        given: settings by name, as `TrinoServer` has them, and `cafile`; they come before the environment.
        flavor: Trino or Presto.
        environ: in place of the process's environment.

    Raises:
        ConfigError: no host is given, a setting is unknown or makes no sense, or a secret would go over plain HTTP.
    """
    environ = os.environ if environ is None else environ
    unknown = set(given) - KNOWN
    if unknown:
        raise ConfigError(f"{flavor.title} has no setting {min(unknown)}", hint=f"there are {', '.join(sorted(KNOWN))}")
    found: dict[str, Any] = {
        name: environ[flavor.environment + variable]
        for name, variable in _VARIABLES.items()
        if environ.get(flavor.environment + variable)
    }
    found |= {name: value for name, value in given.items() if value is not None}
    if address is not None:
        found.pop("port", None)
        found["host"] = address
    if not found.get("host"):
        raise ConfigError(f"no {flavor.title} is named", hint=f"give host:port, or set {flavor.environment}HOST")
    host, port = _split(str(found.pop("host")))
    port = port or _number(found.pop("port", None))
    scheme = str(found.get("scheme", "")).lower()
    has_secret = any(found.get(name) for name in ("password", "token", "auth", "certificate"))
    port = port or _PORTS["https" if scheme == "https" or (has_secret and not scheme) else "http"]
    cafile = found.pop("cafile", None)
    if cafile is not None:
        found["verify"] = _existing(str(cafile))
    for name in ("certificate", "key"):
        if name in found:
            found[name] = _existing(str(found[name]))
    user = found.pop("user", None) or _system_user()
    return TrinoServer(host, port, user=user, flavor=flavor, **{**found, "scheme": scheme})


def browser_login() -> Any:
    """Return what logs in by the user's browser, as the server's OAuth asks for.

    Raises:
        ConfigError: the package trino is not installed.
    """
    try:
        from trino.auth import OAuth2Authentication
    except ImportError:
        raise ConfigError("the package trino is not installed", hint="pip install 'aerospike-magic[trino]'") from None
    return OAuth2Authentication()


def _split(address: str) -> tuple[str, int | None]:
    """Host and port; an IPv6 address with a port is in brackets."""
    for scheme in ("http://", "https://"):
        if address.startswith(scheme):
            raise ConfigError(
                f"{address} is a URL", hint=f"write host:port, and --http-scheme {scheme.removesuffix('://')}"
            )
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        return host, _number(rest.removeprefix(":") or None)
    host, colon, port = address.rpartition(":")
    if not colon or ":" in host:
        return address, None
    if not host:
        raise ConfigError(f"{address} has no host", hint="write host:port")
    return host, _number(port)


def _number(text: Any) -> int | None:
    if text is None:
        return None
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise ConfigError(f"{text!r} is no port", hint="a port is a number from 1 to 65535")
    return port


def _existing(path: str) -> str:
    full = Path(path).expanduser()
    if not full.is_file():
        raise ConfigError(f"there is no file {path}")
    return str(full)


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "aerospike-magic"
