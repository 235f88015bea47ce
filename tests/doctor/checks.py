"""Checks made up for tests, and a doctor that has no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from uvx_policy.doctor import engine
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Deed, Diagnostic, Fix, Group
from uvx_policy.terminal.command import Shell, command

FIX = Fix(text="Turn it off and on again", commands=(command("off"), command("on")), safe=True)


def typed(fix: Fix | None) -> str:
    """What is typed for a fix where the shim is first on PATH, and linkpolicy on it."""
    return fix.typed(Shell()) if fix else ""


def check(
    name: str,
    *told: Diagnostic,
    group: Group = "installation",
    fix: Callable[[Case], Iterable[Deed]] | None = None,
    thorough: bool = False,
) -> Check:
    return Check(
        id=name,
        title=f"The title of {name}",
        group=group,
        look=lambda _: told,
        fix=fix,
        thorough=thorough,
    )


def well(name: str, group: Group = "installation") -> Check:
    return check(name, group=group)


def ill(name: str, status: str = "fail", group: Group = "installation") -> Check:
    return check(name, Diagnostic(status=status, detail=f"{name} is wrong."), group=group)  # type: ignore[arg-type]


def only_these(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    monkeypatch.setattr(engine, "every_check", lambda: checks)
