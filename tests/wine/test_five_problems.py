"""The problems that linkpolicy is for, on Windows: each as it was reported, with the real uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filesystems import FileSystems
from tests.wine import shims
from tests.wine.laboratory import Ended, Laboratory

#: the script of uv #7918, with a package of this machine; it does not know about linkpolicy
REPORT = """
import subprocess, shutil, os, sys
import speedy  # its compiled module stays loaded, as markupsafe's does in the report
os.mkdir("testdir")
subprocess.run(["uv", "venv", "-q", "-p", sys.argv[1], ".venv"], cwd="./testdir", check=True)
subprocess.run(
    ["uv", "pip", "install", "-q", "--no-index", "--find-links", "C:/wheels", "speedy"],
    cwd="./testdir", check=True,
)
print("links:", os.stat("testdir/.venv/Lib/site-packages/speedy/_speedups.pyd").st_nlink)
shutil.rmtree("testdir")
print("DELETED")
"""
PROGRAM = r"C:\work\issue\.venv\Scripts\python.exe"
MODULE = r"Lib\site-packages\speedy\_speedups.pyd"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shims.compile_launcher(tmp_path_factory.mktemp("launcher"))


@pytest.fixture
def machine(laboratory: Laboratory, program: Path) -> Laboratory:
    """With shims, a wheel that has a compiled module, and an environment that it is linked into."""
    shims.install(laboratory, program)
    laboratory.write_wheel(r"C:\wheels")
    laboratory.path(r"C:\work\issue").mkdir()
    install(laboratory, r"C:\work\issue", alone=True)
    laboratory.path(r"C:\work\issue\main.py").write_text(REPORT)
    return laboratory


def install(
    machine: Laboratory, directory: str, *, alone: bool = False, mode: str | None = None
) -> None:
    """`uv venv` and `uv pip install speedy` there, with uv alone or through the shims."""
    search = (machine.uv(),) if alone else (shims.SHIMS, machine.uv())
    environ = {"UV_LINK_MODE": mode}
    options = {"cwd": directory, "search": search, "environ": environ}
    machine.ok("uv", "venv", "-q", "-p", machine.python, ".venv", **options)
    machine.ok(
        "uv", "pip", "install", "-q", "--no-index", "--find-links", r"C:\wheels", "speedy",
        **options,
    )  # fmt: skip


def reported(machine: Laboratory, *search: str, **environ: str) -> Ended:
    return machine.run(
        PROGRAM, "main.py", machine.python,
        cwd=r"C:\work\issue", search=(*search, machine.uv()), environ=environ, timeout=400,
    )  # fmt: skip


# uv #7918: an environment cannot be deleted while its modules are loaded elsewhere ----------------


def test_with_uv_alone_a_program_cannot_delete_what_it_has_made(machine: Laboratory) -> None:
    ended = reported(machine)

    assert ended.code == 1, ended
    assert "links: 1" not in ended.output, ended
    assert "[WinError 5]" in ended.errors, ended
    assert "_speedups.pyd" in ended.errors, ended


def test_through_the_shims_it_deletes_it_without_any_configuration(machine: Laboratory) -> None:
    ended = reported(machine, shims.SHIMS)

    assert (ended.code, ended.output) == (0, "links: 1\nDELETED\n"), ended
    # and again, whatever was recorded
    assert reported(machine, shims.SHIMS).output == "links: 1\nDELETED\n"


def test_explain_names_the_process_and_the_package(machine: Laboratory) -> None:
    ask = (
        "import subprocess, sys; sys.exit(subprocess.call([sys.argv[1], '-c', "
        "'from uvx_policy.cli import program; program()', 'explain', '--', "
        "'uv', 'pip', 'install', 'speedy']))"
    )
    ended = machine.run(
        PROGRAM, "-c", ask, machine.python, cwd=r"C:\work\issue",
        environ={"COLUMNS": "400"},
    )  # fmt: skip

    assert ended.code == 0, ended
    assert "program-holds-module" in ended.output, ended
    for part in (PROGRAM, "speedy/_speedups.pyd", "speedy 1.0"):
        assert part in ended.output, ended


# uv #3886: the cache lies on another drive --------------------------------------------------------


@pytest.fixture
def data_drive(machine: Laboratory, fs: FileSystems) -> Path:
    """D:, a file system of its own."""
    drive = fs.ext4 / "drive"
    drive.mkdir()
    machine.add_drive("d", drive)
    (drive / "p").mkdir()
    return drive


def test_with_uv_alone_everything_is_copied_to_another_drive(
    machine: Laboratory, data_drive: Path
) -> None:
    install(machine, r"D:\p", alone=True)

    assert (data_drive / "p/.venv" / MODULE.replace("\\", "/")).stat().st_nlink == 1


# uv #10896, #15700: an edit in one environment shows in others, and comes back --------------------

PROJECT = """\
[project]
name = "{name}"
version = "1"
requires-python = ">=3.8"
dependencies = ["speedy"]
[tool.linkpolicy]
hackable = {hackable}
"""
FILE = r".venv\Lib\site-packages\speedy\__init__.py"


def sync(machine: Laboratory, name: str, *, hackable: bool, alone: bool = False) -> Path:
    """A project that depends on the wheel; gives where its `speedy/__init__.py` is."""
    directory = machine.path(rf"C:\work\{name}")
    directory.mkdir(exist_ok=True)
    text = PROJECT.format(name=name, hackable="true" if hackable else "false")
    (directory / "pyproject.toml").write_text(text)
    machine.ok(
        "uv", "sync", "-q", "--no-index", "--find-links", r"C:\wheels",
        cwd=rf"C:\work\{name}", search=(machine.uv(),) if alone else (shims.SHIMS, machine.uv()),
        environ={"UV_PYTHON": machine.python},
    )  # fmt: skip
    return machine.path(rf"C:\work\{name}\{FILE}")


def test_a_hackable_project_keeps_its_edits_to_itself(machine: Laboratory) -> None:
    first = sync(machine, "first", hackable=True)
    second = sync(machine, "second", hackable=False)
    assert (first.stat().st_nlink, second.stat().st_nlink > 1) == (1, True)
    with first.open("a") as stream:
        stream.write("# edited\n")

    assert "# edited" not in second.read_text()
