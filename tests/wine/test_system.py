"""What Windows does in another way, and `uvx_policy` with it."""

from __future__ import annotations

import contextlib
import os
import time

import pytest

from tests.wine.laboratory import Laboratory


def printed(laboratory: Laboratory, program: str, *words: str, **options: object) -> str:
    ended = laboratory.run_python(program, *words, **options)
    assert ended.code == 0, ended
    return ended.output.strip()


def test_a_probe_tells_what_links_and_leaves_nothing(laboratory: Laboratory) -> None:
    for name in ("cache", "there"):
        laboratory.path(rf"C:\work\{name}").mkdir()
    program = (
        "from uvx_policy.filesystem.probe import try_links;"
        r"print(try_links(cache=r'C:\work\cache', destination=r'C:\work\there').hardlink)"
    )
    assert printed(laboratory, program) == "yes"
    assert not os.listdir(laboratory.path(r"C:\work\cache"))
    assert not os.listdir(laboratory.path(r"C:\work\there"))


def test_a_file_can_be_flushed(laboratory: Laboratory) -> None:
    laboratory.path(r"C:\work\file").write_text("x")
    program = (
        "from uvx_policy.state.files import flush;"
        r"flush(r'C:\work\file'); flush(r'C:\work'); print('done')"
    )
    assert printed(laboratory, program) == "done"


@pytest.mark.parametrize("code", [0, 1, 255, 0xC000013A, 0xFFFFFFFF])
def test_an_exit_code_keeps_its_32_bits(laboratory: Laboratory, code: int) -> None:
    inner = f"import ctypes; ctypes.windll.kernel32.ExitProcess({code})"
    outer = (
        "import sys; from uvx_policy import launch; launch.execute(sys.executable, sys.argv[1:])"
    )
    ended = laboratory.run_python(outer, laboratory.python, "-c", inner)
    assert ended.code == code, ended


def test_who_kills_us_ends_what_we_started(laboratory: Laboratory) -> None:
    beat = laboratory.path(r"C:\work\beat")
    inner = (
        "import time\n"
        "while True:\n"
        r"    open(r'C:\work\beat', 'a').write('x'); time.sleep(0.05)"
    )
    outer = (
        "import subprocess, sys, time, os\n"
        "middle = 'import sys; from uvx_policy import launch;"
        " launch.execute(sys.executable, sys.argv[1:])'\n"
        "words = [sys.executable, '-c', middle, sys.executable, '-c', sys.argv[1]]\n"
        "process = subprocess.Popen(words)\n"
        r"while not os.path.exists(r'C:\work\beat'): time.sleep(0.05)" + "\n"
        "process.kill(); process.wait()"
    )
    printed(laboratory, outer, inner)
    deadline = time.monotonic() + 30
    size = -1
    while beat.stat().st_size != size and time.monotonic() < deadline:
        size = beat.stat().st_size
        time.sleep(1)
    assert beat.stat().st_size == size


def test_entries_of_path_may_be_quoted(laboratory: Laboratory) -> None:
    program = (
        "import os; from uvx_policy.locate import real_programs;"
        "print(*real_programs('uv', search_path=os.environ['PATH']), sep='|')"
    )
    laboratory.path(r"C:\work\a;b").mkdir()
    source = laboratory.path(rf"{laboratory.uv('0.8.15')}\uv.exe")
    laboratory.path(r"C:\work\a;b\uv.exe").write_bytes(source.read_bytes())
    found = printed(laboratory, program, search=[r'"C:\work\a;b"', laboratory.uv()])
    assert found == rf"C:\work\a;b\uv.exe|{laboratory.uv()}\uv.exe"


def test_a_lock_of_uv_is_seen_and_kept(laboratory: Laboratory) -> None:
    """uv holds the lock of its cache for as long as `uv run` has a program running."""
    laboratory.path(r"C:\work\p").mkdir()
    program = "import sys; from uvx_policy.caches import locks;print(locks.is_free(sys.argv[1]))"
    cache = r"C:\work\cache"
    words = ["uv", "run", "--no-project", "--python", laboratory.python, "python", "-c"]
    environ = {"UV_CACHE_DIR": cache, "UV_OFFLINE": "1"}
    wait = r"import sys; open(r'C:\work\running', 'w').close(); sys.stdin.read()"
    with laboratory.start(*words, wait, cwd=r"C:\work\p", environ=environ) as process:
        running = laboratory.path(r"C:\work\running")
        deadline = time.monotonic() + 60
        while not running.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert running.exists()
        assert printed(laboratory, program, cache) == "False"
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.wait(60)
    assert printed(laboratory, program, cache) == "True"


def test_members_of_a_workspace_share_its_environment(laboratory: Laboratory) -> None:
    root = laboratory.path(r"C:\work\w")
    (root / "packages" / "member").mkdir(parents=True)
    (root / "pyproject.toml").write_text(
        '[project]\nname = "w"\nversion = "1"\n[tool.uv.workspace]\nmembers = ["packages/*"]\n'
    )
    (root / "packages/member/pyproject.toml").write_text('[project]\nname = "m"\nversion = "1"\n')
    ended = laboratory.linkpolicy(
        "explain", "--json", "--", "uv", "sync", cwd=r"C:\work\w\packages\member"
    )
    assert r'"C:\\work\\w\\.venv"' in ended.output, ended


def test_the_last_change_is_not_the_creation(laboratory: Laboratory) -> None:
    program = (
        "import os, time; from uvx_policy.filesystem.change_time import changed_at\n"
        r"path = r'C:\work\file'; open(path, 'w').close(); made = changed_at(path); time.sleep(0.1)"
        "\nopen(path, 'a').write('x'); os.utime(path, (1, 1)); print(changed_at(path) > made)"
    )
    assert printed(laboratory, program) == "True"


def test_a_file_of_several_names_counts_once(laboratory: Laboratory) -> None:
    archive = laboratory.path(r"C:\work\cache\archive-v0\a")
    archive.mkdir(parents=True)
    (archive / "one").write_text("x" * 1000)
    for name in ("two", "three"):
        os.link(archive / "one", archive / name)
    os.link(archive / "one", laboratory.path(r"C:\work\outside"))
    program = (
        "from uvx_policy.caches.measure import measure;"
        r"m = measure(r'C:\work\cache'); print(m.files, m.logical_bytes, m.shared_bytes > 0)"
    )
    assert printed(laboratory, program) == "1 1000 True"
