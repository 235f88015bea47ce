"""How the files of the environment are really stored. Never a problem, but good to know."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from uvx_policy.doctor.diagnostic import NO_ENVIRONMENT, Check, Diagnostic, fine
from uvx_policy.installed.survey import survey as whole_survey
from uvx_policy.terminal.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.installed.model import Survey

_HOW = {
    "shared-inode": "hard linked",
    "shared-extents": "cloned",
    "symlink": "linked symbolically",
    "private": "copied",
    "unknown": "too small to tell",
}


def look_linked(case: Case) -> Iterator[Diagnostic]:
    """Count the files by the way in which each is stored; the packages, too."""
    packages = _packages(case)  # while another process looks at the files
    if case.survey is None:
        yield NO_ENVIRONMENT
        return
    # To ask the file system about the blocks of 30,000 files takes 0.3 s: without --verify one
    # file of each package tells.
    survey = whole_survey(case.real_environment) if case.verify else case.survey
    files = count(survey.files, "file" if case.verify else "installed file")
    yield fine(
        f"{files}: {_files(survey, exact=case.verify)}{packages}.", paths=(case.environment,)
    )


def _files(survey: Survey, *, exact: bool) -> str:
    exact = exact and survey.extents_known
    counts = {
        "hard linked to a cache or another environment": survey.shared_inode_files,
        "linked symbolically into a cache": survey.symlink_files,
        "cloned": survey.shared_extent_files if exact else 0,
        "not shared" if exact else "with an inode of their own": survey.private_files,
    }
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number) or "none"


def _packages(case: Case) -> str:
    counts = Counter(each.how for each in case.linkings)
    if not counts:
        return ""
    hows = ", ".join(f"{number:,} {_HOW[how]}" for how, number in counts.most_common())
    return f"; {count(counts.total(), 'package')} installed by uv: {hows}"


CHECKS: tuple[Check, ...] = (Check("files-linked", "How the files are stored", look_linked),)
