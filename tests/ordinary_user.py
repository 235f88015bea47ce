"""Run programs as an ordinary user, although the suite is root, without opening anything to them.

What the user needs to read (the interpreter, this package, a real uv) may lie below directories
that only root may enter, such as /root. Then each program gets mounts of its own, in which such a
directory is replaced by an empty one that holds nothing but what is needed, read-only. Nobody else
ever sees these mounts, and they end with the program.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.filesystems import unavailable
from uvx_policy.setup import shim_file

#: users of no machine
UID = 12345
OTHER_UID = 12346


def as_user(words: Sequence[str], *, needed: Iterable[Path] = (), uid: int = UID) -> list[str]:
    """Give the words that start `words` (a program on PATH, its arguments) as user `uid`.

    Without capabilities, supplementary groups, or a way back. `needed`: directories that the user
    must be able to reach, beside the shims' interpreter and package. Skips where that cannot be.
    """
    if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("unshare"):
        unavailable("only root can become another user, with setpriv and unshare (util-linux)")
    become = [
        "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all",
        "--bounding-set=-all", "--no-new-privs", "--", *words,
    ]  # fmt: skip
    interpreter = Path(shim_file.base_interpreter())
    wanted = [interpreter.parent.parent, *map(Path, shim_file.package_paths()), *needed]
    script = _opening({path.resolve() for path in wanted})
    return ["unshare", "--mount", "/bin/sh", "-ec", f'{script}exec "$@"', "sh", *become]


def _opening(wanted: set[Path]) -> str:
    """Shell lines that make every one of the directories reachable for everybody."""
    closed = {path: _closed_above(path) for path in wanted}
    outermost = [
        path for path in sorted(wanted) if closed[path] and not wanted.intersection(path.parents)
    ]
    lines = []
    for number, path in enumerate(outermost, start=3):
        lines.append(f"exec {number}<{shlex.quote(str(path))}")
    lines += [
        f"mount -t tmpfs -o mode=755 none {shlex.quote(str(above))}"
        for above in sorted({str(closed[path]) for path in outermost})
    ]
    for number, path in enumerate(outermost, start=3):
        place = shlex.quote(str(path))
        lines += [
            f"mkdir -p {place}",
            # Not by its name, which leads nowhere any more.
            f"mount --no-canonicalize --bind /proc/$$/fd/{number} {place}",
            f"mount -o remount,bind,ro {place}",
            f"exec {number}<&-",
        ]
    return "".join(f"{line}\n" for line in lines)


def _closed_above(path: Path) -> Path | None:
    """Find the topmost directory above `path` that not everybody may enter."""
    if path.stat().st_mode & 0o005 != 0o005:
        unavailable(f"{path} is not for everybody")
    closed = [above for above in path.parents if not above.stat().st_mode & 0o001]
    return closed[-1] if closed else None
