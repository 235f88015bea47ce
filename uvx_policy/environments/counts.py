"""Surveys kept in the state directory, so that `status` need not look at each file again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvx_policy.environments.model import Survey


def keep(state: str, survey: Survey) -> None:
    """Keep `survey` instead of what was kept for its environment. Fails silently."""
    raise NotImplementedError(state, survey)


def kept(state: str, environment: str) -> Survey | None:
    """What was kept; `None` when there is nothing, or packages came or went since."""
    raise NotImplementedError(state, environment)
