"""Check one settings file: every fault with its line, every value with its origin.

A project's table is untrusted: it has the five `KEYS` and their fixed values, never a free path.
What is shown of a file is made safe for terminals.
"""

from __future__ import annotations

from uvx_policy.faults import Fault
from uvx_policy.model import Origin
from uvx_policy.safe import safe
from uvx_policy.settings import path_glob
from uvx_policy.settings.keys import (
    CONFIG_TABLES,
    KEYS,
    NAMES,
    PROJECT,
    SEED_FROM,
    CacheEntry,
    Key,
    SeedSource,
    Setting,
)
from uvx_policy.state import layout
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from uvx_policy.faults import FaultKind
    from uvx_policy.toml_file import KeyPath, TomlFile

#: where the table of a project stands in pyproject.toml
PROJECT_TABLE: KeyPath = ("tool", layout.TABLE)

#: nobody reads more faults of one file, and finding near spellings takes time
_MOST_FAULTS = 100
_LONGEST_SHOWN = 60

_ONLY_USER = "only your own config.toml can have it"
_ADVICE_PROJECT = {
    "caches": _ONLY_USER,
    "defaults": _ONLY_USER,
    "rules": _ONLY_USER,
    "tool": f"in {layout.PROJECT_FILE} the keys stand at the top, without a table",
}
_ADVICE_CONFIG = dict.fromkeys(NAMES, "it belongs in [defaults]")


class Rule(Value):
    """One of `[[rules]]`."""

    #: a pattern of `path_glob`, absolute
    path: str
    settings: dict[str, Setting]


class Config(Value):
    """A config.toml, of the user or the machine."""

    defaults: dict[str, Setting] = {}  # noqa: RUF012 (never mutated)
    rules: tuple[Rule, ...] = ()
    caches: tuple[CacheEntry, ...] = ()
    seed_from: tuple[SeedSource, ...] = ()


class Checker:
    """Checks one file and collects its `faults`."""

    def __init__(
        self,
        file: TomlFile,
        *,
        home: str = "",
        windows: bool = False,
        names: Mapping[str, Callable[[], str]] | None = None,
    ) -> None:
        """`home`: what `~` stands for; `names`: what `{NAME}` does in `[caches]`, "" for nothing.

        Without `names` a brace is a character like any other.
        """
        self.file = file
        self.faults: list[Fault] = []
        self._home = home
        self._windows = windows
        self._names = names

    def project(self, layer: int = PROJECT) -> dict[str, Setting]:
        """Check a linkpolicy.toml, or the table in a pyproject.toml that has one."""
        if self.file.path.endswith(layout.PROJECT_FILE):
            return self._settings((), self.file.data, layer, advice=_ADVICE_PROJECT)
        table = self.file.data["tool"][layout.TABLE]
        return self._settings(PROJECT_TABLE, table, layer, advice=_ADVICE_PROJECT)

    def config(self, *, defaults: int, rules: int) -> Config:
        """Check a config.toml whose defaults and rules have these layers."""
        data = self.file.data
        self._unknown_keys((), data, tuple(CONFIG_TABLES), _ADVICE_CONFIG)
        return Config(
            defaults=self._settings(("defaults",), data.get("defaults", {}), defaults),
            caches=self._caches(data.get("caches", {})),
            seed_from=self._seed_from(data.get("caches", {})),
            rules=self._rules(data.get("rules", []), rules),
        )

    def fault(
        self, keys: KeyPath, message: str, advice: str = "", *, kind: FaultKind = "bad-value"
    ) -> None:
        """Keep a fault of what stands at `keys`."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(fault_at(self.file, keys, message, advice, kind=kind))

    def _settings(
        self,
        prefix: KeyPath,
        table: object,
        layer: int,
        *,
        extra: tuple[str, ...] = (),
        advice: dict[str, str] | None = None,
    ) -> dict[str, Setting]:
        """Check a table of `KEYS` and `extra` keys; the settings that are right."""
        if not isinstance(table, dict):
            self.fault(prefix, f"{_title(prefix)} must be a table, not {_described(table)}")
            return {}
        self._unknown_keys(prefix, table, (*NAMES, *extra), advice or {})
        found = {}
        for key in KEYS:
            keys = (*prefix, key.name)
            value = self._value(keys, key, table[key.name]) if key.name in table else ""
            if value:
                found[key.name] = Setting(value=value, origin=self._origin(keys), layer=layer)
        mode = found["link-mode"].value if "link-mode" in found else "auto"
        if table.get("hackable") is True and mode not in ("auto", "copy"):
            self.fault(
                (*prefix, "link-mode"),
                f'`link-mode = "{mode}"` contradicts `hackable = true`, which means private copies',
                "remove one of them",
                kind="contradiction",
            )
        return found

    def _value(self, keys: KeyPath, key: Key, value: object) -> str:
        """Check one value; "" when it is wrong."""
        if key.is_boolean and isinstance(value, bool):
            return str(value).lower()
        expected = "true or false" if key.is_boolean else f"one of {', '.join(key.allowed)}"
        found, advice = _described(value), ""
        if isinstance(value, str) and not key.is_boolean:
            meant = key.aliases.get(value, value)
            if meant in key.allowed:
                return meant
            found = f'"{shown(value)}"'
            advice = "a path can only stand in [caches] of your own config.toml"
            if "/" not in value and "\\" not in value:
                advice = suggestion(value, (*key.allowed, *key.aliases), '"')
        self.fault(keys, f"`{key.name}` must be {expected}, not {found}", advice)
        return ""

    def _rules(self, rules: object, layer: int) -> tuple[Rule, ...]:
        if not isinstance(rules, list):
            self.fault(("rules",), f"[[rules]] must be an array of tables, not {_described(rules)}")
            return ()
        found = []
        for index, table in enumerate(rules):
            keys: KeyPath = ("rules", index)
            settings = self._settings(keys, table, layer, extra=("path",))
            if isinstance(table, dict) and "path" not in table:
                message = "[[rules]] needs `path`, a pattern such as `~/oss/**`"
                self.fault(keys, message, kind="missing-key")
            elif isinstance(table, dict):
                path = self._absolute((*keys, "path"), "`path`", table["path"], pattern=True)
                if path:
                    found.append(Rule(path=path, settings=settings))
        return tuple(found)

    def _caches(self, caches: object) -> tuple[CacheEntry, ...]:
        if not isinstance(caches, dict):
            self.fault(("caches",), f"[caches] must be a table, not {_described(caches)}")
            return ()
        found: dict[str, CacheEntry] = {}
        for name, value in caches.items():
            if name == SEED_FROM:
                continue
            keys: KeyPath = ("caches", name)
            what = f"the cache of `{shown(name)}`"
            filesystem = self._absolute(keys, "a file system in [caches]", name, filled=True)
            directory = self._absolute(keys, what, value, filled=True)
            if filesystem in found:
                message = f"`{shown(filesystem)}` has a cache above already"
                self.fault(keys, message, kind="duplicate")
            elif filesystem and directory:
                found[filesystem] = CacheEntry(
                    filesystem=filesystem, directory=directory, origin=self._origin(keys)
                )
        return tuple(found.values())

    def _seed_from(self, caches: object) -> tuple[SeedSource, ...]:
        named = caches.get(SEED_FROM, []) if isinstance(caches, dict) else []
        keys: KeyPath = ("caches", SEED_FROM)
        if not isinstance(named, list):
            self.fault(keys, f"`{SEED_FROM}` must be an array of paths, not {_described(named)}")
            return ()
        what = f"a directory in `{SEED_FROM}`"
        paths = [self._absolute(keys, what, each, filled=True) for each in named]
        origin = self._origin(keys)
        return tuple(SeedSource(directory=path, origin=origin) for path in paths if path)

    def _filled(self, keys: KeyPath, text: str) -> str:
        """`text` with what its placeholders stand for; "" when one is wrong or stands for nothing.

        The latter is no fault: the entry is not for a user who has no name.
        """
        if self._names is None:
            return text
        filled = ""
        while text:
            plain, brace, text = text.partition("{")
            name, closing, text = text.partition("}") if brace else ("", "", "")
            if "}" in plain or (brace and not (closing and name in self._names)):
                known = " and ".join(f"`{{{each}}}`" for each in self._names)
                self.fault(keys, f"braces in [caches] of the machine can only be {known}")
                return ""
            value = self._names[name]() if brace else ""
            if brace and (not value or "/" in value or value in (".", "..")):
                return ""
            filled += plain + value
        return filled

    def _absolute(
        self,
        keys: KeyPath,
        what: str,
        value: object,
        *,
        pattern: bool = False,
        filled: bool = False,
    ) -> str:
        """Check a path; with `~` expanded and no needless slash, "" when it is wrong.

        `filled`: it may have placeholders.
        """
        if not isinstance(value, str):
            self.fault(keys, f"{what} must be a string, not {_described(value)}")
            return ""
        path = self._slashes(self._filled(keys, value) if filled else value)
        if value and not path:
            return ""
        if path == "~" or path.startswith("~/"):
            home = self._slashes(self._home)
            path = (path_glob.literal(home) if pattern else home) + path[1:]
        first, *rest = path.split("/")
        # On Windows `C:/...` or `//server/share/...`. `os.path.isabs` would answer for the system
        # that runs, not for the one whose file this is.
        root = "/" if self._windows and path.startswith("//") else first
        if not path.startswith("/") and not (self._windows and path[1:3] == ":/"):
            self.fault(keys, f'{what} must be absolute or begin with `~/`, not "{shown(value)}"')
        elif ".." in rest or "\0" in path:
            self.fault(keys, f'{what} must not contain `..` or NUL: "{shown(value)}"')
        else:
            parts = [part for part in rest if part not in ("", ".")]
            return f"{root}/{'/'.join(parts)}"
        return ""

    def _unknown_keys(
        self, prefix: KeyPath, table: Iterable[str], known: tuple[str, ...], advice: dict[str, str]
    ) -> None:
        where = f" in {_title(prefix)}" if prefix else ""
        for name in table:
            if name not in known and len(self.faults) < _MOST_FAULTS:
                told = advice.get(name) or suggestion(name, known, "`")
                message = f"unknown key `{shown(name)}`{where}"
                self.fault((*prefix, name), message, told, kind="unknown-key")

    def _origin(self, keys: KeyPath) -> Origin:
        return Origin(kind="file", name=self.file.path, line=self.file.line_of(*keys))

    def _slashes(self, path: str) -> str:
        return path.replace("\\", "/") if self._windows else path


def fault_at(
    file: TomlFile, keys: KeyPath, message: str, advice: str = "", *, kind: FaultKind = "bad-value"
) -> Fault:
    """Make a fault, with the line of what stands at `keys`, or else of the table around it."""
    lines = (file.line_of(*keys[:length]) for length in range(len(keys), -1, -1))
    line = next(filter(None, lines), 0)
    return Fault(kind=kind, path=file.path, line=line, keys=keys, message=message, advice=advice)


def has_table(pyproject: TomlFile) -> bool:
    """Tell whether a pyproject.toml has our table."""
    tool = pyproject.data.get("tool")
    return isinstance(tool, dict) and layout.TABLE in tool


def two_files(pyproject: TomlFile, alone: str) -> Fault:
    """A project whose settings are in both of its files."""
    message = f"[tool.linkpolicy] and `{alone}` exist"
    return fault_at(pyproject, PROJECT_TABLE, message, "keep only one", kind="contradiction")


def shown(text: str) -> str:
    """Make a stranger's text short, and safe to show."""
    return safe(text) if len(text) <= _LONGEST_SHOWN else f"{safe(text[:_LONGEST_SHOWN])}..."


def _title(prefix: KeyPath) -> str:
    """`[tool.linkpolicy]`, `[[rules]]`."""
    return "[[rules]]" if prefix[0] == "rules" else f"[{'.'.join(map(str, prefix))}]"


def _described(value: object) -> str:
    """Name a TOML value: `the string "yes"`, `the integer 3`, `an array`."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f'the string "{shown(value)}"'
    if isinstance(value, int):
        # Not its digits in every case: there may be thousands, which str() refuses.
        return f"the integer {value}" if abs(value) < 1 << 64 else "an integer"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, list):
        return "an array"
    return "a table" if isinstance(value, dict) else "a date or time"


def suggestion(word: str, options: tuple[str, ...], quote: str) -> str:
    """`did you mean X?` for the nearest option, "" when none is near."""
    import difflib  # late: slow to import, and only a fault needs it

    word = word[:_LONGEST_SHOWN].lower().replace("_", "-")
    near = difflib.get_close_matches(word, options, 1)
    return f"did you mean {quote}{near[0]}{quote}?" if near else ""
