"""Real uvs install in every link mode; what the survey says is compared with the disk itself."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import filesystems, real_uv
from tests.filesystems import FileSystems, same_inode
from tests.uv.world import NAME, World, installed
from uvx_policy.installed.model import Survey
from uvx_policy.installed.survey import survey

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

MODES = ("hardlink", "clone", "copy", "symlink")
DAY = 86400.0


class Place:
    """One uv, one cache, and environments on one file system."""

    def __init__(self, base: Path, real: Path) -> None:
        self.base = base
        self.world = World(base, real)

    def environment(self, mode: str, name: str = "") -> Path:
        return self.world.environment(self.base / (name or mode), mode=mode)

    def install(self, *words: str, mode: str) -> None:
        self.world.plain(
            "pip", "install", "--no-index", "--find-links", str(self.world.wheels), "--link-mode",
            mode, *words, NAME, cwd=self.base,
        )  # fmt: skip


@pytest.fixture(params=real_uv.each())
def uv(request: pytest.FixtureRequest) -> Path:
    return real_uv.provide(request.param) / "uv"


def each_file(environment: Path) -> Iterator[Path]:
    for parent, directories, names in os.walk(environment):
        for name in (*names, *directories):
            path = Path(parent) / name
            if path.is_symlink() or not path.is_dir():
                yield path


def kind_of(path: Path) -> str:
    """The same question, answered by the helpers of the suite."""
    if path.is_symlink():
        return "symlink" if "archive-v" in str(path.readlink()) else "private"
    if path.lstat().st_nlink > 1:
        return "inode"
    try:
        return "extents" if filesystems.shared_bytes(path) else "private"
    except OSError:  # tmpfs has no FIEMAP
        return "private"


def counts(told: Survey) -> dict[str, int]:
    return {
        "inode": told.shared_inode_files, "extents": told.shared_extent_files,
        "symlink": told.symlink_files, "private": told.private_files,
    }  # fmt: skip


def edit(path: Path, *, at: float) -> None:
    """In place: the inode stays. `at`: seconds since the epoch."""
    with path.open("ab") as stream:
        stream.write(b"\n# edited\n")
    os.utime(path, (at, at))


@pytest.mark.parametrize(
    ("kind", "clone", "copy", "version"),
    [
        # On a file system with clones uv's copies are clones as well (copy_file_range).
        *real_uv.each_with("btrfs", "extents", "extents"),
        ("xfs", "extents", "extents", "newest"),
        # The clone falls back, by version.
        *real_uv.each_with("ext4", "", "private", thresholds=((0, 10, 5),)),
        ("tmpfs", "", "private", "newest"),
    ],
)
def test_how_files_are_linked_in_every_mode(
    fs: FileSystems, kind: str, clone: str, copy: str, version: str
) -> None:
    place = Place(getattr(fs, kind), real_uv.provide(version) / "uv")

    for mode in MODES:
        environment = place.environment(mode)
        filesystems.flush(environment)
        told = survey(str(environment))

        kinds = [kind_of(path) for path in each_file(environment)]
        assert counts(told) == {name: kinds.count(name) for name in counts(told)}
        assert told.files == len(kinds)
        expected = {"hardlink": "inode", "symlink": "symlink", "clone": clone, "copy": copy}[mode]
        assert kind_of(installed(environment) / "data.bin") == (
            expected or kind_of(installed(environment) / "data.bin")
        )
        # A fresh installation was not edited, from a cold cache (the first) or a warm one.
        assert (told.edited_files, told.unsure_files, told.dangling) == (0, 0, 0)
        assert (told.unreadable_files, told.extents_known) == (0, True)


def test_bytes_are_those_of_the_disk(fs: FileSystems, newest_uv: Path) -> None:
    place = Place(fs.btrfs, newest_uv)
    for mode in MODES:
        environment = place.environment(mode)
        filesystems.flush(environment)
        kinds = {path: kind_of(path) for path in each_file(environment)}
        blocks = {path: path.stat().st_blocks * 512 for path in kinds}

        told = survey(str(environment))

        shared = sum(blocks[path] for path, kind in kinds.items() if kind != "private")
        assert told.shared_bytes == shared
        assert told.private_bytes == sum(
            blocks[path]
            for path, kind in kinds.items()
            if kind == "private" and not path.is_symlink()
        )
        assert told.shared_bytes >= 65536


def test_copies_could_be_saved_and_what_uv_writes_anew_could_not(
    fs: FileSystems, newest_uv: Path
) -> None:
    place = Place(fs.ext4, newest_uv)
    copied = place.environment("copy")
    linked = place.environment("hardlink")
    package = installed(copied)
    cached = package / "__pycache__"
    cached.mkdir()
    (cached / "x.cpython-312.pyc").write_bytes(b"x" * 100_000)

    told = survey(str(copied))

    wheel = [*package.glob("*.*"), *package.parent.glob(f"{NAME}-*/METADATA")]
    wheel += package.parent.glob(f"{NAME}-*/WHEEL")
    expected = sum(path.stat().st_blocks * 512 for path in wheel)
    # uv's own `_virtualenv.py` and `.pth`, which it writes anew for each environment, are tiny.
    assert expected <= told.saveable_bytes <= expected + 3 * 4096
    assert told.private_bytes >= told.saveable_bytes + 100_000
    assert survey(str(linked)).saveable_bytes <= 3 * 4096


@pytest.mark.parametrize("mode", MODES)
def test_an_edit_is_told_and_nothing_else(fs: FileSystems, uv: Path, mode: str) -> None:
    place = Place(fs.btrfs, uv)
    environment = place.environment(mode)
    package = installed(environment)
    later = time.time() + 10
    edit(package / "__init__.py", at=later)
    os.utime(package / "data.bin", (later, later))  # touched: the same content
    (package / "mine.py").write_text("not of the wheel")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "mine.cpython-312.pyc").write_bytes(b"")

    told = survey(str(environment))

    assert told.edited == (str(package / "__init__.py"),)
    assert (told.edited_files, told.unsure_files) == (1, 0)


@pytest.mark.parametrize("mode", MODES)
def test_an_edit_right_after_the_installation_is_told(
    fs: FileSystems, each_uv: Path, mode: str
) -> None:
    place = Place(fs.ext4, each_uv)
    environment = place.environment(mode)
    assert survey(str(environment)).edited == ()
    package = installed(environment)
    (record,) = package.parent.glob(f"{NAME}-*/RECORD")
    a_later_moment_than(record)

    with (package / "__init__.py").open("a") as stream:
        stream.write("# edited")

    assert survey(str(environment)).edited == (str(package / "__init__.py"),)


def a_later_moment_than(path: Path) -> None:
    """Wait for the next tick of the clock that gives files their times: 10 ms at most."""
    later = path.with_name("later")
    later.touch()
    while later.stat().st_mtime_ns <= path.stat().st_mtime_ns:
        later.touch()
    later.unlink()


@pytest.mark.parametrize("mode", MODES)
def test_an_edit_of_the_same_size_is_told(fs: FileSystems, newest_uv: Path, mode: str) -> None:
    place = Place(fs.btrfs, newest_uv)
    environment = place.environment(mode)
    path = installed(environment) / "__init__.py"
    content = path.read_bytes().replace(b"original", b"modified")
    with path.open("r+b") as stream:
        stream.write(content)
    later = time.time() + 10
    os.utime(path, (later, later))

    assert survey(str(environment)).edited == (str(path),)


def test_an_edit_that_replaces_the_file_is_told(fs: FileSystems, newest_uv: Path) -> None:
    place = Place(fs.ext4, newest_uv)
    environment = place.environment("hardlink")
    path = installed(environment) / "__init__.py"
    new = path.with_name("new")
    shutil.copyfile(path, new)
    edit(new, at=time.time() + 10)
    new.replace(path)

    assert survey(str(environment)).edited == (str(path),)


def test_an_edited_script_is_told(fs: FileSystems, newest_uv: Path) -> None:
    place = Place(fs.ext4, newest_uv)
    environment = place.environment("hardlink")
    script = environment / "bin" / f"{NAME}-tool"

    edit(script, at=time.time() + 10)

    assert [os.path.realpath(path) for path in survey(str(environment)).edited] == [
        os.path.realpath(script)
    ]


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
@pytest.mark.parametrize(
    ("unpacked", "edited"),
    [pytest.param(7 * DAY, DAY, id="of yesterday"), pytest.param(10, 5, id="of a moment ago")],
)
def test_an_edit_is_found_in_a_fresh_environment(
    fs: FileSystems, uv: Path, unpacked: float, edited: float, mode: str
) -> None:
    """Both are so many seconds ago."""
    place = Place(fs.ext4, uv)
    first = place.environment(mode, "first")
    for path in place.world.default_cache.glob("archive-v*/**/*"):
        if path.is_file():
            os.utime(path, (time.time() - unpacked,) * 2)
    edit(installed(first) / "__init__.py", at=time.time() - edited)

    fresh = place.environment(mode, "fresh")

    assert survey(str(fresh)).edited == (str(installed(fresh) / "__init__.py"),)


def test_a_later_installation_hides_no_edit(fs: FileSystems, newest_uv: Path) -> None:
    place = Place(fs.ext4, newest_uv)
    environment = place.environment("copy")
    for path in each_file(environment):
        os.utime(path, (time.time() - 7 * DAY,) * 2, follow_symlinks=False)
    edited = installed(environment) / "__init__.py"
    edit(edited, at=time.time() - DAY)
    site = edited.parent.parent
    dist_info = site / "later-1.0.dist-info"
    dist_info.mkdir()
    (site / "later.py").write_text("x")
    (dist_info / "WHEEL").touch()
    (dist_info / "RECORD").write_text("later.py,sha256=wrong,1\n")

    # `later.py` is of its own time, so its content is not even looked at.
    assert survey(str(environment)).edited == (str(edited),)


def test_a_copied_environment_was_not_edited(fs: FileSystems, newest_uv: Path) -> None:
    place = Place(fs.ext4, newest_uv)
    environment = place.environment("hardlink")
    shutil.copytree(environment, fs.ext4 / "copied", symlinks=True, copy_function=shutil.copyfile)
    later = time.time() + 100
    for path in each_file(fs.ext4 / "copied"):
        if path.name != "RECORD":  # as if it had been copied long before the others
            os.utime(path, (later, later), follow_symlinks=False)

    told = survey(str(fs.ext4 / "copied"))

    assert (told.edited, told.unsure_files) == ((), 0)


def test_a_cleaned_cache_leaves_dangling_links(fs: FileSystems, newest_uv: Path) -> None:
    place = Place(fs.ext4, newest_uv)
    symlinked, linked = place.environment("symlink"), place.environment("hardlink")
    before = survey(str(symlinked))
    assert (before.dangling, before.symlink_files) == (0, 5)

    place.world.plain("cache", "clean", cwd=fs.ext4)

    after = survey(str(symlinked))
    assert (after.dangling, after.symlink_files) == (before.symlink_files,) * 2
    assert after.shared_bytes == 0
    assert survey(str(linked)).shared_inode_files == 0


@pytest.mark.parametrize("option", ["--target", "--prefix"])
def test_targets_and_prefixes(fs: FileSystems, newest_uv: Path, option: str) -> None:
    place = Place(fs.ext4, newest_uv)
    place.environment("hardlink")
    directory = fs.ext4 / "elsewhere"
    place.install("--python", str(fs.ext4 / "hardlink"), option, str(directory), mode="hardlink")
    edit(installed(directory) / "__init__.py", at=time.time() + 10)

    told = survey(str(directory))

    assert told.shared_inode_files >= 4
    assert told.edited == (str(installed(directory) / "__init__.py"),)
    assert same_inode(
        installed(directory) / "data.bin", installed(fs.ext4 / "hardlink") / "data.bin"
    )


def test_an_environment_behind_a_link_is_looked_at(fs: FileSystems, newest_uv: Path) -> None:
    place = Place(fs.ext4, newest_uv)
    environment = place.environment("hardlink")
    link = fs.ext4 / "link"
    link.symlink_to(environment)
    edit(installed(environment) / "__init__.py", at=time.time() + 10)

    told = survey(str(link))

    assert counts(told) == counts(survey(str(environment)))
    assert told.edited == (str(installed(link) / "__init__.py"),)
