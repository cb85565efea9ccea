"""TLS, and what an address is open to.

The protocol knows no login. On loopback a gateway serves whoever is on the machine; on any other address it wants TLS,
where a client certificate is the shared secret: `tls_client_cafile` demands one. What remains open is said in words.
"""

from __future__ import annotations

import ipaddress
import os
import ssl

from aerospike_magic.errors import GatewayError
from aerospike_magic.gateway.bounds import GatewayOptions


def server_context(options: GatewayOptions) -> ssl.SSLContext | None:
    """Read the files; None without TLS.

    Raises:
        GatewayError: a file cannot be read or used.
    """
    if options.tls_certfile is None:
        return None
    certfile = os.fspath(options.tls_certfile)
    keyfile = certfile if options.tls_keyfile is None else os.fspath(options.tls_keyfile)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A password, even an empty one, keeps OpenSSL from asking for it on the terminal.
        context.load_cert_chain(certfile, keyfile, "")
    except OSError as error:
        files = certfile if certfile == keyfile else f"{certfile} with {keyfile}"
        raise _unusable(files, error, "a certificate and its key, not encrypted") from None
    if options.tls_client_cafile is not None:
        cafile = os.fspath(options.tls_client_cafile)
        try:
            context.load_verify_locations(cafile)
        except OSError as error:
            raise _unusable(cafile, error, "an authority's certificate") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_protection(host: str, options: GatewayOptions) -> None:
    """Refuse to serve in clear beyond this machine, unless told to.

    Raises:
        GatewayError: nothing protects the address.
    """
    if is_loopback(host) or options.tls_certfile is not None or options.insecure:
        return
    raise GatewayError(
        f"listening on {host} in clear would let everyone who reaches it read what this gateway may read",
        hint="give tls_certfile and tls_client_cafile, listen on 127.0.0.1, or say insecure",
    )


def protection(host: str, options: GatewayOptions) -> str:
    """Say who can read through a gateway, and what it cannot protect, in a sentence."""
    tls = options.tls_certfile is not None
    if tls and options.tls_client_cafile is not None:
        return (
            "with TLS, for clients with a certificate only; a client's own users are not told to the gateway, "
            "so all of them read what the gateway may read"
        )
    if is_loopback(host):
        return "for every user of this machine, who all read what the gateway may read"
    if tls:
        return (
            "with TLS, but for everyone who reaches the address, who all read what the gateway may read; "
            "--tls-client-cafile demands certificates of clients"
        )
    return (
        "IN CLEAR for everyone who reaches the address, who all read what the gateway may read, and what it sends "
        "to others"
    )


def _unusable(path: str, error: OSError, wanted: str) -> GatewayError:
    said = getattr(error, "reason", None) or error.strerror or "not PEM"
    return GatewayError(
        f"cannot use {path} for TLS: {str(said).lower().replace('_', ' ')}", hint=f"give PEM files of {wanted}"
    )
