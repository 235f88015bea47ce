"""An inspection that begins now and is asked for later: another process does it meanwhile.

In a large environment that takes as long as everything else that `doctor` does.
"""

from __future__ import annotations

import contextlib
import marshal
import os

from uvx_policy.forking import forked, processors
from uvx_policy.installed.inspection import inspect
from uvx_policy.installed.model import Survey


class Prefetch:
    """The inspection of one environment."""

    def __init__(self, environment: str) -> None:
        """Begin, where there is a processor to spare. Never raises."""
        self._environment = environment
        #: the process, and the end of its pipe to read from
        self._begun: tuple[int, int] | None = None
        if processors() > 1:
            with contextlib.suppress(OSError):  # too many processes, too many files
                self._begun = _begin(environment)

    def survey(self) -> Survey:
        """What the other process found; without one, what is found now. Never raises."""
        return self._received() or inspect(self._environment)

    def _received(self) -> Survey | None:
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
            return Survey(**marshal.loads(content))  # noqa: S302 (from our own process)
        except (EOFError, ValueError):  # it did not come to the end
            return None


def _begin(environment: str) -> tuple[int, int]:
    """Raises `OSError`."""
    child, sink = forked()
    if child:
        return child, sink
    # Whatever happens here, interrupts included: this process says nothing, and ends here.
    try:
        for standard in {0, 1, 2} - {sink}:  # whoever reads what the other one says waits for both
            with contextlib.suppress(OSError):
                os.close(standard)
        content = marshal.dumps(inspect(environment).as_dict())
        with open(sink, "wb") as stream:
            stream.write(content)
    finally:
        os._exit(0)
