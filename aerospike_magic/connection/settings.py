"""What a connection needs to know, and where each value was found.

A value is looked for in this order, and the first place that has it wins:

1. the keyword arguments of `connect`;
2. the target: ``host:port[,host:port]``, or the profile of that name in the profiles file;
3. the environment (the table `ENVIRONMENT`);
4. the default below.

Without a target, the environment names one (``AEROSPIKE_MAGIC_TARGET``, then ``AEROSPIKE_HOST``), and
failing that the profile ``default`` is used. Invariant: no `repr`, message or log of this module carries a
password.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aerospike_magic.connection.hosts import DEFAULT_PORT, DEFAULT_TLS_PORT, Host, parse_hosts
from aerospike_magic.connection.profiles import load_profiles, resolve_secret
from aerospike_magic.errors import ConfigError
from aerospike_magic.schema.types import near_matches

AUTH_MODES = ("none", "internal", "external", "pki")

# Environment variable → (setting, what it means). Read by `aerospike-magic doctor` and the documentation too.
ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "AEROSPIKE_MAGIC_TARGET": (
        "target",
        "host:port[,host:port] or the name of a profile, when connect() gets neither",
    ),
    "AEROSPIKE_MAGIC_CONFIG": (
        "config",
        "path of the profiles file instead of connections.toml in the user's config",
    ),
    "AEROSPIKE_HOST": ("hosts", "host, host:port or a list with commas, when there is no target"),
    "AEROSPIKE_PORT": ("port", "the port for hosts written without one (3000, or 4333 with TLS)"),
    "AEROSPIKE_NAMESPACE": ("namespace", "the namespace of a set named without one"),
    "AEROSPIKE_USER": ("user", "user name"),
    "AEROSPIKE_PASSWORD": ("password", "password, or keyring:, or env:NAME"),
    "AEROSPIKE_AUTH": ("auth", "internal (default with a user), external, pki or none"),
    "AEROSPIKE_TLS": ("tls", "true or false; true when any other TLS value is given"),
    "AEROSPIKE_TLS_NAME": ("tls_name", "the name in the servers' certificates"),
    "AEROSPIKE_TLS_CAFILE": (
        "tls_cafile",
        "PEM file with the CA that signed them (the system's CAs if absent)",
    ),
    "AEROSPIKE_TLS_CERTFILE": ("tls_certfile", "PEM file with our client certificate"),
    "AEROSPIKE_TLS_KEYFILE": ("tls_keyfile", "PEM file with its key"),
    "AEROSPIKE_TLS_KEYFILE_PASSWORD": (
        "tls_keyfile_password",
        "password of that key, or keyring:, or env:NAME",
    ),
    "AEROSPIKE_SERVICES_ALTERNATE": (
        "services_alternate",
        "true to use the servers' alternate-access addresses",
    ),
    "AEROSPIKE_TIMEOUT_S": ("timeout_s", "seconds for a request (10)"),
    "AEROSPIKE_CONNECT_TIMEOUT_S": ("connect_timeout_s", "seconds to reach a node and log in (5)"),
}


@dataclass(frozen=True)
class ConnectionSettings:
    """Everything needed to reach and enter a cluster; equal settings reach the same cluster the same way.

    Attributes:
        hosts: the seeds.
        profile: the profile's name, when the values came from one.
        namespace: the namespace of a set named without one.
        user, password: credentials; the password is in no repr.
        auth: "none", "internal", "external" or "pki".
        tls: whether to encrypt.
        tls_name: the name that the servers' certificates carry.
        tls_cafile, tls_certfile, tls_keyfile: paths of PEM files.
        services_alternate: whether nodes are reached at their alternate-access addresses.
        timeout_s: seconds for a request.
        connect_timeout_s: seconds to reach a node and log in.
    """

    hosts: tuple[Host, ...]
    profile: str | None = None
    namespace: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    auth: str = "none"
    tls: bool = False
    tls_name: str | None = None
    tls_cafile: str | None = None
    tls_certfile: str | None = None
    tls_keyfile: str | None = None
    tls_keyfile_password: str | None = field(default=None, repr=False)
    services_alternate: bool = False
    timeout_s: float = 10.0
    connect_timeout_s: float = 5.0

    @property
    def address(self) -> str:
        """The seeds as one text, ``host:port,host:port``."""
        return ",".join(str(host) for host in self.hosts)

    def __repr__(self) -> str:
        shown = [f"hosts={self.address!r}"]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "hosts" or value == item.default:
                continue
            shown.append(f"{item.name}={value!r}" if item.repr else f"{item.name}=<hidden>")
        return f"ConnectionSettings({', '.join(shown)})"


def resolve_settings(
    target: str | None = None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
    **given: Any,
) -> ConnectionSettings:
    """Find every setting, by the order that the module tells.

    Args:
        target: ``host:port[,host:port]``, a profile's name, or None.
        profile: a profile's name; together with a target of hosts, it gives the rest.
        environ: the environment, `os.environ` if None.
        given: settings by name; None means not given.

    Raises:
        ConfigError: no target anywhere, an unknown profile (with near matches), a value that makes no sense.
    """
    environ = os.environ if environ is None else environ
    from_environment = _from_environment(environ)
    profiles = load_profiles(environ)
    layers: list[Mapping[str, Any]] = [{k: v for k, v in given.items() if v is not None}]
    _refuse_unknown(layers[0], "connect()")
    hosts_text, name = _choose_target(target, profile, from_environment, profiles)
    if hosts_text is not None:
        layers.append({"hosts": hosts_text})
    if name is not None:
        _refuse_unknown(profiles[name], f"profile {name}")
        layers.append(profiles[name])
    layers.append(from_environment)
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged |= layer
    if "hosts" not in merged:
        raise ConfigError(f"profile {name!r} names no hosts", hint='add: hosts = "10.0.0.1:3000"')
    return _build(merged, name, environ)


_SETTING_NAMES = {setting for setting, _ in ENVIRONMENT.values()} - {"target", "config"}
_TEXT = ("namespace", "user", "tls_name", "tls_cafile", "tls_certfile", "tls_keyfile")


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        setting: environ[variable]
        for variable, (setting, _) in ENVIRONMENT.items()
        if setting != "config" and environ.get(variable, "") != ""
    }


def _refuse_unknown(table: Mapping[str, Any], where: str) -> None:
    for key in table:
        if key not in _SETTING_NAMES:
            near = near_matches(key, sorted(_SETTING_NAMES))
            hint = f"did you mean {' or '.join(near)}?" if near else "settings: " + ", ".join(sorted(_SETTING_NAMES))
            raise ConfigError(f"{where} has no setting {key!r}", hint=hint)


def _choose_target(
    target: str | None,
    profile: str | None,
    environment: dict[str, Any],
    profiles: Mapping[str, Mapping[str, Any]],
) -> tuple[str | None, str | None]:
    """Return (hosts text or None, profile name or None); takes `target` out of `environment`."""
    from_environment = environment.pop("target", None)
    if profile is not None and profile not in profiles:
        raise _unknown_profile(profile, profiles)
    target = (target or "").strip() or None
    if target is None and profile is None:
        target = from_environment
        if target is None and "hosts" not in environment:
            if "default" not in profiles:
                raise ConfigError(
                    "nothing says which server to connect to",
                    hint="give host:port or a profile, set AEROSPIKE_HOST, or write a profile named default "
                    "(aerospike-magic server starts one on 127.0.0.1:3000)",
                )
            return None, "default"
    if target is None or target == profile:
        return None, profile
    if target in profiles:
        return None, target
    if not _looks_like_hosts(target):
        raise _unknown_profile(target, profiles)
    return target, profile


def _looks_like_hosts(target: str) -> bool:
    return target == "localhost" or any(mark in target for mark in ".:,")


def _unknown_profile(name: str, profiles: Mapping[str, Mapping[str, Any]]) -> ConfigError:
    near = near_matches(name, list(profiles))
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif profiles:
        hint = f"profiles: {', '.join(sorted(profiles))}; a host is written {name}:3000"
    else:
        hint = f"there are no profiles yet; a host is written {name}:3000"
    return ConfigError(f"there is no profile named {name!r}", hint=hint)


def _build(merged: dict[str, Any], profile: str | None, environ: Mapping[str, str]) -> ConnectionSettings:
    values: dict[str, Any] = {"profile": profile}
    for name in _TEXT:
        if merged.get(name) is not None:
            values[name] = _text(name, merged[name])
    for name in ("tls_cafile", "tls_certfile", "tls_keyfile"):
        if name in values:
            values[name] = _existing_file(name, values[name])
    for name in ("password", "tls_keyfile_password"):
        if merged.get(name) is not None:
            values[name] = resolve_secret(_text(name, merged[name]), name, profile, values.get("user"), environ)
    for name in ("timeout_s", "connect_timeout_s"):
        if name in merged:
            values[name] = _seconds(name, merged[name])
    if "services_alternate" in merged:
        values["services_alternate"] = _boolean("services_alternate", merged["services_alternate"])
    uses_tls = any(name in values for name in ("tls_name", "tls_cafile", "tls_certfile"))
    values["tls"] = _boolean("tls", merged["tls"]) if "tls" in merged else uses_tls
    values["hosts"] = _hosts(merged, DEFAULT_TLS_PORT if values["tls"] else DEFAULT_PORT)
    values["auth"] = _auth(merged.get("auth"), values)
    return ConnectionSettings(**values)


def _hosts(merged: Mapping[str, Any], default_port: int) -> tuple[Host, ...]:
    hosts = merged["hosts"]
    text = ",".join(_text("hosts", h) for h in hosts) if isinstance(hosts, list | tuple) else _text("hosts", hosts)
    port = merged.get("port", default_port)
    if isinstance(port, bool) or not str(port).isdecimal() or not 1 <= int(port) <= 65535:
        raise ConfigError(f"not a port: {port!r}", hint="a port is 1 to 65535")
    return parse_hosts(text, default_port=int(port))


def _auth(auth: Any, values: Mapping[str, Any]) -> str:
    mode = str(auth).strip().lower() if auth is not None else ("internal" if values.get("user") else "none")
    if mode not in AUTH_MODES:
        raise ConfigError(f"no such authentication: {mode!r}", hint="auth is one of " + ", ".join(AUTH_MODES))
    if mode in ("internal", "external") and not values.get("user"):
        raise ConfigError(f"auth {mode} needs a user", hint="give user=… and a password, or auth='none'")
    if mode in ("internal", "external") and values.get("password") is None:
        raise ConfigError(
            f"user {values['user']!r} has no password",
            hint='give password=…, AEROSPIKE_PASSWORD, or password = "keyring:"',
        )
    if mode in ("external", "pki") and not values["tls"]:
        raise ConfigError(f"auth {mode} needs TLS", hint="give tls=True, and tls_cafile for a private CA")
    if mode == "pki" and not values.get("tls_certfile"):
        raise ConfigError("auth pki needs a client certificate", hint="give tls_certfile and tls_keyfile")
    return mode


def _text(name: str, value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be text, not {type(value).__name__}")
    return value


def _existing_file(name: str, path: str) -> str:
    expanded = Path(path).expanduser()
    if not expanded.is_file():
        raise ConfigError(f"{name}: there is no file {path}", hint="give the path of a PEM file")
    return str(expanded)


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if str(value).strip().lower() not in words:
        raise ConfigError(f"{name} must be true or false, not {value!r}")
    return words[str(value).strip().lower()]


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must be a number of seconds, not {value!r}") from error
    if not 0 < seconds < 86_400:
        raise ConfigError(f"{name} must be more than 0 and less than a day, not {value!r}")
    return seconds
