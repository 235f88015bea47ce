"""Random words and environment variables, fast: hypothesis takes fifty times as long for each.

hypothesis looks at fewer of the same kind, and finds the smallest that fails.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

from tests.property.test_invocation import ALL_SPELLINGS, ALL_WORDS, LEAVES
from uvx_policy import guard
from uvx_policy.replay import key
from uvx_policy.uv.options import SIGNIFICANT, spellings

IDENTITY = "123.456"
UV = "/real/uv"

#: of whose words most may matter
LIKELY = ("run", "sync", "venv", "pip install", "tool run", "tool install")
#: words that are neither options nor commands
PLAIN = ("-", "--", "", "x", "3.12", "ruff", "tool.py", "a/b")
#: what an outer guard may hold, well formed or not
GUARD_PIECES = (
    "1", "2", "", "process=", f"process={IDENTITY}", "process=1.2",
    "depth=1", "depth=x", "uv=/c",
    "turn=0", "turn=1", "turn=99999999999", "turn=x",
    "turn=199", "uv=1%3b2", "depth=3", f"tried={UV}", "tried=/a%3bb", "tried", "set=",
    "set=A", "set=A=", "set=A=1", "set=A=1%3b2", "set=A=%25", "set=A=%", "set=A=%2%3b5",
    "set=UV_CACHE_DIR=/c", "set=UV_LINK_MODE=copy", "set==x", "set=A=1=2", "other=1", "==",
)  # fmt: skip
VALUES = ("", "1", "2", "12345678901", "1;2", "%", "%25", "%2;5", "/c", "copy", "1=2", "x;y%z")
NAMES = (
    "A", "B", "UV_CACHE_DIR", "UV_LINK_MODE", "PATH", "HOME", "UV", "UV_RUN_RECURSION_DEPTH",
    guard.NAME, "",
)  # fmt: skip


class Calls:
    """Calls of one seed, one after the other."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 (no secret)

    def program(self) -> str:
        """The name of a shim."""
        return self._chance.choice(("uv", "uv", "uvx"))

    def line(self) -> tuple[str, ...]:
        """Words of any kind, or such that uv would take, with a word of any kind put in."""
        chance = self._chance
        if chance.random() < 0.5:
            return tuple(self._likely() for _ in range(chance.randrange(12)))
        words = list(self._options(""))
        above = ""
        for word in chance.choice((*LEAVES, *(LIKELY * 10))).split():
            above = f"{above} {word}".strip()
            words += [word, *self._options(above)]
        words += [self._word() for _ in range(chance.randrange(4))]
        if chance.random() < 0.5:
            words.insert(chance.randint(0, len(words)), self._raw())
        return tuple(words)

    def environ(self) -> list[str]:
        """Entries as execve(2) gets them."""
        chance = self._chance
        entries = [self._entry() for _ in range(chance.randrange(8))]
        if chance.random() < 0.7:
            entries += self._guarded()
        chance.shuffle(entries)
        return entries

    def _likely(self) -> str:
        chance = self._chance
        kind = chance.randrange(6)
        if kind == 0:
            return self._raw()
        if kind < 4:
            return chance.choice(ALL_SPELLINGS) + ("", f"={self._raw()}", self._raw())[kind - 1]
        return chance.choice(ALL_WORDS if kind == 4 else PLAIN)

    def _options(self, command: str) -> Iterator[str]:
        table = spellings(command)
        for _ in range(self._chance.randrange(4)):
            known = sorted(table)
            if self._chance.random() < 0.5:
                known = [each for each in known if table[each].rstrip("=") in SIGNIFICANT]
            spelling = self._chance.choice(known)
            yield spelling
            if table[spelling].endswith("="):
                yield self._word()

    def _word(self) -> str:
        return self._raw() if self._chance.random() < 0.3 else self._chance.choice(PLAIN)

    def _entry(self) -> str:
        chance = self._chance
        if chance.random() < 0.1:
            return self._raw()
        name = chance.choice(NAMES if chance.random() < 0.7 else key.VARIABLES)
        return f"{name}={self._value()}"

    def _guarded(self) -> Iterator[str]:
        """An outer guard, and most of what it says that it has set."""
        chance = self._chance
        pieces = [self._piece() for _ in range(chance.randrange(9))]
        text = ";".join(pieces if chance.random() < 0.1 else ["1", *pieces])
        yield f"{guard.NAME}={text}"
        outer = guard.read({guard.NAME: text})
        for name, value in outer.values if outer else ():
            if chance.random() < 0.7:
                yield f"{name}={value}"

    def _piece(self) -> str:
        kind = self._chance.randrange(8)
        if kind == 0:
            return self._raw()
        return f"set=A={self._raw()}" if kind == 1 else self._chance.choice(GUARD_PIECES)

    def _value(self) -> str:
        return self._raw() if self._chance.random() < 0.2 else self._chance.choice(VALUES)

    def _raw(self) -> str:
        size = self._chance.randrange(9)
        return os.fsdecode(self._chance.randbytes(size).replace(b"\0", b"x"))
