"""Keys of the registry below HKEY_LOCAL_MACHINE, read."""

from __future__ import annotations

import sys
import winreg

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_READ = winreg.KEY_READ | winreg.KEY_WOW64_64KEY


def last_write(path: str) -> str:
    """When a key was written last: its FILETIME in hexadecimal, "-" when there is none."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, _READ) as key:
            return f"{winreg.QueryInfoKey(key)[2]:x}"
    except OSError:
        return "-"


def keys(path: str) -> Iterator[str]:
    """Names of the keys in a key. Never raises."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, _READ) as key:
            for at in range(winreg.QueryInfoKey(key)[0]):
                yield winreg.EnumKey(key, at)
    except OSError:
        return


def texts(path: str) -> Iterator[str]:
    """The values of a key that are text and not empty. Never raises."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, _READ) as key:
            for at in range(winreg.QueryInfoKey(key)[1]):
                value = winreg.EnumValue(key, at)[1]
                if isinstance(value, str) and value:
                    yield value
    except OSError:
        return
