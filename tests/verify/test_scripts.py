from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.making import digest, distribution, environment, found, said
from uvx_policy.installed.tree import Tree

BODY = b"import sys\nsys.exit(0)\n"
#: of an environment that can be moved
MOVABLE = (
    b"#!/bin/sh\n"
    b"'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n"
)


def by_kernel(environment: str, name: str = "python") -> bytes:
    return f"#!{environment}/bin/{name}\n".encode()


def by_shell(environment: str, quote: str = "'", name: str = "python") -> bytes:
    interpreter = f"{quote}{environment}/bin/{name}{quote}"
    return f"#!/bin/sh\n'''exec' {interpreter} \"$0\" \"$@\"\n' '''\n".encode()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return environment(tmp_path / "env")


def installed(tree: Tree, *, hashed: bytes, there: bytes) -> None:
    """A script for which RECORD has the hash of `hashed`."""
    distribution(tree, {"one.py": b"", "../../../bin/tool": hashed})
    (Path(tree.owner) / "bin/tool").write_bytes(there)


def activate(tree: Tree, line: str) -> None:
    (Path(tree.owner) / "bin/activate").write_text(f"# comment\n{line}\nexport VIRTUAL_ENV\n")


@pytest.mark.parametrize("first_line", [by_kernel, by_shell, lambda env: by_shell(env, '"')])
@pytest.mark.parametrize(
    "told",
    ["VIRTUAL_ENV='/old/place'", 'VIRTUAL_ENV="/old/place"', "VIRTUAL_ENV=/old/place",
     "export VIRTUAL_ENV=/old/place"],
)  # fmt: skip
def test_an_environment_that_was_moved_and_fixed(tree: Tree, first_line: object, told: str) -> None:
    line = first_line  # one of the above
    activate(tree, told)
    installed(
        tree,
        hashed=line("/old/place") + BODY,  # type: ignore[operator]
        there=by_kernel(tree.owner) + BODY,
    )

    assert found(tree) == []


@pytest.mark.parametrize("name", ["python", "python3", "pythonw"])
def test_an_environment_that_was_made_movable(tree: Tree, name: str) -> None:
    installed(tree, hashed=by_kernel(tree.owner, name) + BODY, there=MOVABLE + BODY)

    assert found(tree) == []


def test_a_movable_environment_whose_scripts_were_fixed(tree: Tree) -> None:
    installed(tree, hashed=MOVABLE + BODY, there=by_kernel(tree.owner) + BODY)

    assert found(tree) == []


def test_the_first_line_of_the_wheel_itself(tree: Tree) -> None:
    installed(tree, hashed=b"#!python\n" + BODY, there=by_kernel(tree.owner) + BODY)

    assert found(tree) == []


def test_an_environment_behind_a_symbolic_link(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to("env")
    installed(tree, hashed=by_kernel(tree.owner) + BODY, there=by_kernel("/x") + BODY)
    link = Tree(
        path=tree.path.replace("/env/", "/.venv/"), kind="site", owner=str(tmp_path / ".venv")
    )

    assert found(link) == []


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(b"#!/env/bin/python\nimport os\n", id="the body"),
        pytest.param(b"#!/env/bin/python\n" + BODY + b"more", id="more below"),
        pytest.param(BODY, id="no first line"),
        pytest.param(b"#!/env/bin/python", id="nothing but a first line"),
        pytest.param(b"", id="empty"),
        pytest.param(b"#!/env/bin/python\n" + BODY * 50_000, id="large"),
        pytest.param(b"#!/bin/sh\nrm -rf x\n" + BODY, id="a command of sh below"),
    ],
)
def test_an_edited_script_is_told(tree: Tree, there: bytes) -> None:
    installed(tree, hashed=by_kernel(tree.owner) + BODY, there=there)

    assert said(tree) == [("edited", "../../../bin/tool")]


def test_a_first_line_counts_nowhere_else(tree: Tree) -> None:
    python = by_kernel(tree.owner)
    distribution(tree, {"one/tool.py": python + BODY, "../../../share/tool": python + BODY})
    (Path(tree.path) / "one/tool.py").write_bytes(by_kernel("/x") + BODY)
    (Path(tree.owner) / "share/tool").write_bytes(by_kernel("/x") + BODY)

    assert said(tree) == [("edited", "../../../share/tool"), ("edited", "one/tool.py")]


def test_a_program_that_is_no_text(tree: Tree) -> None:
    distribution(tree, {"one.py": b"", "../../../bin/tool": b"\x7fELF original"})
    (Path(tree.owner) / "bin/tool").write_bytes(b"\x7fELF edited")

    assert said(tree) == [("edited", "../../../bin/tool")]
    assert digest(b"") == "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
