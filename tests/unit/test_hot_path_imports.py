"""What the shim imports, seen from outside: `-X importtime` of the very file that is on PATH.

Every module costs time on each call of uv, and most of the standard library's well-known ones cost
more than starting Python does (benchmarks/README.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import harness
from tests.launcher.programs import need_compiler
from uvx_policy.setup import interpreter, shim_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shim is a script on POSIX only")

#: all that `uv --version` may load of ours
QUICK = {"guard", "launch", "locate", "shim", "minimal_os"}
#: and what a call loads that is replayed from its record
REPLAY = QUICK | {
    "edits", "errors", "fingerprint", "replay", "replay.key", "replay.records", "replay.witness",
    "state", "state.layout", "state.reading", "trace", "under_policy", "uv", "uv.invocation",
    "uv.options", "value",
}  # fmt: skip
#: and never these, from whichever library
SLOW = {
    "argparse", "ast", "asyncio", "collections", "contextlib", "dataclasses", "enum", "fnmatch",
    "functools", "glob", "importlib.metadata", "inspect", "json", "locale", "logging", "pathlib",
    "platformdirs", "random", "re", "rich", "shellingham", "shutil", "signal", "site",
    "subprocess", "tempfile", "threading", "tomli", "tomlkit", "tomllib", "traceback", "typing",
    "typing_extensions", "warnings", "zipfile",
}  # fmt: skip

PYPROJECT = '[project]\nname = "a"\nversion = "1"\n\n[tool.linkpolicy]\nhackable = true\n'


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native `uv` that exits at once and calls itself 0.13.8."""
    need_compiler()
    directory = tmp_path_factory.mktemp("stand-in")
    answer = directory / "answer"
    answer.write_text("#!/bin/sh\necho uv 0.13.8\n", encoding="utf-8")
    answer.chmod(0o755)
    return Path(harness.compile_stand_in(str(directory / "bin"), uv=str(answer)))


class Shim:
    """A shim on disk, with the stand-in behind it on PATH."""

    def __init__(self, directory: Path, stand_in: Path) -> None:
        self.path = directory / "shims" / "uv"
        self.path.parent.mkdir()
        self.path.write_bytes(shim_file.render("uv"))
        self.path.chmod(0o755)
        self.environ = {
            "HOME": str(directory),
            "PATH": f"{self.path.parent}:{stand_in.parent}:/usr/bin:/bin",
        }

    def imports(self, *words: str, cwd: Path) -> set[str]:
        """Every module that the shim itself imports for these words of uv."""
        python = interpreter.base_interpreter()
        started = _imports(["-c", "pass"], python=python, cwd=cwd, environ=self.environ)
        return (
            _imports([str(self.path), *words], python=python, cwd=cwd, environ=self.environ)
            - started
        )


def _imports(words: list[str], *, python: str, cwd: Path, environ: dict[str, str]) -> set[str]:
    done = subprocess.run(
        [python, "-IS", "-X", "importtime", *words],
        cwd=cwd, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith("import time:")] == []
    return {line.rpartition("|")[2].strip() for line in lines}


def _ours(modules: set[str]) -> set[str]:
    return {name.partition(".")[2] for name in modules if name.startswith("uvx_policy.")}


@pytest.fixture
def shim(tmp_path: Path, stand_in: Path) -> Shim:
    return Shim(tmp_path, stand_in)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--version",), id="version"),
        pytest.param(("help", "sync"), id="help"),
        pytest.param((), id="nothing"),
    ],
)
def test_a_command_that_links_nothing_loads_five_small_modules(
    shim: Shim, tmp_path: Path, words: tuple[str, ...]
) -> None:
    imported = shim.imports(*words, cwd=tmp_path)

    assert _ours(imported) == QUICK
    assert imported & (SLOW | {"__future__", "os", "_collections_abc"}) == set()


def test_bypassed_policy_is_not_even_loaded(shim: Shim, tmp_path: Path) -> None:
    shim.environ["LINKPOLICY_BYPASS"] = "1"

    imported = shim.imports("sync", cwd=tmp_path)

    assert _ours(imported) == QUICK


def test_a_decision_without_toml_loads_nothing_slow(shim: Shim, tmp_path: Path) -> None:
    words = ("pip", "install", "--target", str(tmp_path / "target"), "a")

    imported = shim.imports(*words, cwd=tmp_path)

    assert {"decide", "pipeline", "filesystem.probe"} <= _ours(imported)
    assert imported & SLOW == set()


def test_a_recorded_decision_loads_neither_policy_nor_toml(shim: Shim, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / ".cache/uv").mkdir(parents=True)
    time.sleep(0.1)  # what was changed this moment is no witness
    shim.imports("sync", cwd=project)

    imported = shim.imports("sync", "--verbose", cwd=project)

    assert _ours(imported) == REPLAY
    assert imported & (SLOW | {"os", "_collections_abc"}) == set()


def test_a_decision_in_a_project_loads_nothing_slow_but_what_tomli_does(
    shim: Shim, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    paths = shim_file.package_paths()
    parser = _imports(
        ["-c", f"import sys; sys.path += {paths!r}; import tomli"],
        python=interpreter.base_interpreter(), cwd=tmp_path, environ=shim.environ,
    )  # fmt: skip

    imported = shim.imports("sync", cwd=project)

    assert {"decide", "pipeline", "filesystem.probe", "toml_file"} <= _ours(imported)
    assert "tomli" in imported
    assert (imported & SLOW) - parser == set()


def test_the_list_of_slow_modules_names_modules_that_exist() -> None:
    others = {
        "importlib.metadata", "platformdirs", "rich", "shellingham", "tomli", "tomlkit", "tomllib",
        "typing_extensions",
    }  # fmt: skip

    assert SLOW - set(sys.stdlib_module_names) - others == set()
