"""A connection to a cluster: the official client underneath, and all that a scan must know of the cluster."""

from __future__ import annotations

import base64
import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, overload

import aerospike

from aerospike_magic.connection import catalog
from aerospike_magic.connection.catalog import IndexInfo, NamespaceInfo, SetInfo
from aerospike_magic.connection.client import open_client, with_session
from aerospike_magic.connection.cluster import Node, PartitionMap, build_partition_map, parse_peer_tls_names
from aerospike_magic.connection.names import no_such_set, split_name
from aerospike_magic.connection.records import batch_keys, read_batch
from aerospike_magic.connection.refusals import checked_answer, translated
from aerospike_magic.connection.sample import plan_sample, read_sample
from aerospike_magic.connection.settings import ConnectionSettings, resolve_settings
from aerospike_magic.connection.sockets import SocketOpener, seed_tls_name
from aerospike_magic.errors import AerospikeMagicError, ConnectError, ServerError
from aerospike_magic.schema.infer import SampleRecord, infer_schema
from aerospike_magic.schema.nested import kernels_ready
from aerospike_magic.schema.types import Kind, SetSchema
from aerospike_magic.wire.info import parse_info_list
from aerospike_magic.wire.result import ResultCode

DEFAULT_SAMPLE_RECORDS = 5_000


def connect(
    target: str | None = None,
    *,
    profile: str | None = None,
    user: str | None = None,
    password: str | None = None,
    auth: str | None = None,
    namespace: str | None = None,
    tls: bool | None = None,
    tls_name: str | None = None,
    tls_cafile: str | None = None,
    tls_certfile: str | None = None,
    tls_keyfile: str | None = None,
    tls_keyfile_password: str | None = None,
    services_alternate: bool | None = None,
    timeout_s: float | None = None,
    connect_timeout_s: float | None = None,
) -> Connection:
    """Connect to an Aerospike cluster.

    Args:
        target: ``"host:port[,host:port]"``, the name of a profile, or None for what the environment or the
            profile ``default`` says; see `aerospike_magic.connection.settings` for the order in which
            values are looked for.
        profile: a profile's name, for what the other arguments leave open.
        user, password: credentials; a password may be ``"keyring:"`` or ``"env:NAME"``.
        auth: "internal" (default with a user), "external" (LDAP; needs TLS), "pki" (client certificate) or
            "none".
        namespace: the namespace of sets named without one.
        tls: whether to encrypt; on by itself when another TLS argument is given.
        tls_name: the name in the servers' certificates.
        tls_cafile, tls_certfile, tls_keyfile: paths of PEM files.
        tls_keyfile_password: password of the key file.
        services_alternate: reach nodes at their alternate-access addresses (behind a NAT or a container).
        timeout_s: seconds for a request, default 10.
        connect_timeout_s: seconds to reach a node and log in, default 5.

    Returns:
        An open connection; also a context manager.

    Raises:
        ConfigError: a setting makes no sense, or nothing says where to connect.
        ConnectError: no node answered, or login or TLS failed.

    Example:
        >>> with connect("127.0.0.1:3000") as connection:  # doctest: +SKIP
        ...     connection.namespaces()
        ['demo', 'test']
    """
    given: dict[str, Any] = {
        "user": user,
        "password": password,
        "auth": auth,
        "namespace": namespace,
        "tls": tls,
        "tls_name": tls_name,
        "tls_cafile": tls_cafile,
        "tls_certfile": tls_certfile,
        "tls_keyfile": tls_keyfile,
        "tls_keyfile_password": tls_keyfile_password,
        "services_alternate": services_alternate,
        "timeout_s": timeout_s,
        "connect_timeout_s": connect_timeout_s,
    }
    return Connection(resolve_settings(target, profile=profile, **given))


class Connection:
    """An open connection; safe to share between threads.

    Answers about nodes, sets and indexes are asked for at each call; schemas are kept until `refresh`.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        """Connect; `connect` is the friendlier way."""
        self._settings = settings
        self._client: aerospike.Client | None = open_client(settings)
        self._lock = threading.Lock()
        self._schemas: dict[tuple[str, str], SetSchema] = {}
        self._maps: dict[str, tuple[float, PartitionMap]] = {}
        self._given_schemas: set[tuple[str, str]] = set()
        self._sockets = SocketOpener(settings)

    def __repr__(self) -> str:
        state = "" if self._client is not None else ", closed"
        user = f", user={self._settings.user!r}" if self._settings.user else ""
        tls = ", tls" if self._settings.tls else ""
        return f"<Connection {self._settings.address}{user}{tls}{state}>"

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def settings(self) -> ConnectionSettings:
        """The settings, as they were found; the repr hides the secrets."""
        return self._settings

    @property
    def client(self) -> aerospike.Client:
        """The official client, for what this package does not do.

        Raises:
            ConnectError: the connection is closed.
        """
        client = self._client
        if client is None:
            raise ConnectError("the connection is closed", hint="connect again")
        return client

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._client is None

    def close(self) -> None:
        """Close the official client; idempotent. Sockets that were handed out belong to their users."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    # What there is

    @overload
    def info(self, command: str) -> dict[str, str]: ...
    @overload
    def info(self, command: str, node: Node | str) -> str: ...
    def info(self, command: str, node: Node | str | None = None) -> str | dict[str, str]:
        """Ask an info command.

        Args:
            command: for example ``"sets/test"``.
            node: a node or its name, or None for all nodes.

        Returns:
            The answer after the tab; for all nodes, node name → answer, without those that gave none.

        Raises:
            ServerError: the node, or every node, answered with an error.
            ConnectError: the node, or every node, did not answer.
        """
        if node is None:
            return self._info_all(command)
        return self._info_one(command, node.name if isinstance(node, Node) else node)

    def namespaces(self) -> list[str]:
        """Return the names of the namespaces, sorted."""
        return sorted({name for answer in self.info("namespaces").values() for name in answer.split(";") if name})

    def namespace_info(self, namespace: str) -> NamespaceInfo:
        """Return storage, index type, replication factor and number of records of a namespace.

        Raises:
            SchemaError: there is no such namespace.
        """
        try:
            answers = self._info_all(f"namespace/{namespace}")
        except ServerError:
            answers = {}
        if not any("objects=" in answer for answer in answers.values()):
            # The servers' words for an unknown one have changed over the versions; their list is the same in all.
            split_name(f"{namespace}.x", namespaces=self.namespaces())
            raise ServerError(f"no node tells about namespace {namespace}", code=ResultCode.NAMESPACE)
        return catalog.combine_namespace(namespace, list(answers.values()))

    def sets(self, namespace: str | None = None) -> list[SetInfo]:
        """Return the sets of a namespace, or of all, with counts and storage engine, from info alone."""
        names = self.namespaces() if namespace is None else [namespace]
        namespaces = {name: self.namespace_info(name) for name in names}
        command = "sets" if namespace is None else f"sets/{namespace}"
        return catalog.combine_sets(namespaces, list(self.info(command).values()))

    def count_objects(self, namespace: str, set_name: str) -> int:
        """Return about how many records a set has, from info alone; 0 for a set that there is not.

        Asks for this one set, which is quick however many sets the namespace has; "" is the records without a set.
        """
        if not set_name:
            return max(0, self.namespace_info(namespace).objects - sum(s.objects for s in self.sets(namespace)))
        answers = self.info(f"sets/{namespace}/{set_name}").values()
        rows = (row for answer in answers for row in parse_info_list(answer))
        objects = sum(int(count) for row in rows if (count := row.get("objects", "")).isdigit())
        return objects // max(self.namespace_info(namespace).replication_factor, 1)

    def indexes(self, namespace: str | None = None) -> list[IndexInfo]:
        """Return the secondary indexes of a namespace, or of all, with their statistics."""
        found: list[IndexInfo] = []
        for name in self.namespaces() if namespace is None else [namespace]:
            listed = catalog.combine_indexes(list(self.info(f"sindex-list:ns={name}").values()))
            factor = self.namespace_info(name).replication_factor if listed else 1
            found += [self._with_statistics(index, factor) for index in listed]
        return found

    # The cluster

    def nodes(self) -> list[Node]:
        """Return the nodes that the client reaches now, sorted by name.

        Raises:
            ConnectError: there are none.
        """
        rows = self._node_rows()
        tls_names = self._tls_names() if self._settings.tls else {}
        return sorted(
            (
                Node(
                    row["node_name"],
                    row["address"],
                    int(row["port"]),
                    tls_names.get(row["node_name"]) or self._seed_tls_name(row["address"]),
                )
                for row in rows
            ),
            key=lambda node: node.name,
        )

    def partition_map(self, namespace: str, timeout_s: float | None = None, *, max_age_s: float = 0.0) -> PartitionMap:
        """Ask every node which partitions it is master of.

        A node that does not answer (in `timeout_s` seconds, or the settings' timeout) owns nothing in the map.

        Args:
            namespace: which.
            timeout_s: for each node.
            max_age_s: seconds that an earlier answer serves again; 0 = ask now.

        Raises:
            SchemaError: there is no such namespace.
            ConnectError: no node answered.
        """
        known = self._maps.get(namespace)
        if known is not None and time.monotonic() - known[0] < max_age_s:
            return known[1]
        nodes = self.nodes()
        result = build_partition_map(namespace, nodes, self._info_all("replicas", timeout_s))
        if len(result.missing) == len(result.owners):
            split_name(f"{namespace}.x", namespaces=self.namespaces())
        self._maps[namespace] = time.monotonic(), result
        return result

    def open_socket(self, node: Node, timeout_s: float | None = None) -> Any:
        """Open a TCP connection to a node for the caller, TLS and login done.

        Args:
            node: from `nodes` or a `PartitionMap`.
            timeout_s: seconds that any later send or receive may take; the settings' timeout if None.

        Returns:
            A connected `socket.socket` with Nagle's algorithm off. The caller closes it.

        Raises:
            ConnectError: the node cannot be reached, or refused TLS or the login.
        """
        return self._sockets.open(node, timeout_s)

    def encode_expression(self, expression: Any) -> bytes:
        """Return the wire bytes of an `aerospike_helpers.expressions` object (compiled or not)."""
        compiled = expression.compile() if hasattr(expression, "compile") else expression
        with translated(self._settings, "encode a filter expression"):
            return base64.b64decode(self.client.get_expression_base64(compiled))

    # Schemas and records

    def null_set_filter(self) -> bytes:
        """Return the wire bytes of the expression that a record is in no set; a request without one reads all sets."""
        from aerospike_helpers import expressions as exp

        return self.encode_expression(exp.Eq(exp.SetName(), ""))

    def split_name(self, name: str) -> tuple[str, str]:
        """Split ``"ns.set"`` (or ``"set"``) by this cluster's namespaces; see `names.split_name`."""
        return split_name(name, default_namespace=self._settings.namespace, namespaces=self.namespaces())

    def schema(self, name: str, *, sample_records: int = DEFAULT_SAMPLE_RECORDS, refresh: bool = False) -> SetSchema:
        """Return the schema of a set, inferred from a sample at the first call and kept.

        Args:
            name: ``"namespace.set"``.
            sample_records: about how many records to read, in whole random partitions; at least 1.
            refresh: sample again, and drop an override by `set_schema`.

        Raises:
            SchemaError: there is no such namespace or set (the hint has near matches).
        """
        with self._lock:
            # A full name that is known needs no question to the cluster.
            known = next((schema for schema in self._schemas.values() if schema.name == name), None)
        table = self.split_name(name) if known is None or refresh else (known.namespace, known.set_name)
        return self.schema_of(*table, sample_records=sample_records, refresh=refresh)

    def schema_of(
        self, namespace: str, set_name: str, *, sample_records: int = DEFAULT_SAMPLE_RECORDS, refresh: bool = False
    ) -> SetSchema:
        """Do what `schema` does, for a set whose two names are known; "" stands for the records without a set."""
        table = namespace, set_name
        with self._lock:
            known = self._schemas.get(table)
        if known is not None and not refresh:
            return known
        inferred = self._sample(*table, max(1, sample_records))
        if any(column.kind >= Kind.JSON for column in inferred.columns):
            kernels_ready()  # starts compiling what a scan of nested bins will need
        with self._lock:
            self._schemas[table] = inferred
            self._given_schemas.discard(table)
        return inferred

    def set_schema(self, schema: SetSchema) -> None:
        """Use this schema for its set from now on, instead of an inferred one."""
        with self._lock:
            self._schemas[schema.namespace, schema.set_name] = schema
            self._given_schemas.add((schema.namespace, schema.set_name))

    def forget_schema(self, namespace: str, set_name: str) -> None:
        """Infer the schema of a set anew when it is asked for next; one from `set_schema` stays."""
        with self._lock:
            if (namespace, set_name) not in self._given_schemas:
                self._schemas.pop((namespace, set_name), None)

    def get_many(
        self,
        namespace: str,
        set_name: str,
        keys: Sequence[Any] = (),
        *,
        digests: Sequence[bytes] = (),
        bins: Sequence[str] | None = None,
    ) -> list[SampleRecord | None]:
        """Read records by user key or digest with one batch.

        Args:
            keys: user keys (int, str, bytes), read first.
            digests: 20-byte digests, read after the keys.
            bins: the bins wanted, None for all.

        Returns:
            One entry a key and digest, in order; None where there is no such record.

        Raises:
            ServerError: the batch, or a record in it, failed.
        """
        wanted = batch_keys(namespace, set_name, keys, digests)
        with translated(self._settings, f"read {len(wanted)} keys of {namespace}.{set_name}"):
            return with_session(lambda: read_batch(self.client, wanted, bins))

    def _sample(self, namespace: str, set_name: str, sample_records: int) -> SetSchema:
        objects: int | None
        if set_name:
            objects = next((s.objects for s in self.sets(namespace) if s.name == set_name), None)
        else:
            objects = self.count_objects(namespace, "")
        if objects is None:
            raise no_such_set(namespace, set_name, [s.name for s in self.sets(namespace)])
        filter_ = None if set_name else self.null_set_filter()
        seed = zlib.crc32(f"{namespace}.{set_name}".encode())
        runs = plan_sample(objects, sample_records, seed)
        records, partitions = read_sample(
            self.open_socket, lambda: self.partition_map(namespace), set_name, runs, sample_records, filter_
        )
        return infer_schema(namespace, set_name, records, objects, sampled_partitions=partitions)

    def _with_statistics(self, index: IndexInfo, replication_factor: int) -> IndexInfo:
        answers = self._info_all(f"sindex-stat:ns={index.namespace};indexname={index.name}").values()
        entries, per_value = catalog.combine_index_statistics(list(answers), replication_factor)
        return replace(index, entries=entries, entries_per_value=per_value)

    def _info_one(self, command: str, name: str, timeout_s: float | None = None) -> str:
        policy = {} if timeout_s is None else {"timeout": int(timeout_s * 1000)}
        with translated(self._settings, f"ask {command!r}", node=name):
            answer = with_session(lambda: self.client.info_single_node(command, name, policy))
            return checked_answer(command, answer, name)

    def _info_all(self, command: str, timeout_s: float | None = None) -> dict[str, str]:
        """Ask all nodes; one that does not answer is left out, unless none does."""
        answers: dict[str, str] = {}
        failure: AerospikeMagicError | None = None
        for name in sorted(row["node_name"] for row in self._node_rows()):
            try:
                answers[name] = self._info_one(command, name, timeout_s)
            except AerospikeMagicError as error:
                failure = failure or error
        if not answers and failure is not None:
            raise failure
        return answers

    def _node_rows(self) -> list[dict[str, Any]]:
        with translated(self._settings, "list the nodes"):
            rows: list[dict[str, Any]] = self.client.get_node_names()
        if not rows:
            raise ConnectError("the cluster has no node that can be reached", hint="is the server running?")
        return rows

    def _seed_tls_name(self, address: str) -> str | None:
        """The TLS name of a node that no peer tells of, so a seed: the one of that address, or the first."""
        settings = self._settings
        if not settings.tls:
            return None
        seed = next((host for host in settings.hosts if host.name == address), settings.hosts[0])
        return seed_tls_name(settings, seed)

    def _tls_names(self) -> dict[str, str]:
        command = "peers-tls-alt" if self._settings.services_alternate else "peers-tls-std"
        return _merged(parse_peer_tls_names(answer) for answer in self._info_all(command).values())


def _merged(tables: Iterable[dict[str, str]]) -> dict[str, str]:
    return {key: value for table in tables for key, value in table.items()}
