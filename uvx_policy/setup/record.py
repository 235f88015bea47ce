"""What `linkpolicy setup` did, remembered for `linkpolicy uninstall`, in the state directory.

The blocks in the start-up files describe themselves; the record tells *where* to look: files named
by variables that may have changed since, shim directories, and directories that we made. It is
written before anything else is touched, so after a kill it never knows too little.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from uvx_policy.foreign_file import read_foreign
from uvx_policy.setup import shim_directories
from uvx_policy.state import files
from uvx_policy.value import Value
from uvx_policy.windows.alone import alone
from uvx_policy.windows.user_environment import Stored

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: bytes of a record
_MOST = 1 << 20
_VERSION = 1
#: Windows: there while somebody writes the record
_LOCK = "setup.lock"


class Inserted(Value):
    """Our bytes in one start-up file."""

    path: str
    #: exactly what was added at the end of the file
    inserted: bytes
    #: there was no such file before
    created: bool
    #: `inserted` begins with a line end because the file had none at its end
    newline_added: bool


class Adopted(Value):
    """An environment whose own uv runs through a shim; all paths absolute."""

    environment: str
    shim: str
    #: each `.pth` in it
    files: tuple[str, ...]
    #: of their content, as a RECORD has it, the newest first: a kill may have left an older one
    digests: tuple[str, ...]


class Variable(Value):
    """A variable of the user in the registry of Windows."""

    name: str
    #: its value without us, `None` for none
    before: Stored | None
    #: the value that we wrote
    after: Stored


class SetupRecord(Value):
    """Everything that setup put anywhere; all paths absolute."""

    shims: tuple[str, ...] = ()
    #: directories that we made, outermost first
    directories: tuple[str, ...] = ()
    files: tuple[Inserted, ...] = ()
    #: what `--launcher` said
    launcher: str = "auto"
    #: what `linkpolicy adopt` did
    adopted: tuple[Adopted, ...] = ()
    variables: tuple[Variable, ...] = ()

    def merged(self, newer: SetupRecord) -> SetupRecord:
        """Both; about the same start-up file or variable the newer one knows better."""
        files = {file.path: file for file in (*self.files, *newer.files)}
        adopted = {each.environment: each for each in (*self.adopted, *newer.adopted)}
        variables = {each.name: each for each in (*self.variables, *newer.variables)}
        return newer.replace(
            shims=tuple(sorted({*self.shims, *newer.shims})),
            directories=tuple(sorted({*self.directories, *newer.directories})),
            files=tuple(files.values()),
            adopted=tuple(adopted.values()),
            variables=tuple(variables.values()),
        )

    def without(self, paths: Collection[str]) -> SetupRecord:
        """All but these shims and directories, which are no more."""
        return self.replace(
            shims=tuple(path for path in self.shims if path not in paths),
            directories=tuple(path for path in self.directories if path not in paths),
        )


def load(path: str) -> SetupRecord | None:
    """The record; `None` when there is none or it cannot be understood."""
    try:
        stored = json.loads(read_foreign(path, _MOST))
        if stored["version"] != _VERSION:
            return None
        return SetupRecord(
            shims=_paths(stored["shims"]),
            directories=_paths(stored["directories"]),
            files=tuple(_inserted(entry) for entry in stored["files"]),
            # Absent in records of earlier versions, which had no choice.
            launcher=str(stored.get("launcher", "auto")),
            adopted=tuple(_adopted(entry) for entry in stored.get("adopted", ())),
            variables=tuple(_variable(entry) for entry in stored.get("variables", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(path: str, record: SetupRecord) -> None:
    """Write it so that it is on the disk. The directory must exist. Raises `LinkPolicyError`."""
    inserted = [
        # surrogateescape keeps every byte, and JSON escapes the surrogates
        {**file.as_dict(), "inserted": file.inserted.decode("utf-8", "surrogateescape")}
        for file in record.files
    ]
    adopted = [each.as_dict() for each in record.adopted]
    variables = [
        {
            "name": each.name,
            "before": each.before and _as_json(each.before),
            "after": _as_json(each.after),
        }
        for each in record.variables
    ]
    stored = {
        "version": _VERSION,
        **record.as_dict(),
        "files": inserted,
        "adopted": adopted,
        "variables": variables,
    }
    with shim_directories.explained(f"cannot write `{path}`"):
        files.replace(path, json.dumps(stored, indent=1).encode("ascii") + b"\n", durable=True)


@contextlib.contextmanager
def exclusive(directory: str) -> Iterator[bool]:
    """Keep other runs of setup and uninstall out. Yields False when another one is at work.

    The lock is on the directory itself, so that no lock file is left behind; on Windows on a file
    that the system removes.
    """
    if sys.platform == "win32":
        with alone(os.path.join(directory, _LOCK)) as is_alone:
            if is_alone:
                _remove_unfinished(directory)
            yield is_alone
        return
    import fcntl

    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            _remove_unfinished(directory)
            yield True
    finally:
        os.close(handle)


def _remove_unfinished(directory: str) -> None:
    """What kills left of records that were being written: nobody writes one now."""
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.startswith(files.UNFINISHED):
                os.unlink(os.path.join(directory, name))


def _paths(stored: Any) -> tuple[str, ...]:
    if not isinstance(stored, list) or not all(isinstance(path, str) for path in stored):
        raise TypeError("not a list of paths")
    return tuple(path for path in stored if os.path.isabs(path))


def _inserted(stored: Any) -> Inserted:
    (path,) = _paths([stored["path"]])
    return Inserted(
        path=path,
        inserted=stored["inserted"].encode("utf-8", "surrogateescape"),
        created=stored["created"] is True,
        newline_added=stored["newline_added"] is True,
    )


def _adopted(stored: Any) -> Adopted:
    environment, shim = _paths([stored["environment"], stored["shim"]])
    return Adopted(
        environment=environment,
        shim=shim,
        files=_paths(stored["files"]),
        digests=tuple(map(str, stored["digests"])),
    )


def _variable(stored: Any) -> Variable:
    before = stored["before"]
    return Variable(
        name=str(stored["name"]),
        before=None if before is None else _stored(before),
        after=_stored(stored["after"]),
    )


def _stored(value: Any) -> Stored:
    return Stored(int(value["type"]), bytes.fromhex(value["data"]))


def _as_json(value: Stored) -> dict[str, object]:
    return {"type": value.kind, "data": value.data.hex()}
