"""A bounded run of the coverage-guided fuzzer; README.md says how to let it run for hours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.launcher import fuzzing, programs


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzzing.TARGETS)
def test_nothing_leads_the_launcher_astray(target: str, tmp_path: Path) -> None:
    if programs.fuzzing_compiler() is None:
        programs.missing("clang with libFuzzer")
    seconds = os.environ.get("LINKPOLICY_FUZZ_SECONDS") or ("20" if os.environ.get("CI") else "4")

    done = subprocess.run(
        fuzzing.command(target, tmp_path / "corpus", f"-max_total_time={seconds}"),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )

    assert done.returncode == 0, done.stderr[-5000:]
    assert "runs in" in done.stderr
