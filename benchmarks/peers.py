"""Other programs that stand between the user and a tool, set up to start the same uv.

Each gets a home of its own. Nothing of the user's is read or changed, nothing is downloaded but by
`install`.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import harness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: the version that uv passes for, where a peer wants one
_VERSION = "1.0"

#: stands in for uv until it is known that the peer starts this one, and not another on PATH
_PROBE = "#!/bin/sh\necho the probe\n"


class Setting(NamedTuple):
    """Where a peer is set up."""

    #: path of its program
    program: str
    #: an empty directory
    directory: str
    #: path to start
    uv: str
    #: where the user stands
    project: str
    environ: Mapping[str, str]

    def below(self, *names: str) -> str:
        """Path in `directory`; its parents are made."""
        path = os.path.join(self.directory, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def run(self, *words: str, **variables: str) -> str:
        """Run the peer's program; what it prints."""
        environ = {**self.environ, **variables}
        return harness.Call([self.program, *words], environ, self.project).output()

    def call(self, *words: str, **variables: str) -> harness.Call:
        """The call to time."""
        return harness.Call([*words, "--version"], {**self.environ, **variables}, self.project)


class Peer(NamedTuple):
    """One row of the table."""

    #: for people
    name: str
    #: what is looked for on PATH
    program: str
    #: how to get it
    how: str
    set_up: Callable[[Setting], harness.Call]


def _mise(setting: Setting) -> None:
    os.symlink(setting.uv, setting.below("tool", "bin", "uv"))
    setting.run("link", f"uv@{_VERSION}", setting.below("tool"))
    setting.run("use", "--global", f"uv@{_VERSION}")


def _mise_shim(setting: Setting) -> harness.Call:
    _mise(setting)
    setting.run("reshim")
    return setting.call(setting.below(".local", "share", "mise", "shims", "uv"))


def _mise_exec(setting: Setting) -> harness.Call:
    _mise(setting)
    return setting.call(setting.program, "exec", "--", "uv")


def _direnv_exec(setting: Setting) -> harness.Call:
    os.symlink(setting.uv, setting.below("tool", "bin", "uv"))
    with open(setting.below("project", ".envrc"), "x", encoding="utf-8") as stream:
        stream.write(f"PATH_add '{setting.below('tool', 'bin')}'\n")
    setting.run("allow", setting.below("project"))
    return setting.call(setting.program, "exec", setting.below("project"), "uv")


def _pyenv_shim(setting: Setting) -> harness.Call:
    return _shim_of_a_version(setting, "PYENV_ROOT")


def _rbenv_shim(setting: Setting) -> harness.Call:
    return _shim_of_a_version(setting, "RBENV_ROOT")


def _shim_of_a_version(setting: Setting, variable: str) -> harness.Call:
    root = setting.below("root")
    os.symlink(setting.uv, setting.below("root", "versions", _VERSION, "bin", "uv"))
    variables = {variable: root, "PATH": harness.path_with(os.path.dirname(setting.program))}
    setting.run("rehash", **variables)
    setting.run("global", _VERSION, **variables)
    return setting.call(setting.below("root", "shims", "uv"), **variables)


def _rustup_proxy(setting: Setting) -> harness.Call:
    """A proxy has to have the name of a Rust tool; uv does not mind its own."""
    os.makedirs(setting.below("chain", "lib"))
    os.symlink(setting.uv, setting.below("chain", "bin", "rustc"))
    os.symlink(os.path.realpath(setting.program), setting.below("proxies", "rustc"))
    homes = {"RUSTUP_HOME": setting.below("rustup"), "CARGO_HOME": setting.below("cargo")}
    setting.run("toolchain", "link", "measured", setting.below("chain"), **homes)
    setting.run("default", "measured", **homes)
    return setting.call(setting.below("proxies", "rustc"), **homes)


PEERS = (
    Peer("mise, shim", "mise", "--install-peers, or npm: @jdxcode/mise", _mise_shim),
    Peer("mise exec", "mise", "--install-peers, or npm: @jdxcode/mise", _mise_exec),
    Peer("direnv exec", "direnv", "--install-peers, or apt-get install direnv", _direnv_exec),
    Peer("pyenv, shim", "pyenv", "in no registry; its own installer", _pyenv_shim),
    Peer("rbenv, shim", "rbenv", "--install-peers, or apt-get install rbenv", _rbenv_shim),
    Peer("rustup, proxy", "rustup", "apt-get install rustup", _rustup_proxy),
)


def calls(
    scratch: str, *, uv: str, project: str, environ: Mapping[str, str], installed: str | None
) -> dict[str, harness.Call | str]:
    """For the name of each peer the call to time, or why there is none.

    `environ` is free of what configures peers, `installed` is the directory of `install`.
    """
    found: dict[str, harness.Call | str] = {}
    for peer in PEERS:
        program = find(peer.program, installed)
        if program is None:
            found[peer.name] = f"not installed ({peer.how})"
            continue
        directory = os.path.join(scratch, peer.name)
        os.mkdir(directory)
        link = os.path.join(directory, "started")
        setting = Setting(program, directory, link, project, {**environ, "HOME": directory})
        try:
            found[peer.name] = _checked(peer, setting, uv)
        except harness.BenchmarkError as error:
            found[peer.name] = f"does not work here: {str(error).strip().splitlines()[-1]}"
    return found


def _checked(peer: Peer, setting: Setting, uv: str) -> harness.Call:
    """Set it up, first with the probe. Raises `BenchmarkError` when it starts something else."""
    probe = f"{setting.uv}.probe"
    with open(probe, "x", encoding="utf-8") as stream:
        stream.write(_PROBE)
    os.chmod(probe, 0o700)
    os.symlink(probe, setting.uv)
    call = peer.set_up(setting)
    probed = call.output()
    os.unlink(setting.uv)
    os.symlink(uv, setting.uv)
    alone = harness.Call([uv, "--version"], setting.environ, setting.project)
    if probed != "the probe\n" or call.output() != alone.output():
        raise harness.BenchmarkError("it starts something else")
    return call


def versions(installed: str | None) -> dict[str, str]:
    """What the programs that were found say of their version: the word that begins with a digit."""
    told = {}
    for name in sorted({peer.program for peer in PEERS}):
        program = find(name, installed)
        if program:
            words = _said([program, "--version"]).split()
            told[name] = next((word for word in words if word[:1].isdigit()), "?")
    return told


def _said(words: list[str]) -> str:
    try:
        return harness.Call(words, os.environ, os.getcwd()).output()
    except harness.BenchmarkError:
        return ""


def find(program: str, installed: str | None) -> str | None:
    """Path of a peer's program: where `install` puts it, or on PATH."""
    if installed:
        for place in _PLACES:
            path = os.path.join(installed, place.format(package=_mise_package()), program)
            if os.path.isfile(path):
                return path
    return shutil.which(program)


# From package registries, without installing anything into the machine ---------------------------

#: below the directory of `install`
_PLACES = ("node_modules/{package}/bin", "debian/usr/bin", "debian/usr/lib/rbenv/libexec")


def install(directory: str) -> None:
    """Download into `directory` (made) what npm and Debian have of the peers, unless it is there.

    Says on stderr what cannot be had.
    """
    directory = os.path.abspath(directory)
    if find("mise", directory) is None:
        _try("npm", "install", "--ignore-scripts", "--prefix", directory, _mise_package())
    for package in ("direnv", "rbenv"):
        if find(package, directory) is None:
            from_debian(package, directory)


def from_debian(package: str, directory: str) -> None:
    """Unpack a package of Debian's below `directory`. Says on stderr when it cannot be had."""
    debian = os.path.join(os.path.abspath(directory), "debian")
    os.makedirs(debian, exist_ok=True)
    if _try("apt-get", "download", package, directory=debian):
        for name in os.listdir(debian):
            if name.startswith(f"{package}_"):
                _try("dpkg-deb", "-x", name, ".", directory=debian)


def _mise_package() -> str:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"@jdxcode/mise-{sys.platform}-{machine}"


def _try(*words: str, directory: str | None = None) -> bool:
    try:
        done = subprocess.run(words, cwd=directory, capture_output=True, text=True, check=False)
    except OSError as error:
        print(f"{words[0]}: {error.strerror}", file=sys.stderr)
        return False
    if done.returncode:
        print(f"{' '.join(words)}: {done.stderr.strip()}", file=sys.stderr)
    return done.returncode == 0
