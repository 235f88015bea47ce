"""How much `cache clean` and `cache prune` say that they will free."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from uvx_policy.caches import estimate
from uvx_policy.caches.danger import Job
from uvx_policy.terminal.words import size

MEGABYTE = 1 << 20


def job(command: Literal["clean", "prune"], *packages: str) -> Job:
    return Job(command=command, packages=packages, break_symlinks=False, delete_foreign=False)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Two archives of a megabyte and more; a wheel leads to the first."""
    cache = tmp_path / "cache"
    for name, megabytes in (("used", 1), ("left", 3)):
        archive = cache / "archive-v0" / name
        archive.mkdir(parents=True)
        (archive / "module.py").write_bytes(os.urandom(megabytes * MEGABYTE))
    (cache / "wheels-v5/pypi/a").mkdir(parents=True)
    (cache / "wheels-v5/pypi/a/1").symlink_to(cache / "archive-v0/used")
    return cache


def megabytes(text: str) -> float:
    number, unit = text.split()[-2:]
    assert unit == size(9 * MEGABYTE).split()[1]
    return float(number)


def test_clean_frees_what_nothing_else_holds(cache: Path, tmp_path: Path) -> None:
    whole = estimate.freed(str(cache), job("clean"), lambda _: None)
    os.link(cache / "archive-v0/used/module.py", tmp_path / "module.py")
    linked = estimate.freed(str(cache), job("clean"), lambda _: None)

    assert megabytes(whole) > 4
    assert 3 < megabytes(linked) < megabytes(whole)


def test_prune_frees_at_least_what_nothing_leads_to(cache: Path) -> None:
    said = estimate.freed(str(cache), job("prune"), lambda _: None)

    assert said.startswith("frees at least ")
    assert 3 <= megabytes(said) < 4


def test_nothing_is_said_where_nothing_is_known(cache: Path) -> None:
    assert estimate.freed(str(cache), job("clean", "a"), lambda _: None) == ""
    (cache / "archive-v0/left").rename(cache / "left")
    assert estimate.freed(str(cache), job("prune"), lambda _: None) == ""


def test_a_cache_that_takes_too_long_frees_at_least_so_much(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_PATIENCE", -1.0)

    assert estimate.freed(str(cache), job("clean"), lambda _: None).startswith("frees at least ")
    assert estimate.freed(str(cache), job("prune"), lambda _: None) == ""
