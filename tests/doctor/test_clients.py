"""Clients that bypass PATH: found where this project uses them, gone once their fix was typed."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doctor.checks import typed
from tests.doctor.standing import Standing, environment_with, only, program, write
from tests.filesystems import FileSystems
from tests.uv.world import PYTHON, World
from uvx_policy.doctor.clients import CHECKS

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

HACKABLE = "[tool.linkpolicy]\nhackable = true\n"


@pytest.fixture
def here(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Standing:
    """In a project whose environment wants private copies, which uv would not make."""
    world = World(fs.ext4, newest_uv)
    return Standing(world, world.project(fs.ext4 / "project", HACKABLE), monkeypatch)


def add(here: Standing, text: str) -> None:
    with (here.cwd / "pyproject.toml").open("a") as stream:
        stream.write(text)


# Each client: what makes the fault ----------------------------------------------------------------


def tox_ini(here: Standing) -> None:
    write(here.cwd / "tox.ini", "[tox]\nrequires =\n    tox>=4\n    tox-uv>=1.20\n")


def tox_toml(here: Standing) -> None:
    write(here.cwd / "tox.toml", 'requires = ["tox>=4", "tox-uv"]\n')


def tox_in_pyproject(here: Standing) -> None:
    add(here, '[tool.tox]\nrequires = ["Tox_UV"]\n')


def tox_in_ini_in_pyproject(here: Standing) -> None:
    add(here, '[tool.tox]\nlegacy_tox_ini = """\n[tox]\nrequires = tox-uv\n"""\n')


def tox_of_the_user(here: Standing) -> None:
    write(here.cwd / "tox.ini", "[tox]\nenv_list = py\n")
    tool(here, "tox", "tox", "tox-uv", "uv")


def nox_with_extra(here: Standing) -> None:
    write(here.cwd / "noxfile.py", 'import nox\nnox.options.default_venv_backend = "uv|virtualenv"')
    add(here, '[dependency-groups]\ndev = ["nox[uv]>=2024"]\n')


def nox_of_the_user(here: Standing) -> None:
    write(here.cwd / "noxfile.py", '@nox.session(venv_backend="uv")\ndef test(session): ...\n')
    tool(here, "nox", "nox", "uv")


def nox_that_runs_uv(here: Standing) -> None:
    write(here.cwd / "noxfile.py", 'def test(session):\n    session.run_install("uv", "sync")\n')
    write(here.cwd / "requirements-dev.txt", "# tools\nnox\nuv==0.9\n")


def hatch_in_pyproject(here: Standing) -> None:
    add(here, '[tool.hatch.envs.default]\ninstaller = "uv"\n')


def hatch_toml(here: Standing) -> None:
    write(here.cwd / "hatch.toml", "[envs.hatch-test]\nparallel = true\n")


def build_with_extra(here: Standing) -> None:
    add(here, '[project.optional-dependencies]\nrelease = ["build[virtualenv,uv]"]\n')


def build_of_the_user(here: Standing) -> None:
    write(here.cwd / "Makefile", "dist:\n\tpyproject-build --installer=uv\n")
    tool(here, "pyproject-build", "build", "uv")


def pdm_and_its_package(here: Standing) -> None:
    write(here.cwd / "pdm.toml", "use_uv = true\n")
    tool(here, "pdm", "pdm", "uv")


def pdm_and_a_uv_at_home(here: Standing) -> None:
    write(here.cwd / "pdm.lock", "# lock\n")
    write(here.world.home / ".config" / "pdm" / "config.toml", "use_uv = true\n")
    program(here.world.home / ".local" / "bin" / "uv", "#!/bin/sh\n")


def pipx(here: Standing) -> None:
    write(here.cwd / "justfile", "lint:\n  pipx run ruff\n")
    tool(here, "pipx", "pipx", "uv")


def cibuildwheel(here: Standing) -> None:
    here.environ["CIBW_PLATFORM"] = "android"
    add(here, '[tool.cibuildwheel]\nbuild-frontend = { name = "build[uv]" }\n')
    tool(here, "cibuildwheel", "cibuildwheel", "uv")


def pre_commit_declared(here: Standing) -> None:
    write(here.cwd / ".pre-commit-config.yaml", "repos: []\n")
    add(here, '[dependency-groups]\nlint = ["pre-commit", "pre-commit-uv>=4"]\n')


def pre_commit_of_the_user(here: Standing) -> None:
    write(here.cwd / ".pre-commit-config.yaml", "repos: []\n")
    tool(here, "pre-commit", "pre-commit", "pre-commit-uv", "uv")


def juv(here: Standing) -> None:
    write(here.cwd / "Makefile", "notebook:\n\tjuv venv --from=a.ipynb\n")


def tool(here: Standing, name: str, *packages: str) -> None:
    """The user has this program from pipx: an environment, and a link on PATH."""
    home = environment_with(here.world.base / "pipx" / name, *packages, programs=[name])
    write(home / "pyvenv.cfg", "")
    if "uv" in packages:
        program(home / "bin" / "uv", "#!/bin/sh\necho uv 1.0\n")
        write(home / "lib" / "python3.12" / "site-packages" / "uv" / "__init__.py", "")
    binaries = here.world.base / "bin"
    binaries.mkdir(exist_ok=True)
    (binaries / name).symlink_to(home / "bin" / name)
    if str(binaries) not in here.environ["PATH"]:
        here.environ["PATH"] = f"{binaries}:{here.environ['PATH']}"


FAULTS = [
    pytest.param(
        "client-tox", tox_ini, marks=pytest.mark.fixes("client-tox", by="typing"), id="tox_ini"
    ),
    pytest.param(
        "client-tox", tox_toml, marks=pytest.mark.fixes("client-tox", by="typing"), id="tox_toml"
    ),
    pytest.param(
        "client-tox",
        tox_in_pyproject,
        marks=pytest.mark.fixes("client-tox", by="typing"),
        id="tox_in_pyproject",
    ),
    pytest.param(
        "client-tox",
        tox_in_ini_in_pyproject,
        marks=pytest.mark.fixes("client-tox", by="typing"),
        id="tox_in_ini_in_pyproject",
    ),
    pytest.param(
        "client-tox",
        tox_of_the_user,
        marks=pytest.mark.fixes("client-tox", by="typing"),
        id="tox_of_the_user",
    ),
    pytest.param(
        "client-nox",
        nox_with_extra,
        marks=pytest.mark.fixes("client-nox", by="typing"),
        id="nox_with_extra",
    ),
    pytest.param(
        "client-nox",
        nox_of_the_user,
        marks=pytest.mark.fixes("client-nox", by="typing"),
        id="nox_of_the_user",
    ),
    pytest.param(
        "client-nox",
        nox_that_runs_uv,
        marks=pytest.mark.fixes("client-nox", by="typing"),
        id="nox_that_runs_uv",
    ),
    pytest.param(
        "client-hatch",
        hatch_in_pyproject,
        marks=pytest.mark.fixes("client-hatch", by="typing"),
        id="hatch_in_pyproject",
    ),
    pytest.param(
        "client-hatch",
        hatch_toml,
        marks=pytest.mark.fixes("client-hatch", by="typing"),
        id="hatch_toml",
    ),
    pytest.param(
        "client-build",
        build_of_the_user,
        marks=pytest.mark.fixes("client-build", by="typing"),
        id="build_of_the_user",
    ),
    pytest.param(
        "client-pdm",
        pdm_and_its_package,
        marks=pytest.mark.fixes("client-pdm", by="typing"),
        id="pdm_and_its_package",
    ),
    pytest.param(
        "client-pipx", pipx, marks=pytest.mark.fixes("client-pipx", by="typing"), id="pipx"
    ),
    pytest.param(
        "client-pre-commit",
        pre_commit_of_the_user,
        marks=pytest.mark.fixes("client-pre-commit", by="typing"),
        id="pre_commit_of_the_user",
    ),
    pytest.param(
        "client-cibuildwheel",
        cibuildwheel,
        marks=pytest.mark.fixes("client-cibuildwheel", by="typing"),
        id="cibuildwheel",
    ),
]
#: what gets the decision, with what starts it: neither a variable nor its own uv leads to the shim
GIVEN = [
    pytest.param("client-build", build_with_extra, "pyproject-build", id="build"),
    pytest.param("client-pdm", pdm_and_a_uv_at_home, "pdm", id="pdm"),
    pytest.param("client-pre-commit", pre_commit_declared, "pre-commit", id="pre-commit"),
    pytest.param("client-juv", juv, "juv venv", id="juv"),
]
#: those that install elsewhere than below the hackable project
ELSEWHERE = (
    "client-hatch", "client-build", "client-pipx", "client-pre-commit", "client-cibuildwheel",
)  # fmt: skip


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_a_client_that_bypasses_path_is_found_and_its_fix_reaches_it(
    here: Standing, name: str, fault: Callable[[Standing], None]
) -> None:
    fault(here)

    ((found, told),) = here.every(CHECKS)
    assert (found, told.status) == (name, "warn")
    assert f"UV_LINK_MODE={'hardlink' if name in ELSEWHERE else 'copy'}" in told.detail
    assert told.paths or "is installed beside it" in told.detail
    assert told.fix
    here.types(typed(told.fix))

    assert here.every(CHECKS) == []


@pytest.mark.parametrize(("name", "fault", "started"), GIVEN)
def test_what_nothing_leads_to_the_shim_is_given_the_decision(
    here: Standing, name: str, fault: Callable[[Standing], None], started: str
) -> None:
    fault(here)
    mode = "hardlink" if name in ELSEWHERE else "copy"

    told = here.one(only(CHECKS, name))

    assert f"UV_LINK_MODE={mode}" in told.detail
    assert told.fix
    assert typed(told.fix) == f"linkpolicy run -- {started}"
    seen = here.world.base / "seen"
    program(here.world.base / "own" / started.split(maxsplit=1)[0], f"#!/bin/sh\nenv > {seen}\n")
    here.types(typed(told.fix))
    assert f"UV_LINK_MODE={mode}\n" in seen.read_text()
    assert f"set=UV_LINK_MODE={mode}" in seen.read_text()


def test_what_uvx_starts_is_told_although_the_variable_is_set(here: Standing) -> None:
    write(here.cwd / "noxfile.py", '@nox.session(venv_backend="uv")\ndef test(session): ...\n')
    here.environ["UV"] = f"{here.world.shims}/uv"
    assert here.told(only(CHECKS, "client-nox")) == []

    makefile = write(here.cwd / "Makefile", "test:\n\tuvx nox -s test\n")

    told = here.one(only(CHECKS, "client-nox"))
    assert f"`{makefile}:2` asks for it" in told.detail
    assert told.fix
    assert typed(told.fix) == "linkpolicy run -- uvx nox"
    assert "nox starts the uv that started it" in told.detail
    write(makefile, "test:\n\tlinkpolicy run -- uvx nox -s test\n")

    assert here.told(only(CHECKS, "client-nox")) == []


@pytest.mark.parametrize("name", ["CIBW_PLATFORM", "CIBW_BUILD_FRONTEND"])
def test_cibuildwheel_is_left_alone_where_it_does_not_start_that_uv(
    here: Standing, name: str
) -> None:
    cibuildwheel(here)
    here.environ[name] = {"CIBW_PLATFORM": "auto", "CIBW_BUILD_FRONTEND": "build; args: -v"}[name]

    assert here.every(CHECKS) == []


def test_the_uv_that_pdm_takes_from_the_home_is_named(here: Standing) -> None:
    pdm_and_a_uv_at_home(here)

    told = here.one(only(CHECKS, "client-pdm"))

    assert f"pdm starts `{here.world.home}/.local/bin/uv`, not the shim" in told.detail


@pytest.mark.fixes("client-juv", by="hand: how it is started is not written down anywhere")
def test_juv_is_found_where_it_installs_into_the_directory(here: Standing) -> None:
    juv(here)
    assert here.one(only(CHECKS, "client-juv")).fix

    write(here.cwd / "Makefile", "notebook:\n\tjuv run a.ipynb\n")

    assert here.every(CHECKS) == []


@pytest.mark.parametrize("fault", [each.values[1] for each in (*FAULTS, *GIVEN)])
def test_where_the_shim_would_change_nothing_no_client_is_told(
    here: Standing, fault: Callable[[Standing], None]
) -> None:
    fault(here)
    here.environ["UV_LINK_MODE"] = "hardlink"

    assert here.every(CHECKS) == []


def test_a_healthy_project_has_no_such_client(here: Standing) -> None:
    write(here.cwd / "tox.ini", "[tox]\nrequires = tox-uv-bare\n# not tox-uv\n")
    write(here.cwd / "noxfile.py", '@nox.session(venv_backend="uv")\ndef test(session): ...\n')
    write(here.cwd / ".pre-commit-config.yaml", "# no pre-commit-uv here\nrepos: []\n")
    write(here.cwd / "Makefile", "# python -m uv sync\nall:\n\tpython -m uvicorn app\n\tuv sync\n")
    write(here.cwd / "pdm.lock", "")
    add(
        here,
        '[tool.hatch.version]\npath = "a.py"\n[tool.hatch.envs.hatch-test]\ninstaller = "pip"\n',
    )
    for name in ("nox", "pipx", "pre-commit", "pdm"):
        tool(here, name, name)
    here.world.uv("sync", cwd=here.cwd)

    assert here.every(CHECKS) == []


def test_what_names_the_line_is_told_as_a_place(here: Standing) -> None:
    tox_ini(here)

    told = here.one(only(CHECKS, "client-tox"))

    assert f"`{here.cwd}/tox.ini:4`" in told.detail
    assert told.fix
    assert typed(told.fix) == f"export TOX_UV_PATH={here.world.shims}/uv"


def test_without_a_shim_the_decision_is_given_instead(here: Standing) -> None:
    hatch_in_pyproject(here)
    here.environ["PATH"] = here.environ["PATH"].replace(str(here.world.shims), "/nowhere")

    told = here.one(only(CHECKS, "client-hatch"))

    assert told.fix
    assert typed(told.fix) == "linkpolicy run -- hatch"


# What was adopted ---------------------------------------------------------------------------------


@pytest.mark.fixes("adopted", by="typing")
def test_what_was_adopted_and_lost_is_offered_again(here: Standing) -> None:
    pipx(here)
    environment = here.world.base / "pipx" / "pipx"
    here.types(f"linkpolicy adopt {environment}")
    assert here.every(CHECKS) == []
    # `uv tool install --force` and `pipx reinstall` make the environment anew.
    shutil.rmtree(environment)
    (here.world.base / "bin" / "pipx").unlink()
    tool(here, "pipx", "pipx", "uv")

    lost = here.one(only(CHECKS, "adopted"))
    assert here.told(only(CHECKS, "client-pipx"))
    assert "_linkpolicy_adopted.pth` is gone" in lost.detail
    assert lost.fix
    assert typed(lost.fix) == f"linkpolicy adopt {environment}"
    here.types(typed(lost.fix))

    assert here.every(CHECKS) == []


@pytest.mark.fixes("adopted", by="typing")
@pytest.mark.parametrize("what", ["environment", "uv"])
def test_what_can_never_be_adopted_again_is_let_go(here: Standing, what: str) -> None:
    pipx(here)
    environment = here.world.base / "pipx" / "pipx"
    here.types(f"linkpolicy adopt {environment}")
    if what == "environment":
        shutil.rmtree(environment)
    else:
        (environment / "bin" / "uv").unlink()

    lost = here.one(only(CHECKS, "adopted"))
    assert lost.fix
    assert typed(lost.fix) == f"linkpolicy adopt --undo {environment}"
    here.types(typed(lost.fix))

    assert here.told(only(CHECKS, "adopted")) == []


def test_python_m_uv_of_an_adopted_environment_is_well(here: Standing) -> None:
    write(here.cwd / "Makefile", "all:\n\tpython -m uv sync\n")
    here.world.uv("sync", cwd=here.cwd)
    site = next((here.cwd / ".venv" / "lib").glob("python*")) / "site-packages"
    write(site / "uv" / "__init__.py", "")
    write(site / "uv-1.0.dist-info" / "METADATA", "Name: uv\n")
    program(here.cwd / ".venv" / "bin" / "uv", "#!/bin/sh\necho uv 1.0\n")

    told = here.one(only(CHECKS, "client-module"))
    assert told.fix
    assert told.fix.otherwise
    (adopt,) = told.fix.otherwise.commands
    here.types(str(adopt))

    assert here.told(only(CHECKS, "client-module")) == []


def test_python_m_uv_of_an_active_environment_can_be_adopted(here: Standing) -> None:
    write(here.cwd / "Makefile", "all:\n\tpython -m uv sync\n")
    tool(here, "other", "uv")
    environment = here.world.base / "pipx" / "other"
    (environment / "bin" / "python").symlink_to(PYTHON)
    here.environ["PATH"] = f"{environment}/bin:{here.environ['PATH']}"
    here.world.uv("sync", cwd=here.cwd)  # that environment has a Python, too, and no uv

    told = here.one(only(CHECKS, "client-module"))
    assert told.fix
    assert told.fix.otherwise
    (adopt,) = told.fix.otherwise.commands
    assert str(adopt) == f"linkpolicy adopt {environment}"
    here.types(str(adopt))

    assert here.told(only(CHECKS, "client-module")) == []


@pytest.mark.parametrize(
    ("variable", "fault", "name"),
    [
        ("HATCH_DATA_DIR", hatch_in_pyproject, "client-hatch"),
        ("TMPDIR", build_with_extra, "client-build"),
        ("PIPX_HOME", pipx, "client-pipx"),
        ("TMPDIR", cibuildwheel, "client-cibuildwheel"),
        ("PRE_COMMIT_HOME", pre_commit_declared, "client-pre-commit"),
        ("TOX_WORK_DIR", tox_ini, "client-tox"),
    ],
)
def test_a_client_is_judged_by_where_it_installs(
    here: Standing, fs: FileSystems, variable: str, fault: Callable[[Standing], None], name: str
) -> None:
    fault(here)
    elsewhere = fs.btrfs / "elsewhere"
    elsewhere.mkdir()
    here.environ[variable] = str(elsewhere)

    assert f"UV_CACHE_DIR={fs.btrfs.parent}/.uv-cache-" in here.one(only(CHECKS, name)).detail


def test_a_path_that_is_no_shim_reaches_nothing(here: Standing) -> None:
    tox_ini(here)
    here.environ["TOX_UV_PATH"] = str(here.world.real_uv)

    assert here.told(only(CHECKS, "client-tox"))


def test_hatch_may_name_the_shim_itself(here: Standing) -> None:
    add(here, f'[tool.hatch.envs.default]\nuv-path = "{here.world.shims}/uv"\n')

    assert here.told(only(CHECKS, "client-hatch")) == []


@pytest.mark.parametrize(
    "line",
    [
        "\tpython -m uv sync",
        "\tpython3.12 -m uv pip install x",
        '\tsession.run("python", "-m", "uv")',
    ],
)
@pytest.mark.fixes("client-module", by="hand: the file is the project's, and no command is told")
def test_python_m_uv_is_found_and_gone_when_it_is_rewritten(here: Standing, line: str) -> None:
    makefile = write(here.cwd / "Makefile", f"all:\n{line}\n")

    told = here.one(only(CHECKS, "client-module"))
    assert told.fix
    assert f"{makefile}:2" in told.fix.text
    write(makefile, "all:\n\tuv sync\n")

    assert here.every(CHECKS) == []


# uv in the environment itself ---------------------------------------------------------------------


def wheel_of_uv(here: Standing) -> None:
    """A package `uv` with a program `uv`, as the real one, among the wheels."""
    info = "uv-1.0.dist-info"
    with zipfile.ZipFile(here.world.wheels / "uv-1.0-py3-none-any.whl", "w") as wheel:
        script = zipfile.ZipInfo("uv-1.0.data/scripts/uv")
        script.external_attr = 0o100755 << 16
        wheel.writestr(script, "#!/bin/sh\necho uv 1.0\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: uv\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(
            f"{info}/RECORD",
            f"uv-1.0.data/scripts/uv,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
        )


@pytest.mark.parametrize("where", [[], ["--dev"], ["--group", "tools"], ["--optional", "more"]])
@pytest.mark.fixes("client-environment", by="typing")
def test_uv_as_a_dependency_is_found_and_removed_by_its_fix(
    here: Standing, where: list[str]
) -> None:
    wheel_of_uv(here)
    here.world.uv("add", *where, "uv", cwd=here.cwd)
    here.world.uv("sync", "--all-extras", "--all-groups", cwd=here.cwd)

    told = here.one(only(CHECKS, "client-environment"))
    assert str(here.cwd / "pyproject.toml") in told.paths
    assert told.fix
    here.types(typed(told.fix))

    assert not (here.cwd / ".venv" / "bin" / "uv").exists()
    assert here.told(only(CHECKS, "client-environment")) == []


@pytest.mark.fixes("client-environment", by="typing")
def test_uv_that_somebody_installed_is_found_and_uninstalled_by_its_fix(here: Standing) -> None:
    wheel_of_uv(here)
    here.world.uv("sync", cwd=here.cwd)
    here.world.uv("pip", "install", "--no-index", "-f", str(here.world.wheels), "uv", cwd=here.cwd)

    told = here.one(only(CHECKS, "client-environment"))
    assert told.fix
    here.types(typed(told.fix))

    assert here.told(only(CHECKS, "client-environment")) == []


def test_nothing_is_told_twice_of_an_environment_on_path(here: Standing) -> None:
    wheel_of_uv(here)
    here.world.uv("add", "uv", cwd=here.cwd)
    here.environ["PATH"] = f"{here.cwd}/.venv/bin:{here.environ['PATH']}"

    assert here.told(only(CHECKS, "client-environment")) == []


# Files that are not as they should be -------------------------------------------------------------


def test_broken_and_strange_files_are_passed_over(here: Standing) -> None:
    write(here.cwd / "tox.toml", "= [")
    (here.cwd / "tox.ini").write_bytes(b"[tox\nrequires = tox-uv\xff\n")
    (here.cwd / "noxfile.py").mkdir()
    (here.cwd / "hatch.toml").symlink_to("hatch.toml")
    subprocess.run(["mkfifo", here.cwd / "pdm.toml"], check=True)
    write(here.cwd / "Makefile", "python -m uv\n" * 200_000)
    (here.cwd / b"requirements-\xff.txt".decode("utf-8", "surrogateescape")).touch()

    assert here.every(CHECKS) == []


def test_no_project_at_all_has_no_client(here: Standing) -> None:
    shutil.rmtree(here.cwd)
    here.cwd.mkdir()

    assert here.every(CHECKS) == []


def test_a_member_of_a_workspace_has_the_clients_of_its_root(here: Standing) -> None:
    tox_ini(here)
    add(here, '[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    member = here.world.project(here.cwd / "packages" / "member")
    here.cwd = member

    assert [name for name, _ in here.every(CHECKS)] == ["client-tox"]


def test_a_member_s_client_is_judged_by_where_the_root_installs(
    here: Standing, fs: FileSystems
) -> None:
    tox_ini(here)
    write(here.cwd / "tox.ini", f"[tox]\nwork_dir = {fs.btrfs}/tox\nrequires = tox-uv\n")
    add(here, '[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    here.cwd = here.world.project(here.cwd / "packages" / "member")

    told = here.one(only(CHECKS, "client-tox"))

    assert f"UV_CACHE_DIR={fs.btrfs.parent}/.uv-cache-" in told.detail
