"""A person's machine with two disks, on which linkpolicy and one client are really installed.

The home, with uv's own cache, lies on the one; what a client installs into, on the other. Unlike a
`World` it is used through a bash that reads the start-up file, and nothing of it is made up.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests import real_uv
from tests.clients.table import AS_OF, SEEDS, STAND_INS, Client
from tests.filesystems import physical_ranges, same_inode, shared_extents
from tests.launcher.programs import missing
from tests.sandbox import PYTHON
from tests.uv.index_server import index_of
from tests.uv.world import NAME, build_wheel

_SYSTEM = "/usr/bin:/bin"
#: how a registry is reached from here
_NETWORK = ("SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Supplies(NamedTuple):
    """What is made once for a session."""

    #: the program `linkpolicy`, installed from the wheel of this checkout
    linkpolicy: Path
    #: a package index with the tiny wheel, and what clients install by themselves
    registry: str
    #: the files of the tiny wheel that uv takes as they are: it writes RECORD, and scripts
    members: tuple[str, ...]


@contextlib.contextmanager
def supplies(root: Path, wheel: Path) -> Iterator[Supplies]:
    """Install linkpolicy for good, and offer the wheels."""
    _install_tool(root, str(wheel))
    wheels = root / "wheels"
    tiny = build_wheel(wheels)
    for name in STAND_INS:
        build_wheel(wheels, name)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
         "--only-binary=:all:", "--dest", wheels, *SEEDS],
        # pip asks a rustc on PATH for its version, and rustup leaves something in the home.
        env={**os.environ, "PATH": _SYSTEM},
        check=True,
    )  # fmt: skip
    with zipfile.ZipFile(tiny) as archive:
        names = archive.namelist()
    members = [name for name in names if ".data/" not in name and not name.endswith("/RECORD")]
    with index_of(wheels, root / "index") as index:
        yield Supplies(root / ".local" / "bin" / "linkpolicy", index, tuple(members))


class Linked(NamedTuple):
    """How many of the tiny package's files in an environment are a cache's."""

    #: of the same inode as the archive's
    hard: int
    #: an inode of their own, and the archive's blocks
    cloned: int
    total: int
    #: its module in the environment
    module: os.stat_result


class Machine:
    """`type(...)` is what a person types in a new terminal, in the project."""

    def __init__(self, home: Path, disk: Path, client: Client, supplies: Supplies) -> None:
        self.home = home
        self.disk = disk
        self.client = client
        self.supplies = supplies
        self.project = disk / "project"
        self.binaries = home / ".local" / "bin"
        for program in client.needs:
            if not shutil.which(program, path=_SYSTEM):
                missing(program)
        self._user()
        self._project()

    def type(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """In an interactive bash, as a terminal opens it."""
        done = subprocess.run(
            ["/bin/bash", "-ic", command],
            cwd=self.project,
            env={
                "HOME": str(self.home),
                # The system's PATH, and a Python that is not in an environment.
                "PATH": f"{self.binaries}:{os.path.dirname(PYTHON)}:{_SYSTEM}",
                "SHELL": "/bin/bash",
                "LANG": "C.UTF-8",
                "TERM": "dumb",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert not check or not done.returncode, f"{command}: {done.stdout}\n{done.stderr}"
        assert "linkpolicy: internal error" not in done.stderr
        return done

    def setup(self) -> None:
        """What the README says."""
        self.type(f"{self.supplies.linkpolicy} setup")

    def run(self, *, under: str = "", first: str = "true") -> float:
        """Let the client make its environment anew. The seconds it took.

        `under` stands in front of its program, `first` before all.
        """
        shutil.rmtree(self.project)
        self._project()
        if self.client.locks:
            shutil.rmtree(self.home / ".cache" / "uv", ignore_errors=True)
        start = time.monotonic()
        words = f"{first} && {self.client.active} && {under} {self.client.run}"
        self.type(words.replace("{python}", PYTHON))
        return time.monotonic() - start

    def doctor(self) -> list[dict[str, Any]]:
        """What `linkpolicy doctor` has to say about clients."""
        words = f"{self.client.active} && linkpolicy doctor --json"
        told = json.loads(self.type(words.replace("{python}", PYTHON), check=False).stdout)
        return [
            finding
            for finding in told["findings"]
            if finding["group"] == "clients" and finding["status"] not in ("pass", "skip")
        ]

    def linked(self) -> Linked:
        """What the tiny package's files in the client's environment share with the cache."""
        package = self.client.package
        (module,) = (self.project / self.client.environment).rglob(f"{package}/__init__.py")
        site = module.parents[1]
        cache = self.project / self.client.cache if self.client.cache else self.cache
        archives = list(cache.glob("archive-v0/*"))
        pairs = [
            [(top / name, site / name) for top in archives if (top / name).is_file()]
            for name in (each.replace(NAME, package, 1) for each in self.supplies.members)
        ]
        return Linked(
            hard=sum(any(same_inode(*pair) for pair in each) for each in pairs),
            cloned=sum(any(_is_clone(*pair) for pair in each) for each in pairs),
            total=len(pairs),
            module=module.lstat(),
        )

    @property
    def cache(self) -> Path:
        """Where the policy makes a cache for the second disk: at its top."""
        top = self.disk
        while not os.path.ismount(top):
            top = top.parent
        return top / f".uv-cache-{os.geteuid()}"

    def _user(self) -> None:
        """The person's start-up file, uv with its settings, and the client."""
        (self.home / ".bashrc").write_text(
            "".join(
                f"export {name}={shlex.quote(self._filled(value))}\n"
                for name, value in self.client.variables.items()
            )
        )
        self.binaries.mkdir(parents=True)
        for program in ("uv", "uvx"):
            (self.binaries / program).symlink_to(real_uv.provide("newest") / program)
        settings = self.home / ".config" / "uv" / "uv.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'index-url = "{self.supplies.registry}"\npython-downloads = "never"\n')
        if self.client.installed_by == "pip":
            environment = str(self.home / "env")
            _uv(self.home, "venv", "--python", PYTHON, environment)
            _uv(self.home, "pip", "install", "--python", environment, *self.client.packages)
        elif self.client.installed_by == "tool":
            _install_tool(self.home, *self.client.packages)

    def _project(self) -> None:
        self.project.mkdir()
        for name, text in self.client.files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._filled(text))
        if self.client.before:
            self.type(self.client.before)

    def _filled(self, text: str) -> str:
        for name, value in (
            ("{index}", self.supplies.registry),
            ("{project}", str(self.project)),
            ("{home}", str(self.home)),
        ):
            text = text.replace(name, value)
        return text


def _install_tool(home: Path, first: str, *others: str) -> None:
    """An environment for a program, and the program in `~/.local/bin`."""
    beside = (word for name in others for word in ("--with", name))
    _uv(home, "tool", "install", "--python", PYTHON, *beside, first)


def _uv(home: Path, *words: str) -> None:
    """Install from the package index. What was fetched is kept for the next session."""
    subprocess.run(
        [real_uv.provide("newest") / "uv", *words, "--quiet", "--no-config"],
        env={
            **{
                name: os.environ[name]
                for each in _NETWORK
                for name in (each, each.upper())
                if name in os.environ
            },
            "HOME": str(home),
            "PATH": _SYSTEM,
            "UV_CACHE_DIR": str(real_uv.store() / "cache"),
            "UV_EXCLUDE_NEWER": AS_OF,
            "UV_LINK_MODE": "copy",
            # What pip is told of the index and its certificates, uv does not read.
            "UV_SYSTEM_CERTS": "1",
            "UV_NATIVE_TLS": "1",
            **({"UV_DEFAULT_INDEX": index} if (index := os.environ.get("PIP_INDEX_URL")) else {}),
        },
        check=True,
    )


def _is_clone(archived: Path, installed: Path) -> bool:
    ranges = physical_ranges(archived)
    return (
        not same_inode(archived, installed)
        and bool(ranges)
        and ranges == physical_ranges(installed)
        and shared_extents(installed)
    )
