"""Render a plan: as stable JSON, as a panel for people, as lines for a shell. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from uvx_policy.edits import CACHE_VARIABLE, LINK_MODE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from uvx_policy.model import Decision
    from uvx_policy.pipeline import Plan
    from uvx_policy.replay.prediction import Outlook

SCHEMA = 1


def as_json(plan: Plan, outlook: Outlook) -> str:
    """The documented JSON object (docs/reference/cli.md), two-space indented."""
    return json.dumps(as_object(plan, outlook), indent=2)


def as_object(plan: Plan, outlook: Outlook) -> dict[str, Any]:
    """The plan as plain values. `value` is null where uv is left alone.

    Bytes of a path that are not UTF-8 appear as lone surrogates, escaped by `json`.
    """
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "uv": plan.uv,
        "destination": {
            "path": plan.destination.path or None,
            "kind": plan.destination.kind,
            "device": plan.device,
        },
        "link_mode": _decision_object(plan.outcome.link_mode),
        "cache_dir": _decision_object(plan.outcome.cache_dir),
        "environment": dict(plan.edits.variables),
        "record": {
            "state": outlook.state,
            "because": outlook.because,
            "changed": list(outlook.changed),
        },
    }
    if plan.outcome.refusal is not None:
        told["refusal"] = {
            "code": plan.outcome.refusal.code,
            "because": plan.outcome.refusal.because,
            "origin": str(plan.outcome.refusal.origin),
        }
    return told


def as_panel(plan: Plan, outlook: Outlook, words: Sequence[str]) -> Panel:
    """What a person wants to know: where to, which link mode, which cache, why."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    if plan.facts is None:
        because = plan.outcome.link_mode.because
        rows.add_row("policy", _decision(plan.outcome.link_mode.replace(because=""), because))
    else:
        rows.add_row("installs to", _destination(plan))
        chosen = plan.facts.link_mode.value if plan.facts.link_mode else "as uv decides"
        if plan.outcome.refusal is not None:
            chosen = "none works"
        rows.add_row("link mode", _decision(plan.outcome.link_mode, chosen))
        rows.add_row("cache", _decision(plan.outcome.cache_dir, plan.facts.cache or "uv's own"))
    if plan.link is not None:
        rows.add_row("link", Text(plan.link.because))
    if plan.outcome.refusal is not None:
        rows.add_row("refused", Text(f"uv is not started: {plan.outcome.refusal.because}", "red"))
    elif plan.edits.variables:
        shown = [Text(f"{name}={value}", "cyan") for name, value in plan.edits.variables.items()]
        rows.add_row("sets", Group(*shown))
    else:
        rows.add_row("sets", Text("nothing: uv runs as it always does", "green"))
    rows.add_row("record", Text.assemble((outlook.state, "cyan"), (f"  {outlook.because}", "dim")))
    rows.add_row("real uv", Text(_uv(plan), "dim"))
    return Panel(
        rows,
        title=Text(" ".join(words), "bold"),
        title_align="left",
        border_style="red" if plan.outcome.refusal is not None else "dim",
        expand=False,
        padding=(0, 1),
    )


def rejected_places(plan: Plan) -> Table:
    """Directories that could not hold a cache, each with the reason."""
    rows = Table.grid(padding=(0, 1))
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    for directory, why in plan.rejected:
        rows.add_row("  no cache in", Text(f"{directory}: {why}"), style="dim")
    return rows


def as_exports(plan: Plan, syntax: str) -> str:
    """Lines for a shell ("sh", "fish", "powershell"), "github" or "json".

    Only the cache and the link mode: a project environment's path must not leak into a whole job.
    """
    variables = {
        name: value
        for name, value in plan.edits.variables.items()
        if name in (CACHE_VARIABLE, LINK_MODE_VARIABLE)
    }
    if syntax == "json":
        return json.dumps(variables, indent=2) + "\n"
    return "".join(f"{_EXPORT[syntax](name, value)}\n" for name, value in variables.items())


def _sh(name: str, value: str) -> str:
    quoted = value.replace("'", "'\\''")
    return f"export {name}='{quoted}'"


def _fish(name: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{quoted}'"


def _powershell(name: str, value: str) -> str:
    quoted = value.replace("'", "''")
    return f"$env:{name} = '{quoted}'"


_EXPORT: dict[str, Callable[[str, str], str]] = {
    "sh": _sh,
    "fish": _fish,
    "powershell": _powershell,
    "github": lambda name, value: f"{name}={value}",
}
SYNTAXES = (*_EXPORT, "json")


def _decision_object(decision: Decision) -> dict[str, Any]:
    return {
        "value": decision.value,
        "code": decision.code,
        "because": decision.because,
        "origin": str(decision.origin),
    }


def _destination(plan: Plan) -> Text:
    text = Text(plan.destination.path)
    if plan.destination.origin.kind != "default":
        text.append(f"  ({plan.destination.origin})", "dim")
    return text


def _decision(decision: Decision, left: str) -> Text:
    """The value, its code, and below it the reason with its origin."""
    text = Text(decision.value or left, "bold" if decision.value else "")
    text.append(f"  {decision.code}", "cyan")
    if decision.because:
        text.append(f"\n{decision.because}", "dim")
    if decision.origin.kind != "default":
        text.append(f"\nfrom {decision.origin}", "dim")
    return text


def _uv(plan: Plan) -> str:
    version = ".".join(map(str, plan.version)) if plan.version else ""
    return f"{plan.uv} {version}".strip()
