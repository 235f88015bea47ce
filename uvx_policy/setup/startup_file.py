"""Put a marked block into somebody's start-up file, and take it out again, byte for byte.

The block says itself what `without_block` must know (did we make the file, did we end its last
line), so that uninstalling is exact even when our record of it is lost. Content is bytes: a
start-up file may hold anything.

Every write is: build beside, compare the file with what the plan was made from, rename. Killed at
any point, the file is the old or the new one. A symbolic link (dotfile managers) stays a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.errors import LinkPolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEGIN = b"# >>> linkpolicy >>>\n"
END = b"# <<< linkpolicy <<<\n"
_WHAT = b"# Puts linkpolicy's uv first on PATH. To take this out again: linkpolicy uninstall\n"
_MADE_FILE = b"# linkpolicy made this file.\n"
_ENDED_LINE = b"# linkpolicy ended the line above.\n"

#: end of the name of a file that is being built
UNFINISHED = ".linkpolicy-new"


class HalfBlock(LinkPolicyError):
    """A begin or end marker without its other half: nobody can say what is ours."""

    def __init__(self, line: int, marker: bytes) -> None:
        super().__init__(f"line {line}: `{marker.decode().strip()}` without its other half")
        self.line = line


class EditedBlock(LinkPolicyError):
    """Between our markers stands something that we did not write."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: somebody edited the linkpolicy block that begins here")
        self.line = line


class NotEditable(LinkPolicyError):
    """A start-up file that we leave alone. `str()` is the reason, without the path."""


class Block(NamedTuple):
    """One marked block that was found in a file."""

    start: int
    end: int
    #: number of the line with the begin marker, from 1
    line: int
    #: between the markers, with `\\n` line ends, without our own remarks
    lines: bytes
    made_file: bool
    ended_line: bool


class Snapshot(NamedTuple):
    """A file as it was when the plan was made."""

    #: as the shell names it
    path: str
    #: where the bytes are, symbolic links followed
    real_path: str
    #: `None` when there is no such file
    content: bytes | None
    mode: int = 0o644


def with_block(content: bytes | None, lines: bytes, *, is_ours: Callable[[bytes], bool]) -> bytes:
    """The content with our block as its end, and no other of ours. `None`: there is no file yet.

    Raises `HalfBlock` and `EditedBlock`. Idempotent.
    """
    made_file = content is None or any(found.made_file for found in blocks(content))
    rest = b"" if content is None else without_block(content, is_ours=is_ours)
    ended_line = bool(rest) and not rest.endswith(b"\n")
    return b"".join(
        (
            rest,
            b"\n" if ended_line else b"",
            BEGIN,
            _WHAT,
            _MADE_FILE if made_file else b"",
            _ENDED_LINE if ended_line else b"",
            lines,
            END,
        )
    )


def without_block(content: bytes, *, is_ours: Callable[[bytes], bool]) -> bytes:
    """The content without any block of ours. Raises `HalfBlock` and `EditedBlock`."""
    for found in reversed(blocks(content)):
        if not is_ours(found.lines):
            raise EditedBlock(found.line)
        before, after = content[: found.start], content[found.end :]
        if found.ended_line and not after:
            # With text after it, the line end is what keeps the user's lines apart.
            converted = not content.startswith(BEGIN, found.start)
            before = before.removesuffix(b"\r\n" if converted else b"\n")
        content = before + after
    return content


def would_be_deleted(content: bytes, *, is_ours: Callable[[bytes], bool]) -> bool:
    """Did we make this file, and is nothing in it but our block?"""
    made = any(found.made_file for found in blocks(content))
    return made and not without_block(content, is_ours=is_ours)


def blocks(content: bytes) -> tuple[Block, ...]:
    """Every marked block, in order. Raises `HalfBlock`."""
    found: list[Block] = []
    begin: tuple[int, int] | None = None
    inside: list[bytes] = []
    for number, start, line in _numbered(content):
        plain = line.rstrip(b"\r\n") + b"\n"
        if plain == BEGIN:
            if begin:
                raise HalfBlock(begin[1], BEGIN)
            begin, inside = (start, number), []
        elif plain == END:
            if not begin:
                raise HalfBlock(number, END)
            remarks = [line for line in inside if line in (_WHAT, _MADE_FILE, _ENDED_LINE)]
            found.append(
                Block(
                    start=begin[0],
                    end=start + len(line),
                    line=begin[1],
                    lines=b"".join(line for line in inside if line not in remarks),
                    made_file=_MADE_FILE in remarks,
                    ended_line=_ENDED_LINE in remarks,
                )
            )
            begin = None
        elif begin:
            inside.append(plain)
    if begin:
        raise HalfBlock(begin[1], BEGIN)
    return tuple(found)


def read(path: str) -> Snapshot:
    """The file as it is now. Raises `NotEditable` for what we could not write back safely."""
    try:
        real_path = os.path.realpath(path, strict=os.path.lexists(path))
    except OSError as error:
        reason = "is a dangling symbolic link" if error.errno == errno.ENOENT else _reason(error)
        raise NotEditable(reason) from error
    try:
        status = os.stat(real_path)
        if not stat.S_ISREG(status.st_mode):
            raise NotEditable("is not a regular file")
        with open(real_path, "rb") as stream:
            content = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return Snapshot(path=path, real_path=real_path, content=None)
    except OSError as error:
        raise NotEditable(_reason(error)) from error
    return Snapshot(path, real_path, content, stat.S_IMODE(status.st_mode))


def check_editable(snapshot: Snapshot) -> None:
    """Raises `NotEditable` where a rename would work and still be wrong, or would not work."""
    if snapshot.content is None:
        return
    try:
        status = os.stat(snapshot.real_path)
    except OSError as error:
        raise NotEditable(_reason(error)) from error
    # root may write to everything; a file that forbids writing to all says so to root, too.
    if not status.st_mode & 0o222 or not os.access(snapshot.real_path, os.W_OK):
        raise NotEditable("is read-only")
    if status.st_nlink > 1:
        raise NotEditable("has another hard link, which a new version would cut off")
    if not os.access(os.path.dirname(snapshot.real_path), os.W_OK | os.X_OK):
        raise NotEditable("is in a directory that cannot be written to")


def write(snapshot: Snapshot, content: bytes | None) -> None:
    """Put `content` in place of what `snapshot` holds; `None` deletes the file.

    Raises `NotEditable`, also when the file is no longer what `snapshot` says.
    """
    check_editable(snapshot)
    try:
        if content is None:
            _still_the_same(snapshot)
            os.unlink(snapshot.real_path)
            return
        unfinished = snapshot.real_path + UNFINISHED
        # Left over from a run that was killed: the name is ours, and O_EXCL follows no link.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
        try:
            _build(unfinished, content, snapshot)
            _still_the_same(snapshot)
            os.replace(unfinished, snapshot.real_path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
            raise
    except OSError as error:
        raise NotEditable(_reason(error)) from error


def _build(path: str, content: bytes, snapshot: Snapshot) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, snapshot.mode & 0o777)
    with open(handle, "wb") as stream:
        if snapshot.content is not None:
            _copy_ownership(snapshot.real_path, handle, snapshot.mode)
        stream.write(content)
        stream.flush()
        os.fsync(handle)


def _copy_ownership(path: str, handle: int, mode: int) -> None:
    """Owner, mode and extended attributes (ACLs, SELinux labels), as far as we may."""
    status = os.stat(path)
    own = os.fstat(handle)
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(handle, status.st_uid, status.st_gid)
    os.fchmod(handle, mode)
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(path):
                with contextlib.suppress(OSError):
                    os.setxattr(handle, name, os.getxattr(path, name))


def _still_the_same(snapshot: Snapshot) -> None:
    now = read(snapshot.path)
    if (now.real_path, now.content) != (snapshot.real_path, snapshot.content):
        raise NotEditable("was changed by somebody else just now; run the command again")


def _numbered(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Line number, offset, line with its end. Only a line feed ends a line, as in every shell."""
    start = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        end = min(start + len(line) + 1, len(content))
        yield number, start, content[start:end]
        start = end


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
