"""Which Trino or Presto is asked, as whom, and over what.

Invariant: no secret is in a `repr`, and none goes over plain HTTP: a password or a token needs ``https``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.trino.flavor import TRINO, Flavor
from aerospike_magic.errors import ConfigError

if TYPE_CHECKING:
    import requests

_HTTPS_PORTS = (443, 8443)


@dataclass(frozen=True)
class TrinoServer:
    """A coordinator and how to talk to it.

    Attributes:
        host, port: of the coordinator.
        user: as whom statements run.
        catalog: the one in which sets are; None where there is none, then only other catalogs can be read.
        schema: that names without a schema are looked up in, besides sets; None for none.
        flavor: Trino or Presto.
        scheme: "http" or "https"; "" for https on port 443 or 8443 and wherever there is a secret, else http.
        verify: whether the server's certificate is checked; a path names a PEM file of the authorities to trust.
        password: for HTTP's basic authentication.
        token: a JSON web token.
        certificate, key: PEM files of the client's certificate and its key.
        auth: an object of `trino.auth`, such as `OAuth2Authentication()`, in place of the above.
        session: session properties.
        timezone: in which the server reads and writes timestamps.
        timeout_s: seconds until a request that is not answered fails.

    Raises:
        ConfigError: a secret would go over plain HTTP.
    """

    host: str
    port: int = 8080
    user: str = "aerospike-magic"
    catalog: str | None = "aerospike"
    schema: str | None = None
    flavor: Flavor = TRINO
    scheme: str = ""
    verify: bool | str = True
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    certificate: str | None = None
    key: str | None = None
    auth: Any = field(default=None, repr=False)
    session: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if self.scheme not in ("", "http", "https"):
            raise ConfigError(f"scheme {self.scheme!r} is neither http nor https")
        if self._has_secret and self.url_scheme == "http":
            raise ConfigError(
                f"a password or token would go to {self.address} over plain HTTP", hint="use https: --http-scheme https"
            )

    @property
    def address(self) -> str:
        """``host:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url_scheme(self) -> str:
        """What the address begins with."""
        return self.scheme or ("https" if self.port in _HTTPS_PORTS or self._has_secret else "http")

    @property
    def url(self) -> str:
        """Where statements are sent."""
        return f"{self.url_scheme}://{self.address}"

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def open_session(self) -> requests.Session:
        """Return a session for HTTP requests, with the secrets and certificates that they need."""
        try:
            import requests  # comes with the package trino
        except ImportError:
            raise _not_installed() from None
        session = requests.Session()
        session.verify = self.verify
        if self.is_local:
            session.trust_env = False  # no proxy in between
            session.headers["Accept-Encoding"] = "identity"  # packing takes the server longer than sending
        session.headers.update(self._headers())
        auth = self.auth or self._own_auth()
        if auth is not None:
            auth.set_http_session(session)
        return session

    def _headers(self) -> dict[str, str]:
        from urllib.parse import quote

        given = {
            "User": self.user,
            "Source": "aerospike-magic",
            "Catalog": self.catalog,
            "Schema": self.schema,
            "Time-Zone": self.timezone,
            "Client-Capabilities": self.flavor.capabilities,
            "Session": ",".join(f"{name}={quote(str(value))}" for name, value in self.session.items()),
        }
        return {self.flavor.header + name: text for name, text in given.items() if text}

    def _own_auth(self) -> Any:
        if not (self._has_secret or self.certificate):
            return None
        try:
            from trino import auth
        except ImportError:
            raise _not_installed() from None
        if self.token is not None:
            return auth.JWTAuthentication(self.token)
        if self.password is not None:
            return auth.BasicAuthentication(self.user, self.password)
        certificate = self.certificate or ""
        return auth.CertificateAuthentication(certificate, self.key or certificate)

    @property
    def _has_secret(self) -> bool:
        return self.password is not None or self.token is not None


def _not_installed() -> ConfigError:
    return ConfigError("the package trino is not installed", hint="pip install 'aerospike-magic[trino]'")
