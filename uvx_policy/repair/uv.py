"""What only uv can do: fetch the original of a package, or install a package anew."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from uvx_policy import guard
from uvx_policy.errors import LinkPolicyError
from uvx_policy.foreign_file import read_foreign
from uvx_policy.installed import distributions
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: bytes of direct_url.json
_MOST = 1 << 20
#: what would contradict the options below, and has none that takes it back
_IN_THE_WAY = ("UV_NO_CACHE", "UV_SYSTEM_PYTHON")


class UvFailed(LinkPolicyError):
    """uv could not do it, and says why."""


class Uv(Value):
    """The real uv."""

    #: absolute path of the program
    program: str
    environ: Mapping[str, str]
    #: uv must not use the network
    offline: bool = False
    #: seconds that uv waits for the lock of a cache
    wait: float = 10.0

    def fetch(self, dist_info: str, *, into: str, python: str, project: str) -> None:
        """Install a package from where the project in `project` gets it, to `into`/"site".

        `dist_info`: path of an installed or unpacked one; `python`: environment or interpreter that
        it is for. With a new cache, `into`/"cache": nothing comes from one that may be poisoned.
        Raises `UvFailed`.
        """
        self._run(
            [
                "pip", "install", "--target", os.path.join(into, "site"), "--python", python,
                "--no-deps", "--cache-dir", os.path.join(into, "cache"), "--link-mode", "copy",
                requirement_of(dist_info),
            ],
            project,
        )  # fmt: skip

    def reinstall(
        self, dist_info: str, *, environment: str, cache: str, link_mode: str, project: str,
        evict: bool,
    ) -> None:  # fmt: skip
        """Install a package again; `cache`, `link_mode`: "" as uv chooses.

        `dist_info`: its path in `environment`; `evict`: let the cache forget it first. Raises
        `UvFailed`.
        """
        name = _name_and_version(dist_info)[0]
        place = ["--cache-dir", cache] if cache else []
        mode = ["--link-mode", link_mode] if link_mode else []
        if evict:
            self._run(["cache", "clean", name, *place], project)
        # Without --refresh, which --reinstall implies, uv would take what it has; offline it does.
        self._run(
            [
                "pip", "install", "--python", environment, "--no-deps",
                "--reinstall-package", name, *place, *mode, requirement_of(dist_info),
            ],
            project,
        )  # fmt: skip

    def _run(self, words: Sequence[str], cwd: str) -> None:
        environ = {name: value for name, value in self.environ.items() if name not in _IN_THE_WAY}
        # Should `program` be another manager's shim that finds ours: do not come back to us.
        environ |= {"LINKPOLICY_BYPASS": "1", "UV_LOCK_TIMEOUT": str(max(1, round(self.wait)))}
        if guard.NAME in os.environ:
            environ[guard.NAME] = os.environ[guard.NAME]
        offline = ["--offline"] if self.offline and words[0] != "cache" else []
        try:
            done = subprocess.run(
                [self.program, *words, *offline],
                env=environ,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="surrogateescape",
                check=False,
            )
        except OSError as error:
            raise UvFailed(f"cannot execute `{self.program}`: {error.strerror}") from error
        if done.returncode:
            raise UvFailed(f"uv: {_complaint(done.stdout)}")


def requirement_of(dist_info: str) -> str:
    """What to ask uv for: exactly this version, from where it was installed. Never raises."""
    name, version = _name_and_version(dist_info)
    url = _url(dist_info) or distributions.at(dist_info).direct_url
    return f"{name} @ {url}" if url else f"{name}=={version}"


def _name_and_version(dist_info: str) -> tuple[str, str]:
    name, _, version = os.path.basename(dist_info).removesuffix(".dist-info").partition("-")
    return name, version


def _url(dist_info: str) -> str:
    """`git+https://...@commit#subdirectory=...` for a repository, "" for anything else."""
    try:
        told = json.loads(read_foreign(os.path.join(dist_info, "direct_url.json"), _MOST))
        repository = told["vcs_info"]
        url = f"{repository['vcs']}+{told['url']}@{repository['commit_id']}"
        return f"{url}#subdirectory={told['subdirectory']}" if "subdirectory" in told else url
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _complaint(output: str) -> str:
    """What uv said, in one line, without the marks that it draws."""
    lines = [line.strip(" \t╰─▶\N{MULTIPLICATION SIGN}│") for line in output.splitlines()]
    said = [line.removeprefix("error: ") for line in lines if line]
    first = next((at for at, line in enumerate(lines) if line.startswith("error:")), 0)
    return " ".join(said[first:] or said)[:500]
