"""One run of `repair`: look, plan, fetch, do, and look again."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.errors import LinkPolicyError, UsageError
from uvx_policy.installed import record
from uvx_policy.installed.hash import of_file
from uvx_policy.repair import fetch, unfinished
from uvx_policy.repair.apply import check_package
from uvx_policy.repair.backup import Edit
from uvx_policy.repair.gather import Gathering
from uvx_policy.repair.model import Outcome
from uvx_policy.repair.plan import make_plan
from uvx_policy.repair.records import Wheels
from uvx_policy.repair.work import Work, clean_up
from uvx_policy.replace.aside import Aside
from uvx_policy.verify.command import described, look
from uvx_policy.verify.engine import verify
from uvx_policy.verify.originals import Originals
from uvx_policy.verify.published import Published
from uvx_policy.verify.tally import Tally
from uvx_policy.verify.targets import index_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.tree import Tree
    from uvx_policy.machine.machine import Machine
    from uvx_policy.repair.model import Step
    from uvx_policy.repair.uv import Uv
    from uvx_policy.verify.targets import Target

#: a RECORD that is put back tells of files, and those of a second RECORD that was written from it
_MOST_ROUNDS = 3


class Repair:
    """Everything that a run knows. Close it."""

    def __init__(
        self,
        machine: Machine,
        targets: Sequence[Target],
        work: Work,
        uv: Callable[[], Uv],
        activity: Callable[[], AbstractContextManager[Callable[[str], None]]],
        *,
        also_hackable: bool = False,
        remove_extra: bool = False,
    ) -> None:
        """`uv`: gives the real uv, or raises `LinkPolicyError`; `activity`: shows what is done."""
        self._machine = machine
        self._targets = targets
        self._work = work
        self._uv = uv
        self._also_hackable = also_hackable
        self._remove_extra = remove_extra
        self._activity = activity
        self._published = Published(machine.state)
        self._fetcher = fetch.Fetcher(machine)
        #: steps that fetched, with results
        self._fetched: list[Step] = []
        self._index = index_of(machine, targets)
        #: what is wrong now
        self.findings: list[Finding] = []
        #: the same before anything was done about it
        self._before: list[Finding] = []
        #: of what was asked for, now
        self.tally = Tally()
        self._others = unfinished.left(machine.state)
        self._rounds = 0

    def close(self) -> None:
        """Remove what was fetched."""
        self._fetcher.close()

    # Look and plan -------------------------------------------------------------------------------

    def plan(self) -> list[Step]:
        """Look, and decide what to do. Raises `UsageError`."""
        self._look()
        return self._plan()

    def _look(self) -> None:
        """Find everything that is wrong in the targets, and in what is to be finished."""
        # What was read before may have been written since.
        self._index = index_of(self._machine, self._targets)
        self.tally = Tally()
        found = dict.fromkeys(self._found())
        paths = {each.path for each in found}
        more = [
            finding
            for tree, wanted in self._paths_elsewhere().items()
            for finding in verify([tree], only=wanted, state=self._machine.state, workers=0)
            if finding.path not in paths
        ]
        self.findings = [*found, *described(more, self._index, self._machine)]

    def _found(self) -> Iterator[Finding]:
        """What is wrong in the targets. Raises `UsageError` before something was done."""
        if not self._rounds:
            yield from look(self._targets, self._machine, self._index, self.tally)
            return
        parts = [[each] for each in self._targets if each.part]
        for targets in ([each for each in self._targets if not each.part], *parts):
            # Of a part that was removed nothing is left to verify.
            with contextlib.suppress(UsageError):
                yield from look(targets, self._machine, self._index, self.tally)

    def _paths_elsewhere(self) -> dict[Tree, set[str]]:
        """What killed repairs did not get to, and what this one did outside of its targets."""
        found: dict[Tree, set[str]] = {}
        for rows in self._others.values():
            for tree, path in rows:
                found.setdefault(tree, set()).add(path)
        for location in (step.location for step in self._work.done if step.is_change):
            if not location.in_cache or location.in_archive:
                found.setdefault(location.tree, set()).add(location.path)
        return found

    def _plan(self) -> list[Step]:
        originals = Originals(self._index)
        for tree in self._fetcher.trees:
            originals.look_also_in(tree)
        wheels = Wheels(self._index, self._fetcher.wheels)
        gathering = Gathering(self._machine, self._index, originals, wheels, self._published)
        damages = gathering.damages(self.findings)
        places = [each for damage in damages for each in damage.locations]
        owners = {each.owner for each in places if not each.in_cache}
        return make_plan(
            damages,
            {owner: self._machine.policy_at(owner) for owner in owners},
            also_hackable=self._also_hackable,
            remove_extra=self._remove_extra,
            fetched=self._fetcher.results,
        )

    # Do ------------------------------------------------------------------------------------------

    def carry_out(self, steps: Sequence[Step]) -> list[Step]:
        """Fetch, lock, save, do, and look again; what is to be done next, now that a RECORD tells.

        Raises `Busy` and `CannotKeep`: then nothing was changed in this round.
        """
        self._rounds += 1
        self._before += self.findings
        while wanted := [step for step in steps if step.action == "fetch"]:
            self._fetch(wanted)
            steps = self._plan()
        unsavable: set[Step] = set()

        def edits_before_reinstalling(steps: Sequence[Step]) -> Iterator[Edit]:
            for step in steps:
                if step.action == "reinstall":
                    edits = self._edits_in(step)
                    if edits is None:
                        unsavable.add(step)
                    yield from edits or ()

        clean_up(self._index, self._work.rescue)
        earlier = len(self._work.done)
        with self._activity() as advance:
            steps = self._work.carry_out(steps, self.plan, advance, edits_before_reinstalling)
            for step in steps:
                if step.action == "reinstall":
                    advance(f"uv reinstalls {step.release}")
                    is_saved = step not in unsavable
                    self._work.done.append(self._reinstalled(step, is_saved=is_saved))
        self._look()
        self._forget_others()
        results = self._work.done[earlier:]
        restored = any((step.action, step.result) == ("record", "done") for step in results)
        if not restored or self._rounds >= _MOST_ROUNDS:
            return []
        tried = {(step.action, step.location.path) for step in self.done}
        return [
            step
            for step in self._plan()
            if (step.is_change or step.action == "fetch")
            and (step.action, step.location.path) not in tried
        ]

    def _fetch(self, steps: Sequence[Step]) -> None:
        with self._activity() as advance:
            for step in steps:
                advance(f"uv fetches {step.release}")
                because = self._fetcher.fetch(step, self._index, self._uv)
                result = step.replace(result="failed" if because else "done", detail=because)
                self._fetched.append(result)
        if self._fetcher.learn(self.findings, self._published):
            self._look()

    def _edits_in(self, step: Step) -> list[Edit] | None:
        """Every edited file of a package that uv is about to replace as a whole. Never raises.

        `None` when no RECORD tells: then nobody knows what would be lost.
        """
        tree, dist_info = step.location.tree, step.location.dist_info
        expected = Wheels(self._index, self._fetcher.wheels).expected_at(tree, dist_info)
        if expected is None:
            return None
        return [
            Edit(
                path=file,
                distribution=step.distribution,
                name=os.path.relpath(file, tree.path),
                state="edited",
            )
            for file, each in expected.items()
            if os.path.isfile(file) and (not each or of_file(file, each.algorithm) != each)
        ]

    def _reinstalled(self, step: Step, *, is_saved: bool) -> Step:
        if not is_saved:
            detail = "without a RECORD, edits in it cannot be found and saved first"
            return step.replace(result="failed", detail=detail)
        environment = step.location.owner
        project = fetch.project_of(self._machine, environment)
        uid = fetch.foreign_owner(environment, project)
        if uid:
            return step.replace(result="failed", detail=fetch.NOT_AS_ROOT, whose=uid)
        known = self._machine.environment_at(environment)
        try:
            check_package(step)
            with contextlib.closing(Aside(environment, self._files_of(step))) as aside:
                try:
                    self._uv().reinstall(
                        step.location.dist_info,
                        environment=environment,
                        cache=step.source or known.cache,
                        link_mode=known.link_mode,
                        project=project,
                        evict=bool(step.source),
                    )
                finally:
                    # uv removes the old package first, and may fail after that, or be killed.
                    lost = aside.bring_back() if self._is_gone(step) else 0
        except (LinkPolicyError, OSError) as error:
            told = isinstance(error, OSError) and error.strerror
            return step.replace(result="failed", detail=told or str(error))
        if lost:
            return step.replace(result="failed", detail="uv removed it and did not install it")
        return step.replace(result="done")

    def _is_gone(self, step: Step) -> bool:
        """Has uv left the package without a RECORD, which it writes last?"""
        return not os.path.isfile(os.path.join(step.location.dist_info, record.NAME))

    def _files_of(self, step: Step) -> Iterator[str]:
        """Every file of a package, as far as anything tells."""
        tree, dist_info = step.location.tree, step.location.dist_info
        yield from Wheels(self._index, self._fetcher.wheels).expected_at(tree, dist_info) or {}
        with contextlib.suppress(OSError):
            for row in record.read_at(os.path.join(dist_info, record.NAME)):
                if not row.problem:
                    yield record.located(tree.path, row.path)
        for directory, _, names in os.walk(dist_info):
            yield from (os.path.join(directory, name) for name in names)

    def clean_up(self) -> None:
        """Remove what killed repairs left: nothing of it is still to be done."""
        if clean_up(self._index, self._work.rescue):
            self._look()
        self._forget_others()

    def _forget_others(self) -> None:
        """Earlier repairs of which nothing is left to do any more."""
        wrong = {finding.path for finding in self.findings if finding.is_fault}
        for name, rows in self._others.items():
            if not any(path in wrong for _, path in rows):
                unfinished.end(self._machine.state, name)

    # What came of it -----------------------------------------------------------------------------

    @property
    def done(self) -> list[Step]:
        """All steps with their results."""
        return [*self._fetched, *self._work.done]

    def outcome(self) -> Outcome:
        """What came of everything, and what is still wrong."""
        intended = {step.location.path: step.because for step in self.done if step.is_intended}
        return Outcome(
            steps=tuple(self.done),
            saved=self._work.saved,
            findings=tuple(
                each.replace(intended=intended.get(each.path, each.intended))
                for each in self.findings
            ),
            unknown_names=self._unknown_names(),
        )

    def _unknown_names(self) -> int:
        """How many names of replaced inodes are in no environment that is known."""
        replaced = {
            step.location.path
            for step in self.done
            if step.action in ("restore", "relink", "remove", "detach")
        }
        found = {}
        for finding in self._before:
            if finding.path in replaced:
                names = {finding.path, *(place.path for place in finding.elsewhere)}
                found[min(names)] = finding.unknown_names
        return sum(found.values())
