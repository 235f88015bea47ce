"""Mounts, places and witnesses of macOS, by what its calls say of a recorded layout."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import macos
from tests.fake_host import Directory, FakeHost
from tests.macos import DATA, EXTERNAL, IMAGE, SERVER, SYSTEM, Disk, FakeMac, Libc
from uvx_policy.filesystem import capability, mounts, probe
from uvx_policy.filesystem.mounts import read_mount_table
from uvx_policy.filesystem.places import Places, find_place
from uvx_policy.host import Host
from uvx_policy.machine.onlooker import Onlooker
from uvx_policy.macos import calls
from uvx_policy.macos_host import OnMacOS
from uvx_policy.replay import macos_sights, records, witness
from uvx_policy.settings.reader import rule_matches

ME = 1000
PATHS = {
    "/System/Volumes/Data/Users": Directory(),
    "/dev": Directory(),
    "/Users/me/project": Directory(uid=ME),
    "/Users/me/Library/Caches/uv": Directory(uid=ME),
    "/opt/homebrew": Directory(uid=ME),
    "/usr/bin": Directory(),
    "/usr/local/share": Directory(),
    "/Volumes/Work/project": Directory(uid=ME),
    "/Volumes/Cased/Project": Directory(uid=ME),
    "/Volumes/Installer/App": Directory(uid=ME),
    "/Volumes/share/project": Directory(uid=ME),
}


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Libc:
    libc = Libc([*PATHS, *(disk.point for disk in macos.LAYOUT)])
    monkeypatch.setattr(calls, "_libc", lambda: libc)
    for token, look in macos_sights.LOOKS.items():
        monkeypatch.setitem(witness._LOOKS, token, look)
    return libc


@pytest.fixture
def host(libc: Libc) -> FakeMac:  # noqa: ARG001 (it answers)
    host = FakeMac(PATHS)
    for path in ("/Users/me", "/Volumes/Work", "/Volumes/Cased", "/Volumes/share"):
        host.add(path, Directory(uid=ME))
    return host


def place(host: FakeHost, project: str) -> Places:
    return find_place(
        host, read_mount_table(host), destination=f"{project}/.venv", project=project,
        workspace=project, entries=(), allow_project=False,
    )  # fmt: skip


def changed(host: FakeHost) -> list[str]:
    """Tokens of witnesses that see something else now."""
    return [token for token, path, sight in host.witnesses if witness.look(token, path) != sight]


@pytest.mark.parametrize(
    ("path", "point", "source"),
    [
        ("/usr/bin", "/", SYSTEM.source),
        ("/", "/", SYSTEM.source),
        ("/Users/me/project", "/Users", DATA.source),
        ("/System/Volumes/Data/Users", "/System/Volumes/Data", DATA.source),
        ("/usr/local/share", "/usr/local", DATA.source),
        ("/opt/homebrew", "/opt", DATA.source),
        ("/Volumes/Work/project", "/Volumes/Work", EXTERNAL.source),
        ("/Volumes/Work", "/Volumes/Work", EXTERNAL.source),
        ("/Volumes/share/project", "/Volumes/share", SERVER.source),
    ],
)
def test_a_path_lies_where_statfs_says(host: FakeMac, path: str, point: str, source: str) -> None:
    table = read_mount_table(host)
    assert table

    found = table.find(path)

    assert found
    assert (found.point, found.source) == (point, source)


def test_a_firmlink_is_on_the_file_system_of_the_data(host: FakeMac) -> None:
    table = read_mount_table(host)
    assert table
    users, data = table.find("/Users/me"), table.find("/System/Volumes/Data/Users")

    assert users
    assert data
    assert users.device == data.device
    assert mounts.why_unfit(users) == ""


def test_what_is_not_there_is_on_no_mount(host: FakeMac) -> None:
    table = read_mount_table(host)

    assert table
    assert table.find("/nowhere") is None


@pytest.mark.parametrize("disk", macos.LAYOUT)
def test_all_mounts_are_listed(host: FakeMac, disk: Disk) -> None:
    listed = host.all_mounts()

    assert listed
    (row,) = [row for row in listed if row.point == disk.point]
    assert (row.fstype, row.source) == (disk.kind, disk.source)


@pytest.mark.parametrize(
    ("disk", "reason"),
    [
        (SYSTEM, "read-only"),
        (IMAGE, "read-only"),
        (SERVER, "network"),
        (macos.DEVICES, "does not store files"),
        (EXTERNAL._replace(flags=macos.LOCAL | macos.NOEXEC), "noexec"),
        (EXTERNAL._replace(kind="newfs", flags=0), "network"),
        (DATA, ""),
        (EXTERNAL, ""),
    ],
)
def test_a_mount_says_why_no_cache_is_put_there(
    libc: Libc, host: FakeMac, disk: Disk, reason: str
) -> None:
    libc.layout = [disk]

    listed = host.all_mounts()

    assert listed
    why = mounts.why_unfit(listed[0])
    assert reason in why
    assert bool(reason) == bool(why)


def test_on_x86_the_structs_with_64_bit_inodes_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, libc: Libc
) -> None:
    monkeypatch.setattr(calls, "_libc", lambda: macos.X86Libc(libc))

    assert calls.statfs("/Users").source == DATA.source
    assert [each.point for each in calls.mounted()] == [disk.point for disk in macos.LAYOUT]


@pytest.mark.parametrize(
    ("project", "directory"),
    [
        ("/Users/me/project", f"/Users/me/.uv-cache-{ME}"),
        ("/Volumes/Work/project", f"/Volumes/Work/.uv-cache-{ME}"),
        ("/Volumes/Cased/Project", f"/Volumes/Cased/.uv-cache-{ME}"),
        ("/opt/homebrew/project", f"/opt/homebrew/.uv-cache-{ME}"),
        ("/Volumes/share/project", ""),
        ("/Volumes/Installer/App", ""),
    ],
)
def test_a_cache_lies_on_the_volume_of_the_project(
    host: FakeMac, project: str, directory: str
) -> None:
    found = place(host, project)

    assert (found.chosen.directory if found.chosen else "") == directory


def test_a_place_leaves_witnesses_and_none_is_spoilt(host: FakeMac) -> None:
    place(host, "/Volumes/Work/project")
    host.boot_id()
    host.unmapped_uid()

    assert host.witnesses.spoilt == ""
    assert {token[0] for token, *_ in host.witnesses} == {"v", "f", "q", "k"}
    assert changed(host) == []


@pytest.mark.parametrize(
    ("new", "stale"),
    [
        (EXTERNAL, set()),
        (EXTERNAL._replace(serial="another"), {"m"}),
        (EXTERNAL._replace(born=1), {"m"}),
        (EXTERNAL._replace(device=0x1000099), {"v", "m"}),
        (EXTERNAL._replace(source="/dev/disk9s1", serial="another"), {"v", "m"}),
        (EXTERNAL._replace(flags=macos.LOCAL | macos.RDONLY), {"v"}),
        (EXTERNAL._replace(flags=macos.LOCAL), {"v"}),
        (EXTERNAL._replace(free=9 * 10**6), set()),
    ],
)
def test_another_disk_at_the_same_place_makes_a_decision_stale(
    libc: Libc, host: FakeMac, new: Disk, stale: set[str]
) -> None:
    place(host, "/Volumes/Work/project")
    host.mount_identity("/Volumes/Work")

    libc.exchange(EXTERNAL, new)

    assert set(changed(host)) == stale


def test_a_full_disk_makes_a_decision_stale(libc: Libc, host: FakeMac) -> None:
    place(host, "/Volumes/Work/project")

    libc.exchange(EXTERNAL, EXTERNAL._replace(free=10))

    assert {token[0] for token in changed(host)} == {"f"}


def test_a_server_without_a_uuid_is_told_by_its_birth(libc: Libc, host: FakeMac) -> None:
    host.mount_identity("/Volumes/share")
    assert changed(host) == []

    libc.exchange(SERVER, SERVER._replace(born=1))

    assert changed(host) == ["m"]


def test_a_reboot_makes_a_decision_stale(libc: Libc, host: FakeMac) -> None:
    assert host.boot_id() == libc.boot.decode()

    libc.boot = b"another"

    assert changed(host) == ["k"]


def test_what_links_is_remembered_until_the_disk_is_exchanged(
    libc: Libc, host: FakeMac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def attempt(*, cache: str, destination: str) -> probe.Attempt:
        tries.append(f"{cache} {destination}")
        return probe.Attempt(clone=probe.WORKED, hardlink=probe.WORKED, detail="")

    monkeypatch.setattr(probe, "attempt_links", attempt)

    def ask() -> str:
        told = capability.probe_links(
            host, str(tmp_path), read_mount_table(host),
            cache="/Volumes/Work", destination="/Volumes/Work/project",
        )  # fmt: skip
        return told.clone

    assert [ask(), ask()] == ["yes", "yes"]
    assert len(tries) == 1
    assert host.witnesses.spoilt == ""

    libc.exchange(EXTERNAL, EXTERNAL._replace(serial="another"))
    host.witnesses = witness.Witnesses(0)

    assert ask() == "yes"
    assert len(tries) == 2


def test_two_volumes_of_one_container_are_two_file_systems(host: FakeMac, tmp_path: Path) -> None:
    told = capability.probe_links(
        host, str(tmp_path), read_mount_table(host), cache="/Users/me",
        destination="/Volumes/Work/project",
    )  # fmt: skip

    assert (told.clone, told.hardlink) == ("no", "no")
    assert "two file systems" in told.detail


@pytest.mark.parametrize(
    ("asked", "real"),
    [
        ("/users/ME/project", "/Users/me/project"),
        ("/users/ME/project/.VENV/x", "/Users/me/project/.VENV/x"),
        ("/Volumes/work/Project", "/Volumes/Work/project"),
        ("/Volumes/Cased/Project", "/Volumes/Cased/Project"),
        ("/Volumes/Cased/project/a", "/Volumes/Cased/project/a"),
        ("/", "/"),
    ],
)
def test_a_path_is_spelled_as_its_volume_does(
    libc: Libc, host: FakeMac, monkeypatch: pytest.MonkeyPatch, asked: str, real: str
) -> None:
    by_host = FakeHost.link_kind
    monkeypatch.setattr(FakeMac, "link_kind", lambda self, path: by_host(self, _known(libc, path)))

    assert host.real_path(asked) == real


def _known(libc: Libc, path: str) -> str:
    try:
        return libc.look_up(path)
    except OSError:
        return path


def test_a_directory_that_is_spelled_anew_makes_a_decision_stale(libc: Libc, host: FakeMac) -> None:
    host.real_path("/Users/me/project")
    assert changed(host) == []

    libc.paths.remove("/Users/me/project")
    libc.paths.add("/Users/me/Project")

    assert changed(host) == ["q"]


def test_a_record_is_replayed_and_is_stale_with_another_disk(
    libc: Libc, host: FakeMac, tmp_path: Path
) -> None:
    from uvx_policy.edits import Edits
    from uvx_policy.replay import recording

    place(host, "/Volumes/Work/project")
    host.mount_identity("/Volumes/Work")
    edits = Edits(variables={"UV_LINK_MODE": "clone"})

    assert recording.keep(str(tmp_path), b"key", edits, host.witnesses) == ""
    assert records.replay(str(tmp_path), b"key") == edits

    libc.exchange(EXTERNAL, EXTERNAL._replace(serial="another"))

    assert records.replay(str(tmp_path), b"key") is None


def test_who_is_let_into_a_group_makes_a_decision_stale(
    host: FakeMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grp

    staff = grp.struct_group(("staff", "*", 20, ["root"]))
    monkeypatch.setattr(grp, "getgrgid", lambda _: staff)
    host.group(20)
    assert changed(host) == []

    staff = grp.struct_group(("staff", "*", 20, ["root", "you"]))

    assert changed(host) == ["u"]


def test_every_host_of_a_mac_asks_its_calls(libc: Libc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    libc.paths.add("/tmp")

    for host in (Host(environ={}, cwd="/"), Onlooker({})):
        assert isinstance(host, OnMacOS)
        table = read_mount_table(host)
        assert table
        assert [row.point for row in table.rows] == [disk.point for disk in macos.LAYOUT]
        assert host.at(cwd="/").boot_id() == libc.boot.decode()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/users/ME/project", True),
        ("/Volumes/work/**", True),
        ("/USERS/me/*", True),
        ("/Volumes/cased/**", False),
        ("/Volumes/Cased/**", True),
    ],
)
def test_a_rule_is_for_the_directory_that_its_volume_finds(
    libc: Libc, host: FakeMac, monkeypatch: pytest.MonkeyPatch, pattern: str, expected: bool
) -> None:
    by_host = FakeHost.link_kind
    monkeypatch.setattr(FakeMac, "link_kind", lambda self, path: by_host(self, _known(libc, path)))
    projects = ("/Users/me/project", "/Volumes/Work/project", "/Volumes/Cased/Project")

    assert rule_matches(host, pattern, projects) is expected
