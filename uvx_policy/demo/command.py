"""`linkpolicy demo`: the five problems, without and with the policy, on this machine.

A real uv installs a tiny wheel in a temporary directory; no network, nothing of the user's is
read or written.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy import locate
from uvx_policy.demo import interrupts, tiny_wheel
from uvx_policy.demo import places as demo_places
from uvx_policy.demo import report as demo_report
from uvx_policy.demo import stage as demo_stage
from uvx_policy.demo.evidence import CannotTell
from uvx_policy.demo.problems import PROBLEMS, Finding
from uvx_policy.demo.report import Outcome
from uvx_policy.errors import EXIT_FINDINGS, RealUvNotFound
from uvx_policy.filesystem import probe
from uvx_policy.host import Host
from uvx_policy.state.remembered import after_path
from uvx_policy.terminal.progress import progress
from uvx_policy.uv import version as uv_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from uvx_policy.demo.places import Device
    from uvx_policy.demo.problems import Problem
    from uvx_policy.demo.stage import Stage
    from uvx_policy.model import UvVersion

_FAULTS = (demo_stage.UvFailed, CannotTell, OSError)


def run(*, json_output: bool, keep: bool) -> int:
    """Play and report; 0 when everything that can show here comes out as promised, 1 otherwise.

    Raises `RealUvNotFound`, and `UsageError` where no shim can be started. `keep` leaves the
    directories there (never a mount) and says where.
    """
    with contextlib.ExitStack() as undo:
        say = undo.enter_context(progress("looking for uv"))
        temporary = undo.enter_context(demo_places.temporary_directory(keep=keep))
        uv, version = _find_uv(temporary, os.environ)
        say("making a second device")
        device = undo.enter_context(demo_places.second_device(temporary, os.environ, keep=keep))
        theatre = Theatre(temporary, device=device, uv=uv, environ=os.environ)
        outcomes = [_give(problem, theatre, say) for problem in PROBLEMS]
        kept = [temporary, *([device.directory] if device.borrowed else [])] if keep else []
        say("cleaning up")
    if json_output:
        demo_report.print_json(outcomes, kept)
    else:
        demo_report.print_table(outcomes, version, kept)
    return 0 if demo_report.as_promised(outcomes) else EXIT_FINDINGS


class Ground(NamedTuple):
    """Where a play is given: new directories are made below these two."""

    home: str
    projects: str
    #: how a person says where
    name: str


class Theatre:
    """Builds the stages."""

    def __init__(
        self, temporary: str, *, device: Device, uv: str, environ: Mapping[str, str]
    ) -> None:
        """`temporary` is an empty directory of ours. Raises `UsageError`."""
        self.device = device
        self.first = temporary
        self._uv = uv
        self._environ = environ
        self._shims = os.path.join(temporary, "shims")
        demo_stage.write_shims(self._shims)
        self._wheels: dict[int, str] = {}

    def grounds(self, problem: Problem) -> list[Ground]:
        """Where the problem may show, best first."""
        first, second = self.first, self.device.directory
        # Where the first one clones, the second one may not.
        place = Ground(first if problem.across else second, second, "on the second device")
        there = [place] if second else []
        here = Ground(first, first, f"in `{os.path.dirname(first)}`")
        return there if problem.across else [here, *there]

    def stage(self, problem: Problem, ground: Ground, *, policy: bool) -> Stage:
        """Set up for one run."""
        name = f"{problem.issue}-{'with' if policy else 'without'}"
        stage = demo_stage.Stage(
            os.path.join(ground.home, name),
            projects=os.path.join(ground.projects, name, "projects"),
            wheels=self._wheel_directory(problem.weight),
            uv=self._uv,
            shims=self._shims if policy else "",
            environ=self._environ,
        )
        if self.device.borrowed and problem.across:
            cache = os.path.join(ground.projects, name, "cache")
            stage.configure({"caches": {self.device.borrowed: cache}})
        return stage

    def _wheel_directory(self, weight: int) -> str:
        if weight not in self._wheels:
            directory = os.path.join(self.first, f"wheels-{weight}")
            os.mkdir(directory)
            # An exception while a member is open makes zipfile raise another one.
            with interrupts.held():
                tiny_wheel.build_wheel(directory, weight=weight)
            self._wheels[weight] = directory
        return self._wheels[weight]


def _give(problem: Problem, theatre: Theatre, say: Callable[[str], None]) -> Outcome:
    """Play a problem without the policy and, where it shows, with it."""
    reasons = [] if theatre.grounds(problem) else [theatre.device.reason]
    for ground in theatre.grounds(problem):
        say(f"#{problem.issue} without the policy: {problem.title}")
        try:
            without = problem.play(theatre.stage(problem, ground, policy=False))
        except _FAULTS as error:
            reasons.append(_sentence(error))
            continue
        if without.ok:
            reasons.append(_why_fine(ground))
            continue
        say(f"#{problem.issue} with the policy: {problem.title}")
        stage = theatre.stage(problem, ground, policy=True)
        try:
            under_policy = problem.play(stage)
        except _FAULTS as error:
            under_policy = Finding(ok=False, result="failed")
            reasons.append(_sentence(error))
        if not under_policy.ok:
            reasons += stage.warnings
        return Outcome(problem, without, under_policy, "; ".join(dict.fromkeys(reasons)))
    reasons.append(f"it shows where {problem.shows_where}")
    return Outcome(problem, None, None, "; ".join(reasons))


def _why_fine(ground: Ground) -> str:
    links = probe.try_links(cache=ground.home, destination=ground.projects)
    if links.clone == "yes":
        return f"{ground.name} files are cloned, which share blocks but no inode"
    if links.hardlink == "no":
        return f"{ground.name} nothing can be hard linked"
    return f"with this uv it does not happen {ground.name}"


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _find_uv(temporary: str, environ: Mapping[str, str]) -> tuple[str, UvVersion]:
    """The first real uv that answers in a foreign home; another manager's shim may not."""
    private = demo_stage.private_environ(environ, os.path.join(temporary, "uv"))
    host = Host(environ=private, cwd=temporary)
    for path in locate.real_programs(
        "uv", search_path=environ.get("PATH"), embedded=after_path(environ)
    ):
        version = uv_version.uv_version(host, os.path.abspath(path), state="")
        if version is not None:
            return os.path.abspath(path), version
    raise RealUvNotFound
