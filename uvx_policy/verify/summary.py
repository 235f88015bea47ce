"""What the counts of a run come to, in words. Imported also where nothing else is to be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.terminal import words

if TYPE_CHECKING:
    from uvx_policy.verify.tally import Tally


def all_is_well(tally: Tally) -> str:
    """The sentence where nothing was found."""
    if not tally.distributions:
        return "Nothing is installed there."
    verb = "is" if tally.files == 1 else "are"
    return f"{looked_at(tally)} {verb} what was installed ({words.size(tally.bytes)})."


def looked_at(tally: Tally) -> str:
    """How many files of how many packages."""
    files = f"{tally.files:,} {plural(tally.files, 'file')}"
    return f"{files} of {tally.distributions:,} {plural(tally.distributions, 'package')}"


def plural(count: int, word: str) -> str:
    """The word for so many."""
    return word if count == 1 else f"{word}s"
