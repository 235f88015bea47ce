"""What was written down: each fault is really written, found with its line, fixed, and gone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.doctor.checks import typed
from tests.doctor.standing import Standing, only, write
from tests.filesystems import FileSystems
from tests.ordinary_user import UID
from tests.uv.world import World
from uvx_policy.doctor.configuration import CHECKS, settings_files
from uvx_policy.doctor.diagnostic import Diagnostic
from uvx_policy.state import register
from uvx_policy.state.register import Environment

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


@pytest.fixture
def here(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Standing:
    """In a healthy project on ext4."""
    world = World(fs.ext4, newest_uv)
    return Standing(world, world.project(fs.ext4 / "project"), monkeypatch)


@pytest.fixture
def with_each_uv(fs: FileSystems, each_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Standing:
    """The same, once for every supported uv."""
    world = World(fs.ext4, each_uv)
    return Standing(world, world.project(fs.ext4 / "project"), monkeypatch)


def config(here: Standing, text: str) -> Path:
    """The user's config.toml."""
    return write(here.world.home / ".config" / "linkpolicy" / "config.toml", text)


def add(here: Standing, text: str) -> int:
    """Add to pyproject.toml; number of the first new line."""
    file = here.cwd / "pyproject.toml"
    before = file.read_text()
    file.write_text(before + text)
    return before.count("\n") + 1


def found(here: Standing, name: str) -> Diagnostic:
    """The one finding of all checks."""
    ((check, told),) = here.wrong(CHECKS)
    assert check == name
    assert told.fix
    return told


# All is well --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_healthy_default_set_up_has_no_finding(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    disk: Path = getattr(fs, kind)
    world = World(disk, newest_uv)
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    assert here.wrong(CHECKS) == []
    world.uv("sync", cwd=here.cwd)

    assert here.wrong(CHECKS) == []
    assert settings_files(here.case()) == ()
    assert here.one(only(CHECKS, "settings")).detail == "No file has settings."


def test_settings_that_are_right_and_possible_are_no_finding(here: Standing) -> None:
    cache = here.world.home / "cache"
    config(
        here,
        f'[defaults]\nfallback = "error"\n[[rules]]\npath = "{here.world.base}/pro*/**"\n'
        f'link-mode = "hardlink"\n[caches]\n"{here.world.base}" = "{cache}"\n',
    )
    add(here, '[tool.linkpolicy]\nhackable = false\ncache = "project"\n')
    here.environ["UV_LINK_MODE"] = "hardlink"

    assert here.wrong(CHECKS) == []
    read = (
        str(here.world.home / ".config" / "linkpolicy" / "config.toml"),
        str(here.cwd / "pyproject.toml"),
    )
    assert settings_files(here.case()) == read
    settings, choices = here.one(only(CHECKS, "settings")), here.one(only(CHECKS, "uv-choices"))
    assert (settings.status, settings.paths) == ("pass", read)
    assert all(f"`{path}`" in settings.detail for path in read)
    assert "`link-mode = hardlink` (UV_LINK_MODE)" in choices.detail


def test_outside_of_any_project_there_is_no_finding(here: Standing) -> None:
    here.cwd = here.world.home

    assert here.wrong(CHECKS) == []


# Faults -------------------------------------------------------------------------------------------


@pytest.mark.fixes("settings", by="hand: what is meant only people know")
def test_every_fault_of_every_file_is_told_at_once(here: Standing) -> None:
    user = config(here, '[defaults]\nlinkmode = "clone"\n\n[chaches]\n"/" = "/cache"\n')
    line = add(here, '[tool.linkpolicy]\nhackable = "yes"\ncach = "auto"\n')
    project = here.cwd / "pyproject.toml"

    told = here.told(only(CHECKS, "settings"))

    assert {each.status for each in told} == {"fail"}
    text = "\n".join(each.detail for each in told)
    for place in (f"{user}:2", f"{user}:4", f"{project}:{line + 1}", f"{project}:{line + 2}"):
        assert place in text
    assert len(told) == 4
    fixes = [each.fix.text for each in told if each.fix]
    assert "Did you mean `link-mode`?" in fixes
    assert "Did you mean `caches`?" in fixes
    assert "Did you mean `cache`?" in fixes
    assert {path for each in told for path in each.paths} == {str(user), str(project)}
    user.write_text('[defaults]\nlink-mode = "hardlink"\n')
    project.write_text(project.read_text().replace('"yes"', "true").replace("cach =", "cache ="))
    assert here.wrong(CHECKS) == []


@pytest.mark.parametrize("name", ["a: b", "a; b", "a:7: cannot read `b`: c"])
def test_no_name_and_no_value_is_taken_for_a_part_of_the_sentence(
    here: Standing, name: str
) -> None:
    here.cwd = here.world.project(here.world.base / name)
    project = here.cwd / "pyproject.toml"
    line = add(here, f'[tool.linkpolicy]\ncache = "{name}"\n') + 1

    told = found(here, "settings")

    expected = f'`cache` must be one of auto, default, project, not "{name}"'
    assert told.detail.startswith(f"{project}:{line}: {expected}. ")
    assert told.fix is not None
    assert told.fix.text == "Correct or remove it"
    assert told.paths == (str(project),)


def test_a_file_that_cannot_be_read_is_named_whatever_it_is_called(here: Standing) -> None:
    here.cwd = here.world.project(here.world.base / "a: b; c")
    file = here.cwd / "linkpolicy.toml"
    file.mkdir()

    told = found(here, "settings")

    assert told.detail.startswith(f"cannot read `{file}`: is a directory, not a file. ")
    assert told.paths == (str(file),)


@pytest.mark.parametrize("place", ["outside of a project", "without any uv"])
def test_the_users_file_is_read_where_nothing_is_decided(here: Standing, place: str) -> None:
    user = config(here, "[defaults]\nhackable = 3\n")
    if place == "outside of a project":
        here.cwd = here.world.home
    else:
        here.environ["PATH"] = str(here.world.shims)

    assert f"{user}:2" in found(here, "settings").detail


def test_two_files_in_one_directory_are_told(here: Standing) -> None:
    add(here, "[tool.linkpolicy]\nhackable = true\n")
    second = write(here.cwd / "linkpolicy.toml", "hackable = true\n")

    told = found(here, "settings")
    assert str(second) in told.detail
    assert told.fix
    assert told.fix.text == "Keep only one"
    second.unlink()

    assert here.wrong(CHECKS) == []


def test_broken_toml_is_told_with_its_line(here: Standing) -> None:
    user = config(here, "[defaults]\nhackable =\n")

    assert f"{user}:2" in found(here, "settings").detail


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("fix", marks=pytest.mark.fixes("settings", by="fix")),
        pytest.param("typing", marks=pytest.mark.fixes("settings", by="typing")),
    ],
)
def test_a_file_that_everybody_may_write_is_closed(here: Standing, by: str) -> None:
    user = config(here, "[defaults]\nhackable = false\n")
    user.chmod(0o666)
    settings = only(CHECKS, "settings")

    told = found(here, "settings")
    assert told.fix
    assert told.fix.safe
    assert here.fix(settings, dry_run=True)
    assert user.stat().st_mode & 0o777 == 0o666
    if by == "fix":
        here.fix(settings)
    else:
        here.types(typed(told.fix))

    assert user.stat().st_mode & 0o777 == 0o664
    assert here.wrong(CHECKS) == []


def test_a_file_of_another_user_is_told_and_not_taken(here: Standing) -> None:
    user = config(here, "[defaults]\nhackable = true\n")
    os.chown(user, UID, UID)

    told = found(here, "settings")
    assert f"belongs to user {UID}" in told.detail
    assert told.paths == (str(user),)
    assert here.fix(only(CHECKS, "settings")) == []


def test_a_directory_in_the_place_of_a_file_is_told(here: Standing) -> None:
    (here.cwd / "linkpolicy.toml").mkdir()

    told = found(here, "settings")
    assert told.paths == (str(here.cwd / "linkpolicy.toml"),)


# Values that cannot be carried out ----------------------------------------------------------------


@pytest.mark.fixes("settings-possible", by="typing")
def test_clone_where_nothing_clones_is_told_and_gone_after_its_fix(here: Standing) -> None:
    line = add(here, '[tool.linkpolicy]\nlink-mode = "clone"\n') + 1

    told = found(here, "settings-possible")
    assert told.status == "warn"
    assert f"{here.cwd}/pyproject.toml:{line}" in told.detail
    assert told.fix
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


def test_clone_where_it_works_is_no_finding(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fs.xfs, newest_uv)
    policy = '[tool.linkpolicy]\nlink-mode = "clone"\nfallback = "error"\n'
    here = Standing(world, world.project(fs.xfs / "project", policy), monkeypatch)

    assert here.wrong(CHECKS) == []


def test_a_refusal_is_a_failure_and_gone_after_its_fix(here: Standing) -> None:
    add(here, '[tool.linkpolicy]\nlink-mode = "clone"\nfallback = "error"\n')
    done = here.world.uv("sync", cwd=here.cwd, check=False)
    assert done.returncode == 2

    told = found(here, "settings-possible")
    assert told.status == "fail"
    assert told.fix
    here.types(typed(told.fix))

    assert [each.status for each in here.told(only(CHECKS, "settings-possible"))] == ["warn"]
    here.world.uv("sync", cwd=here.cwd)


def test_a_value_of_the_users_file_is_changed_there_and_not_in_the_project(here: Standing) -> None:
    user = config(here, '[defaults]\nlink-mode = "clone"\n')

    told = found(here, "settings-possible")

    assert told.fix
    assert typed(told.fix) == ""
    assert f"{user}:2" in told.fix.text


@pytest.mark.fixes("settings-possible", by="typing")
def test_uvs_own_cache_on_another_disk_is_told(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4")
    world = World(disk / "world", newest_uv, home=fs.other_ext4 / "home")
    policy = '[tool.linkpolicy]\ncache = "default"\n'
    here = Standing(world, world.project(disk / "project", policy), monkeypatch)
    here.cwd = here.cwd / "below"
    here.cwd.mkdir()

    told = found(here, "settings-possible")
    assert str(world.default_cache) in told.detail
    assert told.fix
    assert typed(told.fix) == f"linkpolicy init {disk}/project --cache auto"
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


@pytest.mark.fixes("settings-possible", by="typing")
def test_a_project_cache_that_may_not_be_made_is_told_with_the_reason(here: Standing) -> None:
    add(here, '[tool.linkpolicy]\ncache = "project"\n')
    (here.cwd / ".uv-cache").write_text("in the way")

    told = found(here, "settings-possible")
    assert f"`{here.cwd}/.uv-cache`: it is a file" in told.detail
    assert told.fix
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


# What was chosen for uv ---------------------------------------------------------------------------

HACKABLE = "[tool.linkpolicy]\nhackable = true\n"


@pytest.mark.parametrize("each_uv", real_uv.each((0, 11)), indirect=True)
@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("UV_LINK_MODE", "hardlinkk", "it is not one of clone, copy, hardlink, symlink"),
        ("UV_LINK_MODE", "", "it is not one of clone"),
        ("UV_LINK_MODE", "Copy", "it is not one of clone"),
        ("UV_CACHE_DIR", "", "it is empty"),
        ("UV_CONFIG_FILE", "", "it is empty"),
        ("UV_CONFIG_FILE", "/no/such/uv.toml", "it does not exist"),
        ("UV_CONFIG_FILE", "/", "it does not exist"),
        ("UV_NO_CACHE", "maybe", "it is not true or false"),
        ("UV_NO_CACHE", "", "it is not true or false"),
        ("UV_NO_CONFIG", "maybe", "it is not true or false"),
        ("UV_OFFLINE", "maybe", "it is not true or false"),
        ("UV_PREVIEW", "maybe", "it is not true or false"),
        ("UV_FROZEN", "", "it is not true or false"),
        ("UV_LOCKED", "maybe", "it is not true or false"),
        ("UV_COMPILE_BYTECODE", "maybe", "it is not true or false"),
        ("UV_NO_BUILD_ISOLATION", "", "it is not true or false"),
        ("UV_NO_PROGRESS", "maybe", "it is not true or false"),
        ("UV_NATIVE_TLS", "maybe", "it is not true or false"),
    ],
)
@pytest.mark.fixes("uv-settings", by="typing")
def test_a_variable_that_uv_refuses_to_start_with(
    with_each_uv: Standing, variable: str, value: str, why: str
) -> None:
    here, world = with_each_uv, with_each_uv.world
    here.environ[variable] = value
    assert world.plain("sync", cwd=here.cwd, check=False, **given(variable, value)).returncode == 2

    told = here.one(only(CHECKS, "uv-settings"))
    assert told.status == "fail"
    assert told.fix
    assert f"`uv sync` refuses to start: `{variable}={value}`: {why}" in told.detail
    assert ("Did you mean `hardlink`?" in told.fix.text) is (value == "hardlinkk")
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


@pytest.mark.parametrize("variable", ["UV_NO_CACHE", "UV_NO_CONFIG", "UV_OFFLINE"])
@pytest.mark.parametrize("value", ["1", "Yes", "false", "off"])
def test_a_variable_that_uv_takes_is_no_finding(here: Standing, variable: str, value: str) -> None:
    here.environ[variable] = value
    done = here.world.plain("sync", cwd=here.cwd, check=False, **given(variable, value))
    assert "invalid value" not in done.stderr

    assert here.told(only(CHECKS, "uv-settings")) == []


def given(variable: str, value: str) -> dict[str, Any]:
    return {variable: value}


def test_a_file_that_uv_is_told_to_leave_alone_is_no_finding(here: Standing) -> None:
    write(here.cwd / "uv.toml", 'link-mode = "hardlinkk"\n')
    assert here.one(only(CHECKS, "uv-settings")).status == "fail"
    here.environ["UV_NO_CONFIG"] = "Yes"

    assert here.told(only(CHECKS, "uv-settings")) == []


@pytest.mark.parametrize("where", ["uv.toml", "pip", "user", "pyproject.toml"])
@pytest.mark.fixes("uv-settings", by="hand: what is meant only people know")
def test_a_file_that_uv_does_not_understand(here: Standing, where: str) -> None:
    if where == "pyproject.toml":
        file = here.cwd / where
        before, table, after = file.read_text().partition("[tool.uv]\n")
        file.write_text(f'{before}{table}link-mode = "hardlinkk"\n{after}')
        line = before.count("\n") + 2
    else:
        place = here.world.home / ".config/uv" if where == "user" else here.cwd
        table = "[pip]\n" if where == "pip" else "\n"
        file, line = write(place / "uv.toml", f'{table}link-mode = "hardlinkk"\n'), 2
    done = here.world.plain("sync", "--offline", cwd=here.cwd, check=False)
    start = "warning" if where == "pyproject.toml" else "error"
    assert done.stderr.startswith(f"{start}: Failed to parse")

    told = here.one(only(CHECKS, "uv-settings"))
    assert told.status == ("warn" if where == "pyproject.toml" else "fail")
    assert f"({file}:{line}) is not one of" in told.detail
    file.write_text(file.read_text().replace("hardlinkk", "hardlink"))

    assert here.told(only(CHECKS, "uv-settings")) == []


@pytest.mark.parametrize("each_uv", real_uv.each((0, 11)), indirect=True)
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("uv.toml", 'cache-dir = ""', '`cache-dir = ""` (', id="an empty cache-dir"),
        pytest.param("pyproject.toml", 'cache-dir = ""', '`cache-dir = ""` (', id="in [tool.uv]"),
        pytest.param(
            "uv.toml", 'cache-dirr = "/c"',
            "TOML parse error at line 1, column 1: unknown field `cache-dirr`", id="a misspelt key",
        ),
        pytest.param("uv.toml", "[cache", "TOML parse error at line 1, column 7", id="no TOML"),
        pytest.param("uv.toml", "offline = 'x'", "expected a boolean", id="another type"),
        pytest.param("pyproject.toml", "offline = 'x'", "skips the settings of a whole file",
                     id="another type in [tool.uv]"),
    ],
)  # fmt: skip
@pytest.mark.fixes("uv-settings", by="hand: what is meant only people know")
def test_a_file_that_uv_refuses_in_its_own_words(
    with_each_uv: Standing, name: str, text: str, said: str
) -> None:
    here, world = with_each_uv, with_each_uv.world
    file = here.cwd / name
    before = file.read_text() if file.exists() else ""
    file.write_text(before.replace("[tool.uv]\n", f"[tool.uv]\n{text}\n") or f"{text}\n")
    skipped = "skips" in said
    done = world.plain("lock", "--offline", cwd=here.cwd, check=False)
    assert skipped or done.returncode == 2

    told = here.one(only(CHECKS, "uv-settings"))
    assert told.status == ("warn" if skipped else "fail")
    assert said in told.detail
    assert told.detail.startswith("uv skips" if skipped else "uv refuses to start: ")
    assert len(told.detail) < 500
    assert "expected one of" not in told.detail
    assert "|" not in told.detail
    file.write_text(before) if before else file.unlink()

    assert here.wrong(CHECKS) == []


@pytest.mark.fixes("uv-settings", by="hand: uv says what it refuses, and not where that was set")
def test_a_variable_that_newer_uv_refuses_in_its_own_words(here: Standing) -> None:
    here.environ["UV_HTTP_RETRIES"] = "maybe"

    told = here.one(only(CHECKS, "uv-settings"))
    assert told.status == "fail"
    assert "uv refuses to start: " in told.detail
    assert "UV_HTTP_RETRIES" in told.detail
    del here.environ["UV_HTTP_RETRIES"]

    assert here.wrong(CHECKS) == []


@pytest.mark.parametrize("each_uv", real_uv.each((0, 11)), indirect=True)
@pytest.mark.parametrize(
    ("variables", "file"),
    [
        pytest.param({"UV_CACHE_DIR": "cache"}, "uv.toml", id="a cache by variable"),
        pytest.param({"UV_NO_CACHE": "1"}, "uv.toml", id="no cache"),
        pytest.param({}, "of the user", id="a cache by the project"),
    ],
)
def test_an_empty_cache_dir_that_does_not_count_is_no_finding(
    with_each_uv: Standing, variables: dict[str, str], file: str
) -> None:
    here, world = with_each_uv, with_each_uv.world
    here.environ.update(variables)
    if file == "of the user":
        write(world.home / ".config/uv/uv.toml", 'cache-dir = ""\n')
        write(here.cwd / "uv.toml", f'cache-dir = "{world.base}/cache"\nno-index = true\n')
    else:
        write(here.cwd / file, 'cache-dir = ""\nno-index = true\n')
    assert world.plain("lock", "--offline", cwd=here.cwd, check=False, **variables).returncode != 2

    assert here.told(only(CHECKS, "uv-settings")) == []


def test_a_uv_that_fails_for_another_reason_does_not_refuse_its_settings(
    here: Standing, tmp_path: Path
) -> None:
    broken = write(tmp_path / "bin" / "uv", "#!/bin/sh\necho error: disk full >&2\nexit 1\n")
    broken.chmod(0o755)
    here.environ["PATH"] = f"{broken.parent}:{here.environ['PATH']}"

    assert here.told(only(CHECKS, "uv-settings")) == []


@pytest.mark.fixes("uv-choices", by="typing")
def test_a_variable_that_defeats_a_setting_is_told_with_both_origins(here: Standing) -> None:
    line = add(here, HACKABLE) + 1
    here.environ["UV_LINK_MODE"] = "hardlink"
    startup = write(here.world.home / ".bashrc", "# UV_LINK_MODE\n\nexport UV_LINK_MODE=hardlink\n")

    told = found(here, "uv-choices")
    assert "`UV_LINK_MODE=hardlink`" in told.detail
    assert f"{startup}:3" in told.detail
    assert f"`hackable = true` ({here.cwd}/pyproject.toml:{line})" in told.detail
    assert told.fix
    here.types(typed(told.fix))

    # An empty value is another choice; the real shell has none any more.
    assert "UV_LINK_MODE" not in here.environ
    assert here.wrong(CHECKS) == []


@pytest.mark.parametrize("whose", ["project", "user"])
@pytest.mark.fixes("uv-choices", by="hand: the file is the user's, and no command is told")
def test_a_file_that_defeats_a_setting_is_told_with_its_owner(here: Standing, whose: str) -> None:
    add(here, HACKABLE)
    if whose == "project":
        file = write(here.cwd / "uv.toml", 'no-index = true\nlink-mode = "clone"\n')
    else:
        file = write(here.world.home / ".config/uv/uv.toml", '\nlink-mode = "clone"\n')

    told = found(here, "uv-choices")
    owner = {"project": "this project's", "user": "yours for every project"}[whose]
    assert f"{file}:2, {owner}" in told.detail
    assert told.paths == (str(file),)
    file.unlink()

    assert here.wrong(CHECKS) == []


@pytest.mark.parametrize("mode", ["clone", "reflink"])
@pytest.mark.fixes("uv-choices", by="typing")
def test_a_mode_of_uv_that_cannot_work_is_told(here: Standing, mode: str) -> None:
    here.environ["UV_LINK_MODE"] = mode

    told = found(here, "uv-choices")
    assert "hard links without a word" in told.detail
    assert told.fix
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


def test_what_agrees_with_the_settings_is_no_finding(here: Standing) -> None:
    add(here, HACKABLE)
    here.environ["UV_LINK_MODE"] = "copy"
    here.environ["UV_CACHE_DIR"] = str(here.world.home / "cache")

    assert here.wrong(CHECKS) == []


def test_a_cache_that_defeats_the_projects_own_is_told(here: Standing) -> None:
    add(here, '[tool.linkpolicy]\ncache = "project"\n')
    here.environ["UV_CACHE_DIR"] = str(here.cwd / ".uv-cache")
    assert here.wrong(CHECKS) == []
    here.environ["UV_CACHE_DIR"] = str(here.world.home / "cache")

    told = found(here, "uv-choices")
    assert 'wins over `cache = "project"`' in told.detail
    assert told.fix
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


@pytest.mark.fixes("uv-choices", by="typing")
def test_a_cache_that_is_switched_off_is_told(here: Standing) -> None:
    here.environ["UV_NO_CACHE"] = "1"

    told = found(here, "uv-choices")
    assert told.fix
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


@pytest.mark.fixes("bypass", by="typing")
def test_the_switch_of_the_shim_is_told(here: Standing) -> None:
    here.environ["LINKPOLICY_BYPASS"] = "0"
    assert here.wrong(CHECKS) == []
    here.environ["LINKPOLICY_BYPASS"] = "1"
    envrc = write(here.cwd / ".envrc", "export LINKPOLICY_BYPASS=1\n")

    told = found(here, "bypass")
    assert f"{envrc}:1" in told.detail
    assert told.fix
    here.types(typed(told.fix))

    assert here.wrong(CHECKS) == []


# Rules and entries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", ["osss/**", "pro?ectt", "proje*/x*/**", "project/pyproject.toml/**"]
)
@pytest.mark.fixes("rules", by="hand: what is meant only people know")
def test_a_rule_that_matches_nothing_is_told(here: Standing, pattern: str) -> None:
    user = config(
        here,
        '[[rules]]\npath = "/**"\n\n[[rules]]\nhackable = false\n'
        f'path = "{here.world.base}/{pattern}"\n',
    )

    told = found(here, "rules")
    assert f"{user}:6" in told.detail
    user.write_text(user.read_text().replace(pattern, "proj*"))

    assert here.wrong(CHECKS) == []


def test_a_rule_for_an_environment_that_is_known_is_no_finding(here: Standing) -> None:
    """Its directory is not there now: on a disk that is not mounted, say."""
    gone = here.world.base / "disk" / "gone"
    config(here, f'[[rules]]\npath = "{here.world.base}/disk/*"\nhackable = true\n')
    assert found(here, "rules").status == "warn"
    register.remember(
        here.case().state, Environment(path=f"{gone}/.venv", project=str(gone), seen=1)
    )

    assert here.wrong(CHECKS) == []


@pytest.mark.parametrize("fault", ["no file system", "other disk", "open", "read-only", "a file"])
@pytest.mark.fixes("cache-entries", by="hand: for some faults there is no command")
def test_an_entry_that_cannot_be_used_is_told_with_the_reason(
    fs: FileSystems, here: Standing, fault: str
) -> None:
    disk, cache = fs.other_ext4, fs.other_ext4 / "cache"
    cache.mkdir()
    expected = {
        "no file system": "does not exist",
        "other disk": "is on another file system",
        "open": "everybody can write to it (mode 0777)",
        "read-only": "is mounted read-only",
        "a file": "it is a file",
    }[fault]
    if fault == "no file system":
        user = config(here, f'[caches]\n"{disk}/nowhere" = "{disk}/nowhere/cache"\n')
    elif fault == "other disk":
        user = config(here, f'[caches]\n"{disk}" = "{here.world.base}/cache"\n')
    elif fault == "read-only":
        there = fs.bind(disk, read_only=True)
        user = config(here, f'[caches]\n"{there}" = "{there}/cache"\n')
    else:
        user = config(here, f'[caches]\n"{disk}" = "{cache}"\n')
    if fault == "open":
        cache.chmod(0o777)
    elif fault == "a file":
        cache.rmdir()
        cache.touch()

    told = found(here, "cache-entries")
    assert expected in told.detail or (fault == "read-only" and "cannot be written" in told.detail)
    assert f"{user}:2" in told.detail
    assert told.fix
    if typed(told.fix):
        here.types(typed(told.fix))
    elif fault == "a file":
        cache.unlink()
    else:
        user.write_text("")

    assert here.wrong(CHECKS) == []


@pytest.mark.parametrize(
    "fault", ["gone", "no cache", "open", "open below", "of another", "on way"]
)
def test_a_cache_to_seed_from_that_is_not_used_is_told_with_the_reason(
    fs: FileSystems, here: Standing, fault: str
) -> None:
    above = fs.other_ext4 / "site"
    cache = above / "cache"
    (cache / "wheels-v6").mkdir(parents=True)
    (cache / "archive-v0").mkdir()
    user = config(here, f'[caches]\nseed-from = ["{cache}"]\n')
    assert here.wrong(CHECKS) == []
    if fault == "gone":
        shutil.rmtree(cache)
    elif fault == "no cache":
        for bucket in cache.iterdir():
            bucket.rmdir()
    elif fault == "open":
        cache.chmod(0o777)
    elif fault == "open below":
        (cache / "archive-v0").chmod(0o777)
    elif fault == "of another":
        os.chown(cache, 12345, -1)
    else:
        above.chmod(0o777)

    told = found(here, "cache-entries")

    expected = {
        "gone": "it does not exist",
        "no cache": "it is not a cache of uv",
        "open": "everybody can write to it",
        "open below": "archive-v0`: everybody can write to it",
        "of another": "it belongs to user 12345",
        "on way": ", on the way to it, is writable by everybody",
    }[fault]
    assert expected in told.detail
    assert f"{user}:2" in told.detail
    if fault == "open":
        here.types(typed(told.fix))
        assert here.wrong(CHECKS) == []


def test_entries_in_good_order_are_no_finding(fs: FileSystems, here: Standing) -> None:
    first, second = fs.subvolumes
    config(
        here,
        f'[caches]\n"{fs.other_ext4}" = "{fs.other_ext4}/not/yet/made"\n'
        f'"{first}" = "{second}/cache"\n',
    )

    assert here.wrong(CHECKS) == []


def test_the_machines_file_is_looked_at_as_well(here: Standing, tmp_path: Path) -> None:
    machine = write(tmp_path / "xdg/linkpolicy/config.toml", '[[rules]]\npath = "/no/such/**"\n')
    here.environ["XDG_CONFIG_DIRS"] = str(tmp_path / "xdg")

    assert f"{machine}:2" in found(here, "rules").detail
    assert settings_files(here.case()) == (str(machine),)


def test_strange_names_and_files_are_passed_over(here: Standing) -> None:
    write(here.world.home / ".bashrc", "")
    (here.world.home / ".zshenv").mkdir()
    subprocess.run(["mkfifo", here.cwd / ".envrc"], check=True)
    (here.world.base / "caf\udce9").mkdir()
    config(here, f'[[rules]]\npath = "{here.world.base}/caf?"\nhackable = true\n')
    here.environ["LINKPOLICY_BYPASS"] = "yes"

    assert found(here, "bypass").status == "warn"
