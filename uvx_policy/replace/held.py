"""`at`: what `os` does with names in directories that are held open (`dir_fd`), on every system."""

from __future__ import annotations

import sys

from uvx_policy import foreign_file

if sys.platform == "win32":
    from uvx_policy.windows import directories as at

    #: to open a directory
    DIRECTORY = foreign_file.DIRECTORY | at.O_DIRECTORY
    #: to open a file that is to be flushed, or gets another time
    FLUSHED = foreign_file.FLAGS | at.O_RDWR
else:
    import os as at

    DIRECTORY = foreign_file.DIRECTORY
    FLUSHED = foreign_file.FLAGS

__all__ = ("DIRECTORY", "FLUSHED", "at")
