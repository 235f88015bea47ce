from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host
from uvx_policy.uv import member_glob
from uvx_policy.uv.invocation import parse
from uvx_policy.uv.workspace import (
    Project,
    TomlFiles,
    absolute,
    find_project,
    project_directory,
    working_directory,
)

if TYPE_CHECKING:
    from pathlib import Path

    from uvx_policy.model import UvVersion

NEW = (0, 13, 8)
NAME = '[project]\nname = "x"\n'


def make(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def host(cwd: Path, **environ: str) -> Host:
    return Host(environ=environ, cwd=os.path.realpath(cwd))


def project(root: Path, start: str, version: UvVersion | None = NEW) -> Project | None:
    return find_project(host(root), os.path.join(root, start), version)


@pytest.mark.parametrize(
    ("files", "start", "root", "workspace"),
    [
        pytest.param({"p/pyproject.toml": NAME}, "p", "p", "p", id="its own root"),
        pytest.param({"p/pyproject.toml": NAME, "p/a/b/x": ""}, "p/a/b", "p", "p", id="below"),
        pytest.param({"p/pyproject.toml": NAME}, "p/nothing/there", "p", "p", id="missing start"),
        pytest.param(
            {
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["p"]\n',
                "p/pyproject.toml": NAME,
            },
            "p",
            "p",
            "",
            id="member",
        ),
        pytest.param(
            {
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["p"]\nexclude = ["p*"]\n',
                "p/pyproject.toml": NAME,
            },
            "p",
            "p",
            "p",
            id="excluded",
        ),
        pytest.param(
            {
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["**"]\n',
                "a/pyproject.toml": "[tool.other]\n",
                "a/p/pyproject.toml": NAME,
            },
            "a/p",
            "a/p",
            "a/p",
            id="the next pyproject.toml hides those above",
        ),
        pytest.param(
            {"pyproject.toml": NAME, "p/pyproject.toml": NAME},
            "p",
            "p",
            "p",
            id="a plain project has no members",
        ),
        pytest.param(
            {"p/pyproject.toml": NAME + "[tool.uv.workspace]\n"},
            "p",
            "p",
            "p",
            id="empty workspace",
        ),
    ],
)
def test_workspace_root_is_the_one_that_lists_the_project(
    tmp_path: Path, files: dict[str, str], start: str, root: str, workspace: str
) -> None:
    make(tmp_path, files)

    found = project(tmp_path, start)

    assert found is not None
    assert found.root == os.path.join(tmp_path, root).rstrip("/")
    assert found.workspace == os.path.join(tmp_path, workspace).rstrip("/")


def test_no_pyproject_is_no_project(tmp_path: Path) -> None:
    assert project(tmp_path, "") is None


def test_directory_called_pyproject_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    assert project(tmp_path, "") is None


def test_unmanaged_project_looks_for_no_workspace(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["p"]\n',
            "p/pyproject.toml": NAME + "[tool.uv]\nmanaged = false\n",
        },
    )

    found = project(tmp_path, "p")

    assert found is not None
    assert not found.managed
    assert found.workspace == found.root


def test_broken_file_is_an_error_not_an_absence(tmp_path: Path) -> None:
    make(tmp_path, {"pyproject.toml": "[[["})
    with pytest.raises(ConfigError, match=r"pyproject\.toml:1"):
        project(tmp_path, "")


def test_not_utf8_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    with pytest.raises(Unreadable):
        project(tmp_path, "")


def test_walk_is_lexical(tmp_path: Path) -> None:
    make(tmp_path, {"real/pyproject.toml": NAME, "far/pyproject.toml": NAME, "far/in/x": ""})
    (tmp_path / "real" / "link").symlink_to(tmp_path / "far" / "in")

    found = project(tmp_path, "real/link")

    assert found is not None
    assert found.root == str(tmp_path / "real")


def test_each_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, {"pyproject.toml": NAME, "broken.toml": "[["})
    machine = host(tmp_path)
    files = TomlFiles(machine)
    path = str(tmp_path / "pyproject.toml")
    first = files.read(path)
    with pytest.raises(ConfigError):
        files.read(str(tmp_path / "broken.toml"))
    monkeypatch.setattr(machine, "read_text", None)

    assert files.read(path) is first
    with pytest.raises(ConfigError):
        files.read(str(tmp_path / "broken.toml"))


@pytest.mark.parametrize(
    ("pattern", "member", "version", "expected"),
    [
        pytest.param("packages/*", "packages/a", NEW, True, id="star"),
        pytest.param("packages/*", "packages/a/b", NEW, False, id="star and a slash, new"),
        pytest.param("packages/*", "packages/a/b", (0, 12, 7), True, id="star and a slash, old"),
        pytest.param("packages/*", "packages/a/b", None, None, id="star and a slash, unknown"),
        pytest.param("packages?a", "packages/a", NEW, False, id="question mark and a slash, new"),
        pytest.param("packages?a", "packages/a", (0, 10, 12), True, id="the same, old"),
        pytest.param("packages[!x]a", "packages/a", NEW, False, id="class and a slash, new"),
        pytest.param("packages[!x]a", "packages/a", (0, 10, 12), True, id="class, old"),
        pytest.param("packages/*", "packages", NEW, False, id="star needs the slash"),
        pytest.param("packages/?", "packages/.", NEW, True, id="question mark"),
        pytest.param("**", "a/b/c", NEW, True, id="double star alone"),
        pytest.param("a/**", "a", NEW, False, id="double star at the end needs the slash"),
        pytest.param("a/**/", "a/b", (0, 10, 12), True, id="double star and a slash, old"),
        pytest.param("a/**/c", "a/c", NEW, True, id="double star matches nothing"),
        pytest.param("a/**/c", "a/b/b/c", NEW, True, id="double star matches much"),
        pytest.param("a/**/c", "a/bc", NEW, False, id="double star ends at a slash"),
        pytest.param("[a-c]x", "bx", NEW, True, id="class"),
        pytest.param("[!a-c]x", "bx", NEW, False, id="negated class"),
        pytest.param("[]]", "]", NEW, True, id="class of its closing bracket"),
        pytest.param("[a.]", ".", NEW, True, id="class is no regular expression"),
        pytest.param("[^a]", "^", NEW, True, id="caret is a character"),
        pytest.param("[c-a]", "b", NEW, False, id="range the wrong way round"),
        pytest.param("a.c", "abc", NEW, False, id="dot is a dot"),
        pytest.param("./a", "a", NEW, True, id="dot slash, new"),
        pytest.param("./a", "a", (0, 8, 15), False, id="dot slash, old"),
        pytest.param("./a", "a", (0, 9, 0), None, id="dot slash, between"),
        pytest.param("./a", "a", None, None, id="dot slash, unknown"),
        pytest.param("./a", "b", None, False, id="dot slash matches in no version"),
        pytest.param("a/", "a", (0, 11, 5), True, id="trailing slash, new"),
        pytest.param("a/", "a", (0, 10, 12), False, id="trailing slash, old"),
        pytest.param("./a/", "a", (0, 10, 12), True, id="both, when one of them counts"),
        pytest.param("a/", "a", None, None, id="trailing slash, unknown"),
        pytest.param("a", "a", None, True, id="plain, unknown"),
        pytest.param("/w/a", "a", NEW, True, id="absolute"),
    ],
)
def test_member_patterns_match_as_in_uv(
    pattern: str, member: str, version: UvVersion | None, expected: bool | None
) -> None:
    answer = member_glob.matches(pattern, root="/w", member=f"/w/{member}", version=version)
    assert answer is expected


@pytest.mark.parametrize("version", [NEW, (0, 8, 15), None])
@pytest.mark.parametrize("pattern", ["pack*", "packages?a", "packages[!x]a"])
def test_wildcards_of_exclude_stand_for_slashes_in_every_version(
    pattern: str, version: UvVersion | None
) -> None:
    assert member_glob.matches(
        pattern, root="/w", member="/w/packages/a", version=version, excluding=True
    )


def test_root_is_no_pattern() -> None:
    assert member_glob.matches("a", root="/w[1]*", member="/w[1]*/a", version=NEW)
    assert not member_glob.matches("a", root="/w*", member="/ww/a", version=NEW)


@pytest.mark.parametrize("pattern", ["a**", "**a", "a/***", "[a", "[!a"])
def test_pattern_that_uv_rejects_is_an_error(pattern: str) -> None:
    with pytest.raises(ConfigError):
        member_glob.matches(pattern, root="/w", member="/w/a", version=NEW)


def rust_glob(pattern: str, text: str, *, crossing: bool) -> bool:
    """What the `glob` crate does, without classes: try every split, character by character."""
    if not pattern:
        return not text
    if pattern.startswith("**/"):
        rest = pattern[3:]
        starts = [0, *(index + 1 for index, char in enumerate(text) if char == "/")]
        return any(rust_glob(rest, text[start:], crossing=crossing) for start in starts)
    if pattern == "**":
        return True
    if pattern[0] == "*":
        end = len(text) if crossing else len(text.partition("/")[0])
        return any(
            rust_glob(pattern[1:], text[start:], crossing=crossing) for start in range(end + 1)
        )
    return (
        bool(text)
        and (pattern[0] == text[0] or (pattern[0] == "?" and (crossing or text[0] != "/")))
        and rust_glob(pattern[1:], text[1:], crossing=crossing)
    )


@given(
    st.lists(
        st.sampled_from(["a", "b", "*", "?", "a*", "**", "*.b", ".a"]), min_size=1, max_size=4
    ),
    st.lists(st.sampled_from(["a", "b", "ab", ".a", "a.b"]), min_size=1, max_size=4),
)
def test_patterns_match_what_the_plain_algorithm_matches(
    pattern: list[str], member: list[str]
) -> None:
    glob, path = "/".join(pattern), "/".join(member)
    for excluding in (False, True):
        answer = member_glob.matches(
            glob, root="/w", member=f"/w/{path}", version=NEW, excluding=excluding
        )
        assert answer is rust_glob(glob, path, crossing=excluding)


@pytest.mark.parametrize(
    ("words", "environ", "version", "expected"),
    [
        pytest.param(["sync"], {}, NEW, "here", id="cwd"),
        pytest.param(["sync", "--directory", "../a"], {}, NEW, "a", id="option"),
        pytest.param(["sync"], {"UV_WORKING_DIR": "../a"}, NEW, "a", id="variable"),
        pytest.param(["sync"], {"UV_WORKING_DIR": "../a"}, (0, 9, 13), "here", id="too old"),
        pytest.param(["sync"], {"UV_WORKING_DIRECTORY": "../a"}, (0, 9, 1), "a", id="older name"),
        pytest.param(
            ["sync"],
            {"UV_WORKING_DIR": "../a", "UV_WORKING_DIRECTORY": "../b"},
            (0, 9, 13),
            "b",
            id="only the older name is known",
        ),
        pytest.param(
            ["sync", "--directory", "../a"], {"UV_WORKING_DIR": "../b"}, None, "a", id="option wins"
        ),
        pytest.param(["sync", "--directory", "../link"], {}, NEW, "b", id="a link is resolved"),
        pytest.param(["sync"], {"UV_WORKING_DIR": "../a"}, None, None, id="unknown version"),
        pytest.param(["sync"], {"UV_WORKING_DIR": ""}, NEW, None, id="empty"),
        pytest.param(["sync", "--directory", "../no"], {}, NEW, None, id="missing"),
    ],
)
def test_working_directory(
    tmp_path: Path,
    words: list[str],
    environ: dict[str, str],
    version: UvVersion | None,
    expected: str | None,
) -> None:
    for name in ("here", "a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("b")
    machine = host(tmp_path / "here", **environ)
    if expected is None:
        with pytest.raises(Unreadable):
            working_directory(machine, parse("uv", tuple(words)), version)
    else:
        found = working_directory(machine, parse("uv", tuple(words)), version)
        assert found.cwd == str(tmp_path / expected)
        assert found.environ == environ


def test_vanished_working_directory_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        working_directory(Host(environ={}, cwd=""), parse("uv", ("sync",)), NEW)


@pytest.mark.parametrize(
    ("words", "environ", "version", "expected"),
    [
        pytest.param(["sync"], {}, None, "p", id="cwd"),
        pytest.param(["sync", "--project", "../q"], {}, None, "q", id="option"),
        pytest.param(["sync", "--project", "l/../x"], {}, None, "p/x", id="lexical"),
        pytest.param(["sync"], {"UV_PROJECT": "../q"}, NEW, "q", id="variable"),
        pytest.param(["sync"], {"UV_PROJECT": "../q"}, (0, 5, 23), "p", id="variable too new"),
        pytest.param(["sync"], {"UV_PROJECT": "../q"}, None, None, id="variable, unknown version"),
        pytest.param(["sync"], {"UV_PROJECT": ""}, NEW, None, id="empty variable"),
        pytest.param(
            ["sync", "--project", "../q/pyproject.toml"],
            {},
            (0, 10, 11),
            "q",
            id="file of a project",
        ),
        pytest.param(
            ["sync", "--project", "../q/pyproject.toml"],
            {},
            (0, 9, 30),
            "q/pyproject.toml",
            id="file of a project, old",
        ),
        pytest.param(["run", "../q/s.py"], {}, NEW, "q", id="script elsewhere"),
        pytest.param(["run", "../q/s.py"], {}, (0, 10, 12), "p", id="script elsewhere, old"),
        pytest.param(["run", "../q/s.py"], {}, None, None, id="script elsewhere, unknown"),
        pytest.param(["run", "sub/s.py"], {}, None, "p", id="same workspace, whatever the version"),
        pytest.param(
            ["run", "../q/s.py"], {"UV_PREVIEW": "1"}, (0, 10, 12), None, id="preview of it"
        ),
        pytest.param(["run", "../q/S.PY"], {}, NEW, "q", id="case of the suffix"),
        pytest.param(["run", "../q/tool.pyz"], {}, NEW, "q", id="zipapp"),
        pytest.param(["run", "../q/sh"], {}, NEW, "p", id="a program is no script"),
        pytest.param(["run", "../q/pack"], {}, NEW, "q", id="package: its parent"),
        pytest.param(["run", "../q/plain"], {}, NEW, "p", id="directory without __main__.py"),
        pytest.param(["run", "../q/no.py"], {}, NEW, "p", id="no such script"),
        pytest.param(["run", "s.py"], {}, NEW, "p", id="script here"),
        pytest.param(["run", "python", "../q/s.py"], {}, NEW, "p", id="python with a script"),
        pytest.param(["run", "-m", "../q/s.py"], {}, NEW, "p", id="module"),
        pytest.param(["run", "-s", "../q/sh"], {}, NEW, "q", id="anything is a script with -s"),
        pytest.param(["run", "--project", ".", "../q/s.py"], {}, NEW, "p", id="--project wins"),
        pytest.param(["run"], {}, NEW, "p", id="no command"),
    ],
)
def test_project_directory(
    tmp_path: Path,
    words: list[str],
    environ: dict[str, str],
    version: UvVersion | None,
    expected: str | None,
) -> None:
    make(
        tmp_path,
        {
            "p/pyproject.toml": NAME,
            "p/s.py": "",
            "p/sub/s.py": "",
            "q/pyproject.toml": NAME,
            "q/s.py": "",
            "q/S.PY": "",
            "q/sh": "#!/bin/sh\n",
            "q/tool.pyz": "#!/usr/bin/env python3\nPK\x03\x04",
            "q/pack/__main__.py": "",
            "q/plain/x": "",
        },
    )
    machine = host(tmp_path / "p", **environ)
    if expected is None:
        with pytest.raises(Unreadable):
            project_directory(machine, parse("uv", tuple(words)), version)
    else:
        found = project_directory(machine, parse("uv", tuple(words)), version)
        assert os.path.relpath(found, tmp_path) == expected


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        ("/a", "b", "/a/b"),
        ("/a", "../b", "/b"),
        ("/a", "/b/./c/", "/b/c"),
        ("/a", "//b", "/b"),
        ("/", "..", "/"),
    ],
)
def test_absolute(base: str, path: str, expected: str) -> None:
    assert absolute(base, path) == expected
