from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from uvx_policy.errors import Unreadable
from uvx_policy.host import Host
from uvx_policy.uv.destination import find_destination
from uvx_policy.uv.invocation import Invocation, parse
from uvx_policy.uv.settings import UvSettings, read_uv_settings
from uvx_policy.uv.workspace import working_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from uvx_policy.model import Destination, UvVersion

NEW = (0, 13, 8)
NAME = '[project]\nname = "x"\n'
WORKSPACE = NAME + '[tool.uv.workspace]\nmembers = ["m"]\n'
SCRIPT = "# /// script\n# ///\n"
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def make(root: Path, *files: str, **texts: str) -> None:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(texts.get(name, NAME if name.endswith("pyproject.toml") else ""))


def make_environment(path: Path, version: str = "3.12.1") -> None:
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(sys.executable)
    (path / "pyvenv.cfg").write_text(
        f"home = /x\nimplementation = CPython\nversion_info = {version}\n"
    )


def find(
    root: Path,
    words: str,
    *,
    cwd: str = "p",
    version: UvVersion | None = NEW,
    environ: Mapping[str, str] = NO_VARIABLES,
    program: str = "uv",
) -> Destination:
    variables = {"HOME": str(root / "home"), "XDG_CONFIG_DIRS": str(root / "etc"), "PATH": ""}
    for name, value in environ.items():
        variables[name] = value.replace("{root}", str(root))
    invocation = parse(program, tuple(words.split()))
    host = Host(environ=variables, cwd=str(root / cwd), platform="linux")
    host = working_directory(host, invocation, version)
    return find_destination(host, invocation, read_uv_settings(host, invocation, version), version)


@pytest.mark.parametrize(
    ("program", "words", "kind"),
    [
        pytest.param("uv", words, kind, id=f"{program} {words}")
        for program, words, kind in (
            ("uv", "", "none"),
            ("uv", "--version", "none"),
            ("uv", "help sync", "none"),
            ("uv", "sync --help", "none"),
            ("uv", "lock", "none"),
            ("uv", "export", "none"),
            ("uv", "tree", "none"),
            ("uv", "init", "none"),
            ("uv", "publish", "none"),
            ("uv", "cache clean", "none"),
            ("uv", "cache dir", "none"),
            ("uv", "self update", "none"),
            ("uv", "python install 3.12", "none"),
            ("uv", "pip list", "none"),
            ("uv", "pip freeze", "none"),
            ("uv", "pip compile r.in", "none"),
            ("uv", "pip uninstall x", "none"),
            ("uv", "tool list", "none"),
            ("uv", "tool uninstall x", "none"),
            ("uv", "sync --dry-run", "none"),
            ("uv", "sync --check", "none"),
            ("uv", "pip install --dry-run x", "none"),
            ("uv", "version", "none"),
            ("uv", "add --frozen x", "none"),
            ("uv", "remove --no-sync x", "none"),
            ("uv", "workspace metadata", "none"),
            ("uv", "build", "cache"),
            ("uv", "tool run ruff", "cache"),
            ("uv", "run --isolated x", "cache"),
            ("uv", "sync", "project"),
            ("uv", "add x", "project"),
            ("uv", "remove x", "project"),
            ("uv", "version --bump patch", "project"),
            ("uv", "check", "project"),
            ("uv", "workspace metadata --sync", "project"),
            ("uv", "run x", "project"),
            ("uv", "venv", "new"),
            ("uv", "venv /x", "new"),
            ("uv", "pip install --target t x", "target"),
            ("uv", "pip install --prefix t x", "prefix"),
            ("uv", "tool install x", "tool"),
            ("uv", "sync --option-of-tomorrow", "unknown"),
            ("uv", "command-of-tomorrow", "unknown"),
        )
    ],
)
def test_kind_of_every_command(tmp_path: Path, program: str, words: str, kind: str) -> None:
    make(tmp_path, "p/pyproject.toml")
    found = find(tmp_path, words, program=program)
    assert found.kind == kind
    assert found.because
    assert bool(found.path) == (kind not in ("none", "cache", "unknown"))


def test_uvx_is_in_the_cache(tmp_path: Path) -> None:
    make(tmp_path, "p/pyproject.toml")
    assert find(tmp_path, "ruff check", program="uvx").kind == "cache"


@pytest.mark.parametrize(
    ("words", "cwd", "environ", "path", "project", "origin"),
    [
        pytest.param("sync", "p", {}, "p/.venv", "p", "default", id="root"),
        pytest.param("sync", "p/m", {}, "p/.venv", "p", "default", id="member"),
        pytest.param("sync", "p/n", {}, "p/n/.venv", "p/n", "default", id="no member"),
        pytest.param(
            "sync",
            "p/m",
            {"UV_PROJECT_ENVIRONMENT": "u"},
            "p/u",
            "p",
            "UV_PROJECT_ENVIRONMENT",
            id="UPE is relative to the workspace root",
        ),
        pytest.param(
            "sync",
            "p/n",
            {"UV_PROJECT_ENVIRONMENT": "{root}/far/u"},
            "far/u",
            "p/n",
            "UV_PROJECT_ENVIRONMENT",
            id="outside of any project: the invocation's",
        ),
        pytest.param(
            "sync",
            "p/m",
            {"UV_PROJECT_ENVIRONMENT": "{root}/far/u"},
            "far/u",
            "p",
            "UV_PROJECT_ENVIRONMENT",
            id="outside of any project: the invocation's workspace",
        ),
        pytest.param(
            "sync",
            "p/n",
            {"UV_PROJECT_ENVIRONMENT": "{root}/q/.venv"},
            "q/.venv",
            "q",
            "UV_PROJECT_ENVIRONMENT",
            id="the environment decides",
        ),
        pytest.param(
            "sync --active",
            "p",
            {"VIRTUAL_ENV": "{root}/q/.venv"},
            "q/.venv",
            "q",
            "VIRTUAL_ENV",
            id="active",
        ),
        pytest.param("pip install --target v x", "p", {}, "p/v", "p", "--target", id="target"),
        pytest.param("pip install --target . x", "p", {}, "p", "p", "--target", id="target here"),
        pytest.param("venv ../far/v", "p", {}, "far/v", "", "PATH", id="new, far away"),
        pytest.param("venv", "p/m", {}, "p/m/.venv", "p/m", "default", id="new in a member"),
    ],
)
def test_environment_decides_the_project(
    tmp_path: Path,
    words: str,
    cwd: str,
    environ: dict[str, str],
    path: str,
    project: str,
    origin: str,
) -> None:
    make(tmp_path, "p/m/pyproject.toml", "p/n/pyproject.toml", "q/pyproject.toml")
    (tmp_path / "p/pyproject.toml").write_text(WORKSPACE)
    (tmp_path / "far").mkdir()

    found = find(tmp_path, words, cwd=cwd, environ=environ)

    assert found.path == str(tmp_path / path)
    assert found.project == (project and str(tmp_path / project))
    assert str(found.origin) == origin


def test_environment_of_a_member_has_the_workspace_of_the_member(tmp_path: Path) -> None:
    make(tmp_path, "p/m/pyproject.toml")
    (tmp_path / "p/pyproject.toml").write_text(WORKSPACE)
    make_environment(tmp_path / "p/m/.venv")

    found = find(tmp_path, "pip install x", cwd="p/m")

    assert found.path == str(tmp_path / "p/m/.venv")
    assert found.project == str(tmp_path / "p/m")
    assert found.workspace == str(tmp_path / "p")


def test_linked_environment_belongs_to_the_project_of_the_link(tmp_path: Path) -> None:
    make(tmp_path, "p/pyproject.toml", "q/pyproject.toml")
    make_environment(tmp_path / "q/env")
    (tmp_path / "p/.venv").symlink_to(tmp_path / "q/env")

    for words in ("sync", "pip install x"):
        found = find(tmp_path, words)
        assert found.path == str(tmp_path / "p/.venv")
        assert found.project == str(tmp_path / "p")


def test_linkpolicy_toml_makes_a_project_of_its_directory(tmp_path: Path) -> None:
    make(tmp_path, "pyproject.toml", "p/linkpolicy.toml")
    make_environment(tmp_path / "p/.venv")

    found = find(tmp_path, "pip install x")

    assert found.project == str(tmp_path / "p")
    assert found.workspace == str(tmp_path / "p")


def test_tools_belong_to_no_project(tmp_path: Path) -> None:
    make(tmp_path, "pyproject.toml", "p/pyproject.toml")
    found = find(tmp_path, "tool install Ruff==1")
    assert found.path == str(tmp_path / "home/.local/share/uv/tools/ruff")
    assert found.project == ""


def test_tools_that_lie_elsewhere_are_unknown(tmp_path: Path) -> None:
    tools = tmp_path / "home/.local/share/uv/tools"
    (tools / "a").mkdir(parents=True)
    (tmp_path / "p").mkdir()
    assert find(tmp_path, "tool upgrade --all").path == str(tools)
    (tools / "b").symlink_to("/elsewhere")
    assert find(tmp_path, "tool upgrade --all").kind == "unknown"
    assert find(tmp_path, "tool upgrade a").path == str(tools / "a")


@pytest.mark.parametrize(
    ("version", "kind"), [((0, 8, 17), "none"), ((0, 8, 18), "project"), (None, "unknown")]
)
def test_project_table_is_optional_since_0_8_18(
    tmp_path: Path, version: UvVersion | None, kind: str
) -> None:
    make(tmp_path, "p/pyproject.toml")
    (tmp_path / "p/pyproject.toml").write_text("[tool.x]\n")
    assert find(tmp_path, "sync", version=version).kind == kind


@pytest.mark.parametrize(
    ("version", "kind"), [((0, 11, 16), "unknown"), ((0, 11, 17), "project"), (None, "unknown")]
)
def test_env_file_reaches_uv_until_0_11_16(
    tmp_path: Path, version: UvVersion | None, kind: str
) -> None:
    make(tmp_path, "p/pyproject.toml")
    (tmp_path / "p/.env").write_text("UV_PROJECT_ENVIRONMENT=elsewhere\n")
    assert find(tmp_path, "run --env-file .env x", version=version).kind == kind
    assert (
        find(tmp_path, "sync", version=version, environ={"UV_ENV_FILE": ".env"}).kind == "project"
    )


@pytest.mark.parametrize(
    ("version", "kind"), [((0, 11, 24), "project"), ((0, 11, 25), "cache"), (None, "unknown")]
)
def test_centralized_environments_since_0_11_25(
    tmp_path: Path, version: UvVersion | None, kind: str
) -> None:
    make(tmp_path, "p/pyproject.toml")
    words = "sync --preview-features centralized-project-envs"
    assert find(tmp_path, words, version=version).kind == kind


@pytest.mark.parametrize(
    ("version", "found"), [((0, 11, 33), True), ((0, 12, 0), False), (None, False)]
)
def test_dangling_link_sends_old_uv_to_the_directories_above__trap_9(
    tmp_path: Path, version: UvVersion | None, found: bool
) -> None:
    make(tmp_path, "p/pyproject.toml", "p/sub/x")
    make_environment(tmp_path / "p/.venv")
    (tmp_path / "p/sub/.venv").symlink_to("nowhere")

    answer = find(tmp_path, "pip install x", cwd="p/sub", version=version)

    assert answer.path == (str(tmp_path / "p/.venv") if found else "")


@pytest.mark.parametrize(
    ("version", "found"), [((0, 13, 8), True), ((0, 13, 9), False), (None, False)]
)
def test_new_uv_takes_a_file_for_a_signpost(
    tmp_path: Path, version: UvVersion | None, found: bool
) -> None:
    make(tmp_path, "p/pyproject.toml", "p/sub/.venv")
    make_environment(tmp_path / "p/.venv")

    answer = find(tmp_path, "pip install x", cwd="p/sub", version=version)

    assert answer.path == (str(tmp_path / "p/.venv") if found else "")


@pytest.mark.parametrize("what", ["file", "fifo"])
def test_project_environment_that_is_no_directory_is_unknown(tmp_path: Path, what: str) -> None:
    make(tmp_path, "p/pyproject.toml")
    if what == "file":
        (tmp_path / "p/.venv").write_text("/elsewhere")
    else:
        os.mkfifo(tmp_path / "p/.venv")
    assert find(tmp_path, "sync").kind == "unknown"


@pytest.mark.parametrize(
    "words", ["sync --active", "pip install --target ../l/../t x", "venv ../l/../v"]
)
def test_parent_behind_a_link_is_unknown(tmp_path: Path, words: str) -> None:
    make(tmp_path, "p/pyproject.toml", "far/away/x")
    (tmp_path / "l").symlink_to(tmp_path / "far/away")
    assert find(tmp_path, words, environ={"VIRTUAL_ENV": "../l/../e"}).kind == "unknown"


@pytest.mark.parametrize("words", ["run -", "run https://example.org/s.py"])
def test_script_that_cannot_be_seen_is_unknown(tmp_path: Path, words: str) -> None:
    make(tmp_path, "p/pyproject.toml")
    assert find(tmp_path, words).kind == "unknown"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("run s.py", "cache"),
        ("run python s.py", "project"),
        ("sync --script s.py", "cache"),
        ("add --script s.py x", "none"),
        ("run --active s.py", "environment"),
        ("sync --active --script s.py", "environment"),
    ],
)
def test_scripts_with_a_block_live_in_the_cache(tmp_path: Path, words: str, kind: str) -> None:
    make(tmp_path, "p/pyproject.toml")
    (tmp_path / "p/s.py").write_text(SCRIPT)
    active = {"VIRTUAL_ENV": "{root}/e"}
    assert find(tmp_path, words, environ=active).kind == kind


@pytest.mark.parametrize(
    ("request_", "matches"),
    [
        ("3", True),
        ("3.12", True),
        ("312", True),
        ("3.12.1", True),
        ("python3.12", True),
        ("cpython@3.12", True),
        ("CPython3.12", True),
        ("3.1", False),
        ("3.13", False),
        ("3.12.2", False),
        ("3.12t", False),
        ("pypy", False),
        (">=3.12", False),
        ("python", False),
    ],
)
def test_version_request_needs_the_environments_version(
    tmp_path: Path, request_: str, matches: bool
) -> None:
    make(tmp_path, "p/pyproject.toml")
    make_environment(tmp_path / "p/.venv")
    found = find(tmp_path, f"pip install -p {request_} x")
    assert found.kind == ("environment" if matches else "unknown")


def test_implementation_other_than_cpython_is_unknown(tmp_path: Path) -> None:
    make(tmp_path, "p/pyproject.toml")
    make_environment(tmp_path / "p/.venv")
    (tmp_path / "p/.venv/pyvenv.cfg").write_text("implementation = PyPy\nversion_info = 3.12.1\n")
    assert find(tmp_path, "pip install -p 3.12 x").kind == "unknown"


def make_prefix(path: Path, *, patched: bool = False) -> None:
    library = path / "lib/python3.12"
    library.mkdir(parents=True)
    (library / "os.py").write_text("")
    (path / "bin").mkdir()
    (path / "bin/python3.12").write_text("")
    (path / "bin/python3.12").chmod(0o755)
    (path / "bin/python3").symlink_to("python3.12")
    if patched:
        (path / "lib/python3/dist-packages").mkdir(parents=True)
    (library / "site-packages").mkdir()


@pytest.mark.parametrize(
    ("words", "patched", "kind"),
    [
        pytest.param("pip install --system x", False, "interpreter", id="system"),
        pytest.param("pip install -p ../s/bin/python3 x", False, "interpreter", id="named"),
        pytest.param("pip install -p ../s x", False, "interpreter", id="named prefix"),
        pytest.param("pip install --system x", True, "unknown", id="of a distribution"),
        pytest.param("pip install --system -p 3.12 x", False, "unknown", id="system, version"),
        pytest.param("pip install x", False, "unknown", id="only with --system"),
    ],
)
def test_interpreter_that_is_in_no_environment(
    tmp_path: Path, words: str, patched: bool, kind: str
) -> None:
    make(tmp_path, "p/pyproject.toml")
    make_prefix(tmp_path / "s", patched=patched)
    found = find(tmp_path, words, environ={"PATH": "{root}/s/bin"})
    assert found.kind == kind
    assert found.path == (str(tmp_path / "s") if kind == "interpreter" else "")


def test_site_packages_behind_a_link_are_unknown(tmp_path: Path) -> None:
    make(tmp_path, "p/pyproject.toml")
    make_prefix(tmp_path / "s")
    (tmp_path / "s/lib/python3.12/site-packages").rmdir()
    (tmp_path / "s/lib/python3.12/site-packages").symlink_to("/elsewhere")
    found = find(tmp_path, "pip install --system x", environ={"PATH": "{root}/s/bin"})
    assert found.kind == "unknown"


def test_what_cannot_be_read_is_unknown_not_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "p/pyproject.toml")
    host = Host(environ={}, cwd=str(tmp_path / "p"))

    def refuse(path: str) -> str:
        raise Unreadable(path, "Permission denied")

    monkeypatch.setattr(host, "kind", refuse)
    invocation = parse("uv", ("sync",))
    found = find_destination(host, invocation, UvSettings(), NEW)
    assert found.kind == "unknown"
    assert "Permission denied" in found.because


def test_broken_project_is_unknown(tmp_path: Path) -> None:
    make(tmp_path, "p/pyproject.toml")
    (tmp_path / "p/pyproject.toml").write_text("[[")
    assert find(tmp_path, "sync").kind == "unknown"


def test_nothing_of_an_uncertain_command_line_is_trusted(tmp_path: Path) -> None:
    host = Host(environ={}, cwd=str(tmp_path))
    call = Invocation(program="uv", arguments=(), command=("build",), uncertain=True)
    assert find_destination(host, call, UvSettings(), NEW).kind == "unknown"
