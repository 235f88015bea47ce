"""Caches outside HOME with somebody else's hand in the game: not used, not changed, not fatal.

On a disk that others can reach, anybody may have made our directory before us, or may own a
directory above it. A file linked from such a cache into an environment is run as the user.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, same_inode
from tests.inherited import share_with
from tests.odd_files import bound_socket, fifo
from tests.ordinary_user import as_user
from tests.uv.world import World, archived, installed
from uvx_policy import pipeline, prepare, under_policy
from uvx_policy.edits import Edits
from uvx_policy.filesystem import cache_directory
from uvx_policy.state import layout

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

OTHER = 12345
NAME = layout.device_cache_name(str(os.geteuid()))


@pytest.fixture(params=[real_uv.SUPPORTED[0], real_uv.SUPPORTED[-1]], ids=["oldest", "newest"])
def uv(request: pytest.FixtureRequest) -> Path:
    return real_uv.provide(request.param) / "uv"


@pytest.fixture
def disk(fs: FileSystems) -> Path:
    """A disk of the test's own. Only its root may hold a cache for a project directly below."""
    return fs.image("ext4", size=200 << 20)


@pytest.fixture
def world(fs: FileSystems, uv: Path) -> World:
    """Home and uv's own cache are on another disk than `disk`."""
    return World(fs.ext4 / "world", uv, fs.ext4 / "home")


def tree(directory: Path) -> dict[str, tuple[object, ...]]:
    """Everything that a change would change, links not followed."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (directory, *directory.rglob("*")) if directory.exists() else ():
        told = path.lstat()
        content = os.readlink(path) if path.is_symlink() else told.st_mtime_ns
        found[str(path)] = (told.st_ino, told.st_mode, told.st_uid, told.st_nlink, content)
    return found


def ours(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("linkpolicy:")]


def is_copied(environment: Path) -> bool:
    return (installed(environment) / "__init__.py").stat().st_nlink == 1


# What somebody made before us --------------------------------------------------------------------


def link_to_a_directory(path: Path) -> None:
    (path.parent / "bait").mkdir(mode=0o700)
    path.symlink_to("bait")


def dangling_link(path: Path) -> None:
    (path.parent / "bait").mkdir(mode=0o700)
    path.symlink_to("bait/not-there")


def looping_link(path: Path) -> None:
    path.symlink_to(path.name)


def file(path: Path) -> None:
    path.write_text("keep me")


def of_another_user(path: Path) -> None:
    _poisoned(path, mode=0o755)
    for each in (path, *path.rglob("*")):
        os.chown(each, OTHER, OTHER)


def for_everybody(path: Path) -> None:
    _poisoned(path, mode=0o777)


def sticky_for_everybody(path: Path) -> None:
    _poisoned(path, mode=0o1777)


def for_a_group(path: Path) -> None:
    _poisoned(path, mode=0o750)
    os.chown(path, -1, OTHER)
    path.chmod(0o770)


def for_a_user_in_its_access_list(path: Path) -> None:
    _poisoned(path, mode=0o700)
    share_with(path, ("user", OTHER, "rwx"))


def _poisoned(path: Path, *, mode: int) -> None:
    """A cache that uv would believe."""
    (path / "archive-v0" / "evil" / "tinypkg").mkdir(parents=True)
    (path / "archive-v0" / "evil" / "tinypkg" / "__init__.py").write_text("VALUE = 'evil'\n")
    (path / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    path.chmod(mode)


PREPARED = [
    link_to_a_directory, dangling_link, looping_link, file, fifo, bound_socket, of_another_user,
    for_everybody, sticky_for_everybody, for_a_group, for_a_user_in_its_access_list,
]  # fmt: skip
Prepare = Callable[[Path], None]


@pytest.mark.parametrize("prepare", PREPARED, ids=lambda prepare: prepare.__name__)
def test_a_device_cache_that_somebody_else_made_is_not_used(
    world: World, disk: Path, prepare: Prepare
) -> None:
    project = world.project(disk / "project")
    prepare(disk / NAME)
    before = {path.name: tree(path) for path in disk.iterdir() if path != project}
    names = sorted(os.listdir(disk))

    done = world.uv("sync", cwd=project)

    assert {path.name: tree(path) for path in disk.iterdir() if path != project} == before
    assert sorted(os.listdir(disk)) == names
    assert is_copied(project / ".venv")
    assert archived(world.default_cache)
    assert (ours(done), "falling back" in done.stderr) == ([], False)


@pytest.mark.parametrize("prepare", PREPARED, ids=lambda prepare: prepare.__name__)
def test_a_project_cache_that_came_with_the_repository_is_not_used(
    world: World, disk: Path, prepare: Prepare
) -> None:
    """Git keeps links and, in an archive, modes: a clone may bring its own `.uv-cache`."""
    project = world.project(disk / "project", '[tool.linkpolicy]\ncache = "project"\n')
    own = project / layout.PROJECT_CACHE
    prepare(own)
    before = (tree(own), os.lstat(own)[:6], tree(project / "bait"))

    done = world.uv("sync", cwd=project)

    # Then the rules of `cache = "auto"` follow.
    (cached,) = archived(disk / NAME)
    assert same_inode(installed(project / ".venv") / "__init__.py", cached)
    assert (tree(own), os.lstat(own)[:6], tree(project / "bait")) == before
    assert ours(done) == []


def test_a_read_only_home_does_not_make_a_foreign_cache_acceptable(
    disk: Path, fs: FileSystems, uv: Path
) -> None:
    """Even where uv cannot run without another cache."""
    (fs.ext4 / "closed").mkdir()
    home = fs.bind(fs.ext4 / "closed", read_only=True)
    closed = World(fs.ext4 / "closed-world", uv, home)
    project = closed.project(disk / "project")
    of_another_user(disk / NAME)
    for_everybody(project / layout.PROJECT_CACHE)
    before = (tree(disk / NAME), tree(project / layout.PROJECT_CACHE))

    failed = closed.plain("sync", cwd=project, check=False)
    closed.uv("sync", cwd=project)  # from a temporary cache

    assert failed.returncode == 2
    assert is_copied(project / ".venv")
    assert (tree(disk / NAME), tree(project / layout.PROJECT_CACHE)) == before


# The way to the cache ----------------------------------------------------------------------------


def through_a_link_of_another(way: Path) -> None:
    way.symlink_to("real")
    os.chown(way, OTHER, OTHER, follow_symlinks=False)


def through_a_directory_of_another(way: Path) -> None:
    way.mkdir()
    os.chown(way, OTHER, OTHER)


def through_a_directory_for_everybody(way: Path) -> None:
    way.mkdir()
    way.chmod(0o777)


def through_a_directory_of_a_group(way: Path) -> None:
    way.mkdir()
    os.chown(way, -1, OTHER)
    way.chmod(0o2775)


def through_a_directory_with_an_access_list(way: Path) -> None:
    way.mkdir()
    share_with(way, ("group", OTHER, "rwx"))


def through_a_link_in_a_directory_of_another(way: Path) -> None:
    theirs = way.parent / "theirs"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    (theirs / "link").symlink_to("../real")
    way.symlink_to("theirs/link")


WAYS = [
    through_a_link_of_another, through_a_directory_of_another, through_a_directory_for_everybody,
    through_a_link_in_a_directory_of_another, through_a_directory_of_a_group,
    through_a_directory_with_an_access_list,
]  # fmt: skip


@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("exists", [False, True], ids=["to be made", "there already"])
def test_a_configured_cache_behind_what_another_controls_is_not_used(
    world: World, disk: Path, make: Callable[[Path], None], exists: bool
) -> None:
    """What they control they may exchange, after we have looked."""
    (disk / "real").mkdir(mode=0o700)
    make(disk / "way")
    chosen = disk / "way" / "cache"
    if exists:
        chosen.mkdir(mode=0o700)
    _configure(world, f'[caches]\n"{disk}" = "{chosen}"\n')
    project = world.project(disk / "project")

    done = world.uv("sync", cwd=project)

    (cached,) = archived(disk / NAME)
    assert same_inode(installed(project / ".venv") / "__init__.py", cached)
    assert os.path.lexists(chosen) == exists
    assert not exists or os.listdir(chosen) == []
    assert ours(done) == []


@pytest.mark.parametrize(
    "share", [through_a_directory_of_a_group, through_a_directory_with_an_access_list]
)
def test_in_a_shared_directory_the_cache_is_that_of_a_directory_above(
    world: World, disk: Path, share: Callable[[Path], None]
) -> None:
    share(disk / "team")
    project = world.project(disk / "team" / "project")

    done = world.uv("sync", cwd=project)

    (cached,) = archived(disk / NAME)
    assert same_inode(installed(project / ".venv") / "__init__.py", cached)
    assert ours(done) == []


@pytest.mark.parametrize("listed", [False, True], ids=["mode", "access list"])
def test_a_directory_of_the_users_private_group_holds_one(
    world: World, disk: Path, listed: bool
) -> None:
    """As all have where the umask is 002."""
    os.chown(disk, -1, os.getegid())
    disk.chmod(0o775)
    if listed:
        share_with(disk, ("user", os.geteuid(), "rwx"), ("user", OTHER, "r-x"))
    project = world.project(disk / "project")

    world.uv("sync", cwd=project)

    (cached,) = archived(disk / NAME)
    assert same_inode(installed(project / ".venv") / "__init__.py", cached)


@pytest.mark.parametrize("sticky", [False, True], ids=["open", "sticky"])
def test_what_a_group_may_exchange_is_not_chosen_and_what_it_may_not_is(
    world: World, disk: Path, sticky: bool
) -> None:
    """The group's member tries all the time. Without `sticky` only uv's own cache is safe."""
    os.chown(disk, -1, OTHER)
    disk.chmod(0o1775 if sticky else 0o775)
    evil = disk / "evil"
    evil.mkdir()
    evil.chmod(0o777)
    bait = disk / "bait"
    bait.mkdir()
    projects = [world.project(disk / f"project-{number}") for number in range(4)]
    other = subprocess.Popen(
        as_user(["/bin/sh", "-c", _EXCHANGING, "sh", NAME], uid=OTHER),
        cwd=disk, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        for project in projects:
            world.uv("sync", cwd=project)
        if not sticky:
            wait_until(bait.is_symlink)  # or the test would prove nothing
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()

    assert list(evil.iterdir()) == []
    assert bait.is_symlink() is not sticky
    used = disk / NAME if sticky else world.default_cache
    assert archived(used)
    assert not (disk / NAME).is_symlink()
    assert (disk / NAME).exists() is sticky
    assert {is_copied(project / ".venv") for project in projects} == {not sticky}


_EXCHANGING = """
while :; do
    for name in bait "$1"; do mv -T "$name" "was-$name" && ln -s evil "$name"; done
done
"""


def wait_until(true: Callable[[], bool]) -> None:
    """At most 20 seconds."""
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it never happened")


def _configure(world: World, text: str) -> Path:
    config = world.home / ".config" / "linkpolicy" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    return config


def test_the_cache_that_is_made_is_the_users_alone_whatever_the_umask(
    world: World, disk: Path
) -> None:
    project = world.project(disk / "project")
    before = os.umask(0)
    try:
        world.uv("sync", cwd=project)
    finally:
        os.umask(before)

    told = (disk / NAME).lstat()
    assert (told.st_uid, stat.S_IMODE(told.st_mode)) == (os.geteuid(), 0o700)


# What a project may say --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param('[tool.linkpolicy]\ncache = "{place}"\n', id="a path"),
        pytest.param('[tool.linkpolicy]\ncache = "../stolen"\n', id="a relative path"),
        pytest.param('[tool.linkpolicy]\ncache = "~/stolen"\n', id="a path at home"),
        pytest.param('[tool.linkpolicy.caches]\n"{disk}" = "{place}"\n', id="[caches]"),
        pytest.param('[tool.linkpolicy.defaults]\ncache = "project"\n', id="[defaults]"),
        pytest.param(
            '[[tool.linkpolicy.rules]]\npath = "/**"\ncache = "project"\n', id="[[rules]]"
        ),
        pytest.param('[tool.linkpolicy]\nlog = "{place}"\n', id="a log file"),
        pytest.param('[tool.linkpolicy]\nuv = "{place}/uv"\n', id="an executable"),
    ],
)
@pytest.mark.parametrize("alone", [False, True], ids=["pyproject.toml", "linkpolicy.toml"])
def test_a_project_cannot_name_a_place(
    fs: FileSystems, disk: Path, policy: str, alone: bool
) -> None:
    world = World(fs.ext4 / "world", real_uv.provide("newest") / "uv", fs.ext4 / "home")
    place = disk / "stolen"
    said = policy.format(place=place, disk=disk)
    project = world.project(disk / "project", "" if alone else said)
    if alone:
        text = said.replace("[tool.linkpolicy]\n", "").replace("tool.linkpolicy.", "")
        (project / "linkpolicy.toml").write_text(text)

    done = world.uv("sync", cwd=project)

    (line,) = ours(done)
    assert str(project / ("linkpolicy.toml" if alone else "pyproject.toml")) in line
    assert not place.exists()
    assert not (world.home / "stolen").exists()
    assert not list(disk.glob(".uv-cache*"))
    # uv was left alone, with its own cache and its own way of linking.
    assert archived(world.default_cache)
    assert is_copied(project / ".venv")


def test_a_projects_words_do_not_reach_the_next_project(world: World, disk: Path) -> None:
    """An untrusted project is asked about itself only, not about the workspace around it."""
    outer = world.project(disk / "outer", "[tool.linkpolicy]\nhackable = true\n")
    inner = world.project(
        outer / "vendor" / "inner", '[tool.linkpolicy]\ncache = "project"\nhackable = false\n'
    )

    world.uv("sync", cwd=outer)

    assert is_copied(outer / ".venv")
    assert not (inner / layout.PROJECT_CACHE).exists()
    assert not (outer / layout.PROJECT_CACHE).exists()


# Many at once, and what happens in between -------------------------------------------------------


def test_16_at_once_make_one_cache_and_all_link_from_it(world: World, disk: Path) -> None:
    projects = [world.project(disk / f"project-{number}") for number in range(16)]
    reading, writing = os.pipe()
    started = [
        subprocess.Popen(
            ["/bin/sh", "-c", 'read _; exec "$@"', "sh", "uv", "sync"],
            cwd=project, env=world.environ(), stdin=reading, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for project in projects
    ]  # fmt: skip
    os.close(reading)
    os.write(writing, b"\n" * 16)
    os.close(writing)
    told = [process.communicate(timeout=100)[1] for process in started]

    assert [process.returncode for process in started] == [0] * 16, told
    assert not any("linkpolicy:" in each or "falling back" in each for each in told)
    # uv itself may unpack the wheel more than once when the cache is new; all of it is one cache.
    cached = {path.stat().st_ino for path in archived(disk / NAME)}
    used = {(installed(project / ".venv") / "__init__.py").stat().st_ino for project in projects}
    assert used <= cached
    told_cache = (disk / NAME).lstat()
    assert (told_cache.st_uid, stat.S_IMODE(told_cache.st_mode)) == (os.geteuid(), 0o700)
    assert not archived(world.default_cache)
    assert [path for path in disk.iterdir() if path.name.startswith(".")] == [disk / NAME]


def test_a_cache_that_another_takes_while_we_decide_is_not_used(
    world: World, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look comes after the decision, when the directory is made."""
    project = world.project(disk / "project")
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.chdir(project)
    plan = pipeline.make_plan("uv", ["sync"], environ=world.environ(), uv=str(world.real_uv))
    assert plan.edits.make_cache == str(disk / NAME)
    of_another_user(disk / NAME)

    with pytest.raises(cache_directory.UnsafeCacheDirectory, match="belongs to user 12345"):
        prepare.make_directories(plan.edits)


def test_a_cache_that_was_replaced_after_its_first_use_is_not_used_again(
    world: World, disk: Path
) -> None:
    first, second = world.project(disk / "first"), world.project(disk / "second")
    world.uv("sync", cwd=first)
    shutil.rmtree(disk / NAME)
    of_another_user(disk / NAME)
    before = tree(disk / NAME)

    world.uv("sync", cwd=second)

    assert is_copied(second / ".venv")
    assert tree(disk / NAME) == before


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        pytest.param("copy", {"UV_LINK_MODE": "copy"}, id="copy"),
        pytest.param("hardlink", {}, id="hardlink"),
        pytest.param("clone", {}, id="clone"),
    ],
)
def test_a_project_stays_private_when_its_cache_cannot_be_made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], mode: str, kept: dict[str, str]
) -> None:
    """`hackable = true` must not end in hard links to uv's own cache. Other modes were for ours."""
    taken = tmp_path / NAME
    taken.touch()
    edits = Edits(
        variables={"UV_CACHE_DIR": str(taken), "UV_LINK_MODE": mode}, make_cache=str(taken)
    )

    applied = under_policy.prepared(edits)

    assert applied == Edits(variables=kept)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("linkpolicy: ")
    assert str(taken) in line


@pytest.mark.parametrize("syntax", ["sh", "github", "json"])
def test_the_cache_of_one_project_is_not_named_to_a_whole_job(
    world: World, disk: Path, syntax: str
) -> None:
    """What is in it may have come with the repository, and later calls may have secrets."""
    project = world.project(disk / "project", '[tool.linkpolicy]\ncache = "project"\n')
    (project / ".uv-cache").mkdir(mode=0o700)

    done = world.linkpolicy("env", "--syntax", syntax, cwd=project)

    assert done.code == 0
    assert "UV_CACHE_DIR" not in done.out
    assert "UV_LINK_MODE" in done.out
    assert f"note: `{project}/.uv-cache` is the cache of this project alone" in done.err
