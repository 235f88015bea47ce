"""What a survey means: how files are stored in fact, drift from the policy, what could be saved."""

from __future__ import annotations

from typing import Any

import pytest

from uvx_policy.installed.distinct import MOST, Distinct, inode_key
from uvx_policy.installed.model import Survey
from uvx_policy.status.row import Row, Total, Where, drift, in_fact, may_save


def survey(**counts: Any) -> Survey:
    return Survey(environment="/p/.venv", **counts)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, "none"),
        ({"private_files": 20, "private_bytes": 9000}, "none"),
        ({"private_files": 9, "private_bytes": 9000, "saveable_bytes": 5000}, "copy"),
        ({"shared_inode_files": 9, "shared_bytes": 9000, "private_files": 30}, "hardlink"),
        ({"shared_extent_files": 9, "shared_bytes": 9000, "private_files": 30}, "clone"),
        ({"symlink_files": 9, "shared_bytes": 9000}, "symlink"),
        # A dangling link has no bytes.
        ({"symlink_files": 9, "dangling": 9}, "symlink"),
        ({"shared_inode_files": 90, "shared_extent_files": 10, "shared_bytes": 9}, "hardlink"),
        ({"shared_inode_files": 50, "shared_extent_files": 50, "shared_bytes": 9}, "mixed"),
        ({"shared_inode_files": 9, "shared_bytes": 500, "saveable_bytes": 500}, "mixed"),
        # One package that was linked among many that were copied.
        ({"shared_inode_files": 9, "shared_bytes": 100, "saveable_bytes": 900}, "copy"),
        # Files without blocks, and tiny ones on btrfs, share nothing in a clone.
        ({"shared_extent_files": 9, "shared_bytes": 900, "saveable_bytes": 100}, "clone"),
    ],
)
def test_the_way_that_prevails_is_the_link_mode_in_fact(
    counts: dict[str, int], expected: str
) -> None:
    assert in_fact(survey(**counts)) == expected


@pytest.mark.parametrize(
    ("policy", "counts", "expected"),
    [
        ("hackable", {"shared_inode_files": 412}, "hackable, but 412 files share an inode"),
        ("hackable", {"shared_inode_files": 1}, "hackable, but 1 file share"),
        ("copy", {"shared_inode_files": 1412}, "copy, but 1,412 files share an inode"),
        # uv 0.10.5 and later make hard links where nothing can be cloned.
        ("clone", {"shared_inode_files": 2}, "clone, but 2 files share an inode"),
        ("hackable", {"symlink_files": 2}, "hackable, but 2 files link into a cache"),
        ("auto", {"symlink_files": 2}, "auto, but 2 files link into a cache"),
        # An edit of a clone stays where it is.
        ("hackable", {"shared_extent_files": 9}, ""),
        ("auto", {"shared_inode_files": 9}, ""),
        ("auto", {"private_files": 9, "saveable_bytes": 9}, ""),
        ("hardlink", {"shared_inode_files": 9}, ""),
        ("symlink", {"symlink_files": 9}, ""),
        ("unknown", {"symlink_files": 9, "shared_inode_files": 9}, ""),
    ],
)
def test_drift_is_what_the_policy_promised_otherwise(
    policy: str, counts: dict[str, int], expected: str
) -> None:
    told = drift(policy, survey(**counts))

    assert told.startswith(expected)
    assert bool(told) == bool(expected)


@pytest.mark.parametrize(
    ("policy", "decided", "expected"),
    [
        ("auto", "", 700),
        ("auto", "hardlink", 700),
        ("hardlink", "hardlink", 700),
        ("clone", "clone", 700),
        ("symlink", "symlink", 700),
        ("hackable", "copy", 0),
        # The policy has changed since: what it says now counts.
        ("hackable", "hardlink", 0),
        ("copy", "copy", 0),
        # Nothing links there.
        ("auto", "copy", 0),
        ("unknown", "", 0),
    ],
)
def test_only_what_the_policy_would_link_could_be_saved(
    policy: str, decided: str, expected: int
) -> None:
    assert may_save(policy, decided, survey(private_bytes=900, saveable_bytes=700)) == expected


def sample(*inodes: int, size: int = 4096) -> str:
    distinct = Distinct()
    for inode in inodes:
        distinct.add(inode_key(7, inode), size)
    return distinct.sample()


def row(path: str, **values: Any) -> Row:
    return Row(path=path, **values)


def test_a_total_counts_a_shared_file_once_and_adds_what_is_private() -> None:
    total = Total()
    for number in range(3):
        values = {"files": 4, "private_bytes": 100, "save_bytes": 10, "edited_files": 1}
        total.add(row(f"/{number}", **values), sample(1, 2, 10 + number))

    assert total.shared_bytes == 5 * 4096
    assert (total.environments, total.files, total.private_bytes) == (3, 12, 300)
    assert (total.save_bytes, total.edited_files) == (30, 3)
    assert total.shared_exact
    assert not total.estimated


def test_a_total_says_when_it_is_an_estimate_or_a_bound() -> None:
    total = Total()
    total.add(row("/1", shared_exact=False), sample(*range(MOST + 1)))
    total.add(row("/2"), sample(*range(MOST + 1, 2 * MOST)))

    assert total.estimated
    assert not total.shared_exact
    assert total.shared_bytes == pytest.approx(2 * MOST * 4096, rel=0.15)


def test_the_total_of_one_environment_is_what_its_own_row_says() -> None:
    total = Total()
    total.add(row("/1", shared_bytes=12345), sample(*range(2 * MOST)))

    assert (total.shared_bytes, total.estimated) == (12345, False)


def test_a_total_is_named_by_the_highest_mount_point() -> None:
    total = Total()
    for point in ("/mnt/bind/below", "/mnt", "/mnt/other"):
        total.add(row("/p", where=Where(device="8:1", mount_point=point)), "")

    assert total.where.mount_point == "/mnt"
