"""Completion scripts, the man page and the schemas: up to date, and of use to what reads them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from uvx_policy.command_line.pages import PAGES
from uvx_policy.command_line.tree import COMMANDS
from uvx_policy.settings import schema
from uvx_policy.settings.check import Checker
from uvx_policy.settings.keys import KEYS, USER_DEFAULTS, USER_RULES
from uvx_policy.setup.help_files import SHELLS, script
from uvx_policy.toml_file import parse_toml

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "uvx_policy"


def test_what_is_generated_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


# Completion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_completed(shell: str) -> None:
    text = script(shell)

    assert [name for name in COMMANDS if name not in text] == []
    assert "keep-edits" in text


def completed_by_bash(line: str) -> list[str]:
    words = line.split(" ")
    program = f"""
        source {PACKAGE}/completions/linkpolicy
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
        COMP_CWORD={len(words) - 1}
        complete -p linkpolicy >/dev/null || exit 3
        function=$(complete -p linkpolicy | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        "$function" linkpolicy '{words[-1]}' '{words[-2]}' 2>/dev/null
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("linkpolicy ver", ["verify"]),
        ("linkpolicy cache s", ["size", "seed"]),
        ("linkpolicy cache prune --dry", ["--dry-run"]),
        ("linkpolicy completion z", ["zsh"]),
        ("linkpolicy setup --launcher n", ["native"]),
        ("linkpolicy config un", ["unset"]),
    ],
)
def test_bash_completes(line: str, expected: list[str]) -> None:
    assert sorted(completed_by_bash(line)) == sorted(expected)


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("linkpolicy ver", {"verify"}),
        ("linkpolicy cache s", {"size", "seed"}),
        ("linkpolicy repair --keep", {"--keep-edits"}),
    ],
)
def test_fish_completes(line: str, expected: set[str], tmp_path: Path) -> None:
    program = f"source {PACKAGE}/completions/linkpolicy.fish; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        capture_output=True, text=True, check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip

    assert {row.split("\t")[0] for row in done.stdout.splitlines()} == expected


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_takes_the_script(tmp_path: Path) -> None:
    program = (
        f"fpath=({PACKAGE}/completions $fpath); autoload -Uz compinit; "
        f"compinit -u -d {tmp_path}/d; "
        "print -r -- ${_comps[linkpolicy]}; autoload -Uz +X _linkpolicy && print -r -- loaded"
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", program],
        capture_output=True, text=True, check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip

    assert done.stdout.split() == ["_linkpolicy", "loaded"]


# The man page -------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_man_renders_every_command_and_says_nothing_else() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", PACKAGE / "linkpolicy.1"],
        capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip

    assert done.stderr == ""
    assert [words for words in PAGES if f"linkpolicy {words}" not in done.stdout] == []


# Schemas ------------------------------------------------------------------------------------------

GOOD = ["", *(f"{key.name} = {value}" if key.is_boolean else f'{key.name} = "{value}"'
              for key in KEYS for value in (*key.allowed, *key.aliases))]  # fmt: skip
BAD = [
    "hackabel = true", 'hackable = "true"', "hackable = 1", 'link-mode = "fast"',
    "link-mode = true", 'cache = "/tmp/x"', "[defaults]", 'caches = { "/x" = "/y" }',
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_good"), [*((each, True) for each in GOOD), *((each, False) for each in BAD)]
)
def test_validate_pyproject_and_linkpolicy_agree_on_a_project(
    text: str, is_good: bool, tmp_path: Path
) -> None:
    head = '[project]\nname = "p"\nversion = "1"\n'
    file = tmp_path / "pyproject.toml"
    file.write_text(
        f"{head}[tool.linkpolicy]\n{text}\n".replace("[defaults]", "[tool.linkpolicy.defaults]")
    )
    checker = Checker(parse_toml(str(file), file.read_text()))
    checker.project()

    from validate_pyproject import api, errors, plugins, types

    def load(tool_name: str) -> types.Schema:
        return types.Schema(schema.for_validate_pyproject(tool_name))

    validator = api.Validator(plugins=[plugins.PluginWrapper("linkpolicy", load)])
    data = parse_toml(str(file), file.read_text()).data
    try:
        validator(data)
        accepted = True
    except errors.ValidationError:
        accepted = False

    assert accepted is is_good
    assert (not checker.faults) is accepted


def test_validate_pyproject_finds_the_schema_by_itself() -> None:
    """Through the entry point of the installed package."""
    from validate_pyproject.plugins import list_from_entry_points

    found = [plugin for plugin in list_from_entry_points() if plugin.tool == "linkpolicy"]

    assert [plugin.schema for plugin in found] == [schema.project_schema()]


CONFIGS = {
    '[defaults]\nhackable = true\n[caches]\n"/x" = "~/c"\nseed-from = ["/y"]\n': True,
    '[[rules]]\npath = "~/oss/**"\nlink-mode = "copy"\n': True,
    "[[rules]]\nhackable = true\n": False,
    '[caches]\n"/x" = "relative"\n': False,
    "[default]\nhackable = true\n": False,
    "hackable = true\n": False,
    '[defaults]\nlink-mode = "fast"\n': False,
}


@pytest.mark.parametrize(("text", "is_good"), CONFIGS.items())
def test_check_jsonschema_and_linkpolicy_agree_on_a_config_file(
    text: str, is_good: bool, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    checker = Checker(parse_toml(str(file), text), home="/home/me")
    checker.config(defaults=USER_DEFAULTS, rules=USER_RULES)

    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--schemafile",
         PACKAGE / "schema" / schema.CONFIG_FILE, file],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode in (0, 1), done.stderr
    assert (done.returncode == 0) is is_good, done.stdout
    assert (not checker.faults) is is_good


def test_the_schemas_are_valid_themselves() -> None:
    for name in (schema.PROJECT_FILE, schema.CONFIG_FILE):
        path = PACKAGE / "schema" / name
        done = subprocess.run(
            [sys.executable, "-m", "check_jsonschema", "--check-metaschema", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert json.loads(path.read_text())["additionalProperties"] is False
