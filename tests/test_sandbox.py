"""Nothing of this machine is seen by the tests, and nothing of theirs is left on it.

A machine with a home and caches on two disks is made, and then a session of this suite is started
there: as root, as root that may not mount, and as an ordinary user.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import real_uv, sandbox
from tests.filesystems import FileSystems
from tests.ordinary_user import UID, as_user
from tests.uv.world import World

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

INSIDE = sandbox.ROOT / "tests" / "inside_sandbox.py"


class Person(NamedTuple):
    uid: int | None
    #: words that start a session as this person
    session: Callable[[list[str]], list[str]]


def without_mounts(words: list[str]) -> list[str]:
    return ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--", *words]


PEOPLE = {
    "root": Person(None, list),
    "root that may not mount": Person(None, without_mounts),
    "an ordinary user": Person(UID, lambda words: as_user(words, uid=UID)),
}


class Planted:
    """Home and uv's cache on one disk, another disk with a cache, a project on each of them."""

    def __init__(self, fs: FileSystems, newest_uv: Path, person: Person) -> None:
        self.person = person
        self.disk = fs.image("ext4")
        self.disk.chmod(0o1777)
        self.world = World(fs.xfs / "world", newest_uv, fs.xfs / "home", uid=person.uid)
        (self.world.home / ".bashrc").write_text("# mine\n")
        self.world.give(self.world.home)
        for place in (self.disk / "me", fs.xfs / "me"):
            project = self.world.project(self.world.own_directory(place) / "project")
            self.world.uv("sync", cwd=project)
        (self.cache,) = [*self.disk.glob(".uv-cache-*"), *self.disk.glob("me/.uv-cache-*")]
        assert self.world.default_cache.is_dir()

    def environ(self, **more: str) -> dict[str, str]:
        """Of somebody who runs the tests."""
        return {
            "HOME": str(self.world.home),
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LINKPOLICY_TEST_UVS": str(real_uv.store()),
            "LINKPOLICY_TEST_PLANTED": f"{self.disk}:{self.world.home}:{self.cache.name}",
            **more,
        }

    def tests(self, base: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A session of this suite."""
        self.world.own_directory(base)
        self.world.own_directory(base / self.cache.name)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={base}/t"]
        return subprocess.run(
            self.person.session([*command, str(INSIDE), *words]),
            cwd=sandbox.ROOT, env=self.environ(**environ), capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def state(self) -> dict[str, tuple[int, ...]]:
        """Everything that a change would change."""
        return {
            str(path): (seen.st_ino, seen.st_mode, seen.st_uid, seen.st_size, seen.st_ctime_ns)
            for top in (self.disk, self.world.home)
            for path in (top, *top.rglob("*"))
            for seen in [path.lstat()]
        }


@pytest.mark.parametrize("person", PEOPLE)
def test_nothing_of_this_machine_is_seen_or_changed(
    fs: FileSystems, newest_uv: Path, person: str
) -> None:
    planted = Planted(fs, newest_uv, PEOPLE[person])
    words = [sys.executable, "-m", "uvx_policy.cli", "cache", "list", "--json"]
    seen = subprocess.run(
        planted.person.session(words), cwd=planted.disk, env=planted.environ(),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    # Otherwise there would be nothing to be seen.
    assert str(planted.cache) in seen
    assert str(planted.world.default_cache) in seen
    before = planted.state()

    done = planted.tests(fs.ext4 / "session")

    assert done.returncode == 0, done.stdout
    assert re.search(r"\b3 passed, 1 skipped\b", done.stdout), done.stdout
    assert planted.state() == before


@pytest.mark.parametrize(
    ("person", "left"),
    [
        ("root", ".bashrc"),
        ("root that may not mount", ".config/uv"),
        ("an ordinary user", ".bashrc"),
    ],
)
def test_a_session_that_leaves_something_at_home_fails(
    fs: FileSystems, newest_uv: Path, person: str, left: str
) -> None:
    planted = Planted(fs, newest_uv, PEOPLE[person])
    path = str(planted.world.home / left)
    before = planted.state()

    done = planted.tests(fs.ext4 / "session", "-k", "leaves", LINKPOLICY_TEST_LEFT=path)

    assert done.returncode == 1
    assert "1 passed, " in done.stdout
    assert "AssertionError: tests have left something " in done.stdout
    if person == "root":
        assert planted.state() == before
