"""The real uv's version: assumed as long as it does not matter, asked once where it does."""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.state import facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from uvx_policy.host import Host
    from uvx_policy.model import UvVersion

#: the oldest version whose rules are known, and that is tested (docs/reference/supported-uv.md)
OLDEST = (0, 5, 23)
#: int() raises for thousands
_MOST_DIGITS = 9
#: what is remembered of a program that is not uv itself
_NOT_UV = "not uv"


class RealUv:
    """The program at `uv`. What is found out about it is remembered until the file changes."""

    def __init__(self, host: Host, uv: str, *, state: str) -> None:
        """`uv`: its path. `state`: where facts are remembered, "" for nowhere."""
        self._host, self._state = host, state
        self._file = uv
        self._key: tuple[str, ...] = ()
        #: why `version` gave none, for people
        self.why_unknown = ""
        spoilt = host.witnesses.spoilt
        try:
            self._file = host.real_path(uv)
            status = host.status(self._file)
        except Unreadable:
            return
        # Not of a file that was changed this moment: the next one could have the same identity.
        if status is not None and host.witnesses.spoilt == spoilt:
            numbers = (status.device, status.inode, status.size, status.mtime_ns, status.ctime_ns)
            self._key = (self._file, *map(str, numbers))

    def remembered(self) -> UvVersion | None:
        """Its version if that is remembered."""
        return parse_version(self._recall() or "")

    def version(self) -> UvVersion | None:
        """Its version; `None` when it does not say, or is not uv itself but what starts one.

        Only uv itself is asked: another manager's shim (mise, pyenv, proto, pixi) may install a uv
        first, and its answer depends on the directory and on its configuration.
        """
        from uvx_policy.real_uv import is_uv

        answer = self._recall()
        if answer is None:
            answer = _ask(self._file, self._host) if is_uv(self._file) else _NOT_UV
            if self._key and (answer == _NOT_UV or parse_version(answer) is not None):
                facts.remember(self._state, "uv-version", self._key, answer)
        version = parse_version(answer)
        if answer == _NOT_UV:
            self.why_unknown = (
                "it is not uv itself, but starts one that is known to its manager alone "
                "(put the directory of uv itself on PATH, in front of it)"
            )
        elif version is None:
            self.why_unknown = "it did not say it"
            self._host.witnesses.spoil("this uv did not say its version")
        return version

    def _recall(self) -> str | None:
        return facts.recall(self._state, "uv-version", self._key) if self._key else None


def assumptions() -> Iterator[UvVersion]:
    """Versions, each of which stands for all up to the next; the last one for all later ones too.

    Everything that depends on the version has to be done with one of them before the next is taken:
    it is the comparisons that say where the next one begins. Whatever is decided alike with all of
    them is decided alike with every version. What is older than `OLDEST` is taken for it.
    """
    begin: tuple[int, int, int] | None = OLDEST
    while begin is not None:
        assumed = _Assumed(begin)
        yield assumed
        begin = assumed.end


class _Assumed(tuple[int, int, int]):  # noqa: SLOT001 (a tuple has no room for slots)
    """A version that knows from which later one on a comparison would have come out otherwise.

    It can only be compared with `<`, `<=`, `>` and `>=`: what else depends on it went unnoticed.
    """

    end: tuple[int, int, int] | None = None

    def __lt__(self, other: tuple[int, ...]) -> bool:
        return not self >= other

    def __ge__(self, other: tuple[int, ...]) -> bool:
        return self._reaches(*other)

    def __le__(self, other: tuple[int, ...]) -> bool:
        return not self > other

    def __gt__(self, other: tuple[int, ...]) -> bool:
        first, second, third = other
        return self._reaches(first, second, third + 1)

    def _reaches(self, *threshold: int) -> bool:
        if tuple.__ge__(self, threshold):
            return True
        first, second, third = threshold
        if self.end is None or threshold < self.end:
            self.end = (first, second, third)
        return False

    def __bool__(self) -> bool:
        return True

    def _unnoticed(self, *_: object) -> NoReturn:
        raise TypeError("a version may only be compared by its order")

    __eq__ = __ne__ = __getitem__ = __iter__ = __len__ = __contains__ = __hash__ = _unnoticed


def uv_version(host: Host, uv: str, *, state: str) -> UvVersion | None:
    """See `RealUv.version`."""
    return RealUv(host, uv, state=state).version()


def remembered_version(host: Host, uv: str, *, state: str) -> UvVersion | None:
    """See `RealUv.remembered`. Starts nothing."""
    return RealUv(host, uv, state=state).remembered()


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
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None  # noqa: PLR2004


def _ask(uv: str, host: Host) -> str:
    """What `uv --version` prints. Without a time limit: it is uv itself, which starts next."""
    quiet = {name: value for name, value in host.environ.items() if not name.startswith("UV_")}
    words = [uv, "--version"]
    try:
        answer = _output(words, quiet) if hasattr(os, "posix_spawn") else _run(words, quiet)
    except (OSError, ValueError):
        return ""
    return answer.decode("utf-8", "replace").strip()


def _output(words: list[str], environ: dict[str, str]) -> bytes:
    """What the program prints. Raises `OSError`.

    Not `subprocess`: importing it takes longer than uv does to answer.
    """
    from uvx_policy.launch import IGNORED_BY_PYTHON

    readable, writable = os.pipe()
    with open(readable, "rb") as stream:
        try:
            child = os.posix_spawn(
                words[0],
                words,
                environ,
                # stdout first: the pipe may have got the number of a standard stream that is closed
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, writable, 1),
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsigdef=IGNORED_BY_PYTHON,
            )
        finally:
            os.close(writable)
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def _run(words: list[str], environ: dict[str, str]) -> bytes:
    """Do what `_output` does, on Windows."""
    import subprocess

    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        check=False,
    ).stdout
