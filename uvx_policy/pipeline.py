"""From one call to its plan: gather facts, decide, say the edits. No policy of its own."""

from __future__ import annotations

import os

from uvx_policy import decide as policy
from uvx_policy import edits as rewriting
from uvx_policy import invocation as command_line
from uvx_policy import layout
from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host
from uvx_policy.model import UNTRIED, Decision, Destination
from uvx_policy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.decide import Facts, Outcome
    from uvx_policy.edits import Edits
    from uvx_policy.invocation import Invocation
    from uvx_policy.mounts import MountTable
    from uvx_policy.settings import Settings
    from uvx_policy.symlinked_venv import LinkPlan
    from uvx_policy.uv_settings import UvSettings


class Plan(Record):
    """Everything that was found out and decided for one call of uv."""

    uv: str
    version: tuple[int, int, int] | None
    invocation: Invocation
    destination: Destination
    #: `st_dev` of the destination's nearest existing directory, `None` when there is no destination
    device: int | None
    facts: Facts | None
    outcome: Outcome
    link: LinkPlan | None
    edits: Edits
    #: directories that may not hold a cache, and why
    rejected: tuple[tuple[str, str], ...] = ()

    def story(self) -> Iterator[str]:
        """The plan in lines, for `LINKPOLICY_LOG=debug`."""
        version = ".".join(map(str, self.version)) if self.version else "of unknown version"
        yield f"real uv: `{self.uv}` {version}"
        yield f"destination: {self.destination.kind} `{self.destination.path}`"
        if self.facts is not None:
            yield f"cache `{self.facts.cache}`: {self.facts.capability.detail}"
        for name, decision in (
            ("link mode", self.outcome.link_mode),
            ("cache", self.outcome.cache_dir),
        ):
            value = decision.value or "left alone"
            yield f"{name}: {value} [{decision.code}] {decision.because} ({decision.origin})"
        if self.link is not None:
            yield f"link: [{self.link.code}] {self.link.because}"


def make_plan(
    program: str, arguments: Sequence[str], *, environ: dict[str, str], uv: str
) -> Plan:
    """Understand one call and decide. `environ` must be free of our own old values.

    Raises `ConfigError` for faults in linkpolicy's own settings. Touches nothing but a try of
    clone and hard link that leaves nothing behind, and our own memory.
    """
    from uvx_policy import uv_version

    invocation = command_line.parse(program, tuple(arguments))
    if invocation.informative or invocation.uncertain:
        return _left_alone(uv, None, invocation, _not_understood(invocation))
    host = Host(environ=environ)
    state = layout.state_home(environ, host.platform)
    version = uv_version.uv_version(host, uv, state=state)
    try:
        from uvx_policy import destination as destinations
        from uvx_policy import uv_settings, workspace

        host = workspace.working_directory(host, invocation, version)
        choices = uv_settings.read_uv_settings(host, invocation, version)
        destination = destinations.find_destination(host, invocation, choices, version)
    except (Unreadable, ConfigError) as error:
        # uv reads the same files and says itself what is wrong with them.
        unknown = Destination(kind="unknown", because=str(error))
        return _left_alone(uv, version, invocation, unknown)
    if policy.left_alone(destination) is not None:
        return _left_alone(uv, version, invocation, destination)
    from uvx_policy import settings as own

    settings = own.read_settings(
        host,
        project=destination.project,
        workspace=destination.workspace,
        place=os.path.dirname(destination.path),
    )
    try:
        return _decide_for(
            host, uv, version, invocation, choices, destination, settings, state=state
        )
    except Unreadable as error:
        unknown = Destination(kind="unknown", because=str(error))
        return _left_alone(uv, version, invocation, unknown)


def prepare(edits: Edits) -> None:
    """Make the directories that the edits rely on. Raises `LinkPolicyError`: then apply nothing."""
    if edits.make_directory:
        from uvx_policy.errors import LinkPolicyError

        try:
            os.mkdir(edits.make_directory)
        except FileExistsError:
            pass
        except OSError as error:
            raise LinkPolicyError(
                f"cannot make `{edits.make_directory}`: {error.strerror}"
            ) from error
    if edits.make_cache:
        from uvx_policy.cache_directory import make_cache_directory

        make_cache_directory(edits.make_cache)
