"""The report of `linkpolicy doctor` for people, from the same findings as the JSON object."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

from uvx_policy.doctor.engine import GROUPS, STATUSES, offers
from uvx_policy.terminal.command import Hint, as_user, command
from uvx_policy.terminal.words import count, size, verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.doctor.diagnostic import Check, Finding, Fix, Status
    from uvx_policy.doctor.engine import Fixed, Offer, Planned, Result
    from uvx_policy.terminal.console import Console, Part

_STYLES: dict[Status, str] = {
    "fail": "bold red",
    "crash": "bold magenta",
    "warn": "bold yellow",
    "skip": "dim",
    "pass": "green",
}
#: paths of one finding that are shown; the JSON object has all of them
_MOST_PATHS = 5
_INDENT = "    "
#: statuses of problems, and their nouns
_NOUNS: dict[Status, str] = {"fail": "failure", "crash": "crash", "warn": "warning"}
_FIX_WORDS = ("linkpolicy", "doctor", "--fix")
_FIX = command(*_FIX_WORDS)
_VERIFY = command("linkpolicy", "doctor", "--verify")


class Report:
    """Prints findings, the worst first."""

    def __init__(
        self,
        console: Console,
        *,
        everything: bool = False,
        hide: Callable[[str], str] = str,
    ) -> None:
        """`everything`: show also what passed; `hide`: takes names of people out of a text."""
        self._console = console
        self._everything = everything
        self._hide = hide
        self._column = max(map(len, GROUPS)) + 2
        signs = console.signs
        self._signs: dict[Status, str] = {
            "fail": signs.fail, "crash": signs.crash, "warn": "!", "skip": "-",
            "pass": signs.passed,
        }  # fmt: skip

    def print_results(self, checks: Sequence[Check], results: Iterator[Result]) -> list[Result]:
        """Each group as soon as its last check has run; all of them.

        `results`: one for each of the checks, in their order.
        """
        printed: list[Result] = []
        for group, members in itertools.groupby(checks, key=lambda check: check.group):
            of_group = list(itertools.islice(results, len(tuple(members))))
            self._print_group(group, of_group)
            printed += of_group
        return printed

    def ask(self, offer: Offer, planned: Planned) -> bool:
        """Show what this fix would do, and ask whether to apply it."""
        self._console.say()
        for line in planned.would:
            self._console.say("  ", self._hide(line))
        return self._console.ask(self._hide(offer.text), "?")

    def print_fixed(self, fixed: Fixed, offer: Offer, *, dry_run: bool) -> None:
        """What was done, or would be."""
        say, ids = self._console.say, ", ".join(check.id for check in fixed.checks)
        verb = "Would fix" if dry_run else "Fixing"
        say()
        say((f"{verb}: ", "bold"), self._hide(offer.text), f"  ({ids})")
        for line in fixed.done:
            say("  ", self._hide(line))
        if fixed.fault.text:
            say("  ", ("not done", "bold red"), ": ", self._hide(fixed.fault.text))
        if fixed.fault.whose:
            typed = as_user(fixed.fault.whose, *_FIX_WORDS, *(check.id for check in fixed.checks))
            self._console.hint(Hint(text="run doctor as the owner", commands=(typed,)))

    def print_again(self, results: Sequence[Result]) -> None:
        """What is true after fixing, also where all is well."""
        self._console.say()
        self._console.say(("After fixing:", "bold"))
        for finding in _worst_first(results):
            self._print_finding(finding)

    def print_summary(self, results: Sequence[Result], *, offer_fix: bool, undone: int = 0) -> None:
        """What was found, what was not looked at, and what to type for either.

        `undone`: fixes that were not done, or not completely.
        """
        shell = self._console.shell
        checks = count(len(results), "check")
        skipped = sum(result.worst == "skip" for result in results)
        problems = list(_problems(results))
        self._console.say()
        line: tuple[Part, ...] = (("All checks passed", "bold green"), f": {checks}")
        line += (f", {skipped:,} skipped.",) if skipped else (".",)
        if undone and not problems:
            line = ("Found no problems", *line[1:])
        if problems:
            line = ("Found ", *problems, f" in {checks}")
            line += (f" ({skipped:,} skipped).",) if skipped else (".",)
        if undone:
            line += (f" {undone} {verb(undone, 'fix was', 'fixes were')} not done.",)
        if any(result.check.thorough and result.worst == "skip" for result in results):
            line += (" File contents were not compared; run ",)
            line += ((f"`{_VERIFY.rendered(shell)}`", "bold cyan"), ".")
        self._console.wrap((), *line)
        if problems and offer_fix and offers(results):
            apply = (f"`{_FIX.rendered(shell)}`", "bold cyan")
            self._console.wrap((), "Run ", apply, " to apply the safe fixes; it asks first.")

    def print_list(self, checks: Sequence[Check]) -> None:
        """Id, title and whether --fix can fix it, by group."""
        column = max((len(check.id) for check in checks), default=0) + 2
        for group, found in itertools.groupby(checks, key=lambda check: check.group):
            self._console.say((group, "bold"))
            for check in found:
                self._console.wrap(
                    ("  ", (f"{check.id:<{column}}", "cyan")),
                    check.title,
                    ("  (--verify)" if check.thorough else "", "dim"),
                    ("  (--fix)" if check.fix is not None else "", "green"),
                )

    def _print_group(self, group: str, results: Sequence[Result]) -> None:
        problems = sum(each.status in _NOUNS for result in results for each in result.findings)
        skipped = sum(result.worst == "skip" for result in results)
        head = (f"{group:<{self._column}}", "bold")
        more = f", {skipped} skipped" if skipped else ""
        if problems:
            checks = count(len(results), "check")
            self._console.say(head, f"{count(problems, 'problem')} in {checks}{more}")
        else:
            passed = f"{count(len(results) - skipped, 'check')} passed{more}"
            self._console.say(head, (passed, "green"))
        shown = [each for each in results if self._everything or not each.is_well]
        for finding in _worst_first(shown):
            self._print_finding(finding)
        if not self._everything:
            self._print_skipped(results)

    def _print_skipped(self, results: Sequence[Result]) -> None:
        """Each reason once. That contents are not compared is said in the summary."""
        reasons: dict[str, list[str]] = {}
        for result in results:
            if result.worst == "skip" and not result.check.thorough:
                for each in result.findings:
                    if each.status == "skip":
                        reasons.setdefault(each.detail, []).append(each.id)
        for reason, ids in reasons.items():
            self._console.wrap(
                ("  ", (self._signs["skip"], "dim"), " "),
                (f"{self._hide(reason)}  ", "dim"),
                (", ".join(ids), "cyan"),
            )

    def _print_finding(self, finding: Finding) -> None:
        said = finding.detail or finding.title
        self._console.wrap(
            ("  ", (self._signs[finding.status], _STYLES[finding.status]), " "),
            f"{self._hide(said)}  ",
            (finding.id, "cyan"),
            ("" if finding.bytes is None else f"  {size(finding.bytes)}", "dim"),
        )
        # All or none: some checks tell them in an order that matters.
        is_said = all(path in finding.detail for path in finding.paths)
        paths = () if is_said else finding.paths
        for path in paths[:_MOST_PATHS]:
            self._console.say(_INDENT, (self._hide(path), "dim"))
        if len(paths) > _MOST_PATHS:
            more = f"{_INDENT}and {len(paths) - _MOST_PATHS:,} more (--json has all)"
            self._console.say((more, "dim"))
        if finding.fix is not None:
            self._print_fix(finding.fix)

    def _print_fix(self, fix: Fix) -> None:
        self._print_hint("fix: ", fix, "  (safe)" if fix.safe else "")
        if fix.otherwise is not None:
            self._print_hint("or:  ", fix.otherwise)

    def _print_hint(self, label: str, hint: Hint, note: str = "") -> None:
        self._console.wrap((_INDENT, (label, "bold")), self._hide(hint.text), (note, "green"))
        if hint.commands:
            # Whole, whatever the width: it is there to be copied.
            typed = self._hide(hint.typed(self._console.shell))
            self._console.say(f"{_INDENT}     ", (typed, "bold cyan"))


def _problems(results: Sequence[Result]) -> Iterator[Part]:
    """`2 failures`, ` and `, `1 warning`."""
    seen = Counter(finding.status for result in results for finding in result.findings)
    found = [(count(seen[each], _NOUNS[each]), _STYLES[each]) for each in _NOUNS if seen[each]]
    for at, part in enumerate(found):
        if at:
            yield " and " if at == len(found) - 1 else ", "
        yield part


def _worst_first(results: Sequence[Result]) -> list[Finding]:
    findings = [finding for result in results for finding in result.findings]
    return sorted(findings, key=lambda finding: STATUSES.index(finding.status))
