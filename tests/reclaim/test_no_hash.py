"""RECORDs with something else where a hash should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.making import distribution, environment
from uvx_policy.reclaim.candidates import Candidates


@pytest.mark.parametrize("text", ["none", "sha256=", "=AAAA", "sha256=="])
def test_what_is_no_hash_is_in_no_group(tmp_path: Path, text: str) -> None:
    sites = [environment(tmp_path / name) for name in "ab"]
    for tree in sites:
        distribution(tree, {"one/a.py": b"same\n"})
        (record,) = Path(tree.path).glob("*.dist-info/RECORD")
        record.write_text(f"one/a.py,{text},5\n")

    assert len(Candidates(sites)) == 0
