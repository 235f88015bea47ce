"""What a hit asks of the kernel, seen by strace: nothing is written, no process is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.launcher import programs
from tests.launcher.conftest import Scene

#: witnesses: token and path
Seeing: TypeAlias = list[tuple[str, Path | str]]
WORDS = ("sync", "--frozen")
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += ")

#: all that a hit may do; no fork, no clone, no socket, nothing that changes a file
ALLOWED = {
    "access", "arch_prctl", "brk", "close", "execve", "faccessat", "fcntl", "fstat", "getcwd",
    "getdents64", "geteuid", "getpid", "getrandom", "mprotect", "newfstatat", "fstatat64",
    "openat", "open", "pread64", "prlimit64", "read", "readlink", "readlinkat", "rseq",
    "set_robust_list", "set_tid_address", "stat", "lstat", "statfs", "statx", "ioctl",
}  # fmt: skip


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The launcher as it is shipped: sanitizers would make calls of their own."""
    return Scene(tmp_path, programs.launcher(programs.shipped()))


def calls(scene: Scene, *words: str) -> list[tuple[str, str]]:
    """(name, arguments) of the launcher's system calls, up to and with its last execve."""
    strace = shutil.which("strace")
    if strace is None:
        programs.missing("strace")
    log = scene.base / "log"
    command = [strace, "-f", "-o", str(log), "-s", "300", "--", str(scene.shims / "uv"), *words]
    done = subprocess.run(
        command, env=scene.environ, cwd=scene.cwd, capture_output=True, check=False
    )
    if b"ptrace" in done.stderr:
        programs.missing("strace that may trace")
    assert done.returncode == 0, done.stderr
    found = [match.groups() for match in map(CALL.match, log.read_text().splitlines()) if match]
    (own, became) = [index for index, (name, _) in enumerate(found) if name == "execve"][:2]
    assert own == 0
    return [(str(name), str(arguments)) for name, arguments in found[: became + 1]]


def test_a_hit_writes_nothing_and_starts_no_process(scene: Scene) -> None:
    link = scene.cwd / "link"
    link.symlink_to("nowhere")
    statuses: Seeing = [("s", scene.cwd), ("l", link), ("r", link), ("a2", scene.home)]
    others: Seeing = [("n", scene.cwd), ("c", "/proc/self/mountinfo"), ("v", "/"), ("f1000", "/")]
    scene.record("uv", *WORDS, witnesses=[*statuses, *others, ("d", scene.cwd), ("m", scene.cwd)])

    made = calls(scene, *WORDS)

    assert not scene.seen().handed_over
    assert {name for name, _ in made} <= ALLOWED
    opened = [arguments for name, arguments in made if name in ("open", "openat")]
    assert opened
    assert all("O_RDONLY" in arguments and "O_CLOEXEC" in arguments for arguments in opened)
    assert not any(re.search(r"O_(CREAT|TRUNC|APPEND|TMPFILE)", text) for text in opened)


@pytest.mark.parametrize("words", [("help",), WORDS], ids=["quick", "recorded"])
def test_a_hit_asks_each_thing_once(scene: Scene, words: tuple[str, ...]) -> None:
    """Beyond the start of a C program: the guard's identity, one uv, one record, its witnesses."""
    scene.record("uv", *WORDS)

    made = [f"{name}({arguments}" for name, arguments in calls(scene, *words)]

    work = made[next(i for i, call in enumerate(made) if call.startswith("getcwd")) :]
    # getcwd, getpid, 3 for /proc/self/stat, 6 each for the shim and for uv on PATH; for the record
    # 7 and one for its witness; execve. Python's own start makes more than 400.
    assert len(work) <= (18 if words == ("help",) else 26)
    assert len({call for call in work if call.startswith("open")}) == sum(
        call.startswith("open") for call in work
    )


def test_no_file_descriptor_is_left_to_uv(scene: Scene) -> None:
    scene.record("uv", *WORDS, witnesses=[("n", scene.cwd), ("c", "/proc/self/mountinfo")])

    seen = scene.outcome("uv", *WORDS)

    numbers = [line.split()[1] for line in seen.rest if line.startswith("descriptor")]
    assert numbers == ["0", "1", "2"]
    assert os.path.exists(scene.uv)
