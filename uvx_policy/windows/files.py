"""What Windows tells of files and volumes, more than Python passes on.

Python's `st_ctime` is the time of creation there; its `st_ino` has 64 bits, of which ReFS needs
128; and access(2) looks at the read-only attribute alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from ctypes import wintypes

from uvx_policy.value import Value

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

#: a longer path is one that not every program can open: nothing is known of it
LONGEST = 247
#: GetFileInformationByHandleEx: attributes that are no news when something else is done with a file
STAYING = 0x5CCC01
#: winnt.h
READ_ONLY, DIRECTORY, REPARSE_POINT = 0x1, 0x10, 0x400
#: 1601 to 1970, in 100 ns
EPOCH = 116444736000000000
#: volume flags (GetVolumeInformation)
HARD_LINKS, CLONES, READ_ONLY_VOLUME = 0x400000, 0x8000000, 0x80000


class FileStatus(Value):
    """What stat(2) would say if Windows had it; attributes are named as those of `os.stat`."""

    st_mode: int
    #: FILE_ID_INFO: serial number of the volume, and 128 bits
    st_dev: int
    st_ino: int
    st_nlink: int
    st_size: int
    #: LastWriteTime
    st_mtime_ns: int
    #: ChangeTime, the last change of anything; LastWriteTime where the file system has none (FAT)
    st_ctime_ns: int
    st_file_attributes: int
    #: what these two are made of: 100 ns since 1601
    written: int
    changed: int
    st_uid: int = 0
    st_gid: int = 0


class Volume(Value):
    """A file system."""

    serial: int
    flags: int
    #: "NTFS", "ReFS", "exFAT" ...
    name: str
    #: bytes, for this user
    total: int


def status(path: str, *, follow: bool) -> FileStatus:
    """What is at `path`; of a link itself unless `follow`. Raises `OSError`."""
    try:
        return _status(path, FOLLOW if follow else _NO_FOLLOW)
    except OSError as error:
        if follow and error.winerror == _CANNOT_ACCESS:
            # An app execution alias: what it leads to is for CreateProcess alone.
            return _status(path, _NO_FOLLOW)
        raise


def may(path: str, mode: int) -> bool:
    """access(2): may this user read (4), write (2), execute or search (1) what is at `path`?

    Windows decides, with access lists and read-only volumes: it is asked for a handle.
    """
    rights = _READ_DATA if mode & os.R_OK else 0
    if mode & os.W_OK:
        rights |= _ADD_ENTRIES if os.path.isdir(path) else _WRITE_DATA
    if mode & os.X_OK:
        rights |= _EXECUTE
    try:
        _close(opened(path, rights or _READ_ATTRIBUTES, FOLLOW))
    except OSError:
        return False
    return True


def volume(path: str) -> Volume:
    """The volume that an existing directory lies on. Raises `OSError`."""
    handle = opened(path, _READ_ATTRIBUTES, FOLLOW)
    try:
        serial, flags = wintypes.DWORD(), wintypes.DWORD()
        name = ctypes.create_unicode_buffer(_LONGEST_NAME)
        if not _volume_information(
            handle, None, 0, ctypes.byref(serial), None, ctypes.byref(flags), name, _LONGEST_NAME
        ):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        _close(handle)
    _, total = space(path)
    return Volume(serial=serial.value, flags=flags.value, name=name.value, total=total)


def space(path: str) -> tuple[int, int]:
    """Bytes that are free for this user, and all, at an existing directory. Raises `OSError`."""
    free, total = ctypes.c_ulonglong(), ctypes.c_ulonglong()
    if not _disk_space(path, ctypes.byref(free), ctypes.byref(total), None):
        raise ctypes.WinError(ctypes.get_last_error())
    return free.value, total.value


def path_of(handle: int) -> str:
    r"""Where the file or directory of an open descriptor is now, without `\\?\`.

    Raises `OSError`.
    """
    import msvcrt

    answer = ctypes.create_unicode_buffer(_LONGEST_PATH)
    size = _final_path(msvcrt.get_osfhandle(handle), answer, _LONGEST_PATH, 0)
    if not 0 < size < _LONGEST_PATH:
        raise ctypes.WinError(ctypes.get_last_error())
    path = answer.value
    if path.startswith("\\\\?\\UNC\\"):
        return "\\" + path[7:]
    return path.removeprefix("\\\\?\\")


def hold_directory(path: str) -> int:
    """A descriptor of a directory, a link not followed; while it is open, nobody moves it.

    Nor what lies above it: Windows renames no directory in which something is open. So its path
    leads to it for as long. Raises `OSError`, `NotADirectoryError` among them.
    """
    import msvcrt

    handle = _create_file(
        path, _READ_ATTRIBUTES | _READ_DATA, _SHARE_READ_WRITE, None, _OPEN_EXISTING, _NO_FOLLOW,
        None,
    )  # fmt: skip
    if handle == _INVALID_HANDLE:
        raise _error(path)
    basic = _BasicInfo()
    if not _ask(handle, _BASIC_INFO, basic) or not basic.attributes & DIRECTORY:
        _close(handle)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if basic.attributes & REPARSE_POINT and _is_link(handle):
        _close(handle)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return msvcrt.open_osfhandle(handle, os.O_RDONLY)


def open_shared(path: str, flags: int) -> int:
    """As `os.open`, and others may rename and remove the file meanwhile; a link is not followed.

    Raises `OSError`.
    """
    import msvcrt

    writes = flags & (os.O_WRONLY | os.O_RDWR)
    rights = 0 if writes == os.O_WRONLY else _GENERIC_READ
    rights |= _GENERIC_WRITE if writes else 0
    disposition = _OPEN_EXISTING
    if flags & os.O_CREAT:
        disposition = _CREATE_NEW if flags & os.O_EXCL else _OPEN_ALWAYS
    handle = _create_file(path, rights, _SHARE_ALL, None, disposition, _NO_FOLLOW, None)
    if handle == _INVALID_HANDLE:
        raise _error(path)
    opened = msvcrt.open_osfhandle(handle, flags & (os.O_APPEND | os.O_RDONLY) | os.O_NOINHERIT)
    if flags & os.O_TRUNC:
        os.ftruncate(opened, 0)
    return opened


def _status(path: str, flags: int) -> FileStatus:
    if len(path.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    handle = opened(path, _READ_ATTRIBUTES, flags)
    try:
        basic, standard, identity = _BasicInfo(), _StandardInfo(), _IdInfo()
        for kind, answer in (
            (_BASIC_INFO, basic), (_STANDARD_INFO, standard), (_ID_INFO, identity),
        ):  # fmt: skip
            if not _ask(handle, kind, answer):
                raise _error(path)
        attributes = basic.attributes
        mode = 0o500 if attributes & READ_ONLY else 0o700
        if attributes & REPARSE_POINT and _is_link(handle):
            mode |= 0o120000
        elif attributes & DIRECTORY:
            mode |= 0o040000
        else:
            mode |= 0o100000
    finally:
        _close(handle)
    changed = basic.changed or basic.written
    return FileStatus(
        st_mode=mode,
        st_dev=identity.volume,
        st_ino=int.from_bytes(bytes(identity.file), "little"),
        st_nlink=standard.links,
        st_size=standard.size,
        st_mtime_ns=(basic.written - EPOCH) * 100,
        st_ctime_ns=(max(changed, basic.written) - EPOCH) * 100,
        st_file_attributes=attributes,
        written=basic.written,
        changed=basic.changed,
    )


def opened(path: str, rights: int, flags: int) -> int:
    """A handle of what is at `path`, with these rights of winnt.h; `flags`: `FOLLOW` links or not.

    Raises `OSError`, and `ValueError` for a NUL in the path.
    """
    if "\0" in path:
        raise ValueError("embedded null character")
    handle = _create_file(path, rights, _SHARE_ALL, None, _OPEN_EXISTING, flags, None)
    if handle == _INVALID_HANDLE:
        raise _error(path)
    return int(handle)


def _error(path: str) -> OSError:
    code = ctypes.get_last_error()
    error = ctypes.WinError(code)
    return type(error)(error.errno, error.strerror, path, code)


def _ask(handle: int, kind: int, answer: ctypes.Structure) -> bool:
    return bool(_information(handle, kind, ctypes.byref(answer), ctypes.sizeof(answer)))


def _is_link(handle: int) -> bool:
    """A symbolic link or a junction; other reparse points are files and directories."""
    tag = _TagInfo()
    return _ask(handle, _TAG_INFO, tag) and bool(tag.tag & _NAME_SURROGATE)


class _BasicInfo(ctypes.Structure):
    _fields_ = (
        ("created", ctypes.c_int64), ("accessed", ctypes.c_int64), ("written", ctypes.c_int64),
        ("changed", ctypes.c_int64), ("attributes", wintypes.DWORD),
    )  # fmt: skip


class _StandardInfo(ctypes.Structure):
    _fields_ = (
        ("allocated", ctypes.c_int64), ("size", ctypes.c_int64), ("links", wintypes.DWORD),
        ("delete_pending", wintypes.BYTE), ("directory", wintypes.BYTE),
    )  # fmt: skip


class _TagInfo(ctypes.Structure):
    _fields_ = (("attributes", wintypes.DWORD), ("tag", wintypes.DWORD))


class _IdInfo(ctypes.Structure):
    _fields_ = (("volume", ctypes.c_uint64), ("file", ctypes.c_ubyte * 16))


# winnt.h, winbase.h, winerror.h, minwinbase.h
_READ_DATA, _WRITE_DATA, _ADD_ENTRIES, _EXECUTE, _READ_ATTRIBUTES = 0x1, 0x2, 0x6, 0x20, 0x80
_GENERIC_READ, _GENERIC_WRITE = 0x80000000, 0x40000000
_SHARE_READ_WRITE, _SHARE_ALL = 3, 7
_CREATE_NEW, _OPEN_EXISTING, _OPEN_ALWAYS = 1, 3, 4
FOLLOW, _NO_FOLLOW = 0x02000000, 0x02200000
_INVALID_HANDLE = ctypes.c_void_p(-1).value
_BASIC_INFO, _STANDARD_INFO, _TAG_INFO, _ID_INFO = 0, 1, 9, 18
_NAME_SURROGATE = 0x20000000
_CANNOT_ACCESS = 1920
_LONGEST_NAME, _LONGEST_PATH = 261, 32768

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_close = _kernel32.CloseHandle
_close.argtypes = (wintypes.HANDLE,)
_create_file = _kernel32.CreateFileW
_create_file.argtypes = (
    wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p,
    wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE,
)  # fmt: skip
_create_file.restype = ctypes.c_void_p
_information = _kernel32.GetFileInformationByHandleEx
_information.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
_volume_information = _kernel32.GetVolumeInformationByHandleW
_volume_information.argtypes = (
    wintypes.HANDLE, wintypes.LPWSTR, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p,
    ctypes.c_void_p, wintypes.LPWSTR, wintypes.DWORD,
)  # fmt: skip
_disk_space = _kernel32.GetDiskFreeSpaceExW
_disk_space.argtypes = (wintypes.LPCWSTR, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_final_path = _kernel32.GetFinalPathNameByHandleW
_final_path.argtypes = (wintypes.HANDLE, wintypes.LPWSTR, wintypes.DWORD, wintypes.DWORD)
