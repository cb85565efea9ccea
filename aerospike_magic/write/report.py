"""What became of the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Failure:
    """Rows that were not written, or may not have been, for one reason.

    Attributes:
        reason: in plain words.
        count: how many rows.
        example: the key, or digest, of one of them.
        is_uncertain: whether they may have been written all the same.
    """

    reason: str
    count: int
    example: str
    is_uncertain: bool = False

    def __str__(self) -> str:
        return f"{self.reason} ({self.count:,} row{'s' if self.count != 1 else ''}, e.g. key {self.example})"


@dataclass(frozen=True)
class WriteReport:
    """What became of the rows.

    Attributes:
        written: rows that are in the cluster for certain.
        failures: the others, a reason each; rows that were never tried are in neither.
        n_bytes: bytes of the requests, those repeated included.
        elapsed_s: seconds from the first row to the last answer.
        retries: rows that were sent again.
    """

    written: int = 0
    failures: tuple[Failure, ...] = ()
    n_bytes: int = 0
    elapsed_s: float = 0.0
    retries: int = 0

    @property
    def failed(self) -> int:
        """Rows that were not written, or of which that is not known."""
        return sum(failure.count for failure in self.failures)

    @property
    def uncertain(self) -> int:
        """Those of the failed rows that may have been written."""
        return sum(failure.count for failure in self.failures if failure.is_uncertain)

    @property
    def rows_per_s(self) -> float:
        """Rows written a second."""
        return self.written / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def reasons(self) -> str:
        """The failures in one line, "" for none."""
        return "; ".join(map(str, self.failures))

    def __repr__(self) -> str:
        rate = f" in {self.elapsed_s:.1f} s ({self.rows_per_s:,.0f} rows/s)" if self.elapsed_s else ""
        failed = f", {self.failed:,} not: {self.reasons}" if self.failures else ""
        return f"<WriteReport: {self.written:,} rows written{rate}{failed}>"

    def plus(self, other: WriteReport) -> WriteReport:
        """Return both together; the time is that of both, one after the other."""
        found = {(failure.reason, failure.is_uncertain): failure for failure in self.failures}
        for failure in other.failures:
            key = (failure.reason, failure.is_uncertain)
            before = found.get(key)
            found[key] = failure if before is None else replace(before, count=before.count + failure.count)
        return WriteReport(
            self.written + other.written,
            tuple(found.values()),
            self.n_bytes + other.n_bytes,
            self.elapsed_s + other.elapsed_s,
            self.retries + other.retries,
        )
