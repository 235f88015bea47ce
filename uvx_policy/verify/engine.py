"""Compare the files of environments and archives with their RECORDs.

The RECORD lists the files that a wheel brings along, with their hashes (PyPA specification
"Recording installed projects"). uv compares it with nothing once a wheel is unpacked: a file that
was edited in a cache is installed from there for ever (uv #10579, #15700).

Memory grows by 8 bytes for each name in a package, and some 50 for what is remembered of it.
"""

from __future__ import annotations

import errno
import os
import stat
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import modes, scripts
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.hashes import knows
from uvx_policy.verify import extras, verified
from uvx_policy.verify.hashing import Hashers, Order, state_of, token_of
from uvx_policy.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.finding import State
    from uvx_policy.installed.tree import Tree
    from uvx_policy.verify.extras import Names
    from uvx_policy.verify.hashing import Answer

#: rows of one RECORD that are looked at together, in the order of their inodes
_WINDOW = 4096
_COLUMNS = 3
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_BYTECODE = (".pyc", ".pyo")
#: these installers write a RECORD, always
_WRITES_RECORD = ("uv", "pip")


def verify(
    trees: Iterable[Tree],
    *,
    state: str = "",
    full: bool = False,
    only: Collection[str] | None = None,
    tally: Tally | None = None,
    advance: Callable[[], None] = lambda: None,
    workers: int | None = None,
) -> Iterator[Finding]:
    """Give everything in `trees` that is not what its RECORD says. Never raises `OSError`.

    Trees of one owner stand together. `state`: the state directory, for what was verified before;
    "" for none. `full`: read also what was not changed since. `only`: absolute paths of files;
    `None` for all, and then files that no RECORD names are looked for, too. `advance` is called
    whenever `tally` has changed a little. `workers`: see `Hashers`.
    """
    run = _Run(
        state=state,
        full=full,
        only=None if only is None else frozenset(only),
        tally=tally or Tally(),
        advance=advance,
    )
    with Hashers[_Entry](workers) as hashers:
        for owner, theirs in groupby(trees, key=lambda tree: tree.owner):
            yield from run.owner(owner, list(theirs), hashers)


class _Entry(NamedTuple):
    """One row of a RECORD, and the file that it names."""

    rows: _Rows
    #: the row as it stands there
    fields: list[str]
    path: str
    #: stat(2) of it
    told: os.stat_result
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


class _Rows:
    """The rows of one RECORD, some at a time."""

    def __init__(self, tree: Tree, distribution: Distribution) -> None:
        self.tree = tree
        self.distribution = distribution
        self.has_hash = False
        self.damaged = 0
        self.first_damage = ""
        self._rows = installed.record_fields(distribution)

    def next_ones(self) -> list[tuple[list[str], str]]:
        """Give up to 4,096 rows that are no damage, each with its path. Raises `OSError`."""
        while rows := list(islice(self._rows, _WINDOW)):
            good = [fields for fields in rows if len(fields) == _COLUMNS and fields[0]]
            names = "\n".join([fields[0] for fields in good])
            if "\0" in names:
                good = [fields for fields in good if "\0" not in fields[0]]
            if len(good) < len(rows):
                self._note_damage(rows)
            if not good:
                continue
            self.has_hash = self.has_hash or any(fields[1] for fields in good)
            site = self.tree.path
            if installed.is_plain(names) and "\n/" not in names:
                return [(fields, f"{site}/{fields[0]}") for fields in good]
            return [(fields, installed.located(site, fields[0])) for fields in good]
        return []

    def _note_damage(self, rows: list[list[str]]) -> None:
        damage = [fields for fields in rows if _is_damage(fields)]
        self.damaged += len(damage)
        self.first_damage = self.first_damage or installed.row_of(damage[0]).problem


def _is_damage(fields: list[str]) -> bool:
    return len(fields) != _COLUMNS or not fields[0] or "\0" in fields[0]


class _Run:
    def __init__(
        self,
        *,
        state: str,
        full: bool,
        only: frozenset[str] | None,
        tally: Tally,
        advance: Callable[[], None],
    ) -> None:
        self._state = state
        self._full = full
        self._only = only
        self._tally = tally
        self._advance = advance
        self._memory = verified.Memory()
        #: windows of which files are being read
        self._open: list[_Window] = []

    def owner(
        self, owner: str, trees: Sequence[Tree], hashers: Hashers[_Entry]
    ) -> Iterator[Finding]:
        self._memory = verified.Memory() if self._full else verified.load(self._state, owner)
        self._open = []
        complete = False
        try:
            for tree in trees:
                yield from self._tree(tree, hashers)
            for entry, answer in hashers.finish():
                yield from self._answered(entry, answer)
            complete = True
        finally:
            # Of an interrupted run everything is kept that is still worth something.
            for window in self._open:
                self._memory.add(verified.NOT_WELL, b"".join(window.tokens))
            if self._only is None:
                verified.save(self._state, owner, self._memory, complete=complete)
            self._memory = verified.Memory()

    def _tree(self, tree: Tree, hashers: Hashers[_Entry]) -> Iterator[Finding]:
        self._tally.trees += 1
        names = extras.Names(tree) if self._only is None else None
        for distribution in installed.distributions(tree.path):
            if self._only is not None and not _mentions(distribution, self._only):
                continue
            yield from self._distribution(tree, distribution, names, hashers)
        if names is not None:
            yield from names.unnamed()

    def _distribution(
        self,
        tree: Tree,
        distribution: Distribution,
        names: Names | None,
        hashers: Hashers[_Entry],
    ) -> Iterator[Finding]:
        self._tally.distributions += 1
        if not distribution.record:
            if distribution.installer in _WRITES_RECORD or tree.kind == "archive":
                yield _of_record(tree, distribution, "there is no RECORD")
            else:
                self._tally.without_record += 1
            return
        if names is not None:
            names.begin(distribution)
        rows = _Rows(tree, distribution)
        try:
            while window := rows.next_ones():
                if names is not None:
                    names.add([path for _, path in window])
                yield from self._window(rows, window, hashers)
        except OSError as error:
            yield _of_record(
                tree, distribution, f"RECORD cannot be read: {error.strerror or error}"
            )
            return
        if rows.damaged:
            damage = f"{rows.damaged} of its rows are damaged: {rows.first_damage}"
            yield _of_record(tree, distribution, damage)
        elif not rows.has_hash:
            yield _of_record(tree, distribution, "none of its rows has a hash")

    def _window(
        self, rows: _Rows, window: list[tuple[list[str], str]], hashers: Hashers[_Entry]
    ) -> Iterator[Finding]:
        tree, distribution = rows.tree, rows.distribution
        there = []
        for fields, path in window:
            if self._only is not None and path not in self._only:
                continue
            try:
                there.append((fields, path, os.stat(path)))
            except (OSError, ValueError) as error:
                yield from _without_status(tree, distribution, fields, path, error)
        self._tally.files += len(there)
        self._tally.bytes += sum([told.st_size for _, _, told in there])
        self._tally.unhashed_files += sum([not fields[1] for fields, _, _ in there])
        states = b"".join([state_of(told) for _, _, told in there])
        now = _Window(token_of(states, "\n".join([fields[1] for fields, _, _ in there])))
        if self._only is None and self._memory.has_window(now.token):
            return
        self._open.append(now)
        # On a disk that turns, files that were written together lie together by their inodes.
        there.sort(key=lambda each: each[2].st_ino)
        usual = modes.usual([told.st_mode for _, _, told in there])
        if distribution.installer not in ("", *_WRITES_RECORD):
            usual = None
        for fields, path, told in there:
            entry = _Entry(rows, fields, path, told, now)
            odd = modes.oddity(told.st_mode, fields[0], usual)
            if odd:
                now.well = False
                yield _finding(entry, "mode", odd)
            yield from self._entry(entry, hashers)
        self._close(now)

    def _entry(self, entry: _Entry, hashers: Hashers[_Entry]) -> Iterator[Finding]:
        """Compare one file, or have it compared, unless it is as it was."""
        window, expected = entry.window, entry.fields[1]
        algorithm, _, digest = expected.partition("=")
        if not stat.S_ISREG(entry.told.st_mode):
            window.well = False
            yield _finding(entry, "edited", "it is no file")
        elif not expected:
            return
        elif not digest or not knows(algorithm):
            window.well = False
            self._tally.unhashed_files += 1
            kind = "unknown kind of hash" if digest else "no digest"
            said = algorithm if digest else expected
            yield _finding(entry, "record", f"{kind}: {said!r}")
        else:
            token = token_of(state_of(entry.told), expected)
            if self._memory.has_file(token):
                window.tokens.append(token)
                return
            window.waiting += 1
            order = Order(entry.path, algorithm, digest, entry.told.st_size)
            for done, answer in hashers.take(order, entry):
                yield from self._answered(done, answer)

    def _answered(self, entry: _Entry, answer: Answer) -> Iterator[Finding]:
        self._tally.hashed_files += 1
        self._tally.hashed_bytes += answer.size
        self._advance()
        window = entry.window
        if answer.in_state:
            window.tokens.append(token_of(answer.in_state, entry.fields[1]))
        window.well = window.well and answer.in_state == state_of(entry.told)
        self._close(window)
        if answer.state == "edited" and scripts.differs_in_first_line(
            entry.path, entry.fields, environment=entry.rows.tree.owner
        ):
            return
        if answer.state in ("edited", "missing", "unreadable"):
            yield _finding(entry, answer.state, "")  # type: ignore[arg-type]  # mypy #12535

    def _close(self, window: _Window) -> None:
        """One of the files of a window is done, or all of them have been sent."""
        window.waiting -= 1
        if not window.waiting:
            self._open.remove(window)
            token = window.token if window.well else verified.NOT_WELL
            self._memory.add(token, b"".join(window.tokens))


def _without_status(
    tree: Tree,
    distribution: Distribution,
    fields: list[str],
    path: str,
    error: OSError | ValueError,
) -> Iterator[Finding]:
    """What to say of a row whose file stat(2) does not find."""
    if isinstance(error, OSError) and error.errno not in _ABSENT:
        yield _made(tree, distribution, fields, path, "unreadable", error.strerror or "")
    elif os.path.islink(path):
        yield _made(tree, distribution, fields, path, "missing", "its symbolic link leads nowhere")
    elif not path.endswith(_BYTECODE):
        yield _made(tree, distribution, fields, path, "missing", "")


def _finding(entry: _Entry, state: State, detail: str) -> Finding:
    rows = entry.rows
    return _made(rows.tree, rows.distribution, entry.fields, entry.path, state, detail)


def _made(
    tree: Tree, distribution: Distribution, fields: list[str], path: str, state: State, detail: str
) -> Finding:
    return Finding(
        path=path,
        state=state,
        tree=tree,
        distribution=distribution.name,
        version=distribution.version,
        dist_info=distribution.dist_info,
        row=installed.row_of(fields),
        detail=detail,
    )


def _of_record(tree: Tree, distribution: Distribution, detail: str) -> Finding:
    return Finding(
        path=os.path.join(distribution.dist_info, "RECORD"),
        state="record",
        tree=tree,
        distribution=distribution.name,
        version=distribution.version,
        dist_info=distribution.dist_info,
        detail=detail,
    )


def _mentions(distribution: Distribution, only: Iterable[str]) -> bool:
    """Tell quickly whether the RECORD can have a row for one of these paths."""
    if any(path.startswith(distribution.dist_info + os.sep) for path in only):
        return True
    try:
        with open(distribution.record, "rb") as stream:
            content = stream.read()
    except (OSError, ValueError):
        return False
    # By the last name alone: a quoted path, or one with `..`, is written in another way.
    return any(os.fsencode(os.path.basename(path).split('"')[0]) in content for path in only)
