"""What is done about a damage: no machine, no file system."""

from __future__ import annotations

from typing import Any

import pytest

from uvx_policy.installed.finding import Finding, State
from uvx_policy.installed.hash import NO_HASH, Hash
from uvx_policy.installed.record import Row
from uvx_policy.installed.tree import Tree
from uvx_policy.machine.policy import Policy
from uvx_policy.repair.model import Damage, Location, Step
from uvx_policy.repair.plan import make_plan
from uvx_policy.verify.originals import Original

CACHE, ENV, OTHER = "/cache", "/p/.venv", "/q/.venv"
ORIGINAL = Original(path="/elsewhere/a.py")
KEEPS = Policy(name="hackable", origin="pyproject.toml:3")
INODE = (1, 7)
HASH = Hash("sha256", "d")


def at(owner: str, **changes: Any) -> Location:
    path = f"{owner}/archive-v0/x" if owner == CACHE else f"{owner}/site"
    made = Location(
        path=f"{path}/pkg/a.py",
        tree=Tree(path=path, kind="archive" if owner == CACHE else "site", owner=owner),
        dist_info=f"{path}/pkg-1.dist-info", identity=INODE, shared=True, ways=("hardlink", "copy"),
    )  # fmt: skip
    return made.replace(**changes)


def damage(*locations: Location, state: State = "edited", **changes: Any) -> Damage:
    first = locations[0]
    finding = Finding(
        path=first.path,
        state=state,
        tree=first.tree,
        distribution="pkg",
        version="1",
        dist_info=first.dist_info,
        row=Row("pkg/a.py", HASH, 3),
    )
    made = Damage(finding=finding, locations=locations, hash=HASH, original=ORIGINAL)
    return made.replace(**changes)


def record(owner: str, **changes: Any) -> Damage:
    """A RECORD that is damaged."""
    location = at(owner, path=f"{at(owner).dist_info}/RECORD", identity=None)
    made = damage(location, state="record", hash=NO_HASH, original=None)
    return made.replace(finding=made.finding.replace(row=None), **changes)


def planned(*damages: Damage, keeps: tuple[str, ...] = (), **options: Any) -> list[Step]:
    return make_plan(damages, dict.fromkeys(keeps, KEEPS), **options)


def told(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.action, step.location.owner) for step in steps]


def test_the_cache_comes_first_and_environments_take_what_it_has() -> None:
    steps = planned(damage(at(ENV), at(OTHER), at(CACHE)))

    assert told(steps) == [("restore", CACHE), ("relink", ENV), ("relink", OTHER)]
    assert {step.source for step in steps[1:]} == {at(CACHE).path}
    assert {step.original for step in steps} == {ORIGINAL}


def test_what_copies_gets_a_copy_of_the_original() -> None:
    steps = planned(damage(at(ENV, ways=("copy",)), at(CACHE)))

    assert told(steps) == [("restore", CACHE), ("restore", ENV)]


def test_an_environment_alone_takes_the_clean_file_of_a_cache() -> None:
    clean = Original(path="/cache/archive-v0/x/pkg/a.py", in_cache=True)

    (step,) = planned(damage(at(ENV), original=clean))

    assert (step.action, step.source) == ("relink", clean.path)


def test_an_environment_alone_is_restored_from_what_is_in_no_cache() -> None:
    assert told(planned(damage(at(ENV)))) == [("restore", ENV)]


def test_names_of_one_inode_in_a_cache_stay_names_of_one() -> None:
    store = at(
        CACHE, path="/cache/files-v0/ab/cd", tree=Tree(path=CACHE, kind="archive", owner=CACHE)
    )
    twin = at(CACHE, path="/cache/archive-v0/y/other/a.py")
    alone = at(CACHE, path="/cache/archive-v0/z/pkg/a.py", identity=(1, 8))

    steps = planned(damage(at(CACHE), store, twin, alone))

    assert [(step.action, step.location.path) for step in steps] == [
        ("restore", at(CACHE).path), ("restore", alone.path),
        ("relink", store.path), ("relink", twin.path),
    ]  # fmt: skip
    assert {step.source for step in steps[2:]} == {at(CACHE).path}


def test_files_that_are_missing_are_not_one_inode() -> None:
    gone = [at(CACHE, path=f"/cache/archive-v0/{name}/a.py", identity=None) for name in "xy"]

    assert told(planned(damage(*gone, state="missing"))) == [("restore", CACHE)] * 2


def test_edits_that_are_intended_are_kept_and_detached() -> None:
    steps = planned(damage(at(ENV), at(OTHER), at(CACHE)), keeps=(OTHER,))

    assert told(steps) == [("restore", CACHE), ("relink", ENV), ("detach", OTHER)]
    assert (steps[2].is_intended, steps[2].because) == (True, "hackable (pyproject.toml:3)")


def test_edits_that_are_intended_and_shared_with_nobody_are_left() -> None:
    (step,) = planned(damage(at(ENV, shared=False)), keeps=(ENV,))

    assert (step.action, step.is_intended) == ("leave", True)


def test_what_another_project_intends_for_itself_is_not_spoken_of() -> None:
    steps = planned(damage(at(ENV), at(OTHER, shared=False), at(CACHE)), keeps=(OTHER,))

    assert told(steps) == [("restore", CACHE), ("relink", ENV)]


def test_where_the_settings_cannot_be_read_an_edit_is_kept_and_not_called_intended() -> None:
    policies = {ENV: Policy(name="unknown", origin="pyproject.toml:3: broken")}

    (step,) = make_plan([damage(at(ENV, shared=False))], policies)

    assert (step.action, step.is_intended) == ("leave", False)
    assert "pyproject.toml:3: broken" in step.because


def test_edits_that_are_intended_are_restored_when_asked() -> None:
    steps = planned(damage(at(ENV), at(CACHE)), keeps=(ENV,), also_hackable=True)

    assert told(steps) == [("restore", CACHE), ("relink", ENV)]


def test_behind_a_symbolic_link_nothing_is_done() -> None:
    assert told(planned(damage(at(ENV, follows=True), at(CACHE)))) == [("restore", CACHE)]


def test_a_record_that_contradicts_is_put_back_before_the_file() -> None:
    """Killed in between, verifying would still tell that the file is edited."""
    steps = planned(damage(at(ENV, contradicts=True), at(CACHE, contradicts=True)))

    assert told(steps) == [
        ("record", CACHE), ("restore", CACHE), ("record", ENV), ("relink", ENV),
    ]  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
def test_a_file_that_is_in_several_damages_is_repaired_once(reverse: bool) -> None:
    damages = [damage(at(ENV), at(CACHE)), damage(at(CACHE), at(ENV))]

    steps = planned(*(damages[::-1] if reverse else damages))

    assert told(steps) == [("restore", CACHE), ("relink", ENV)]


def test_an_extra_file_is_removed_from_environments_only_and_only_when_asked() -> None:
    extra = [damage(at(owner), state="extra", original=None) for owner in (CACHE, ENV)]

    assert told(planned(*extra)) == [("leave", CACHE), ("leave", ENV)]
    assert told(planned(*extra, remove_extra=True)) == [("leave", CACHE), ("remove", ENV)]
    steps = planned(*extra, remove_extra=True, keeps=(ENV,))
    assert told(steps) == [("leave", CACHE), ("leave", ENV)]


def test_before_an_extra_file_is_removed_its_wheel_must_be_seen() -> None:
    """No archive of its wheel is known: it may have been published without a row for the file."""
    extra = damage(at(ENV), state="extra", original=None, is_unknown=True)

    assert told(planned(extra)) == [("leave", ENV)]
    assert told(planned(extra, remove_extra=True)) == [("fetch", ENV), ("remove", ENV)]
    (kept,) = planned(extra, remove_extra=True, fetched={"pkg-1": "no network"})
    assert (kept.action, "no network" in kept.because) == ("leave", True)
    assert told(planned(extra, remove_extra=True, fetched={"pkg-1": ""})) == [("remove", ENV)]


def test_what_lies_outside_is_left() -> None:
    (step,) = planned(damage(at(ENV), original=None, because="it lies outside"))

    assert (step.action, step.because) == ("leave", "it lies outside")


# RECORDs -----------------------------------------------------------------------------------------


def test_a_record_is_put_back_before_anything_else() -> None:
    wheel = Original(path="/other/archive-v0/y/pkg-1.dist-info/RECORD")

    steps = planned(
        damage(at(ENV), at(CACHE)), record(ENV, original=wheel), record(CACHE, original=wheel)
    )

    assert told(steps) == [
        ("record", CACHE), ("restore", CACHE), ("record", ENV), ("relink", ENV),
    ]  # fmt: skip
    assert {step.original for step in steps if step.action == "record"} == {wheel}
    assert [step.hash for step in steps if step.action == "record"] == [NO_HASH] * 2


def test_a_record_is_written_once_as_a_whole_or_by_rows() -> None:
    wheel = Original(path="/other/archive-v0/y/pkg-1.dist-info/RECORD")

    steps = planned(damage(at(ENV, contradicts=True)), record(ENV, original=wheel))

    assert told(steps) == [("record", ENV), ("restore", ENV)]
    assert steps[0].original == wheel


def test_a_record_that_no_cache_has_is_fetched_once() -> None:
    steps = planned(record(CACHE), record(ENV))

    assert told(steps) == [("fetch", CACHE), ("record", CACHE), ("record", ENV)]


def test_uv_reinstalls_last_and_never_where_edits_are_intended() -> None:
    """The wheel that was fetched is another build."""
    records = (record(CACHE), record(ENV))

    assert told(planned(*records, fetched={"pkg-1": ""})) == [("leave", CACHE), ("reinstall", ENV)]
    kept = planned(*records, fetched={"pkg-1": ""}, keeps=(ENV,))
    assert told(kept) == [("leave", CACHE), ("leave", ENV)]
    assert [step.is_intended for step in kept] == [False, False]


def test_a_record_whose_wheel_cannot_be_fetched_is_left_with_the_reason() -> None:
    steps = planned(record(CACHE), record(ENV), fetched={"pkg-1": "no network"})

    assert [(step.action, step.because) for step in steps] == [("leave", "no network")] * 2


# Without an original -----------------------------------------------------------------------------


def test_what_is_nowhere_is_fetched_for_the_environment_that_wants_it() -> None:
    steps = planned(damage(at(OTHER), at(ENV), at(CACHE), original=None), keeps=(OTHER,))

    assert told(steps) == [
        ("fetch", ENV), ("restore", CACHE), ("relink", ENV), ("detach", OTHER),
    ]  # fmt: skip
    assert steps[0].release == "pkg 1"


def test_nothing_is_fetched_for_edits_that_are_intended() -> None:
    assert told(planned(damage(at(ENV), original=None), keeps=(ENV,))) == [("leave", ENV)]


def test_for_a_cache_alone_it_is_fetched_for_the_cache() -> None:
    assert told(planned(damage(at(CACHE), original=None))) == [("fetch", CACHE), ("restore", CACHE)]


def test_one_package_is_fetched_once() -> None:
    other = at(ENV, path=f"{ENV}/site/pkg/b.py", identity=(1, 8))

    steps = planned(damage(at(ENV), original=None), damage(other, original=None))

    assert [step.action for step in steps] == ["fetch", "restore", "restore"]


def test_what_cannot_be_fetched_is_left_with_the_reason() -> None:
    nowhere = damage(at(ENV), at(CACHE), original=None)

    steps = planned(nowhere, fetched={"pkg-1": "no network"})

    assert [(step.action, step.because) for step in steps] == [("leave", "no network")]


def test_when_other_bytes_were_fetched_the_package_is_reinstalled_once() -> None:
    other = at(ENV, path=f"{ENV}/site/pkg/b.py", identity=(1, 8))
    nowhere = [damage(each, at(CACHE), original=None) for each in (at(ENV), other)]

    steps = planned(*nowhere, fetched={"pkg-1": ""})

    assert [(step.action, step.location.owner, step.source) for step in steps] == [
        ("reinstall", ENV, CACHE)
    ]


def test_without_a_version_nothing_can_be_fetched() -> None:
    made = damage(at(ENV), original=None)

    (step,) = planned(made.replace(finding=made.finding.replace(version="")))

    assert (step.action, "version" in step.because) == ("leave", True)
