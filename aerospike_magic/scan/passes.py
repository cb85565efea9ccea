"""The requests of a scan: one pass over the partitions, and a second one for records that the first left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aerospike_magic.connection import Connection
from aerospike_magic.errors import FilterError
from aerospike_magic.filters.access import IndexScan, KeyLookup, Nothing
from aerospike_magic.scan.decode import ResumePoints
from aerospike_magic.scan.plan import ScanPlan, both
from aerospike_magic.scan.position import ScanPosition
from aerospike_magic.scan.progress import N_PARTITIONS
from aerospike_magic.scan.share import WHOLE
from aerospike_magic.scan.tracker import PartitionTracker
from aerospike_magic.scan.worker import ScanPass
from aerospike_magic.wire.query import IndexRange, encode_query_request

# A request costs the server about as much as a thousand records; one that is lost costs a group's records again.
_RECORDS_PER_GROUP = 65_536
_SMALLEST_GROUP = 16
_GROUPS_PER_WORKER = 2
# A scan of a share is one of many of its process: what the one before asked every node need not be asked again. A map
# that is wrong by now costs a refusal, after which a new one is fetched.
_SHARED_MAP_AGE_S = 5.0


def make_passes(connection: Connection, plan: ScanPlan, position: ScanPosition | None = None) -> tuple[ScanPass, ...]:
    """Return the passes of a plan, in order, from a position on; none for a look-up."""
    if isinstance(plan.access, KeyLookup | Nothing):
        return ()
    max_age_s = 0.0 if plan.share == WHOLE and position is None else _SHARED_MAP_AGE_S
    partition_map = connection.partition_map(plan.namespace, max_age_s=max_age_s)
    options = plan.options
    # Who keeps a position reads one of many shares, and asks for as much as one request may lose.
    n_workers = options.worker_count if position is None else 0
    group_size = options.partitions_per_request or _group_size(plan.objects, n_workers, len(plan.share.partitions))
    sliced = plan.share.expression()
    slice_ = None if sliced is None else connection.encode_expression(sliced)

    first_reached, second_reached = (position or ScanPosition()).passes

    def tracker(partitions: Iterable[int], done: Iterable[int]) -> PartitionTracker:
        return PartitionTracker(
            partition_map,
            partitions,
            group_size,
            per_node=1 if options.records_per_second else 0,
            give_up_s=options.give_up_s,
            done=done,
            starts_small=position is None,
        )

    can_omit = plan.omitted_filter is not None
    first = ScanPass(
        tracker([p for p in plan.share.partitions if p not in first_reached.done], first_reached.done),
        _request(plan, bins=plan.bins, expression=both(plan.filter.expression, slice_)),
        counted=can_omit or plan.filter.expression is not None or isinstance(plan.access, IndexScan),
        resume=first_reached.resume_points(),
    )
    if not can_omit:
        return (first,)
    omitted = both(plan.omitted_filter, slice_)
    # What was passed over in a partition that was left half-way is behind its resume point: nobody would count it.
    left_out = set() if position is None else (position.omitted | first_reached.last.keys()) - second_reached.done
    second = ScanPass(
        tracker(left_out, second_reached.done),
        _request(plan, bins=(), expression=omitted),
        counted=False,
        resume=second_reached.resume_points(),
    )
    first.on_omitted = second.tracker.want
    return (first, second)


def _group_size(objects: int, workers: int, partitions: int) -> int:
    by_records = N_PARTITIONS * _RECORDS_PER_GROUP // max(objects, 1)
    largest = max(_SMALLEST_GROUP, partitions // max(1, workers * _GROUPS_PER_WORKER))
    return min(max(by_records, _SMALLEST_GROUP), largest)


def _request(
    plan: ScanPlan, *, bins: tuple[str, ...] | None, expression: bytes | None
) -> Callable[[tuple[int, ...], ResumePoints, int], bytes]:
    index_range = _index_range(plan)
    timeout_ms = int(plan.options.timeout_s * 1000)

    def request(partitions: tuple[int, ...], resume: ResumePoints, task_id: int) -> bytes:
        known = {p: digest for p in partitions if (digest := resume.digest(p)) is not None}
        return encode_query_request(
            plan.namespace,
            plan.set_name,
            partitions=partitions,
            digests=known,
            bvals={p: resume.index_value(p) for p in known} if index_range is not None else (),
            bins=bins or None,
            no_bin_data=bins == (),
            filter_expression=expression,
            records_per_second=plan.options.records_per_second,
            socket_timeout_ms=timeout_ms,
            task_id=task_id,
            index_range=index_range,
        )

    return request


def _index_range(plan: ScanPlan) -> IndexRange | None:
    access = plan.access
    if not isinstance(access, IndexScan):
        return None
    if access.value is not None:
        return IndexRange.string(access.index.bin, access.value)
    if access.low is None or access.high is None:
        raise FilterError(f"the index range on {access.index.bin} has no ends")
    return IndexRange.integers(access.index.bin, access.low, access.high)
