"""An interactive bash on a terminal of 80 columns, typed into as a person would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: of one command, in seconds; building a wheel takes longest
_PATIENCE = 240.0
_PROMPT = re.compile(rb"<typed (\d+)>\Z")
_QUESTION = re.compile(rb"\[(?:y/N|Y/n)\] \Z")


class Answer(NamedTuple):
    """What a command printed, on both streams, and how it ended."""

    code: int
    lines: tuple[str, ...]


class Terminal:
    """A shell that has read its start-up file. `close` ends it."""

    def __init__(self, environ: Mapping[str, str], cwd: str) -> None:
        pid, self._terminal = pty.fork()
        if pid == 0:
            try:
                os.chdir(cwd)
                # Without readline a typed line is shown as it is typed.
                os.execvpe("bash", ["bash", "--noediting", "-i"], dict(environ))
            finally:
                os._exit(127)
        self._pid = pid
        size = struct.pack("HHHH", 40, 80, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)
        self.type("PS1='<typed $?>' PS2=''")

    def close(self) -> None:
        """End the shell, whatever it is doing."""
        os.close(self._terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def type(self, command: str, shown: Sequence[str] = ()) -> Answer:
        """Type a command and wait for the prompt.

        A question is answered as `shown` answers it, otherwise with `y`. Raises `AssertionError`
        when no prompt comes.
        """
        os.write(self._terminal, f"{command}\n".encode())
        output = b""
        end = time.monotonic() + _PATIENCE
        while not (prompt := _PROMPT.search(output)):
            left = end - time.monotonic()
            assert left > 0, f"{command}: {output.decode(errors='replace')}"
            if not select.select([self._terminal], [], [], left)[0]:
                continue
            try:
                output += os.read(self._terminal, 65536)
            except OSError as error:  # EIO: the shell has ended
                message = f"{command}: {output.decode(errors='replace')}"
                raise AssertionError(message) from error
            if _QUESTION.search(output):
                os.write(self._terminal, self._answer(output, shown))
        text = output[: prompt.start()].decode(errors="replace").replace("\r\n", "\n")
        echoed = command.count("\n") + 1
        return Answer(int(prompt[1]), tuple(text.split("\n")[echoed:-1]))

    @staticmethod
    def _answer(output: bytes, shown: Sequence[str]) -> bytes:
        question = output.rpartition(b"\n")[2].decode()
        for line in shown:
            if line.startswith(question):
                return f"{line.removeprefix(question)}\n".encode()
        return b"y\n"
