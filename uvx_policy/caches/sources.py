"""What a cache can be filled from: other caches, and environments that have the same bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.caches import contents
from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import cache_safety
from uvx_policy.filesystem.cache_safety import ancestors
from uvx_policy.installed.distributions import site_directories
from uvx_policy.machine.search import Search
from uvx_policy.seed.held import Lender

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from uvx_policy.host import Host
    from uvx_policy.machine.machine import Machine

#: policies under which uv makes hard links
_LINKING = ("auto", "hardlink")


def other_caches(machine: Machine, target: str) -> dict[str, str]:
    """Every known cache but `target` (a real path) -> why nothing is taken from it, "" for none.

    Uv's own comes first; those that do not exist are left out.
    """
    paths = [cache.path for cache in machine.caches if cache.exists]
    return {path: why_not(machine.host, path) for path in paths if path != target}


def why_not(host: Host, source: str) -> str:
    """Why no files are taken from a cache: whoever may write there decides what gets installed."""
    try:
        status = host.status(source)
        if status is None or not contents.looks_like_a_cache(host.list_names(source)):
            return "it is not a cache of uv"
        if host.uid >= 0 and status.uid not in (0, host.uid, host.unmapped_uid()):
            return f"it belongs to user {status.uid}"
        return cache_safety.why_shared(host, source, status)
    except Unreadable as error:
        return str(error)


def environments_below(roots: Sequence[str]) -> Iterator[str]:
    """Each environment that is one of `roots` (absolute), or lies below.

    Of a project whose `.venv` is a symbolic link, what it leads to.
    """
    seen = set()
    for path in (*Search(roots), *_named(roots)):
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield path


def _named(roots: Sequence[str]) -> Iterator[str]:
    for root in roots:
        linked = os.path.join(root, ".venv")
        if os.path.islink(linked) and os.path.isdir(linked):
            yield linked
        if site_directories(root):  # of `uv pip install --target`, too
            yield root


def on_device_of(machine: Machine, path: str, environments: Iterable[str]) -> list[str]:
    """Those environments that lie on the file system of `path`, which need not exist."""
    here = _device(machine, path)
    return [each for each in environments if _device(machine, each) == here]


def _device(machine: Machine, path: str) -> str:
    """The same for all subvolumes of one btrfs, between which clones work."""
    mount = machine.mount_of(path)
    if mount is not None:
        return mount.device
    return str(os.stat(existing_above(path)).st_dev)


def existing_above(path: str) -> str:
    """The nearest directory on the way to `path` that exists, or itself."""
    return next(filter(os.path.isdir, ancestors(os.path.realpath(path))))


def lenders(machine: Machine, environments: Iterable[str]) -> list[Lender]:
    """What may be done with files of these environments, by their policy."""
    return [
        Lender(path=path, may_link=machine.policy_at(path).name in _LINKING)
        for path in environments
    ]
