"""What the user does between the look of a fix and its deed is left as it is, and said."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.doctor.standing import Place, only
from tests.filesystems import FileSystems
from tests.ordinary_user import UID, only_root
from tests.uv.world import linkpolicy
from uvx_policy.caches import archive_links
from uvx_policy.doctor import engine
from uvx_policy.doctor.diagnostic import Deed
from uvx_policy.errors import CannotWrite
from uvx_policy.filesystem.probe import HIDDEN
from uvx_policy.replace import kernel
from uvx_policy.replace.place import Changed
from uvx_policy.replace.shop import PREFIX

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


@pytest.fixture
def place(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A synced project on a disk of its own."""
    place = Place(fs.image("ext4", size=200 << 20), newest_uv, monkeypatch)
    place.sync()
    return place


def planned(place: Place, check: str) -> list[Deed]:
    found = only(engine.every_check(), check)
    assert found.fix is not None
    deeds = list(found.fix(place.standing.case()))
    assert deeds
    return deeds


def refused(deeds: Sequence[Deed], error: type[Exception] = Changed) -> None:
    for deed in deeds:
        with pytest.raises(error):
            list(deed.do())


def linked_elsewhere(path: Path) -> None:
    """A directory is moved and there is a link to what is somebody else's matter."""
    path.rename(path.with_name("moved"))
    victim = path.with_name("victim")
    victim.mkdir()
    victim.chmod(0o777)
    path.symlink_to(victim)


def closed(path: Path) -> None:
    path.chmod(0o700)


def exchanged(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.mkdir()
    path.chmod(0o770)


@pytest.mark.parametrize("meanwhile", [linked_elsewhere, closed, exchanged])
def test_a_cache(place: Place, meanwhile: Callable[[Path], None]) -> None:
    place.cache.chmod(0o777)
    deeds = planned(place, "caches-mode")
    meanwhile(place.cache)
    siblings = {path: path.lstat().st_mode for path in place.cache.parent.iterdir()}

    refused(deeds)

    assert {path: path.lstat().st_mode for path in place.cache.parent.iterdir()} == siblings


def test_settings_that_were_saved_by_an_editor(place: Place) -> None:
    file = place.world.home / ".config/linkpolicy/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[defaults]\nhackable = false\n")
    file.chmod(0o666)
    deeds = planned(place, "settings")
    new = file.with_name("new")
    new.write_text("[defaults]\nhackable = true\n")
    new.chmod(0o600)
    new.rename(file)

    refused(deeds)

    assert file.read_text() == "[defaults]\nhackable = true\n"
    assert file.stat().st_mode & 0o777 == 0o600


def to_another(link: Path, _: Path) -> None:
    link.unlink()
    link.symlink_to("victim")


def to_a_directory(link: Path, _: Path) -> None:
    link.unlink()
    link.mkdir()


def something_there(_: Path, target: Path) -> None:
    target.write_text("mine")


def other_parent(_: Path, target: Path) -> None:
    target.parent.rename(target.parent.with_name("moved"))
    target.parent.symlink_to("victim")


@pytest.mark.parametrize("meanwhile", [to_another, to_a_directory, something_there, other_parent])
def test_a_dangling_link(place: Place, meanwhile: Callable[[Path, Path], None]) -> None:
    shutil.rmtree(place.venv)
    target, victim = place.disk / "above/environment", place.disk / "victim"
    target.parent.mkdir()
    victim.mkdir()
    place.venv.symlink_to(target)
    deeds = planned(place, "venv-dangling")
    meanwhile(place.venv, target)

    refused(deeds)

    assert list(victim.iterdir()) == []
    assert not target.is_dir()


def test_a_project_that_was_edited(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(fs.image("ext4"), newest_uv, monkeypatch)
    place.standing.environ["HOME"] = str(fs.other_ext4)
    shutil.rmtree(place.world.home)
    place.standing.cwd = place.world.project(place.disk)  # a mount of its own
    deeds = planned(place, "linking")
    file = place.disk / "pyproject.toml"
    with file.open("a") as stream:
        stream.write("# mine\n")
    edited = file.read_text()

    refused(deeds, CannotWrite)

    assert file.read_text() == edited


# Links of a cache ---------------------------------------------------------------------------------


def copied(place: Place, *, unpacked: bool = True) -> Path:
    """A link that leads to another path, and what the fix then does: relink or remove it."""
    (found,) = archive_links.links(str(place.cache))
    link = Path(found.path)
    name = link.resolve().name if unpacked else "not-here"
    link.unlink()
    link.symlink_to(f"/nowhere/uv/archive-v0/{name}")
    return link


def as_link(link: Path) -> None:
    link.unlink()
    link.symlink_to("mine")


def as_file(link: Path) -> None:
    link.unlink()
    link.write_text("mine")


def as_directory(link: Path) -> None:
    link.unlink()
    link.mkdir()
    (link / "file").write_text("mine")


def is_of_the_user(link: Path) -> bool:
    if link.is_symlink():
        return os.readlink(link) == "mine"
    return (link / "file" if link.is_dir() else link).read_text() == "mine"


def left(place: Place) -> list[Path]:
    return [*place.cache.glob(f"{PREFIX}*")]


@pytest.mark.parametrize("unpacked", [True, False])
@pytest.mark.parametrize("meanwhile", [as_link, as_file, as_directory])
def test_a_link_of_a_cache(place: Place, meanwhile: Callable[[Path], None], unpacked: bool) -> None:
    link = copied(place, unpacked=unpacked)
    deeds = planned(place, "caches-copied")
    meanwhile(link)

    refused(deeds)

    assert is_of_the_user(link)
    assert left(place) == []


@pytest.mark.parametrize("unpacked", [True, False])
@pytest.mark.parametrize("meanwhile", [as_link, as_file, as_directory])
def test_a_link_of_a_cache_in_the_very_moment(
    place: Place, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Path], None], unpacked: bool
) -> None:
    """After the last look, right before the exchange."""
    link = copied(place, unpacked=unpacked)
    deeds = planned(place, "caches-copied")
    module, name = (kernel, "exchange") if unpacked else (os, "rename")
    real = getattr(module, name)

    def moment(*words: object, **named: object) -> object:
        if not unpacked and words[0] != link.name:
            return real(*words, **named)
        monkeypatch.setattr(module, name, real)
        meanwhile(link)
        return real(*words, **named)

    monkeypatch.setattr(module, name, moment)

    refused(deeds)

    assert is_of_the_user(link)
    assert left(place) == []


def test_a_directory_on_the_way_that_became_a_link(place: Place) -> None:
    link = copied(place)
    deeds = planned(place, "caches-copied")
    above = link.parent
    above.rename(place.disk / "moved")
    above.symlink_to(place.disk / "moved")

    refused(deeds)

    assert os.readlink(link).startswith("/nowhere")


def test_an_archive_that_was_cleaned(place: Place) -> None:
    """A link to what is not there would mean to uv that it is."""
    link = copied(place)
    deeds = planned(place, "caches-copied")
    shutil.rmtree(place.cache / "archive-v0")

    refused(deeds)

    assert os.readlink(link).startswith("/nowhere")


# Root ---------------------------------------------------------------------------------------------


@only_root
def test_root_fixes_nothing_where_another_user_can_rename(place: Place) -> None:
    place.cache.chmod(0o777)
    place.standing.case()
    os.chown(place.cache.parent, UID, UID)

    done = linkpolicy("doctor", "--fix", "--yes", "caches-mode")

    assert done.code == 1
    assert "root does not work in `" in done.out
    assert f"which belongs to user {UID}" in " ".join(done.out.split())
    assert f"sudo -u '#{UID}' linkpolicy doctor --fix caches-mode" in done.out
    assert place.cache.stat().st_mode & 0o777 == 0o777
    again = linkpolicy("doctor", "--fix", "--yes", "caches-mode")
    assert again.code == 1
    assert "not done" in again.out


@only_root
@pytest.mark.parametrize("check", ["caches-copied", "venv-dangling"])
def test_root_puts_nothing_where_another_user_can_rename(place: Place, check: str) -> None:
    if check == "caches-copied":
        path = copied(place)
        path.parent.chmod(0o777)
    else:
        shutil.rmtree(place.venv)
        path = place.venv
        path.symlink_to(place.disk / "above/environment")
        (place.disk / "above").mkdir()
        os.chown(place.disk / "above", UID, UID)
    place.standing.case()

    done = linkpolicy("doctor", "--fix", "--yes", check)

    assert done.code == 1
    assert "root does not work in `" in done.out
    typed = f"sudo -u '#{UID}' linkpolicy doctor --fix {check}"
    # Whoever may write there is nobody whom it could be left to.
    assert (typed in done.out) is (check == "venv-dangling")
    assert path.is_symlink()
    assert not path.exists()


# What killed runs left ----------------------------------------------------------------------------


def probe_left(directory: Path, content: bytes = b"", *, age: float = 60) -> Path:
    path = directory / f"{HIDDEN}{os.urandom(8).hex()}"
    path.write_bytes(content)
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    return path


def test_what_killed_probes_left_is_removed_by_the_next_run(place: Place) -> None:
    place.standing.case()
    site = place.module.parent.parent
    ours = [
        probe_left(place.cache), probe_left(site), probe_left(place.project),
        probe_left(place.cache, b"linkpolicy" + b"." * 4086),
    ]  # fmt: skip
    kept = [probe_left(place.cache, b"mine"), probe_left(place.cache, age=0)]
    assert linkpolicy("doctor", "--fix", "--dry-run", "caches").code == 0
    assert all(path.exists() for path in (*ours, *kept))

    linkpolicy("doctor", "decision")

    assert [path for path in ours if path.exists()] == []
    assert all(path.exists() for path in kept)


def test_what_a_killed_fix_left_is_removed_by_the_next_and_an_edit_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(place)
    deeds = planned(place, "caches-copied")
    child = os.fork()
    if not child:
        monkeypatch.setattr(kernel, "exchange", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        for deed in deeds:
            list(deed.do())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (shop,) = left(place)
    (shop / "new-abc").write_text("saved in that moment")
    assert linkpolicy("doctor", "caches-copied").code == 1
    assert left(place) == [shop]

    assert linkpolicy("doctor", "--fix", "--yes", "caches-copied").code == 0

    assert left(place) == []
    edits = place.world.home / ".local/state/linkpolicy/edits"
    saved = [path.read_text() for path in edits.glob("*/unfinished/*")]
    assert saved == ["saved in that moment"]
