"""The bytes of a bit or HyperLogLog operation: its number and its parameters, as one msgpack list."""

from __future__ import annotations

from typing import Any

from aerospike_magic.devserver.cdt.results import CdtError
from aerospike_magic.errors import WireError
from aerospike_magic.wire.msgpack import decode_cdt
from aerospike_magic.wire.result import ResultCode


def split_request(request: bytes) -> tuple[int, list[Any]]:
    """Return an operation's number and its parameters.

    Raises:
        CdtError: the bytes are no such list.
    """
    try:
        parts = decode_cdt(request)
    except WireError:
        raise CdtError(ResultCode.PARAMETER) from None
    if not isinstance(parts, list) or not parts or not is_integer(parts[0]):
        raise CdtError(ResultCode.PARAMETER)
    return parts[0], parts[1:]


def is_integer(value: Any) -> bool:
    """Whether a parameter is an integer, which a boolean is not."""
    return isinstance(value, int) and not isinstance(value, bool)
