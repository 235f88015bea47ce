"""On Windows a decision is replayed while all that it depends on is as it was, and no longer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.wine.laboratory import Laboratory

PROJECT = '[project]\nname = "p"\nversion = "1"\n'
#: prints what is decided for `uv sync`, and whether it came from a record
ASK = """
import json, os, sys
from uvx_policy import guard, pipeline
from uvx_policy.replay import key, records
from uvx_policy.state import layout
from uvx_policy.under_policy import edits_for
uv = sys.argv[1]
environ = guard.without_ours(os.environ)
state = layout.state_home(environ, "win32")
keys = key.key_of_call("uv", sys.argv[2:], environ=environ, uv=uv)
known = [records.replay(state, each) for each in keys]
edits = edits_for("uv", sys.argv[2:], environ=environ, uv=uv)
plan = pipeline.make_plan("uv", sys.argv[2:], environ=environ, uv=uv)
print(json.dumps({
    "replayed": any(known), "variables": edits and edits.variables,
    "spoilt": plan.witnesses.spoilt, "key": len(keys[0]),
    "tokens": sorted({token[:1] for token, _, _ in plan.witnesses}),
}))
"""


def asked(laboratory: Laboratory, *words: str) -> dict[str, object]:
    ended = laboratory.run_python(
        ASK, rf"{laboratory.uv()}\uv.exe", *(words or ("sync",)), cwd=r"C:\work\p"
    )
    assert ended.code == 0, ended
    told = json.loads(ended.output)
    assert isinstance(told, dict)
    return told


@pytest.fixture
def project(laboratory: Laboratory) -> Path:
    directory = laboratory.path(r"C:\work\p")
    directory.mkdir()
    (directory / "pyproject.toml").write_text(PROJECT)
    for path in (directory / "pyproject.toml", directory):
        os.utime(path, (1e9, 1e9))
    asked(laboratory)  # asks uv for its version, which is remembered
    return directory


def test_a_decision_is_replayed(laboratory: Laboratory, project: Path) -> None:  # noqa: ARG001
    first = asked(laboratory)
    assert first["spoilt"] == "", first
    assert asked(laboratory)["replayed"]


def test_another_file_is_another_decision(laboratory: Laboratory, project: Path) -> None:
    asked(laboratory)
    assert asked(laboratory)["replayed"]
    (project / "pyproject.toml").write_text(PROJECT + "[tool.linkpolicy]\nhackable = true\n")
    changed = asked(laboratory)
    assert not changed["replayed"]
    assert changed["variables"]["UV_LINK_MODE"] == "copy"  # type: ignore[index]


def test_a_file_with_its_old_size_and_time_is_another_one(
    laboratory: Laboratory, project: Path
) -> None:
    asked(laboratory)
    assert asked(laboratory)["replayed"]
    program = (
        "import os; path = r'C:\\work\\p\\pyproject.toml'; told = os.stat(path);"
        "text = open(path).read(); open(path, 'w').write(text.replace('\"p\"', '\"q\"'));"
        "os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))"
    )
    assert laboratory.run_python(program).code == 0
    assert not asked(laboratory)["replayed"]
    assert project.exists()
