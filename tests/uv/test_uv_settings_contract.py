"""What we take for the user's explicit choices, against `--show-settings` and `uv cache dir`."""

# ruff: noqa: E501, RUF012 (a row of the table is one line; a row is never changed)

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import real_uv
from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host
from uvx_policy.uv.invocation import parse
from uvx_policy.uv.settings import default_cache_dir, is_on, read_uv_settings
from uvx_policy.uv.version import parse_version
from uvx_policy.uv.workspace import working_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.model import Sourced
    from uvx_policy.uv.settings import UvSettings

pytestmark = pytest.mark.uv

ALWAYS = (99,)
CLONE_IS_DEFAULT = (0, 10, 5)


class Row(NamedTuple):
    """One situation; `{w}` in variables and words is the world."""

    id: str
    words: str
    files: dict[str, str] = {}
    variables: dict[str, str] = {}
    cwd: str = "p"
    links: dict[str, str] = {}
    #: we may not know, on the versions before this one
    unknown_before: tuple[int, ...] = ()
    since: tuple[int, ...] = (0,)
    #: supported versions that differ from the next older one, where nothing else here says so
    changes: tuple[str, ...] = ()
    #: uv refuses, on the versions from .. to before ..
    fails: tuple[tuple[int, ...], tuple[int, ...]] = ((0,), (0,))


ALWAYS_FAILS = ((0,), ALWAYS)
NAME = '[project]\nname = "p"\nversion = "0.1"\n'
USER = "home/.config/uv/uv.toml"
ALL_LAYERS = {
    "p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\ncache-dir = "c/project"\n',
    USER: 'link-mode = "symlink"\ncache-dir = "/c/user"\n',
    "etc/uv/uv.toml": 'link-mode = "hardlink"\ncache-dir = "/c/system"\noffline = true\n',
}
WS = {
    "p/pyproject.toml": NAME
    + '[tool.uv]\nlink-mode = "copy"\n[tool.uv.workspace]\nmembers = ["m"]\n',
    "p/m/pyproject.toml": NAME.replace('"p"', '"m"')
    + '[tool.uv]\nlink-mode = "symlink"\ncache-dir = "mm"\n',
    "p/n/pyproject.toml": NAME.replace('"p"', '"n"'),
}
PIP = (
    NAME
    + '[tool.uv]\nlink-mode = "copy"\n[tool.uv.pip]\nlink-mode = "symlink"\ntarget = "t"\nsystem = true\npython = "py"\n'
)
SCRIPT = '# /// script\n# dependencies = []\n# [tool.uv]\n# link-mode = "copy"\n# cache-dir = "s"\n# ///\n'
SYNC, INSTALL = "sync", "pip install x"

ROWS = (
    Row("nothing", SYNC, changes=("0.10.12",)),
    Row("all-layers", SYNC, ALL_LAYERS),
    Row("flag-beats-all", "sync --link-mode symlink --cache-dir f", ALL_LAYERS, {"UV_LINK_MODE": "copy", "UV_CACHE_DIR": "v"}),
    Row("variable-beats-files", SYNC, ALL_LAYERS, {"UV_LINK_MODE": "symlink", "UV_CACHE_DIR": "v"}),
    Row("user-beats-system", SYNC, {**ALL_LAYERS, "p/pyproject.toml": NAME}),
    Row("keys-merge", SYNC, {**ALL_LAYERS, "p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\n'}),
    Row("system-only", SYNC, {"etc/uv/uv.toml": ALL_LAYERS["etc/uv/uv.toml"]}),
    Row("system-second-directory", SYNC, {"etc2/uv/uv.toml": 'link-mode = "copy"\n'}, {"XDG_CONFIG_DIRS": "{w}/etc:{w}/etc2"}),
    Row("system-stops-at-empty-entry", SYNC, {"etc2/uv/uv.toml": 'link-mode = "copy"\n'}, {"XDG_CONFIG_DIRS": "{w}/etc::{w}/etc2"}, changes=("newest",)),
    Row("no-system-config", SYNC, ALL_LAYERS, {"UV_NO_SYSTEM_CONFIG": "1"}, changes=("newest",)),
    Row("no-system-config-alone", SYNC, {"etc/uv/uv.toml": ALL_LAYERS["etc/uv/uv.toml"]}, {"UV_NO_SYSTEM_CONFIG": "1"}, changes=("newest",)),
    Row("XDG_CONFIG_HOME", SYNC, {"x/uv/uv.toml": 'link-mode = "copy"\n', USER: 'link-mode = "symlink"\n'}, {"XDG_CONFIG_HOME": "{w}/x"}),
    Row("XDG_CONFIG_HOME-relative", SYNC, {"p/x/uv/uv.toml": 'link-mode = "copy"\n', USER: 'link-mode = "symlink"\n'}, {"XDG_CONFIG_HOME": "x"}),
    Row("XDG_CACHE_HOME", SYNC, {}, {"XDG_CACHE_HOME": "{w}/x"}),
    Row("XDG_CACHE_HOME-relative", SYNC, {}, {"XDG_CACHE_HOME": "x"}),
    # where the project's file is looked for
    Row("uv.toml-shadows", SYNC, {**ALL_LAYERS, "p/uv.toml": 'link-mode = "hardlink"\n'}),
    Row("empty-uv.toml-shadows", SYNC, {**ALL_LAYERS, "p/uv.toml": ""}),
    Row("parent-is-inherited", SYNC, {"pyproject.toml": '[tool.uv]\nlink-mode = "copy"\n', "p/pyproject.toml": NAME}),
    Row("parent-is-stopped-by-empty-table", SYNC, {"pyproject.toml": '[tool.uv]\nlink-mode = "copy"\n', "p/pyproject.toml": NAME + "[tool.uv]\n"}),
    Row("subdirectory", SYNC, {**ALL_LAYERS, "p/s/x": ""}, cwd="p/s"),
    Row("subdirectory-uv.toml-is-ignored-in-a-project", SYNC, {**ALL_LAYERS, "p/s/uv.toml": 'link-mode = "hardlink"\n'}, cwd="p/s"),
    Row("subdirectory-uv.toml-counts-outside", INSTALL, {"uv.toml": 'link-mode = "copy"\n', "e/uv.toml": 'link-mode = "hardlink"\n', "e/f/x": ""}, cwd="e/f"),
    Row("member-is-ignored", SYNC, WS, cwd="p/m"),
    Row("member-is-ignored-by-pip", INSTALL, WS, cwd="p/m"),
    Row("non-member-inherits", INSTALL, WS, cwd="p/n"),
    Row("unmanaged", INSTALL, {"p/pyproject.toml": NAME + '[tool.uv]\nmanaged = false\nlink-mode = "copy"\n'}),
    Row("unmanaged-below", INSTALL, {"p/pyproject.toml": NAME + '[tool.uv]\nmanaged = false\nlink-mode = "copy"\n', "p/s/uv.toml": 'link-mode = "symlink"\n'}, cwd="p/s"),
    Row("no-project-table", INSTALL, {"p/pyproject.toml": '[tool.uv]\nlink-mode = "copy"\n', "p/s/x": ""}, cwd="p/s"),
    Row("no-project-table-below", INSTALL, {"p/pyproject.toml": '[tool.uv]\nlink-mode = "copy"\n', "p/s/uv.toml": 'link-mode = "symlink"\n'}, cwd="p/s"),
    Row("project-option", "sync --project ../q", {**ALL_LAYERS, "q/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "hardlink"\ncache-dir = "q"\n'}),
    Row("project-option-for-pip", "pip install --project ../q x", {**ALL_LAYERS, "q/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "hardlink"\ncache-dir = "q"\n'}),
    Row("UV_PROJECT", INSTALL, {**ALL_LAYERS, "q/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "hardlink"\n'}, {"UV_PROJECT": "../q"}, changes=("0.8.15",)),
    Row("directory-option.trap-19", "sync --directory ../q", {**ALL_LAYERS, "q/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "hardlink"\ncache-dir = "q"\n'}),
    Row("directory-rebases-cache.trap-19", "sync --directory ../q --cache-dir c", {"q/pyproject.toml": NAME}),
    Row("directory-rebases-config-file.trap-19", "sync --directory ../q --config-file f", {"q/f": 'link-mode = "copy"\n', "p/f": 'link-mode = "symlink"\n'}),
    Row("project-link.addendum-9", "sync --project ../l", WS, links={"l": "{w}/p/m"}),
    Row("directory-link.addendum-9", "sync --directory ../l", WS, links={"l": "{w}/p/m"}),
    Row("broken-pyproject-above", INSTALL, {"pyproject.toml": "[[[", "uv.toml": 'link-mode = "copy"\n', "p/x": ""}),
    Row("broken-pyproject-between", INSTALL, {"uv.toml": 'link-mode = "copy"\n', "p/pyproject.toml": "[[["}),
    # what a table of [tool.uv] must be like
    Row("unknown-key", SYNC, {"uv.toml": 'link-mode = "symlink"\n', "p/pyproject.toml": NAME + '[tool.uv]\nbogus = 1\nlink-mode = "copy"\n'}, unknown_before=ALWAYS),
    Row("unknown-key-does-not-matter", SYNC, {"p/pyproject.toml": NAME + "[tool.uv]\nbogus = 1\n"}),
    Row("unknown-key-same-value-above", SYNC, {"uv.toml": 'link-mode = "copy"\n', "p/pyproject.toml": NAME + '[tool.uv]\nbogus = 1\nlink-mode = "copy"\n'}),
    Row("unknown-pip-key", INSTALL, {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\n[tool.uv.pip]\nbogus = 1\n'}, unknown_before=ALWAYS),
    Row("invalid-link-mode", SYNC, {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "bogus"\n'}, unknown_before=ALWAYS),
    Row("wrong-type", SYNC, {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\noffline = "yes"\n'}, unknown_before=ALWAYS),
    Row("reflink-is-clone.trap-20", SYNC, {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "reflink"\n'}, unknown_before=(0, 9, 28)),
    Row("key-of-0.8", SYNC, {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\nadd-bounds = "exact"\n'}, unknown_before=(0, 8)),
    Row("tool.linkpolicy-is-no-concern.trap-17", SYNC, {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\n[tool.linkpolicy]\nhackable = true\n'}),
    Row("unknown-key-in-uv.toml", SYNC, {"p/uv.toml": "bogus = 1\n"}, fails=ALWAYS_FAILS),
    # --config-file, --no-config
    Row("config-file", "sync --config-file f", {**ALL_LAYERS, "p/f": 'link-mode = "hardlink"\n'}),
    Row("UV_CONFIG_FILE", SYNC, {**ALL_LAYERS, "p/f": 'link-mode = "hardlink"\n'}, {"UV_CONFIG_FILE": "f"}),
    Row("config-file-beats-no-config", "sync --no-config --config-file f", {**ALL_LAYERS, "p/f": 'link-mode = "hardlink"\n'}),
    Row("config-file-missing", "sync --config-file f", ALL_LAYERS, fails=ALWAYS_FAILS, unknown_before=ALWAYS),
    Row("no-config", "sync --no-config", ALL_LAYERS),
    Row("UV_NO_CONFIG", SYNC, ALL_LAYERS, {"UV_NO_CONFIG": "true"}),
    Row("UV_NO_CONFIG-is-0", SYNC, ALL_LAYERS, {"UV_NO_CONFIG": "0"}),
    Row("isolated-is-nothing-for-sync", "sync --isolated", ALL_LAYERS),
    Row("isolated-is-no-config-for-venv", "venv --isolated", ALL_LAYERS),
    Row("UV_ISOLATED-for-venv", "venv", ALL_LAYERS, {"UV_ISOLATED": "1"}, changes=("0.8.15", "0.9.30")),
    Row("isolated-is-no-config-for-pip", "pip install --isolated x", ALL_LAYERS),
    Row("isolated-is-its-own-for-run", "run --isolated x", ALL_LAYERS),
    Row("UV_ISOLATED-is-for-run-only", SYNC, ALL_LAYERS, {"UV_ISOLATED": "1"}),
    # no-cache
    Row("no-cache", "sync -n", ALL_LAYERS),
    Row("UV_NO_CACHE", SYNC, ALL_LAYERS, {"UV_NO_CACHE": "1"}),
    Row("configured-no-cache", SYNC, {"p/pyproject.toml": NAME + "[tool.uv]\nno-cache = true\n"}),
    Row("configured-no-cache-beats-UV_NO_CACHE-0", SYNC, {"p/pyproject.toml": NAME + "[tool.uv]\nno-cache = true\n"}, {"UV_NO_CACHE": "0"}, changes=("newest",)),
    Row("configured-no-cache-false-beats-user", SYNC, {"p/pyproject.toml": NAME + "[tool.uv]\nno-cache = false\n", USER: "no-cache = true\n"}),
    # offline
    Row("offline", "sync --offline"),
    Row("UV_OFFLINE", SYNC, {}, {"UV_OFFLINE": "1"}),
    Row("no-offline-beats-configuration", "sync --no-offline", {"p/pyproject.toml": NAME + "[tool.uv]\noffline = true\n"}),
    Row("UV_OFFLINE-is-0", SYNC, {"p/pyproject.toml": NAME + "[tool.uv]\noffline = true\n"}, {"UV_OFFLINE": "0"}, changes=("newest",)),
    # the table for `uv pip`
    Row("pip-table.trap-7", INSTALL, {"p/pyproject.toml": PIP}),
    Row("pip-table-for-venv", "venv --seed", {"p/pyproject.toml": PIP}),
    Row("pip-table-is-for-pip-only", SYNC, {"p/pyproject.toml": PIP}),
    Row("pip-table-of-the-user-beats-the-project's-link-mode", INSTALL, {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\n', USER: '[pip]\nlink-mode = "symlink"\nprefix = "x"\n'}),
    Row("pip-table-merges", INSTALL, {"p/pyproject.toml": PIP, USER: '[pip]\nprefix = "x"\ntarget = "u"\n'}),
    Row("pip-table-loses-to-variable", INSTALL, {"p/pyproject.toml": PIP}, {"UV_LINK_MODE": "hardlink", "UV_PYTHON": "q"}),
    Row("pip-table-loses-to-flags", "pip install --target f -p g --no-system x", {"p/pyproject.toml": PIP}),
    Row("pip-sync", "pip sync r.txt", {"p/pyproject.toml": PIP, "p/r.txt": ""}),
    Row("UV_SYSTEM_PYTHON", INSTALL, {}, {"UV_SYSTEM_PYTHON": "1"}),
    Row("UV_SYSTEM_PYTHON-is-0", INSTALL, {"p/pyproject.toml": PIP}, {"UV_SYSTEM_PYTHON": "0"}),
    Row("system-then-no-system.addendum-7", "pip install --system --no-system x"),
    Row("UV_PYTHON-empty.trap-10", INSTALL, {"p/pyproject.toml": PIP}, {"UV_PYTHON": ""}),
    # commands
    Row("tool-reads-user-and-system-only", "tool install x", ALL_LAYERS),
    Row("uvx-reads-user-and-system-only", "tool run x", ALL_LAYERS),
    Row("tool-config-file", "tool install --config-file f x", {**ALL_LAYERS, "p/f": 'link-mode = "hardlink"\n'}),
    Row("venv", "venv", ALL_LAYERS),
    Row("add", "add x", ALL_LAYERS),
    Row("run", "run x", ALL_LAYERS),
    # scripts
    Row("script", "run s.py", {**ALL_LAYERS, "p/s.py": SCRIPT}),
    Row("script-option", "run -s s", {**ALL_LAYERS, "p/s": SCRIPT}),
    Row("script-and-no-config", "run --no-config s.py", {**ALL_LAYERS, "p/s.py": SCRIPT}),
    Row("script-loses-to-variables", "run s.py", {**ALL_LAYERS, "p/s.py": SCRIPT}, {"UV_LINK_MODE": "symlink", "UV_CACHE_DIR": "v"}),
    Row("script-of-python-is-no-script", "run python s.py", {**ALL_LAYERS, "p/s.py": SCRIPT}),
    Row("script-sync", "sync --script s.py", {**ALL_LAYERS, "p/s.py": SCRIPT}, since=(0, 6)),
    Row("script-add", "add --script s.py x", {**ALL_LAYERS, "p/s.py": SCRIPT}, since=(0, 6)),
    Row("script-elsewhere.trap-8", "run ../q/s.py", {**ALL_LAYERS, "q/s.py": "pass\n", "q/uv.toml": 'cache-dir = "q"\nlink-mode = "hardlink"\n'}, changes=("newest",)),
    Row("script-elsewhere-without-settings.trap-8", "run ../q/s.py", {**ALL_LAYERS, "q/s.py": "pass\n"}),
    Row("script-elsewhere-in-a-project-without-settings.trap-8", "run ../q/s.py", {**ALL_LAYERS, "q/s.py": "pass\n", "q/pyproject.toml": NAME}, changes=("newest",)),
    Row("script-elsewhere-no-project.trap-8", "run --no-project ../q/s.py", {**ALL_LAYERS, "q/s.py": "pass\n", "q/uv.toml": 'cache-dir = "q"\nlink-mode = "hardlink"\n'}, changes=("newest",)),
    Row("script-elsewhere-with-project.trap-8", "run --project . ../q/s.py", {**ALL_LAYERS, "q/s.py": "pass\n", "q/uv.toml": 'cache-dir = "q"\nlink-mode = "hardlink"\n'}),
    # values that uv refuses are choices all the same
    Row("empty-UV_LINK_MODE.trap-10", SYNC, {}, {"UV_LINK_MODE": ""}, fails=ALWAYS_FAILS),
    Row("empty-UV_CACHE_DIR.trap-10", SYNC, {}, {"UV_CACHE_DIR": ""}, fails=ALWAYS_FAILS),
    Row("bogus-UV_LINK_MODE", SYNC, {}, {"UV_LINK_MODE": "bogus"}, fails=ALWAYS_FAILS),
    Row("empty-UV_NO_CACHE.trap-10", SYNC, {}, {"UV_NO_CACHE": ""}, fails=ALWAYS_FAILS, unknown_before=ALWAYS),
    Row("empty-UV_CONFIG_FILE.trap-10", SYNC, {}, {"UV_CONFIG_FILE": ""}, fails=ALWAYS_FAILS, unknown_before=ALWAYS),
    Row("empty-UV_NO_CONFIG.trap-10", SYNC, {}, {"UV_NO_CONFIG": ""}, fails=ALWAYS_FAILS, unknown_before=ALWAYS),
    Row("empty-UV_OFFLINE.trap-10", SYNC, {}, {"UV_OFFLINE": ""}, fails=ALWAYS_FAILS, unknown_before=ALWAYS),
)  # fmt: skip


def _rows() -> Iterator[object]:
    for row in ROWS:
        thresholds = (*row.fails, row.unknown_before, *map(real_uv.numbers, row.changes))
        for version, marks in real_uv.chosen(*thresholds, since=row.since):
            yield pytest.param(version, row, id=f"{row.id}-{version}", marks=marks)


class Shown(NamedTuple):
    """What uv said: `--show-settings` of the row, then `uv cache dir` with the same globals."""

    world: Path
    environ: dict[str, str]
    words: list[str]
    code: int
    settings: str
    stderr: str
    cache: str


@pytest.mark.parametrize(("version", "row"), list(_rows()))
def test_settings_are_those_that_uv_shows(version: str, row: Row, tmp_path: Path) -> None:
    real = _real_version(version)
    uv = _ask(row, version, tmp_path)
    refused = row.fails[0] <= real < row.fails[1]
    assert (uv.code != 0) == refused, uv.stderr
    cwd = os.path.realpath(uv.world / row.cwd)
    settings = _ours(uv.words, uv.environ, cwd, real)
    if settings is None:
        assert real < row.unknown_before, uv.settings
        return
    if refused:
        _assert_choice_is_kept(row, settings)
        return
    _compare(uv.settings, settings, default="clone" if real >= CLONE_IS_DEFAULT else "hardlink")
    # Without a known version the choices are the same, or none can be told.
    assert _choices(_ours(uv.words, uv.environ, cwd, None)) in (None, _choices(settings))

    words = [*_top_level(uv.words), "cache", "dir"]
    bare = _ours(words, uv.environ, cwd, real)
    assert bare is not None
    at = working_directory(Host(environ=uv.environ, cwd=cwd), parse("uv", tuple(words)), real)
    ours = default_cache_dir(at, bare)
    assert ours == (
        "" if is_on(bare.no_cache) else os.path.normpath(os.path.join(at.cwd, uv.cache))
    )


@pytest.mark.parametrize("version", real_uv.each())
def test_receipt_of_a_tool_decides_its_upgrade__addendum_12(version: str, tmp_path: Path) -> None:
    wheels, tools = tmp_path / "wheels", tmp_path / "tools"
    wheels.mkdir()
    uv = str(real_uv.provide(version) / "uv")
    environ = {
        "HOME": str(tmp_path),
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_TOOL_DIR": str(tools),
    }
    options = ["--offline", "--no-index", "--find-links", str(wheels)]

    def run(*words: str, **more: str) -> None:
        subprocess.run(
            [uv, *words, *options],
            check=True,
            env={**environ, **more},
            cwd=tmp_path,
            capture_output=True,
        )

    def is_linked() -> bool:
        (found,) = tools.glob("tinytool/lib/python*/site-packages/tinytool/__init__.py")
        return found.stat().st_nlink > 1

    def ours(*words: str, **more: str) -> str:
        settings = _ours([*words], {**environ, **more}, str(tmp_path), _real_version(version))
        assert settings is not None
        assert settings.link_mode is not None
        return f"{settings.link_mode.value} {settings.link_mode.origin.kind}"

    _write_wheel(wheels, "1.0")
    run("tool", "install", "--link-mode", "copy", "tinytool")
    assert not is_linked()
    _write_wheel(wheels, "2.0")
    assert ours("tool", "upgrade", "tinytool") == "copy receipt"
    assert ours("tool", "upgrade", "--all") == "copy receipt"
    run("tool", "upgrade", "tinytool")
    assert not is_linked()
    _write_wheel(wheels, "3.0")
    assert ours("tool", "upgrade", "tinytool", UV_LINK_MODE="hardlink") == "hardlink variable"
    run("tool", "upgrade", "tinytool", UV_LINK_MODE="hardlink")
    assert is_linked()


def _ours(
    words: list[str], environ: dict[str, str], cwd: str, version: tuple[int, int, int] | None
) -> UvSettings | None:
    invocation = parse("uv", tuple(words))
    try:
        host = working_directory(Host(environ=environ, cwd=cwd), invocation, version)
        return read_uv_settings(host, invocation, version)
    except (Unreadable, ConfigError):
        return None


def _choices(settings: UvSettings | None) -> dict[str, object] | None:
    return None if settings is None else {**settings.as_dict(), "files": None}


def _ask(row: Row, version: str, world: Path) -> Shown:
    environ, words = _build(row, world)
    uv = str(real_uv.provide(version) / "uv")
    split = _where_options_end(words)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [uv, *arguments],
            cwd=world / row.cwd,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    settings = run(*words[:split], "--show-settings", *words[split:])
    cache = run(*_top_level(words), "cache", "dir") if settings.returncode == 0 else settings
    return Shown(
        world,
        environ,
        words,
        settings.returncode,
        settings.stdout,
        settings.stderr,
        cache.stdout.strip(),
    )


def _write_wheel(directory: Path, version: str) -> None:
    info = f"tinytool-{version}.dist-info"
    with zipfile.ZipFile(directory / f"tinytool-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("tinytool/__init__.py", "def main() -> None: ...\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinytool\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/entry_points.txt", "[console_scripts]\ntinytool = tinytool:main\n"
        )
        record = "".join(f"{entry},,\n" for entry in archive.namelist())
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


def _compare(shown: str, settings: UvSettings, *, default: str) -> None:
    told = f"{settings}\n{shown}"
    mode = settings.link_mode.value if settings.link_mode else default
    assert _shown(shown, "link_mode") == {"reflink": "clone"}.get(mode, mode), told
    assert _shown(shown, "cache_dir") == _value(settings.cache_dir), told
    assert (_shown(shown, "no_cache") == "true") == is_on(settings.no_cache), told
    # 0.8.15 and older print `connectivity: Offline`.
    offline = re.search(r"(offline|connectivity): (Enabled|Offline)", shown) is not None
    assert offline == is_on(settings.offline), told
    if "PipInstallSettings" in shown or "PipSyncSettings" in shown:
        for name in ("target", "prefix", "python"):
            assert _shown(shown, name) == _value(getattr(settings, name)), (name, told)
        assert (_shown(shown, "system") == "true") == is_on(settings.system), told


def _assert_choice_is_kept(row: Row, settings: UvSettings) -> None:
    for variable, choice in (
        ("UV_LINK_MODE", settings.link_mode),
        ("UV_CACHE_DIR", settings.cache_dir),
    ):
        if variable in row.variables:
            assert choice is not None
            assert choice.value == row.variables[variable]
            assert str(choice.origin) == variable


def _value(choice: Sourced | None) -> str:
    return choice.value if choice else "none"


def _shown(text: str, name: str) -> str:
    """Value of a field in Rust's debug notation, in lower case for enums; "none"."""
    found = re.search(rf"^\s*{name}: (?:Some\(\s*(?:\w+\(\s*)?)?\"?([^\n\",]*)", text, re.MULTILINE)
    assert found is not None, (name, text)
    value = found[1]
    return value.lower() if value in ("None", "Clone", "Copy", "Hardlink", "Symlink") else value


def _build(row: Row, world: Path) -> tuple[dict[str, str], list[str]]:
    def fill(text: str) -> str:
        return text.replace("{w}", str(world))

    for name, text in {"p/pyproject.toml": NAME, **row.files}.items():
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_text(text)
    for name, target in row.links.items():
        (world / name).symlink_to(fill(target))
    environ = {
        "HOME": str(world / "home"),
        "PATH": "/usr/bin:/bin",
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CONFIG_DIRS": str(world / "etc"),
        **{name: fill(value) for name, value in row.variables.items()},
    }
    return environ, [fill(word) for word in row.words.split()]


def _where_options_end(words: list[str]) -> int:
    """Right after the subcommand, where --show-settings may stand."""
    return 2 if words[0] in ("pip", "tool") else 1


def _top_level(words: list[str]) -> list[str]:
    """The global options with a value among `words`, to be given to `uv cache dir` as well."""
    given = []
    for name in ("--cache-dir", "--directory", "--project", "--config-file"):
        if name in words:
            given += [name, words[words.index(name) + 1]]
    return [*given, *(name for name in ("--no-config", "-n", "--isolated") if name in words)]


@functools.cache
def _real_version(version: str) -> tuple[int, int, int]:
    output = subprocess.run(
        [real_uv.provide(version) / "uv", "--version"], check=True, capture_output=True, text=True
    )
    known = parse_version(output.stdout)
    assert known is not None
    return known
