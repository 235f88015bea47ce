"""Tell uv itself from what only starts it: by its content, as both have the same name.

Trampolines (pixi), native shims (proto, mise) and scripts (pyenv, asdf) are called `uv` as well.
"""

from uvx_policy.minimal_os import os

#: Beginnings of ELF, PE and Mach-O: a script may contain anything.
_NATIVE = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
#: What every uv since 0.4 contains, on every platform, and its `uvx` and `uvw` do not: the first
#: line of its help, and a line of the pyvenv.cfg that it writes. Together they take a program that
#: has uv's command line and makes virtual environments.
MARKS = (b"An extremely fast Python package manager", b"include-system-site-packages")
_PIECE = 1 << 20
_FILE = 0o100000  # inode(7)


def is_uv(path: str) -> bool:
    """Does the file hold uv itself? What cannot be read is not known to. Takes 10 ms for a uv."""
    flags = ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY")
    try:
        handle = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in flags))
        try:
            return os.fstat(handle).st_mode & 0o170000 == _FILE and _has_marks(handle)
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return False


def _has_marks(handle: int) -> bool:
    piece = os.read(handle, _PIECE)
    if not piece.startswith(_NATIVE):
        return False
    missing = list(MARKS)
    overlap = max(map(len, MARKS)) - 1
    end = b""
    while piece and missing:
        seam = end + piece[:overlap]
        missing = [mark for mark in missing if mark not in piece and mark not in seam]
        end = (seam if len(piece) < overlap else piece)[-overlap:]
        piece = os.read(handle, _PIECE)
    return not missing
