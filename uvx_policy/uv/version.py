"""The real uv's version, asked once and remembered with the binary's identity."""

from __future__ import annotations

import os

from uvx_policy import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.model import UvVersion

#: int() raises for thousands
_MOST_DIGITS = 9
#: seconds that `uv --version` may take; it needs 0.005
_PATIENCE = 5
_NATIVE = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def uv_version(host: Host, uv: str, *, state: str) -> UvVersion | None:
    """Version of the program at `uv`, `None` when it does not say.

    A binary's answer is remembered until its identity changes. A script's is not: it may be another
    manager's shim (mise, asdf, pyenv), whose answer depends on the directory.
    """
    key = _identity(host, uv)
    known = memory.recall(state, "uv-version", key) if key else None
    text = known if known is not None else _ask(uv, host)
    version = parse_version(text)
    if key and known is None and version is not None:
        memory.remember(state, "uv-version", key, text)
    return version


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
    try:
        major, minor, patch = numbers
    except ValueError:
        return None
    return major, minor, patch


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
    import subprocess

    from uvx_policy import guard

    quiet = {name: value for name, value in host.environ.items() if not name.startswith("UV_")}
    # A foreign shim that falls back to the next uv on PATH must not land in ours and ask again.
    quiet["LINKPOLICY_BYPASS"] = "1"
    if guard.NAME in os.environ:
        quiet[guard.NAME] = os.environ[guard.NAME]
    try:
        done = subprocess.run(
            [uv, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=quiet,
            cwd=host.cwd or None,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()
