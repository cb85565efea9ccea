"""`aerospike_magic.write`: a whole DataFrame, table, dataset or stream into a set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import pyarrow as pa
import pyarrow.dataset as ds

from aerospike_magic.connection import Connection, connect
from aerospike_magic.errors import ConfigError, SchemaError, WriteError
from aerospike_magic.schema.types import GENERATION_NAME, KEY_NAME, METADATA_NAMES, TTL_NAME
from aerospike_magic.write.columns import check_columns
from aerospike_magic.write.options import GENERATION_POLICIES, MODES, GenerationPolicy, Mode, WriteOptions
from aerospike_magic.write.report import WriteReport
from aerospike_magic.write.run import WriteProgress, Writer

_WATCH_S = 0.05


def write(
    frame: Any,
    target: str,
    *,
    key: str | None = None,
    digest: str | None = None,
    keep_key: bool | None = None,
    send_key: bool | None = None,
    mode: Mode = "update",
    ttl_s: int | None = None,
    ttl_column: str | None = None,
    generation_column: str | None = None,
    generation_policy: GenerationPolicy = "none",
    connection: Connection | str | None = None,
    errors: Literal["raise", "report"] = "raise",
    records_per_second: int = 0,
    on_progress: Callable[[WriteProgress], None] | None = None,
    cancel: threading.Event | None = None,
) -> WriteReport:
    """Write the rows of a DataFrame, an Arrow table or a stream to a set, each as one record.

    Types and names are checked before anything is written. A row is written as a whole or not at all; of two rows with
    one key the later one is written last. A NULL takes the bin away (in pandas, NaN is NULL). Rows that the cluster
    refuses do not stop the others. There is no transaction: what was written stays.

    Args:
        frame: a pandas or polars DataFrame, an Arrow table, batch, reader or dataset (an `AerospikeDataset` too), or
            anything that exports an Arrow stream (``__arrow_c_stream__``). Streams are not held in memory. Of a pandas
            index, levels with a name are columns; others are left out.
        target: ``"namespace.set"``, or ``"set"`` with a default namespace.
        key: the column with the records' keys: integers, strings or bytes. By default ``__key`` where there is such a
            column, else the named index of a pandas DataFrame.
        digest: a column with 20-byte digests, instead of a key.
        keep_key: whether the key's column becomes a bin too; yes by default, unless it is called ``__key``.
        send_key: whether the key is stored with the record; by default if it is not kept as a bin.
        mode: "update" merges bins into the record, or makes one; "replace" makes the row the whole record; both with
            "_only" write only to records that are there; "create_only" only where there is none.
        ttl_s: seconds to live, -1 for ever, None for the namespace's default.
        ttl_column: a column with that, row by row; ``__ttl`` where there is such a column.
        generation_column: a column with generations; ``__generation`` by default. It becomes no bin.
        generation_policy: "equal": write a row only if its record has that generation (0 or NULL: no record);
            "greater": only if that generation is greater than the record's; "none": whatever it has.
        connection: an open `Connection`, or what `connect` takes; None for the default of `connect`. One that is
            opened here is closed again.
        errors: "raise": raise `WriteError` at the end if rows failed; "report": only say so in the report.
        records_per_second: throttle; 0 for none.
        on_progress: called about ten times a second in this thread, with a `WriteProgress`.
        cancel: set it, from any thread, to stop within a second.

    Returns:
        the `WriteReport`: rows written, failures by reason with an example, speed.

    Raises:
        SchemaError: a column cannot be the key, or not be a bin, or there is no such namespace; nothing was written.
        ConfigError: options that make no sense.
        WriteError: rows failed, or the cluster cannot be written to any more; its `report` says what became of them.
        WriteCancelled: `cancel` was set.

    Example:
        >>> write(frame, "demo.flights", key="id", connection="127.0.0.1:3000")  # doctest: +SKIP
        <WriteReport: 336,776 rows written in 0.9 s (374,195 rows/s)>
    """
    _check_choice("mode", mode, MODES)
    _check_choice("generation_policy", generation_policy, GENERATION_POLICIES)
    _check_choice("errors", errors, ("raise", "report"))
    if key is not None and digest is not None:
        raise ConfigError("key and digest are both given", hint="a record is found by one of them")
    schema, batches, index_key = _rows(frame)
    options = choose_options(
        schema.names,
        WriteOptions(
            key=key if key is not None or digest is not None or KEY_NAME in schema.names else index_key,
            digest=digest,
            mode=mode,
            ttl_s=ttl_s,
            ttl_column=ttl_column,
            generation_column=generation_column,
            generation_policy=generation_policy,
        ),
        keep_key=keep_key,
        send_key=send_key,
    )
    check_columns(schema, options)
    with _opened(connection) as connected:
        namespace, set_name = connected.split_name(target)
        writer = Writer(
            connected,
            namespace,
            set_name,
            options,
            records_per_second=records_per_second,
            on_progress=on_progress,
        )
        try:
            with _cancelled_by(cancel, writer):
                report = writer.write(batches)
        finally:
            connected.forget_schema(namespace, set_name)
    if report.failures and errors == "raise":
        raise failed_rows(report, f"{namespace}.{set_name}")
    return report


def choose_options(
    names: Sequence[str], given: WriteOptions, *, keep_key: bool | None = None, send_key: bool | None = None
) -> WriteOptions:
    """Return options with what follows from the columns' names: the key, the metadata columns, what becomes a bin.

    Args:
        names: of the columns.
        given: what the user said; the names that are None are looked for.
        keep_key, send_key: see `write`.

    Raises:
        SchemaError: nothing says which column is the key, or a named column is not there.
    """
    key = given.key
    if key is None and given.digest is None:
        if KEY_NAME not in names:
            raise SchemaError("nothing says which column is the key", hint=f"give key=… ({', '.join(names[:12])})")
        key = KEY_NAME
    kept = (key != KEY_NAME) if keep_key is None else keep_key
    named = (None if kept else key, given.digest, given.ttl_column, given.generation_column)
    return replace(
        given,
        key=key,
        send_key=(given.digest is None and not kept) if send_key is None else send_key,
        ttl_column=_column("ttl_column", given.ttl_column, TTL_NAME, names),
        generation_column=given.generation_column or GENERATION_NAME,
        left_out=frozenset(METADATA_NAMES) | {name for name in named if name is not None},
    )


def failed_rows(report: WriteReport, table: str) -> WriteError:
    """Return the error for rows that were not written, with the report."""
    maybe = f" ({report.uncertain:,} of them may have been)" if report.uncertain else ""
    return WriteError(
        f"{report.failed:,} of {report.failed + report.written:,} rows were not written to {table}{maybe}: "
        f"{report.reasons}",
        hint="the others are written" if report.written else "nothing was written",
        report=report,
    )


def _column(option: str, given: str | None, default: str, names: Sequence[str]) -> str | None:
    if given is not None and given not in names:
        raise SchemaError(f"there is no column {given!r} for {option}", hint=f"columns: {', '.join(names)}")
    return given or (default if default in names else None)


def _check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise ConfigError(f"{option} is {value!r}", hint=f"it is one of {', '.join(choices)}")


@contextmanager
def _opened(connection: Connection | str | None) -> Iterator[Connection]:
    if isinstance(connection, Connection):
        yield connection
        return
    with connect(connection) as opened:
        yield opened


@contextmanager
def _cancelled_by(event: threading.Event | None, writer: Writer) -> Iterator[None]:
    """Cancel the writer when the event is set, also while the source of the rows is slow."""
    if event is None:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if event.wait(_WATCH_S):
                writer.cancel()
                return

    watcher = threading.Thread(target=watch, name="aerospike-write-cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _rows(frame: Any) -> tuple[pa.Schema, Iterable[pa.RecordBatch], str | None]:
    """The schema, the batches, and the name of a pandas index that could be the key."""
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        return _pandas_rows(frame)
    if isinstance(frame, ds.Dataset):
        return frame.schema, frame.to_batches(), None
    if isinstance(frame, ds.Scanner):
        return frame.projected_schema, frame.to_batches(), None
    if isinstance(frame, pa.Table):
        return frame.schema, frame.to_batches(), None
    if isinstance(frame, pa.RecordBatch):
        return frame.schema, [frame], None
    if hasattr(frame, "collect_schema") and hasattr(frame, "collect"):
        frame = frame.collect()
    if not isinstance(frame, pa.RecordBatchReader):
        if not hasattr(frame, "__arrow_c_stream__"):
            raise SchemaError(
                f"no rows can be read from a {type(frame).__name__}",
                hint="give a pandas or polars DataFrame, an Arrow table, reader or dataset",
            )
        frame = pa.RecordBatchReader.from_stream(frame)
    return frame.schema, frame, None


def _pandas_rows(frame: Any) -> tuple[pa.Schema, Iterable[pa.RecordBatch], str | None]:
    levels = [name for name in frame.index.names if name is not None]
    doubled = [name for name in levels if name in frame.columns]
    if doubled:
        raise SchemaError(f"{doubled[0]!r} is both a column and the index", hint="reset_index(drop=True), or rename it")
    not_text = [name for name in (*levels, *frame.columns) if not isinstance(name, str)]
    if not_text:
        raise SchemaError(f"the column {not_text[0]!r} has no text as its name", hint="a bin's name is text")
    index_key = levels[0] if len(levels) == 1 and frame.index.nlevels == 1 else None
    if levels:
        frame = frame.reset_index(level=levels)
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        said = str(error.args[-1]) if error.args else str(error)
        raise SchemaError(
            f"a column of the DataFrame has no one type: {said}", hint="convert it with astype(…) first"
        ) from error
    table = table.replace_schema_metadata(None)
    return table.schema, table.to_batches(), index_key
