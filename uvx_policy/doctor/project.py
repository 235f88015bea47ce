"""Checks of this project: what is decided for `uv sync` here, and what that costs.

What is well is told as "pass", with the facts: they are the answer to "where is my cache?".
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.doctor import project_cache
from uvx_policy.doctor.case import Case, where_decided
from uvx_policy.doctor.diagnostic import Check, Deed, Diagnostic, Fix, fine, skip, warn
from uvx_policy.doctor.project_cache import in_use
from uvx_policy.doctor.remedies import exchangeable, take_back
from uvx_policy.errors import LinkPolicyError, Unreadable
from uvx_policy.filesystem import others, places
from uvx_policy.filesystem.capability import installed_into, probe_links
from uvx_policy.host import nearest_existing
from uvx_policy.replace import foreign
from uvx_policy.state import layout
from uvx_policy.terminal.command import command
from uvx_policy.uv.directories import own_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.decide import Facts
    from uvx_policy.filesystem.places import Place
    from uvx_policy.model import Capability
    from uvx_policy.pipeline import Plan

#: reasons that are told of those for which directories hold no cache
_MOST_REASONS = 4
_EXPLAIN = Fix.by("Show what is known", command("linkpolicy", "explain"))


# The decision -------------------------------------------------------------------------------------


def look_decision(case: Case) -> Iterator[Diagnostic]:
    """Where uv installs to, from which cache, how, and why; or why that cannot be told."""
    plan = case.sound_plan
    if plan is None:
        why = "linkpolicy's settings have faults" if case.faults else "there is no real uv"
        yield skip(f"Nothing can be decided: {why}.")
        return
    call = " ".join(("uv", *case.usual_call))
    mode, cached, facts = plan.outcome.link_mode, plan.outcome.cache_dir, plan.facts
    if facts is None and plan.destination.kind == "unknown":
        told = f"The destination of uv is unknown, so uv runs without a policy: {mode.because}."
        yield warn(told, _EXPLAIN)
    elif facts is None:
        yield skip(f"`{call}` would install nothing here: {mode.because}.")
    elif mode.code == "cannot-tell":
        yield warn(f"The link mode is left to uv: {mode.because}.", _EXPLAIN)
    elif cached.code == "cannot-tell":
        yield warn(f"The cache is left to uv: {cached.because}.", _EXPLAIN)
    else:
        cache, capability = in_use(plan, facts)
        into = case.mount_of(plan.destination.path)
        below = f" on `{into.point}` ({into.fstype})" if into else ""
        own = f" uv's own cache is `{facts.cache}`." if facts.cache and cache != facts.cache else ""
        chosen = facts.link_mode.value if facts.link_mode else "what uv takes by itself"
        yield fine(
            f"`{call}` installs into `{plan.destination.path}`{below} from "
            f"`{cache}`, by {mode.value or chosen} [{mode.code}]: {mode.because}. "
            f"The cache [{cached.code}]: {cached.because}.{own} "
            f"Clone: {capability.clone}, hard link: {capability.hardlink}.",
            paths=(plan.destination.path, cache) if cache else (plan.destination.path,),
        )


# Copies -------------------------------------------------------------------------------------------


@where_decided
def look_linking(case: Case, plan: Plan, facts: Facts) -> Iterator[Diagnostic]:
    """Is every file copied although nobody asked for copies?"""
    code = plan.outcome.cache_dir.code
    if not _copies(plan) or code in (
        "default-cache",
        "offline-cold-cache",
        "warm-cache",
    ):
        return  # what the settings ask for, and what `look_cold` tells
    detail = f"Every file is copied into `{plan.destination.path}`: "
    private = case.survey.private_bytes if case.survey else None
    if code.startswith("explicit-") and facts.cache_dir:
        origin = facts.cache_dir.origin
        typed = (command("unset", origin.name),) if origin.kind == "variable" else ()
        yield warn(
            f"{detail}nothing can be linked from the cache that was chosen for uv, "
            f"`{facts.cache}` ({origin}){_better(case, plan, facts)}.",
            Fix.by(f"Let linkpolicy choose the cache: remove it from `{origin}`", *typed),
            (facts.cache,),
            bytes=private,
        )
        return
    fixable = _fixable(case, plan)
    suggested = None if fixable else _project_cache(case, plan, facts)
    if suggested is not None:
        place = () if plan.destination.project == case.cwd else (plan.destination.project,)
        yield warn(
            f"{detail}{_why_no_place(plan, facts)}. The project can hold one itself, "
            f"`{suggested.directory}`, which git ignores.",
            Fix.by(
                "Keep a cache in the project",
                command("linkpolicy", "init", *place, "--cache", "project"),
                safe=True,
            ),
            (suggested.directory,),
            bytes=private,
        )
        return
    yield warn(
        f"{detail}{_why_no_place(plan, facts)}.",
        fixable or _closed(case, plan) or _ELSEWHERE,
        tuple(path for path, _ in plan.rejected[:_MOST_REASONS]),
        bytes=private,
    )


_ELSEWHERE = Fix.by(
    "Name a directory of yours on that file system in [caches] of your config.toml, "
    "or move the environment to a file system that can link"
)


def _fixable(case: Case, plan: Plan) -> Fix | None:
    """What to do about a cache that linkpolicy made, and that is no longer ours alone.

    The checks `caches-mode` and `caches-owner` tell of it as well; the first fixes it.
    """
    name = layout.device_cache_name(case.host.user)
    for path, _ in plan.rejected:
        status = case.host.link_status(path) if os.path.basename(path) == name else None
        if status is None:
            continue
        if status.uid != case.host.uid:
            return take_back(case, path)
        if others.who_may_write(case.host, path, status):
            return Fix.by(
                "Remove write permission for others; if anyone used it, remove the cache",
                command("chmod", "go-w", path),
            )
    return None


def _closed(case: Case, plan: Plan) -> Fix | None:
    """What to do about a directory of ours in which others could exchange the cache."""
    with contextlib.suppress(Unreadable):
        for path, _ in plan.rejected:
            _, fix = exchangeable(case, path)
            if fix is not None:
                return fix
    return None


@where_decided
def fix_linking(case: Case, plan: Plan, facts: Facts) -> Iterator[Deed]:
    """Write `cache = "project"` into the project's settings; comments and layout stay."""
    if not _copies(plan) or plan.outcome.cache_dir.code.startswith("explicit-"):
        return
    if _fixable(case, plan) or not _project_cache(case, plan, facts):
        return
    from uvx_policy.settings import init_command  # tomlkit is slow to import

    writing = init_command.plan_init(plan.destination.project, {"cache": "project"})
    changes = [f"{change} in `{writing.path}`" for change in writing.changes]

    def write() -> Iterator[str]:
        foreign.check_way(writing.before.real_path)
        init_command.write_init(writing)
        yield from changes

    yield Deed(tuple(f"would {change}" for change in changes), write)


def _copies(plan: Plan) -> bool:
    return plan.outcome.link_mode.code == "nothing-links" and plan.outcome.refusal is None


def _why_no_place(plan: Plan, facts: Facts) -> str:
    if plan.outcome.cache_dir.code == "cache-is-mount-point":
        return f"uv's cache `{facts.cache}` is a mount of its own, which is not left"
    start = f"nothing can be linked from uv's cache `{facts.cache}`"
    if facts.cache_usable == "no":
        start = f"uv's cache `{facts.cache}` cannot be written"
    if facts.place is not None:
        return f"{start}, nor from any cache beside it ({facts.place_capability.detail})"
    reasons = "; ".join(f"`{path}`: {why}" for path, why in plan.rejected[:_MOST_REASONS])
    why = reasons or "you own no directory there that could hold one"
    return f"{start}, and no directory on the environment's file system can hold one ({why})"


def _project_cache(case: Case, plan: Plan, facts: Facts) -> Place | None:
    """The project's own cache, if it may be made and files link from it; else `None`."""
    project = plan.destination.project
    if not project or facts.settings.cache.value == "project":
        return None
    place = _place(case, plan, prefer_project=True)
    return place if place is not None and place.code == "project-cache" else None


def _better(case: Case, plan: Plan, facts: Facts) -> str:
    """Where files could be linked from, were no cache chosen for uv; "" when nowhere."""
    wish = facts.settings.cache.value
    if wish == "default":
        return ""
    with contextlib.suppress(LinkPolicyError):
        own = own_cache(case.host)
        if _can_link(case, plan, nearest_existing(case.host, own)):
            return f"; uv's own, `{own}`, would link them"
    place = _place(case, plan, prefer_project=wish == "project")
    return f"; `{place.directory}` would link them" if place else ""


def _place(case: Case, plan: Plan, *, prefer_project: bool) -> Place | None:
    """A place for a cache from which files link into the environment, `None` when there is none."""
    found = places.find_place(
        case.host,
        case.mounts,
        destination=plan.destination.path,
        project=plan.destination.project,
        workspace=plan.destination.workspace,
        entries=plan.facts.settings.caches if plan.facts else (),
        allow_project=False,
        prefer_project=prefer_project,
        links_from=lambda directory: _capability(case, plan, directory),
    ).chosen
    return found if found and _can_link(case, plan, found.probe_from) else None


def _can_link(case: Case, plan: Plan, directory: str) -> bool:
    links = _capability(case, plan, directory)
    return "yes" in (links.clone, links.hardlink)


def _capability(case: Case, plan: Plan, directory: str) -> Capability:
    into = installed_into(case.host, plan.destination.path)
    return probe_links(case.host, case.state, case.mounts, cache=directory, destination=into)


CHECKS: tuple[Check, ...] = (
    Check("decision", "A decision can be made for `uv sync` here", look_decision),
    Check("linking", "Files are linked, not copied", look_linking, fix_linking),
    *project_cache.CHECKS,
)
