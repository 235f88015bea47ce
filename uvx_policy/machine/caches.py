"""Which caches exist on this machine for this user: uv's own, configured, of devices, projects.

Nothing searches a whole disk: a cache that none of the sources below names is not known.
"""

from __future__ import annotations

import os
import stat
import sys
from itertools import chain
from typing import TYPE_CHECKING

from uvx_policy.errors import LinkPolicyError, Unreadable
from uvx_policy.filesystem import cache_safety, mounts
from uvx_policy.model import Status
from uvx_policy.settings import reader
from uvx_policy.state import layout
from uvx_policy.uv import directories, invocation, settings, workspace
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from uvx_policy.filesystem.mounts import MountTable
    from uvx_policy.host import Host
    from uvx_policy.model import Mount
    from uvx_policy.settings.keys import SeedSource
    from uvx_policy.state.register import Environment

UV_DEFAULT = "uv's default"
DEVICE_CACHE = "device cache"
PROJECT_CACHE = "project cache"
REGISTER = "environments"
NAMED = "--cache-dir"
HERE = "used here"

#: How far below a mount point that belongs to somebody else a directory of ours is looked for
#: (`/mnt/data/users/me`), and how many directories of one mount are looked at for it.
_DEPTH = 2
_MOST_DIRECTORIES = 2000
#: directories above each other that are looked at one by one
_DEEP = 100

#: where no cache of ours is, and a look might wait for a server that is gone
_WHY_ELSEWHERE = (
    mounts.why_volatile, mounts.why_network, mounts.why_fuse, mounts.why_overlay,
    mounts.why_unknown,
)  # fmt: skip


class Cache(Value):
    """One cache directory. Two names of one directory are one cache."""

    #: absolute, without symbolic links
    path: str
    #: why it is known: `UV_DEFAULT`, "UV_CACHE_DIR" or "FILE:LINE" that names it, `DEVICE_CACHE`,
    #: `PROJECT_CACHE`, `REGISTER` (an environment was linked from it); the first is the strongest
    origins: tuple[str, ...]
    #: the path by which it is known, where that goes through a symbolic link; "" where it does not
    named: str = ""
    exists: bool = False
    #: identity, (0, 0) when it does not exist: `st_dev`, `st_ino`
    st_dev: int = 0
    inode: int = 0
    #: "major:minor" of the file system as the mount table has it, what is mounted, such as
    #: "/dev/sda1", and where; "" when not known
    device: str = ""
    source: str = ""
    mount_point: str = ""
    #: "ext4", "btrfs" ...; "" when not known
    file_system: str = ""
    #: uid, `None` when it does not exist or the platform has no owners
    owner: int | None = None
    #: permission bits
    mode: int = 0
    #: why uv cannot, or we should not, use it; "" when all is well
    problem: str = ""

    @property
    def origin(self) -> str:
        """The strongest reason why it is known."""
        return self.origins[0]

    @property
    def identity(self) -> tuple[int, int] | str:
        """The same for every name of this directory."""
        return (self.st_dev, self.inode) if self.exists else self.path


def known_caches(
    environ: Mapping[str, str],
    remembered: Sequence[Environment],
    host: Host,
    table: MountTable | None,
) -> Iterator[Cache]:
    """Each known cache once, uv's default first; those that do not exist (any more) as well.

    `host.cwd` is where uv's own settings are looked for; `environ` is that of `host`;
    `remembered` is what the register knows. What cannot be read is passed over: faults in
    settings are for others to tell.
    """
    projects = {each.project for each in remembered if each.project}
    below = {os.path.dirname(each.path) for each in remembered} | projects
    below |= {host.cwd, layout.home(dict(environ), host.platform)}
    candidates = chain(
        _of_uv(host),
        _of_settings(host),
        _of_devices(host, table, below),
        _of_projects(projects, host.cwd),
        ((each.cache, REGISTER) for each in remembered if os.path.isabs(each.cache)),
    )
    found: dict[tuple[int, int] | str, Cache] = {}
    for path, origin in dict.fromkeys(candidates):
        cache = look(path, (origin,), host, table)
        if not cache.exists and origin in (DEVICE_CACHE, PROJECT_CACHE):
            continue
        if cache.identity in found:
            first = found[cache.identity]
            cache = first.replace(origins=(*dict.fromkeys((*first.origins, origin)),))
        found[cache.identity] = cache
    yield from found.values()


def look(path: str, origins: tuple[str, ...], host: Host, table: MountTable | None) -> Cache:
    """What is at `path` (absolute) now. Never raises."""
    real = os.path.realpath(path)
    named = path if os.path.normpath(path) != real else ""
    cache = Cache(path=real, origins=origins, named=named)
    mount = _mount_of(real, host, table)
    if mount is not None:
        cache = cache.replace(
            device=mount.device,
            source=mount.source,
            mount_point=mount.point,
            file_system=mount.fstype,
        )
    try:
        told = os.stat(real)
    except FileNotFoundError:
        dangling = os.path.islink(real) or (named and os.path.islink(named))
        return cache.replace(problem="it is a dangling symbolic link" if dangling else "")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        return cache.replace(problem=f"it cannot be read: {reason}")
    cache = cache.replace(
        exists=True,
        st_dev=told.st_dev,
        inode=told.st_ino,
        owner=told.st_uid if host.uid >= 0 else None,
        mode=told.st_mode & 0o7777,
    )
    try:
        problem = _problem(cache, told, host, mount)
    except Unreadable as error:
        problem = str(error)
    return cache.replace(problem=problem)


def _problem(cache: Cache, told: os.stat_result, host: Host, mount: Mount | None) -> str:
    if not stat.S_ISDIR(told.st_mode):
        return "it is not a directory"
    if cache.owner is not None and cache.owner != host.uid:
        return f"it belongs to user {cache.owner}, not to you (user {host.uid})"
    reason = cache_safety.why_shared(host, cache.path, Status.of(told))
    if reason:
        return reason
    if mount is not None and mounts.is_read_only(mount):
        return f"`{mount.point}` is mounted read-only"
    if not os.access(cache.path, os.W_OK | os.X_OK):
        return "it cannot be written"
    return ""


def _mount_of(real: str, host: Host, table: MountTable | None) -> Mount | None:
    if table is None:
        return None
    near = next(filter(os.path.isdir, workspace.ancestors(real)), os.sep)
    return table.find(near, host.mount_id(near))


# Where caches are named --------------------------------------------------------------------------


def _of_uv(host: Host) -> Iterator[tuple[str, str]]:
    """The cache that uv takes when nobody names one, and the one that is named here."""
    try:
        default = directories.own_cache(host)
    except LinkPolicyError:
        default = ""
    if default:
        yield default, UV_DEFAULT
    try:
        sync = invocation.parse("uv", ("sync",))
        here = workspace.working_directory(host, sync, None)
        choices = settings.read_uv_settings(here, sync, None)
    except LinkPolicyError:
        return
    if choices.cache_dir is not None:
        named = settings.UvSettings(cache_dir=choices.cache_dir)
        path = settings.default_cache_dir(here, named)
        if path:
            yield path, str(choices.cache_dir.origin)


def _of_settings(host: Host) -> Iterator[tuple[str, str]]:
    """The `[caches]` of the user and the machine."""
    try:
        own = reader.read_settings(host, project="", workspace="", place="")
    except LinkPolicyError:
        return
    for entry in own.caches:
        if os.path.isabs(entry.directory):
            yield entry.directory, str(entry.origin)


def seed_sources(host: Host) -> tuple[SeedSource, ...]:
    """The directories of `seed-from`; none where the settings have faults. Never raises."""
    try:
        return reader.read_settings(host, project="", workspace="", place="").seed_from
    except LinkPolicyError:
        return ()


def _of_projects(projects: set[str], cwd: str) -> Iterator[tuple[str, str]]:
    """`.uv-cache` of a workspace: it lies in a remembered project, above one, or above the cwd."""
    seen: set[str] = set()
    for start in (*sorted(projects), cwd):
        for directory in workspace.ancestors(start):
            if not directory or directory in seen:
                break
            seen.add(directory)
            path = os.path.join(directory, layout.PROJECT_CACHE)
            if os.path.lexists(path) and os.path.lexists(os.path.join(directory, "pyproject.toml")):
                yield path, PROJECT_CACHE


def _of_devices(host: Host, table: MountTable | None, below: set[str]) -> Iterator[tuple[str, str]]:
    """`.uv-cache-<uid>` where linkpolicy makes one (`filesystem.places`), on every local mount.

    That is a mount point, a directory on the way from there to what is linked (`below`), or the
    topmost directory that belongs to the user.
    """
    name = layout.device_cache_name(host.user)
    if sys.platform == "win32":
        from uvx_policy.windows import drives

        for root in drives.roots():
            path = os.path.join(root, name)
            if os.path.lexists(path) and not os.path.islink(path):
                yield path, DEVICE_CACHE
        return
    if table is None:
        return
    points = [row.point for row in table.rows if not any(why(row) for why in _WHY_ELSEWHERE)]
    owned = (directory for point in points for directory in _topmost_of(point, host.uid))
    for parent in dict.fromkeys((*points, *owned, *_on_the_way_to(sorted(below - {""})))):
        path = os.path.join(parent, name)
        if os.path.lexists(path) and not os.path.islink(path):
            yield path, DEVICE_CACHE


def _topmost_of(point: str, uid: int) -> Iterator[str]:
    """The topmost directories of this user, at most `_DEPTH` below `point`."""
    level = [point]
    looked_at = 0
    try:
        device = os.lstat(point).st_dev
        if os.lstat(point).st_uid == uid:
            return
    except OSError:
        return
    for _ in range(_DEPTH):
        deeper: list[str] = []
        for directory in level:
            for entry in _directories_in(directory):
                looked_at += 1
                if looked_at > _MOST_DIRECTORIES:
                    return
                try:
                    told = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if told.st_dev != device:
                    continue
                if told.st_uid == uid:
                    yield entry.path
                else:
                    deeper.append(entry.path)
        level = deeper


def _directories_in(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from (entry for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return


def _on_the_way_to(paths: Iterable[str]) -> dict[str, None]:
    """Each directory that one of `paths` lies in, and itself, without symbolic links; ordered."""
    # 1,000 environments lie in few directories: what was found out of one is not asked again.
    real: dict[str, str] = {}
    found: dict[str, None] = {}
    for path in paths:
        there = _real(path, real)
        while there not in found:
            found[there] = None
            there = os.path.dirname(there)
    return found


def _real(path: str, known: dict[str, str]) -> str:
    """As `os.path.realpath`; what lies above `path` is asked for once (`known`)."""
    above, name = os.path.split(path)
    if os.path.normpath(path) != path or not name or path.count(os.sep) > _DEEP:
        return os.path.realpath(path)
    if above not in known:
        known[above] = _real(above, known)
    there = os.path.join(known[above], name)
    return os.path.realpath(there) if os.path.islink(there) else there
