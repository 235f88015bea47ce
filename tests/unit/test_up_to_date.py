"""When a lock file certainly still holds."""

from __future__ import annotations

from typing import Any

import pytest

from uvx_policy.toml_file import parse_toml
from uvx_policy.uv.up_to_date import is_up_to_date

LOCK = """version = 1
requires-python = ">=3.8"

[[package]]
name = "other"
version = "1"
source = { virtual = "other" }

[package.metadata]
requires-dist = [{ name = "unrelated" }]

[[package]]
name = "work"
version = "1"
source = { virtual = "." }
dependencies = [
    { name = "rich" },
]

[package.metadata]
requires-dist = [
    { name = "httpx", marker = "extra == 'web'", specifier = ">=0.1" },
    { name = "rich", extras = ["jupyter"], specifier = ">=13,<15" },
]
provides-extras = ["web"]

[package.metadata.requires-dev]
dev = [{ name = "pytest" }, { name = "ruff", specifier = ">=0.5" }]

[[package]]
name = "zeta"
version = "1"
"""
PYPROJECT = """
[project]
name = "work"
requires-python = ">= 3.8"
dependencies = ["Rich[jupyter] <15, >=13"]
optional-dependencies = { web = ["httpx>=0.1"] }
[dependency-groups]
lint = []
dev = ["pytest", "ruff>=0.5", { include-group = "lint" }]
"""


def data(text: str) -> dict[str, Any]:
    return parse_toml("pyproject.toml", text).data


def test_it_holds_for_what_it_quotes() -> None:
    assert is_up_to_date(LOCK, "work", data(PYPROJECT.replace(">= 3.8", ">=3.8")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<15", "<16"),
        ('"Rich[jupyter] <15, >=13"', ""),
        ('"pytest",', '"pytest", "more",'),
        ("httpx>=0.1", "httpx"),
        (">= 3.8", ">=3.9"),
        ("lint = []", 'lint = ["ruff"]'),
        ('"pytest"', '"pytest @ https://nowhere/pytest.whl"'),
        ('name = "work"', 'name = "work"\ndynamic = ["version"]'),
        ("[dependency-groups]", "[tool.uv]\nresolution = 'lowest'\n[dependency-groups]"),
    ],
)
def test_it_does_not_for_anything_else(old: str, new: str) -> None:
    assert old in PYPROJECT

    assert not is_up_to_date(LOCK, "work", data(PYPROJECT.replace(old, new)))


def test_it_does_not_for_a_package_that_it_does_not_have() -> None:
    assert not is_up_to_date(LOCK, "nobody", data(PYPROJECT))
