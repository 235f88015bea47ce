"""What the words of a call ask for, and what is left to uv because it is not understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.facts import facts
from uvx_policy.host import Host
from uvx_policy.model import Destination
from uvx_policy.seed.asked import Asked, of_words
from uvx_policy.uv.invocation import parse_detailed

COMMIT = "0123456789" * 4


def asked(here: Path, *words: str, kind: str = "environment", **environ: str) -> Asked:
    host = Host(environ={"HOME": str(here), **environ}, cwd=str(here))
    found = Asked(host)
    destination = Destination(kind=kind, path=str(here / "tools"))  # type: ignore[arg-type]
    of_words(host, parse_detailed("uv", words), facts(destination=destination), found)
    return found


def names(found: Asked) -> list[str]:
    return sorted(f"{each.name}{each.specifier}" for each in found.roots)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pip install a b[c]>=1", ["a", "b>=1"]),
        ("pip install https://x/a_b-1.0-py3-none-any.whl", ["a-b==1.0"]),
        ("tool install ruff@0.6", ["ruff==0.6"]),
        ("tool install ruff@latest --with a,b[c,d]>1,<2", ["a", "b>1,<2", "ruff"]),
        ("tool install --from a b", ["a"]),
        ("run --with a --with b==1 x", ["a", "b==1"]),
        ("venv --seed", ["pip", "setuptools", "wheel"]),
        ("venv", []),
    ],
)
def test_words_name_packages(tmp_path: Path, words: str, expected: list[str]) -> None:
    found = asked(tmp_path, *words.split())

    assert names(found) == expected
    assert not found.is_unclear


def test_files_name_packages(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "r.txt").write_text(
        "# nothing\na==1 \\\n  --hash=sha256:00\n\nb ; python_version > '3'  # more\n"
        "-rbelow/more.txt\n--constraint below/limits.in\n--index-url https://x\n"
    )
    (tmp_path / "below/more.txt").write_text("c\n-e ./project\n")
    (tmp_path / "below/limits.in").write_text("c<2\n")
    (tmp_path / "below/project").mkdir()

    found = asked(tmp_path, "pip", "install", "-r", "r.txt")

    assert names(found) == ["a==1", "b", "c"]
    assert [each.specifier for each in found.constraints] == ["<2"]
    assert [each.path for each in found.directories] == [str(tmp_path / "below/project")]
    assert not found.is_unclear


def test_toml_files_and_scripts_name_packages(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project]\ndependencies = ['a']\noptional-dependencies = { x = ['b'], y = ['c'] }\n"
    )
    (tmp_path / "pylock.toml").write_text("[[packages]]\nname = 'd'\nversion = '1'\n")
    (tmp_path / "s.py").write_text("# /// script\n# dependencies = ['e']\n# ///\n")
    words = "pip install -r pyproject.toml -r pylock.toml -r s.py"

    assert names(asked(tmp_path, *words.split(), "--extra", "y")) == ["a", "c", "d==1", "e"]
    assert names(asked(tmp_path, *words.split(), "--all-extras")) == ["a", "b", "c", "d==1", "e"]


def test_a_tool_is_upgraded_by_its_receipt(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"tools/{name}").mkdir(parents=True)
        (tmp_path / f"tools/{name}/uv-receipt.toml").write_text(
            f"[tool]\nrequirements = [{{ name = '{name}', specifier = '>1' }}, {{ name = 'x' }}]\n"
        )

    assert names(asked(tmp_path, "tool", "upgrade", "--all", kind="tool")) == [
        "one>1", "two>1", "x", "x",
    ]  # fmt: skip


def test_commits_and_archives_are_known_by_their_urls(tmp_path: Path) -> None:
    found = asked(
        tmp_path, "pip", "install", f"a @ git+https://x/a@{COMMIT}#subdirectory=b", "https://x/c.tar.gz"
    )  # fmt: skip

    assert (found.commits, found.urls) == ([COMMIT], ["https://x/c.tar.gz"])
    assert not found.is_unclear


@pytest.mark.parametrize(
    "words",
    [
        "pip install git+https://x/a", "pip install git+https://x/a@main", "pip install https://x/a",
        "pip install ./absent", "pip install a.tar.gz", "pip install -r absent.txt",
        "pip install -r https://x/r.txt", "pip install -r -", "pip install -r variable.txt",
        "pip install --group dev", "pip install -r setup.py", "pip sync endless.txt",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said(tmp_path: Path, words: str) -> None:
    (tmp_path / "a.tar.gz").write_text("")
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "variable.txt").write_text("a @ ${URL}\n")
    (tmp_path / "endless.txt").write_text("-r endless.txt\n")

    assert asked(tmp_path, *words.split()).is_unclear


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        ("pip install a --resolution lowest", {}),
        ("pip install a --pre", {}),
        ("tool install a --overrides o.txt", {}),
        ("pip install a", {"UV_EXCLUDE_NEWER": "2024-01-01"}),
    ],
)
def test_where_other_versions_are_chosen_all_are_taken(
    tmp_path: Path, words: str, environ: dict[str, str]
) -> None:
    assert asked(tmp_path, *words.split(), **environ).every
