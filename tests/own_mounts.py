"""Hides the mounts of other test sessions: linkpolicy would find, fix or clean caches there."""

from __future__ import annotations

from uvx_policy.host import Host

_PREFIX = "/linkpolicy-test-fs-"


def hide_others(base: str) -> None:
    """From now on, in this process, show of such mounts only those of the session of `base`."""
    session = base.partition(_PREFIX)[2].partition("/")[0]
    own = f"{_PREFIX}{session or '-'}/"
    real = Host.mount_table

    def mount_table(host: Host) -> str | None:
        text = real(host)
        if text is None:
            return None
        rows = text.splitlines(keepends=True)
        return "".join(
            row for row in rows if _PREFIX not in row or own in f"{row} ".replace(" ", "/")
        )

    setattr(Host, "mount_table", mount_table)  # noqa: B010 (mypy takes it for a bound method)
