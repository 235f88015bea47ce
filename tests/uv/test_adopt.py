"""`linkpolicy adopt`: programs that ask the `uv` package for its binary get it under policy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.sandbox import PYTHON
from tests.uv.world import NAME, World, installed
from uvx_policy.setup import adopted_files

pytestmark = [pytest.mark.uv, pytest.mark.slow]

#: the layout of the package changed in between
VERSIONS = ("0.5.23", "0.8.15", "newest")
OTHER = "0.9.30"
HACKABLE = "[tool.linkpolicy]\nhackable = true\n"
FIND = "import uv; print(uv.find_uv_bin())"
#: what clients do
INSTALL = """
import subprocess, sys, uv
subprocess.run([uv.find_uv_bin(), "pip", "install", *sys.argv[1:]], check=True)
"""


class Client:
    """An environment that has a `uv` of its own, and programs in it."""

    def __init__(self, world: World, version: str = "newest") -> None:
        self.world = world
        self.path = world.base / "client"
        self.python = self.path / "bin" / "python"
        world.plain("venv", "-p", PYTHON, str(self.path), cwd=world.base)
        self.install(version)

    @property
    def site(self) -> Path:
        return next((self.path / "lib").glob("python*")) / "site-packages"

    @property
    def pth(self) -> Path:
        return self.site / adopted_files.PTH

    @property
    def shim(self) -> Path:
        (found,) = (self.world.home / ".local/share/linkpolicy/adopted").glob("*/uv")
        return found

    @property
    def files(self) -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    def install(self, version: str) -> None:
        wheel = real_uv.package(version)
        self.world.plain(
            "pip", "install", "--no-deps", "-p", str(self.path), str(wheel), cwd=self.world.base
        )

    def runs(
        self, *words: str, cwd: Path | None = None, python: Path | None = None, **environ: str
    ) -> str:
        """stdout of its Python; stderr must be empty."""
        done = subprocess.run(
            [python or self.python, *words],
            cwd=cwd or self.world.base,
            env={**self.world.environ(), **environ},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert "linkpolicy" not in done.stderr
        return done.stdout.strip()

    def adopts(self, *words: str, code: int = 0) -> str:
        done = self.world.linkpolicy("adopt", *words)
        assert done.code == code, (done.out, done.err)
        return done.out + done.err

    def found(self) -> str:
        return self.runs("-c", FIND)


@pytest.fixture
def world(tmp_path: Path, newest_uv: Path) -> World:
    return World(tmp_path, newest_uv)


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


@pytest.mark.parametrize("version", VERSIONS)
def test_its_own_uv_runs_under_policy(world: World, version: str) -> None:
    client = Client(world, version)
    own = client.runs("-m", "uv", "--version")
    project = world.project(world.base / "project", HACKABLE)
    world.plain("venv", "-p", PYTHON, cwd=project)
    words = ("--no-index", "-f", str(world.wheels), "-p", ".venv", "--reinstall", NAME)
    client.runs("-c", INSTALL, *words, cwd=project)
    assert (installed(project / ".venv") / "data.bin").stat().st_nlink > 1

    client.adopts(str(client.path))

    assert client.found() == str(client.shim)
    assert client.runs("-m", "uv", "--version") == own
    ask = "import subprocess, uv; subprocess.run([uv.find_uv_bin(), '--version'], check=True)"
    assert client.runs("-c", ask) == own
    client.runs("-c", INSTALL, *words, cwd=project)
    assert (installed(project / ".venv") / "data.bin").stat().st_nlink == 1


def test_path_does_not_choose_its_uv(world: World) -> None:
    client = Client(world, OTHER)

    client.adopts(str(client.path))

    path = f"{world.real_uv.parent}:/usr/bin:/bin"
    assert client.runs("-m", "uv", "--version", PATH=path).startswith(f"uv {OTHER}")
    assert client.runs("-m", "uv", "--version", PATH="").startswith(f"uv {OTHER}")


def test_a_program_that_looks_in_its_directory_of_scripts_gets_the_shim(client: Client) -> None:
    which = "import shutil; print(shutil.which('uv'), shutil.which('sh'))"
    path = f"{client.path}/bin:{client.world.environ()['PATH']}"
    before = client.runs("-c", which, PATH=path).split()

    client.adopts(str(client.path))

    assert before[0] == f"{client.path}/bin/uv"
    assert client.runs("-c", which, PATH=path).split() == [str(client.shim), before[1]]


def test_another_uv_that_is_found_stays_another(client: Client) -> None:
    client.adopts(str(client.path))

    which = "import shutil; print(shutil.which('uv'))"
    path = f"{client.world.real_uv.parent}:/usr/bin"
    assert client.runs("-c", which, PATH=path) == str(client.world.real_uv)


def test_uv_knows_which_python_started_it(client: Client) -> None:
    elsewhere = client.world.own_directory(client.world.base / "elsewhere")
    before = client.runs("-m", "uv", "python", "find", cwd=elsewhere)

    client.adopts(str(client.path))

    assert before == str(client.python)
    assert client.runs("-m", "uv", "python", "find", cwd=elsewhere) == before


def test_nothing_more_is_imported_at_start(client: Client) -> None:
    modules = "import sys; print(sorted(sys.modules))"
    before = client.runs("-c", modules)

    client.adopts(str(client.path))

    assert client.runs("-c", modules) == before


def test_an_environment_has_many_names(client: Client) -> None:
    link = client.world.base / "link"
    link.symlink_to(client.path)
    client.adopts(str(link))

    assert client.runs("-c", FIND, python=link / "bin" / "python") == str(client.shim)
    assert client.found() == str(client.shim)
    assert "Nothing to do" in client.adopts(str(client.path))


def test_a_program_on_path_means_its_environment(client: Client) -> None:
    program = client.path / "bin" / "tool"
    program.write_text(f"#!{client.python}\n")
    program.chmod(0o755)
    binaries = client.world.own_directory(client.world.base / "bin")
    (binaries / "tool").symlink_to(program)

    done = client.world.linkpolicy("adopt", "tool", PATH=f"{binaries}:/usr/bin")

    assert done.code == 0
    assert client.pth.exists()


def test_a_directory_of_a_programs_name_is_not_meant(client: Client) -> None:
    program = client.path / "bin" / "tool"
    program.write_text(f"#!{client.python}\n")
    program.chmod(0o755)
    (client.world.base / "tool").mkdir()

    done = client.world.linkpolicy("adopt", "tool", PATH=f"{client.path}/bin:/usr/bin")

    assert done.code == 0
    assert client.pth.exists()


def test_the_environment_of_a_project_is_meant_by_the_project(client: Client) -> None:
    project = client.world.own_directory(client.world.base / "project")
    (project / ".venv").symlink_to(client.path)

    client.adopts(str(project))

    assert client.pth.exists()


def test_to_adopt_twice_changes_nothing(client: Client) -> None:
    client.adopts(str(client.path))
    before = client.files, client.shim.stat().st_ino, client.pth.stat().st_ino

    assert "Nothing to do" in client.adopts(str(client.path))

    assert (client.files, client.shim.stat().st_ino, client.pth.stat().st_ino) == before


def test_what_is_in_place_without_a_record_gets_one(client: Client) -> None:
    client.adopts(str(client.path))
    (client.world.home / ".local/state/linkpolicy/setup.json").unlink()

    client.adopts(str(client.path))
    client.adopts("--undo")

    assert not client.pth.exists()


def test_a_dry_run_says_what_would_change(client: Client) -> None:
    before = client.files

    told = client.adopts("--dry-run", str(client.path))

    assert str(client.pth) in told
    assert client.files == before
    assert not (client.world.home / ".local").exists()
    client.adopts(str(client.path))
    assert str(client.pth) in client.adopts("--undo", "--dry-run")
    assert client.pth.exists()


@pytest.mark.parametrize("words", [["adopt", "--undo"], ["uninstall"]], ids=["undo", "uninstall"])
def test_all_is_taken_back(client: Client, words: list[str]) -> None:
    before = client.files
    client.adopts(str(client.path))

    done = client.world.linkpolicy(*words)

    assert done.code == 0
    assert client.files == before
    kept = [path for path in (client.world.home / ".local").rglob("*") if path.is_file()]
    assert [path for path in kept if "remembered" not in path.parts] == []
    assert client.found() == f"{client.path}/bin/uv"


def test_one_of_two_is_let_go(client: Client) -> None:
    client.adopts(str(client.path))
    other = client.world.base / "other"
    client.world.plain("venv", "-p", PYTHON, str(other), cwd=client.world.base)
    wheel = str(real_uv.package("newest"))
    client.world.plain("pip", "install", "-p", str(other), wheel, cwd=client.world.base)
    client.adopts(str(other))

    client.adopts("--undo", str(other))

    assert client.pth.exists()
    assert not [*other.rglob(adopted_files.PTH)]
    assert f"`{other}` is not adopted" in client.adopts("--undo", str(other), code=2)


def test_setup_does_not_forget_it(client: Client) -> None:
    client.adopts(str(client.path))
    client.world.linkpolicy("setup", "--launcher", "python", "--no-modify-path")

    client.world.linkpolicy("uninstall")

    assert not client.pth.exists()


def test_it_survives_an_upgrade(world: World) -> None:
    client = Client(world, OTHER)
    client.adopts(str(client.path))

    client.install("newest")

    assert client.found() == str(client.shim)
    newest = world.plain("--version", cwd=world.base).stdout.strip()
    assert client.runs("-m", "uv", "--version") == newest


def no_shim(client: Client) -> None:
    shutil.rmtree(client.shim.parent)


def no_linkpolicy(client: Client) -> None:
    text = client.shim.read_text()
    client.shim.write_text(text.replace("from uvx_policy", "from not_there"))


def no_interpreter(client: Client) -> None:
    """As it is known to the `.pth`."""
    text = client.pth.read_text()
    assert PYTHON in text or os.path.dirname(PYTHON) in text
    client.pth.write_text(text.replace("INTERPRETER\\': \\'/", "INTERPRETER\\': \\'/nowhere/"))


@pytest.mark.parametrize("broken", [no_shim, no_linkpolicy, no_interpreter])
def test_its_own_uv_runs_whatever_is_broken(
    client: Client, broken: Callable[[Client], None]
) -> None:
    client.adopts(str(client.path))
    before = client.pth.read_bytes() + client.shim.read_bytes()
    broken(client)
    shims = [*(client.world.home / ".local/share/linkpolicy/adopted").glob("*/uv")]
    assert client.pth.read_bytes() + b"".join(map(Path.read_bytes, shims)) != before

    assert client.runs("-m", "uv", "--version").startswith("uv ")
    if broken is not no_linkpolicy:
        assert client.found() == f"{client.path}/bin/uv"


def test_what_was_broken_is_adopted_again(client: Client) -> None:
    client.adopts(str(client.path))
    no_shim(client)

    assert "adopted" in client.adopts(str(client.path))

    assert client.found() == str(client.shim)


# What looks at installed files ----------------------------------------------------------------


def test_nobody_takes_it_for_an_edit(client: Client) -> None:
    client.adopts(str(client.path))
    world, path = client.world, str(client.path)
    before = client.files

    # pip of the tests, for the other environment
    subprocess.run([sys.executable, "-m", "pip", "--python", path, "check"], check=True)
    world.plain("pip", "check", "-p", path, cwd=world.base)
    verified = world.linkpolicy("verify", path)
    assert (verified.code, "extra" in verified.out) == (0, False)
    world.linkpolicy("repair", "--yes", "--remove-extra", path)
    assert world.linkpolicy("detach", "--no-hackable", "-p", path).code == 0

    assert client.files == before
    assert client.found() == str(client.shim)


# What is refused ----------------------------------------------------------------------------------


def without_uv(client: Client) -> str:
    client.world.plain("pip", "uninstall", "-p", str(client.path), "uv", cwd=client.world.base)
    return "no `uv` package"


def of_the_system(client: Client) -> str:
    (client.path / "pyvenv.cfg").unlink()
    (client.site.parent / "EXTERNALLY-MANAGED").touch()
    return "the Python of the system"


def of_nobody(client: Client) -> str:
    (client.path / "pyvenv.cfg").unlink()
    return "no virtual environment"


def with_a_file_of_that_name(client: Client) -> str:
    client.pth.write_text("/somewhere\n")
    return "is not linkpolicy's"


def in_uvs_cache(client: Client) -> str:
    cache = client.world.own_directory(client.world.base / "cache")
    (cache / "CACHEDIR.TAG").touch()
    (cache / "archive-v0").mkdir()
    client.path.rename(cache / "archive-v0" / "client")
    client.path = cache / "archive-v0" / "client"
    return "it is in uv's cache"


@pytest.mark.parametrize(
    "fault", [without_uv, of_the_system, of_nobody, with_a_file_of_that_name, in_uvs_cache]
)
def test_what_cannot_be_adopted_is_refused_with_the_reason(
    client: Client, fault: Callable[[Client], str]
) -> None:
    why = fault(client)
    before = client.files

    assert why in client.adopts(str(client.path), code=1)

    assert client.files == before
    assert not [*client.world.home.glob(".local/share/linkpolicy/adopted/*")]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives an environment to another user")
def test_the_environment_of_another_user_is_refused(client: Client) -> None:
    for path in (client.path, *client.path.rglob("*")):
        os.chown(path, 1234, 1234, follow_symlinks=False)

    assert "it belongs to user 1234" in client.adopts(str(client.path), code=1)

    assert not client.pth.exists()


def test_what_is_no_environment_is_a_mistake(client: Client) -> None:
    assert "neither an environment nor" in client.adopts("no-such-program", code=2)
    assert "has an empty name" in client.adopts("", code=2)


def test_an_edit_of_the_pth_is_never_lost(client: Client) -> None:
    client.adopts(str(client.path))
    with client.pth.open("a") as stream:
        stream.write("/mine\n")

    assert "was edited" in client.adopts("--undo", code=1)

    assert client.pth.read_text().endswith("/mine\n")
    assert client.shim.exists()
    client.pth.unlink()
    client.adopts("--undo")
    assert not client.pth.exists()


def test_a_pth_of_the_version_before_is_taken_back_after_a_kill(client: Client) -> None:
    """The record was renewed, the file not yet."""
    client.adopts(str(client.path))
    record = client.world.home / ".local/state/linkpolicy/setup.json"
    stored = json.loads(record.read_text())
    (entry,) = stored["adopted"]
    entry["digests"] = ["sha256=another", *entry["digests"]]
    record.write_text(json.dumps(stored))

    client.adopts("--undo")

    assert not client.pth.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="root does not work where others can rename")
def test_what_root_must_not_change_is_not_on_record(client: Client) -> None:
    client.site.chmod(0o777)

    assert "other users can change" in client.adopts(str(client.path), code=1)

    assert not client.pth.exists()
    assert not (client.world.home / ".local/state/linkpolicy/setup.json").exists()
    assert not (client.world.home / ".local/share/linkpolicy").exists()


# The list -----------------------------------------------------------------------------------------


def listed(client: Client, path: str = "/usr/bin") -> dict[str, dict[str, Any]]:
    told = json.loads(client.world.linkpolicy("adopt", "--json", PATH=path).out)
    assert told["schema"] == 1
    return {row["environment"]: row for row in told["environments"]}


def test_what_can_be_adopted_is_listed(client: Client) -> None:
    (client.path / "bin" / "nox").write_text(f"#!{client.python}\n")
    (client.path / "bin" / "nox").chmod(0o755)
    path = str(client.path)
    search = f"{client.path}/bin:/usr/bin"

    row = listed(client, search)[path]
    assert row == {"environment": path, "adopted": False, "because": "", "programs": ["nox"]}
    assert "Can be adopted" in client.world.linkpolicy("adopt", PATH=search).out
    client.adopts(path)
    assert listed(client)[path]["adopted"] is True
    client.pth.unlink()
    assert "is gone" in listed(client)[path]["because"]


def test_tools_of_uv_and_pipx_are_listed(client: Client) -> None:
    tools = client.world.home / ".local/share/uv/tools/tox"
    venvs = client.world.home / ".local/share/pipx/venvs/hatch"
    for place in (tools, venvs):
        place.parent.mkdir(parents=True)
        shutil.copytree(client.path, place, symlinks=True)

    assert {str(tools), str(venvs)} <= set(listed(client))


@pytest.mark.parametrize("name", ["a b", "it's", 'qu"ote\\', "é", "li\nne"])
def test_an_environment_may_have_any_name(client: Client, name: str) -> None:
    place = client.world.base / name
    client.world.plain("venv", "-p", PYTHON, str(place), cwd=client.world.base)
    shutil.copytree(
        client.site, next((place / "lib").glob("python*")) / "site-packages", dirs_exist_ok=True
    )
    shutil.copy2(client.path / "bin" / "uv", place / "bin" / "uv")
    python = place / "bin" / "python"

    client.adopts(str(place))

    assert client.runs("-c", FIND, python=python, LC_ALL="C") == str(client.shim)
    assert client.runs("-m", "uv", "--version", python=python, LC_ALL="C").startswith("uv ")
    client.adopts("--undo")
    assert not [*place.rglob(adopted_files.PTH)]
