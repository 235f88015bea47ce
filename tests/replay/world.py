"""A machine with much on it that a decision may depend on, and everything that can happen to it.

What happens is data, a list of `Step`s, so that a failure can be repeated with fewer of them. What
is not possible at its time (removing what is not there) does nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests import inherited, mounts
from tests.replay.machine import Call, Machine, make_environment, put, stand_in, wait_for_tick
from uvx_policy.replay.witness import look
from uvx_policy.state import layout

#: all texts have this size, so that each change is one of the same size
_SIZE = 400

_PROJECT = "[project]\nname = 'a'\nversion = '1'\n"
_WORKSPACE = f"{_PROJECT}[tool.uv.workspace]\nmembers = ['packages/*']\n"
# Of each tuple of texts the first are the likeliest.
PROJECTS = (
    _PROJECT,
    _WORKSPACE,
    f"{_WORKSPACE}exclude = ['packages/a']\n",
    f"{_PROJECT}[tool.uv]\nmanaged = false\n",
    f"{_PROJECT}[tool.linkpolicy]\nhackable = true\n",
    f"{_PROJECT}[tool.linkpolicy]\nlink-mode = 'hardlink'\n",
    f"{_PROJECT}[tool.linkpolicy]\ncache = 'project'\n",
    f"{_PROJECT}[tool.linkpolicy]\nsymlinked-venv = 'ignore'\n",
    f"{_PROJECT}[tool.linkpolicy]\nlink-mode = 'clone'\nfallback = 'error'\n",
    f"{_PROJECT}[tool.uv]\nlink-mode = 'symlink'\n",
    f"{_PROJECT}[tool.uv]\ncache-dir = 'own-cache'\n",
    f"{_PROJECT}[tool.uv]\nlink-mode = 'copy'\nfuture = 1\n",
    "[tool.uv.pip]\ntarget = 'vendored'\n",
    "[project\nname = 'a'\n",
    "name = '\udcff'\n",
)
UV_SETTINGS = (
    "link-mode = 'copy'\n",
    "link-mode = 'symlink'\n",
    "cache-dir = 'own-cache'\n",
    "no-cache = true\n",
    "offline = true\n",
    "preview = true\n",
    "python-preference = 'only-managed'\n",
    "[pip]\ntarget = 'vendored'\n",
    "future = 1\n",
    "link-mode = \n",
    "",
)
OWN_SETTINGS = (
    "hackable = true\n",
    "hackable = false\n",
    "cache = 'default'\n",
    "link-mode = 'copy'\n",
    "unheard-of = 1\n",
    "",
)
CONFIGS = (
    "[defaults]\nhackable = true\n",
    "[defaults]\nlink-mode = 'copy'\n",
    "[[rules]]\npath = '{base}/**'\nhackable = true\n",
    "[[rules]]\npath = '{other}/solo'\ncache = 'default'\n",
    "[caches]\n'{other}' = '{other}/chosen-cache'\n",
    "[caches]\n'{other}' = '{other}/solo/inside'\n",
    "[defaults]\nhackable = 1\n",
    "",
)
SCRIPTS = (
    "print()\n",
    "# /// script\n# dependencies = []\n# ///\n",
    "# /// script\n# [tool.uv]\n# link-mode = 'copy'\n# ///\n",
    "# /// script\n",
)
ENVIRONMENT_FILES = (
    "home = /usr/bin\nversion_info = 3.12.1\n",
    "home = /usr/bin\nversion_info = 3.13.1\n",
)

#: file -> what may be in it; `{b}` and `{o}` stand for the base and for the other file system
_PROJECT_PLACES = (
    "{b}/project", "{b}/project/packages", "{b}/project/packages/a", "{b}/project/packages/b",
    "{b}/project/loose", "{o}/solo", "{o}",
)  # fmt: skip
TEXTS: dict[str, tuple[str, ...]] = {
    **{f"{place}/pyproject.toml": PROJECTS for place in _PROJECT_PLACES},
    **{f"{place}/uv.toml": UV_SETTINGS for place in (*_PROJECT_PLACES, "{b}")},
    **{f"{place}/linkpolicy.toml": OWN_SETTINGS for place in ("{b}/project/loose", "{o}")},
    "{b}/home/.config/uv/uv.toml": UV_SETTINGS,
    "{b}/xdg/uv/uv.toml": UV_SETTINGS,
    "{b}/home/.config/linkpolicy/config.toml": CONFIGS,
    "{b}/other-config/linkpolicy/config.toml": CONFIGS,
    "{b}/xdg/linkpolicy/config.toml": CONFIGS,
    "{b}/project/script.py": SCRIPTS,
    "{b}/project/loose/script.py": SCRIPTS,
    "{b}/env1/pyvenv.cfg": ENVIRONMENT_FILES,
    "{b}/env2/pyvenv.cfg": ENVIRONMENT_FILES,
    "{b}/data/uv/tools/ruff/uv-receipt.toml": ("[tool.options]\nlink-mode = 'copy'\n", "[tool]\n"),
}
#: where an environment, or a link to one, may be
ENVIRONMENTS = (
    "{b}/project/.venv", "{b}/project/packages/a/.venv", "{b}/project/loose/.venv",
    "{o}/solo/.venv", "{b}/env1", "{b}/env2",
)  # fmt: skip
ENVIRONMENT_KINDS = (
    "absent", "environment", "directory", "file", "{b}/env1", "{b}/env2", "{o}/far-env",
    "{b}/nowhere", "{b}/nowhere/at/all", ".venv",
)  # fmt: skip
#: directories that come and go
DIRECTORIES = (
    "{b}/home/.cache/uv", "{b}/home/.cache/uv/sdists-v9", "{b}/other-cache/uv", "{o}/.uv-cache-0",
    "{o}/solo/.uv-cache", "{o}/chosen-cache", "{o}/chosen-cache/archive-v0/wheel",
    "{b}/project/own-cache", "{b}/project/vendored", "{o}/far-env/lib/python3.12/site-packages",
    "{b}/data/uv/tools/ruff", "{b}/data/uv/tools/black", "{b}/bin2/python3.13",
    "{b}/project/.venv/lib/python3.13/site-packages",
)  # fmt: skip
#: directories that are renamed, with a link left in their place
MOVABLE = ("{b}/project/packages/a", "{b}/project/loose", "{o}/solo", "{b}/home/.config")
#: directories over which something is mounted
COVERABLE = ("{b}/project", "{o}/solo", "{b}/home/.config", "{b}/home/.cache", "{b}/env1")
#: directories of the other file system whose new files become NOCOW, where it has that
HANDED_DOWN = (
    "{o}", "{o}/solo", "{o}/solo/.venv", "{o}/.uv-cache-0", "{o}/chosen-cache", "{o}/far-env",
    "{o}/far-env/lib/python3.12/site-packages",
)  # fmt: skip
#: directories that others may be let into
SHARED = ("{o}", "{o}", "{o}/solo", "{o}/.uv-cache-0", "{o}/chosen-cache")
#: where a program may be that answers as uv, which for the last two matters to nobody
INSTALLED = ("{b}/bin/uv", "{b}/bin/uv", "{b}/bin2/uv", "{b}/bin/uvx", "{b}/env1/bin/python",
             "{b}/bin2/python3")  # fmt: skip
#: what no decision depends on
HARMLESS = (
    "{b}/project/README.md", "{b}/project/uv.lock", "{b}/home/.bashrc", "{o}/solo/src/code.py",
    "{b}/env1/lib/python3.12/site-packages/module.py", "{b}/project/packages/a/requirements.txt",
)  # fmt: skip
WAYS = ("in place", "in place, time restored", "renamed", "renamed, time restored", "older")


class Step(NamedTuple):
    """One thing that happens: the name of a method of `World` and what it gets."""

    name: str
    arguments: tuple[str, ...] = ()
    call: Call | None = None

    def __str__(self) -> str:
        return str(self.call) if self.call else f"# {self.name} {', '.join(self.arguments)}"


class World:
    """See the module's page. `mounts.private` is needed around it."""

    def __init__(self, base: Path, other: Path) -> None:
        self.machine = Machine(base)
        self._names = {"b": str(base), "o": str(other)}
        #: mount points, by the directory that was to be covered
        self._covered: dict[str, str] = {}
        for place in (
            "{b}/project/packages/a/deep",
            "{b}/project/loose",
            "{o}/solo/src",
            "{b}/bin2",
        ):
            Path(self.at(place)).mkdir(parents=True, exist_ok=True)
        put(Path(self.at("{b}/bin3/uv")), stand_in())
        self.write("{b}/project/pyproject.toml", "1", "renamed")
        self.write("{b}/project/packages/a/pyproject.toml", "0", "renamed")
        self.write("{o}/solo/pyproject.toml", "0", "renamed")
        for path in ("{b}/env1", "{b}/env2"):
            make_environment(Path(self.at(path)))

    def at(self, text: str) -> str:
        """Fill in where things are."""
        return text.replace("{b}", self._names["b"]).replace("{o}", self._names["o"])

    def filled(self, call: Call) -> Call:
        """The call with the paths of this world."""
        environ = {name: self.at(value) for name, value in call.environ.items()}
        return Call(tuple(map(self.at, call.words)), self.at(call.cwd), environ, call.program)

    def do(self, step: Step) -> None:
        """Let it happen, if it can."""
        method: Callable[..., None] = getattr(self, step.name)
        with contextlib.suppress(OSError):
            method(*step.arguments)

    def close(self) -> None:
        """Take away what was mounted, and what lies outside of this world."""
        while self._covered:
            mounts.unmount(self._covered.popitem()[1])
        # Calls with an empty HOME have their state in the home that the system knows.
        state = Path(layout.state_home({}, "linux"))
        shutil.rmtree(state, ignore_errors=True)
        for above in (state.parent, state.parent.parent):
            with contextlib.suppress(OSError):
                above.rmdir()

    # What can happen -----------------------------------------------------------------------------

    def write(self, file: str, which: str, way: str) -> None:
        """Write one of the texts, all of the same size, into a file."""
        path = self.at(file)
        text = TEXTS[file][int(which)]
        text = text.replace("{base}", self._names["b"]).replace("{other}", self._names["o"])
        content = text.encode("utf-8", "surrogateescape").ljust(_SIZE, b"\n")
        told = os.stat(path) if os.path.exists(path) else None
        if way.startswith("in place") and told is not None:
            with open(path, "r+b") as stream:
                stream.write(content)
        else:
            put(Path(path), content, 0o644)
        if told is not None and way.endswith("restored"):
            os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
        elif way == "older":
            os.utime(path, ns=(0, 10**18))

    def remove(self, path: str) -> None:
        """Remove what is there."""
        _clear(self.at(path))

    def permit(self, file: str, mode: str) -> None:
        """chmod."""
        os.chmod(self.at(file), int(mode, 8))

    def make_directory(self, path: str) -> None:
        """Make it and all above it."""
        os.makedirs(self.at(path))

    def make(self, path: str, kind: str) -> None:
        """Put an environment, something else, or a link there."""
        place = self.at(path)
        _clear(place)
        if kind == "environment":
            make_environment(Path(place))
        elif kind == "directory":
            os.makedirs(place)
        elif kind == "file":
            put(Path(place), "", 0o644)
        elif kind != "absent":
            os.symlink(self.at(kind), place)

    def move(self, directory: str) -> None:
        """Rename a directory and leave a link; or put it back."""
        place = self.at(directory)
        if os.path.islink(place):
            os.unlink(place)
            os.rename(f"{place}-moved", place)
        else:
            os.rename(place, f"{place}-moved")
            os.symlink(f"{place}-moved", place)

    def cover(self, directory: str) -> None:
        """Mount something over a directory; or take it away again."""
        if directory in self._covered:
            mounts.unmount(self._covered.pop(directory))
        else:
            point = os.path.realpath(self.at(directory))
            mounts.mount_tmpfs(point)
            self._covered[directory] = point

    def hand_down(self, directory: str) -> None:
        """New files in it become NOCOW; or no more (btrfs)."""
        path = self.at(directory)
        inherited.set_nocow(Path(path), look("d", path) == "0:0:0")

    def share(self, directory: str, group: str, listed: str) -> None:
        """Let this group, and whoever is listed, write a directory; "" for nobody."""
        path = Path(self.at(directory))
        with contextlib.suppress(OSError):
            os.removexattr(path, "system.posix_acl_access")
        os.chown(path, -1, int(group or 0))
        path.chmod(0o775 if group else 0o755)
        if listed:
            inherited.share_with(path, ("user", int(listed), "rwx"))

    def install(self, program: str, version: str, way: str) -> None:
        """Put another version of a program there: by renaming, or by writing into the file."""
        content, path = stand_in(version), self.at(program)
        if way == "in place" and os.path.exists(path):
            with open(path, "r+b") as stream:
                stream.write(content)
        else:
            put(Path(path), content)

    def touch(self, path: str) -> None:
        """Write something that matters to nobody."""
        put(Path(self.at(path)), str(time.time_ns()), 0o644)

    def tick(self) -> None:
        """Let the clock of the file systems go on."""
        wait_for_tick()

    def sleep(self) -> None:
        """Let all that was written become old enough to be a witness."""
        time.sleep(0.06)


def _clear(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
