"""linkpolicy's own settings for one environment: found, read, checked, merged, with origins.

Faults are collected over all files, so that they can be fixed in one go.
"""

from __future__ import annotations

import os

from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.faults import Fault, unreadable
from uvx_policy.settings import keys, path_glob
from uvx_policy.settings.check import Checker, Config, has_table, two_files
from uvx_policy.settings.keys import KEYS, CacheEntry, Setting, Settings
from uvx_policy.state import layout
from uvx_policy.toml_file import parse_toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from uvx_policy.host import Host
    from uvx_policy.toml_file import TomlFile

__all__ = ("KEYS", "CacheEntry", "Setting", "Settings", "merge", "read_settings")


def read_settings(host: Host, *, project: str, workspace: str, place: str) -> Settings:
    """Read and merge everything that applies to one environment.

    `project`: directory of the environment's project, "" if none; `workspace`: its workspace root;
    `place`: what `[[rules]]` are matched against when there is no project. All absolute.
    Key by key the most specific table wins; among the rules that match, the last.
    Raises `ConfigError` with every fault of every file, unreadable files included.
    """
    reader = _Reader(host)
    # Any owner will do: in a user namespace root's files belong to "nobody".
    homes = layout.machine_config_homes(host.environ, host.platform)
    machine = reader.config(homes, keys.MACHINE_DEFAULTS, keys.MACHINE_RULES, any_owner=True)
    home = layout.config_home(host.environ, host.platform)
    # With a relative HOME, whoever owns the current directory would be "the user".
    homes = (home,) if os.path.isabs(home) else ()
    user = reader.config(homes, keys.USER_DEFAULTS, keys.USER_RULES, any_owner=False)
    tables = [machine.defaults, user.defaults]
    rules = (*machine.rules, *user.rules)
    if rules and (project or place):
        paths = reader.spellings(project or place)
        tables += [rule.settings for rule in rules if rule_matches(host, rule.path, paths)]
    way = directories_between(project, workspace)
    for layer, directory in enumerate(reversed(way), keys.PROJECT):
        tables.append(reader.project(directory, layer))
    if reader.faults:
        raise ConfigError(*reader.faults)
    chosen = merge(tables)
    own = {entry.filesystem for entry in user.caches}
    return Settings(
        **{key.field: chosen[key.name] for key in KEYS if key.name in chosen},
        caches=(*user.caches, *(each for each in machine.caches if each.filesystem not in own)),
        seed_from=(*user.seed_from, *machine.seed_from),
    )


def names_of_user(host: Host) -> dict[str, Callable[[], str]]:
    """What `[caches]` of the machine may say in braces; "" for what this user does not have."""

    def name() -> str:
        try:
            return host.account(host.uid)
        except Unreadable:
            return ""

    return {"user": name, "uid": lambda: str(host.uid) if host.uid >= 0 else ""}


def merge(tables: Iterable[dict[str, Setting]]) -> dict[str, Setting]:
    """Key by key the setting of the highest layer; within a layer the later table's."""
    chosen: dict[str, Setting] = {}
    for table in tables:
        for name, setting in table.items():
            if name not in chosen or setting.layer >= chosen[name].layer:
                chosen[name] = setting
    return chosen


def directories_between(project: str, workspace: str) -> list[str]:
    """From the project up to its workspace root; only these two if it does not lie inside."""
    if not project:
        return []
    way = [project]
    while workspace and way[-1] != workspace:
        above = os.path.dirname(way[-1])
        if above == way[-1]:
            return [project, workspace]
        way.append(above)
    return way


def rule_matches(host: Host, pattern: str, paths: tuple[str, ...]) -> bool:
    """Match a rule as written; if in vain, with the fixed part of its pattern resolved.

    Where /home is a link to /var/home, HOME says /home/me and getcwd(3) says /var/home/me.
    """
    if host.platform == "win32":
        pattern, paths = pattern.lower(), tuple(path.lower() for path in paths)
    if any(path_glob.matches(pattern, path) for path in paths):
        return True
    fixed, wild = path_glob.split_literal(pattern)
    try:
        real = host.real_path(fixed or "/")
    except Unreadable:
        # A rule of the machine for a directory that this user cannot enter: no fault of theirs,
        # and no project of theirs is in there.
        return False
    resolved = f"{path_glob.literal(_slashes(real, host.platform))}/{wild}"
    return any(path_glob.matches(resolved, path) for path in paths)


class _Reader:
    """Reads and checks files through the host and keeps the faults of all of them."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.faults: list[Fault] = []

    def config(
        self, homes: tuple[str, ...], defaults: int, rules: int, *, any_owner: bool
    ) -> Config:
        """Read the first config.toml that may be used; these are the layers of what it holds."""
        paths = [os.path.join(home, layout.CONFIG_FILE) for home in homes]
        path = next((each for each in paths if self.may_use(each, any_owner=any_owner)), "")
        file = self._parsed(path) if path else None
        if file is None:
            return Config()
        home = layout.home(self.host.environ, self.host.platform)
        checker = Checker(
            file,
            home=home,
            windows=self.host.platform == "win32",
            names=names_of_user(self.host) if defaults == keys.MACHINE_DEFAULTS else None,
        )
        found = checker.config(defaults=defaults, rules=rules)
        self.faults += checker.faults
        return found

    def project(self, directory: str, layer: int) -> dict[str, Setting]:
        """Read the table of one directory; {} for none."""
        # Parsing costs far more than a search, and most projects have no table of ours.
        pyproject = self._parsed(os.path.join(directory, "pyproject.toml"), only_with=layout.TABLE)
        if pyproject is not None and not has_table(pyproject):
            pyproject = None
        alone = self._parsed(os.path.join(directory, layout.PROJECT_FILE))
        if pyproject is not None and alone is not None:
            self.faults.append(two_files(pyproject, alone.path))
        settings: dict[str, Setting] = {}
        for file in (alone, pyproject):
            if file is not None:
                checker = Checker(file)
                settings = checker.project(layer)
                self.faults += checker.faults
        return settings

    def spellings(self, path: str) -> tuple[str, ...]:
        """`path` as given and without symbolic links, with `/`."""
        try:
            real = self.host.real_path(path)
        except Unreadable as error:
            self.faults.append(unreadable(error))
            real = path
        return (_slashes(path, self.host.platform), _slashes(real, self.host.platform))

    def may_use(self, path: str, *, any_owner: bool) -> bool:
        """Tell whether a file that may name free paths exists and only we or root can write it.

        Under sudo with HOME kept, the invoking user's file is neither: reported, not used.
        """
        try:
            status = self.host.status(path)
        except Unreadable as error:
            self.faults.append(unreadable(error))
            return False
        if status is None:
            return False
        if self.host.uid < 0:  # Windows: its access lists are beyond us
            return True
        if not any_owner and status.uid not in (0, self.host.uid):
            message = (
                f"is not used, because it belongs to user {status.uid}, neither to you "
                f"(user {self.host.uid}) nor to root"
            )
            fault = Fault(kind="not-owned", path=path, message=message)
        elif status.mode & 0o002:
            message = "is not used, because everyone can write to it"
            advice = "chmod o-w it"
            fault = Fault(kind="writable-by-all", path=path, message=message, advice=advice)
        else:
            return True
        self.faults.append(fault)
        return False

    def _parsed(self, path: str, *, only_with: str = "") -> TomlFile | None:
        try:
            text = self.host.read_text(path)
            return None if text is None or only_with not in text else parse_toml(path, text)
        except Unreadable as error:
            self.faults.append(unreadable(error))
        except ConfigError as error:
            self.faults += error.faults
        return None


def _slashes(path: str, platform: str) -> str:
    return path.replace("\\", "/") if platform == "win32" else path
