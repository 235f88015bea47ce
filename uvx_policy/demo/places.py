"""Where the demo plays: a temporary directory, and a second device if there is one to be had.

Whatever happens, Ctrl-C included, what was mounted is unmounted and what was made is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.demo import interrupts
from uvx_policy.errors import LinkPolicyError
from uvx_policy.filesystem import mounts
from uvx_policy.host import Host
from uvx_policy.state import layout
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREFIX = "linkpolicy-demo-"
#: of the image that the second device lies on; it is sparse
_IMAGE_SIZE = 2 * 1024**3


class Device(NamedTuple):
    """A directory on a real file system other than the temporary directory's."""

    #: "" when there is none
    directory: str
    #: why there is none
    reason: str = ""
    #: the device is somebody's: the mount point that needs a `[caches]` entry, so that the policy
    #: stays inside `directory`; "" for one that was made for the demo
    borrowed: str = ""


@contextlib.contextmanager
def temporary_directory(*, keep: bool) -> Iterator[str]:
    """A new directory, without symbolic links in its path; emptied of mounts, then removed."""
    with interrupts.raised():
        directory = os.path.realpath(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            yield directory
        finally:
            with interrupts.ignored():
                _unmount_below(directory)
                if not keep:
                    shutil.rmtree(directory)


@contextlib.contextmanager
def second_device(temporary: str, environ: Mapping[str, str], *, keep: bool) -> Iterator[Device]:
    """Another real file system: as root an image mounted below `temporary`, else one that is there.

    As root nothing is looked for: everything mounted is writable then, /boot and backups too.
    """
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    place = (_mounted_image if is_root else _writable_place)(temporary, environ)
    if not place.borrowed:
        yield place
        return
    try:
        directory = tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=place.directory)
    except OSError as error:
        yield Device("", f"nothing can be written in `{place.directory}`: {error.strerror}")
        return
    try:
        yield place._replace(directory=directory)
    finally:
        if not keep:
            with interrupts.ignored():
                shutil.rmtree(directory)


def _mounted_image(temporary: str, environ: Mapping[str, str]) -> Device:
    """An ext4 image, mounted; `temporary_directory` unmounts it."""
    if sys.platform != "linux":
        return Device("", "the demo can make a second device on Linux only")
    image = os.path.join(temporary, "device.img")
    point = os.path.join(temporary, "device")
    os.mkdir(point)
    with open(image, "xb") as stream:
        stream.truncate(_IMAGE_SIZE)
    # After `su` the directories of root's own programs may be missing from PATH.
    path = os.pathsep.join((environ.get("PATH") or os.defpath, "/usr/sbin", "/sbin"))
    # No journal, nothing initialised ahead: next to nothing is written.
    quick = ("-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", "-m", "0")
    for words in (
        ("mkfs.ext4", "-q", "-F", *quick, image),
        # `-o loop` frees the loop device by itself when it is unmounted.
        ("mount", "-t", "ext4", "-o", "loop", image, point),
    ):
        try:
            with interrupts.held():
                done = subprocess.run(
                    words, env={**environ, "PATH": path, "LC_ALL": "C"},
                    stdin=subprocess.DEVNULL, capture_output=True, check=False,
                )  # fmt: skip
        except OSError as error:
            return Device("", f"no second device could be made: {words[0]}: {error.strerror}")
        if done.returncode:
            why = [*done.stderr.decode("utf-8", "replace").splitlines(), words[0]][0]
            return Device("", f"no second device could be made: {why.rstrip('.')}")
    return Device(point)


def _writable_place(temporary: str, environ: Mapping[str, str]) -> Device:
    """A directory of the user's on another device, with its mount point as `borrowed`."""
    host = Host(environ=dict(environ))
    table = mounts.read_mount_table(host)
    if table is None:
        return Device("", "the file systems of this machine cannot be listed")
    first = os.stat(temporary).st_dev
    own = (row.point for row in table.rows if not mounts.why_unfit(row) and _owns(row.point))
    for candidate in (layout.home(host.environ, host.platform), "/var/tmp", *own):  # noqa: S108
        path = os.path.realpath(candidate)
        if not candidate or not os.path.isdir(path) or not os.access(path, os.W_OK | os.X_OK):
            continue
        mount = table.find(path, host.mount_id(path))
        if os.stat(path).st_dev != first and mount and not mounts.why_unfit(mount):
            return Device(path, borrowed=mount.point)
    there = os.path.dirname(temporary)
    return Device("", f"no directory of yours is on another local device than `{there}`")


def _owns(path: str) -> bool:
    try:
        return os.stat(path).st_uid == os.geteuid()
    except OSError:
        return False


def _unmount_below(directory: str) -> None:
    """Raises `LinkPolicyError`: nothing may be deleted through a mount."""
    for point in reversed(_mount_points_below(directory)):
        # Something that was started there may still live: then detach (-l).
        for words in (("umount", point), ("umount", "-l", point)):
            if not subprocess.run(words, capture_output=True, check=False).returncode:
                break
    left = _mount_points_below(directory)
    if left:
        raise LinkPolicyError(
            f"cannot unmount `{left[0]}`, so `{directory}` stays",
            hint="unmount it when nothing uses it any more",
            commands=(command("umount", left[0]),),
        )


def _mount_points_below(directory: str) -> list[str]:
    table = mounts.read_mount_table(Host(environ={}))
    rows = table.rows if table else ()
    return [row.point for row in rows if row.point.startswith(f"{directory}/")]
