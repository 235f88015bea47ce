"""Checks of the installation; those of this module: is there a real uv that linkpolicy knows?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.doctor import search_path, shims
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, fine, skip, warn
from uvx_policy.real_uv import is_uv
from uvx_policy.terminal.command import command
from uvx_policy.uv.version import OLDEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case


def look_real_uv(case: Case) -> Iterator[Diagnostic]:
    """Is there anything that the shim could become?"""
    if case.uv:
        yield fine(f"The real uv is `{case.uv}`.", paths=(case.uv,))
    elif blocked := locate.not_executable("uv", search_path=case.environ.get("PATH")):
        yield fail(
            f"`{blocked}` is not executable, and there is no other real uv on PATH.",
            Fix.by("Make it executable", command("chmod", "+x", blocked)),
            (blocked,),
        )
    else:
        install = command("pip", "install", "uvx-policy[uv]")
        fix = Fix.by("Install uv, or linkpolicy with its own uv", install)
        yield fail("There is no real uv on PATH.", fix)


def look_real_uv_version(case: Case) -> Iterator[Diagnostic]:
    """Is the real uv one that we know? A newer one is: its rules are the newest that are known."""
    if not case.uv:
        yield skip("there is no real uv")
        return
    version = case.version
    if version is None and is_uv(case.uv):
        yield warn(
            f"`{case.uv} --version` prints no version: uv is left alone where the version matters.",
            Fix.by("See what it prints", command(case.uv, "--version")),
            (case.uv,),
        )
    elif version is None:
        # It may well be one of those that are known: told where it makes a difference.
        lacks = case.sound_plan.lacks_version if case.sound_plan else ""
        if not lacks:
            yield skip(f"`{case.uv}` is not uv itself, but another program that starts it")
            return
        yield warn(
            f"The version of `{case.uv}` would matter here, and is not known: {lacks}.",
            Fix.by("Put the directory of uv itself on PATH"),
            (case.uv,),
        )
    elif version < OLDEST:
        yield warn(
            f"`{case.uv}` is uv {_dotted(version)}; linkpolicy is tested with "
            f"{_dotted(OLDEST)} and later.",
            Fix.by("Update uv the way it was installed", command(case.uv, "self", "update")),
            (case.uv,),
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


CHECKS: tuple[Check, ...] = (
    Check("real-uv", "There is a real uv", look_real_uv),
    Check("real-uv-version", "The real uv is a supported version", look_real_uv_version),
    *shims.CHECKS,
    *search_path.CHECKS,
)
