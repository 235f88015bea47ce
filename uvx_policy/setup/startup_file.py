"""Put a marked block into somebody's start-up file, and take it out again, byte for byte.

The block says itself what `without_block` must know (did we make the file, did we end its last
line), so that uninstalling is exact even when our record of it is lost. Content is bytes: a
start-up file may hold anything. How it is written: `state.user_file`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.errors import LinkPolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEGIN = b"# >>> linkpolicy >>>\n"
END = b"# <<< linkpolicy <<<\n"
_WHAT = b"# Puts linkpolicy's uv first on PATH. To take this out again: linkpolicy uninstall\n"
_MADE_FILE = b"# linkpolicy made this file.\n"
#: line ends that we put before the block -> how we say so
_ENDED = {
    1: b"# linkpolicy ended the line above.\n",
    2: b"# linkpolicy ended the line above, and the empty one.\n",
}


class HalfBlock(LinkPolicyError):
    """A begin or end marker without its other half: nobody can say what is ours."""

    def __init__(self, line: int, marker: bytes) -> None:
        super().__init__(f"line {line}: `{marker.decode().strip()}` without its other half")
        self.line = line


class EditedBlock(LinkPolicyError):
    """Between our markers stands something that we did not write."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: the linkpolicy block that starts here was edited")
        self.line = line


class WideCharacters(LinkPolicyError):
    """The file is UTF-16, as Windows PowerShell writes."""


class Block(NamedTuple):
    """One marked block that was found in a file."""

    start: int
    end: int
    #: number of the line with the begin marker, from 1
    line: int
    #: between the markers, with `\\n` line ends, without our own remarks
    lines: bytes
    made_file: bool
    #: line ends before it that are ours
    ends: int


def with_block(content: bytes | None, lines: bytes, *, is_ours: Callable[[bytes], bool]) -> bytes:
    """The content with our block as its end, and no other of ours. `None`: there is no file yet.

    Raises `HalfBlock`, `EditedBlock` and `WideCharacters`. Idempotent.
    """
    if content and content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise WideCharacters("is UTF-16, which these lines are not")
    made_file = content is None or any(found.made_file for found in blocks(content))
    rest = b"" if content is None else without_block(content, is_ours=is_ours)
    # After a backslash the next line belongs to the last one.
    goes_on = rest.removesuffix(b"\n").removesuffix(b"\r").endswith(b"\\")
    ends = (bool(rest) and not rest.endswith(b"\n")) + goes_on
    remarks = _WHAT + (_MADE_FILE if made_file else b"") + _ENDED.get(ends, b"")
    return rest + b"\n" * ends + BEGIN + remarks + lines + END


def without_block(content: bytes, *, is_ours: Callable[[bytes], bool]) -> bytes:
    """The content without any block of ours. Raises `HalfBlock` and `EditedBlock`."""
    for found in reversed(blocks(content)):
        if not is_ours(found.lines):
            raise EditedBlock(found.line)
        before, after = content[: found.start], content[found.end :]
        if not after:
            # With text after it, the line end is what keeps the user's lines apart.
            converted = not content.startswith(BEGIN, found.start)
            for _ in range(found.ends):
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
            remarks = [line for line in inside if line in (_WHAT, _MADE_FILE, *_ENDED.values())]
            found.append(
                Block(
                    start=begin[0],
                    end=start + len(line),
                    line=begin[1],
                    lines=b"".join(line for line in inside if line not in remarks),
                    made_file=_MADE_FILE in remarks,
                    ends=next((ends for ends, text in _ENDED.items() if text in remarks), 0),
                )
            )
            begin = None
        elif begin:
            inside.append(plain)
    if begin:
        raise HalfBlock(begin[1], BEGIN)
    return tuple(found)


def _numbered(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Line number, offset, line with its end. Only a line feed ends a line, as in every shell."""
    start = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        yield number, start, content[start : start + len(line) + 1]
        start += len(line) + 1
