"""Partition maps and peers, from recorded and made-up info answers."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.connection.cluster import Node, build_partition_map, parse_peer_tls_names
from aerospike_magic.errors import WireError

VECTORS = Path(__file__).parents[1] / "vectors"
A, B, C = (Node(name, f"10.0.0.{i}", 3000) for i, name in enumerate("ABC"))


def recorded(label):
    for line in (VECTORS / "exchanges.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["label"] == label:
            return row["result"].partition("\t")[2].strip()
    raise LookupError(label)


def replicas(masters, *, regime=0, namespace="test", n_replicas=2):
    bits = np.zeros(4096, dtype=np.uint8)
    bits[list(masters)] = 1
    bitmap = base64.b64encode(np.packbits(bits).tobytes()).decode()
    other = base64.b64encode(bytes(512)).decode()
    return f"{namespace}:{regime},{n_replicas},{bitmap},{other}"


def test_the_recorded_single_node_owns_all():
    result = build_partition_map("disk", [A], {"A": recorded("info replicas")})
    assert result.owners.dtype == np.int16
    assert (result.owners == 0).all()
    assert result.owner(4095) == A
    assert len(result.missing) == 0


def test_partition_0_is_the_first_bit_and_4095_the_last():
    result = build_partition_map("test", [A, B], {"A": replicas({0}), "B": replicas({4095})})
    assert (result.owner(0), result.owner(4095), result.owner(1)) == (A, B, None)
    assert len(result.missing) == 4094
    assert result.partitions_of(B).tolist() == [4095]
    assert result.partitions_of(C).tolist() == []


def test_the_newer_regime_wins():
    answers = {"A": replicas({5, 6}, regime=3), "B": replicas({6, 7}, regime=2)}
    result = build_partition_map("test", [A, B], answers)
    assert [result.owner(p) for p in (5, 6, 7)] == [A, A, B]


def test_a_node_without_an_answer_or_the_namespace_owns_nothing():
    answers = {"A": replicas({1}), "B": replicas({2}, namespace="other")}
    result = build_partition_map("test", [A, B, C], answers)
    assert np.flatnonzero(result.owners >= 0).tolist() == [1]


def test_a_namespace_with_no_replicas_is_none():
    assert (build_partition_map("test", [A], {"A": "test:0,0"}).owners == -1).all()


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_any_split_of_partitions_is_read_back(seed):
    owners = np.random.default_rng(seed).integers(0, 3, 4096)
    nodes = [A, B, C]
    answers = {node.name: replicas(np.flatnonzero(owners == i)) for i, node in enumerate(nodes)}
    assert (build_partition_map("test", nodes, answers).owners == owners).all()


@pytest.mark.parametrize(
    "answer", ["test:x,1,AA", "test:1", "test:0,1,####", "test:0,1,AAAA", "test:,,"],
)  # fmt: skip
def test_other_answers_are_refused(answer):
    with pytest.raises(WireError) as caught:
        build_partition_map("test", [A], {"A": answer})
    assert caught.value.node == "A"


def test_tls_names_of_peers():
    answer = "3,4333,[[BB9A,cluster-a,[10.0.0.1:4333]],[BB9B,,[10.0.0.2]],[BB9C,c,[[2001::1]:4333,10.0.0.3]]]"
    assert parse_peer_tls_names(answer) == {"BB9A": "cluster-a", "BB9C": "c"}
    assert parse_peer_tls_names("0,3000,[]") == {}


def test_a_node_is_written_by_name_and_address():
    assert str(Node("BB9", "::1", 3000)) == "BB9 [::1]:3000"
