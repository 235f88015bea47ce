"""Compare the files of environments and archives with their RECORDs.

The RECORD lists the files that a wheel brings along, with their hashes (PyPA specification
"Recording installed projects"). uv compares it with nothing once a wheel is unpacked: a file that
was edited in a cache is installed from there for ever (uv #10579, #15700).

Memory grows by 8 bytes for each name in a package, some 50 for what is remembered of it, and the
largest RECORD.
"""

from __future__ import annotations

import errno
import os
import stat
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.installed import modes, record
from uvx_policy.installed.distributions import distributions
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.hash import NO_HASH, Hash, knows, of_file
from uvx_policy.installed.quick import WRITES_RECORD, of_record, opened
from uvx_policy.installed.scripts import differs_in_first_line
from uvx_policy.verify import extras, verified
from uvx_policy.verify.hashing import Hashers, Order, state_of, token_of
from uvx_policy.verify.published import ABSENT, Published
from uvx_policy.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.finding import State
    from uvx_policy.installed.record import RecordFile
    from uvx_policy.installed.tree import Tree
    from uvx_policy.verify.hashing import Answer

#: rows of one RECORD that are looked at together, in the order of their inodes
_WINDOW = 4096
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class Wanted(NamedTuple):
    """A part of what there is to verify."""

    #: absolute paths of files
    paths: frozenset[str] = frozenset()
    #: and everything below this directory, or this file; "" for nothing
    below: str = ""

    def has(self, path: str) -> bool:
        """Tell whether it was asked for."""
        if path in self.paths:
            return True
        return bool(self.below) and f"{path}{os.sep}".startswith(f"{self.below}{os.sep}")

    def may_be_in(self, distribution: Distribution, found: RecordFile) -> bool:
        """Tell quickly whether the RECORD can have a row for any of it."""
        if self.below:
            return True
        inside = f"{distribution.dist_info}{os.sep}"
        # By the last name alone: a quoted path, or one with `..`, is written in another way.
        return any(
            path.startswith(inside)
            or os.fsencode(os.path.basename(path).split('"')[0]) in found.content
            for path in self.paths
        )


def verify(
    trees: Iterable[Tree],
    *,
    state: str = "",
    full: bool = False,
    only: Collection[str] | Wanted | None = None,
    tally: Tally | None = None,
    advance: Callable[[], None] = lambda: None,
    workers: int | None = None,
    witness: Callable[[Tree, Distribution, RecordFile], Iterable[Finding]] = lambda *_: (),
) -> Iterator[Finding]:
    """Give everything in `trees` that is not what its RECORD says. Never raises `OSError`.

    Trees of one owner stand together. `state`: the state directory, for what was verified before;
    "" for none. `full`: read also what was not changed since. `only`: absolute paths of files, or
    `Wanted`; `None` for all. `advance` is called whenever `tally` has changed a little. `workers`:
    see `Hashers`. `witness`: what else can be said of a RECORD that was just read.
    """
    wanted = Wanted(frozenset(only)) if only is not None and not isinstance(only, Wanted) else only
    run = _Run(Hashers(workers), wanted, tally or Tally(), state=state, full=full)
    run.advance, run.witness = advance, witness
    with run.hashers:
        for owner, theirs in groupby(trees, key=lambda tree: tree.owner):
            yield from run.owner(owner, list(theirs))


class _Entry(NamedTuple):
    """One row of a RECORD, and the file that it names."""

    tree: Tree
    distribution: Distribution
    #: the row as it is written
    fields: list[str]
    path: str
    #: stat(2) of it
    status: os.stat_result
    window: _Window


class _Window:
    """Rows that are verified together; what is to be remembered of them."""

    def __init__(self, token: bytes) -> None:
        """`token` stands for all files in the state that they are in."""
        self.token = token
        #: of files that are as they should be
        self.tokens: list[bytes] = []
        #: files that are being read, and one more until all of them are known
        self.waiting = 1
        #: there is nothing to say of any
        self.well = True


class _Run:
    #: both as `verify` takes them
    advance: Callable[[], None]
    witness: Callable[[Tree, Distribution, RecordFile], Iterable[Finding]]

    def __init__(
        self, hashers: Hashers[_Entry], only: Wanted | None, tally: Tally, *, state: str, full: bool
    ) -> None:
        self.hashers = hashers
        self._only = only
        self._tally = tally
        self._state = state
        self._full = full
        self._published = Published(state)
        self._memory = verified.Memory()
        #: windows of which files are being read
        self._open: list[_Window] = []
        #: of the tree at hand, where all of it was asked for
        self._names: extras.Names | None = None

    def owner(self, owner: str, trees: Iterable[Tree]) -> Iterator[Finding]:
        self._memory = verified.Memory() if self._full else verified.load(self._state, owner)
        self._open = []
        complete = False
        try:
            for tree in trees:
                yield from self._tree(tree)
            for entry, answer in self.hashers.finish():
                yield from self._answered(entry, answer)
            complete = True
        finally:
            # Of an interrupted run everything is kept that is still worth something.
            for window in self._open:
                self._memory.add(verified.NOT_WELL, b"".join(window.tokens))
            if self._only is None:
                verified.save(self._state, owner, self._memory, complete=complete)
            self._memory = verified.Memory()

    def _tree(self, tree: Tree) -> Iterator[Finding]:
        self._names = extras.Names(tree) if self._only is None or self._only.below else None
        for distribution in distributions(tree.path):
            yield from self._distribution(tree, distribution)
        for each in self._names.unnamed() if self._names else ():
            if self._only is None or self._only.has(each.path):
                yield each

    def _distribution(self, tree: Tree, distribution: Distribution) -> Iterator[Finding]:
        found, problem = opened(tree, distribution)
        if self._only is not None and not self._only.may_be_in(distribution, found):
            return
        if problem is None:
            self._tally.distributions += 1
            self._tally.without_record += 1
            return
        if self._names:
            self._names.begin(distribution, may_conclude=not problem)
        yield from self._rows(tree, distribution, found, problem)
        if not problem:
            yield from self.witness(tree, distribution, found)

    def _rows(
        self, tree: Tree, distribution: Distribution, found: RecordFile, problem: str
    ) -> Iterator[Finding]:
        """Compare what the rows name; then say what is wrong with the RECORD itself."""
        before = self._tally.files
        for start in range(0, len(found.whole), _WINDOW):
            located = _located(tree.path, found.whole[start : start + _WINDOW])
            if self._names:
                self._names.add([path for _, path in located])
            if self._only is not None:
                located = [each for each in located if self._only.has(each[1])]
            yield from self._window(tree, distribution, located)
        asked = self._only is None or self._only.has(f"{distribution.dist_info}/{record.NAME}")
        if asked or self._tally.files > before:
            self._tally.distributions += 1
        if asked and problem:
            finding = of_record(tree, distribution, problem)
            if self._published.has_record(distribution.record):
                finding = finding.replace(state="published", detail="it was published that way")
            yield finding

    def _window(
        self, tree: Tree, distribution: Distribution, window: list[tuple[list[str], str]]
    ) -> Iterator[Finding]:
        there = []
        for fields, path in window:
            try:
                there.append((fields, path, os.stat(path)))
            except (OSError, ValueError) as error:  # noqa: PERF203 (hardly any fails)
                for state, detail in _absence(path, error):
                    row = record.row_of(fields)
                    finding = Finding.of(tree, distribution, path, state, row=row, detail=detail)
                    yield self._unless_published(finding)
        self._tally.files += len(there)
        self._tally.bytes += sum([status.st_size for _, _, status in there])
        self._tally.unhashed_files += sum([not fields[1] for fields, _, _ in there])
        states = b"".join([state_of(status) for _, _, status in there])
        expected = "\n".join([f"{fields[1]} {fields[2]}" for fields, _, _ in there])
        now = _Window(token_of(states, expected))
        if self._only is None and self._memory.has_window(now.token):
            return
        self._open.append(now)
        # On a disk that turns, files that were written together lie together by their inodes.
        there.sort(key=lambda each: each[2].st_ino)
        usual = modes.usual([status.st_mode for _, _, status in there])
        if distribution.installer not in ("", *WRITES_RECORD):
            usual = None
        for fields, path, status in there:
            entry = _Entry(tree, distribution, fields, path, status, now)
            odd = modes.oddity(status.st_mode, fields[0], usual)
            if odd:
                yield _finding(entry, "mode", odd)
            yield from self._entry(entry)
        self._close(now)

    def _entry(self, entry: _Entry) -> Iterator[Finding]:
        """Compare one file, or have it compared, unless it is as it was."""
        window, expected = entry.window, entry.fields[1]
        algorithm, _, digest = expected.partition("=")
        digest = digest.rstrip("=")
        if not stat.S_ISREG(entry.status.st_mode):
            yield _finding(entry, "edited", "it is not a file")
        elif not expected:
            size = record.row_of(entry.fields).size
            if size is not None and size != entry.status.st_size:
                sizes = f"it has {entry.status.st_size:,} bytes instead of {size:,}"
                yield self._unless_published(_finding(entry, "edited", sizes))
        elif not digest or not knows(algorithm):
            self._tally.unhashed_files += 1
            kind = "unknown kind of hash" if digest else "not a hash"
            yield _finding(entry, "record", f"{kind}: {algorithm if digest else expected!r}")
        else:
            token = token_of(state_of(entry.status), expected)
            if self._memory.has_file(token):
                window.tokens.append(token)
                return
            window.waiting += 1
            order = Order(entry.path, expected, entry.status.st_size)
            for done, answer in self.hashers.take(order, entry):
                yield from self._answered(done, answer)

    def _answered(self, entry: _Entry, answer: Answer) -> Iterator[Finding]:
        self._tally.hashed_files += 1
        self._tally.hashed_bytes += answer.size
        self.advance()
        window = entry.window
        if answer.in_state:
            window.tokens.append(token_of(answer.in_state, entry.fields[1]))
        window.well = window.well and answer.in_state == state_of(entry.status)
        self._close(window)
        if answer.state == "edited":
            row = record.row_of(entry.fields)
            if not differs_in_first_line(entry.path, row, environment=entry.tree.owner):
                yield self._unless_published(_finding(entry, "edited"), answer.found)
        elif answer.state in ("missing", "unreadable"):
            yield _finding(entry, answer.state)  # type: ignore[arg-type]  # mypy #12535

    def _unless_published(self, finding: Finding, found: Hash = NO_HASH) -> Finding:
        """What to say if the wheel has it like that; `found`: its hash, `NO_HASH` if unknown."""
        row = finding.row
        if row is None:
            return finding
        published = self._published.hash_of(finding.dist_info, row.path, row.hash)
        if published == ABSENT and finding.state == "missing":
            detail = "its wheel was published without it"
        elif published and published == (found or of_file(finding.path, published.algorithm)):
            detail = "its RECORD was published with another hash"
        else:
            return finding
        return finding.replace(state="published", detail=detail)

    def _close(self, window: _Window) -> None:
        """One of the files of a window is done, or all of them have been sent."""
        window.waiting -= 1
        if not window.waiting:
            self._open.remove(window)
            token = window.token if window.well else verified.NOT_WELL
            self._memory.add(token, b"".join(window.tokens))


def _located(site: str, rows: list[list[str]]) -> list[tuple[list[str], str]]:
    """Each row with the path of its file."""
    names = "\n".join([fields[0] for fields in rows])
    if record.is_plain(names) and "\n/" not in names:
        return [(fields, f"{site}/{fields[0]}") for fields in rows]
    return [(fields, record.located(site, fields[0])) for fields in rows]


def _absence(path: str, error: OSError | ValueError) -> Iterator[tuple[State, str]]:
    """What to say, if anything, of a file that stat(2) does not find: its state, and a detail."""
    if isinstance(error, OSError) and error.errno not in _ABSENT:
        yield "unreadable", error.strerror or ""
    elif os.path.islink(path):
        yield "missing", "its symbolic link is dangling"
    elif not path.endswith(record.BYTECODE):
        yield "missing", ""


def _finding(entry: _Entry, state: State, detail: str = "") -> Finding:
    """What is wrong with a file, whose window is then not well."""
    entry.window.well = False
    row = record.row_of(entry.fields)
    return Finding.of(entry.tree, entry.distribution, entry.path, state, row=row, detail=detail)
