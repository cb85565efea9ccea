"""What can be set: of the service, once, and of a query, behind the table's name.

``flights__rps_1000__mismatch_error`` is the table ``flights``, read at 1,000 records a second and node, by a query that
fails at the first value that does not fit its column. (The connectors take only letters, digits and underscores; a
client without them may also say ``flights?rps=1000&mismatch=error``.) Such names are never
listed; anyone may type them. A set of exactly such a name is that set.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Container, Iterable, Mapping
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
        schema_age_s: seconds after which a set is sampled anew when it is described, so that new bins are seen; None =
            never, as where the connection's schemas are also used by others. A schema that was set stays.
        tell_to: hosts beside this one that progress may be told to.
        hosts: of all gateways. Each split names one of them, beside the node that it reads if there is one, so that
            all its pages are asked for where its scan is open.
    """

    max_scans: int = 64
    buffered_bytes: int = 256 << 20
    page_bytes: int = 16 << 20
    page_s: float = 1.0
    idle_s: float = 10.0
    wait_s: float = 20.0
    splits: int = 64
    schema_age_s: float | None = None
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

    def suffix(self) -> str:
        """Return what to put behind a table's name for these options; "" where all are as by default."""
        said = []
        for option, read in _READERS.items():
            value = getattr(self, option)
            if value != getattr(_DEFAULTS, option):
                said.append(f"__{option}_{read.write(value)}")
        return "".join(said)


_DEFAULTS = TableOptions()


def split_options(table: str, known: Container[str]) -> tuple[str, TableOptions] | None:
    """Return a table's name and what is set behind it; None if it is no table's name, with options or without.

    Args:
        table: the name, with options or without.
        known: names of tables.

    Raises:
        ConfigError: options behind the name of a table that there are not, or with values that make no sense.
    """
    if table in known:
        return table, TableOptions()
    name, mark, text = table.partition("?")
    if mark:
        return (name, _read_options(_pairs(text))) if name in known else None
    # The longest name: what is behind it is then shortest, and one that has itself "__" in it is found whole.
    for found in reversed(list(re.finditer("__", table))):
        name = table[: found.start()]
        if name in known:
            said = (one.partition("_") for one in table[found.end() :].split("__"))
            return name, _read_options((option, value) for option, _, value in said)
    return None


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
    except ValueError:
        raise ConfigError(f"the options of a table are not of the form {text!r}", hint="?rps=1000&push=0") from None


def _read_options(said: Iterable[tuple[str, str]]) -> TableOptions:
    given: dict[str, Any] = {}
    for option, value in said:
        read = _READERS.get(option)
        if read is None:
            raise ConfigError(f"a table has no option {option!r}", hint="there are " + ", ".join(_READERS))
        given[option] = read.read(option, value)
    return TableOptions(**given)


@dataclass(frozen=True, slots=True)
class _Form:
    """How an option's value is written in a name, and read."""

    read: Callable[[str, str], Any]
    write: Callable[[Any], str] = str


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


def _progress(option: str, text: str) -> ProgressAddress:
    if "/" in text:
        return ProgressAddress.parse(text)
    try:
        return ProgressAddress.parse(base64.b32decode(text.upper() + "=" * (-len(text) % 8)).decode())
    except ValueError:
        raise ConfigError(f"{option} is {text!r}", hint="leave it out: cells set it") from None


def _progress_text(address: ProgressAddress) -> str:
    return base64.b32encode(str(address).encode()).decode().rstrip("=").lower()


_FLAG = _Form(_flag, lambda value: str(int(value)))
_READERS: Mapping[str, _Form] = {
    "rps": _Form(_number(0, 1 << 31)),
    "mismatch": _Form(_mismatch),
    "push": _FLAG,
    "index": _FLAG,
    "splits": _Form(_number(1, MAX_TASKS)),
    "progress": _Form(_progress, _progress_text),
}
