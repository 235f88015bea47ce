"""`linkpolicy env`: whatever a directory is called, one variable is set, to exactly its path."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from uvx_policy.explain import SYNTAXES, as_exports

HOSTILE = [
    "plain", "a b", "it's", 'say "x"', "$HOME `id` $(id)", "back\\slash\\'",
    "line\nINJECTED=1\nend",
    "x\u2019; Write-Host PWNED; $z=\u2018y", "\u201a\u201b", "END_OF_VALUE",
    "a\nEND_OF_VALUE\nX=1",
    "esc\x1b[2J", "bidi\u202e", "%PATH%", "tab\there", "*", "~", "",
]  # fmt: skip


def exported(value: str, syntax: str) -> str:
    return as_exports({"UV_CACHE_DIR": f"/{value}"}, syntax)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(("syntax", "shell"), [("sh", "sh"), ("sh", "bash"), ("fish", "fish")])
def test_a_shell_sets_one_variable(tmp_path: Path, value: str, syntax: str, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    program = f"{exported(value, syntax)}\nenv -0"

    done = subprocess.run(
        [shell, "-c", program],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, capture_output=True, check=True,
    )  # fmt: skip

    told = dict(row.decode().split("=", 1) for row in done.stdout.split(b"\0") if row.count(b"="))
    assert told["UV_CACHE_DIR"] == f"/{value}"
    assert {"INJECTED", "X"} & told.keys() == set()


@pytest.mark.parametrize("value", HOSTILE)
def test_github_reads_one_variable(value: str) -> None:
    """As the runner reads `$GITHUB_ENV`: a name, a word, and lines up to that word."""
    lines = exported(value, "github").split("\n")
    found = {}
    while lines and lines != [""]:
        name, word = lines.pop(0).split("<<")
        content = []
        while (line := lines.pop(0)) != word:
            content.append(line)
        found[name] = "\n".join(content)

    assert found == {"UV_CACHE_DIR": f"/{value}"}


@pytest.mark.parametrize("value", HOSTILE)
def test_powershell_reads_one_string(value: str) -> None:
    """about_Quoting_Rules: of five characters that end a string, two in a row are one of them."""
    quote = "['\u2018\u2019\u201a\u201b]"
    line = exported(value, "powershell")

    told = re.fullmatch(
        rf"\$env:UV_CACHE_DIR = {quote}((?:[^'\u2018\u2019\u201a\u201b]|{quote}{quote})*){quote}\n",
        line,
    )

    assert told is not None
    assert re.sub(rf"({quote}){quote}", r"\1", told[1]) == f"/{value}"


@pytest.mark.parametrize("value", HOSTILE)
def test_json_has_one_variable(value: str) -> None:
    assert json.loads(exported(value, "json")) == {"UV_CACHE_DIR": f"/{value}"}


def test_every_syntax_is_tried_here() -> None:
    assert set(SYNTAXES) == {"sh", "fish", "powershell", "github", "json"}
