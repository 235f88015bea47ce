"""Wheels as they are published: right, or with a RECORD that is wrong about its own files."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

Members = dict[str, bytes]


def rewritten(wheel: Path, change: Callable[[Members], None]) -> None:
    """Change the members of a wheel; permissions stay."""
    with zipfile.ZipFile(wheel) as old:
        modes = {entry.filename: entry.external_attr for entry in old.infolist()}
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    with zipfile.ZipFile(wheel, "w") as new:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = modes.get(name, 0o100644 << 16)
            new.writestr(entry, content)


def record_name(members: Members) -> str:
    (name,) = (name for name in members if name.endswith(".dist-info/RECORD"))
    return name


def without_row(path: str) -> Callable[[Members], None]:
    """RECORD does not name this file."""

    def change(members: Members) -> None:
        name = record_name(members)
        rows = members[name].splitlines(keepends=True)
        members[name] = b"".join(row for row in rows if not row.startswith(f"{path},".encode()))

    return change


def with_wrong_hash(path: str) -> Callable[[Members], None]:
    """RECORD has another hash for this file."""

    def change(members: Members) -> None:
        name = record_name(members)
        pattern = re.escape(f"{path},sha256=".encode()) + rb"[^,]*"
        wrong = f"{path},sha256={'A' * 43}".encode()
        members[name], count = re.subn(pattern, wrong, members[name])
        assert count == 1

    return change


def without_file(path: str) -> Callable[[Members], None]:
    """RECORD names a file that the wheel does not have."""

    def change(members: Members) -> None:
        del members[path]

    return change
