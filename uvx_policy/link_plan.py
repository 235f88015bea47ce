"""How a symbolic link at the destination is kept: the facts for `symlinked_venv`."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.decide import Facts
    from uvx_policy.host import Host
    from uvx_policy.symlinked_venv import LinkPlan
    from uvx_policy.uv.invocation import Invocation
    from uvx_policy.uv.settings import UvSettings


def link_plan(
    host: Host, invocation: Invocation, choices: UvSettings, facts: Facts
) -> LinkPlan | None:
    """How a symbolic link at the destination is kept; `None` when there is no link to keep."""
    destination = facts.destination
    is_kept = facts.settings.symlinked_venv.value != "ignore" and facts.purpose == "link"
    if destination.kind not in ("project", "new") or not is_kept:
        return None
    if host.link_kind(destination.path) != "symlink":
        return None
    from uvx_policy.symlinked_venv import LinkFacts, keep_link
    from uvx_policy.uv.directories import is_user_base

    target = host.real_path(destination.path)
    real_cache = host.real_path(facts.cache) if facts.cache else ""
    exists = host.kind(target) == "directory"
    return keep_link(
        LinkFacts(
            target=target,
            target_exists=exists,
            parent_exists=host.kind(os.path.dirname(target)) == "directory",
            into_cache=bool(real_cache) and target.startswith(real_cache + os.sep),
            # Asked only of what is missing: a link that leads somewhere needs no more witnesses.
            is_user_base=not exists and is_user_base(host, target),
        ),
        invocation=invocation,
        destination=destination,
        version=facts.version,
        at_workspace_root=bool(destination.workspace)
        and choices.project_directory == destination.workspace,
    )
