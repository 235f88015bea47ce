"""Where something is built beside, in a cache, and what killed processes left of it."""

from __future__ import annotations

import contextlib
import os
import shutil

from uvx_policy.flock import take_alone
from uvx_policy.foreign_file import DIRECTORY, NO_FOLLOW
from uvx_policy.installed.distributions import names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: begins like uv's own temporaries and all of ours: uv never installs what lies there, and
#: `uv cache prune` deletes it
PREFIX = ".tmp-linkpolicy-seed-"


def clean_up(cache: str) -> None:
    """Remove what killed processes left in a cache. Never raises."""
    for name in names_in(cache):
        if name.startswith(PREFIX):
            with contextlib.suppress(OSError):
                handle = os.open(os.path.join(cache, name), DIRECTORY | NO_FOLLOW)
                try:
                    if take_alone(handle):
                        remove(os.path.join(cache, name))
                finally:
                    os.close(handle)


@contextlib.contextmanager
def workshop(cache: str) -> Iterator[str]:
    """A private directory in a cache; as long as we live its lock is held. Raises `OSError`."""
    path = os.path.join(cache, f"{PREFIX}{os.urandom(6).hex()}")
    os.mkdir(path, 0o700)
    handle = os.open(path, DIRECTORY | NO_FOLLOW)
    try:
        take_alone(handle)
        yield path
    finally:
        with contextlib.suppress(OSError):
            remove(path)
        os.close(handle)


def remove(path: str) -> None:
    """Remove a file, a link, or a directory with all that is in it. Raises `OSError`."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
