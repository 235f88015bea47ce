"""Does a lock file still say what the project asks for? Then uv does not resolve again. Pure.

The answer is yes only where it is certain: the lock file quotes what it was made for.
"""

from __future__ import annotations

import re

from uvx_policy.uv.requirement import Requirement
from uvx_policy.uv.workspace import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: what of `[tool.uv]` has a say in a resolution and is not compared
_DECIDES = (
    "build-constraint-dependencies", "conflicts", "constraint-dependencies", "default-groups",
    "dependency-groups", "dependency-metadata", "environments", "exclude-dependencies",
    "exclude-newer", "exclude-newer-package", "fork-strategy", "override-dependencies",
    "prerelease", "required-environments", "resolution",
)  # fmt: skip
_ROW = re.compile(r"\{ name = \"([^\"]+)\"(.*?) \}")
_SPECIFIER = re.compile(r" specifier = \"([^\"]*)\"")
_SECTION = "[package.metadata"


def is_up_to_date(lock: str, name: str, pyproject: dict[str, Any]) -> bool:
    """Is `pyproject`, of the package `name`, what the text of a uv.lock was made for?"""
    project, settings = table(pyproject, "project"), table(pyproject, "tool", "uv")
    if project.get("dynamic") or any(key in settings for key in _DECIDES):
        return False
    python = project.get("requires-python")
    if isinstance(python, str) and f'\nrequires-python = "{_plain(python)}"\n' not in lock:
        # A member's own may be narrower than the one that all of a workspace have.
        return False
    asked = sorted(_asked(pyproject))
    return asked == sorted(_quoted(lock, name))


def _asked(pyproject: dict[str, Any]) -> Iterator[tuple[str, str]]:
    project = table(pyproject, "project")
    texts = list(_texts(project.get("dependencies")))
    for each in table(project, "optional-dependencies").values():
        texts += _texts(each)
    groups = table(pyproject, "dependency-groups")
    for each in groups.values():
        texts += _of_group(each, groups, 0)
    texts += _texts(table(pyproject, "tool", "uv").get("dev-dependencies"))
    for text in texts:
        wanted = Requirement.parse(text) if text else None
        # What is none (a URL) is compared with nothing, and differs.
        yield (wanted.name, _plain(wanted.specifier)) if wanted is not None else ("", text)


def _of_group(group: object, groups: dict[str, Any], depth: int) -> list[str]:
    found: list[str] = []
    for each in group if isinstance(group, list) else ():
        if isinstance(each, str):
            found.append(each)
        elif depth < len(groups) and isinstance(each, dict):
            found += _of_group(groups.get(str(each.get("include-group"))), groups, depth + 1)
    return found


def _texts(value: object) -> list[str]:
    return (
        [each if isinstance(each, str) else "" for each in value] if isinstance(value, list) else []
    )


def _quoted(lock: str, name: str) -> Iterator[tuple[str, str]]:
    """(name, specifier) of each requirement that the lock file quotes of this package."""
    inside = False
    _, found, rest = lock.partition(f'\n[[package]]\nname = "{name}"\n')
    for line in rest.partition("\n[[package]]\n")[0].splitlines() if found else ():
        if line.startswith("["):
            inside = line.startswith(_SECTION)
        elif inside and not line.startswith("provides-"):
            for named, more in _ROW.findall(line):
                specifier = _SPECIFIER.search(more)
                yield named, _plain(specifier[1] if specifier else "")


def _plain(specifier: str) -> str:
    """One spelling for all orders and blanks."""
    return ",".join(sorted(each.strip() for each in specifier.split(",") if each.strip()))
