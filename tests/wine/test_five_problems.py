"""The problems that linkpolicy is for, on Windows: each as it was reported, with the real uv."""

from __future__ import annotations

import json
import shutil
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
    """With shims, and a wheel that has a compiled module."""
    shims.install(laboratory, program)
    laboratory.write_wheel(r"C:\wheels")
    return laboratory


@pytest.fixture
def issue(machine: Laboratory) -> Path:
    """The directory of the report, with an environment that the module is linked into."""
    directory = machine.path(r"C:\work\issue")
    directory.mkdir()
    install(machine, r"C:\work\issue", alone=True)
    (directory / "main.py").write_text(REPORT)
    return directory


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


def write_config(machine: Laboratory, text: str) -> None:
    path = machine.path(rf"{machine.home}\AppData\Local\linkpolicy\config.toml")
    path.parent.mkdir(parents=True)
    path.write_text(text)


def reported(machine: Laboratory, *search: str, **environ: str) -> Ended:
    return machine.run(
        PROGRAM, "main.py", machine.python,
        cwd=r"C:\work\issue", search=(*search, machine.uv()), environ=environ, timeout=400,
    )  # fmt: skip


# uv #7918: an environment cannot be deleted while its modules are loaded elsewhere ----------------


@pytest.mark.usefixtures("issue")
def test_with_uv_alone_a_program_cannot_delete_what_it_has_made(machine: Laboratory) -> None:
    ended = reported(machine)

    assert ended.code == 1, ended
    assert "links: 1" not in ended.output, ended
    assert "[WinError 5]" in ended.errors, ended
    assert "_speedups.pyd" in ended.errors, ended


@pytest.mark.usefixtures("issue")
def test_through_the_shims_it_deletes_it_without_any_configuration(machine: Laboratory) -> None:
    ended = reported(machine, shims.SHIMS)

    assert (ended.code, ended.output) == (0, "links: 1\nDELETED\n"), ended
    # and again, whatever was recorded
    assert reported(machine, shims.SHIMS).output == "links: 1\nDELETED\n"


def test_a_program_whose_own_files_are_private_costs_no_disk(
    machine: Laboratory, issue: Path
) -> None:
    module = issue.joinpath(".venv", *MODULE.split("\\"))
    content = module.read_bytes()
    module.unlink()
    module.write_bytes(content)

    ended = reported(machine, shims.SHIMS)
    assert (ended.code, ended.output) == (0, "links: 2\nDELETED\n"), ended


def test_what_a_person_types_is_linked_as_uv_does(machine: Laboratory) -> None:
    machine.path(r"C:\work\other").mkdir()
    install(machine, r"C:\work\other")

    assert machine.path(rf"C:\work\other\.venv\{MODULE}").stat().st_nlink > 1


@pytest.mark.parametrize(
    "table",
    [
        '[defaults]\nprograms = "shared"\n',
        '[[rules]]\npath = "C:/work/**"\nlink-mode = "hardlink"\n',
    ],
    ids=["programs", "rule"],
)
@pytest.mark.usefixtures("issue")
def test_who_asks_for_links_gets_them(machine: Laboratory, table: str) -> None:
    write_config(machine, table)
    ended = reported(machine, shims.SHIMS)

    assert "[WinError 5]" in ended.errors, ended


@pytest.mark.usefixtures("issue")
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


def test_a_drive_gets_a_cache_of_its_own_and_hard_links(
    machine: Laboratory, data_drive: Path
) -> None:
    install(machine, r"D:\p")

    (cache,) = data_drive.glob(".uv-cache-S-1-5-*")
    assert cache.stat().st_mode & 0o007 == 0, "others have no access"
    module = data_drive / "p/.venv" / MODULE.replace("\\", "/")
    assert any(path.samefile(module) for path in cache.rglob("_speedups.pyd"))


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


def test_with_uv_alone_an_edit_shows_in_another_project(machine: Laboratory) -> None:
    first = sync(machine, "first", hackable=True, alone=True)
    second = sync(machine, "second", hackable=False, alone=True)
    with first.open("a") as stream:
        stream.write("# edited\n")

    assert "# edited" in second.read_text()


def test_a_hackable_project_keeps_its_edits_to_itself(machine: Laboratory) -> None:
    first = sync(machine, "first", hackable=True)
    second = sync(machine, "second", hackable=False)
    assert (first.stat().st_nlink, second.stat().st_nlink > 1) == (1, True)
    with first.open("a") as stream:
        stream.write("# edited\n")

    assert "# edited" not in second.read_text()


def test_an_edit_that_comes_back_is_found_and_undone(machine: Laboratory) -> None:
    edited = sync(machine, "first", hackable=False)
    original = edited.read_text()
    with edited.open("a") as stream:
        stream.write("# edited\n")
    shutil.rmtree(edited.parents[4])
    assert "# edited" in sync(machine, "first", hackable=False).read_text(), "as uv #15700 says"

    verified = machine.linkpolicy("verify", r"C:\work\first\.venv")
    assert verified.code == 1, verified
    assert "__init__.py" in verified.output, verified
    repaired = machine.linkpolicy("repair", "--yes", r"C:\work\first\.venv")
    assert repaired.code == 0, repaired
    assert edited.read_text() == original
    shutil.rmtree(edited.parents[4])
    assert sync(machine, "first", hackable=False).read_text() == original


def test_an_environment_that_only_uv_knows_is_counted(machine: Laboratory) -> None:
    """It shares the edited file, and nothing tells where it is: all is not well."""
    edited = sync(machine, "first", hackable=False)
    machine.path(r"C:\work\unknown").mkdir()
    install(machine, r"C:\work\unknown", alone=True)
    with edited.open("a") as stream:
        stream.write("# edited\n")

    repaired = machine.linkpolicy("repair", "--yes", r"C:\work\first\.venv")
    assert repaired.code == 1, repaired
    assert "1 more hard link in unknown environments" in repaired.output, repaired
    repaired = machine.linkpolicy("repair", "--yes", r"C:\work\unknown\.venv")
    assert repaired.code == 0, repaired
    assert "# edited" not in machine.path(rf"C:\work\unknown\{FILE}").read_text()


# All of them --------------------------------------------------------------------------------------


@pytest.mark.exhaustive
def test_the_demo_shows_what_can_happen_here(machine: Laboratory, program: Path) -> None:
    """Not what needs a second drive or symbolic links, which Wine does not have."""
    for name in ("launcher.exe", "launcherw.exe"):
        shutil.copy(program, machine.path(rf"{machine.site_packages}\uvx_policy") / name)
    ended = machine.linkpolicy("demo", "--json", timeout=400)

    assert ended.code == 0, ended
    shown = {each["issue"]: each for each in json.loads(ended.output)["problems"]}
    assert shown[7918]["without"]["result"] == "cannot be deleted", ended
    assert shown[7918]["with"]["result"] == "deleted", ended
