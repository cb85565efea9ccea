"""TLS: the server's certificate, whose clients it trusts, and the name that it tells them.

A node listens either in clear or with TLS, not both. TLS is 1.2 or later. With an authority for client certificates,
every client must have one.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aerospike_magic.errors import DevServerError

_HANDSHAKE_S = 10.0


@dataclass(frozen=True, slots=True)
class Tls:
    """How a node encrypts.

    Attributes:
        context: the server side's.
        name: the name in the certificate, told to clients as the nodes' TLS name.
    """

    context: ssl.SSLContext
    name: str

    def secure(self, connected: socket.socket) -> ssl.SSLSocket:
        """Shake hands with a client.

        Raises:
            OSError: it does not speak TLS, refuses the certificate, has none itself, or is silent.
        """
        connected.settimeout(_HANDSHAKE_S)
        secured = self.context.wrap_socket(connected, server_side=True)
        secured.settimeout(None)
        return secured


def load_tls(certfile: str, keyfile: str, cafile: str | None = None, name: str | None = None) -> Tls:
    """Read the files.

    Args:
        certfile: PEM file with the server's certificate and what is between it and its authority.
        keyfile: PEM file with its key, not encrypted.
        cafile: PEM file with the authorities of client certificates, which then are demanded.
        name: what to tell clients as TLS name; by default the first DNS name of the certificate, or its common name.

    Raises:
        DevServerError: a file cannot be read or used.
    """
    context = _server_context(certfile, keyfile)
    if cafile is not None:
        try:
            context.load_verify_locations(cafile)
        except OSError as error:
            raise _unusable(cafile, error, "an authority's certificate") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return Tls(context, name or _name_in(certfile, keyfile))


def certificate_name(connected: socket.socket) -> str | None:
    """The common name in the certificate of a client, None if it showed none."""
    certificate = connected.getpeercert() if isinstance(connected, ssl.SSLSocket) else None
    return _common_name(certificate) if certificate else None


def hang_up(connected: socket.socket) -> None:
    """End a connection, also from another thread than the one that uses it."""
    with contextlib.suppress(OSError):
        # An SSLSocket's own would make it a plain one, and its thread would go on in clear.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _server_context(certfile: str, keyfile: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A password, even an empty one, keeps OpenSSL from asking for it on the terminal.
        context.load_cert_chain(certfile, keyfile, "")
    except OSError as error:
        raise _unusable(f"{certfile} with {keyfile}", error, "a certificate and its key, not encrypted") from None
    return context


def _unusable(path: str, error: OSError, wanted: str) -> DevServerError:
    said = getattr(error, "reason", None) or error.strerror or "not PEM"
    return DevServerError(
        f"cannot use {path} for TLS: {str(said).lower().replace('_', ' ')}", hint=f"give PEM files of {wanted}"
    )


def _name_in(certfile: str, keyfile: str) -> str:
    """Find the name in a certificate: Python tells only what a peer has shown, so it is shown here."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname = False
    # Trusted for itself, whoever has signed it.
    ours.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    ours.load_verify_locations(certfile)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ours.wrap_bio(back, there)
    server = _server_context(certfile, keyfile).wrap_bio(there, back, server_side=True)
    try:
        for end in (client, server, client):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
        certificate: Mapping[str, Any] = client.getpeercert() or {}
    except (ssl.SSLError, ValueError) as error:
        said = getattr(error, "verify_message", "") or str(error)
        raise DevServerError(f"no name can be found in {certfile}: {said}", hint="give --tls-name") from None
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    name = names[0] if names else _common_name(certificate)
    if not name:
        raise DevServerError(f"{certfile} has no name in it", hint="give --tls-name")
    return str(name)


def _common_name(certificate: Mapping[str, Any]) -> str | None:
    pairs = (pair for part in certificate.get("subject", ()) for pair in part)
    return next((str(value) for key, value in pairs if key == "commonName"), None)
