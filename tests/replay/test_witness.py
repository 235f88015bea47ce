"""What is a witness, what is not yet one, and that each sees when something has changed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import mounts
from tests.filesystems import FileSystems
from tests.inherited import share_with
from tests.odd_files import bound_socket
from tests.replay.machine import Machine, wait_for_tick
from uvx_policy.edits import Edits
from uvx_policy.errors import Unreadable
from uvx_policy.host import Host
from uvx_policy.replay import recording, records, witness
from uvx_policy.replay.witness import Witnesses, look

KINDS = ("btrfs", "xfs", "ext4", "tmpfs", "overlay")
#: no UTF-8
ODD = "b\udcff\udc80"


@pytest.fixture(params=KINDS)
def place(fs: FileSystems, request: pytest.FixtureRequest) -> Path:
    """A directory on each kind of file system, with something of every kind in it."""
    directory: Path = getattr(fs, request.param)
    for name in ("file", f"file {ODD}", "empty"):
        (directory / name).write_text(name[:4])
    (directory / "file").chmod(0o640)
    (directory / "directory" / ODD).mkdir(parents=True)
    share_with(directory / "directory", ("user", 12345, "rwx"))
    (directory / "link").symlink_to("file")
    (directory / "dangling").symlink_to(f"nowhere {ODD}")
    (directory / "loop").symlink_to("loop")
    os.mkfifo(directory / "fifo")
    bound_socket(directory / "socket")
    wait_for_tick()
    return directory


def seen_by_host(directory: Path) -> Witnesses:
    """Look at everything there in every way that a `Host` has."""
    host = Host(environ={}, cwd=str(directory))
    looks: list[Callable[[str], object]] = [
        host.status, host.link_status, host.read_text, host.list_names, host.read_link,
        host.real_path, host.may_write, host.may_execute, host.file_system, host.mount_id,
        host.mount_identity,
        lambda path: host.read_head(path, 4), lambda path: host.free_bytes(path, needed=4096),
        lambda path: host.free_bytes(path, needed=2**62), host.attributes, host.access_list,
    ]  # fmt: skip
    names = [*os.listdir(directory), "absent", "file/below", ODD, "directory/absent", "."]
    for look_at in looks:
        for name in names:
            if (name, look_at) != ("fifo", host.read_text):
                try:
                    look_at(str(directory / name))
                except Unreadable:
                    continue
    for whole in (host.boot_id, host.mount_table, host.unmapped_uid):
        whole()
    host.group(0)
    return host.witnesses


@pytest.mark.usefixtures("patient")
def test_whatever_a_host_sees_holds_as_long_as_nothing_changes(
    place: Path, own_mounts: None, here: Machine
) -> None:
    del own_mounts  # after `place`, which is a mount
    seen = list(seen_by_host(place))
    missed = [each for each in seen if look(each[0], each[1]) != each[2]]

    assert missed == []
    assert {token[0] for token, _, _ in seen} == set("slancvfrdxm")
    # The same texts, rendered by the launcher.
    call = here.call("sync")
    collected = Witnesses(time.time_ns())
    for each in seen:
        collected.add(*each)
    recording.keep(here.state, here.key_of(call), Edits(words=("replayed",)), collected)
    native, hit = here.in_native(call)
    assert hit, native
    assert native.words == ("uv", "sync", "replayed")


def _edit(path: Path, text: str = "FILE") -> None:
    """Same size, time of last change restored."""
    told = path.stat()
    with path.open("r+") as stream:
        stream.write(text)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def _renamed_over(path: Path) -> None:
    """The same content and times in another file."""
    shutil.copy2(path, f"{path}.new")
    os.rename(f"{path}.new", path)


def _pointed(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


def _replaced_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _replaced_by_another(path: Path) -> None:
    path.rename(f"{path}-old")
    path.mkdir()


def _replaced_by_link(path: Path) -> None:
    path.rename(f"{path}-old")
    path.symlink_to(f"{path}-old")


CHANGES: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "edited, same size and time": ("s", "file", _edit),
    "edited through a link": ("s", "link", lambda path: _edit(path.parent / "file")),
    "made longer": ("s", "file", lambda path: path.write_text("longer")),
    "dated back": ("s", "file", lambda path: os.utime(path, ns=(0, 10**18))),
    "renamed over": ("s", "file", _renamed_over),
    "removed": ("s", "file", Path.unlink),
    "made": ("s", "absent", Path.touch),
    "made below": ("s", "directory/absent", Path.touch),
    "chmod": ("s", "file", lambda path: path.chmod(0o666)),
    "chown": ("s", "file", lambda path: os.chown(path, 12345, 0)),
    "chmod of a directory": ("s", "directory", lambda path: path.chmod(0o777)),
    "chown of a directory": ("s", "directory", lambda path: os.chown(path, 12345, 0)),
    "chgrp of a directory": ("s", "directory", lambda path: os.chown(path, 0, 12345)),
    "an access list": ("x", ".", lambda path: share_with(path, ("user", 12345, "rwx"))),
    "another access list": (
        "x", "directory", lambda path: share_with(path, ("user", 12346, "rwx"))
    ),
    "no access list any more": (
        "x", "directory", lambda path: os.removexattr(path, "system.posix_acl_access")
    ),
    "another directory": ("s", "directory", _replaced_by_another),
    "a directory instead": ("s", "file", _replaced_by_directory),
    "its target made": ("s", "dangling", lambda path: (path.parent / f"nowhere {ODD}").touch()),
    "a link instead": ("l", "file", _replaced_by_link),
    "a dangling link made": ("l", "absent", lambda path: path.symlink_to("nowhere")),
    "re-pointed": ("l", "link", lambda path: _pointed(path, "empt")),
    "re-pointed, read": ("r", "link", lambda path: _pointed(path, "empt")),
    "re-pointed to the same": ("l", "link", lambda path: _pointed(path, "file")),
    "no link any more": ("r", "link", _replaced_by_directory),
    "a name more": ("n", "directory", lambda path: (path / "new").touch()),
    "a name less": ("n", "directory", lambda path: (path / ODD).rmdir()),
    "another name": ("n", "directory", lambda path: (path / ODD).rename(path / "b\udcfe\udc80")),
    "a listing of what is gone": ("n", "directory", shutil.rmtree),
    "a listing of what has come": ("n", "absent", Path.mkdir),
    "not executable any more": ("a1", "program", lambda path: path.chmod(0o644)),
    "executable now": ("a1", "file", lambda path: path.chmod(0o755)),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(place: Path, change: str) -> None:
    token, name, happen = CHANGES[change]
    path = place / name
    if name == "program":
        path.touch(0o755)
    wait_for_tick()
    before = look(token, str(path))

    happen(path)

    assert look(token, str(path)) != before


def test_what_comes_and_goes_in_a_directory_does_not_change_it(place: Path) -> None:
    path = place / "directory"
    before = look("s", str(path)), look("l", str(path)), look("a3", str(path))

    (path / "new").touch()
    (path / ODD).rmdir()
    os.utime(path, ns=(0, 0))

    assert (look("s", str(path)), look("l", str(path)), look("a3", str(path))) == before


@pytest.mark.usefixtures("own_mounts")
def test_mounting_is_seen_in_every_way(tmp_path: Path) -> None:
    path = str(tmp_path)
    looks = [("s", path), ("l", path), ("v", path), ("f1000000", path), ("a2", path)]
    looks += [("m", path), ("c", "/proc/self/mountinfo")]
    before = [look(*each) for each in looks]

    with mounts.tmpfs(path):
        assert [look(*each) != was for each, was in zip(looks, before, strict=True)] == [
            True, True, True, True, False, True, True,
        ]  # fmt: skip
        with mounts.bound(path, path, read_only=True):
            assert look("a2", path) == "n"
            seen = {look("v", path)}
            for how in ({}, {"noexec": True}, {"read_only": True, "noexec": True}):
                mounts.remount(path, **how)
                seen.add(look("v", path))
            assert len(seen) == 4

    # A mount that was taken away again leaves no trace.
    assert [look(*each) for each in looks[:6]] == before[:6]


@pytest.mark.parametrize("content", [b"", b"x" * 70000, b"\0\xff\n"])
def test_a_content_has_its_own_sight(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert look("c", str(path)) == witness.content_sight(content)
    path.write_bytes(content + b"\n")
    assert look("c", str(path)) != witness.content_sight(content)


@pytest.mark.parametrize(("size", "is_seen"), [(99_999, True), (100_000, False), (300_000, False)])
def test_of_a_content_that_is_too_long_the_beginning_is_equal_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, is_seen: bool
) -> None:
    monkeypatch.setattr(witness, "_LONGEST", 100_000)
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)

    assert (look("c", str(path)) != witness.BLURRED) is is_seen


@pytest.mark.parametrize("token", ["", "y", "ax", "a8z", "fg"])
def test_an_unheard_of_token_sees_nothing(tmp_path: Path, token: str) -> None:
    assert look(token, str(tmp_path)) == witness.BLURRED


# Not yet a witness -------------------------------------------------------------------------------

_MILLISECOND = 10**6
_SECOND = 10**9
#: (what the times of files are rounded down to)
GRAINS = (1, 100, _MILLISECOND, 4 * _MILLISECOND, 10 * _MILLISECOND, _SECOND, 2 * _SECOND)


def _status(ctime: int) -> os.stat_result:
    plain = (0o100644, 1, 2, 1, 0, 0, 7, 0, 0, ctime // _SECOND)
    return os.stat_result(plain, {"st_mtime_ns": 5, "st_ctime_ns": ctime, "st_atime_ns": 0})


@given(
    changed=st.integers(10**18, 2 * 10**18),
    until_decided=st.integers(0, 3 * _SECOND),
    until_changed_again=st.integers(0, 3 * _SECOND),
    grain=st.sampled_from(GRAINS),
)
def test_what_is_a_witness_gets_another_time_with_the_next_change(
    changed: int, until_decided: int, until_changed_again: int, grain: int
) -> None:
    def stamp(moment: int) -> int:
        return moment - moment % grain

    decided = changed + until_decided
    collected = Witnesses(decided)
    collected.add_status("s", "/file", _status(stamp(changed)))

    if not collected.spoilt:
        assert stamp(decided + until_changed_again) != stamp(changed)


@pytest.mark.parametrize(
    ("ctime", "is_witness"),
    [
        (49_999_999, False), (50_000_001, True), (0, False), (-1, False), (-3600 * _SECOND, False),
        (3600 * _SECOND + 1, True),
    ],
)  # fmt: skip
def test_how_old_a_change_must_be(ctime: int, is_witness: bool) -> None:
    now = 10**18 + 999 * _MILLISECOND
    collected = Witnesses(now)

    collected.add_status("s", "/file", _status(now - ctime))

    assert (not collected.spoilt) is is_witness


@pytest.mark.parametrize(("seconds", "is_witness"), [(0, False), (1, False), (2, False), (3, True)])
def test_where_times_are_whole_seconds_it_takes_two(seconds: int, is_witness: bool) -> None:
    now = 10**18 + _MILLISECOND
    collected = Witnesses(now)

    collected.add_status("s", "/file", _status(10**18 - seconds * _SECOND))

    assert (not collected.spoilt) is is_witness


def test_a_directory_that_was_changed_this_moment_is_a_witness(tmp_path: Path) -> None:
    host = Host(environ={})

    host.status(str(tmp_path))
    host.kind(str(tmp_path / "absent"))

    assert host.witnesses.spoilt == ""


def test_on_a_file_system_with_whole_seconds_nothing_is_stale(
    whole_seconds: Path, here: Machine
) -> None:
    project = whole_seconds / "project"
    project.mkdir()
    file = project / "pyproject.toml"
    hackable = "[project]\nname='a'\nversion='1'\n[tool.linkpolicy]\nhackable = {}\n"
    file.write_text(hackable.format("true "))
    assert file.stat().st_ctime_ns % _SECOND == 0
    call = here.call("sync", cwd=project)

    at_once = [here.replays(call) for _ in range(3)]
    deadline = time.monotonic() + 10
    replayed = False
    while not replayed and time.monotonic() < deadline:
        time.sleep(0.05)
        replayed = here.replays(call)
    file.write_text(hackable.format("false"))

    assert at_once == [False] * 3
    assert replayed
    assert not here.in_native(call)[1]
    assert here.decide(call) == here.in_python(call)[0]


# Not a witness at all ----------------------------------------------------------------------------


def _host(tmp_path: Path) -> tuple[Host, str]:
    return Host(environ={}), str(tmp_path)


@pytest.mark.usefixtures("patient")
def test_what_changes_between_two_looks_spoils_the_decision(tmp_path: Path) -> None:
    host, base = _host(tmp_path)

    assert host.kind(f"{base}/x") == "absent"
    Path(f"{base}/x").touch()
    assert host.kind(f"{base}/x") == "file"

    assert "changed meanwhile" in host.witnesses.spoilt


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", ["loop", "x" * 300, "loop/below", "a\0b"])
def test_what_cannot_be_read_spoils_the_decision(tmp_path: Path, name: str) -> None:
    host, base = _host(tmp_path)
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(Unreadable):
        host.kind(f"{base}/{name}")

    if "\0" not in name:
        assert host.witnesses.spoilt


def test_nothing_is_spoilt_by_what_is_seen_twice(tmp_path: Path) -> None:
    host, base = _host(tmp_path)
    for _ in range(2):
        host.status(base)
        host.at(cwd=base).status(base)
        host.list_names(base)
        host.real_path(base)

    assert host.witnesses.spoilt == ""


# Text is compared as well -------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
def test_where_no_ctime_is_kept_an_edit_of_the_same_size_and_time_is_seen(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAT and sshfs give the mtime for the ctime, and programs can set that one."""
    file = here.project / "pyproject.toml"
    text = "[project]\nname = 'a'\nversion = '1'\n[tool.linkpolicy]\nhackable = {}\n"
    file.write_text(text.format("true "))
    wait_for_tick()
    call = here.call("sync")
    monkeypatch.setattr(witness, "status_sight", _without_ctime(witness.status_sight))
    assert [here.replays(call) for _ in range(2)] == [False, True]

    _edit(file, text.format("false"))

    assert not here.replays(call)
    assert here.in_python(call)[0] == here.decide(call)


def _without_ctime(
    rendered: Callable[[os.stat_result | None], str],
) -> Callable[[os.stat_result | None], str]:
    return lambda told: rendered(told).rpartition(":")[0] if told else "-"


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("what", ["fifo", "zero", "directory", "loop"])
def test_whatever_takes_the_place_of_a_text_hangs_nobody(here: Machine, what: str) -> None:
    file = here.project / "pyproject.toml"
    file.write_text("[project]\nname = 'a'\nversion = '1'\n")
    wait_for_tick()
    call = here.call("sync")
    here.in_python(call)
    found = records.find(here.state, here.key_of(call))
    assert found is not None

    file.unlink()
    if what == "fifo":
        os.mkfifo(file)
    elif what == "directory":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if what == "zero" else file.name)

    # `linkpolicy explain` looks at all of them.
    assert list(found.changed()).count(os.fsencode(file)) == 2
    assert not here.in_native(call)[1]
