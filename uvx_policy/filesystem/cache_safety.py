"""Decide whether a directory may hold a cache: one function for each kind of reason against it."""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import cloud, mounts, of_windows, others, quota
from uvx_policy.host import Host, nearest_existing
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.filesystem.mounts import MountTable
    from uvx_policy.model import Status

#: never less than this must be free ...
_LEAST_FREE = 32 * 1024**2
#: ... nor less than this, or than that part of a small file system
_MOST_FREE = 1024**3
_FREE_PART = 20

_MOST_LINKS = 40
#: group and everybody
_OTHERS_MAY_ENTER = 0o011


class Surroundings(Value):
    """What a cache must not get in the way of: absolute paths without symbolic links, or ""."""

    destination: str
    project: str
    workspace: str
    cwd: str


class Wish(Value):
    """Whose idea the directory is: what was asked for is refused for fewer reasons."""

    #: the user's own `[caches]`: the kind of file system is the user's business, and so is a cache
    #: inside a project
    by_user: bool = False
    #: `<workspace root>/.uv-cache`: it lives and dies with the environment beside it, which may
    #: well be in the layers of a container or in memory; whoever owns the directories above, or
    #: may exchange what lies in them, already controls the project and that environment
    for_project: bool = False


def why_not(
    host: Host, table: MountTable | None, directory: str, *, near: Surroundings, wish: Wish
) -> str:
    """Give the reason why `directory` must not become, or is not fit as, a cache; "" when it may.

    `directory` is absolute; only one that the user named may have symbolic links in it.
    """
    try:
        real = host.real_path(directory)
        if real != directory and not wish.by_user:
            return "it is a symbolic link, or there is one on the way to it"
        existing = nearest_existing(host, real)
        return (
            _why_in_the_way(real, near)
            or _why_in_project(real, near, wish)
            or cloud.why_in_cloud(host, real)
            or why_in_environment(host, existing)
            or why_open_to_others(host, directory, wish)
            or _why_not_writable(host, real, existing)
            or _why_mount(host, table, existing, wish)
            or why_full(host, existing)
            or _why_quota(host, table, existing)
        )
    except Unreadable as error:
        return str(error)


def _why_in_the_way(real: str, near: Surroundings) -> str:
    # uv 0.11.21 and later refuse to work in a project inside the cache directory, and
    # `uv cache clean` would remove the project with it.
    for path in (near.destination, near.project, near.workspace, near.cwd):
        if path and mounts.is_within(path, real):
            return f"`{path}` would be inside the cache"
    if near.destination and mounts.is_within(real, near.destination):
        return f"it is inside the destination `{near.destination}`"
    return ""


def _why_in_project(real: str, near: Surroundings, wish: Wish) -> str:
    if wish.by_user or wish.for_project:
        return ""
    for path in (near.project, near.workspace):
        if path and mounts.is_within(real, path):
            return f"it is inside the project `{path}`"
    return ""


def why_in_environment(host: Host, existing: str) -> str:
    """Give the environment that `existing` lies in, as a reason. Raises `Unreadable`."""
    for directory in ancestors(existing):
        if host.link_kind(os.path.join(directory, "pyvenv.cfg")) != "absent":
            return f"it is inside the environment `{directory}`"
    return ""


def ancestors(path: str) -> Iterator[str]:
    """Give `path` and every directory above it, the nearest first."""
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def why_open_to_others(host: Host, directory: str, wish: Wish) -> str:
    """Every directory and symbolic link on the way must be root's or ours, and stay what it is.

    The project's own cache (`wish`) may lie in anybody's directories: nobody gains what they do not
    have already. Raises `Unreadable`.
    """
    if host.platform == "win32":
        return of_windows.why_open_to_others(host, host.real_path(directory))
    invoking = host.environ.get("SUDO_UID", "") if host.uid == 0 else ""
    real = host.real_path(directory)
    for path, status in _way(host, directory):
        if path == real or (wish.for_project and str(status.uid) != invoking):
            continue
        if status.uid not in (0, host.uid) and status.uid != host.unmapped_uid():
            return f"`{path}`, on the way to it, belongs to user {status.uid}"
        if status.kind != "directory":
            continue
        who = others.who_may_exchange(host, path, status)
        if who:
            return f"`{path}`, on the way to it, is writable by {who}"
    return ""


def exchangeable_on_way(host: Host, path: str) -> tuple[str, int] | None:
    """Give what others may exchange on the way to `path`, and who: 0 for a group or everybody.

    The first directory or link from `/` on, `path` itself included, that is neither root's nor
    ours, or in which others may rename; `None` where there is none. What comes before it nobody
    can change, so the answer does not depend on when it is asked. Raises `Unreadable`.
    """
    for at, status in _way(host, path):
        if status.uid not in (0, host.uid) and status.uid != host.unmapped_uid():
            return at, status.uid
        if status.kind == "directory" and others.who_may_exchange(host, at, status):
            return at, 0
    return None


def _way(host: Host, path: str) -> Iterator[tuple[str, Status]]:
    """Give all that the kernel passes on its way to `path`, links and their targets included.

    Ends at the first component that is missing. Raises `Unreadable`, also for a loop of links.
    """
    here = "/"
    root = host.link_status(here)
    if root:
        yield here, root
    to_go = path.split("/")[::-1]
    links = 0
    while to_go:
        name = to_go.pop()
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        at = os.path.join(here, name)
        status = host.link_status(at)
        if status is None:
            return
        yield at, status
        if status.kind != "symlink":
            here = at
            continue
        links += 1
        if links > _MOST_LINKS:
            raise Unreadable(path, "too many symbolic links")
        target = host.read_link(at)
        here = "/" if target.startswith("/") else here
        to_go += target.split("/")[::-1]


def _why_not_writable(host: Host, real: str, existing: str) -> str:
    status = host.link_status(real)
    if status is None:
        for path in ancestors(os.path.dirname(real)):
            if path == existing:
                break
            if host.link_kind(path) != "absent":
                return f"`{path}`, on the way to it, is not a directory"
        return "" if host.may_write(existing) else f"`{existing}` cannot be written"
    if status.kind != "directory":
        return f"it is a {status.kind}"
    if host.platform == "win32":
        if not of_windows.is_own(host, real):
            return "it belongs to another user"
    elif status.uid != host.uid:
        return f"it belongs to user {status.uid}"
    return why_shared(host, real, status) or (
        "" if host.may_write(real) else "it cannot be written"
    )


def why_shared(host: Host, directory: str, status: Status) -> str:
    """Give who else can write to a cache, as a reason against it. Raises `Unreadable`."""
    who = others.who_may_write(host, directory, status)
    if host.platform == "win32":
        return f"{who} can write to it" if who else ""
    return f"{who} can write to it (mode {status.mode:04o})" if who else ""


def why_not_source(host: Host, directory: str) -> str:
    """Give the reason why no files are taken from a cache: others decide what is there.

    It must be root's or ours, and nobody else may write there or in its buckets. Raises
    `Unreadable`.
    """
    status = host.status(directory)
    if status is None or status.kind != "directory":
        return "it does not exist" if status is None else f"it is a {status.kind}"
    within = [(directory, status)]
    if status.mode & _OTHERS_MAY_ENTER:
        for name in host.list_names(directory):
            path = os.path.join(directory, name)
            below = host.link_status(path)
            if below is not None and below.kind != "file":
                within.append((path, below))
    for path, each in within:
        reason = why_shared(host, path, each)
        if host.uid >= 0 and each.uid not in (0, host.uid, host.unmapped_uid()):
            reason = f"it belongs to user {each.uid}"
        if reason:
            return reason if path == directory else f"`{path}`: {reason}"
    return ""


def why_not_shared(host: Host, directory: str) -> str:
    """Give the reason why nothing is taken from a directory of `seed-from`. Never raises.

    The same, and nobody else may exchange it.
    """
    try:
        if host.status(directory) is None:
            return "it does not exist"
        return why_open_to_others(host, directory, Wish()) or why_not_source(host, directory)
    except Unreadable as error:
        return str(error)


def _why_mount(host: Host, table: MountTable | None, existing: str, wish: Wish) -> str:
    mount = table.find(existing, host.mount_id(existing)) if table else None
    host.file_system(existing)  # the witness of read-only and noexec
    asked = wish.by_user or wish.for_project
    if host.platform == "win32":
        return "" if asked else of_windows.why_unfit(host, existing)
    if mount is None:
        return "" if asked else "its file system is not known"
    if not asked:
        return mounts.why_unfit(mount)
    served = "" if wish.by_user else mounts.why_network(mount) or mounts.why_fuse(mount)
    return served or mounts.why_read_only(mount) or mounts.why_noexec(mount)


def _why_quota(host: Host, table: MountTable | None, existing: str) -> str:
    mount = table.find(existing, host.mount_id(existing)) if table else None
    if mount and quota.may_be_enforced(mount) and quota.refuses(existing, _LEAST_FREE):
        return f"a disk quota leaves less than {_LEAST_FREE // 1024**2} MiB there"
    return ""


def why_full(host: Host, existing: str) -> str:
    """Tell how little is free on the file system of the directory `existing`, when too little.

    Bytes, or inodes: a disk with many small files can be full of those.
    """
    file_system = host.file_system(existing)
    if file_system is None:
        return "its free space is not known"
    needed = max(_LEAST_FREE, min(_MOST_FREE, file_system.total // _FREE_PART))
    free = host.free_bytes(existing, needed=needed)
    if free < needed:
        return f"only {free // 1024**2} MiB are free there, {needed // 1024**2} are needed"
    files = host.free_files(existing, needed=needed)
    if files is not None and files[0] < files[1]:
        return f"only {files[0]} more files (inodes) fit there, {files[1]} are needed"
    return ""
