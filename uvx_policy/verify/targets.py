"""What `verify` and `repair` were asked to look at: from words to trees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.errors import UsageError
from uvx_policy.installed import distributions as installed
from uvx_policy.installed.tree import ARCHIVES, Index, trees_of_cache, trees_of_environment
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.tree import Tree
    from uvx_policy.machine.machine import Machine


class Target(Value):
    """One environment or cache, or a part of one."""

    #: absolute path of the environment or cache, as it was named
    path: str
    is_cache: bool = False
    #: only this file, or what lies below this directory; "" for everything
    part: str = ""

    def trees(self) -> Iterator[Tree]:
        """Give its trees. Never raises."""
        yield from trees_of_cache(self.path) if self.is_cache else trees_of_environment(self.path)

    def has(self, finding: Finding) -> bool:
        """Tell whether a finding in one of its trees was asked for."""
        return not self.part or f"{finding.path}{os.sep}".startswith(f"{self.part}{os.sep}")


def targets_of(
    words: Sequence[str],
    machine: Machine,
    *,
    caches: bool = False,
    everything: bool = False,
    asker: str = "verify",
) -> list[Target]:
    """What was asked for; the environment of this project when nothing was.

    `caches`: every known cache; `everything`: also every known environment; `asker`: the command
    to suggest where there is no environment. Raises `UsageError` for a word that names nothing of
    the kind, and `ConfigError`.
    """
    found = [_target(os.path.join(machine.cwd, word), word) for word in words]
    if everything:
        found += [Target(path=path) for path in machine.environment_paths]
    if caches or everything:
        found += [
            Target(path=cache.path, is_cache=True) for cache in machine.caches if cache.exists
        ]
    if not found and not caches and not everything:
        if not machine.environment_here:
            from uvx_policy.terminal.command import command  # rarely needed

            raise UsageError(
                "there is no environment here",
                hint=f"{asker} every known environment and cache",
                commands=(command("linkpolicy", asker, "--all"),),
            )
        found = [Target(path=machine.environment_here)]
    return list(dict.fromkeys(found))


def index_of(machine: Machine, targets: Sequence[Target]) -> Index:
    """Every known cache and environment, those that were named included."""
    return Index(
        caches=[
            *(cache.path for cache in machine.caches if cache.exists),
            *(each.path for each in targets if each.is_cache),
        ],
        environments=[
            *(each.path for each in targets if not each.is_cache),
            *machine.environment_paths,
        ],
    )


def _target(path: str, word: str) -> Target:
    path = os.path.normpath(path)
    if not os.path.lexists(path):
        raise UsageError(f"there is no `{word}`")
    within = path
    # Not the root: where a distribution's Python is in /lib, everything would be a part of it.
    while within != os.path.dirname(within):
        part = "" if within == path else path
        if os.path.isdir(os.path.join(within, ARCHIVES)):
            return Target(path=within, is_cache=True, part=part)
        if _is_environment(within):
            return Target(path=within, part=part)
        below = os.path.join(within, ".venv")
        if not part and _is_environment(below):
            return Target(path=below)
        within = os.path.dirname(within)
    raise UsageError(f"`{word}` is not an environment, a cache, or a file in one")


def _is_environment(path: str) -> bool:
    """Also what `uv pip install --target` or `--prefix` made."""
    if os.path.isfile(os.path.join(path, "pyvenv.cfg")):
        return True
    # These two look like a `--target`, and are a part of something else.
    above, name = os.path.split(path)
    if name == "site-packages" or os.path.basename(above) == ARCHIVES:
        return False
    return bool(installed.site_directories(path))
