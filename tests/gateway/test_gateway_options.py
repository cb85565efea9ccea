"""What is set behind a table's name."""

from __future__ import annotations

import re

import pytest

from aerospike_magic.errors import ConfigError
from aerospike_magic.gateway.options import ServiceOptions, TableOptions, split_options
from aerospike_magic.scan.teller import ProgressAddress

KNOWN = {"flights"}


def test_options_stand_behind_the_name() -> None:
    assert split_options("flights", KNOWN) == ("flights", TableOptions())
    assert split_options("flights__rps_1000__mismatch_error__push_0__index_0__splits_7", KNOWN) == (
        "flights",
        TableOptions(rps=1_000, mismatch="error", push=False, index=False, splits=7),
    )


def test_options_as_a_url_has_them() -> None:
    assert split_options("flights?rps=1000&mismatch=error&push=0", KNOWN) == (
        "flights",
        TableOptions(rps=1_000, mismatch="error", push=False),
    )
    name, options = split_options("flights?progress=127.0.0.1:4567/abc/2", KNOWN) or ("", TableOptions())
    assert (name, options.progress) == ("flights", ProgressAddress("127.0.0.1", 4567, "abc", 2))
    assert split_options("other?rps=1", KNOWN) is None
    with pytest.raises(ConfigError, match="no option"):
        split_options("flights?rsp=1", KNOWN)
    with pytest.raises(ConfigError, match="not of the form"):
        split_options("flights?rps", KNOWN)


@pytest.mark.parametrize(
    "options",
    [
        TableOptions(),
        TableOptions(rps=5, push=False),
        TableOptions(mismatch="error", index=False, splits=64, progress=ProgressAddress("127.0.0.1", 4567, "abc", 2)),
        TableOptions(progress=ProgressAddress("::1", 65535, "f" * 16, 0)),
    ],
)
def test_a_suffix_says_them(options: TableOptions) -> None:
    name = "flights" + options.suffix()
    assert re.fullmatch("[a-z0-9_]+", name)
    assert split_options(name, KNOWN) == ("flights", options)


def test_a_table_whose_name_looks_so_is_that_table() -> None:
    assert split_options("a__rps_1", {"a", "a__rps_1"}) == ("a__rps_1", TableOptions())
    assert split_options("a__rps_1__rps_2", {"a", "a__rps_1"}) == ("a__rps_1", TableOptions(rps=2))
    assert split_options("a__b__push_0", {"a", "a__b"}) == ("a__b", TableOptions(push=False))
    assert split_options("other", KNOWN) is None
    assert split_options("other__rps_1", KNOWN) is None


@pytest.mark.parametrize(
    "text",
    ["rsp_1", "rps_-1", "rps_x", "mismatch_maybe", "push_yes", "splits_0", "progress_here", "rps", "splits_99999", ""],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split_options(f"flights__{text}", KNOWN)
    assert caught.value.hint


def test_progress_is_told_to_this_machine_and_to_allowed_hosts() -> None:
    options = ServiceOptions(tell_to=frozenset({"notebook.example"}))
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8", "notebook.example"):
        assert options.may_tell(ProgressAddress(host, 1, "t", 0)), host
    for host in ("10.0.0.1", "example.com", "", "169.254.169.254"):
        assert not options.may_tell(ProgressAddress(host, 1, "t", 0)), host


def test_bounds_are_checked() -> None:
    with pytest.raises(ConfigError):
        ServiceOptions(max_scans=0)
