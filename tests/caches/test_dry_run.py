"""What uv would delete is known before it does, for every version, and the cache stays as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import real_uv
from tests.caches.machine import Machine, archives, snapshot
from uvx_policy.caches import contents, dry_run, linked
from uvx_policy.caches.cleaning import Uv
from uvx_policy.caches.danger import Job
from uvx_policy.state.register import Environment

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

PRUNE = Job(command="prune")


def lost_in_a_copy(machine: Machine, cache: Path, job: Job, version: str) -> set[str]:
    uv = Uv(program=str(real_uv.provide(version) / "uv"), environ=machine.world.environ(shim=False))
    before = snapshot(cache)
    gone = dry_run.lost(str(cache), lambda directory: uv.try_on_copy(job, directory))
    assert snapshot(cache) == before
    assert gone is not None
    return {name.removeprefix("archive-v0/") for name in gone}


def really_done(machine: Machine, cache: Path, job: Job, version: str) -> set[str]:
    uv = real_uv.provide(version) / "uv"
    before = set(archives(cache))
    machine.world.real_uv = uv
    machine.world.plain(*job.words[:2], "--cache-dir", str(cache), *job.words[2:], cwd=cache.parent)
    return before - set(archives(cache))


@pytest.mark.parametrize("pruned_by", ["0.5.23", "0.9.30", "newest"])
@pytest.mark.parametrize("uv_version", real_uv.each())
def test_a_prune_deletes_what_a_dry_run_says(machine: Machine, pruned_by: str) -> None:
    cache = machine.world.base / "cache"
    machine.environment(machine.world.base / "env", cache, "tinypkg", "other")
    (cache / "archive-v0" / "orphan").mkdir()

    gone = lost_in_a_copy(machine, cache, PRUNE, pruned_by)

    assert "orphan" in gone
    if machine.world.real_uv == real_uv.provide(pruned_by) / "uv":
        assert gone == {"orphan"}
    assert really_done(machine, cache, PRUNE, pruned_by) == gone


@pytest.mark.parametrize("uv_version", real_uv.each())
def test_a_clean_of_one_package_deletes_what_a_dry_run_says(
    machine: Machine, uv_version: str
) -> None:
    cache = machine.world.base / "cache"
    machine.environment(machine.world.base / "env", cache, "tinypkg", "other")
    job = Job(command="clean", packages=("other",))

    gone = lost_in_a_copy(machine, cache, job, uv_version)

    assert len(gone) == 1
    assert really_done(machine, cache, job, uv_version) == gone


def test_an_environment_in_the_cache_goes_with_a_prune(machine: Machine) -> None:
    cache = machine.world.base / "cache"
    machine.environment(machine.world.base / "env", cache)
    (cache / "environments-v2" / "project-1").mkdir(parents=True)

    assert lost_in_a_copy(machine, cache, PRUNE, "newest") == {"environments-v2/project-1"}


def test_a_dry_run_that_fails_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "archive-v0" / "one").mkdir(parents=True)

    assert dry_run.lost(str(tmp_path), lambda _: False) is None
    assert dry_run.lost(str(tmp_path / "nothing"), lambda _: True) == frozenset()


def test_a_cache_with_too_many_entries_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels-v6" / "pypi" / "one").mkdir(parents=True)
    monkeypatch.setattr(dry_run, "_MOST", 1)

    assert dry_run.lost(str(tmp_path), lambda _: True) is None


@pytest.mark.parametrize("uv_version", real_uv.each())
def test_no_name_at_the_top_of_a_real_cache_is_foreign(machine: Machine) -> None:
    cache = machine.world.base / "cache"
    machine.environment(machine.world.base / "env", cache)
    names = contents.names_in(str(cache))

    assert contents.foreign(names) == ()
    assert contents.looks_like_a_cache(names)
    assert contents.foreign([*names, "notes.txt", "linkpolicy"]) == ("linkpolicy", "notes.txt")
    assert not contents.looks_like_a_cache(["Documents", ".bashrc", ".lock"])


@pytest.mark.parametrize("uv_version", real_uv.each())
def test_symbolic_links_of_an_environment_are_seen(machine: Machine) -> None:
    cache = machine.world.base / "cache"
    path = machine.environment(
        machine.world.base / "env", cache, "tinypkg", "other", mode="symlink"
    )

    looked = linked.look_at(Environment(path=str(path)))

    assert {each.package for each in looked.symlinked} == {"tinypkg", "other"}
    assert linked.leading_into(str(cache), looked) == looked.symlinked
    assert linked.linked_environments(str(cache), [looked]) == [looked]
    assert linked.linked_environments(str(cache.parent / "other"), [looked]) == []


def test_a_central_environment_lies_in_the_cache_by_link_and_by_text_file(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    central = cache / "environments-v2" / "project-1"
    central.mkdir(parents=True)
    (tmp_path / "link").symlink_to(central)
    (tmp_path / "file").write_text(f"{central}\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "empty").touch()

    def lies_in(name: str) -> bool:
        environment = Environment(path=str(tmp_path / name))
        return linked.lies_in(str(cache), linked.look_at(environment))

    assert [lies_in(name) for name in ("link", "file", "other", "empty", "gone")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_environments_that_were_linked_from_a_cache_by_the_register(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (tmp_path / "known-as").symlink_to(cache)
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.mkdir()
    environments = [
        Environment(path=str(there), cache=str(tmp_path / "known-as")),
        Environment(path=str(gone), cache=str(cache)),
        Environment(path=str(tmp_path / "other"), cache=str(tmp_path)),
    ]

    found = linked.linked_environments(str(cache), map(linked.look_at, environments))

    assert [(each.environment.path, each.exists) for each in found] == [
        (str(there), True), (str(gone), False),
    ]  # fmt: skip
    shutil.rmtree(there)
    assert not linked.look_at(environments[0]).exists
