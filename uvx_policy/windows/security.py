"""Who this user is on Windows, and directories that are for this user alone."""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

from uvx_policy.windows import descriptor, files

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)


def user_sid() -> str:
    """The SID of the user that this process runs as; "" when it cannot be told."""
    token = wintypes.HANDLE()
    if not _open_process_token(_current_process(), _TOKEN_QUERY, ctypes.byref(token)):
        return ""
    try:
        answer = ctypes.create_string_buffer(_LONGEST_TOKEN_USER)
        size = wintypes.DWORD()
        if not _token_information(token, _TOKEN_USER, answer, len(answer), ctypes.byref(size)):
            return ""
        # TOKEN_USER begins with a pointer to the SID.
        sid = ctypes.cast(answer, ctypes.POINTER(ctypes.c_void_p))[0]
        text = wintypes.LPWSTR()
        if not _sid_to_text(sid, ctypes.byref(text)):
            return ""
        try:
            return text.value or ""
        finally:
            _free(text)
    finally:
        _close(token)


def make_private_directory(path: str) -> None:
    """Make a directory that only this user, the system and its administrators may use.

    Nothing is handed down from above: the root of a drive lets every user change what others make
    there. Raises `OSError`, `FileExistsError` among them.
    """
    user = user_sid()
    if not user:
        raise OSError("the SID of this user cannot be told")
    described = ctypes.c_void_p()
    text = descriptor.private(user)
    if not _text_to_descriptor(text, _REVISION, ctypes.byref(described), None):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        attributes = _SecurityAttributes(ctypes.sizeof(_SecurityAttributes), described, False)
        if not _create_directory(path, ctypes.byref(attributes)):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        _free(described)


def descriptor_bytes(path: str) -> bytes:
    """Owner and access list of what is at `path`, links followed. Raises `OSError`."""
    handle = files.opened(path, _READ_CONTROL, files.FOLLOW)
    try:
        size = wintypes.DWORD(_USUAL_DESCRIPTOR)
        while True:
            answer = ctypes.create_string_buffer(size.value)
            if _object_security(handle, _OWNER_AND_DACL, answer, len(answer), ctypes.byref(size)):
                return answer.raw[: size.value]
            code = ctypes.get_last_error()
            if code != _INSUFFICIENT_BUFFER or size.value <= len(answer):
                raise ctypes.WinError(code)
    finally:
        _close(handle)


class _SecurityAttributes(ctypes.Structure):
    _fields_ = (
        ("size", wintypes.DWORD),
        ("descriptor", ctypes.c_void_p),
        ("inherit_handle", wintypes.BOOL),
    )


# winnt.h, winbase.h, winerror.h
_TOKEN_QUERY, _TOKEN_USER = 8, 1
#: TOKEN_USER and the longest SID (SECURITY_MAX_SID_SIZE)
_LONGEST_TOKEN_USER = 16 + 68
_OWNER_AND_DACL, _REVISION, _READ_CONTROL = 5, 1, 0x20000
_INSUFFICIENT_BUFFER, _USUAL_DESCRIPTOR = 122, 1024

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)

_current_process = _kernel32.GetCurrentProcess
_current_process.restype = wintypes.HANDLE
_close = _kernel32.CloseHandle
_close.argtypes = (wintypes.HANDLE,)
_free = _kernel32.LocalFree
_free.argtypes = (ctypes.c_void_p,)
_create_directory = _kernel32.CreateDirectoryW
_create_directory.argtypes = (wintypes.LPCWSTR, ctypes.c_void_p)
_open_process_token = _advapi32.OpenProcessToken
_open_process_token.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_token_information = _advapi32.GetTokenInformation
_token_information.argtypes = (
    wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p,
)  # fmt: skip
_sid_to_text = _advapi32.ConvertSidToStringSidW
_sid_to_text.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
_object_security = _advapi32.GetKernelObjectSecurity
_object_security.argtypes = (
    ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p,
)  # fmt: skip
_text_to_descriptor = _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW
_text_to_descriptor.argtypes = (
    wintypes.LPCWSTR, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip
