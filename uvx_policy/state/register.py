"""Environments that a decision was made for: so that `status` need not search the disk.

One private file for each environment, named by the fingerprint of its path. It consists of fields,
each ended by a NUL, which no path can hold:

    linkpolicy-environment-v1
    <path>  <project>  <kind>  <cache>  <link_mode>  <seen>
    .

The shim imports this after a fresh decision: nothing here may be slow to import, or raise.
"""

from __future__ import annotations

import os

from uvx_policy.fingerprint import fingerprint
from uvx_policy.state import files
from uvx_policy.state.layout import ENVIRONMENTS, REGISTER
from uvx_policy.state.reading import read
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FORMAT = b"linkpolicy-environment-v1"
_END = b"."
_GATHERED = b"linkpolicy-register-v1"
#: fewer are as fast to read one by one
_MANY = 50
#: bytes of name and size before each of the files that were gathered
_MOST_HEAD = 64
#: ns; a change so shortly before may be followed by another with the same time
_RACY_NS = 2 * 10**9
#: seconds; `seen` alone is written again only when it is older
_DAY = 86400


class Environment(Value):
    """One environment that a decision was made for, as the register keeps it."""

    #: absolute path as uv names it; a symbolic link stays one
    path: str
    #: directory of the project that decides the policy, "" when there is none
    project: str = ""
    #: `project`, `environment`, `target`, `prefix`, `new` or `tool`, as in `Destination.kind`
    kind: str = "project"
    #: cache directory that the last decision chose, uv's own included; "" when not known
    cache: str = ""
    #: link mode that the last decision said, "" when uv was left alone
    link_mode: str = ""
    #: seconds since the epoch of the last decision
    seen: int = 0


def remember(state: str, environment: Environment) -> None:
    """Keep `environment`, instead of what was kept for its path. Fails silently.

    `state` is `layout.state_home(...)`, "" remembers nothing. `environment.path` is absolute.
    Nothing is written when nothing but `seen` would change, and that by less than a day.
    """
    if not state or not os.path.isabs(environment.path):
        return
    try:
        name = _file_name(os.fsencode(environment.path))
        old = _read(state, name) or Environment(path="")
        is_young = 0 <= environment.seen - old.seen < _DAY
        if is_young and environment.replace(seen=old.seen) == old:
            return
        files.write(state, ENVIRONMENTS, name, _render(environment))
    except (OSError, ValueError):
        pass


def known(state: str) -> Iterator[Environment]:
    """Each environment that is remembered, one at a time, whether it still exists or not.

    In no order that means anything, but the same each time. What is damaged, not ours alone, or
    vanishes meanwhile is passed over. Writes nothing.
    """
    changed, contents = _gathered(state)
    if changed and changed == _changed_at(state):
        yield from filter(None, (_parsed(name, content) for name, content in contents))
        return
    yield from filter(None, (_read(state, name) for name in files.names(state, ENVIRONMENTS)))


def gather(state: str) -> None:
    """Put what is remembered into one file, so that `known` opens one instead of thousands.

    Nothing is done where few are remembered, or where the directory was changed so shortly before
    that its time would not tell another change. Fails silently.
    """
    changed = _changed_at(state)
    if not changed or changed == _gathered(state)[0]:
        return
    import time

    names = files.names(state, ENVIRONMENTS)
    if len(names) < _MANY or time.time_ns() - changed < _RACY_NS:
        return
    parts = [_GATHERED, str(changed).encode()]
    try:
        for name in names:
            content = read(state, ENVIRONMENTS, name)
            parts += [name.encode(), str(len(content)).encode(), content]
        files.write(state, REGISTER, REGISTER.prefix, b"\n".join((*parts, _END)))
    except (OSError, ValueError):
        pass


def _gathered(state: str) -> tuple[int, list[tuple[str, bytes]]]:
    """When the directory was changed before it was gathered, in ns, and its files; else (0, [])."""
    found: list[tuple[str, bytes]] = []
    try:
        content = read(state, REGISTER, REGISTER.prefix)
        head, changed, _ = content.split(b"\n", 2)
        at = len(head) + len(changed) + 2
        while len(content) - at > len(_END):
            name, size = content[at : at + _MOST_HEAD].split(b"\n", 2)[:2]
            at += len(name) + len(size) + 2
            found.append((name.decode("ascii"), content[at : at + int(size)]))
            at += int(size) + 1
        is_whole = head == _GATHERED and content[at:] == _END
        return (int(changed), found) if is_whole else (0, [])
    except (OSError, ValueError):
        return 0, []


def _changed_at(state: str) -> int:
    """Each new file, and each that is replaced, changes the time of their directory."""
    try:
        return os.stat(files.path_of(state, ENVIRONMENTS)).st_mtime_ns if state else 0
    except OSError:
        return 0


def forget(state: str, path: str) -> None:
    """Remember this environment no more. Fails silently."""
    try:  # noqa: SIM105 (contextlib is slow to import)
        files.delete(state, ENVIRONMENTS, _file_name(os.fsencode(path)))
    except ValueError:
        pass


def _read(state: str, name: str) -> Environment | None:
    """One file; `None` when it is absent, not ours alone, not whole, or of another environment."""
    try:
        return _parsed(name, read(state, ENVIRONMENTS, name))
    except (OSError, ValueError):
        return None


def _parsed(name: str, content: bytes) -> Environment | None:
    """The content of one file; `None` when it is not whole, or of another environment."""
    try:
        fields = content.split(b"\0")
        # `write` may leave a file short when the disk is full: then the end is missing.
        if len(fields) != 9 or fields[0] != _FORMAT or fields[7:] != [_END, b""]:  # noqa: PLR2004
            return None
        if _file_name(fields[1]) != name:
            return None
        path, project, kind, cache, link_mode = map(os.fsdecode, fields[1:6])
        return Environment(
            path=path, project=project, kind=kind, cache=cache, link_mode=link_mode,
            seen=int(fields[6]),
        )  # fmt: skip
    except ValueError:
        return None


def _render(environment: Environment) -> bytes:
    """The content of a file. Raises `ValueError` for a field that holds a NUL."""
    texts = (
        environment.path, environment.project, environment.kind, environment.cache,
        environment.link_mode, str(environment.seen),
    )  # fmt: skip
    fields = [os.fsencode(text) for text in texts]
    if any(b"\0" in field for field in fields):
        raise ValueError("a NUL in a path")
    return b"\0".join((_FORMAT, *fields, _END, b""))


def _file_name(path: bytes) -> str:
    return f"{ENVIRONMENTS.prefix}{fingerprint(path):016x}"
