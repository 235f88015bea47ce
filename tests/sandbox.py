"""The machine that tests see: one of their own, in which nothing of the developer's is.

linkpolicy looks at home directories, at the top of every mount, and at what lies above a project.
As root, each process of the suite therefore gets a mount namespace with another root directory:
a tmpfs that holds the system, what the tests need of this machine (`_needed`) and the session's
temporary directory. Homes, `/tmp`, other mounts and their caches do not exist there, for this
process and for all that it starts, and what tests mount nobody else sees, and ends with them.

Where that cannot be (an ordinary user, a container that may not mount), the file system tests are
skipped, and `linkpolicy` is shown a mount table with one mount, the temporary directory: in this
process, and in those that are started as `linkpolicy()` says.

Either way nothing may be left behind: `entered` raises in the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests import real_uv
from uvx_policy.filesystem.mounts import is_within
from uvx_policy.host import Host
from uvx_policy.machine import caches

ROOT = Path(__file__).resolve().parent.parent
#: base interpreter: a virtual environment first on PATH would be a target for `uv pip` itself
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
#: what tests may write beside their own directories: byte code, downloaded uvs
_WRITTEN = (ROOT, real_uv.store())
#: copied as they are: a directory with all that is mounted there, or a symbolic link
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "nix", "gnu")
_KERNEL = ("dev", "proc", "sys")
#: made anew, for everybody to write
_TEMPORARY = ("tmp", "var/tmp")
#: where the file systems of tests are mounted
MOUNTS = Path("/mnt")
#: variables that name a file or a directory which programs of tests read
_NAMED_BY = ("PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR")

#: below a home: what uv and linkpolicy would leave there
_OURS = (
    ".cache/uv", ".config/uv", ".config/linkpolicy", ".local/bin/uv", ".local/share/uv",
    ".local/share/linkpolicy", ".local/state/linkpolicy",
)  # fmt: skip
_STARTUP_FILES = (
    ".profile", ".bashrc", ".bash_profile", ".bash_login", ".zshenv", ".zprofile", ".zshrc",
    ".config/fish/config.fish", ".config/nushell/config.nu",
)  # fmt: skip
#: file systems on which no cache is made, and which may not answer
_NO_DISK = (
    "autofs", "cifs", "fuse", "nfs", "smb", "sshfs", "9p", "afs", "proc", "sysfs", "cgroup",
)  # fmt: skip

#: of the session: its temporary directory, and whether this machine is its own
_base: Path | None = None
_own = False


@contextlib.contextmanager
def entered(base: Path) -> Iterator[None]:
    """Let this process see its own machine only, until the end of the block.

    `base`: the temporary directory of this process. Raises `AssertionError` at the end when
    something was left in a home, or where linkpolicy makes caches.
    """
    global _base, _own  # noqa: PLW0603 (one process has one machine)
    homes = _homes()
    _base = base.resolve()
    with contextlib.ExitStack() as undo:
        _own = _build(undo, _base, homes)
        if not _own:
            show_only(str(_base))
        # A home of our own is empty; in the real one others may write what they like.
        places = [] if _own else _places(_base, homes)
        before = _everything_in(homes) if _own else _seen(places)
        yield
        after = _everything_in(homes) if _own else _seen(places)
        left = sorted(path for path in after if after[path] != before.get(path))
        _own = False
    assert not left, f"tests have left something outside of their own directories: {left}"


def is_own() -> bool:
    """Is this a machine of the tests' own, on which they may mount?"""
    return _own


def linkpolicy(python: str = sys.executable) -> list[str]:
    """Words that start `linkpolicy` in a process of its own, for which the same holds."""
    limits = "" if _own else f"from tests import sandbox; sandbox.show_only({str(_base)!r}); "
    program = (
        f"import sys; sys.path[:0] = {[str(ROOT), *filter(None, sys.path)]!r}; {limits}"
        "from uvx_policy import cli; sys.exit(cli.main())"
    )
    return [python, "-c", program]


def forget_caches() -> None:
    """Remove the cache of the device that the temporary directory lies on, if a test made one."""
    if _base is not None:
        for name in _cache_names():
            if os.path.lexists(_base / name):
                shutil.rmtree(_base / name)


# Where a machine of our own can be ---------------------------------------------------------------


def _build(undo: contextlib.ExitStack, base: Path, homes: set[Path]) -> bool:
    """Make `/` anew. False where that is not possible, with everything as it was."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    from tests import mounts

    here = os.getcwd()
    with contextlib.ExitStack() as attempt:
        try:
            attempt.enter_context(mounts.private())
            root = base / "root"
            root.mkdir()
            mounts.mount_tmpfs(str(root), "mode=755")
        except PermissionError:
            return False
        _fill(root, base, homes)
        mounts.become_root(str(root))
        root.rmdir()
        os.chdir(here if os.path.isdir(here) else ROOT)
        undo.enter_context(attempt.pop_all())
    return True


def _fill(root: Path, base: Path, homes: set[Path]) -> None:
    """Put into `root` what this machine has and tests may see."""
    from tests import mounts

    for name in (*_SYSTEM, *_KERNEL):
        _copy(f"/{name}", root, read_only=name in _SYSTEM)
    for path, read_only in _needed({base, *homes}).items():
        _copy(path, root, read_only=read_only)
    for packages in _foreign_packages():
        if os.path.isdir(_below(root, packages)):
            mounts.mount_tmpfs(str(_below(root, packages)), "mode=755")
    for named in _wanted():  # some of them through a symbolic link
        place, real = _below(root, Path(named)), os.path.realpath(named)
        if not os.path.lexists(place) and os.path.exists(_below(root, Path(real))):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(real)
    # After what may hold it.
    _copy(str(base), root, read_only=False)
    for name in _TEMPORARY:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    for directory in (*homes, MOUNTS, Path("/run")):
        _below(root, directory).mkdir(parents=True, exist_ok=True)


def _copy(path: str, root: Path, *, read_only: bool) -> None:
    """Let `path` be below `root` what it is here: a link, or a directory, bound."""
    from tests import mounts

    place = _below(root, Path(path))
    if os.path.islink(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.readlink(path))
    elif os.path.isdir(path):
        place.mkdir(parents=True, exist_ok=True)
        whole = path.lstrip("/") in (*_SYSTEM, *_KERNEL)
        mounts.bind(path, str(place), read_only=read_only, recursive=whole)
    elif os.path.isfile(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        mounts.bind(path, str(place), read_only=read_only)


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _needed(hidden: set[Path]) -> dict[str, bool]:
    """Paths without symbolic links: is it to be read only? What holds others comes first.

    None holds a path that is to be `hidden`, or is such a one.
    """
    needed = {os.path.realpath(path): True for path in _wanted()}
    needed.update((os.path.realpath(path), False) for path in _WRITTEN)
    for path in list(needed):
        known = path.split("/")[1] in (*_SYSTEM, *_KERNEL) or not os.path.exists(path)
        if known or any(each.is_relative_to(path) for each in hidden):
            del needed[path]
    return {
        path: read_only
        for path, read_only in sorted(needed.items())
        if not any(path.startswith(f"{each}/") and needed[each] <= read_only for each in needed)
    }


def _wanted() -> list[str]:
    """What programs of this suite read: interpreters, packages, what is on PATH."""
    wanted = [os.environ.get(name, "") for name in _NAMED_BY]
    wanted += [*sys.path, sys.prefix, sys.base_prefix, PYTHON, "/etc/resolv.conf"]
    wanted += os.environ.get("PATH", "").split(os.pathsep)
    return [path for path in wanted if os.path.isabs(path)]


def _foreign_packages() -> set[Path]:
    """Where the interpreter below our virtual environment has packages, which all uvs would start.

    Their `.pth` files may do anything whenever an interpreter starts, and take most of the time.
    """
    base = {"base": sys.base_prefix, "platbase": sys.base_prefix}
    found = {
        os.path.realpath(sysconfig.get_path(name, vars=base)) for name in ("purelib", "platlib")
    }
    return {Path(path) for path in found - set(map(os.path.realpath, sys.path))}


# Where there is none -----------------------------------------------------------------------------


def show_only(base: str) -> None:
    """From now on, in this process, the mount table has one row: the mount that `base` lies on.

    As if `base` were its mount point, and nothing above it: no cache is looked for there.
    """
    table, way = Host.mount_table, caches._on_the_way_to

    def mount_table(host: Host) -> str | None:
        text = table(host)
        return None if text is None else _limited(text, base, host.mount_id(base))

    def on_the_way_to(paths: Iterable[str]) -> dict[str, None]:
        return {path: None for path in way(paths) if is_within(path, base)}

    setattr(Host, "mount_table", mount_table)  # noqa: B010 (mypy takes it for a bound method)
    setattr(caches, "_on_the_way_to", on_the_way_to)  # noqa: B010


def _limited(text: str, base: str, mount: int | None) -> str:
    for row in text.splitlines(keepends=True):
        fields = row.split(" ")
        if int(fields[0]) == mount:
            inside = os.path.relpath(base, fields[4])
            fields[3], fields[4] = os.path.join(fields[3], inside), base
            return " ".join(fields)
    return ""


# What may be left behind -------------------------------------------------------------------------


def _homes() -> set[Path]:
    """The home of whoever runs the tests: as HOME says, and as the system knows it."""
    named = {os.environ.get("HOME", "")}
    if sys.platform != "win32":
        import pwd

        with contextlib.suppress(KeyError):
            named.add(pwd.getpwuid(os.geteuid()).pw_dir)
    return {Path(os.path.realpath(home)) for home in named if os.path.isabs(home)} - {Path("/")}


def _everything_in(homes: set[Path]) -> dict[str, str]:
    """Names in them, and at the top of our own machine."""
    names = {str(path): "" for home in homes for path in (*home.iterdir(), *home.glob(".*/*"))}
    return {**names, **{f"/{name}": "" for name in os.listdir("/")}}


def _places(base: Path, homes: set[Path]) -> list[str]:
    """Where uv and linkpolicy leave something."""
    tops = {*_mount_points(), *map(str, homes), *map(str, base.parents)}
    caches = [os.path.join(top, name) for top in tops for name in _cache_names()]
    return caches + [f"{home}/{name}" for home in homes for name in (*_OURS, *_STARTUP_FILES)]


def _seen(places: list[str]) -> dict[str, str]:
    """What there is at these places: the path, and the hash of a file."""
    found = {}
    for place in filter(os.path.lexists, places):
        with contextlib.suppress(OSError):
            file = place.endswith(_STARTUP_FILES)
            found[place] = hashlib.sha256(Path(place).read_bytes() if file else b"").hexdigest()
    return found


def _cache_names() -> list[str]:
    """Of the caches that a test may make: those of the user, and of `ordinary_user`."""
    from tests.ordinary_user import OTHER_UID, UID

    own = os.geteuid() if hasattr(os, "geteuid") else 0
    return [f".uv-cache-{uid}" for uid in (own, UID, OTHER_UID)]


def _mount_points() -> list[str]:
    if sys.platform != "linux":
        return []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        rows = [row.split(" ") for row in stream]
    return [
        re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), row[4])
        for row in rows
        if not row[row.index("-", 6) + 1].startswith(_NO_DISK)
    ]
