"""Nothing that a decision looks at goes without a witness: strace sees every look.

So whoever reads the machine otherwise than through `Host`, or forgets a witness there, fails here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.replay.machine import Call, Machine, strace_missing, wait_for_tick
from tests.replay.scenarios import SCENARIOS
from uvx_policy.filesystem import probe
from uvx_policy.setup import shim_file

#: Decides three times: once for the imports, once with an empty memory, once with a full one.
_SCRIPT = """
import json, os, shutil, sys
sys.path += json.loads(sys.argv[1])
program, uv, state, *words = sys.argv[2:]
from uvx_policy import pipeline
environ = dict(os.environ)
hosts, make = [], pipeline._host  # one more for trials with versions that uv could have
pipeline._host = lambda environ: hosts.append(make(environ)) or hosts[-1]
pipeline.make_plan(program, words, environ=environ, uv=uv)
shutil.rmtree(state, ignore_errors=True)
for _ in range(2):
    hosts.clear()
    os.access("/begin", 0)
    pipeline.make_plan(program, words, environ=environ, uv=uv)
    os.access("/end", 0)
    print(json.dumps([each for host in hosts for each in host.witnesses]))
"""
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DIRECTORY = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>, $")


class Look(NamedTuple):
    """One system call about a path."""

    name: str
    path: str
    arguments: str

    @property
    def tokens(self) -> tuple[str, ...]:
        """Witnesses that see at least what this saw; () when it is no mere look."""
        if self.name == "statx":
            return ("m",)
        if self.name in ("stat", "newfstatat", "fstatat64", "lstat"):
            return ("l",) if self.name == "lstat" or "NOFOLLOW" in self.arguments else ("s",)
        if self.name in ("access", "faccessat", "faccessat2"):
            return ("a",)
        if self.name in ("readlink", "readlinkat"):
            return ("r",)
        if self.name == "statfs":
            return ("v", "f")
        if self.name in ("open", "openat") and "O_RDONLY" in self.arguments:
            return ("s", "l", "n") if "O_DIRECTORY" in self.arguments else ("s", "c")
        return {"getdents64": ("n",), "ioctl": ("d",), "getxattr": ("x",)}.get(self.name, ())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_look_of_a_decision_has_its_witness(
    scenario: str, there: Path, tmp_path: Path
) -> None:
    missing = strace_missing()
    if missing and not os.environ.get("CI"):
        pytest.skip(missing)
    machine = Machine(tmp_path / "machine")
    call = SCENARIOS[scenario].build(machine, there)
    # Made with the first thing that is remembered, which may be too new for the first decision.
    os.makedirs(os.path.dirname(machine.state), exist_ok=True)
    wait_for_tick()

    decisions = list(_traced(machine, call, tmp_path / "log"))

    assert len(decisions) == 2
    for looks, witnesses in decisions:
        assert len(looks) > 4
        known = {(token[0], path) for token, path in witnesses}
        without = [
            look for look in looks
            if not known.intersection((token, look.path) for token in look.tokens)
            and not _is_excepted(look, machine, witnesses)
        ]  # fmt: skip
        assert without == []


def _is_excepted(look: Look, machine: Machine, witnesses: list[tuple[str, str]]) -> bool:
    """Everything that a decision may do without a witness, and why."""
    path, arguments = look.path, look.arguments
    if path.startswith(machine.state):
        return True  # what we remember of the machine is only a quicker way to see it
    if f"{machine.state}/".startswith(path.rstrip("/") + "/") and look.tokens == ("s",):
        return True  # whether that may be remembered is nothing that a decision depends on
    if ("c", "/proc/sys/kernel/random/boot_id") in witnesses:
        if path == "/proc/self/mountinfo":
            return True  # a row of it is what it is as long as the mount is the same
        if "O_PATH" in arguments:
            return ("m", path) in witnesses
        if path.startswith("/proc/self/fdinfo/"):
            return True  # of what was opened with O_PATH
        # A try of links: holds as long as the two mounts and what is inherited
        return probe.HIDDEN in path or "O_TMPFILE" in arguments or "/proc/self/fd/" in arguments
    return False


def _traced(
    machine: Machine, call: Call, log: Path
) -> Iterator[tuple[list[Look], list[tuple[str, str]]]]:
    """The looks and the witnesses of a decision with an empty memory, and of one more."""
    words = [call.program, str(machine.bin / "uv"), machine.state, *call.words]
    python = [sys.executable, "-IS", "-c", _SCRIPT, json.dumps(shim_file.package_paths()), *words]
    traced = "trace=%file,getdents64,statfs,ioctl"
    done = subprocess.run(
        [str(shutil.which("strace")), "-fy", "-s", "4096", "-o", log, "-e", traced, "--", *python],
        cwd=call.cwd, env=call.environ, check=True, capture_output=True, text=True,
    )  # fmt: skip
    lines = log.read_text(errors="surrogateescape").splitlines()
    parts = list(_between_marks(lines))
    for looks, told in zip(parts, done.stdout.splitlines(), strict=True):
        yield looks, [(token, path) for token, path, _ in json.loads(told)]


def _between_marks(lines: list[str]) -> Iterator[list[Look]]:
    looks: list[Look] | None = None
    own = lines[0].split()[0]
    for line in lines:
        found = _LINE.match(line)
        if found is None or found[1] != own:  # the real uv, which is asked for its version
            continue
        _, name, arguments, _ = found.groups()
        quoted = _QUOTED.search(arguments)
        # Other requests are about terminals and clones.
        asks = name == "ioctl" and ">, FS_IOC_" in arguments
        if (name == "getdents64" or asks) and looks is not None:
            looks.append(Look(name, arguments.partition("<")[2].partition(">")[0], arguments))
        if name == "getcwd" or quoted is None or not quoted[1]:
            continue  # the cwd is in the key; without a path it is about what is open already
        base = _DIRECTORY.search(arguments[: quoted.start()])
        path = os.path.join(base[1] if base else "", quoted[1])
        if path == "/begin":
            looks = []
        elif path == "/end" and looks is not None:
            yield looks
            looks = None
        elif looks is not None:
            looks.append(Look(name, path, arguments))
