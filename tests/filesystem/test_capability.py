from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import inherited
from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import probe
from uvx_policy.filesystem.capability import known_links, probe_links
from uvx_policy.filesystem.mounts import MountTable, read_mount_table
from uvx_policy.filesystem.probe import Attempt, attempt_links
from uvx_policy.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.filesystems import FileSystems
    from uvx_policy.model import Capability


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[Attempt]:
    """Every real try, in order."""
    made: list[Attempt] = []

    def note(*, cache: str, destination: str) -> Attempt:
        made.append(attempt_links(cache=cache, destination=destination))
        return made[-1]

    monkeypatch.setattr(probe, "attempt_links", note)
    return made


def ask(cache: Path, destination: Path, state: Path | str = "", **rest: str) -> Capability:
    host = Booted(**rest)
    table = read_mount_table(host)
    return probe_links(host, str(state), table, cache=str(cache), destination=str(destination))


class Booted(Host):
    def __init__(self, boot: str = "") -> None:
        super().__init__(environ={}, cwd="/")
        self._boot = boot

    def boot_id(self) -> str:
        return self._boot or super().boot_id()


def links(found: Capability) -> tuple[str, str]:
    return found.clone, found.hardlink


@pytest.mark.filesystem
@pytest.mark.parametrize(("name", "expected"), [("btrfs", ("yes", "yes")), ("ext4", ("no", "yes"))])
def test_an_answer_about_two_mounts_is_found_out_once(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt], name: str, expected: tuple[str, str]
) -> None:
    top = getattr(fs, name)
    (top / "cache").mkdir()
    (top / "destination").mkdir()

    found = [ask(top / "cache", top / "destination", tmp_path) for _ in range(3)]

    assert [links(each) for each in found] == [expected] * 3
    assert len(attempts) == 1


@pytest.mark.filesystem
def test_the_answer_holds_for_other_directories_of_the_same_mount(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    for name in ("cache", "a", "b"):
        (fs.ext4 / name).mkdir()

    ask(fs.ext4 / "cache", fs.ext4 / "a", tmp_path)
    ask(fs.ext4 / "cache", fs.ext4 / "b", tmp_path)

    assert len(attempts) == 1


@pytest.mark.filesystem
def test_after_a_reboot_it_is_found_out_again(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    (fs.ext4 / "cache").mkdir()

    ask(fs.ext4 / "cache", fs.ext4, tmp_path, boot="one")
    ask(fs.ext4 / "cache", fs.ext4, tmp_path, boot="two")

    assert len(attempts) == 2


@pytest.mark.filesystem
def test_another_file_system_in_the_same_place_is_tried_anew(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    point = fs.image("ext4", size=64 * 1024**2)
    assert links(ask(point, point, tmp_path)) == ("no", "yes")
    image = tmp_path / "image"

    subprocess.run(["umount", point], check=True)
    with image.open("xb") as stream:
        stream.truncate(400 * 1024**2)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, point], check=True)

    assert links(ask(point, point, tmp_path)) == ("yes", "yes")
    assert len(attempts) == 2


@pytest.mark.filesystem
def test_two_file_systems_need_no_try(fs: FileSystems, attempts: list[Attempt]) -> None:
    found = ask(fs.ext4, fs.btrfs)

    assert links(found) == ("no", "no")
    assert "ext4" in found.detail
    assert attempts == []


@pytest.mark.filesystem
def test_subvolumes_and_bind_mounts_are_remembered_apart(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    first, second = fs.subvolumes
    bound = fs.bind(first)

    for _ in range(2):
        assert links(ask(first, first, tmp_path)) == ("yes", "yes")
        assert links(ask(first, second, tmp_path)) == ("yes", "no")
        assert links(ask(first, bound, tmp_path)) == ("yes", "no")

    assert len(attempts) == 3


# What differs within one mount -------------------------------------------------------------------


class Kind(NamedTuple):
    """Two directories of one mount, an ordinary and an odd one, and what links between them."""

    name: str
    make_odd: Callable[[Path], None]
    #: within the ordinary one, from there into the odd one, the other way, within the odd one
    ordinary: tuple[str, str]
    into: tuple[str, str]
    out_of: tuple[str, str]
    odd: tuple[str, str]


KINDS = {
    "NOCOW": Kind(
        "btrfs", inherited.set_nocow, ("yes", "yes"), ("no", "yes"), ("no", "yes"), ("yes", "yes")
    ),
    "quota project": Kind(
        "xfs",
        lambda directory: inherited.set_quota_project(directory, 42),
        ("yes", "yes"), ("yes", "no"), ("yes", "yes"), ("yes", "yes"),
    ),
    "encryption": Kind(
        "encrypting_ext4", inherited.encrypt, ("no", "yes"), ("no", "no"), ("no", "yes"),
        ("no", "yes"),
    ),
}  # fmt: skip


@pytest.mark.filesystem
@pytest.mark.parametrize("order", ["0123", "1230", "2301", "3012"])
@pytest.mark.parametrize("name", KINDS)
def test_an_answer_about_other_directories_is_not_taken_for_these(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt], name: str, order: str
) -> None:
    kind = KINDS[name]
    plain, odd = (getattr(fs, kind.name) / each for each in ("plain", "odd"))
    for directory in (plain, odd):
        directory.mkdir()
    kind.make_odd(odd)
    asked = [
        (plain, plain, kind.ordinary), (plain, odd, kind.into), (odd, plain, kind.out_of),
        (odd, odd, kind.odd),
    ]  # fmt: skip

    for _ in range(2):
        for number in map(int, order):
            cache, destination, expected = asked[number]
            assert links(ask(cache, destination, tmp_path)) == expected

    # What such directories refuse is remembered as well: for such directories.
    assert len(attempts) == 4
    (odd / "below").mkdir()
    assert links(ask(plain, odd / "below", tmp_path)) == kind.into
    assert len(attempts) == 4


@pytest.mark.filesystem
@pytest.mark.parametrize("name", KINDS)
def test_what_is_decided_from_attributes_can_be_repeated(
    fs: FileSystems, tmp_path: Path, name: str
) -> None:
    kind = KINDS[name]
    odd: Path = getattr(fs, kind.name) / "odd"
    odd.mkdir()
    kind.make_odd(odd)
    for _ in range(2):  # tried, then remembered
        host = Host(environ={}, cwd="/")

        probe_links(
            host, str(tmp_path), read_mount_table(host),
            cache=str(odd.parent), destination=str(odd),
        )  # fmt: skip

        assert host.witnesses.spoilt == ""
        tokens = {(token, path) for token, path, _ in host.witnesses}
        assert {("d", str(odd)), ("d", str(odd.parent))} <= tokens


@pytest.mark.filesystem
def test_a_directory_that_changes_is_asked_anew(fs: FileSystems, tmp_path: Path) -> None:
    (fs.btrfs / "cache").mkdir()
    (fs.btrfs / "project").mkdir()
    found = []
    for nocow in (False, True, False):
        inherited.set_nocow(fs.btrfs / "project", nocow)
        found.append(links(ask(fs.btrfs / "cache", fs.btrfs / "project", tmp_path)))

    assert found == [("yes", "yes"), ("no", "yes"), ("yes", "yes")]


@pytest.mark.filesystem
def test_where_a_file_system_does_not_tell_each_directory_is_tried(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    for name in ("cache", "a", "b"):
        (fs.tmpfs / name).mkdir()
    for _ in range(2):
        for name in ("a", "b"):
            assert links(ask(fs.tmpfs / "cache", fs.tmpfs / name, tmp_path)) == ("no", "yes")

    assert len(attempts) == 2


@pytest.mark.filesystem
def test_an_odd_refusal_in_an_odd_directory_is_still_not_remembered(
    fs: FileSystems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXDEV between a NOCOW directory and another is nothing that NOCOW explains: a sandbox."""
    (fs.btrfs / "odd").mkdir()
    inherited.set_nocow(fs.btrfs / "odd")
    sandboxed = Attempt(clone=errno.EINVAL, hardlink=errno.EXDEV, detail="")
    monkeypatch.setattr(probe, "attempt_links", lambda **_: sandboxed)

    assert links(ask(fs.btrfs, fs.btrfs / "odd", tmp_path / "state")) == ("no", "no")

    assert not (tmp_path / "state").exists()


@pytest.mark.filesystem
@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("NOCOW", "`{odd}` is NOCOW (chattr +C), unlike `{plain}`"),
        ("quota project", "`{odd}` is in quota project 42, unlike `{plain}`"),
        ("encryption", "`{odd}` is encrypted (fscrypt), unlike `{plain}`"),
    ],
)
def test_people_are_told_in_what_the_directories_differ(
    fs: FileSystems, tmp_path: Path, name: str, detail: str
) -> None:
    kind = KINDS[name]
    odd: Path = getattr(fs, kind.name) / "odd"
    odd.mkdir()
    kind.make_odd(odd)

    said = {ask(odd.parent, odd, tmp_path).detail for _ in range(2)}

    assert said == {detail.format(odd=odd, plain=odd.parent)}


@pytest.mark.filesystem
def test_people_are_told_what_the_mounts_cannot_do(fs: FileSystems) -> None:
    (one, other), bound = fs.subvolumes, fs.bind(fs.btrfs)

    assert "ext4 at `" in ask(fs.ext4, fs.ext4).detail
    assert "cannot clone files" in ask(fs.ext4, fs.ext4).detail
    assert "two mounts or subvolumes" in ask(one, other).detail
    assert "two mounts or subvolumes" in ask(fs.btrfs, bound).detail
    assert "two file systems" in ask(fs.btrfs, fs.ext4).detail


@pytest.mark.filesystem
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NOCOW", ("no", "unknown")),
        ("quota project", ("unknown", "no")),
        ("encryption", ("no", "no")),
    ],
)
def test_without_a_try_what_attributes_refuse_is_known(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt], name: str,
    expected: tuple[str, str],
) -> None:  # fmt: skip
    kind = KINDS[name]
    odd: Path = getattr(fs, kind.name) / "odd"
    odd.mkdir()
    kind.make_odd(odd)

    def known(destination: Path) -> tuple[str, str]:
        host = Booted()
        return links(
            known_links(
                host, str(tmp_path), read_mount_table(host),
                cache=str(odd.parent), destination=str(destination),
            )
        )  # fmt: skip

    assert known(odd) == expected
    assert known(odd.parent)[1] == "unknown"
    assert attempts == []
    ask(odd.parent, odd, tmp_path)
    assert known(odd) == kind.into
    assert known(tmp_path / "absent") == ("unknown", "unknown")


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(Attempt(clone=errno.EIO, hardlink=0, detail=""), id="clone unknown"),
        pytest.param(Attempt(clone=errno.EINVAL, hardlink=0, detail=""), id="odd directory"),
        pytest.param(Attempt(clone=0, hardlink=errno.ENOSPC, detail=""), id="link unknown"),
        pytest.param(Attempt(clone=0, hardlink=errno.EXDEV, detail=""), id="EXDEV in one mount"),
        pytest.param(Attempt(clone=-1, hardlink=-1, detail=""), id="could not try"),
    ],
)
def test_only_definite_answers_about_mounts_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: Attempt
) -> None:
    (tmp_path / "d").mkdir()
    monkeypatch.setattr(probe, "attempt_links", lambda **_: attempt)

    assert ask(tmp_path / "d", tmp_path / "d", tmp_path / "state") == attempt.capability

    assert not (tmp_path / "state").exists()


def test_without_a_mount_table_a_try_decides_and_nothing_is_remembered(tmp_path: Path) -> None:
    found = probe_links(
        Host(environ={}), f"{tmp_path}/state", None, cache=str(tmp_path), destination=str(tmp_path)
    )

    assert found.hardlink == "yes"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["missing", "file"])
def test_what_is_no_directory_tells_nothing(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()

    assert links(ask(tmp_path, tmp_path / path)) == ("unknown", "unknown")


def test_what_cannot_be_read_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Host, path: str) -> None:
        raise Unreadable(path, "closed")

    monkeypatch.setattr(Host, "status", refuse)

    found = probe_links(
        Host(environ={}), "", MountTable(rows=(), parents=()),
        cache=str(tmp_path), destination=str(tmp_path),
    )  # fmt: skip

    assert links(found) == ("unknown", "unknown")
    assert "closed" in found.detail
