"""Counts of one run of `verify`."""

from __future__ import annotations


class Tally:
    """Counts of one run; right at any time."""

    def __init__(self) -> None:
        self.trees = 0
        self.distributions = 0
        #: files that a RECORD names and that were looked at
        self.files = 0
        #: bytes of those
        self.bytes = 0
        #: files whose content was read now; the others were verified before and not changed since
        self.hashed_files = 0
        self.hashed_bytes = 0
        #: rows without a hash: RECORD itself, bytecode, what some installers write
        self.unhashed_files = 0
        #: distributions of another installer without RECORD (old `.egg-info`, Debian's)
        self.without_record = 0
