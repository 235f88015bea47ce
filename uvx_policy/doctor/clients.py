"""Programs that ask the `uv` package for its binary and so never come as far as the shim.

Each is looked for where this project says that it uses it, and told only when a shim would have
changed something for it. How each finds uv is what its own code does (docs/how-to/
clients-that-bypass-path.md): tox-uv 1.37, nox 2026.10, hatch 1.18, build 1.6, pdm 2.29, pipx 1.18,
pre-commit-uv 4.4, juv 0.5.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from uvx_policy import locate
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.doctor.installed_tools import environment_of, packages_in
from uvx_policy.doctor.project_files import Mention, ProjectFiles, find_directory
from uvx_policy.edits import CACHE_VARIABLE, LINK_MODE_VARIABLE
from uvx_policy.state import layout
from uvx_policy.terminal.command import Command, command
from uvx_policy.uv.workspace import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.project_files import Requirement

#: where nox looks before anywhere else, and what uv itself sets for all that `uv run` starts
_NOX_VARIABLE = "UV"


def look_tox(case: Case) -> Iterator[Diagnostic]:
    """For tox-uv: it takes TOX_UV_PATH, then the package, then PATH."""
    for files in _project(case):
        if not files.has_tox:
            continue
        where: Mention | str = _at(files.require("tox-uv"))
        if not where:
            beside = _beside(case, "tox")
            where = _said(beside) if beside and "tox-uv" in packages_in(beside) else ""
        if where and not _is_ours(case, case.environ.get("TOX_UV_PATH", "")):
            yield _bypass(
                case,
                "tox-uv",
                where,
                fix=_tell(case, "TOX_UV_PATH", "or let tox require `tox-uv-bare` for `tox-uv`"),
            )
            return


def look_nox(case: Case) -> Iterator[Diagnostic]:
    """For nox: it takes UV, then a `uv` package beside it, then PATH."""
    for files in _project(case):
        uses = files.find(_NOX_USES_UV, "noxfile.py")
        if uses is None or _is_ours(case, case.environ.get(_NOX_VARIABLE, "")):
            continue
        where: Mention | str = _at(files.require("nox", extra="uv"))
        if not where and files.require("nox"):
            where = _at(files.require("uv"))
        where = where or _said(_with_uv(case, "nox"))
        if where:
            yield _bypass(
                case,
                "nox",
                where,
                paths=(uses.path,),
                fix=_tell(case, _NOX_VARIABLE, "or install `nox` without `uv` beside it"),
            )
            return


def look_hatch(case: Case) -> Iterator[Diagnostic]:
    """For hatch: it takes its variable, `uv-path`, then the `uv` package that it depends on."""
    for files in _project(case):
        for name, keys in (
            ("hatch.toml", ("envs",)),
            ("pyproject.toml", ("tool", "hatch", "envs")),
        ):
            for environment, settings in table(files.toml(name), *keys).items():
                if not _hatch_uses_uv(environment, settings):
                    continue
                said = case.environ.get("HATCH_ENV_TYPE_VIRTUAL_UV_PATH")
                if _is_ours(case, said or settings.get("uv-path")):
                    continue
                where = files.find(rf"envs\.[\"']?{environment}\b", name) or Mention(
                    path=os.path.join(files.directory, name), line=0
                )
                yield _bypass(
                    case, "hatch", where, fix=_tell(case, "HATCH_ENV_TYPE_VIRTUAL_UV_PATH")
                )
                return


def look_build(case: Case) -> Iterator[Diagnostic]:
    """For `build --installer uv`: it takes the package before UV and PATH."""
    for files in _project(case):
        where: Mention | str = _at(files.require("build", extra="uv"))
        if not where and files.command(r"--installer[ =]uv\b"):
            where = _said(_with_uv(case, "pyproject-build"))
        if where:
            fix = _give("or install `build` without the extra `uv`")
            yield _bypass(case, "build", where, fix=fix)
            return


def look_pdm(case: Case) -> Iterator[Diagnostic]:
    """For pdm with `use_uv`: it takes the package, then two directories of the home, then PATH."""
    for files in _project(case):
        if not (files.has("pdm.lock", "pdm.toml", ".pdm-python") or files.tool("pdm")):
            continue
        said = _pdm_uses_uv(case, files)
        if not said:
            continue
        beside = _with_uv(case, "pdm")
        home = layout.home(dict(case.environ), case.host.platform)
        at_home = [os.path.join(home, name, "uv") for name in (".local/bin", ".cargo/bin")]
        taken = next((path for path in at_home if home and os.path.exists(path)), "")
        if beside or (taken and not locate.is_ours(taken)):
            because = _said(beside) or f"`{taken}` comes before PATH"
            paths = (said.path,) if isinstance(said, Mention) else ()
            yield _bypass(case, "pdm", because, paths=paths, fix=_give())
            return


def look_pipx(case: Case) -> Iterator[Diagnostic]:
    """For pipx with its uv backend (the default where it finds uv): the package, then PATH."""
    if case.environ.get("PIPX_DEFAULT_BACKEND", "uv").strip().lower() not in ("", "uv"):
        return
    for files in _project(case):
        where = files.command(r"\bpipx (run|install|inject|upgrade)\b")
        beside = _with_uv(case, "pipx") if where else ""
        if where and beside:
            fix = _give("or install `pipx` without the extra `uv`")
            yield _bypass(case, "pipx", _said(beside), paths=(where.path,), fix=fix)
            return


def look_pre_commit(case: Case) -> Iterator[Diagnostic]:
    """For pre-commit-uv: it takes the package and nothing else."""
    if case.environ.get("DISABLE_PRE_COMMIT_UV_PATCH") is not None:
        return
    for files in _project(case):
        if not files.has(".pre-commit-config.yaml"):
            continue
        where: Mention | str = (
            _at(files.require("pre-commit-uv"))
            or files.find(r"\bpre-commit-uv\b", ".pre-commit-config.yaml")
            or ""
        )
        if not where:
            beside = _beside(case, "pre-commit")
            where = _said(beside) if beside and "pre-commit-uv" in packages_in(beside) else ""
        if where:
            yield _bypass(case, "pre-commit-uv", where, fix=_give())
            return


def look_juv(case: Case) -> Iterator[Diagnostic]:
    """For juv: it takes the package and nothing else."""
    for files in _project(case):
        where: Mention | str = (
            _at(files.require("juv")) or files.command(r"\bjuv (run|add|sync)\b") or ""
        )
        if not where and "juv" in packages_in(case.real_environment):
            where = f"it is installed in `{case.environment}`"
        if where:
            yield _bypass(case, "juv", where, fix=_give())
            return


def look_module(case: Case) -> Iterator[Diagnostic]:
    """`python -m uv` starts the binary of the package, whatever PATH says."""
    for files in _project(case):
        where = files.command(r"\bpython[0-9.]*[\"']?,? +[\"']?-m[\"']?,? +[\"']?uv\b(?![-.])")
        if where:
            yield _bypass(
                case,
                "`python -m uv`",
                where,
                fix=Fix(text=f"Write `uv` for `python -m uv` in `{where}`"),
            )
            return


def look_environment(case: Case) -> Iterator[Diagnostic]:
    """A `uv` in the project's own environment is ahead of the shim wherever that is active."""
    programs = "Scripts" if case.host.platform == "win32" else "bin"
    directory = os.path.join(case.real_environment, programs)
    # An environment that is on PATH now is told by the checks of the installation.
    on_path = {os.path.realpath(each) for each in case.environ.get("PATH", "").split(os.pathsep)}
    files = _project(case)
    if not files or not case.real_environment or directory in on_path:
        return
    program = os.path.join(directory, "uv.exe" if case.host.platform == "win32" else "uv")
    if not os.path.isfile(program) or locate.is_ours(program):
        return
    required = next((found for each in files if (found := each.require("uv"))), None)
    if required is None:
        remove = command("uv", "pip", "uninstall", "-p", case.environment, "uv")
    else:
        remove = command("uv", "remove", *_group(required.table), "uv")
    yield _bypass(
        case,
        "What `uv run` runs, or an active environment,",
        _at(required) or f"`{program}` is there",
        paths=(program,),
        fix=Fix(text="Take `uv` out of the environment", commands=(remove,)),
    )


def _group(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Options of `uv remove` for what stands in this list of pyproject.toml."""
    if keys[:1] == ("dependency-groups",):
        return ("--group", keys[1])
    if keys[:2] == ("project", "optional-dependencies"):
        return ("--optional", keys[2])
    return ("--dev",) if keys == ("tool", "uv", "dev-dependencies") else ()


# What was found, in words -------------------------------------------------------------------------


def _bypass(
    case: Case, who: str, where: Mention | str, *, fix: Fix, paths: Sequence[str] = ()
) -> Diagnostic:
    """One finding; callers have asked `_project` whether the shim would change anything."""
    because = f"`{where}` asks for it" if isinstance(where, Mention) else where
    own = (where.path,) if isinstance(where, Mention) else ()
    missed = _missed(case)
    lost = " and ".join(f"{name}={value}" for name, value in missed.items())
    effect = f"so `{lost}` never reaches it" if lost else "so no policy reaches it"
    return Diagnostic(
        status="warn",
        detail=f"{who} starts the uv of the `uv` package, not the shim, {effect}: {because}.",
        fix=fix,
        paths=tuple(dict.fromkeys((*own, *paths))),
    )


def _at(required: Requirement | None) -> Mention | str:
    return required.at if required else ""


def _said(environment: str) -> str:
    return f"`uv` is installed beside it in `{environment}`" if environment else ""


def _tell(case: Case, variable: str, otherwise: str = "") -> Fix:
    """Name the shim to the tool."""
    shim = _shim(case)
    if not shim:
        return _give(otherwise)
    tail = f", {otherwise}" if otherwise else ""
    return Fix(
        text=f"Tell it where the shim is, in the shell that starts it{tail}",
        commands=(command("export", f"{variable}={shim}"),),
    )


def _give(otherwise: str = "") -> Fix:
    tail = f", {otherwise}" if otherwise else ""
    return Fix(
        text=f"Give it the decision of this project, in the shell that starts it{tail}",
        commands=(Command(words=("linkpolicy", "env"), is_evaluated=True),),
    )


# Where to look ------------------------------------------------------------------------------------


def _project(case: Case) -> tuple[ProjectFiles, ...]:
    """The project's files; none when a shim would change nothing, whoever starts uv."""
    plan = case.sound_plan
    decided = plan is not None and plan.facts is not None
    return () if decided and not _missed(case) else case.once(_files)


def _files(case: Case) -> tuple[ProjectFiles, ...]:
    """The files of the project that is worked in here, and of its workspace root."""
    directories = [find_directory(case.cwd)]
    plan = case.sound_plan
    if plan is not None:
        directories += [plan.destination.project, plan.destination.workspace]
    return tuple(ProjectFiles(each) for each in dict.fromkeys(directories) if each)


def _missed(case: Case) -> dict[str, str]:
    """What the shim sets here."""
    plan = case.sound_plan
    edits = plan.edits.variables if plan is not None else {}
    names = (CACHE_VARIABLE, LINK_MODE_VARIABLE)
    return {name: value for name, value in edits.items() if name in names}


def _shim(case: Case) -> str:
    """Path of the shim: the one on PATH, else the one where `setup` puts it; "" when neither is."""
    search = case.environ.get("PATH", "").split(os.pathsep)
    for directory in (*search, case.shim_directory):
        path = os.path.join(directory, "uv")
        if directory and locate.is_ours(path) and os.access(path, os.X_OK):
            return path
    return ""


def _is_ours(case: Case, program: object) -> bool:
    """Tell whether this name or path of a program is a shim; "" and what is no text are not."""
    named = program if isinstance(program, str) else ""
    found = shutil.which(named, path=case.environ.get("PATH", "")) if named else None
    return bool(found) and locate.is_ours(str(found))


def _beside(case: Case, program: str) -> str:
    """The environment of a program: the project's own if it is there, else by PATH."""
    environment = case.real_environment
    if environment and os.path.isfile(os.path.join(environment, "bin", program)):
        return environment
    return environment_of(program, search_path=case.environ.get("PATH", ""))


def _with_uv(case: Case, program: str) -> str:
    """The same when it has the `uv` package, else ""."""
    environment = _beside(case, program)
    return environment if environment and "uv" in packages_in(environment) else ""


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


def _pdm_uses_uv(case: Case, files: ProjectFiles) -> Mention | str:
    """Where `use_uv` is said, "" when it is not or says no: variable, project, user."""
    said = case.environ.get("PDM_USE_UV")
    if said is not None:
        return "PDM_USE_UV" if _pdm_means_yes(said) else ""
    home = layout.home(dict(case.environ), case.host.platform)
    base = case.environ.get("XDG_CONFIG_HOME", "")
    base = base if base.startswith("/") else os.path.join(home, ".config")
    user = case.environ.get("PDM_CONFIG_FILE") or os.path.join(base, "pdm", "config.toml")
    for directory, name in (
        (files, "pdm.toml"),
        (files, ".pdm.toml"),
        (ProjectFiles(os.path.dirname(user)), os.path.basename(user)),
    ):
        value = directory.toml(name).get("use_uv")
        if value is not None:
            return (directory.find(r"use_uv", name) or "") if _pdm_means_yes(value) else ""
    return ""


def _pdm_means_yes(value: object) -> bool:
    if isinstance(value, str):
        return bool(value) and value.lower() not in ("false", "no", "0")
    return bool(value)


_TITLE = "{} does not bypass the shim"

CHECKS: tuple[Check, ...] = tuple(
    Check(id=f"client-{name}", title=_TITLE.format(title), group="clients", look=look)
    for name, title, look in (
        ("tox", "tox-uv", look_tox),
        ("nox", "nox", look_nox),
        ("hatch", "hatch", look_hatch),
        ("build", "build", look_build),
        ("pdm", "pdm", look_pdm),
        ("pipx", "pipx", look_pipx),
        ("pre-commit", "pre-commit-uv", look_pre_commit),
        ("juv", "juv", look_juv),
        ("module", "`python -m uv`", look_module),
        ("environment", "The project's own environment", look_environment),
    )
)
