"""Compile the native launchers when a wheel is built, and give the wheel its tags.

hatchling calls `LauncherBuildHook` for the target `wheel`. A wheel is for the machine that builds
it, or for the one of `PLATFORMS` that `LINKPOLICY_BUILD_FOR` names: then the compiler is zig, from
the package index. Where nothing can be compiled for this machine (no C compiler, not Linux) the
wheel is built all the same, for every platform, and the shims are the Python ones.
`LINKPOLICY_BUILD_LAUNCHER` says otherwise: `require` makes such a build fail, `no` compiles
nothing.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

if TYPE_CHECKING:
    from collections.abc import Collection

VARIABLE = "LINKPOLICY_BUILD_LAUNCHER"
#: its values; unset or empty is the first
CHOICES = ("auto", "require", "no")
#: names one of `PLATFORMS`; unset or empty: this machine
BUILD_FOR = "LINKPOLICY_BUILD_FOR"
#: The compiler for another machine than this one. Pinned: the launchers of a release can be made
#: again, byte for byte.
ZIG = "ziglang==0.15.2"

#: `CC` in the environment is asked first; it may hold options, as for make
_COMPILERS = ("cc", "gcc", "clang")
_SOURCE = "launcher.c"
#: where the compiled launchers are in the package, as `linkpolicy setup` looks for them
_PACKAGE = "uvx_policy"
_LAUNCHER = "launcher"
#: those of Windows, and the subsystem of each: with a console, and without
_WINDOWS = {"launcher.exe": "console", "launcherw.exe": "windows"}
#: what every program of Windows says to DOS, in its first kilobyte
_TO_DOS = b"This program cannot be run in DOS mode."
#: as `locate.MARKER`
_MARKER = b"linkpolicy-shim-v1"
#: In shims/CFLAGS because it saves the dynamic loader, 0.1 ms of each start. Not everywhere is a
#: libc to link statically, so the second try goes without.
_STATIC = "-static"
#: ELFCLASS64 and PT_INTERP of elf(5)
_CLASS_64 = 2
_INTERPRETER = 3


class Platform(NamedTuple):
    """What a wheel of ours can be for."""

    #: platform tags of the wheel
    tags: tuple[str, ...]
    #: what zig calls it, "" where no launcher is compiled
    zig: str = ""
    #: what stands in each of its programs (elf(5)): the class, 1 or 2, and the machine
    elf: tuple[int, int] = (0, 0)


def _linux(architecture: str, zig: str, elf: tuple[int, int], glibc: str = "2_17") -> Platform:
    """A static launcher needs no C library, so each tag is true; `glibc`: what auditwheel knows."""
    tags = (f"manylinux_{glibc}_{architecture}", f"musllinux_1_1_{architecture}")
    return Platform(tags, f"{zig}-linux-musl{'eabihf' if zig == 'arm' else ''}", elf)


#: what a release has wheels for
PLATFORMS = {
    "linux-x86_64": _linux("x86_64", "x86_64", (2, 62)),
    "linux-aarch64": _linux("aarch64", "aarch64", (2, 183)),
    "linux-armv7l": _linux("armv7l", "arm", (1, 40)),
    "linux-i686": _linux("i686", "x86", (1, 3)),
    "linux-riscv64": _linux("riscv64", "riscv64", (2, 243), glibc="2_31"),
    "win-amd64": Platform(("win_amd64",), "x86_64-windows-gnu"),
    "win-arm64": Platform(("win_arm64",), "aarch64-windows-gnu"),
    "macos": Platform(("macosx_11_0_universal2",)),
    "any": Platform(("any",)),
}


class NotCompiled(Exception):
    """There is no launcher; `str()` says why in one line."""


class LauncherBuildHook(BuildHookInterface[Any]):
    """Adds the launchers to the package in the wheel, or in the tree for an editable install."""

    PLUGIN_NAME = "custom"
    #: holds the launchers until the wheel is written
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling."""
        named = PLATFORMS.get(os.environ.get(BUILD_FOR, ""))
        is_wanted = os.environ.get(VARIABLE) != "no"
        by_zig = named.zig if named else sys.platform == "win32" and is_wanted
        return [ZIG] if by_zig else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is written. `version`: "standard" or "editable"."""
        choice = self._one_of(VARIABLE, CHOICES)
        if os.environ.get(BUILD_FOR):
            self._put_what_is_named(build_data)
            return
        try:
            refuse_unless_wanted(choice)
            if version == "editable":
                self._put_into_the_tree()
            else:
                self._put_into_the_wheel(build_data)
        except NotCompiled as error:
            if choice == "require":
                self.app.abort(f"no native launcher: {error}")
            if version == "editable":  # none is better than one of another time
                for name in (_LAUNCHER, *_WINDOWS):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os.path.join(self.root, _PACKAGE, name))
            sys.stderr.write(f"linkpolicy: built without the native launcher: {error}\n")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called after the wheel was written."""
        del version, build_data, artifact_path
        if self._scratch is not None:
            self._scratch.cleanup()

    def _one_of(self, variable: str, values: Collection[str]) -> str:
        """The value of a variable; unset or empty is the first. Ends the build for another one."""
        value = os.environ.get(variable) or next(iter(values))
        if value not in values:
            self.app.abort(f"{variable} is `{value}`, and not one of {', '.join(values)}")
        return value

    def _put_what_is_named(self, build_data: dict[str, Any]) -> None:
        platform = PLATFORMS[self._one_of(BUILD_FOR, PLATFORMS)]
        build_data["tag"] = f"py3-none-{'.'.join(platform.tags)}"
        build_data["pure_python"] = platform.tags == ("any",)
        if platform.zig:
            try:
                self._include(build_data, compile_with_zig(self.root, self._made(), platform))
            except NotCompiled as error:
                self.app.abort(f"no native launcher: {error}")

    def _put_into_the_wheel(self, build_data: dict[str, Any]) -> None:
        names, tags = compile_for_this_machine(self.root, self._made())
        build_data["tag"] = f"py3-none-{tags}"
        build_data["pure_python"] = False
        self._include(build_data, names)

    def _made(self) -> str:
        """A directory for what is compiled."""
        self._scratch = tempfile.TemporaryDirectory(prefix="linkpolicy-build-")
        return self._scratch.name

    def _include(self, build_data: dict[str, Any], names: Collection[str]) -> None:
        assert self._scratch is not None  # noqa: S101 (`_made` was called)
        for name in names:
            made = os.path.join(self._scratch.name, name)
            build_data["force_include"][made] = f"{_PACKAGE}/{name}"

    def _put_into_the_tree(self) -> None:
        """Builds beside and renames: two builds at once, or a setup that reads, find a whole one.

        The wheel of an editable install keeps its tag: the launcher is not in it.
        """
        package = os.path.join(self.root, _PACKAGE)
        try:
            with tempfile.TemporaryDirectory(prefix=".launcher-", dir=package) as scratch:
                names, _ = compile_for_this_machine(self.root, scratch)  # as in a wheel, or none
                for name in names:
                    os.replace(os.path.join(scratch, name), os.path.join(package, name))
        except OSError as error:
            raise NotCompiled(f"cannot write to `{package}`: {error.strerror}") from error


def refuse_unless_wanted(choice: str) -> None:
    """Raises `NotCompiled` where nothing is to be tried. `choice`: one of `CHOICES`."""
    if choice == "no":
        raise NotCompiled(f"{VARIABLE}=no")
    if not sys.platform.startswith(("linux", "win32")):
        raise NotCompiled(f"it is for Linux and Windows, and this is {sys.platform}")


def compile_for_this_machine(root: str, directory: str) -> tuple[Collection[str], str]:
    """Compile into `directory`: names of the files, and platform tags. Raises `NotCompiled`."""
    if os.name != "nt":
        binary = os.path.join(directory, _LAUNCHER)
        compile_launcher(root, binary)
        return (_LAUNCHER,), platform_tags_of(binary)
    tag = next(iter(platform_tags()))
    platform = PLATFORMS.get(tag.replace("_", "-", 1))
    if platform is None:
        raise NotCompiled(f"it is not for `{tag}`")
    return compile_with_zig(root, directory, platform), tag


def compile_launcher(root: str, binary: str) -> None:
    """Compile `root`/shims/launcher.c to the file `binary`, executable. Raises `NotCompiled`.

    The flags are those of shims/CFLAGS; `CFLAGS` and `LDFLAGS` of the environment do not count:
    what the tests saw is what is built. The source is named relative to where the compiler runs, so
    no path of this machine gets in.
    """
    compiler = _compiler()
    flags = _flags(root, "CFLAGS")
    complaint = ""
    for way in (flags, [flag for flag in flags if flag != _STATIC]):
        complaint = _complaint(compiler, [*way, "-o", binary, _SOURCE], root, binary)
        if not complaint:
            return
    raise NotCompiled(complaint)


def compile_with_zig(root: str, directory: str, platform: Platform) -> Collection[str]:
    """The same for another machine, or Windows: `platform`, which has a name in zig.

    Gives the names of the files in `directory`. What zig compiles besides, a C library, it keeps in
    `ZIG_GLOBAL_CACHE_DIR`, by default in the user's cache directory. Raises `NotCompiled`.
    """
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", platform.zig]
    if "windows" in platform.zig:
        return _compile_for_windows(zig, root, directory)
    binary = os.path.join(directory, _LAUNCHER)
    complaint = _complaint(zig, [*_flags(root, "CFLAGS"), "-o", binary, _SOURCE], root, binary)
    if complaint:
        raise NotCompiled(complaint)
    return (_LAUNCHER,)


def _compile_for_windows(zig: list[str], root: str, directory: str) -> Collection[str]:
    """First an object, and then both: with one call zig would bring its C runtime along."""
    made = os.path.join(directory, "launcher.o")
    flags = [*_flags(root, "CFLAGS.windows"), "-c", "-o", made, _SOURCE]
    complaint = _complaint(zig, flags, root, made)
    for name, subsystem in _WINDOWS.items():
        binary = os.path.join(directory, name)
        way = ["-s", "-nostdlib", "-Wl,-e,start", f"-Wl,--subsystem,{subsystem}", "-o", binary]
        more = [*way, made, "-lkernel32", "-lntdll"]
        complaint = complaint or _complaint(zig, more, root, binary)
        if complaint:
            raise NotCompiled(complaint)
        _mark(binary)
    return _WINDOWS


def _mark(binary: str) -> None:
    """Put the marker of our shims where it stays the same when the file is signed."""
    with open(binary, "r+b") as stream:
        head = stream.read(1024)
        if head.count(_TO_DOS) != 1:
            raise NotCompiled(f"no place for the marker in `{os.path.basename(binary)}`")
        stream.seek(head.index(_TO_DOS))
        stream.write(_MARKER.ljust(len(_TO_DOS)))


def _flags(root: str, name: str) -> list[str]:
    try:
        with open(os.path.join(root, "shims", name), encoding="utf-8") as stream:
            return shlex.split(stream.read())
    except OSError as error:
        raise NotCompiled(f"cannot read shims/{name}: {error.strerror}") from error


def _complaint(compiler: list[str], words: list[str], root: str, binary: str) -> str:
    """Start the compiler in shims; "" when it has made `binary`, else why not, in one line."""
    try:
        done = subprocess.run(
            [*compiler, *words], cwd=os.path.join(root, "shims"), capture_output=True, text=True,
            errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise NotCompiled(f"cannot start `{compiler[0]}`: {error.strerror}") from error
    if done.returncode == 0 and os.path.isfile(binary):
        os.chmod(binary, 0o755)  # noqa: S103 (a program, whatever the umask says)
        return ""
    said = _first_error(done.stderr)
    return f"`{shlex.join(compiler)}` failed" + (f": {said}" if said else "")


def _compiler() -> list[str]:
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise NotCompiled(f"cannot understand CC: {error}") from error
    if named:
        return named
    for name in _COMPILERS:
        if shutil.which(name):
            return [name]
    raise NotCompiled("no C compiler on PATH")


def _first_error(said: str) -> str:
    """The line to quote: the first that speaks of an error, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[-1] if lines else "")


def platform_tags_of(binary: str) -> str:
    """The platform tags of a wheel with this launcher, which was compiled for this machine.

    A static one runs on every Linux of its architecture, so those are the tags that an index takes.
    Any other one needs the C library of this machine, or is for an architecture that no index
    takes: the plain tag is true, for example "linux_x86_64".
    Raises `NotCompiled` when the launcher is not for the machine that this Python is for, as with a
    Python of 32 bits and a compiler of 64.
    """
    plain = next(tag for tag in platform_tags() if tag.startswith("linux_"))
    platform = PLATFORMS.get(plain.replace("_", "-", 1))
    if platform is None:
        return plain
    try:
        elf, is_static = _seen_in(binary)
    except (struct.error, IndexError) as error:
        raise NotCompiled("what the compiler makes is no program of Linux") from error
    if elf != platform.elf:
        raise NotCompiled(f"the compiler is for another machine than `{plain}`")
    return ".".join(platform.tags) if is_static else plain


def _seen_in(binary: str) -> tuple[tuple[int, int], bool]:
    """As `Platform.elf`, and whether it is started without a loader (PT_INTERP); see elf(5)."""
    with open(binary, "rb") as stream:
        content = stream.read()
    is_64 = content[4] == _CLASS_64
    (machine,) = struct.unpack_from("<H", content, 18)
    (start,) = struct.unpack_from("<Q" if is_64 else "<I", content, 32 if is_64 else 28)
    size, count = struct.unpack_from("<HH", content, 54 if is_64 else 42)
    kinds = [struct.unpack_from("<I", content, start + size * n)[0] for n in range(count)]
    return (content[4], machine), _INTERPRETER not in kinds
