"""Counting the same bytes once, over many environments, in bounded memory."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.filesystems import FileSystems, extents, flush, same_inode
from uvx_policy.installed.distinct import (
    MOST,
    Bytes,
    Distinct,
    SharedFiles,
    extent_key,
    inode_key,
)


def test_few_things_are_summed_exactly_each_once() -> None:
    distinct = Distinct()
    for inode in (*range(MOST), *range(MOST)):
        distinct.add(inode_key(1, inode), inode)

    assert distinct.total() == Bytes(sum(range(MOST)), exact=True)


def test_inodes_of_two_file_systems_and_extents_are_different_things() -> None:
    distinct = Distinct()
    for key in (inode_key(1, 5), inode_key(2, 5), extent_key(5), extent_key(6)):
        distinct.add(key, 1000)

    assert distinct.total() == Bytes(4000, exact=True)


def test_a_sample_stands_for_what_it_was_taken_of() -> None:
    first, second, both, merged = Distinct(), Distinct(), Distinct(), Distinct()
    for number in range(3000):
        key, size = inode_key(1, number), number % 700
        for distinct in (first if number < 2000 else second, both):
            distinct.add(key, size)
        if 1000 < number < 2000:
            second.add(key, size)
    for distinct in (second, first, second):
        merged.merge(distinct.sample())

    # The same things, in whatever order and however often: the same answer, not a similar one.
    assert merged.total() == both.total()
    assert sorted(merged.sample().split()) == sorted(both.sample().split())


@pytest.mark.parametrize("seed", range(5))
def test_the_estimate_of_many_environments_is_near(seed: int) -> None:
    """Sizes as in site-packages: most are small, a few make up most of the bytes."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    files = {inode: int(chance.paretovariate(1.2) * 4096) for inode in range(50_000)}
    merged, seen = Distinct(), set[int]()
    for _ in range(30):
        one = Distinct()
        for inode in chance.sample(range(50_000), 3000):
            one.add(inode_key(99, inode), files[inode])
            seen.add(inode)
        merged.merge(one.sample())
    total = merged.total()

    assert not total.exact
    assert total.bytes == pytest.approx(sum(files[inode] for inode in seen), rel=0.13)  # 3 sigma


def test_memory_does_not_grow() -> None:
    distinct = Distinct()
    for number in range(20 * MOST):
        distinct.add(inode_key(1, number), 4096)

    assert len(distinct.sample().split()) == 2 * (MOST + 1)
    assert len(distinct._keys) == MOST + 1


@pytest.mark.parametrize("text", ["", "x", "1", "1 2 x 4", "-5 -5", "é 1"])
def test_what_is_no_sample_is_passed_over(text: str) -> None:
    distinct = Distinct()
    distinct.merge(text)

    assert distinct.total() == Bytes(0, exact=True)


def told(directory: Path, *paths: Path) -> Bytes:
    shared = SharedFiles([str(directory)])
    for path in paths:
        status = path.lstat()
        shared.add_file(status, status.st_blocks * 512, str(path))
    distinct = Distinct()
    distinct.merge(shared.sample())
    return distinct.total()


@pytest.mark.filesystem
@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_a_hard_link_and_a_clone_of_one_file_are_the_same_bytes(fs: FileSystems, kind: str) -> None:
    """uv made hard links there up to 0.10.4, and clones since: one cache may have both."""
    directory: Path = getattr(fs, kind)
    cached = directory / "cached"
    cached.write_bytes(os.urandom(1 << 16))
    (directory / "link").hardlink_to(cached)
    flush(directory)
    clone = directory / "clone"
    with cached.open("rb") as source, clone.open("wb") as copy:
        os.copy_file_range(source.fileno(), copy.fileno(), 1 << 16)
    assert same_inode(cached, directory / "link")
    assert extents(clone)[0].physical == extents(cached)[0].physical

    assert told(directory, directory / "link", clone) == Bytes(1 << 16, exact=True)


def test_a_file_whose_names_all_lie_inside_is_not_shared(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_bytes(b"x" * 9000)
    (tmp_path / "second").hardlink_to(first)
    shared = SharedFiles([str(tmp_path), str(tmp_path / "absent")])
    shared.add_file(first.lstat(), 12288, "")
    shared.drop_file(first.lstat())

    assert shared.sample() == ""
