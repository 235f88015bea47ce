"""Wheels, sdists and editable installs: with and without the native launcher."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import hatch_build
from tests.packaging import checkout
from tests.packaging.checkout import LAUNCHER

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the launcher is for Linux"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return checkout.copy(tmp_path / "tree")


# --- with a compiler ------------------------------------------------------------------------------


def test_a_wheel_with_the_launcher_is_for_this_platform_and_any_python(wheel: Path) -> None:
    name = r"uvx_policy-[\d.]+-py3-none-manylinux_\d+_\d+_\w+\.musllinux_1_1_\w+\.whl"
    assert re.fullmatch(name, wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        (told,) = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
        text = archive.read(told).decode()
    assert "Root-Is-Purelib: false\n" in text
    for tag in wheel.stem.split("-")[-1].split("."):
        assert f"Tag: py3-none-{tag}\n" in text


def test_the_launcher_in_a_wheel_runs_and_says_that_it_is_not_configured(
    wheel: Path, tmp_path: Path
) -> None:
    launcher = checkout.extract_launcher(wheel, tmp_path)

    done = subprocess.run([launcher], env={}, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr.startswith("linkpolicy: ")
    assert done.stderr.count("\n") == 1


def test_no_path_of_the_machine_is_in_the_launcher(wheel: Path, tmp_path: Path) -> None:
    content = checkout.extract_launcher(wheel, tmp_path).read_bytes()
    here = [str(checkout.ROOT), str(wheel.parent.parent), sys.prefix, os.environ["HOME"]]

    assert [path for path in here if os.fsencode(path) in content] == []


def test_the_same_sources_elsewhere_give_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    tree = checkout.copy(tmp_path / "a directory" / "with another name")

    again = checkout.build(tree, "wheel", tmp_path / "dist")

    assert again.made.name == wheel.name
    assert again.made.read_bytes() == wheel.read_bytes()


def test_the_build_leaves_nothing_behind(tree: Path, tmp_path: Path) -> None:
    checkout.need_compiler()
    before = sorted(tree.rglob("*"))
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    variables = checkout.environ(TMPDIR=str(temporary), PYTHONDONTWRITEBYTECODE="1")

    checkout.build(tree, "wheel", tmp_path / "dist", variables)

    assert [path for path in sorted(tree.rglob("*")) if path not in before] == []
    assert list(temporary.iterdir()) == []


def test_options_in_cc_are_options(tree: Path, tmp_path: Path) -> None:
    checkout.need_compiler()
    recorded = tmp_path / "words"
    compiler = script(tmp_path / "my cc", f'echo "$1" > {recorded}; shift; exec cc "$@"')

    built = checkout.build(
        tree, "wheel", tmp_path / "dist", checkout.environ(CC=f"'{compiler}' --mine")
    )

    assert LAUNCHER in checkout.names(built.made)
    assert recorded.read_text() == "--mine\n"


def test_without_a_libc_to_link_statically_the_launcher_is_linked_dynamically(
    tree: Path, tmp_path: Path
) -> None:
    checkout.need_compiler()
    refuse = 'for word; do [ "$word" = -static ] && { echo "error: no libc.a" >&2; exit 1; }; done'
    compiler = script(tmp_path / "cc", f'{refuse}\nexec /usr/bin/env cc "$@"')

    built = checkout.build(tree, "wheel", tmp_path / "dist", checkout.environ(CC=str(compiler)))

    assert (built.code, built.stderr) == (0, "")
    assert re.fullmatch(r"uvx_policy-[\d.]+-py3-none-linux_\w+\.whl", built.made.name)
    launcher = checkout.extract_launcher(built.made, tmp_path)
    done = subprocess.run([launcher], env={}, capture_output=True, check=False)
    assert done.returncode == 126


# --- without --------------------------------------------------------------------------------------


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def error_in_the_source(tree: Path, _: Path) -> dict[str, str]:
    checkout.need_compiler()
    with (tree / "shims/launcher.c").open("a") as stream:
        stream.write("\n#error spoilt on purpose\n")
    return {}


def another_machine(_: Path, empty: Path) -> dict[str, str]:
    """The machine is bytes 18 and 19 of an ELF file; 22 is the SPARC."""
    checkout.need_compiler()
    patch = "printf '\\026' | dd of=\"$made\" bs=1 seek=18 conv=notrunc status=none"
    return {"CC": str(script(empty / "cc", f'cc "$@" || exit\n{FIND_MADE}\n{patch}'))}


def no_program(_: Path, empty: Path) -> dict[str, str]:
    return {"CC": str(script(empty / "cc", f'{FIND_MADE}\necho "for a while" > "$made"'))}


#: in a script that is a compiler: the word after -o
FIND_MADE = 'for word; do [ "$before" = -o ] && made=$word; before=$word; done'


def no_source(tree: Path, _: Path) -> dict[str, str]:
    checkout.need_compiler()
    shutil.rmtree(tree / "shims")
    return {}


WITHOUT = [
    pytest.param(lambda *_: {"CC": "false"}, "`false` failed", id="CC=false"),
    pytest.param(
        lambda *_: {"CC": "no-such-compiler -m64"},
        "cannot start `no-such-compiler`",
        id="CC=nothing",
    ),
    pytest.param(lambda *_: {"CC": "'"}, "cannot understand CC", id="CC is nonsense"),
    pytest.param(lambda *_: {"CC": "true"}, "`true` failed", id="a compiler that makes no file"),
    pytest.param(lambda _, empty: {"PATH": str(empty)}, "no C compiler on PATH", id="no compiler"),
    pytest.param(
        another_machine, "is for another machine than", id="a compiler for another machine"
    ),
    pytest.param(no_program, "is no program of Linux", id="a compiler that makes something else"),
    pytest.param(error_in_the_source, "spoilt on purpose", id="a source that does not compile"),
    pytest.param(no_source, "cannot read shims/CFLAGS", id="no source"),
    pytest.param(
        lambda *_: {"LINKPOLICY_BUILD_LAUNCHER": "no"},
        "LINKPOLICY_BUILD_LAUNCHER=no",
        id="unwanted",
    ),
]
Spoil = Callable[[Path, Path], dict[str, str]]


@pytest.mark.parametrize(("spoil", "told"), WITHOUT)
def test_what_cannot_be_compiled_leaves_a_pure_wheel_and_one_line(
    tree: Path, tmp_path: Path, spoil: Spoil, told: str
) -> None:
    (tmp_path / "empty").mkdir()
    variables = checkout.environ(**spoil(tree, tmp_path / "empty"))

    built = checkout.build(tree, "wheel", tmp_path / "dist", variables)

    assert built.code == 0
    assert built.made.name.endswith("-py3-none-any.whl")
    assert LAUNCHER not in checkout.names(built.made)
    assert "uvx_policy/launch.py" in checkout.names(built.made)
    assert built.stderr.startswith("linkpolicy: built without the native launcher: ")
    assert told in built.stderr
    assert built.stderr.count("\n") == 1


@pytest.mark.parametrize("what", ["wheel", "editable"])
@pytest.mark.parametrize(("spoil", "told"), WITHOUT[:-1])
def test_where_the_launcher_is_required_the_build_fails_with_one_line(
    tree: Path, tmp_path: Path, spoil: Spoil, told: str, what: str
) -> None:
    (tmp_path / "empty").mkdir()
    variables = checkout.environ(
        LINKPOLICY_BUILD_LAUNCHER="require", **spoil(tree, tmp_path / "empty")
    )

    built = checkout.build(tree, what, tmp_path / "dist", variables)

    assert built.code != 0
    assert list((tmp_path / "dist").iterdir()) == []
    assert "no native launcher: " in built.stderr
    assert told in built.stderr
    assert "Traceback" not in built.stderr


def test_a_wish_that_is_not_known_fails(tree: Path, tmp_path: Path) -> None:
    variables = checkout.environ(LINKPOLICY_BUILD_LAUNCHER="yes")

    built = checkout.build(tree, "wheel", tmp_path / "dist", variables)

    assert built.code != 0
    assert "LINKPOLICY_BUILD_LAUNCHER is `yes`, and not one of auto, require, no" in built.stderr


def test_where_there_is_no_launcher_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "macosx-11.0-arm64")

    with pytest.raises(hatch_build.NotCompiled, match="for Linux and Windows, and this is macosx"):
        hatch_build.refuse_unless_wanted("require")


@pytest.mark.parametrize("compiler", ["cc", "false"])
def test_no_wheel_takes_the_launcher_that_lies_in_the_tree(
    tree: Path, tmp_path: Path, compiler: str
) -> None:
    checkout.need_compiler()
    (tree / LAUNCHER).write_bytes(b"of another time")
    (tree / "uvx_policy/.launcher-abc").mkdir()
    (tree / "uvx_policy/.launcher-abc/launcher").write_bytes(b"half")

    built = checkout.build(tree, "wheel", tmp_path / "dist", checkout.environ(CC=compiler))

    listed = [name for name in checkout.names(built.made) if name.endswith("launcher")]
    assert listed == ([LAUNCHER] if compiler == "cc" else [])
    if compiler == "cc":
        content = checkout.extract_launcher(built.made, tmp_path).read_bytes()
        assert content.startswith(b"\x7fELF")


# --- sdist ----------------------------------------------------------------------------------------


def test_an_sdist_has_what_it_takes_and_gives_the_same_wheel(
    tree: Path, wheel: Path, tmp_path: Path
) -> None:
    (tree / LAUNCHER).write_bytes(b"of another time")

    built = checkout.build(tree, "sdist", tmp_path / "dist")

    with tarfile.open(built.made) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    # Not `extractall`: since Python 3.11.4 it needs a filter, which it did not have before.
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xf", built.made, "-C", tmp_path / "unpacked"], check=True)
    assert {"hatch_build.py", "shims/launcher.c", "shims/tables.h", "shims/CFLAGS"} <= names
    assert LAUNCHER not in names
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    again = checkout.build(unpacked, "wheel", tmp_path / "dist")
    assert again.made.name == wheel.name
    assert checkout.extract_launcher(again.made, tmp_path / "again").read_bytes() == (
        checkout.extract_launcher(wheel, tmp_path / "wheel").read_bytes()
    )


# --- editable -------------------------------------------------------------------------------------


def test_an_editable_install_has_the_launcher_in_the_tree(
    tree: Path, wheel: Path, tmp_path: Path
) -> None:
    (tree / LAUNCHER).write_bytes(b"of another time")

    built = checkout.build(tree, "editable", tmp_path / "dist")

    assert (built.code, built.stderr) == (0, "")
    assert LAUNCHER not in checkout.names(built.made)
    assert os.access(tree / LAUNCHER, os.X_OK)
    assert (tree / LAUNCHER).read_bytes() == (
        checkout.extract_launcher(wheel, tmp_path).read_bytes()
    )


def test_an_editable_install_without_a_compiler_keeps_no_older_launcher(
    tree: Path, tmp_path: Path
) -> None:
    (tree / LAUNCHER).write_bytes(b"of another time")

    built = checkout.build(tree, "editable", tmp_path / "dist", checkout.environ(CC="false"))

    assert built.code == 0
    assert "built without the native launcher" in built.stderr
    assert not (tree / LAUNCHER).exists()


def test_two_editable_builds_at_once_make_one_whole_launcher(
    tree: Path, wheel: Path, tmp_path: Path
) -> None:
    code = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / f"dist{number}"],
            cwd=tree, env=checkout.environ(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for number in range(3)
    ]  # fmt: skip

    assert [build.communicate()[1] for build in builds] == [b""] * 3
    assert [build.returncode for build in builds] == [0] * 3
    assert (tree / LAUNCHER).read_bytes() == (
        checkout.extract_launcher(wheel, tmp_path).read_bytes()
    )
    assert [path.name for path in (tree / "uvx_policy").glob(".launcher-*")] == []
