"""The real uv's version, asked once and remembered with the binary's identity."""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.state import facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.model import UvVersion

#: int() raises for thousands
_MOST_DIGITS = 9
#: seconds that `uv --version` may take; it needs 0.005
_PATIENCE = 5
_SIGKILL = 9
#: of its answer
_MOST_BYTES = 65536
_NATIVE = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def uv_version(host: Host, uv: str, *, state: str) -> UvVersion | None:
    """Version of the program at `uv`, `None` when it does not say.

    A binary's answer is remembered until its identity changes. A script's is not: it may be another
    manager's shim (mise, asdf, pyenv), whose answer depends on the directory.
    """
    key = _identity(host, uv)
    if not key:
        host.witnesses.spoil("this uv is a script or a shim, and may be another one next time")
    known = facts.recall(state, "uv-version", key) if key else None
    text = known if known is not None else _ask(uv, host)
    version = parse_version(text)
    if version is None:
        host.witnesses.spoil("this uv did not say its version")
    elif key and known is None and not host.witnesses.spoilt:
        # Not of a binary that was changed this moment: the next one could have the same identity.
        facts.remember(state, "uv-version", key, text)
    return version


def remembered_version(host: Host, uv: str, *, state: str) -> UvVersion | None:
    """The version of the program at `uv` if it is remembered; `None` otherwise. Starts nothing."""
    try:
        key = _identity(host, uv)
    except Unreadable:
        return None
    return parse_version(facts.recall(state, "uv-version", key) or "") if key else None


def parse_version(text: str) -> UvVersion | None:
    """`uv 0.10.12 (abc 2026-03-19)` -> (0, 10, 12). Pre-releases count as their release."""
    words = text.split()
    if words[:1] != ["uv"]:
        return None
    numbers: list[int] = []
    for part in "".join(words[1:2]).split("+")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not 0 < len(digits) <= _MOST_DIGITS:
            return None
        numbers.append(int(digits))
        if digits != part:
            break
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None  # noqa: PLR2004


def _identity(host: Host, uv: str) -> tuple[str, ...]:
    """Key of the memory; () for what is not a plain binary of its own name."""
    real = host.real_path(uv)
    status = host.status(real)
    # mise's shim is a link named `uv` to a binary named `mise`: its answer is not the binary's.
    if status is None or os.path.basename(real) not in ("uv", "uv.exe"):
        return ()
    if not host.read_head(real, 4).startswith(_NATIVE):
        return ()
    numbers = (status.device, status.inode, status.size, status.mtime_ns, status.ctime_ns)
    return (real, *map(str, numbers))


def _ask(uv: str, host: Host) -> str:
    from uvx_policy import guard

    quiet = {name: value for name, value in host.environ.items() if not name.startswith("UV_")}
    # A foreign shim that falls back to the next uv on PATH must not land in ours and ask again.
    quiet["LINKPOLICY_BYPASS"] = "1"
    if guard.NAME in os.environ:
        quiet[guard.NAME] = os.environ[guard.NAME]
    words = [uv, "--version"]
    try:
        answer = _output(words, quiet) if hasattr(os, "posix_spawn") else _run(words, quiet)
    except (OSError, ValueError):
        return ""
    return answer.decode("utf-8", "replace").strip()


def _output(words: list[str], environ: dict[str, str]) -> bytes:
    """What the program prints, b"" if it takes too long. Raises `OSError`.

    Not `subprocess`: importing it takes longer than uv does to answer.
    """
    from uvx_policy.launch import IGNORED_BY_PYTHON

    readable, writable = os.pipe()
    try:
        try:
            child = os.posix_spawn(
                words[0],
                words,
                environ,
                # stdout first: the pipe may have got the number of a standard stream that is closed
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, writable, 1),
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsigdef=IGNORED_BY_PYTHON,
            )
        finally:
            os.close(writable)
        answer = _read_all(readable)
        if answer is None:
            os.kill(child, _SIGKILL)
        os.waitpid(child, 0)
    finally:
        os.close(readable)
    return answer or b""


def _read_all(readable: int) -> bytes | None:
    """Everything until the other end is closed; `None` if that takes too long, or is too much."""
    from select import POLLHUP, POLLIN, poll
    from time import monotonic

    deadline = monotonic() + _PATIENCE
    waiting = poll()
    waiting.register(readable, POLLIN | POLLHUP)
    found = b""
    while len(found) < _MOST_BYTES:
        left = deadline - monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return None
        part = os.read(readable, _MOST_BYTES)
        if not part:
            return found
        found += part
    return None


def _run(words: list[str], environ: dict[str, str]) -> bytes:
    """Do what `_output` does, on Windows."""
    import subprocess

    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            timeout=_PATIENCE,
            check=False,
        ).stdout
    except subprocess.SubprocessError:
        return b""
