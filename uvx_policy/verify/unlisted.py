"""Files that no RECORD names because their wheel was published without naming them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.installed.hash import NO_HASH, of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.index import Index
    from uvx_policy.verify.published import Published

_ALGORITHM = "sha256"


def attributed(
    findings: Iterable[Finding], index: Index, published: Published
) -> Iterator[Finding]:
    """The same findings; an "extra" file that its wheel has as well is "unlisted"."""
    for each in findings:
        if each.state == "extra" and (_is_in_archive(each, index) or _is_known(each, published)):
            yield each.replace(state="unlisted")
        else:
            yield each


def _is_known(extra: Finding, published: Published) -> bool:
    below = os.path.relpath(extra.path, extra.tree.path)
    known = published.hash_of(extra.dist_info, below, NO_HASH)
    return bool(known) and of_file(extra.path, known.algorithm) == known


def _is_in_archive(extra: Finding, index: Index) -> bool:
    below = os.path.relpath(extra.path, extra.tree.path)
    for archive in index.archives_of(os.path.basename(extra.dist_info)):
        try:
            here = os.stat(extra.path)
            path = os.path.join(archive.path, below)
            there = os.stat(path)
        except (OSError, ValueError):
            continue
        if os.path.samestat(here, there):
            return True
        same_size = here.st_size == there.st_size
        if same_size and of_file(path, _ALGORITHM) == of_file(extra.path, _ALGORITHM):
            return True
    return False
