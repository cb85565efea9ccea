"""What can be set: of the service, once, and of a query, behind the table's name.

``"flights?rps=1000&mismatch=error"`` is the table ``flights``, read at 1,000 records a second and node, by a query that
fails at the first value that does not fit its column. Such names are never listed; anyone may type them, in quotes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from aerospike_magic.errors import ConfigError
from aerospike_magic.gateway.messages import HostAddress
from aerospike_magic.scan.tasks import MAX_TASKS
from aerospike_magic.scan.teller import ProgressAddress


@dataclass(frozen=True)
class ServiceOptions:
    """How the service runs.

    Attributes:
        max_scans: scans that are open at once, however many splits are; each takes two threads and a socket a node.
        buffered_bytes: how much of all open scans may wait to be asked for, in bytes of record batches.
        page_bytes: bytes of a page where the engine would take more.
        page_s: seconds after which a page is sent with the rows that are there.
        idle_s: seconds after which a scan that nobody asks for ends; it is opened anew should someone ask again.
        wait_s: seconds to wait for one of the open scans to end, before a request is refused for the time being.
        splits: of a large set.
        tell_to: hosts beside this one that progress may be told to.
        hosts: of all gateways, so that each split names the one beside the node that it reads.
    """

    max_scans: int = 64
    buffered_bytes: int = 256 << 20
    page_bytes: int = 16 << 20
    page_s: float = 1.0
    idle_s: float = 10.0
    wait_s: float = 20.0
    splits: int = 64
    tell_to: frozenset[str] = frozenset()
    hosts: tuple[HostAddress, ...] = ()

    def __post_init__(self) -> None:
        if self.max_scans < 1 or not 1 <= self.splits <= MAX_TASKS:
            raise ConfigError(f"max_scans is at least 1, splits are 1 to {MAX_TASKS:,}")

    def may_tell(self, address: ProgressAddress) -> bool:
        """Whether progress may be told there."""
        if address.host in self.tell_to or address.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(address.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What a query set behind a table's name.

    Attributes:
        rps: records per second and node for the scan as a whole; 0 = no limit.
        mismatch: what becomes of values that do not fit their column.
        push: whether filters go to Aerospike; else all rows go to the engine, which filters.
        index: whether a secondary index may be taken, where it pays.
        splits: how many; None = by the set's size.
        progress: where to tell how far the scan is.
    """

    rps: int = 0
    mismatch: Literal["null", "error"] = "null"
    push: bool = True
    index: bool = True
    splits: int | None = None
    progress: ProgressAddress | None = None


def split_options(table: str) -> tuple[str, TableOptions]:
    """Return a table's name and what is set behind it.

    Raises:
        ConfigError: an option that there is not, or a value that makes no sense.
    """
    name, _, text = table.partition("?")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
    except ValueError:
        raise ConfigError(f"the options of a table are like ?rps=1000&push=0, not ?{text}") from None
    given: dict[str, Any] = {}
    for option, value in pairs:
        read = _READERS.get(option)
        if read is None:
            raise ConfigError(f"a table has no option {option!r}", hint="there are " + ", ".join(_READERS))
        given[option] = read(option, value)
    return name, TableOptions(**given)


def _number(least: int, most: int) -> Callable[[str, str], int]:
    def read(option: str, text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ConfigError(f"{option} is {text!r}", hint=f"it is a number, {least:,} to {most:,}")
        return int(text)

    return read


def _flag(option: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise ConfigError(f"{option} is {text!r}", hint="it is 0 or 1")
    return text == "1"


def _mismatch(option: str, text: str) -> str:
    if text not in ("null", "error"):
        raise ConfigError(f"{option} is {text!r}", hint="it is null or error")
    return text


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "rps": _number(0, 1 << 31),
    "mismatch": _mismatch,
    "push": _flag,
    "index": _flag,
    "splits": _number(1, MAX_TASKS),
    "progress": lambda _, text: ProgressAddress.parse(text),
}
