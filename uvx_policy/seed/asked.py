"""What the words of one call ask uv for: names, requirement files, directories, repositories.

What is not understood makes the answer unclear, and is left to uv.
"""

from __future__ import annotations

import os

from uvx_policy.toml_file import parse_toml
from uvx_policy.uv.directories import tool_name
from uvx_policy.uv.requirement import Requirement, normalized
from uvx_policy.uv.script_block import block_text, find_script, read_block
from uvx_policy.uv.settings import VERSION_KEYS
from uvx_policy.uv.workspace import absolute, table
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from uvx_policy.decide import Facts
    from uvx_policy.host import Host
    from uvx_policy.uv.invocation import Invocation

#: options after which uv chooses other versions than the newest
_OTHER_VERSIONS = (
    "build-constraints", "exclude-newer", "excludes", "overrides", "pre", "prerelease",
    "resolution",
)  # fmt: skip
_OTHER_VERSIONS_VARIABLES = (
    "UV_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_OVERRIDE", "UV_PRERELEASE",
    "UV_RESOLUTION",
)  # fmt: skip
_ARCHIVES = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_COMMIT = 40
#: requirement files that name each other
_DEEPEST = 8
#: what uv takes if pyproject.toml does not name it
_BUILD_SYSTEM = ("setuptools>=40.8.0",)
_SEEDS = ("pip", "setuptools", "wheel")


class Directory(Value):
    """A project in a directory, which uv builds."""

    path: str
    extras: frozenset[str] = frozenset()


class Asked:
    """What a call wants, as it is collected."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.roots: list[Requirement] = []
        #: what restricts the roots and all below
        self.constraints: list[Requirement] = []
        self.directories: list[Directory] = []
        #: URLs of archives that are no wheels
        self.urls: list[str] = []
        #: commits of git
        self.commits: list[str] = []
        #: something decides about versions that is not understood
        self.every = False
        #: there is more that is not understood
        self.is_unclear = False

    def add(self, text: str, base: str) -> None:
        """Add a requirement, a path (relative to `base`) or a URL."""
        wanted = Requirement.parse(text)
        if wanted is not None and not _looks_like_path(text):
            self.roots.append(wanted)
            return
        name, at, url = text.partition("@")
        place = url.strip() if at and tool_name(name.strip()) and "/" not in name else text
        self._add_place(place.partition(" ;")[0].strip(), base)

    def add_all(self, texts: Iterable[object], base: str) -> None:
        """Add several, as a list of TOML has them."""
        for each in texts:
            if isinstance(each, str):
                self.add(each, base)
            else:
                self.is_unclear = True

    def add_file(self, path: str, *, constrains: bool = False, depth: int = 0) -> None:
        """Add what a requirement file names. Raises `Unreadable`."""
        name = os.path.basename(path)
        is_text = name.endswith((".txt", ".in")) or "." not in name
        text = self._host.read_text(path) if is_text and depth < _DEEPEST else None
        if text is None or "${" in text:
            self.is_unclear = True
            return
        for line in _lines(text):
            option, value = _option(line)
            named = os.path.join(os.path.dirname(path), value)
            if option in ("-r", "--requirement", "--requirements"):
                self.add_file(named, constrains=constrains, depth=depth + 1)
            elif option in ("-c", "--constraint", "--constraints"):
                self.add_file(named, constrains=True, depth=depth + 1)
            elif option in ("-e", "--editable"):
                self.add(value, os.path.dirname(path))
            elif option in ("--pre", "--prerelease"):
                self.every = True
            elif not option and constrains:
                wanted = Requirement.parse(line)
                self.constraints += [wanted] if wanted is not None else []
            elif not option:
                self.add(line, os.path.dirname(path))

    def add_project(self, data: dict[str, Any], base: str, extras: frozenset[str] | None) -> None:
        """Add what a pyproject.toml requires, with these extras; `None`: with all, and groups."""
        project = table(data, "project")
        dynamic = project.get("dynamic") or ()
        if not project or "dependencies" in dynamic or "optional-dependencies" in dynamic:
            self.is_unclear = True
        self.add_all(_listed(project.get("dependencies")), base)
        for name, texts in table(project, "optional-dependencies").items():
            if extras is None or normalized(name) in extras:
                self.add_all(_listed(texts), base)
        if extras is None:
            for texts in table(data, "dependency-groups").values():
                self.add_all([each for each in _listed(texts) if isinstance(each, str)], base)
            self.add_all(_listed(table(data, "tool", "uv").get("dev-dependencies")), base)
        self.heed_settings(data, base)

    def add_build_system(self, data: dict[str, Any], base: str) -> None:
        """Add what builds a project."""
        requires = table(data, "build-system").get("requires")
        self.add_all(_BUILD_SYSTEM if requires is None else _listed(requires), base)

    def heed_settings(self, data: dict[str, Any], base: str) -> None:
        """Let `[tool.uv]` say where packages come from, and whether other versions are chosen."""
        settings = table(data, "tool", "uv")
        self.every = self.every or any(key in settings for key in VERSION_KEYS)
        for name, source in table(settings, "sources").items():
            wanted = normalized(name)
            sources = source if isinstance(source, list) else [source]
            if any(isinstance(each, dict) and not each.get("index") for each in sources):
                self.roots = [each for each in self.roots if each.name != wanted]
                for each in sources:
                    self._add_source(each if isinstance(each, dict) else {}, base)

    def _add_source(self, source: dict[str, Any], base: str) -> None:
        path, url, commit = source.get("path"), source.get("url"), source.get("rev")
        if isinstance(path, str):
            self._add_place(os.path.join(base, path), base)
        elif isinstance(url, str):
            self._add_place(url, base)
        elif source.get("git") and isinstance(commit, str) and _is_commit(commit):
            self.commits.append(commit)
        else:
            self.is_unclear = True

    def _add_place(self, place: str, base: str) -> None:
        plain, _, extras = place.removesuffix("]").partition("[") if place[-1:] == "]" else (
            place, "", ""
        )  # fmt: skip
        named = frozenset(normalized(each) for each in extras.split(",") if each)
        if plain.startswith("git+"):
            commit = plain.partition("#")[0].rpartition("@")[2]
            if _is_commit(commit):
                self.commits.append(commit)
            else:
                self.is_unclear = True
            return
        if plain.startswith(("http://", "https://")):
            self._add_url(plain, named)
            return
        path = absolute(base, plain.removeprefix("file://"))
        kind = self._host.kind(path)
        if kind == "directory":
            self.directories.append(Directory(path=path, extras=named))
        elif kind != "file" or not path.endswith(".whl"):
            self.is_unclear = True

    def _add_url(self, url: str, extras: frozenset[str]) -> None:
        file = url.partition("#")[0].partition("?")[0].rpartition("/")[2]
        if file.endswith(".whl") and file.count("-") > 3:  # noqa: PLR2004 (name-version-3 tags)
            name, version = file.split("-")[:2]
            specifier = f"=={version.replace('%2B', '+')}"
            self.roots.append(
                Requirement(name=normalized(name), extras=extras, specifier=specifier)
            )
        elif file.endswith(_ARCHIVES):
            self.urls.append(url.partition("#")[0])
        else:
            self.is_unclear = True


def of_words(host: Host, invocation: Invocation, facts: Facts, asked: Asked) -> bool:
    """Collect what a call names besides a project. `host`: at the directory that words count from.

    Tells whether it names anything. Raises `Unreadable` and `ConfigError`.
    """
    command = invocation.command
    _heed_options(host, invocation, asked)
    if command == ("tool", "upgrade"):
        _of_receipts(host, invocation, facts.destination.path, asked)
        return True
    if command == ("venv",):
        if not invocation.has("seed") and not host.environ.get("UV_VENV_SEED"):
            return False
        asked.add_all(_SEEDS, host.cwd)
        return True
    if command == ("pip", "sync"):
        for name in invocation.positionals:
            asked.add_file(os.path.join(host.cwd, name))
        return True
    _of_options(host, invocation, asked)
    if command in (("pip", "install"), ("tool", "install"), ("add",)):
        words = invocation.positionals
        if command == ("tool", "install"):
            words = tuple(_tool(word) for word in invocation.values("from") or words)
        asked.add_all(words, host.cwd)
        return True
    script = find_script(host, invocation) if command in (("run",), ("sync",)) else None
    block = read_block(host, script) if script is not None else None
    if script is not None and block is not None and facts.destination.kind == "environment":
        asked.add_all(_listed(block.data.get("dependencies")), os.path.dirname(script))
        asked.heed_settings(block.data, os.path.dirname(script))
        return True
    return any(invocation.has(name) for name in ("with", "with-editable", "with-requirements"))


def _heed_options(host: Host, invocation: Invocation, asked: Asked) -> None:
    if any(invocation.has(name) for name in _OTHER_VERSIONS) or any(
        host.environ.get(name) for name in _OTHER_VERSIONS_VARIABLES
    ):
        asked.every = True


def _of_options(host: Host, invocation: Invocation, asked: Asked) -> None:
    for value in invocation.values("with"):
        asked.add_all(_split(value), host.cwd)
    for name in ("editable", "with-editable"):
        asked.add_all((each for each in invocation.values(name) if each), host.cwd)
    for name in ("requirements", "with-requirements"):
        for file in invocation.values(name):
            _of_file(host, invocation, os.path.join(host.cwd, file), asked)
    for file in invocation.values("constraints"):
        asked.add_file(os.path.join(host.cwd, file), constrains=True)
    asked.add_all(invocation.values("with-executables-from"), host.cwd)
    if invocation.has("group") and invocation.command == ("pip", "install"):
        asked.is_unclear = True


def _of_file(host: Host, invocation: Invocation, path: str, asked: Asked) -> None:
    """Add a requirement file, a pyproject.toml, a `pylock.toml` or a script."""
    name = os.path.basename(path)
    if name.endswith(".py"):
        text = host.read_text(path)
        inside = block_text(text) if text is not None else None
        data = parse_toml(path, inside).data if inside is not None else {}
        asked.add_all(_listed(data.get("dependencies")), os.path.dirname(path))
        asked.is_unclear = asked.is_unclear or inside is None
    elif name.endswith(".toml"):
        text = host.read_text(path)
        data = parse_toml(path, text).data if text is not None else {}
        if name == "pyproject.toml":
            every = invocation.has("all-extras")
            extras = frozenset(normalized(each) for each in invocation.values("extra"))
            asked.add_project(data, os.path.dirname(path), None if every else extras)
            return
        packages = _listed(data.get("packages"))
        asked.add_all(
            (f"{each.get('name')}=={each.get('version')}" for each in packages
             if isinstance(each, dict) and each.get("version")),
            os.path.dirname(path),
        )  # fmt: skip
        asked.is_unclear = asked.is_unclear or not packages
    else:
        asked.add_file(path)


def _of_receipts(host: Host, invocation: Invocation, directory: str, asked: Asked) -> None:
    """Add what the tools that are upgraded were installed with."""
    paths = [directory]
    if len(invocation.positionals) != 1:
        named = [tool_name(word) for word in invocation.positionals]
        paths = [os.path.join(directory, name) for name in named or host.list_names(directory)]
    for path in paths:
        text = host.read_text(os.path.join(path, "uv-receipt.toml"))
        tool = table(parse_toml(path, text).data, "tool") if text is not None else {}
        for key in ("requirements", "constraints"):
            for each in _listed(tool.get(key)):
                wanted = _of_receipt(each) if isinstance(each, dict) else None
                if wanted is None:
                    asked.is_unclear = True
                else:
                    (asked.roots if key == "requirements" else asked.constraints).append(wanted)
        asked.every = (
            asked.every
            or bool(tool.get("overrides"))
            or any(key in table(tool, "options") for key in VERSION_KEYS)
        )
    for word in invocation.positionals:
        asked.add(word, host.cwd)


def _of_receipt(row: dict[str, Any]) -> Requirement | None:
    if row.keys() - {"name", "specifier", "extras", "marker"}:
        return None
    return Requirement(
        name=normalized(str(row.get("name"))),
        extras=frozenset(normalized(str(each)) for each in _listed(row.get("extras"))),
        specifier=str(row.get("specifier", "")),
    )


def _tool(word: str) -> str:
    """A requirement: `ruff@0.6` and `ruff@latest` are uv's own ways to say it."""
    name, at, version = word.partition("@")
    if not at or not tool_name(name) or "/" in word:
        return word
    return name if version == "latest" else f"{name}=={version}"


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _split(value: str) -> list[str]:
    """Requirements with commas between them, which stand in specifiers and extras as well."""
    found: list[str] = []
    for piece in value.split(","):
        goes_on = found and (found[-1].count("[") > found[-1].count("]"))
        if goes_on or (found and piece.strip()[:1] in "<>=!~"):
            found[-1] += f",{piece}"
        elif piece.strip():
            found.append(piece.strip())
    return found


def _lines(text: str) -> Iterable[str]:
    joined = text.replace("\r\n", "\n").replace("\\\n", " ")
    for line in joined.split("\n"):
        plain = line if line.lstrip()[:1] != "#" else ""
        plain = plain.partition(" #")[0].partition(" --hash")[0].strip()
        if plain:
            yield plain


def _option(line: str) -> tuple[str, str]:
    """(`-r`, `other.txt`); both "" for a requirement."""
    if line[0] != "-":
        return "", ""
    if line[:2] != "--" and len(line) > 2:  # noqa: PLR2004 (a dash and a letter)
        return line[:2], line[2:].lstrip(" =")
    option, _, value = line.replace("=", " ", 1).partition(" ")
    return option, value.strip()


def _is_commit(text: str) -> bool:
    return len(text) == _COMMIT and not text.strip("0123456789abcdef")


def _looks_like_path(text: str) -> bool:
    head = text.partition("[")[0].partition(";")[0]
    return head.startswith(".") or "/" in head or head.endswith((".whl", *_ARCHIVES))
