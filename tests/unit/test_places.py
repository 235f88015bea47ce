from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.fake_host import DEVELOPERS, GIB, Directory, FakeHost, File, Link, fake_mount
from uvx_policy.accounts import Group
from uvx_policy.filesystem import mounts
from uvx_policy.filesystem.places import (
    Place,
    Places,
    cache_is_cold,
    cache_is_mount_point,
    default_cache_usable,
    find_place,
)
from uvx_policy.model import DEFAULT, Capability, Mount, Origin
from uvx_policy.settings.keys import CacheEntry

if TYPE_CHECKING:
    from uvx_policy.model import Support

ME, OTHER = 1000, 2000
MIB = 1024**2
FROM_FILE = Origin(kind="file", name="/home/me/.config/linkpolicy/config.toml", line=3)

MINE = Directory(uid=ME)
SHARED = Directory(mode=0o1777)


def machine(paths: dict[str, Directory | File | Link] | None = None, **rest: object) -> FakeHost:
    """Two disks: `/` and `/mnt/data`; a directory of mine on each."""
    own: dict[str, Directory | File | Link] = {"/home/me": MINE, "/mnt/data/me": MINE}
    options: dict[str, object] = {
        "uid": ME,
        "mounts": [fake_mount("/"), fake_mount("/mnt/data", "xfs")],
        **rest,
    }
    return FakeHost({**own, **(paths or {})}, **options)  # type: ignore[arg-type]


def entry(filesystem: str, directory: str) -> CacheEntry:
    return CacheEntry(filesystem=filesystem, directory=directory, origin=FROM_FILE)


def find(
    host: FakeHost,
    destination: str = "/mnt/data/me/p/.venv",
    *,
    project: str = "/mnt/data/me/p",
    workspace: str = "",
    entries: tuple[CacheEntry, ...] = (),
    allow_project: bool = False,
    prefer_project: bool = False,
) -> Places:
    return find_place(
        host,
        host.table,
        destination=destination,
        project=project,
        workspace=workspace or project,
        entries=entries,
        allow_project=allow_project,
        prefer_project=prefer_project,
    )


def chosen(places: Places) -> str | None:
    return places.chosen.directory if places.chosen else None


# Where --------------------------------------------------------------------------------------------


def test_the_topmost_directory_that_i_own_gets_the_cache() -> None:
    assert find(machine()).chosen == Place(
        directory="/mnt/data/me/.uv-cache-1000",
        code="device-cache",
        because="the topmost directory of yours on the file system of `/mnt/data`",
        origin=DEFAULT,
        probe_from="/mnt/data/me",
        exists=False,
    )


def test_a_disk_of_my_own_gets_it_at_its_root() -> None:
    assert chosen(find(machine({"/mnt/data": MINE}))) == "/mnt/data/.uv-cache-1000"


def test_a_sticky_root_that_everybody_may_write_gets_it_as_well() -> None:
    assert chosen(find(machine({"/mnt/data": SHARED}))) == "/mnt/data/.uv-cache-1000"


def test_a_sticky_directory_below_the_root_does_not() -> None:
    host = machine({"/mnt/data/pub": SHARED, "/mnt/data/pub/me": MINE})

    found = find(host, "/mnt/data/pub/me/p/.venv", project="/mnt/data/pub/me/p")

    assert chosen(found) == "/mnt/data/pub/me/.uv-cache-1000"


@pytest.mark.parametrize(
    "root",
    [
        pytest.param(Directory(mode=0o777), id="of root"),
        pytest.param(Directory(uid=ME, mode=0o777), id="of mine"),
    ],
)
def test_a_root_that_everybody_may_write_without_sticky_never_gets_it(root: Directory) -> None:
    assert chosen(find(machine({"/mnt/data": root}))) is None


def test_a_cache_that_is_in_use_further_down_is_kept() -> None:
    host = machine(
        {
            "/mnt/data": MINE,
            "/mnt/data/me/.uv-cache-1000": Directory(uid=ME, mode=0o700),
        }
    )

    found = find(host)

    assert found.chosen
    assert found.chosen.directory == "/mnt/data/me/.uv-cache-1000"
    assert found.chosen.exists
    assert found.chosen.probe_from == "/mnt/data/me/.uv-cache-1000"


@pytest.mark.parametrize(
    ("clone", "hardlink", "expected"),
    [
        ("no", "no", "/mnt/data/me/.uv-cache-1000"),
        ("no", "yes", "/mnt/data/.uv-cache-1000"),
        ("yes", "no", "/mnt/data/.uv-cache-1000"),
        ("no", "unknown", "/mnt/data/.uv-cache-1000"),
    ],
)
def test_where_the_top_does_not_link_one_further_down_is_taken(
    clone: Support, hardlink: Support, expected: str
) -> None:
    top = Capability(clone=clone, hardlink=hardlink, detail="it is encrypted")
    below = Capability(clone="no", hardlink="yes")
    host = machine({"/mnt/data": MINE})

    found = find_place(
        host, host.table, destination="/mnt/data/me/p/.venv", project="/mnt/data/me/p",
        workspace="/mnt/data/me/p", entries=(), allow_project=False,
        links_from=lambda directory: top if directory == "/mnt/data" else below,
    )  # fmt: skip

    assert chosen(found) == expected
    assert bool(found.rejected) is (expected == "/mnt/data/me/.uv-cache-1000")
    assert all("it is encrypted" in why for _, why in found.rejected)


class BusyHost(FakeHost):
    """Another process of mine makes `to_come` after `looks` looks of this one."""

    def __init__(
        self, to_come: dict[str, Directory | File | Link], looks: int, paths: dict[str, Directory]
    ) -> None:
        self.looks_left = looks
        self._to_come = to_come
        mounts = [fake_mount("/"), fake_mount("/mnt/data", "xfs")]
        super().__init__(dict(paths), uid=ME, mounts=mounts)

    def _node(self, real: str, asked: str) -> Directory | File | Link | None:
        self.looks_left -= 1
        if self.looks_left < 0:
            for path, node in self._to_come.items():
                self.add(path, node)
        return super()._node(real, asked)


def at_every_look(
    to_come: dict[str, Directory | File | Link], paths: dict[str, Directory]
) -> Iterator[BusyHost]:
    """Hosts on which it comes before the first look, the second, ..., at last after all of them."""
    for looks in range(1000):
        host = BusyHost(to_come, looks, paths)
        yield host
        if host.looks_left >= 0:
            assert looks > 1, "it never came in between"
            return
    pytest.fail("there is no end of looking")


def test_a_cache_that_another_of_mine_makes_while_i_look_is_the_one() -> None:
    """Of 16 that started at once one used uv's own cache, on the other disk, and copied."""
    cache = "/mnt/data/me/.uv-cache-1000"
    for host in at_every_look({cache: Directory(uid=ME, mode=0o700)}, {"/mnt/data/me": MINE}):
        assert chosen(find(host)) == cache


@pytest.mark.parametrize(
    ("node", "why"),
    [
        pytest.param(Directory(uid=OTHER), "belongs to user 2000", id="of another user"),
        pytest.param(Directory(uid=ME, mode=0o777), "everybody can", id="for everybody"),
        pytest.param(Directory(uid=ME, mode=0o770), "`dev` can", id="for a group"),
        pytest.param(Directory(uid=ME, mode=0o1777), "everybody can", id="sticky"),
        pytest.param(Directory(uid=ME, mode=0o500), "cannot be written", id="closed"),
        pytest.param(File(uid=ME), "is a file", id="file"),
        pytest.param(Link("/home/me/x", uid=ME), "symbolic link", id="dangling link of mine"),
        pytest.param(Link("/home/me", uid=ME), "symbolic link", id="link of mine"),
        pytest.param(Link("/home/me", uid=OTHER), "symbolic link", id="link of another user"),
        pytest.param(Directory(uid=ME, unreadable=True), "Permission", id="cannot be looked at"),
    ],
)
def test_what_lies_in_its_place_and_is_not_mine_alone_is_not_used(
    node: Directory | File | Link, why: str
) -> None:
    host = machine({"/mnt/data": SHARED, "/mnt/data/.uv-cache-1000": node})

    found = find(host)

    assert chosen(found) != "/mnt/data/.uv-cache-1000"
    assert found.rejected[0][0] == "/mnt/data/.uv-cache-1000"
    assert why in found.rejected[0][1]


def test_a_squatted_name_at_the_root_does_not_keep_me_from_my_own_directory() -> None:
    host = machine({"/mnt/data": SHARED, "/mnt/data/.uv-cache-1000": Directory(uid=OTHER)})

    assert chosen(find(host)) == "/mnt/data/me/.uv-cache-1000"


def test_a_directory_of_another_user_on_the_way_makes_all_below_unfit() -> None:
    host = machine({"/mnt/data/you": Directory(uid=OTHER), "/mnt/data/you/me": MINE})

    found = find(host, "/mnt/data/you/me/p/.venv", project="/mnt/data/you/me/p")

    assert chosen(found) is None
    assert "belongs to user 2000" in found.rejected[0][1]


def test_root_of_another_user_namespace_counts_as_root_there() -> None:
    unmapped = Directory(uid=65534)
    tree: dict[str, Directory | File | Link] = {"/": unmapped, "/mnt/data": unmapped}

    assert chosen(find(machine(tree, unmapped_uid=65534))) == "/mnt/data/me/.uv-cache-1000"
    assert chosen(find(machine(tree))) is None


def test_root_under_sudo_uses_nothing_of_the_invoking_user() -> None:
    host = machine(
        {"/mnt/data/me/.uv-cache-0": Directory(uid=ME), "/mnt/data/me/p": MINE},
        uid=0,
        environ={"SUDO_UID": str(ME)},
    )

    found = find(host, allow_project=True)

    assert chosen(found) == "/mnt/data/.uv-cache-0"
    assert chosen(find(host, prefer_project=True)) == "/mnt/data/.uv-cache-0"


def test_a_symlinked_environment_counts_where_it_leads() -> None:
    host = machine({"/home/me/p/.venv": Link("/mnt/data/me/venvs/p", uid=ME)})

    found = find(host, "/home/me/p/.venv", project="/home/me/p")

    assert chosen(found) == "/mnt/data/me/.uv-cache-1000"


# Whom others are ---------------------------------------------------------------------------------

GROUPS = {
    0: Group(name="root", members=(), primary_of=("operator", "root"), is_local=True),
    ME: Group(name="me", members=(), primary_of=("me",), is_local=True),
    DEVELOPERS: Group(name="dev", members=("me", "you"), primary_of=(), is_local=True),
    301: Group(name="mine", members=("me", "root"), primary_of=(), is_local=True),
    302: Group(name="empty", members=(), primary_of=(), is_local=True),
    303: Group(name="users", members=("me",), primary_of=("me",), is_local=True),
    304: Group(name="hidden", members=("me",), primary_of=("you",), is_local=True),
    305: Group(name="remote", members=("me",), primary_of=(), is_local=False),
}
OPEN_TO = [
    pytest.param(Directory(mode=0o777), "everybody", id="everybody"),
    pytest.param(Directory(mode=0o775), "the group `dev`", id="a group of several"),
    pytest.param(Directory(mode=0o775, gid=302), "the group `empty`", id="nobody it knows of"),
    pytest.param(Directory(mode=0o775, gid=303), "the group `users`", id="a group of all users"),
    pytest.param(Directory(mode=0o775, gid=304), "the group `hidden`", id="a primary group"),
    pytest.param(Directory(mode=0o775, gid=305), "the group `remote`", id="a directory service"),
    pytest.param(Directory(mode=0o775, gid=999), "group 999", id="a group of no name"),
    pytest.param(
        Directory(mode=0o775, gid=ME, access=(("user", OTHER, "rwx"),)), "user 2000", id="ACL: user"
    ),
    pytest.param(
        Directory(mode=0o775, gid=ME, access=(("user", ME, "rwx"), ("group", DEVELOPERS, "-wx"))),
        "the group `dev`", id="ACL: group",
    ),
    pytest.param(
        Directory(mode=0o775, access=(("user", ME, "rwx"), ("group of directory", 0, "rwx"))),
        "the group `dev`", id="ACL: its own group",
    ),
]  # fmt: skip
CLOSED = [
    pytest.param(Directory(mode=0o755), id="the owner alone"),
    pytest.param(Directory(mode=0o2775, gid=ME), id="a private group"),
    pytest.param(Directory(mode=0o775, gid=0), id="root's group"),
    pytest.param(Directory(mode=0o775, gid=301), id="a group of only me and root"),
    pytest.param(Directory(mode=0o775, access=(("user", ME, "rwx"),)), id="ACL: me"),
    pytest.param(Directory(mode=0o775, access=(("user", OTHER, "r-x"),)), id="ACL: to read"),
    pytest.param(Directory(mode=0o775, access=(("group", ME, "rwx"),)), id="ACL: private group"),
    pytest.param(Directory(mode=0o755, access=(("user", OTHER, "rwx"),)), id="ACL: masked"),
]


@pytest.mark.parametrize("uid", [0, ME], ids=["root's", "mine"])
@pytest.mark.parametrize(("node", "who"), OPEN_TO)
def test_below_a_directory_in_which_others_may_exchange_it_is_no_cache(
    node: Directory, who: str, uid: int
) -> None:
    """It is named: nobody knows otherwise why the files are copied."""
    there: dict[str, Directory | File | Link] = {"/mnt/data": node._replace(uid=uid)}
    why = f"`/mnt/data`, on the way to it, is writable by {who}"

    found = find(machine(there, groups=GROUPS))

    assert found.chosen is None
    assert why in dict(found.rejected)["/mnt/data/me/.uv-cache-1000"]
    asked = find(machine(there, groups=GROUPS), entries=(entry("/mnt/data", "/mnt/data/me/c"),))
    assert asked.chosen is None
    assert asked.rejected[0] == ("/mnt/data/me/c", why)


@pytest.mark.parametrize(("node", "who"), OPEN_TO)
def test_in_a_sticky_directory_nobody_else_may_exchange_it(node: Directory, who: str) -> None:
    del who
    host = machine({"/mnt/data": node._replace(mode=node.mode | 0o1000)}, groups=GROUPS)

    assert chosen(find(host, "/mnt/data/me/p/.venv")) in (
        "/mnt/data/.uv-cache-1000",  # which everybody may write
        "/mnt/data/me/.uv-cache-1000",
    )


@pytest.mark.parametrize("node", CLOSED)
def test_below_a_directory_that_is_mine_alone_one_may_be(node: Directory) -> None:
    host = machine({"/mnt/data": node._replace(uid=ME)}, groups=GROUPS)

    assert chosen(find(host)) == "/mnt/data/.uv-cache-1000"


@pytest.mark.parametrize(("node", "who"), OPEN_TO)
@pytest.mark.parametrize("sticky", [0, 0o1000])
def test_a_cache_that_others_may_write_is_not_used(node: Directory, who: str, sticky: int) -> None:
    cache = node._replace(uid=ME, mode=node.mode | sticky)
    host = machine({"/mnt/data/me/.uv-cache-1000": cache}, groups=GROUPS)

    found = find(host)

    assert found.chosen is None
    assert f"{who} can write to it (mode {cache.mode:04o})" in found.rejected[0][1]


@pytest.mark.parametrize("node", CLOSED)
def test_a_cache_that_is_mine_alone_is_used(node: Directory) -> None:
    cache = node._replace(uid=ME)
    host = machine({"/mnt/data/me/.uv-cache-1000": cache}, groups=GROUPS)

    assert chosen(find(host)) == "/mnt/data/me/.uv-cache-1000"


@pytest.mark.parametrize(("node", "who"), OPEN_TO)
def test_a_project_in_a_shared_directory_may_keep_its_own_cache(node: Directory, who: str) -> None:
    """Whoever may exchange that may exchange the environment beside it as well."""
    del who
    host = machine({"/mnt/data": node, "/mnt/data/p": Directory(uid=ME)}, groups=GROUPS)

    found = find(host, "/mnt/data/p/.venv", project="/mnt/data/p", prefer_project=True)

    assert chosen(found) == "/mnt/data/p/.uv-cache"


def test_in_a_shared_directory_a_directory_above_it_is_taken_if_there_is_one() -> None:
    shared = Directory(uid=ME, mode=0o2775)
    host = machine({"/mnt/data/me/team": shared, "/mnt/data/me/team/p": MINE})

    found = find(host, "/mnt/data/me/team/p/.venv", project="/mnt/data/me/team/p")

    assert chosen(found) == "/mnt/data/me/.uv-cache-1000"


# Never --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fstype", "why"),
    [
        ("tmpfs", "reboot"), ("ramfs", "reboot"), ("nfs4", "network"), ("cifs", "network"),
        ("9p", "network"), ("virtiofs", "network"), ("fuse.sshfs", "FUSE"), ("fuseblk", "FUSE"),
        ("overlay", "container"), ("someday", "not known"),
    ],
)  # fmt: skip
def test_no_cache_is_put_on_such_a_file_system(fstype: str, why: str) -> None:
    host = machine(mounts=[fake_mount("/"), fake_mount("/mnt/data", fstype)])

    found = find(host)

    assert found.chosen is None
    assert why in found.rejected[-1][1]


@pytest.mark.parametrize(("option", "why"), [("ro", "cannot be written"), ("noexec", "noexec")])
def test_no_cache_is_put_on_such_a_mount(option: str, why: str) -> None:
    host = machine(
        {"/mnt/data/me/.uv-cache-1000": Directory(uid=ME, mode=0o700)},
        mounts=[fake_mount("/"), fake_mount("/mnt/data", "xfs", option)],
    )

    found = find(host)

    assert found.chosen is None
    assert any(why in told for _, told in found.rejected)


@pytest.mark.parametrize(
    ("free", "total", "fits"),
    [
        pytest.param(2 * GIB, 1000 * GIB, True, id="2 GiB of a large one"),
        pytest.param(GIB - 1, 1000 * GIB, False, id="less than 1 GiB of a large one"),
        pytest.param(600 * MIB, 10 * GIB, True, id="more than 5 % of a small one"),
        pytest.param(500 * MIB, 10 * GIB, False, id="less than 5 % of a small one"),
        pytest.param(33 * MIB, 100 * MIB, True, id="33 MiB of a tiny one"),
        pytest.param(31 * MIB, 100 * MIB, False, id="less than 32 MiB"),
    ],
)
def test_a_full_file_system_gets_no_cache(free: int, total: int, fits: bool) -> None:
    host = machine(space={"/mnt/data": (free, total)})

    assert (find(host).chosen is not None) is fits


@pytest.mark.parametrize(
    "name",
    [
        "Dropbox", "Dropbox (Personal)", "OneDrive", "OneDrive - Company", "Google Drive",
        "Mobile Documents", "CloudStorage", "Nextcloud",
    ],
)  # fmt: skip
def test_nothing_is_put_where_a_cloud_copies_it(name: str) -> None:
    top = f"/mnt/data/{name}"
    host = machine({top: MINE})

    found = find(host, f"{top}/p/.venv", project=f"{top}/p", allow_project=True)

    assert found.chosen is None
    assert "cloud" in found.rejected[0][1]


def test_a_name_that_only_begins_like_a_cloud_is_no_cloud() -> None:
    host = machine({"/mnt/data/dropboxes": MINE})

    found = find(host, "/mnt/data/dropboxes/p/.venv", project="/mnt/data/dropboxes/p")

    assert chosen(found) == "/mnt/data/dropboxes/.uv-cache-1000"


def test_nothing_is_put_into_an_environment() -> None:
    host = machine({"/mnt/data/pyvenv.cfg": File(), "/mnt/data": MINE})

    found = find(host, "/mnt/data/me/p/.venv", allow_project=True)

    assert found.chosen is None
    assert "environment" in found.rejected[0][1]


def test_an_environment_that_is_a_mount_of_its_own_gets_no_cache() -> None:
    host = machine(mounts=[fake_mount("/"), fake_mount("/home/me/p/.venv", "ext4")])
    host.add("/home/me/p/.venv", MINE)

    assert find(host, "/home/me/p/.venv", project="/home/me/p").chosen is None


def test_nothing_is_put_into_the_destination_itself() -> None:
    host = machine({"/mnt/data/target": MINE})

    found = find(host, "/mnt/data/target", project="")

    assert found.chosen is None


def test_a_project_that_is_a_mount_of_its_own_gets_a_cache_only_when_allowed() -> None:
    host = machine({"/work": MINE}, mounts=[fake_mount("/"), fake_mount("/work", "ext4")])

    refused = find(host, "/work/.venv", project="/work")
    allowed = find(host, "/work/.venv", project="/work", allow_project=True)

    assert refused.chosen is None
    assert "project" in refused.rejected[0][1]
    assert allowed.chosen == Place(
        directory="/work/.uv-cache",
        code="project-cache",
        because="the cache of the project `/work` itself",
        origin=DEFAULT,
        probe_from="/work",
        exists=False,
    )


def test_the_workspace_root_holds_the_projects_cache() -> None:
    host = machine({"/mnt/data/me/w": MINE, "/mnt/data/me/w/member": MINE})

    found = find(
        host,
        "/mnt/data/me/w/.venv",
        project="/mnt/data/me/w/member",
        workspace="/mnt/data/me/w",
        prefer_project=True,
    )

    assert chosen(found) == "/mnt/data/me/w/.uv-cache"


def test_a_project_is_the_last_resort_when_it_is_only_allowed() -> None:
    host = machine({"/mnt/data/me/p": MINE})

    assert chosen(find(host, allow_project=True)) == "/mnt/data/me/.uv-cache-1000"
    assert chosen(find(host, prefer_project=True)) == "/mnt/data/me/p/.uv-cache"


def test_a_project_in_the_layers_of_a_container_may_keep_its_own_cache() -> None:
    host = machine({"/app": MINE}, mounts=[fake_mount("/", "overlay")])

    found = find(host, "/app/.venv", project="/app", allow_project=True)

    assert chosen(found) == "/app/.uv-cache"


def test_a_project_in_the_directory_of_another_user_may_keep_its_own_cache() -> None:
    host = machine({"/w": Directory(uid=OTHER), "/w/p": Directory(uid=OTHER)}, uid=0)

    found = find(host, "/w/p/.venv", project="/w/p", prefer_project=True)

    assert chosen(found) == "/w/p/.uv-cache"


# The user's own entries ---------------------------------------------------------------------------


def test_the_users_entry_for_the_file_system_comes_first() -> None:
    host = machine()

    found = find(host, entries=(entry("/mnt/data", "/mnt/data/me/mycache"),))

    assert found.chosen == Place(
        directory="/mnt/data/me/mycache",
        code="device-cache-configured",
        because="the user's cache for `/mnt/data`, where the destination is",
        origin=FROM_FILE,
        probe_from="/mnt/data/me",
        exists=False,
    )


@pytest.mark.parametrize(
    "filesystem",
    [
        pytest.param("/", id="another file system"),
        pytest.param("/mnt/none", id="a path that is not there"),
        pytest.param("mnt/data", id="a relative path"),
    ],
)
def test_an_entry_for_another_file_system_is_not_used(filesystem: str) -> None:
    found = find(machine(), entries=(entry(filesystem, "/mnt/data/me/mycache"),))

    assert chosen(found) == "/mnt/data/me/.uv-cache-1000"


def test_of_two_entries_the_longest_above_the_destination_wins() -> None:
    host = machine({"/mnt/data/you/very/long": MINE})
    entries = (
        entry("/mnt/data", "/mnt/data/me/one"),
        entry("/mnt/data/me", "/mnt/data/me/two"),
        entry("/mnt/data/you/very/long", "/mnt/data/me/three"),
    )

    assert chosen(find(host, entries=entries)) == "/mnt/data/me/two"


def test_an_entry_for_another_mount_of_the_same_file_system_is_used() -> None:
    host = machine(
        {"/srv/data/me": MINE},
        mounts=[
            fake_mount("/"),
            fake_mount("/mnt/data", "xfs", device="8:7"),
            fake_mount("/srv/data", "xfs", device="8:7"),
        ],
    )

    found = find(host, entries=(entry("/srv/data", "/srv/data/me/cache"),))

    assert chosen(found) == "/srv/data/me/cache"


def test_the_users_entry_may_be_on_any_kind_of_file_system() -> None:
    host = machine(mounts=[fake_mount("/"), fake_mount("/mnt/data", "nfs4")])

    found = find(host, entries=(entry("/mnt/data", "/mnt/data/me/cache"),))

    assert chosen(found) == "/mnt/data/me/cache"


def test_the_users_entry_is_used_where_its_links_lead() -> None:
    host = machine({"/mnt/data/link": Link("/mnt/data/me", uid=ME)})

    found = find(host, entries=(entry("/mnt/data", "/mnt/data/link/cache"),))

    assert chosen(found) == "/mnt/data/me/cache"


@pytest.mark.parametrize(
    ("paths", "directory", "why"),
    [
        pytest.param(
            {"/mnt/data/link": Link("/mnt/data/me", uid=OTHER)},
            "/mnt/data/link/cache",
            "`/mnt/data/link`, on the way to it, belongs to user 2000",
            id="behind a link of another user",
        ),
        pytest.param(
            {"/mnt/pub": Directory(mode=0o777), "/mnt/pub/c": Directory(uid=ME, mode=0o700)},
            "/mnt/pub/c",
            "`/mnt/pub`, on the way to it, is writable by everybody",
            id="in a directory for everybody",
        ),
        pytest.param({}, "/mnt/data/me", "would be inside the cache", id="above the project"),
        pytest.param(
            {}, "/mnt/data/me/p/.venv/c", "inside the destination", id="in the destination"
        ),
        pytest.param({}, "/mnt/data/none/c", "cannot be written", id="cannot be made"),
        pytest.param({}, "relative", "not an absolute path", id="relative"),
        pytest.param(
            {"/mnt/data/me/file": File(uid=ME)},
            "/mnt/data/me/file/cache",
            "`/mnt/data/me/file`, on the way to it, is not a directory",
            id="below a file",
        ),
    ],
)
def test_an_unsafe_entry_is_refused_and_the_rest_tried(
    paths: dict[str, Directory | File | Link], directory: str, why: str
) -> None:
    found = find(machine(paths), entries=(entry("/mnt/data", directory),))

    assert chosen(found) == "/mnt/data/me/.uv-cache-1000"
    assert found.rejected[0][0] == directory
    assert why in found.rejected[0][1]


def test_the_users_entry_must_allow_programs_to_run() -> None:
    host = machine(mounts=[fake_mount("/"), fake_mount("/mnt/data", "ext4", "noexec")])

    found = find(host, entries=(entry("/mnt/data", "/mnt/data/me/cache"),))

    assert found.chosen is None
    assert found.rejected[0] == ("/mnt/data/me/cache", "`/mnt/data` is mounted noexec")


# What cannot be told ------------------------------------------------------------------------------


def test_without_a_mount_table_only_what_was_asked_for_is_used() -> None:
    host = machine({"/mnt/data/me/p": MINE})
    asked = (entry("/mnt/data", "/mnt/data/me/cache"),)

    def without_table(entries: tuple[CacheEntry, ...]) -> str | None:
        return chosen(
            find_place(
                host, None, destination="/mnt/data/me/p/.venv", project="", workspace="",
                entries=entries, allow_project=False,
            )
        )  # fmt: skip

    assert without_table(()) is None
    assert without_table(asked) == "/mnt/data/me/cache"


def test_an_unreadable_destination_gets_no_place() -> None:
    host = machine({"/mnt/data/me/p/.venv": Link("/mnt/data/me/p/.venv", uid=ME)})

    found = find(host, entries=(entry("/mnt/data", "/mnt/data/me/cache"),), allow_project=True)

    assert found.chosen is None
    assert found.rejected


# Whatever the machine -----------------------------------------------------------------------------

names = st.sampled_from(["a", "a", "b", "b", "me", "me", "Dropbox", ".venv"])
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
mine = paths.map(lambda path: f"/me{path}")
nodes = st.one_of(
    st.just(MINE),
    st.builds(
        Directory,
        uid=st.sampled_from([0, ME, ME, ME, OTHER]),
        mode=st.sampled_from([0o755, 0o755, 0o700, 0o775, 0o775, 0o777, 0o1777, 0o1775]),
        gid=st.sampled_from([0, ME, ME, DEVELOPERS]),
        access=st.sampled_from(
            [
                (),
                (),
                (),
                (("user", OTHER, "rwx"),),
                (("group", DEVELOPERS, "rwx"),),
                (("user", ME, "rwx"), ("group of directory", 0, "rwx")),
            ]
        ),
    ),
    st.builds(Link, paths, uid=st.sampled_from([0, ME, OTHER])),
    st.builds(File, uid=st.just(ME)),
)
special = st.sampled_from([".uv-cache-1000", ".uv-cache-1000", ".uv-cache", "pyvenv.cfg"])
caches = st.tuples(paths | st.sampled_from(["/me", "/a"]), special).map("/".join)
rows = st.builds(
    lambda point, fstype, options: fake_mount(point, fstype, *options),
    paths | st.sampled_from(["/me", "/a"]),
    st.sampled_from(["ext4", "xfs", "btrfs", "ext4", "tmpfs", "nfs", "overlay", "fuse.x", "odd"]),
    st.sampled_from([(), (), (), (), ("noexec",), ("ro",)]),
)


@st.composite
def machines(draw: st.DrawFn) -> FakeHost:
    tree = {"/me": MINE, "/a": MINE, **draw(st.dictionaries(paths | caches, nodes, max_size=8))}
    mounted: list[Mount] = draw(st.lists(rows, max_size=3, unique_by=lambda row: row.point))
    host = FakeHost(
        uid=ME,
        cwd=draw(paths),
        mounts=[fake_mount("/", draw(st.sampled_from(["ext4", "ext4", "overlay"]))), *mounted],
        space={row.point: (draw(st.sampled_from([GIB, GIB, MIB])), 10 * GIB) for row in mounted},
    )
    for path in sorted(tree):
        if all(isinstance(host.paths.get(above), Directory | None) for above in parents(path)):
            host.add(path, tree[path])
    return host


def parents(path: str) -> list[str]:
    above = posixpath.dirname(path)
    return [above] if above == path else [above, *parents(above)]


@given(
    host=machines(),
    destination=paths | mine,
    project=paths | mine | st.just(""),
    entries=st.lists(st.builds(entry, paths | st.just("/"), paths | mine), max_size=2).map(tuple),
    allow=st.booleans(),
    prefer=st.booleans(),
)
def test_a_forbidden_place_is_never_chosen(
    host: FakeHost,
    destination: str,
    project: str,
    entries: tuple[CacheEntry, ...],
    allow: bool,
    prefer: bool,
) -> None:
    found = find(
        host,
        destination,
        project=project,
        entries=entries,
        allow_project=allow,
        prefer_project=prefer,
    )
    event(found.chosen.code if found.chosen else "none")
    if not found.chosen:
        return
    place = found.chosen
    directory = place.directory

    # The rules once more, written down the plain way.
    on_the_way = [host.link_status(path) for path in parents(directory) if path in host.paths]
    itself = host.link_status(directory)
    mount = host._mount(directory if itself else place.probe_from)
    assert mount
    assert all(status and status.kind == "directory" for status in on_the_way)
    assert itself is None or (itself.kind, itself.uid) == ("directory", ME)
    assert not is_open(host, directory)
    assert not mounts.why_read_only(mount)
    assert not mounts.why_noexec(mount)
    assert host.may_write(place.probe_from)
    for path in (destination, project, host.cwd):
        real = host.real_path(path) if path else ""
        assert not (real and mounts.is_within(real, directory))
    assert not mounts.is_within(directory, host.real_path(destination))
    markers = [posixpath.join(above, "pyvenv.cfg") for above in parents(directory)]
    assert not any(marker in host.paths for marker in markers)
    assert "/Dropbox/" not in directory + "/"
    assert host.free_bytes(place.probe_from, needed=32 * MIB) > 32 * MIB
    if place.code != "project-cache":
        assert all(status and status.uid in (0, ME) for status in on_the_way)
        for path, status in zip(parents(directory), on_the_way, strict=False):
            assert status
            assert status.mode & 0o1000 or not is_open(host, path)
    if place.code == "device-cache":
        assert posixpath.basename(directory) == ".uv-cache-1000"
        assert not mounts.why_unfit(mount)
        assert not (project and mounts.is_within(directory, host.real_path(project)))
    if place.code == "device-cache-configured":
        assert directory in [host.real_path(item.directory) for item in entries]
    if place.code == "project-cache":
        assert allow or prefer
        assert directory == posixpath.join(host.real_path(project), ".uv-cache")


def is_open(host: FakeHost, path: str) -> bool:
    """May anybody but root and me write this directory?"""
    node = host.paths.get(path)
    if not isinstance(node, Directory):
        return False
    by_group = node.gid == DEVELOPERS
    if node.access:
        named = {(tag, number) for tag, number, rights in node.access if "w" in rights}
        by_group &= ("group of directory", 0) in named
        by_group |= bool({("user", OTHER), ("group", DEVELOPERS)} & named)
    return bool(node.mode & 0o002) or bool(node.mode & 0o020 and by_group)


# uv's own cache -----------------------------------------------------------------------------------

CACHE = "/home/me/.cache/uv"
USABLE: dict[str, Directory | File | Link] = {
    CACHE: MINE,
    f"{CACHE}/.lock": File(uid=OTHER, mode=0o666),
    f"{CACHE}/CACHEDIR.TAG": File(uid=OTHER, mode=0o444),
    f"{CACHE}/sdists-v9": MINE,
    f"{CACHE}/sdists-v9/.git": File(uid=ME),
    f"{CACHE}/sdists-v10": MINE,
    f"{CACHE}/sdists-v10/.git": File(uid=ME),
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, "yes", id="all is writable"),
        pytest.param({CACHE: Directory()}, "no", id="directory of root"),
        pytest.param({f"{CACHE}/.lock": File()}, "no", id="lock of root"),
        pytest.param({f"{CACHE}/sdists-v10/.git": File()}, "no", id="uv #16820"),
        pytest.param({f"{CACHE}/sdists-v10": Directory()}, "yes", id="bucket of root"),
        pytest.param({f"{CACHE}/sdists-v11": Directory()}, "no", id="empty bucket of root"),
        pytest.param({f"{CACHE}/sdists-v9/.git": File()}, "unknown", id="bucket of another uv"),
        pytest.param({CACHE: File(uid=ME)}, "no", id="file"),
        pytest.param({CACHE: Link("/nowhere", uid=ME)}, "no", id="dangling link"),
        pytest.param({CACHE: Link("/mnt/data/me", uid=ME)}, "yes", id="link to a directory"),
        pytest.param({CACHE: Directory(unreadable=True)}, "unknown", id="cannot be looked at"),
    ],
)
def test_an_existing_cache_is_usable_when_uv_can_write_what_it_opens(
    changes: dict[str, Directory | File | Link], expected: str
) -> None:
    given = {**USABLE, **changes}
    tree = given if isinstance(given[CACHE], Directory) else {CACHE: given[CACHE]}

    assert default_cache_usable(machine(tree), CACHE) == expected


@pytest.mark.parametrize(
    ("paths", "mounted", "expected"),
    [
        pytest.param({}, [], "yes", id="parents can be made"),
        pytest.param({"/home/me": Directory()}, [], "no", id="home of root"),
        pytest.param({"/home/me/.cache": File(uid=ME)}, [], "no", id="a file in its way"),
        pytest.param({"/home/me/.cache": Link("/none", uid=ME)}, [], "no", id="dangling parent"),
        pytest.param({}, [fake_mount("/home/me", "ext4", "ro")], "no", id="read-only home"),
        pytest.param({"/home/me": Directory(unreadable=True)}, [], "unknown", id="unreadable"),
    ],
)
def test_a_missing_cache_is_usable_when_it_can_be_made(
    paths: dict[str, Directory | File | Link], mounted: list[Mount], expected: str
) -> None:
    host = machine(paths, mounts=[fake_mount("/"), *mounted])

    assert default_cache_usable(host, CACHE) == expected


def test_a_cache_that_uv_makes_while_i_look_is_usable_at_every_moment() -> None:
    to_come = {"/home/me/.cache": MINE, **USABLE}
    for parts in range(1, len(to_come) + 1):
        made = dict(list(to_come.items())[:parts])
        for host in at_every_look(made, {"/home/me": MINE}):
            assert default_cache_usable(host, CACHE) == "yes", made


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        pytest.param(CACHE, True, id="the cache itself"),
        pytest.param("/home/me/.cache", True, id="all caches of the user"),
        pytest.param("/home/me", False, id="a home of its own"),
        pytest.param(f"{CACHE}/archive-v0", False, id="below"),
    ],
)
def test_a_cache_that_was_mounted_there_is_recognised(point: str, expected: bool) -> None:
    host = machine({f"{CACHE}/archive-v0": MINE}, mounts=[fake_mount("/"), fake_mount(point)])

    assert cache_is_mount_point(host, host.table, CACHE) is expected


def test_nothing_is_a_mount_point_without_a_table() -> None:
    assert cache_is_mount_point(machine(), None, CACHE) is False


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param({}, True, id="absent"),
        pytest.param({f"{CACHE}/archive-v0": MINE}, True, id="empty"),
        pytest.param({f"{CACHE}/wheels-v5/x": File()}, True, id="only metadata"),
        pytest.param({f"{CACHE}/archive-v0/abc": MINE}, False, id="a wheel"),
    ],
)
def test_a_cache_without_unpacked_wheels_is_cold(
    paths: dict[str, Directory | File | Link], expected: bool
) -> None:
    assert cache_is_cold(machine(paths), CACHE) is expected
