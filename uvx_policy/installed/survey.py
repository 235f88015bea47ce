"""How the files of one environment are stored, and what is wrong with them without hashing."""

from __future__ import annotations

import os
import time

from uvx_policy.installed.distinct import SharedFiles
from uvx_policy.installed.distributions import site_directories
from uvx_policy.installed.extents import devices_that_never_share
from uvx_policy.installed.model import Survey
from uvx_policy.installed.quick import Look
from uvx_policy.installed.tree import Tree
from uvx_policy.installed.walk import Walk


def survey(
    environment: str, *, sampled: bool = False, never_share: frozenset[int] | None = None
) -> Survey:
    """Look at each file of `environment` once, following no symbolic link below it. Never raises.

    Of those that have one name only, the file system is asked which blocks they share: 10 us each.
    `sampled`: fill in `shared_sample`, at 2 us for each shared file. `never_share`:
    `devices_that_never_share()`, for who looks at many environments.

    What vanishes meanwhile is passed over. Of a directory without pyvenv.cfg (`--target`,
    `--prefix`), and of an environment that is a project's directory as well, only the site
    directories are looked at.
    """
    at = time.time()
    sites = site_directories(environment)
    tops = _tops(environment, sites)
    sample = SharedFiles((*tops, *sites)) if sampled else None
    walk = Walk(sites, sample, devices_that_never_share() if never_share is None else never_share)
    for top in tops:
        walk.look_below(top)
    walk.count_extents()
    look = Look()
    findings = [
        each
        for site in sites
        for each in look.at(Tree(path=site, kind="site", owner=environment), walk.files[site].get)
    ]
    return Survey(
        environment=environment,
        files=walk.count,
        shared_inode_files=walk.shared_inode_files,
        shared_extent_files=walk.shared_extent_files,
        symlink_files=walk.symlinks,
        private_files=walk.private_files,
        shared_bytes=walk.shared_bytes,
        private_bytes=walk.private_bytes,
        saveable_bytes=walk.saveable_bytes,
        extents_known=walk.extents_known,
        dangling=walk.dangling,
        **look.fields(findings),
        closed_directories=walk.closed_directories,
        closed=tuple(walk.closed),
        unreadable_files=walk.unreadable_files,
        unreadable=tuple(walk.unreadable),
        shared_sample=sample.sample() if sample else "",
        glance=walk.glance(),
        at=at,
    )


def _tops(environment: str, sites: tuple[str, ...]) -> tuple[str, ...]:
    """The directories to look through; none lies below another."""
    is_environment = os.path.lexists(os.path.join(environment, "pyvenv.cfg"))
    is_project = os.path.lexists(os.path.join(environment, "pyproject.toml"))
    # Without any of them: the walk says what is absent or may not be entered.
    return sites if sites and (is_project or not is_environment) else (environment,)
