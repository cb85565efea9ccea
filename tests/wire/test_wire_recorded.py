"""Everything that was recorded from a real server is read as the client read it, and written back byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from wire_vectors import canonical, exchanges, frames, messages, value

from aerospike_magic.wire import (
    Field,
    FieldType,
    Info1,
    Info2,
    Info3,
    Message,
    Op,
    OpType,
    ParticleType,
    ProtoType,
    compute_digest,
    decode_batch_request,
    decode_batch_response,
    decode_info_request,
    decode_info_response,
    decode_key,
    decode_message,
    decode_particle,
    decode_query_request,
    encode_batch_last,
    encode_batch_request,
    encode_batch_result,
    encode_info_request,
    encode_info_response,
    encode_key,
    encode_message,
    encode_message_proto,
    encode_particle,
    encode_proto,
    encode_query,
    iter_messages,
    partition_id,
)

ALL = exchanges()


def labelled(*prefixes: str) -> list[str]:
    return [label for label in ALL if label.startswith(prefixes) and ALL[label].pairs]


@pytest.mark.parametrize("label", [label for label in ALL if ALL[label].pairs])
def test_what_is_decoded_encodes_to_the_same_bytes(label: str) -> None:
    for request, response in ALL[label].pairs:
        assert _again(request, is_request=True) == request
        assert _again(response, is_request=False) == response


def _again(data: bytes, *, is_request: bool) -> bytes:
    encoded = []
    for frame in frames(data):
        if frame.type is ProtoType.INFO and is_request:
            encoded.append(encode_info_request(decode_info_request(frame.body)))
        elif frame.type is ProtoType.INFO:
            encoded.append(encode_info_response(decode_info_response(frame.body).items()))
        else:
            encoded.append(encode_proto(frame.type, b"".join(map(encode_message, iter_messages(frame.body)))))
    return b"".join(encoded)


@pytest.mark.parametrize("label", labelled("scan", "sindex"))
def test_query_requests_are_read_as_requests_and_written_back(label: str) -> None:
    for request, _ in ALL[label].pairs:
        if frames(request)[0].type is ProtoType.MESSAGE:
            message, _ = decode_message(frames(request)[0].body)
            assert encode_query(decode_query_request(message)) == message


@pytest.mark.parametrize("label", labelled("batch"))
def test_batch_requests_are_read_as_requests_and_written_back(label: str) -> None:
    for request, _ in ALL[label].pairs:
        message, _ = decode_message(frames(request)[0].body)
        assert encode_batch_request(decode_batch_request(message)) == message


# --- values
# ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", labelled("get "))
def test_a_record_read_has_the_clients_values(label: str) -> None:
    exchange = ALL[label]
    ((_, response),) = exchange.pairs
    (message,) = messages(response)
    if "$error" in exchange.result:
        assert message.result_code == exchange.result["$error"]
        return
    expected = value(exchange.result)
    if "gen" in expected:
        assert message.generation == expected["gen"]
        expected = expected["bins"]
    assert canonical(bins_of(message)) == canonical(expected)


@pytest.mark.parametrize(
    "name", [e.label[4:] for e in ALL.values() if e.call.startswith("put(key='") and e.call.endswith("', v)")]
)
def test_a_write_is_built_from_its_call(name: str) -> None:
    ((request, _),) = ALL[f"put {name}"].pairs
    bins = value(ALL[f"get {name}"].result)["bins"]
    (recorded,) = messages(request)
    built = Message(
        info2=int(Info2.WRITE),
        transaction_ttl=20_000,
        fields=(
            Field(FieldType.NAMESPACE, b"test"),
            Field(FieldType.SET, b"vec"),
            Field(FieldType.DIGEST, compute_digest("vec", name)),
            Field(FieldType.KEY, encode_key(name)),
        ),
        ops=tuple(Op(OpType.WRITE, *_typed(bin_value, name)) for name, bin_value in bins.items()),
    )
    if any(op.particle_type == ParticleType.MAP or op.particle_type == ParticleType.LIST for op in built.ops):
        # The recording sorts the keys of maps, so here only the values must be the same.
        assert canonical(bins_of(built)) == canonical(bins_of(recorded))
        assert built.fields == recorded.fields
    else:
        assert encode_message_proto(built) == request


def _typed(bin_value: Any, name: str) -> tuple[int, str, bytes]:
    particle_type, data = encode_particle(bin_value)
    return particle_type, name, data


@pytest.mark.parametrize(
    ("label", "info1", "key"),
    [
        ("get int0", Info1.READ | Info1.GET_ALL, "int0"),
        ("exists yes", Info1.READ | Info1.GET_NO_BINS, "str"),
        ("exists no", Info1.READ | Info1.GET_NO_BINS, "no such"),
    ],
)
def test_a_read_is_built_from_its_call(label: str, info1: Info1, key: str) -> None:
    ((request, _),) = ALL[label].pairs
    built = Message(
        info1=int(info1),
        transaction_ttl=20_000,
        fields=(
            Field(FieldType.NAMESPACE, b"test"),
            Field(FieldType.SET, b"vec"),
            Field(FieldType.DIGEST, compute_digest("vec", key)),
        ),
    )
    assert encode_message_proto(built) == request


@pytest.mark.parametrize("label", labelled("select", "operate"))
def test_an_operation_answers_the_clients_values(label: str) -> None:
    ((_, response),) = ALL[label].pairs
    (message,) = messages(response)
    # Of several answers for one bin the client keeps the last.
    assert canonical(bins_of(message)) == canonical(value(ALL[label].result))


@pytest.mark.parametrize("label", labelled("touch", "incr", "append", "prepend", "remove", "ttl"))
def test_a_write_answers_the_clients_code(label: str) -> None:
    result = ALL[label].result
    expected = result["$error"] if isinstance(result, dict) else result
    for _, response in ALL[label].pairs:
        assert [m.result_code for m in messages(response)] == [expected]


@pytest.mark.parametrize("label", labelled("batch"))
def test_a_batch_answers_row_by_row(label: str) -> None:
    ((request, response),) = ALL[label].pairs
    expected = [value(row) for row in ALL[label].result]
    *parts, last = [decode_batch_response(frame.body) for frame in frames(response)]
    assert last.last_code == 0 and not last.results
    assert all(part.last_code is None for part in parts)
    results = {result.index: result for part in parts for result in part.results}
    assert sorted(results) == list(range(len(expected)))
    for i, row in enumerate(expected):
        assert results[i].result_code == row["result"]
        bins = {op.name: decode_particle(op.particle_type, op.data) for op in results[i].ops}
        # The client shows no bins as None where it asked for none, and as {} where it wrote.
        assert canonical(bins) == canonical(row["bins"] or {})
    body = b"".join(encode_batch_result(result) for part in parts for result in part.results)
    again = encode_proto(ProtoType.MESSAGE, body) + encode_proto(ProtoType.MESSAGE, encode_batch_last())
    assert again == response
    rows = decode_batch_request(messages(request)[0]).rows
    assert [row.index for row in rows] == list(range(len(expected)))


@pytest.mark.parametrize("label", labelled("scan", "sindex"))
def test_a_query_answers_record_by_record(label: str) -> None:
    exchange = ALL[label]
    records: list[Any] = []
    pages = []
    for _, response in exchange.pairs:
        if frames(response)[0].type is not ProtoType.MESSAGE:
            return  # the making of an index, in words: see test_wire_info
        *found, last = messages(response)
        assert not last.fields and not last.ops
        if isinstance(exchange.result, dict):
            # A query refused as a whole is answered with one message, and that without LAST.
            assert not found and not last.info3
            assert last.result_code == exchange.result["$error"]
            continue
        assert last.info3 == Info3.LAST and last.result_code == 0
        records += map(_as_client, found)
        pages.append(len(found))
    if isinstance(exchange.result, int):
        assert len(records) == exchange.result
    elif label == "scan paginate":
        assert pages == exchange.result
    elif isinstance(exchange.result, list):
        # These results were written in the notation twice over.
        expected = [canonical(value(value(row))) for row in exchange.result]
        assert sorted(map(canonical, records)) == sorted(expected)


def _as_client(message: Message) -> list[Any]:
    assert message.result_code == 0
    key = message.field(FieldType.KEY)
    digest = message.field(FieldType.DIGEST)
    assert digest is not None and 0 <= partition_id(digest) < 4096
    assert message.field(FieldType.SET) == b"vecx"
    return [None if key is None else decode_key(key), message.generation, bins_of(message)]


def bins_of(message: Message) -> dict[str, Any]:
    return {op.name: decode_particle(op.particle_type, op.data) for op in message.ops}


def test_stored_keys_have_the_records_digest() -> None:
    ((_, response),) = ALL["scan all"].pairs
    n_keys = 0
    for message in messages(response):
        key = message.field(FieldType.KEY)
        if key is not None:
            assert compute_digest("vecx", decode_key(key)) == message.field(FieldType.DIGEST)
            n_keys += 1
    assert n_keys == 30


@pytest.mark.parametrize("label", [label for label in ALL if label.startswith("info ")])
def test_info_answers_what_the_client_returned(label: str) -> None:
    exchange = ALL[label]
    for i, (request, response) in enumerate(exchange.pairs):
        asked = decode_info_request(frames(request)[0].body)
        answers = decode_info_response(frames(response)[0].body)
        assert list(answers) == asked
        assert encode_info_request(asked) == request
        # What follows is the client's own tending. The recorder stood between client and server under a
        # port of its own, so that one address differs.
        if i == 0 and isinstance(exchange.result, str) and asked != ["service-clear-std"]:
            assert f"{asked[0]}\t{answers[asked[0]]}\n" == exchange.result
