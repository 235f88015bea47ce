"""What a cache can be filled from: other caches, and environments that have the same bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.caches import contents
from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import cache_safety
from uvx_policy.filesystem.cache_safety import ancestors
from uvx_policy.installed.distributions import site_directories
from uvx_policy.machine.caches import seed_sources
from uvx_policy.machine.search import Search
from uvx_policy.seed.held import Lender

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from uvx_policy.host import Host
    from uvx_policy.machine.machine import Machine


def other_caches(machine: Machine, target: str) -> dict[str, str]:
    """Every known cache but `target` (a real path) -> why nothing is taken from it, "" for none.

    Uv's own comes first, those of `seed-from` last; of the others those that do not exist are left
    out.
    """
    host = machine.host
    found = {cache.path: why_not(host, cache.path) for cache in machine.caches if cache.exists}
    for source in seed_sources(host):
        found.setdefault(os.path.realpath(source.directory), why_not_shared(host, source.directory))
    found.pop(target, None)
    return found


def why_not(host: Host, source: str) -> str:
    """Why no files are taken from a cache of this user. Never raises."""
    try:
        if not contents.looks_like_a_cache(host.list_names(source)):
            return "it is not a cache of uv"
        return cache_safety.why_not_source(host, source)
    except Unreadable as error:
        return str(error)


def why_not_shared(host: Host, directory: str) -> str:
    """Why no files are taken from a directory of `seed-from`. Never raises."""
    return cache_safety.why_not_shared(host, directory) or why_not(host, directory)


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
    """What may be done with files of these environments, by their settings and uv's."""
    return [Lender(path=path, may_link=machine.may_hard_link(path)) for path in environments]
