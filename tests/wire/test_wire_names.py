"""The room's public names, and that it does no I/O."""

from __future__ import annotations

import ast
from pathlib import Path

import aerospike_magic.wire as wire

ROOM = Path(wire.__file__).parent
NO_IO = {"socket", "ssl", "asyncio", "threading", "select", "selectors", "time", "os", "pathlib", "logging"}
HEAVY = {"numpy", "pandas", "pyarrow", "numba", "aerospike", "bcrypt"}


def test_public_names_are_there_and_documented() -> None:
    assert len(set(wire.__all__)) == len(wire.__all__)
    for name in wire.__all__:
        thing = getattr(wire, name)
        assert isinstance(thing, int) or thing.__doc__, name


def test_the_names_other_rooms_were_promised() -> None:
    promised = {
        "ProtoType HEADER_SIZE MAX_BODY_SIZE encode_proto decode_header FrameDecoder Frame",
        "Info1 Info2 Info3 Info4 FieldType OpType ResultCode result_text Field Op Message",
        "encode_message decode_message iter_messages encode_query_request decode_query_request IndexRange",
        "encode_info_request decode_info_response decode_info_request encode_info_response parse_info_list",
        "hash_password ParticleType encode_particle decode_particle GeoJSON HLL encode_cdt decode_cdt",
        "compute_digest partition_id",
    }
    assert {name for line in promised for name in line.split()} <= set(wire.__all__)


def test_the_room_does_no_io_and_imports_nothing_heavy() -> None:
    for path in ROOM.glob("*.py"):
        tree = ast.parse(path.read_text())
        at_import = {root for node in tree.body for root in imported(node)}
        anywhere = {root for node in ast.walk(tree) for root in imported(node)}
        assert not anywhere & NO_IO, path.name
        assert not at_import & HEAVY, path.name


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return set()


def test_the_room_knows_only_errors_and_itself() -> None:
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aerospike_magic"):
                assert (node.module or "").startswith(("aerospike_magic.wire", "aerospike_magic.errors"))
