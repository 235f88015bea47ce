"""What environments hold of unpacked wheels: bytes that need not be written a second time.

Nothing is believed: each file is hashed at the moment it is taken. It is cloned, or it gets another
name where the policy of its environment has hard links anyway.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from uvx_policy.filesystem.clone import clone_into
from uvx_policy.filesystem.probe import try_links
from uvx_policy.foreign_file import FLAGS, NO_FOLLOW, real_path
from uvx_policy.installed import hash as hashing
from uvx_policy.installed import record
from uvx_policy.installed.distributions import at, names_in, site_directories
from uvx_policy.installed.hash import Hash
from uvx_policy.model import UNTRIED
from uvx_policy.replace import attributes, kernel
from uvx_policy.seed.archive import FULL, Wanted
from uvx_policy.seed.spared import Spared
from uvx_policy.uv import locked
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from uvx_policy.model import Capability
    from uvx_policy.seed.archive import Archive
    from uvx_policy.uv.locked import Versions

#: environments that are tried for one wheel
_MOST_HOLDERS = 3
#: what an installer may write anew: the first line of a script names the interpreter
_SCRIPTS = ".data/scripts/"
_OTHERS_MAY_WRITE, _GROUP_MAY_WRITE = 0o002, 0o020


class Lender(Value):
    """An environment whose files may be used."""

    #: absolute
    path: str
    #: may its files get another name in a cache? Never where they are edited on purpose
    may_link: bool


class _Site(Value):
    """A site directory of an environment."""

    path: str
    #: absolute path of the environment, without symbolic links
    root: str
    may_link: bool
    #: from here into the cache
    links: Capability

    @property
    def is_sure(self) -> bool:
        """Is there a way to share, as far as can be told before it is done?"""
        return self.links.clone == "yes" or (self.may_link and self.links.hardlink == "yes")


class Held:
    """What some environments hold."""

    def __init__(self, lenders: Iterable[Lender], into: str = "") -> None:
        """`into`: an existing directory of the cache's file system, for whoever takes files."""
        #: name of a `.dist-info` -> where it is
        self._sites: dict[str, list[_Site]] = {}
        for lender in lenders:
            for path in site_directories(lender.path):
                site = _Site(
                    path=path,
                    root=real_path(lender.path),
                    may_link=lender.may_link,
                    # The other way round a name would appear in the environment for a moment.
                    links=try_links(cache=into, destination=path) if into else UNTRIED,
                )
                for name in names_in(path):
                    if name.endswith(".dist-info"):
                        self._sites.setdefault(name, []).append(site)
        for sites in self._sites.values():
            sites.sort(key=lambda site: not site.is_sure)

    def packages(self) -> Versions:
        """All that is installed, but for what comes from a path. Never raises."""
        found: dict[str, set[str]] = {}
        for name, sites in self._sites.items():
            package = at(os.path.join(sites[0].path, name))
            if package.version and not package.direct_url.startswith("file:"):
                found.setdefault(locked.normalized(package.name), set()).add(package.version)
        return {package: tuple(sorted(found[package])) for package in sorted(found)}

    def has(self, archive: Archive) -> bool:
        """Is exactly this wheel installed somewhere? Never raises.

        Not its name and version tell it, but its RECORD: each row that has a place in an
        environment.
        """
        return bool(self._of(archive, 1))

    def of(self, archive: Archive) -> Lent:
        """What of this wheel can be taken from environments. Never raises.

        Nothing but on Linux: elsewhere there are no clones to be had from Python, and nobody tells
        who has a file open for writing.
        """
        return Lent(
            self._of(archive, _MOST_HOLDERS) if sys.platform == "linux" else [],
            [site.path for site in self._sites.get(archive.info, ()) if not site.may_link],
        )

    def _of(self, archive: Archive, most: int) -> list[tuple[_Site, dict[Wanted, str]]]:
        """Where it is installed, and where each file of it lies there."""
        wanted = {
            wanted for below, wanted in archive.files if wanted.hash and _SCRIPTS not in below
        }
        found = []
        for site in self._sites.get(archive.info, ()):
            rows = _rows(site.path, archive.info)
            if wanted <= rows.keys():
                found.append((site, rows))
                if len(found) == most:
                    break
        return found


class Lent:
    """One wheel, as it is installed in some environments."""

    def __init__(self, holders: list[tuple[_Site, dict[Wanted, str]]], private: list[str]) -> None:
        """`private`: other site directories with it, whose files get no other names."""
        self._holders, self._private = holders, private
        self._within: dict[tuple[str, str], bool] = {}

    def promises(self, archive: Archive) -> Spared:
        """What need not be written, as far as can be told without a look into files."""
        found = [self._promised(wanted) for _, wanted in archive.files if wanted.hash]
        sizes = [size for size in found if size is not None]
        return Spared(len(sizes), sum(sizes))

    def _promised(self, wanted: Wanted) -> int | None:
        for site, rows in self._holders:
            if site.is_sure and wanted in rows:
                with contextlib.suppress(OSError, ValueError):
                    status = os.lstat(record.located(site.path, rows[wanted]))
                    if stat.S_ISREG(status.st_mode) and str(status.st_size) == wanted.size:
                        return status.st_size
        return None

    def bring(self, wanted: Wanted, like: str, new: str) -> int | None:
        """Make the file `new` of what an environment has; how many bytes were not written.

        `like`: the file in the archive, whose permissions and times it gets. `None`, and nothing is
        there, when no environment has it as its RECORD says, or it cannot be shared. Raises
        `OSError` for a full disk.
        """
        expected = Hash.parse(wanted.hash)
        for site, rows in self._holders:
            if wanted not in rows:
                continue
            path = record.located(site.path, rows[wanted])
            try:
                if self._is_within(site, path):
                    size = self._take(site, rows[wanted], path, expected, like, new)
                    if size is not None:
                        return size
            except (OSError, ValueError) as error:
                if getattr(error, "errno", 0) in FULL:
                    raise
        return None

    def _is_within(self, site: _Site, path: str) -> bool:
        """Does it lie in the environment? A row, or a link on the way, may lead elsewhere."""
        key = (site.root, os.path.dirname(path))
        if key not in self._within:
            real = real_path(key[1])
            self._within[key] = real == site.root or real.startswith(f"{site.root}{os.sep}")
        return self._within[key]

    def _take(
        self, site: _Site, row: str, path: str, expected: Hash, like: str, new: str
    ) -> int | None:
        handle = os.open(path, FLAGS | NO_FOLLOW)
        try:
            status, wanted = os.fstat(handle), os.lstat(like)
            if not stat.S_ISREG(status.st_mode) or status.st_size != wanted.st_size:
                return None
            if site.links.clone != "no" and _cloned(handle, expected, wanted, new):
                return status.st_size
            if site.links.clone == "yes" or not site.may_link or site.links.hardlink == "no":
                return None
            if status.st_nlink > 1 and self._is_private(status, row):
                return None
            is_linked = _may_be_linked(handle, status, wanted) and _linked(
                handle, path, expected, new
            )
            return status.st_size if is_linked else None
        finally:
            os.close(handle)

    def _is_private(self, status: os.stat_result, row: str) -> bool:
        """Is this very file also in an environment whose files get no other names?"""
        for site in self._private:
            with contextlib.suppress(OSError, ValueError):
                if os.path.samestat(os.lstat(record.located(site, row)), status):
                    return True
        return False


def _rows(site: str, info: str) -> dict[Wanted, str]:
    """What the RECORD of an installed distribution says: content -> path of the first such row."""
    found: dict[Wanted, str] = {}
    try:
        rows = record.read_at(os.path.join(site, info, record.NAME)).whole
    except OSError:
        return found
    for path, text, size in rows:
        if text:
            found.setdefault(Wanted.of(text, size), path)
    return found


def _cloned(handle: int, expected: Hash, like: os.stat_result, new: str) -> bool:
    """Clone an open file. `False`: it is another one, or that cannot be done. Raises `OSError`."""
    if sys.platform != "linux":
        return False
    made = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | NO_FOLLOW, 0o600)
    is_right = False
    try:
        try:
            clone_into(handle, made)
        except OSError as error:
            if error.errno in FULL:
                raise
            return False
        # Of the clone: the original may be changed while it is read.
        is_right = hashing.of_handle(made, expected.algorithm) == expected
        if is_right:
            os.fchmod(made, like.st_mode & 0o777)
            os.utime(made, ns=(like.st_atime_ns, like.st_mtime_ns))
        return is_right
    finally:
        os.close(made)
        if not is_right:
            os.unlink(new)


def _may_be_linked(handle: int, status: os.stat_result, like: os.stat_result) -> bool:
    """May this file become one of a cache? It must be ours, and all that uv would have made."""
    mode = status.st_mode
    return (
        status.st_uid == os.geteuid()
        and mode == like.st_mode
        and not mode & _OTHERS_MAY_WRITE
        and (not mode & _GROUP_MAY_WRITE or status.st_gid == like.st_gid)
        and not attributes.extended(handle)
    )


def _linked(handle: int, path: str, expected: Hash, new: str) -> bool:
    """Give an open file another name. `False`: it is another one by now. Raises `OSError`."""
    os.link(path, new, follow_symlinks=False)
    is_right = False
    try:
        before = os.fstat(handle)
        is_right = (
            os.path.samestat(os.lstat(new), before)
            and hashing.of_handle(handle, expected.algorithm) == expected
            # Who has it open for writing would write into the cache.
            and not kernel.has_writer(handle)
            and _state(os.fstat(handle)) == _state(before)
        )
        return is_right
    finally:
        if not is_right:
            os.unlink(new)


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_size
