"""`minimal_os` says what `os` says, in an interpreter that has not loaded `os`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.uv.world import PYTHON

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there it is `os` itself")

ROOT = Path(__file__).resolve().parent.parent.parent
BEGIN = (
    f"import sys; sys.path.append({str(ROOT)!r}); from uvx_policy.minimal_os import os as small\n"
)


def asked(code: str, *words: str, **environ: str) -> str:
    done = subprocess.run(
        [PYTHON, "-IS", "-c", BEGIN + code, *words],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environ}, cwd="/usr",
        capture_output=True, encoding="utf-8", errors="surrogateescape", check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_os_is_not_loaded_for_it() -> None:
    assert asked("print('os' in sys.modules, small.__name__)") == "False os\n"


def test_where_os_is_loaded_it_is_os() -> None:
    from uvx_policy.minimal_os import os as here

    assert here is os


@pytest.mark.parametrize(
    "expression",
    [
        "[x.path.abspath(p) for p in PATHS]",
        "[x.path.basename(p) for p in PATHS]",
        "[x.path.isfile(p) for p in PATHS]",
        "[x.path.isdir(p) for p in PATHS]",
        "[x.path.dirname(p) for p in PATHS]",
        "[x.path.join(p, q, 'uv') for p in PATHS for q in PATHS]",
        "[list(x.fsencode(x.fsencode(p))) for p in PATHS]",
        "[x.fsdecode(x.fsencode(p)) == x.fsdecode(p) == p for p in PATHS]",
        "[list(x.lstat('/bin/sh')), x.readlink('/proc/self/exe'), sorted(x.listdir('/'))]",
        "[x.O_RDONLY, x.O_CREAT | x.O_EXCL, x.geteuid(), x.strerror(2)]",
        "[x.path.join(p or '.', 'uv') for p in PATHS]",
        "[list(x.fsencode(p)) for p in PATHS]",
        "[x.name, x.pathsep, x.defpath, x.X_OK, x.SEEK_END]",
        "[x.getcwd(), x.getpid(), x.getppid()]",
        "[x.access('/bin/sh', x.X_OK), x.access('/etc/passwd', x.X_OK), x.access('/no', x.X_OK)]",
        "list(x.stat('/bin/sh'))",
        "sorted(x.environ.items())",
        "[x.environ.get('ODD'), x.environ.get('NONE'), 'ODD' in x.environ]",
    ],
)
def test_it_says_what_os_says(expression: str) -> None:
    paths = [
        "/bin/sh", "bin/sh", "sh", ".", "..", "/", "//bin/sh", "/bin/../bin/sh", "/bin/./sh",
        "/bin/", "/bin/.hidden", "./sh", "/no/such", "/caf\udce9", "", "a\0b", "/dev/null", "/bin",
    ]  # fmt: skip
    code = f"""
PATHS = {paths!r}
first = (lambda x: {expression})(small)
import os, json
print(json.dumps([first, (lambda x: {expression})(os)]))
"""
    small, real = json.loads(asked(code, ODD="caf\udce9=x", EMPTY=""))

    assert small == real


def test_what_is_changed_in_its_variables_is_changed_for_the_next_program() -> None:
    code = """
small.environ["NEW"] = "caf\\udce9"
small.environ.update({"OLD": "new", "MORE": "="})
del small.environ["GONE"]
print(small.environ.pop("POPPED"), sorted(small.environ), flush=True)
small.execv("/usr/bin/env", ["env"])
"""
    first, *rows = asked(code, OLD="old", GONE="x", POPPED="y").splitlines()

    assert first == "y ['LC_ALL', 'MORE', 'NEW', 'OLD', 'PATH']"
    assert sorted(rows) == [
        "LC_ALL=C.UTF-8",
        "MORE==",
        "NEW=caf\udce9",
        "OLD=new",
        "PATH=/usr/bin:/bin",
    ]


@pytest.mark.parametrize("change", ["del small.environ['NONE']", "small.environ.pop('NONE')"])
def test_what_is_not_there_cannot_be_taken_away(change: str) -> None:
    code = f"try:\n    {change}\nexcept KeyError as error:\n    print(error)"

    assert asked(code) == "'NONE'\n"
