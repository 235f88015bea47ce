"""Who has files where: told from RECORDs without understanding each row, and never wrongly."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.installed.test_survey import INSTALLED, make, site
from uvx_policy.installed.installations import Installations

#: parts of paths as a RECORD may have them: that lead elsewhere, and that are written in quotes
_LEADING = st.sampled_from(["a", "b", "c.py", "..", ".", "", "site-packages"])
_QUOTED = st.sampled_from(["a", "b", "a,b", 'q"', "b\\c", "é"])
_PATHS = st.one_of(
    st.lists(_LEADING, min_size=1, max_size=4).map("/".join),
    st.lists(_LEADING, min_size=1, max_size=4).map("/".join),
    st.lists(_QUOTED, min_size=1, max_size=2).map("/".join),
)
_ABOVE = st.sampled_from(["", "", "", "../", "../../../", "../../../bin/", "/", "./"])
_ROWS = st.lists(st.tuples(_ABOVE, _PATHS).map("".join), max_size=3)


def write_record(
    environment: Path, name: str, paths: list[str], *, at: float, end: str = "\n"
) -> None:
    dist_info = site(environment) / f"{name}-1.0.dist-info"
    dist_info.mkdir()
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(
        [path, "sha256=x", "1"] for path in [*paths, f"{name}-1.0.dist-info/RECORD"]
    )
    record = dist_info / "RECORD"
    record.write_bytes(text.getvalue().encode())
    os.utime(record, (at, at))


def place_of(path: str, directory: str) -> tuple[str, str]:
    """As the walk has it."""
    if path.startswith(f"{directory}/"):
        first, slash, _ = path.removeprefix(f"{directory}/").partition("/")
        return (directory, first if slash else "")
    return (os.path.dirname(path), "")


@given(older=_ROWS, newer=_ROWS, end=st.sampled_from(["\n", "\r\n"]))
@settings(deadline=None, max_examples=400)
def test_no_owner_is_ever_missed(
    tmp_path_factory: pytest.TempPathFactory, older: list[str], newer: list[str], end: str
) -> None:
    environment = make(tmp_path_factory.mktemp("odd") / "environment")
    directory = str(site(environment))
    write_record(environment, "older", older, at=INSTALLED - 1000, end=end)
    write_record(environment, "newer", newer, at=INSTALLED, end=end)
    found = Installations((directory,))

    for times, name, paths in (
        (INSTALLED - 998, "older", older), (INSTALLED + 2, "newer", newer),
    ):  # fmt: skip
        for row in paths:
            if row.rpartition("/")[2] in ("", ".", ".."):
                continue  # that is no file
            path = os.path.normpath(os.path.join(directory, row))
            place = place_of(path, directory)
            assert found.until(place).copied <= times
            named = [(one.distribution.name, *told) for one, *told in found.rows_in({place})]
            assert (name, path, [row, "sha256=x", "1"]) in named


def test_plain_records_are_told_apart_by_their_places(tmp_path: Path) -> None:
    environment = make(tmp_path / "environment")
    directory = str(site(environment))
    write_record(environment, "old", ["old/a.py", "old.py", "../../../bin/old"], at=INSTALLED - 500)
    write_record(environment, "new", ["new/a.py", "new/b/c.py"], at=INSTALLED)
    found = Installations((directory,))

    assert found.differ
    assert found.earliest.copied == INSTALLED - 500
    assert found.until((directory, "new")).copied == INSTALLED
    assert found.until((directory, "old")).copied == INSTALLED - 500
    assert found.until((directory, "")).copied == INSTALLED - 500
    assert found.until((str(environment / "bin"), "")).copied == INSTALLED - 500
    assert found.until((str(environment / "share"), "")).copied == float("inf")
    assert [path for _, path, _ in found.rows_in({(directory, "new")})] == [
        f"{directory}/new/a.py", f"{directory}/new/b/c.py",
    ]  # fmt: skip
    assert [path for _, path, _ in found.rows_in({(str(environment / "bin"), "")})] == [
        str(environment / "bin/old")
    ]


def test_a_record_that_vanishes_after_it_was_seen_is_passed_over(tmp_path: Path) -> None:
    environment = make(tmp_path / "environment")
    directory = str(site(environment))
    write_record(environment, "one", ["one/a.py"], at=INSTALLED)
    write_record(environment, "two", ["two/a.py"], at=INSTALLED)
    found = Installations((directory,))
    (site(environment) / "one-1.0.dist-info" / "RECORD").unlink()

    assert found.until((directory, "one")).copied == float("inf")
    assert [path for _, path, _ in found.rows_in({(directory, "one"), (directory, "two")})] == [
        f"{directory}/two/a.py"
    ]
