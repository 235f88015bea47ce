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
from uvx_policy.state import files as state_files

if TYPE_CHECKING:
    from uvx_policy.repair.model import Plan

#: directory below the state directory
DIRECTORY = "repairs"
_MOST = 64 << 20


def begin(state: str, plan: Plan) -> str:
    """Keep what is to be done; gives the name to `end` it by. Raises `CannotKeep`."""
    rows = [
        [step.spot.path, step.spot.tree, step.spot.kind, step.spot.owner]
        for step in plan.steps
        if step.action != "leave" and step.spot.kind != "store"
    ]
    name = f"repair-{os.urandom(8).hex()}"
    try:
        if state:
            state_files.write(state, DIRECTORY, name, json.dumps(rows).encode("ascii"))
    except OSError as error:
        why = error.strerror or "it is not yours alone"
        raise CannotKeep(f"cannot write below `{state}`: {why}") from error
    return name


def end(state: str, name: str) -> None:
    """All of it was done, or told. Never raises."""
    if state:
        state_files.unlink(os.path.join(state, DIRECTORY, name))


def left(state: str) -> dict[str, list[tuple[Tree, str]]]:
    """Name of each repair that did not end -> trees and files that it was about. Never raises."""
    directory = os.path.join(state, DIRECTORY)
    try:
        names = sorted(os.listdir(directory)) if state else []
    except OSError:
        return {}
    return {name: _read(os.path.join(directory, name)) for name in names if name[:1] != "."}


def _read(path: str) -> list[tuple[Tree, str]]:
    """Nothing when it is damaged, or not ours alone."""
    try:
        rows = json.loads(state_files.read(path, _MOST) or b"[]")
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
