from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.verify.making import FILES, Machine, archive, at, distribution, edit, environment, found
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.tree import Index, trees_of_cache, trees_of_environment
from uvx_policy.verify.elsewhere import with_places


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_edit_in_place_is_in_the_cache_and_in_the_other_environment(machine: Machine) -> None:
    edit(machine.first)

    assert machine.places(machine.first) == [
        ("same-inode", str(machine.cache), at(machine.archive)),
        ("same-inode", machine.second.owner, at(machine.second)),
    ]
    assert machine.unknown(machine.first) == 0
    assert machine.places(machine.archive) == [
        ("same-inode", machine.first.owner, at(machine.first)),
        ("same-inode", machine.second.owner, at(machine.second)),
    ]


def test_an_edit_by_rename_is_nowhere_else(machine: Machine) -> None:
    Path(at(machine.first)).unlink()
    edit(machine.first)

    assert machine.places(machine.first) == []
    assert machine.unknown(machine.first) == 0


def test_a_copy_of_the_edit_is_found_by_its_bytes(machine: Machine, tmp_path: Path) -> None:
    edit(machine.first)
    copied = environment(tmp_path / "copied")
    shutil.copytree(machine.archive.path, copied.path, dirs_exist_ok=True)
    index = Index([str(machine.cache)], [copied.owner])

    assert machine.places(copied, index) == [
        ("same-bytes", str(machine.cache), at(machine.archive))
    ]
    # Two environments share the inode, and nobody told the index of them.
    (told,) = with_places(found(machine.archive), index)
    assert [(each.how, each.path) for each in told.elsewhere] == [("same-bytes", at(copied))]
    assert told.unknown_names == 2


def test_two_files_of_one_package_are_two_findings(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, {"one/a.py": b"", "one/b.py": b""})
    for name in ("one/a.py", "one/b.py"):
        edit(tree, name)

    told = with_places(found(tree), Index([], [tree.owner]))

    assert [each.elsewhere for each in told] == [(), ()]


def test_another_edit_of_the_same_file_is_another_finding(machine: Machine, tmp_path: Path) -> None:
    other = environment(tmp_path / "other")
    shutil.copytree(machine.archive.path, other.path, dirs_exist_ok=True)
    edit(other, content=b"changed otherwise")
    edit(machine.first)
    index = Index([str(machine.cache)], [machine.first.owner, machine.second.owner, other.owner])

    assert machine.places(other, index) == []


def test_a_name_outside_of_everything_known_is_counted(machine: Machine, tmp_path: Path) -> None:
    edit(machine.first)
    os.link(at(machine.first), tmp_path / "somewhere")

    assert len(machine.places(machine.first)) == 2
    assert machine.unknown(machine.first) == 1


def test_a_name_that_no_record_leads_to_is_found_by_walking(
    machine: Machine, tmp_path: Path
) -> None:
    edit(machine.first)
    stored = machine.cache / "files-v0" / "ab" / "abcd"
    stored.parent.mkdir(parents=True)
    stored.hardlink_to(at(machine.first))
    vendored = environment(tmp_path / "vendored")
    (Path(vendored.path) / "copy.py").hardlink_to(at(machine.first))
    index = Index(machine.index.caches, [*machine.index.environments, vendored.owner])

    told = machine.places(machine.first, index)

    assert told[2:] == [
        ("same-inode", str(machine.cache), str(stored)),
        ("same-inode", vendored.owner, at(vendored, "copy.py")),
    ]
    assert machine.unknown(machine.first, index) == 0


def test_odd_permissions_are_those_of_every_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for tree in (machine.archive, machine.first, machine.second):
        assert found(tree) == []
    Path(at(machine.first)).chmod(0o777)

    assert [each[0] for each in machine.places(machine.first)] == ["same-inode", "same-inode"]


def test_a_missing_file_is_nowhere(machine: Machine) -> None:
    Path(at(machine.first)).unlink()

    assert machine.places(machine.first) == []
    assert found(machine.second) == []


def test_symbolic_links_lead_to_the_same_file(machine: Machine, tmp_path: Path) -> None:
    linked_by_symlink = environment(tmp_path / "symlinked")
    distribution(linked_by_symlink, FILES)
    for path in FILES:
        Path(at(linked_by_symlink, path)).unlink()
        Path(at(linked_by_symlink, path)).symlink_to(at(machine.archive, path))
    edit(machine.archive)
    index = Index(machine.index.caches, [*machine.index.environments, linked_by_symlink.owner])

    told = machine.places(linked_by_symlink, index)

    assert [(how, owner) for how, owner, _ in told] == [
        ("same-inode", str(machine.cache)),
        ("same-inode", machine.first.owner),
        ("same-inode", machine.second.owner),
    ]
    assert machine.unknown(linked_by_symlink, index) == 0


def test_an_environment_by_another_name_is_no_other_place(machine: Machine, tmp_path: Path) -> None:
    edit(machine.first)
    (tmp_path / ".venv").symlink_to("first")
    index = Index([str(machine.cache)], [str(tmp_path / ".venv"), machine.second.owner])

    told = machine.places(machine.first, index)

    assert [owner for _, owner, _ in told] == [str(machine.cache), machine.second.owner]


def test_scripts_are_found_although_their_path_differs(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    script = archive(machine.cache, "scripts")
    distribution(script, {"two-1.0.data/scripts/tool": b"binary"}, name="two")
    distribution(machine.first, {"../../../bin/tool": b"binary"}, name="two")
    installed = Path(machine.first.owner) / "bin" / "tool"
    installed.unlink()
    installed.hardlink_to(at(script, "two-1.0.data/scripts/tool"))
    installed.write_bytes(b"edited")

    assert machine.places(machine.first) == [
        ("same-inode", str(machine.cache), at(script, "two-1.0.data/scripts/tool"))
    ]


def test_what_vanishes_meanwhile_is_nowhere(machine: Machine) -> None:
    edit(machine.first)
    told = found(machine.first)
    shutil.rmtree(machine.first.owner)
    shutil.rmtree(machine.cache)

    assert with_places(told, machine.index) == told


# The index ----------------------------------------------------------------------------------------


def test_the_index_knows_what_has_a_distribution(machine: Machine, tmp_path: Path) -> None:
    empty = environment(tmp_path / "empty")
    index = Index(
        [str(machine.cache), str(machine.cache), "/gone"],
        [machine.first.owner, empty.owner, "/gone", machine.first.owner],
    )

    assert index.archives_of("one-1.0.dist-info") == (machine.archive,)
    assert index.sites_of("one-1.0.dist-info") == (machine.first,)
    assert index.trees_of("two-1.0.dist-info") == ()
    assert index.caches == (str(machine.cache), "/gone")


def test_what_is_not_asked_for_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index(["/cache"], ["/environment"])
    listed: list[str] = []

    def archives(cache: str) -> list[str]:
        listed.append(cache)
        return []

    monkeypatch.setattr("uvx_policy.installed.tree.archives", archives)
    assert listed == []

    assert [index.archives_of("one-1.0.dist-info") for _ in range(2)] == [(), ()]

    assert listed == ["/cache"]


def test_environments_in_a_cache_are_their_own_and_come_last(tmp_path: Path) -> None:
    wheel = archive(tmp_path / "cache", "z-wheel")
    tool = environment(tmp_path / "cache" / "archive-v0" / "tool")
    broken = tmp_path / "cache" / "archive-v0" / "broken"
    broken.mkdir()
    (broken / "pyvenv.cfg").touch()
    (tmp_path / "cache" / "archive-v0" / "file").touch()

    assert list(trees_of_cache(str(tmp_path / "cache"))) == [
        wheel, tool,
    ]  # fmt: skip
    assert list(trees_of_cache("/gone")) == []
    assert list(trees_of_environment("/gone")) == []


def test_a_finding_without_a_row_has_no_twin(machine: Machine) -> None:
    extra = Path(at(machine.first, "one/extra.py"))
    extra.touch()
    (told,) = found(machine.first)

    assert with_places([told], machine.index) == [told]
    assert isinstance(told, Finding)
