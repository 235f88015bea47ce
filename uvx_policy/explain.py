"""Make a plan for a call of uv, and show it: as stable JSON, for people, as lines for a shell."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from uvx_policy import errors, guard, pipeline, shim
from uvx_policy.edits import CACHE_VARIABLE, LINK_MODE_VARIABLE, NO_CACHE_VARIABLE, Edits
from uvx_policy.machine.machine import machine_here
from uvx_policy.replay.key import key_of_call
from uvx_policy.replay.prediction import Prediction, predict
from uvx_policy.state.remembered import after_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.machine.machine import Machine
    from uvx_policy.model import Decision, Refusal
    from uvx_policy.pipeline import Plan
    from uvx_policy.terminal.console import Console, Parts

SCHEMA = 1
_LABEL = 13


def plan_for(uv_words: list[str]) -> tuple[Plan, list[str]]:
    """The plan for a uv command, and that command; the usual one here when there are no words.

    Raises `errors.RealUvNotFound`, and what `pipeline.make_plan` raises.
    """
    if not uv_words:
        machine = machine_here()
        if machine.plan is None:
            raise errors.RealUvNotFound
        return machine.plan, ["uv", *machine.usual_call]
    words = uv_words if uv_words[0] in ("uv", "uvx") else ["uv", *uv_words]
    uv = next(shim.candidates(words[0], shim="", embedded=after_path(os.environ, words[0])), "")
    if not uv:
        raise errors.RealUvNotFound
    environ = guard.without_ours(os.environ)
    return pipeline.make_plan(words[0], words[1:], environ=environ, uv=uv), words


def predicted(plan: Plan, words: list[str]) -> Prediction:
    """What the shim would do, were it called with these words now."""
    environ = guard.without_ours(os.environ)
    if shim.is_quick(words[1:], environ):
        return Prediction(state="never", because="uv is started at once")
    keys = key_of_call(words[0], words[1:], environ=environ, uv=plan.uv)
    key = keys[plan.witnesses.is_detailed]
    refused = plan.outcome.refusal is not None
    return predict(plan.state, key, plan.edits, plan.witnesses, refused=refused)


def as_object(plan: Plan, prediction: Prediction, copied: str = "") -> dict[str, Any]:
    """The plan as docs/reference/explain-json.md has it. `value` is null: uv is left alone.

    `copied`: why uv copies some files whatever the link mode is, "" when it does not.
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
        "link_mode": _because(plan.outcome.link_mode, value=plan.outcome.link_mode.value),
        "cache_dir": _because(plan.outcome.cache_dir, value=plan.outcome.cache_dir.value),
        "environment": dict(plan.edits.variables),
        "record": {
            "state": prediction.state,
            "because": prediction.because,
            "changed": list(prediction.changed),
        },
    }
    if plan.outcome.refusal is not None:
        told["refusal"] = _because(plan.outcome.refusal)
    if copied:
        told["copied"] = copied
    return told


def print_plan(
    plan: Plan, prediction: Prediction, words: Sequence[str], console: Console, copied: str = ""
) -> None:
    """What a person wants to know: where to, which link mode, which cache, why."""
    console.say((" ".join(words), "bold"))
    for label, lines in _rows(plan, prediction, copied):
        for line in lines:
            console.wrap((f"  {label:<{_LABEL}}",), *line)
            label = ""  # noqa: PLW2901 (only on the first line)


def in_one_line(plan: Plan) -> Parts:
    """The link mode that will really happen, and why: what `why` prints."""
    outcome, facts = plan.outcome, plan.facts
    if outcome.refusal is not None:
        return (("refused", "bold red"), f": {outcome.refusal.because}")
    if facts is None or facts.purpose != "link":
        cache = outcome.cache_dir.value
        used = f"; cache {cache}" if cache else ""
        return (("left to uv", "bold"), f": {outcome.link_mode.because}{used}")
    mode = outcome.link_mode
    chosen = mode.value or (facts.link_mode.value if facts.link_mode else "left to uv")
    cache = outcome.cache_dir.value or facts.cache
    parts = [_with_origin(mode)]
    if mode.code in _NOTHING_LINKS:
        machine = machine_here()
        there, here = _mounted(machine, cache), _mounted(machine, plan.destination.path)
        parts = [f"cache on {there}, environment on {here}", _why_not_there(plan)]
    elif outcome.cache_dir.value:
        parts.append(f"cache {cache}: {outcome.cache_dir.because}")
    return ((chosen, "bold"), f": {', '.join(filter(None, parts))}")


def _with_origin(decision: Decision) -> str:
    if decision.origin.kind == "default":
        return decision.because
    return f"{decision.because} ({decision.origin})"


def _mounted(machine: Machine, path: str) -> str:
    """`/data (xfs)`: the mount point and its file system."""
    mount = machine.mount_of(path)
    return f"{mount.point} ({mount.fstype})" if mount is not None else path


def _why_not_there(plan: Plan) -> str:
    """Why no cache on the environment's file system is used."""
    cache = plan.outcome.cache_dir
    if cache.code == "same-device" or cache.value:
        return plan.outcome.link_mode.because
    if cache.code != "no-eligible-place" or not plan.rejected:
        return _with_origin(cache)
    place, why = plan.rejected[-1]
    return f"no cache allowed there: {place}: {why}"


#: codes of a link mode that was not wanted
_NOTHING_LINKS = ("clone-impossible", "hardlink-impossible", "nothing-links")


def _rows(plan: Plan, prediction: Prediction, copied: str) -> Iterator[tuple[str, Sequence[Parts]]]:
    """A label, and the lines beside it."""
    refusal = plan.outcome.refusal
    if plan.facts is None:
        decision = plan.outcome.link_mode
        yield "policy", _decision(decision.replace(because=""), decision.because)
    else:
        if plan.facts.purpose == "link":
            yield "installs to", [_destination(plan)]
        chosen = plan.facts.link_mode.value if plan.facts.link_mode else "left to uv"
        yield "link mode", _decision(plan.outcome.link_mode, "none works" if refusal else chosen)
        if copied:
            yield "copied", [((copied, "yellow"),)]
        yield "cache", _decision(plan.outcome.cache_dir, plan.facts.cache or "uv's own")
    if plan.link is not None:
        yield "link", [(plan.link.because,)]
    if refusal is not None:
        yield "refused", [((f"uv is not started: {refusal.because}", "red"),)]
    elif plan.edits.variables:
        variables = plan.edits.variables.items()
        yield "sets", [((f"{name}={value}", "cyan"),) for name, value in variables]
    else:
        yield "sets", [(("nothing: uv runs as usual", "green"),)]
    yield "record", [((prediction.state, "cyan"), (f"  {prediction.because}", "dim"))]
    lines: list[Parts] = [((f"{plan.uv} {plan.dotted_version()}".strip(), "dim"),)]
    if plan.lacks_version:
        missing = f"its version matters here, and is not known: {plan.lacks_version}"
        lines.append(((missing, "yellow"),))
    yield "real uv", lines
    if plan.outcome.cache_dir.code in ("no-eligible-place", "temporary-cache"):
        yield "no cache in", [((f"{place}: {why}", "dim"),) for place, why in plan.rejected]


def for_whole_job(plan: Plan) -> Edits:
    """What of a plan may hold for all that follows in a shell or a job.

    The path of an environment would empty it when another project is synced. A cache in the project
    came with it, perhaps, and what is in it as well: it must not serve another project.
    """
    kept = {LINK_MODE_VARIABLE, NO_CACHE_VARIABLE}
    if plan.outcome.cache_dir.code != "project-cache":
        kept.add(CACHE_VARIABLE)
    edits = plan.edits
    return Edits(
        variables={name: value for name, value in edits.variables.items() if name in kept},
        make_cache=edits.make_cache if CACHE_VARIABLE in kept else "",
    )


def as_exports(variables: dict[str, str], syntax: str) -> str:
    """Lines for a shell ("sh", "fish", "powershell"), "github" or "json" that set these."""
    if syntax == "json":
        return json.dumps(variables, indent=2) + "\n"
    line, escapes = _EXPORT[syntax]
    escaped = str.maketrans(escapes)
    return "".join(
        f"{line.format(name, value.translate(escaped), end=_no_line_of(value))}\n"
        for name, value in variables.items()
    )


def _no_line_of(value: str) -> str:
    """A word that is not in a value of several lines, to say where it ends."""
    end = "END_OF_VALUE"
    while end in value:
        end += "_"
    return end


#: syntax -> the line, and what to replace in the value. PowerShell takes typographic quotes for
#: apostrophes, too; in the other form of `$GITHUB_ENV` a line break would begin another variable
_EXPORT = {
    "sh": ("export {}='{}'", {"'": "'\\''"}),
    "fish": ("set -gx {} '{}'", {"\\": "\\\\", "'": "\\'"}),
    "powershell": ("$env:{} = '{}'", {quote: quote * 2 for quote in "'\u2018\u2019\u201a\u201b"}),
    "github": ("{}<<{end}\n{}\n{end}", {}),
}
SYNTAXES = (*_EXPORT, "json")


def _because(told: Decision | Refusal, **value: str | None) -> dict[str, Any]:
    return {**value, "code": told.code, "because": told.because, "origin": str(told.origin)}


def _destination(plan: Plan) -> Parts:
    origin = plan.destination.origin
    path = plan.destination.path
    return (path,) if origin.kind == "default" else (path, (f"  ({origin})", "dim"))


def _decision(decision: Decision, left: str) -> list[Parts]:
    """The value and its code, and below it the reason with its origin."""
    value = (decision.value or left, "bold" if decision.value else "")
    lines: list[Parts] = [(value, (f"  {decision.code}", "cyan"))]
    if decision.because:
        lines.append(((decision.because, "dim"),))
    if decision.origin.kind != "default":
        lines.append(((f"from {decision.origin}", "dim"),))
    return lines
