"""A small wheel made on the spot, so that uv has something to install without any network."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import sys
import zipfile

DISTRIBUTION = "tiny-demo"
PACKAGE = "tiny_demo"
_VERSION = "1.0"
_INFO = f"{PACKAGE}-{_VERSION}.dist-info"

#: the file that gets edited, and one as Windows locks it while it is loaded (code only there)
MODULE, MODULE_TEXT = "__init__.py", b"GREETING = 'original'\n"
EXTENSION = "_native.pyd"

_METADATA = f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {_VERSION}\n"
_WHEEL = """\
Wheel-Version: 1.0
Generator: linkpolicy
Root-Is-Purelib: true
Tag: py3-none-any
"""


def build_wheel(directory: str, *, weight: int = 0) -> str:
    """Write the wheel into an existing `directory`; returns its path.

    `weight`: bytes of incompressible data in it, the same bytes every time.
    """
    files = {
        f"{PACKAGE}/{MODULE}": MODULE_TEXT,
        f"{PACKAGE}/{EXTENSION}": _extension(),
        # Random: a file system that compresses or leaves out zeros would spoil the measurement.
        f"{PACKAGE}/data.bin": random.Random(weight).randbytes(weight),  # noqa: S311 (no secret)
        f"{_INFO}/METADATA": _METADATA.encode(),
        f"{_INFO}/WHEEL": _WHEEL.encode(),
    }
    rows = [f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items()]
    files[f"{_INFO}/RECORD"] = "".join((*rows, f"{_INFO}/RECORD,,\n")).encode()
    path = os.path.join(directory, f"{PACKAGE}-{_VERSION}-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return path


def _extension() -> bytes:
    if sys.platform == "win32":
        import select  # a library that every Python has as a file of its own

        with open(str(select.__file__), "rb") as stream:
            return stream.read()
    return b"not really machine code\n"


def _digest(content: bytes) -> str:
    """The hash as RECORD writes it: urlsafe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
