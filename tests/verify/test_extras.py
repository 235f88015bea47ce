from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.odd_files import fifo
from tests.verify.making import archive, distribution, environment, found, said
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = environment(tmp_path / "env")
    distribution(tree, {"one/__init__.py": b"", "one/sub/deep/a.py": b"", "single.py": b""})
    return tree


def put(tree: Tree, path: str) -> Path:
    where = Path(tree.path) / path
    where.parent.mkdir(parents=True, exist_ok=True)
    where.touch()
    return where


def test_a_file_in_a_package_that_no_record_names(tree: Tree) -> None:
    path = put(tree, "one/more.py")

    assert found(tree) == [
        Finding(
            path=str(path), state="extra", tree=tree, distribution="one", version="1.0",
            dist_info=f"{tree.path}/one-1.0.dist-info",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["one/sub/deep/x.so", "one/sub/x", "one/new/directory/x.py", "one-1.0.dist-info/more",
     os.fsdecode(b"one/\xff.py"), "one/a\nb"],
)  # fmt: skip
def test_wherever_it_lies(tree: Tree, path: str) -> None:
    put(tree, path)

    assert said(tree) == [("extra", path)]


@pytest.mark.parametrize(
    "path",
    [
        "one/__pycache__/a.cpython-311.pyc",
        "one/a.pyc",
        "one/a.pyo",
        "one/__pycache__/numba.nbi",
        "one/sub/.mypy_cache/3.11/a.json",
        "one-1.0.dist-info/REQUESTED",
        "one-1.0.dist-info/direct_url.json",
        "one-1.0.dist-info/uv_cache.json",
        "one-1.0.dist-info/uv_build.json",
        "one-1.0.dist-info/RECORD.jws",
        "one/.tmpAbCdEf",
        "beside.py",
        "_virtualenv.pth",
        "nobodys/a.py",
        "../../../bin/anything",
        "../../../share/man/man1/x.1",
    ],
)
def test_what_tools_leave_is_aside(tree: Tree, path: str) -> None:
    put(tree, path)

    assert found(tree) == []


def test_a_namespace_belongs_to_nobody(tree: Tree) -> None:
    distribution(tree, {"space/first/a.py": b""}, name="first")
    distribution(tree, {"space/second/a.py": b"", "space/second/b/c.py": b""}, name="second")
    put(tree, "space/third/a.py")
    put(tree, "space/beside.py")
    assert found(tree) == []

    put(tree, "space/first/more.py")
    put(tree, "space/second/b/more.py")

    assert said(tree) == [("extra", "space/first/more.py"), ("extra", "space/second/b/more.py")]


def test_two_distributions_in_one_package(tree: Tree) -> None:
    distribution(tree, {"one/from_two.py": b"", "one/two/a.py": b""}, name="two")

    assert found(tree) == []


def test_an_extra_link_or_fifo_is_a_file(tree: Tree) -> None:
    (Path(tree.path) / "one/link").symlink_to("sub")
    (Path(tree.path) / "one/dangling").symlink_to("nowhere")
    (Path(tree.path) / "one/loop").symlink_to("loop")
    fifo(Path(tree.path) / "one/fifo")

    assert said(tree) == [
        ("extra", "one/dangling"), ("extra", "one/fifo"), ("extra", "one/link"),
        ("extra", "one/loop"),
    ]  # fmt: skip


def test_each_extra_file_is_told_once(tree: Tree) -> None:
    distribution(tree, {"one/two/three/a.py": b"", "one/two/b.py": b""}, name="two")
    put(tree, "one/two/three/x.py")

    assert said(tree) == [("extra", "one/two/three/x.py")]


def test_everything_in_an_archive_belongs_to_its_wheel(tmp_path: Path) -> None:
    tree = archive(tmp_path)
    distribution(tree, {"one/a.py": b""})
    for path in ("beside.py", "new/directory/a.py", "one-1.0.data/scripts/tool", "one/b.py"):
        put(tree, path)

    assert [path for _, path in said(tree)] == [
        "beside.py", "new/directory/a.py", "one-1.0.data/scripts/tool", "one/b.py",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["bin/other", "share/doc/other", ".lock", "beside.py"])
def test_what_a_target_has_beside_packages_is_nobodys(tmp_path: Path, path: str) -> None:
    tree = Tree(path=str(tmp_path), kind="site", owner=str(tmp_path))
    distribution(tree, {"one/a.py": b"", "bin/tool": b"#!", "share/doc/one": b""})
    put(tree, path)
    assert found(tree) == []

    put(tree, "one/bin")

    assert said(tree) == [("extra", "one/bin")]
