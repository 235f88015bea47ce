"""What some requirements need, as far as two caches know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.seed.made import add, describe
from uvx_policy.host import Host
from uvx_policy.seed.closure import Closure, Resolver
from uvx_policy.uv.locked import Buckets
from uvx_policy.uv.requirement import Requirement


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    return tmp_path / "rich"


@pytest.fixture
def poor(tmp_path: Path) -> Path:
    return tmp_path / "poor"


def closure(
    rich: Path, poor: Path, *roots: str, limits: tuple[str, ...] = (), **more: Any
) -> Closure:
    host = Host(environ={})
    resolver = Resolver(host, Buckets(host, str(rich)), Buckets(host, str(poor)))
    options = {"preferred": {}, "constraints": _parsed(limits), **more}
    return resolver.closure(_parsed(roots), **options)


def _parsed(texts: tuple[str, ...]) -> list[Requirement]:
    return [each for each in map(Requirement.parse, texts) if each is not None]


def test_it_follows_what_is_required(rich: Path, poor: Path) -> None:
    add(rich, "app", "1.0", "lib>=1", "win; sys_platform == 'win32'", "no; extra == 'x'")
    add(rich, "lib", "2.0", "leaf")
    for name in ("leaf", "win", "no", "unasked"):
        add(rich, name)

    found = closure(rich, poor, "app")

    assert found.versions.keys() == {"app", "lib", "leaf", "win"}
    assert found.unheld == ()


def test_extras_count_only_where_they_are_asked_for(rich: Path, poor: Path) -> None:
    add(rich, "app", "1.0", "lib[more]", "one; extra == 'one'")
    add(rich, "lib", "1.0", "two; extra == 'more'", "three; extra == 'other'")
    for name in ("one", "two", "three"):
        add(rich, name)

    assert closure(rich, poor, "app").versions.keys() == {"app", "lib", "two"}
    assert closure(rich, poor, "app[One]").versions.keys() == {"app", "lib", "one", "two"}


def test_all_that_is_said_of_a_version_counts(rich: Path, poor: Path) -> None:
    """Also what is found out later: `one` is chosen before `two` limits it."""
    for version in ("1.0", "2.0", "3.0"):
        add(rich, "leaf", version)
        add(rich, "one", version, f"leaf=={version}")
    add(rich, "two", "1.0", "one<3")

    found = closure(rich, poor, "one", "two")
    limited = closure(rich, poor, "one", "two", limits=("one<2", "unasked==1"))

    assert (found.versions["one"], found.versions["leaf"]) == (("2.0",), ("2.0",))
    assert (limited.versions["one"], limited.versions["leaf"]) == (("1.0",), ("1.0",))


def test_where_a_marker_decides_both_are_taken(rich: Path, poor: Path) -> None:
    for version in ("1.0", "2.0"):
        add(rich, "leaf", version)
    add(rich, "app", "1.0", "leaf<2; python_version < '3.9'", "leaf; python_version >= '3.9'")

    assert closure(rich, poor, "app").versions["leaf"] == ("1.0", "2.0")


def test_what_is_preferred_is_taken_if_it_will_do(rich: Path, poor: Path) -> None:
    for version in ("1.0", "2.0", "3.0"):
        add(rich, "leaf", version)

    assert closure(rich, poor, "leaf", preferred={"leaf": ("1.0",)}).versions["leaf"] == ("1.0",)
    assert closure(rich, poor, "leaf>1", preferred={"leaf": ("1.0",)}).versions["leaf"] == ("3.0",)
    assert closure(rich, poor, "leaf>1", every=True, preferred={}).versions["leaf"] == (
        "2.0",
        "3.0",
    )


def test_metadata_alone_is_enough_to_go_on(rich: Path, poor: Path) -> None:
    """As of a wheel for another system; the newest that is unpacked is taken as well."""
    add(rich, "app", "1.0")
    describe(rich, "app", "1.0", "lib")
    describe(rich, "app", "2.0", "lib", "a-requirement-with-a-name-that-is-long>=1.0.0")
    describe(rich, "lib", "1.0", "leaf")
    add(rich, "leaf")

    found = closure(rich, poor, "app")

    assert found.versions == {"app": ("1.0", "2.0"), "lib": ("1.0",), "leaf": ("1.0",)}
    assert found.unheld == ("a-requirement-with-a-name-that-is-long",)


def test_what_the_other_cache_has_counts(rich: Path, poor: Path) -> None:
    add(rich, "app", "1.0", "lib")
    add(poor, "app", "2.0", "other")
    for name in ("lib", "other"):
        add(rich, name)

    assert closure(rich, poor, "app").versions == {"app": ("2.0",), "other": ("1.0",)}


def test_what_nobody_holds_is_named(rich: Path, poor: Path) -> None:
    add(rich, "app", "1.0", "gone>=2", "maybe; python_version < '3'")
    add(rich, "gone", "1.0")

    assert closure(rich, poor, "app", "absent").unheld == ("absent", "gone")


def test_versions_that_exclude_each_other_come_to_an_end(rich: Path, poor: Path) -> None:
    """`b` 2 wants an old `a`, which wants an old `b`, which wants a new `a`."""
    add(rich, "a", "1.0", "b<2")
    add(rich, "a", "2.0", "b>=2")
    add(rich, "b", "1.0", "a>=2")
    add(rich, "b", "2.0", "a<2")

    assert closure(rich, poor, "a", "b").versions.keys() <= {"a", "b"}


@pytest.mark.parametrize(
    "content", [b"", b"\x96", b"\x96\xa3ab", b"\x93\xa1a\xa1b\x91\xd9\xff", b"{}"]
)
def test_metadata_that_is_cut_tells_nothing(rich: Path, poor: Path, content: bytes) -> None:
    describe(rich, "app", "1.0").write_bytes(content)

    assert closure(rich, poor, "app").versions == {"app": ("1.0",)}
