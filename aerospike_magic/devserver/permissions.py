"""What users may do: permissions, the roles that have them, and the info commands that need them.

Sources: Aerospike server, as/include/base/security.h (`as_sec_perm`), as/src/base/thr_info.c (`SPECS`,
`perm_to_string`), as/src/base/thr_tsvc.c; C client, as_admin.h (privilege codes). Which role has which permission is
in no public source, the documentation's words are followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag


class Permission(IntFlag):
    """What an operation needs."""

    NONE = 0
    READ = 0x0001
    QUERY = 0x0002
    WRITE = 0x0004
    DELETE = 0x0008
    UDF_APPLY = 0x0010
    UDF_QUERY = 0x0020
    OPS_QUERY = 0x0040
    UDF_ADMIN = 0x0001_0000
    SINDEX_ADMIN = 0x0002_0000
    QUERY_ADMIN = 0x0004_0000
    TRUNCATE = 0x0008_0000
    EVICT_ADMIN = 0x0010_0000
    RECORD_INFO = 0x0020_0000
    SET_CONFIG = 0x0100_0000
    LOGGING_CTRL = 0x0200_0000
    SERVICE_CTRL = 0x0400_0000
    USER_ADMIN = 0x1000_0000_0000

    @property
    def label(self) -> str:
        """Its name in a refusal, like `sindex-admin`."""
        return (self.name or "").lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Role:
    """A predefined role: its privilege code, as `query roles` tells it, and its permissions."""

    privilege: int
    permissions: Permission


_READ = Permission.READ | Permission.QUERY
_WRITE = Permission.WRITE | Permission.DELETE | Permission.OPS_QUERY
_DATA_ADMIN = (
    Permission.UDF_ADMIN
    | Permission.SINDEX_ADMIN
    | Permission.QUERY_ADMIN
    | Permission.TRUNCATE
    | Permission.EVICT_ADMIN
)

ROLES: Mapping[str, Role] = {
    "user-admin": Role(0, Permission.USER_ADMIN),
    "sys-admin": Role(
        1,
        _DATA_ADMIN
        | Permission.RECORD_INFO
        | Permission.SET_CONFIG
        | Permission.LOGGING_CTRL
        | Permission.SERVICE_CTRL,
    ),
    "data-admin": Role(2, _DATA_ADMIN),
    "udf-admin": Role(3, Permission.UDF_ADMIN),
    "sindex-admin": Role(4, Permission.SINDEX_ADMIN),
    "read": Role(10, _READ),
    "read-write": Role(11, _READ | _WRITE),
    "read-write-udf": Role(12, _READ | _WRITE | Permission.UDF_APPLY | Permission.UDF_QUERY),
    "write": Role(13, _WRITE),
    "truncate": Role(14, Permission.TRUNCATE),
}

DEFAULT_ROLES = ("read-write", "sys-admin", "user-admin")
"""Of a user for whom none are given: everything, as this is a server for development."""

INFO: Mapping[str, Permission] = {
    "debug-record": Permission.RECORD_INFO,
    "debug-record-meta": Permission.RECORD_INFO,
    # Not a real command; what it does is the like of these.
    "devserver-control": Permission.SERVICE_CTRL,
    "eviction-reset": Permission.EVICT_ADMIN,
    "log-set": Permission.LOGGING_CTRL,
    "query-abort": Permission.QUERY_ADMIN,
    "query-abort-all": Permission.QUERY_ADMIN,
    "quiesce": Permission.SERVICE_CTRL,
    "quiesce-undo": Permission.SERVICE_CTRL,
    "recluster": Permission.SERVICE_CTRL,
    "scan-abort": Permission.QUERY_ADMIN,
    "set-config": Permission.SET_CONFIG,
    "set-log": Permission.LOGGING_CTRL,
    "sindex-create": Permission.SINDEX_ADMIN,
    "sindex-delete": Permission.SINDEX_ADMIN,
    "sindex-exists": Permission.SINDEX_ADMIN,
    "truncate": Permission.TRUNCATE,
    "truncate-namespace": Permission.TRUNCATE,
    "truncate-namespace-undo": Permission.TRUNCATE,
    "truncate-undo": Permission.TRUNCATE,
    "udf-put": Permission.UDF_ADMIN,
    "udf-remove": Permission.UDF_ADMIN,
}
"""What an info command needs beyond a login; nothing for those that are not here."""


def permissions_of(roles: tuple[str, ...]) -> Permission:
    """What roles permit together; unknown ones permit nothing."""
    permitted = Permission.NONE
    for name in roles:
        if name in ROLES:
            permitted |= ROLES[name].permissions
    return permitted
