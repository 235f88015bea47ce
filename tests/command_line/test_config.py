"""`linkpolicy config`: every setting with its origin; changing one leaves the rest as it is."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from uvx_policy import cli
from uvx_policy.settings.keys import KEYS
from uvx_policy.state import layout

PYPROJECT = """\
[project]
name = "p"   # a comment
version = "1"

[tool.linkpolicy]
# why
link-mode = "copy"  # beside

[tool.other]
x = 1
"""


@pytest.fixture
def project(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = isolation / "p"
    (directory / "below").mkdir(parents=True)
    (directory / "pyproject.toml").write_text(PYPROJECT)
    monkeypatch.chdir(directory)
    return directory


def config_of_user() -> Path:
    return Path(layout.config_home(dict(os.environ), sys.platform), "config.toml")


def out(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["config", *words]) == 0
    return capsys.readouterr().out


def test_every_setting_is_shown_with_value_and_origin(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_of_user().parent.mkdir(parents=True)
    config_of_user().write_text(
        '[defaults]\nhackable = true\n[caches]\n"/mnt/x" = "/mnt/x/cache"\nseed-from = ["/srv/c"]\n'
    )

    shown = json.loads(out(capsys, "--json"))

    assert shown["schema"] == 1
    assert shown["project"] == str(project)
    rows = {row["key"]: (row["value"], row["origin"]) for row in shown["settings"]}
    assert set(rows) == {*(key.name for key in KEYS), 'caches."/mnt/x"', "caches.seed-from"}
    assert rows["link-mode"] == ('"copy"', f"{project}/pyproject.toml:7")
    assert rows["hackable"] == ("true", f"{config_of_user()}:2")
    assert rows["cache"] == ('"auto"', "default")
    assert rows['caches."/mnt/x"'] == ('"/mnt/x/cache"', f"{config_of_user()}:4")
    text = out(capsys)
    assert [line.split(" = ")[0] for line in text.splitlines()] == list(rows)


def test_one_is_set_and_unset_in_the_file_of_the_project(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "below")
    file = project / "pyproject.toml"

    assert "set `hackable = true`" in out(capsys, "set", "hackable", "true")
    assert file.read_text() == PYPROJECT.replace(
        'link-mode = "copy"  # beside\n', 'link-mode = "copy"  # beside\nhackable = true\n'
    )
    assert "already set" in out(capsys, "set", "hackable", "true")
    assert "remove `hackable = true`" in out(capsys, "unset", "hackable")
    assert file.read_text() == PYPROJECT
    assert "not set" in out(capsys, "unset", "hackable")
    assert "remove" in out(capsys, "unset", "link-mode")
    assert file.read_text() == PYPROJECT.replace('link-mode = "copy"  # beside\n', "")


def test_a_dry_run_changes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "set `hackable = true`" in out(capsys, "set", "hackable", "true", "--dry-run")
    assert "create" in out(capsys, "set", "--user", "hackable", "true", "--dry-run")
    assert "remove" in out(capsys, "unset", "link-mode", "--dry-run")

    assert (project / "pyproject.toml").read_text() == PYPROJECT
    assert not config_of_user().exists()


@pytest.mark.parametrize(
    "before",
    [
        None,
        "",
        "# mine\n",
        "[defaults]\n# mine\nseed = 'never'\n",
        '[caches]\n"/x" = "/x/c"\n',
        "defaults = { seed = 'never' }\n",
        "defaults.seed = 'never'\n[[rules]]\npath = '~/x'\nhackable = true\n",
    ],
)
@pytest.mark.usefixtures("project")
def test_the_user_s_own_file_is_changed_in_its_defaults_alone(
    before: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config_of_user()
    if before is not None:
        file.parent.mkdir(parents=True)
        file.write_text(before)

    out(capsys, "set", "--user", "cache", "default")

    rows = {row["key"]: row for row in json.loads(out(capsys, "--json"))["settings"]}
    assert rows["cache"]["value"] == '"default"'
    assert rows["cache"]["origin"].startswith(f"{file}:")
    assert all(line in file.read_text() for line in (before or "").splitlines() if line[:1] == "#")
    out(capsys, "unset", "--user", "cache")
    rows = {row["key"]: row for row in json.loads(out(capsys, "--json"))["settings"]}
    assert rows["cache"]["origin"] == "default"
    assert rows["seed"]["value"] == ('"never"' if "seed" in (before or "") else '"auto"')


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("set hackabel true", "there is no setting `hackabel`", "did you mean `hackable`?"),
        ("set hackable yes", "`hackable` must be one of false, true, not `yes`", ""),
        ("unset nothing", "there is no setting `nothing`", ""),
        ("set cache /tmp/x", "`cache` must be one of auto, default, project", ""),
    ],
)
def test_what_is_no_setting_is_refused_and_nothing_is_written(
    project: Path, words: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--user"]):
        assert cli.main(["config", *words.split(), *more]) == 2
        said = capsys.readouterr().err
        assert f"error: {message}" in said
        assert hint in said

    assert (project / "pyproject.toml").read_text() == PYPROJECT
    assert not config_of_user().exists()


def test_without_a_project_only_the_user_s_own_file_can_be_changed(
    isolation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (isolation / "empty").mkdir()
    monkeypatch.chdir(isolation / "empty")

    assert cli.main(["config", "set", "hackable", "true"]) == 2
    assert "there is no project here" in capsys.readouterr().err
    assert "create" in out(capsys, "set", "hackable", "true", "--user")
    assert list((isolation / "empty").iterdir()) == []


def test_a_faulty_file_is_reported_and_left(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[tool.linkpolicy]\nlink-mode = "fast"\n'
    (project / "pyproject.toml").write_text(text)

    assert cli.main(["config"]) != 0
    assert "pyproject.toml:2" in capsys.readouterr().err
    assert cli.main(["config", "set", "hackable", "true"]) != 0
    assert (project / "pyproject.toml").read_text() == text
