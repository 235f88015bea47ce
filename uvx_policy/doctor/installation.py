"""Is `uv` on PATH our shim, is the shim as `setup` writes it, and does it find a real uv?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvx_policy.doctor.finding import Check

CHECKS: tuple[Check, ...] = ()
