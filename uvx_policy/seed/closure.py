"""What some requirements need, as far as the caches know it: a resolution in small.

uv resolves by itself afterwards. What is chosen here too much is copied in vain, what is missing is
downloaded as without us; so markers count as fulfilled, and what is not clear takes more.
"""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.uv import locked
from uvx_policy.uv.requirement import Requirement, newest, takes
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from uvx_policy.host import Host
    from uvx_policy.uv.locked import Buckets, Versions

#: bytes of METADATA before which its header ends, and of what uv keeps of it
_MOST_METADATA = 1 << 18
#: resolutions after which two versions that exclude each other are taken both
_MOST_ROUNDS = 8
#: of a MessagePack array and texts in it: (first byte, last byte, bytes of the length)
_ARRAYS = ((0x90, 0x9F, 0), (0xDC, 0xDC, 2), (0xDD, 0xDD, 4))
_TEXTS = ((0xA0, 0xBF, 0), (0xD9, 0xD9, 1), (0xDA, 0xDA, 2), (0xDB, 0xDB, 4))


class Closure(Value):
    """What some requirements need."""

    #: normalized name -> versions that are meant, of which some cache has a wheel or the metadata
    versions: Versions
    #: names of which no cache has what is wanted
    unheld: tuple[str, ...]


class _Asked:
    """What is wanted of one package."""

    def __init__(self) -> None:
        self.always: set[str] = set()
        self.conditional: set[str] = set()
        self.extras: set[str] = set()
        self.is_certain = False

    def add(self, wanted: Requirement, *, is_certain: bool) -> bool:
        """Tell whether there was anything new in it."""
        before = (len(self.always), len(self.conditional), len(self.extras), self.is_certain)
        (self.conditional if wanted.is_conditional else self.always).add(wanted.specifier)
        self.extras |= wanted.extras
        self.is_certain = self.is_certain or (is_certain and not wanted.is_conditional)
        return before != (
            len(self.always), len(self.conditional), len(self.extras), self.is_certain,
        )  # fmt: skip


class Resolver:
    """Finds closures in two caches: one may give what it has, the other may have some of it."""

    def __init__(self, host: Host, rich: Buckets, poor: Buckets) -> None:
        self._host = host
        self._caches = (rich, poor)
        self._required: dict[tuple[str, str], tuple[Requirement, ...]] = {}
        self._follows = True
        #: name -> specifiers of constraints
        self._limits: dict[str, set[str]] = {}

    def closure(
        self,
        roots: Iterable[Requirement],
        *,
        constraints: Iterable[Requirement] = (),
        preferred: Mapping[str, tuple[str, ...]],
        every: bool = False,
        follows: bool = True,
    ) -> Closure:
        """All that `roots` need. `preferred`: versions that are taken if they will do.

        `every`: something unusual decides about versions; take all that may be. Without `follows`
        what they require is left out. Raises `Unreadable`.
        """
        self._follows = follows
        self._limits = {}
        for each in constraints:
            self._limits.setdefault(each.name, set()).add(each.specifier)
        starts = tuple(roots)
        before: dict[str, _Asked] = {}
        for _ in range(_MOST_ROUNDS):
            versions, after = self._round(starts, before, preferred, every=every)
            if _same(before, after):
                break
            before = after
        else:
            versions, after = self._round(starts, {}, preferred, every=True)
        unheld = [name for name in after if not versions[name] and after[name].is_certain]
        return Closure(
            versions={name: each for name, each in versions.items() if each},
            unheld=tuple(unheld),
        )

    def _round(
        self,
        roots: tuple[Requirement, ...],
        before: dict[str, _Asked],
        preferred: Mapping[str, tuple[str, ...]],
        *,
        every: bool,
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, _Asked]]:
        """Follow the requirements, with the versions that the round before says."""
        asked: dict[str, _Asked] = {}
        versions: dict[str, tuple[str, ...]] = {}
        waiting = [(each, True) for each in roots]
        while waiting:
            wanted, is_certain = waiting.pop()
            name = wanted.name
            if not asked.setdefault(name, _Asked()).add(wanted, is_certain=is_certain):
                continue
            if name not in versions:
                known = before.get(name, asked[name])
                versions[name] = self._chosen(name, known, preferred.get(name, ()), every=every)
            certain = asked[name].is_certain
            for version in versions[name] if self._follows else ():
                waiting += [
                    (each, certain)
                    for each in self.required(name, version)
                    if not each.if_extras or each.if_extras & asked[name].extras
                ]
        return versions, asked

    def _chosen(
        self, name: str, asked: _Asked, preferred: tuple[str, ...], *, every: bool
    ) -> tuple[str, ...]:
        described = {
            version
            for cache in self._caches
            for *_, names in cache.entries(name)
            for each in names
            if (version := locked.described_version(each, name))
        }
        unpacked = {version for version in described if self._is_unpacked(name, version)}
        always = asked.always | self._limits.get(name, set())

        def fitting(versions: Iterable[str]) -> tuple[str, ...]:
            return tuple(each for each in versions if all(takes(s, each) for s in always))

        if fitting(preferred):
            return fitting(preferred)
        if every:
            return tuple(sorted(fitting(described)))
        found = set()
        for specifiers in (always, *(always | {each} for each in asked.conditional)):
            found |= {newest(described, specifiers), newest(unpacked, specifiers)}
        return tuple(sorted(found - {""}))

    def _is_unpacked(self, name: str, version: str) -> bool:
        return any(
            locked.version_of(each, name) == version
            for cache in self._caches
            for *_, names in cache.entries(name)
            for each in names
        )

    def required(self, name: str, version: str) -> tuple[Requirement, ...]:
        """What this version requires, () when no cache tells. Raises `Unreadable`."""
        if (name, version) not in self._required:
            texts = next(self._texts(name, version), ())
            parsed = [Requirement.parse(text) for text in texts]
            self._required[name, version] = tuple(each for each in parsed if each is not None)
        return self._required[name, version]

    def _texts(self, name: str, version: str) -> Iterator[tuple[str, ...]]:
        for cache in self._caches:
            for kind, _, directory, names in reversed(cache.entries(name)):
                for entry in names:
                    if locked.described_version(entry, name) != version:
                        continue
                    path = os.path.join(directory, entry)
                    if kind == "sdists":
                        yield from self._built_texts(path)
                    elif entry.endswith(".msgpack"):
                        yield from _of_metadata(self._host, path)
                    elif f"{entry.rpartition('.')[0]}.msgpack" not in names:
                        yield from self._unpacked_texts(name, version, path.rpartition(".")[0])

    def _built_texts(self, directory: str) -> Iterator[tuple[str, ...]]:
        for revision in self._host.list_names(directory):
            path = os.path.join(directory, revision, "metadata.msgpack")
            if self._host.kind(path) == "file":
                yield from _of_metadata(self._host, path)

    def _unpacked_texts(self, name: str, version: str, link: str) -> Iterator[tuple[str, ...]]:
        if self._host.link_kind(link) != "symlink":
            return
        archive = os.path.join(os.path.dirname(link), self._host.read_link(link))
        likely = f"{name.replace('-', '_')}-{version}.dist-info"
        is_so = self._host.kind(os.path.join(archive, likely)) == "directory"
        for info in [likely] if is_so else self._host.list_names(archive):
            path = os.path.join(archive, info, "METADATA")
            if info.endswith(".dist-info") and self._host.kind(path) == "file":
                head = self._host.read_head(path, _MOST_METADATA).decode("utf-8", "replace")
                yield header_values(head, "requires-dist")


def header_values(text: str, name: str) -> tuple[str, ...]:
    """The values of this field in the header of a METADATA file."""
    found = []
    for line in text.splitlines():
        if not line:
            break
        field, colon, value = line.partition(":")
        if colon and field.lower() == name:
            found.append(value.strip())
    return tuple(found)


def _of_metadata(host: Host, path: str) -> Iterator[tuple[str, ...]]:
    """What uv keeps of a METADATA file: name, version, requirements, and more that is not read."""
    try:
        content = host.read_head(path, _MOST_METADATA)
    except Unreadable:
        return
    try:
        count, at = _length(content, 0, _ARRAYS)
        if count < 3:  # noqa: PLR2004 (what it says above)
            return
        for _ in range(2):
            _, at = _text(content, at)
        count, at = _length(content, at, _ARRAYS)
        texts = []
        for _ in range(count):
            text, at = _text(content, at)
            texts.append(text)
    except (IndexError, ValueError):
        return
    yield tuple(texts)


def _text(content: bytes, at: int) -> tuple[str, int]:
    length, at = _length(content, at, _TEXTS)
    if at + length > len(content):
        raise ValueError("cut")
    return content[at : at + length].decode("utf-8"), at + length


def _length(content: bytes, at: int, kinds: tuple[tuple[int, int, int], ...]) -> tuple[int, int]:
    for first, last, size in kinds:
        if first <= content[at] <= last:
            if not size:
                return content[at] - first, at + 1
            return int.from_bytes(content[at + 1 : at + 1 + size], "big"), at + 1 + size
    raise ValueError("of another kind")


def _same(before: dict[str, _Asked], after: dict[str, _Asked]) -> bool:
    return before.keys() == after.keys() and all(
        vars(before[name]) == vars(after[name]) for name in after
    )
