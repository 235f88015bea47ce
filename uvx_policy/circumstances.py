"""What counts only where uv would hard link unasked: who has started it, and a cloud folder."""

from __future__ import annotations

from uvx_policy import decide as policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.decide import Facts
    from uvx_policy.host import Host


def with_circumstances(host: Host, facts: Facts, *, into: str) -> Facts:
    """The same facts, and what speaks against hard links `into` this existing directory.

    Never raises: what cannot be seen speaks against nothing.
    """
    if host.platform == "win32":
        from uvx_policy.filesystem.cloud import why_in_sync_root

        facts = facts.replace(in_cloud=why_in_sync_root(host, into))
    rule = policy.programs_of(facts)
    if rule == "shared" or facts.in_cloud:
        return facts
    from uvx_policy.starter import started_by

    return facts.replace(program=started_by(host, into=into if rule == "holding" else ""))
