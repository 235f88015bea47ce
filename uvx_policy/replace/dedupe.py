"""Let equal files share their blocks, where the file system can do that by itself.

The kernel compares the bytes (ioctl_fideduperange(2)), so nothing can be lost or spread, and names,
inodes, owners, permissions and times stay as they are. Nothing is hashed, but where files differ.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from uvx_policy.installed.hash import Hash, of_handle
from uvx_policy.replace import kernel
from uvx_policy.replace.opened import Directories, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

    from uvx_policy.replace.opened import File, Group
    from uvx_policy.replace.outcome import Outcome

#: bytes that are compared with one call: btrfs takes no more
_STEP = 16 << 20
#: before Linux 5.5 what is behind the last whole block is not shared
_BLOCK = 1 << 16


class Deduper:
    """Lets files of groups share their blocks. Close it."""

    def __init__(
        self, outcome: Outcome, shared: Callable[[os.stat_result, str, int], None]
    ) -> None:
        """`shared`: called with each file that lies now where its group's first one does.

        With what fstat(2) says, a directory on its file system, and that place.
        """
        self._outcome = outcome
        self._shared = shared
        self._directories = Directories()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._directories.__exit__()

    def share(self, groups: Iterable[Group]) -> None:
        """Share what can be shared; what is left is counted. Never raises `OSError`."""
        for group, files in opened(groups, self._directories, self._outcome):
            rest, place = files, group.place
            differing = False
            while len(rest) > 1:  # the first may be the one that was edited
                # Another one lies elsewhere than the first was seen to lie.
                place = 0 if rest[0].is_target else place
                rest = self._share(rest[0], rest[1:], group.size, place)
                differing = differing or bool(rest)
            if differing:
                self._find_edited(files, group)

    def _share(self, source: File, others: list[File], size: int, place: int) -> list[File]:
        """Those that differ from `source`."""
        differ = []
        for start in range(0, len(others), kernel.MOST_TARGETS):
            some = others[start : start + kernel.MOST_TARGETS]
            differ += self._dedupe(source, some, size, place)
        if place:
            self._shared(source.status, source.root, place)
        return differ

    def _dedupe(self, source: File, targets: list[File], size: int, place: int) -> list[File]:
        """Those that differ."""
        differ: list[File] = []
        offset = 0
        while targets and offset < size:
            length = min(_STEP, size - offset)
            try:
                states = kernel.dedupe(
                    source.handle, offset, length, [file.handle for file in targets]
                )
            except OSError as error:
                for file in targets:
                    self._fail(error, file)
                return differ
            still = []
            for file, (done, state) in zip(targets, states, strict=True):
                if state == 0 and done > length - _BLOCK:
                    still.append(file)
                elif state < 0:
                    self._fail(OSError(-state, os.strerror(-state)), file)
                else:
                    differ.append(file)
            targets = still
            offset += length
        for file in targets:
            self._outcome.files += 1
            self._outcome.size += file.status.st_blocks * 512
            if place:
                self._shared(file.status, file.root, place)
        return differ

    def _find_edited(self, files: Iterable[File], group: Group) -> None:
        """Say which of some that differ are not what their RECORD says."""
        expected = Hash.parse(group.hash)
        for file in files:
            try:
                if of_handle(file.handle, expected.algorithm) != expected:
                    self._leave("edited", file)
            except ValueError:  # noqa: PERF203 (few differ)
                self._leave("error", file)
            except OSError as error:
                self._fail(error, file)

    def _fail(self, error: OSError, file: File) -> None:
        # The kernel: "not the owner", of a file that cannot be written to either.
        if error.errno == errno.EPERM:
            self._leave("owner", file)
        else:
            self._outcome.fail(error, file.path, file.status.st_blocks * 512)

    def _leave(self, reason: str, file: File) -> None:
        self._outcome.leave(reason, file.path, file.status.st_blocks * 512)
