"""The data source `aerospike`, as Spark sees it.

::

    spark.read.format("aerospike").option("aerospike.seedhost", "10.0.0.1").load("demo.flights")
    CREATE TEMPORARY VIEW flights USING aerospike OPTIONS (aerospike.seedhost '10.0.0.1', aerospike.set 'demo.flights')

An installed package is found by Spark without a word (module `pyspark_aerospike`). `register` also hands over what only
the session knows: its `aerospike.*` settings, and how many cores the cluster has.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pyspark.sql.datasource import DataSource
from pyspark.sql.types import StructType

from aerospike_magic.engines.spark.jar import add_jar
from aerospike_magic.engines.spark.options import SparkOptions, parse_options
from aerospike_magic.engines.spark.pushed import PREFIX, Planned, Pushed
from aerospike_magic.errors import ConfigError
from aerospike_magic.filters.predicate import simplify

if TYPE_CHECKING:
    from pyspark.accumulators import Accumulator

    from aerospike_magic.connection import Connection
    from aerospike_magic.connection.cluster import PartitionMap
    from aerospike_magic.connection.settings import ConnectionSettings
    from aerospike_magic.engines.spark.reader import AerospikeReader
    from aerospike_magic.engines.spark.report import Counts
    from aerospike_magic.engines.spark.stream_reader import AerospikeStreamReader
    from aerospike_magic.engines.spark.stream_writer import AerospikeStreamWriter
    from aerospike_magic.engines.spark.write import AerospikeWriter
    from aerospike_magic.scan import Mismatch, ScanOptions, ScanPlan, Share
    from aerospike_magic.schema.types import SetSchema

_MOST_WORKERS = 4
_PLANNED_NAME = "aerospike_python"
_PLANNED_SETTING = "spark.aerospike_magic.source"


class AerospikeDataSource(DataSource):
    """A set, as a relation. Spark makes one for each `load`, in a Python process on the driver's side.

    Attributes:
        cores: of the cluster, where `register` has told; None otherwise.
        elastic: whether the cluster may get more cores while a query runs.
        defaults: `aerospike.*` settings of the session, where `register` has told.
        report: what did not fit its column, in a Classic session where `register` was called.
    """

    cores: ClassVar[int | None] = None
    elastic: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, str]] = {}
    report: ClassVar[Accumulator[Counts] | None] = None

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        planned = Planned.from_options(options)
        users = {name: text for name, text in options.items() if not name.lower().startswith(PREFIX)}
        # Where nothing is known of the cluster, it is taken to be this machine.
        self._cores = planned.cores or self.cores or os.cpu_count() or 1
        may_grow = planned.elastic or self.elastic
        self._at_once = None if may_grow else planned.cores or self.cores
        self._parsed = parse_options(users, planned.session or self.defaults)
        self._planned = planned
        self._set_schema: SetSchema | None = None

    @classmethod
    def name(cls) -> str:
        """The name that ``format`` takes."""
        return "aerospike"

    @classmethod
    def mismatches(cls) -> dict[str, tuple[Mismatch, ...]]:
        """Return, for each set read since `register`, what did not fit and is NULL; known as tasks end."""
        from aerospike_magic.engines.spark.report import by_table

        return {} if cls.report is None else by_table(cls.report.value)

    def schema(self) -> StructType:
        """Infer the schema from a sample; Spark does not ask if the user gave one."""
        from aerospike_magic.connection import Connection
        from aerospike_magic.engines.spark.columns import find_schema, spark_schema

        with Connection(find_settings(self._parsed)) as connection:
            self._set_schema = find_schema(connection, self._parsed)
        return spark_schema(self._set_schema, self._parsed)

    def reader(self, schema: StructType) -> AerospikeReader:
        """Plan a scan of the columns of `schema`: those of the relation, or what the user asked for."""
        from aerospike_magic.connection import Connection
        from aerospike_magic.engines.spark.columns import column_names, find_schema
        from aerospike_magic.engines.spark.reader import AerospikeReader
        from aerospike_magic.scan.tasks import beside, throttle
        from aerospike_magic.scan.teller import ProgressAddress

        settings = find_settings(self._parsed)
        names = column_names(self._parsed)
        pushed = self._planned.pushed.renamed(names)
        aggregates = pushed.aggregates
        columns = [names.get(f.name, f.name) for f in schema.fields] if aggregates is None else [*aggregates.columns]
        with Connection(settings) as connection:
            relation = self._planned.relation or schema
            found = self._set_schema or find_schema(connection, self._parsed, relation)
            plan = _plan(connection, found, columns, self._parsed, pushed)
            shares, partition_map = _shares(connection, plan, self._parsed, pushed, self._cores)
        owners = partition_map.owners.tolist()
        hosts = beside(shares, owners, [node.host for node in partition_map.nodes])
        rate = throttle(self._parsed.records_per_second, shares, owners, self._at_once)
        # Cores without a task of their own are used by more sockets a task.
        workers = min(max(1, 2 * self._cores // len(shares)), _MOST_WORKERS)
        plan = replace(plan, options=replace(plan.options, workers=workers, records_per_second=rate))
        progress = None if self._parsed.progress is None else ProgressAddress.parse(self._parsed.progress)
        return AerospikeReader(
            settings,
            plan,
            schema,
            shares,
            aggregates=aggregates,
            report=self.report,
            top=pushed.top,
            hosts=hosts,
            progress=progress,
        )

    def streamReader(self, schema: StructType) -> AerospikeStreamReader:
        """Plan the scan of which a stream reads windows of time, of the columns of `schema`."""
        from aerospike_magic.connection import Connection
        from aerospike_magic.engines.spark.columns import column_names, find_schema
        from aerospike_magic.engines.spark.reader import AerospikeReader
        from aerospike_magic.engines.spark.stream_reader import AerospikeStreamReader, StreamOptions
        from aerospike_magic.scan.tasks import split, task_count, throttle

        parsed = self._parsed
        stream = StreamOptions(parsed.stream_start, parsed.stream_lag_ms, parsed.stream_max_records)
        if parsed.sample_size is not None or self._planned.pushed != Pushed():
            raise ConfigError("a stream reads every record that changed", hint="leave out aerospike.sample.size")
        settings = find_settings(parsed)
        names = column_names(parsed)
        with Connection(settings) as connection:
            found = self._set_schema or find_schema(connection, parsed, self._planned.relation or schema)
            plan = _plan(connection, found, [names.get(f.name, f.name) for f in schema.fields], parsed, Pushed())
            owners = connection.partition_map(plan.namespace).owners.tolist()
        n_tasks = task_count(
            count=parsed.partition_count, factor=parsed.partition_factor, cores=self._cores, objects=plan.objects
        )
        rate = throttle(parsed.records_per_second, split(n_tasks, owners), owners, self._at_once)
        plan = replace(plan, options=replace(plan.options, records_per_second=rate))
        reader = AerospikeReader(settings, plan, schema, [], report=self.report)
        return AerospikeStreamReader(settings, reader, plan, stream, n_tasks)

    def streamWriter(self, schema: StructType, overwrite: bool) -> AerospikeStreamWriter:
        """Check that rows of `schema` can be written; `overwrite` is the output mode `complete`."""
        from aerospike_magic.engines.spark.stream_writer import AerospikeStreamWriter

        return AerospikeStreamWriter(self.writer(schema, overwrite), schema)

    def writer(self, schema: StructType, overwrite: bool) -> AerospikeWriter:
        """Check that rows of `schema` can be written, and how."""
        from aerospike_magic.connection import Connection
        from aerospike_magic.engines.spark.write import AerospikeWriter, write_options
        from aerospike_magic.scan.teller import ProgressAddress

        settings = find_settings(self._parsed)
        how = write_options(schema, self._parsed, overwrite)
        with Connection(settings) as connection:
            namespace, set_name = connection.split_name(self._parsed.target)
        progress = None if self._parsed.progress is None else ProgressAddress.parse(self._parsed.progress)
        return AerospikeWriter(settings, namespace, set_name, how, self._parsed.records_per_second, progress)


def register(spark: Any, *, push_down: bool = True) -> type[AerospikeDataSource]:
    """Register the data source with a session, with the session's settings as defaults.

    Args:
        spark: a `SparkSession`, Classic or Connect. Settings that are changed later count after another `register`.
        push_down: whether to hand Spark the jar that plans push-down; once it is there, it stays for the session.

    Returns:
        The class that was registered; its `mismatches()` tells what did not fit.
    """
    settings = {k: v for k, v in dict(spark.conf.getAll).items() if k.casefold().startswith("aerospike.")}
    parse_options({}, settings)  # what is wrong with them is told here, without Spark around it
    found: dict[str, Any] = {"__doc__": AerospikeDataSource.__doc__, "defaults": settings}
    context = getattr(spark, "_sc", None)
    if context is not None:
        from aerospike_magic.engines.spark.report import AddCounts

        found |= {"cores": context.defaultParallelism, "report": context.accumulator({}, AddCounts())}
        found["elastic"] = context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true"
    if push_down:
        add_jar(spark)
        # Spark lets no Python source take the jar's name; the jar asks for this one.
        found["name"] = classmethod(lambda _: _PLANNED_NAME)
        spark.conf.set(_PLANNED_SETTING, _PLANNED_NAME)
    source = type("AerospikeDataSource", (AerospikeDataSource,), found)
    spark.dataSource.register(source)
    return source


def find_settings(options: SparkOptions) -> ConnectionSettings:
    """Return how to connect: the options, then a profile, then the environment.

    Raises:
        ConfigError: nothing says where to connect, or a setting makes no sense.
    """
    from aerospike_magic.connection.settings import resolve_settings

    return resolve_settings(
        # With a comma it is a list of hosts, where a bare name could also be that of a profile.
        None if options.seeds is None else f"{options.seeds},",
        profile=options.profile,
        port=options.port,
        namespace=options.namespace,
        user=options.user,
        password=options.password,
        auth=options.auth,
        tls=options.tls,
        tls_name=options.tls_name,
        tls_cafile=options.tls_cafile,
        tls_certfile=options.tls_certfile,
        tls_keyfile=options.tls_keyfile,
        tls_keyfile_password=options.tls_keyfile_password,
        services_alternate=options.services_alternate,
        timeout_s=None if options.timeout_ms is None else options.timeout_ms / 1_000,
    )


def _plan(
    connection: Connection, schema: SetSchema, columns: list[str], options: SparkOptions, pushed: Pushed
) -> ScanPlan:
    from aerospike_magic.scan import plan_scan

    plan = plan_scan(
        connection,
        schema,
        columns=columns,
        predicate=None if pushed.predicate is None else simplify(pushed.predicate),
        limit=_least(options.sample_size, None if pushed.limit is None else pushed.limit.rows),
        options=_scan_options(options),
        use_indexes=options.use_index,
    )
    if options.pushdown_expression is None:
        return plan
    try:
        return plan.also(base64.b64decode(options.pushdown_expression, validate=True))
    except binascii.Error:
        raise ConfigError("aerospike.pushdown.expressions is not base64") from None


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _scan_options(options: SparkOptions) -> ScanOptions:
    from aerospike_magic.scan import ScanOptions

    found = ScanOptions(
        batch_rows=options.batch_rows,
        records_per_second=options.records_per_second,
        on_mismatch="null" if options.flexible else "error",
    )
    return replace(found, timeout_s=options.socket_timeout_ms / 1_000) if options.socket_timeout_ms else found


def _shares(
    connection: Connection, plan: ScanPlan, options: SparkOptions, pushed: Pushed, cores: int
) -> tuple[list[Share], PartitionMap]:
    """Return what each task reads, and from which nodes."""
    from aerospike_magic.filters.access import IndexScan, KeyLookup, Nothing
    from aerospike_magic.scan.tasks import split, task_count

    partition_map = connection.partition_map(plan.namespace)
    is_small = isinstance(plan.access, KeyLookup | Nothing) or (pushed.limit is not None and pushed.limit.whole)
    if options.sample_size is not None or is_small:
        return split(1), partition_map
    # An index leads to the records that are read; in a scan the server looks at all of the set.
    objects = plan.estimated_rows if isinstance(plan.access, IndexScan) else plan.objects
    n_tasks = task_count(count=options.partition_count, factor=options.partition_factor, cores=cores, objects=objects)
    return split(n_tasks, partition_map.owners.tolist()), partition_map
