"""All checks of the environment, in the order of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.doctor import (
    edited_files,
    environment_path,
    environment_place,
    installed_files,
    stored_files,
)

if TYPE_CHECKING:
    from uvx_policy.doctor.diagnostic import Check

CHECKS: tuple[Check, ...] = (
    *environment_path.CHECKS,
    *environment_place.CHECKS,
    *stored_files.CHECKS,
    *installed_files.CHECKS,
    *edited_files.CHECKS,
)
