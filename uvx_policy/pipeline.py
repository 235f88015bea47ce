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
    from collections.abc import Iterator, Sequence

    from uvx_policy.decide import Facts, Outcome
    from uvx_policy.edits import Edits
    from uvx_policy.model import UvVersion
    from uvx_policy.replay.witness import Witnesses
    from uvx_policy.symlinked_venv import LinkPlan
    from uvx_policy.uv.invocation import Invocation
    from uvx_policy.uv.settings import UvSettings


class Plan(Value):
    """Everything that was found out and decided for one call of uv."""

    uv: str
    version: UvVersion | None
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

    def story(self) -> Iterator[str]:
        """The plan in lines, for `LINKPOLICY_LOG=debug`."""
        version = ".".join(map(str, self.version)) if self.version else "of unknown version"
        yield f"real uv: `{self.uv}` {version}"
        yield f"destination: {self.destination.kind} `{self.destination.path}`"
        if self.facts is not None:
            yield f"cache `{self.facts.cache}`: {self.facts.capability.detail}"
        decisions = {"link mode": self.outcome.link_mode, "cache": self.outcome.cache_dir}
        for name, decision in decisions.items():
            value = decision.value or "left alone"
            yield f"{name}: {value} [{decision.code}] {decision.because} ({decision.origin})"
        if self.link is not None:
            yield f"link: [{self.link.code}] {self.link.because}"


def make_plan(program: str, arguments: Sequence[str], *, environ: dict[str, str], uv: str) -> Plan:
    """Understand one call and decide. `environ` must be free of our own old values.

    Raises `ConfigError` for faults in linkpolicy's own settings. Touches nothing but a try of
    clone and hard link that leaves nothing behind, and our own memory.
    """
    from uvx_policy.uv import version as uv_version

    invocation = command_line.parse_significant(program, tuple(arguments))
    # Seen by another `Host`: where facts are remembered is nothing that a decision depends on.
    state = state_directory(Host(environ=environ))
    host = Host(environ=environ)
    # Another version of linkpolicy may decide otherwise.
    if host.status(str(uvx_policy.__file__)) is None:
        host.witnesses.spoil("linkpolicy is not a file")

    def left_alone(destination: Destination, version: UvVersion | None = None) -> Plan:
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
        return left_alone(Destination(kind="none", because="uv only prints something"))
    if invocation.uncertain:
        because = "these words are not understood; uv gets them as is"
        return left_alone(Destination(kind="unknown", because=because))
    # `uvx` stays in uv's cache, whatever the version.
    version = None if program == "uvx" else uv_version.uv_version(host, uv, state=state)
    try:
        from uvx_policy.uv import destination as destinations
        from uvx_policy.uv import settings as uv_settings
        from uvx_policy.uv import workspace

        host = workspace.working_directory(host, invocation, version)
        choices = uv_settings.read_uv_settings(host, invocation, version)
        destination = destinations.find_destination(host, invocation, choices, version)
    except (Unreadable, ConfigError) as error:
        # uv reads the same files and says itself what is wrong with them.
        return left_alone(Destination(kind="unknown", because=str(error)), version)
    if policy.left_alone(destination) is not None:
        return left_alone(destination, version)
    from uvx_policy.settings import reader as own

    settings = own.read_settings(
        host,
        project=destination.project,
        workspace=destination.workspace,
        place=os.path.dirname(destination.path),
    )
    facts = policy.Facts(
        platform=host.platform,
        version=version,
        destination=destination,
        settings=settings,
        link_mode=choices.link_mode,
        cache_dir=choices.cache_dir,
        no_cache=choices.no_cache,
        offline=choices.offline is not None,
    )
    link = None
    into = ""
    rejected: tuple[tuple[str, str], ...] = ()
    try:
        from uvx_policy.filesystem.capability import installed_into

        into = installed_into(host, destination.path)
        facts, rejected = _gather(host, facts, choices, into=into, state=state)
        link = _link_plan(host, invocation, choices, facts)
    except Unreadable as error:
        # What needs no facts, `hackable` for one, holds all the same.
        facts = facts.replace(capability=UNTRIED.replace(detail=str(error)))
    outcome = policy.decide(facts)
    edits = rewriting.edits_for(
        outcome, link, cache_exists=facts.place is not None and facts.place.exists
    )
    return Plan(
        uv=uv,
        version=version,
        invocation=invocation,
        destination=destination,
        device=_device(host, into) if into else None,
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


def prepare(edits: Edits) -> None:
    """Make the directories that the edits rely on. Raises `LinkPolicyError`: then apply nothing."""
    if edits.make_directory:
        from uvx_policy.errors import LinkPolicyError

        try:
            os.mkdir(edits.make_directory)
        except FileExistsError:
            pass
        except OSError as error:
            message = f"cannot make `{edits.make_directory}`: {error.strerror}"
            raise LinkPolicyError(message) from error
    if edits.make_cache:
        from uvx_policy.filesystem.cache_directory import make_cache_directory

        make_cache_directory(edits.make_cache)


def without_directories(edits: Edits) -> Edits:
    """What still holds when a directory cannot be made: private copies, from whichever cache."""
    if edits.variables.get(rewriting.LINK_MODE_VARIABLE) != "copy":
        return rewriting.NOTHING
    return rewriting.Edits(variables={rewriting.LINK_MODE_VARIABLE: "copy"})


def _gather(
    host: Host, facts: Facts, choices: UvSettings, *, into: str, state: str
) -> tuple[Facts, tuple[tuple[str, str], ...]]:
    """Facts about caches and links `into` the destination; rejected places. Raises `Unreadable`."""
    from uvx_policy.filesystem import places
    from uvx_policy.filesystem.capability import probe_links
    from uvx_policy.filesystem.mounts import read_mount_table
    from uvx_policy.uv.settings import default_cache_dir

    table = read_mount_table(host)
    cache = default_cache_dir(host, choices)
    if cache:
        usable = places.default_cache_usable(host, cache)
        facts = facts.replace(
            cache=cache,
            cache_usable=usable,
            cache_is_mount_point=places.cache_is_mount_point(host, table, host.real_path(cache)),
        )
        if usable == "yes":
            near = nearest_existing(host, cache)
            links = probe_links(host, state, table, cache=near, destination=into)
            facts = facts.replace(capability=links)
    if not policy.needs_place(facts):
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
    )
    if found.chosen is not None:
        near = found.chosen.probe_from
        facts = facts.replace(
            place=found.chosen,
            # Listed only where it counts: uv changes that directory all the time.
            place_is_cold=not facts.offline or places.cache_is_cold(host, found.chosen.directory),
            place_capability=probe_links(host, state, table, cache=near, destination=into),
        )
    return facts, found.rejected


def _link_plan(
    host: Host, invocation: Invocation, choices: UvSettings, facts: Facts
) -> LinkPlan | None:
    """How a symbolic link at the destination is kept; `None` when there is no link to keep."""
    destination = facts.destination
    is_kept = facts.settings.symlinked_venv.value != "ignore"
    if destination.kind not in ("project", "new") or not is_kept:
        return None
    if host.link_kind(destination.path) != "symlink":
        return None
    from uvx_policy.symlinked_venv import LinkFacts, keep_link

    target = host.real_path(destination.path)
    real_cache = host.real_path(facts.cache) if facts.cache else ""
    exists = host.kind(target) == "directory"
    return keep_link(
        LinkFacts(
            target=target,
            target_exists=exists,
            parent_exists=host.kind(os.path.dirname(target)) == "directory",
            into_cache=bool(real_cache) and target.startswith(real_cache + os.sep),
            # Asked only of what is missing: a link that leads somewhere needs no more witnesses.
            is_user_base=not exists and _is_user_base(host, target),
        ),
        invocation=invocation,
        destination=destination,
        version=facts.version,
        at_workspace_root=bool(destination.workspace)
        and choices.project_directory == destination.workspace,
    )


def _is_user_base(host: Host, target: str) -> bool:
    home = host.environ.get("HOME", "")
    return bool(home) and target == host.real_path(os.path.join(home, ".local"))


def _device(host: Host, directory: str) -> int | None:
    status = host.status(directory)
    return status.device if status else None
