"""`doctor --fix`, each action: whatever fails, each path has what it had, or what it shall have.

The next run finishes, and the one after that has nothing to do.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.doctor.standing import Place, Standing
from tests.edges.setup_home import Home
from tests.faults.injection import FAULTS, faulty
from tests.faults.test_faults import KINDS, PROFILE, faults
from tests.filesystems import FileSystems
from tests.uv.world import World, linkpolicy
from uvx_policy.caches import archive_links
from uvx_policy.filesystem.probe import HIDDEN
from uvx_policy.replace.shop import PREFIX
from uvx_policy.state.user_file import UNFINISHED

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

#: what linkpolicy keeps for itself
STATE = ".local/state/linkpolicy"


class Patient(NamedTuple):
    """Something that one check finds, and fixes."""

    check: str
    #: all that could be lost is below one of them
    roots: tuple[Path, ...]
    cwd: Path
    #: makes the fault, also again where it was fixed
    fall_ill: Callable[[], object]
    #: file-changing calls of a whole fix, at least
    calls: int

    def tree(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for path in (path for root in self.roots for path in [root, *root.rglob("*")]):
            status = path.lstat()
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif STATE not in str(path):
                found[str(path)] = (status.st_mode, path.read_bytes() if path.is_file() else None)
        return found

    def fix(self, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
        monkeypatch.chdir(self.cwd)
        done = linkpolicy("doctor", "--fix", "--yes", self.check)
        return done.code, done.out


def is_ours(path: str) -> bool:
    parts = Path(path).parts
    hidden = any(part.startswith((PREFIX, HIDDEN)) for part in parts)
    return hidden or path.endswith(UNFINISHED)


Ward = Callable[[FileSystems, Path, pytest.MonkeyPatch], Patient]


def _place(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(fs.image("ext4", size=200 << 20), uv, monkeypatch)
    place.standing.case()  # this process has the variables now
    return place


def caches_mode(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    place = _place(fs, uv, monkeypatch)
    place.sync()
    return Patient(
        "caches-mode", (place.disk,), place.project, lambda: place.cache.chmod(0o777), calls=1
    )


def caches_copied(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    place = _place(fs, uv, monkeypatch)
    place.sync()
    links = [Path(link.path) for link in archive_links.links(str(place.cache))]
    archives = {path: path.resolve().name for path in links}
    assert links
    archives[links[0].with_name("gone-1-py3-none-any")] = "not-here"

    def fall_ill() -> None:
        for path, archive in archives.items():
            path.unlink(missing_ok=True)
            path.symlink_to(f"/nowhere/uv/archive-v0/{archive}")

    return Patient("caches-copied", (place.disk,), place.project, fall_ill, calls=10)


def cache_makeable(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    place = _place(fs, uv, monkeypatch)
    gone = place.disk / "gone"
    place.cache.parent.mkdir(parents=True)
    place.cache.symlink_to(gone)

    def fall_ill() -> None:
        if gone.exists():
            shutil.rmtree(gone)

    return Patient("cache-makeable", (place.disk,), place.project, fall_ill, calls=1)


def venv_dangling(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    place = _place(fs, uv, monkeypatch)
    gone = place.disk / "environment"
    place.venv.symlink_to(gone)

    def fall_ill() -> None:
        if gone.exists():
            gone.rmdir()

    return Patient("venv-dangling", (place.disk,), place.project, fall_ill, calls=1)


def settings(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    place = _place(fs, uv, monkeypatch)
    file = place.world.home / ".config/linkpolicy/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\n[defaults]\nhackable = false\n")
    return Patient("settings", (place.disk,), place.project, lambda: file.chmod(0o666), calls=1)


def linking(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    disk = fs.image("ext4")
    world = World(fs.other_ext4 / "world", uv, home=fs.other_ext4 / "home")
    project = world.project(disk)
    Standing(world, project, monkeypatch).case()
    file = project / "pyproject.toml"
    before = file.read_bytes() + b"\n# mine\n"
    return Patient("linking", (disk,), project, lambda: file.write_bytes(before), calls=3)


def _home(_: FileSystems, __: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(Path(os.environ["HOME"]))
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    (home.root / ".bashrc").write_text(PROFILE)
    home.setup()
    return home


def shims(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    home = _home(fs, uv, monkeypatch)

    def fall_ill() -> None:
        (home.shims / "uvx").unlink(missing_ok=True)

    return Patient("shims", (home.root,), home.root, fall_ill, calls=3)


def shims_private(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    home = _home(fs, uv, monkeypatch)

    def fall_ill() -> None:
        home.shims.chmod(0o777)
        (home.shims / "uv").chmod(0o775)

    return Patient("shims-private", (home.root,), home.root, fall_ill, calls=2)


def start_up_files(fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    home = _home(fs, uv, monkeypatch)
    file = home.root / ".bashrc"
    return Patient(
        "start-up-files", (home.root,), home.root, lambda: file.write_text(PROFILE), calls=3
    )


WARDS = (
    caches_mode, caches_copied, cache_makeable, venv_dangling, settings, linking, shims,
    shims_private, start_up_files,
)  # fmt: skip


@KINDS
@pytest.mark.parametrize("ward", WARDS, ids=lambda ward: ward.__name__)
def test_each_fix(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, ward: Ward, kind: str
) -> None:
    which, patient = faults(kind), ward(fs, newest_uv, monkeypatch)
    words = ("doctor", "--fix", "--yes", patient.check)
    assert patient.fix(monkeypatch)[0] == 0
    patient.fall_ill()
    ill = patient.tree()
    first, out = patient.fix(monkeypatch)
    assert first == 0, out
    well = patient.tree()
    assert ill != well
    for number in itertools.count():
        for fault in which(number):
            patient.fall_ill()
            assert patient.tree() == ill
            code = faulty(words, patient.cwd, before=number, fault=fault)
            if code is None:
                assert number >= patient.calls
                return

            where = (number, fault, code)
            now = patient.tree()
            for path in {*now, *ill, *well}:
                if not is_ours(path):
                    assert now.get(path) in (ill.get(path), well.get(path)), (where, path)
            assert code not in (2, 70), where
            if code == 0:
                assert {path: now[path] for path in now if not is_ours(path)} == well, where
            second, out = patient.fix(monkeypatch)
            assert second == 0, (where, out)
            assert patient.tree() == well, where
            third, out = patient.fix(monkeypatch)
            assert third == 0, (where, out)
            assert "Fixing" not in out, (where, out)
            assert patient.tree() == well, where


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGINT"])
def test_what_a_probe_leaves_is_removed_by_the_next_run(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    place = _place(fs, newest_uv, monkeypatch)
    place.cache.mkdir(parents=True)
    left = 0
    for number in itertools.count():
        shutil.rmtree(place.world.home / STATE, ignore_errors=True)  # what probes found out
        code = faulty(("doctor", "decision"), place.project, before=number, fault=FAULTS[signal])
        if code is None:
            break
        for path in place.disk.rglob(f"{HIDDEN}*"):
            left += 1
            os.utime(path, (path.stat().st_mtime - 60,) * 2)
        linkpolicy("doctor", "decision", cwd=place.project)
        assert [*place.disk.rglob(f"{HIDDEN}*")] == [], (number, code)
    assert number > 2
    assert left
