"""All checks of the installation, in the order of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.doctor import real_uv, search_path, shims

if TYPE_CHECKING:
    from uvx_policy.doctor.diagnostic import Check

CHECKS: tuple[Check, ...] = (*real_uv.CHECKS, *shims.CHECKS, *search_path.CHECKS)
