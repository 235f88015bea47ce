"""`programs`: what a Python program has started, and what lies in a cloud folder."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.facts import BOTH, DEVICE_PLACE, FLAG, HARDLINKS, NEITHER, facts, setting, settings
from uvx_policy.decide import decide, links_by_default
from uvx_policy.model import Program

PROGRAM = Program(number=312, path="C:\\t\\Scripts\\python.exe")
HOLDING = PROGRAM.replace(module="speedy/_speedups.pyd", package="speedy 1.0")


def mode(programs: str = "auto", **given: Any) -> tuple[str | None, str]:
    wishes = given.pop("wishes", {})
    chosen = settings(programs=setting(programs, 5 if programs != "auto" else 0), **wishes)
    decision = decide(facts(settings=chosen, **{"platform": "win32", **given})).link_mode
    return decision.value, decision.code


COPY = ("copy", "program-holds-module")
LINK = ("hardlink", "hardlink-works")


def test_on_windows_what_could_not_be_deleted_later_is_copied() -> None:
    assert mode(program=HOLDING) == COPY


def test_a_program_whose_own_files_are_private_costs_no_disk() -> None:
    assert mode(program=PROGRAM) == LINK
    assert mode(program=None) == LINK


def test_on_other_systems_who_has_started_it_counts_only_when_asked_for() -> None:
    for platform in ("linux", "darwin"):
        assert mode(program=HOLDING, platform=platform) == LINK
        assert mode("private", program=PROGRAM, platform=platform) == ("copy", "made-by-program")


def test_private_is_for_every_python_program_and_for_no_other() -> None:
    assert mode("private", program=PROGRAM) == ("copy", "made-by-program")
    assert mode("private", program=None) == LINK


def test_shared_means_that_it_does_not_matter() -> None:
    assert mode("shared", program=HOLDING) == LINK


def test_clones_are_private_anyway() -> None:
    assert mode(program=HOLDING, capability=BOTH) == ("clone", "clone-works")
    assert mode("private", program=HOLDING, capability=BOTH) == ("clone", "clone-works")


def test_what_cannot_be_linked_needs_no_other_reason() -> None:
    assert mode(program=HOLDING, capability=NEITHER) == ("copy", "nothing-links")


@pytest.mark.parametrize("layer", [1, 3, 4, 6])
def test_a_link_mode_wins_whichever_table_or_rule_it_stands_in(layer: int) -> None:
    wishes = {"link_mode": setting("hardlink", layer)}

    assert mode("private", wishes=wishes, program=HOLDING) == LINK
    assert mode(wishes=wishes, program=HOLDING) == LINK


def test_hackable_says_its_own_reason() -> None:
    wishes = {"hackable": setting("true", 4)}

    assert mode(wishes=wishes, program=HOLDING) == ("copy", "hackable")


def test_what_was_chosen_for_uv_itself_wins() -> None:
    assert mode("private", program=HOLDING, link_mode=FLAG) == (None, "explicit-flag")


def test_the_reason_names_the_process_the_module_and_the_package() -> None:
    told = decide(facts(platform="win32", program=HOLDING)).link_mode

    for part in ("`C:\\t\\Scripts\\python.exe`", "312", "speedy/_speedups.pyd", "speedy 1.0"):
        assert part in told.because


def test_the_reason_says_where_the_setting_stands() -> None:
    chosen = settings(programs=setting("private", 5))
    told = decide(facts(settings=chosen, program=PROGRAM)).link_mode

    assert str(told.origin) == "/p/pyproject.toml:9"


def test_in_a_cloud_folder_files_are_copied_unless_links_were_asked_for() -> None:
    cloud = "`C:\\c` is copied to OneDrive (`ONEDRIVE`)"

    assert mode(in_cloud=cloud) == ("copy", "cloud-folder")
    assert mode("shared", in_cloud=cloud) == ("copy", "cloud-folder")
    assert mode(in_cloud=cloud, wishes={"link_mode": setting("hardlink", 5)}) == LINK
    assert mode(in_cloud=cloud, capability=BOTH) == ("clone", "clone-works")


def test_it_counts_from_a_cache_on_the_drive_as_well() -> None:
    other: dict[str, Any] = {
        "capability": NEITHER,
        "place": DEVICE_PLACE,
        "place_capability": HARDLINKS,
    }

    assert mode(program=HOLDING, **other) == COPY


def test_it_is_looked_for_only_where_it_can_count() -> None:
    def asked(**given: Any) -> bool:
        told = facts(**{"platform": "win32", **given})
        return links_by_default(told, decide(told))

    assert asked()
    assert not asked(platform="linux")
    assert asked(platform="linux", settings=settings(programs=setting("private", 5)))
    assert not asked(capability=BOTH)
    assert not asked(capability=NEITHER)
    assert not asked(link_mode=FLAG)
    assert not asked(settings=settings(hackable=setting("true", 5)))
    assert not asked(settings=settings(link_mode=setting("hardlink", 5)))
