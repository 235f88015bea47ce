"""What is done about a damage: no machine, no file system."""

from __future__ import annotations

from typing import Any

import pytest

from uvx_policy.installed.finding import Finding, State
from uvx_policy.installed.hash import Hash
from uvx_policy.installed.record import Row
from uvx_policy.installed.tree import Tree
from uvx_policy.repair.model import Damage, Policy, Spot, Step, Wishes
from uvx_policy.repair.plan import make_plan
from uvx_policy.verify.originals import Original

CACHE, ENV, OTHER = "/cache", "/p/.venv", "/q/.venv"
ORIGINAL = Original(path="/elsewhere/a.py")
KEEPS = Policy(keeps_edits=True, because="hackable (pyproject.toml:3)")
INODE = (1, 7)


def spot(owner: str, **changes: Any) -> Spot:
    tree = f"{owner}/archive-v0/x" if owner == CACHE else f"{owner}/site"
    made = Spot(
        path=f"{tree}/pkg/a.py", kind="archive" if owner == CACHE else "site", owner=owner,
        tree=tree, dist_info=f"{tree}/pkg-1.dist-info", identity=INODE, shared=True,
        ways=("hardlink", "copy"),
    )  # fmt: skip
    return made.replace(**changes)


def damage(*spots: Spot, state: State = "edited", **changes: Any) -> Damage:
    first = spots[0]
    finding = Finding(
        path=first.path,
        state=state,
        tree=Tree(
            path=first.tree,
            kind="site" if first.kind == "site" else "archive",
            owner=first.owner,
        ),
        distribution="pkg",
        version="1",
        dist_info=first.dist_info,
        row=Row("pkg/a.py", Hash("sha256", "d"), 3),
    )
    made = Damage(finding=finding, spots=spots, original=ORIGINAL)
    return made.replace(**changes)


def planned(*damages: Damage, keeps: tuple[str, ...] = (), **wishes: bool) -> list[Step]:
    policies = dict.fromkeys(keeps, KEEPS)
    return list(make_plan(damages, policies, Wishes(**wishes)).steps)


def told(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.action, step.spot.owner) for step in steps]


def test_the_cache_comes_first_and_environments_take_what_it_has() -> None:
    steps = planned(damage(spot(ENV), spot(OTHER), spot(CACHE)))

    assert told(steps) == [("restore", CACHE), ("relink", ENV), ("relink", OTHER)]
    assert {step.source for step in steps[1:]} == {spot(CACHE).path}
    assert {step.original for step in steps} == {ORIGINAL}


def test_what_copies_gets_a_copy_of_the_original() -> None:
    steps = planned(damage(spot(ENV, ways=("copy",)), spot(CACHE)))

    assert told(steps) == [("restore", CACHE), ("restore", ENV)]


def test_an_environment_alone_takes_the_clean_file_of_a_cache() -> None:
    clean = Original(path="/cache/archive-v0/x/pkg/a.py", in_cache=True)

    (step,) = planned(damage(spot(ENV), original=clean))

    assert (step.action, step.source) == ("relink", clean.path)


def test_an_environment_alone_is_restored_from_what_is_in_no_cache() -> None:
    assert told(planned(damage(spot(ENV)))) == [("restore", ENV)]


def test_names_of_one_inode_in_a_cache_stay_names_of_one() -> None:
    store = spot(CACHE, kind="store", path="/cache/files-v0/ab/cd")
    twin = spot(CACHE, path="/cache/archive-v0/y/other/a.py")
    alone = spot(CACHE, path="/cache/archive-v0/z/pkg/a.py", identity=(1, 8))

    steps = planned(damage(spot(CACHE), store, twin, alone))

    assert [(step.action, step.spot.path) for step in steps] == [
        ("restore", spot(CACHE).path), ("restore", alone.path),
        ("relink", store.path), ("relink", twin.path),
    ]  # fmt: skip
    assert {step.source for step in steps[2:]} == {spot(CACHE).path}


def test_files_that_are_missing_are_not_one_inode() -> None:
    gone = [spot(CACHE, path=f"/cache/archive-v0/{name}/a.py", identity=None) for name in "xy"]

    assert told(planned(damage(*gone, state="missing"))) == [("restore", CACHE)] * 2


def test_edits_that_are_meant_are_kept_and_detached() -> None:
    steps = planned(damage(spot(ENV), spot(OTHER), spot(CACHE)), keeps=(OTHER,))

    assert told(steps) == [("restore", CACHE), ("relink", ENV), ("detach", OTHER)]
    assert (steps[2].meant, steps[2].because) == (True, KEEPS.because)


def test_edits_that_are_meant_and_shared_with_nobody_are_left() -> None:
    (step,) = planned(damage(spot(ENV, shared=False)), keeps=(ENV,))

    assert (step.action, step.meant) == ("leave", True)


def test_edits_that_are_meant_are_restored_when_asked() -> None:
    steps = planned(damage(spot(ENV), spot(CACHE)), keeps=(ENV,), also_hackable=True)

    assert told(steps) == [("restore", CACHE), ("relink", ENV)]


def test_behind_a_symbolic_link_nothing_is_done() -> None:
    assert told(planned(damage(spot(ENV, follows=True), spot(CACHE)))) == [("restore", CACHE)]


def test_a_record_that_contradicts_is_put_back_before_the_file() -> None:
    """Killed in between, verifying would still tell that the file is edited."""
    steps = planned(damage(spot(ENV, contradicts=True), spot(CACHE, contradicts=True)))

    assert told(steps) == [
        ("record", CACHE), ("restore", CACHE), ("record", ENV), ("relink", ENV),
    ]  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
def test_a_file_that_is_in_several_damages_is_repaired_once(reverse: bool) -> None:
    damages = [damage(spot(ENV), spot(CACHE)), damage(spot(CACHE), spot(ENV))]

    steps = planned(*(damages[::-1] if reverse else damages))

    assert told(steps) == [("restore", CACHE), ("relink", ENV)]


def test_an_extra_file_is_removed_from_a_cache_and_left_in_an_environment() -> None:
    extra = [damage(spot(owner), state="extra", original=None) for owner in (CACHE, ENV)]

    assert told(planned(*extra)) == [("remove", CACHE), ("leave", ENV)]
    assert told(planned(*extra, remove_extra=True)) == [("remove", CACHE), ("remove", ENV)]
    steps = planned(*extra, remove_extra=True, keeps=(ENV,))
    assert told(steps) == [("remove", CACHE), ("leave", ENV)]


def test_what_lies_outside_is_left() -> None:
    (step,) = planned(damage(spot(ENV), original=None, is_outside=True))

    assert (step.action, step.because) == (
        "leave", "it lies outside of its environment or archive",
    )  # fmt: skip


def test_a_record_that_is_gone_is_written_by_uv_in_environments_only() -> None:
    bad = [damage(spot(owner), state="record", original=None) for owner in (CACHE, ENV)]

    assert told(planned(*bad)) == [("leave", CACHE), ("reinstall", ENV)]
    assert told(planned(*bad, keeps=(ENV,))) == [("leave", CACHE), ("leave", ENV)]


# Without an original -----------------------------------------------------------------------------


def test_what_is_nowhere_is_fetched_for_the_environment_that_wants_it() -> None:
    nowhere = damage(spot(OTHER), spot(ENV), spot(CACHE), original=None)

    plan = make_plan([nowhere], {OTHER: KEEPS}, Wishes())

    (package,) = plan.fetch
    assert (package.release, package.environment) == ("pkg 1", ENV)
    assert told(list(plan.steps)) == [("restore", CACHE), ("relink", ENV), ("detach", OTHER)]


def test_nothing_is_fetched_for_edits_that_are_meant() -> None:
    plan = make_plan([damage(spot(ENV), original=None)], {ENV: KEEPS}, Wishes())

    assert plan.fetch == ()
    assert told(list(plan.steps)) == [("leave", ENV)]


def test_for_a_cache_alone_any_interpreter_will_do() -> None:
    plan = make_plan([damage(spot(CACHE), original=None)], {}, Wishes())

    assert [package.environment for package in plan.fetch] == [""]


def test_what_cannot_be_fetched_is_left_with_the_reason() -> None:
    nowhere = damage(spot(ENV), spot(CACHE), original=None)

    plan = make_plan([nowhere], {}, Wishes(), {"pkg 1": "no network"})

    assert plan.fetch == ()
    assert [(step.action, step.because) for step in plan.steps] == [("leave", "no network")]


def test_when_other_bytes_were_fetched_the_package_is_installed_anew_once() -> None:
    other = spot(ENV, path=f"{ENV}/site/pkg/b.py", identity=(1, 8))
    nowhere = [damage(each, spot(CACHE), original=None) for each in (spot(ENV), other)]

    plan = make_plan(nowhere, {}, Wishes(), {"pkg 1": ""})

    assert [(step.action, step.spot.owner, step.source) for step in plan.steps] == [
        ("reinstall", ENV, CACHE)
    ]


def test_without_a_digest_nothing_can_be_known() -> None:
    made = damage(spot(ENV), original=None)
    made = made.replace(finding=made.finding.replace(row=Row("pkg/a.py")))

    (step,) = planned(made)

    assert (step.action, step.because) == ("leave", "its RECORD has no digest of it")
