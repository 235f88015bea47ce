"""The policy: one pure function from facts to a decision. No clock, no disk, no environment.

The order of the rules is the order of docs/reference/reason-codes.md. The three that hold for all:
an explicit choice is never overridden; unknown never yields an edit; the mode said is what happens.
"""

from __future__ import annotations

from uvx_policy.model import DEFAULT, UNTRIED, Capability, Decision, Program, Refusal
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from uvx_policy.edits import Seed
    from uvx_policy.filesystem.places import Place
    from uvx_policy.model import Destination, Origin, Sourced, Support, UvVersion
    from uvx_policy.settings.reader import Setting, Settings

    Purpose: TypeAlias = Literal[
        "link",  # it links files into the destination
        "manage",  # `uv cache ...`: it acts on the cache that `uv sync` uses for the destination
        "write",  # it links nothing there, but fails without a cache that it can write
    ]

#: uv before this loses executable bits when it clones on Linux (uv 0.10.6, changelog)
_CLONE_KEEPS_MODES = (0, 10, 6)


class Facts(Value):
    """Everything the decision needs, and nothing else. Serialisable: a bug report is a test."""

    #: `sys.platform` of the machine
    platform: str
    #: the real uv's version, `None` when it makes no difference here, or cannot be told
    version: UvVersion | None
    #: where files are linked to; for the other purposes where `uv sync` would link them
    destination: Destination
    purpose: Purpose = "link"
    settings: Settings
    #: uv's own explicit choices, `None` where there is none
    link_mode: Sourced | None
    cache_dir: Sourced | None
    no_cache: Sourced | None
    offline: bool
    #: the cache that uv uses when we set nothing, explicit or not; "" when unknown
    cache: str = ""
    cache_usable: Support = "unknown"
    cache_is_mount_point: bool = False
    #: from `cache` into the destination
    capability: Capability = UNTRIED
    #: where a cache on the destination's device could be; `None`: nowhere, or not looked for
    place: Place | None = None
    #: a package that the call needs, `cache` holds and `place` does not: "" for none, `None` when
    #: what the call needs cannot be told
    place_lacks: str | None = None
    #: all that `place` lacks of it, when it can be brought there
    seed: Seed | None = None
    #: why the first of them is not brought there, "" when it is, or nobody tried
    why_not_seeded: str = ""
    #: from `place` into the destination
    place_capability: Capability = UNTRIED
    #: the Python program that has started this, when it counts; `None`: none, or not looked for
    program: Program | None = None
    #: the folder on the way to the destination that a service copies to its servers, as a reason
    in_cloud: str = ""


class Outcome(Value):
    """What the policy says for one invocation."""

    link_mode: Decision
    cache_dir: Decision
    #: uv's cache cannot be written and there is no other: a temporary one, as with `--no-cache`
    temporary_cache: bool = False
    #: what the cache is to be given first
    seed: Seed | None = None
    #: when set, uv must not be started (exit 2)
    refusal: Refusal | None = None


def needs_place(facts: Facts) -> bool:
    """Could another cache be better? Looking for one costs time: ask this first."""
    is_chosen = facts.cache_dir or facts.no_cache or facts.settings.cache.value == "default"
    if is_chosen or (facts.purpose == "link" and facts.destination.kind in _LEFT_ALONE):
        return False
    if facts.settings.cache.value == "project" or facts.cache_usable == "no":
        return True
    # Where uv's cache was mounted on purpose, only what somebody named in [caches] is better.
    may_move = not facts.cache_is_mount_point or bool(facts.settings.caches)
    return may_move and _links(facts.capability) == "no"


def programs_of(facts: Facts) -> str:
    """What `programs` comes to here: "private", "shared", or "holding", the rule of Windows."""
    asked = facts.settings.programs.value
    if asked == "auto":
        return "holding" if facts.platform == "win32" else "shared"
    return asked


def links_by_default(facts: Facts, outcome: Outcome) -> bool:
    """Would uv hard link unasked, where it counts who started it or whether a service copies it?

    Finding that out takes time.
    """
    if outcome.link_mode.code != _HARDLINK or facts.settings.link_mode.value != "auto":
        return False
    return facts.platform == "win32" or programs_of(facts) != "shared"


def left_alone(destination: Destination) -> Outcome | None:
    """The outcome of a destination that no policy is for, `None` for every other."""
    if destination.kind not in _LEFT_ALONE:
        return None
    code, because = _LEFT_ALONE[destination.kind]
    alone = _left(code, destination.because or because)
    return Outcome(link_mode=alone, cache_dir=alone)


def decide(facts: Facts) -> Outcome:
    """The decision. Total: every combination of facts has an answer."""
    alone = left_alone(facts.destination) if facts.purpose == "link" else None
    if alone is not None:
        return alone
    cache_dir = _decide_cache(facts)
    outcome = Outcome(
        link_mode=_left(*_LEFT_ALONE["none"]),
        cache_dir=cache_dir,
        temporary_cache=cache_dir.code == _TEMPORARY,
        seed=_seed(facts, cache_dir),
    )
    if facts.purpose != "link":
        return outcome
    link_mode = _decide_link_mode(facts, cache_dir)
    if isinstance(link_mode, Refusal):
        left = _left(link_mode.code, link_mode.because)
        return outcome.replace(link_mode=left, refusal=link_mode)
    return outcome.replace(link_mode=link_mode)


def _decide_cache(facts: Facts) -> Decision:
    asked = facts.settings.cache
    if facts.no_cache:
        return _explicit(facts.no_cache, "the cache is switched off")
    if facts.cache_dir:
        return _explicit(facts.cache_dir, "the cache directory was chosen")
    if asked.value == "default":
        return _left("default-cache", "the policy asks for uv's own cache", asked.origin)
    if asked.value == "project" and facts.place and facts.place.code == "project-cache":
        # Where the project may not hold a cache, the rules for `auto` follow.
        used = _use_place(facts, asked.origin)
        if used is not None:
            return used
    if facts.cache_usable == "no":
        return _use_place(facts, DEFAULT) or _nowhere(facts)
    links = _links(facts.capability)
    if facts.cache_usable == "unknown" or links == "unknown":
        return _cannot_tell("from uv's cache", facts.capability)
    if links == "yes":
        because = "files link from uv's own cache to here"
        return _left("same-device", because + _copied_first(facts.seed))
    is_named = facts.place is not None and facts.place.code == "device-cache-configured"
    if facts.cache_is_mount_point and not is_named:
        return _left(
            "cache-is-mount-point", "uv's cache is a mount of its own, put there on purpose"
        )
    return _use_place(facts, DEFAULT) or _nowhere(facts)


def _use_place(facts: Facts, origin: Origin) -> Decision | None:
    """The place's decision, `None` when there is no place that links here."""
    place = facts.place
    if place is None:
        return None
    if facts.cache_usable != "no":  # otherwise any cache that can be written is better than none
        links = _links(facts.place_capability)
        if links == "unknown":
            return _cannot_tell(f"from `{place.directory}`", facts.place_capability)
        if links == "no" and place.code == "device-cache":
            return None
        if not _is_seeded(facts, place):
            kept = _kept_warm(facts, place)
            if kept is not None:
                return kept
    if _is_seeded(facts, place):
        place = place.replace(because=place.because + _copied_first(facts.seed))
    named = place.origin if origin == DEFAULT else origin
    return _chosen(place.directory, place.code, place.because, named)


def _copied_first(seed: Seed | None) -> str:
    return f"; what it lacks is copied from `{seed.source}` first" if seed is not None else ""


def _kept_warm(facts: Facts, place: Place) -> Decision | None:
    """Keep uv's own cache where it holds what the other one would need a network for.

    A project that asks for a cache of its own gets it, unless it is known that uv is offline.
    """
    if _needs_network(facts, place):
        because = f"`{facts.cache}` holds `{facts.place_lacks}`, which `{place.directory}` lacks"
        if facts.why_not_seeded:
            because = f"{because}, and it is not copied there: {facts.why_not_seeded}"
        return _left("warm-cache", because)
    if facts.place_lacks is None and facts.offline:
        because = f"offline, and whether `{place.directory}` holds what is needed cannot be told"
        return _left("offline-cold-cache", because)
    return None


def _needs_network(facts: Facts, place: Place) -> bool:
    """Would uv download into the place what its own cache holds?"""
    return bool(facts.place_lacks) and (facts.offline or place.code != "project-cache")


def _is_seeded(facts: Facts, place: Place) -> bool:
    """Is the place given first what it lacks? Not for private copies that share nothing with it."""
    if facts.seed is None or not (facts.cache_usable == "no" or _needs_network(facts, place)):
        return False
    wanted = facts.link_mode or facts.settings.link_mode
    copies = wanted.value == "copy" or (
        facts.link_mode is None and (is_hackable(facts.settings) or _instead_of_links(facts))
    )
    return not copies or facts.place_capability.clone == "yes"


def _seed(facts: Facts, cache_dir: Decision) -> Seed | None:
    """What the chosen cache gets before uv starts."""
    place = facts.place
    if facts.seed is not None and facts.seed.target == facts.cache:
        # Of what others share: uv uses its own cache, on this device or not.
        return facts.seed if facts.purpose == "link" and cache_dir.value is None else None
    is_used = place is not None and cache_dir.value == place.directory
    if place is None or not is_used or facts.purpose != "link" or not _is_seeded(facts, place):
        return None
    return facts.seed


def _nowhere(facts: Facts) -> Decision:
    if facts.cache_usable == "no":
        because = "uv's cache cannot be written, and no other directory can hold one"
        return _left(_TEMPORARY, because)
    return _left("no-eligible-place", "no directory on this device can hold a cache")


def _decide_link_mode(facts: Facts, cache_dir: Decision) -> Decision | Refusal:
    settings = facts.settings
    capability = facts.place_capability if cache_dir.value is not None else facts.capability
    if cache_dir.code == _TEMPORARY:
        capability = _FROM_TEMPORARY
    if facts.link_mode:
        return _explicit(facts.link_mode, "the link mode was chosen")
    if is_hackable(settings):
        because = "this project wants private copies that are safe to edit"
        return _chosen("copy", code="hackable", because=because, origin=settings.hackable.origin)
    asked = settings.link_mode
    because = f"the policy asks for {asked.value}"
    configured = _chosen(asked.value, code="configured", because=because, origin=asked.origin)
    if asked.value == "copy":
        return configured
    if facts.no_cache:
        # uv unpacks into a directory below TMPDIR that does not exist yet: nothing to try.
        because = "without a cache there is nothing to link from"
        return _left("no-cache", because, facts.no_cache.origin)
    if asked.value == "symlink" and cache_dir.code != _TEMPORARY:
        return configured
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
        or (_instead_of_links(facts) if capability.hardlink == "yes" else None)
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
        return _cannot_tell("here", capability)
    version = facts.version
    if facts.platform != "linux" or (version is not None and version >= _CLONE_KEEPS_MODES):
        because = "clones work here: nothing is shared once a file is edited"
        return _chosen("clone", "clone-works", because, asked.origin)
    # On btrfs and XFS uv's copy is copy_file_range(2), which shares extents and keeps modes.
    if version is None:
        because = (
            "clones work here, but some versions of uv lose file modes when they clone, and this "
            "one's version is unknown; its copies share their blocks all the same"
        )
        return _chosen("copy", "uv-version-unknown", because, asked.origin)
    because = (
        "clones work here, but this uv loses file modes when it clones; "
        "its copies share their blocks all the same"
    )
    return _chosen("copy", "copy-shares-extents", because, asked.origin)


def _instead_of_links(facts: Facts) -> Decision | None:
    """A copy, where hard links work and would do harm later; `None` where they would not."""
    if facts.settings.link_mode.value != "auto":
        return None
    if facts.in_cloud:
        because = f"{facts.in_cloud}, which refuses files with hard links"
        return _chosen("copy", "cloud-folder", because, facts.settings.link_mode.origin)
    program, rule, origin = facts.program, programs_of(facts), facts.settings.programs.origin
    if program is None or rule == "shared":
        return None
    started = f"`{program.path}` (process {program.number}) has started this"
    if rule == "private":
        because = f"what Python programs make gets private copies, and {started}"
        return _chosen("copy", "made-by-program", because, origin)
    if not program.module:
        return None
    because = (
        f"{started}, and has `{program.module}` of {program.package} as a hard link: while it "
        "runs, it could not delete what is linked to the same file"
    )
    return _chosen("copy", "program-holds-module", because, origin)


def _hardlink(capability: Capability, asked: Setting) -> Decision | None:
    """`None` when nothing can be hard linked here."""
    if capability.hardlink == "no":
        return None
    if capability.hardlink == "unknown":
        return _cannot_tell("here", capability)
    because = (
        "hard links work here: an edit in this environment shows in others "
        "(`hackable = true` prevents that)"
    )
    return _chosen("hardlink", _HARDLINK, because, asked.origin)


def _nothing_links(facts: Facts, code: str, because: str) -> Decision | Refusal:
    fallback = facts.settings.fallback
    if fallback.value == "error":
        return Refusal(code=code, because=because, origin=fallback.origin)
    # Never uv's own fallback: a failed clone silently becomes a hard link since uv 0.10.5.
    return _chosen("copy", code, because, facts.settings.link_mode.origin)


def _explicit(choice: Sourced, what: str) -> Decision:
    codes = {"flag": "explicit-flag", "variable": "explicit-env"}
    code = codes.get(choice.origin.kind, "explicit-config")
    return _left(code, f"{what} for uv itself", choice.origin)


def _cannot_tell(where: str, capability: Capability) -> Decision:
    return _left("cannot-tell", f"cannot tell what links {where}: {capability.detail}")


_HARDLINK = "hardlink-works"
_TEMPORARY = "temporary-cache"
#: uv removes it at its end: nothing may lead into it, and most often it is on another device
_FROM_TEMPORARY = Capability(clone="no", hardlink="no", detail="uv's cache is a temporary one")


def _left(code: str, because: str, origin: Origin = DEFAULT) -> Decision:
    return _chosen(None, code, because, origin)


def _chosen(value: str | None, code: str, because: str, origin: Origin) -> Decision:
    return Decision(value=value, code=code, because=because, origin=origin)


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
