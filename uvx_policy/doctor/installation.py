"""Checks of the installation; those of this module: is there a real uv that linkpolicy knows?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.doctor import search_path, shims
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, fine, skip, warn
from uvx_policy.terminal.command import command
from uvx_policy.uv.version import uv_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case

#: oldest version of uv that linkpolicy is tested with (docs/reference/supported-uv.md)
OLDEST = (0, 5, 23)


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
    version = uv_version(case.host, case.uv, state=case.state)
    if version is None:
        yield warn(
            f"`{case.uv} --version` prints no version: uv is left alone where the version matters.",
            Fix.by("See what it prints", command(case.uv, "--version")),
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
