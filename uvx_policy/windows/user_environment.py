"""The variables of the user and of the machine in the registry, byte for byte.

What a session starts with is put together from both when the user logs on and whenever somebody
says that they changed: other variables of the user replace the machine's, Path is the machine's
followed by the user's.

By ctypes and not `winreg`: that ends a text at its first NUL and adds one where it is missing, so
what it read could not be put back as it was.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

#: types of a value (winnt.h)
REG_SZ, REG_EXPAND_SZ = 1, 2

_USER = (0x80000001, "Environment")
_MACHINE = (0x80000002, r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment")
_FOLDERS = (0x80000001, r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders")
_KEY_QUERY_VALUE, _KEY_SET_VALUE = 0x1, 0x2
_ERROR_FILE_NOT_FOUND, _ERROR_MORE_DATA = 2, 234
_HWND_BROADCAST, _WM_SETTINGCHANGE, _SMTO_ABORTIFHUNG = 0xFFFF, 0x1A, 0x2
#: milliseconds for each window that does not answer, as rustup waits
_PATIENCE = 5000


class Stored(NamedTuple):
    """One value: its type, and its bytes. A text is UTF-16, and NUL ends it."""

    kind: int
    data: bytes


def of_user(name: str) -> Stored | None:
    r"""What `HKEY_CURRENT_USER\Environment` holds, `None` when nothing. Raises `OSError`."""
    return _read(_USER, name)


def of_machine(name: str) -> Stored | None:
    """The same of the machine. Raises `OSError`."""
    return _read(_MACHINE, name)


def documents() -> Stored | None:
    """Where the user's documents are: OneDrive may have moved them. Raises `OSError`."""
    return _read(_FOLDERS, "Personal")


def set_for_user(name: str, value: Stored | None) -> None:
    """Put the value in place of what is there, or delete it. One call. Raises `OSError`."""
    if sys.platform == "win32":
        import ctypes

        api = ctypes.WinDLL("advapi32")
        key = _opened(api, _USER, _KEY_SET_VALUE)
        try:
            if value is None:
                code = api.RegDeleteValueW(key, ctypes.c_wchar_p(name))
                code = 0 if code == _ERROR_FILE_NOT_FOUND else code
            else:
                # A text without an end gets one if a NUL happens to stand behind it in memory.
                data = value.data + b"\xff\xff"
                code = api.RegSetValueExW(
                    key, ctypes.c_wchar_p(name), 0, value.kind, data, len(value.data)
                )
        finally:
            api.RegCloseKey(key)
        if code:
            raise ctypes.WinError(code)


def tell_everybody() -> None:
    """Say that the variables changed: what is started from now on gets the new ones.

    The desktop, its start menu and taskbar, listens; a shell that runs does not. Never raises.
    """
    if sys.platform == "win32":
        import ctypes

        ctypes.WinDLL("user32").SendMessageTimeoutW(
            ctypes.c_void_p(_HWND_BROADCAST), _WM_SETTINGCHANGE, None,
            ctypes.c_wchar_p("Environment"), _SMTO_ABORTIFHUNG, _PATIENCE, None,
        )  # fmt: skip


def _read(place: tuple[int, str], name: str) -> Stored | None:
    if sys.platform == "win32":
        import ctypes

        api = ctypes.WinDLL("advapi32")
        try:
            key = _opened(api, place, _KEY_QUERY_VALUE)
        except FileNotFoundError:
            return None
        kind, size = ctypes.c_uint32(), ctypes.c_uint32(4096)
        try:
            while True:
                data = ctypes.create_string_buffer(size.value)
                code = api.RegQueryValueExW(
                    key, ctypes.c_wchar_p(name), None,
                    ctypes.byref(kind), data, ctypes.byref(size),
                )  # fmt: skip
                if code != _ERROR_MORE_DATA:  # somebody made it longer just now
                    break
        finally:
            api.RegCloseKey(key)
        if code == _ERROR_FILE_NOT_FOUND:
            return None
        if code:
            raise ctypes.WinError(code)
        return Stored(kind.value, data.raw[: size.value])
    return None


if sys.platform == "win32":
    import ctypes as _ctypes

    def _opened(api: _ctypes.WinDLL, place: tuple[int, str], right: int) -> _ctypes.c_void_p:
        key = _ctypes.c_void_p()
        # A root's number is sign-extended on 64-bit Windows (winreg.h).
        root = _ctypes.c_void_p(place[0] | -(place[0] & 1 << 31))
        code = api.RegOpenKeyExW(root, _ctypes.c_wchar_p(place[1]), 0, right, _ctypes.byref(key))
        if code:
            raise _ctypes.WinError(code)
        return key
