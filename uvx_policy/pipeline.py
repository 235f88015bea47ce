"""From one call to its plan: gather facts, decide, say the edits. No policy of its own."""

from __future__ import annotations

import os

import uvx_policy
from uvx_policy import decide as policy
from uvx_policy import edits as rewriting
from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host, nearest_existing
from uvx_policy.model import UNTRIED, Destination
from uvx_policy.state import layout
from uvx_policy.uv import invocation as command_line
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.decide import Facts, Outcome, Purpose
    from uvx_policy.edits import Edits
    from uvx_policy.model import Capability, UvVersion
    from uvx_policy.replay.witness import Witnesses
    from uvx_policy.seed.needs import KnownNeeds
    from uvx_policy.symlinked_venv import LinkPlan
    from uvx_policy.uv.invocation import Invocation
    from uvx_policy.uv.settings import UvSettings


class Plan(Value):
    """Everything that was found out and decided for one call of uv."""

    uv: str
    #: `None` when it makes no difference here, or cannot be told
    version: UvVersion | None
    #: why a version that would have made a difference cannot be told, "" when none is missing
    lacks_version: str = ""
    invocation: Invocation
    destination: Destination
    #: `st_dev` of the destination's nearest existing directory, `None` when there is no destination
    device: int | None = None
    facts: Facts | None = None
    outcome: Outcome
    link: LinkPlan | None = None
    edits: Edits = rewriting.NOTHING
    #: all that was seen of the machine on the way
    witnesses: Witnesses
    #: directory for what is remembered, "" for nowhere
    state: str
    #: directories that may not hold a cache, and why
    rejected: tuple[tuple[str, str], ...] = ()

    def dotted_version(self) -> str:
        """`0.13.8`, "" when it cannot be told. Asks uv where it made no difference so far."""
        from uvx_policy.uv.version import RealUv

        real = RealUv(Host(environ=dict(os.environ)), self.uv, state=self.state)
        return ".".join(map(str, self.version or real.version() or ()))

    def story(self) -> Iterator[str]:
        """The plan in lines, for `LINKPOLICY_LOG=debug`."""
        yield f"real uv: `{self.uv}` {self.dotted_version() or 'of unknown version'}"
        yield f"destination: {self.destination.kind} `{self.destination.path}`"
        if self.facts is not None:
            yield f"cache `{self.facts.cache}`: {self.facts.capability.detail}"
        decisions = {"link mode": self.outcome.link_mode, "cache": self.outcome.cache_dir}
        for name, decision in decisions.items():
            value = decision.value or "left alone"
            yield f"{name}: {value} [{decision.code}] {decision.because} ({decision.origin})"
        if self.link is not None:
            yield f"link: [{self.link.code}] {self.link.because}"


def make_plan(
    program: str,
    arguments: Sequence[str],
    *,
    environ: dict[str, str],
    uv: str,
    why_not_seed: str = "",
) -> Plan:
    """Understand one call and decide. `environ` must be free of our own old values.

    `why_not_seed`: why no cache can be filled this time, "" when it can.
    Raises `ConfigError` for faults in linkpolicy's own settings. Touches nothing but a try of
    clone and hard link that leaves nothing behind, and our own memory.
    """
    from uvx_policy.uv.version import RealUv

    invocation = command_line.parse_significant(program, tuple(arguments))
    # Seen by another `Host`: where facts are remembered is nothing that a decision depends on.
    state = state_directory(Host(environ=environ))
    host = _host(environ)

    #: found out once for all versions
    needs: KnownNeeds = {}

    def plan_with(version: UvVersion | None) -> Plan:
        return _plan(
            host, invocation, version, uv=uv, state=state, why_not_seed=why_not_seed, needs=needs
        )

    # `uvx` stays in uv's cache, whatever the version.
    if invocation.informative or invocation.uncertain or program == "uvx":
        return plan_with(None)
    real = RealUv(host, uv, state=state)
    version, common = real.remembered(), None
    if version is None:
        common, in_one_place = _plan_with_any(plan_with)
        if common is not None and in_one_place:
            return common
        # What was looked at for other versions is nothing that the decision depends on.
        host, needs = _host(environ), {}
        real = RealUv(host, uv, state=state)
        version = real.version()
    plan = common if common is not None and version is None else plan_with(version)
    return plan.replace(lacks_version=real.why_unknown)


def _host(environ: dict[str, str]) -> Host:
    """A new one, that has seen linkpolicy itself: another version of it may decide otherwise."""
    host = Host(environ=environ)
    if host.status(str(uvx_policy.__file__)) is None:
        host.witnesses.spoil("linkpolicy is not a file")
    return host


def _plan_with_any(plan_with: Callable[[UvVersion | None], Plan]) -> tuple[Plan | None, bool]:
    """The plan if it changes the same for uv whatever its version, else `None`.

    Also, does every version install into the same place?
    """
    from uvx_policy.uv.version import assumptions

    plan: Plan | None = None
    places = set()
    for version in assumptions():
        earlier = plan
        try:
            plan = plan_with(version)
        except ConfigError:  # of the project that this version would take
            return None, False
        if earlier is not None and (
            earlier.edits != plan.edits or earlier.outcome.refusal != plan.outcome.refusal
        ):
            return None, False
        places.add((plan.destination.kind, plan.destination.path))
    if plan is not None:
        facts = plan.facts and plan.facts.replace(version=None)
        plan = plan.replace(version=None, facts=facts)
    return plan, len(places) == 1


def _plan(
    host: Host,
    invocation: Invocation,
    version: UvVersion | None,
    *,
    uv: str,
    state: str,
    why_not_seed: str,
    needs: KnownNeeds,
) -> Plan:
    """The plan for a uv of this version."""

    def left_alone(destination: Destination) -> Plan:
        outcome = policy.left_alone(destination)
        assert outcome is not None  # noqa: S101 (a promise of this module, not a check of input)
        return Plan(
            uv=uv,
            version=version,
            invocation=invocation,
            destination=destination,
            outcome=outcome,
            witnesses=host.witnesses,
            state=state,
        )

    if invocation.informative:
        return left_alone(Destination(kind="none", because="this command only prints something"))
    if invocation.uncertain:
        because = "the command line is not understood; uv gets it unchanged"
        return left_alone(Destination(kind="unknown", because=because))
    try:
        from uvx_policy.uv import destination as destinations
        from uvx_policy.uv import settings as uv_settings
        from uvx_policy.uv import workspace

        host = workspace.working_directory(host, invocation, version)
        choices = uv_settings.read_uv_settings(host, invocation, version)
        destination = destinations.find_destination(host, invocation, choices, version)
    except (Unreadable, ConfigError) as error:
        # uv reads the same files and says itself what is wrong with them.
        return left_alone(Destination(kind="unknown", because=str(error)))
    served = destination
    purpose: Purpose = "link"
    if policy.left_alone(destination) is not None:
        served, purpose = _served(host, invocation, choices, version)
        if destination.kind == "unknown" or not served.path:
            return left_alone(destination)
    from uvx_policy.settings import reader as own

    settings = own.read_settings(
        host,
        project=served.project,
        workspace=served.workspace,
        place=os.path.dirname(served.path),
    )
    facts = policy.Facts(
        platform=host.platform,
        version=version,
        destination=served,
        purpose=purpose,
        settings=settings,
        link_mode=choices.link_mode,
        cache_dir=choices.cache_dir,
        no_cache=choices.no_cache,
        offline=choices.offline is not None,
        why_not_seeded=why_not_seed,
    )
    link = None
    into = ""
    rejected: tuple[tuple[str, str], ...] = ()
    try:
        from uvx_policy.filesystem.capability import installed_into
        from uvx_policy.link_plan import link_plan

        into = installed_into(host, served.path)
        facts, rejected = _gather(
            host, facts, choices, invocation, into=into, state=state, needs=needs
        )
        link = link_plan(host, invocation, choices, facts)
    except Unreadable as error:
        # What needs no facts, `hackable` for one, holds all the same.
        facts = facts.replace(capability=UNTRIED.replace(detail=str(error)))
    outcome = policy.decide(facts)
    if into and policy.links_by_default(facts, outcome):
        from uvx_policy.circumstances import with_circumstances

        facts = with_circumstances(host, facts, into=into)
        outcome = policy.decide(facts)
    edits = rewriting.edits_for(
        outcome,
        link,
        # `uv cache` commands make none either.
        cache_exists=purpose == "manage" or (facts.place is not None and facts.place.exists),
    )
    return Plan(
        uv=uv,
        version=version,
        invocation=invocation,
        destination=destination,
        device=_device(host, into) if into and purpose == "link" else None,
        facts=facts,
        outcome=outcome,
        link=link,
        edits=edits if outcome.refusal is None else rewriting.NOTHING,
        witnesses=host.witnesses,
        state=state,
        rejected=rejected,
    )


def state_directory(host: Host) -> str:
    """Where facts are remembered, absolute; "" for nowhere.

    No home directory is ever made: Nix builds fail when `/homeless-shelter` comes into being. With
    a relative HOME the files would appear wherever uv is called. And in a home that somebody else
    owns (`sudo` that keeps HOME) a directory of ours would shut its owner out.
    """
    state = layout.state_home(host.environ, host.platform)
    home = layout.home(host.environ, host.platform)
    if not os.path.isabs(state):
        return ""
    try:
        at_home = home and state.startswith(os.path.join(home, ""))
        if at_home and host.kind(home) != "directory":
            return ""
        there = host.status(nearest_existing(host, state))
    except Unreadable:
        return ""
    return state if there and host.uid in (-1, there.uid) else ""


def _served(
    host: Host, invocation: Invocation, choices: UvSettings, version: UvVersion | None
) -> tuple[Destination, Purpose]:
    """Whose cache a command uses that links nothing: the environment's of `uv sync` here.

    No path: uv's own cache serves.
    """
    from uvx_policy.filesystem.places import default_cache_usable
    from uvx_policy.uv import destination as destinations
    from uvx_policy.uv.settings import default_cache_dir

    manages = destinations.manages_cache(invocation)
    cache = "" if manages or choices.cache_dir else default_cache_dir(host, choices)
    if not manages and (not cache or default_cache_usable(host, cache) != "no"):
        return Destination(kind="none"), "write"
    beside = destinations.project_environment(host, invocation, choices, version)
    if beside.path or manages:
        return beside, "manage" if manages else "write"
    return Destination(kind="none", path=host.cwd, because="the current directory"), "write"


def _gather(
    host: Host,
    facts: Facts,
    choices: UvSettings,
    invocation: Invocation,
    *,
    into: str,
    state: str,
    needs: KnownNeeds,
) -> tuple[Facts, tuple[tuple[str, str], ...]]:
    """Facts about caches and links `into` the destination; rejected places. Raises `Unreadable`."""
    from uvx_policy.filesystem import places
    from uvx_policy.filesystem.capability import probe_links
    from uvx_policy.filesystem.mounts import read_mount_table
    from uvx_policy.seed.needs import Call
    from uvx_policy.uv.settings import default_cache_dir

    table = read_mount_table(host)

    def links_from(directory: str) -> Capability:
        return probe_links(host, state, table, cache=directory, destination=into)

    cache = default_cache_dir(host, choices)
    if cache:
        usable = places.default_cache_usable(host, cache)
        facts = facts.replace(
            cache=cache,
            cache_usable=usable,
            cache_is_mount_point=places.cache_is_mount_point(host, table, host.real_path(cache)),
        )
        if usable == "yes":
            facts = facts.replace(capability=links_from(nearest_existing(host, cache)))
    call = Call(
        host, invocation, needs,
        into=into, state=state, chooses_versions=choices.chooses_versions,
    )  # fmt: skip
    if not policy.needs_place(facts):
        if facts.settings.seed_from and cache and not (facts.cache_dir or facts.no_cache):
            facts = call.with_shared(facts, cache)
        return facts, ()
    destination = facts.destination
    beside = nearest_existing(host, host.real_path(destination.path))
    is_beside = _device(host, beside) == _device(host, into)
    found = places.find_place(
        host,
        table,
        # What the cache has to lie near; site-packages may lie on another device.
        destination=destination.path if is_beside else into,
        project=destination.project,
        workspace=destination.workspace,
        entries=facts.settings.caches,
        allow_project=facts.cache_usable == "no",
        prefer_project=facts.settings.cache.value == "project",
        links_from=links_from,
    )
    if found.chosen is not None:
        facts = facts.replace(
            place=found.chosen,
            place_capability=links_from(found.chosen.probe_from),
        )
        facts = call.with_needs(facts, found.chosen.directory)
    return facts, found.rejected


def _device(host: Host, directory: str) -> int | None:
    status = host.status(directory)
    return status.device if status else None
