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
    from uvx_policy.repair.model import Plan


def begin(state: str, plan: Plan) -> str:
    """Keep what is to be done; gives the name to `end` it by. Raises `CannotKeep`."""
    rows = [
        [step.spot.path, step.spot.tree, step.spot.kind, step.spot.owner]
        for step in plan.steps
        if step.action != "leave" and step.spot.kind != "store"
    ]
    name = f"{REPAIRS.prefix}{os.urandom(8).hex()}"
    try:
        if state:
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
        return [
            (
                Tree(
                    path=str(tree),
                    kind="site" if kind == "site" else "archive",
                    owner=str(owner),
                ),
                str(file),
            )
            for file, tree, kind, owner in rows
        ]
    except (OSError, ValueError, TypeError, RecursionError):
        return []
