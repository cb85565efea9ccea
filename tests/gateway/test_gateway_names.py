"""Names in lower case, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.gateway.names import find, spell_all


def test_a_name_is_spelled_in_lower_case() -> None:
    assert spell_all(["users", "Flights", "a.b-C"]) == {"users": "users", "Flights": "flights", "a.b-C": "a.b-c"}


def test_names_that_differ_in_case_only_all_stay_reachable() -> None:
    names = ["Users", "USERS", "users", "other"]
    spelled = spell_all(names)
    assert spelled == {"Users": "^users", "USERS": "^u^s^e^r^s", "users": "users", "other": "other"}
    assert [find(spelling, names) for spelling in spelled.values()] == names
    assert find("^other", names) is None


def test_what_a_spelling_cannot_hold_is_written_as_its_code() -> None:
    assert spell_all(["a?b", "a^b", "A?B"]) == {"a?b": "a^(3f)b", "a^b": "a^(5e)b", "A?B": "^a^(3f)^b"}
    assert spell_all(["É", "é"]) == {"É": "^(c9)", "é": "é"}


def test_a_reserved_spelling_stands_for_what_it_is_reserved_for() -> None:
    assert spell_all(["__null", "__NULL"], ["__null"]) == {"__null": "^(5f)_null", "__NULL": "__^n^u^l^l"}
    assert find("__null", ["__null"], ["__null"]) is None


@given(st.lists(st.text("aAbB^?(0_1éÉİıſ", max_size=4).filter(bool), unique=True, max_size=12))
def test_spellings_are_apart_and_in_lower_case(names: list[str]) -> None:
    spelled = spell_all(names, ["a", "_b"])
    assert len(set(spelled.values())) == len(names)
    assert not {"a", "_b"} & set(spelled.values())
    for name, spelling in spelled.items():
        assert spelling == spelling.lower()
        assert "?" not in spelling
        assert find(spelling, names, ["a", "_b"]) == name
