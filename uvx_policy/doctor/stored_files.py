"""How the files of the environment are really stored: told for those who ask, and no fault."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from uvx_policy.doctor.diagnostic import Check, Diagnostic
from uvx_policy.installed.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.installed.model import Survey

_HOW = {
    "shared-inode": "hard linked",
    "shared-extents": "cloned",
    "symlink": "symbolic links",
    "private": "private copies",
    "unknown": "too small to tell",
}


def look_linked(case: Case) -> Iterator[Diagnostic]:
    """Count the files by the way in which each is stored; the packages, too."""
    packages = _packages(case)  # while another process looks at the files
    if case.survey is None:
        yield Diagnostic(status="skip", detail="there is no environment yet")
        return
    # To ask the file system about the blocks of 30,000 files takes 0.3 s: without --verify one
    # file of each package tells.
    told = survey(case.real_environment) if case.verify else case.survey
    yield Diagnostic(
        status="pass",
        detail=f"Of {told.files:,} files {_files(told, exact=case.verify)}{packages}.",
        paths=(case.environment,),
    )


def _files(told: Survey, *, exact: bool) -> str:
    counts = [
        (told.shared_inode_files, "share an inode with a cache or another environment"),
        (told.symlink_files, "are symbolic links into a cache"),
    ]
    if exact and told.extents_known:
        counts.append((told.shared_extent_files, "share extents with another file"))
        counts.append((told.private_files, "share nothing"))
    else:
        counts.append((told.private_files, "have an inode of their own"))
    return ", ".join(f"{count:,} {what}" for count, what in counts)


def _packages(case: Case) -> str:
    counts = Counter(each.how for each in case.linkings)
    if not counts:
        return ""
    told = ", ".join(f"{count:,} {_HOW[how]}" for how, count in counts.most_common())
    return f"; of {counts.total():,} packages that uv installed: {told}"


CHECKS: tuple[Check, ...] = (
    Check(
        id="files-linked",
        title="How the files are stored",
        group="environment",
        look=look_linked,
    ),
)
