"""A survey that is begun now and asked for later: another process looks at the files meanwhile.

Of a large environment that takes as long as everything else that `doctor` does.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed.installations import Installations
from uvx_policy.installed.model import Survey
from uvx_policy.installed.survey import with_edits, without_edits
from uvx_policy.installed.walk import Newest

if TYPE_CHECKING:
    from uvx_policy.installed.installations import Place


class Ahead:
    """The survey of one environment, shared extents aside."""

    def __init__(self, environment: str) -> None:
        """Begin, where there is a processor to spare. Never raises."""
        self._environment = environment
        self._sites = installed.site_directories(environment)
        #: the process, and the end of its pipe to read from
        self._begun: tuple[int, int] | None = None
        if _may_fork():
            try:
                self._begun = _begin(environment, self._sites)
            except OSError:  # too many processes, too many files
                return

    def survey(self) -> Survey:
        """What was found out; found out now, if nobody else did. Never raises."""
        installations = Installations(self._sites)
        if installations.differ:
            installations.read()  # it will be needed, and the other process is not done yet
        told = self._told() or without_edits(self._environment, self._sites, extents=False)
        return with_edits(*told, installations)

    def _told(self) -> tuple[Survey, dict[Place, Newest]] | None:
        """What the other process says, `None` when there is none or it failed."""
        if self._begun is None:
            return None
        child, source = self._begun
        self._begun = None
        with open(source, "rb") as stream:
            content = stream.read()
        with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored, nobody need ask
            os.waitpid(child, 0)
        try:
            found, newest = marshal.loads(content)  # noqa: S302 (from our own process)
        except (EOFError, ValueError):  # it did not come to the end
            return None
        return Survey(**found), {place: Newest(*times) for place, times in newest.items()}


def _begin(environment: str, sites: tuple[str, ...]) -> tuple[int, int]:
    """Raises `OSError`."""
    source, sink = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(source)
        os.close(sink)
        raise
    if child:
        os.close(sink)
        return child, source
    # Whatever happens here, interrupts included: this process says nothing, and ends here.
    try:
        os.close(source)
        for standard in {0, 1, 2} - {sink}:  # whoever reads what the other one says waits for both
            with contextlib.suppress(OSError):
                os.close(standard)
        found, newest = without_edits(environment, sites, extents=False)
        times = {place: tuple(each) for place, each in newest.items()}
        with open(sink, "wb") as stream:
            stream.write(marshal.dumps((found.as_dict(), times)))
    finally:
        os._exit(0)


def _may_fork() -> bool:
    if not hasattr(os, "fork"):
        return False
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        return False  # a lock that another thread holds would be held in the child for ever
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1
