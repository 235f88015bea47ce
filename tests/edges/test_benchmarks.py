"""The benchmarks run and print their rows. What they print is never judged here: no timed test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import harness
from tests import filesystems

BENCHMARKS = Path(harness.__file__).parent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shim is a script on POSIX only")


def run(script: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(BENCHMARKS / script), *words],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def rows_of(table: str) -> list[str]:
    """First cells of the printed table, its head left out."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [line.split("|")[1].strip() for line in lines[2:]]


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """Stands in for the real uv where only the wiring counts: no package index needed."""
    answer = tmp_path / "answer"
    answer.write_text("#!/bin/sh\necho uv 0.13.8\n", encoding="utf-8")
    answer.chmod(0o755)
    return Path(harness.compile_stand_in(str(tmp_path / "real"), uv=str(answer)))


def test_startup_prints_its_rows(uv: Path) -> None:
    done = run("startup.py", "--pairs", "2", "--uv", str(uv))

    assert rows_of(done.stdout) == [
        "bare interpreter: python -IS -c pass",
        "uv --version: real uv",
        "uv --version: shim",
        "uv sync, same device: stand-in",
        "uv sync, same device: shim, first time",
        "uv sync, same device: shim, again",
    ]
    assert "uv 0.13.8" in done.stdout


def test_startup_finds_uv_on_path_and_tells_programs(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{uv.parent}:{os.environ['PATH']}")

    done = run("startup.py", "--pairs", "2", "--json")

    told: dict[str, Any] = json.loads(done.stdout)
    assert told["about"]["uv"] == "0.13.8"
    assert [row.get("target") for row in told["rows"]] == [None, None, 12, None, 60, None]
    assert str(tmp_path) not in done.stdout


@pytest.mark.filesystem
def test_startup_decides_for_another_device_and_leaves_nothing_there(
    uv: Path, fs: filesystems.FileSystems
) -> None:
    device = fs.image("ext4")
    before = sorted(os.listdir(device))

    done = run("startup.py", "--pairs", "2", "--uv", str(uv), "--device", str(device))

    assert "uv sync, other device: shim, first time" in rows_of(done.stdout)
    assert "decided on other device: hardlink-works, device-cache" in done.stdout
    assert sorted(os.listdir(device)) == before


@pytest.mark.parametrize("script", ["startup.py", "second_environment.py"])
def test_one_pair_is_refused_because_it_has_no_spread(script: str, tmp_path: Path) -> None:
    done = run(
        script, "--pairs", "1", *(["--device", str(tmp_path)] * (script[0:2] == "se")), code=2
    )

    assert "at least 2 pairs" in done.stderr


@pytest.mark.uv
def test_second_environment_on_the_same_device_has_nothing_to_compare(
    newest_uv: Path, tmp_path: Path
) -> None:
    small = ("--pairs", "2", "--files", "2", "--megabytes", "1", "--uv", str(newest_uv))

    done = run("second_environment.py", "--device", str(tmp_path), *small, code=1)

    assert "the device is the one that uv's own cache lies on" in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.uv
@pytest.mark.filesystem
@pytest.mark.parametrize("kind", ["btrfs", "ext4"])
def test_second_environment_prints_its_rows(
    newest_uv: Path, fs: filesystems.FileSystems, kind: str
) -> None:
    device = fs.image(kind)
    before = sorted(os.listdir(device))
    small = ("--pairs", "2", "--files", "20", "--megabytes", "2", "--uv", str(newest_uv))

    done = run("second_environment.py", "--device", str(device), *small)

    assert rows_of(done.stdout) == [
        "seconds until uv exits",
        "seconds until it is on disk",
        "MB that the device lost",
        "MB in files that share nothing",
    ]
    assert sorted(os.listdir(device)) == before


@pytest.mark.uv
@pytest.mark.filesystem
def test_second_environment_mounts_an_image_of_its_own_and_takes_it_away(
    newest_uv: Path, fs: filesystems.FileSystems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.image("ext4")  # skips where nothing can be mounted
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    small = ("--pairs", "2", "--files", "20", "--megabytes", "2", "--uv", str(newest_uv))

    done = run("second_environment.py", "--image", "ext4", "--json", *small)

    told: dict[str, Any] = json.loads(done.stdout)
    without = sum(cost["private"] for cost in told["without"])
    assert without > 2 * 2_000_000
    assert sum(cost["private"] for cost in told["with"]) < without / 10
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert os.listdir(tmp_path) == []
