"""What the files of a project say about the tools that it uses. Read as text and TOML, never run.

Tolerant: a file that is absent, too large or broken says nothing here; whoever owns it says so.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from uvx_policy.errors import ConfigError
from uvx_policy.foreign_file import read_foreign
from uvx_policy.toml_file import parse_toml
from uvx_policy.uv.workspace import ancestors, table

if TYPE_CHECKING:
    from collections.abc import Iterator

#: larger files are nobody's configuration
_LARGEST = 1024 * 1024
#: files that make a directory the one that a tool is started in
_MARKS = (
    "pyproject.toml", "linkpolicy.toml", "tox.ini", "tox.toml", "noxfile.py", "hatch.toml",
    "pdm.toml", ".pre-commit-config.yaml", "setup.cfg", "setup.py",
)  # fmt: skip
#: files whose lines are commands
_TASKS = (
    "Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", ".justfile", "Taskfile.yml",
    "Taskfile.yaml", "tasks.py", "package.json", "noxfile.py", "tox.ini", "tox.toml",
    "pyproject.toml", "hatch.toml",
)  # fmt: skip


class Mention(NamedTuple):
    """One place in a file. `str()` gives what a person reads: `path:line`."""

    path: str
    #: 1-based
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class Requirement(NamedTuple):
    """One dependency that is declared somewhere: the start of a line of PEP 508."""

    #: normalised: lower case, `-`
    name: str
    extras: tuple[str, ...]
    at: Mention
    #: where in pyproject.toml: ("dependency-groups", "dev"); () elsewhere
    table: tuple[str, ...] = ()


class ProjectFiles:
    """The files of one directory."""

    def __init__(self, directory: str) -> None:
        """`directory` is absolute."""
        self.directory = directory
        self._texts: dict[str, str] = {}
        self._tables: dict[str, dict[str, Any]] = {}

    def text(self, name: str) -> str:
        """The file as text, "" when there is nothing to read."""
        if name not in self._texts:
            self._texts[name] = read_text(os.path.join(self.directory, name))
        return self._texts[name]

    def toml(self, name: str) -> dict[str, Any]:
        """The file as TOML, {} when it is none."""
        if name not in self._tables:
            try:
                self._tables[name] = parse_toml(name, self.text(name)).data
            except ConfigError:
                self._tables[name] = {}
        return self._tables[name]

    def tool(self, name: str) -> dict[str, Any]:
        """The table `[tool.<name>]` of pyproject.toml."""
        return table(self.toml("pyproject.toml"), "tool", name)

    def has(self, *names: str) -> bool:
        """Tell whether one of these files is there and holds anything."""
        return any(self.text(name) for name in names)

    def find(self, pattern: str, *names: str) -> Mention | None:
        """The first line of these files that the regular expression is found in; no comments."""
        wanted = re.compile(pattern)
        for name in names:
            if not wanted.search(self.text(name)):
                continue
            for number, line in enumerate(self.text(name).splitlines(), 1):
                if wanted.search(line) and not line.lstrip().startswith(("#", "//")):
                    return Mention(os.path.join(self.directory, name), number)
        return None

    def command(self, pattern: str) -> Mention | None:
        """The same in all files whose lines are commands."""
        return self.find(pattern, *_TASKS)

    def require(self, name: str, *, extra: str = "") -> Requirement | None:
        """The first request for this package, with this extra; `None` when there is none."""
        for each in self.requirements:
            if each.name == name and (not extra or extra in each.extras):
                return each
        return None

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """Every package that pyproject.toml, a requirements file or tox asks for by name."""
        return (*self._of_pyproject(), *self._of_requirement_files(), *self._of_tox())

    @cached_property
    def tox(self) -> tuple[str, ...]:
        """`requires` of tox, wherever tox reads it from; () when there is no tox."""
        listed = _strings(self._tox_table.get("requires"))
        listed += [line.strip() for line in "\n".join(self._tox_ini("requires")).splitlines()]
        return tuple(filter(None, listed))

    def tox_value(self, key: str) -> str:
        """The same for one text of tox, "" when it says nothing."""
        said = self._tox_table.get(key)
        return said if isinstance(said, str) else next(iter(self._tox_ini(key)), "").strip()

    @property
    def _tox_table(self) -> dict[str, Any]:
        return self.toml("tox.toml") or self.tool("tox")

    def _tox_ini(self, key: str) -> Iterator[str]:
        legacy = self._tox_table.get("legacy_tox_ini")
        for text, section in (
            (self.text("tox.ini"), "tox"),
            (self.text("setup.cfg"), "tox:tox"),
            (legacy if isinstance(legacy, str) else "", "tox"),
        ):
            value = _ini_value(text, section, key)
            if value:
                yield value

    @property
    def has_tox(self) -> bool:
        """Tell whether tox has anything to do here."""
        return self.has("tox.ini", "tox.toml") or bool(self.tool("tox") or self.tox)

    def _of_pyproject(self) -> Iterator[Requirement]:
        data = self.toml("pyproject.toml")
        for above in _TABLES_OF_LISTS:
            for key, listed in table(data, *above).items():
                yield from self._requirements(listed, "pyproject.toml", (*above, key))
        for key in ("dependencies", "dev-dependencies"):
            for above in (("project",), ("tool", "uv")):
                listed = table(data, *above).get(key)
                yield from self._requirements(listed, "pyproject.toml", (*above, key))
        for name, environment in table(data, "tool", "hatch", "envs").items():
            for key in ("dependencies", "extra-dependencies"):
                if isinstance(environment, dict):
                    keys = ("tool", "hatch", "envs", name, key)
                    yield from self._requirements(environment.get(key), "pyproject.toml", keys)
        groups = table(data, "tool", "poetry", "group").values()
        for named in (self.tool("poetry"), *(group for group in groups if isinstance(group, dict))):
            yield from self._of_poetry(table(named, "dependencies"))

    def _of_poetry(self, listed: dict[str, Any]) -> Iterator[Requirement]:
        for name, value in listed.items():
            extras = _strings(value.get("extras") if isinstance(value, dict) else None)
            at = self._place("pyproject.toml", name)
            yield Requirement(_normal(name), tuple(map(_normal, extras)), at)

    def _of_requirement_files(self) -> Iterator[Requirement]:
        try:
            names = sorted(os.listdir(self.directory))
        except (OSError, ValueError):
            return
        for name in names:
            if "requirements" in name and name.endswith((".txt", ".in")):
                yield from self._requirements(self.text(name).splitlines(), name)

    def _of_tox(self) -> Iterator[Requirement]:
        for name in ("tox.ini", "tox.toml", "pyproject.toml", "setup.cfg"):
            if self.text(name):
                found = self._requirements(list(self.tox), name)
                yield from (each for each in found if each.at.line)

    def _requirements(
        self, listed: object, name: str, keys: tuple[str, ...] = ()
    ) -> Iterator[Requirement]:
        for line in _strings(listed):
            found = _REQUIREMENT.match(line)
            if found:
                extras = tuple(map(_normal, (found[2] or "").split(",")))
                yield Requirement(_normal(found[1]), extras, self._place(name, line.strip()), keys)

    def _place(self, name: str, text: str) -> Mention:
        """The first line of the file that has this text, line 0 when none has."""
        before, found, _ = self.text(name).partition(text)
        line = before.count("\n") + 1 if found else 0
        return Mention(os.path.join(self.directory, name), line)


#: tables of pyproject.toml whose values are lists of requirements
_TABLES_OF_LISTS = (
    ("project", "optional-dependencies"),
    ("dependency-groups",),
    ("tool", "pdm", "dev-dependencies"),
)
#: PEP 508: a name, perhaps extras; what follows is the version's business
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")


def find_directory(start: str) -> str:
    """The nearest directory, from `start` (absolute) upward, that tools are configured in.

    "" when there is none up to the root or to a directory that holds `.git`.
    """
    for here in ancestors(start):
        if any(os.path.lexists(os.path.join(here, name)) for name in _MARKS):
            return here
        if os.path.lexists(os.path.join(here, ".git")):
            break
    return ""


def read_text(path: str) -> str:
    """A regular file as text, "" when it is absent, too large, no file or not readable."""
    try:
        return read_foreign(path, _LARGEST).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _strings(listed: object) -> list[str]:
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _ini_value(text: str, section: str, key: str) -> str:
    if section not in text or key not in text:
        return ""
    import configparser

    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        return ""
    return parser.get(section, key, fallback="") or ""
