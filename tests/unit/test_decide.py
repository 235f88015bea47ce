"""The policy, row by row. `None` as value: uv is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.facts import (
    BOTH,
    CLONES,
    CONFIG,
    DEVICE_PLACE,
    ENTRY,
    FLAG,
    HALF_KNOWN,
    HARDLINKS,
    NEITHER,
    UNKNOWN,
    VARIABLE,
    facts,
    setting,
    settings,
)
from uvx_policy.decide import Outcome, decide, needs_place
from uvx_policy.edits import Seed
from uvx_policy.model import Destination

SEED = Seed(source="/h/.cache/uv", target=DEVICE_PLACE.directory, packages=(("rich", ("1",)),))
OTHER_DEVICE: dict[str, Any] = {
    "capability": NEITHER,
    "place": DEVICE_PLACE,
    "place_capability": HARDLINKS,
}


def told(outcome: Outcome) -> tuple[str | None, str, str | None, str]:
    mode, cache = outcome.link_mode, outcome.cache_dir
    return mode.value, mode.code, cache.value, cache.code


NO_CACHE_AT_ALL: dict[str, Any] = {"cache_usable": "no", "capability": UNKNOWN}
NOTHING_LINKED: dict[str, Any] = {"settings": settings(fallback=setting("error", 5))}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, ("hardlink", "hardlink-works", None, "same-device"), id="ext4"),
        pytest.param(
            {"capability": BOTH}, ("clone", "clone-works", None, "same-device"), id="btrfs"
        ),
        pytest.param(
            {"capability": CLONES},
            ("clone", "clone-works", None, "same-device"),
            id="two btrfs subvolumes",
        ),
        pytest.param(
            {"capability": BOTH, "version": (0, 10, 5)},
            ("copy", "copy-shares-extents", None, "same-device"),
            id="a uv that loses modes when it clones",
        ),
        pytest.param(
            {"capability": BOTH, "version": (0, 5, 23), "platform": "darwin"},
            ("clone", "clone-works", None, "same-device"),
            id="an old uv on APFS keeps modes",
        ),
        pytest.param(
            {"capability": BOTH, "version": None},
            ("copy", "uv-version-unknown", None, "same-device"),
            id="clones work and which uv it is cannot be told",
        ),
        pytest.param(
            {"version": None},
            ("hardlink", "hardlink-works", None, "same-device"),
            id="hard links are safe on every version",
        ),
        pytest.param(
            OTHER_DEVICE,
            ("hardlink", "hardlink-works", "/mnt/.uv-cache-0", "device-cache"),
            id="another device gets its own cache",
        ),
        pytest.param(
            {"capability": NEITHER},
            ("copy", "nothing-links", None, "no-eligible-place"),
            id="another device without any place",
        ),
        pytest.param(
            {**OTHER_DEVICE, "place_capability": NEITHER},
            ("copy", "nothing-links", None, "no-eligible-place"),
            id="a place that does not link either is no help",
        ),
        pytest.param(
            {
                **OTHER_DEVICE,
                "place": DEVICE_PLACE.replace(code="device-cache-configured"),
                "place_capability": NEITHER,
            },
            ("copy", "nothing-links", "/mnt/.uv-cache-0", "device-cache-configured"),
            id="a place that the user named is used all the same",
        ),
        pytest.param(
            {**OTHER_DEVICE, "place_capability": UNKNOWN},
            ("copy", "nothing-links", None, "cannot-tell"),
            id="a place that cannot be tried: uv's own cache stays, and it links nothing",
        ),
        pytest.param(
            {**OTHER_DEVICE, "offline": True, "place_lacks": None},
            ("copy", "nothing-links", None, "offline-cold-cache"),
            id="offline stays with uv's own cache where needs cannot be told",
        ),
        pytest.param(
            {**OTHER_DEVICE, "offline": True},
            ("hardlink", "hardlink-works", "/mnt/.uv-cache-0", "device-cache"),
            id="offline with a device cache that lacks nothing",
        ),
        pytest.param(
            {**OTHER_DEVICE, "place_lacks": "rich"},
            ("copy", "nothing-links", None, "warm-cache"),
            id="a warm cache is not exchanged for one that needs the network",
        ),
        pytest.param(
            {**OTHER_DEVICE, "place_lacks": "rich", "seed": SEED},
            ("hardlink", "hardlink-works", "/mnt/.uv-cache-0", "device-cache"),
            id="what the other cache lacks is brought there",
        ),
        pytest.param(
            {
                **OTHER_DEVICE,
                "place_lacks": "rich",
                "seed": SEED,
                "settings": settings(hackable=setting("true", 5)),
            },
            ("copy", "hackable", None, "warm-cache"),
            id="nothing is brought there for private copies that share nothing with it",
        ),
        pytest.param(
            {**OTHER_DEVICE, "place_lacks": None},
            ("hardlink", "hardlink-works", "/mnt/.uv-cache-0", "device-cache"),
            id="needs cannot be told, and there is a network",
        ),
        pytest.param(
            {**OTHER_DEVICE, "cache_is_mount_point": True},
            ("copy", "nothing-links", None, "cache-is-mount-point"),
            id="a cache mount is left in peace",
        ),
        pytest.param(
            {
                **OTHER_DEVICE,
                "cache_is_mount_point": True,
                "settings": settings().replace(caches=(ENTRY,)),
                "place": DEVICE_PLACE.replace(
                    code="device-cache-configured", directory="/mnt/mine"
                ),
            },
            ("hardlink", "hardlink-works", "/mnt/mine", "device-cache-configured"),
            id="a cache that the user named is used instead of a cache mount",
        ),
        pytest.param(
            {
                **OTHER_DEVICE,
                "cache_is_mount_point": True,
                "settings": settings().replace(caches=(ENTRY,)),
            },
            ("copy", "nothing-links", None, "cache-is-mount-point"),
            id="a cache mount is left in peace where the user named one for elsewhere",
        ),
        pytest.param(
            {**OTHER_DEVICE, "cache_usable": "no", "capability": UNKNOWN},
            ("hardlink", "hardlink-works", "/mnt/.uv-cache-0", "device-cache"),
            id="uv's cache cannot be written",
        ),
        pytest.param(
            {**OTHER_DEVICE, "cache_usable": "no", "capability": UNKNOWN, "offline": True},
            ("hardlink", "hardlink-works", "/mnt/.uv-cache-0", "device-cache"),
            id="a cold cache is better than one that cannot be written",
        ),
        pytest.param(
            {"cache_usable": "no", "capability": UNKNOWN},
            ("copy", "nothing-links", None, "temporary-cache"),
            id="uv's cache cannot be written and nothing else can",
        ),
        pytest.param(
            {**NO_CACHE_AT_ALL, "settings": settings(link_mode=setting("symlink", 5))},
            ("copy", "nothing-links", None, "temporary-cache"),
            id="symlinks into a temporary cache would be an error of uv's",
        ),
        pytest.param(
            {**OTHER_DEVICE, "cache_usable": "no", "place_capability": UNKNOWN},
            (None, "cannot-tell", "/mnt/.uv-cache-0", "device-cache"),
            id="a cache that may not link is better than one that cannot be written",
        ),
        pytest.param(
            {**NOTHING_LINKED, "purpose": "manage"},
            (None, "links-nothing", None, "same-device"),
            id="`uv cache` commands: the cache that a sync would use",
        ),
        pytest.param(
            {**OTHER_DEVICE, **NOTHING_LINKED, "purpose": "manage"},
            (None, "links-nothing", "/mnt/.uv-cache-0", "device-cache"),
            id="`uv cache` commands: the cache of the device",
        ),
        pytest.param(
            {**NO_CACHE_AT_ALL, **NOTHING_LINKED, "purpose": "write"},
            (None, "links-nothing", None, "temporary-cache"),
            id="what only writes a cache gets one",
        ),
        pytest.param(
            {"cache_usable": "unknown"},
            ("hardlink", "hardlink-works", None, "cannot-tell"),
            id="cannot tell whether uv's cache can be written",
        ),
        pytest.param(
            {"capability": UNKNOWN},
            (None, "cannot-tell", None, "cannot-tell"),
            id="nothing could be tried",
        ),
        pytest.param(
            {"capability": HALF_KNOWN, "place": DEVICE_PLACE, "place_capability": BOTH},
            (None, "cannot-tell", None, "cannot-tell"),
            id="half known is unknown",
        ),
        pytest.param(
            {"settings": settings(hackable=setting("true", 5)), "capability": UNKNOWN},
            ("copy", "hackable", None, "cannot-tell"),
            id="hackable needs no facts",
        ),
        pytest.param(
            {"settings": settings(hackable=setting("true", 5)), **OTHER_DEVICE},
            ("copy", "hackable", "/mnt/.uv-cache-0", "device-cache"),
            id="hackable on another device",
        ),
        pytest.param(
            {"settings": settings(hackable=setting("true", 4), link_mode=setting("hardlink", 5))},
            ("hardlink", "hardlink-works", None, "same-device"),
            id="a link mode of a more specific layer beats hackable",
        ),
        pytest.param(
            {"settings": settings(hackable=setting("true", 5), link_mode=setting("hardlink", 4))},
            ("copy", "hackable", None, "same-device"),
            id="hackable beats a link mode of a more general layer",
        ),
        pytest.param(
            {"settings": settings(link_mode=setting("copy", 5))},
            ("copy", "configured", None, "same-device"),
            id="copy asked",
        ),
        pytest.param(
            {"settings": settings(link_mode=setting("symlink", 5))},
            ("symlink", "configured", None, "same-device"),
            id="symlink asked",
        ),
        pytest.param(
            {"settings": settings(link_mode=setting("clone", 5))},
            ("copy", "clone-impossible", None, "same-device"),
            id="clone asked on ext4 is a copy, not uv's silent hard link",
        ),
        pytest.param(
            {"settings": settings(link_mode=setting("hardlink", 5)), "capability": CLONES},
            ("copy", "hardlink-impossible", None, "same-device"),
            id="hardlink asked across subvolumes",
        ),
        pytest.param(
            {"settings": settings(link_mode=setting("hardlink", 5)), "capability": BOTH},
            ("hardlink", "hardlink-works", None, "same-device"),
            id="hardlink asked where clones work too",
        ),
        pytest.param(
            {"settings": settings(cache=setting("default", 5)), **OTHER_DEVICE},
            ("copy", "nothing-links", None, "default-cache"),
            id="uv's own cache asked",
        ),
        pytest.param(
            {
                "settings": settings(cache=setting("project", 5)),
                "place": DEVICE_PLACE.replace(directory="/p/.uv-cache", code="project-cache"),
                "place_capability": BOTH,
            },
            ("clone", "clone-works", "/p/.uv-cache", "project-cache"),
            id="project cache asked although the default cache links",
        ),
        pytest.param(
            {"settings": settings(cache=setting("project", 5)), "place": DEVICE_PLACE},
            ("hardlink", "hardlink-works", None, "same-device"),
            id="project cache asked and not safe: the rules for auto",
        ),
        pytest.param(
            {"link_mode": FLAG}, (None, "explicit-flag", None, "same-device"), id="--link-mode"
        ),
        pytest.param(
            {"link_mode": VARIABLE, "settings": settings(hackable=setting("true", 5))},
            (None, "explicit-env", None, "same-device"),
            id="UV_LINK_MODE beats hackable",
        ),
        pytest.param(
            {"link_mode": CONFIG}, (None, "explicit-config", None, "same-device"), id="uv.toml"
        ),
        pytest.param(
            {"cache_dir": FLAG, **OTHER_DEVICE},
            ("copy", "nothing-links", None, "explicit-flag"),
            id="--cache-dir on another device",
        ),
        pytest.param(
            {"cache_dir": VARIABLE},
            ("hardlink", "hardlink-works", None, "explicit-env"),
            id="UV_CACHE_DIR",
        ),
        pytest.param(
            {"cache_dir": CONFIG},
            ("hardlink", "hardlink-works", None, "explicit-config"),
            id="cache-dir in uv.toml",
        ),
        pytest.param(
            {"no_cache": FLAG, **OTHER_DEVICE},
            (None, "no-cache", None, "explicit-flag"),
            id="--no-cache",
        ),
        pytest.param(
            {"no_cache": FLAG, "settings": settings(link_mode=setting("symlink", 5))},
            (None, "no-cache", None, "explicit-flag"),
            id="symlink without a cache would be an error of uv's",
        ),
        pytest.param(
            {"no_cache": FLAG, "settings": settings(hackable=setting("true", 5))},
            ("copy", "hackable", None, "explicit-flag"),
            id="hackable without a cache",
        ),
        pytest.param(
            {"destination": Destination(kind="unknown", because="?"), **OTHER_DEVICE},
            (None, "destination-unknown", None, "destination-unknown"),
            id="destination unknown",
        ),
        pytest.param(
            {"destination": Destination(kind="cache")},
            (None, "cache-resident", None, "cache-resident"),
            id="inside the cache",
        ),
        pytest.param(
            {"destination": Destination(kind="none")},
            (None, "links-nothing", None, "links-nothing"),
            id="links nothing",
        ),
    ],
)
def test_rule(given: dict[str, Any], expected: tuple[str | None, str, str | None, str]) -> None:
    assert told(decide(facts(**given))) == expected


@pytest.mark.parametrize(
    ("given", "code"),
    [
        pytest.param({"capability": NEITHER}, "nothing-links", id="auto"),
        pytest.param({"link_mode_setting": "clone"}, "clone-impossible", id="clone"),
        pytest.param(
            {"link_mode_setting": "hardlink", "capability": CLONES},
            "hardlink-impossible",
            id="hard",
        ),
    ],
)
def test_fallback_error_refuses(given: dict[str, Any], code: str) -> None:
    mode = setting(given.pop("link_mode_setting", "auto"), 5)
    wishes = settings(fallback=setting("error", 5), link_mode=mode)

    refusal = decide(facts(settings=wishes, **given)).refusal

    assert refusal is not None
    assert (refusal.code, str(refusal.origin)) == (code, "/p/pyproject.toml:9")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="hard links work"),
        pytest.param({"capability": UNKNOWN}, id="unknown"),
        pytest.param({"capability": NEITHER, "link_mode": FLAG}, id="explicit link mode"),
        pytest.param({"capability": NEITHER, "no_cache": FLAG}, id="no cache"),
        pytest.param({"destination": Destination(kind="none"), "capability": NEITHER}, id="none"),
    ],
)
def test_fallback_error_refuses_nothing_else(given: dict[str, Any]) -> None:
    wishes = settings(fallback=setting("error", 5))

    assert decide(facts(settings=wishes, **given)).refusal is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, False, id="the default cache links"),
        pytest.param({"capability": UNKNOWN}, False, id="unknown"),
        pytest.param({"capability": NEITHER}, True, id="nothing links"),
        pytest.param({"capability": NEITHER, "cache_dir": FLAG}, False, id="explicit cache"),
        pytest.param({"capability": NEITHER, "no_cache": FLAG}, False, id="no cache"),
        pytest.param({"capability": NEITHER, "cache_is_mount_point": True}, False, id="mount"),
        pytest.param(
            {
                "capability": NEITHER,
                "cache_is_mount_point": True,
                "settings": settings().replace(caches=(ENTRY,)),
            },
            True,
            id="mount, and [caches]",
        ),
        pytest.param({"cache_usable": "no"}, True, id="not writable"),
        pytest.param({"settings": settings(cache=setting("project", 5))}, True, id="project asked"),
        pytest.param(
            {"settings": settings(cache=setting("default", 5)), "capability": NEITHER},
            False,
            id="default asked",
        ),
    ],
)
def test_another_place_is_looked_for_only_when_it_could_matter(
    given: dict[str, Any], expected: bool
) -> None:
    assert needs_place(facts(**given)) is expected
