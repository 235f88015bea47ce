"""Build a fuzz target and its first inputs, which are real records and real calls.

python -m tests.launcher.fuzzing record|call CORPUS [OPTIONS OF LIBFUZZER]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.launcher import programs
from uvx_policy import guard
from uvx_policy.replay.witness import look
from uvx_policy.uv import options

TARGETS = ("record", "call")
FLAGS = (
    "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=fuzzer,address,undefined",
    "-fno-sanitize-recover=all",
)  # fmt: skip
#: seen by the witnesses of the first inputs
PATHS = ("/", "/nowhere", "/etc/passwd", "/proc/self/mountinfo", "/proc/self/exe", "/usr/bin")
KINDS = ("s", "l", "n", "r", "v", "a4", "a7", "f0", "f1000", "c", "d", "m")


def command(target: str, corpus: Path, *more: str) -> list[str]:
    """What starts the fuzzer. Builds it, and puts its first inputs into `corpus`."""
    compiler = programs.fuzzing_compiler()
    assert compiler is not None
    binary = programs.compile_c(
        programs.HERE / "fuzz.c", (*FLAGS, f"-DFUZZ_{target.upper()}"), compiler
    )
    corpus.mkdir(parents=True, exist_ok=True)
    for index, content in enumerate(_records() if target == "record" else _calls()):
        (corpus / f"first-{index}").write_bytes(content)
    dictionary = corpus.parent / f"{target}.dict"
    dictionary.write_text("".join(f'"{_quoted(word)}"\n' for word in _vocabulary()))
    limits = ["-max_len=8192", "-timeout=10", "-rss_limit_mb=2048"]
    return [str(binary), *limits, f"-dict={dictionary}", *more, str(corpus.resolve())]


def _records() -> list[bytes]:
    """Settings, and what follows the key."""
    fields = [b"a/target", b"eUV_CACHE_DIR=/c;%", b"eUV_LINK_MODE=copy"]
    fields += [
        os.fsencode(f"w{kind}={look(kind, path)} {path}")
        for path in PATHS
        for kind in KINDS
        if kind != "c" or path.startswith("/proc/self/m")
    ]
    found = [b"\0" + field + b"\0.\0" for field in fields]
    found.append(b"\0" + b"".join(field + b"\0" for field in fields if b"=!" not in field) + b".\0")
    found.append(b"\0.\0")
    found.append(b"\1linkpolicy-decision-v1\0k10\0linkpolicy-key-v2:")
    return found


def _calls() -> list[bytes]:
    """Settings, words, a line that ends them, variables."""
    outer = guard.Guard(
        process="1.1",
        turn=1,
        depth=2,
        uv="/x;%",
        tried=("/uv",),
        values=(("UV_CACHE_DIR", "/c;%"),),
    )
    marked = f"{guard.NAME}={guard.render(outer)}"
    found = []
    for settings in range(8):
        for command_words in sorted(options.COMMANDS):
            words = [*command_words.split(), "-p", "3.12", "--", "x.py"]
            text = "\0".join([*words, "\n", "HOME=/", "UV_CACHE_DIR=/c;%", marked, "A"])
            found.append(bytes([settings]) + text.encode())
    return found


def _vocabulary() -> list[str]:
    spellings = {
        name for command_words in options.COMMANDS for name in options.spellings(command_words)
    }
    return sorted({*spellings, *KINDS, "-", "/", "\0", "\n", ".", "%25", "%3b", ";set=", ";tried="})


def _quoted(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    sys.exit(subprocess.call(command(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))
