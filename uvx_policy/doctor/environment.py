"""All checks of the environment, in the order of the report."""

from uvx_policy.doctor import (
    edited_files,
    environment_path,
    environment_place,
    installed_files,
)

CHECKS = (
    *environment_path.CHECKS,
    *environment_place.CHECKS,
    *installed_files.CHECKS,
    *edited_files.CHECKS,
)
