"""What is known about one environment. Plain values, no code that reads."""

from __future__ import annotations

from uvx_policy.value import Value

#: paths of each kind that a `Survey` names
MOST_NAMED = 1000


class Survey(Value):
    """How the files of one environment are stored. Bytes are `st_blocks` * 512.

    `files` is the sum of the four kinds. `edited` and `unreadable` name the first 1,000.
    """

    environment: str
    #: all files that were looked at, symbolic links included
    files: int = 0
    #: have a name outside this environment as well
    shared_inode_files: int = 0
    #: share at least one block with another file
    shared_extent_files: int = 0
    #: symbolic links into a cache
    symlink_files: int = 0
    #: all others: symbolic links to elsewhere, such as that of the interpreter, included
    private_files: int = 0
    #: bytes whose blocks another file uses as well: by inode, by extent, or behind a symbolic link
    shared_bytes: int = 0
    #: bytes that deleting the environment would free
    private_bytes: int = 0
    #: those of `private_bytes` that a link could save: installed files; not bytecode, nor what
    #: uv writes anew for each environment
    saveable_bytes: int = 0
    #: "no" where the file system cannot tell shared extents, or not every file was asked: then
    #: `shared_bytes` is "at least"
    extents_known: bool = True
    #: symbolic links into a cache whose target is gone; they are among `symlink_files`
    dangling: int = 0
    #: installed files that differ from their RECORD, as `installed.quick` finds them: absolute
    edited_files: int = 0
    edited: tuple[str, ...] = ()
    #: installed files that are not there
    missing_files: int = 0
    missing: tuple[str, ...] = ()
    #: RECORDs that are gone, cut short or otherwise damaged
    damaged_records: tuple[str, ...] = ()
    #: installed files whose time is late, and that are too many bytes to compare quickly
    unsure_files: int = 0
    #: directories in which this user cannot replace or remove anything, not even what is in them
    closed_directories: int = 0
    closed: tuple[str, ...] = ()
    #: directories and files that could not be read
    unreadable_files: int = 0
    unreadable: tuple[str, ...] = ()
    #: which bytes are shared, so that several environments can be counted together: a sample of
    #: `installed.distinct`, "" when none was asked for
    shared_sample: str = ""
    #: what `installed.glance` tells of these files, "" when it was not asked
    glance: str = ""
    #: seconds since the epoch when this was found out
    at: float = 0.0
