"""Settings files that are named by their paths, checked as `reader` checks those in force."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.errors import ConfigError, Unreadable, UsageError
from uvx_policy.faults import unreadable
from uvx_policy.settings.check import Checker, has_table, two_files
from uvx_policy.settings.keys import USER_DEFAULTS, USER_RULES
from uvx_policy.state import layout
from uvx_policy.toml_file import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uvx_policy.faults import Fault
    from uvx_policy.host import Host

PYPROJECT = "pyproject.toml"
NAMES = (PYPROJECT, layout.PROJECT_FILE, layout.CONFIG_FILE)


def faults_of(host: Host, paths: Iterable[str]) -> list[Fault]:
    """Every fault of these files, each with the path as it is given here.

    The name of a file says what it is: one of `NAMES`. A pyproject.toml needs no table of ours.
    Raises `UsageError` for another name, and for a file that does not exist.
    """
    return [fault for path in paths for fault in _read_and_checked(host, path)]


def _read_and_checked(host: Host, path: str) -> list[Fault]:
    try:
        return _checked(host, path)
    except Unreadable as error:
        return [unreadable(error)]
    except ConfigError as error:
        return list(error.faults)


def _checked(host: Host, path: str) -> list[Fault]:
    name = os.path.basename(path)
    if name not in NAMES:
        raise UsageError(f"`{path}` is not named {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    file = read_toml(host, path)
    if file is None:
        raise UsageError(f"`{path}` cannot be found")
    checker = Checker(
        file,
        home=layout.home(host.environ, host.platform),
        windows=host.platform == "win32",
    )
    if name == layout.CONFIG_FILE:
        checker.config(defaults=USER_DEFAULTS, rules=USER_RULES)
    elif name == layout.PROJECT_FILE:
        checker.project()
    elif has_table(file):
        checker.project()
        beside = os.path.join(os.path.dirname(path), layout.PROJECT_FILE)
        if host.status(beside) is not None:
            checker.faults.append(two_files(file, beside))
    return checker.faults
