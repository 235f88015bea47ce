"""All checks of the installation, in the order of the report."""

from uvx_policy.doctor import real_uv, search_path, shims

CHECKS = (*real_uv.CHECKS, *shims.CHECKS, *search_path.CHECKS)
