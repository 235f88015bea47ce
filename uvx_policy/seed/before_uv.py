"""Fill a cache in the shim, before uv starts."""

from __future__ import annotations

import os
import time

from uvx_policy import trace
from uvx_policy.seed import fill as filling
from uvx_policy.seed import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from uvx_policy.edits import Seed
    from uvx_policy.host import Host

#: seconds after which the user is told
_LONG = 1.0


def carry_out(seed: Seed, host: Host, state: str) -> str:
    """Bring what was decided into the cache, which exists. Why that was not all of it, or "".

    What is not passed on is remembered. Raises `Unreadable`; nothing else.
    """
    try:
        os.makedirs(seed.target, exist_ok=True)  # as uv would, of its own cache
    except OSError as error:
        return str(error)
    source: Seed | None = seed
    while source is not None:
        why_not = _carry_out(source, host, state)
        if why_not:
            return why_not
        source = source.then
    return ""


def _carry_out(seed: Seed, host: Host, state: str) -> str:
    packages = dict(seed.packages)
    try:
        done = filling.fill(
            seed.source,
            seed.target,
            packages,
            described=dict(seed.described),
            built=seed.built,
            python=seed.python,
            pause=_telling_once(seed.target),
        )
    except (filling.CannotSeed, OSError) as error:
        return str(error)
    for package, reason in {**dict.fromkeys(done.absent, ""), **done.left}.items():
        refused.remember(
            host, state, reason, done.blamed.get(package, ()), source=seed.source, package=package,
            versions=packages.get(package, ()),
        )  # fmt: skip
    return next(iter(done.left.values()), "")


def _telling_once(target: str) -> Callable[[], None]:
    """Tell people at a terminal, when it takes long, what they are waiting for."""
    deadline = time.monotonic() + _LONG

    def pause() -> None:
        nonlocal deadline
        if time.monotonic() > deadline:
            deadline = float("inf")
            if os.isatty(2):
                trace.warn(f"copying packages into `{target}` once; they are linked from now on")

    return pause
