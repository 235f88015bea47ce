"""How the files of one environment are stored: shared, linked, private, edited."""

from __future__ import annotations

from uvx_policy.environments.model import Survey


def survey(environment: str, *, extents: bool = True, most_extents: int | None = None) -> Survey:
    """Look at each file below `environment`. Never raises; see `Survey` for what is counted."""
    raise NotImplementedError(environment, extents, most_extents)
