"""The one table of the data source's options: names, old spellings, types, defaults, and what each does here.

The names are those of Aerospike's own Spark connector, so that a notebook written for it runs. Spark ignores case in
option names; here dots, dashes and underscores after `aerospike.` are ignored too, so that
`aerospike.partition.factor`, `aerospike.partition-factor` (its newer releases) and `aerospike.partitionFactor` are
one. An option that nothing here knows is an error with the near matches: a misspelt one must not be silently without
effect. An option that would change rows there and cannot here is refused; one that only tunes the other connector's
workings is accepted and does nothing.

`docs/spark.md` has this table; a test compares them. No repr and no error carries a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from aerospike_magic.errors import ConfigError
from aerospike_magic.schema.types import near_matches

PREFIX = "aerospike."
# Where a stream keeps its checkpoint: Spark reads it, and hands it on.
_SPARKS_OWN = frozenset(("checkpointlocation",))
Use = Literal["connection", "read", "columns", "stream", "write", "no effect", "refused"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: as the documentation writes it.
        type: "text", "integer", "boolean", "milliseconds" or "secret".
        default: in words; "" for none.
        does: what it does here; for a refused one, what to do instead.
        use: what it is about.
        spellings: other names that differ by more than dots, dashes and case.
        low, high: the range of an integer.
        attribute: of `SparkOptions`, "" for those without effect.
        only: of one without effect, the values that have none; another would mean other rows, and is refused.
    """

    name: str
    type: str
    default: str
    does: str
    use: Use
    attribute: str = ""
    spellings: tuple[str, ...] = ()
    low: int = 0
    high: int = 2**63 - 1
    only: tuple[str, ...] = ()


def _option(name: str, type: str, default: str, does: str, use: Use, attribute: str = "", **more: Any) -> Option:
    return Option(PREFIX + name, type, default, does, use, attribute, **more)


OPTIONS: tuple[Option, ...] = (
    _option("seedhost", "text", "", "seeds: `host`, `host:port`, `host:tls_name:port`, several with commas",
            "connection", "seeds", spellings=("aerospike.seed.host", "aerospike.seednodes", "aerospike.seedhosts")),
    _option("port", "integer", "3000, 4333 with TLS", "the port of seeds written without one", "connection", "port",
            low=1, high=65_535),
    _option("profile", "text", "", "a profile of `connections.toml`; without seeds and profile, the environment and "
            "the profile `default` are looked at (all on the driver)", "connection", "profile"),
    _option("user", "text", "", "user name", "connection", "user"),
    _option("password", "secret", "", "password, or `env:NAME` or `keyring:`, looked up on the driver",
            "connection", "password"),
    _option("auth.mode", "text", "internal with a user", "`internal`, `external`, `pki` or `none`", "connection",
            "auth", spellings=("aerospike.authmode", "aerospike.auth")),
    _option("tls.enable", "boolean", "true if another TLS option is given", "whether to encrypt", "connection", "tls",
            spellings=("aerospike.tls.enabled", "aerospike.tls", "aerospike.enabletls")),
    _option("tls.name", "text", "", "the name in the servers' certificates", "connection", "tls_name"),
    _option("tls.cafile", "text", "the system's CAs", "PEM file with the CA, at this path on every executor",
            "connection", "tls_cafile"),
    _option("tls.certfile", "text", "", "PEM file with the client certificate", "connection", "tls_certfile"),
    _option("tls.keyfile", "text", "", "PEM file with its key", "connection", "tls_keyfile"),
    _option("tls.keyfile.password", "secret", "", "password of that key", "connection", "tls_keyfile_password"),
    _option("useServicesAlternate", "boolean", "false", "reach nodes at their alternate-access addresses",
            "connection", "services_alternate"),
    _option("timeout", "milliseconds", "10000", "for a single request", "connection", "timeout_ms", low=1,
            spellings=("aerospike.client.timeout",)),
    _option("sockettimeout", "milliseconds", "30000", "silence of a node that ends a scan's request; 0 = the default",
            "read", "socket_timeout_ms"),
    _option("namespace", "text", "", "the namespace; needed unless the set is written `namespace.set`", "read",
            "namespace"),
    _option("set", "text", "", "the set; `load(\"namespace.set\")` names both at once", "read", "set_name",
            spellings=("aerospike.readset", "path")),
    _option("partition.factor", "integer", "", "2^factor Spark partitions, 0 to 15", "read", "partition_factor",
            high=15),
    _option("partition.count", "integer", "3 a core of the cluster, fewer for a small set",
            "number of Spark partitions, 1 to 32768; goes before the factor", "read", "partition_count", low=1,
            high=32_768),
    _option("batch.rows", "integer", "32768", "rows of a full Arrow batch on the way to the JVM", "read", "batch_rows",
            low=1, high=1_000_000),
    _option("recordspersecond", "integer", "0", "records a second that each node is asked for, by all tasks of "
            "a scan together; 0 = no limit", "read", "records_per_second", high=2**31 - 1),
    _option("sample.size", "integer", "", "read at most so many records, from one Spark partition", "read",
            "sample_size", low=1),
    _option("pushdown.expressions", "text", "", "a base64 Aerospike expression that every record has to pass, "
            "on the server", "read", "pushdown_expression"),
    _option("pushdown.filters", "boolean", "true", "whether the scan applies Spark's filters (with the jar only)",
            "read"),
    _option("pushdown.aggregates", "boolean", "true", "whether each task counts, sums and groups its rows where that "
            "is exact (with the jar only)", "read"),
    _option("sindex.enable", "boolean", "true", "whether a secondary index may be used; it then is where it pays",
            "read", "use_index"),
    _option("progress", "text", "", "where tasks tell how far they are, `host:port/token/number`; set by "
            "`%%aerosql --engine spark`", "read", "progress"),
    _option("schema.scan", "integer", "10000", "about how many records to sample for the schema", "columns",
            "sample_records", low=1, high=10_000_000),
    _option("schema.flexible", "boolean", "true", "true: a value that does not fit its column is NULL and counted; "
            "false: it fails the query", "columns", "flexible"),
    _option("schema.types", "text", "", "types of single columns over the inferred ones, `bin=type; bin=type`, in the "
            "words of `aerospike_magic` schemas: `tags=json; at=map<string, int64>`", "columns", "types"),
    _option("schema.file", "text", "", "a schema saved with `SetSchema.save`, instead of sampling (read on the driver)",
            "columns", "schema_file"),
    _option("metadata", "boolean", "false", "true adds `__digest`, `__generation` and `__ttl` (and `__key` where no "
            "key is stored); a schema of your own may name them always", "columns", "metadata"),
    _option("keyColumn", "text", "__key", "name of the key's column", "columns", "key_column"),
    _option("digestColumn", "text", "__digest", "name of the digest's column", "columns", "digest_column"),
    _option("generationColumn", "text", "__generation", "name of the generation's column", "columns",
            "generation_column"),
    _option("ttlColumn", "text", "__ttl", "name of the time to live's column, in seconds, -1 for ever", "columns",
            "ttl_column"),
    _option("keyType", "text", "as sampled", "type of the key's column: `int`, `string`, `binary`", "columns",
            "key_type"),
    _option("stream.start", "text", "earliest", "where a new stream starts: `earliest`, `latest`, a time in ISO 8601 "
            "(UTC if it names no zone), or milliseconds since 1970; one with a checkpoint goes on from there", "stream",
            "stream_start"),
    _option("stream.lag", "milliseconds", "5000", "how far a stream stays behind the nodes' clocks, for writes still "
            "under way", "stream", "stream_lag_ms", high=86_400_000),
    _option("stream.maxRecords", "integer", "", "at most so many rows in a batch of a stream (Spark 4.2 and newer)",
            "stream", "stream_max_records", low=1),
    _option("writeset", "text", "the set", "the set to write to", "write", "write_set"),
    _option("updateByKey", "text", "", "the column whose value is the record's key (it is a bin as well, "
            "unless it is `aerospike.keyColumn`)", "write", "update_by_key"),
    _option("updateByDigest", "text", "", "the column whose value is the record's digest", "write", "update_by_digest"),
    _option("sendKey", "boolean", "false", "store the key with the record", "write", "send_key"),
    _option("ttl", "integer", "the namespace's", "time to live of written records in seconds, -1 for ever; a column "
            "`aerospike.ttlColumn` goes before it", "write", "ttl", low=-1,
            high=2**31 - 1),
    _option("write.mode", "text", "update, replace with mode overwrite", "`update` merges the row's bins into the "
            "record or makes one, `replace` makes the row the whole record, `update_only` and `replace_only` want a "
            "record that is there, `create_only` none", "write", "write_mode"),
    _option("generationPolicy", "text", "NONE", "`EXPECT_GEN_EQUAL`: a row is written only if its record has the "
            "generation in the column `aerospike.generationColumn` (0 or NULL: no record); `EXPECT_GEN_GT`: only if "
            "that is greater", "write", "generation_policy"),
    _option("commitLevel", "text", "", "a write is answered when the replicas have it", "no effect"),
    _option("keyPath", "text", "", "no licence key is needed", "no effect"),
    _option("featureKey", "text", "", "no licence key is needed", "no effect"),
    _option("log.level", "text", "", "Spark's and Python's own logging apply", "no effect"),
    _option("compression", "text", "", "a scan is bound by decoding, not by the network", "no effect"),
    _option("batchMax", "text", "", "key look-ups choose their own batches", "no effect",
            spellings=("aerospike.batchsize",)),
    _option("maxthreadcount", "text", "", "Spark's tasks are the threads", "no effect"),
    _option("digestType", "text", "binary", "the digest is always binary; `string` is refused: write "
            "`hex(__digest)`, or `unhex('…')` of the text", "no effect", only=("binary", "binarytype")),
    _option("sindex", "text", "", "the index that expects the fewest records is taken", "no effect"),
    _option("sindex.filter", "text", "", "a filter of the Java client, which cannot be read here: write the condition "
            "in SQL, or as `aerospike.pushdown.expressions`", "refused"),
    _option("expiryColumn", "text", "", "there is `__ttl`; the time of expiry is "
            "`timestamp_seconds(unix_seconds(now()) + __ttl)`", "refused"),
    _option("savemode", "text", "", "use `df.write.mode(…)` and `aerospike.write.mode`", "refused"),
)  # fmt: skip


@dataclass(frozen=True)
class SparkOptions:
    """Options, parsed; see the table for what each is."""

    seeds: str | None = None
    port: int | None = None
    profile: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    auth: str | None = None
    tls: bool | None = None
    tls_name: str | None = None
    tls_cafile: str | None = None
    tls_certfile: str | None = None
    tls_keyfile: str | None = None
    tls_keyfile_password: str | None = field(default=None, repr=False)
    services_alternate: bool | None = None
    timeout_ms: int | None = None
    socket_timeout_ms: int = 0
    namespace: str | None = None
    progress: str | None = None
    set_name: str | None = None
    partition_factor: int | None = None
    partition_count: int | None = None
    batch_rows: int = 32_768
    records_per_second: int = 0
    sample_size: int | None = None
    pushdown_expression: str | None = None
    use_index: bool = True
    sample_records: int = 10_000
    flexible: bool = True
    types: str | None = None
    schema_file: str | None = None
    metadata: bool = False
    key_column: str = "__key"
    digest_column: str = "__digest"
    generation_column: str = "__generation"
    ttl_column: str = "__ttl"
    key_type: str | None = None
    stream_start: str = "earliest"
    stream_lag_ms: int = 5_000
    stream_max_records: int | None = None
    write_set: str | None = None
    update_by_key: str | None = None
    update_by_digest: str | None = None
    send_key: bool = False
    ttl: int | None = None
    write_mode: str | None = None
    generation_policy: str | None = None

    def __repr__(self) -> str:
        shown = []
        for item in fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                shown.append(f"{item.name}={value!r}" if item.repr else f"{item.name}=<hidden>")
        return f"SparkOptions({', '.join(shown)})"

    @property
    def table(self) -> str:
        """The set as ``namespace.set``, or as it was given where it names its namespace itself.

        Raises:
            ConfigError: no set was given.
        """
        if not self.set_name:
            raise ConfigError("no set is named", hint='give .option("aerospike.set", …), or .load("namespace.set")')
        return f"{self.namespace}.{self.set_name}" if self.namespace else self.set_name

    @property
    def target(self) -> str:
        """The set to write to, as `table`; a `write_set` without a namespace is in that of the set."""
        if not self.write_set:
            return self.table
        namespace = self.namespace or (self.set_name or "").rpartition(".")[0]
        return f"{namespace}.{self.write_set}" if namespace else self.write_set


def parse_options(given: Mapping[str, str], defaults: Mapping[str, str] | None = None) -> SparkOptions:
    """Read a data source's options.

    Args:
        given: names and values as Spark hands them over.
        defaults: the same from the session's configuration; what is given goes before them.

    Raises:
        ConfigError: an option that is not known (the hint has near matches), refused, given twice with different
            values, or with a value that makes no sense.
    """
    return SparkOptions(**(_parsed(defaults or {}) | _parsed(given)))


def _parsed(given: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    said: dict[str, str] = {}
    for name, text in given.items():
        if name.casefold() in _SPARKS_OWN:
            continue
        option = find_option(name)
        if option.use == "refused" or (option.only and text.strip().casefold() not in option.only):
            raise ConfigError(f"option {name} cannot be used here", hint=option.does)
        if not option.attribute:
            continue
        value = _PARSERS[option.type](option, text)
        if option.attribute in values and values[option.attribute] != value:
            raise ConfigError(f"{said[option.attribute]} and {name} are the same option, with different values")
        values[option.attribute], said[option.attribute] = value, name
    return values


def find_option(name: str) -> Option:
    """Return the option of that name, in any of its spellings.

    Raises:
        ConfigError: there is none; the hint has near matches.
    """
    option = _by_plain_name().get(_plain(name))
    if option is not None:
        return option
    if _plain(name).startswith(("aerospike/tlstruststore", "aerospike/tlskeystore")):
        raise ConfigError(
            f"option {name} names a Java key store, which Python cannot read",
            hint="give PEM files: aerospike.tls.cafile, aerospike.tls.certfile, aerospike.tls.keyfile",
        )
    # Without the prefix, which would make any two names alike.
    near = near_matches(name.casefold().removeprefix(PREFIX), [o.name.removeprefix(PREFIX) for o in OPTIONS])
    hint = f"did you mean {' or '.join(PREFIX + n for n in near)}?" if near else "docs/spark.md lists all options"
    raise ConfigError(f"there is no option {name}", hint=hint)


def _by_plain_name() -> dict[str, Option]:
    return {_plain(name): option for option in OPTIONS for name in (option.name, *option.spellings)}


def _plain(name: str) -> str:
    """The name without case, and without dots, dashes and underscores behind the prefix."""
    folded = name.strip().casefold()
    if folded.startswith(PREFIX):
        return "aerospike/" + re.sub(r"[._-]", "", folded.removeprefix(PREFIX))
    return folded


def _text(option: Option, text: str) -> str | None:
    return text.strip() or None


def _secret(option: Option, text: str) -> str | None:
    return text or None


def _integer(option: Option, text: str) -> int:
    try:
        value = int(text.strip())
    except ValueError:
        raise ConfigError(f"option {option.name} is {text!r}", hint="it is a whole number") from None
    if not option.low <= value <= option.high:
        raise ConfigError(f"option {option.name} is {value}", hint=f"it is {option.low} to {option.high}")
    return value


def _boolean(option: Option, text: str) -> bool:
    word = text.strip().casefold()
    if word not in ("true", "false", "1", "0", "yes", "no"):
        raise ConfigError(f"option {option.name} is {text!r}", hint="it is true or false")
    return word in ("true", "1", "yes")


_PARSERS: Mapping[str, Callable[[Option, str], Any]] = {
    "text": _text,
    "secret": _secret,
    "integer": _integer,
    "milliseconds": _integer,
    "boolean": _boolean,
}


def options_table() -> str:
    """Return the table of all options in Markdown; `docs/spark.md` holds it."""
    lines = ["| option | type | default | what it does here |", "|---|---|---|---|"]
    for option in OPTIONS:
        also = "".join(f", `{s}`" for s in option.spellings)
        prefix = {"no effect": "accepted, without effect: ", "refused": "refused: "}.get(option.use, "")
        lines.append(f"| `{option.name}`{also} | {option.type} | {option.default} | {prefix}{option.does} |")
    return "\n".join(lines) + "\n"
