"""The RECORD that a wheel brought along, and what an installer makes of it in an environment.

uv links every file of a wheel but RECORD, which it writes for each environment: with the paths that
files of `.data` have there, the scripts that it makes from `entry_points.txt`, and the files that
it adds to the `.dist-info`. All of that can be computed again from the wheel's RECORD and what
lies in the environment.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import sys
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import read_foreign, real_path
from uvx_policy.installed import record
from uvx_policy.installed.hash import of_file
from uvx_policy.installed.record import BY_INSTALLERS, Row
from uvx_policy.installed.scripts import body

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.hash import Hash
    from uvx_policy.installed.tree import Index, Tree

_DATA = ".data"
_SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
_PYTHON = b"#!python"
_ALGORITHM = "sha256"
#: bytes of the files of one package that are hashed to compare it with a RECORD; of the others the
#: sizes are compared
_MOST_HASHED = 32 << 20
#: seconds between the scripts of a distribution and its INSTALLER: uv and pip write both in one go
_MOMENT = 2.0


class Wheels:
    """Finds the RECORD of a wheel: in the archives of caches, and in what was fetched."""

    def __init__(self, index: Index, fetched: Iterable[Tree] = ()) -> None:
        """`fetched`: unpacked wheels, which are looked at first."""
        self._index = index
        self._fetched = tuple(fetched)

    def record_for(self, tree: Tree, dist_info: str) -> str:
        """The RECORD of the wheel that was unpacked or installed at `dist_info` in `tree`.

        "" when there is none that is complete and fits the files there. Never raises.
        """
        name = os.path.basename(dist_info)
        own = real_path(tree.path)
        for path in self._candidates(name):
            if real_path(os.path.dirname(os.path.dirname(path))) == own:
                continue
            with contextlib.suppress(OSError, ValueError):
                if (
                    not record.read_at(path).problem(name)
                    and _fits(path, tree)
                    and rebuilt(path, tree, dist_info) is not None
                ):
                    return path
        return ""

    def contradicts(self, finding: Finding) -> bool:
        """Does a wheel that was fetched for it say something else of a file? Never raises."""
        row, dist_info = finding.row, finding.dist_info
        for wheel in self._fetched:
            path = os.path.join(wheel.path, os.path.basename(dist_info), record.NAME)
            with contextlib.suppress(OSError, ValueError):
                if row is not None and any(
                    each.path == row.path and each.hash != row.hash and not _is_script(source)
                    for source, each in rows_at(path, finding.tree)
                ):
                    return _fits(path, finding.tree)
        return False

    def expected_at(self, tree: Tree, dist_info: str) -> dict[str, Hash] | None:
        """Absolute path -> hash, of all files that a reinstallation may replace. Never raises.

        By the RECORD of a wheel, whether it fits or not, and the RECORD there; `NO_HASH` for what
        installers write. `None` when no RECORD tells all of them.
        """
        name = os.path.basename(dist_info)
        own = os.path.join(dist_info, record.NAME)
        expected = record.hashes_at(own, tree.path)
        with contextlib.suppress(OSError):
            if not record.read_at(own).problem(name):
                return expected
        for wheel in self._candidates(name):
            with contextlib.suppress(OSError, ValueError):
                rows = [row for _, row in rows_at(wheel, tree)]
                scripts = [Row(path) for path, _ in _entry_points(wheel, tree)]
                for row in (*scripts, *rows):
                    expected[record.located(tree.path, row.path)] = row.hash
                return expected
        return None

    def _candidates(self, name: str) -> Iterator[str]:
        # uv keeps environments of tools beside the wheels.
        archives = (each for each in self._index.archives_of(name) if each.kind == "archive")
        for wheel in (*self._fetched, *archives):
            path = os.path.join(wheel.path, name, record.NAME)
            if os.path.isfile(path):
                yield path


def rebuilt(wheel: str, tree: Tree, dist_info: str) -> bytes | None:
    """The RECORD at `dist_info` in `tree` as it was unpacked, or written by the installer.

    `wheel`: path of the wheel's RECORD. `None` when it cannot be computed: a script was edited, and
    its hash is not known. Raises `OSError`.
    """
    if tree.kind == "archive":
        return record.read_at(wheel).content
    before = _rows_before(os.path.join(dist_info, record.NAME))
    name = os.path.basename(dist_info)
    rows = {f"{name}/{record.NAME}": Row(f"{name}/{record.NAME}")}
    for source, row in rows_at(wheel, tree):
        made = _script(source, row, tree, before) if _is_script(source) else row
        if made is None:
            return None
        rows.setdefault(made.path, made)
    for path, content in _entry_points(wheel, tree):
        made = before.get(path) or _entry_point(path, content, tree, dist_info)
        if made is None:
            return None
        rows[path] = made
    for each in BY_INSTALLERS:
        path = f"{name}/{each}"
        with contextlib.suppress(OSError):
            size = os.stat(os.path.join(dist_info, each)).st_size
            row = Row(path, of_file(os.path.join(dist_info, each), _ALGORITHM), size)
            rows[path] = before.get(path) or row
    return record.written(rows[path] for path in sorted(rows))


def rows_at(wheel: str, tree: Tree) -> Iterator[tuple[str, Row]]:
    """Each file of an unpacked wheel, and its row where the wheel is unpacked or installed.

    `wheel`: path of its RECORD. Raises `OSError`.
    """
    unpacked, name = os.path.split(os.path.dirname(wheel))
    for row in record.read_at(wheel):
        if row.problem or row.path == f"{name}/{record.NAME}":
            continue
        path = row.path if tree.kind == "archive" else _installed(row.path, tree)
        yield record.located(unpacked, row.path), row._replace(path=path)


def _installed(path: str, tree: Tree) -> str:
    """The path of a wheel's file in RECORD once it is installed (PyPA: "Binary distribution")."""
    first, _, rest = path.partition("/")
    scheme, _, below = rest.partition("/")
    if not first.endswith(_DATA) or not below:
        return path
    if scheme in ("purelib", "platlib"):
        return below
    places = {
        "data": (tree.owner,),
        "scripts": (os.path.join(tree.owner, _SCRIPTS),),
        "headers": _headers(first.removesuffix(_DATA).partition("-")[0], tree),
    }
    candidates = [os.path.join(place, below) for place in places.get(scheme, (tree.path,))]
    found = next((each for each in candidates if os.path.lexists(each)), candidates[0])
    return os.path.relpath(found, tree.path).replace(os.sep, "/")


def _headers(name: str, tree: Tree) -> tuple[str, ...]:
    """Where the headers of a distribution may be: of an environment, or a `--target`."""
    include = os.path.join(tree.owner, "include")
    python = os.path.basename(os.path.dirname(tree.path))
    below = [include] if tree.path == tree.owner else [os.path.join(include, "site", python)]
    names = dict.fromkeys((re.sub(r"[-_.]+", "-", name).lower(), name))
    return tuple(os.path.join(place, each) for place in below for each in names)


# Does a wheel fit? -------------------------------------------------------------------------------


def _fits(wheel: str, tree: Tree) -> bool:
    """Is it the wheel that was unpacked or installed there? Raises `OSError`.

    The names of a wheel with another build, or for another Python, may be the same. Most files must
    have the hash that its RECORD says; those that a power cut emptied tell nothing. Where all are
    empty, at least all must be there.
    """
    same = different = empty = missing = 0
    left = _MOST_HASHED
    for _, row in rows_at(wheel, tree):
        if not row.hash or row.path.startswith(".."):
            continue
        path = record.located(tree.path, row.path)
        try:
            size = os.stat(path).st_size
        except OSError:
            missing += 1
            continue
        if row.size and not size:
            empty += 1
            continue
        left -= size
        equal = size == row.size and (left < 0 or of_file(path, row.hash.algorithm) == row.hash)
        if not equal and row.path.endswith(".dist-info/WHEEL"):
            return False
        same += equal
        different += not equal
    return same > different or (empty > 0 and not (different or missing))


# What installers write ---------------------------------------------------------------------------


def _rows_before(path: str) -> dict[str, Row]:
    """What a damaged RECORD still says of files, with their hashes."""
    try:
        return {row.path: row for row in record.read_at(path) if row.hash and not row.problem}
    except OSError:
        return {}


def _is_script(source: str) -> bool:
    """Does the installer write another first line into it?"""
    if f"{_DATA}{os.sep}scripts{os.sep}" not in source:
        return False
    return read_foreign(source, len(_PYTHON), cut=True) == _PYTHON


def _script(source: str, row: Row, tree: Tree, before: dict[str, Row]) -> Row | None:
    """The row of a script of which the installer wrote the first line, `None` when unknown."""
    path = record.located(tree.path, row.path)
    with contextlib.suppress(OSError):
        if body(source) == body(path):
            return _row_of_file(row.path, path)
    # It was edited, or is gone.
    return before.get(row.path)


def _entry_points(wheel: str, tree: Tree) -> Iterator[tuple[str, tuple[str, str]]]:
    """Path and (module, attributes) of each script that the installer makes."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
        path = os.path.join(os.path.dirname(wheel), "entry_points.txt")
        parser.read_string(read_foreign(path, record.MOST).decode("utf-8"))
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            if os.path.basename(name) != name:
                continue
            module, _, attributes = value.partition("[")[0].strip().partition(":")
            script = os.path.join(tree.owner, _SCRIPTS, name)
            path = os.path.relpath(script, tree.path).replace(os.sep, "/")
            yield path, (module.strip(), attributes.strip())


def _entry_point(path: str, content: tuple[str, str], tree: Tree, dist_info: str) -> Row | None:
    """The row of a script that the installer made, `None` when it may have been edited since."""
    script = record.located(tree.path, path)
    try:
        written = os.stat(os.path.join(dist_info, "INSTALLER")).st_mtime
        text = read_foreign(script, record.MOST).decode("utf-8", "replace")
        is_later = os.stat(script).st_mtime > written + _MOMENT
    except OSError:
        return None
    module, attributes = content
    if is_later or f"from {module} import" not in text or attributes not in text:
        return None
    return _row_of_file(path, script)


def _row_of_file(row_path: str, path: str) -> Row:
    return Row(row_path, of_file(path, _ALGORITHM), os.stat(path).st_size)
