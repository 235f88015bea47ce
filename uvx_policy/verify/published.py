"""Wheels that were published with a RECORD that is wrong about their own files (uv #11723).

Whether a file differs from its RECORD because somebody edited it, or because the wheel was built
that way, only the published wheel tells. Once it was fetched for that, the answer is remembered:
the file is known by its distribution, its path, and the hash that its RECORD claims.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from uvx_policy.installed import record
from uvx_policy.installed.distributions import status_of
from uvx_policy.installed.hash import NO_HASH, Hash, of_file
from uvx_policy.state import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.tree import Index

_KIND = "published"
_ALGORITHM = "sha256"
#: of a file that RECORD names, and the wheel does not have
ABSENT = Hash("absent", "-")


class Published:
    """What is remembered of published wheels."""

    def __init__(self, state: str) -> None:
        """`state`: the state directory, "" to remember nothing."""
        self._state = state
        #: name of a `.dist-info` -> what is remembered of it
        self._names: dict[str, dict[str, str]] = {}

    def hash_of(self, dist_info: str, path: str, claimed: Hash) -> Hash:
        """The hash that a file was published with, `NO_HASH` if it is not known to differ.

        `ABSENT` if the wheel does not have the file. `dist_info`: path or name of its directory;
        `path`: as in RECORD; `claimed`: by RECORD, `NO_HASH` where it has none.
        """
        known = self._known(os.path.basename(dist_info))
        try:
            return Hash.parse(known.get(f"{path}\n{claimed}", ""))
        except ValueError:
            return NO_HASH

    def expected(self, finding: Finding) -> Hash:
        """The hash that the file of a finding should have, `NO_HASH` when it is not known."""
        row = finding.row
        if row is None:
            return NO_HASH
        return self.hash_of(finding.dist_info, row.path, row.hash) or row.hash

    def has_record(self, path: str) -> bool:
        """Is the RECORD at this path as it was published? Never raises."""
        found = of_file(path, _ALGORITHM)
        return bool(found) and self.hash_of(os.path.dirname(path), record.NAME, found) == found

    def remember_record(self, path: str) -> None:
        """Keep that the RECORD at this path is as it was published. Fails silently."""
        found = of_file(path, _ALGORITHM)
        self.remember(os.path.dirname(path), record.NAME, found, found)

    def remember(self, dist_info: str, path: str, claimed: Hash, published: Hash) -> None:
        """Keep it. Fails silently."""
        name = os.path.basename(dist_info)
        known = self._known(name)
        known[f"{path}\n{claimed}"] = str(published)
        facts.remember(self._state, _KIND, (name,), json.dumps(known))

    def _known(self, name: str) -> dict[str, str]:
        if name not in self._names:
            try:
                found = json.loads(facts.recall(self._state, _KIND, (name,)) or "{}")
            except (ValueError, RecursionError):
                found = None
            every = found.items() if isinstance(found, dict) else ()
            self._names[name] = {key: value for key, value in every if isinstance(value, str)}
        return self._names[name]


def attributed(
    findings: Iterable[Finding], index: Index, published: Published
) -> Iterator[Finding]:
    """The same findings; an "extra" file that its wheel has as well is "unlisted"."""
    for each in findings:
        if each.state == "extra" and _is_of_wheel(each, index, published):
            yield each.replace(state="unlisted")
        else:
            yield each


def _is_of_wheel(extra: Finding, index: Index, published: Published) -> bool:
    below = os.path.relpath(extra.path, extra.tree.path)
    for archive in index.archives_of(os.path.basename(extra.dist_info)):
        path = os.path.join(archive.path, below)
        here, there = status_of(extra.path), status_of(path)
        if here is None or there is None:
            continue
        if os.path.samestat(here, there):
            return True
        same_size = here.st_size == there.st_size
        if same_size and of_file(path, _ALGORITHM) == of_file(extra.path, _ALGORITHM):
            return True
    known = published.hash_of(extra.dist_info, below, NO_HASH)
    return bool(known) and of_file(extra.path, known.algorithm) == known
