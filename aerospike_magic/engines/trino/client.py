"""One statement on a Trino or Presto server, over its HTTP protocol.

A statement is posted; each answer names the place of the next, and has what there is by then: statistics, columns,
rows. A thread fetches and parses answers, the reader makes Arrow of them; what follows a large answer is asked for
before that is parsed. So the next page is on its way while the present ones are parsed and converted. Two pages wait at
most: a reader that stops asking stops the server.

Source: Trino's "Client REST API"; Presto's differs in the headers' names.
"""

from __future__ import annotations

import gc
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.errors import AerospikeMagicError, ConnectError

if TYPE_CHECKING:
    import requests

_STATEMENT = "/v1/statement"
_QUEUED_PAGES = 2
_STEP_S = 0.05
_STOP_WITHIN_S = 2.0
_RETRY_FOR_S = 5.0
_RETRY_FIRST_S = 0.1
_RETRY_LAST_S = 1.0
_START_WITHIN_S = 30.0
_BUSY = (429, 502, 503, 504)
_STARTING = b'"SERVER_STARTING_UP"'
# Where to ask next stands before the rows; inside of text, its quotes would have backslashes.
_NEXT = re.compile(rb'"nextUri"\s*:\s*"([^"\\]+)"')
_HEAD_BYTES = 1 << 14
_LARGE_BYTES = 1 << 16


class StatementFailed(Exception):
    """The server said that a statement failed.

    Attributes:
        name: of the error, such as "COLUMN_NOT_FOUND".
        kind: "USER_ERROR", "EXTERNAL", "INTERNAL_ERROR" or "INSUFFICIENT_RESOURCES".
        place: line and column in the statement, both from 1; None where the error has none.
        details: the server's stack trace.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message") or "the statement failed"))
        self.name = str(error.get("errorName") or "")
        self.kind = str(error.get("errorType") or "")
        where = error.get("errorLocation")
        self.place = (int(where["lineNumber"]), int(where["columnNumber"])) if where else None
        self.details = "\n".join(_trace(error.get("failureInfo")))


@dataclass(frozen=True, slots=True)
class ServerColumn:
    """A column of a result: its name and its type, as the server writes them."""

    name: str
    type: str


Page = Sequence[Sequence[Any]]
"""Some rows, as JSON has their values: a sequence of values a column."""


class RunningStatement:
    """A statement that was sent, or is about to be.

    Args:
        server: where to.
        sql: the statement.
    """

    def __init__(self, server: TrinoServer, sql: str) -> None:
        self._server = server
        self._sql = sql
        self._pages: queue.Queue[Page] = queue.Queue(_QUEUED_PAGES)
        self._next: str | None = None
        self._lock = threading.Lock()
        self._has_columns = threading.Event()
        self._is_stopped = threading.Event()
        self._has_ended = threading.Event()
        self.columns: tuple[ServerColumn, ...] = ()
        self.stats: dict[str, Any] = {}
        self.id = ""
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="aerospike-magic-trino", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether the server has nothing more to say."""
        return self._has_ended.is_set()

    def wait_columns(self, timeout_s: float) -> bool:
        """Wait until the columns are known, or the statement has ended; False if it takes longer."""
        return self._has_columns.wait(timeout_s)

    def next_page(self, timeout_s: float) -> Page | None:
        """Return the next rows; None if there are none yet, or none any more (then `has_ended`).

        Raises:
            StatementFailed: the server says so.
            ConnectError: it does not answer.
        """
        ended = self.has_ended  # asked first: what came before the end is in the queue by then
        try:
            return self._pages.get(timeout=0 if ended else timeout_s) if not ended else self._pages.get_nowait()
        except queue.Empty:
            if ended and self.failure is not None:
                raise self.failure from None
            return None

    def stop(self) -> None:
        """Have the server drop the statement, from any thread; its readers get no more pages."""
        with self._lock:
            was_stopped = self._is_stopped.is_set()
            self._is_stopped.set()
            place = self._next
        if not was_stopped and place is not None and not self.has_ended:
            self._delete(place)

    def _run(self) -> None:
        try:
            session = self._server.open_session()
            try:
                self._fetch(session)
            finally:
                session.close()
        except BaseException as error:  # handed to the reader
            self.failure = error
        finally:
            self._has_ended.set()
            self._has_columns.set()

    def _fetch(self, session: requests.Session) -> None:
        content = self._post(session)
        while True:
            ahead = self._ask_ahead(session, content)
            answer = _parse(content, self._server)
            self._take(answer)
            with self._lock:
                self._next = place = answer.get("nextUri")
                is_stopped = self._is_stopped.is_set()
            if place is None:
                return
            if is_stopped:
                self._delete(place)
                return
            content = self._ask(session, "GET", place) if ahead is None else ahead()

    def _ask_ahead(self, session: requests.Session, content: bytes) -> Callable[[], bytes] | None:
        """Ask for what follows a large answer before that is parsed; return what waits for it."""
        found = _NEXT.search(content, 0, _HEAD_BYTES) if len(content) > _LARGE_BYTES else None
        if found is None:
            return None
        place = found[1].decode()
        done: list[bytes | BaseException] = []

        def target() -> None:
            try:
                done.append(self._ask(session, "GET", place))
            except BaseException as error:  # handed to who waits
                done.append(error)

        thread = threading.Thread(target=target, name="aerospike-magic-trino-ahead", daemon=True)
        thread.start()

        def wait() -> bytes:
            thread.join()
            if isinstance(done[0], BaseException):
                raise done[0]
            return done[0]

        return wait

    def _take(self, answer: Mapping[str, Any]) -> None:
        self.id = str(answer.get("id") or self.id)
        self.stats = answer.get("stats") or self.stats
        if answer.get("error"):
            raise StatementFailed(answer["error"])
        columns = answer.get("columns")
        if columns and not self.columns:
            self.columns = tuple(ServerColumn(str(c["name"]), str(c["type"])) for c in columns)
            self._has_columns.set()
        page = answer.get("data")
        while page and not self._is_stopped.is_set():
            try:
                self._pages.put(page, timeout=_STEP_S)
            except queue.Full:
                continue
            return

    def _post(self, session: requests.Session) -> bytes:
        """Send the statement, once more while the server says that it is starting."""
        deadline = time.monotonic() + _START_WITHIN_S
        while True:
            content = self._ask(session, "POST", self._server.url + _STATEMENT, self._sql.encode())
            if _STARTING not in content or time.monotonic() > deadline or self._is_stopped.is_set():
                return content
            self._is_stopped.wait(_RETRY_LAST_S)

    def _ask(self, session: requests.Session, method: str, url: str, body: bytes | None = None) -> bytes:
        """Send a request, again for a while when it is not answered: a place may be asked for twice."""
        deadline = time.monotonic() + _RETRY_FOR_S
        pause = _RETRY_FIRST_S
        while True:
            found, may_help = self._try(session, method, url, body)
            if isinstance(found, bytes):
                return found
            if not may_help or time.monotonic() > deadline or self._is_stopped.is_set():
                raise found
            self._is_stopped.wait(pause)
            pause = min(2 * pause, _RETRY_LAST_S)

    def _try(
        self, session: requests.Session, method: str, url: str, body: bytes | None
    ) -> tuple[bytes | AerospikeMagicError, bool]:
        """Return the answer, or what is wrong and whether to ask again."""
        import requests

        is_first = method == "POST"
        try:
            response = session.request(method, url, data=body, timeout=self._server.timeout_s)
        except requests.RequestException as error:
            # A statement that was sent may run, though nothing was heard of it: it is not sent again.
            return unreachable(self._server, error, is_first=is_first), not is_first
        if response.status_code in _BUSY:
            return refused(self._server, response), True
        if response.status_code != requests.codes.ok:
            return refused(self._server, response, is_first=is_first), False
        return response.content, False

    def _delete(self, place: str) -> None:
        import requests

        with suppress(requests.RequestException), self._server.open_session() as session:
            session.delete(place, timeout=_STOP_WITHIN_S)


def ask(server: TrinoServer, sql: str) -> list[Any]:
    """Return the rows of a short statement of ours.

    Raises:
        StatementFailed: the server says so.
        ConnectError: it does not answer.
    """
    statement = RunningStatement(server, sql)
    rows: list[Any] = []
    try:
        while True:
            has_ended = statement.has_ended
            page = statement.next_page(_STEP_S)
            if page is not None:
                rows += zip(*page, strict=True)
            elif has_ended:
                return rows
    finally:
        statement.stop()


def _parse(content: bytes, server: TrinoServer) -> dict[str, Any]:
    loads = _loads()
    # The collector would look at each new row, again and again, for cycles that parsing cannot make: twice the work.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        answer = loads(content)
        if isinstance(answer, dict) and answer.get("data"):
            answer["data"] = list(zip(*answer["data"], strict=True))
    except ValueError:
        answer = None
    finally:
        if was_enabled:
            gc.enable()
    if isinstance(answer, dict):
        return answer
    raise ConnectError(f"what answers at {server.address} is not {server.flavor.title}", hint="check host and port")


def _loads() -> Callable[[bytes], Any]:
    """The faster of two ways to read JSON, where it is installed: it comes with the package trino."""
    try:
        import orjson
    except ImportError:
        import json

        return json.loads
    return orjson.loads


def unreachable(server: TrinoServer, error: Exception, *, is_first: bool) -> ConnectError:
    """Return what to say of a request that was not answered.

    Args:
        server: that was asked.
        error: of requests.
        is_first: whether it was the first of a statement.
    """
    import requests

    title, where = server.flavor.title, server.address
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return ConnectError(
                f"the certificate of {title} at {where} is not trusted",
                hint="--tls-cafile PEM names its authority",
                is_lasting=True,
            )
        return ConnectError(
            f"{title} at {where} does not speak TLS", hint="--http-scheme http, or another port", is_lasting=True
        )
    if isinstance(error, requests.exceptions.Timeout):
        return ConnectError(f"{title} at {where} has not answered within {server.timeout_s:g} s")
    if not is_first:
        return ConnectError(f"{title} at {where} went away while the statement ran", hint="run the cell again")
    if "Name or service not known" in text or "NameResolutionError" in text:
        return ConnectError(f"there is no host {server.host}", hint="check its name")
    if "refused" in text:
        return ConnectError(f"nothing answers at {where}", hint=f"is {title} running there?")
    return ConnectError(
        f"{title} at {where} hung up without an answer", hint="--http-scheme https, if it speaks TLS there"
    )


def refused(server: TrinoServer, response: requests.Response, *, is_first: bool = True) -> ConnectError:
    """Return what to say of an answer that is none."""
    title, where, code = server.flavor.title, server.address, response.status_code
    if code in (401, 403):
        return ConnectError(
            f"{title} at {where} refused the login of {server.user}",
            hint="check user, password or token",
            is_lasting=True,
        )
    if code in (404, 410) and not is_first:
        return ConnectError(f"{title} at {where} does not know the statement any more", hint="was it restarted?")
    if code in _BUSY:
        return ConnectError(f"{title} at {where} is busy or not ready (HTTP {code})", hint="try again in a while")
    return ConnectError(f"{title} at {where} answered with HTTP {code}", hint="check host, port and --http-scheme")


def _trace(failure: Any) -> list[str]:
    """A failure's stack trace, as Java prints it."""
    lines: list[str] = []
    lead = ""
    while isinstance(failure, dict):
        lines.append(f"{lead}{failure.get('type')}: {failure.get('message')}")
        lines += [f"\tat {line}" for line in failure.get("stack") or ()]
        failure, lead = failure.get("cause"), "Caused by: "
    return lines
