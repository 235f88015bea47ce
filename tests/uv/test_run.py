"""`linkpolicy run`: any program, with the decision for what it installs into."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.doctor.standing import program
from tests.filesystems import FileSystems
from tests.sandbox import PYTHON, linkpolicy
from tests.uv.world import NAME, World, installed
from uvx_policy import guard

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

HACKABLE = "[tool.linkpolicy]\nhackable = true\n"
#: says what it got, each value in a line of its own
ECHO = '#!/bin/sh\nfor word; do echo "word $word"; done\nenv\n'


class Terminal:
    """Types `linkpolicy run ...` in a directory; no shim is on PATH unless told otherwise."""

    def __init__(self, world: World, cwd: Path) -> None:
        self.world = world
        self.cwd = cwd
        self.binaries = world.base / "bin"
        for name in ("echoing", "tox", "nox", "hatch"):
            program(self.binaries / name, ECHO)

    def run(
        self, *words: str, code: int = 0, shim: bool = False, text: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        variables = self.world.environ(shim=shim)
        variables["PATH"] += f":{self.binaries}"
        done = subprocess.run(
            [*linkpolicy(), "run", *words],
            cwd=self.cwd,
            env={**variables, **environ},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def variables(self, *words: str, shim: bool = False, **environ: str) -> dict[str, str]:
        lines = self.run(*words, code=0, shim=shim, text="", **environ).stdout.splitlines()
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        return {name: found[name] for name in found if name.startswith(("UV_", "_LINKPOLICY"))}


@pytest.fixture
def world(fs: FileSystems, newest_uv: Path) -> World:
    return World(fs.ext4, newest_uv)


@pytest.fixture
def here(world: World, fs: FileSystems) -> Terminal:
    """In a project on another disk than uv's cache."""
    return Terminal(world, world.project(fs.btrfs / "project"))


def cache_on(disk: Path) -> str:
    """The cache at the top of the mount."""
    return f"{disk.parent}/.uv-cache-{os.geteuid()}"


# What a program gets ------------------------------------------------------------------------------


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_it_gets_the_decision_of_the_project_marked_as_ours(
    here: Terminal, fs: FileSystems, dashes: list[str]
) -> None:
    got = here.variables(*dashes, "echoing")

    assert got["UV_CACHE_DIR"] == cache_on(fs.btrfs)
    outer = guard.read(got)
    assert outer is not None
    assert dict(outer.values) == {
        n: v for n, v in got.items() if n not in (guard.NAME, "UV_PYTHON_DOWNLOADS")
    }


def test_it_gets_nothing_else(here: Terminal) -> None:
    plain = here.world.environ(shim=False)
    told = here.run("env").stdout.splitlines()

    names = {line.partition("=")[0] for line in told}
    allowed = {"UV_CACHE_DIR", "UV_LINK_MODE", guard.NAME}
    assert names - set(plain) - {"LC_CTYPE", "PWD"} <= allowed
    assert here.variables("echoing", LINKPOLICY_BYPASS="1") == {"UV_PYTHON_DOWNLOADS": "never"}


def test_what_the_user_chose_wins(here: Terminal, fs: FileSystems) -> None:
    mine = str(fs.btrfs / "mine")

    got = here.variables("echoing", UV_CACHE_DIR=mine, UV_LINK_MODE="symlink")

    assert (got["UV_CACHE_DIR"], got["UV_LINK_MODE"]) == (mine, "symlink")


def test_its_words_are_its_own(here: Terminal) -> None:
    words = ["--for", "x", "--", "-h", "", "a b", "\n"]

    told = here.run("echoing", *words).stdout

    assert told.startswith("word --for\nword x\nword --\nword -h\nword \nword a b\nword \n\n")


def test_streams_and_exit_code_are_its_own(here: Terminal) -> None:
    done = here.run("--", "sh", "-c", "cat; echo wrong >&2; exit 7", code=7, text="hello")

    assert (done.stdout, done.stderr) == ("hello", "wrong\n")


def test_a_signal_ends_it_as_it_is(here: Terminal) -> None:
    here.run("--", "sh", "-c", "kill -TERM $$", code=-signal.SIGTERM)
    # SIGPIPE has its default again, which Python had taken away.
    here.run("--", "sh", "-c", "kill -PIPE $$", code=-signal.SIGPIPE)


@pytest.mark.parametrize(
    ("word", "code"),
    [("no-such-program", 127), ("/no/such/program", 127), ("./plain", 126), ("/tmp", 126)],
)
def test_what_cannot_be_started_ends_as_in_a_shell(here: Terminal, word: str, code: int) -> None:
    (here.cwd / "plain").write_text("")

    told = here.run("--", word, code=code).stderr

    assert told.count("\n") == 1
    assert word in told


def test_a_command_is_needed(here: Terminal) -> None:
    assert "no command to run" in here.run(code=2).stderr
    assert "unexpected option `--four`" in here.run("--four", "x", "true", code=2).stderr
    assert "`--for` needs a value" in here.run("--for", code=2).stderr


def test_without_any_uv_it_runs_all_the_same(here: Terminal) -> None:
    done = here.run("--", "/bin/echo", "hello", PATH="/nowhere")

    assert done.stdout == "hello\n"
    assert done.stderr.count("\n") <= 1


def test_a_fault_in_the_settings_does_not_stop_it(here: Terminal) -> None:
    (here.cwd / "linkpolicy.toml").write_text("nonsense = 1\n")

    done = here.run("--", "/bin/echo", "hello")

    assert done.stdout == "hello\n"
    assert "runs without a policy" in done.stderr


def test_what_the_policy_refuses_is_not_started(here: Terminal) -> None:
    with (here.cwd / "pyproject.toml").open("a") as stream:
        stream.write(
            '[tool.linkpolicy]\nlink-mode = "hardlink"\ncache = "default"\nfallback = "error"\n'
        )

    assert "refused" in here.run("--", "touch", "started", code=2).stderr
    assert not (here.cwd / "started").exists()


def test_the_project_s_own_cache_is_for_one_run(here: Terminal) -> None:
    with (here.cwd / "pyproject.toml").open("a") as stream:
        stream.write('[tool.linkpolicy]\ncache = "project"\n')

    assert here.variables("echoing")["UV_CACHE_DIR"] == str(here.cwd / ".uv-cache")


# Who is below -------------------------------------------------------------------------------------


def test_a_plain_uv_below_links(here: Terminal) -> None:
    here.world.plain("venv", "-p", PYTHON, cwd=here.cwd)

    here.run("--", "sh", "-c", f'"{here.world.real_uv}" sync')

    there = installed(here.cwd / ".venv") / "data.bin"
    assert there.stat().st_dev == here.cwd.stat().st_dev
    assert (Path(cache_on(here.cwd.parent)) / "archive-v0").is_dir()
    assert not (here.world.default_cache / "archive-v0").exists()


def test_a_shim_below_decides_afresh(here: Terminal, fs: FileSystems) -> None:
    other = here.world.project(fs.ext4 / "other", HACKABLE)

    here.run("--", "sh", "-c", f"cd {other} && uv sync", shim=True)

    assert (installed(other / ".venv") / "data.bin").stat().st_nlink == 1
    assert here.world.default_cache.exists()


def test_what_an_outer_run_set_is_decided_afresh(here: Terminal, fs: FileSystems) -> None:
    other = here.world.project(fs.ext4 / "other")
    inner = shlex.join(linkpolicy())

    told = here.run("--", "sh", "-c", f"cd {other} && {inner} run echoing").stdout

    assert cache_on(fs.btrfs) not in told


def test_uv_gets_the_decision_for_its_own_words(here: Terminal, fs: FileSystems) -> None:
    target = fs.ext4 / "target"
    here.run("uv", "pip", "install", "--target", str(target), "--no-index", "-f",
             str(here.world.wheels), "-p", PYTHON, NAME)  # fmt: skip

    assert (installed(target) / "data.bin").stat().st_nlink > 1
    assert here.world.default_cache.exists()


# Where a program installs -------------------------------------------------------------------------


def test_a_program_that_installs_elsewhere_gets_the_decision_for_there(
    here: Terminal, fs: FileSystems
) -> None:
    data = fs.xfs / "hatch"

    assert here.variables("hatch", HATCH_DATA_DIR=str(data))["UV_CACHE_DIR"] == cache_on(fs.xfs)
    assert "UV_CACHE_DIR" not in here.variables("hatch")
    assert here.variables("tox", "--workdir", str(data))["UV_CACHE_DIR"] == cache_on(fs.xfs)
    assert here.variables("tox")["UV_CACHE_DIR"] == cache_on(fs.btrfs)


def test_a_directory_can_be_named(here: Terminal, fs: FileSystems) -> None:
    for words in (["--for", str(fs.xfs / "new")], [f"--for={fs.xfs}/new", "--"]):
        assert here.variables(*words, "tox")["UV_CACHE_DIR"] == cache_on(fs.xfs)


def test_an_environment_can_be_named(here: Terminal, fs: FileSystems) -> None:
    other = here.world.project(fs.xfs / "other", HACKABLE)
    here.world.plain("venv", "-p", PYTHON, cwd=other)

    for place in (other, other / ".venv"):
        assert here.variables("--for", str(place), "tox")["UV_LINK_MODE"] == "copy"


@pytest.mark.parametrize("shim", [False, True])
def test_what_uvx_starts_gets_the_decision_for_where_it_installs(
    here: Terminal, fs: FileSystems, shim: bool
) -> None:
    """The shim decides for uvx itself, and nothing leads what uvx starts to the shim."""
    real = here.world.base / "real"
    for name in ("uv", "uvx"):
        program(real / name, ECHO)
    path = f"{here.world.shims}:{real}:/usr/bin:/bin" if shim else f"{real}:/usr/bin:/bin"

    told = here.variables("uvx", "nox[uv]", "-s", "test", PATH=path)
    assert told["UV_CACHE_DIR"] == cache_on(fs.btrfs)
    told = here.variables("--for", str(fs.xfs / "x"), "uvx", "anything", PATH=path)
    assert told["UV_CACHE_DIR"] == cache_on(fs.xfs)
    assert "UV_CACHE_DIR" not in here.variables("uvx", "anything", PATH=path)
