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
from uvx_policy.state.layout import ENVIRONMENTS
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FORMAT = b"linkpolicy-environment-v1"
_END = b"."
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
        name = _file_name(environment.path)
        old = _read(state, name)
        if old is not None:
            since = environment.seen - old.seen
            if environment.replace(seen=old.seen) == old and 0 <= since < _DAY:
                return
        files.write(state, ENVIRONMENTS, name, _render(environment))
    except (OSError, ValueError):
        pass


def known(state: str) -> Iterator[Environment]:
    """Each environment that is remembered, one at a time, whether it still exists or not.

    In no order that means anything, but the same each time. What is damaged, not ours alone, or
    vanishes meanwhile is passed over.
    """
    for name in files.names(state, ENVIRONMENTS):
        found = _read(state, name)
        if found is not None:
            yield found


def forget(state: str, path: str) -> None:
    """Remember this environment no more. Fails silently."""
    try:  # noqa: SIM105 (contextlib is slow to import)
        files.delete(state, ENVIRONMENTS, _file_name(path))
    except ValueError:
        pass


def _read(state: str, name: str) -> Environment | None:
    """One file; `None` when it is absent, not ours alone, not whole, or of another environment."""
    try:
        fields = files.read(state, ENVIRONMENTS, name).split(b"\0")
        # `write` may leave a file short when the disk is full: then the end is missing.
        if len(fields) != 9 or fields[0] != _FORMAT or fields[7:] != [_END, b""]:  # noqa: PLR2004
            return None
        if _name_for(fields[1]) != name:
            return None
        texts = [os.fsdecode(field) for field in fields[1:6]]
        return Environment(
            path=texts[0], project=texts[1], kind=texts[2], cache=texts[3], link_mode=texts[4],
            seen=int(fields[6]),
        )  # fmt: skip
    except (OSError, ValueError):
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


def _file_name(path: str) -> str:
    return _name_for(os.fsencode(path))


def _name_for(path: bytes) -> str:
    return f"{ENVIRONMENTS.prefix}{fingerprint(path):016x}"
