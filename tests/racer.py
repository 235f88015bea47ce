"""Another user, who exchanges what root is working on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.ordinary_user import as_user
from uvx_policy.replace.shop import PREFIX

#: DIRECTORY NAME OTHER SECRET: exchanges two names, and each private directory that appears with
#: one in which what is made becomes a link to the secret
_RACER = f"""
import contextlib, ctypes, os, sys
libc = ctypes.CDLL(None)
os.chdir(sys.argv[1])
one, other = map(os.fsencode, sys.argv[2:4])
secret = sys.argv[4]
number = 0
# It can: a race that nobody runs is never lost.
if libc.renameat2(-100, one, -100, other, 2) == 0:
    print("ready", flush=True)
while True:
    for _ in range(50):
        libc.renameat2(-100, one, -100, other, 2)
    for name in os.listdir("."):
        if not name.startswith({PREFIX!r}):
            continue
        with contextlib.suppress(OSError):
            if os.stat(name).st_uid == 0:
                number += 1
                os.rename(name, f"stolen-{{number}}")
                os.mkdir(name, 0o777)
                os.chmod(name, 0o777)
            for made in os.listdir(name):
                os.unlink(f"{{name}}/{{made}}")
                os.symlink(secret, f"{{name}}/{{made}}")
"""


@contextlib.contextmanager
def racing(directory: Path, name: str, other: str, *, secret: Path) -> Iterator[None]:
    """`UID` exchanges two names in `directory`, as fast as can be, until the end of the block."""
    words = [sys.executable, "-c", _RACER, str(directory), name, other, str(secret)]
    with subprocess.Popen(as_user(words), stdout=subprocess.PIPE) as racer:
        assert racer.stdout is not None
        try:
            assert racer.stdout.readline() == b"ready\n"
            yield
            assert racer.poll() is None
        finally:
            racer.kill()
