"""What all checks of one run look at: the machine, and this environment in detail."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import linking
from uvx_policy.installed.inspection import inspect
from uvx_policy.installed.prefetch import Prefetch
from uvx_policy.machine.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.index import Index
    from uvx_policy.installed.linking import Linking
    from uvx_policy.installed.model import Survey

#: files that look edited and are compared with their RECORD without being asked to verify
_MOST_COMPARED = 200


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
    def environment(self) -> str:
        """The environment that uv installs into here, "" when unknown: absolute, may be absent."""
        plan = self.sound_plan
        return plan.destination.path if plan and plan.facts is not None else ""

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

    def look_ahead(self) -> None:
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
    def edited(self) -> tuple[Finding, ...]:
        """Installed files that look edited, and whose content is not what their RECORD says."""
        if self.survey is None or not self.survey.edited:
            return ()
        from uvx_policy.installed.tree import trees_of_environment
        from uvx_policy.verify.elsewhere import with_places
        from uvx_policy.verify.engine import verify

        base = self.real_environment
        paths = [os.path.normpath(os.path.join(base, path)) for path in self.survey.edited]
        # No processes: these are few files.
        found = verify(trees_of_environment(base), only=paths[:_MOST_COMPARED], workers=0)
        edited = [each for each in found if each.state in ("edited", "missing", "unreadable")]
        return tuple(with_places(edited, self.index))

    @cached_property
    def index(self) -> Index:
        """Where every known distribution lies."""
        from uvx_policy.installed.index import Index

        environments = (self.real_environment, *(each.path for each in self.registered))
        return Index(
            caches=[each.path for each in self.caches if each.exists],
            environments=[path for path in environments if path],
        )
