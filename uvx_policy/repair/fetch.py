"""Packages that uv fetches: originals, RECORDs of wheels, and how wheels were published."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from uvx_policy.errors import LinkPolicyError, RealUvNotFound
from uvx_policy.installed import record
from uvx_policy.installed.hash import NO_HASH, of_file
from uvx_policy.installed.tree import Tree, archives
from uvx_policy.repair.records import rebuilt, rows_at
from uvx_policy.repair.uv import Uv
from uvx_policy.replace.foreign import owner_of
from uvx_policy.verify.published import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.tree import Index
    from uvx_policy.machine.machine import Machine
    from uvx_policy.repair.model import Step
    from uvx_policy.verify.published import Published

NOT_AS_ROOT = "root does not run uv in another user's project"
_ALGORITHM = "sha256"
#: name of the private directory, below that for temporary files
_PREFIX = "linkpolicy-originals-"


class Fetcher:
    """Lets uv fetch packages to a private directory, which is removed at the end."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._undo = contextlib.ExitStack()
        #: distribution -> why it could not be had, "" when it could
        self.results: dict[str, str] = {}
        #: unpacked wheels; not as archives of a cache: nothing is to be linked from there
        self.wheels: list[Tree] = []
        #: those, and the wheels as they are installed
        self.trees: list[Tree] = []

    def close(self) -> None:
        """Remove what was fetched."""
        self._undo.close()

    def fetch(self, step: Step, index: Index, uv: Callable[[], Uv]) -> str:
        """Fetch the distribution of a step once; why it could not be had. Never raises."""
        if step.distribution not in self.results:
            environment = _environment_for(step, index)
            self.results[step.distribution] = self._fetched(step, environment, uv)
        return self.results[step.distribution]

    def _fetched(self, step: Step, environment: str, uv: Callable[[], Uv]) -> str:
        project = project_of(self._machine, environment)
        if foreign_owner(environment, project):
            return NOT_AS_ROOT
        try:
            place = tempfile.mkdtemp(prefix=_PREFIX)
            self._undo.callback(shutil.rmtree, place, ignore_errors=True)
            uv().fetch(
                step.location.dist_info,
                into=place,
                python=environment or sys.executable,
                project=project,
            )
        except (LinkPolicyError, OSError) as error:
            return str(error)
        unpacked = archives(os.path.join(place, "cache"))
        found = [Tree(path=path, kind="site", owner=place) for path in unpacked]
        self.wheels += found
        site = os.path.join(place, "site")
        self.trees += (*found, Tree(path=site, kind="site", owner=site))
        return ""

    def learn(self, findings: Sequence[Finding], published: Published) -> bool:
        """Remember how the wheels of findings were published; is anything new? Never raises."""
        is_new = False
        for finding in findings:
            name = os.path.basename(finding.dist_info)
            for wheel in self.wheels:
                path = os.path.join(wheel.path, name, record.NAME)
                with contextlib.suppress(OSError, ValueError):
                    is_new = _learn(finding, path, published) or is_new
        return is_new


def _environment_for(step: Step, index: Index) -> str:
    """An environment that has the package: its project says from where it comes. "" for none."""
    if not step.location.in_cache:
        return step.location.owner
    sites = index.sites_of(os.path.basename(step.location.dist_info))
    return next((tree.owner for tree in sites), "")


def _learn(finding: Finding, wheel: str, published: Published) -> bool:
    """Is anything remembered? Raises `OSError`."""
    if finding.state == "record":
        path = os.path.join(finding.dist_info, record.NAME)
        if _is_same(path, rebuilt(wheel, finding.tree, finding.dist_info)):
            published.remember_record(path)
            return True
    elif finding.state == "extra":
        below = os.path.relpath(finding.path, finding.tree.path)
        source = os.path.join(os.path.dirname(os.path.dirname(wheel)), below)
        if found := of_file(source, _ALGORITHM):
            published.remember(finding.dist_info, below, NO_HASH, found)
            return True
    elif finding.row is not None:
        for source, row in rows_at(wheel, finding.tree):
            # Its RECORD says the same; and the file that came with it, is it something else?
            if (row.path, row.hash) == (finding.row.path, finding.row.hash):
                found = of_file(source, row.hash.algorithm or _ALGORITHM)
                if not os.path.lexists(source):
                    found = ABSENT
                if found and found != row.hash:
                    published.remember(finding.dist_info, row.path, row.hash, found)
                    return True
    return False


def _is_same(path: str, content: bytes | None) -> bool:
    """Does a RECORD have the same rows, that of itself aside?"""
    if content is None:
        return False
    own = {record.Row(f"{os.path.basename(os.path.dirname(path))}/{record.NAME}")}
    return set(record.read_at(path)) - own == set(record.RecordFile(content)) - own


def is_fetched(path: str) -> bool:
    """Does a file lie in what was fetched?"""
    return path.startswith(os.path.join(tempfile.gettempdir(), _PREFIX))


def foreign_owner(environment: str, project: str) -> int:
    """The user for whom root must not run uv, 0 for none: what a project builds runs as root."""
    return owner_of(environment) or owner_of(project)


def project_of(machine: Machine, environment: str) -> str:
    """Where uv is started: settings there say from where packages come."""
    if not environment:
        return machine.cwd
    project = machine.environment_at(environment).project
    return project if os.path.isdir(project) else os.path.dirname(environment)


def real_uv(machine: Machine, *, offline: bool, wait: float) -> Uv:
    """The real uv. Raises `RealUvNotFound`."""
    if not machine.uv:
        raise RealUvNotFound
    return Uv(
        program=os.path.abspath(machine.uv), environ=machine.environ, offline=offline, wait=wait
    )
