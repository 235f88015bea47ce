"""Carry out the steps of `repair` and `detach`: locks, what is saved, and the journal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from uvx_policy.caches import locks
from uvx_policy.installed.tree import trees_of_environment
from uvx_policy.repair import apply, backup, restore, unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from uvx_policy.installed.tree import Index
    from uvx_policy.repair.backup import Edit
    from uvx_policy.repair.model import Step


class Work:
    """What was done so far; right at any time, also after Ctrl-C."""

    def __init__(self, state: str, edits_directory: str, wait: float) -> None:
        """`state`: the state directory, "" for none; `wait`: seconds for each lock."""
        self._state = state
        self._edits_directory = edits_directory
        self._wait = wait
        #: directory in which edits were saved, "" when none were
        self.saved = ""
        #: steps with their results
        self.done: list[Step] = []
        #: how many steps there are to do, with those that are done
        self.planned = 0
        #: what is being done
        self._current: Step | None = None

    def carry_out(
        self,
        steps: Sequence[Step],
        again: Callable[[], Sequence[Step]],
        advance: Callable[[str], None],
        more_edits: Callable[[Sequence[Step]], Iterable[Edit]] = lambda _: (),
    ) -> Sequence[Step]:
        """Lock, save, and do; the steps that were carried out.

        `again`: makes the plan again where somebody else had a lock first. `more_edits`: what is to
        be saved besides that which the steps replace. Raises `Busy` and `CannotKeep`: then nothing
        was changed.
        """
        waited = False

        def waiting(holder: locks.Holder) -> None:
            nonlocal waited
            waited = True
            advance(f"waiting for {holder}")

        with contextlib.ExitStack() as held:
            for directory in apply.owners_to_lock(steps):
                held.enter_context(locks.alone(directory, self._wait, meanwhile=waiting))
            if waited:
                # As far as it is still to be done: whoever was waited for may have done it.
                paths = {step.location.path for step in steps}
                steps = [step for step in again() if step.location.path in paths]
            edits = [*apply.edits_of(steps), *more_edits(steps)]
            kept = backup.keep(edits, self._edits_directory, self.saved) if edits else None
            if kept is not None:
                self.saved = kept.directory or self.saved
            self.planned += sum(step.is_change for step in steps)
            journal = unfinished.begin(self._state, steps)
            self._apply(steps, kept, advance)
            unfinished.end(self._state, journal)
        return steps

    def _apply(
        self, steps: Sequence[Step], kept: backup.Kept | None, advance: Callable[[str], None]
    ) -> None:
        def doing(step: Step) -> None:
            self._current = step
            advance(f"{step.action} {step.location.path}")

        for step in apply.apply(steps, kept.seen if kept is not None else {}, doing):
            self.done.append(step)
            self._current = None

    def interrupted(self) -> list[Step]:
        """What was done when Ctrl-C came; the file system knows of the last step."""
        current = self._current
        if current is not None and apply.is_done(current):
            return [*self.done, current.replace(result="done")]
        return self.done


def clean_up(index: Index) -> None:
    """Remove what killed runs left, in all that is known: nobody knows which it was."""
    for cache in index.caches:
        restore.clean_up(cache)
    for environment in index.environments:
        for tree in trees_of_environment(environment):
            restore.clean_up(tree.path)
