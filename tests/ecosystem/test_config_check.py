"""`linkpolicy config check`: each fault with the file as it was named, and its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from uvx_policy import cli


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *paths: str) -> tuple[int, list[str]]:
    code = cli.main(["config", "check", *paths])
    return code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[project]\nname = 'x'\n"),
        ("pyproject.toml", "[tool.linkpolicy]\nhackable = true\n"),
        ("linkpolicy.toml", "link-mode = 'copy'\n"),
        ("config.toml", "[defaults]\nhackable = true\n[caches]\n'~/x' = '~/x/cache'\n"),
    ],
)
def test_a_file_without_faults_is_passed(
    capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    Path(name).write_text(text)

    assert check(capsys, name) == (0, [])


@pytest.mark.parametrize(
    ("name", "text", "start"),
    [
        ("pyproject.toml", "[tool.linkpolicy]\n\nhackabel = true\n", "pyproject.toml:3: unknown"),
        ("linkpolicy.toml", "hackable = 1\n", "linkpolicy.toml:1: `hackable` must be"),
        ("linkpolicy.toml", "a = 1\n= 2\n", "linkpolicy.toml:2: "),
        ("config.toml", "\n[defaults]\nhackable = 1\n", "config.toml:3: `hackable` must be"),
        ("config.toml", "hackable = true\n", "config.toml:1: unknown key"),
    ],
)
def test_a_fault_is_shown_with_its_line(
    capsys: pytest.CaptureFixture[str], name: str, text: str, start: str
) -> None:
    Path(name).write_text(text)

    code, (line,) = check(capsys, name)

    assert code == 1
    assert line.startswith(start)


def test_the_faults_of_all_files_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        Path(name).mkdir()
        Path(name, "linkpolicy.toml").write_text("x = 1\n")

    code, lines = check(capsys, "a/linkpolicy.toml", "b/linkpolicy.toml")

    assert code == 1
    assert [line.partition(":")[0] for line in lines] == ["a/linkpolicy.toml", "b/linkpolicy.toml"]


def test_two_files_of_one_project_contradict_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("pyproject.toml").write_text("[tool.linkpolicy]\nhackable = true\n")
    Path("linkpolicy.toml").write_text("hackable = true\n")

    assert check(capsys, "pyproject.toml")[0] == 1


@pytest.mark.parametrize("name", ["other.toml", "pyproject.toml"])
def test_a_file_of_another_name_and_one_that_is_missing_are_wrong_calls(
    capsys: pytest.CaptureFixture[str], here: Path, name: str
) -> None:
    (here / "other.toml").write_text("")

    assert check(capsys, name)[0] == 2
