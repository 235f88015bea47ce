"""Who uses a cache: uv's own lock (0.8.19 and later), and what the kernel tells of older ones.

uv holds a shared flock(2) on `<cache>/.lock` as long as it, or what `uv run` or `uvx` started,
lives; `uv cache clean` and `prune` want it alone. Versions up to 0.8.18 lock nothing. Linux tells
who holds a lock and which files are open; elsewhere only that somebody holds it is known.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from uvx_policy.caches import contents
from uvx_policy.errors import LinkPolicyError
from uvx_policy.flock import take_alone, take_shared
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = ".lock"
_PAUSE = 0.1
#: what the kernel says of a file that has no name any more
_DELETED = b" (deleted)"
#: a command line is cut here
_MOST_CHARACTERS = 200


class Holder(Value):
    """A process that uses a cache."""

    #: 0: somebody who cannot be named (another user's container, or no Linux)
    pid: int
    #: words separated by blanks, cut after 200 characters; "" when it cannot be read
    command: str = ""
    #: "holds its lock", "waits for its lock", "has files in it open", "uses it without a lock"
    how: str = "holds its lock"

    def __str__(self) -> str:
        """For people: "`uv run pytest` (pid 4711)"."""
        if not self.pid:
            return "a process that is not visible from here"
        return f"`{self.command or '?'}` (pid {self.pid})"


class Busy(LinkPolicyError):
    """Somebody holds the lock of a cache or an environment, and did not let go in time."""

    hint = "wait until it finishes, or wait longer: --wait SECONDS"

    def __init__(self, directory: str, holder: Holder) -> None:
        super().__init__(f"`{directory}` is in use: {holder} {holder.how}")
        self.holder = holder


#: device and inode of each lock file that this process holds -> the directory it was taken for
_held: dict[tuple[int, int], str] = {}


@contextlib.contextmanager
def alone(
    directory: str, seconds: float, *, meanwhile: Callable[[Holder], None] | None = None
) -> Iterator[None]:
    """Hold uv's lock on a cache, or on an environment, alone. Raises `Busy` after `seconds`.

    Who started before uv locked caches (0.8.19) is not kept out, nor is anybody where there is no
    lock file, or no lock on this file system: whatever is done meanwhile must be safe by itself.
    `meanwhile` is called with whoever is waited for.
    """
    with _held_by(directory, seconds, take_alone, meanwhile):
        yield


@contextlib.contextmanager
def shared(
    directory: str, seconds: float, *, meanwhile: Callable[[Holder], None] | None = None
) -> Iterator[None]:
    """Hold uv's lock on a cache as every uv does that uses it, so that none prunes or cleans it.

    The rest as for `alone`.
    """
    with _held_by(directory, seconds, take_shared, meanwhile):
        yield


@contextlib.contextmanager
def _held_by(
    directory: str,
    seconds: float,
    take: Callable[[int], bool],
    meanwhile: Callable[[Holder], None] | None,
) -> Iterator[None]:
    handle = _opened(directory)
    if handle is None:
        yield
        return
    status = os.fstat(handle)
    file = (status.st_dev, status.st_ino)

    def in_the_way() -> Holder | None:
        return None if take(handle) else holder(directory)

    try:
        if _held.get(file, directory) != directory:  # another name of one that we hold (`cp -al`)
            yield
            return
        still = _wait_for(in_the_way, seconds, meanwhile)
        if still is not None:
            raise Busy(directory, still)
        _held[file] = directory
        try:
            yield
        finally:
            del _held[file]
    finally:
        os.close(handle)


def _opened(directory: str) -> int | None:
    """The lock file, `None` where there is none."""
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK"))
    try:
        return os.open(os.path.join(directory, LOCK), flags)
    except (OSError, ValueError):
        return None


def _wait_for(
    in_the_way: Callable[[], Holder | None],
    seconds: float,
    meanwhile: Callable[[Holder], None] | None,
) -> Holder | None:
    """Wait until nobody is in the way; who still is after `seconds`."""
    deadline = time.monotonic() + seconds
    before: Holder | None = None
    while True:
        holder = in_the_way()
        if holder is None:
            return None
        if meanwhile is not None and holder != before:
            meanwhile(holder)
        before = holder
        left = deadline - time.monotonic()
        if left <= 0:
            return holder
        time.sleep(min(_PAUSE, left))


def holder(cache: str) -> Holder:
    """Who holds the lock of `cache`, which somebody does."""
    return next(iter(holders(cache)), Holder(pid=0))


def holders(cache: str) -> tuple[Holder, ...]:
    """Processes that hold uv's lock on `cache`, by pid. Takes no lock itself. Never raises.

    Empty where the kernel does not tell (macOS, Windows): `is_free` knows more there.
    """
    return holders_and_waiting(cache)[0]


def holders_and_waiting(cache: str) -> tuple[tuple[Holder, ...], tuple[Holder, ...]]:
    """The same, and the processes that are stopped until they get the lock. Never raises."""
    try:
        told = os.stat(os.path.join(cache, LOCK))
    except (OSError, ValueError):
        return (), ()
    found = {
        (row.pid, row.waits)
        for row in _flocks()
        if row.inode == told.st_ino
        # Not by device: of a btrfs subvolume or an overlay stat(2) tells another one.
        and (row.device == told.st_dev or row.pid <= 0 or _has_open(row.pid, told))
    }
    return (
        tuple(_holder(pid) for pid, waits in sorted(found) if not waits),
        tuple(_holder(pid, "waits for its lock") for pid, waits in sorted(found) if waits),
    )


def users(cache: str) -> tuple[Holder, ...]:
    """Processes that use `cache` without uv's lock, by pid. Never raises.

    They have a file below it open or mapped; or they are a uv that holds no lock at all, hence one
    up to 0.8.18, and this cache is theirs by option, variable or default. Of other users' processes
    nothing can be seen. Costs some milliseconds.
    """
    cache = os.path.realpath(cache)
    locking = {row.pid for row in _flocks()}
    found = []
    for pid in sorted(int(name) for name in contents.names_in("/proc") if name.isdecimal()):
        if pid == os.getpid():
            continue
        if _has_files_in(pid, cache):
            found.append(_holder(pid, "has files in it open"))
        elif pid not in locking and _is_uv(pid) and _cache_of(pid) == cache:
            found.append(_holder(pid, "uses it without a lock"))
    return tuple(found)


def users_of_deleted(part: str) -> Iterator[Holder]:
    """Processes that use a deleted file, by pid, whose path had `part` in it. Never raises."""
    wanted = os.fsencode(part)
    for pid in sorted(int(name) for name in contents.names_in("/proc") if name.isdecimal()):
        lines = [
            line for line in _read(f"/proc/{pid}/maps").split(b"\n") if line.endswith(_DELETED)
        ]
        for handle in contents.names_in(f"/proc/{pid}/fd") if pid != os.getpid() else ():
            with contextlib.suppress(OSError):
                lines.append(os.fsencode(os.readlink(f"/proc/{pid}/fd/{handle}")))
        if any(wanted in line and line.endswith(_DELETED) for line in lines):
            yield _holder(pid, "uses a deleted file")


def is_free(cache: str) -> bool:
    """Would uv get the lock alone, now? It is taken for a moment; no lock file: yes."""
    handle = _opened(cache)
    if handle is None:
        return True
    try:
        return take_alone(handle)
    finally:
        os.close(handle)


def wait(
    cache: str, seconds: float, *, meanwhile: Callable[[Holder], None] | None = None
) -> Holder | None:
    """Wait until nobody uses `cache`; `None` then, or after `seconds` the first who still does.

    `meanwhile` is called with that one whenever it is another one than before.
    """

    def in_the_way() -> Holder | None:
        return next(iter(users(cache)), None) if is_free(cache) else holder(cache)

    return _wait_for(in_the_way, seconds, meanwhile)


def waits_for_a_lock(pid: int) -> bool:
    """Is this process stopped in flock(2)? `False` where that cannot be told."""
    return any(row.pid == pid and row.waits for row in _flocks())


# What /proc tells ---------------------------------------------------------------------------------


class _Flock(Value):
    """One row of /proc/locks (proc_locks(5))."""

    pid: int
    device: int
    inode: int
    waits: bool


def _flocks() -> Iterator[_Flock]:
    """`1: FLOCK ADVISORY READ 4711 fe:00:2827230 0 EOF`; who waits has `->` after the number."""
    for line in _read("/proc/locks").split(b"\n"):
        words = line.split()
        waits = words[1:2] == [b"->"]
        words = words[2:] if waits else words[1:]
        try:
            if words[:1] == [b"FLOCK"]:
                major, minor, inode = words[4].split(b":")
                device = os.makedev(int(major, 16), int(minor, 16))
                yield _Flock(pid=int(words[3]), device=device, inode=int(inode), waits=waits)
        except (ValueError, IndexError):
            continue


def _has_open(pid: int, told: os.stat_result) -> bool:
    """Has the process this very file open? `True` when that must not be looked at."""
    try:
        handles = os.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        return True
    except OSError:
        return False
    for handle in handles:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{handle}"), told):
                return True
    return False


def _has_files_in(pid: int, cache: str) -> bool:
    below = os.fsencode(cache.rstrip("/") + "/")
    for handle in contents.names_in(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            target = os.fsencode(os.readlink(f"/proc/{pid}/fd/{handle}"))
            # Not the lock itself: who has it open holds it, or waits for it.
            if target.startswith(below) and target != below + os.fsencode(LOCK):
                return True
    # proc_pid_maps(5): the path is the last field, with only newlines escaped.
    return b" " + below.replace(b"\n", b"\\012") in _read(f"/proc/{pid}/maps")


def _is_uv(pid: int) -> bool:
    try:
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return False
    return name.removesuffix(" (deleted)") in ("uv", "uvx")


def _cache_of(pid: int) -> str:
    """The cache that this uv was told or takes by default, no links in it; "" if unknown."""
    words = _words(pid)
    if not words:
        return ""  # it has ended meanwhile
    environ = dict(
        part.split(b"=", 1) for part in _read(f"/proc/{pid}/environ").split(b"\0") if b"=" in part
    )
    named = environ.get(b"UV_CACHE_DIR", b"")
    for word, following in zip(words, [*words[1:], b""], strict=True):
        if word == b"--cache-dir":
            named = following
        elif word.startswith(b"--cache-dir="):
            named = word.partition(b"=")[2]
    if not named:
        base = environ.get(b"XDG_CACHE_HOME", b"")
        if not base.startswith(b"/"):
            base = os.path.join(environ.get(b"HOME", b""), b".cache")
        named = os.path.join(base, b"uv")
    try:
        cwd = os.fsencode(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return ""
    return os.fsdecode(os.path.realpath(os.path.join(cwd, named)))


def _holder(pid: int, how: str = "holds its lock") -> Holder:
    command = b" ".join(_words(pid)).decode("utf-8", "replace")
    if len(command) > _MOST_CHARACTERS:
        command = f"{command[:_MOST_CHARACTERS]}..."
    return Holder(pid=max(pid, 0), command=command, how=how)


def _words(pid: int) -> list[bytes]:
    return [word for word in _read(f"/proc/{pid}/cmdline").split(b"\0") if word]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""
