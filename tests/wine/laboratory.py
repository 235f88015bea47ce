r"""A Windows machine for tests: a C: drive under Wine with the real `uv.exe` and linkpolicy.

    C:\uv\<version>          uv.exe, uvx.exe and uvw.exe; `supplies.UVS` names the versions
    C:\Python311             the interpreter, with linkpolicy and its tests' requirements
    C:\work                  where commands run; empty for every test
    C:\users\<name>          the home of the test, a new one for each

Wine is not Windows. What it does alike, as far as tests here show: hard links, loaded DLLs that
cannot be removed, open files, file ids, change times. What it does not: symbolic links, junctions,
access lists, ReFS. No test may claim anything about those.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.sandbox import ROOT
from tests.wine import supplies

#: exit codes are kept whole: `EXIT_CODE` names the file
_ALL_BITS = 2**32


class Ended:
    """How a command ended."""

    def __init__(self, code: int, output: str, errors: str) -> None:
        #: of 32 bits, without a sign
        self.code = code
        #: standard output and standard error, with "\n" at the end of lines
        self.output = output
        self.errors = errors

    def __repr__(self) -> str:
        return f"code {self.code:#x}\noutput:\n{self.output}\nerrors:\n{self.errors}"


class Laboratory:
    """One machine, which lasts as long as the session; a test's home is `home`."""

    #: Windows paths
    python = rf"C:\{supplies.PYTHON}\python.exe"
    site_packages = rf"C:\{supplies.PYTHON}\Lib\site-packages"
    work = r"C:\work"

    def __init__(self, prefix: Path, scratch: Path) -> None:
        self.prefix = prefix
        self._scratch = scratch
        self._number = 0
        self.home = ""
        self.begin()

    def begin(self) -> None:
        """A new home, no drive but C: and Z:, nothing in `work`."""
        self._number += 1
        self.home = rf"C:\users\user{self._number}"
        for below in (r"AppData\Local\Temp", r"AppData\Roaming"):
            self.path(rf"{self.home}\{below}").mkdir(parents=True)
        work = self.path(self.work)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        for drive in (self.prefix / "dosdevices").glob("[a-z]:"):
            if drive.name not in ("c:", "z:"):
                drive.unlink()

    def path(self, windows: str) -> Path:
        r"""Where Linux sees a Windows path, `C:\work` or `Z:\tmp`; drives of `add_drive` too."""
        drive, _, rest = windows.partition(":")
        root = (self.prefix / "dosdevices" / f"{drive.lower()}:").resolve()
        return root.joinpath(*rest.replace("\\", "/").strip("/").split("/"))

    def windows(self, path: Path) -> str:
        """Where Windows sees a path of Linux: below a drive, or on Z:, which has all."""
        real = path.resolve()
        for drive in sorted((self.prefix / "dosdevices").glob("[a-z]:")):
            root = drive.resolve()
            if drive.name != "z:" and real.is_relative_to(root):
                inside = str(real.relative_to(root)).replace("/", "\\")
                return f"{drive.name.upper()}\\{'' if inside == '.' else inside}"
        return "Z:" + str(real).replace("/", "\\")

    def add_drive(self, letter: str, directory: Path) -> None:
        """Let a directory be a drive. On another mount, nothing can be linked to C:.

        Windows starts anew: what Wine knows of a drive's file system it asks for when it starts.
        """
        turn_off(self.prefix, self._scratch)
        (self.prefix / "dosdevices" / f"{letter.lower()}:").symlink_to(directory)
        turn_on(self.prefix, self._scratch)

    def uv(self, version: str = "newest") -> str:
        """Directory of a real `uv.exe`, as it stands on PATH."""
        return rf"C:\uv\{version}"

    def run(
        self, *words: str, cwd: str = work, search: Sequence[str] = (),
        environ: Mapping[str, str | None] | None = None, stdin: bytes = b"",
        timeout: float = 120,
    ) -> Ended:  # fmt: skip
        """Run a program of the machine until it ends; its standard handles are pipes.

        `search`: directories that come before Windows' own on PATH, by default those of the newest
        uv and of Python. `environ`: variables besides; `None` removes one.
        """
        with self.prepared(words, search, environ) as (command, variables, exit_code):
            done = subprocess.run(
                command, cwd=self.path(cwd), env=variables, input=stdin, capture_output=True,
                timeout=timeout, check=False,
            )  # fmt: skip
            code = int(exit_code.read_text()) if exit_code.exists() else done.returncode
        texts = [text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)]
        output, errors = (text.replace("\r\n", "\n") for text in texts)
        return Ended(code % _ALL_BITS, output, errors)

    def start(
        self, *words: str, cwd: str = work, search: Sequence[str] = (),
        environ: Mapping[str, str | None] | None = None,
    ) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:  # fmt: skip
        """Start a program; it is killed at the end of the block, if it still runs."""
        return self._started(words, cwd, search, environ)

    def ok(self, *words: str, **options: object) -> str:
        """Run a program that has to succeed. Gives its standard output."""
        ended = self.run(*words, **options)  # type: ignore[arg-type]
        assert ended.code == 0, ended
        return ended.output

    def run_python(self, program: str, *words: str, **options: object) -> Ended:
        """Run a program text."""
        return self.run(self.python, "-X", "utf8", "-c", program, *words, **options)  # type: ignore[arg-type]

    def linkpolicy(self, *words: str, **options: object) -> Ended:
        """Run the command `linkpolicy`."""
        program = "import sys; from uvx_policy.cli import program; sys.exit(program())"
        return self.run(self.python, "-X", "utf8", "-c", program, *words, **options)  # type: ignore[arg-type]

    def write_wheel(self, directory: str, name: str = "speedy", version: str = "1.0") -> str:
        """A wheel that has a compiled module, `<name>._speedups`. Gives its path."""
        target = self.path(directory)
        target.mkdir(parents=True, exist_ok=True)
        module = self._scratch / "_speedups.pyd"
        if not module.exists():
            supplies.compile_module(supplies.HERE / "speedups.c", module)
        files = {
            f"{name}/__init__.py": b"from . import _speedups\n",
            f"{name}/_speedups.pyd": module.read_bytes(),
        }
        return self.windows(supplies.write_wheel(target, name, version, files))

    @contextlib.contextmanager
    def _started(
        self, words: Sequence[str], cwd: str, search: Sequence[str],
        environ: Mapping[str, str | None] | None,
    ) -> Iterator[subprocess.Popen[bytes]]:  # fmt: skip
        pipe = subprocess.PIPE
        with (
            self.prepared(words, search, environ) as (command, variables, _),
            subprocess.Popen(
                command, cwd=self.path(cwd), env=variables, stdin=pipe, stdout=pipe, stderr=pipe
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    @contextlib.contextmanager
    def prepared(
        self, words: Sequence[str], search: Sequence[str], environ: Mapping[str, str | None] | None
    ) -> Iterator[tuple[list[str], dict[str, str], Path]]:
        directories = [*(search or (self.uv(), rf"C:\{supplies.PYTHON}")), *_WINDOWS]
        named: dict[str, str | None] = {
            "USERPROFILE": self.home, "APPDATA": rf"{self.home}\AppData\Roaming",
            "LOCALAPPDATA": rf"{self.home}\AppData\Local", "HOMEPATH": self.home[2:],
            "TEMP": rf"{self.home}\AppData\Local\Temp", "TMP": rf"{self.home}\AppData\Local\Temp",
            "PATH": ";".join(directories), "HOME": None, "LC_ALL": None,
            **(environ or {}),
        }  # fmt: skip
        variables = supplies.environment(self.prefix, self._scratch)
        for name, value in named.items():
            variables[f"WITH_{name}" if value is not None else f"WITHOUT_{name}"] = value or ""
        with tempfile.TemporaryDirectory(dir=self._scratch) as scratch:
            exit_code = Path(scratch) / "code"
            variables["EXIT_CODE"] = "Z:" + str(exit_code).replace("/", "\\")
            yield ["wine", r"C:\windows\with.exe", *words], variables, exit_code


_WINDOWS = (r"C:\windows\system32", r"C:\windows")


@contextlib.contextmanager
def made(directory: Path) -> Iterator[Laboratory]:
    """Make a machine in `directory`, which must be new; it is turned off at the end of the block.

    Skips where there is no Wine (`supplies.needed`).
    """
    supplies.needed()
    template = supplies.template()
    prefix = directory / "prefix"
    prefix.mkdir()
    for entry in template.iterdir():
        if entry.name == "drive_c":
            _copy_drive(entry, prefix / "drive_c")
        elif entry.name == "dosdevices":
            shutil.copytree(entry, prefix / entry.name, symlinks=True)
        elif entry.is_file():
            shutil.copy2(entry, prefix)
    try:
        turn_on(prefix, directory)
        laboratory = Laboratory(prefix, directory)
        install_linkpolicy(laboratory)
        yield laboratory
    finally:
        turn_off(prefix, directory)
        shutil.rmtree(prefix, ignore_errors=True)


def turn_on(prefix: Path, home: Path) -> None:
    """Start Windows, and let it run until `turn_off`: else each command starts it, for 3 s."""
    environ = supplies.environment(prefix, home)
    subprocess.run(["wineserver", "-p"], env=environ, check=True)
    # What it starts keeps the standard handles of its first program for as long as it lives.
    null = subprocess.DEVNULL
    first = ["wine", "cmd", "/c", "exit 0"]
    subprocess.run(first, env=environ, stdin=null, stdout=null, stderr=null, check=True)


def turn_off(prefix: Path, home: Path) -> None:
    """End all that runs in Windows."""
    environ = supplies.environment(prefix, home)
    subprocess.run(["wineserver", "-k"], env=environ, check=False)
    subprocess.run(["wineserver", "-w"], env=environ, check=False)


def install_linkpolicy(laboratory: Laboratory) -> None:
    """Put the package of this checkout where the interpreter has its packages."""
    target = laboratory.path(laboratory.site_packages) / "uvx_policy"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(
        ROOT / "uvx_policy", target, ignore=shutil.ignore_patterns("__pycache__", "launcher")
    )


def _copy_drive(template: Path, drive: Path) -> None:
    """Windows itself as hard links, for nothing there is written; all else copied.

    How many links the files of an interpreter or of a uv have is what tests are about.
    """
    shutil.copytree(template / "windows", drive / "windows", copy_function=_link, symlinks=True)
    for entry in template.iterdir():
        if entry.name != "windows":
            shutil.copytree(entry, drive / entry.name, symlinks=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target, follow_symlinks=False)
