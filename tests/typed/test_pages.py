"""The tutorial and the guides, typed as they stand: every command, in a home of its own.

An exit code is 0 unless the table says otherwise; where a page shows output, it is what comes, but
for what `console.compared` leaves out. A command that is not typed stands in the table as well,
with the reason.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import sandbox
from tests.filesystems import FileSystems
from tests.sandbox import PYTHON, ROOT
from tests.typed.console import Typed, compared, typed
from tests.typed.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.uv, pytest.mark.filesystem, pytest.mark.timeout(900)]

DOCS = ROOT / "docs"
#: the home directory on the pages
SHOWN_HOME = "/home/me"
#: `verify` remembers nothing about files that were written in the last two seconds
MAY_BE_MISSING = ("deleted  ~/.local/state/linkpolicy/verified/",)


class Page(NamedTuple):
    """How a page is typed."""

    #: commands that end otherwise than with 0
    codes: Mapping[str, int] = {}
    #: commands that are not typed, and why
    not_typed: Mapping[str, str] = {}
    #: typed before, in the directory of the project
    before: tuple[str, ...] = ()
    #: the project is on another file system than the home
    on_other_disk: bool = False
    #: names of files below the home, in variables
    variables: Mapping[str, str] = {}


OTHER_DISK = "needs a file system at that path"
OTHER_PROGRAM = "needs that program: tests/clients installs and runs it"
SYSTEM = "installs into the machine's Python"

TUTORIAL = Page(codes={".venv/bin/python -c 'import idna'": 1})

GUIDES: dict[str, Page] = {
    "bypass-once": Page(),
    "choose-a-cache-per-disk": Page(on_other_disk=True),
    "clients-that-bypass-path": Page(
        not_typed={
            "linkpolicy adopt pre-commit": OTHER_PROGRAM,
            "linkpolicy run -- pre-commit run --all-files": OTHER_PROGRAM,
            "linkpolicy run -- uvx nox": OTHER_PROGRAM,
            "linkpolicy run --for /mnt/data/envs -- ./build-everything": OTHER_DISK,
            "LINKPOLICY_LOG=debug nox": OTHER_PROGRAM,
        },
        before=("uv pip install uv",),
    ),
    "find-out-what-is-wrong": Page(),
    "get-disk-space-back": Page(),
    "install-and-uninstall": Page(
        not_typed={
            "LINKPOLICY_BUILD_LAUNCHER=require pip install .": SYSTEM,
            "LINKPOLICY_BUILD_LAUNCHER=no pip install .": SYSTEM,
        },
    ),
    "is-anything-edited": Page(
        not_typed={
            "linkpolicy verify --diff .venv/lib/python3.12/site-packages/requests/sessions.py": (
                "names a file of another project"
            ),
        },
    ),
    "look-after-the-caches": Page(
        not_typed={"linkpolicy cache prune --cache-dir /mnt/data/me/uv-cache": OTHER_DISK},
    ),
    "make-a-project-hackable": Page(),
    "report-a-problem": Page(),
    "rules-for-projects-you-cannot-edit": Page(),
    "see-all-environments": Page(
        not_typed={
            "linkpolicy status ~/work /mnt/data": OTHER_DISK,
            "linkpolicy status --openmetrics /home /srv > /var/lib/node_exporter/linkpolicy.new": (
                "needs node_exporter's directory"
            ),
            "mv /var/lib/node_exporter/linkpolicy.new /var/lib/node_exporter/linkpolicy.prom": (
                "needs node_exporter's directory"
            ),
        },
    ),
    "undo-an-edit-that-leaked": Page(
        not_typed={
            "sudo -u alice linkpolicy repair ~alice/code/old-project": "needs a user alice",
        },
        before=("uv venv -q ~/code/old-project/.venv", "uv venv -q ~/venvs/scratch"),
    ),
    "use-in-ci-and-containers": Page(
        not_typed={"pip install 'uvx-policy[uv]'": SYSTEM},
        variables={"GITHUB_ENV": "github-env", "GITHUB_PATH": "github-path"},
    ),
}


@pytest.fixture
def home(fs: FileSystems) -> Iterator[Path]:
    """`SHOWN_HOME` itself, so that lines break where the pages show it: empty, on ext4."""
    home = Path(SHOWN_HOME)
    is_new = not home.parent.exists()
    home.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(fs.ext4), str(home)], check=True)
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)
    home.rmdir()
    if is_new:
        home.parent.rmdir()


@pytest.fixture
def environ(home: Path, tmp_path: Path) -> dict[str, str]:
    """Of an empty home, and the Python of this machine."""
    kept = ("SSL_CERT_FILE", "PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_CERT")
    return {
        "HOME": str(home),
        "PATH": f"{home}/.local/bin:{os.path.dirname(PYTHON)}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TMPDIR": str(tmp_path),
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        **{name: os.environ[name] for name in kept if name in os.environ},
    }


class Reader:
    """Types what a page says, and gathers what is not as it says."""

    def __init__(self, environ: Mapping[str, str], page: Page, cwd: str) -> None:
        self.home = environ["HOME"]
        files = {name: f"{self.home}/{file}" for name, file in page.variables.items()}
        self.environ = {**environ, **files}
        self.page = page
        self.faults: list[str] = []
        self._terminal = Terminal(self.environ, cwd)

    def close(self) -> None:
        """End the shell."""
        self._terminal.close()

    def another(self, cwd: str) -> None:
        """Open a new terminal."""
        self.close()
        self._terminal = Terminal(self.environ, cwd)

    def prepare(self, *commands: str) -> None:
        """Type what the page takes for granted."""
        for command in commands:
            answer = self._terminal.type(command)
            assert answer.code == 0, (command, answer)

    def follow(self, step: Typed) -> None:
        """Type one command, and compare."""
        if step.anew:
            self.another(self.home)
        answer = self._terminal.type(step.command, step.output)
        if answer.code != self.page.codes.get(step.command, 0):
            self.faults.append(f"$ {step.command}\nended with {answer.code}:")
            self.faults += answer.lines
        came = [compared(line) for line in answer.lines if line not in MAY_BE_MISSING]
        shown = [compared(line) for line in step.output if line not in MAY_BE_MISSING]
        if step.output and came != shown:
            self.faults += [f"$ {step.command}", "the page shows:", *shown, "what came:", *came]

    def report(self) -> None:
        """Fail with all that was not as the page says."""
        if self.faults:
            pytest.fail("\n".join(self.faults), pytrace=False)


@pytest.fixture
def readers() -> Iterator[list[Reader]]:
    """Readers that are closed in the end."""
    opened: list[Reader] = []
    yield opened
    for reader in opened:
        reader.close()


def steps(name: str) -> list[Typed]:
    return list(typed((DOCS / f"{name}.md").read_text(encoding="utf-8")))


def test_every_guide_is_typed() -> None:
    pages = {page.stem for page in (DOCS / "how-to").glob("*.md")} - {"windows"}

    assert pages == set(GUIDES)


@pytest.mark.parametrize("name", sorted(GUIDES))
def test_the_table_speaks_of_commands_that_the_guide_has(name: str) -> None:
    page = GUIDES[name]
    commands = {step.command for step in steps(f"how-to/{name}")}

    assert {*page.codes, *page.not_typed} - commands == set()


def test_the_tutorial_is_what_happens(environ: dict[str, str], readers: list[Reader]) -> None:
    reader = Reader(environ, TUTORIAL, str(ROOT))
    readers.append(reader)

    for step in steps("tutorial/first-project"):
        reader.follow(step)

    reader.report()
    assert not Path(reader.home, ".local", "lib", "linkpolicy").exists()


@pytest.mark.parametrize("name", sorted(set(GUIDES) - {"install-and-uninstall"}))
def test_a_guide_can_be_followed(
    name: str,
    environ: dict[str, str],
    readers: list[Reader],
    newest_uv: Path,
    fs: FileSystems,
) -> None:
    page = GUIDES[name]
    environ["PATH"] += f":{newest_uv.parent}"
    reader = Reader(environ, page, environ["HOME"])
    readers.append(reader)
    reader.prepare(shlex.join([*sandbox.linkpolicy(), "setup"]))
    above = fs.other_ext4 if page.on_other_disk else Path(environ["HOME"])
    project = above / "code" / "project"
    project.mkdir(parents=True)
    reader.another(str(project))
    reader.prepare("uv init -q --bare", "uv add -q idna", *page.before)

    for step in steps(f"how-to/{name}"):
        if step.command not in page.not_typed:
            reader.follow(step)

    reader.report()


def test_the_installation_can_be_followed(
    environ: dict[str, str], readers: list[Reader], newest_uv: Path, tmp_path: Path
) -> None:
    page = GUIDES["install-and-uninstall"]
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), "."]
    subprocess.run(wheel, cwd=ROOT, env=environ, check=True, capture_output=True)
    environ["PATH"] += f":{newest_uv.parent}"
    # As if this version were published.
    environ["UV_FIND_LINKS"] = str(tmp_path)
    environ["PIP_FIND_LINKS"] = f"{os.environ.get('PIP_FIND_LINKS', '')} {tmp_path}".strip()
    reader = Reader(environ, page, environ["HOME"])
    readers.append(reader)

    for step in steps("how-to/install-and-uninstall"):
        if step.command not in page.not_typed:
            reader.follow(step)

    reader.report()
