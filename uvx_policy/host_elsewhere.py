"""Which class of another system `Host`, and each class made from it, is mixed with."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host


def mixed(kind: type[Host]) -> type[Host]:
    """The class for this system: `kind` itself where it does as Linux does."""
    system = _system()
    if system is None or issubclass(kind, system):
        return kind
    return type(f"{kind.__name__}{system.__name__}", (system, kind), {})


def _system() -> type | None:
    if sys.platform == "win32":
        from uvx_policy.windows_host import OnWindows

        return OnWindows
    if sys.platform == "darwin":
        from uvx_policy.macos_host import OnMacOS

        return OnMacOS
    return None
