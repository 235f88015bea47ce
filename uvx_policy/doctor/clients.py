"""Programs that ask the `uv` package for its binary and so never come as far as the shim.

Each is looked for where this project says that it uses it, and told only when a shim would have
changed something for it where it installs (`machine.clients`). How each finds uv is what its own
code does (docs/how-to/clients-that-bypass-path.md): tox-uv 1.37, nox 2026.10, hatch 1.18, build
1.6, pdm 2.29, pipx 1.18, pre-commit-uv 4.4, cibuildwheel 4.3, juv 0.5.
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from uvx_policy import locate
from uvx_policy.doctor import adopted
from uvx_policy.doctor.case import Case, once
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, warn
from uvx_policy.edits import CACHE_VARIABLE, LINK_MODE_VARIABLE
from uvx_policy.machine.clients import is_yes_of_pdm, pdm_setting, where_installs
from uvx_policy.machine.programs import environment_of, on_path, own_uv, packages_in
from uvx_policy.machine.project_files import Mention, ProjectFiles, find_directory
from uvx_policy.state import layout
from uvx_policy.terminal.command import Hint, command
from uvx_policy.uv.workspace import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from uvx_policy.machine.clients import Place
    from uvx_policy.machine.project_files import Requirement


class Found(NamedTuple):
    """Where this project uses a client with the uv of the `uv` package."""

    #: what asks for it, or a clause that says why
    where: Mention | str
    #: more files that tell
    paths: tuple[str, ...] = ()
    #: what starts it from an environment that goes away by itself, with variables of its own
    starts: tuple[str, ...] = ()
    #: which uv it starts
    uv: str = "the uv of the `uv` package"


class Client(NamedTuple):
    """A program that does not look for uv on PATH, or not first."""

    #: of its check, behind `client-`
    id: str
    name: str
    find: Callable[[Case, ProjectFiles], Found | None]
    #: what starts it
    program: str = ""
    #: the variable that names uv to it
    variable: str = ""
    #: behind the program's name, where it matters
    words: tuple[str, ...] = ()
    #: what would do as well
    otherwise: str = ""
    fix: Callable[[Case, Found, str], Fix] | None = None


def look(case: Case, client: Client) -> Iterator[Diagnostic]:
    """Does this project use it, although the shim is not named to it?"""
    for files in _files(case):
        found = client.find(case, files)
        if found is None:
            continue
        place = where_installs(
            client.id, environ=case.environ, cwd=files.directory, words=client.words
        )
        missed = _missed(case, place)
        if missed == {}:
            continue
        environment = _environment_of(case, client)
        named = bool(client.variable) and _is_ours(case, case.environ.get(client.variable))
        if not found.starts and (named or environment in adopted.intact(case)):
            return
        because, paths = found.where, found.paths
        if isinstance(because, Mention):
            paths = (because.path, *paths)
            because = f"`{because}` asks for it"
        lost = " and ".join(f"{name}={value}" for name, value in (missed or {}).items())
        effect = f"so `{lost}` never reaches it" if lost else "so no policy reaches it"
        yield warn(
            f"{client.name} starts {found.uv}, not the shim, {effect}: {because}.",
            (client.fix or partial(_usual_fix, client))(case, found, environment),
            tuple(dict.fromkeys(paths)),
        )
        return


# How each is recognized ---------------------------------------------------------------------------


def _tox(case: Case, files: ProjectFiles) -> Found | None:
    """tox-uv takes TOX_UV_PATH, then the package, then PATH."""
    if not files.has_tox:
        return None
    return _asked(files.require("tox-uv")) or _beside_has(case, "tox", "tox-uv")


def _nox(case: Case, files: ProjectFiles) -> Found | None:
    """It takes UV, then a `uv` package beside it, then PATH. `uvx` sets UV to the real one."""
    uses = files.find(_NOX_USES_UV, "noxfile.py")
    if uses is None:
        return None
    by_uvx = files.command(r"(?<!\brun )(?<!\brun -- )\b(uvx|uv tool run) nox\b")
    if by_uvx:
        return Found(by_uvx, (uses.path,), starts=("uvx", "nox"), uv="the uv that started it")
    asked = _asked(files.require("nox", extra="uv"))
    if asked is None and files.require("nox"):
        asked = _asked(files.require("uv"))
    found = asked or _beside_has(case, "nox", "uv")
    return found and found._replace(paths=(uses.path,))


def _hatch(case: Case, files: ProjectFiles) -> Found | None:
    """It takes its variable, `uv-path`, then the `uv` package that it depends on."""
    for name, keys in (("hatch.toml", ("envs",)), ("pyproject.toml", ("tool", "hatch", "envs"))):
        for environment, settings in table(files.toml(name), *keys).items():
            if not _hatch_uses_uv(environment, settings):
                continue
            if not case.environ.get(_HATCH_VARIABLE) and _is_ours(case, settings.get("uv-path")):
                continue
            at = files.find(rf"envs\.[\"']?{environment}\b", name)
            return Found(at or Mention(os.path.join(files.directory, name), 0))
    return None


def _build(case: Case, files: ProjectFiles) -> Found | None:
    """`build --installer uv` takes the package before UV and PATH."""
    asked = _asked(files.require("build", extra="uv"))
    if asked or not files.command(r"--installer[ =]uv\b"):
        return asked
    return _beside_has(case, "pyproject-build", "uv")


def _pdm(case: Case, files: ProjectFiles) -> Found | None:
    """With `use_uv` it takes the package, then two directories of the home, then PATH."""
    if not (files.has("pdm.lock", "pdm.toml", ".pdm-python") or files.tool("pdm")):
        return None
    value, said = pdm_setting(files, case.environ, "PDM_USE_UV", "use_uv")
    if not said or not is_yes_of_pdm(value):
        return None
    found = _beside_has(case, "pdm", "uv")
    home = layout.home(dict(case.environ), case.host.platform)
    at_home = [os.path.join(home, name, "uv") for name in (".local/bin", ".cargo/bin")]
    taken = next((path for path in at_home if home and os.path.exists(path)), "")
    if found is None and taken and not locate.is_ours(taken):
        found = Found("it comes before PATH", uv=f"`{taken}`")
    return found and found._replace(paths=(said.path,) if isinstance(said, Mention) else ())


def _pipx(case: Case, files: ProjectFiles) -> Found | None:
    """With its uv backend, the default where it finds uv: the package, then PATH."""
    if case.environ.get("PIPX_DEFAULT_BACKEND", "uv").strip().lower() not in ("", "uv"):
        return None
    uses = files.command(r"\bpipx (run|install|inject|upgrade)\b")
    found = _beside_has(case, "pipx", "uv") if uses else None
    return found._replace(paths=(uses.path,)) if uses and found else None


def _pre_commit(case: Case, files: ProjectFiles) -> Found | None:
    """pre-commit-uv takes the package and nothing else."""
    config = ".pre-commit-config.yaml"
    if case.environ.get("DISABLE_PRE_COMMIT_UV_PATCH") is not None or not files.has(config):
        return None
    return (
        _asked(files.require("pre-commit-uv"))
        or _asked(files.find(r"\bpre-commit-uv\b", config))
        or _beside_has(case, "pre-commit", "pre-commit-uv")
    )


def _juv(_: Case, files: ProjectFiles) -> Found | None:
    """It takes the package and nothing else. What it runs is in uv's cache."""
    return _asked(files.command(r"\bjuv (venv|sync)\b"))


def _cibuildwheel(case: Case, files: ProjectFiles) -> Found | None:
    """It takes the package, then PATH. For Linux it builds in containers, with the uv in them."""
    platform = case.environ.get("CIBW_PLATFORM") or "auto"
    if (case.host.platform if platform == "auto" else platform) in ("linux", "pyodide"):
        return None
    said = files.tool("cibuildwheel").get("build-frontend")
    said = case.environ.get("CIBW_BUILD_FRONTEND") or said
    name = said.get("name") if isinstance(said, dict) else str(said).partition(";")[0].strip()
    if name not in ("uv", "build[uv]"):
        return None
    asked = _asked(files.require("cibuildwheel", extra="uv"))
    return asked or _beside_has(case, "cibuildwheel", "uv")


def _module(_: Case, files: ProjectFiles) -> Found | None:
    """`python -m uv` starts the binary of the package, whatever PATH says."""
    call = r"\bpython[0-9.]*[\"']?,? +[\"']?-m[\"']?,? +[\"']?uv\b(?![-.])"
    return _asked(files.command(call))


def _environment(case: Case, _: ProjectFiles) -> Found | None:
    """A `uv` in the project's own environment is ahead of the shim wherever that is active."""
    names = ("Scripts", "uv.exe") if case.host.platform == "win32" else ("bin", "uv")
    program = os.path.join(case.real_environment, *names)
    # An environment that is on PATH now is told by the checks of the installation.
    active = {
        os.path.realpath(each) for each in locate.directories_on(case.environ.get("PATH", ""))
    }
    if not case.real_environment or os.path.dirname(program) in active:
        return None
    if not os.path.isfile(program) or locate.is_ours(program):
        return None
    found = _asked(_first_request(case)) or Found(f"`{program}` is there")
    return found._replace(paths=(program,))


def _first_request(case: Case) -> Requirement | None:
    """What in this project asks for the `uv` package."""
    return next((asked for each in _files(case) if (asked := each.require("uv"))), None)


def _asked(told: Requirement | Mention | None) -> Found | None:
    return told and Found(told if isinstance(told, Mention) else told.at)


def _beside_has(case: Case, program: str, package: str) -> Found | None:
    """Whether this package lies in the environment of a program."""
    environment = _environment_with(case, program)
    if environment and package in packages_in(environment):
        return Found(f"`uv` is installed beside it in `{environment}`")
    return None


def _environment_with(case: Case, program: str) -> str:
    """The project's own environment if the program is there, else that of the program on PATH."""
    environment = case.real_environment
    if environment and os.path.isfile(os.path.join(environment, "bin", program)):
        return environment
    return environment_of(program, search_path=case.environ.get("PATH", ""))


def _environment_of(case: Case, client: Client) -> str:
    """The environment whose uv it starts, without links; "" when none is known."""
    if client.program:
        places = [_environment_with(case, client.program)]
    else:
        active = environment_of("python", search_path=case.environ.get("PATH", ""))
        places = [case.real_environment, active]
    return next((os.path.realpath(each) for each in places if own_uv(each)), "")


# What to do about it ------------------------------------------------------------------------------


def _usual_fix(client: Client, case: Case, found: Found, environment: str) -> Fix:
    """Name the shim to it, let its own uv run through one, or give it the decision."""
    tail = f", {client.otherwise}" if client.otherwise else ""
    # The shim on PATH, else the one where `setup` puts it.
    search = (*case.environ.get("PATH", "").split(os.pathsep), case.shim_directory)
    programs = on_path("uv", os.pathsep.join(filter(None, search)))
    shim = next((each.path for each in programs if each.ours), "") if client.variable else ""
    if shim and not found.starts:
        return Fix.by(
            f"Name the shim in the shell that starts it{tail}",
            command("export", f"{client.variable}={shim}"),
        )
    adopt = adopted.command_for(case, environment)
    if adopt is not None and not found.starts:
        return Fix.by(f"Let its own uv run through a shim{tail}", adopt)
    return Fix.by(
        f"Start it with the decision for what it installs into{tail}",
        command("linkpolicy", "run", "--", *(found.starts or (client.program, *client.words))),
    )


def _write_uv(case: Case, found: Found, environment: str) -> Fix:
    adopt = adopted.command_for(case, environment)
    fix = Fix.by(f"Write `uv` for `python -m uv` in `{found.where}`")
    if adopt is None:
        return fix
    return fix.replace(otherwise=Hint(text="Let that uv run through a shim", commands=(adopt,)))


def _take_uv_out(case: Case, _: Found, __: str) -> Fix:
    required = _first_request(case)
    if required is None:
        remove = command("uv", "pip", "uninstall", "-p", case.environment, "uv")
    else:
        remove = command("uv", "remove", *_group(required.table), "uv")
    return Fix.by("Remove `uv` from the environment", remove)


def _group(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Options of `uv remove` for what stands in this list of pyproject.toml."""
    if keys[:1] == ("dependency-groups",):
        return ("--group", keys[1])
    if keys[:2] == ("project", "optional-dependencies"):
        return ("--optional", keys[2])
    return ("--dev",) if keys == ("tool", "uv", "dev-dependencies") else ()


# Where to look ------------------------------------------------------------------------------------


@once
def _files(case: Case) -> tuple[ProjectFiles, ...]:
    """The files of the project that is worked in here, and of its workspace root."""
    directories = [find_directory(case.cwd)]
    plan = case.sound_plan
    if plan is not None:
        directories += [plan.destination.project, plan.destination.workspace]
    return tuple(ProjectFiles(each) for each in dict.fromkeys(directories) if each)


def _missed(case: Case, place: Place) -> dict[str, str] | None:
    """What the shim sets for what is installed there; `None` when that cannot be told."""
    plan = None if case.faults else case.plan_into(place)
    if plan is None or plan.destination.kind == "unknown":
        return None
    names = (CACHE_VARIABLE, LINK_MODE_VARIABLE)
    return {name: value for name, value in plan.edits.variables.items() if name in names}


def _is_ours(case: Case, program: object) -> bool:
    """Tell whether this name or path of a program is a shim; "" and what is no text are not."""
    named = program if isinstance(program, str) else ""
    found = shutil.which(named, path=case.environ.get("PATH", "")) if named else None
    return bool(found) and locate.is_ours(str(found))


#: a backend that names uv, or a session that runs it
_NOX_USES_UV = (
    r"venv_backend\s*=\s*[\"'][^\"']*\buv\b"
    r"|\brun(?:_install|_always)?\(\s*[\"']uvx?[\"']"
)
#: environments of hatch's own that use uv unless told otherwise (hatch/env/internal)
_HATCH_OWN = ("hatch-build", "hatch-static-analysis", "hatch-test", "hatch-type-check", "hatch-uv")


def _hatch_uses_uv(environment: str, settings: Any) -> bool:
    if not isinstance(settings, dict) or settings.get("type", "virtual") != "virtual":
        return False
    installer = settings.get("installer", "uv" if environment in _HATCH_OWN else "pip")
    return installer == "uv" or bool(settings.get("uv-path"))


#: where hatch looks before anywhere else
_HATCH_VARIABLE = "HATCH_ENV_TYPE_VIRTUAL_UV_PATH"
CLIENTS = (
    Client(
        "tox", "tox-uv", _tox, "tox", "TOX_UV_PATH",
        otherwise="or require `tox-uv-bare` instead",
    ),
    # UV is what uv itself sets, too, for all that `uv run` starts.
    Client("nox", "nox", _nox, "nox", "UV", otherwise="or install `nox` without `uv` beside it"),
    Client("hatch", "hatch", _hatch, "hatch", _HATCH_VARIABLE),
    Client(
        "build", "build", _build, "pyproject-build",
        otherwise="or install `build` without the extra `uv`",
    ),
    Client("pdm", "pdm", _pdm, "pdm"),
    Client("pipx", "pipx", _pipx, "pipx", otherwise="or install `pipx` without the extra `uv`"),
    Client("pre-commit", "pre-commit-uv", _pre_commit, "pre-commit"),
    Client("cibuildwheel", "cibuildwheel", _cibuildwheel, "cibuildwheel"),
    Client("juv", "juv", _juv, "juv", words=("venv",)),
    Client("module", "`python -m uv`", _module, fix=_write_uv),
    Client(
        "environment", "What `uv run` runs, or an active environment,", _environment,
        fix=_take_uv_out,
    ),
)  # fmt: skip
_TITLES = {"environment": "The project's own environment"}

CHECKS: tuple[Check, ...] = (
    *(
        Check(
            f"client-{client.id}",
            f"{_TITLES.get(client.id, client.name)} does not bypass the shim",
            partial(look, client=client),
        )
        for client in CLIENTS
    ),
    Check("adopted", "What was adopted runs through its shim", adopted.look),
)
