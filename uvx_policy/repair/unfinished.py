"""What a repair that was killed did not get to: kept while it works, found by the next one.

An environment that was named looks well as soon as its own files are restored; the others that had
the same file would be forgotten. One private file for each repair that is under way.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from uvx_policy.installed.tree import Tree
from uvx_policy.repair.backup import CannotKeep
from uvx_policy.state import files
from uvx_policy.state.layout import REPAIRS
from uvx_policy.state.reading import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.installed.tree import TreeKind
    from uvx_policy.repair.model import Step


def begin(state: str, steps: Sequence[Step]) -> str:
    """Keep what is to be done; gives the name to `end` it by. Raises `CannotKeep`."""
    rows = [
        [each.path, each.tree.path, each.tree.kind, each.owner]
        for each in (step.location for step in steps if step.is_change and step.state)
        if not each.in_cache or each.in_archive
    ]
    name = f"{REPAIRS.prefix}{os.urandom(8).hex()}"
    try:
        if state and rows:
            files.write(state, REPAIRS, name, json.dumps(rows).encode("ascii"))
    except ValueError:
        pass  # hundreds of thousands of files, which are repaired all the same
    except OSError as error:
        why = error.strerror or "it is not yours alone"
        raise CannotKeep(f"cannot write below `{state}`: {why}") from error
    return name


def end(state: str, name: str) -> None:
    """All of it was done, or told. Never raises."""
    files.delete(state, REPAIRS, name)


def left(state: str) -> dict[str, list[tuple[Tree, str]]]:
    """Name of each repair that did not end -> trees and files that it was about. Never raises."""
    return {name: _read(state, name) for name in files.names(state, REPAIRS)}


def _read(state: str, name: str) -> list[tuple[Tree, str]]:
    """Nothing when it is damaged, or not ours alone."""
    try:
        rows = json.loads(read(state, REPAIRS, name) or b"[]")
        return [(_tree(str(tree), kind, str(owner)), str(file)) for file, tree, kind, owner in rows]
    except (OSError, ValueError, TypeError, RecursionError):
        return []


def _tree(path: str, kind: object, owner: str) -> Tree:
    found: TreeKind = "site" if kind == "site" else "archive"
    return Tree(path=path, kind=found, owner=owner)
