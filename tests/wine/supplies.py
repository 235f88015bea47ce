"""What a Windows machine for tests is made of: a C: drive, made once and kept beside the real uvs.

Wine is the Windows; `uv.exe` is the real one. CPython is put together: the DLL and the extension
modules from the win_amd64 wheel of panda3d, the standard library of the interpreter that runs the
tests, of the same minor version, and a `python.exe` of three lines. What Wine 8 lacks and what
tests need besides is compiled by mingw from the C files beside this module.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests import real_uv
from tests.filesystems import unavailable

HERE = Path(__file__).parent
#: versions of `uv.exe` that a machine has, each in a directory of its own: `C:\uv\<version>`
UVS = ("newest", "0.8.15")
#: what linkpolicy needs, and what its tests need, installed for the Windows interpreter
REQUIREMENTS = (
    "rich>=13", "shellingham>=1.5", "tomli>=2.2", "tomlkit>=0.12",
    "hypothesis>=6.100", "platformdirs>=4", "pytest>=8", "pytest-timeout>=2.3",
)  # fmt: skip
COMPILER = "x86_64-w64-mingw32-gcc"
PYTHON = "Python{}{}".format(*sys.version_info)

#: Wine's own programs need no browser, no .NET, no entries in a desktop's menu
_ENVIRONMENT = {
    "WINEARCH": "win64", "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree=;mshtml=;winemenubuilder.exe=d",
}  # fmt: skip
_NOT_COPIED = ("__pycache__", "test", "tests", "site-packages", "lib-dynload", "idlelib")


def needed() -> None:
    """Skip where there is no Wine, or no compiler for Windows; in CI that is a failure."""
    for program in ("wine", "wineserver", COMPILER):
        if not shutil.which(program):
            unavailable(f"`{program}` is not here (apt-get install wine64 wine {_MINGW})")


def environment(prefix: Path, home: Path) -> dict[str, str]:
    """Variables with which Unix programs of Wine run, and nothing that a developer has set."""
    kept = ("PATH", "TERM", "LINKPOLICY_TEST_UVS")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    return {
        **variables, **_ENVIRONMENT,
        "WINEPREFIX": str(prefix), "HOME": str(home), "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1",
    }  # fmt: skip


def template() -> Path:
    """Directory with `drive_c` and Wine's registry, which machines are copied from.

    It is made when this module, its C files, Wine, Python or the newest uv are others than before;
    that takes half a minute.
    """
    store = real_uv.store() / "wine"
    store.mkdir(parents=True, exist_ok=True)
    made = store / _digest()
    with (store / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for older in store.glob("[0-9a-f]*"):
                shutil.rmtree(older)
            with tempfile.TemporaryDirectory(dir=store, prefix=".new-") as scratch:
                _make(Path(scratch), Path(scratch) / "ready")
                (Path(scratch) / "ready").rename(made)
    return made


def compile_for_windows(source: Path, target: Path, *options: str) -> None:
    """Compile a C file, and link what it needs statically."""
    words = [COMPILER, "-Os", "-s", "-static", "-o", str(target), str(source), *options]
    subprocess.run(words, check=True)


def compile_module(source: Path, target: Path) -> None:
    """Compile a C file to an extension module (`.pyd`) for the interpreter of `template`."""
    with tempfile.TemporaryDirectory() as scratch:
        library = _import_library(Path(scratch), "PyModule_Create2")
        compile_for_windows(source, target, "-shared", *library)


def write_wheel(directory: Path, name: str, version: str, files: dict[str, bytes]) -> Path:
    """A wheel with these files, for every machine; its RECORD has the hash of each."""
    from base64 import urlsafe_b64encode

    about = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    rows = [f"{about}/RECORD,,"]
    for path, content in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}")
    wheel = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{about}/RECORD", "\n".join(rows) + "\n")
    return wheel


_MINGW = "gcc-mingw-w64-x86-64-posix"


def _digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    digest.update(subprocess.run(["wine", "--version"], check=True, capture_output=True).stdout)
    for source in [HERE / "supplies.py", *sorted(HERE.glob("*.c"))]:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _make(scratch: Path, ready: Path) -> None:
    ready.mkdir()
    (scratch / "home").mkdir()
    environ = environment(ready, scratch / "home")
    try:
        for words in (["wineboot", "-i"], ["winecfg", "-v", "win10"]):
            # Python >= 3.9 asks for Windows 8.1 or later.
            null = subprocess.DEVNULL
            subprocess.run(
                ["wine", *words], env=environ, stdin=null, stdout=null, stderr=null, check=True
            )
    finally:
        # It writes the registry when it ends.
        subprocess.run(["wineserver", "-k"], env=environ, check=False)
        subprocess.run(["wineserver", "-w"], env=environ, check=False)
    drive = ready / "drive_c"
    compile_for_windows(
        HERE / "bcryptprimitives.c", drive / "windows/system32/bcryptprimitives.dll",
        "-shared", "-ladvapi32",
    )  # fmt: skip
    compile_for_windows(HERE / "with.c", drive / "windows/with.exe", "-municode")
    for version in UVS:
        requirement = "uv" if version == "newest" else f"uv=={version}"
        programs = drive / "uv" / version
        programs.mkdir(parents=True)
        for name, content in _members(_download(scratch / version, requirement)):
            if name.endswith(".exe"):
                (programs / Path(name).name).write_bytes(content)
    _make_python(scratch, drive / PYTHON)


def _make_python(scratch: Path, python: Path) -> None:
    (python / "DLLs").mkdir(parents=True)
    for path, content in _members(_download(scratch / "panda3d", "panda3d")):
        name = Path(path).name.lower()
        if not path.startswith("deploy_libs/"):
            continue
        if name.endswith(".pyd") or name.startswith(("lib", "sqlite3.")):
            (python / "DLLs" / Path(path).name).write_bytes(content)
        elif name.startswith(("python3", "vcruntime140", "msvcp140")):
            (python / name).write_bytes(content)
    with tempfile.TemporaryDirectory() as libraries:
        library = _import_library(Path(libraries), "Py_Main")
        for name, options in (("python.exe", []), ("pythonw.exe", ["-mwindows"])):
            compile_for_windows(HERE / "python.c", python / name, "-municode", *options, *library)
    shutil.copytree(
        sysconfig.get_path("stdlib"), python / "Lib", symlinks=False,
        ignore=lambda _, names: [
            name for name in names if name in _NOT_COPIED or name.startswith("config-")
        ],
    )  # fmt: skip
    packages = python / "Lib" / "site-packages"
    packages.mkdir()
    wheels = _download(scratch / "wheels", *REQUIREMENTS, dependencies=True)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    compileall.compile_dir(python / "Lib", quiet=2, workers=2)


def _import_library(scratch: Path, name: str) -> list[str]:
    """Words for the linker, with which a function of the interpreter's DLL is found."""
    dll = "python{}{}".format(*sys.version_info)
    (scratch / "python.def").write_text(f"LIBRARY {dll}.dll\nEXPORTS\n{name}\n")
    subprocess.run(
        [COMPILER.replace("gcc", "dlltool"), "-d", str(scratch / "python.def"),
         "-l", str(scratch / "libpython.a")],
        check=True,
    )  # fmt: skip
    return [f"-L{scratch}", "-lpython"]


def _download(directory: Path, *requirements: str, dependencies: bool = False) -> list[Path]:
    """Wheels for Windows and the version of Python that runs the tests, from the package index."""
    version = "{}.{}".format(*sys.version_info)
    # pip starts `rustc`, which may leave something in a home.
    directory.mkdir()
    environ = {**os.environ, "HOME": str(directory)}
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
         *([] if dependencies else ["--no-deps"]), "--only-binary=:all:",
         "--platform=win_amd64", f"--python-version={version}", "--dest", str(directory),
         *requirements],
        env=environ, check=True,
    )  # fmt: skip
    return list(directory.glob("*.whl"))


def _members(wheels: list[Path]) -> Iterator[tuple[str, bytes]]:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)
