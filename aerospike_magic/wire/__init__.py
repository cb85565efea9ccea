"""The Aerospike protocol without I/O, both sides: bytes in, values out, and back.

::

    proto         frames on a stream
    ├── info      text commands
    ├── login     who a connection is
    │   └── admin     users and their roles
    └── message   binary messages
        ├── query, batch      requests that the scan and the server build and read
        └── particle          a bin's value
            └── msgpack       lists and maps
    digest        the record behind a key, and its partition
    result        result codes and their words
    values        what Python has no type for

Whatever bytes arrive, the only error is `WireError`.
"""

from __future__ import annotations

from aerospike_magic.wire.admin import (
    AdminCommand,
    AdminRequest,
    decode_admin_request,
    encode_role_row,
    encode_rows,
    encode_user_row,
)
from aerospike_magic.wire.batch import (
    BatchFlag,
    BatchRequest,
    BatchResponse,
    BatchResult,
    BatchRow,
    RowFlag,
    decode_batch_request,
    decode_batch_response,
    encode_batch_last,
    encode_batch_read_request,
    encode_batch_request,
    encode_batch_result,
)
from aerospike_magic.wire.digest import (
    DIGEST_SIZE,
    N_PARTITIONS,
    compute_digest,
    decode_key,
    encode_key,
    partition_id,
)
from aerospike_magic.wire.info import (
    InfoFailure,
    decode_info_request,
    decode_info_response,
    encode_info_request,
    encode_info_response,
    parse_info_failure,
    parse_info_list,
    parse_info_pairs,
)
from aerospike_magic.wire.login import (
    LoginCommand,
    LoginRequest,
    LoginResponse,
    decode_login_request,
    decode_login_response,
    decode_security_message,
    encode_authenticate_request,
    encode_login_request,
    encode_login_response,
    encode_pki_login_request,
    encode_security_message,
    hash_password,
)
from aerospike_magic.wire.message import (
    Field,
    FieldType,
    Info1,
    Info2,
    Info3,
    Info4,
    Message,
    Op,
    OpType,
    decode_message,
    encode_message,
    encode_message_proto,
    iter_messages,
)
from aerospike_magic.wire.msgpack import decode_cdt, encode_cdt
from aerospike_magic.wire.particle import decode_particle, encode_particle
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.proto import (
    HEADER_SIZE,
    MAX_BODY_SIZE,
    Frame,
    FrameDecoder,
    ProtoType,
    compress_frame,
    decode_header,
    encode_proto,
)
from aerospike_magic.wire.query import (
    IndexRange,
    IndexType,
    QueryRequest,
    decode_bval,
    decode_query_request,
    encode_query,
    encode_query_request,
)
from aerospike_magic.wire.result import ResultCode, result_text
from aerospike_magic.wire.values import (
    HLL,
    Extension,
    GeoJSON,
    MapPairs,
    OpaqueBlob,
    OrderedList,
    OrderedMap,
    RawString,
)

__all__ = [
    "DIGEST_SIZE",
    "HEADER_SIZE",
    "HLL",
    "MAX_BODY_SIZE",
    "N_PARTITIONS",
    "AdminCommand",
    "AdminRequest",
    "BatchFlag",
    "BatchRequest",
    "BatchResponse",
    "BatchResult",
    "BatchRow",
    "Extension",
    "Field",
    "FieldType",
    "Frame",
    "FrameDecoder",
    "GeoJSON",
    "IndexRange",
    "IndexType",
    "Info1",
    "Info2",
    "Info3",
    "Info4",
    "InfoFailure",
    "LoginCommand",
    "LoginRequest",
    "LoginResponse",
    "MapPairs",
    "Message",
    "Op",
    "OpType",
    "OpaqueBlob",
    "OrderedList",
    "OrderedMap",
    "ParticleType",
    "ProtoType",
    "QueryRequest",
    "RawString",
    "ResultCode",
    "RowFlag",
    "compress_frame",
    "compute_digest",
    "decode_admin_request",
    "decode_batch_request",
    "decode_batch_response",
    "decode_bval",
    "decode_cdt",
    "decode_header",
    "decode_info_request",
    "decode_info_response",
    "decode_key",
    "decode_login_request",
    "decode_login_response",
    "decode_message",
    "decode_particle",
    "decode_query_request",
    "decode_security_message",
    "encode_authenticate_request",
    "encode_batch_last",
    "encode_batch_read_request",
    "encode_batch_request",
    "encode_batch_result",
    "encode_cdt",
    "encode_info_request",
    "encode_info_response",
    "encode_key",
    "encode_login_request",
    "encode_login_response",
    "encode_message",
    "encode_message_proto",
    "encode_particle",
    "encode_pki_login_request",
    "encode_proto",
    "encode_query",
    "encode_query_request",
    "encode_role_row",
    "encode_rows",
    "encode_security_message",
    "encode_user_row",
    "hash_password",
    "iter_messages",
    "parse_info_failure",
    "parse_info_list",
    "parse_info_pairs",
    "partition_id",
    "result_text",
]
