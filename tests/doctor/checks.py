"""Checks made up for tests, and a doctor that has no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from uvx_policy.doctor import engine
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Fix, Group, Told

FIX = Fix(text="Turn it off and on again", command="off && on", safe=True)


def check(
    name: str,
    *told: Told,
    group: Group = "installation",
    mend: Callable[[Case, bool], Iterable[str]] | None = None,
    thorough: bool = False,
) -> Check:
    return Check(
        id=name,
        title=f"The title of {name}",
        group=group,
        look=lambda _: told,
        mend=mend,
        thorough=thorough,
    )


def well(name: str, group: Group = "installation") -> Check:
    return check(name, group=group)


def ill(name: str, status: str = "fail", group: Group = "installation") -> Check:
    return check(name, Told(status=status, detail=f"{name} is wrong."), group=group)  # type: ignore[arg-type]


def only_these(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    monkeypatch.setattr(engine, "every_check", lambda: checks)
