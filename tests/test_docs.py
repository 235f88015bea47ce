"""The documentation says what the code does: every name in the code is documented, and exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "uvx_policy"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_has_exactly_one_test_command_that_ci_can_take() -> None:
    """`.ci/run` runs the lines between the fences after the comment."""
    blocks = re.findall(r"<!-- test command -->\n```sh\n(.*?)```", read("README.md"), re.DOTALL)

    assert len(blocks) == 1
    assert blocks[0].count("\n") == 1
    assert not blocks[0].startswith("$")
    assert "-m pytest" in blocks[0]


def test_the_readme_has_exactly_one_install_command() -> None:
    blocks = re.findall(r"<!-- install command -->\n```console\n\$ (.*)\n```", read("README.md"))

    assert len(blocks) == 1
    assert "linkpolicy setup" in blocks[0]


def test_architecture_names_every_module_and_no_other() -> None:
    text = read("ARCHITECTURE.md")
    told = re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}

    assert set(told) == modules
    assert len(told) == len(set(told))
