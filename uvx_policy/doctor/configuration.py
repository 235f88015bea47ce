"""Checks of what was written down: linkpolicy's own settings, and what was chosen for uv itself."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from uvx_policy import decide as policy
from uvx_policy import shim
from uvx_policy.doctor import config_tables, uv_settings
from uvx_policy.doctor.case import Case, where_decided
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, fine, warn
from uvx_policy.doctor.remedies import unset
from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.settings.reader import directories_between, read_settings
from uvx_policy.state import layout
from uvx_policy.terminal.command import command
from uvx_policy.uv.directories import own_cache, user_file
from uvx_policy.uv.workspace import ancestors, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.decide import Facts
    from uvx_policy.doctor.diagnostic import Deed
    from uvx_policy.faults import Fault
    from uvx_policy.model import Capability, Origin, Sourced
    from uvx_policy.pipeline import Plan

#: uv turns an impossible clone into hard links without a word from this version on
_SILENT_HARD_LINKS = (0, 10, 5)


# The files themselves -----------------------------------------------------------------------------


def settings_files(case: Case) -> tuple[str, ...]:
    """Every file that linkpolicy reads settings from here: machine, user, then the project's."""
    found = [file.path for file, _ in config_tables.read_configs(case)]
    for directory in reversed(directories_between(*_project(case))):
        alone = os.path.join(directory, layout.PROJECT_FILE)
        pyproject = os.path.join(directory, "pyproject.toml")
        parsed = config_tables.parsed(case, pyproject)
        if parsed and layout.TABLE in table(parsed.data, "tool"):
            found.append(pyproject)
        if os.path.isfile(alone):
            found.append(alone)
    return tuple(found)


def look_settings(case: Case) -> Iterator[Diagnostic]:
    """Every fault of every file at once; which files were read."""
    faults = _faults(case)
    if not faults:
        read = settings_files(case)
        listed = ", ".join(f"`{path}`" for path in read)
        yield fine(
            f"Settings are read from {listed}." if read else "No file has settings.", paths=read
        )
    for fault in faults:
        yield fail(
            f"{fault.statement}. Until this is fixed, uv runs without a policy.",
            _fix_of(fault),
            (fault.path,) if fault.path else (),
        )


def _fix_of(fault: Fault) -> Fix:
    if fault.kind == "writable-by-all":
        close = command("chmod", "o-w", fault.path)
        return Fix.by("Remove write permission for others", close, safe=True)
    advice = fault.advice or "correct or remove it"
    return Fix.by(f"{advice[0].upper()}{advice[1:]}")


def fix_settings(case: Case) -> Iterator[Deed]:
    """Take away everybody's right to write, which keeps a file from being used."""
    from uvx_policy.doctor.deeds import Entry, change_permissions

    for fault in _faults(case):
        if fault.kind == "writable-by-all":
            entry, typed = Entry.at(fault.path), str(command("chmod", "o-w", fault.path))
            mode = entry.permissions & ~stat.S_IWOTH
            yield change_permissions(entry, mode, would=typed, done=typed)


def _faults(case: Case) -> tuple[Fault, ...]:
    plan = case.sound_plan
    if case.faults or (plan is not None and plan.facts is not None):
        return case.faults
    # No uv, no project, or a command line that uv is left alone with: no settings were read.
    project, workspace = _project(case)
    try:
        read_settings(case.host, project=project, workspace=workspace, place=case.cwd)
    except ConfigError as error:
        return error.faults
    return ()


# Settings against what is possible ----------------------------------------------------------------


@where_decided
def look_possible(case: Case, plan: Plan, facts: Facts) -> Iterator[Diagnostic]:
    """Values that nothing can carry out here."""
    settings, outcome = facts.settings, plan.outcome
    if outcome.refusal is not None:
        yield fail(
            f'uv is not started here: `fallback = "error"` ({settings.fallback.origin}), '
            f"and {outcome.refusal.because}.",
            _change(case, "fallback", "copy", settings.fallback.origin),
        )
    elif outcome.link_mode.code in ("clone-impossible", "hardlink-impossible"):
        mode = settings.link_mode
        yield warn(
            f'`link-mode = "{mode.value}"` ({mode.origin}) cannot work, so each file is '
            f"copied: {outcome.link_mode.because}.",
            _change(case, "link-mode", "auto", mode.origin),
        )
    if facts.cache_dir or facts.no_cache:
        return
    cache = settings.cache
    if cache.value == "project" and outcome.cache_dir.code != "project-cache":
        name = f"{os.sep}{layout.PROJECT_CACHE}"
        reasons = [f"`{path}`: {why}" for path, why in plan.rejected if path.endswith(name)]
        because = reasons[0] if reasons else "the environment belongs to no project"
        yield warn(
            f'`cache = "project"` ({cache.origin}) is not possible: {because}.',
            _change(case, "cache", "auto", cache.origin),
        )
    if cache.value == "default" and facts.capability.clone == facts.capability.hardlink == "no":
        yield warn(
            f'`cache = "default"` ({cache.origin}) keeps uv\'s cache `{facts.cache}`, from '
            f"which nothing can be linked, so every file is copied: {facts.capability.detail}.",
            _change(case, "cache", "auto", cache.origin),
        )


def _change(case: Case, name: str, value: str, origin: Origin) -> Fix:
    """Put another value where this one came from."""
    directory, file = os.path.split(origin.name)
    if file not in ("pyproject.toml", layout.PROJECT_FILE):
        return Fix.by(f'Write `{name} = "{value}"` in `{origin}`')
    place = () if directory == case.cwd else (directory,)
    return Fix.by(
        f'Ask for `{name} = "{value}"`', command("linkpolicy", "init", *place, f"--{name}", value)
    )


# uv's own choices against the settings ------------------------------------------------------------


@where_decided
def look_choices(case: Case, plan: Plan, facts: Facts) -> Iterator[Diagnostic]:
    """What was chosen for uv itself always wins: told where it defeats a setting or cannot work."""
    # What would be without that choice may depend on a version that does not matter with it.
    facts = facts.replace(version=case.version)
    chosen = ", ".join(
        f"`{name} = {value.value}` ({value.origin})"
        for name, value in (("link-mode", facts.link_mode), ("cache-dir", facts.cache_dir))
        if value
    )
    well = fine(f"Chosen for uv itself, and kept: {chosen}." if chosen else "")
    yield from tuple(_bad_choices(case, plan, facts)) or (well,)


def _bad_choices(case: Case, plan: Plan, facts: Facts) -> Iterator[Diagnostic]:
    if facts.no_cache:
        effect = "switches the cache off, so everything is downloaded and copied each time"
        yield _choice(case, facts.no_cache, "no-cache", effect)
    if facts.link_mode:
        in_use = facts.place_capability if plan.outcome.cache_dir.value else facts.capability
        why = _why_mode(facts, facts.link_mode.value, in_use)
        if why:
            yield _choice(case, facts.link_mode, "link-mode", why)
    if facts.cache_dir and facts.settings.cache.value != "auto":
        cache = facts.settings.cache
        if os.path.realpath(facts.cache) != os.path.realpath(_asked_cache(case, facts)):
            effect = f'wins over `cache = "{cache.value}"` ({cache.origin})'
            yield _choice(case, facts.cache_dir, "cache-dir", effect)


def look_bypass(case: Case) -> Iterator[Diagnostic]:
    """The switch that turns the shim off."""
    if shim.is_quick(["sync"], case.environ):
        said, fix = unset(case, "LINKPOLICY_BYPASS")
        yield warn(f"{said} switches the policy off: the shim starts uv as it is.", fix)


def _why_mode(facts: Facts, chosen: str, in_use: Capability) -> str:
    """Why the link mode that was chosen for uv is not what anybody wants, "" when it is fine."""
    mode = "clone" if chosen == "reflink" else chosen
    settings = facts.settings
    says = settings.hackable if settings.hackable.value == "true" else settings.link_mode
    wished = policy.decide(facts.replace(link_mode=None)).link_mode.value
    if says.layer and wished not in (None, mode) and mode != settings.link_mode.value:
        said = "hackable = true" if says is settings.hackable else f'link-mode = "{says.value}"'
        return f"wins over `{said}` ({says.origin}), which would be `{wished}`"
    if mode == "clone" and in_use.clone == "no":
        silent = facts.version is not None and facts.version >= _SILENT_HARD_LINKS
        hard = silent and in_use.hardlink == "yes"
        effect = "hard links without a word" if hard else "copies"
        return f"cannot work, and uv makes {effect}: {in_use.detail}"
    if mode == "hardlink" and in_use.hardlink == "no":
        return f"cannot work, and uv makes copies: {in_use.detail}"
    return ""


def _asked_cache(case: Case, facts: Facts) -> str:
    if facts.settings.cache.value == "project":
        return os.path.join(facts.destination.workspace, layout.PROJECT_CACHE)
    try:
        return own_cache(case.host)
    except Unreadable:
        return ""


def _choice(case: Case, chosen: Sourced, key: str, effect: str) -> Diagnostic:
    origin = chosen.origin
    if origin.kind == "variable":
        said, fix = unset(case, origin.name, chosen.value)
    else:
        said = f"`{key} = {chosen.value}` for uv ({_whose(case, origin)})"
        fix = Fix.by(f"Remove `{key}` in `{origin}`, or the setting that it defeats")
    paths = (origin.name,) if origin.kind == "file" else ()
    return warn(f"{said} {effect}.", fix, paths)


def _whose(case: Case, origin: Origin) -> str:
    with contextlib.suppress(Unreadable):
        if origin.name == user_file(case.host):
            return f"{origin}, yours for every project"
    is_here = os.path.dirname(origin.name) in ancestors(case.cwd)
    return f"{origin}, {'this project' if is_here else 'the machine'}'s"


# Where settings stand -----------------------------------------------------------------------------


def _project(case: Case) -> tuple[str, str]:
    """Directory of the project whose settings count here, and its workspace root; "" for none."""
    plan = case.sound_plan
    if plan is not None and plan.facts is not None:
        return plan.destination.project, plan.destination.workspace
    for directory in ancestors(case.cwd):
        for name in ("pyproject.toml", layout.PROJECT_FILE):
            if os.path.isfile(os.path.join(directory, name)):
                return directory, directory
    return "", ""


CHECKS: tuple[Check, ...] = (
    Check("settings", "linkpolicy's settings are valid", look_settings, fix_settings),
    Check("settings-possible", "Every setting can be applied here", look_possible),
    Check("uv-choices", "No setting of uv's own is in the way", look_choices),
    *uv_settings.CHECKS,
    Check("bypass", "The policy is on", look_bypass),
    *config_tables.CHECKS,
)
