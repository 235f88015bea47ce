"""What the shim would do with a call: replay its record, or decide, and why."""

from __future__ import annotations

import os

from uvx_policy.replay import recording, records
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from uvx_policy.edits import Edits
    from uvx_policy.replay.witness import Witnesses

    State: TypeAlias = Literal["replayed", "changed", "new", "never"]


class Prediction(Value):
    """Of one call, if it were made now."""

    #: "replayed" from its record; "changed": there is a record, and not all its witnesses hold;
    #: "new": this call will be recorded, now or soon; "never": it has no record and will get none
    state: State
    #: one sentence for people
    because: str
    #: paths whose witnesses see something else now, in the order of the record
    changed: tuple[str, ...] = ()


def predict(
    state: str, key: bytes, edits: Edits, witnesses: Witnesses, *, refused: bool
) -> Prediction:
    """Tell what would happen, by a decision of this moment; `refused`: it was to start no uv."""
    found = records.find(state, key)
    if found is not None:
        changed = tuple(dict.fromkeys(os.fsdecode(path) for path in found.changed()))
        if not changed:
            return Prediction(state="replayed", because="nothing has changed since it was decided")
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        because = f"decided again on the next call: `{changed[0]}`{more} changed"
        return Prediction(state="changed", because=because, changed=changed)
    if refused:
        return Prediction(state="never", because="decided on each call: it is refused")
    reason, passing = recording.why_not(state, key, edits, witnesses)
    if reason and passing:
        because = f"decided on the next call, and not recorded yet: {reason}"
        return Prediction(state="new", because=because)
    if reason:
        return Prediction(state="never", because=f"decided on each call: {reason}")
    return Prediction(state="new", because="decided on the next call, replayed from then on")
