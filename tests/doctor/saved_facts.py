"""Read back what `doctor.facts_report` told: a bug report is a test."""

from __future__ import annotations

from typing import Any

from uvx_policy import decide, edits, model
from uvx_policy.decide import Facts, Outcome
from uvx_policy.doctor.facts_report import IS, VERSION
from uvx_policy.filesystem import places
from uvx_policy.settings import keys
from uvx_policy.value import Value

#: every record that can be in the facts or in the outcome, by its name
_RECORDS: dict[str, type[Value]] = {
    each.__name__: each
    for each in (
        decide.Facts,
        decide.Outcome,
        edits.Seed,
        keys.CacheEntry,
        keys.Setting,
        keys.Settings,
        model.Capability,
        model.Decision,
        model.Destination,
        model.Origin,
        model.Program,
        model.Refusal,
        model.Sourced,
        places.Place,
    )
}


class Report(Value):
    """What was found out and decided for one call of uv, elsewhere perhaps."""

    #: `None` when uv was left alone before any fact was looked for
    facts: Facts | None
    outcome: Outcome


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


def _record(value: Any) -> Any:
    """Raises `KeyError` for an unknown record, `TypeError` for unknown or missing fields."""
    if isinstance(value, dict):
        fields = {name: _record(field) for name, field in value.items() if name != IS}
        return _RECORDS[value[IS]](**fields)
    if isinstance(value, list):
        return tuple(_record(each) for each in value)
    return value
