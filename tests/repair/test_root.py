"""Root is asked to work in what another user can change: it refuses, and says what to type.

The other user exchanges files and directories meanwhile. How root would fare if it did not refuse
is a matter of `tests.replace.test_escalation`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import mounts
from tests.filesystems import unavailable
from tests.ordinary_user import OTHER_UID, UID, only_root
from tests.racer import racing
from tests.repair.scene import EDITED, Scene, module
from tests.uv.world import Done
from uvx_policy.replace.shop import PREFIX

pytestmark = only_root

#: of each command against each exchange
TRIES = [2, pytest.param(200, marks=pytest.mark.exhaustive)]
CONTENT = "only root may read this\n"


class Theirs:
    """An environment of another user's, in which a file is edited, and a secret of root's."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.environment = scene.a / ".venv"
        self.module = module(scene.a)
        self.package = self.module.parent
        self.roots = scene.base / "roots"
        self.roots.mkdir(mode=0o755)
        self.secret = self.roots / "__init__.py"
        self.secret.write_text(CONTENT)
        self.secret.chmod(0o600)
        self.module.unlink()
        self.module.write_text(EDITED)
        self.other = self.package / "other"
        #: what is exchanged with what, in which directory
        self.race = (self.package, "__init__.py", "other")
        for path in (scene.a, *scene.a.rglob("*")):
            os.chown(path, UID, UID, follow_symlinks=False)

    def inodes(self) -> dict[tuple[int, int], tuple[object, ...]]:
        """All there is, whatever it is called at the moment."""
        found: dict[tuple[int, int], tuple[object, ...]] = {}
        for directory in (self.scene.a, self.roots):
            for path in (directory, *directory.rglob("*")):
                status = path.lstat()
                is_file = stat.S_ISREG(status.st_mode)
                content = (path.read_bytes(), status.st_mtime_ns) if is_file else ()
                found[status.st_dev, status.st_ino] = (
                    status.st_mode, status.st_uid, status.st_gid, content,
                )  # fmt: skip
        return found


def symlink(theirs: Theirs) -> None:
    theirs.other.symlink_to(theirs.secret)


def directory(theirs: Theirs) -> None:
    link = theirs.package.parent / "link"
    link.symlink_to(theirs.roots)
    os.chown(link, UID, UID, follow_symlinks=False)
    theirs.race = (theirs.package.parent, theirs.package.name, "link")


def hard_link(theirs: Theirs) -> None:
    theirs.other.hardlink_to(theirs.secret)


def hard_link_to_another_users_file(theirs: Theirs) -> None:
    os.chown(theirs.secret, OTHER_UID, OTHER_UID)
    theirs.other.hardlink_to(theirs.secret)


def fifo(theirs: Theirs) -> None:
    os.mkfifo(theirs.other)


def bind_mount(theirs: Theirs) -> None:
    """The whole environment, and one in which the package is a directory of root's."""
    other = theirs.environment.with_name("other")
    shutil.copytree(theirs.environment, other, symlinks=True)
    point = other / theirs.package.relative_to(theirs.environment)
    shutil.rmtree(point)
    point.mkdir()
    mounts.bind(str(theirs.roots), str(point))
    os.chown(other, UID, UID)
    theirs.race = (theirs.scene.a, ".venv", "other")


VARIANTS = (
    symlink, directory, hard_link, hard_link_to_another_users_file, fifo, bind_mount,
)  # fmt: skip


@pytest.mark.parametrize("tries", TRIES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_changed_in_what_another_user_exchanges(
    scene: Scene, variant: Callable[[Theirs], None], tries: int
) -> None:
    theirs = Theirs(scene)
    variant(theirs)
    before = theirs.inodes()

    def both() -> tuple[Done, Done]:
        return (
            scene.repair("--keep-edits", str(scene.base / "kept")),
            scene.machine.linkpolicy("detach", "--no-hackable", "-p", str(scene.a)),
        )

    repaired, detached = both()
    assert f"sudo -u '#{UID}' linkpolicy repair {theirs.environment}" in repaired.out
    assert f"sudo -u '#{UID}' linkpolicy detach -p {theirs.environment}" in detached.out
    try:
        with racing(*theirs.race, secret=theirs.secret):
            for _ in range(tries):
                for done in both():
                    assert CONTENT.strip() not in done.out + done.err
        assert theirs.inodes() == before
    finally:
        if variant is bind_mount:
            for name in (".venv", "other"):
                with contextlib.suppress(OSError):  # one of them is none
                    below = theirs.package.relative_to(theirs.environment)
                    mounts.unmount(str(scene.a / name / below))

    assert [*scene.a.rglob(f"{PREFIX}*")] == []


def for_a_group(directory: Path) -> None:
    os.chown(directory, -1, UID)
    directory.chmod(0o2775)


def for_one_by_an_access_list(directory: Path) -> None:
    if not shutil.which("setfacl"):
        unavailable("setfacl (acl) is not installed")
    subprocess.run(["setfacl", "-m", f"u:{UID}:rwx", directory], check=True)


@pytest.mark.parametrize("change", [for_a_group, for_one_by_an_access_list])
@pytest.mark.parametrize("where", ["package", "above"])
def test_root_does_not_work_where_a_group_or_an_access_list_lets_others_rename(
    scene: Scene, change: Callable[[Path], None], where: str
) -> None:
    file = module(scene.a)
    file.unlink()
    file.write_text(EDITED)
    opened = file.parent if where == "package" else scene.a
    change(opened)

    done = scene.repair()

    assert done.code == 1
    assert file.read_text() == EDITED
    assert f"root does not work in `{opened}`" in done.out
    assert f"chmod go-w {opened}" in done.out
    opened.chmod(0o755)
    assert scene.repair().code == 0


def test_root_does_not_work_below_a_directory_of_another_user(scene: Scene) -> None:
    """Who can rename the environment chooses whose environment it is that root changes."""
    file = module(scene.a)
    file.unlink()
    file.write_text(EDITED)
    os.chown(scene.a, UID, UID)

    done = scene.repair()

    assert done.code == 1
    assert file.read_text() == EDITED
    environment = scene.a / ".venv"
    assert f"root does not work in `{scene.a}`, which belongs to user {UID}" in done.out
    assert f"chown -R {UID}:{UID} {environment} && sudo -u '#{UID}' linkpolicy" in done.out


def test_edits_are_not_saved_where_another_user_can_rename(scene: Scene) -> None:
    """Who can turn their directory into a link chooses where root writes."""
    file = module(scene.a)
    file.unlink()
    file.write_text(EDITED)
    theirs = scene.base / "theirs"
    theirs.mkdir()
    os.chown(theirs, UID, UID)

    done = scene.repair("--keep-edits", str(theirs / "edits"))

    assert done.code != 0
    assert f"root does not work in `{theirs}`, which belongs to user {UID}" in done.err
    assert [*theirs.iterdir()] == []
    assert file.read_text() == EDITED


def test_with_all_no_bucket_that_is_a_link_is_followed_by_root(scene: Scene) -> None:
    """The bucket of a cache leads into a cache of another user's."""
    (bucket,) = scene.cache.glob("archive-v0")
    theirs = scene.base / "theirs"
    shutil.move(bucket, theirs)
    bucket.symlink_to(theirs)
    (archived,) = theirs.glob(f"*/{module(scene.a).parent.name}/__init__.py")
    archived.unlink()
    archived.write_text(EDITED)
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)

    scene.repair("--all")

    assert archived.read_text() == EDITED
    assert archived.stat().st_uid == UID
    assert [*theirs.rglob(f"{PREFIX}*")] == []


def test_under_sudo_nothing_of_roots_is_left_in_the_users_home(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = scene.base / "their home"
    home.mkdir()
    os.chown(home, UID, UID)
    file = module(scene.a)
    file.unlink()
    file.write_text(EDITED)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.setenv(name, str(UID))

    done = scene.repair()

    assert done.code != 0
    assert file.read_text() == EDITED
    assert [*home.rglob("*")] == []
