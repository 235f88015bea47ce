"""Where a program that uses uv makes its environments, told by its own settings and defaults.

As the programs themselves find it: tox 4.35, nox 2026.10, hatch 1.18, pdm 2.29, pipx 1.18,
pre-commit 4.5, prek 0.2, build 1.6, cibuildwheel 3.3, juv 0.5. What cannot be told from files alone
is the project's environment, as it is for every program that is not known here.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.machine.project_files import ProjectFiles, find_directory
from uvx_policy.state import layout
from uvx_policy.uv.workspace import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from uvx_policy.machine.project_files import Mention


class Place(NamedTuple):
    """What a program installs into."""

    #: absolute path of an environment, or of the directory that it makes environments in; may not
    #: exist. "": what uv installs into in this directory
    path: str = ""
    #: uv itself keeps its environments, in its cache, and links from there to there
    is_cache: bool = False


#: the project's environment
PROJECT = Place()


class _Call(NamedTuple):
    """What there is to conclude from."""

    environ: Mapping[str, str]
    cwd: str
    #: behind the program's name
    words: Sequence[str]

    def option(self, *names: str) -> str:
        """The value of the first of these options of the program, "" when it was not given."""
        for number, word in enumerate(self.words):
            name, equals, value = word.partition("=")
            if name in names:
                return value if equals else "".join(self.words[number + 1 : number + 2])
        return ""

    def variable(self, *names: str) -> str:
        """The first of these variables that is set and not empty."""
        return next(filter(None, map(self.environ.get, names)), "")

    def files(self, *names: str) -> ProjectFiles:
        """Those of the nearest directory that tools are configured in, else of this one."""
        above = find_directory(self.cwd)
        files = ProjectFiles(above or self.cwd)
        return files if not names or files.has(*names) else ProjectFiles(self.cwd)

    def in_home(self, *names: str) -> str:
        """A path below the home directory."""
        return os.path.join(layout.home(dict(self.environ), sys.platform) or os.sep, *names)

    def of_user(self, variable: str, below_home: str, *names: str) -> str:
        """A path below a directory of the XDG specification, as platformdirs has it."""
        base = self.environ.get(variable, "")
        if sys.platform == "darwin":
            below_home = {".cache": "Library/Caches"}.get(below_home, _MACOS)
        return os.path.join(base if os.path.isabs(base) else self.in_home(below_home), *names)

    def expanded(self, path: str, above: str = "") -> str:
        """An absolute path for what a setting says."""
        if path == "~" or path.startswith("~/"):
            path = self.in_home(path[2:])
        return os.path.normpath(os.path.join(self.cwd, above, path))


def where_installs(
    client: str, *, environ: Mapping[str, str], cwd: str, words: Sequence[str] = ()
) -> Place:
    """Where the program of this name installs when it is started in `cwd` with these words.

    Reads files, and starts nothing. Never raises.
    """
    find = _CLIENTS.get(client)
    return find(_Call(environ, cwd, words)) if find else PROJECT


def client_of(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The program that a command line is about, and its words: `python -m nox`, `uvx nox`."""
    name = os.path.basename(words[0])
    behind = words[1:]
    if name.startswith("python") and behind[:1] == ["-m"]:
        behind = behind[1:]
    elif name == "uv" and behind[:2] in (["tool", "run"], ["tool", "uvx"]):
        behind = behind[2:]
    elif name != "uvx":
        return name, behind
    # `nox[uv]`, `nox@latest`; options of uvx may say anything
    named = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", behind[0]) if behind else None
    return (named[0], behind[1:]) if named else ("", ())


#: programs that ask the `uv` package for its binary, as far as they are known
PROGRAMS = (
    "tox", "nox", "hatch", "pyproject-build", "pdm", "pipx", "pre-commit", "cibuildwheel", "juv",
)  # fmt: skip


def is_known(client: str) -> bool:
    """Does it install elsewhere than into the project's environment, perhaps?"""
    return client in _CLIENTS


# Each of them -------------------------------------------------------------------------------------


def _tox(call: _Call) -> Place:
    """Its `work_dir`, `.tox` beside its configuration."""
    files = call.files()
    said = call.option("--workdir") or call.variable("TOX_WORK_DIR", "TOXWORK_DIR")
    if said:
        return Place(call.expanded(said))
    said = files.tox_value("work_dir") or files.tox_value("toxworkdir") or ".tox"
    for name in ("{toxinidir}", "{tox_root}", "{/}"):
        said = said.replace(name, os.sep if name == "{/}" else files.directory)
    return PROJECT if "{" in said else Place(call.expanded(said, files.directory))


def _nox(call: _Call) -> Place:
    """Its `envdir`, relative to the noxfile."""
    files = call.files("noxfile.py")
    said = call.option("--envdir")
    if not said:
        line = re.search(
            r"^\s*nox\.options\.envdir\s*=\s*[\"']([^\"']+)[\"']",
            files.text("noxfile.py"),
            re.MULTILINE,
        )
        said = line[1] if line else ".nox"
    return Place(call.expanded(said, files.directory))


def _hatch(call: _Call) -> Place:
    """The environment's `path`, `dirs.env.virtual` of its configuration, its data directory."""
    own = call.files("pyproject.toml", "hatch.toml")
    path = call.variable("HATCH_ENV_TYPE_VIRTUAL_PATH") or _hatch_path(call, own)
    if path:
        return Place(call.expanded(path, own.directory))
    named = call.option("--config") or call.variable("HATCH_CONFIG")
    path = call.expanded(named or call.of_user("XDG_CONFIG_HOME", ".config", "hatch/config.toml"))
    files = ProjectFiles(os.path.dirname(path))
    dirs = table(files.toml(os.path.basename(path)), "dirs")
    virtual = _text(table(dirs, "env").get("virtual"))
    if virtual:
        return Place(call.expanded(virtual, own.directory))
    data = call.option("--data-dir") or call.variable("HATCH_DATA_DIR") or _text(dirs.get("data"))
    data = data or call.of_user("XDG_DATA_HOME", _DATA, "hatch")
    return Place(os.path.join(call.expanded(data), "env", "virtual"))


def _hatch_path(call: _Call, files: ProjectFiles) -> str:
    """What the environment that these words name says, or one that it is made after."""
    name = call.option("-e", "--env") or call.variable("HATCH_ENV") or "default"
    for number, word in enumerate(call.words):
        if word == "run":
            named, colon, _ = "".join(call.words[number + 1 : number + 2]).partition(":")
            name = named if colon else name
        if word == "run" or word in _HATCH_OWN:
            name = _HATCH_OWN.get(word, name)
            break
    known = {
        **table(files.tool("hatch"), "envs"),
        **table(files.toml("hatch.toml"), "envs"),
    }
    own, seen = _HATCH_OWN.values(), set[str]()
    while name not in seen:
        seen.add(name)
        settings = table(known, name)
        if settings.get("path"):
            return _text(settings["path"])
        # Its own environments are made after none.
        name = _text(settings.get("template")) or (name if name in own else "default")
    return ""


def _pdm(call: _Call) -> Place:
    """The environment that it has chosen, the active one, `.venv`, or its directory of them."""
    files = call.files("pyproject.toml")
    chosen = os.path.dirname(os.path.dirname(files.text(".pdm-python").strip()))
    if os.path.exists(os.path.join(chosen, "pyvenv.cfg")):
        return Place(chosen)
    active = call.variable("VIRTUAL_ENV")
    if active and not call.variable("PDM_IGNORE_ACTIVE_VENV"):
        return Place(call.expanded(active))
    said, where = pdm_setting(files, call.environ, "PDM_VENV_IN_PROJECT", "venv.in_project")
    if not where or is_yes_of_pdm(said):
        return Place(os.path.join(files.directory, ".venv"))
    said, _ = pdm_setting(files, call.environ, "", "venv.location")
    default = call.of_user("XDG_DATA_HOME", _DATA, "pdm/venvs")
    return Place(call.expanded(_text(said) or default))


def pdm_setting(
    files: ProjectFiles, environ: Mapping[str, str], variable: str, key: str
) -> tuple[object, Mention | str]:
    """A setting of pdm and what says it: its variable, the project, the user; "" for nothing."""
    if variable in environ:
        return environ[variable], variable
    call = _Call(environ, files.directory, ())
    default = call.of_user("XDG_CONFIG_HOME", ".config", "pdm/config.toml")
    directory, name = os.path.split(call.variable("PDM_CONFIG_FILE") or default)
    *above, last = key.split(".")
    for beside, name_there in (
        (files, "pdm.toml"),
        (files, ".pdm.toml"),
        (ProjectFiles(directory), name),
    ):
        data = beside.toml(name_there)
        value = data.get(key, table(data, *above).get(last))
        if value is not None:
            at = beside.find(last, name_there)
            return value, at or os.path.join(beside.directory, name_there)
    return None, ""


def is_yes_of_pdm(value: object) -> bool:
    """What pdm takes for true."""
    if isinstance(value, str):
        return bool(value) and value.lower() not in ("false", "no", "0")
    return bool(value)


def _pipx(call: _Call) -> Place:
    """`venvs` in its home; what `pipx run` starts is in its cache."""
    if "run" not in call.words:
        return Place(os.path.join(pipx_home(call.environ), "venvs"))
    if call.variable("PIPX_HOME"):
        return Place(os.path.join(pipx_home(call.environ), ".cache"))
    return Place(call.of_user("XDG_CACHE_HOME", ".cache", "pipx"))


def pipx_home(environ: Mapping[str, str]) -> str:
    """The home of pipx, absolute."""
    call = _Call(environ, os.sep, ())
    legacy = call.in_home(".local/pipx")
    default = legacy if os.path.exists(legacy) else call.of_user("XDG_DATA_HOME", _DATA, "pipx")
    return call.expanded(call.variable("PIPX_HOME") or default)


def _pre_commit(call: _Call) -> Place:
    """Its home, in which each repository of hooks has its environments."""
    base = call.variable("XDG_CACHE_HOME") or call.in_home(".cache")
    return Place(
        call.expanded(call.variable("PRE_COMMIT_HOME") or os.path.join(base, "pre-commit"))
    )


def _prek(call: _Call) -> Place:
    home = call.variable("PREK_HOME")
    return Place(call.expanded(home or call.of_user("XDG_CACHE_HOME", ".cache", "prek")))


def _temporary(call: _Call) -> Place:
    """Isolated environments of builds (Python's `tempfile`)."""
    named = (call.variable("TMPDIR"), call.variable("TEMP"), call.variable("TMP"))
    known = filter(os.path.isdir, (call.expanded(path) for path in (*named, *_TEMPORARY) if path))
    return Place(next(known, call.cwd))


def _juv(call: _Call) -> Place:
    """What it runs is in uv's cache."""
    return PROJECT if call.words and call.words[0] in ("venv", "sync") else Place(is_cache=True)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


#: commands of hatch with an environment of their own
_HATCH_OWN = {
    "test": "hatch-test", "fmt": "hatch-static-analysis", "build": "hatch-build",
}  # fmt: skip
_MACOS = "Library/Application Support"
_DATA = ".local/share"
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 (nothing is put there)
_CLIENTS: dict[str, Callable[[_Call], Place]] = {
    "tox": _tox,
    "nox": _nox,
    "hatch": _hatch,
    "pdm": _pdm,
    "pipx": _pipx,
    "pre-commit": _pre_commit,
    "pre_commit": _pre_commit,
    "prek": _prek,
    "build": _temporary,
    "pyproject-build": _temporary,
    "cibuildwheel": _temporary,
    "juv": _juv,
}
