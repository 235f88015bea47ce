"""Is `uv` on PATH our shim, is the shim as `setup` writes it, and does it find a real uv?"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.doctor import setup_state
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.doctor.programs import on_path
from uvx_policy.doctor.setup_state import fix_by_setup
from uvx_policy.doctor.shim_start import begin, starts
from uvx_policy.errors import LinkPolicyError, Unreadable
from uvx_policy.setup import shim_directories, startup_file
from uvx_policy.terminal.command import command
from uvx_policy.uv.version import uv_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.programs import Program
    from uvx_policy.setup.words import Edit

#: oldest version of uv that linkpolicy is tested with (docs/reference/supported-uv.md)
OLDEST = (0, 5, 23)
_INSTALL = Fix(
    text="Install uv, or linkpolicy with its own",
    commands=(command("pip", "install", "uvx-policy[uv]"),),
)
_SETUP = command("linkpolicy", "setup")
_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IWOTH


# The real uv --------------------------------------------------------------------------------------


def look_real_uv(case: Case) -> Iterator[Diagnostic]:
    """Is there anything that the shim could become?"""
    if case.uv:
        yield Diagnostic(status="pass", detail=f"The real uv is `{case.uv}`.", paths=(case.uv,))
        return
    blocked = locate.not_executable("uv", search_path=case.environ.get("PATH"))
    if blocked:
        yield Diagnostic(
            status="fail",
            detail=f"`{blocked}` may not be executed, and there is no other real uv on PATH.",
            fix=Fix(text="Make it executable", commands=(command("chmod", "+x", blocked),)),
            paths=(blocked,),
        )
        return
    yield Diagnostic(status="fail", detail="There is no real uv on PATH.", fix=_INSTALL)


def look_real_uv_version(case: Case) -> Iterator[Diagnostic]:
    """Is the real uv one that we know? A newer one is: its rules are the newest that are known."""
    if not case.uv:
        yield Diagnostic(status="skip", detail="there is no real uv")
        return
    version = uv_version(case.host, case.uv, state=case.state)
    if version is None:
        yield Diagnostic(
            status="warn",
            detail=f"`{case.uv} --version` does not say its version: "
            "uv is left alone wherever that matters.",
            fix=Fix(text="See what it says", commands=(command(case.uv, "--version"),)),
            paths=(case.uv,),
        )
    elif version < OLDEST:
        yield Diagnostic(
            status="warn",
            detail=f"`{case.uv}` is uv {_dotted(version)}: linkpolicy is tested with "
            f"{_dotted(OLDEST)} and later.",
            fix=Fix(
                text="Update uv the way it was installed",
                commands=(command(case.uv, "self", "update"),),
            ),
            paths=(case.uv,),
        )


# The shims ----------------------------------------------------------------------------------------


def look_shims(case: Case) -> Iterator[Diagnostic]:
    """Are both shims there, and nobody else's program in their place?"""
    directory = setup_state.directory(case)
    if not _there(directory):
        yield Diagnostic(
            status="fail",
            detail="There are no shims: `uv` runs without any policy, "
            "except through `linkpolicy run`.",
            fix=_setup("Put the shims in place and first on PATH"),
        )
        return
    for path in _paths(directory):
        if shim_directories.is_shim(path):
            continue
        if os.path.lexists(path):
            yield Diagnostic(
                status="fail",
                detail=f"`{path}` is not the shim but somebody else's program.",
                fix=Fix(
                    text="Move it out of the way, and put the shim in its place",
                    commands=(command("mv", path, f"{path}.other"), _SETUP),
                ),
                paths=(path,),
            )
        else:
            name = os.path.basename(path)
            yield Diagnostic(
                status="fail",
                detail=f"`{path}` is missing: `{name}` runs without any policy.",
                fix=_setup("Put the shims in place"),
                paths=(path,),
            )


def look_private(case: Case) -> Iterator[Diagnostic]:
    """Nobody else may put a program where we run one."""
    directory = setup_state.directory(case)
    if not os.path.isdir(directory):
        yield Diagnostic(status="skip", detail="there are no shims")
        return
    open_to_others = _open_to_others(directory)
    if open_to_others:
        yield Diagnostic(
            status="fail",
            detail=f"Others can write to `{open_to_others[0]}`, and you would run what they put "
            "there.",
            fix=Fix(
                text="Take the right to write from others",
                commands=(command("chmod", "go-w", *open_to_others),),
                safe=all(os.lstat(path).st_uid == os.geteuid() for path in open_to_others),
            ),
            paths=open_to_others,
        )
        return
    try:
        shim_directories.check_private(directory)
    except OSError as error:
        raise Unreadable(directory, shim_directories.reason(error)) from error
    except LinkPolicyError as error:
        yield Diagnostic(
            status="fail",
            detail=f"{error}.",
            fix=Fix(
                text="Close it, or choose another directory with --shim-dir",
                commands=error.commands or (command("linkpolicy", "setup", "--shim-dir", "DIR"),),
            ),
            paths=(directory,),
        )


def fix_private(case: Case, dry_run: bool) -> Iterator[str]:
    """Take the right to write from others, where it is ours to take."""
    for path in _open_to_others(setup_state.directory(case)):
        told = os.lstat(path)
        if told.st_uid == os.geteuid():
            if not dry_run:
                os.chmod(path, stat.S_IMODE(told.st_mode) & ~_OPEN_TO_OTHERS)
            yield f"chmod go-w {path}"


def look_current(case: Case) -> Iterator[Diagnostic]:
    """Are the shims what this linkpolicy would write?"""
    directory = setup_state.directory(case)
    if not _there(directory):
        yield Diagnostic(status="skip", detail="there are no shims")
        return
    plan = setup_state.plan(case)
    if isinstance(plan, LinkPolicyError):
        yield Diagnostic(status="skip", detail=str(plan))
        return
    # What is missing is told by another check; here are those that are there and differ.
    differing = tuple(path for path, _ in plan.shims if os.path.lexists(path)) + plan.stale
    behind = tuple(path for path, _ in plan.shims if not os.path.lexists(path))
    behind = tuple(path for path in behind if os.path.dirname(path) != directory)
    if differing or behind:
        yield Diagnostic(
            status="warn",
            detail="The shims were written by another version or installation of linkpolicy, "
            f"or for another launcher than the {plan.launcher.kind} one.",
            fix=_setup("Write them anew"),
            paths=(*differing, *behind),
        )
        return
    yield Diagnostic(
        status="pass",
        detail=f"The shims are what this linkpolicy writes; launcher: {plan.launcher}.",
        paths=_paths(directory),
    )


def look_start(case: Case) -> Iterator[Diagnostic]:
    """Start each shim once: do they come as far as uv, and with the policy?"""
    directory = setup_state.directory(case)
    if not case.uv or not _there(directory):
        yield Diagnostic(
            status="skip", detail=f"there {'are no shims' if case.uv else 'is no real uv'}"
        )
        return
    for start in starts(case):
        if start.code != 0:
            said = start.said.strip().splitlines()
            because = said[-1] if said else f"it ended with {start.code}"
            yield Diagnostic(
                status="fail",
                detail=f"`{start.path} --version` does not work: "
                f"{because.removeprefix('linkpolicy: ')}.",
                fix=Fix(text="Install that uv anew, the way it was installed")
                if case.uv in because
                else _setup("Write the shims anew"),
                paths=(start.path,),
            )
        elif start.without_policy:
            yield Diagnostic(
                status="fail",
                detail=f"`{start.path}` does not find the linkpolicy that it was written for, "
                "and runs uv without any policy.",
                fix=_setup("Write the shims for this linkpolicy"),
                paths=(start.path,),
            )


def look_start_ahead(case: Case) -> None:
    """Start the shims, which takes as long as ten other checks."""
    directory = setup_state.directory(case)
    if case.uv and _there(directory):
        begin(case)


def look_recursion(case: Case) -> Iterator[Diagnostic]:
    """Does what we take for the real uv start our shim again?"""
    if not _there(setup_state.directory(case)):
        yield Diagnostic(status="skip", detail="there are no shims")
        return
    for start in starts(case):
        if start.came_back and start.entered:
            foreign = start.entered[0]
            yield Diagnostic(
                status="warn" if start.code == 0 else "fail",
                detail=f"`{foreign}` is another program's shim, and starts ours again"
                + (
                    f"; each call of uv takes that detour before it finds `{start.entered[-1]}`."
                    if start.code == 0
                    else ": there is no real uv behind it."
                ),
                fix=Fix(
                    text=f"Let that program have a uv of its own, or take "
                    f"`{os.path.dirname(foreign)}` from PATH behind a real uv",
                ),
                paths=start.entered,
            )
            return


# PATH ---------------------------------------------------------------------------------------------


def look_first(case: Case) -> Iterator[Diagnostic]:
    """Does a shell find the shims before every other uv? Environments have their own check."""
    directory = setup_state.directory(case)
    if not _there(directory):
        yield Diagnostic(status="skip", detail="there are no shims")
        return
    # A shim that is missing is no matter of PATH: another check tells it.
    there = [name for name in shim_directories.PROGRAMS if _is_there(directory, name)]
    for program in there:
        listed = [each for each in _on_path(case, program) if not each.environment or each.ours]
        if listed and listed[0].ours:
            continue
        wins = listed[0].path if listed else ""
        yield _not_first(case, program, wins, tuple(each.path for each in listed))
        return
    listed = list(_on_path(case, there[0]))
    yield Diagnostic(
        status="pass",
        detail=f"`{there[0]}` is `{next(each.path for each in listed if each.ours)}`.",
        paths=tuple(each.path for each in listed),
    )


def _not_first(case: Case, program: str, wins: str, listed: tuple[str, ...]) -> Diagnostic:
    directory = setup_state.directory(case)
    what = f"`{program}` is `{wins}`" if wins else f"There is no `{program}` on PATH"
    # The shell that runs us keeps its PATH whatever `setup` does, so this is what fixes it.
    line = setup_state.line_by_hand(case)
    by_hand = Fix(text="Open a new shell, or type here", commands=(line,) if line else ())
    if setup_state.is_managed(case) and setup_state.is_in_place(case):
        return Diagnostic(
            status="warn",
            detail=f"{what} in this shell: it was started before the shims were put on PATH, or "
            f"something puts another directory before `{directory}`.",
            fix=by_hand,
            paths=listed,
        )
    if setup_state.is_managed(case):
        by_hand = _setup("Put the shims first on PATH")
    else:
        text = "Type this here, and put it at the end of your shell's start-up file"
        by_hand = by_hand.replace(text=text)
    return Diagnostic(
        status="fail",
        detail=f"{what}, and not the shim `{os.path.join(directory, program)}`: "
        "it runs without any policy.",
        fix=by_hand,
        paths=listed,
    )


def look_active_environment(case: Case) -> Iterator[Diagnostic]:
    """Does an environment that is active carry its own uv before the shim?"""
    for program in shim_directories.PROGRAMS:
        first = next(iter(_on_path(case, program)), None)
        if first is None or first.ours or not first.environment:
            continue
        conda = os.path.isdir(os.path.join(first.environment, "conda-meta"))
        remove = ("conda", "remove") if conda else ("uv", "pip", "uninstall")
        yield Diagnostic(
            status="warn",
            detail=f"`{program}` is `{first.path}`, from an environment that is on PATH before "
            "the shims: it runs without any policy.",
            fix=Fix(
                text="Take `uv` out of that environment, or deactivate it",
                commands=(command(*remove, "-p", first.environment, "uv"),),
            ),
            paths=tuple(each.path for each in _on_path(case, program)),
        )
        return


# Start-up files -----------------------------------------------------------------------------------


def look_start_up_files(case: Case) -> Iterator[Diagnostic]:
    """Is our block still there, whole, and the last to speak?"""
    record_path = setup_state.record_path(case)
    if record_path and os.path.lexists(record_path) and setup_state.record(case) is None:
        yield Diagnostic(
            status="warn",
            detail=f"`{record_path}` cannot be understood: nobody knows what `setup` did.",
            fix=_setup("Write it anew"),
            paths=(record_path,),
        )
        return
    if not setup_state.is_managed(case):
        yield Diagnostic(status="skip", detail="no start-up file was changed by `linkpolicy setup`")
        return
    for plan in setup_state.plans(case):
        if isinstance(plan, LinkPolicyError):
            yield Diagnostic(status="skip", detail=str(plan))
            return
        for problem in plan.problems:
            yield Diagnostic(
                status="warn",
                detail=f"`{problem.path}`: {problem.reason}." if problem.path else problem.reason,
                fix=Fix(text="Repair it by hand, and then", commands=(_SETUP,)),
                paths=(problem.path,) if problem.path else (),
            )
        for edit in plan.edits:
            yield Diagnostic(
                status="warn",
                detail=f"`{edit.before.path}` {_what_is_wrong(edit)}.",
                fix=_setup("Put the block back at the end"),
                paths=(edit.before.path,),
            )


def _what_is_wrong(edit: Edit) -> str:
    content = edit.before.content
    if content is None:
        return "is gone, and with it the lines that put the shims on PATH"
    found = startup_file.blocks(content)
    if not found:
        return "has lost the lines that put the shims on PATH"
    if content[found[-1].end :].strip():
        return "has other lines behind those that put the shims on PATH: they may change it again"
    return "has another block than this linkpolicy writes"


def _setup(text: str) -> Fix:
    return Fix(text=text, commands=(_SETUP,), safe=True)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _on_path(case: Case, program: str) -> tuple[Program, ...]:
    return on_path(program, case.environ.get("PATH", ""))


def _there(directory: str) -> bool:
    return any(map(shim_directories.is_shim, _paths(directory)))


def _is_there(directory: str, program: str) -> bool:
    return shim_directories.is_shim(f"{directory}/{program}")


def _paths(directory: str) -> tuple[str, ...]:
    return tuple(f"{directory}/{program}" for program in shim_directories.PROGRAMS)


def _open_to_others(directory: str) -> tuple[str, ...]:
    """The directories of shims and the shims in them that others can write to."""
    behind = shim_directories.fallbacks(directory)
    found = []
    for path in (directory, behind, *shim_directories.ours(directory)):
        try:
            told = os.lstat(path)
        except OSError:
            continue
        if not stat.S_ISLNK(told.st_mode) and told.st_mode & _OPEN_TO_OTHERS:
            found.append(path)
    return tuple(found)


CHECKS: tuple[Check, ...] = (
    Check(
        id="real-uv",
        title="There is a real uv to start",
        group="installation",
        look=look_real_uv,
    ),
    Check(
        id="real-uv-version",
        title="The real uv is a version that linkpolicy knows",
        group="installation",
        look=look_real_uv_version,
    ),
    # Before those that `setup` fixes: it writes to no directory that is open to others.
    Check(
        id="shims-private",
        title="Nobody else can put a program in the place of a shim",
        group="installation",
        look=look_private,
        fix=fix_private,
    ),
    Check(
        id="shims",
        title="The shims `uv` and `uvx` are in place",
        group="installation",
        look=look_shims,
        fix=fix_by_setup,
    ),
    Check(
        id="shims-current",
        title="The shims are what this linkpolicy writes",
        group="installation",
        look=look_current,
        fix=fix_by_setup,
    ),
    Check(
        id="shims-start",
        title="The shims start the real uv under policy",
        group="installation",
        look=look_start,
        ahead=look_start_ahead,
        fix=fix_by_setup,
    ),
    Check(
        id="shims-first",
        title="The shims come before every other uv on PATH",
        group="installation",
        look=look_first,
        fix=fix_by_setup,
    ),
    Check(
        id="active-environment",
        title="No environment on PATH carries a uv before the shims",
        group="installation",
        look=look_active_environment,
    ),
    Check(
        id="recursion",
        title="No other program's shim starts ours again",
        group="installation",
        look=look_recursion,
    ),
    Check(
        id="start-up-files",
        title="The start-up files put the shims first on PATH",
        group="installation",
        look=look_start_up_files,
        fix=fix_by_setup,
    ),
)
