"""Do shells find the shims before every other uv, and is nothing between them and the real one?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.doctor import setup_state
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, fine, skip, warn
from uvx_policy.doctor.setup_state import SETUP, fix_by_setup, setup
from uvx_policy.doctor.shim_start import starts
from uvx_policy.errors import LinkPolicyError
from uvx_policy.machine.programs import on_path
from uvx_policy.setup import precedence, shim_directories, startup_file, user_variables
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.machine.programs import Program
    from uvx_policy.setup.user_variables import Change
    from uvx_policy.setup.words import Edit


# PATH ---------------------------------------------------------------------------------------------


def look_first(case: Case) -> Iterator[Diagnostic]:
    """Does a shell find the shims before every other uv? Environments have their own check."""
    if not setup_state.has_shims(case):
        yield skip("there are no shims")
        return
    # A missing shim has nothing to do with PATH: another check reports it.
    shims = filter(shim_directories.is_shim, setup_state.shims_in(setup_state.directory(case)))
    there = [os.path.basename(path).removesuffix(shim_directories.SUFFIX) for path in shims]
    for program in there:
        listed = [each for each in _on_path(case, program) if not each.environment or each.ours]
        if listed and listed[0].ours:
            continue
        wins = listed[0].path if listed else ""
        yield _not_first(case, program, wins, tuple(each.path for each in listed))
        return
    listed = list(_on_path(case, there[0]))
    yield fine(
        f"`{there[0]}` is `{next(each.path for each in listed if each.ours)}`.",
        paths=tuple(each.path for each in listed),
    )


def _not_first(case: Case, program: str, wins: str, listed: tuple[str, ...]) -> Diagnostic:
    directory = setup_state.directory(case)
    what = f"`{program}` is `{wins}`" if wins else f"There is no `{program}` on PATH"
    # The shell that runs us keeps its PATH whatever `setup` does, so this is what fixes it.
    ahead = _of_machine(case)
    if ahead:
        return _behind_the_machine(case, program, ahead, listed)
    line = setup_state.line_by_hand(case)
    by_hand = Fix.by("Open a new shell, or run this here", *((line,) if line else ()))
    managed = setup_state.is_managed(case)
    plan = setup_state.plan(case) if managed else None
    if plan and not isinstance(plan, LinkPolicyError) and not plan.edits:
        return warn(
            f"{what} in this shell: it was started before the shims were put on PATH, or "
            f"something puts another directory in front of `{directory}`.",
            by_hand,
            listed,
        )
    if managed:
        by_hand = setup("Put the shims first on PATH")
    else:
        text = "Run this here, and add it to the end of your shell's start-up file"
        by_hand = by_hand.replace(text=text)
    return fail(
        f"{what}, not the shim `{os.path.join(directory, program)}`: it runs without a policy.",
        by_hand,
        listed,
    )


def _of_machine(case: Case) -> str:
    """The uv on the machine's Path, which comes before the user's on Windows; "" for none."""
    registry = user_variables.of_this_machine()
    if registry is None:
        return ""
    ahead = precedence.uv_in_front(registry, setup_state.directory(case), case.environ)
    return ahead.path if ahead and ahead.is_machines else ""


def _behind_the_machine(
    case: Case, program: str, ahead: str, listed: tuple[str, ...]
) -> Diagnostic:
    powershell = command("linkpolicy", "setup", "--shell", "powershell")
    return fail(
        f"`{ahead}` is on the machine's Path, which Windows puts before yours: `{program}` runs "
        f"without a policy, whatever `setup` does.",
        Fix.by(
            f"Have an administrator remove `{os.path.dirname(ahead)}` from the machine's Path, and "
            "install uv for yourself; until then PowerShell alone can put the shims first",
            powershell,
        ),
        (shim_directories.path_of(setup_state.directory(case), program), *listed),
    )


def look_active_environment(case: Case) -> Iterator[Diagnostic]:
    """Does an environment that is active carry its own uv before the shim?"""
    for program in shim_directories.PROGRAMS:
        first = next(_on_path(case, program), None)
        if first is None or first.ours or not first.environment:
            continue
        conda = os.path.isdir(os.path.join(first.environment, "conda-meta"))
        remove = ("conda", "remove") if conda else ("uv", "pip", "uninstall")
        yield warn(
            f"`{program}` is `{first.path}`, from an environment in front of the shims on "
            "PATH: it runs without a policy.",
            Fix.by(
                "Remove `uv` from that environment, or deactivate it",
                command(*remove, "-p", first.environment, "uv"),
            ),
            tuple(each.path for each in _on_path(case, program)),
        )
        return


def look_recursion(case: Case) -> Iterator[Diagnostic]:
    """Does what we take for the real uv start our shim again?"""
    if not setup_state.has_shims(case):
        yield skip("there are no shims")
        return
    for start in starts(case):
        if start.came_back and start.entered:
            foreign, works = start.entered[0], start.code == 0
            detour = f"each call of uv takes this detour before it finds `{start.entered[-1]}`"
            effect = f"; {detour}." if works else ": there is no real uv behind it."
            yield Diagnostic(
                "warn" if works else "fail",
                f"`{foreign}` is another program's shim that starts ours again{effect}",
                Fix.by(
                    f"Install a uv for that program, or move "
                    f"`{os.path.dirname(foreign)}` behind a real uv on PATH"
                ),
                start.entered,
            )
            return


# Start-up files -----------------------------------------------------------------------------------


def look_start_up_files(case: Case) -> Iterator[Diagnostic]:
    """Is our block still there, whole, and the last to speak?"""
    record_path = setup_state.record_path(case)
    if record_path and os.path.lexists(record_path) and setup_state.record(case) is None:
        yield warn(
            f"`{record_path}` cannot be read: what `setup` changed is not known.",
            setup("Write it again"),
            (record_path,),
        )
        return
    if not setup_state.is_managed(case):
        yield skip("`linkpolicy setup` has not put the shims on PATH")
        return
    plan = setup_state.plan(case)
    if isinstance(plan, LinkPolicyError):
        yield skip(str(plan))
        return
    for problem in plan.problems:
        yield warn(
            f"`{problem.path}`: {problem.reason}." if problem.path else problem.reason,
            Fix.by("Fix it by hand, then run", SETUP),
            (problem.path,) if problem.path else (),
        )
    for edit in plan.edits:
        yield warn(
            f"`{edit.before.path}` {_what_is_wrong(edit)}.",
            setup("Put the block back at the end"),
            (edit.before.path,),
        )
    for change in plan.variables:
        yield warn(
            f"`{change.place}` {_what_is_missing(change)}.",
            setup("Set it again"),
            (change.place,),
        )


def _what_is_missing(change: Change) -> str:
    if change.name != user_variables.PATH:
        return "does not lead to the shim"
    return "does not begin with the directory of the shims"


def _what_is_wrong(edit: Edit) -> str:
    content = edit.before.content
    if content is None:
        return "is gone, with the lines that put the shims on PATH"
    found = startup_file.blocks(content)
    if not found:
        return "has lost the lines that put the shims on PATH"
    if content[found[-1].end :].strip():
        return "has other lines after those that put the shims on PATH, which may change it again"
    return "has a block that this linkpolicy would write differently"


def _on_path(case: Case, program: str) -> Iterator[Program]:
    return on_path(program, case.environ.get("PATH", ""))


CHECKS: tuple[Check, ...] = (
    Check("shims-first", "The shims come first on PATH", look_first, fix_by_setup),
    Check("active-environment", "No environment on PATH hides the shims", look_active_environment),
    Check("recursion", "No other program's shim starts ours again", look_recursion),
    Check(
        "start-up-files",
        "The start-up files put the shims first on PATH",
        look_start_up_files,
        fix_by_setup,
    ),
)
