"""What is set behind a table's name."""

from __future__ import annotations

import pytest

from aerospike_magic.errors import ConfigError
from aerospike_magic.gateway.options import ServiceOptions, TableOptions, split_options
from aerospike_magic.scan.teller import ProgressAddress


def test_options_stand_behind_a_question_mark() -> None:
    assert split_options("flights") == ("flights", TableOptions())
    assert split_options("flights?rps=1000&mismatch=error&push=0&index=0&splits=7") == (
        "flights",
        TableOptions(rps=1_000, mismatch="error", push=False, index=False, splits=7),
    )
    name, options = split_options("flights?progress=127.0.0.1:4567/abc/2")
    assert (name, options.progress) == ("flights", ProgressAddress("127.0.0.1", 4567, "abc", 2))


@pytest.mark.parametrize(
    "text",
    ["rsp=1", "rps=-1", "rps=x", "mismatch=maybe", "push=yes", "splits=0", "progress=here", "rps", "splits=99999"],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split_options(f"flights?{text}")
    assert caught.value.hint or "like" in caught.value.message


def test_progress_is_told_to_this_machine_and_to_allowed_hosts() -> None:
    options = ServiceOptions(tell_to=frozenset({"notebook.example"}))
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8", "notebook.example"):
        assert options.may_tell(ProgressAddress(host, 1, "t", 0)), host
    for host in ("10.0.0.1", "example.com", "", "169.254.169.254"):
        assert not options.may_tell(ProgressAddress(host, 1, "t", 0)), host


def test_bounds_are_checked() -> None:
    with pytest.raises(ConfigError):
        ServiceOptions(max_scans=0)
