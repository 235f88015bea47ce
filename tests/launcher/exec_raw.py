"""Become a program with any words and any environment: `os.execve` wants a dictionary.

    python -IS exec_raw.py PROGRAM WORD... -- ENTRY...

All but PROGRAM are hexadecimal.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def array(items: list[str]) -> object:
    return (ctypes.c_char_p * (len(items) + 1))(*map(bytes.fromhex, items), None)


for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
end = sys.argv.index("--")
ctypes.CDLL(None).execve(
    os.fsencode(sys.argv[1]), array(sys.argv[2:end]), array(sys.argv[end + 1 :])
)
sys.exit("execve failed")
