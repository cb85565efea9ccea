"""The file that makes a stock Trino or Presto know a gateway: `etc/catalog/NAME.properties` on each node of it.

The limits make a dead gateway an error within seconds: by default the connector tries for more than a minute. A
gateway that is restarted within `MAX_RETRY_TIME_S` is not noticed.

With TLS, the connectors check by whom the gateway's certificate was signed, but **not the name in it**: whoever has a
certificate of that authority passes for the gateway. So trust an authority of the gateways only, or the gateway's own
certificate.

Source: the configuration classes of Drift 1.23 (`DriftClientConfig`, `DriftNettyClientConfig`,
`SimpleAddressSelectorConfig`) and of the connectors (`ThriftConnectorConfig`), as of Trino 476 and Presto 0.287.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from aerospike_magic.errors import ConfigError

KINDS = ("trino", "presto")
MAX_RETRY_TIME_S = 10
MAX_FRAME_MB = 64
MAX_RESPONSE_MB = 4

_CONNECTORS = {"trino": "trino_thrift", "presto": "presto-thrift"}


@dataclass(frozen=True, slots=True)
class CatalogTls:
    """How an engine encrypts its way to the gateway; paths are on the engine's nodes.

    Attributes:
        trust_certificate: PEM file of the authority of the gateway's certificate, and of nothing else, see above.
        key: PEM file of the engine's own certificate and key, where the gateway demands one.
    """

    trust_certificate: str | os.PathLike[str]
    key: str | os.PathLike[str] | None = None


def catalog_text(
    kind: str, addresses: Sequence[str], *, tls: CatalogTls | None = None, max_retry_time_s: int = MAX_RETRY_TIME_S
) -> str:
    """Return the text of the file.

    Args:
        kind: "trino" or "presto".
        addresses: `host:port` of each gateway, or of the shared address of its processes.
        tls: for a gateway that speaks TLS.
        max_retry_time_s: seconds until a gateway that does not answer is an error.

    Raises:
        ConfigError: there is no such kind, or no address.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no kind of catalog {kind!r}", hint=f"kinds: {', '.join(KINDS)}")
    if not addresses:
        raise ConfigError("a catalog needs the address of a gateway", hint="give host:port")
    client = f"{kind}.thrift.client"
    # Trino's connector speaks FRAMED and BINARY by default, Presto's another transport.
    lines = {
        "connector.name": _CONNECTORS[kind],
        f"{client}.addresses": ",".join(addresses),
        f"{client}.transport": "FRAMED",
        f"{client}.protocol": "BINARY",
        f"{client}.max-frame-size": f"{MAX_FRAME_MB}MB",
        f"{client}.connect-timeout": "2s",
        f"{client}.request-timeout": "60s",
        f"{client}.max-retries": "20",
        f"{client}.min-backoff-delay": "100ms",
        f"{client}.max-backoff-delay": "1s",
        f"{client}.max-retry-time": f"{max_retry_time_s}s",
        f"{kind}-thrift.max-response-size": f"{MAX_RESPONSE_MB}MB",
    }
    if tls is not None:
        lines[f"{client}.ssl.enabled"] = "true"
        lines[f"{client}.ssl.trust-certificate"] = os.fspath(tls.trust_certificate)
        if tls.key is not None:
            lines[f"{client}.ssl.key"] = os.fspath(tls.key)
    return "".join(f"{name}={value}\n" for name, value in lines.items())
