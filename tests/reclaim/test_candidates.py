"""Groups of files that should be equal, from RECORDs alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.verify.making import archive, digest, distribution, environment
from uvx_policy.installed.tree import Tree
from uvx_policy.reclaim import candidates
from uvx_policy.reclaim.candidates import Candidates

SAME, OTHER = b"same\n", b"other\n"


def grouped(trees: list[Tree]) -> dict[str, list[str]]:
    """Hash -> absolute paths, of each group with anything in it."""
    found = Candidates(trees)
    groups = {
        found.hash(number): [path for _, _, path in found.paths(number)]
        for number in range(len(found))
    }
    for number in range(len(found)):
        below = [os.path.join(trees[tree].owner, path) for _, tree, path in found.members(number)]
        assert below == groups[found.hash(number)]
    return groups


def test_files_with_one_hash_are_one_group_and_caches_come_first(tmp_path: Path) -> None:
    wheel = archive(tmp_path / "cache")
    sites = [environment(tmp_path / name) for name in "ab"]
    for tree in (wheel, *sites):
        distribution(tree, {"one/a.py": SAME, "one/b.py": OTHER})

    found = grouped([wheel, *sites])

    assert found[digest(SAME)] == [f"{tree.path}/one/a.py" for tree in (wheel, *sites)]
    assert found[digest(OTHER)] == [f"{tree.path}/one/b.py" for tree in (wheel, *sites)]


def test_what_is_there_once_is_no_group(tmp_path: Path) -> None:
    site = environment(tmp_path / "a")
    distribution(site, {"one/a.py": SAME, "one/b.py": OTHER})

    assert grouped([site]) == {}


def test_equal_files_of_different_packages_are_one_group(tmp_path: Path) -> None:
    site = environment(tmp_path / "a")
    distribution(site, {"one/a.py": SAME}, name="one")
    distribution(site, {"two/vendored/a.py": SAME}, name="two")

    assert grouped([site])[digest(SAME)] == [
        f"{site.path}/one/a.py", f"{site.path}/two/vendored/a.py",
    ]  # fmt: skip


def test_a_row_with_another_size_is_in_no_group(tmp_path: Path) -> None:
    """Its hash says one thing and its size another: nothing is known of it."""
    sites = [environment(tmp_path / name) for name in "ab"]
    distribution(sites[0], {"one/a.py": SAME})
    distribution(sites[1], {"one/a.py": SAME})
    record = Path(sites[1].path, "one-1.0.dist-info", "RECORD")
    record.write_text(record.read_text().replace(f",{len(SAME)}\n", ",999\n"))

    assert grouped(sites)[digest(SAME)] == [f"{sites[0].path}/one/a.py"]


@pytest.mark.parametrize(
    "row", ["../../../../outside.txt", "/etc/passwd", "../../..", "one/../../../../../o"]
)
def test_what_leads_out_of_the_environment_is_not_followed(tmp_path: Path, row: str) -> None:
    sites = [environment(tmp_path / name) for name in "ab"]
    for site in sites:
        distribution(site, {"one/a.py": SAME}, more_rows=[f"{row},{digest(SAME)},{len(SAME)}"])

    assert grouped(sites)[digest(SAME)] == [f"{site.path}/one/a.py" for site in sites]


def test_a_script_is_in_the_environment_and_not_in_an_archive(tmp_path: Path) -> None:
    site, wheel = environment(tmp_path / "a"), archive(tmp_path / "cache")
    for tree in (wheel, site):
        row = f"../../../bin/tool,{digest(SAME)},{len(SAME)}"
        distribution(tree, {"one/a.py": SAME}, more_rows=[row])

    found = grouped([wheel, site])[digest(SAME)]

    assert found == [f"{wheel.path}/one/a.py", f"{site.path}/one/a.py", f"{tmp_path}/a/bin/tool"]


def test_records_that_do_not_fit_into_memory_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [environment(tmp_path / name) for name in "abc"]
    for number, site in enumerate(sites):
        distribution(site, {"one/a.py": SAME, f"one/{number}.py": b"%d" % number})
    kept = grouped(sites)

    monkeypatch.setattr(candidates, "_MOST_KEPT", 0)

    assert grouped(sites) == kept
    assert len(kept[digest(SAME)]) == len(sites)
