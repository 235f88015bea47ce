"""uv.exe installs a tiny wheel; we must have known where: see `tests/uv/test_destination_contract`.

Each row is a world, a command line, and the directory in which the package is afterwards. Then the
disk is searched, and what `find_destination` said before is compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.wine import supplies
from tests.wine.laboratory import Laboratory

ASK = """
import json, os, sys
from uvx_policy import guard, pipeline
environ = guard.without_ours(os.environ)
plan = pipeline.make_plan("uv", sys.argv[2:], environ=environ, uv=sys.argv[1])
print(json.dumps([plan.destination.kind, plan.destination.path]))
"""
PROJECT = """[project]
name = "{name}"
version = "1"
requires-python = ">=3.8"
dependencies = ["hello"]
"""
WORKSPACE = PROJECT + '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
TABLE = '[tool.uv]\nno-index = true\nfind-links = ["C:/tiny-wheels"]\n'


class Row(NamedTuple):
    """One situation, in `C:\\work\\w`."""

    words: str
    #: of the environment or directory that the package gets into, below `C:\\work\\w`
    place: str
    kind: str
    cwd: str = ""
    environ: tuple[tuple[str, str], ...] = ()
    envs: tuple[str, ...] = ()


ROWS = (
    Row("sync", ".venv", "project"),
    Row("sync", ".venv", "project", cwd=r"packages\member"),
    Row(r"sync --project packages\member", ".venv", "project"),
    Row("sync --directory packages/member", ".venv", "project"),
    Row("sync", "other", "project", environ=(("UV_PROJECT_ENVIRONMENT", "other"),)),
    Row("pip install hello", ".venv", "environment", envs=(".venv",)),
)


@pytest.fixture
def world(laboratory: Laboratory) -> Path:
    wheels = laboratory.path(r"C:\tiny-wheels")
    wheels.mkdir(exist_ok=True)
    supplies.write_wheel(wheels, "hello", "1.0", {"hello/__init__.py": b""})
    root = laboratory.path(r"C:\work\w")
    (root / "packages/member").mkdir(parents=True)
    (root / "pyproject.toml").write_text(WORKSPACE.format(name="w") + TABLE)
    (root / "packages/member/pyproject.toml").write_text(PROJECT.format(name="member"))
    return root


@pytest.mark.parametrize("version", supplies.UVS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.words} {row.cwd} {row.environ}")
def test_uv_installs_where_we_say(
    laboratory: Laboratory, world: Path, row: Row, version: str
) -> None:
    uv = rf"{laboratory.uv(version)}\uv.exe"
    cwd = rf"C:\work\w\{row.cwd}".rstrip("\\")
    for name in row.envs:
        laboratory.ok(uv, "venv", "-q", "--python", laboratory.python, rf"C:\work\w\{name}")
    environ = {
        "UV_PYTHON_DOWNLOADS": "never", "UV_OFFLINE": "1",
        "UV_FIND_LINKS": r"C:\tiny-wheels", **dict(row.environ),
    }  # fmt: skip
    told = laboratory.run_python(ASK, uv, *row.words.split(), cwd=cwd, environ=environ)
    assert told.code == 0, told
    kind, path = json.loads(told.output)

    ran = laboratory.run(uv, *row.words.split(), cwd=cwd, environ=environ)
    assert ran.code == 0, ran
    found = [each.parent for each in world.rglob("hello/__init__.py")]
    assert len(found) == 1, found
    place = world.joinpath(*row.place.split("\\"))
    assert found[0].is_relative_to(place), (row, found)
    assert (kind, path.lower()) == (row.kind, rf"C:\work\w\{row.place}".lower()), told
