"""Info: commands and answers as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_vectors import exchanges, frames

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    InfoFailure,
    decode_info_request,
    decode_info_response,
    encode_info_request,
    encode_info_response,
    parse_info_failure,
    parse_info_list,
    parse_info_pairs,
)


def answer(label: str, command: str) -> str:
    ((_, response),) = exchanges()[label].pairs
    return decode_info_response(frames(response)[0].body)[command]


def test_sets_are_a_list_of_records() -> None:
    sets = parse_info_list(answer("info sets", "sets"))
    bench = next(row for row in sets if row["set"] == "bench")
    assert bench["ns"] == "test" and bench["objects"] == "2000000"


def test_statistics_are_one_record() -> None:
    assert parse_info_pairs(answer("info statistics", "statistics"))["cluster_size"] == "1"


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("ERROR:4:unrecognized command", InfoFailure(4, "unrecognized command")),
        ("error:201", InfoFailure(201, "")),
        ("FAIL:4:bad: param", InfoFailure(4, "bad: param")),
        ("ERROR::no code", InfoFailure(0, ":no code")),
        ("ERROR", InfoFailure(0, "")),
        ("error=no namespace", InfoFailure(0, "no namespace")),
        ("fail=x", InfoFailure(0, "x")),
        ("ok", None),
        ("", None),
        ("failed_best_practices=true;cluster_size=1", None),
    ],
)
def test_answers_that_say_no(text: str, failure: InfoFailure | None) -> None:
    assert parse_info_failure(text) == failure


@pytest.mark.parametrize("label", ["info jobs:", "info bins/test", "info nosuchcommand", "info feature-key"])
def test_recorded_refusals_have_the_clients_code(label: str) -> None:
    exchange = exchanges()[label]
    failure = parse_info_failure(answer(label, label.removeprefix("info ")))
    assert failure is not None and failure.code == exchange.result["$error"]


def test_an_odd_name_hides_nothing() -> None:
    answers = decode_info_response(b"sets\tset=\xff:objects=1;set=b\nnext\t1\n")
    assert answers == {"sets": "set=\\xff:objects=1;set=b", "next": "1"}


def test_an_empty_request_asks_for_everything() -> None:
    assert decode_info_request(b"") == []
    assert encode_info_request([]) == bytes((2, 1, 0, 0, 0, 0, 0, 0))


def test_an_answer_may_be_missing() -> None:
    assert decode_info_response(b"a\nb\t\n") == {"a": "", "b": ""}


line = st.text(st.characters(exclude_characters="\n\t", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(st.tuples(line, line), unique_by=lambda pair: pair[0]))
def test_requests_and_answers_come_back(pairs: list[tuple[str, str]]) -> None:
    names = [name for name, _ in pairs]
    assert decode_info_request(encode_info_request(names)[8:]) == names
    assert list(decode_info_response(encode_info_response(pairs)[8:]).items()) == pairs


@pytest.mark.parametrize("name", ["a\nb", "\ud800"])
def test_a_command_that_would_be_two_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        encode_info_request([name])
    with pytest.raises(WireError):
        encode_info_response([(name, "x")])
    with pytest.raises(WireError):
        encode_info_response([("x", name)])


def test_a_tab_in_a_command_is_refused() -> None:
    with pytest.raises(WireError):
        encode_info_response([("a\tb", "x")])


def test_a_request_that_is_not_text_is_refused() -> None:
    with pytest.raises(WireError):
        decode_info_request(b"\xff\n")
