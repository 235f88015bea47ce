"""Take the names of people and of the machine out of a report that is to be shown to others."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from uvx_policy.state import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

USER = "<user>"
HOST = "<host>"
HOME = "~"
#: a directory of homes and the name of one of them
_HOMES = re.compile(r"(?i)((?:/home|/users|/var/home)/|[a-z]:\\users\\)[^/\\\s:;,`'\"<>]+")
#: these tell nothing about anybody
_NOBODY = frozenset(("root", "nobody", "localhost", "user", "users", "shared", "public", "default"))
#: shorter names are too often a part of a sentence to be replaced everywhere
_SHORT = 3
#: uids of people begin at 1000 (login.defs(5)), on macOS at 501; 65534 is nobody
_PEOPLE = range(500, 65534)
#: values of these keys are words of ours
_OWN_WORDS = frozenset(
    ("id", "title", "group", "status", "is", "kind", "code", "platform", "linkpolicy", "python")
)


class Redaction:
    """Called with a text, gives it back without names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ`: the process's variables."""
        people = dict(_other_people())
        names = {*_own_names(environ), *people}
        self._rules: list[tuple[re.Pattern[str], str]] = [
            # The longest first: one home may lie below another one.
            *((_path(home), HOME) for home in _longest_first(_own_homes(environ))),
            *((_path(home), f"/home/{USER}") for home in _longest_first(people.values())),
            (_HOMES, rf"\g<1>{USER}"),
            *((_word(name), HOST) for name in _longest_first(_host_names(environ))),
            *((_word(name), USER) for name in _longest_first(names)),
        ]

    def __call__(self, text: str) -> str:
        """A path, a sentence or a command."""
        for pattern, placeholder in self._rules:
            text = pattern.sub(placeholder, text)
        return text

    def value(self, value: Any) -> Any:
        """Plain JSON values, at any depth."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {
                key: each if key in _OWN_WORDS else self.value(each) for key, each in value.items()
            }
        return value


def _own_homes(environ: Mapping[str, str]) -> Iterator[str]:
    for home in (layout.home(dict(environ), sys.platform), os.path.expanduser("~")):
        if os.path.isabs(home):
            yield home
            yield os.path.realpath(home)


def _own_names(environ: Mapping[str, str]) -> Iterator[str]:
    yield environ.get("USER", "")
    yield environ.get("LOGNAME", "")
    yield environ.get("USERNAME", "")  # Windows
    yield environ.get("SUDO_USER", "")
    for home in _own_homes(environ):
        if os.path.dirname(home) in ("/home", "/Users"):
            yield os.path.basename(home)
    try:
        import pwd

        yield pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return


def _other_people() -> Iterator[tuple[str, str]]:
    """Names and homes of the people that this machine knows."""
    try:
        import pwd
    except ImportError:
        return
    for entry in pwd.getpwall():
        if entry.pw_uid in _PEOPLE:
            yield entry.pw_name, entry.pw_dir


def _host_names(environ: Mapping[str, str]) -> Iterator[str]:
    import socket

    for name in (socket.gethostname(), environ.get("HOSTNAME", ""), environ.get("HOST", "")):
        yield name
        yield name.partition(".")[0]


def _longest_first(names: Iterable[str]) -> list[str]:
    """Those that tell something; whatever leads nowhere (`/`, a home that is not) left out."""
    telling = {name.rstrip("/") for name in names if name.lower() not in _NOBODY}
    return sorted(telling - {"", "/nonexistent", "/dev/null"}, key=len, reverse=True)


def _path(path: str) -> re.Pattern[str]:
    """The path itself and what is below it, not as a part of another one."""
    return re.compile(r"(?<![\w.-])" + re.escape(path) + r"(?![\w.-])")


def _word(name: str) -> re.Pattern[str]:
    """The name between things that are no letters or digits; short ones only in paths, quotes."""
    before, after = (r"(?<![^\W_])", r"(?![^\W_])")
    if len(name) < _SHORT:
        before, after = (r"(?:(?<=[/\\@`'\"])|^)", r"(?=[/\\@`'\"]|$)")
    return re.compile(before + re.escape(name) + after, re.IGNORECASE)
