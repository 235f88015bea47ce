"""One-line summaries of a run. Imported also where there is nothing else to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.terminal import words

if TYPE_CHECKING:
    from uvx_policy.verify.tally import Tally


def all_is_well(tally: Tally) -> str:
    """The sentence where nothing was found."""
    if not tally.distributions:
        return "No package is installed there."
    match = words.verb(tally.files, "matches", "match")
    return f"{looked_at(tally)} {match} what was installed ({words.size(tally.bytes)})."


def looked_at(tally: Tally) -> str:
    """How many files of how many packages."""
    return f"{words.count(tally.files, 'file')} of {words.count(tally.distributions, 'package')}"
