"""How the files of one environment are stored: shared, linked, private, edited."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import edited
from uvx_policy.installed.distinct import SharedFiles
from uvx_policy.installed.installations import Installations
from uvx_policy.installed.model import Survey
from uvx_policy.installed.walk import MOST_NAMED, Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvx_policy.installed.installations import Place
    from uvx_policy.installed.walk import Newest


def survey(
    environment: str,
    *,
    extents: bool = True,
    most_extents: int | None = None,
    sampled: bool = False,
) -> Survey:
    """Look at each file of `environment` once, no symbolic link below it followed. Never raises.

    `extents`: ask the file system which blocks are shared, of at most the `most_extents` largest
    files that have one name only; each costs about 10 us.

    `sampled`: fill in `shared_sample`, at 2 us for each shared file.

    What vanishes meanwhile is passed over. Of a directory without pyvenv.cfg (`--target`,
    `--prefix`), and of an environment that is a project's directory as well, only the site
    directories are looked at.
    """
    sites = installed.site_directories(environment)
    found, newest = without_edits(
        environment, sites, extents=extents, most_extents=most_extents, sampled=sampled
    )
    return with_edits(found, newest, Installations(sites))


def without_edits(
    environment: str,
    sites: tuple[str, ...],
    *,
    extents: bool = True,
    most_extents: int | None = None,
    sampled: bool = False,
) -> tuple[Survey, dict[Place, Newest]]:
    """The part of it that looks at each file, and what the other part needs. Never raises."""
    at = time.time()
    tops = _tops(environment, sites)
    walk = Walk(sites, SharedFiles((*tops, *sites)) if sampled else None, extents=extents)
    for top in tops:
        walk.look_below(top)
    walk.count_extents(most_extents)
    found = Survey(
        environment=environment,
        files=walk.files,
        shared_inode_files=walk.shared_inode_files,
        shared_extent_files=walk.shared_extent_files,
        symlink_files=walk.symlinks,
        private_files=walk.private_files,
        shared_bytes=walk.shared_bytes,
        private_bytes=walk.private_bytes,
        saveable_bytes=walk.saveable_bytes,
        extents_known=walk.extents_known,
        dangling=walk.dangling,
        unreadable_files=walk.unreadable_files,
        unreadable=tuple(walk.unreadable),
        shared_sample=walk.sample.sample() if walk.sample else "",
        at=at,
    )
    return found, walk.newest


def with_edits(
    found: Survey, newest: Mapping[Place, Newest], installations: Installations
) -> Survey:
    """The part that compares files with their RECORD, where one is late. Never raises."""
    told = edited.find_edited(installations, newest)
    return found.replace(
        edited_files=len(told.paths),
        edited=told.paths[:MOST_NAMED],
        unsure_files=told.unsure,
    )


def _tops(environment: str, sites: tuple[str, ...]) -> tuple[str, ...]:
    """The directories to look through; none lies below another."""
    is_environment = os.path.lexists(os.path.join(environment, "pyvenv.cfg"))
    is_project = os.path.lexists(os.path.join(environment, "pyproject.toml"))
    # Without any of them: the walk says what is absent or may not be entered.
    return sites if sites and (is_project or not is_environment) else (environment,)
