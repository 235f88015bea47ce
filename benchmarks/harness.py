"""What every benchmark shares: whole processes timed in turn, in a scratch home, as ratios.

Two commands are compared by running them in turn within one run of the benchmark, so that both see
the same machine: the figures to quote are medians, and differences and ratios taken round by round.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table

from uvx_policy import locate, real_uv
from uvx_policy.setup import launcher, shim_directories, shim_file
from uvx_policy.state import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

#: variables that would change what uv or the shim does; the package index stays as it is
_STRIPPED = ("UV_", "LINKPOLICY_", "_LINKPOLICY_", "XDG_", "CONDA_", "PYTHON")
_KEPT = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")

#: a word that uv and the stand-in refuse as their last one, with exit code 2
PLANTED = "--planted-into-the-record"

#: by which linkpolicy takes a program for uv itself
_MARKS = '" "'.join(mark.decode() for mark in real_uv.MARKS)
#: Exits at once, so that what is left is the shim's own work; only the question for its version is
#: handed to the real uv, because waiting for that answer is part of the first decision.
_STAND_IN = f"""\
#include <string.h>
#include <unistd.h>
const char marks[] = "{_MARKS}";
int main(int count, char **words) {{
    if (count == 2 && strcmp(words[1], "--version") == 0) {{
        execv(REAL_UV, words);
        return 126;
    }}
    return count > 1 && strcmp(words[count - 1], "{PLANTED}") == 0 ? 2 : 0;
}}
"""

#: the least that a native program between the user and uv can do
_BARE_EXEC = """\
#include <unistd.h>
int main(int count, char **words) {
    execv(REAL_UV, words);
    return 126 + 0 * count;
}
"""

#: columns that no table needs
_WIDE = 300

_STATIC = "-static"

#: the tree that this file is part of
_TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: `linkpolicy` of this tree
LINKPOLICY = (
    sys.executable,
    "-c",
    (
        f"import sys; sys.path.insert(0, {_TREE!r}); "
        "from uvx_policy.cli import main; sys.exit(main(sys.argv[1:]))"
    ),
)


class BenchmarkError(Exception):
    """The benchmark cannot be run here, or what it measures does not work; one line for people."""


class Series(NamedTuple):
    """One figure for each round, all of one unit."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the rounds lie below."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The middle half of the rounds lies between these two."""
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    def minus(self, other: Series) -> Series:
        """Round by round."""
        return Series(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))

    def over(self, other: Series) -> Series:
        """Round by round."""
        return Series(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


def in_turn(
    measures: Mapping[str, Callable[[], T]], *, rounds: int, warm: int = 1
) -> dict[str, list[T]]:
    """Measure everything once in each round; every second round runs backwards."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for turn in range(-warm, rounds):
        names = list(measures)
        for name in names if turn % 2 else reversed(names):
            value = measures[name]()
            if turn >= 0:
                found[name].append(value)
    return found


class Timing(NamedTuple):
    """Milliseconds of one process."""

    #: from before its start until it is reaped
    wall: float
    #: user and system time, children it waited for included: other processes hardly disturb it
    cpu: float


class Call(NamedTuple):
    """One process that can be started again and again."""

    #: the first is a path
    words: Sequence[str]
    environ: Mapping[str, str]
    #: where it runs
    directory: str

    def timed(self) -> Timing:
        """Run it with /dev/null for its three standard streams.

        Raises `BenchmarkError` when it does not exit with 0.
        """
        os.chdir(self.directory)
        silence = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        words, environ = list(self.words), dict(self.environ)
        start = time.perf_counter_ns()
        pid = os.posix_spawn(words[0], words, environ, file_actions=silence)
        _, status, used = os.wait4(pid, 0)
        stop = time.perf_counter_ns()
        if status:
            code = os.waitstatus_to_exitcode(status)
            raise BenchmarkError(f"exit code {code} of: {' '.join(words)}")
        return Timing(wall=(stop - start) / 1e6, cpu=(used.ru_utime + used.ru_stime) * 1e3)

    def output(self, *, stream: str = "stdout", code: int = 0) -> str:
        """Return what it prints. Raises `BenchmarkError` when it does not exit with `code`."""
        try:
            done = subprocess.run(
                self.words, env=self.environ, cwd=self.directory, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", check=False,
            )  # fmt: skip
        except OSError as error:
            raise BenchmarkError(f"cannot start {self.words[0]}: {error.strerror}") from error
        if done.returncode != code:
            raise BenchmarkError(
                f"exit code {done.returncode} of: {' '.join(self.words)}\n{done.stderr}"
            )
        return done.stderr if stream == "stderr" else done.stdout


def scratch_environ(home: str) -> dict[str, str]:
    """Copy this process's environment, with another home, and nothing that configures uv or us."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_KEPT) or not name.startswith(_STRIPPED)
    }
    environ.pop("VIRTUAL_ENV", None)
    # uv leaves its lock files in TMPDIR.
    return {**environ, "HOME": home, "TMPDIR": home, "UV_PYTHON_DOWNLOADS": "never"}


def find_uv(named: str | None) -> str:
    """Find the real uv's binary: `named`, or the first on PATH that is no script."""
    if named:
        return os.path.abspath(named)
    for path in locate.real_programs("uv", search_path=os.environ.get("PATH")):
        with open(path, "rb") as stream:
            if stream.read(2) != b"#!":
                return os.path.abspath(path)
    raise BenchmarkError("no uv on PATH; name one: --uv PATH")


def put_shim(directory: str) -> str:
    """Write the Python shim `uv` into `directory` (made); its path."""
    path = os.path.join(directory, "uv")
    _write_program(path, _shim_of(_installed(directory)))
    return path


def _installed(directory: str) -> str:
    """A copy of the package below `directory`; in this tree each module is a witness of its own."""
    copy = os.path.join(directory, "site-packages", "uvx_policy")
    shutil.copytree(locate.package(), copy)
    return copy


def _shim_of(package: str, *, shim: str = "") -> bytes:
    before, after = (repr(os.path.dirname(path)) for path in (locate.package(), package))
    return os.fsencode(os.fsdecode(shim_file.render("uv", shim=shim)).replace(before, after))


def put_launcher(directory: str, *, symbols: bool = False) -> str:
    """Compile the native launcher and put it into `directory` (made) as the shim `uv`; its path.

    From the source in this tree, with its flags: what is installed may be older. `symbols`: leave
    the names of functions in it. Raises `BenchmarkError` when it cannot be compiled.
    """
    shims = os.path.join(_TREE, "shims")
    with open(os.path.join(shims, "CFLAGS"), encoding="utf-8") as stream:
        flags = [flag for flag in shlex.split(stream.read()) if not (symbols and flag == "-s")]
    path = os.path.join(directory, "uv")
    fallback = os.path.join(shim_directories.fallbacks(directory), "uv")
    package = _installed(directory)
    _write_program(fallback, _shim_of(package, shim=path))
    binary = os.path.join(directory, "compiled")
    _compile(os.path.join(shims, "launcher.c"), binary, *flags)
    with open(binary, "rb") as stream:
        content = launcher.configured(
            stream.read(), program="uv", fallback=fallback, embedded=[], package=package
        )
    os.unlink(binary)
    _write_program(path, content)
    return path


def _write_program(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as stream:
        stream.write(content)
    os.chmod(path, 0o700)


def put_manager(directory: str, *, uv: str) -> str:
    """Write a script `uv` into `directory` (made) that takes as long as mise to start uv."""
    path = os.path.join(directory, "uv")
    _write_program(path, f'#!/bin/sh\nsleep 0.02\nexec {shlex.quote(uv)} "$@"\n'.encode())
    return path


def compile_stand_in(directory: str, *, uv: str) -> str:
    """Build a program `uv` in `directory` (made) that exits at once; its path."""
    return _build(_STAND_IN, directory, uv=uv)


def compile_bare_exec(directory: str, *, uv: str) -> str:
    """Build a program `uv` in `directory` (made) that becomes `uv` and does nothing else."""
    return _build(_BARE_EXEC, directory, uv=uv)


def _build(source: str, directory: str, *, uv: str) -> str:
    os.makedirs(directory)
    path = os.path.join(directory, "uv")
    with open(f"{path}.c", "x", encoding="utf-8") as stream:
        stream.write(source)
    quoted = uv.replace("\\", "\\\\").replace('"', '\\"')
    _compile(f"{path}.c", path, "-O1", _STATIC, f'-DREAL_UV="{quoted}"')
    return path


def _compile(source: str, binary: str, *flags: str) -> None:
    """Like hatch_build.py: without `-static` where there is no libc to link statically."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchmarkError("needs a C compiler (cc) to build what is measured")
    said = ""
    for way in (flags, [flag for flag in flags if flag != _STATIC]):
        done = subprocess.run(
            [compiler, *way, "-o", binary, source],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return
        said = done.stderr
    raise BenchmarkError(f"cannot compile {os.path.basename(source)}:\n{said}")


@contextlib.contextmanager
def scratch_directory(parent: str | None) -> Iterator[str]:
    """Make a directory below `parent` (default: the system's), gone at the end.

    So is the cache that the shim makes on that device, unless it was there before.
    """
    before = os.getcwd()
    with tempfile.TemporaryDirectory(dir=parent, prefix="linkpolicy-benchmark-") as directory:
        directory = os.path.realpath(directory)  # noqa: PLW2901
        caches = [path for path in _device_caches(directory) if not os.path.lexists(path)]
        try:
            yield directory
        finally:
            os.chdir(before)
            for path in caches:
                shutil.rmtree(path, ignore_errors=True)


def _device_caches(directory: str) -> Iterator[str]:
    """Every path where the policy could put a cache for an environment in `directory`."""
    name = layout.device_cache_name(str(os.geteuid()))
    while True:
        yield os.path.join(directory, name)
        if directory == os.path.dirname(directory):
            return
        directory = os.path.dirname(directory)


def path_with(*directories: str) -> str:
    """PATH with these in front."""
    return os.pathsep.join((*directories, os.environ.get("PATH", os.defpath)))


def machine(uv: str) -> dict[str, str]:
    """Tell what places the figures, without names of hosts or directories."""
    version = Call([uv, "--version"], {}, os.getcwd()).output().split()[1]
    return {**about_machine(), "uv": version}


def about_machine() -> dict[str, str]:
    """The same where no uv is measured."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "?"),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "shim's Python": platform.python_version(),
    }


def _processor() -> str:
    """Return what Linux calls it; "?" elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            names = [line for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0].partition(":")[2].strip() if names else "?"


def show(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], about: Mapping[str, str]
) -> None:
    """Print what it was measured on, and one table."""
    # In a pipe rich assumes 80 columns and folds the rows.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    table = Table(*columns, title=title, title_justify="left", box=box.MARKDOWN)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    if about:
        console.print("; ".join(f"{name} {value}" for name, value in about.items()), soft_wrap=True)
    console.print(table)


def fail(error: BenchmarkError) -> NoReturn:
    """Say on stderr why there are no figures, and exit with 1."""
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)
