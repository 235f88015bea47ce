"""Different things have different sights: two listings, two contents, two mount tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests import mounts
from uvx_policy.fingerprint import fingerprint
from uvx_policy.replay.witness import content_sight, look, names_sight

#: mount(2)
FLAGS = {"nosuid": 2, "noexec": 8}
_names = st.sets(st.text("abc019.", min_size=1, max_size=10), min_size=1, max_size=4)


@given(one=_names, other=_names)
@example({"python3.11", "python3.12"}, {"python3.10", "python3.13"})
@example({"jython3.1", "package.1"}, {"python3.1", "jackage.1"})
@example({"ad", "bc"}, {"ac", "bd"})
def test_two_listings(one: set[str], other: set[str]) -> None:
    assume(one != other)

    assert names_sight(one) != names_sight(other)


_changes = st.lists(st.tuples(st.integers(0, 999), st.binary(min_size=1, max_size=1)), max_size=4)


@given(one=_changes, other=_changes)
@example([(100, b"1"), (161, b"2")], [(100, b"2"), (161, b"1")])
@example([(100, b"1"), (108, b"w")], [(100, b"2"), (108, b"o")])
def test_two_contents(one: list[tuple[int, bytes]], other: list[tuple[int, bytes]]) -> None:
    def text(changes: list[tuple[int, bytes]]) -> bytes:
        content = bytearray(b"." * 1000)
        for place, byte in changes:
            content[place : place + 1] = byte
        return bytes(content)

    assume(text(one) != text(other))

    assert content_sight(text(one)) != content_sight(text(other))


def test_no_two_places_of_a_text_weigh_the_same() -> None:
    weights = {fingerprint(b"a" * n + b"b" + b"a" * (4095 - n)) for n in range(4096)}

    assert len(weights) == 4096


@pytest.mark.usefixtures("own_mounts")
def test_two_mounts_that_swap_an_option(tmp_path: Path) -> None:
    """Of whatever length their rows in the mount table are."""
    for length in range(1, 65):
        one, other = tmp_path / ("a" * length), tmp_path / ("b" * length)
        for point in (one, other):
            point.mkdir()
        sights = []
        for options in (("nosuid", "noexec"), ("noexec", "nosuid")):
            for point, flag in zip((one, other), options, strict=True):
                mounts.mount_tmpfs(str(point), flags=FLAGS[flag])
            table = Path("/proc/self/mountinfo").read_text()
            assert f"{one} rw,{options[0]}" in table
            sights.append(look("c", "/proc/self/mountinfo"))
            for point in (other, one):
                mounts.unmount(str(point))
        assert sights[0] != sights[1], length
