from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.verify.making import (
    Machine,
    archive,
    contradictions,
    digest,
    distribution,
    environment,
    said,
)
from uvx_policy.installed.record import Row
from uvx_policy.installed.tree import Index, Tree
from uvx_policy.verify.contradictions import finding_of

MINUTE = 60


def rewrite_row(tree: Tree, path: str, content: bytes) -> None:
    """Edit a file, and RECORD too."""
    record = Path(tree.path) / "one-1.0.dist-info" / "RECORD"
    row = next(row for row in record.read_text().splitlines() if row.startswith(f"{path},"))
    new = f"{path},{digest(content)},{len(content)}"
    record.write_text(record.read_text().replace(row, new))
    (Path(tree.path) / path).write_bytes(content)


def make_later(tree: Tree) -> None:
    """RECORD was written a minute after INSTALLER."""
    info = Path(tree.path) / "one-1.0.dist-info"
    told = (info / "INSTALLER").stat()
    os.utime(info / "RECORD", (told.st_atime + MINUTE, told.st_mtime + MINUTE))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    for tree in (machine.first, machine.second):
        info = Path(tree.path) / "one-1.0.dist-info"
        (info / "INSTALLER").write_text("uv")
        with (info / "RECORD").open("a") as record:
            record.write("one-1.0.dist-info/INSTALLER,,\n../../../bin/one,sha256=abc,3\n")
    return machine


def told(machine: Machine, tree: Tree, index: Index | None = None) -> list[list[str]]:
    return [
        [row.path for row in each.rows] for each in contradictions(tree, index or machine.index)
    ]


def test_nothing_was_changed(machine: Machine) -> None:
    make_later(machine.first)

    assert told(machine, machine.first) == []
    assert told(machine, machine.archive) == []


def test_a_shared_file_whose_row_was_changed_with_it(machine: Machine) -> None:
    rewrite_row(machine.first, "one/a.py", b"edited")

    (contradiction,) = contradictions(machine.first, machine.index)

    assert [row.path for row in contradiction.rows] == ["one/a.py"]
    assert contradiction.archive == machine.archive
    finding = finding_of(contradiction, machine.first)
    assert (finding.state, finding.path) == (
        "record", f"{machine.first.path}/one-1.0.dist-info/RECORD",
    )  # fmt: skip
    assert finding.detail == (
        f"RECORD was changed: the wheel in `{machine.cache}` has another hash for `one/a.py`"
    )
    assert ("edited", "one/a.py") in said(machine.second)


def test_a_row_of_the_cache_that_was_changed_with_the_file(machine: Machine) -> None:
    """Here RECORD is what it was: the file is edited, and that alone is said."""
    rewrite_row(machine.archive, "one/a.py", b"edited")

    assert told(machine, machine.first) == []
    assert ("edited", "one/a.py") in said(machine.first)


def test_a_private_file_whose_row_was_changed_later(machine: Machine) -> None:
    (Path(machine.first.path) / "one/a.py").unlink()
    rewrite_row(machine.first, "one/a.py", b"edited")
    assert told(machine, machine.first) == []  # of a wheel that was built twice it may be so

    make_later(machine.first)

    assert told(machine, machine.first) == [["one/a.py"]]


def test_many_rows_are_named_in_short(machine: Machine) -> None:
    for name in ("one/a.py", "one/b.py", "one-1.0.dist-info/METADATA"):
        rewrite_row(machine.first, name, b"edited")
    (contradiction,) = contradictions(machine.first, machine.index)
    more = contradiction.replace(rows=(*contradiction.rows, Row("d"), Row("e")))

    assert finding_of(contradiction, machine.first).detail.endswith("METADATA`")
    assert finding_of(more, machine.first).detail.endswith("METADATA` and 2 more")


def test_any_archive_that_agrees_is_enough(machine: Machine) -> None:
    (Path(machine.first.path) / "one/a.py").unlink()
    rewrite_row(machine.first, "one/a.py", b"built here, again")
    make_later(machine.first)
    another = archive(machine.cache, "another")
    distribution(another, {"one/a.py": b"built here, again", "one/b.py": b"original too"})

    assert told(machine, machine.first, machine.index) == []


@pytest.mark.parametrize("installer", ["pip", "conda", ""])
def test_what_uv_did_not_install_is_not_from_its_cache(machine: Machine, installer: str) -> None:
    rewrite_row(machine.first, "one/a.py", b"edited")
    (Path(machine.first.path) / "one-1.0.dist-info" / "INSTALLER").write_text(installer)

    assert told(machine, machine.first) == []


def test_without_an_archive_nobody_vouches(machine: Machine) -> None:
    rewrite_row(machine.first, "one/a.py", b"edited")
    make_later(machine.first)
    shutil.rmtree(machine.cache)

    assert told(machine, machine.first) == []


@pytest.mark.parametrize("damage", [b"", b"\xff\0", b'"'])
def test_a_damaged_record_contradicts_nothing(machine: Machine, damage: bytes) -> None:
    make_later(machine.first)
    (Path(machine.archive.path) / "one-1.0.dist-info" / "RECORD").write_bytes(damage)

    assert told(machine, machine.first) == []


def test_a_path_that_is_spelled_otherwise_is_the_same(tmp_path: Path) -> None:
    cache = archive(tmp_path / "cache")
    distribution(cache, {"./one/a.py": b"a"})
    tree = environment(tmp_path / "env")
    distribution(tree, {"one/a.py": b"a"})
    make_later(tree)

    assert list(contradictions(tree, Index([str(tmp_path / "cache")], []))) == []
