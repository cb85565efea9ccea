"""`python -m aerospike_magic.gateway.worker`: one process of a gateway, as `GatewayProcesses` starts it.

The first line of standard input says, in JSON, what to serve and on which inherited sockets; the process ends when
standard input does, which is also how it notices that its parent was killed. It answers with one line of JSON.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from typing import Any

from aerospike_magic.errors import AerospikeMagicError
from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.messages import HostAddress
from aerospike_magic.gateway.opening import find_factory
from aerospike_magic.gateway.server import Gateway


def main() -> int:
    """Serve until standard input ends.

    Returns:
        The exit code: 0 when told to end, 1 when it could not begin.
    """
    # An interrupt is for the parent, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = _first_line()
    if not line:
        return 0
    threading.Thread(target=_end_with_stdin, name="watch-stdin", daemon=True).start()
    try:
        _serve(json.loads(line))
    except AerospikeMagicError as error:
        _answer({"error": error.message, "hint": error.hint})
        return 1
    return 0


def _serve(order: dict[str, Any]) -> None:
    logging.basicConfig(level=order["log_level"], format=order["log_format"], stream=sys.stderr)
    hosts = tuple(HostAddress(*host) for host in order["hosts"])
    listeners = [socket.socket(fileno=number) for number in order["sockets"]]
    options = GatewayOptions(**order["options"])
    with (
        find_factory(order["factory"])(order["settings"], hosts) as service,
        Gateway(service, options=options, listeners=listeners),
    ):
        _answer({"ready": os.getpid()})
        while True:
            signal.pause()


def _end_with_stdin() -> None:
    while os.read(0, 65_536):
        pass
    # Whatever is still busy has no one left to answer, and need not be waited for.
    os._exit(0)


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65_536)
        if not part:
            return b""
        line += part
    return line


def _answer(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main())
