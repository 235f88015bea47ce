"""Checks of the caches: each fault is made with a real uv, found, fixed by its own fix."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import real_uv
from tests.doctor.checks import typed
from tests.doctor.standing import EACH_PLACE, ROOT, Place, Standing, only
from tests.doctor.witness import WITNESS
from tests.filesystems import FileSystems
from tests.inherited import share_with
from tests.ordinary_user import UID, as_user
from tests.uv.world import NAME, ORIGINAL, PYTHON, World, archived, installed
from uvx_policy.caches import inspection, locks
from uvx_policy.caches.inspection import Inspection
from uvx_policy.doctor import cache_contents, caches, environment
from uvx_policy.doctor.caches import CHECKS
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.machine.caches import Cache
from uvx_policy.setup import shim_file
from uvx_policy.terminal.command import ShellLine

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

EDIT = "VALUE = 'edited by accident'\n"


def check(name: str) -> Check:
    return only(CHECKS, name)


def findings(standing: Standing) -> list[tuple[str, Diagnostic]]:
    return [
        (name, told) for name, told in standing.every(CHECKS) if told.status not in ("pass", "skip")
    ]


def fix_of(told: Diagnostic) -> Fix:
    assert told.fix is not None
    return told.fix


def fixed_by_its_own_command(standing: Standing, name: str) -> None:
    told = standing.one(check(name))
    assert told.status in ("fail", "warn")
    standing.types(typed(fix_of(told)))
    assert findings(standing) == []


def test_to_find_the_caches_takes_nothing_from_the_time_to_look_into_them(
    isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []

    def slow(_: Case) -> tuple[Cache, ...]:
        time.sleep(0.1)
        return (Cache(path=str(isolation), origins=()),)

    def look(cache: str, *, until: float, **_: object) -> Inspection:
        left.append(until - time.monotonic())
        return Inspection(cache=cache)

    monkeypatch.setattr(cache_contents, "own_caches", slow)
    monkeypatch.setattr(cache_contents, "inspect", look)
    case = Case(environ={}, cwd=str(isolation))
    for name in ("caches-edited", "caches-missing", "caches-foreign-files", "caches-copied"):
        list(check(name).look(case))

    assert len(left) == 1  # one look tells all of them
    assert min(left) > 0


@pytest.fixture
def ext4(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(fs.ext4, newest_uv, monkeypatch)


@pytest.fixture
def elsewhere(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Home on one disk, the project on another: a cache of its own device is used."""
    place = Place(fs.ext4, newest_uv, monkeypatch)
    place.project = place.world.project(fs.image("ext4") / "me" / "project")
    place.standing.cwd = place.project
    return place


# All is well -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "version"), EACH_PLACE)
def test_a_fresh_cache_has_nothing_to_report(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str, version: str
) -> None:
    place = Place(getattr(fs, kind), real_uv.provide(version) / "uv", monkeypatch)
    assert findings(place.standing) == []

    place.sync()
    place.world.uv("run", "python", "-c", f"import {NAME}", cwd=place.project)

    assert findings(place.standing) == []


def test_a_cache_of_another_device_has_nothing_to_report(elsewhere: Place) -> None:
    elsewhere.sync()
    assert elsewhere.standing.case().used_cache != str(elsewhere.cache)

    assert findings(elsewhere.standing) == []


def test_every_byte_of_a_fresh_cache_is_right(
    fs: FileSystems, each_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, each_uv, monkeypatch)
    place.sync()
    place.world.uv("tool", "run", "--no-index", "--find-links", str(place.world.wheels),
                   "--from", NAME, f"{NAME}-tool", cwd=place.project)  # fmt: skip

    assert place.standing.told(check("caches-content")) == []


# Whose it is, and who may write it ---------------------------------------------------------------


@pytest.mark.fixes("caches-mode", by="typing")
@pytest.mark.fixes("caches-mode", by="fix")
def test_a_cache_for_everybody(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, newest_uv, monkeypatch)
    place.standing.types("mkdir -p ~/.cache && umask 0 && uv sync")
    assert place.cache.stat().st_mode & 0o777 == 0o777
    mode = check("caches-mode")
    assert fix_of(place.standing.one(mode)).safe

    assert place.standing.fix(mode, dry_run=True) == [
        f"would set the mode of `{place.cache}` to 0755"
    ]
    assert place.cache.stat().st_mode & 0o777 == 0o777
    fixed_by_its_own_command(place.standing, "caches-mode")
    assert place.cache.stat().st_mode & 0o777 == 0o755

    place.cache.chmod(0o777)
    assert place.standing.one(mode).status == "warn"
    assert place.standing.fix(mode) == [f"set the mode of `{place.cache}` to 0755"]
    assert findings(place.standing) == []
    assert place.standing.fix(mode) == []


def test_a_umask_for_a_private_group_is_no_fault(ext4: Place) -> None:
    ext4.standing.types("umask 002 && uv sync")
    assert ext4.cache.stat().st_mode & 0o777 == 0o775

    assert findings(ext4.standing) == []


@pytest.mark.fixes("caches-mode", by="typing")
def test_a_group_of_several_is_one(ext4: Place) -> None:
    ext4.standing.types("umask 002 && uv sync")
    os.chown(ext4.cache, -1, UID)

    fixed_by_its_own_command(ext4.standing, "caches-mode")


@pytest.mark.fixes("caches-mode", by="typing")
def test_a_user_in_the_access_list_is_one_too(ext4: Place) -> None:
    ext4.sync()
    share_with(ext4.cache, ("user", UID, "rwx"), ("user", 0, "rwx"))
    assert f"user {UID} can write" in ext4.standing.one(check("caches-mode")).detail

    fixed_by_its_own_command(ext4.standing, "caches-mode")


def looked_at_by(world: World, cwd: Path, *checks: str) -> list[dict[str, str]]:
    """What these checks say to an ordinary user."""
    program = (
        "import json, os, sys\n"
        "from uvx_policy.doctor import caches, environment\n"
        "from uvx_policy.doctor.case import Case\n"
        "from uvx_policy.terminal.command import Shell\n"
        "case = Case(environ=os.environ, cwd=os.getcwd())\n"
        "for check in (*environment.CHECKS, *caches.CHECKS):\n"
        "    for told in check.look(case) if check.id in sys.argv[1:] else ():\n"
        "        if told.status not in ('pass', 'skip'):\n"
        "            print(json.dumps({'id': check.id, 'command': told.fix.typed(Shell())}))\n"
    )
    done = subprocess.run(
        as_user((PYTHON, "-c", program, *checks)),
        cwd=cwd,
        env={**world.environ(), "PYTHONPATH": ":".join(shim_file.package_paths())},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for check in checks:
        lines = [ShellLine(text=each["command"]) for each in found if each["id"] == check]
        told = [Diagnostic(status="fail", fix=Fix(commands=(line,))) for line in lines]
        WITNESS.saw(check, told)
    return found


@pytest.fixture
def user(fs: FileSystems, newest_uv: Path) -> World:
    return World(fs.ext4 / "world", newest_uv, fs.ext4 / "home", uid=UID)


def as_root(command: str, cwd: Path) -> None:
    """Type `sudo` with the identity of the user who types it put in."""
    WITNESS.typed(command)
    words = command.replace("sudo ", "").replace("$(id -u):$(id -g)", f"{UID}:{UID}")
    subprocess.run(["/bin/sh", "-ec", words], cwd=cwd, check=True)


def typed_by(user: World, command: str, cwd: Path) -> None:
    WITNESS.typed(command)
    subprocess.run(as_user(("/bin/sh", "-ec", command)), cwd=cwd, env=user.environ(), check=True)


@pytest.mark.fixes("venv-owner", by="typing")
@pytest.mark.fixes("caches-owner", by="typing")
def test_after_sudo_uv(user: World, fs: FileSystems) -> None:
    """Root with the home of the user leaves cache and environment that the user cannot change."""
    project = user.project(user.own_directory(fs.ext4 / "me") / "project")
    subprocess.run(["uv", "sync", "-q"], cwd=project, env=user.environ(shim=False), check=True)
    assert user.uv("sync", "--reinstall", cwd=project, check=False).returncode != 0
    asked = ("venv-owner", "caches-owner", "caches-foreign-files", "caches-writable")
    found = looked_at_by(user, project, *asked)
    assert [each["id"] for each in found] == ["venv-owner", "caches-owner"]

    for each in found:
        as_root(each["command"], project)

    assert looked_at_by(user, project, *asked) == []
    as_root(f'sudo chown "$(id -u):$(id -g)" {project}/uv.lock {user.home}/.cache', project)
    user.uv("sync", "--reinstall", cwd=project)


@pytest.mark.fixes("caches-foreign-files", by="typing")
def test_some_files_of_root_in_a_cache(user: World, fs: FileSystems) -> None:
    project = user.project(user.own_directory(fs.ext4 / "me") / "project")
    user.uv("sync", cwd=project)
    other = fs.ext4 / "other"
    other.mkdir()
    subprocess.run(["uv", "venv", "-q"], cwd=other, env=user.environ(shim=False), check=True)
    subprocess.run(
        ["uv", "pip", "install", "-q", "--reinstall", "--refresh", NAME, "--no-index",
         "--find-links", user.wheels],
        cwd=other, env=user.environ(shim=False), check=True,
    )  # fmt: skip
    (user.default_cache / "archive-v0" / "of-root").mkdir()
    (found,) = looked_at_by(user, project, "caches-foreign-files")

    as_root(found["command"], project)

    assert looked_at_by(user, project, "caches-foreign-files") == []


@pytest.mark.fixes("files-unreadable", by="typing")
def test_a_directory_that_cannot_be_read(user: World, fs: FileSystems) -> None:
    project = user.project(user.own_directory(fs.ext4 / "me") / "project")
    user.uv("sync", cwd=project)
    installed(project / ".venv").chmod(0)
    (found,) = looked_at_by(user, project, "files-unreadable")

    typed_by(user, found["command"], project)

    assert looked_at_by(user, project, "files-unreadable") == []


@pytest.mark.fixes("caches-writable", by="typing")
def test_a_cache_that_its_owner_cannot_write(user: World, fs: FileSystems) -> None:
    project = user.project(user.own_directory(fs.ext4 / "me") / "project")
    user.uv("sync", cwd=project)
    user.default_cache.chmod(0o500)
    (found,) = looked_at_by(user, project, "caches-writable")

    typed_by(user, found["command"], project)

    assert looked_at_by(user, project, "caches-writable") == []
    user.plain("sync", "--reinstall", cwd=project)


@pytest.mark.fixes("caches-writable", by="hand: root does without the sudo of its command")
def test_a_cache_on_a_read_only_mount(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = fs.image("ext4")
    place = Place(fs.ext4, newest_uv, monkeypatch)
    place.standing.environ["XDG_CACHE_HOME"] = str(image)
    place.standing.types("uv sync")
    subprocess.run(["mount", "-o", "remount,ro", image], check=True)
    assert place.world.plain(
        "sync", "--reinstall", cwd=place.project, check=False, XDG_CACHE_HOME=str(image)
    ).returncode
    # Root is asked without sudo here.
    told = place.standing.one(check("caches-writable"))
    place.standing.types(typed(fix_of(told)).replace("sudo ", ""))

    assert findings(place.standing) == []


@pytest.mark.fixes("caches-writable", by="hand: root does without the sudo of its command")
def test_a_read_only_cache_beside_which_another_is_used(elsewhere: Place) -> None:
    world, here = elsewhere.world, elsewhere.standing
    elsewhere.sync()
    disk = elsewhere.project.parent.parent
    assert (disk / ".uv-cache-0").is_dir()
    here.cwd = world.project(world.base / "beside")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    world.uv("sync", cwd=here.cwd)

    told = here.one(check("caches-writable"))
    assert told.status == "warn"
    assert f"`{world.default_cache}` is used instead here" in told.detail
    here.types(typed(fix_of(told)).replace("sudo ", ""))

    assert findings(here) == []


@pytest.mark.fixes("caches-owner", by="typing")
def test_a_cache_of_root_on_a_disk_that_somebody_else_owns_now(elsewhere: Place) -> None:
    elsewhere.sync()
    cache = elsewhere.project.parent.parent / ".uv-cache-0"
    subprocess.run(["chown", "-R", f"{UID}:{UID}", cache], check=True)

    told = elsewhere.standing.one(check("caches-owner"))
    elsewhere.standing.types(typed(fix_of(told)))

    assert findings(elsewhere.standing) == []


# Where it lies -----------------------------------------------------------------------------------


@pytest.mark.fixes("caches-place", by="typing")
def test_a_cache_in_a_cloud(ext4: Place) -> None:
    ext4.standing.environ["UV_CACHE_DIR"] = str(ext4.disk / "Dropbox" / "uv")
    ext4.standing.types("uv sync")

    fixed_by_its_own_command(ext4.standing, "caches-place")

    assert "UV_CACHE_DIR" not in ext4.standing.environ


@pytest.mark.fixes("caches-place", by="typing")
def test_a_cache_in_an_environment(ext4: Place) -> None:
    ext4.sync()
    ext4.standing.environ["UV_CACHE_DIR"] = str(ext4.project / ".venv" / "cache")
    ext4.standing.types("uv sync --reinstall")

    fixed_by_its_own_command(ext4.standing, "caches-place")


@pytest.mark.fixes("caches-place", by="typing")
def test_a_cache_below_a_directory_for_everybody(elsewhere: Place) -> None:
    elsewhere.sync()
    above = Path(elsewhere.standing.case().used_cache).parent
    above.chmod(0o777)
    told = elsewhere.standing.one(check("caches-place"))
    assert "writable by everybody" in told.detail

    fixed_by_its_own_command(elsewhere.standing, "caches-place")


@pytest.mark.fixes("caches-place", by="typing")
@pytest.mark.parametrize("listed", [False, True], ids=["group", "access list"])
def test_a_cache_below_a_directory_of_a_group(elsewhere: Place, listed: bool) -> None:
    elsewhere.sync()
    above = Path(elsewhere.standing.case().used_cache).parent
    if listed:
        share_with(above, ("user", UID, "rwx"))
    else:
        os.chown(above, -1, UID)
        above.chmod(0o775)
    told = elsewhere.standing.one(check("caches-place"))
    assert f"writable by {'user' if listed else 'group'} {UID}" in told.detail

    fixed_by_its_own_command(elsewhere.standing, "caches-place")


@pytest.mark.fixes("caches-above-project", by="typing")
def test_a_project_in_a_cache(ext4: Place) -> None:
    ext4.standing.environ["UV_CACHE_DIR"] = str(ext4.disk)
    refused = ext4.world.plain("sync", cwd=ext4.project, check=False, UV_CACHE_DIR=str(ext4.disk))
    assert refused.returncode == 2
    told = ext4.standing.one(check("caches-above-project"))
    assert told.status == "fail"

    fixed_by_its_own_command(ext4.standing, "caches-above-project")

    ext4.standing.types("uv sync")


@pytest.mark.fixes("caches-file-system", by="hand: its command has a place that people fill in")
def test_a_cache_in_memory(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.tmpfs, newest_uv, monkeypatch)
    place.sync()
    told = place.standing.one(check("caches-file-system"))
    assert told.status == "warn"

    command = typed(fix_of(told)).replace(caches.ANOTHER, str(fs.ext4 / "uv-cache"))
    place.standing.types(command)

    assert findings(place.standing) == []
    place.standing.types("uv sync --reinstall")
    assert archived(fs.ext4 / "uv-cache")
    assert findings(place.standing) == []


@pytest.mark.fixes("caches-space", by="typing")
def test_a_disk_that_is_nearly_full(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4", size=100 << 20)
    place = Place(disk, newest_uv, monkeypatch)
    place.sync()
    # Of a version of uv that is gone: this one knows nothing of it.
    bucket = place.cache / "archive-v0" / "old"
    bucket.mkdir()
    with (bucket / "weights.bin").open("wb") as stream:
        while shutil.disk_usage(disk).free > 16 << 20:
            stream.write(b"x" * (1 << 20))
            stream.flush()
            os.fsync(stream.fileno())
    told = place.standing.one(check("caches-space"))
    assert told.status == "warn"

    fixed_by_its_own_command(place.standing, "caches-space")

    assert archived(place.cache)


# Who uses it -------------------------------------------------------------------------------------


@pytest.fixture
def long_run(ext4: Place) -> Iterator[subprocess.Popen[bytes]]:
    """`uv run` of a server: it holds the cache as long as it lives."""
    ext4.sync()
    process = subprocess.Popen(
        ["uv", "run", "--no-sync", "sleep", "600"],
        cwd=ext4.project, env=ext4.world.environ(shim=False),
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def eventually(condition: object) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.fixes("caches-lock", by="typing")
def test_whoever_makes_others_wait_for_long_is_named(
    ext4: Place, long_run: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = check("caches-lock")
    eventually(lambda: ext4.standing.told(lock))
    assert ext4.standing.one(lock).status == "pass"
    assert f"(pid {long_run.pid})" in ext4.standing.one(lock).detail
    prune = subprocess.Popen(
        ["uv", "cache", "prune", "-q"], cwd=ext4.project, env=ext4.world.environ(shim=False)
    )
    eventually(lambda: locks.holders_and_waiting(str(ext4.cache))[1])
    assert ext4.standing.one(lock).status == "pass"
    monkeypatch.setattr(caches, "LONG", 0.001)
    told = ext4.standing.one(lock)
    assert told.status == "warn"
    assert "uv cache prune" in told.detail
    assert typed(fix_of(told)) == f"kill {long_run.pid}"

    ext4.standing.types(typed(fix_of(told)))

    assert prune.wait(timeout=20) == 0
    long_run.wait(timeout=20)
    assert findings(ext4.standing) == []


# Edited files ------------------------------------------------------------------------------------


def edit_in_place(path: Path, *, later: float = 3600) -> None:
    when = path.stat().st_mtime + later
    with path.open("r+") as stream:
        stream.write(EDIT)
        stream.truncate()
    os.utime(path, (when, when))


@pytest.mark.fixes("caches-edited", by="typing")
def test_an_edited_file_in_a_cache(
    fs: FileSystems, each_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, each_uv, monkeypatch)
    place.sync()
    (cached,) = archived(place.cache)
    edit_in_place(cached)
    told = place.standing.one(check("caches-edited"))
    assert (told.status, told.paths) == ("fail", (str(cached),))
    assert f"`{NAME}`" in told.detail

    fixed_by_its_own_command(place.standing, "caches-edited")

    place.world.uv("sync", "--reinstall", cwd=place.project)
    assert [path.read_text() for path in archived(place.cache)] == [ORIGINAL]
    assert findings(place.standing) == []


@pytest.mark.fixes("caches-edited", by="typing")
def test_an_edited_file_in_the_cache_of_a_device(elsewhere: Place) -> None:
    elsewhere.sync()
    cache = elsewhere.standing.case().used_cache
    (cached,) = archived(Path(cache))
    edit_in_place(cached)

    fixed_by_its_own_command(elsewhere.standing, "caches-edited")

    assert [path.read_text() for path in archived(Path(cache))] == [ORIGINAL]


def test_a_new_time_alone_is_no_edit(ext4: Place) -> None:
    ext4.sync()
    (cached,) = archived(ext4.cache)
    os.utime(cached, (2e9, 2e9))

    assert findings(ext4.standing) == []


@pytest.mark.fixes("caches-content", by="typing")
def test_a_change_that_no_time_tells(ext4: Place) -> None:
    ext4.sync()
    (cached,) = archived(ext4.cache)
    told = cached.stat()
    cached.write_bytes(b"x" * told.st_size)
    os.utime(cached, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert ext4.standing.wrong([each for each in CHECKS if not each.thorough]) == []
    assert check("caches-content").thorough

    fixed_by_its_own_command(ext4.standing, "caches-content")


def test_what_is_installed_no_more_is_not_reported(ext4: Place) -> None:
    ext4.sync()
    (cached,) = archived(ext4.cache)
    orphan = ext4.cache / "archive-v0" / "orphan"
    shutil.copytree(cached.parent.parent, orphan)
    edit_in_place(orphan / NAME / "__init__.py")

    assert findings(ext4.standing) == []


def grown(cache: Path, archives: int) -> None:
    """As many archives more as that, each of a package of its own."""
    (archive,) = (cache / "archive-v0").iterdir()
    (link,) = cache.glob(f"wheels-*/*/*/{NAME}/*-none-any")
    for number in range(archives):
        shutil.copytree(archive, archive.with_name(f"more-{number}"))
        package = link.parent.with_name(f"more{number}")
        package.mkdir()
        (package / "1.0").symlink_to(os.path.relpath(archive.with_name(f"more-{number}"), package))


def test_what_time_did_not_suffice_for_is_skipped_and_not_passed(
    ext4: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ext4.sync()
    grown(ext4.cache, 30)
    monkeypatch.setattr(cache_contents, "PATIENCE", -1.0)
    monkeypatch.setattr(inspection, "SMALL", 100)

    for name in ("edited", "missing", "records", "foreign-files"):
        told = ext4.standing.one(check(f"caches-{name}"))

        assert told.status == "skip"
        looked_at = re.fullmatch(
            f"looked at ([0-9]+) of 31 archives of `{ext4.cache}`; --verify looks at all",
            told.detail,
        )
        assert looked_at
        assert 5 <= int(looked_at[1]) < 31

    whole = ext4.standing.case()
    whole.verify = True
    assert list(check("caches-edited").look(whole)) == []


def test_a_small_cache_is_looked_at_completely_however_long_it_takes(
    ext4: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ext4.sync()
    grown(ext4.cache, 150)
    monkeypatch.setattr(cache_contents, "PATIENCE", -1.0)

    assert ext4.standing.wrong([each for each in CHECKS if not each.thorough]) == []
    assert ext4.standing.told(check("caches-edited")) == []


def test_one_archive_of_many_files_does_not_keep_people_waiting(
    ext4: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ext4.sync()
    (cached,) = archived(ext4.cache)
    with (cached.parent.parent / f"{NAME}-1.0.dist-info" / "RECORD").open("a") as record:
        for number in range(5000):
            record.write(f"{NAME}/{number},,1\n")
            (cached.parent / f"{number}").write_text("1")
    seen: list[int] = []
    count = inspection._Inspecting._count

    def counted(self: inspection._Inspecting) -> None:
        seen.append(1)
        count(self)

    monkeypatch.setattr(inspection._Inspecting, "_count", counted)
    monkeypatch.setattr(cache_contents, "PATIENCE", -1.0)
    told = ext4.standing.one(check("caches-edited"))
    assert told.status == "skip"
    assert told.detail.startswith("looked at 0 of 1 archives")
    assert len(seen) < 5000


# Copied caches -----------------------------------------------------------------------------------


def copied_cache(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home that was copied to a new disk, with the cache in it."""
    old = World(fs.ext4 / "old", uv)
    old.uv("sync", cwd=old.project(fs.ext4 / "project"))
    place = Place(fs.xfs, uv, monkeypatch)
    shutil.copytree(old.default_cache, place.cache, symlinks=True)
    return place


# The newest makes such a cache no more, the three before it alike.
@pytest.mark.parametrize("version", real_uv.each(until=(0, 11)))
@pytest.mark.parametrize("end", ["old kept", "old gone"])
@pytest.mark.fixes("caches-copied", by="fix")
def test_a_copied_cache(
    fs: FileSystems, version: str, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    place = copied_cache(fs, real_uv.provide(version) / "uv", monkeypatch)
    old = fs.ext4 / "old" / "home" / ".cache" / "uv"
    if end == "old gone":
        shutil.rmtree(old)
    copied = check("caches-copied")
    told = place.standing.one(copied)
    assert (told.status, fix_of(told).safe) == ("fail", True)
    (link,) = map(Path, told.paths)
    before = link.readlink()

    assert place.standing.fix(copied, dry_run=True) == [
        f"would make 1 link in `{place.cache}` relative"
    ]
    assert link.readlink() == before
    place.standing.fix(copied)

    assert not link.readlink().is_absolute()
    assert link.resolve().is_relative_to(place.cache)
    assert findings(place.standing) == []
    place.world.uv("cache", "prune", cwd=place.project)
    assert archived(place.cache)
    place.world.uv("cache", "clean", NAME, cwd=place.project)
    assert archived(place.cache) == []
    assert bool(archived(old)) is (end == "old kept")


def test_a_copied_cache_of_the_newest_version_is_well(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its links are relative."""
    assert findings(copied_cache(fs, newest_uv, monkeypatch).standing) == []


def test_pruning_a_copied_cache_does_destroy_it(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault of the test before is real."""
    place = copied_cache(fs, real_uv.provide("0.9.30") / "uv", monkeypatch)
    assert archived(place.cache)

    place.world.uv("cache", "prune", cwd=place.project)

    assert archived(place.cache) == []


def test_a_cache_known_by_another_path_is_no_copy(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, real_uv.provide("0.9.30") / "uv", monkeypatch)
    place.sync()
    (fs.ext4 / "link").symlink_to(place.world.home / ".cache")
    place.standing.environ["XDG_CACHE_HOME"] = str(fs.ext4 / "link")

    assert findings(place.standing) == []


def test_a_cache_in_use_is_not_fixed(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    place = copied_cache(fs, real_uv.provide("0.10.12") / "uv", monkeypatch)
    place.sync()
    process = subprocess.Popen(
        ["uv", "run", "--no-sync", "sleep", "600"],
        cwd=place.project, env=place.world.environ(shim=False),
    )  # fmt: skip
    try:
        eventually(lambda: locks.holders(str(place.cache)))
        told = place.standing.one(check("caches-copied"))
        with pytest.raises(locks.Busy, match=rf"\(pid {process.pid}\)"):
            place.standing.fix(check("caches-copied"))
        assert place.standing.one(check("caches-copied")).paths == told.paths
    finally:
        process.kill()
        process.wait()


# Caches that nobody uses -------------------------------------------------------------------------


@pytest.mark.fixes("caches-unused", by="typing")
def test_a_cache_that_nobody_uses_any_more(elsewhere: Place) -> None:
    elsewhere.sync()
    cache = Path(elsewhere.standing.case().used_cache)
    at_home = elsewhere.world.project(elsewhere.disk / "at-home")
    elsewhere.standing.cwd = at_home
    assert findings(elsewhere.standing) == []
    shutil.rmtree(elsewhere.project / ".venv")
    assert findings(elsewhere.standing) == []  # it was used a moment ago
    months_ago = time.time() - 90 * 86400
    for path in cache.iterdir():
        os.utime(path, (months_ago, months_ago), follow_symlinks=False)
    told = elsewhere.standing.one(check("caches-unused"))
    assert told.status == "warn"
    assert told.bytes is not None
    assert told.bytes >= 64 * 1024

    fixed_by_its_own_command(elsewhere.standing, "caches-unused")

    assert archived(cache) == []


def test_an_unregistered_environment_keeps_a_cache_used(elsewhere: Place) -> None:
    elsewhere.sync()
    cache = Path(elsewhere.standing.case().used_cache)
    (elsewhere.project / ".venv").rename(elsewhere.project / "moved")
    months_ago = time.time() - 90 * 86400
    for path in cache.iterdir():
        os.utime(path, (months_ago, months_ago), follow_symlinks=False)
    elsewhere.standing.cwd = elsewhere.world.project(elsewhere.disk / "at-home")

    assert elsewhere.standing.told(check("caches-unused")) == []


# The reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "checks"), [("environment", environment.CHECKS), ("caches", CHECKS)]
)
def test_the_reference_names_every_check_in_order(group: str, checks: tuple[Check, ...]) -> None:
    text = (ROOT / "docs" / "reference" / "doctor.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {group}\n")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE) == [each.id for each in checks]
