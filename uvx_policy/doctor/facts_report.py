"""The facts that a decision was made from, as plain JSON and back: a bug report is a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvx_policy import decide, model
from uvx_policy.filesystem import places
from uvx_policy.settings import keys
from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.decide import Facts, Outcome
    from uvx_policy.pipeline import Plan

VERSION = 1

#: every record that can be in the facts or in the outcome, by its name
_RECORDS: dict[str, type[Value]] = {
    each.__name__: each
    for each in (
        decide.Facts,
        decide.Outcome,
        keys.CacheEntry,
        keys.Setting,
        keys.Settings,
        model.Capability,
        model.Decision,
        model.Destination,
        model.Origin,
        model.Refusal,
        model.Sourced,
        places.Place,
    )
}
#: says in an object which record it is; no field has this name
_IS = "is"


class Report(Value):
    """What was found out and decided for one call of uv, elsewhere perhaps."""

    #: `None` when uv was left alone before any fact was looked for
    facts: Facts | None
    outcome: Outcome


def to_object(plan: Plan) -> dict[str, Any]:
    """Facts and outcome of a plan as plain values, and the places that could hold no cache."""
    return {**as_object(plan.facts, plan.outcome), "rejected": _plain(plan.rejected)}


def as_object(facts: Facts | None, outcome: Outcome) -> dict[str, Any]:
    """Plain values for `json`. Bytes of a path that are not UTF-8 become lone surrogates."""
    return {"version": VERSION, "facts": _plain(facts), "outcome": _plain(outcome)}


def from_object(told: Any) -> Report:
    """What `to_object` told. Raises `ValueError` for anything else, another version included."""
    if not isinstance(told, dict) or told.get("version") != VERSION:
        raise ValueError(f"not facts of version {VERSION}")
    try:
        facts, outcome = _record(told["facts"]), _record(told["outcome"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"facts that are not understood: {error}") from error
    if not isinstance(facts, decide.Facts | None) or not isinstance(outcome, decide.Outcome):
        raise ValueError("facts and outcome are something else")  # noqa: TRY004 (input, not types)
    return Report(facts=facts, outcome=outcome)


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        fields = {name: _plain(field) for name, field in value.as_dict().items()}
        return {_IS: type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _record(value: Any) -> Any:
    """Raises `KeyError` for an unknown record, `TypeError` for unknown or missing fields."""
    if isinstance(value, dict):
        fields = {name: _record(field) for name, field in value.items() if name != _IS}
        return _RECORDS[value[_IS]](**fields)
    if isinstance(value, list):
        return tuple(_record(each) for each in value)
    return value
