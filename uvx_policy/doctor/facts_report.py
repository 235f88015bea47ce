"""The facts that a decision was made from, as plain JSON: a bug report is a test.

`tests/doctor/saved_facts.py` reads them back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.decide import Facts, Outcome
    from uvx_policy.pipeline import Plan

VERSION = 1
#: says in an object which record it is; no field has this name
IS = "is"


def to_object(plan: Plan) -> dict[str, Any]:
    """Facts and outcome of a plan as plain values, and the places that could hold no cache."""
    return {**as_object(plan.facts, plan.outcome), "rejected": _plain(plan.rejected)}


def as_object(facts: Facts | None, outcome: Outcome) -> dict[str, Any]:
    """Plain values for `json`. Bytes of a path that are not UTF-8 become lone surrogates."""
    return {"version": VERSION, "facts": _plain(facts), "outcome": _plain(outcome)}


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        fields = {name: _plain(field) for name, field in value.as_dict().items()}
        return {IS: type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
