"""The laboratory does what tests that use it rely on."""

from __future__ import annotations

import os
from pathlib import Path

from tests.wine.laboratory import Laboratory


def test_uv_is_the_real_one_of_that_version(laboratory: Laboratory) -> None:
    old = laboratory.run(rf"{laboratory.uv('0.8.15')}\uv.exe", "--version")
    assert old.output.startswith("uv 0.8.15 ("), old
    assert laboratory.ok("uv", "--version").split()[1] != "0.8.15"


def test_words_streams_variables_and_exit_codes_arrive_whole(laboratory: Laboratory) -> None:
    program = (
        "import sys, os; sys.stdout.write(repr(sys.argv[1:]) + os.environ['USERPROFILE']"
        " + sys.stdin.read() + os.environ['NAME'] + os.getcwd());"
        " sys.stdout.flush(); os._exit(0xC000013A - 2**32)"
    )
    words = ["", 'a "b"', "c\\", "ü%PATH%"]
    ended = laboratory.run_python(program, *words, stdin=b"<in>", environ={"NAME": "ö b"})
    assert ended.code == 0xC000013A
    assert ended.output == f"{words!r}{laboratory.home}<in>ö b{laboratory.work}", ended


def test_a_loaded_module_cannot_be_removed_by_any_of_its_names(laboratory: Laboratory) -> None:
    laboratory.write_wheel(r"C:\wheels")
    install(laboratory, "one")
    install(laboratory, "two")
    first, second = (
        laboratory.path(rf"C:\work\{name}\Lib\site-packages\speedy\_speedups.pyd")
        for name in ("one", "two")
    )
    assert os.path.samefile(first, second)
    program = f"import speedy, os; os.remove({laboratory.windows(second)!r})"
    ended = laboratory.run(r"C:\work\one\Scripts\python.exe", "-c", program)
    assert "[WinError 5]" in ended.errors, ended
    assert second.exists()


def test_another_mount_is_another_drive(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.add_drive("d", tmp_path)
    laboratory.ok("cmd", "/c", "echo hello>D:\\file")
    assert (tmp_path / "file").read_text().strip() == "hello"


def test_linkpolicy_is_installed(laboratory: Laboratory) -> None:
    ended = laboratory.linkpolicy("--version")
    assert (ended.code, ended.output.split()[0]) == (0, "linkpolicy"), ended


def install(laboratory: Laboratory, name: str) -> None:
    laboratory.ok("uv", "venv", "--quiet", "--python", laboratory.python, name)
    laboratory.ok(
        "uv", "pip", "install", "--quiet", "--python", name, "--no-index",
        "--find-links", r"C:\wheels", "speedy",
    )  # fmt: skip
