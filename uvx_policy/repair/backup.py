"""Save what is about to be replaced: each edited file whole, and what was changed in it.

One directory for each repair. It holds the files by package, beside each the difference from its
original as `NAME.diff`, and a `manifest.json` that says where everything lay.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from uvx_policy.errors import LinkPolicyError
from uvx_policy.installed.hash import Hash, of_file, of_pieces
from uvx_policy.replace import foreign
from uvx_policy.replace.build import fill
from uvx_policy.state.files import flush, make_private
from uvx_policy.value import Value
from uvx_policy.verify.difference import difference
from uvx_policy.verify.originals import Original, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MANIFEST = "manifest.json"
_DIFF = ".diff"
#: of 255 bytes some are for what is added to a name; of UTF-8 a character has at most four
_LONGEST = 60


class Edit(Value):
    """A file to save."""

    #: absolute
    path: str
    #: such as "rich-15.0.0"
    distribution: str
    #: below the distribution, as in its RECORD
    name: str
    #: why it is replaced or removed: a `verify.model.State`
    state: str
    original: Original | None = None
    #: where it is read from, "" for `path`
    lies_at: str = ""

    @property
    def source(self) -> str:
        """Absolute path to read it from."""
        return self.lies_at or self.path


class Kept(Value):
    """What was saved."""

    #: absolute path of the new directory, "" when there was nothing to save
    directory: str = ""
    #: path -> hash of what was saved of it
    contents: Mapping[str, Hash] = MappingProxyType({})


class CannotKeep(LinkPolicyError):
    """Something could not be saved: then nothing may be replaced."""

    hint = "another place: --keep-edits DIR"


def keep(edits: Sequence[Edit], directory: str, earlier: str = "") -> Kept:
    """Save all of it below `directory` (absolute), which is made where missing.

    The same edit at several places is saved once. `earlier`: what an earlier call of the same
    repair made, and these are added to. Raises `CannotKeep`, and then leaves nothing behind.
    """
    if not any(os.path.isfile(edit.source) for edit in edits):
        return Kept()
    contents: dict[str, Hash] = {}
    name = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    path = earlier or _free_name(os.path.join(directory, f"{name}-{os.getpid()}"))
    try:
        # Before and after: nobody else may choose where it is made, or have made it.
        foreign.check_way(path)
        make_private(path, anywhere=True)
        foreign.check_way(path)
    except OSError as error:
        raise CannotKeep(f"cannot save your edits in `{path}`: {error.strerror}") from error
    try:
        rows = [*(_saved(earlier) if earlier else ()), *_kept(edits, path, contents)]
        text = json.dumps({"schema": 1, "edits": rows}, indent=2, ensure_ascii=True)
        new = _free_name(os.path.join(path, f"{MANIFEST}.new"))
        fill(new, [text.encode() + b"\n"])
        flush(new)
        os.replace(new, os.path.join(path, MANIFEST))
        flush(path)
    except BaseException as error:
        if not earlier:
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            where = f"`{error.filename}`" if isinstance(error.filename, str) else f"`{path}`"
            raise CannotKeep(f"cannot save your edits: {where}: {error.strerror}") from error
        raise
    return Kept(directory=path, contents=contents)


def _saved(directory: str) -> list[dict[str, Any]]:
    """The rows of its manifest. Raises `OSError`."""
    with open(os.path.join(directory, MANIFEST), "rb") as stream:
        rows: list[dict[str, Any]] = json.load(stream)["edits"]
    return rows


def _kept(edits: Sequence[Edit], path: str, contents: dict[str, Hash]) -> Iterator[dict[str, Any]]:
    """Save each, give its row of the manifest, and note in `contents` what was saved of its path.

    Raises `OSError`.
    """
    rows: dict[tuple[str, Hash], dict[str, Any]] = {}
    digests: dict[tuple[int, int], Hash] = {}
    written: list[str] = []
    for edit in edits:
        try:
            told = os.stat(edit.source)
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(told.st_mode):
            continue  # no file: nothing of it could be saved, and it is not replaced
        _make_readable(edit.source, told)
        content = Original(path=edit.source)
        inode = (told.st_dev, told.st_ino)
        if inode not in digests:
            digests[inode] = of_pieces(chunks(content), "sha256")
        place = os.path.join(path, *_parts(edit.distribution), *_parts(edit.name))
        key = (place, digests[inode])
        if key in rows:
            # The same edit under another name, or copied.
            rows[key]["from"].append(edit.path)
            contents[edit.path] = digests[inode]
            continue
        saved = _free_name(place)
        make_private(os.path.dirname(saved), anywhere=True)
        fill(saved, chunks(content))
        # Of what was saved: somebody may have written the file between the two.
        contents[edit.path] = digests[inode] = of_file(saved, "sha256")
        key = (place, digests[inode])
        os.utime(saved, ns=(told.st_mtime_ns, told.st_mtime_ns))
        written.append(saved)
        rows[key] = {
            "saved": os.path.relpath(saved, path),
            "from": [edit.path],
            "state": edit.state,
            "mode": f"{stat.S_IMODE(told.st_mode):04o}",
            "diff": None,
        }
        if edit.original is not None:
            # Of what was saved: the file may change while we are at it.
            text = difference(saved, edit.original, edit.name)
            if text:
                fill(saved + _DIFF, [text.encode("utf-8", "surrogateescape")])
                rows[key]["diff"] = os.path.relpath(saved + _DIFF, path)
                written.append(saved + _DIFF)
    for each in written:
        # All at once in the end: after the first most of it is on the disk already.
        flush(each)
    yield from rows.values()


def _make_readable(path: str, told: os.stat_result) -> None:
    """What `chmod 000` did is undone in a moment anyway; without it nothing could be saved."""
    if not told.st_mode & stat.S_IRUSR and not os.access(path, os.R_OK):
        with contextlib.suppress(OSError):
            os.chmod(path, stat.S_IMODE(told.st_mode) | stat.S_IRUSR)


def _parts(name: str) -> list[str]:
    """The parts of a path that lead nowhere but down, none too long; never empty."""
    parts = [part[:_LONGEST] for part in name.split("/") if part not in ("", ".", "..")]
    return parts or ["file"]


def _free_name(path: str) -> str:
    number, found = 1, path
    while os.path.lexists(found) or os.path.lexists(found + _DIFF):
        number += 1
        found = f"{path}.{number}"
    return found
