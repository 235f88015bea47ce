"""For which Python wheels have to be."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.decide import Facts
    from uvx_policy.host import Host
    from uvx_policy.uv.invocation import Invocation


def python_tag(host: Host, facts: Facts, invocation: Invocation, into: str) -> str:
    """The tag of the Python of the environment, such as "cp311"; "" when it cannot be told."""
    is_new = host.kind(facts.destination.path) == "absent"
    there = _tag(os.path.basename(os.path.dirname(into)).removeprefix("python"))
    there = "" if is_new else there
    if facts.destination.kind in ("environment", "interpreter", "target", "prefix"):
        return there
    request = invocation.value("python") or host.environ.get("UV_PYTHON")
    if not request and facts.destination.kind == "project":
        pinned = host.read_text(os.path.join(facts.destination.workspace, ".python-version"))
        request = next(iter((pinned or "").split()), "")
    if request:
        return _tag(request.removeprefix("cpython").removeprefix("@").removeprefix("python"))
    return there


def _tag(version: str) -> str:
    """Of `3.11`, `3.11.4` and `3.13t`; "" for all that is something else."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0].removesuffix("t")
    patch = rest.partition(".")[2]
    is_exact = major == "3" and minor.isdecimal() and (not patch or patch.isdecimal())
    return f"cp3{minor}" if is_exact else ""
