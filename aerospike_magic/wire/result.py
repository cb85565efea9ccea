"""Result codes: the byte by which the server says how a request went, and words for it.

Source: Aerospike server, as/include/base/proto.h (`AS_OK` and following). The words are ours.
"""

from __future__ import annotations

from enum import IntEnum


class ResultCode(IntEnum):
    """What the server answers in a message's result code."""

    OK = 0
    UNKNOWN = 1
    NOT_FOUND = 2
    GENERATION = 3
    PARAMETER = 4
    RECORD_EXISTS = 5
    BIN_EXISTS = 6
    CLUSTER_KEY_MISMATCH = 7
    OUT_OF_SPACE = 8
    TIMEOUT = 9
    ALWAYS_FORBIDDEN = 10
    UNAVAILABLE = 11
    INCOMPATIBLE_TYPE = 12
    RECORD_TOO_BIG = 13
    KEY_BUSY = 14
    QUERY_ABORT = 15
    UNSUPPORTED_FEATURE = 16
    BIN_NOT_FOUND = 17
    DEVICE_OVERLOAD = 18
    KEY_MISMATCH = 19
    NAMESPACE = 20
    BIN_NAME = 21
    FORBIDDEN = 22
    ELEMENT_NOT_FOUND = 23
    ELEMENT_EXISTS = 24
    ENTERPRISE_ONLY = 25
    OP_NOT_APPLICABLE = 26
    FILTERED_OUT = 27
    LOST_CONFLICT = 28
    XDR_KEY_BUSY = 32
    SECURITY_LAST = 50
    SECURITY_NOT_SUPPORTED = 51
    SECURITY_NOT_ENABLED = 52
    SECURITY_SCHEME = 53
    SECURITY_COMMAND = 54
    SECURITY_FIELD = 55
    SECURITY_STATE = 56
    USER = 60
    USER_EXISTS = 61
    PASSWORD = 62
    EXPIRED_PASSWORD = 63
    FORBIDDEN_PASSWORD = 64
    CREDENTIAL = 65
    EXPIRED_SESSION = 66
    ROLE = 70
    ROLE_EXISTS = 71
    PRIVILEGE = 72
    WHITELIST = 73
    QUOTAS_NOT_ENABLED = 74
    QUOTA = 75
    NOT_AUTHENTICATED = 80
    ROLE_VIOLATION = 81
    NOT_WHITELISTED = 82
    QUOTA_EXCEEDED = 83
    LDAP_NOT_CONFIGURED = 90
    LDAP_SETUP = 91
    LDAP_TLS_SETUP = 92
    LDAP_AUTHENTICATION = 93
    LDAP_QUERY = 94
    UDF_EXECUTION = 100
    MRT_BLOCKED = 120
    MRT_VERSION_MISMATCH = 121
    MRT_EXPIRED = 122
    MRT_TOO_MANY_WRITES = 123
    MRT_COMMITTED = 124
    MRT_ABORTED = 125
    MRT_ALREADY_LOCKED = 126
    MRT_MONITOR_EXISTS = 127
    BATCH_DISABLED = 150
    BATCH_MAX_REQUESTS = 151
    BATCH_QUEUES_FULL = 152
    GEO_INVALID_GEOJSON = 160
    INDEX_FOUND = 200
    INDEX_NOT_FOUND = 201
    INDEX_OOM = 202
    INDEX_NOT_READABLE = 203
    INDEX_GENERIC = 204
    INDEX_NAME = 205
    INDEX_MAX_COUNT = 206


_TEXTS = {
    ResultCode.OK: "ok",
    ResultCode.UNKNOWN: "the server failed for a reason it did not give; its log has more",
    ResultCode.NOT_FOUND: "record not found",
    ResultCode.GENERATION: "the record has another generation than expected",
    ResultCode.PARAMETER: "the server did not accept a parameter of the request",
    ResultCode.RECORD_EXISTS: "the record exists already",
    ResultCode.BIN_EXISTS: "the bin exists already",
    ResultCode.CLUSTER_KEY_MISMATCH: "the cluster changed while the request ran",
    ResultCode.OUT_OF_SPACE: "the server is out of memory or disk space for writes",
    ResultCode.TIMEOUT: "the request timed out on the server",
    ResultCode.ALWAYS_FORBIDDEN: "not allowed in the server's configuration",
    ResultCode.UNAVAILABLE: "the partition is not available on this node",
    ResultCode.INCOMPATIBLE_TYPE: "the bin holds another type than the operation needs",
    ResultCode.RECORD_TOO_BIG: "the record is too big",
    ResultCode.KEY_BUSY: "too many requests wait for the same record",
    ResultCode.QUERY_ABORT: "the query was aborted on the server",
    ResultCode.UNSUPPORTED_FEATURE: "the server does not support this",
    ResultCode.BIN_NOT_FOUND: "bin not found",
    ResultCode.DEVICE_OVERLOAD: "the server's storage device is overloaded",
    ResultCode.KEY_MISMATCH: "the key differs from the one stored with the record",
    ResultCode.NAMESPACE: "namespace not found",
    ResultCode.BIN_NAME: "a bin name is too long, or there are too many",
    ResultCode.FORBIDDEN: "the server does not allow this operation now",
    ResultCode.ELEMENT_NOT_FOUND: "element not found in the list or map",
    ResultCode.ELEMENT_EXISTS: "the element exists already in the list or map",
    ResultCode.ENTERPRISE_ONLY: "only the Enterprise Edition of the server does this",
    ResultCode.OP_NOT_APPLICABLE: "the operation cannot be applied to this value",
    ResultCode.FILTERED_OUT: "the record was left out by the filter",
    ResultCode.LOST_CONFLICT: "the write lost against a newer one",
    ResultCode.XDR_KEY_BUSY: "the record is still being shipped by XDR",
    ResultCode.SECURITY_LAST: "end of the security answer",
    ResultCode.SECURITY_NOT_SUPPORTED: "this server has no security (Community Edition)",
    ResultCode.SECURITY_NOT_ENABLED: "security is not switched on in this server",
    ResultCode.SECURITY_SCHEME: "the server does not know this authentication scheme",
    ResultCode.SECURITY_COMMAND: "the server does not know this security command",
    ResultCode.SECURITY_FIELD: "the server could not read a field of the security request",
    ResultCode.SECURITY_STATE: "a security request at the wrong moment",
    ResultCode.USER: "unknown user, or no user given",
    ResultCode.USER_EXISTS: "the user exists already",
    ResultCode.PASSWORD: "wrong password, or no password given",
    ResultCode.EXPIRED_PASSWORD: "the password has expired",
    ResultCode.FORBIDDEN_PASSWORD: "this password may not be used",
    ResultCode.CREDENTIAL: "the credential is wrong or missing",
    ResultCode.EXPIRED_SESSION: "the login session has expired",
    ResultCode.ROLE: "unknown role, or no role given",
    ResultCode.ROLE_EXISTS: "the role exists already",
    ResultCode.PRIVILEGE: "unknown privilege",
    ResultCode.WHITELIST: "the list of allowed addresses is wrong",
    ResultCode.QUOTAS_NOT_ENABLED: "quotas are not switched on in this server",
    ResultCode.QUOTA: "the quota's value is wrong",
    ResultCode.NOT_AUTHENTICATED: "not logged in",
    ResultCode.ROLE_VIOLATION: "the user's roles do not allow this",
    ResultCode.NOT_WHITELISTED: "this client address is not allowed",
    ResultCode.QUOTA_EXCEEDED: "the user's quota is used up for now",
    ResultCode.LDAP_NOT_CONFIGURED: "LDAP is not configured in this server",
    ResultCode.LDAP_SETUP: "the server's LDAP settings do not work",
    ResultCode.LDAP_TLS_SETUP: "the server's TLS settings for LDAP do not work",
    ResultCode.LDAP_AUTHENTICATION: "LDAP refused the user",
    ResultCode.LDAP_QUERY: "the server could not query LDAP",
    ResultCode.UDF_EXECUTION: "a user-defined function failed",
    ResultCode.MRT_BLOCKED: "the record is locked by a transaction",
    ResultCode.MRT_VERSION_MISMATCH: "the record changed since the transaction read it",
    ResultCode.MRT_EXPIRED: "the transaction has expired",
    ResultCode.MRT_TOO_MANY_WRITES: "the transaction has too many writes",
    ResultCode.MRT_COMMITTED: "the transaction was committed already",
    ResultCode.MRT_ABORTED: "the transaction was aborted already",
    ResultCode.MRT_ALREADY_LOCKED: "the transaction holds this record already",
    ResultCode.MRT_MONITOR_EXISTS: "the transaction was started already",
    ResultCode.BATCH_DISABLED: "batches are switched off in this server",
    ResultCode.BATCH_MAX_REQUESTS: "the batch has more rows than the server allows",
    ResultCode.BATCH_QUEUES_FULL: "the server's batch queues are full",
    ResultCode.GEO_INVALID_GEOJSON: "invalid GeoJSON",
    ResultCode.INDEX_FOUND: "the index exists already",
    ResultCode.INDEX_NOT_FOUND: "index not found",
    ResultCode.INDEX_OOM: "out of memory for the index",
    ResultCode.INDEX_NOT_READABLE: "the index is still being built",
    ResultCode.INDEX_GENERIC: "the index failed for a reason the server did not give",
    ResultCode.INDEX_NAME: "the index name is too long",
    ResultCode.INDEX_MAX_COUNT: "the namespace has no room for another index",
}


def result_text(code: int) -> str:
    """Returns plain words for a result code, without the number; also for codes we do not know.

    Example:
        >>> result_text(20)
        'namespace not found'
    """
    try:
        return _TEXTS[ResultCode(code)]
    except ValueError:
        return f"result code {code}"
