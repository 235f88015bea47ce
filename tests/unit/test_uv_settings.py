from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host
from uvx_policy.uv.directories import tool_name, tool_root
from uvx_policy.uv.invocation import parse
from uvx_policy.uv.script_block import block_text, find_script, read_block
from uvx_policy.uv.settings import default_cache_dir, is_on, read_uv_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from uvx_policy.model import UvVersion
    from uvx_policy.uv.settings import UvSettings

NEW = (0, 13, 8)
NAME = '[project]\nname = "x"\n\n'


def settings(
    root: Path,
    words: str,
    files: dict[str, str] | None = None,
    *,
    version: UvVersion | None = NEW,
    platform: str = "linux",
    environ: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Host, UvSettings]:
    for name, text in {"p/pyproject.toml": NAME, **(files or {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    variables = {"HOME": str(root / "home"), "XDG_CONFIG_DIRS": str(root / "etc"), **environ}
    host = Host(environ=variables, cwd=str(root / "p"), platform=platform)
    return host, read_uv_settings(host, parse("uv", tuple(words.split())), version)


@pytest.mark.parametrize(
    ("words", "files", "environ", "expected"),
    [
        pytest.param("sync --link-mode copy", {}, {}, "copy --link-mode", id="flag"),
        pytest.param("sync", {}, {"UV_LINK_MODE": "copy"}, "copy UV_LINK_MODE", id="variable"),
        pytest.param("sync", {}, {"UV_LINK_MODE": ""}, " UV_LINK_MODE", id="empty is a choice"),
        pytest.param(
            "sync",
            {"p/pyproject.toml": NAME + '[tool.uv]\nlink-mode = "copy"\n'},
            {},
            "copy {root}/p/pyproject.toml:5",
            id="project",
        ),
        pytest.param(
            "sync",
            {"p/uv.toml": '\nlink-mode = "copy"\n'},
            {},
            "copy {root}/p/uv.toml:2",
            id="uv.toml",
        ),
        pytest.param(
            "sync",
            {"home/.config/uv/uv.toml": 'link-mode = "copy"\n'},
            {},
            "copy {root}/home/.config/uv/uv.toml:1",
            id="user",
        ),
        pytest.param(
            "sync",
            {"etc/uv/uv.toml": 'link-mode = "copy"\n'},
            {},
            "copy {root}/etc/uv/uv.toml:1",
            id="system",
        ),
        pytest.param(
            "pip install x",
            {"p/pyproject.toml": NAME + '[tool.uv.pip]\nlink-mode = "copy"\n'},
            {},
            "copy {root}/p/pyproject.toml:5",
            id="pip table",
        ),
        pytest.param(
            "tool upgrade Foo_Bar",
            {"t/foo-bar/uv-receipt.toml": '[tool.options]\nlink-mode = "copy"\n'},
            {"UV_TOOL_DIR": "../t"},
            "copy {root}/t/foo-bar/uv-receipt.toml:2",
            id="receipt of a tool",
        ),
    ],
)
def test_every_choice_tells_its_origin(
    tmp_path: Path, words: str, files: dict[str, str], environ: dict[str, str], expected: str
) -> None:
    _, found = settings(tmp_path, words, files, environ=environ)
    assert found.link_mode is not None
    told = f"{found.link_mode.value} {found.link_mode.origin}"
    assert told == expected.replace("{root}", str(tmp_path))


def test_nothing_said_is_none(tmp_path: Path) -> None:
    _, found = settings(tmp_path, "sync")
    said = {
        name
        for name, value in found.as_dict().items()
        if value not in (None, False) and name not in ("files", "project_directory")
    }
    assert said == set()


@pytest.mark.parametrize(
    "variable",
    ["UV_NO_CACHE", "UV_OFFLINE", "UV_NO_CONFIG", "UV_PREVIEW", "UV_NO_SYNC", "UV_FROZEN"],
)
@pytest.mark.parametrize("value", ["", "2", "maybe"])
def test_variable_that_is_no_boolean_leaves_uv_alone(
    tmp_path: Path, variable: str, value: str
) -> None:
    with pytest.raises(Unreadable, match=variable):
        settings(tmp_path, "run x", environ={variable: value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("YES", True), ("On", True), ("t", True), ("0", False), ("off", False)],
)
def test_booleans_are_read_as_clap_reads_them(tmp_path: Path, value: str, expected: bool) -> None:
    _, found = settings(tmp_path, "run x", environ={"UV_NO_SYNC": value})
    assert is_on(found.no_sync) is expected


@pytest.mark.parametrize(
    "words",
    ["sync --no-offline", "pip install --no-system x", "pip install --system --no-system x"],
)
def test_switch_that_is_off_is_none_whatever_the_files_say(tmp_path: Path, words: str) -> None:
    text = NAME + "[tool.uv]\noffline = true\nno-cache = false\n[tool.uv.pip]\nsystem = true\n"
    _, found = settings(tmp_path, words, {"p/pyproject.toml": text})
    assert found.no_cache is None
    if "sync" in words:
        assert found.offline is None
    else:
        assert found.system is None


def test_variables_of_other_commands_are_not_looked_at(tmp_path: Path) -> None:
    _, found = settings(
        tmp_path,
        "lock",
        environ={"UV_NO_SYNC": "bad", "UV_SYSTEM_PYTHON": "", "UV_ISOLATED": "", "UV_PYTHON": "x"},
    )
    assert found.no_sync is None
    assert found.system is None
    assert found.python is None


@pytest.mark.parametrize("version", [None, (0, 8, 10)])
def test_variable_that_this_uv_may_not_know(tmp_path: Path, version: UvVersion | None) -> None:
    if version is None:
        with pytest.raises(Unreadable, match="UV_ISOLATED"):
            settings(tmp_path, "run x", version=version, environ={"UV_ISOLATED": "1"})
    else:
        _, found = settings(tmp_path, "run x", version=version, environ={"UV_ISOLATED": "1"})
        assert found.isolated is None


def test_doubtful_table_raises_only_for_what_it_says(tmp_path: Path) -> None:
    files = {"p/pyproject.toml": NAME + '[tool.uv]\nof-tomorrow = 1\ncache-dir = "c"\n'}
    with pytest.raises(Unreadable, match="cache-dir"):
        settings(tmp_path, "sync", files)
    _, found = settings(tmp_path, "sync --cache-dir d", files)
    assert found.cache_dir is not None
    assert found.cache_dir.value == "d"


def test_doubtful_table_also_hides_the_one_above(tmp_path: Path) -> None:
    files = {
        "p/pyproject.toml": NAME + "[tool.uv]\nof-tomorrow = 1\n",
        "uv.toml": 'link-mode = "copy"\n',
    }
    with pytest.raises(Unreadable, match="link-mode"):
        settings(tmp_path, "sync", files)


def test_broken_uv_toml_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"uv\.toml:1"):
        settings(tmp_path, "sync", {"p/uv.toml": "[["})


def test_missing_config_file_leaves_uv_alone(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"nothing\.toml"):
        settings(tmp_path, "sync --config-file nothing.toml")


@pytest.mark.parametrize(
    ("words", "environ", "expected"),
    [
        pytest.param("sync --preview", {}, "all", id="flag"),
        pytest.param("sync --no-preview", {"UV_PREVIEW": "1"}, "none", id="off"),
        pytest.param("sync", {"UV_PREVIEW_FEATURES": "a,b"}, "a,b", id="features"),
        pytest.param(
            "sync --preview-features a --preview-features b", {}, "a,b", id="features twice"
        ),
        pytest.param("sync --preview-features a", {"UV_PREVIEW": "1"}, "all", id="all and one"),
    ],
)
def test_preview(tmp_path: Path, words: str, environ: dict[str, str], expected: str) -> None:
    _, found = settings(tmp_path, words, environ=environ)
    assert found.preview is not None
    assert found.preview.value == expected


@pytest.mark.parametrize(
    ("words", "environ", "platform", "expected"),
    [
        pytest.param("sync", {}, "linux", "{root}/home/.cache/uv", id="home"),
        pytest.param("sync", {"XDG_CACHE_HOME": "/x"}, "linux", "/x/uv", id="XDG"),
        pytest.param(
            "sync", {"XDG_CACHE_HOME": "x"}, "linux", "{root}/home/.cache/uv", id="XDG relative"
        ),
        pytest.param("sync", {}, "darwin", "{root}/home/.cache/uv", id="macOS"),
        pytest.param(
            "sync", {"UV_CACHE_DIR": "c"}, "linux", "{root}/p/c", id="relative to the cwd"
        ),
        pytest.param("sync", {"UV_CACHE_DIR": "~/c"}, "linux", "{root}/p/~/c", id="no tilde"),
        pytest.param("sync", {"UV_CACHE_DIR": "../c"}, "linux", "{root}/c", id="parent"),
        pytest.param("sync", {"UV_CACHE_DIR": ""}, "linux", "", id="empty: uv fails"),
        pytest.param("sync -n --cache-dir c", {}, "linux", "", id="no cache"),
        pytest.param("sync", {"HOME": ""}, "linux", "", id="empty HOME: versions differ"),
    ],
)
def test_default_cache(
    tmp_path: Path, words: str, environ: dict[str, str], platform: str, expected: str
) -> None:
    if environ.get("HOME") == "":
        environ = {**environ, "XDG_CONFIG_HOME": str(tmp_path)}
    host, found = settings(tmp_path, words, platform=platform, environ=environ)
    assert default_cache_dir(host, found) == expected.replace("{root}", str(tmp_path))


def test_old_cache_of_macos_is_kept(tmp_path: Path) -> None:
    (tmp_path / "home/Library/Caches/uv").mkdir(parents=True)
    host, found = settings(tmp_path, "sync", platform="darwin")
    assert default_cache_dir(host, found) == str(tmp_path / "home/Library/Caches/uv")


def test_parent_behind_a_link_is_the_kernels(tmp_path: Path) -> None:
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "p").mkdir()
    (tmp_path / "p/link").symlink_to(tmp_path / "far/away")
    host, found = settings(tmp_path, "sync", environ={"UV_CACHE_DIR": "link/../c"})
    assert default_cache_dir(host, found) == os.path.realpath(tmp_path / "far/c")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, "{root}/home/.local/share/uv/tools default", id="home"),
        pytest.param({"XDG_DATA_HOME": "/x"}, "/x/uv/tools default", id="XDG"),
        pytest.param({"UV_TOOL_DIR": "t"}, "{root}/t UV_TOOL_DIR", id="relative to the cwd"),
        pytest.param({"UV_TOOL_DIR": ""}, "{root}/home/.local/share/uv/tools default", id="empty"),
    ],
)
def test_tool_directory(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    host = Host(
        environ={"HOME": f"{tmp_path}/home", **environ}, cwd=str(tmp_path), platform="linux"
    )
    found = tool_root(host, NEW)
    assert f"{found.value} {found.origin}" == expected.replace("{root}", str(tmp_path))


def test_empty_tool_directory_of_an_old_uv_is_unknown(tmp_path: Path) -> None:
    host = Host(environ={"HOME": str(tmp_path), "UV_TOOL_DIR": ""}, cwd=str(tmp_path))
    with pytest.raises(Unreadable):
        tool_root(host, (0, 5, 23))


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("ruff", "ruff"),
        ("Foo_Bar.baz", "foo-bar-baz"),
        ("a--_b", "a-b"),
        ("ruff@0.5", "ruff"),
        ("ruff@latest", "ruff"),
        ("ruff>=1,<2", "ruff"),
        ("black[jupyter]==1", "black"),
        ("black [jupyter]", "black"),
        ("x ; python_version > '3'", "x"),
        (".", ""),
        ("./x", ""),
        ("a/b", ""),
        ("git+https://example.org/x", ""),
        ("https://example.org/x.whl", ""),
        ("-x", ""),
        ("", ""),
        ("ünicode", ""),
    ],
)
def test_tool_name(requirement: str, expected: str) -> None:
    assert tool_name(requirement) == expected


BLOCK = "# /// script\n# x = 1\n#\n# y = 2\n# ///\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(BLOCK, "x = 1\n\ny = 2\n", id="at the top"),
        pytest.param("#!/x\n" + BLOCK + "pass\n", "x = 1\n\ny = 2\n", id="further down"),
        pytest.param(BLOCK.replace("\n", "\r\n"), "x = 1\n\ny = 2\n", id="carriage returns"),
        pytest.param("print(1)\n", None, id="none"),
        pytest.param("x = '# /// script'\n" + BLOCK, None, id="uv looks at the first place only"),
        pytest.param("# /// script \n# ///\n", None, id="trailing blank"),
        pytest.param("# /// script\n# x = 1\n", "# /// script", id="never closed"),
        pytest.param("# /// script\n# x\n# ///\n# ///\n", "x\n///\n", id="the last end counts"),
    ],
)
def test_block_of_a_script(text: str, expected: str | None) -> None:
    assert block_text(text) == expected


def test_block_that_never_ends_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("# /// script\n# x = 1\n")
    host = Host(environ={}, cwd=str(tmp_path))
    with pytest.raises(Unreadable):
        read_block(host, str(tmp_path / "s.py"))
    assert read_block(host, str(tmp_path / "none.py")) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run s.py", "s.py"),
        ("run s.py --script other.py", "s.py"),
        ("run -s tool", "tool"),
        ("run tool", None),
        ("run python s.py", None),
        ("run -m s.py", None),
        ("run missing.py", None),
        ("run", None),
        ("sync --script s.py", "s.py"),
        ("sync", None),
    ],
)
def test_which_script_a_call_names(tmp_path: Path, words: str, expected: str | None) -> None:
    for name in ("s.py", "tool"):
        (tmp_path / name).write_text("")
    found = find_script(Host(environ={}, cwd=str(tmp_path)), parse("uv", tuple(words.split())))
    assert found == (expected and str(tmp_path / expected))


@pytest.mark.parametrize("target", ["-", "https://example.org/s.py"])
def test_script_that_cannot_be_read_is_unreadable(tmp_path: Path, target: str) -> None:
    with pytest.raises(Unreadable):
        find_script(Host(environ={}, cwd=str(tmp_path)), parse("uv", ("run", target)))
