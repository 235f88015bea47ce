"""Start the shims once, to see whether they come as far as a real uv, and by which way."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from uvx_policy.doctor import setup_state, started
from uvx_policy.doctor.case import Case, once
from uvx_policy.doctor.started import Ended
from uvx_policy.setup import shim_directories

if TYPE_CHECKING:
    from uvx_policy.doctor.started import Begun

#: what the shim says under LINKPOLICY_LOG=debug, each time that it is entered (`shim.become`)
_ENTERED = re.compile(r"^linkpolicy: real uv: `(.*)`", re.MULTILINE)
#: what is left of a Python shim whose package is gone says (`setup.shim_file`)
_WITHOUT_POLICY = "linkpolicy: cannot run"
#: and what the shim says when there is no other uv than what started it again
_STARTED_AGAIN = " starts this shim ("


class Start(Ended):
    """How one shim started `uv --version`."""

    path: str

    @property
    def without_policy(self) -> bool:
        """It started uv, but not its own package."""
        return _WITHOUT_POLICY in self.said

    @property
    def came_back(self) -> bool:
        """Was a shim of ours entered by what it took for the real uv?"""
        return len(self.entered) > 1 or _STARTED_AGAIN in self.said

    @property
    def entered(self) -> tuple[str, ...]:
        """What it took for the real uv, once for each time that a shim of ours was entered."""
        return tuple(_ENTERED.findall(self.said))


@once
def starts(case: Case) -> tuple[Start, ...]:
    """Both shims that count, and the Python shim behind a native `uv`; all at once.

    Each is started once in a run. Raises `Unreadable` when no process could be started.
    """
    return tuple(
        Start(path=path, **started.end(path, begun).as_dict()) for path, begun in begin(case)
    )


@once
def begin(case: Case) -> list[tuple[str, Begun]]:
    """Start them, and wait for none: then `starts` has to wait less."""
    directory = setup_state.directory(case)
    paths = setup_state.shims_in(directory)
    begun = []
    for path in filter(os.path.isfile, (*paths, _fallback(paths[0]))):
        environ = {name: value for name, value in case.environ.items() if name != "LINKPOLICY_LOG"}
        if not os.path.isfile(_fallback(path)):
            # This shim can report how it started; a native shim would start Python for that.
            environ["LINKPOLICY_LOG"] = "debug"
        begun.append((path, started.begin([path, "--version"], environ=environ, cwd=case.cwd)))
    return begun


def _fallback(path: str) -> str:
    directory, program = os.path.split(path)
    return os.path.join(shim_directories.fallbacks(directory), program)
