"""The notebook's DataFrames as tables of the gateway, for as long as a statement runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aerospike_magic.errors import QueryError

if TYPE_CHECKING:
    from aerospike_magic.engines.trino.engine import TrinoEngine


class LocalFrames:
    """The frames that one statement reads.

    Args:
        engine: that runs it.
    """

    def __init__(self, engine: TrinoEngine) -> None:
        self._engine = engine
        self._tables: dict[int, str] = {}

    def table(self, name: str, frame: Any) -> str:
        """Return what stands for a frame in a FROM.

        Args:
            name: how the statement calls it.
            frame: of pandas, polars or Arrow.

        Raises:
            QueryError: the gateway is not in this process, or the frame has a column that it cannot give.
        """
        raise QueryError(
            f"{name} is a DataFrame of this notebook, which {self._engine.server.flavor.title} cannot read from here",
            hint=f"%aerospike {self._engine.name} start runs one beside the notebook; or --engine local",
        )

    def drop(self) -> None:
        """Take the frames away."""
