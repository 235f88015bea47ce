"""Checks of the tables of config.toml, the user's and the machine's: `[[rules]]` and `[caches]`."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.caches import sources
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, warn
from uvx_policy.errors import LinkPolicyError, Unreadable
from uvx_policy.filesystem import cache_safety, others
from uvx_policy.filesystem.cache_safety import Surroundings, Wish
from uvx_policy.filesystem.mounts import read_mount_table
from uvx_policy.host import nearest_existing
from uvx_policy.settings import path_glob
from uvx_policy.settings.check import Checker
from uvx_policy.settings.keys import MACHINE_DEFAULTS, MACHINE_RULES, USER_DEFAULTS, USER_RULES
from uvx_policy.settings.reader import names_of_user, rule_matches
from uvx_policy.state import layout, register
from uvx_policy.terminal.command import command
from uvx_policy.toml_file import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.filesystem.mounts import MountTable
    from uvx_policy.model import Mount
    from uvx_policy.settings.check import Config
    from uvx_policy.settings.keys import CacheEntry, SeedSource
    from uvx_policy.toml_file import TomlFile

#: directories that one `*` of a rule is looked up in
_MOST_DIRECTORIES = 1000
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def read_configs(case: Case) -> list[tuple[TomlFile, Config]]:
    """The machine's and the user's config.toml, as far as they are right."""
    platform, environ = case.host.platform, case.environ
    homes = layout.machine_config_homes(environ, platform)
    machine = [os.path.join(directory, layout.CONFIG_FILE) for directory in homes]
    home = layout.config_home(environ, platform)
    user = os.path.join(home, layout.CONFIG_FILE) if os.path.isabs(home) else ""
    own = layout.home(environ, platform)
    found = []
    for path, defaults, rules in (
        (next(filter(os.path.exists, machine), ""), MACHINE_DEFAULTS, MACHINE_RULES),
        (user, USER_DEFAULTS, USER_RULES),
    ):
        file = parsed(case, path) if path else None
        if file is not None:
            names = names_of_user(case.host) if defaults == MACHINE_DEFAULTS else None
            checker = Checker(file, home=own, windows=platform == "win32", names=names)
            found.append((file, checker.config(defaults=defaults, rules=rules)))
    return found


def parsed(case: Case, path: str) -> TomlFile | None:
    """A TOML file, `None` when it is absent, cannot be read or is broken."""
    try:
        return read_toml(case.host, path)
    except LinkPolicyError:  # told by the check of the settings
        return None


# Rules -------------------------------------------------------------------------------------------


def look_rules(case: Case) -> Iterator[Diagnostic]:
    """Rules that no environment and no directory is known for: most often a slip in the path."""
    for file, config in read_configs(case):
        for index, rule in enumerate(config.rules):
            if _leads_somewhere(rule.path) or _is_known(case, rule.path):
                continue
            line = file.line_of("rules", index, "path")
            yield warn(
                f"The rule for `{rule.path}` ({file.path}:{line}) matches no directory "
                "that exists and no environment that is known.",
                Fix.by("Correct its `path`, or remove the rule"),
                (file.path,),
            )


def _is_known(case: Case, pattern: str) -> bool:
    places = (each.project or os.path.dirname(each.path) for each in register.known(case.state))
    return any(rule_matches(case.host, pattern, (each, os.path.realpath(each))) for each in places)


def _leads_somewhere(pattern: str) -> bool:
    """Does a directory exist that the pattern matches, `**` aside? What cannot be read may."""
    fixed, wild = path_glob.split_literal(pattern)
    here = [fixed or "/"]
    for part in wild.split("/") if wild else ():
        if part == "**":
            break
        if len(here) > _MOST_DIRECTORIES:
            return True
        below = []
        for directory in here:
            names = _names(directory)
            if names is None:
                return True
            below += [
                os.path.join(directory, name)
                for name in names
                if path_glob.matches(f"/{part}", f"/{name}")
            ]
        here = below
    return any(_may_exist(path, directory=True) for path in here)


def _names(directory: str) -> list[str] | None:
    """Names in a directory, [] when it is none, `None` when that cannot be told."""
    try:
        return os.listdir(directory)
    except OSError as error:
        return [] if error.errno in _ABSENT else None


def _may_exist(path: str, *, directory: bool = False) -> bool:
    try:
        status = os.stat(path)
    except OSError as error:
        return error.errno not in _ABSENT
    return stat.S_ISDIR(status.st_mode) or not directory


# Caches ------------------------------------------------------------------------------------------


def look_entries(case: Case) -> Iterator[Diagnostic]:
    """Lines of `[caches]` that cannot be used, or that help nobody; what `seed-from` names."""
    try:
        table = read_mount_table(case.host)
    except Unreadable:
        return
    for _, config in read_configs(case):
        for entry in config.caches:
            why, fix = _why_entry(case, table, entry)
            if why:
                yield warn(
                    f"The cache for `{entry.filesystem}` ({entry.origin}) is not used: {why}.",
                    fix,
                    (entry.directory,),
                )
        for source in config.seed_from:
            why = sources.why_not_shared(case.host, source.directory)
            if why:
                yield warn(
                    f"Nothing is taken from the cache `{source.directory}` ({source.origin}): "
                    f"{why}.",
                    _fix_source(case, source),
                    (source.directory,),
                )


def _why_entry(case: Case, table: MountTable | None, entry: CacheEntry) -> tuple[str, Fix]:
    correct = Fix.by(f"Correct or remove the line `{entry.origin}`")
    if not _may_exist(entry.filesystem):
        text = f"Mount it, or remove the line `{entry.origin}`"
        return f"`{entry.filesystem}` does not exist", Fix.by(text)
    try:
        there = _mount_of(case, table, entry.filesystem)
        here = _mount_of(case, table, entry.directory)
    except Unreadable as error:
        return str(error), correct
    if there is not None and here is not None and there.device != here.device:
        return f"`{entry.directory}` is on another file system, at `{here.point}`", correct
    nowhere = Surroundings(destination="", project="", workspace="", cwd="")
    why = cache_safety.why_not(
        case.host, table, entry.directory, near=nowhere, wish=Wish(by_user=True)
    )
    directory = os.path.realpath(entry.directory)
    if why and _is_open(case, directory):
        close = command("chmod", "go-w", directory)
        correct = Fix.by("Remove write permission for others", close)
    return why and f"`{entry.directory}`: {why}", correct


def _fix_source(case: Case, source: SeedSource) -> Fix:
    directory = os.path.realpath(source.directory)
    if _is_open(case, directory):
        close = command("chmod", "-R", "go-w", directory)
        return Fix.by("Remove write permission for others", close)
    return Fix.by(f"Correct it, or remove it from `{source.origin}`")


def _is_open(case: Case, directory: str) -> bool:
    try:
        status = case.host.status(directory)
        if status is None or status.uid != case.host.uid:
            return False
        return bool(others.who_may_write(case.host, directory, status))
    except Unreadable:
        return False


def _mount_of(case: Case, table: MountTable | None, path: str) -> Mount | None:
    existing = nearest_existing(case.host, case.host.real_path(path))
    return table.find(existing, case.host.mount_id(existing)) if table else None


CHECKS: tuple[Check, ...] = (
    Check("rules", "Every rule has something to match", look_rules),
    Check("cache-entries", "Every entry in [caches] can be used", look_entries),
)
