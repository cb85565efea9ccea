"""Names as the connectors take them, and back."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.gateway.names import find, spell_all, spell_special


def test_a_word_is_spelled_in_lower_case() -> None:
    assert spell_all(["users", "Flights", "a_1"]) == {"users": "users", "Flights": "flights", "a_1": "a_1"}


def test_names_that_differ_in_case_only_all_stay_reachable() -> None:
    names = ["Users", "USERS", "users", "other"]
    spelled = spell_all(names)
    assert spelled == {"Users": "q__users", "USERS": "q__u_s_e_r_s", "users": "users", "other": "other"}
    assert [find(spelling, names) for spelling in spelled.values()] == names
    assert find("q_other", names) is None


def test_what_the_connectors_do_not_take_is_written_as_its_code() -> None:
    assert spell_all(["a-b", "2024", "_id", "É", "a.B"]) == {
        "a-b": "q_a_02d_b",
        "2024": "q_2024",
        "_id": "q___id",
        "É": "q__0c9_",
        "a.B": "q_a_02e__b",
    }
    assert spell_all(["q_x"]) == {"q_x": "q_q__x"}


def test_a_reserved_spelling_stands_for_what_it_is_reserved_for() -> None:
    assert spell_special("__null") == "null__"
    assert spell_all(["null__", "NULL__"], ["null__"]) == {"null__": "q_null____", "NULL__": "q__n_u_l_l____"}
    assert find("null__", ["null__"], ["null__"]) is None


@given(st.lists(st.text("aAbBqQ_-0c(1éÉİıſK", max_size=5).filter(bool), unique=True, max_size=12))
def test_spellings_are_apart_and_words(names: list[str]) -> None:
    spelled = spell_all(names, ["a", "b_"])
    assert len(set(spelled.values())) == len(names)
    assert not {"a", "b_"} & set(spelled.values())
    for name, spelling in spelled.items():
        assert re.fullmatch("[a-z][a-z0-9_]*", spelling)
        assert find(spelling, names, ["a", "b_"]) == name
