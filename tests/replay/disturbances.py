"""Ways to change exactly what one witness looks at, and to put it back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests import mounts
from tests.filesystems import flush
from tests.inherited import set_nocow, set_quota_project, share_with
from uvx_policy.replay.witness import access_list_of, look

Disturbance = Callable[[str], AbstractContextManager[None]]


def of_witness(token: str, sight: str) -> dict[str, Disturbance]:
    """What can be done to the thing that this witness saw. It works on paths of the world only."""
    letter, kind = token[0], sight.partition(":")[0]
    if letter in ("s", "l"):
        if kind == "-":
            return {"a file appears": _file_appears, "a link appears": _link_appears}
        ways = {"f": _OF_FILES, "d": _OF_DIRECTORIES, "k": _OF_LINKS}[kind]
        # To what was there: stat(2) sees the same.
        return {**ways, "a link instead": _link_instead} if letter == "l" and kind != "k" else ways
    if letter == "n":
        if kind == "-":
            return {"a directory appears": _directory_appears}
        return {"a name appears": _name_appears, "gone": _gone}
    if letter == "a":
        # Of root, who may write everything that is not read-only.
        way: Disturbance = _read_only if int(token[1:], 16) & os.W_OK else _chmod_0
        return {"not allowed": way, "gone": _gone}
    if letter == "f":
        return {"full": _full, "mounted over": _mounted_over}
    return _OF_OTHERS[letter]


def from_outside(token: str, sight: str) -> dict[str, Disturbance]:
    """The same for what is not ours to change: something else is mounted over it."""
    kind = sight.partition(":")[0]
    return _OF_OTHERS["c"] if token[0] == "c" or kind == "f" else {}


@contextlib.contextmanager
def _edited(path: str) -> Iterator[None]:
    """In place, the same size, the time of last change restored."""
    content, told = Path(path).read_bytes(), os.stat(path)
    mode = "r+b"
    with open(path, mode) as stream:
        stream.write(content[::-1])
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    yield
    with open(path, mode) as stream:
        stream.write(content)


@contextlib.contextmanager
def _edited_twice(path: str) -> Iterator[None]:
    """Within one tick of the clock, as far as possible: what is there at last is what was there."""
    content, told = Path(path).read_bytes(), os.stat(path)
    for text in (content[::-1], content):
        with open(path, "r+b") as stream:
            stream.write(text)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    yield


@contextlib.contextmanager
def _renamed_over(path: str) -> Iterator[None]:
    """By a copy of the same content, mode and times."""
    path = os.path.realpath(path)
    told = os.stat(path)
    copy = Path(f"{path}.copy")
    copy.write_bytes(Path(path).read_bytes())
    copy.chmod(told.st_mode & 0o7777)
    os.utime(copy, ns=(told.st_atime_ns, told.st_mtime_ns))
    os.rename(copy, path)
    yield


@contextlib.contextmanager
def _gone(path: str) -> Iterator[None]:
    os.rename(path, f"{path}.gone")
    yield
    os.rename(f"{path}.gone", path)


@contextlib.contextmanager
def _chmod(path: str) -> Iterator[None]:
    mode = os.stat(path).st_mode & 0o7777
    os.chmod(path, mode ^ 0o050)
    yield
    os.chmod(path, mode)


@contextlib.contextmanager
def _chmod_0(path: str) -> Iterator[None]:
    mode = os.stat(path).st_mode & 0o7777
    os.chmod(path, 0o600)
    yield
    os.chmod(path, mode)


@contextlib.contextmanager
def _chown(path: str) -> Iterator[None]:
    os.chown(path, 12345, -1)
    yield
    os.chown(path, os.geteuid(), -1)


@contextlib.contextmanager
def _chgrp(path: str) -> Iterator[None]:
    group = os.stat(path).st_gid
    os.chown(path, -1, 12346)
    yield
    os.chown(path, -1, group)


@contextlib.contextmanager
def _shared(path: str) -> Iterator[None]:
    """By an access list; the mode and all else stays."""
    name, before = "system.posix_acl_access", access_list_of(path)
    share_with(Path(path), ("user", 12345, "rwx"), ("group of directory", 0, "rwx"))
    yield
    if before:
        os.setxattr(path, name, before)
    else:
        os.removexattr(path, name)


@contextlib.contextmanager
def _another_directory(path: str) -> Iterator[None]:
    told = os.stat(path)
    os.rename(path, f"{path}.old")
    os.mkdir(path)
    os.chmod(path, told.st_mode & 0o7777)
    yield
    os.rmdir(path)
    os.rename(f"{path}.old", path)


@contextlib.contextmanager
def _link_instead(path: str) -> Iterator[None]:
    os.rename(path, f"{path}.real")
    os.symlink(f"{path}.real", path)
    yield
    os.unlink(path)
    os.rename(f"{path}.real", path)


@contextlib.contextmanager
def _mounted_over(path: str) -> Iterator[None]:
    if not os.path.isdir(path):
        raise NotImplementedError
    with mounts.tmpfs(path):
        yield


def _inherits(
    made: Callable[[Path], object], undone: Callable[[Path], object], *, before: str = "0:0:0"
) -> Disturbance:
    """The directory hands something else down, where the file system has it."""

    @contextlib.contextmanager
    def disturb(path: str) -> Iterator[None]:
        if look("d", path) != before:
            raise NotImplementedError
        try:
            made(Path(path))
        except OSError as error:
            raise NotImplementedError from error
        yield
        undone(Path(path))

    return disturb


@contextlib.contextmanager
def _read_only(path: str) -> Iterator[None]:
    with mounts.bound(path, path, read_only=True):
        yield


@contextlib.contextmanager
def _noexec(path: str) -> Iterator[None]:
    with mounts.bound(path, path):
        mounts.remount(path, noexec=True)
        yield


@contextlib.contextmanager
def _bound_over_itself(path: str) -> Iterator[None]:
    """The same file system, the same directory, and links into it are refused."""
    with mounts.bound(path, path):
        yield


@contextlib.contextmanager
def _re_pointed(path: str) -> Iterator[None]:
    before = os.readlink(path)
    os.unlink(path)
    os.symlink(f"{before}-other", path)
    yield
    os.unlink(path)
    os.symlink(before, path)


@contextlib.contextmanager
def _the_same_link_again(path: str) -> Iterator[None]:
    """Another link with the same text. The old inode is kept, or it would be used again."""
    os.rename(path, f"{path}.old")
    os.symlink(os.readlink(f"{path}.old"), path)
    yield
    os.unlink(f"{path}.old")


@contextlib.contextmanager
def _file_appears(path: str) -> Iterator[None]:
    with _made_above(path) as place:
        Path(place).write_text("x")
        yield
        os.unlink(place)


@contextlib.contextmanager
def _directory_appears(path: str) -> Iterator[None]:
    with _made_above(path) as place:
        os.mkdir(place)
        yield
        os.rmdir(place)


@contextlib.contextmanager
def _link_appears(path: str) -> Iterator[None]:
    """It leads to a file: stat(2) and lstat(2) see it."""
    with _made_above(path) as place:
        Path(f"{place}.target").write_text("x")
        os.symlink(f"{place}.target", place)
        yield
        os.unlink(place)
        os.unlink(f"{place}.target")


@contextlib.contextmanager
def _name_appears(path: str) -> Iterator[None]:
    Path(path, "python3.99").touch()
    yield
    os.unlink(os.path.join(path, "python3.99"))


@contextlib.contextmanager
def _full(path: str) -> Iterator[None]:
    """All but a little of the disk is used up; only where that disk is a small one."""
    told = os.statvfs(path)
    if told.f_blocks * told.f_frsize > 1024**3:
        raise NotImplementedError
    with open(os.path.join(path, "filler"), "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, told.f_bavail * told.f_frsize - 2**20)
        flush(Path(path))  # before that, btrfs does not count it
        yield
    os.unlink(os.path.join(path, "filler"))
    flush(Path(path))


@contextlib.contextmanager
def _other_content(path: str) -> Iterator[None]:
    """Another file is mounted over it."""
    place = Path(os.environ["HOME"], "other-content")
    place.with_suffix(".file").write_text("other content")
    with mounts.bound(str(place.with_suffix(".file")), path):
        yield


@contextlib.contextmanager
def _made_above(path: str) -> Iterator[str]:
    """Make the directories above `path`; give where to put something that is seen there."""
    # What a dangling link leads to is what is missing.
    place = os.path.realpath(path) if os.path.islink(path) else path
    missing = []
    above = os.path.dirname(place)
    while not os.path.lexists(above):
        missing.append(above)
        above = os.path.dirname(above)
    if not os.path.isdir(above):  # below a file is nothing, and nothing can come there
        raise NotImplementedError
    for directory in reversed(missing):
        os.mkdir(directory)
    yield place
    for directory in missing:
        os.rmdir(directory)


_OF_FILES: dict[str, Disturbance] = {
    "edited": _edited, "edited twice": _edited_twice, "renamed over": _renamed_over,
    "gone": _gone, "chmod": _chmod, "chown": _chown, "another mounted over it": _other_content,
}  # fmt: skip
_OF_DIRECTORIES: dict[str, Disturbance] = {
    "gone": _gone, "another": _another_directory, "chmod": _chmod, "chown": _chown,
    "chgrp": _chgrp, "mounted over": _mounted_over,
}  # fmt: skip
_OF_WHAT_IS_INHERITED: dict[str, Disturbance] = {
    "NOCOW": _inherits(set_nocow, lambda path: set_nocow(path, False)),
    "no longer NOCOW": _inherits(
        lambda path: set_nocow(path, False), set_nocow, before="800000:0:0"
    ),
    "in a quota project": _inherits(
        lambda path: set_quota_project(path, 42),
        lambda path: set_quota_project(path, 0, inherited=False),
    ),
    "in another quota project": _inherits(
        lambda path: set_quota_project(path, 42),
        lambda path: set_quota_project(path, 7), before="200:7:0",
    ),
}  # fmt: skip
_OF_OTHERS: dict[str, dict[str, Disturbance]] = {
    "c": {"another content": _other_content},
    "d": {**_OF_WHAT_IS_INHERITED, "mounted over": _mounted_over},
    "m": {"mounted over": _mounted_over, "bound over itself": _bound_over_itself},
    "r": {"re-pointed": _re_pointed},
    "v": {"mounted over": _mounted_over, "noexec": _noexec},
    "x": {"shared": _shared, "mounted over": _mounted_over},
}
_OF_LINKS: dict[str, Disturbance] = {
    "re-pointed": _re_pointed, "the same again": _the_same_link_again, "gone": _gone,
}  # fmt: skip
