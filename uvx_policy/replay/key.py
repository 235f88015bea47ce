"""The key of a record: everything of a call that its decision may depend on.

`Variables` and `Invocation.values` refuse what is not in the key, so that no decision can come to
depend on it unnoticed.
"""

from __future__ import annotations

import sys

from uvx_policy import locate
from uvx_policy.fingerprint import fingerprint
from uvx_policy.minimal_os import os
from uvx_policy.uv import invocation, options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

#: every environment variable that a decision may read; the launcher has the same table
VARIABLES = (
    "HOME", "PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "_CONDA_ROOT", "SUDO_UID",
    "XDG_CACHE_HOME", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
    "UV_BUILD_CONSTRAINT", "UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_CONSTRAINT", "UV_ENV_FILE",
    "UV_EXCLUDE_NEWER", "UV_FROZEN", "UV_INTERNAL__PARENT_INTERPRETER", "UV_ISOLATED",
    "UV_LINK_MODE", "UV_MANAGED_PYTHON", "UV_NO_CACHE", "UV_NO_CONFIG", "UV_NO_MANAGED_PYTHON",
    "UV_NO_PROJECT", "UV_NO_SYNC", "UV_NO_SYSTEM_CONFIG", "UV_OFFLINE", "UV_OVERRIDE",
    "UV_PRERELEASE", "UV_PREVIEW", "UV_PREVIEW_FEATURES", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON", "UV_PYTHON_PREFERENCE", "UV_PYTHON_SEARCH_PATH", "UV_RESOLUTION",
    "UV_SYSTEM_PYTHON", "UV_TOOL_DIR", "UV_VENV_SEED", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY",
    # Windows
    "APPDATA", "LOCALAPPDATA", "ONEDRIVE", "ONEDRIVECOMMERCIAL", "ONEDRIVECONSUMER", "PROGRAMDATA",
    "SYSTEMDRIVE", "USERPROFILE",
)  # fmt: skip
_KNOWN = frozenset(VARIABLES)

#: what no call begins with that is understood
DETAILED = "+"
_FORMAT = "linkpolicy-key-v2:"
#: bytes
LONGEST = 65536


class Variables(dict[str, str]):
    """The environment variables as a decision sees them.

    Asking for one that is not in `VARIABLES` raises `LookupError`: two calls that differ in it
    would share a record. `items` is for those who pass all of them on.
    """

    def get(self, name: str, default: Any = None) -> Any:
        """See `dict.get`."""
        return dict.get(self, _listed(name), default)

    def __getitem__(self, name: str) -> str:
        return dict.__getitem__(self, _listed(name))

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, _listed(name))


def key_of_call(
    program: str, arguments: Sequence[str], *, environ: Mapping[str, str], uv: str
) -> tuple[bytes, bytes]:
    """Keys of this process's call, the second in detail; b"" twice for one that gets no record.

    A decision that no detail had a say in holds for all that differ in details alone. `uv` is the
    path of the real program as it was found, `environ` is free of our own old values.
    """
    understood = invocation.parse(program, tuple(arguments))
    # Without a home other things count, which the launcher cannot read: the passwd file, say.
    user = _user()
    home = "USERPROFILE" if sys.platform == "win32" else "HOME"
    if understood.uncertain or not environ.get(home) or not user:
        return b"", b""
    try:
        cwd = os.getcwd()
    except OSError:  # vanished
        return b"", b""
    several = (understood.significant, (DETAILED, *understood.detailed))
    of_all, in_detail = (
        make_key(program, uv, words, cwd=cwd, user=user, environ=environ) for words in several
    )
    return (of_all, in_detail) if of_all and in_detail else (b"", b"")


def make_key(
    program: str, uv: str, words: Sequence[str], *, cwd: str, user: str, environ: Mapping[str, str]
) -> bytes:
    """See `key_of_call`.

    `words` are `Invocation.significant`, or `DETAILED` and `Invocation.detailed`; `user`: the uid,
    on Windows the SID.
    """
    if not _is_absolute(cwd) or "\0" in cwd:
        return b""
    head = f"{_FORMAT}{table_fingerprint()}"
    # Of several linkpolicies each has its own records. What is installed anew in the same place is
    # told by its witness (`pipeline.make_plan`).
    fields = [head, locate.package(), program, uv, user, cwd, str(len(words)), *words]
    fields += [f"{name}={environ[name]}" for name in VARIABLES if name in environ]
    if sys.platform == "win32" and any(map(_is_no_text, fields)):
        return b""
    key = os.fsencode("\0".join(fields)) + b"\0"
    return key if len(key) <= LONGEST else b""


def table_fingerprint() -> str:
    """16 digits for the tables that say what belongs into a key: the launcher has to have them."""
    tables = (
        VARIABLES, options.GROUPS, options.COMMANDS, options.NAMESPACES, options.ALIASES,
        options.EXTERNAL, sorted(options.SIGNIFICANT), options.KEEPS_POSITIONALS,
        sorted(options.DETAILS), options.DETAILED_POSITIONALS,
        options.SCRIPT_FLAGS, invocation.PROGRAM_CHARACTERS, invocation.PLAIN,
    )  # fmt: skip
    return f"{fingerprint(repr(tables).encode()):016x}"


def _user() -> str:
    """Who this is, "" when that cannot be told."""
    if sys.platform == "win32":
        from uvx_policy.windows.security import user_sid

        return user_sid()
    return str(os.geteuid())


def _is_absolute(cwd: str) -> bool:
    if sys.platform == "win32":
        return cwd[1:3] == ":\\" or cwd.startswith("\\\\")
    return cwd.startswith("/")


def _is_no_text(field: str) -> bool:
    """Has it what is no character, which the launcher does not render, or a path such as `D:name`?

    What that leads to depends on the directory of another drive, which is in no key.
    """
    try:
        field.encode()
    except UnicodeEncodeError:
        return True
    name, _, path = field.rpartition("=")
    if name == "SYSTEMDRIVE":
        return False
    return path[1:2] == ":" and path[:1].isalpha() and path[2:3] not in ("\\", "/")


def _listed(name: object) -> str:
    if name not in _KNOWN:
        raise LookupError(f"{name} is not in VARIABLES (uvx_policy/replay/key.py)")
    return str(name)
