"""A whole decision with the calls of a Mac: it is recorded, and stale with another volume."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

import pytest

from tests import macos
from tests.macos import DATA, Disk
from uvx_policy import pipeline
from uvx_policy.filesystem import clone
from uvx_policy.macos import calls
from uvx_policy.replay import macos_sights, witness


class Libc(macos.Libc):
    """Everything lies on one volume, which cannot clone."""

    def look_up(self, path: str) -> str:
        os.lstat(path)
        return path

    def disk(self, path: str) -> Disk:  # noqa: ARG002
        return self.layout[0]

    def fclonefileat(self, *_: object) -> int:
        ctypes.set_errno(errno.ENOTSUP)
        return -1


def test_a_decision_on_macos_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest_uv: Path
) -> None:
    disk = DATA._replace(point="/")
    libc = Libc([], (disk,))
    for name in ("home", "cache"):
        (tmp_path / name).mkdir()
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "a"\nversion = "1"\n')
    monkeypatch.setattr(calls, "_libc", lambda: libc)
    monkeypatch.setattr(clone, "_libc", lambda: libc)
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    for token, look in macos_sights.LOOKS.items():
        monkeypatch.setitem(witness._LOOKS, token, look)
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path / "home"), "UV_CACHE_DIR": str(tmp_path / "cache")}
    monkeypatch.setattr(sys, "platform", "darwin")

    plan = pipeline.make_plan("uv", ["sync"], environ=environ, uv=str(newest_uv))

    assert plan.outcome.link_mode.code == "hardlink-works"
    seen = list(plan.witnesses)
    # The file of the project is as young as the test.
    assert plan.witnesses.passing or not plan.witnesses.spoilt
    assert [path for token, path, sight in seen if witness.look(token, path) != sight] == []

    libc.exchange(disk, disk._replace(serial="another"))

    stale = {token for token, path, sight in seen if witness.look(token, path) != sight}
    assert stale == {"m"}
