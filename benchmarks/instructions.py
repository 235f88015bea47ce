"""Instructions that a process executes before it becomes another one, counted by valgrind.

They do not depend on the machine's mood, hardly on the machine, and miss what the kernel does.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from benchmarks import harness

if TYPE_CHECKING:
    from collections.abc import Callable


def why_not() -> str:
    """Why nothing can be counted here, "" when it can."""
    return "" if shutil.which("valgrind") else "not counted: valgrind is not installed"


def count(call: harness.Call, run: Callable[[harness.Call], object]) -> int:
    """Count the instructions of `call` in user mode, up to its first execve(2) if it has one.

    `run` runs the call that it is given, which is this one under callgrind; it raises when the call
    does not do what it should. Raises `BenchmarkError` as well when the program has no symbols to
    tell its execve by.
    """
    with tempfile.TemporaryDirectory(prefix="linkpolicy-callgrind-") as directory:
        out = os.path.join(directory, "out")
        valgrind = shutil.which("valgrind") or "valgrind"
        # At its execve callgrind would throw its counts away: have them written when it is entered.
        # Both are names of that function in the C library.
        words = [
            valgrind, "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
            "--dump-before=execve", "--dump-before=__execve",
        ]  # fmt: skip
        run(call._replace(words=[*words, *call.words]))
        for path in (f"{out}.1", *glob.glob(f"{out}*")):
            total = _total(path)
            if total:
                return total
    raise harness.BenchmarkError(f"callgrind counted nothing: {' '.join(call.words)}")


def _total(path: str) -> int:
    """The last line of a finished profile; 0 of another one."""
    try:
        with open(path, encoding="utf-8") as stream:
            lines = [line for line in stream if line.startswith("totals:")]
    except OSError:
        return 0
    return int(lines[-1].split()[1]) if lines else 0
