"""Whether a result fits in memory, asked before it is read and while it arrives.

The room is set when the result starts; free memory is asked again every 64 MiB, since others take of it too.
"""

from __future__ import annotations

from aerospike_magic.errors import ResultTooLarge

# A conversion after the last batch takes about as much again, and DuckDB and the rest of the machine need room too.
SHARE_OF_FREE = 0.3
ASK_AGAIN_BYTES = 64 << 20
HINT = "add a LIMIT or a filter (a join: its ON), name fewer columns, or aggregate with GROUP BY"


def free_memory() -> int:
    """Return the bytes of memory that are free for new data, within the container's limit where there is one."""
    import psutil

    return min(int(psutil.virtual_memory().available), _container_free())


def _container_free() -> int:
    from pathlib import Path

    root = Path("/sys/fs/cgroup")
    try:
        limit = (root / "memory.max").read_text().strip()
        used = int((root / "memory.current").read_text())
        cache = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 1 << 62
    # Inactive file cache is given back when memory is asked for.
    return 1 << 62 if limit == "max" else max(0, int(limit) - used + int(cache.get("inactive_file", 0)))


def size_text(n_bytes: float) -> str:
    """Return a size in words: "12.3 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:,.0f} {unit}" if unit == "bytes" else f"{n_bytes:,.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} TB"


class MemoryGuard:
    """Adds up what was taken and raises `ResultTooLarge` before memory runs out.

    Args:
        limit: bytes the result may take; None for 30 % of what is free now; 0 for no check.
    """

    def __init__(self, limit: int | None) -> None:
        self._room: float = SHARE_OF_FREE * free_memory() if limit is None else limit
        self._is_default = limit is None
        self._taken = 0
        self._since_asked = 0

    def check_estimate(self, estimated_bytes: int | None) -> None:
        """Raise if the whole result, by its estimate, would not fit."""
        if estimated_bytes is None or self._is_off:
            return
        if estimated_bytes > self._room:
            raise ResultTooLarge(
                f"the result would take about {size_text(estimated_bytes)}, "
                f"and there is room for {size_text(self._room)}",
                hint=HINT,
            )

    def add(self, n_bytes: int) -> None:
        """Count a batch that was just taken; raise if there is no room for more."""
        self._taken += n_bytes
        self._since_asked += n_bytes
        if self._is_off or (self._taken <= self._room and not self._is_short()):
            return
        raise ResultTooLarge(
            f"the result takes more memory than there is room for: {size_text(self._taken)} have arrived so far",
            hint=HINT,
        )

    @property
    def _is_off(self) -> bool:
        return not self._is_default and self._room == 0

    def _is_short(self) -> bool:
        """Whether memory has become so scarce that a conversion of what was taken would not fit."""
        if not self._is_default or self._since_asked < ASK_AGAIN_BYTES:
            return False
        self._since_asked = 0
        return self._taken > free_memory()
