"""Where on the destination's file system a cache may be kept, and whether uv's own can be used.

Nothing is written here; `cache_directory` makes what was chosen.
"""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import cache_safety, of_windows, others
from uvx_policy.filesystem.cache_safety import Surroundings, Wish
from uvx_policy.filesystem.mounts import MountTable, is_within
from uvx_policy.host import Host, nearest_existing
from uvx_policy.model import DEFAULT, Origin
from uvx_policy.state import layout
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    from uvx_policy.model import Capability, Mount, Support
    from uvx_policy.settings.keys import CacheEntry

    PlaceCode: TypeAlias = Literal["device-cache-configured", "device-cache", "project-cache"]


class Place(Value):
    """A directory that may hold the cache."""

    #: absolute, without symbolic links
    directory: str
    code: PlaceCode
    #: one sentence for people
    because: str
    origin: Origin
    #: the directory, or its nearest existing ancestor: try links from here
    probe_from: str
    exists: bool


class Places(Value):
    """The place for one destination, and all that was considered before it."""

    chosen: Place | None
    #: (directory, why not), in the order considered
    rejected: tuple[tuple[str, str], ...]


def find_place(
    host: Host,
    table: MountTable | None,
    *,
    destination: str,
    project: str,
    workspace: str,
    entries: tuple[CacheEntry, ...],
    allow_project: bool,
    prefer_project: bool = False,
    links_from: Callable[[str], Capability] | None = None,
) -> Places:
    """Find the cache directory for what is linked into `destination`.

    In this order: the user's entry for its file system; a `.uv-cache-<uid>` that is in use there;
    that name in the topmost directory there that the user owns (or in a sticky mount root);
    with `allow_project`, `<workspace>/.uv-cache`. With `prefer_project` (the policy says
    `cache = "project"`) that one comes first.

    `links_from` says what links from an existing directory into the destination. Of the directories
    on the destination's file system the first is taken from which something does: quota projects
    and encrypted directories refuse what comes from above. Without any, the first of all.

    `destination`, `project` and `workspace` are absolute, need not exist, may have symbolic links
    in them, and may be "" (except the destination). What cannot be read is no place.
    """
    try:
        real = [
            host.real_path(path) if path else ""
            for path in (destination, project, workspace, host.cwd)
        ]
        near = Surroundings(destination=real[0], project=real[1], workspace=real[2], cwd=real[3])
        search = _Search(host, table, near, links_from)
    except Unreadable as error:
        return Places(chosen=None, rejected=((error.path, error.reason),))
    own = [search.in_project] if allow_project or prefer_project else []
    others = [lambda: search.configured(entries), search.on_device]
    chosen = None
    for candidates in [*own, *others] if prefer_project else [*others, *own]:
        try:
            chosen = candidates()
        except Unreadable as error:
            search.rejected.append((error.path, error.reason))
        if chosen is not None:
            break
    return Places(chosen=chosen, rejected=tuple(search.rejected))


class _Search:
    """The candidates for one destination. Each method gives the first fit one of its kind."""

    def __init__(
        self,
        host: Host,
        table: MountTable | None,
        near: Surroundings,
        links_from: Callable[[str], Capability] | None,
    ) -> None:
        """Raise `Unreadable` when the destination's file system cannot be told."""
        self.rejected: list[tuple[str, str]] = []
        self._host = host
        self._table = table
        self._near = near
        self._links_from = links_from
        device = self._device_of(near.destination)
        if device is None:
            raise Unreadable(near.destination, "its mount is not in the mount table")
        self._device = device

    def configured(self, entries: tuple[CacheEntry, ...]) -> Place | None:
        """Of the entries whose key lies on the destination's file system the nearest, then rest."""
        matching = []
        for entry in entries:
            path = entry.filesystem
            exists = os.path.isabs(path) and self._host.kind(path) != "absent"
            key = self._host.real_path(path) if exists else ""
            there = self._device_of(key) if key else None
            if there is None or _file_system(there) != _file_system(self._device):
                continue
            # A key above the destination before one beside it; the same mount before another one
            # of the same file system, where nothing can be hard linked; the longest.
            above = is_within(self._near.destination, key)
            matching.append(((above, there == self._device, len(key)), entry))
        for _, entry in sorted(matching, key=lambda ranked: ranked[0], reverse=True):
            place = self._judge(
                entry.directory,
                "device-cache-configured",
                Wish(by_user=True),
                because=f"the user's cache for `{entry.filesystem}`, where the destination is",
                origin=entry.origin,
            )
            if place:
                return place
        return None

    def on_device(self) -> Place | None:
        """A cache of ours that exists on the destination's file system, else room for one."""
        name = layout.device_cache_name(self._host.user)
        way = self._way_down()
        # Looked at once, before any is judged: another of us may make one this moment.
        existed = {
            parent: self._host.link_kind(os.path.join(parent, name)) != "absent" for parent in way
        }
        first: Place | None = None
        for parent in sorted(way, key=lambda parent: not existed[parent]):
            if not existed[parent] and not self._may_hold(parent, is_top=parent == way[0]):
                continue
            what = "cache that is in use" if existed[parent] else "topmost directory of yours"
            because = f"the {what} on the file system of `{way[0]}`"
            directory = os.path.join(parent, name)
            place = self._judge(directory, "device-cache", Wish(), because=because)
            if place is None:
                continue
            reason = self._why_not_linked(place.probe_from)
            if not reason:
                return place
            self.rejected.append((directory, reason))
            first = first or place
        return first

    def _why_not_linked(self, directory: str) -> str:
        if self._links_from is None:
            return ""
        capability = self._links_from(directory)
        nothing = (capability.clone, capability.hardlink) == ("no", "no")
        return f"nothing can be linked from there: {capability.detail}" if nothing else ""

    def in_project(self) -> Place | None:
        """Give `.uv-cache` beside the workspace's pyproject.toml."""
        root = self._near.workspace or self._near.project
        if not root:
            return None
        directory, wish = os.path.join(root, layout.PROJECT_CACHE), Wish(for_project=True)
        because = f"the cache of the project `{root}` itself"
        return self._judge(directory, "project-cache", wish, because=because)

    def _judge(
        self, directory: str, code: PlaceCode, wish: Wish, *, because: str, origin: Origin = DEFAULT
    ) -> Place | None:
        reason = "it is not an absolute path"
        if os.path.isabs(directory):
            reason = cache_safety.why_not(
                self._host, self._table, directory, near=self._near, wish=wish
            )
        if reason:
            self.rejected.append((directory, reason))
            return None
        real = self._host.real_path(directory)
        existing = nearest_existing(self._host, real)
        return Place(
            directory=real,
            code=code,
            because=because,
            origin=origin,
            probe_from=existing,
            exists=existing == real,
        )

    def _way_down(self) -> tuple[str, ...]:
        """Directories from the destination's mount point down to above the destination itself."""
        destination = self._near.destination
        way: list[str] = []
        for directory in cache_safety.ancestors(nearest_existing(self._host, destination)):
            if self._device_of(directory) != self._device:
                break
            if directory != destination:
                way.insert(0, directory)
        return tuple(way)

    def _may_hold(self, parent: str, *, is_top: bool) -> bool:
        """Tell whether a new cache in this directory is worth a judgment: its owner decides.

        So is one where others may exchange it, whosever it is: nobody knows why it is not taken
        if it is not named.
        """
        status = self._host.status(parent)
        if status is None or not self._host.user or not self._host.may_write(parent):
            return False
        if self._host.platform == "win32":
            # Its root: what others made elsewhere on a drive, others may exchange.
            return is_top or of_windows.is_own(self._host, parent)
        if status.mode & 0o002 and status.mode & 0o1000:
            # Everybody's: only the root of a mount, as of a disk that all users share.
            return is_top
        is_mine = status.uid == self._host.uid
        return is_mine or bool(others.who_may_exchange(self._host, parent, status))

    def _device_of(self, path: str) -> Mount | int | None:
        """The mount that `path` lies on, or `st_dev` where there is no mount table."""
        existing = nearest_existing(self._host, path)
        if self._table is None:
            status = self._host.status(existing)
            return status.device if status else None
        return self._table.find(existing, self._host.mount_id(existing))


def _file_system(device: Mount | int) -> str | int:
    return device if isinstance(device, int) else device.device


def default_cache_usable(host: Host, path: str) -> Support:
    """Tell whether uv can use `path` as its cache, or make it there.

    uv needs to write the directory, `.lock` (0.8.19 and later) and `sdists-v*/.git`; every command
    that initialises the cache fails otherwise (uv #16820).
    """
    try:
        status = host.status(path)
        if status is None:
            if host.link_kind(path) == "symlink":
                return "no"  # dangling: mkdir(2) says EEXIST
            return "yes" if _can_be_made(host, path) else "no"
        if status.kind != "directory":
            return "no"
        return _parts(host, path) if host.may_write(path) else "no"
    except Unreadable:
        return "unknown"


def _can_be_made(host: Host, path: str) -> bool:
    for above in cache_safety.ancestors(os.path.dirname(path)):
        kind = host.kind(above)
        if kind != "absent":
            return kind == "directory" and host.may_write(above)
        if host.link_kind(above) == "symlink":
            return False
    return False


def _parts(host: Host, path: str) -> Support:
    """Judge what uv opens for writing in a cache that exists.

    CACHEDIR.TAG and the files .gitignore are only ever made, never written again.
    """

    def opens(*names: str) -> bool:
        part = os.path.join(path, *names)
        return host.may_write(os.path.dirname(part) if host.kind(part) == "absent" else part)

    def version(bucket: str) -> int:
        digits = bucket.rpartition("-v")[2]
        return int(digits) if digits.isdecimal() else -1

    buckets = [name for name in host.list_names(path) if name.startswith("sdists-v")]
    buckets.sort(key=version, reverse=True)
    good = [opens(bucket, ".git") for bucket in buckets]
    if not opens(".lock") or good[:1] == [False]:
        return "no"
    # Of another version of uv, or of an older one: whether the real uv needs it is not known here.
    return "yes" if all(good) else "unknown"


def cache_is_mount_point(host: Host, table: MountTable | None, path: str) -> bool:
    """Tell whether the cache `path` (no symbolic links in it) was mounted there on purpose.

    It or its parent is a mount point, as of `--mount=type=cache,target=/root/.cache` in Docker.
    The root and a home directory on a disk of its own are no such parent. Raises `Unreadable`.
    """

    def is_mount_point(directory: str) -> bool:
        if table is None or directory == "/" or host.kind(directory) != "directory":
            return False
        mount = table.find(directory, host.mount_id(directory))
        return mount is not None and mount.point == directory

    above = os.path.dirname(path)
    is_home_of_caches = os.path.basename(above) in _CACHE_HOMES
    return is_mount_point(path) or (is_home_of_caches and is_mount_point(above))


#: `XDG_CACHE_HOME` by default, and what it is called on macOS
_CACHE_HOMES = (".cache", "Caches", "cache")


def cache_is_cold(host: Host, path: str) -> bool:
    """Tell whether the cache holds no unpacked wheel. Raises `Unreadable`."""
    return not host.list_names(os.path.join(path, "archive-v0"))
