"""What a call needs of a cache: facts for the decision whether to use it, and to fill it first."""

from __future__ import annotations

import os

from uvx_policy.edits import Seed
from uvx_policy.errors import ConfigError
from uvx_policy.uv import locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.decide import Facts
    from uvx_policy.host import Host
    from uvx_policy.seed.lacked import Lacked
    from uvx_policy.uv.invocation import Invocation

    #: for a destination, a place and where it installs
    KnownNeeds = dict[tuple[str, ...], "Lacked | None"]

#: tables of routes, and which column names the interface
_ROUTES = (("/proc/net/route", 0), ("/proc/net/ipv6_route", -1))


def with_needs(
    host: Host,
    facts: Facts,
    invocation: Invocation,
    place: str,
    into: str,
    state: str,
    known: KnownNeeds,
    *,
    chooses_versions: bool,
) -> Facts:
    """Add what this call needs, uv's own cache holds and `place` lacks. Raises `Unreadable`.

    `host` is at the directory where uv works. `known`: what was found out before with this host,
    and is added to. `chooses_versions`: see `UvSettings`.
    """
    if facts.cache_usable == "no":
        return facts.replace(place_lacks="")
    # `uv cache clean` is for what the next sync installs, whether or not it is installed now.
    manages = facts.purpose == "manage"
    if manages or facts.settings.seed.value == "never" or host.platform == "win32":
        # uv writes text files instead of symbolic links there.
        return _without_seeds(host, facts, invocation, place, into, anew=manages)
    from uvx_policy.seed.lacked import find

    destination = facts.destination
    key = (destination.kind, destination.path, destination.workspace, place, into)
    if key not in known:
        try:
            known[key] = find(
                host, facts, invocation, place=place, into=into, chooses_versions=chooses_versions
            )
        except ConfigError:  # uv says itself what is wrong with its files
            known[key] = None
    lacked = known[key]
    if lacked is None:
        return _cut_off(host, facts, place)
    if lacked.is_unclear:
        facts = _cut_off(host, facts, place)
        if facts.offline:
            return facts
    return _with_seeds(host, facts, lacked, place, state)


def _without_seeds(
    host: Host, facts: Facts, invocation: Invocation, place: str, into: str, *, anew: bool
) -> Facts:
    if facts.destination.kind != "project":
        return facts
    anew = anew or invocation.has("reinstall") or invocation.has("reinstall-package")
    is_new = host.kind(facts.destination.path) == "absent"
    installed = () if anew or is_new else host.list_names(into)
    names = locked.wanted(host, facts.destination.workspace, installed=installed)
    if names is None:
        return facts
    lacked = locked.lacking(host, names, held_by=facts.cache, lacked_by=place)
    return facts.replace(place_lacks=next(lacked, ("", ()))[0])


def _cut_off(host: Host, facts: Facts, place: str) -> Facts:
    """What cannot be told may be in the one cache that was ever used: keep to it without a network.

    Once the other one was used as well, it is as good.
    """
    is_new = host.kind(os.path.join(place, "archive-v0")) == "absent"
    return facts.replace(offline=facts.offline or (is_new and _has_no_network(host)))


def _has_no_network(host: Host) -> bool:
    """Is there certainly none: not one route that leaves this machine (Linux)?"""
    for path, column in _ROUTES:
        text = host.read_text(path) if host.platform == "linux" else None
        rows = [line.split() for line in (text or "").splitlines()]
        if text is None or any(row[column] not in ("lo", "Iface") for row in rows):
            return False
    host.witnesses.spoil("there is no network at the moment")
    return True


def _with_seeds(host: Host, facts: Facts, lacked: Lacked, place: str, state: str) -> Facts:
    """Add what of it can be brought to the place."""
    wanted = {**dict.fromkeys(lacked.built, ()), **lacked.packages}
    if not wanted and not lacked.described:
        return facts.replace(place_lacks=None if lacked.is_unclear else "")
    if facts.why_not_seeded:
        host.witnesses.spoil("a cache was not filled this time")
        return facts.replace(place_lacks=next(iter(wanted or lacked.described)))
    from uvx_policy.seed import refused

    for name, versions in list(wanted.items()):
        reason = refused.recall(host, state, source=facts.cache, package=name, versions=versions)
        if reason:
            return facts.replace(place_lacks=name, why_not_seeded=reason)
        if reason is not None:
            del wanted[name]
    if not wanted and not lacked.described:
        return facts.replace(place_lacks=None if lacked.is_unclear else "")
    seed = Seed(
        source=facts.cache,
        target=place,
        packages=tuple((name, each) for name, each in wanted.items() if each),
        described=tuple(lacked.described.items()),
        built=tuple(name for name, each in wanted.items() if not each),
        python=lacked.python,
    )
    return facts.replace(place_lacks=next(iter(wanted or lacked.described)), seed=seed)
