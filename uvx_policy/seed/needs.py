"""What a call needs of a cache: facts for the decision whether to use it, and to fill it first."""

from __future__ import annotations

import os

from uvx_policy.edits import Seed
from uvx_policy.errors import ConfigError
from uvx_policy.filesystem import cache_safety
from uvx_policy.uv import locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.decide import Facts
    from uvx_policy.host import Host
    from uvx_policy.seed.lacked import Lacked
    from uvx_policy.uv.invocation import Invocation

    #: for a destination, the cache that holds, the place, and where it installs
    KnownNeeds = dict[tuple[str, ...], "Lacked | None"]

#: tables of routes, and which column names the interface
_ROUTES = (("/proc/net/route", 0), ("/proc/net/ipv6_route", -1))


class Call:
    """One call of uv, that asks what caches have of what it needs."""

    def __init__(
        self,
        host: Host,
        invocation: Invocation,
        known: KnownNeeds,
        *,
        into: str,
        state: str,
        chooses_versions: bool,
    ) -> None:
        """`host` is at the directory where uv works; `into`: where it installs.

        `known`: what was found out before with this host, and is added to. `chooses_versions`: see
        `UvSettings`.
        """
        self._host = host
        self._invocation = invocation
        self._known = known
        self._into = into
        self._state = state
        self._chooses_versions = chooses_versions

    def with_needs(self, facts: Facts, place: str) -> Facts:
        """Add what `place` lacks, and uv's own cache or one of `seed-from` holds.

        Raises `Unreadable`.
        """
        return self.with_shared(self._from_one(facts, place), place)

    def with_shared(self, facts: Facts, target: str) -> Facts:
        """Add what caches of `seed-from` hold and the cache `target` lacks. Raises `Unreadable`.

        Not after another source has failed: then all is as without any.
        """
        is_wanted = facts.purpose == "link" and facts.settings.seed.value != "never"
        if not is_wanted or facts.why_not_seeded:
            return facts
        seed = None
        for source in reversed(facts.settings.seed_from):
            if not cache_safety.why_not_shared(self._host, source.directory):
                own = facts.replace(
                    cache=source.directory, cache_usable="yes", place_lacks=None, seed=None
                )
                more = self._from_one(own, target)
                if more.seed is not None:
                    seed = more.seed.replace(then=seed)
                    facts = facts.replace(place_lacks=facts.place_lacks or more.place_lacks)
        if facts.seed is not None:
            seed = facts.seed.replace(then=seed)
        return facts.replace(seed=seed)

    def _from_one(self, facts: Facts, place: str) -> Facts:
        if facts.cache_usable == "no":
            return facts.replace(place_lacks="")
        # `uv cache clean` is for what the next sync installs, whether or not it is installed now.
        manages = facts.purpose == "manage"
        if manages or facts.settings.seed.value == "never" or self._host.platform == "win32":
            # uv writes text files instead of symbolic links there.
            return self._without_seeds(facts, place, anew=manages)
        lacked = self._lacked(facts, place)
        if lacked is None:
            return _cut_off(self._host, facts, place)
        if lacked.is_unclear:
            facts = _cut_off(self._host, facts, place)
            if facts.offline:
                return facts
        return _with_seeds(self._host, facts, lacked, place, self._state)

    def _lacked(self, facts: Facts, place: str) -> Lacked | None:
        from uvx_policy.seed.lacked import find

        to = facts.destination
        key = (to.kind, to.path, to.workspace, facts.cache, place, self._into)
        if key not in self._known:
            try:
                self._known[key] = find(
                    self._host, facts, self._invocation, place=place, into=self._into,
                    chooses_versions=self._chooses_versions,
                )  # fmt: skip
            except ConfigError:  # uv says itself what is wrong with its files
                self._known[key] = None
        return self._known[key]

    def _without_seeds(self, facts: Facts, place: str, *, anew: bool) -> Facts:
        if facts.destination.kind != "project":
            return facts
        host, invocation = self._host, self._invocation
        anew = anew or invocation.has("reinstall") or invocation.has("reinstall-package")
        is_new = host.kind(facts.destination.path) == "absent"
        installed = () if anew or is_new else host.list_names(self._into)
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
