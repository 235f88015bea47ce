"""uv in a home of its own, with or without the policy in front of it.

Nothing here reads or writes anything of the user's: home, cache, configuration, state and PATH are
made for one run of one problem.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from uvx_policy.demo import interrupts, tiny_wheel
from uvx_policy.errors import LinkPolicyError, UsageError
from uvx_policy.setup import launcher, shim_file
from uvx_policy.state import layout
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: seconds that one uv may take; it needs 0.1
_PATIENCE = 120


class UvFailed(LinkPolicyError):
    """uv, or a script that calls it, did not succeed. `str()` is one line for people."""


class Stage:
    """One run of one problem: a new home, new projects, uv with or without the policy."""

    def __init__(
        self,
        base: str,
        *,
        projects: str,
        wheels: str,
        uv: str,
        shims: str = "",
        environ: Mapping[str, str],
    ) -> None:
        """`base` and `projects` do not exist yet. `shims`: the policy's directory on PATH."""
        #: what the shim said, each line once
        self.warnings: list[str] = []
        self._projects = projects
        self._wheels = wheels
        self._environ = private_environ(environ, base)
        path = [shims] if shims else []
        path += [os.path.dirname(uv), environ.get("PATH") or os.defpath]
        self._environ["PATH"] = os.pathsep.join(path)
        # By name, as everybody calls it, only where the name means the shim. Windows would look for
        # it on the PATH of this process.
        self._uv = "uv" if shims else uv
        if shims and sys.platform == "win32":
            self._uv = os.path.join(shims, "uv.exe")
        os.makedirs(projects)

    def configure(self, tables: Mapping[str, object]) -> None:
        """Write linkpolicy's config.toml of this home."""
        import tomlkit

        directory = layout.config_home(self._environ, sys.platform)
        os.makedirs(directory)
        path = os.path.join(directory, layout.CONFIG_FILE)
        with open(path, "w", encoding="utf-8") as stream:
            tomlkit.dump(tables, stream)

    def directory(self, name: str) -> str:
        """A new directory beside the projects."""
        path = os.path.join(self._projects, name)
        os.mkdir(path)
        return path

    def project(self, name: str, *, hackable: bool = False) -> str:
        """A new project that depends on the tiny wheel; its directory."""
        path = self.directory(name)
        with open(os.path.join(path, "pyproject.toml"), "w", encoding="utf-8") as stream:
            stream.write(
                f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.8"\n'
                f'dependencies = ["{tiny_wheel.DISTRIBUTION}"]\n'
            )
            if hackable:
                stream.write("\n[tool.linkpolicy]\nhackable = true\n")
        return path

    def sync(self, project: str) -> None:
        """`uv sync`. Raises `UvFailed`."""
        options = ("--no-index", "--find-links", self._wheels)
        self._run((self._uv, "sync", *options), project, UV_PYTHON=sys.executable)

    def run_script(self, script: str, directory: str) -> None:
        """Somebody's shell script; it finds `$PYTHON` and `$WHEELS`. Raises `UvFailed`."""
        # Never UV_PYTHON here: to `uv pip` it is the environment to install into.
        self._run(("sh", "-ec", script), directory, PYTHON=sys.executable, WHEELS=self._wheels)

    def make_environment(self, directory: str) -> None:
        """An environment with the tiny wheel, by hard links. Raises `UvFailed`."""
        options = ("--no-index", "--find-links", self._wheels, tiny_wheel.DISTRIBUTION)
        self._run((self._uv, "venv", "-p", sys.executable), directory)
        self._run((self._uv, "pip", "install", *options), directory, UV_LINK_MODE="hardlink")

    def run_program(self, python: str, program: str, *words: str, directory: str) -> None:
        """Somebody's Python program; behind `words` it gets Python, wheels and uv.

        Raises `UvFailed`.
        """
        told = (sys.executable, self._wheels, self._uv)
        self._run((python, "-c", program, *words, *told), directory)

    def _run(self, words: Sequence[str], directory: str, **variables: str) -> None:
        process = None
        try:
            with interrupts.held():
                process = subprocess.Popen(
                    words, cwd=directory, env={**self._environ, **variables},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                    start_new_session=True,
                )  # fmt: skip
            _, told = process.communicate(timeout=_PATIENCE)
        except BaseException as error:
            if process is not None:
                _end(process)
            if isinstance(error, OSError | subprocess.TimeoutExpired):
                raise UvFailed(str(error)) from error
            raise
        lines = [line.strip() for line in told.decode("utf-8", "replace").splitlines()]
        said = [line for line in lines if line.startswith("linkpolicy:")]
        self.warnings += [line for line in said if line not in self.warnings]
        if process.returncode:
            faults = [line for line in lines if line.startswith("error:")]
            raise UvFailed((said or faults or [line for line in lines if line] or ["uv failed"])[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill all of its group and wait until the pipe is closed: nobody may still be writing."""
    # After Ctrl-C `communicate` has waited 0.25 s already, and may have seen it end.
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()  # what it has started ends with the launcher
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def private_environ(environ: Mapping[str, str], base: str) -> dict[str, str]:
    """The user's environment variables, moved into a new home below `base`, which is made."""
    home, temporary = os.path.join(base, "home"), os.path.join(base, "tmp")
    os.makedirs(home)
    os.mkdir(temporary)
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_NOT_PASSED_ON) and name not in ("VIRTUAL_ENV", "UV")
    }
    below = {
        "XDG_CACHE_HOME": ".cache", "XDG_CONFIG_HOME": ".config", "XDG_CONFIG_DIRS": "machine",
        "XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state",
    }  # fmt: skip
    return {
        **kept,
        "HOME": home,
        "TMPDIR": temporary,
        **(_home_on_windows(home, temporary) if sys.platform == "win32" else {}),
        **{name: os.path.join(home, path) for name, path in below.items()},
        # The machine's uv.toml may name a cache or a link mode. No UV_OFFLINE: the policy stays
        # away from a cold cache then; `--no-index` keeps uv off the network as well.
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def _home_on_windows(home: str, temporary: str) -> dict[str, str]:
    below = {"LOCALAPPDATA": "Local", "APPDATA": "Roaming", "PROGRAMDATA": "machine"}
    return {
        "USERPROFILE": home, "TEMP": temporary, "TMP": temporary,
        **{name: os.path.join(home, path) for name, path in below.items()},
    }  # fmt: skip


_NOT_PASSED_ON = ("UV_", "XDG_", "LINKPOLICY_", "_LINKPOLICY_", "CONDA_", "PYTHON")


def write_shims(directory: str) -> None:
    """Put fresh shims into `directory`, which is made. Raises `UsageError`."""
    os.mkdir(directory)
    if sys.platform == "win32":
        _, files = launcher.shims(directory, "native")
        for path, content in files:
            with open(path, "wb") as stream:
                stream.write(content)
        return
    for program in ("uv", "uvx"):
        path = os.path.join(directory, program)
        try:
            content = shim_file.render(program)
        except ValueError as error:
            raise UsageError(str(error)) from error
        with open(path, "wb") as stream:
            stream.write(content)
        os.chmod(path, 0o700)
        if not os.access(path, os.X_OK):
            raise UsageError(
                f"programs cannot be executed in `{directory}` (mounted noexec)",
                hint="name another directory",
                commands=(command("linkpolicy", "demo", TMPDIR="/another/directory"),),
            )
