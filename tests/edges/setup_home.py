"""A home directory for `linkpolicy setup` and `uninstall`, and what is in it afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from uvx_policy.setup import command as setup_command
from uvx_policy.setup import interpreter
from uvx_policy.setup.command import SetupPlan
from uvx_policy.setup.uninstall import UninstallPlan, carry_out_uninstall, plan_uninstall
from uvx_policy.setup.words import Lines

#: beside Python shims, where this machine's `env` can make use of it
STAND_IN = f".linkpolicy/{os.path.basename(interpreter.base_interpreter())}"
#: beside the shims, for whoever types `linkpolicy`
HELP = (
    ".linkpolicy/_linkpolicy",
    ".linkpolicy/linkpolicy.bash",
    ".linkpolicy/linkpolicy.fish",
    "man/man1/linkpolicy.1",
)


class Home:
    """A home directory and the environment variables of its owner.

    No `World`, in which shims are there already: these tests put them there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"HOME": str(root), "PATH": "/usr/bin:/bin", "SHELL": "/bin/bash"}
        self.shims = root / ".local/share/linkpolicy/shims"
        self.env_file = root / ".local/share/linkpolicy/env.sh"
        self.record = root / ".local/state/linkpolicy/setup.json"

    def plan(
        self,
        shell: str | None = "bash",
        shim_dir: str | None = None,
        modify_path: bool = True,
        launcher: str = "python",
    ) -> SetupPlan:
        return setup_command.plan_setup(
            environ=self.environ,
            shells_to_set_up=(shell,) if shell else None,
            shim_directory=shim_dir,
            modify_path=modify_path,
            launcher=launcher,
        )

    def setup(
        self,
        shell: str | None = "bash",
        shim_dir: str | None = None,
        modify_path: bool = True,
        launcher: str = "python",
    ) -> Lines:
        return setup_command.carry_out(self.plan(shell, shim_dir, modify_path, launcher))

    def plan_uninstall(self, shim_dir: str | None = None) -> UninstallPlan:
        return plan_uninstall(environ=self.environ, shim_directory=shim_dir)

    def uninstall(self, shim_dir: str | None = None) -> Lines:
        return carry_out_uninstall(self.plan_uninstall(shim_dir))

    def tree(self) -> dict[str, object]:
        """Every path below with its kind, mode and content, but no times."""
        found: dict[str, object] = {}
        for path in sorted(self.root.rglob("*")):
            mode = stat.S_IMODE(path.lstat().st_mode)
            name = str(path.relative_to(self.root))
            if path.is_symlink():
                found[name] = os.readlink(path)
            else:
                found[name] = (mode, path.read_bytes() if path.is_file() else None)
        return found


def without_directories(tree: dict[str, object]) -> dict[str, object]:
    directories = ((0o755, None), (0o700, None))
    return {name: entry for name, entry in tree.items() if entry not in directories}


def stranger(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho the real uv\n")
    path.chmod(0o755)
    return path


def killed_at(step: int, deed: Callable[[], object]) -> bool:
    """Run `deed` in a child that SIGKILLs itself at its `step`-th change of the file system."""
    child = os.fork()
    if child == 0:
        left = step

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            writes = event == "open" and bool(int(str(arguments[2])) & os.O_CREAT)
            if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"):
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

        with contextlib.suppress(BaseException):
            sys.addaudithook(hook)
            deed()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
