"""Seed hosts as people write them: ``host``, ``host:port``, ``host:tls_name:port``, ``[::1]:port``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from aerospike_magic.errors import ConfigError

DEFAULT_PORT = 3000
DEFAULT_TLS_PORT = 4333
_HINT = "write host:port, [IPv6]:port, or several with commas: 10.0.0.1:3000,10.0.0.2:3000"
# RFC 1123 labels, and the underscore that container networks use in service names.
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)


@dataclass(frozen=True, slots=True, order=True)
class Host:
    """A seed: where to ask first for the cluster."""

    name: str
    port: int
    tls_name: str | None = None

    def __str__(self) -> str:
        return format_address(self.name, self.port)


def format_address(host: str, port: int) -> str:
    """Return ``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_hosts(text: str, *, default_port: int = DEFAULT_PORT) -> tuple[Host, ...]:
    """Read a comma-separated list of seeds.

    Args:
        text: for example ``"10.0.0.1:3000,[::1]:3000,db.example:tls-name:4333"``.
        default_port: the port where none is written, 1..65535.

    Raises:
        ConfigError: an entry is not a host, or a port is not 1..65535.
    """
    hosts = tuple(_parse_host(part.strip(), default_port) for part in text.split(",") if part.strip())
    if not hosts:
        raise ConfigError("no host was given", hint=_HINT)
    return hosts


def _parse_host(text: str, default_port: int) -> Host:
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfigError(f"not a host: {text!r}", hint=_HINT)
        parts = [name, *rest.split(":")[1:]]
        _check_ipv6(name, text)
    elif text.count(":") > 2 or text.startswith(":"):
        # More colons than host:tls_name:port has: a bare IPv6 address, which cannot carry a port.
        _check_ipv6(text, text)
        parts = [text]
    else:
        parts = text.split(":")
        if not _HOST_NAME.fullmatch(parts[0]):
            raise ConfigError(f"not a host: {text!r}", hint=_HINT)
    if len(parts) > 3:
        raise ConfigError(f"not a host: {text!r}", hint=_HINT)
    port = _parse_port(parts[-1], text) if len(parts) > 1 else default_port
    tls_name = parts[1] if len(parts) == 3 else None
    if tls_name is not None and not _HOST_NAME.fullmatch(tls_name):
        raise ConfigError(f"not a host: {text!r}", hint=_HINT)
    return Host(parts[0], port, tls_name)


def _check_ipv6(name: str, text: str) -> None:
    try:
        ipaddress.IPv6Address(name)
    except ValueError as error:
        raise ConfigError(f"not an IPv6 address: {text!r}", hint=_HINT) from error


def _parse_port(port: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ConfigError(f"not a port: {port!r} in {text!r}", hint=_HINT)
    return int(port)
