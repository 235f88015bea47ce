"""Check of what makes uv itself refuse to start, whatever linkpolicy does.

The common faults are told with the place where they are and what is meant. Each was tried with
every uv from 0.5.23 to 0.13.9: `uv sync` ends with 2, but for a `[tool.uv]` that cannot be
understood, which uv skips as a whole with a warning. For all others uv itself is asked, by
`uv cache dir`: it reads all settings and touches nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from itertools import islice
from typing import TYPE_CHECKING

from uvx_policy.doctor import started
from uvx_policy.doctor.case import Case, once, where_decided
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, skip
from uvx_policy.doctor.remedies import unset
from uvx_policy.errors import LinkPolicyError
from uvx_policy.settings.check import suggestion
from uvx_policy.uv.config import Layer, link_modes, project_layers
from uvx_policy.uv.directories import user_file
from uvx_policy.uv.settings import boolean
from uvx_policy.uv.workspace import TomlFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.decide import Facts
    from uvx_policy.doctor.diagnostic import Status
    from uvx_policy.doctor.started import Begun
    from uvx_policy.pipeline import Plan

_BOOLEANS = (
    "UV_COMPILE_BYTECODE", "UV_FROZEN", "UV_LOCKED", "UV_NATIVE_TLS", "UV_NO_BUILD_ISOLATION",
    "UV_NO_CACHE", "UV_NO_CONFIG", "UV_NO_PROGRESS", "UV_OFFLINE", "UV_PREVIEW",
)  # fmt: skip
_MUST_NOT_BE_EMPTY = ("UV_CACHE_DIR", "UV_CONFIG_FILE")


def look_uv_settings(case: Case) -> Iterator[Diagnostic]:
    """Does uv accept what is set for it? Otherwise no policy helps: nothing is installed."""
    if not case.uv:
        yield skip("there is no real uv")
        return
    yield from tuple(_known_faults(case)) or _what_uv_says(case)


def begin_uv_settings(case: Case) -> None:
    """Ask uv what `look_uv_settings` will want to know."""
    if case.uv:
        _begun(case)


def _known_faults(case: Case) -> Iterator[Diagnostic]:
    modes = link_modes(case.version)
    yield from _refused_variables(case, modes)
    for layer in _layers(case):
        yield from _refused_modes(layer, modes)
    yield from _refused_cache(case)


def _refused_variables(case: Case, modes: tuple[str, ...]) -> Iterator[Diagnostic]:
    mode = case.environ.get("UV_LINK_MODE")
    if mode is not None and mode not in modes:
        near = _near(mode, modes) if mode else ""
        yield _variable(case, "UV_LINK_MODE", f"it is not one of {', '.join(modes)}", near)
    for name in _MUST_NOT_BE_EMPTY:
        if case.environ.get(name) == "":
            yield _variable(case, name, "it is empty")
    named = case.environ.get("UV_CONFIG_FILE")
    if named and not os.path.isfile(os.path.join(case.cwd, named)):
        yield _variable(case, "UV_CONFIG_FILE", "it does not exist")
    for name in _BOOLEANS:
        if boolean(case.environ.get(name, "1")) is None:
            yield _variable(case, name, "it is not true or false")


def _variable(case: Case, name: str, why: str, near: str = "") -> Diagnostic:
    said, fix = unset(case, name)
    if near:
        fix = fix.replace(text=f"{near} If not: {fix.text[0].lower()}{fix.text[1:]}")
    return fail(f"`uv sync` refuses to start: {said}: {why}.", fix)


def _refused_modes(layer: Layer, modes: tuple[str, ...]) -> Iterator[Diagnostic]:
    for keys in (("link-mode",), ("pip", "link-mode")):
        mode = layer.get(*keys)
        if mode is None or mode.value in modes:
            continue
        near = _near(mode.value, modes)
        skipped = "uv skips the whole `[tool.uv]` with a warning, and with it all that stands there"
        effect = skipped if layer.prefix else "uv refuses to start"
        yield Diagnostic(
            "warn" if layer.prefix else "fail",
            f"{effect}: `link-mode = {mode.value}` ({mode.origin}) is not one of "
            f"{', '.join(modes)}.",
            Fix.by(f"{near} Change it in `{mode.origin}`".strip()),
            (layer.file.path,),
        )


@where_decided
def _refused_cache(_: Case, __: Plan, facts: Facts) -> Iterator[Diagnostic]:
    """Is the cache that counts an empty one of a file?"""
    cache = facts.cache_dir if facts.no_cache is None else None
    if cache is not None and not cache.value and cache.origin.kind == "file":
        yield fail(
            f'uv refuses to start: `cache-dir = ""` ({cache.origin}).',
            Fix.by(f"Remove it from `{cache.origin}`, or name a directory"),
            (cache.origin.name,),
        )


def _near(value: str, modes: tuple[str, ...]) -> str:
    told = suggestion(value, modes, "`")
    return f"D{told[1:]}" if told else ""


def _layers(case: Case) -> Iterator[Layer]:
    """The tables of uv's settings that count here."""
    files = TomlFiles(case.host)
    named = case.environ.get("UV_CONFIG_FILE")
    if not named and boolean(case.environ.get("UV_NO_CONFIG", "0")):
        return
    # A file that cannot be read or understood is told by other checks.
    with contextlib.suppress(LinkPolicyError):
        if not named:
            yield from islice(project_layers(files, case.workspace or case.cwd), 1)
    with contextlib.suppress(LinkPolicyError):
        path = os.path.join(case.cwd, named) if named else user_file(case.host)
        file = files.read(path) if path else None
        if file is not None:
            yield Layer(file=file, prefix=())


# Asked of uv itself ------------------------------------------------------------------------------

_SKIPS_A_FILE = "during settings discovery"
#: so many characters of what uv says
_WORDS = 300


@once
def _begun(case: Case) -> Begun:
    return started.begin([case.uv, "cache", "dir"], environ=case.environ, cwd=case.cwd)


def _what_uv_says(case: Case) -> Iterator[Diagnostic]:
    ended = started.end(case.uv, _begun(case))
    said = ended.said.strip()
    status: Status
    if ended.code == 2 and said.startswith("error: "):  # noqa: PLR2004 (uv's code for its errors)
        status, effect = "fail", "uv refuses to start"
    elif ended.code == 0 and said.startswith("warning: ") and _SKIPS_A_FILE in said:
        status, effect = "warn", "uv skips the settings of a whole file"
    else:
        return
    yield Diagnostic(status, f"{effect}: {_in_one_line(said)}", Fix.by("Fix what uv names"))


def _in_one_line(said: str) -> str:
    """The first message without its picture of the source, the causes after it."""
    import textwrap  # late: only a fault needs it

    words = [line.strip() for line in said.splitlines() if not _PICTURE.match(line)]
    message = [words[0].partition(": ")[2]]
    for line in words[1:]:
        if line.startswith(("warning: ", "error: ", "hint: ")):
            break
        message.append(_LEFT_OUT.sub("", line))
    return textwrap.shorten(": ".join(filter(None, (part.rstrip(":") for part in message))), _WORDS)


#: what stands before a cause; after an unknown key, the list of all that are known
_LEFT_OUT = re.compile(r"^(Caused by|cause): |, expected one of .*$")
#: of a line of TOML: the rule beside it, its number, the marks below it
_PICTURE = re.compile(r"^\s*\d*\s*\|")

CHECKS: tuple[Check, ...] = (
    Check(
        "uv-settings", "uv accepts what is set for it", look_uv_settings, begin=begin_uv_settings
    ),
)
