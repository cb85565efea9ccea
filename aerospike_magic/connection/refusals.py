"""The official client's exceptions, mapped once to ours, with a hint on what to do.

The client's messages name C files and numbers; here each becomes one line in plain words. The password is
in none of them: only the user's name and the addresses are ours to tell.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aerospike import exception as client_errors

from aerospike_magic.connection.settings import ConnectionSettings
from aerospike_magic.errors import AerospikeMagicError, ConfigError, ConnectError, ServerError
from aerospike_magic.wire.info import parse_info_failure

# Result codes of the server (as/include/base/proto.h) and, below zero, of the C client (as_status.h).
_CLIENT_TIMEOUT = {9, -8}
_NO_CONNECTION = {-10, -11, -12, -16, -7, -3}
# X509_V_ERR_…, from OpenSSL's x509_vfy.h.
_UNKNOWN_AUTHORITY = {18, 19, 20, 21}
_WRONG_NAME = {62, 64}
_EXPIRED = 10
_SECURITY = {
    51: "the server does not support security",
    52: "security is not enabled on the server",
    60: "there is no such user",
    61: "the user's state does not allow a login",
    62: "the password is wrong",
    63: "the password has expired",
    64: "the password is not allowed",
    65: "the password is wrong (or another credential)",
    66: "the session has expired",
    80: "the server wants a login",
    90: "the server knows no external users (LDAP)",
}
_LASTING = {60, 61, 62, 63, 64, 65, 80, 90}
_AFTER_LOGIN = {
    81: "the user lacks the role for this",
    82: "this machine is not on the user's whitelist",
    83: "the user's quota is used up",
}


@contextmanager
def translated(settings: ConnectionSettings, doing: str, *, node: str | None = None) -> Iterator[None]:
    """Run client calls; what the official client raises inside comes out as one of our errors."""
    try:
        yield
    except client_errors.AerospikeError as error:
        raise translate(error, settings, doing, node=node) from error


def translate(
    error: BaseException, settings: ConnectionSettings, doing: str, *, node: str | None = None
) -> AerospikeMagicError:
    """Return our error for one of the official client's.

    Args:
        error: what the client raised.
        settings: of the connection it was raised by.
        doing: what was being done, as words after "could not", e.g. ``"list the sets"``.
        node: the node, when known.
    """
    code = getattr(error, "code", None)
    code = code if isinstance(code, int) else -1
    said = _first_line(getattr(error, "msg", None) or str(error))
    if code in _SECURITY:
        return login_refused(settings, code, node=node)
    if code in _AFTER_LOGIN:
        return ServerError(
            f"could not {doing}: {_AFTER_LOGIN[code]}", code=code, hint="ask an administrator", node=node
        )
    if code == -9:
        return tls_failed(settings, said, node=node)
    if code == -2:
        return ConfigError(f"could not {doing}: {said}")
    if code in _CLIENT_TIMEOUT:
        hint = f"the timeout is {settings.timeout_s:g} s; give connect() a larger timeout_s"
        return ConnectError(f"could not {doing}: the server did not answer in time", hint=hint, node=node)
    if code in _NO_CONNECTION:
        return ConnectError(f"could not {doing}: the connection failed ({said})", hint=_reach_hint(settings), node=node)
    if code == 20:
        return ServerError(f"could not {doing}: no such namespace", code=code, node=node)
    if code < 0:
        return ConnectError(f"could not {doing}: {said}", node=node)
    return ServerError(f"could not {doing}: {said} (code {code})", code=code, node=node)


def unreachable(settings: ConnectionSettings, tried: Sequence[tuple[str, str]], said: str) -> ConnectError:
    """Return the error for a cluster none of whose seeds answered.

    Args:
        settings: of the attempt.
        tried: (address, what happened) of each seed.
        said: the client's words, for when nothing else is known.
    """
    details = "; ".join(f"{address}: {what}" for address, what in tried) or said
    return ConnectError(f"no Aerospike node answered at {settings.address} ({details})", hint=_reach_hint(settings))


def login_refused(settings: ConnectionSettings, code: int, *, node: str | None = None) -> ConnectError:
    """Return the error for a login that the server refused with a result code."""
    reason = _SECURITY.get(code, f"code {code}")
    if code == 80 and settings.user:
        reason = "the server does not know it any more"
    if code in (60, 62, 63, 64, 65):
        hint = f"check user and password ({_credential_source(settings)}), and auth={settings.auth!r}"
    elif code == 80 and not settings.user:
        hint = "give user=… and password=…, or AEROSPIKE_USER and AEROSPIKE_PASSWORD"
    elif code == 90:
        hint = "try auth='internal'"
    elif code in (51, 52):
        hint = "connect without a user"
    else:
        hint = "connect again"
    who = f"the login of user {settings.user!r}" if settings.user else "the connection"
    return ConnectError(f"{who} was refused: {reason}", hint=hint, node=node, is_lasting=code in _LASTING)


def tls_failed(settings: ConnectionSettings, said: str, *, node: str | None = None) -> ConnectError:
    """Return the error for a TLS handshake or certificate that failed."""
    hint = (
        "check tls_cafile (the CA that signed the certificates), tls_name (the name in them) and the port"
        if settings.tls
        else "the server may want TLS: give tls=True"
    )
    return ConnectError(f"TLS with {settings.address} failed: {said}", hint=hint, node=node)


def tls_file_unusable(settings: ConnectionSettings, option: str) -> ConnectError:
    """Return the error for a PEM file that OpenSSL cannot use; what it says itself is of no help."""
    if option == "tls_cafile":
        said, hint = f"tls_cafile {settings.tls_cafile} holds no certificate", "give a PEM file of authorities"
    else:
        key = settings.tls_keyfile or settings.tls_certfile
        said = f"the certificate in {settings.tls_certfile} and the key in {key} cannot be used together"
        hint = "is it the certificate's key? an encrypted one needs tls_keyfile_password; PEM files are needed"
    return ConnectError(f"TLS with {settings.address} failed: {said}", hint=hint, is_lasting=True)


def tls_refused(
    settings: ConnectionSettings, error: ssl.SSLError | ssl.CertificateError, tls_name: str, *, node: str | None = None
) -> ConnectError:
    """Return the error for a handshake that either side refused, in words for its usual causes.

    Args:
        settings: of the attempt.
        error: what Python's TLS raised.
        tls_name: the name that was wanted.
        node: the node, when known.
    """
    verify_code = getattr(error, "verify_code", 0)
    reason = getattr(error, "reason", None) or ""
    if verify_code in _UNKNOWN_AUTHORITY:
        said = "no authority that we trust has signed the server's certificate"
        hint = "tls_cafile is the PEM file of the one that has"
    elif verify_code in _WRONG_NAME:
        said = f"the server's certificate is not for the name {tls_name!r}"
        hint = "tls_name is the name in the certificate"
    elif "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        said = "the server did not accept us"
        if not settings.tls_certfile:
            said, hint = "the server wants a client certificate", "give tls_certfile and tls_keyfile"
        else:
            hint = "is tls_certfile signed by an authority that the server trusts?"
    elif "ALERT_UNKNOWN_CA" in reason:
        said = "the server does not trust the authority of our client certificate"
        hint = "check tls_certfile"
    elif "CERTIFICATE_EXPIRED" in reason:
        said, hint = "our client certificate has expired", "renew tls_certfile"
    elif verify_code == _EXPIRED:
        said, hint = "the server's certificate has expired", "it must be renewed on the server"
    elif isinstance(error, ssl.SSLEOFError):
        return tls_failed(settings, "the server ended the connection; maybe it speaks no TLS there", node=node)
    elif reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        said, hint = "the server does not speak TLS there", "is the port right? without TLS: tls=False"
    else:
        return tls_failed(settings, getattr(error, "verify_message", "") or reason or str(error), node=node)
    return ConnectError(f"TLS with {settings.address} failed: {said}", hint=hint, node=node, is_lasting=True)


def _credential_source(settings: ConnectionSettings) -> str:
    return f"from profile {settings.profile}" if settings.profile else "as given or from the environment"


def _reach_hint(settings: ConnectionSettings) -> str:
    hints = ["is the server running, and the port right?"]
    if not settings.tls:
        hints.append("does it want TLS (tls=True)?")
    if not settings.services_alternate:
        hints.append("behind a container or a NAT, try services_alternate=True")
    return " ".join(hints)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"


def checked_answer(command: str, answer: str, node: str) -> str:
    """Return a node's answer to an info command, without the command that stands before it.

    Raises:
        ServerError: the node refused the command.
    """
    value = (answer.partition("\t")[2] if "\t" in answer else answer).rstrip("\n")
    failure = parse_info_failure(value)
    if failure is not None:
        raise ServerError(
            f"info {command!r} was refused: {failure.text or 'no reason given'}", code=failure.code, node=node
        )
    return value
