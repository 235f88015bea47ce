"""What a call needs, one cache holds and another lacks.

What it cannot tell it leaves out, and says so. Everything is seen through the `Host`: what is there
now may be gone at the next call.
"""

from __future__ import annotations

import os

from uvx_policy.seed.asked import Asked, of_words
from uvx_policy.seed.closure import Resolver
from uvx_policy.seed.python_tag import python_tag
from uvx_policy.toml_file import parse_toml
from uvx_policy.uv import locked
from uvx_policy.uv.cache_digest import cache_digest, file_url
from uvx_policy.uv.invocation import parse_detailed
from uvx_policy.uv.requirement import Requirement, takes
from uvx_policy.uv.up_to_date import is_up_to_date
from uvx_policy.uv.workspace import absolute, table
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from uvx_policy.decide import Facts
    from uvx_policy.host import Host
    from uvx_policy.seed.asked import Directory
    from uvx_policy.uv.invocation import Invocation
    from uvx_policy.uv.locked import Lock, Versions

_PROJECT = "pyproject.toml"
#: commands that install what the lock file says
_LOCKED = (
    ("sync",), ("run",), ("check",), ("add",), ("remove",), ("version",), ("workspace", "metadata"),
)  # fmt: skip
#: those of them that write it anew
_LOCKING = (("add",), ("remove",), ("version",))
_UPGRADES = ("upgrade", "upgrade-package", "upgrade-group")
#: what a backend asks for when it builds, beside what requires it
_BACKEND_ASKS = {"hatchling": "editables", "setuptools": "wheel"}
#: files whose change makes uv build a directory again
_BUILD_FILES = (_PROJECT, "setup.py", "setup.cfg")
#: digits of a commit in the name of what was built of it
_SHORT_COMMIT = 16
#: directories of projects that name each other
_MOST_DIRECTORIES = 200


class Lacked(Value):
    """What there is to bring."""

    #: distributions
    packages: Versions
    #: packages whose answers of an index and metadata are needed, too: uv resolves
    described: Versions
    #: paths below a cache: of what was built of a directory, and of repositories
    built: tuple[str, ...]
    #: "cp311" when nothing else is needed, "" when that cannot be told
    python: str
    #: there may be more
    is_unclear: bool


def find(
    host: Host,
    facts: Facts,
    invocation: Invocation,
    *,
    place: str,
    into: str,
    chooses_versions: bool,
) -> Lacked | None:
    """What the call needs, `facts.cache` holds and `place` lacks; `None` when it cannot be told.

    `host` is at the directory where uv works, `into` where it installs. `chooses_versions`: uv is
    configured to take others than the newest. Raises `Unreadable` and `ConfigError`.
    """
    host.witnesses.look_closer()
    invocation = parse_detailed(invocation.program, invocation.arguments)
    python = python_tag(host, facts, invocation, into)
    rich, poor = (locked.Buckets(host, cache, python) for cache in (facts.cache, place))
    resolver = Resolver(host, rich, poor)
    caches = Caches(rich=rich, poor=poor, resolver=resolver, python=python)
    is_locked = invocation.command in _LOCKED and facts.destination.kind == "project"

    def search(*, heeds_installed: bool) -> Lacked | None:
        installed_in = into if heeds_installed else ""
        found = _Search(host, facts, invocation, place, installed_in, caches)
        found.asked.every = chooses_versions
        if is_locked:
            found.see_project()
        names_any = of_words(host, invocation, facts, found.asked)
        if not names_any and not is_locked and invocation.command != ("venv",):
            return None
        found.see_words()
        return found.result()

    # What is installed is different after each `uv pip install`: where the place has it all, a
    # decision does not depend on it.
    lacked = search(heeds_installed=is_locked)
    if is_locked or lacked is None or not (lacked.packages or lacked.described or lacked.built):
        return lacked
    return search(heeds_installed=True)


class Caches(Value):
    """What there is to choose from."""

    rich: locked.Buckets
    poor: locked.Buckets
    resolver: Resolver
    #: see `Lacked`
    python: str


class _Search:
    """Collects what one call needs."""

    def __init__(
        self,
        host: Host,
        facts: Facts,
        invocation: Invocation,
        place: str,
        into: str,
        caches: Caches,
    ) -> None:
        """`into`: "" when nothing counts as installed."""
        self._host, self._facts, self._invocation = host, facts, invocation
        self._place, self._into = place, into
        self.asked = Asked(host)
        anew = invocation.has("reinstall") or invocation.has("reinstall-package")
        is_new = host.kind(facts.destination.path) == "absent"
        self._site_names = host.list_names(into) if into and not is_new else ()
        self._installed = {} if anew else locked.installed_in(self._site_names)
        self._upgrades = invocation.command == ("tool", "upgrade") or any(
            invocation.has(name) for name in _UPGRADES
        )
        self._lock: Lock | None = None
        self._caches = caches
        self._packages: dict[str, tuple[str, ...]] = {}
        self._described: dict[str, tuple[str, ...]] = {}
        self._built: dict[str, None] = {}
        self._is_unheld = False

    def see_project(self) -> None:
        """Add what the project needs whose environment it is."""
        workspace = self._facts.destination.workspace
        lock = locked.read(self._host, os.path.join(workspace, "uv.lock")) if workspace else None
        if lock is None:
            self._see_unlocked(workspace)
            return
        self._lock = lock
        _add(self._packages, locked.missing(lock.versions, self._installed))
        current = self._see_directories(lock, workspace)
        resolves = self._resolves(is_current=current)
        for each in lock.packages:
            if each.kind == "git" and (resolves or each.name not in self._installed):
                self._see_commit(each.place, anyway=resolves)
            elif each.kind == "url" and each.name not in self._installed:
                self._see_built("url", each.place)
            elif each.kind == "path" and each.name not in self._installed:
                self._see_built("path", file_url(absolute(workspace, each.place)))
        if resolves:
            _add(self._described, lock.versions)
            if not current:
                self.asked.add_project(self._pyproject(workspace), workspace, None)

    def _see_directories(self, lock: Lock, workspace: str) -> bool:
        """Add what is built of directories. Tells whether the lock file holds for all of them."""
        current = True
        for each in lock.packages:
            directory = absolute(workspace, each.place)
            if each.kind in ("directory", "editable", "virtual"):
                data = self._pyproject(directory)
                current = current and is_up_to_date(lock.text, each.name, data)
                if each.kind != "virtual" and self._is_to_build(each.name, directory):
                    self._see_build(directory, data)
        return current

    def _see_unlocked(self, workspace: str) -> None:
        data = self._pyproject(workspace) if workspace else {}
        if not data or table(data, "tool", "uv", "workspace"):
            self.asked.is_unclear = True
            return
        self.asked.add_project(data, workspace, None)
        if "build-system" in data:
            self._see_build(workspace, data)

    def _resolves(self, *, is_current: bool) -> bool:
        """Will uv ask what versions there are?"""
        command, environ = self._invocation.command, self._host.environ
        if self._invocation.has("frozen") or environ.get("UV_FROZEN"):
            return False
        return command in _LOCKING or self._upgrades or not is_current

    def see_words(self) -> None:
        """Add what was asked for, and all that it needs."""
        asked, invocation = self.asked, self._invocation
        seen: set[str] = set()
        while len(seen) < _MOST_DIRECTORIES:
            directory = next((each for each in asked.directories if each.path not in seen), None)
            if directory is None:
                break
            seen.add(directory.path)
            self._see_directory(directory)
        for commit in asked.commits:
            self._see_commit(commit, anyway=True)
        for url in asked.urls:
            self._see_built("url", url)
        # uv looks at what is installed first, and at nothing else if it will do.
        is_pip = invocation.command == ("pip", "install")
        if is_pip and not self._upgrades and all(map(self._is_satisfied, asked.roots)):
            return
        follows = invocation.command != ("pip", "sync") and not invocation.has("no-deps")
        # What `uv run --with` adds has an environment of its own.
        is_apart = invocation.command == ("run",) and self._facts.destination.kind == "project"
        self._resolve(
            asked.roots,
            preferred=self._preferred(),
            follows=follows,
            into_environment=not is_apart,
        )

    def _is_satisfied(self, wanted: Requirement) -> bool:
        version = self._installed.get(wanted.name)
        return bool(version) and not wanted.extras and takes(wanted.specifier, version or "")

    def _preferred(self) -> Mapping[str, tuple[str, ...]]:
        if self._upgrades:
            return {}
        installed = {name: (version,) for name, version in self._installed.items()}
        return {**installed, **(self._lock.versions if self._lock is not None else {})}

    def _resolve(
        self,
        roots: Iterable[Requirement],
        *,
        preferred: Mapping[str, tuple[str, ...]],
        follows: bool = True,
        into_environment: bool = True,
    ) -> None:
        found = self._caches.resolver.closure(
            roots,
            constraints=self.asked.constraints,
            preferred=preferred,
            every=self.asked.every,
            follows=follows,
        )
        there = self._installed if into_environment else {}
        for name, versions in found.versions.items():
            new = tuple(each for each in versions if each != there.get(name))
            _add(self._packages, {name: new} if new else {})
        _add(self._described, found.versions)
        self._is_unheld = self._is_unheld or any(name not in there for name in found.unheld)

    def _see_directory(self, directory: Directory) -> None:
        data = self._pyproject(directory.path)
        self.asked.add_project(data, directory.path, directory.extras)
        self._see_build(directory.path, data)

    def _see_build(self, directory: str, data: dict[str, Any]) -> None:
        """Add what was built of a directory, and what builds it again."""
        for kind in ("path", "editable"):
            self._see_built(kind, file_url(directory))
        self._see_build_system(data, directory)

    def _see_build_system(self, data: dict[str, Any], directory: str) -> None:
        asked = Asked(self._host)
        asked.add_build_system(data, directory)
        for wanted in list(asked.roots):
            more = _BACKEND_ASKS.get(wanted.name)
            if more is not None and self._caches.rich.entries(more):
                asked.roots.append(Requirement(name=more))
        self._resolve(asked.roots, preferred={}, into_environment=False)

    def _is_to_build(self, name: str, directory: str) -> bool:
        """Is a package of a directory missing in the environment, or older than its build files?"""
        if name not in self._installed:
            return True
        for entry in self._site_names:
            stem, _, suffix = entry.rpartition(".")
            if suffix == "dist-info" and locked.normalized(stem.partition("-")[0]) == name:
                written = self._host.status(os.path.join(self._into, entry, "INSTALLER"))
                changed = [
                    self._host.status(os.path.join(directory, each)) for each in _BUILD_FILES
                ]
                return written is None or any(
                    each is not None and each.mtime_ns > written.mtime_ns for each in changed
                )
        return True

    def _see_built(self, kind: str, url: str) -> bool:
        """Add what was built of a URL. Tells whether something was."""
        below = [
            os.path.join(bucket, kind, cache_digest(url)) for bucket in self._buckets("sdists")
        ]
        return self._see_paths(below)

    def _see_commit(self, place: str, *, anyway: bool) -> None:
        """Add what was built of a commit; the repository where that is not all, or `anyway`."""
        commit = place.rpartition("#")[2]
        list_names = self._host.list_names
        built = [
            os.path.join(bucket, "git", repository, commit[:_SHORT_COMMIT])
            for bucket in self._buckets("sdists")
            for repository in list_names(os.path.join(self._facts.cache, bucket, "git"))
        ]
        if self._see_paths(built) and not anyway:
            return
        subdirectory = place.partition("subdirectory=")[2].partition("&")[0].partition("#")[0]
        for bucket in self._buckets("git"):
            checkouts = os.path.join(self._facts.cache, bucket, "checkouts")
            for repository in list_names(checkouts):
                for short in list_names(os.path.join(checkouts, repository)):
                    if commit.startswith(short):
                        self._see_paths([os.path.join(bucket, "db", repository)])
                        directory = os.path.join(checkouts, repository, short, subdirectory)
                        self._see_build_system(self._pyproject(directory), directory)

    def _see_paths(self, paths: Iterable[str]) -> bool:
        """Add those of these paths below the cache that are there, and not yet in the place."""
        is_there = False
        for below in paths:
            if self._host.kind(os.path.join(self._facts.cache, below)) != "directory":
                continue
            is_repository = os.sep + "db" + os.sep in below
            names = () if is_repository else self._host.list_names(
                os.path.join(self._facts.cache, below)
            )  # fmt: skip
            if is_repository or any(not name.startswith(".") for name in names):
                is_there = True
                if self._host.kind(os.path.join(self._place, below)) != "directory":
                    self._built[below] = None
        return is_there

    def _buckets(self, kind: str) -> Iterator[str]:
        for name in self._host.list_names(self._facts.cache):
            stem, _, digits = name.rpartition("-v")
            if stem == kind and digits.isdecimal():
                yield name

    def _pyproject(self, directory: str) -> dict[str, Any]:
        path = os.path.join(directory, _PROJECT)
        text = self._host.read_text(path)
        return parse_toml(path, text).data if text is not None else {}

    def result(self) -> Lacked:
        """What of it all is lacked."""
        lacked = locked.lacking_in(self._packages, self._caches.rich, self._caches.poor)
        described = {
            name: versions for name, versions in self._described.items() if self._lacks_index(name)
        }
        return Lacked(
            packages=dict(lacked),
            described=described,
            built=tuple(self._built),
            python=self._caches.python,
            is_unclear=self.asked.is_unclear or (self._is_unheld and self._facts.offline),
        )

    def _lacks_index(self, name: str) -> bool:
        held = list(self._index_files(self._facts.cache, name))
        return bool(held) and not all(
            self._host.kind(os.path.join(self._place, os.path.relpath(each, self._facts.cache)))
            == "file"
            for each in held
        )

    def _index_files(self, cache: str, name: str) -> Iterator[str]:
        for _, _, shelf in self._indexes(cache):
            path = os.path.join(shelf, f"{name}.rkyv")
            if self._host.kind(path) == "file":
                yield path

    def _indexes(self, cache: str) -> list[tuple[str, int, str]]:
        if not hasattr(self, "_shelves"):
            self._shelves = list(locked.shelves(self._host.list_names, cache, ("simple",)))
        return self._shelves


def _add(some: dict[str, tuple[str, ...]], more: Versions) -> None:
    for name, versions in more.items():
        some[name] = tuple(dict.fromkeys((*some.get(name, ()), *versions)))
