"""How a gateway's process comes to its service: settings that go through a pipe, and a factory that is named.

The settings carry passwords, so they are never on a command line, in the environment of a child, or in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from importlib import import_module
from typing import Any, cast

from aerospike_magic.connection.hosts import Host
from aerospike_magic.connection.settings import ConnectionSettings
from aerospike_magic.gateway.messages import HostAddress, Service

Factory = Callable[[Mapping[str, Any], Sequence[HostAddress]], AbstractContextManager[Service]]
"""Opens a service from its settings and the addresses of all the gateway's processes, and closes it."""

AEROSPIKE = "aerospike_magic.gateway.opening:open_aerospike"
"""The factory of the service that a gateway is for."""

SCHEMA_AGE_S = 60.0
"""Seconds after which a gateway's process samples a set anew when asked about it; engines keep answers for minutes."""


def find_factory(name: str) -> Factory:
    """Return the factory that is called `module:function`."""
    module, _, function = name.partition(":")
    return cast(Factory, getattr(import_module(module), function))


def as_settings(connection: ConnectionSettings) -> dict[str, Any]:
    """Return what `open_aerospike` takes, as JSON can carry it."""
    return {"connection": asdict(connection)}


@contextmanager
def open_aerospike(settings: Mapping[str, Any], hosts: Sequence[HostAddress]) -> Iterator[Service]:
    """Serve the sets of a cluster.

    Args:
        settings: see `as_settings`; "service" may hold `ServiceOptions` by name.
        hosts: named in splits, so that each is asked for of one process.
    """
    from aerospike_magic.connection import Connection

    given = dict(settings["connection"])
    given["hosts"] = tuple(Host(**host) for host in given["hosts"])
    service = import_module("aerospike_magic.gateway.service")
    options = import_module("aerospike_magic.gateway.options")
    given_options = {"schema_age_s": SCHEMA_AGE_S, "hosts": tuple(hosts)} | settings.get("service", {})
    chosen = options.ServiceOptions(**given_options)
    with Connection(ConnectionSettings(**given)) as connection, service.AerospikeService(connection, chosen) as served:
        yield served
