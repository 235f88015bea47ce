"""Checks of the environment: each fault is made with a real uv, found, fixed by its own fix."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import real_uv
from tests.doctor.checks import typed
from tests.doctor.standing import EACH_PLACE, Place, Standing, only
from tests.filesystems import FileSystems, same_inode, shared_extents
from tests.uv.world import NAME, ORIGINAL, World, archived, installed
from uvx_policy.doctor import caches
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.doctor.environment import CHECKS

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

HACKABLE = "[tool.linkpolicy]\nhackable = true\n"
COPIES = '[tool.linkpolicy]\nlink-mode = "copy"\n'
SYMLINK = '[tool.linkpolicy]\nlink-mode = "symlink"\n'
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


def fixed_by_its_own_command(standing: Standing, name: str, *, code: int = 0) -> None:
    told = standing.one(check(name))
    assert told.status in ("fail", "warn")
    standing.types(typed(fix_of(told)), code=code)
    assert findings(standing) == []


def edit_in_place(path: Path) -> None:
    """Change the content of this inode, some time after it was installed."""
    later = path.stat().st_mtime + 3600
    with path.open("r+") as stream:
        stream.write(EDIT)
        stream.truncate()
    os.utime(path, (later, later))


@pytest.fixture
def ext4(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(fs.ext4, newest_uv, monkeypatch)


@pytest.fixture
def xfs(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(fs.xfs, newest_uv, monkeypatch)


# All is well -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "version"), EACH_PLACE)
def test_a_fresh_environment_has_nothing_to_report(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str, version: str
) -> None:
    place = Place(getattr(fs, kind), real_uv.provide(version) / "uv", monkeypatch)
    assert findings(place.standing) == []

    place.sync()

    assert findings(place.standing) == []


@pytest.mark.parametrize("policy", [HACKABLE, SYMLINK, '[tool.linkpolicy]\nlink-mode = "copy"\n'])
@pytest.mark.parametrize("version", ["0.9.30", "newest"])  # before and after 0.10.6
def test_what_the_policy_asks_for_is_nothing_to_report(
    fs: FileSystems, version: str, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    place = Place(fs.xfs, real_uv.provide(version) / "uv", monkeypatch)
    place.world.project(place.project, policy)
    place.sync()

    assert findings(place.standing) == []


def test_an_environment_whose_cache_was_cleaned_has_nothing_to_report(ext4: Place) -> None:
    """Nothing could be saved: the environment has the only copy."""
    ext4.sync()
    ext4.world.uv("cache", "clean", cwd=ext4.project)
    assert ext4.module.stat().st_nlink == 1

    assert findings(ext4.standing) == []


def test_nothing_is_reported_where_there_is_no_project(ext4: Place) -> None:
    ext4.standing.cwd = ext4.disk

    assert findings(ext4.standing) == []


# A symbolic link at the environment's path --------------------------------------------------------


@pytest.mark.fixes("venv-dangling", by="fix")
def test_a_dangling_link_gets_the_directory_behind_it(ext4: Place) -> None:
    target = ext4.disk / "environment of mine"
    ext4.venv.symlink_to(target)
    dangling = check("venv-dangling")
    assert ext4.world.plain("sync", cwd=ext4.project, check=False).returncode != 0
    told = ext4.standing.one(dangling)
    assert (told.status, fix_of(told).safe) == ("warn", True)

    assert ext4.standing.fix(dangling, dry_run=True) == [f"would make `{target}`"]
    assert not target.exists()
    assert ext4.standing.fix(dangling) == [f"made `{target}`"]

    assert findings(ext4.standing) == []
    ext4.world.plain("sync", cwd=ext4.project)
    assert ext4.venv.is_symlink()
    assert (target / "pyvenv.cfg").exists()
    assert ext4.standing.fix(dangling) == []


@pytest.mark.fixes("venv-dangling", by="typing")
def test_the_command_for_a_dangling_link_does_the_same(ext4: Place) -> None:
    ext4.venv.symlink_to("../environment of mine")

    fixed_by_its_own_command(ext4.standing, "venv-dangling")

    assert (ext4.disk / "environment of mine").is_dir()


@pytest.mark.fixes("venv-dangling", by="typing")
def test_more_than_one_missing_directory_is_not_made_unasked(ext4: Place) -> None:
    """It may be a disk that is not mounted."""
    ext4.venv.symlink_to(ext4.disk / "disk" / "environment")
    told = ext4.standing.one(check("venv-dangling"))
    assert (told.status, fix_of(told).safe) == ("fail", False)

    assert ext4.standing.fix(check("venv-dangling")) == []
    assert not (ext4.disk / "disk").exists()

    fixed_by_its_own_command(ext4.standing, "venv-dangling")
    ext4.sync()
    assert ext4.venv.is_symlink()


@pytest.mark.fixes("venv-dangling", by="typing")
def test_a_link_that_leads_round_in_a_circle(ext4: Place) -> None:
    ext4.venv.symlink_to("other")
    (ext4.project / "other").symlink_to(".venv")
    assert ext4.world.uv("sync", cwd=ext4.project, check=False).returncode != 0
    (ext4.project / "other").unlink()
    ext4.venv.unlink()
    ext4.venv.symlink_to(".venv")

    fixed_by_its_own_command(ext4.standing, "venv-dangling")

    ext4.sync()


@pytest.mark.fixes("venv-dangling", by="typing")
def test_a_central_environment_is_no_fault_until_it_is_pruned(ext4: Place) -> None:
    ext4.world.project(ext4.project, uv='preview-features = ["centralized-project-envs"]\n')
    ext4.sync()
    assert ext4.venv.is_symlink()
    assert ext4.standing.one(check("venv-central")).status == "pass"
    assert findings(ext4.standing) == []

    ext4.world.uv("cache", "prune", cwd=ext4.project)
    assert not ext4.venv.exists()

    fixed_by_its_own_command(ext4.standing, "venv-dangling")
    assert ext4.venv.exists()


@pytest.mark.fixes("venv-link-kept", by="hand: without a network nothing is updated")
def test_a_uv_that_replaces_a_link_is_told(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, real_uv.provide("0.9.30") / "uv", monkeypatch)
    target = place.disk / "environment"
    place.venv.symlink_to(target)
    place.sync()
    told = place.standing.one(check("venv-link-kept"))
    assert (told.status, typed(fix_of(told))) == ("warn", "uv self update")

    # No network here: the newer uv is put where the update would put it.
    place.standing.environ["PATH"] = place.standing.environ["PATH"].replace(
        str(place.world.real_uv.parent), str(newest_uv.parent)
    )

    assert place.standing.one(check("venv-link-kept")).status == "pass"
    assert findings(place.standing) == []


def test_that_uv_does_replace_the_link(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of the test before is real."""
    place = Place(fs.ext4, real_uv.provide("0.9.30") / "uv", monkeypatch)
    place.venv.symlink_to(place.disk / "environment")
    place.sync()
    lose_python(place.venv)

    place.world.uv("run", "true", cwd=place.project)

    assert not place.venv.is_symlink()


# Something else at the environment's path --------------------------------------------------------


@pytest.mark.fixes("venv-file", by="typing")
def test_a_file_where_the_environment_should_be(ext4: Place) -> None:
    ext4.venv.write_text("notes\n")
    assert ext4.world.uv("sync", cwd=ext4.project, check=False).returncode == 2

    fixed_by_its_own_command(ext4.standing, "venv-file")

    assert (ext4.project / ".venv-file").read_text() == "notes\n"
    assert installed(ext4.venv).is_dir()


@pytest.mark.parametrize("version", ["0.10.12", "newest"])
@pytest.mark.fixes("venv-file", by="typing")
def test_a_file_that_names_an_environment(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    place = Place(fs.ext4, real_uv.provide(version) / "uv", monkeypatch)
    place.world.uv("venv", str(place.disk / "elsewhere"), cwd=place.disk)
    place.venv.write_text("../elsewhere\n")
    followed = place.world.plain("sync", cwd=place.project, check=False).returncode == 0
    told = place.standing.one(check("venv-file"))
    assert told.status == ("warn" if followed else "fail")

    fixed_by_its_own_command(place.standing, "venv-file")

    place.sync()
    assert place.venv.is_symlink() is followed
    assert installed(place.disk / "elsewhere" if followed else place.venv).is_dir()


def lose_python(venv: Path) -> None:
    for path in (venv / "bin").glob("python*"):
        path.unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")


@pytest.mark.fixes("venv-interpreter", by="typing")
def test_an_environment_that_lost_its_python(
    fs: FileSystems, each_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, each_uv, monkeypatch)
    place.sync()
    lose_python(place.venv)
    told = place.standing.one(check("venv-interpreter"))
    assert "`/nowhere/python3` is gone" in told.detail

    fixed_by_its_own_command(place.standing, "venv-interpreter")


@pytest.mark.fixes("venv-interpreter", by="typing")
def test_a_directory_that_is_no_environment(ext4: Place) -> None:
    ext4.venv.mkdir()
    assert ext4.standing.told(check("venv-interpreter")) == []
    (ext4.venv / "notes").write_text("mine")
    assert ext4.world.uv("sync", cwd=ext4.project, check=False).returncode == 2

    fixed_by_its_own_command(ext4.standing, "venv-interpreter")

    assert (ext4.project / ".venv-old" / "notes").read_text() == "mine"


# Where it lies -----------------------------------------------------------------------------------


def test_an_environment_on_another_disk_is_said_but_no_fault(ext4: Place, fs: FileSystems) -> None:
    ext4.venv.symlink_to(fs.xfs / "environment")
    ext4.sync()

    assert ext4.standing.one(check("venv-device")).status == "pass"
    assert findings(ext4.standing) == []


@pytest.mark.parametrize("how", ["link", "variable"])
@pytest.mark.fixes("venv-device", by="typing")
def test_an_environment_in_memory(ext4: Place, fs: FileSystems, how: str) -> None:
    if how == "link":
        ext4.venv.symlink_to(fs.tmpfs / "environment")
    else:
        ext4.standing.environ["UV_PROJECT_ENVIRONMENT"] = str(fs.tmpfs / "environment")
    ext4.standing.types("uv sync")
    assert (fs.tmpfs / "environment" / "pyvenv.cfg").exists()

    fixed_by_its_own_command(ext4.standing, "venv-device")

    assert installed(ext4.venv).is_dir()
    assert not ext4.venv.is_symlink()


@pytest.mark.fixes("venv-shared", by="typing")
def test_one_environment_for_two_projects(ext4: Place) -> None:
    other = ext4.world.project(ext4.disk / "other")
    variable = {"UV_PROJECT_ENVIRONMENT": str(other / ".venv")}
    ext4.world.uv("sync", cwd=other)
    ext4.standing.environ.update(variable)

    fixed_by_its_own_command(ext4.standing, "venv-shared")

    assert installed(ext4.venv).is_dir()


def test_an_environment_of_its_own_elsewhere_is_no_fault(ext4: Place) -> None:
    ext4.standing.environ["UV_PROJECT_ENVIRONMENT"] = str(ext4.disk / "elsewhere")
    ext4.standing.types("uv sync")

    assert ext4.standing.one(check("venv-shared")).status == "pass"
    assert findings(ext4.standing) == []


@pytest.mark.parametrize("cloud", ["Dropbox", "OneDrive - Example", "Google Drive"])
@pytest.mark.fixes("venv-cloud", by="typing")
def test_an_environment_in_a_cloud(ext4: Place, cloud: str) -> None:
    project = ext4.world.project(ext4.disk / cloud / "project")
    ext4.standing.cwd = project
    ext4.standing.types("uv sync")
    inode = (installed(project / ".venv") / "__init__.py").stat().st_ino

    fixed_by_its_own_command(ext4.standing, "venv-cloud")

    moved = ext4.world.home / ".venvs" / "project"
    assert (project / ".venv").resolve() == moved
    assert (installed(moved) / "__init__.py").stat().st_ino == inode
    ext4.standing.types("uv sync && .venv/bin/tinypkg-tool")


# How files are linked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mode", "files", "packages"),
    [
        ("ext4", "hardlink", "5 hard linked to a cache", "1 hard linked"),
        ("ext4", "symlink", "5 linked symbolically into a cache", "1 linked symbolically"),
        ("ext4", "copy", ": 27 not shared; ", "1 copied"),
        ("xfs", "clone", "5 cloned, ", "1 cloned"),
        ("btrfs", "clone", "1 cloned, ", "1 cloned"),
    ],
)
def test_how_each_file_is_linked_is_told(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch,
    kind: str, mode: str, files: str, packages: str,
) -> None:  # fmt: skip
    place = Place(getattr(fs, kind), newest_uv, monkeypatch)
    place.world.plain("sync", cwd=place.project, UV_LINK_MODE=mode)
    total = sum(not path.is_dir() or path.is_symlink() for path in place.venv.rglob("*"))
    (record,) = place.venv.rglob("RECORD")
    named = len(record.read_text().splitlines())

    quick = place.standing.one(check("files-linked"))
    whole = place.standing.case()
    whole.verify = True
    (told,) = check("files-linked").look(whole)

    assert (quick.status, told.status) == ("pass", "pass")
    assert quick.detail.startswith(f"{named} installed files: ")
    assert quick.detail.endswith(f"; 1 package installed by uv: {packages}.")
    assert told.detail.startswith(f"{total} files: ")
    assert files in told.detail


@pytest.mark.fixes("files-drift", by="typing")
def test_a_hackable_project_that_still_shares_inodes(ext4: Place) -> None:
    ext4.sync()
    (cached,) = archived(ext4.world.default_cache)
    assert same_inode(ext4.module, cached)
    ext4.world.project(ext4.project, HACKABLE)
    ext4.sync()
    assert same_inode(ext4.module, cached)
    told = ext4.standing.one(check("files-drift"))
    assert told.status == "fail"
    assert "5 files" in told.detail

    fixed_by_its_own_command(ext4.standing, "files-drift")

    assert ext4.module.stat().st_nlink == 1


@pytest.mark.fixes("files-drift", by="typing")
def test_hard_links_from_before_where_files_are_cloned_now(xfs: Place) -> None:
    xfs.world.plain("sync", cwd=xfs.project, UV_LINK_MODE="hardlink")
    assert xfs.module.stat().st_nlink > 1

    fixed_by_its_own_command(xfs.standing, "files-drift")

    assert xfs.module.stat().st_nlink == 1
    assert shared_extents(xfs.module.with_name("data.bin"))


@pytest.mark.fixes("files-drift", by="typing")
def test_symbolic_links_from_before_where_files_are_cloned_now(xfs: Place) -> None:
    xfs.world.plain("sync", cwd=xfs.project, UV_LINK_MODE="symlink")
    told = xfs.standing.one(check("files-drift"))
    assert "5 files of the environment are symbolic links into a cache" in told.detail
    assert "Cleaning that cache breaks the environment" in told.detail

    fixed_by_its_own_command(xfs.standing, "files-drift")

    assert not xfs.module.is_symlink()


@pytest.mark.fixes("files-drift", by="typing")
def test_symbolic_links_from_before(ext4: Place) -> None:
    ext4.world.plain("sync", cwd=ext4.project, UV_LINK_MODE="symlink")
    assert ext4.module.is_symlink()

    fixed_by_its_own_command(ext4.standing, "files-drift")

    assert not ext4.module.is_symlink()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
@pytest.mark.fixes("files-copies", by="typing")
def test_copies_on_the_device_of_the_cache(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = Place(getattr(fs, kind), newest_uv, monkeypatch)
    place.sync()
    for path in installed(place.venv).glob("*"):
        replace_by_a_copy(path)
    for path in place.venv.rglob("*.dist-info/*"):
        replace_by_a_copy(path)
    told = place.standing.one(check("files-copies"))
    assert (told.status, told.bytes) == ("warn", 64 * 1024 + 6 * 4096)

    fixed_by_its_own_command(place.standing, "files-copies")

    if kind == "ext4":
        assert place.module.stat().st_nlink == 2
    else:
        assert shared_extents(place.module.with_name("data.bin"))


def replace_by_a_copy(path: Path) -> None:
    """Not shutil.copy: that may share extents."""
    told = path.stat()
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    with path.open("rb") as stream:
        os.fsync(stream)


@pytest.mark.fixes("files-copies", by="typing")
def test_copies_from_the_cache_on_another_device(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4")
    world = World(fs.ext4 / "world", newest_uv)
    project = world.project(disk / "project")
    world.plain("sync", cwd=project)
    assert (installed(project / ".venv") / "__init__.py").stat().st_nlink == 1
    standing = Standing(world, project, monkeypatch)

    fixed_by_its_own_command(standing, "files-copies")

    assert (installed(project / ".venv") / "__init__.py").stat().st_nlink == 2


def test_packages_that_uv_did_not_install_are_not_its_copies(ext4: Place) -> None:
    ext4.sync()
    (info,) = ext4.venv.rglob("*.dist-info")
    for path in (*installed(ext4.venv).glob("*"), *info.iterdir()):
        replace_by_a_copy(path)
    (info / "INSTALLER").write_text("pip\n")

    assert ext4.standing.told(check("files-copies")) == []


# Broken links and files that cannot be read ------------------------------------------------------


@pytest.mark.fixes("files-broken-links", by="typing")
def test_symbolic_links_into_a_cache_that_was_cleaned(
    fs: FileSystems, each_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, each_uv, monkeypatch)
    place.world.project(place.project, SYMLINK)
    place.sync()
    place.world.uv("cache", "clean", cwd=place.project)
    told = place.standing.one(check("files-broken-links"))
    assert told.status == "fail"
    assert f"`{NAME}`" in told.detail

    fixed_by_its_own_command(place.standing, "files-broken-links")

    assert place.module.read_text() == ORIGINAL


# Edited files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
@pytest.mark.fixes("files-edited", by="typing")
def test_an_edit_that_nobody_else_sees(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = Place(getattr(fs, kind), newest_uv, monkeypatch)
    place.sync()
    edit_in_place(place.module)
    told = place.standing.one(check("files-edited"))
    assert told.status == "warn"
    assert f"`{NAME}/__init__.py` was edited" in told.detail

    fixed_by_its_own_command(place.standing, "files-edited")

    assert place.module.read_text() == ORIGINAL


def test_an_edit_in_a_hackable_project_is_what_it_is_for(ext4: Place) -> None:
    ext4.world.project(ext4.project, HACKABLE)
    ext4.sync()
    edit_in_place(ext4.module)

    assert ext4.standing.one(check("files-edited")).status == "pass"
    assert findings(ext4.standing) == []


@pytest.mark.fixes("files-edited-in-cache", by="typing")
def test_an_edit_that_is_in_the_cache_as_well(
    fs: FileSystems, each_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.ext4, each_uv, monkeypatch)
    other = place.world.project(fs.ext4 / "other")
    place.sync()
    place.world.uv("sync", cwd=other)
    (cached,) = archived(place.world.default_cache)
    edit_in_place(place.module)
    assert cached.read_text() == EDIT
    told = place.standing.one(check("files-edited-in-cache"))
    assert told.status == "fail"
    theirs = installed(other / ".venv") / "__init__.py"
    assert set(told.paths) >= {str(place.module), str(cached), str(theirs)}
    assert place.standing.told(check("files-edited")) == []

    fixed_by_its_own_command(place.standing, "files-edited-in-cache")

    assert place.module.read_text() == ORIGINAL
    assert [path.read_text() for path in archived(place.world.default_cache)] == [ORIGINAL]
    assert theirs.read_text() == ORIGINAL
    assert findings(Standing(place.world, other, monkeypatch)) == []


@pytest.mark.fixes("files-edited-in-cache", by="typing")
def test_an_edit_of_a_script_that_is_in_the_cache_as_well(ext4: Place) -> None:
    ext4.sync()
    script = ext4.venv / "bin" / f"{NAME}-tool"
    edit_in_place(script)
    told = ext4.standing.one(check("files-edited-in-cache"))
    (cached,) = ext4.world.default_cache.glob(f"archive-v0/*/*.data/scripts/{NAME}-tool")
    assert str(cached) in told.paths

    fixed_by_its_own_command(ext4.standing, "files-edited-in-cache")


@pytest.mark.fixes("files-edited-in-cache", by="typing")
def test_an_edit_in_the_cache_of_another_device_is_thrown_out_there(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4")
    world = World(fs.ext4 / "world", newest_uv)
    project = world.project(disk / "project")
    world.uv("sync", cwd=project)
    module = installed(project / ".venv") / "__init__.py"
    assert module.stat().st_nlink == 2
    edit_in_place(module)

    fixed_by_its_own_command(Standing(world, project, monkeypatch), "files-edited-in-cache")

    assert module.read_text() == ORIGINAL


@pytest.mark.fixes("files-edited-in-cache", by="typing")
def test_an_edit_through_a_symbolic_link(ext4: Place) -> None:
    ext4.world.project(ext4.project, SYMLINK)
    ext4.sync()
    edit_in_place(ext4.module)
    told = ext4.standing.one(check("files-edited-in-cache"))
    assert set(told.paths) >= {str(ext4.module), str(ext4.module.resolve())}

    fixed_by_its_own_command(ext4.standing, "files-edited-in-cache")


@pytest.mark.fixes("files-edited-in-cache", by="typing")
def test_an_edit_shared_with_something_unknown(ext4: Place) -> None:
    ext4.world.project(ext4.project, HACKABLE)
    ext4.sync()
    edit_in_place(ext4.module)
    os.link(ext4.module, ext4.disk / "another name")
    assert ext4.standing.one(check("files-edited-in-cache")).status == "warn"

    # 1: that there is another name, and nobody knows where, is left.
    fixed_by_its_own_command(ext4.standing, "files-edited-in-cache", code=1)

    assert (ext4.disk / "another name").read_text() == EDIT
    assert ext4.module.read_text() == EDIT
    assert ext4.module.stat().st_nlink == 1


def test_a_new_time_alone_is_no_edit(ext4: Place) -> None:
    ext4.sync()
    os.utime(ext4.module, (2e9, 2e9))

    assert findings(ext4.standing) == []


# Every byte --------------------------------------------------------------------------------------


@pytest.mark.fixes("files-content", by="typing")
def test_a_change_that_no_time_tells(ext4: Place) -> None:
    ext4.world.project(ext4.project, COPIES)
    ext4.sync()
    data = ext4.module.with_name("data.bin")
    told = data.stat()
    data.write_bytes(b"x" * told.st_size)
    os.utime(data, ns=(told.st_atime_ns, told.st_mtime_ns))
    quick = [each for each in CHECKS if not each.thorough]
    assert ext4.standing.wrong(quick) == []
    assert check("files-content").thorough
    found = ext4.standing.one(check("files-content"))
    assert f"`{NAME}/data.bin` was edited" in found.detail

    fixed_by_its_own_command(ext4.standing, "files-content")

    assert data.read_bytes() == bytes(range(256)) * 256


def test_edits_of_a_hackable_project_are_no_finding_when_every_byte_is_read(ext4: Place) -> None:
    ext4.world.project(ext4.project, HACKABLE)
    ext4.sync()
    data = ext4.module.with_name("data.bin")
    told = data.stat()
    data.write_bytes(b"x" * told.st_size)
    os.utime(data, ns=(told.st_atime_ns, told.st_mtime_ns))

    found = ext4.standing.one(check("files-content"))

    assert (found.status, found.paths) == ("pass", (str(data),))


def test_names_that_are_no_text_and_quoted_ones_are_compared(ext4: Place) -> None:
    ext4.sync()
    (record,) = ext4.venv.rglob("RECORD")
    odd = installed(ext4.venv) / os.fsdecode(b'comma, "quote" \xff')
    odd.write_text("x")
    with record.open("ab") as stream:
        stream.write(
            b'"tinypkg/comma, ""quote"" \xff",'
            b"sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\n"
        )

    assert ext4.standing.told(check("files-content")) == []
    odd.write_text("y")
    assert str(odd) in ext4.standing.one(check("files-content")).paths


def test_one_edit_is_reported_once(ext4: Place) -> None:
    ext4.sync()
    edit_in_place(ext4.module)
    case = ext4.standing.case()

    told = [
        each.id
        for each in (*CHECKS, *caches.CHECKS)
        for found in each.look(case)
        if found.status in ("fail", "warn")
    ]

    assert told == ["files-edited-in-cache"]
