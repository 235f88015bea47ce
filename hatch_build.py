"""Compile the native launchers when a wheel is built, and give the wheel its tags.

hatchling calls `LauncherBuildHook` for the target `wheel`. A wheel is for the machine that builds
it, or for the one of `PLATFORMS` that `LINKPOLICY_BUILD_FOR` names: then the compiler is zig, from
the package index, as always on Windows. Where nothing can be compiled for this machine (Linux
without a C compiler, macOS) the wheel is built all the same, for every platform, and the shims are
the Python ones.
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
import sysconfig
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
#: the compiled launchers in the package, as `linkpolicy setup` looks for them
_PACKAGE = "uvx_policy"
_LAUNCHER = "launcher"
#: with their subsystems: `uvw` has no console
_WINDOWS_LAUNCHERS = {"launcher.exe": "console", "launcherw.exe": "windows"}
_WINDOWS_LINK = ("-s", "-nostdlib", "-Wl,-e,start")
#: In shims/CFLAGS because it saves the dynamic loader, 0.1 ms of each start. Not everywhere is a
#: libc to link statically, so the second try goes without.
_STATIC = "-static"
#: ELFCLASS64 and PT_INTERP of elf(5)
_CLASS_64 = 2
_INTERPRETER = 3
_NO_ELF = (0, 0)

#: as in uvx_policy/locate.py, which looks for it in so many bytes
_MARKER = b"linkpolicy-shim-v1"
_HEAD = 1024
_DOS_TEXT = b"This program cannot be run in DOS mode."


class Platform(NamedTuple):
    """What a wheel of ours can be for."""

    #: platform tags of the wheel
    tags: tuple[str, ...]
    #: what zig calls it, "" where no launcher is compiled
    zig: str = ""
    #: what stands in each of its programs (elf(5)): the class, 1 or 2, and the machine
    elf: tuple[int, int] = _NO_ELF


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
    "windows-x86_64": Platform(("win_amd64",), "x86_64-windows-gnu"),
    "windows-arm64": Platform(("win_arm64",), "aarch64-windows-gnu"),
    "macos": Platform(("macosx_11_0_universal2",)),
    "any": Platform(("any",)),
}


class NotCompiled(Exception):
    """There is no launcher; `str()` says why in one line."""


class LauncherBuildHook(BuildHookInterface[Any]):
    """Adds `uvx_policy/launcher` to the wheel, or to the tree when the install is editable."""

    PLUGIN_NAME = "custom"
    #: holds the launcher until the wheel is written
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling."""
        named = PLATFORMS.get(os.environ.get(BUILD_FOR) or _windows_here())
        unwanted = not os.environ.get(BUILD_FOR) and os.environ.get(VARIABLE) == "no"
        return [ZIG] if named and named.zig and not unwanted else []

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
                self._put_into_the_wheel(build_data, *compile_here(self.root, self._directory()))
        except NotCompiled as error:
            if choice == "require":
                self.app.abort(f"no native launcher: {error}")
            if version == "editable":  # none is better than one of another time
                for name in (_LAUNCHER, *_WINDOWS_LAUNCHERS):
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

    def _directory(self) -> str:
        self._scratch = tempfile.TemporaryDirectory(prefix="linkpolicy-build-")
        return self._scratch.name

    def _put_what_is_named(self, build_data: dict[str, Any]) -> None:
        platform = PLATFORMS[self._one_of(BUILD_FOR, PLATFORMS)]
        made: list[str] = []
        if platform.zig:
            try:
                made = compile_with_zig(self.root, self._directory(), platform)
            except NotCompiled as error:
                self.app.abort(f"no native launcher: {error}")
        self._put_into_the_wheel(build_data, made, ".".join(platform.tags))

    def _put_into_the_wheel(self, build_data: dict[str, Any], made: list[str], tags: str) -> None:
        build_data["tag"] = f"py3-none-{tags}"
        build_data["pure_python"] = tags == "any"
        for path in made:
            build_data["force_include"][path] = f"{_PACKAGE}/{os.path.basename(path)}"

    def _put_into_the_tree(self) -> None:
        """Builds beside and renames: two builds at once, or a setup that reads, find a whole one.

        The wheel of an editable install keeps its tag: the launcher is not in it.
        """
        package = os.path.join(self.root, _PACKAGE)
        try:
            with tempfile.TemporaryDirectory(prefix=".launcher-", dir=package) as scratch:
                for path in compile_here(self.root, scratch)[0]:
                    os.replace(path, os.path.join(package, os.path.basename(path)))
        except OSError as error:
            raise NotCompiled(f"cannot write to `{package}`: {error.strerror}") from error


def refuse_unless_wanted(choice: str) -> None:
    """Raises `NotCompiled` where nothing is to be tried. `choice`: one of `CHOICES`."""
    if choice == "no":
        raise NotCompiled(f"{VARIABLE}=no")
    if not sys.platform.startswith("linux") and not _windows_here():
        raise NotCompiled(f"it is for Linux and Windows, and this is {sysconfig.get_platform()}")


def compile_here(root: str, directory: str) -> tuple[list[str], str]:
    """The launchers for this machine, made in `directory`, and the platform tags of their wheel.

    Raises `NotCompiled`.
    """
    if _windows_here():
        platform = PLATFORMS[_windows_here()]
        return compile_with_zig(root, directory, platform), ".".join(platform.tags)
    binary = os.path.join(directory, _LAUNCHER)
    compile_launcher(root, binary)
    return [binary], platform_tags_of(binary)


def _windows_here() -> str:
    """Which of `PLATFORMS` this is, "" where it is no Windows of those."""
    known = {"win-amd64": "windows-x86_64", "win-arm64": "windows-arm64"}
    return known.get(sysconfig.get_platform(), "")


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


def compile_with_zig(root: str, directory: str, platform: Platform) -> list[str]:
    """The launchers for another machine: `platform`, which has a name in zig. Raises `NotCompiled`.

    What zig compiles besides, a C library, it keeps in `ZIG_GLOBAL_CACHE_DIR`, by default in the
    user's cache directory.
    """
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", platform.zig]
    if platform.elf == _NO_ELF:
        return _compile_for_windows(root, directory, compiler)
    binary = os.path.join(directory, _LAUNCHER)
    _compile(compiler, [*_flags(root, "CFLAGS"), "-o", binary, _SOURCE], root, binary)
    return [binary]


def _compile_for_windows(root: str, directory: str, compiler: list[str]) -> list[str]:
    """Two programs of one object. In one step zig would compile a C runtime, which nothing uses."""
    compiled = os.path.join(directory, "launcher.o")
    flags = _flags(root, "CFLAGS.windows")
    _compile(compiler, [*flags, "-c", "-o", compiled, _SOURCE], root, compiled)
    made = []
    for name, subsystem in _WINDOWS_LAUNCHERS.items():
        binary = os.path.join(directory, name)
        options = [*_WINDOWS_LINK, f"-Wl,--subsystem,{subsystem}", "-o", binary, compiled]
        _compile(compiler, [*options, "-lkernel32", "-lntdll"], root, binary)
        with open(binary, "rb") as stream:
            content = stream.read()
        with open(binary, "wb") as stream:
            stream.write(marked(content))
        made.append(binary)
    return made


def marked(program: bytes) -> bytes:
    """A program of Windows with the marker of a shim, and without the time when it was linked.

    The marker takes the place of what MS-DOS would print: nothing can be appended to a program that
    somebody has signed. Raises `NotCompiled` when there is no such text.
    """
    head = program[:_HEAD]
    (coff,) = struct.unpack_from("<I", head, 60)  # where the real header begins, after a signature
    if head.count(_DOS_TEXT) != 1 or head[coff : coff + 4] != b"PE\0\0":
        raise NotCompiled("what zig makes has no place for the marker of a shim")
    head = head[: coff + 8] + bytes(4) + head[coff + 12 :]
    return head.replace(_DOS_TEXT, _MARKER.ljust(len(_DOS_TEXT))) + program[_HEAD:]


def _compile(compiler: list[str], words: list[str], root: str, binary: str) -> None:
    complaint = _complaint(compiler, words, root, binary)
    if complaint:
        raise NotCompiled(complaint)


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
