"""What holds for every combination of facts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.facts import DEVICE_PLACE, ENTRY, FLAG, VARIABLE, facts, setting
from uvx_policy.decide import Facts, decide, links_by_default, needs_place
from uvx_policy.edits import Seed, edits_for
from uvx_policy.model import Capability, Destination, Program
from uvx_policy.settings.reader import Settings

support = st.sampled_from(["yes", "no", "unknown"])
capability = st.builds(lambda c, h: Capability(clone=c, hardlink=h), support, support)
choice = st.sampled_from([None, FLAG, VARIABLE])
layer = st.integers(0, 6)
wishes = st.builds(
    lambda hackable, mode, cache, fallback, programs: Settings(
        hackable=hackable,
        link_mode=mode,
        cache=cache,
        fallback=fallback,
        symlinked_venv=setting("keep"),
        programs=programs,
        caches=(),
    ),
    st.builds(setting, st.sampled_from(["true", "false"]), layer),
    st.builds(setting, st.sampled_from(["auto", "clone", "copy", "hardlink", "symlink"]), layer),
    st.builds(setting, st.sampled_from(["auto", "default", "project"]), layer),
    st.builds(setting, st.sampled_from(["copy", "error"]), layer),
    st.builds(setting, st.sampled_from(["auto", "private", "shared"]), layer),
)
PROGRAM = Program(number=7, path="/p/python")
HOLDING = PROGRAM.replace(module="a/_a.pyd", package="a 1")
kinds = st.sampled_from(["project", "environment", "target", "tool", "none", "cache", "unknown"])


SEED = Seed(source="/h/.cache/uv", target="", packages=(("rich", ("1",)),))


def _as_they_come(told: Facts) -> Facts:
    """A place that was configured is one of `[caches]`, and only the place is filled."""
    seed = told.seed if told.place else None
    if seed is not None and told.place is not None:
        seed = seed.replace(target=told.place.directory)
    told = told.replace(seed=seed)
    if told.place is None or told.place.code != "device-cache-configured":
        return told
    return told.replace(settings=told.settings.replace(caches=(ENTRY,)))


LEFT_ALONE = ("none", "cache", "unknown")
all_facts: st.SearchStrategy[Facts] = st.builds(
    facts,
    platform=st.sampled_from(["linux", "darwin", "win32"]),
    version=st.sampled_from([None, (0, 5, 23), (0, 10, 5), (0, 10, 6), (0, 13, 8)]),
    destination=st.builds(lambda kind: Destination(kind=kind, path="/p/.venv"), kinds),
    settings=wishes,
    link_mode=choice,
    cache_dir=choice,
    no_cache=choice,
    offline=st.booleans(),
    cache_usable=support,
    cache_is_mount_point=st.booleans(),
    capability=capability,
    place=st.sampled_from(
        [
            None,
            DEVICE_PLACE,
            DEVICE_PLACE.replace(code="device-cache-configured"),
            DEVICE_PLACE.replace(code="project-cache", directory="/p/.uv-cache"),
        ]
    ),
    place_lacks=st.sampled_from([None, "", "rich"]),
    seed=st.sampled_from([None, SEED]),
    purpose=st.sampled_from(["link", "manage", "write"]),
    place_capability=capability,
    program=st.sampled_from([None, PROGRAM, HOLDING]),
    in_cloud=st.sampled_from(["", "`C:\\\\c` is copied to OneDrive"]),
).map(_as_they_come)


@given(all_facts)
def test_every_combination_has_an_answer_with_a_code_and_a_reason(told: Facts) -> None:
    outcome = decide(told)

    assert outcome.link_mode.code
    assert outcome.cache_dir.code
    assert outcome.link_mode.because
    assert outcome.cache_dir.because


@given(all_facts)
def test_an_explicit_choice_is_never_overridden(told: Facts) -> None:
    variables = edits_for(decide(told), None, cache_exists=True).variables

    assert not (told.link_mode and "UV_LINK_MODE" in variables)
    caches = {"UV_CACHE_DIR", "UV_NO_CACHE"} & variables.keys()
    assert not ((told.cache_dir or told.no_cache) and caches)


@given(all_facts)
def test_unknown_never_yields_an_edit(told: Facts) -> None:
    """But for what needs no fact: `hackable`, and a link mode that was asked for by name."""
    nothing = Capability(clone="unknown", hardlink="unknown")
    outcome = decide(told.replace(capability=nothing, place_capability=nothing))

    if told.cache_usable == "no":  # uv would fail: anything is better
        return
    assert (
        outcome.cache_dir.value is None or told.place is None or told.place.code != "device-cache"
    )
    assert outcome.link_mode.value is None or outcome.link_mode.code in ("hackable", "configured")
    assert outcome.refusal is None


@given(all_facts)
def test_a_cache_that_cannot_be_written_is_never_left_to_uv(told: Facts) -> None:
    outcome = decide(told.replace(cache_usable="no", cache_dir=None, no_cache=None))
    cache = told.settings.cache.value

    if cache != "default" and (told.purpose != "link" or told.destination.kind not in LEFT_ALONE):
        assert outcome.cache_dir.value is not None or outcome.temporary_cache


@given(all_facts)
def test_only_a_cache_that_is_used_and_linked_from_is_filled(told: Facts) -> None:
    outcome = decide(told)

    if outcome.seed is not None:
        assert outcome.seed.target == outcome.cache_dir.value
        assert "copied from" in outcome.cache_dir.because
        assert told.purpose == "link"
        assert outcome.link_mode.value != "copy" or "yes" in (
            told.place_capability.clone, told.place_capability.hardlink,
        )  # fmt: skip
    else:
        assert "copied from" not in outcome.cache_dir.because or told.purpose != "link"


@given(all_facts)
def test_what_links_nothing_is_told_no_link_mode(told: Facts) -> None:
    outcome = decide(told)

    assert told.purpose == "link" or outcome.link_mode.value is None
    assert told.purpose == "link" or outcome.refusal is None


@given(all_facts)
def test_a_mode_that_cannot_work_is_never_said(told: Facts) -> None:
    outcome = decide(told)
    used = told.place_capability if outcome.cache_dir.value else told.capability

    assert outcome.link_mode.value != "clone" or used.clone == "yes"
    assert outcome.link_mode.value != "hardlink" or used.hardlink == "yes"


@given(all_facts)
def test_symlinks_only_when_asked_and_never_without_a_cache(told: Facts) -> None:
    outcome = decide(told)

    if outcome.link_mode.value == "symlink":
        assert told.settings.link_mode.value == "symlink"
        assert told.no_cache is None


@given(all_facts)
def test_a_uv_that_loses_modes_is_never_told_to_clone(told: Facts) -> None:
    outcome = decide(told.replace(platform="linux"))

    assert outcome.link_mode.value != "clone" or (told.version or (0, 0, 0)) >= (0, 10, 6)


@given(all_facts)
def test_another_cache_is_chosen_only_where_one_was_looked_for(told: Facts) -> None:
    assert decide(told).cache_dir.value is None or needs_place(told)


@given(all_facts)
def test_hackable_in_the_most_specific_layer_means_copies(told: Facts) -> None:
    hackable = told.settings.replace(hackable=setting("true", 99))
    outcome = decide(told.replace(settings=hackable, link_mode=None))

    assert (
        outcome.link_mode.value == "copy"
        or told.destination.kind in LEFT_ALONE
        or told.purpose != "link"
    )


INSTEAD_OF_LINKS = ("cloud-folder", "made-by-program", "program-holds-module")


@given(all_facts)
def test_a_program_or_a_cloud_only_ever_turns_hard_links_into_copies(told: Facts) -> None:
    """What nobody has asked for: every other link mode stays what it is without them."""
    without = decide(told.replace(program=None, in_cloud="")).link_mode
    outcome = decide(told).link_mode

    if outcome.code in INSTEAD_OF_LINKS:
        assert (outcome.value, without.code) == ("copy", "hardlink-works")
        assert told.settings.link_mode.value == "auto"
        assert not told.link_mode
        assert told.settings.programs.value != "shared" or outcome.code == "cloud-folder"
    elif outcome.code != "cannot-tell":
        assert outcome.value == without.value


@given(all_facts)
def test_who_has_started_it_is_asked_wherever_it_can_count(told: Facts) -> None:
    """The pipeline looks for it only where `links_by_default` says so."""
    unseen = told.replace(program=None, in_cloud="")

    if decide(told).link_mode.code in INSTEAD_OF_LINKS:
        assert links_by_default(unseen, decide(unseen))
