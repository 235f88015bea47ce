"""Run the real uv's `cache clean` or `cache prune` on one cache, when nobody uses it.

Nothing here deletes anything: uv does, or it is not done.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy import guard
from uvx_policy.caches import contents, locks
from uvx_policy.terminal.command import Hint
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from uvx_policy.caches.danger import Job, Objection
    from uvx_policy.caches.locks import Holder
    from uvx_policy.machine.caches import Cache

#: "allowed": not done yet; "done"; "absent": there is no such cache (any more); "refused": by us;
#: "busy": somebody uses it; "failed": uv says so
State: TypeAlias = Literal["allowed", "done", "absent", "refused", "busy", "failed"]

#: uv waits for its lock no longer than this beyond our own wait; by default it waits 300 seconds
_UV_LOCK_TIMEOUT = "UV_LOCK_TIMEOUT"
_PAUSE = 0.1


class Result(Value):
    """What became of one cache."""

    cache: Cache
    state: State
    #: what uv said last, or why it was not done; "" when it said nothing
    text: str = ""
    hint: Hint | None = None
    objections: tuple[Objection, ...] = ()


class Uv(Value):
    """The real uv, to be run on caches."""

    #: absolute path of the program
    program: str
    environ: Mapping[str, str]

    def command(self, job: Job, cache: str) -> list[str]:
        """The words that do `job` on the directory `cache`."""
        # --no-config: a `no-cache` or `cache-dir` of a configuration file is not meant here.
        first, second, *packages = job.words
        return [self.program, first, second, "--cache-dir", cache, "--no-config", *packages]

    def start(self, job: Job, cache: str, *, seconds: float) -> subprocess.Popen[str]:
        """Start uv on the directory `cache`; it waits for its lock at most `seconds`."""
        kept = {name: value for name, value in self.environ.items() if not name.startswith("UV_")}
        # Should `program` be another manager's shim that finds ours: do not come back to us.
        kept |= {"LINKPOLICY_BYPASS": "1", _UV_LOCK_TIMEOUT: str(max(1, round(seconds)))}
        if guard.NAME in os.environ:
            kept[guard.NAME] = os.environ[guard.NAME]
        # `cwd`: not where the user is: uv looks at projects around it, and wants UTF-8 in its path.
        return subprocess.Popen(
            self.command(job, cache), env=kept, cwd=os.sep, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
            errors="surrogateescape",
        )  # fmt: skip

    def try_on_copy(self, job: Job, cache: str) -> bool:
        """Do `job` on a directory that nobody else uses; did it work?"""
        process = self.start(job, cache, seconds=1)
        process.communicate()
        return process.returncode == 0


def carry_out(
    uv: Uv,
    job: Job,
    cache: Cache,
    *,
    seconds: float,
    meanwhile: Callable[[Holder], None] | None = None,
) -> Result:
    """Do `job` on `cache` as soon as nobody uses it, within `seconds`. Raises `OSError`.

    `meanwhile` is called with whoever is waited for.
    """
    deadline = time.monotonic() + seconds
    holder = locks.wait(cache.path, seconds, meanwhile=meanwhile)
    if holder is not None:
        return _busy(cache, holder)
    if not os.path.isdir(cache.path):
        return Result(cache=cache, state="absent", text="it is gone")
    mode = os.stat(cache.path).st_mode & 0o7777
    process = uv.start(job, cache.path, seconds=max(deadline - time.monotonic(), 1.0))
    try:
        holder, output = _mind(process, cache.path, deadline)
    except BaseException:
        _stop(process)
        raise
    _keep_directory_behind_link(cache, mode)
    if holder is not None:
        return _busy(cache, holder)
    lines = [line for line in output.splitlines() if line.strip()]
    if process.returncode == 0 or (job.takes_everything and _is_emptied_mount_point(cache)):
        # `Removed 12 files (1.2MiB)`: the last line that uv says.
        return Result(cache=cache, state="done", text=lines[-1] if lines else "")
    # From `error:` on, in one line.
    first = next((at for at, line in enumerate(lines) if line.startswith("error:")), 0)
    complaint = " ".join(line.strip() for line in lines[first:]).removeprefix("error: ")
    return Result(cache=cache, state="failed", text=complaint)


def _busy(cache: Cache, holder: Holder) -> Result:
    text = f"{holder} {holder.how}"
    return Result(cache=cache, state="busy", text=text, hint=Hint(text=locks.Busy.hint))


def _mind(process: subprocess.Popen[str], cache: str, deadline: float) -> tuple[Holder | None, str]:
    """Wait for uv: who overtook it on its way to the lock, and does not let go; what uv said.

    A uv that waits for its lock has not begun: it can be stopped. One that works is let alone.
    """
    while True:
        try:
            return None, process.communicate(timeout=_PAUSE)[0]
        except subprocess.TimeoutExpired:  # noqa: PERF203 (it is a wait)
            if time.monotonic() >= deadline and locks.waits_for_a_lock(process.pid):
                holder = locks.holder(cache)
                _stop(process)
                return holder, ""


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    process.communicate()


def _keep_directory_behind_link(cache: Cache, mode: int) -> None:
    """Make the directory again that a symbolic link leads to, where uv took it away.

    With a dangling link no uv could use that cache any more: mkdir(2) says EEXIST.
    """
    if cache.named and os.path.islink(cache.named) and not os.path.lexists(cache.path):
        os.mkdir(cache.path)
        os.chmod(cache.path, mode)


def _is_emptied_mount_point(cache: Cache) -> bool:
    """Up to 0.12 uv fails in the end: a mount point cannot be deleted, only what is in it."""
    return os.path.ismount(cache.path) and not contents.names_in(cache.path)
