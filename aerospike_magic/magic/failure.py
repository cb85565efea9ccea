"""Errors of a cell: shown as one line with a caret and a hint, and still a failure of the cell.

IPython asks an exception for `_render_traceback_` before it builds a traceback. The error that is raised
stays the one of our tree, so code that calls a magic can catch it, and "Run all" and nbclient stop at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aerospike_magic.display.errors import error_lines
from aerospike_magic.errors import AerospikeMagicError
from aerospike_magic.magic.run import QueryInterrupted
from aerospike_magic.magic.session import Session


@contextmanager
def shown_briefly(session: Session, *, colour: bool = True) -> Iterator[None]:
    """Let errors of ours through, rendered as their short message instead of a traceback; the session keeps them."""
    try:
        yield
    except AerospikeMagicError as error:
        session.last_error = error
        _render_as(error, error_lines(error, colour=colour))
        raise error from None
    except QueryInterrupted as error:
        _render_as(error, error_lines(AerospikeMagicError(str(error)), colour=colour))
        raise error from None


def _render_as(error: BaseException, lines: list[str]) -> None:
    # One text, because IPython joins the lines differently in its different modes.
    error._render_traceback_ = lambda: ["\n".join(lines)]  # type: ignore[attr-defined]  # IPython's protocol
