"""Info: the text protocol by which nodes tell about themselves.

A request is one command a line; a response repeats each command, a tab and its answer. An empty request asks
for everything. Answers use `;`, `:` and `=` for lists of records, see `parse_info_list`.

Sources: Aerospike server, as/src/base/info.c; Aerospike C client, as_info.c; recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aerospike_magic.errors import WireError
from aerospike_magic.wire.proto import ProtoType, encode_proto


@dataclass(frozen=True, slots=True)
class InfoFailure:
    """An answer that says no.

    Attributes:
        code: the server's result code; 0 when it gave none.
        text: the server's words, maybe empty.
    """

    code: int
    text: str


def encode_info_request(names: Iterable[str]) -> bytes:
    """Returns the whole frame that asks for these commands, in this order.

    Raises:
        WireError: a command with a line break, or none that is valid Unicode.
    """
    return encode_proto(ProtoType.INFO, b"".join(_encode_line(name) + b"\n" for name in names))


def decode_info_request(body: bytes) -> list[str]:
    """Returns the commands of a request's body, in order; none means "everything".

    Raises:
        WireError: not UTF-8.
    """
    try:
        text = bytes(body).decode()
    except UnicodeDecodeError:
        raise WireError("an info request is not valid UTF-8") from None
    return [line for line in text.split("\n") if line]


def encode_info_response(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Returns the whole frame that answers each command, in this order.

    Args:
        pairs: (command, answer); a command may be asked twice, so this is no mapping.

    Raises:
        WireError: a tab in a command, a line break anywhere, or invalid Unicode.
    """
    lines = []
    for name, value in pairs:
        if "\t" in name:
            raise WireError("an info command has a tab")
        lines.append(_encode_line(name) + b"\t" + _encode_line(value) + b"\n")
    return encode_proto(ProtoType.INFO, b"".join(lines))


def decode_info_response(body: bytes) -> dict[str, str]:
    """Returns the answers by command, in the order they came.

    Set and bin names may be any bytes, and one odd name must not hide all sets: bytes that are not UTF-8 come
        as
    a backslash, x and two digits. A line without a tab is a command without an answer.
    """
    answers: dict[str, str] = {}
    for line in bytes(body).decode(errors="backslashreplace").split("\n"):
        if line:
            name, _, value = line.partition("\t")
            answers[name] = value
    return answers


def parse_info_failure(value: str) -> InfoFailure | None:
    """Returns what went wrong if the answer is an error, else None.

    The server has written errors in three ways over its versions: `ERROR:<code>:<text>`, `FAIL:<code>:<text>`
    and `error=<text>`; the code may be missing.

    Example:
        >>> parse_info_failure("ERROR:4:unrecognized command")
        InfoFailure(code=4, text='unrecognized command')
    """
    word = value[:6].lower()
    if word.startswith(("error=", "fail=")):
        return InfoFailure(0, value.partition("=")[2])
    head, _, rest = value.partition(":")
    if head.lower() not in ("error", "fail"):
        return None
    code, colon, text = rest.partition(":")
    if code.isascii() and code.isdigit() and len(code) < 10:
        return InfoFailure(int(code), text)
    return InfoFailure(0, code + colon + text)


def parse_info_list(value: str) -> list[dict[str, str]]:
    """Reads a list of records, `a=b:c=d;a=e:c=f;`, as `sets` and `sindex-list` answer.

    A part without `=` becomes a key with an empty value; empty parts are dropped.

    Example:
        >>> parse_info_list("ns=test:set=a;ns=test:set=b;")
        [{'ns': 'test', 'set': 'a'}, {'ns': 'test', 'set': 'b'}]
    """
    return [_parse_pairs(record, ":") for record in value.split(";") if record]


def parse_info_pairs(value: str) -> dict[str, str]:
    """Reads one record, `a=b;c=d`, as `namespace/<name>` and `statistics` answer.

    Example:
        >>> parse_info_pairs("objects=5;tombstones=0")
        {'objects': '5', 'tombstones': '0'}
    """
    return _parse_pairs(value, ";")


def _parse_pairs(text: str, separator: str) -> dict[str, str]:
    pairs = {}
    for part in text.split(separator):
        if part:
            key, _, value = part.partition("=")
            pairs[key] = value
    return pairs


def _encode_line(text: str) -> bytes:
    if "\n" in text:
        raise WireError("an info command or answer has a line break")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise WireError("an info command or answer has characters that are not valid Unicode") from None
