"""Spark SQL over Aerospike sets, in the notebook's session or in one on this machine.

A query is: parameters bound → one statement that only reads → its tables found → a temporary view for each place where
a set or a local frame is named, known to this query only → the statement with these views' names, which Spark checks
→ a DataFrame that runs when its rows are asked for. Tasks tell how far they are by themselves (`scan.teller`).
"""

from __future__ import annotations

import re
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aerospike_magic.engines.base import Explanation, QueryOptions, SaveOrder, ScanExplanation
from aerospike_magic.engines.catalog import ClusterSets
from aerospike_magic.engines.lexer import SPARK
from aerospike_magic.engines.names import find_set, is_frame
from aerospike_magic.engines.parameters import bind_parameters
from aerospike_magic.engines.progress import ProgressReceiver, QueryProgress
from aerospike_magic.engines.rewriting import Rewritten
from aerospike_magic.engines.spark.columns import spark_schema
from aerospike_magic.engines.spark.diagnose import Context, query_error, unlogged
from aerospike_magic.engines.spark.frames import to_spark_frame, to_spark_value
from aerospike_magic.engines.spark.jar import use_jar_here
from aerospike_magic.engines.spark.jobs import is_connect, jobs_of
from aerospike_magic.engines.spark.options import SparkOptions
from aerospike_magic.engines.spark.result import SparkResult, SparkRun
from aerospike_magic.engines.spark.session import progress_hosts, start_session
from aerospike_magic.engines.spark.source import register
from aerospike_magic.engines.spark.statements import Reference, Statement, read_statement, rewrite
from aerospike_magic.engines.telling import Telling
from aerospike_magic.scan.progress import N_PARTITIONS
from aerospike_magic.schema.types import METADATA_NAMES, SetSchema

if TYPE_CHECKING:
    from aerospike_magic.connection import Connection
    from aerospike_magic.connection.settings import ConnectionSettings

_DEFAULT_OPTIONS = QueryOptions()
_PLANS_WITHIN_S = 0.3
_SCAN = re.compile(
    r"^\(\d+\) BatchScan aerospike (?P<table>\S+)\nOutput[^\n]*: \[(?P<columns>[^\]]*)\]\n"
    r"(?:[^\n]+\n)??aerospike pushed: (?P<pushed>[^\n]*?)\s*$",
    re.MULTILINE,
)


class SparkEngine:
    """SQL by Spark over the sets of one cluster.

    Args:
        connection: to the cluster, from `aerospike_magic.connect`.
        spark: the session, Classic or Connect; None starts one on this machine, which `close` stops.
        push_down: whether Spark gets the jar that plans push-down.

    Example::

        engine = SparkEngine(connection, spark)
        delays = engine.query("SELECT origin, avg(dep_delay) FROM demo.flights GROUP BY 1").to_spark()
    """

    name = "spark"

    def __init__(self, connection: Connection, spark: Any | None = None, *, push_down: bool = True) -> None:
        self._connection = connection
        self._catalog = ClusterSets(connection)
        self._owns_session = spark is None
        self.spark = start_session() if spark is None else spark
        self.push_down = push_down
        register(self.spark, push_down=push_down)
        hosts = progress_hosts(self.spark)
        self._receiver = None if hosts is None else ProgressReceiver(*hosts)
        self._running: weakref.WeakSet[SparkRun] = weakref.WeakSet()
        self._kept_views: list[str] = []

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = _DEFAULT_OPTIONS,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> SparkResult:
        """Start a statement; see `Engine.query`.

        Names, types and rights are checked before this returns; Spark runs when the rows are asked for.
        """
        prepared = _Prepared(self, sql, parameters, options, frames or {})
        try:
            frame = prepared.frame()
        except BaseException:
            prepared.drop_views()
            raise
        if not is_connect(self.spark):
            prepared.drop_views()  # the DataFrame has its plan; on a Connect server it is looked up when it runs
        jobs = jobs_of(self.spark, sql)
        telling = Telling(self._receiver, prepared.progress)
        run = SparkRun(jobs, telling, options, prepared.translate, prepared.drop_views)
        self._running.add(run)
        return SparkResult(frame, run, options, keep=self._keep(prepared), save=prepared.save)

    def explain(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: QueryOptions = _DEFAULT_OPTIONS,
        *,
        frames: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """Let Spark plan the statement, and say what it pushed to each scan; see `Engine.explain`."""
        prepared = _Prepared(self, sql, parameters, options, frames or {})
        try:
            plan = prepared.plan()
            scans: tuple[ScanExplanation, ...] = ()
            if prepared.progress is not None and not is_connect(self.spark):
                prepared.progress.wait_for_plans(prepared.n_sets, _PLANS_WITHIN_S)
                scans = prepared.progress.explanations
            return Explanation(sql, scans or scans_of(plan, self._connection.count_objects), plan, pushed_notes(plan))
        finally:
            if prepared.progress is not None and self._receiver is not None:
                self._receiver.forget(prepared.progress)
            prepared.drop_views()

    def close(self) -> None:
        """Stop every running query, and the session if it was started here."""
        for run in list(self._running):
            run.stop()
        with suppress(Exception):  # a session that was stopped has no views any more
            for view in self._kept_views:
                self.spark.catalog.dropTempView(view)
        if self._receiver is not None:
            self._receiver.close()
        if self._owns_session:
            self.spark.stop()

    def _keep(self, prepared: _Prepared) -> Callable[[], None]:
        """Let the views of a query live as long as the engine: its DataFrame is in the user's hands."""

        def keep() -> None:
            self._kept_views += prepared.views
            prepared.views.clear()

        return keep

    def open_progress(self, namespaces: Sequence[str], options: QueryOptions) -> QueryProgress | None:
        """Expect the progress of a query that reads from these namespaces."""
        if self._receiver is None:
            return None
        maps = {namespace: self._connection.partition_map(namespace) for namespace in namespaces}
        return self._receiver.open(maps, options.on_progress)

    @property
    def catalog(self) -> ClusterSets:
        """The sets of the cluster."""
        return self._catalog

    @property
    def settings(self) -> ConnectionSettings:
        """How executors connect."""
        return self._connection.settings


class _Prepared:
    """A statement with its views in the session."""

    def __init__(
        self,
        engine: SparkEngine,
        sql: str,
        parameters: Mapping[str, object] | None,
        options: QueryOptions,
        frames: Mapping[str, Any],
    ) -> None:
        self._spark = engine.spark
        if engine.push_down:
            use_jar_here(self._spark)
        self._catalog = engine.catalog
        self._settings = engine.settings
        self._options = options
        self.views: list[str] = []
        self._bound = bind_parameters(sql, parameters, SPARK)
        self._values = {name: to_spark_value(name, value) for name, value in self._bound.values.items()}
        self._statement: Statement = read_statement(self._bound)
        self._rewritten: Rewritten | None = None
        sets, local = self._find_tables(frames)
        self._sets = sets
        self.n_sets = len(sets)
        self.progress = engine.open_progress(sorted({s.namespace for s in sets.values()}), options)
        try:
            self._make_views(sets, local)
        except BaseException as error:
            self.drop_views()
            raise self.translate(error) from None

    def frame(self) -> Any:
        """Return the query as a DataFrame, checked by Spark and not run."""
        if self._statement.is_list_of_sets:
            return self._list_of_sets()
        assert self._rewritten is not None
        try:
            with unlogged():
                frame = self._spark.sql(self._rewritten.text, self._values or None)
                frame.schema  # noqa: B018  # Connect checks a statement no sooner
        except Exception as error:
            raise self.translate(error) from None
        return frame if self._options.limit is None else frame.limit(self._options.limit)

    def plan(self) -> str:
        """Return Spark's physical plan as text; its scans tell what was pushed to them."""
        frame = self.frame()
        try:
            if is_connect(self._spark):
                return str(frame._explain_string(mode="formatted"))
            execution = frame._jdf.queryExecution()
            _plan_scans(execution.optimizedPlan())
            return str(self._spark._jvm.PythonSQLUtils.explainString(execution, "formatted"))
        except Exception as error:
            raise self.translate(error) from None

    def save(self, frame: Any, order: SaveOrder) -> None:
        """Have the tasks of a query write its rows."""
        frame = frame.toDF(*order.names)
        if order.reads_table:
            # A scan would meet the records that the rows before have become.
            frame = frame.persist()
            frame.count()
        writer = frame.write.format("aerospike").mode("append").options(**connection_options(self._settings))
        writer = writer.options(**write_options(order, getattr(self._spark, "_sc", None)))
        if self.progress is not None:
            writer = writer.option("aerospike.progress", self.progress.address(-1))
        try:
            writer.save(order.table)
        finally:
            if order.reads_table:
                frame.unpersist()

    def drop_views(self) -> None:
        """Take the query's views out of the session."""
        while self.views:
            with suppress(Exception):  # the session may have been stopped
                self._spark.catalog.dropTempView(self.views.pop())

    def translate(self, error: BaseException) -> BaseException:
        """Return what Spark raised as one of our errors; an interrupt stays one."""
        if not isinstance(error, Exception):
            return error
        schemas = tuple({schema.name: schema for schema in self._sets.values()}.values())
        return query_error(error, Context(self._statement, self._rewritten, self._catalog, schemas))

    def _find_tables(self, frames: Mapping[str, Any]) -> tuple[dict[Reference, SetSchema], dict[Reference, Any]]:
        sets: dict[Reference, SetSchema] = {}
        local: dict[Reference, Any] = {}
        known: Sequence[tuple[str, str]] | None = None
        for reference in self._statement.references:
            parts = reference.name.parts
            if len(parts) == 1 and parts[0] in frames and is_readable(frames[parts[0]]):
                local[reference] = frames[parts[0]]
                continue
            if len(parts) == 1 and self._spark.catalog.tableExists(SPARK.quote_identifier(parts[0])):
                continue  # a view or table of the session
            known = self._catalog.sets() if known is None else known
            found = find_set(parts, known)
            if found is not None:
                sets[reference] = self._catalog.schema(*found)
        return sets, local

    def _make_views(self, sets: Mapping[Reference, SetSchema], local: Mapping[Reference, Any]) -> None:
        named = self._statement.identifiers
        metadata = tuple(name for name in METADATA_NAMES if name in named)
        views: dict[Reference, str] = {}
        for number, (reference, schema) in enumerate(sets.items()):
            views[reference] = self._view(self._relation(schema, metadata, number))
        frames: dict[int, str] = {}
        for reference, frame in local.items():
            if id(frame) not in frames:
                frames[id(frame)] = self._view(to_spark_frame(self._spark, frame, reference.name.parts[0]))
            views[reference] = frames[id(frame)]
        self._rewritten = rewrite(self._statement, views, self._stars(sets, metadata))

    def _relation(self, schema: SetSchema, metadata: Sequence[str], number: int) -> Any:
        reader = self._spark.read.format("aerospike").options(**connection_options(self._settings))
        reader = reader.options(**query_options(self._options))
        if self.progress is not None:
            reader = reader.option("aerospike.progress", self.progress.address(number))
        columns = spark_schema(schema, SparkOptions(), metadata)
        return reader.schema(columns).load(f"{schema.namespace}.{schema.set_name}")

    def _stars(self, sets: Mapping[Reference, SetSchema], metadata: Sequence[str]) -> dict[int, str]:
        if not metadata or self._statement.tree is None:
            return {}
        from aerospike_magic.engines.stars import narrowed_stars

        by_name = {tuple(map(str.lower, reference.name.parts)): schema for reference, schema in sets.items()}
        return narrowed_stars(
            self._statement.text,
            self._statement.tree,
            lambda parts: by_name.get(tuple(map(str.lower, parts))),
            metadata,
            SPARK,
        )

    def _view(self, frame: Any) -> str:
        name = f"__aerosql_{uuid.uuid4().hex}"
        frame.createTempView(name)
        self.views.append(name)
        return name

    def _list_of_sets(self) -> Any:
        found = sorted(self._catalog.sets())
        names = pa.schema([("namespace", pa.string()), ("set", pa.string())])
        rows = [{"namespace": namespace, "set": set_name} for namespace, set_name in found]
        return self._spark.createDataFrame(pa.Table.from_pylist(rows, names))


def _plan_scans(plan: Any) -> None:
    """Have the scans of a plan plan their tasks, which Spark leaves for later; what they will do is told then."""
    leaves = plan.collectLeaves()
    for i in range(leaves.length()):
        leaf = leaves.apply(i)
        if leaf.nodeName().startswith("RelationV2") or hasattr(leaf, "scan"):
            leaf.scan().toBatch().planInputPartitions()


def pushed_notes(plan: str) -> tuple[str, ...]:
    """Return what a physical plan says of the push-down to each scan, one sentence a scan."""
    return tuple(f"Spark pushed to {scan['table']}: {scan['pushed']}." for scan in _SCAN.finditer(plan))


def scans_of(plan: str, count_objects: Callable[[str, str], int]) -> tuple[ScanExplanation, ...]:
    """Return the scans of a physical plan as far as its text tells: a Connect server plans where we cannot look on.

    Args:
        plan: the text of ``EXPLAIN FORMATTED``.
        count_objects: the records of a set.
    """
    found = []
    for scan in _SCAN.finditer(plan):
        objects = count_objects(*scan["table"].split(".", 1))
        columns = tuple(column.partition("#")[0].strip() for column in scan["columns"].split(",") if column.strip())
        found.append(
            ScanExplanation(
                scan["table"], "scan by Spark's tasks", scan["pushed"], "", columns, N_PARTITIONS, objects, objects
            )
        )
    return tuple(found)


def is_readable(value: object) -> bool:
    """Whether a local object can be a table of a statement: a frame, or a DataFrame of Spark's own."""
    kind = type(value)
    is_sparks = kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pyspark"
    return is_sparks or is_frame(value)


def connection_options(settings: ConnectionSettings) -> dict[str, str]:
    """Return the data source's options for a connection, so that executors connect as this process does."""
    given = {
        "seedhost": ",".join(map(str, settings.hosts)),
        "user": settings.user,
        "password": settings.password,
        "auth.mode": settings.auth,
        "tls.enable": "true" if settings.tls else "false",
        "tls.name": settings.tls_name,
        "tls.cafile": settings.tls_cafile,
        "tls.certfile": settings.tls_certfile,
        "tls.keyfile": settings.tls_keyfile,
        "tls.keyfile.password": settings.tls_keyfile_password,
        "useServicesAlternate": "true" if settings.services_alternate else "false",
        "timeout": str(int(settings.timeout_s * 1_000)),
    }
    return {f"aerospike.{name}": text for name, text in given.items() if text is not None}


def write_options(order: SaveOrder, context: Any | None) -> dict[str, str]:
    """Return the data source's options for rows that are to be written.

    Args:
        order: what is to be written.
        context: of a Classic session, whose tasks share the throttle.
    """
    how = order.how
    tasks = 1 if context is None else max(1, context.defaultParallelism)
    given = {
        "updateByKey": how.key,
        "sendKey": "true" if how.send_key else "false",
        "write.mode": how.mode,
        "ttl": None if how.ttl_s is None else str(how.ttl_s),
        "recordspersecond": str(-(-order.records_per_second // tasks)),
    }
    return {f"aerospike.{name}": text for name, text in given.items() if text is not None}


def query_options(options: QueryOptions) -> dict[str, str]:
    """Return the data source's options for how a query is to run."""
    push_down = "true" if options.push_down else "false"
    given = {
        "recordspersecond": str(options.records_per_second),
        "schema.flexible": "true" if options.on_mismatch == "null" else "false",
        "pushdown.filters": push_down,
        "pushdown.aggregates": push_down,
    }
    return {f"aerospike.{name}": text for name, text in given.items()}
