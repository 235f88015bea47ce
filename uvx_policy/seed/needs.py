"""What a call needs of a cache: facts for the decision whether to use it, and to fill it first."""

from __future__ import annotations

from uvx_policy.uv import locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.decide import Facts
    from uvx_policy.host import Host
    from uvx_policy.uv.invocation import Invocation
    from uvx_policy.uv.locked import Versions


def with_needs(
    host: Host, facts: Facts, invocation: Invocation, place: str, into: str, state: str
) -> Facts:
    """Add what this call needs, uv's own cache holds and `place` lacks. Raises `Unreadable`."""
    if facts.cache_usable == "no":
        return facts.replace(place_lacks="")
    if facts.destination.kind != "project":
        return facts
    # `uv cache clean` is for what the next sync installs, whether or not it is installed now.
    manages = facts.purpose == "manage"
    anew = manages or invocation.has("reinstall") or invocation.has("reinstall-package")
    is_new = host.kind(facts.destination.path) == "absent"
    installed = () if anew or is_new else host.list_names(into)
    names = locked.wanted(host, facts.destination.workspace, installed=installed)
    if names is None:
        return facts
    lacked = locked.lacking(host, names, held_by=facts.cache, lacked_by=place)
    if manages or facts.settings.seed.value == "never" or host.platform == "win32":
        # uv writes text files instead of symbolic links there.
        return facts.replace(place_lacks=next(lacked, ("", ()))[0])
    return _with_seeds(host, facts, dict(lacked), state)


def _with_seeds(host: Host, facts: Facts, lacked: Versions, state: str) -> Facts:
    """Add what of it can be brought to the place."""
    if not lacked:
        return facts.replace(place_lacks="")
    from uvx_policy.seed import refused

    if facts.why_not_seeded:
        host.witnesses.spoil("a cache was not filled this time")
        return facts.replace(place_lacks=next(iter(lacked)))
    seeds = {}
    for name, versions in lacked.items():
        reason = refused.recall(host, state, source=facts.cache, package=name, versions=versions)
        if reason:
            return facts.replace(place_lacks=name, why_not_seeded=reason)
        if reason is None:
            seeds[name] = versions
    return facts.replace(place_lacks=next(iter(seeds), ""), seeds=tuple(seeds.items()))
