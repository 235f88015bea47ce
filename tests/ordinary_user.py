"""Run programs as an ordinary user, although the suite is root."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import real_uv, sandbox
from tests.filesystems import unavailable

#: users of no machine
UID = 12345
OTHER_UID = 12346

#: for tests that do it in this process, without other mounts
only_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)


def as_user(words: Sequence[str], *, uid: int = UID) -> list[str]:
    """Give the words that start `words` (a program on PATH, its arguments) as user `uid`.

    Without capabilities, supplementary groups, or a way back. Interpreters, this checkout and the
    real uvs are within reach, below whatever they are: the `sandbox` has made the directories
    above them. Skips where that cannot be.
    """
    if not sandbox.is_own() or not shutil.which("setpriv"):
        unavailable("only root can become another user, with a sandbox and setpriv (util-linux)")
    for path in (sandbox.ROOT, Path(sys.prefix), Path(sys.base_prefix), real_uv.store()):
        if path.exists() and path.stat().st_mode & 0o005 != 0o005:
            unavailable(f"{path} is not for everybody")
    return [
        "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all",
        "--bounding-set=-all", "--no-new-privs", "--", *words,
    ]  # fmt: skip
