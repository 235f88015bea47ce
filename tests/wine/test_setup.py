"""`linkpolicy setup` and `uninstall` with the registry, the files and the locks of Windows."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wine.laboratory import Ended, Laboratory
from uvx_policy.windows.user_environment import REG_EXPAND_SZ, REG_SZ, Stored

VARIABLES = ("Path", "TOX_UV_PATH", "UV", "HATCH_ENV_TYPE_VIRTUAL_UV_PATH")
#: the values of a registry as JSON, set and read by the package's own calls
_ASK = """
import json, sys
from uvx_policy.windows import user_environment as registry
given = json.loads(sys.stdin.read())
for name, value in given["set"].items():
    registry.set_for_user(name, value and registry.Stored(value[0], bytes.fromhex(value[1])))
found = {name: registry.of_user(name) for name in given["names"]}
shown = {name: value and [value.kind, value.data.hex()] for name, value in found.items()}
print(json.dumps(shown))
"""


class Machine:
    """The laboratory, and what `setup` changes in it."""

    def __init__(self, laboratory: Laboratory) -> None:
        self.laboratory = laboratory
        self.data = rf"{laboratory.home}\AppData\Local\linkpolicy"
        self.shims = rf"{self.data}\shims"

    def run(self, *words: str) -> Ended:
        return self.laboratory.linkpolicy(*words)

    def ok(self, *words: str) -> str:
        ended = self.run(*words)
        assert ended.code == 0, ended
        return ended.output

    def registry(self, **values: Stored | None) -> dict[str, Stored | None]:
        """Set these, and give all that `setup` may change."""
        given = {name: value and [value.kind, value.data.hex()] for name, value in values.items()}
        asked = json.dumps({"set": given, "names": VARIABLES}).encode()
        ended = self.laboratory.run_python(_ASK, stdin=asked)
        assert ended.code == 0, ended
        found = json.loads(ended.output).items()
        return {name: value and Stored(value[0], bytes.fromhex(value[1])) for name, value in found}

    def files(self) -> dict[str, bytes]:
        """What is in the home directory."""
        home = self.laboratory.path(self.laboratory.home)
        return {
            str(path.relative_to(home)): path.read_bytes()
            for path in home.rglob("*")
            if path.is_file()
        }

    def path(self, windows: str) -> Path:
        return self.laboratory.path(windows)


#: What makes the desktop exist. Wine starts a process for it when somebody needs it, which keeps
#: the pipes of whoever that was: here it gets none.
_DESKTOP = "import ctypes, time; ctypes.WinDLL('user32').GetDesktopWindow(); time.sleep(3600)"


@pytest.fixture(scope="module")
def desktop(machine_of_session: Laboratory) -> Iterator[None]:
    words = [machine_of_session.python, "-c", _DESKTOP]
    null = subprocess.DEVNULL
    with (
        machine_of_session.prepared(words, (), None) as (command, variables, _),
        subprocess.Popen(command, env=variables, stdin=null, stdout=null, stderr=null) as process,
    ):
        yield
        process.kill()


@pytest.fixture
def machine(laboratory: Laboratory, desktop: None) -> Iterator[Machine]:  # noqa: ARG001
    package = laboratory.path(laboratory.site_packages) / "uvx_policy"
    for name in ("launcher.exe", "launcherw.exe"):
        if not (package / name).exists():  # a wheel that was built elsewhere
            stand_in = laboratory.path(r"C:\windows\with.exe").read_bytes()
            (package / name).write_bytes(stand_in + b"\nlinkpolicy-shim-v1\n")
    found = Machine(laboratory)
    nothing = dict.fromkeys(VARIABLES)
    found.registry(**nothing)
    yield found
    found.registry(**nothing)


def text(value: str, kind: int = REG_EXPAND_SZ) -> Stored:
    return Stored(kind, f"{value}\0".encode("utf-16-le"))


#: Setup and uninstall in one process, for each value of Path that is given.
_EVERY = """
import json, os, sys
from uvx_policy.setup import command, uninstall
from uvx_policy.windows import user_environment as registry
for kind, data in json.loads(sys.stdin.read()):
    before = kind and registry.Stored(kind, bytes.fromhex(data))
    registry.set_for_user("Path", before)
    plan = command.plan_setup(
        environ=os.environ, shells_to_set_up=None, shim_directory=None, modify_path=True
    )
    command.carry_out(plan)
    value = registry.of_user("Path")
    assert value.kind == (kind or registry.REG_EXPAND_SZ), value
    assert value.data.decode("utf-16-le").startswith(plan.shim_directory), value
    uninstall.carry_out_uninstall(
        uninstall.plan_uninstall(environ=os.environ, shim_directory=None)
    )
    assert registry.of_user("Path") == before, (before, registry.of_user("Path"))
"""


def test_the_path_comes_back_byte_for_byte(machine: Machine) -> None:
    values = [
        Stored(REG_SZ, b""),
        text("", REG_SZ),
        text(r'%USERPROFILE%\bin;"C:\a;b";C:\uv;'),
        Stored(REG_EXPAND_SZ, "C:\\never ended".encode("utf-16-le")),
    ]
    asked = [(None, ""), *((value.kind, value.data.hex()) for value in values)]

    ended = machine.laboratory.run_python(_EVERY, stdin=json.dumps(asked).encode())

    assert ended.code == 0, ended


def test_everything_else_comes_back_as_well(machine: Machine) -> None:
    mine = text(r"C:\mine\uv.exe", REG_SZ)
    before = machine.registry(UV=mine)
    files = machine.files()

    machine.ok("setup")
    during = machine.registry()
    names = sorted(path.name for path in machine.path(machine.shims).iterdir())
    machine.ok("uninstall")

    assert during["Path"] == text(machine.shims)
    assert during["UV"] == mine
    assert during["TOX_UV_PATH"] == text(rf"{machine.shims}\uv.exe", REG_SZ)
    assert names == ["linkpolicy-launcher.cfg", "uv.exe", "uvw.exe", "uvx.exe"]
    assert machine.registry() == before
    assert machine.files() == files
    assert not machine.path(machine.data).exists()


def test_a_plan_changes_nothing_and_a_second_setup_neither(machine: Machine) -> None:
    before, files = machine.registry(), machine.files()

    plan = machine.ok("setup", "--dry-run")
    assert r"HKEY_CURRENT_USER\Environment\Path" in plan
    assert (machine.registry(), machine.files()) == (before, files)

    machine.ok("setup")
    before, files = machine.registry(), machine.files()
    assert "Nothing to do" in machine.ok("setup")
    assert "Nothing to do" in machine.ok("setup", "--dry-run")
    assert (machine.registry(), machine.files()) == (before, files)


def test_without_the_path_only_the_shims_are_put_there(machine: Machine) -> None:
    before = machine.registry(Path=text(r"C:\uv"))

    machine.ok("setup", "--no-modify-path")

    assert machine.registry() == before
    assert (machine.path(machine.shims) / "uv.exe").exists()


def test_a_directory_with_blanks_and_umlauts(machine: Machine) -> None:
    directory = r"C:\work\my shims ü 50%"

    machine.ok("setup", "--shim-dir", directory)
    value = machine.registry()["Path"]
    assert value == text(directory)
    assert (machine.path(directory) / "uv.exe").exists()
    machine.ok("uninstall")

    assert machine.registry()["Path"] is None
    assert not machine.path(directory).exists()


def test_a_directory_that_path_cannot_name_is_refused(machine: Machine) -> None:
    ended = machine.run("setup", "--shim-dir", r"C:\work\a;b")

    assert (ended.code, "separates" in ended.errors) == (1, True), ended
    assert not machine.path(r"C:\work\a;b").exists()


#: A program that is a shim, and runs until its standard input ends.
_HOLD = """
import ctypes, sys
library = ctypes.WinDLL(sys.argv[1])  # an image that is mapped, as it is for a process
print("held", flush=True)
sys.stdin.read()
"""


def test_a_shim_that_runs_is_replaced_and_deleted_later(machine: Machine) -> None:
    machine.ok("setup")
    shim = rf"{machine.shims}\uv.exe"
    newer = machine.path(shim).read_bytes() + b"\nlinkpolicy-shim-v1\n"
    launcher = machine.path(machine.laboratory.site_packages) / "uvx_policy/launcher.exe"
    kept = launcher.read_bytes()
    aside = machine.path(machine.shims) / ".linkpolicy"
    python = machine.laboratory.python
    try:
        launcher.write_bytes(newer)
        with machine.laboratory.start(python, "-c", _HOLD, shim) as holder:
            assert holder.stdout
            assert holder.stdout.readline().strip() == b"held"
            machine.ok("setup")
            assert machine.path(shim).read_bytes() == newer
            assert [path.suffix for path in aside.iterdir()] == [".old"]
            assert holder.stdin
            holder.stdin.close()
            holder.wait()
        machine.ok("setup")
        assert not aside.exists()
    finally:
        launcher.write_bytes(kept)
    machine.ok("uninstall")
    assert not machine.path(machine.data).exists()


def test_a_shim_that_runs_does_not_stop_uninstall(machine: Machine) -> None:
    machine.ok("setup")
    shim = rf"{machine.shims}\uv.exe"
    with machine.laboratory.start(machine.laboratory.python, "-c", _HOLD, shim) as holder:
        assert holder.stdout
        assert holder.stdout.readline().strip() == b"held"
        said = machine.ok("uninstall")
        assert "it runs" in said
        assert not machine.path(shim).exists()
        assert machine.registry()["Path"] is None
        assert holder.stdin
        holder.stdin.close()
        holder.wait()

    machine.ok("uninstall")

    assert not machine.path(machine.data).exists()


def test_two_at_once_keep_out_of_each_other_s_way(machine: Machine) -> None:
    machine.path(machine.data).mkdir()
    program = (
        "import sys; from uvx_policy.windows.alone import alone\n"
        "with alone(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    lock = rf"{machine.data}\setup.lock"
    with machine.laboratory.start(machine.laboratory.python, "-c", program, lock) as holder:
        assert holder.stdout
        assert holder.stdout.readline().strip() == b"held"
        ended = machine.run("setup")
        assert (ended.code, "is running" in ended.errors) == (1, True), ended
        holder.kill()
        holder.wait()

    assert machine.registry()["Path"] is None
    machine.ok("setup")
    assert not machine.path(lock).exists()


def test_the_shims_work_before_and_after_an_upgrade_of_the_package(
    machine: Machine, launchers: Path
) -> None:
    laboratory = machine.laboratory
    package = laboratory.path(laboratory.site_packages) / "uvx_policy"
    for program in launchers.iterdir():
        shutil.copy(program, package)
    machine.ok("setup")

    def decided() -> str:
        search = (machine.shims, laboratory.uv())
        words = ("uv", "venv", "--clear", "--python", laboratory.python, "made")
        ended = laboratory.run(*words, search=search, environ={"LINKPOLICY_LOG": "debug"})
        assert ended.code == 0, ended
        return ended.errors

    assert "linkpolicy: link mode: " in decided()
    installed = {
        path.relative_to(package): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    shutil.rmtree(package)  # as pip and uv do: the files go, and those of the new version come
    for name, content in installed.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_bytes(content)
    (package / "__init__.py").write_bytes(installed[Path("__init__.py")] + b"# newer\n")

    assert "linkpolicy: link mode: " in decided()
    machine.ok("setup")
    assert "linkpolicy: link mode: " in decided()


def test_powershell_gets_lines_where_it_is_named(machine: Machine) -> None:
    documents = machine.path(rf"{machine.laboratory.home}\Documents")
    old = documents / r"WindowsPowerShell/profile.ps1"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"\xef\xbb\xbf# mine\r\n")

    machine.ok("setup", "--shell", "powershell")
    new = documents / "PowerShell/profile.ps1"
    for profile in (new, old):
        assert b"env.ps1" in profile.read_bytes()
    machine.ok("uninstall")

    assert old.read_bytes() == b"\xef\xbb\xbf# mine\r\n"
    assert not new.exists()


def test_a_profile_in_utf_16_is_left_alone(machine: Machine) -> None:
    profile = machine.path(rf"{machine.laboratory.home}\Documents\PowerShell\profile.ps1")
    profile.parent.mkdir(parents=True)
    content = "# mine\r\n".encode("utf-16")
    profile.write_bytes(content)

    ended = machine.run("setup", "--shell", "powershell")

    assert (ended.code, "UTF-16" in ended.output) == (1, True), ended
    assert profile.read_bytes() == content


#: Puts entries in front of the machine's Path, and takes the first one out with "-".
_FOR_EVERYBODY = r"""
import sys, winreg
place = r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
key = winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place, 0, winreg.KEY_ALL_ACCESS)
old, kind = winreg.QueryValueEx(key, "Path")
new = old.partition(";")[2] if sys.argv[1] == "-" else sys.argv[1] + old
winreg.SetValueEx(key, "Path", 0, kind, new)
"""


def test_a_uv_on_the_machine_s_path_is_named(machine: Machine) -> None:
    shutil.copytree(machine.path(machine.laboratory.uv()), machine.path(r"C:\work\everybody"))
    program = _FOR_EVERYBODY
    assert machine.laboratory.run_python(program, "C:\\work\\everybody;").code == 0
    search = (r"C:\work\everybody", machine.laboratory.uv(), r"C:\Python311")
    try:
        ended = machine.laboratory.linkpolicy("setup", search=search)
        profile = rf"{machine.laboratory.home}\Documents\PowerShell\profile.ps1"
        assert r"C:\work\everybody\uv.exe is on the machine's Path" in ended.output, ended
        assert machine.path(profile).exists()
        behind = (search[0], machine.shims, *search[1:])
        ended = machine.laboratory.linkpolicy("doctor", "shims-first", search=behind)
        assert (ended.code, "is on the machine's Path" in ended.output) == (1, True), ended
        first = (machine.shims, *search)
        ended = machine.laboratory.linkpolicy("doctor", "shims-first", search=first)
        assert ended.code == 0, ended
    finally:
        assert machine.laboratory.run_python(program, "-").code == 0
