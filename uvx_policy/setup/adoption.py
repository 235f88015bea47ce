"""`linkpolicy adopt`: an environment's own uv runs through a shim, for the programs in it.

A plan is a value, carrying it out one function, as in `setup.command`. The record of `setup` says
what was adopted; `uninstall` takes it back.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from uvx_policy.errors import LinkPolicyError, UsageError
from uvx_policy.fingerprint import fingerprint
from uvx_policy.foreign_file import read_foreign
from uvx_policy.installed.distributions import site_directories
from uvx_policy.installed.hash import NO_HASH, of_pieces
from uvx_policy.machine.programs import environment_of, own_uv
from uvx_policy.setup import adopted_files, lasting, shim_directories
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import steps as setup_steps
from uvx_policy.setup.record import Adopted, SetupRecord
from uvx_policy.setup.words import Lines, Problem
from uvx_policy.state import files, layout
from uvx_policy.state.user_file import UNFINISHED
from uvx_policy.terminal.words import user
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from uvx_policy.replace.build import Builder
    from uvx_policy.replace.place import Seen

#: below our data directory
_DIRECTORY = "adopted"
#: of a virtual, or conda's, environment
_SIGNS = ("pyvenv.cfg", "conda-meta")
#: directories of ours above a shim
_DEEP = 3
_MOST_DIGESTS = 4
_NO_UV = "there is no `uv` package with its program in it"
#: bytes of a `.pth` of ours
_MOST = 65536


class Refused(LinkPolicyError):
    """An environment that is not adopted. `str()` is a clause that says why."""


class Wanted(Value):
    """An environment, and what its two files are to hold."""

    adopted: Adopted
    shim: bytes
    pth: bytes
    #: what lies at each path of `adopted.files` now
    seen: tuple[Seen | None, ...]

    @property
    def is_done(self) -> bool:
        """Is all of it in place?"""
        return not why_not(self)


# Which environment ------------------------------------------------------------------------------


def environment_named(word: str, environ: Mapping[str, str]) -> str:
    """The environment that a path, or the name of a program on PATH, means; without links.

    Raises `UsageError`.
    """
    if not word:
        raise UsageError("an environment or a program has an empty name")
    places = (word, os.path.join(word, ".venv"))
    found = next((each for each in places if _is_environment(each)), "")
    # A directory here may have a program's name, and be none of an environment.
    found = found or environment_of(word, search_path=environ.get("PATH", ""))
    if not found and os.path.isdir(word):
        found = word
    if not found:
        raise UsageError(f"`{word}` is neither an environment nor a Python program on PATH")
    return os.path.realpath(found)


def wanted(environment: str, environ: Mapping[str, str]) -> Wanted:
    """What adopting it (absolute, without links) takes. Reads only.

    Raises `Refused`, and `LinkPolicyError` where nothing at all can be adopted.
    """
    uv = own_uv(environment)
    _check_environment(environment, uv)
    shim = _shim_path(environment, environ)
    sites = [site for site in site_directories(environment) if _has_package(site)]
    if not sites:
        raise Refused(_NO_UV)
    paths = tuple(os.path.join(site, adopted_files.PTH) for site in sites)
    for path in paths:
        if os.path.lexists(path) and not _content(path).startswith(adopted_files.MARKER):
            raise Refused(f"`{path}` is not linkpolicy's")
    pth = adopted_files.pth(shim=shim, uv=uv)
    return Wanted(
        adopted=Adopted(
            environment=environment,
            shim=shim,
            files=paths,
            digests=(str(of_pieces([pth], "sha256")),),
        ),
        shim=adopted_files.shim(uv),
        pth=pth,
        seen=tuple(map(_seen, paths)),
    )


def _check_environment(environment: str, uv: str) -> None:
    if sys.platform == "win32":
        raise LinkPolicyError("`linkpolicy adopt` does not support Windows yet")
    if not os.path.isdir(environment):
        raise Refused("it is gone")
    if not _is_environment(environment):
        by_system = any(
            os.path.exists(os.path.join(os.path.dirname(site), "EXTERNALLY-MANAGED"))
            for site in site_directories(environment)
        )
        why = "the Python of the system" if by_system else "no virtual environment"
        raise Refused(f"it is {why}")
    owner = os.stat(environment).st_uid
    if owner != os.geteuid():
        raise Refused(f"it belongs to user {user(owner)}")
    if not uv:
        raise Refused(_NO_UV)
    cache = lasting.cache_of_uv(environment)
    if cache:
        raise Refused(f"it is in uv's cache `{cache}`, and goes away by itself")


def _is_environment(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, sign)) for sign in _SIGNS)


def _has_package(site: str) -> bool:
    return os.path.isfile(os.path.join(site, "uv", "__init__.py"))


def _shim_path(environment: str, environ: Mapping[str, str]) -> str:
    data = layout.data_home(dict(environ), sys.platform)
    name = f"{fingerprint(os.fsencode(environment)):016x}"
    return os.path.join(data, _DIRECTORY, name, "uv")


# What became of it --------------------------------------------------------------------------------


def on_record(environ: Mapping[str, str]) -> tuple[Adopted, ...]:
    """The environments that were adopted. Never raises."""
    state = layout.state_home(dict(environ), sys.platform)
    record = setup_record.load(os.path.join(state, layout.SETUP_RECORD))
    return record.adopted if record else ()


def why_lost(adopted: Adopted, environ: Mapping[str, str]) -> str:
    """Why the uv of an environment does not run through its shim any more: a clause; "": it does.

    Never raises.
    """
    try:
        return why_not(wanted(adopted.environment, environ))
    except LinkPolicyError as error:
        return str(error)
    except OSError:
        return "it is gone"


def why_not(planned: Wanted) -> str:
    """The same of what is wanted."""
    adopted = planned.adopted
    for path, content in ((adopted.shim, planned.shim), *((p, planned.pth) for p in adopted.files)):
        there = _content(path)
        if not there:
            return f"`{path}` is gone"
        if there != content:
            return f"`{path}` is of another version or installation of linkpolicy"
    return ""


def _content(path: str) -> bytes:
    """Nothing for what cannot be read."""
    try:
        return read_foreign(path, _MOST)
    except OSError:
        return b""


def _seen(path: str) -> Seen | None:
    from uvx_policy.replace.place import seen_at  # late: the doctor reads records at each run

    return seen_at(path)


# Doing it, and taking it back ---------------------------------------------------------------------


def adopt(planned: Sequence[Wanted], environ: Mapping[str, str]) -> Lines:
    """Put the files in place; what was done, for people. Raises `LinkPolicyError`."""
    home, record_path = setup_steps.own_places(environ)
    lines = Lines(home, ())
    for each in planned[:1]:
        lasting.check(os.path.dirname(each.adopted.shim), environ)
    with setup_steps.recording(record_path, make=True) as recorded:
        before = recorded or SetupRecord()
        known = {each.environment: each for each in before.adopted}
        more = [_with_older(each.adopted, known) for each in planned]
        record = before.merged(SetupRecord(launcher=before.launcher, adopted=tuple(more)))
        # First: after a kill it never knows too little.
        setup_record.save(record_path, record)
        state = os.path.dirname(record_path)
        for each in planned:
            with _noting(each.adopted.environment, lines):
                _put(each, state)
                lines.append(f"adopted  {lines.shown(each.adopted.environment)}")
        new = [each for each in more if each.environment not in known]
        failed = [each for each in new if each.environment in lines.failed]
        if failed:
            gone = undo(failed, state, Lines(home, ()))
            left = tuple(each for each in record.adopted if each.environment not in gone)
            _save(record_path, record.replace(adopted=left))
    return lines


def _with_older(adopted: Adopted, known: Mapping[str, Adopted]) -> Adopted:
    older = known.get(adopted.environment)
    digests = dict.fromkeys((*adopted.digests, *(older.digests if older else ())))
    return adopted.replace(digests=tuple(digests)[:_MOST_DIGESTS])


def undo(adopted: Sequence[Adopted], state: str, lines: Lines) -> set[str]:
    """Take the files away; the environments where that is done. The record is the caller's.

    `state`: our state directory.
    """
    done = set()
    for each in adopted:
        with _noting(each.environment, lines):
            _take_back(each, state)
            done.add(each.environment)
            lines.append(f"unadopted {lines.shown(each.environment)}")
    return done


def undo_recorded(environments: Sequence[str], environ: Mapping[str, str]) -> Lines:
    """The same for what is on record: all, or these. Raises `LinkPolicyError`."""
    home, record_path = setup_steps.own_places(environ)
    lines = Lines(home, ())
    with setup_steps.recording(record_path, make=False) as recorded:
        record = recorded or SetupRecord()
        chosen = chosen_of(record.adopted, environments)
        done = undo(chosen, os.path.dirname(record_path), lines)
        left = tuple(each for each in record.adopted if each.environment not in done)
        if done:
            _save(record_path, record.replace(adopted=left))
    return lines


def _save(path: str, record: SetupRecord) -> None:
    if record.shims or record.files or record.adopted:
        setup_record.save(path, record)
    else:
        os.unlink(path)


def chosen_of(adopted: Sequence[Adopted], environments: Sequence[str]) -> list[Adopted]:
    """Those of the record that are meant; all where none is named. Raises `UsageError`."""
    known = {each.environment: each for each in adopted}
    for environment in environments:
        if environment not in known:
            raise UsageError(f"`{environment}` is not adopted")
    return [known[name] for name in environments] if environments else [*adopted]


def _put(planned: Wanted, state: str) -> None:
    """Raises `OSError`, `LinkPolicyError`."""
    from uvx_policy.replace.build import Target

    shim = planned.adopted.shim
    directory = os.path.dirname(shim)
    setup_steps.make_directories(setup_steps.missing_directories(directory))
    with shim_directories.explained(f"cannot use `{directory}`"):
        shim_directories.check_private(directory)
        shim_directories.check_executable(directory)
    if _content(shim) != planned.shim:
        shim_directories.write(shim, planned.shim)
    with _builder(state) as builder:
        for path, seen in zip(planned.adopted.files, planned.seen, strict=True):
            before = _content(path)
            if before == planned.pth:
                continue
            site = os.path.dirname(path)
            target = Target(
                path=path,
                root=site,
                workplace=site,
                seen=seen,
                content=of_pieces([before], "sha256") if seen else NO_HASH,
                hash=of_pieces([planned.pth], "sha256"),
                time=time.time_ns(),
            )
            builder.write(target, [planned.pth])


def _take_back(adopted: Adopted, state: str) -> None:
    """Raises `OSError`, `LinkPolicyError`: then all that is needed to try again is still there."""
    from uvx_policy.replace.build import Target

    there = [path for path in adopted.files if os.path.lexists(path)]
    with _builder(state) as builder:
        for path in there:
            content = of_pieces([_content(path)], "sha256")
            if str(content) not in adopted.digests:
                raise Refused(f"`{path}` was edited; remove it by hand")
            site = os.path.dirname(path)
            builder.remove(
                Target(path=path, root=site, workplace=site, seen=_seen(path), content=content)
            )
    for path in (adopted.shim, f"{adopted.shim}{UNFINISHED}"):
        if shim_directories.is_ours(path):
            os.unlink(path)
    directory = adopted.shim
    for _ in range(_DEEP):
        directory = os.path.dirname(directory)
        setup_steps.remove_directory(directory)


@contextlib.contextmanager
def _builder(state: str) -> Iterator[Builder]:
    """The one way in which files of environments are written."""
    from uvx_policy.repair.work import Work
    from uvx_policy.replace.build import Builder
    from uvx_policy.replace.shop import Shops

    rescue = Work(state, files.path_of(state, layout.EDITS), wait=0).rescue
    with Shops(rescue) as shops:
        yield Builder(shops)


@contextlib.contextmanager
def _noting(environment: str, lines: Lines) -> Iterator[None]:
    """What is wrong with an environment becomes a problem, and the rest goes on."""
    try:
        yield
    except (LinkPolicyError, OSError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        lines.problems.append(Problem(environment, reason))
