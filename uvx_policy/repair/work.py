"""Carry out the steps of `repair` and `detach`: locks, what is saved, and the journal."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.caches import locks
from uvx_policy.installed.tree import trees_of_environment
from uvx_policy.repair import apply, backup, unfinished
from uvx_policy.repair.plan import key_of
from uvx_policy.replace import aside, shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from uvx_policy.installed.hash import Hash
    from uvx_policy.installed.tree import Index
    from uvx_policy.repair.backup import Edit
    from uvx_policy.repair.model import Step
    from uvx_policy.replace.place import Place

#: environments that are worked in at the same time: each takes five open files
_AT_ONCE = 20


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
        be saved besides that which the steps replace. Raises `Busy` and `CannotKeep`: what was
        changed until then is in `done`.
        """
        waited = False

        def waiting(holder: locks.Holder) -> None:
            nonlocal waited
            waited = True
            advance(f"waiting for {holder}")

        def still_to_do(steps: Sequence[Step]) -> list[Step]:
            """Without those that whoever was waited for has done.

            What became another thing meanwhile stays as it was planned: `apply` says so.
            """
            now = {key_of(step): step for step in again()}
            pairs = [(step, now[key]) for step in steps if (key := key_of(step)) in now]
            return [new if _is_same(old, new) else old for old, new in pairs]

        def lock(held: contextlib.ExitStack, owners: Iterable[str]) -> None:
            for directory in owners:
                held.enter_context(locks.alone(directory, self._wait, meanwhile=waiting))

        done: list[Step] = []
        with contextlib.ExitStack() as held:
            lock(held, apply.divided(steps).caches)
            if waited:
                steps = still_to_do(steps)
            journal = unfinished.begin(self._state, steps)
            self.planned += sum(step.is_change for step in steps)
            _, here, environments = apply.divided(steps)
            names = list(environments)
            # Each lock is an open file: not of 1,001 environments at once.
            for first in range(0, max(len(names), 1), _AT_ONCE):
                some, waited = names[first : first + _AT_ONCE], False
                with contextlib.ExitStack() as held_here:
                    lock(held_here, some)
                    theirs = dict(row for name in some for row in environments[name].items())
                    here += [theirs[number] for number in sorted(theirs)]
                    here = still_to_do(here) if waited else here
                    self._save_and_apply(here, advance, more_edits)
                done += here
                here = []
        # What failed is for the next run to find, whatever that is asked for.
        if not any(step.result == "failed" for step in self.done):
            unfinished.end(self._state, journal)
        return done

    def _save_and_apply(
        self,
        steps: Sequence[Step],
        advance: Callable[[str], None],
        more_edits: Callable[[Sequence[Step]], Iterable[Edit]],
    ) -> None:
        edits = [*apply.edits_of(steps), *more_edits(steps)]
        kept = backup.keep(edits, self._edits_directory, self.saved) if edits else backup.Kept()
        self.saved = kept.directory or self.saved
        self._apply(steps, kept.contents, advance)

    def _apply(
        self, steps: Sequence[Step], kept: Mapping[str, Hash], advance: Callable[[str], None]
    ) -> None:
        def doing(step: Step) -> None:
            self._current = step
            advance(f"{step.action} {step.location.path}")

        for step in apply.apply(steps, kept, doing, self.rescue):
            self.done.append(step)
            self._current = None

    def rescue(self, place: Place, path: str) -> None:
        """Save what somebody put at `path` while we were at it. Raises `CannotKeep`."""
        # In the end all are done, and each may be what is rescued.
        steps = [*self.done, *([self._current] if self._current else [])]
        step = next((each for each in reversed(steps) if each.location.path == path), None)
        edit = backup.Edit(
            path=path,
            distribution=step.distribution if step else "unfinished",
            name=(step and step.name) or os.path.basename(path),
            state="changed",
            lies_at=place.path,
        )
        kept = backup.keep([edit], self._edits_directory, self.saved)
        self.saved = kept.directory or self.saved
        if path not in kept.contents:  # its directory was renamed: it is still there
            raise backup.CannotKeep(f"cannot save your edits: `{place.path}` was moved away")

    def interrupted(self) -> list[Step]:
        """What was done when Ctrl-C came; the file system knows of the last step."""
        current = self._current
        if current is not None and apply.is_done(current):
            return [*self.done, current.replace(result="done")]
        return self.done


def clean_up(index: Index, rescue: Callable[[Place, str], None]) -> int:
    """Remove what killed runs left, in all that is known: nobody knows which it was.

    How many files of packages were brought back that uv was reinstalling.
    """
    count = 0
    for cache in index.caches:
        shop.clean_up(cache, rescue)
    for environment in index.environments:
        count += aside.finish(environment)
        for directory in (environment, *(tree.path for tree in trees_of_environment(environment))):
            shop.clean_up(directory, rescue)
    return count


def _is_same(old: Step, new: Step) -> bool:
    """Is it the same package, and is there still what it takes?"""
    same = old.location.package == new.location.package
    return same and (new.original is not None or old.original is None)
