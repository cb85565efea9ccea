"""What bounds a gateway, and what protects it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from aerospike_magic.errors import ConfigError

MEBI = 1 << 20


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How much a gateway takes on at once; all of it has a bound.

    Attributes:
        max_connections: clients connected; for a further one the longest idle is hung up on, or else that one.
        max_in_flight: requests of one connection that were read and not yet answered; then it is not read further.
        max_in_flight_total: the same, of all connections.
        max_running: requests for rows that run side by side, a thread each; others have some threads more.
        max_frame_bytes: of a request; a larger one is refused.
        max_request_bytes: of all requests in flight together.
        max_unsent_bytes: of replies of one connection that run or wait to be sent; further requests of it wait.
        max_unsent_bytes_total: the same, of all connections.
        max_reply_bytes: of one reply; a larger one becomes an error. Clients have a bound of their own, see the
            catalog file.
        frame_timeout_s: seconds for a frame to arrive, from its first byte on.
        send_timeout_s: seconds for a client to take one reply.
        handshake_timeout_s: seconds for TLS to be agreed on.
        tls_certfile, tls_keyfile: PEM files of the gateway's certificate and its key (by default in the same file);
            it speaks TLS only if given.
        tls_client_cafile: PEM file of the authorities of client certificates, which are demanded if given.
        insecure: listen on an address beyond loopback in clear all the same.
    """

    max_connections: int = 128
    max_in_flight: int = 256
    max_in_flight_total: int = 2048
    max_running: int = 64
    max_frame_bytes: int = 16 * MEBI
    max_request_bytes: int = 256 * MEBI
    max_unsent_bytes: int = 256 * MEBI
    max_unsent_bytes_total: int = 512 * MEBI
    max_reply_bytes: int = 64 * MEBI
    frame_timeout_s: float = 20.0
    send_timeout_s: float = 60.0
    handshake_timeout_s: float = 10.0
    tls_certfile: str | os.PathLike[str] | None = None
    tls_keyfile: str | os.PathLike[str] | None = None
    tls_client_cafile: str | os.PathLike[str] | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name.startswith(("max_", "frame_", "send_", "handshake_")) and not value > 0:
                raise ConfigError(f"{item.name} must be more than 0, not {value!r}")
        if self.max_frame_bytes > self.max_request_bytes:
            raise ConfigError("max_frame_bytes is more than max_request_bytes, so no such frame could be taken")
        if self.tls_certfile is None and (self.tls_keyfile is not None or self.tls_client_cafile is not None):
            raise ConfigError("TLS needs a certificate of the gateway", hint="give tls_certfile")
