"""Check of what makes uv itself refuse to start, whatever linkpolicy does.

Each was tried with every uv from 0.5.23 to 0.13.9: exit code 2, but for a `[tool.uv]` that cannot
be understood, which uv skips as a whole with a warning.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.doctor.config_tables import parsed
from uvx_policy.doctor.finding import Check, Fix, Told
from uvx_policy.doctor.variables import set_in, unset_text
from uvx_policy.errors import Unreadable
from uvx_policy.settings.check import suggestion
from uvx_policy.uv.config import link_modes
from uvx_policy.uv.directories import user_file
from uvx_policy.uv.settings import is_boolean
from uvx_policy.uv.workspace import ancestors, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.toml_file import TomlFile

_BOOLEANS = ("UV_NO_CACHE", "UV_NO_CONFIG", "UV_OFFLINE")
_MUST_NOT_BE_EMPTY = ("UV_CACHE_DIR", "UV_CONFIG_FILE")


def look_uv_settings(case: Case) -> Iterator[Told]:
    """Does uv accept what is set for it? Otherwise no policy helps: nothing is installed."""
    if not case.uv:
        yield Told(status="skip", detail="there is no real uv")
        return
    yield from _refused_variables(case)
    for file, prefix in _files(case):
        yield from _refused_modes(case, file, prefix)


def _refused_variables(case: Case) -> Iterator[Told]:
    modes = _link_modes(case)
    mode = case.environ.get("UV_LINK_MODE")
    if mode is not None and mode not in modes:
        near = _near(mode, modes) if mode else ""
        yield _variable(case, "UV_LINK_MODE", f"it is none of {', '.join(modes)}", near)
    for name in _MUST_NOT_BE_EMPTY:
        if case.environ.get(name) == "":
            yield _variable(case, name, "it is empty")
    named = case.environ.get("UV_CONFIG_FILE")
    if named and not os.path.isfile(os.path.join(case.cwd, named)):
        yield _variable(case, "UV_CONFIG_FILE", "there is no such file")
    for name in _BOOLEANS:
        if not is_boolean(case.environ.get(name, "1")):
            yield _variable(case, name, "it is neither true nor false")


def _variable(case: Case, name: str, why: str, near: str = "") -> Told:
    where = set_in(case, name)
    remove = unset_text(where)
    return Told(
        status="fail",
        detail=f"uv refuses to start: `{name}={case.environ[name]}`{where and f' ({where})'}: "
        f"{why}.",
        fix=Fix(
            text=f"{near} If not: {remove[0].lower()}{remove[1:]}" if near else remove,
            command=f"unset {name}",
        ),
    )


def _refused_modes(case: Case, file: TomlFile, prefix: tuple[str, ...]) -> Iterator[Told]:
    modes = _link_modes(case)
    for keys in (("link-mode",), ("pip", "link-mode")):
        value = table(file.data, *prefix, *keys[:-1]).get(keys[-1])
        if value is None or value in modes:
            continue
        place = f"{file.path}:{file.line_of(*prefix, *keys)}"
        near = _near(str(value), modes)
        effect = (
            "uv skips the whole `[tool.uv]` with a warning, and with it all that stands there"
            if prefix
            else "uv refuses to start"
        )
        yield Told(
            status="warn" if prefix else "fail",
            detail=f"{effect}: `link-mode = {value}` ({place}) is none of {', '.join(modes)}.",
            fix=Fix(text=f"{near} Change it in `{place}`".strip()),
            paths=(file.path,),
        )


def _near(value: str, modes: tuple[str, ...]) -> str:
    told = suggestion(value, modes, "`")
    return f"D{told[1:]}" if told else ""


def _link_modes(case: Case) -> tuple[str, ...]:
    plan = case.sound_plan
    return link_modes(plan.version if plan else None)


def _files(case: Case) -> Iterator[tuple[TomlFile, tuple[str, ...]]]:
    """The files of uv's settings that count here, with the table that they are in."""
    named = case.environ.get("UV_CONFIG_FILE")
    if named:
        candidates = [os.path.join(case.cwd, named)]
    elif case.environ.get("UV_NO_CONFIG", "0").lower() in ("1", "true"):
        return
    else:
        try:
            candidates = [user_file(case.host)]
        except Unreadable:
            candidates = []
        yield from _of_project(case)
    for path in candidates:
        file = parsed(case, path) if path else None
        if file is not None:
            yield file, ()


def _of_project(case: Case) -> Iterator[tuple[TomlFile, tuple[str, ...]]]:
    """The nearest file above the workspace that has any: uv reads no other."""
    for directory in ancestors(case.workspace or case.cwd):
        own = parsed(case, os.path.join(directory, "uv.toml"))
        if own is not None:
            yield own, ()
            return
        project = parsed(case, os.path.join(directory, "pyproject.toml"))
        if project is not None and table(project.data, "tool", "uv"):
            yield project, ("tool", "uv")
            return


CHECKS: tuple[Check, ...] = (
    Check(
        id="uv-settings",
        title="uv accepts what is set for it",
        group="configuration",
        look=look_uv_settings,
    ),
)
