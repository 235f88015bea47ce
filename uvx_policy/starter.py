"""Has a Python program started this call, and has it the same files that uv would link?

Such a program often deletes later what it lets uv make (tox, nox, a test). On Windows a file that
is loaded cannot be deleted, by none of its names: what shares a compiled module with the program's
own environment cannot be deleted as long as it runs (uv #7918).

Concluded from processes and files, never from words or variables: an interpreter is what contains
Python's start, and its environment is where that would look for modules.
"""

from __future__ import annotations

import os
import sys

from uvx_policy import processes
from uvx_policy.errors import Unreadable
from uvx_policy.model import Program
from uvx_policy.processes import may_be_python
from uvx_policy.replay.of_windows import processes_sight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.host import Host
    from uvx_policy.processes import Process


def started_by(host: Host, *, into: str) -> Program | None:
    """The nearest Python program above, `None` for none that can be seen. Never raises.

    `into`: only one whose own environment has a compiled module that is a hard link on the device
    of this directory; "" for any.
    """
    if host.platform == "win32":
        sight = processes_sight()
        if sight:
            host.witnesses.add("p", ".", sight)
            return None
        host.witnesses.spoil("a Python program may have started it")
    else:
        host.witnesses.spoil("which programs have started it is seen each time")
    return nearest(host, ancestors(), into=into)


def ancestors() -> tuple[Process, ...]:
    """The processes that this one descends from, the nearest first; none on macOS."""
    if sys.platform == "win32":
        from uvx_policy.windows import processes as of_windows

        return tuple(of_windows.ancestors())
    return tuple(processes.ancestors_in_proc())


def nearest(host: Host, listed: Sequence[Process], *, into: str) -> Program | None:
    """The same, of these processes."""
    for at, process in enumerate(listed):
        if not may_be_python(process.image) or not is_interpreter(process.file):
            continue
        path = process.image
        if not into:
            return Program(number=process.number, path=path)
        try:
            own, redirector = environment_of(host, listed[at : at + 2])
            searched = [own, *(extended_by(host, own))]
        except Unreadable:
            continue
        for environment in searched:
            held = linked_module(environment, into)
            if held is not None:
                return Program(
                    number=process.number,
                    path=redirector or path,
                    module=held[0],
                    package=held[1],
                )
    return None


def is_interpreter(path: str) -> bool:
    """Does this program, by its content, start Python? What cannot be read is not known to."""
    end = b""
    try:
        with open(path, "rb", buffering=0) as stream:
            for _ in range(_MOST_PIECES):
                piece = stream.read(_PIECE)
                if not piece:
                    break
                if any(mark in end + piece for mark in _STARTS):
                    return True
                end = piece[-_OVERLAP:]
    except OSError:
        pass
    return False


def environment_of(host: Host, listed: Sequence[Process]) -> tuple[str, str]:
    """The environment of the first of these processes, an interpreter whose parent is the second.

    And the path of the redirector that has started it, "" where none has. Raises `Unreadable`.
    """
    image = listed[0].image
    beside = _parent(image)
    for directory in (beside, _parent(beside)):
        if _configuration(host, directory):
            return directory, ""
    if len(listed) > 1:
        # Its parent lies in an environment whose `home` is here: a redirector of that one.
        directory = _parent(_parent(listed[1].image))
        home = _configuration(host, directory).get("home", "")
        if home and _folded(home) == _folded(beside):
            return directory, listed[1].image
    # An installation of its own: `python.exe` beside `Lib`, on POSIX `bin/python` beside `lib`.
    is_windows = "\\" in image
    return beside if is_windows else _parent(beside), ""


def extended_by(host: Host, environment: str) -> Iterator[str]:
    """Other environments whose modules an environment sees. Raises `Unreadable`."""
    configuration = _configuration(host, environment)
    if configuration.get("include-system-site-packages", "").lower() == "true":
        home = configuration.get("home", "")
        yield home if "\\" in home else _parent(home)
    # Of `uv run --with`: the environment of the project.
    extended = configuration.get("extends-environment", "")
    if extended:
        yield extended


def linked_module(environment: str, into: str) -> tuple[str, str] | None:
    """A compiled module here that is a hard link on the device of `into`, and what it belongs to.

    By the RECORDs: what no installer has put there, no other environment has. Never raises.
    """
    from uvx_policy.installed import record
    from uvx_policy.installed.distributions import distributions, site_directories, status_of

    there = status_of(into)
    if there is None:
        return None
    for site in site_directories(environment):
        for distribution in distributions(site, origins=False):
            try:
                rows = record.read(distribution).whole
            except OSError:
                continue
            for path, *_ in rows:
                if not path.lower().endswith(_COMPILED):
                    continue
                told = status_of(record.located(site, path))
                if told is not None and told.st_nlink > 1 and told.st_dev == there.st_dev:
                    return path, f"{distribution.name} {distribution.version}".strip()
    return None


#: what CPython and PyPy have in their tables of symbols, exported or imported: what `main` calls
_STARTS = (b"Py_BytesMain\0", b"Py_Main\0", b"Py_RunMain\0", b"pypy_main_startup\0")
_OVERLAP = max(map(len, _STARTS)) - 1
_PIECE, _MOST_PIECES = 1 << 20, 128
_COMPILED = (".pyd", ".dll")


def _configuration(host: Host, directory: str) -> dict[str, str]:
    """What `pyvenv.cfg` in a directory says; {} where there is none. Raises `Unreadable`."""
    separator = "\\" if "\\" in directory else "/"
    text = host.read_text(f"{directory}{separator}pyvenv.cfg") or ""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parent(path: str) -> str:
    # Not os.path: these may be paths of Windows in a test elsewhere.
    at = max(path.rfind("/"), path.rfind("\\"))
    return path[:at] if at > 0 else path


def _folded(path: str) -> str:
    return os.path.normpath(path).replace("/", "\\").rstrip("\\").lower()
