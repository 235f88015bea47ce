"""What all checks of one run look at: the machine, and this environment in detail."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from uvx_policy.doctor.diagnostic import skip
from uvx_policy.installed import distributions as installed
from uvx_policy.installed import linking
from uvx_policy.installed.inspection import inspect
from uvx_policy.installed.prefetch import Prefetch
from uvx_policy.machine.machine import Machine
from uvx_policy.uv.version import uv_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from uvx_policy.decide import Facts
    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.linking import Linking
    from uvx_policy.installed.model import Survey
    from uvx_policy.installed.tree import Index
    from uvx_policy.model import UvVersion
    from uvx_policy.pipeline import Plan

P = ParamSpec("P")
T = TypeVar("T")
#: of a check that looks at the files of the environment
NO_ENVIRONMENT = skip("there is no environment yet")


class Case(Machine):
    """The machine, this directory, and the call of uv that installs here."""

    def __init__(self, *, environ: Mapping[str, str], cwd: str, verify: bool = False) -> None:
        """`verify`: read every byte."""
        super().__init__(environ=environ, cwd=cwd)
        self.verify = verify
        #: files that a check of this run has reported already
        self.reported: set[str] = set()
        self._prefetch: Prefetch | None = None

    @cached_property
    def version(self) -> UvVersion | None:
        """The real uv's version; unlike `uv_version` asks uv, unless it is remembered."""
        return uv_version(self.host, self.uv, state=self.state) if self.uv else None

    @cached_property
    def environment(self) -> str:
        """The environment that uv installs into here, "" when unknown: absolute, may be absent.

        Where nothing can be decided it is the one that files alone tell.
        """
        plan = self.sound_plan
        if plan is not None and plan.facts is not None:
            return plan.destination.path
        return self.environment_here

    @cached_property
    def real_environment(self) -> str:
        """The same without symbolic links, "" when it does not exist."""
        return os.path.realpath(self.environment) if os.path.isdir(self.environment) else ""

    @cached_property
    def survey(self) -> Survey | None:
        """How the environment is stored, shared extents aside; `None` when there is none."""
        there = self.real_environment
        if not there:
            return None
        return self._prefetch.survey() if self._prefetch else inspect(there)

    def begin(self) -> None:
        """Have that begun now that takes longest. Raises nothing: the checks tell what is wrong."""
        with contextlib.suppress(Exception):
            if self.real_environment:
                self._prefetch = Prefetch(self.real_environment)

    @cached_property
    def linkings(self) -> tuple[Linking, ...]:
        """How each distribution was put into the environment."""
        sites = installed.site_directories(self.real_environment) if self.real_environment else ()
        return tuple(each for site in sites for each in linking.linkings(site))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the installed files, as far as it shows without hashing all of them.

        Files that look edited or are missing, and damaged RECORDs: compared with all that is known
        of their wheel, with the places that have the same edit. In a hackable project edits are
        intended, as `linkpolicy verify` says it.
        """
        survey = self.survey
        if survey is None:
            return ()
        suspects = (*survey.edited, *survey.missing, *survey.damaged_records)
        return self.compared(suspects) if suspects else ()

    def compared(self, only: Sequence[str] | None = None) -> tuple[Finding, ...]:
        """The same for these files (absolute paths), or for every byte of the environment."""
        from uvx_policy.installed.tree import trees_of_environment
        from uvx_policy.verify.command import marked
        from uvx_policy.verify.elsewhere import with_places
        from uvx_policy.verify.engine import verify

        trees = trees_of_environment(self.real_environment)
        # No processes: these are few files.
        workers = None if only is None else 0
        found = verify(trees, state=self.state, only=only, workers=workers)
        told = [each for each in found if each.state != "extra"]
        return tuple(each for each in marked(with_places(told, self.index), self))

    @cached_property
    def edited(self) -> tuple[Finding, ...]:
        """Those of `findings` that are edits of files."""
        return tuple(each for each in self.findings if each.state == "edited")

    @cached_property
    def index(self) -> Index:
        """Where every known distribution lies."""
        from uvx_policy.installed.tree import Index

        environments = (self.real_environment, *(each.path for each in self.registered))
        return Index(
            caches=[each.path for each in self.caches if each.exists],
            environments=[path for path in environments if path],
        )


def once(compute: Callable[[Case], T]) -> Callable[[Case], T]:
    """The same function, which computes at most once for each case."""
    return lambda case: case.once(compute)


def where_decided(
    look: Callable[Concatenate[Case, Plan, Facts, P], Iterable[T]],
) -> Callable[Concatenate[Case, P], Iterator[T]]:
    """A look or a fix that gets the plan and its facts; where there are none, it says nothing."""

    def looking(case: Case, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        plan = case.sound_plan
        if plan is not None and plan.facts is not None:
            yield from look(case, plan, plan.facts, *args, **kwargs)

    return looking
