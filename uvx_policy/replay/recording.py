"""Keep a decision for the next call that is like this one."""

from __future__ import annotations

import os

from uvx_policy import locate
from uvx_policy.replay import records
from uvx_policy.state import files
from uvx_policy.state.layout import DECISIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.edits import Edits
    from uvx_policy.replay.witness import Witnesses


def keep(state: str, key: bytes, edits: Edits, witnesses: Witnesses) -> str:
    """Record what was decided for `key`. Gives the reason when it is not kept, else ""."""
    reason, _ = why_not(state, key, edits, witnesses)
    if reason:
        return reason
    content = records.render(key, edits, witnesses)
    if len(content) > DECISIONS.longest:
        return "it depends on too many things"
    try:
        files.write(state, DECISIONS, records.file_name(key), content)
    except (OSError, ValueError) as error:
        return f"it cannot be written ({error})"
    return ""


def see_own_code(witnesses: Witnesses) -> None:
    """Let what the decision has loaded of a checkout be its witnesses."""
    for path in locate.edited_files():
        try:
            told = os.stat(path)
        except OSError:  # another branch, checked out this moment
            told = None
        witnesses.add_status("s", path, told)


def why_not(state: str, key: bytes, edits: Edits, witnesses: Witnesses) -> tuple[str, bool]:
    """Why this decision cannot be kept, "" when it can; and may the next one be kept?"""
    if not state:
        return "there is no safe state directory", False
    if not key:
        return "there is no key for this call", False
    if witnesses.spoilt and not witnesses.passing:
        return witnesses.spoilt, False
    witnesses.settle()
    if edits.make_cache or edits.make_directory:
        return "it makes a directory first", True
    if edits.seed is not None:
        return "it fills a cache first", True
    return witnesses.spoilt, True
