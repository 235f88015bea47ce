"""Is there a real uv to start, and is it one that linkpolicy knows?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.terminal.command import command
from uvx_policy.uv.version import uv_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case

#: oldest version of uv that linkpolicy is tested with (docs/reference/supported-uv.md)
OLDEST = (0, 5, 23)
_INSTALL = Fix(
    text="Install uv, or linkpolicy with its own uv",
    commands=(command("pip", "install", "uvx-policy[uv]"),),
)


def look_real_uv(case: Case) -> Iterator[Diagnostic]:
    """Is there anything that the shim could become?"""
    if case.uv:
        yield Diagnostic(status="pass", detail=f"The real uv is `{case.uv}`.", paths=(case.uv,))
        return
    blocked = locate.not_executable("uv", search_path=case.environ.get("PATH"))
    if blocked:
        yield Diagnostic(
            status="fail",
            detail=f"`{blocked}` is not executable, and there is no other real uv on PATH.",
            fix=Fix(text="Make it executable", commands=(command("chmod", "+x", blocked),)),
            paths=(blocked,),
        )
        return
    yield Diagnostic(status="fail", detail="There is no real uv on PATH.", fix=_INSTALL)


def look_real_uv_version(case: Case) -> Iterator[Diagnostic]:
    """Is the real uv one that we know? A newer one is: its rules are the newest that are known."""
    if not case.uv:
        yield Diagnostic(status="skip", detail="there is no real uv")
        return
    version = uv_version(case.host, case.uv, state=case.state)
    if version is None:
        yield Diagnostic(
            status="warn",
            detail=f"`{case.uv} --version` prints no version: uv is left alone where the version "
            "matters.",
            fix=Fix(text="See what it prints", commands=(command(case.uv, "--version"),)),
            paths=(case.uv,),
        )
    elif version < OLDEST:
        yield Diagnostic(
            status="warn",
            detail=f"`{case.uv}` is uv {_dotted(version)}; linkpolicy is tested with "
            f"{_dotted(OLDEST)} and later.",
            fix=Fix(
                text="Update uv the way it was installed",
                commands=(command(case.uv, "self", "update"),),
            ),
            paths=(case.uv,),
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


CHECKS: tuple[Check, ...] = (
    Check(
        id="real-uv",
        title="There is a real uv",
        group="installation",
        look=look_real_uv,
    ),
    Check(
        id="real-uv-version",
        title="The real uv is a supported version",
        group="installation",
        look=look_real_uv_version,
    ),
)
