"""The policy: one pure function from facts to a decision. No clock, no disk, no environment.

The order of the rules is the order of docs/reference/reason-codes.md. The three that hold for all:
an explicit choice is never overridden; unknown never yields an edit; the mode that is said is the
mode that will really happen.
"""

from __future__ import annotations

from uvx_policy.model import DEFAULT, Decision, Refusal
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.filesystem.places import Place
    from uvx_policy.model import (
        Capability,
        Destination,
        LinkMode,
        Origin,
        Sourced,
        Support,
        UvVersion,
    )
    from uvx_policy.settings.reader import Setting, Settings

#: uv before this loses executable bits when it clones on Linux (uv 0.10.6, changelog)
_CLONE_KEEPS_MODES = (0, 10, 6)


class Facts(Value):
    """Everything the decision needs, and nothing else. Serialisable: a bug report is a test."""

    #: `sys.platform` of the machine
    platform: str
    #: the real uv's version, `None` when it does not say
    version: UvVersion | None
    destination: Destination
    settings: Settings
    #: uv's own explicit choices, `None` where there is none
    link_mode: Sourced | None
    cache_dir: Sourced | None
    no_cache: Sourced | None
    offline: bool
    #: the cache that uv uses when we set nothing, explicit or not; "" when unknown
    cache: str
    cache_usable: Support
    cache_is_mount_point: bool
    #: from `cache` into the destination
    capability: Capability
    #: where a cache on the destination's device could be; `None`: nowhere, or not looked for
    place: Place | None
    place_is_cold: bool
    #: from `place` into the destination
    place_capability: Capability


class Outcome(Value):
    """What the policy says for one invocation."""

    link_mode: Decision
    cache_dir: Decision
    #: when set, uv must not be started (exit 2)
    refusal: Refusal | None = None


def needs_place(facts: Facts) -> bool:
    """Could another cache be better? Looking for one costs time: ask this first."""
    if facts.destination.kind in _LEFT_ALONE or facts.cache_dir or facts.no_cache:
        return False
    if facts.settings.cache.value == "default":
        return False
    if facts.settings.cache.value == "project" or facts.cache_usable == "no":
        return True
    return not facts.cache_is_mount_point and _links(facts.capability) == "no"


def left_alone(destination: Destination) -> Outcome | None:
    """The outcome of a destination that no policy is for, `None` for every other."""
    if destination.kind not in _LEFT_ALONE:
        return None
    code, because = _LEFT_ALONE[destination.kind]
    alone = Decision(value=None, code=code, because=destination.because or because)
    return Outcome(link_mode=alone, cache_dir=alone)


def decide(facts: Facts) -> Outcome:
    """The decision. Total: every combination of facts has an answer."""
    alone = left_alone(facts.destination)
    if alone is not None:
        return alone
    cache_dir = _decide_cache(facts)
    capability = facts.place_capability if cache_dir.value is not None else facts.capability
    link_mode = _decide_link_mode(facts, capability)
    if isinstance(link_mode, Refusal):
        left = Decision(value=None, code=link_mode.code, because=link_mode.because)
        return Outcome(link_mode=left, cache_dir=cache_dir, refusal=link_mode)
    return Outcome(link_mode=link_mode, cache_dir=cache_dir)


def _decide_cache(facts: Facts) -> Decision:
    asked = facts.settings.cache
    if facts.no_cache:
        return _explicit(facts.no_cache, "the cache is switched off")
    if facts.cache_dir:
        return _explicit(facts.cache_dir, "the cache directory was chosen")
    if asked.value == "default":
        return Decision(
            value=None,
            code="default-cache",
            because="the policy asks for uv's own cache",
            origin=asked.origin,
        )
    if asked.value == "project" and facts.place and facts.place.code == "project-cache":
        # Where the project may not hold a cache, the rules for `auto` follow.
        used = _use_place(facts, asked.origin)
        if used is not None:
            return used
    if facts.cache_usable == "no":
        return _use_place(facts, DEFAULT) or _nowhere(facts)
    links = _links(facts.capability)
    if facts.cache_usable == "unknown" or links == "unknown":
        return Decision(
            value=None,
            code="cannot-tell",
            because=f"cannot tell what links from uv's cache: {facts.capability.detail}",
        )
    if links == "yes":
        return Decision(
            value=None, code="same-device", because="files link from uv's own cache to here"
        )
    if facts.cache_is_mount_point:
        return Decision(
            value=None,
            code="cache-is-mount-point",
            because="uv's cache is a mount of its own, put there on purpose",
        )
    return _use_place(facts, DEFAULT) or _nowhere(facts)


def _use_place(facts: Facts, origin: Origin) -> Decision | None:
    """The place's decision, `None` when there is no place that links here."""
    place = facts.place
    if place is None:
        return None
    links = _links(facts.place_capability)
    if links == "unknown":
        return Decision(
            value=None,
            code="cannot-tell",
            because=f"cannot tell what links from `{place.directory}`: "
            f"{facts.place_capability.detail}",
        )
    if links == "no" and place.code == "device-cache":
        return None
    if facts.offline and facts.place_is_cold and facts.cache_usable != "no":
        return Decision(
            value=None,
            code="offline-cold-cache",
            because=f"offline, and `{place.directory}` holds nothing yet",
        )
    return Decision(
        value=place.directory,
        code=place.code,
        because=place.because,
        origin=place.origin if origin == DEFAULT else origin,
    )


def _nowhere(facts: Facts) -> Decision:
    because = "no directory on this device may hold a cache"
    if facts.cache_usable == "no":
        because = "uv's cache cannot be written, and no other directory may hold one"
    return Decision(value=None, code="no-eligible-place", because=because)


def _decide_link_mode(facts: Facts, capability: Capability) -> Decision | Refusal:
    settings = facts.settings
    if facts.link_mode:
        return _explicit(facts.link_mode, "the link mode was chosen")
    if is_hackable(settings):
        return Decision(
            value="copy",
            code="hackable",
            because="this project wants private copies that are safe to edit",
            origin=settings.hackable.origin,
        )
    asked = settings.link_mode
    if asked.value == "copy":
        return _asked("copy", asked)
    if facts.no_cache:
        # uv unpacks into a directory below TMPDIR that does not exist yet: nothing to try.
        return Decision(
            value=None,
            code="no-cache",
            because="without a cache there is nothing to link from",
            origin=facts.no_cache.origin,
        )
    if asked.value == "symlink":
        return _asked("symlink", asked)
    if asked.value == "clone":
        return _clone(facts, capability, asked) or _nothing_links(
            facts, "clone-impossible", f"nothing can be cloned here: {capability.detail}"
        )
    if asked.value == "hardlink":
        return _hardlink(capability, asked) or _nothing_links(
            facts, "hardlink-impossible", f"nothing can be hard linked here: {capability.detail}"
        )
    return (
        _clone(facts, capability, asked)
        or _hardlink(capability, asked)
        or _nothing_links(
            facts, "nothing-links", f"neither clone nor hard link works here: {capability.detail}"
        )
    )


def is_hackable(settings: Settings) -> bool:
    """Tell whether private copies are wanted: unless a more specific layer names a link mode."""
    names_mode = settings.link_mode.value != "auto"
    overruled = names_mode and settings.link_mode.layer > settings.hackable.layer
    return settings.hackable.value == "true" and not overruled


def _clone(facts: Facts, capability: Capability, asked: Setting) -> Decision | None:
    """`None` when nothing can be cloned here."""
    if capability.clone == "no":
        return None
    if capability.clone == "unknown":
        return _cannot_tell(capability)
    if facts.platform != "linux" or (facts.version and facts.version >= _CLONE_KEEPS_MODES):
        return Decision(
            value="clone",
            code="clone-works",
            because="clones work here: nothing is shared once a file is edited",
            origin=asked.origin,
        )
    if facts.version is None:
        return Decision(
            value=None,
            code="uv-version-unknown",
            because="clones work here, but some versions of uv lose file modes when they clone",
        )
    # On btrfs and XFS uv's copy is copy_file_range(2), which shares extents and keeps modes.
    return Decision(
        value="copy",
        code="copy-shares-extents",
        because="clones work here, but this uv loses file modes when it clones; "
        "its copies share their blocks all the same",
        origin=asked.origin,
    )


def _hardlink(capability: Capability, asked: Setting) -> Decision | None:
    """`None` when nothing can be hard linked here."""
    if capability.hardlink == "no":
        return None
    if capability.hardlink == "unknown":
        return _cannot_tell(capability)
    return Decision(
        value="hardlink",
        code="hardlink-works",
        because="hard links work here: an edit in this environment shows in others "
        "(`hackable = true` prevents that)",
        origin=asked.origin,
    )


def _nothing_links(facts: Facts, code: str, because: str) -> Decision | Refusal:
    fallback = facts.settings.fallback
    if fallback.value == "error":
        return Refusal(code=code, because=because, origin=fallback.origin)
    # Never uv's own fallback: a failed clone silently becomes a hard link since uv 0.10.5.
    return Decision(
        value="copy", code=code, because=because, origin=facts.settings.link_mode.origin
    )


def _asked(mode: LinkMode, asked: Setting) -> Decision:
    return Decision(
        value=mode,
        code="configured",
        because=f"the policy asks for {mode}",
        origin=asked.origin,
    )


def _explicit(choice: Sourced, what: str) -> Decision:
    code = {"flag": "explicit-flag", "variable": "explicit-env"}.get(
        choice.origin.kind, "explicit-config"
    )
    return Decision(value=None, code=code, because=f"{what} for uv itself", origin=choice.origin)


def _cannot_tell(capability: Capability) -> Decision:
    return Decision(
        value=None, code="cannot-tell", because=f"cannot tell what links here: {capability.detail}"
    )


def _links(capability: Capability) -> Support:
    """Can anything at all be linked?"""
    both = (capability.clone, capability.hardlink)
    if "yes" in both:
        return "yes"
    return "unknown" if "unknown" in both else "no"


#: destinations that are left alone: kind -> code and reason
_LEFT_ALONE = {
    "none": ("links-nothing", "this command links no files into an environment"),
    "cache": ("cache-resident", "the files stay inside uv's cache: same device by construction"),
    "unknown": ("destination-unknown", "cannot tell where uv will install to"),
}
