"""What the doctor found, for people: from the same records as the JSON object."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rich.text import Text

from uvx_policy.doctor.engine import GROUPS, STATUSES
from uvx_policy.doctor.fix import offers
from uvx_policy.setup.words import printable
from uvx_policy.terminal.command import command
from uvx_policy.terminal.words import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from uvx_policy.doctor.diagnostic import Check, Finding, Fix, Status
    from uvx_policy.doctor.engine import Result
    from uvx_policy.doctor.fix import Fixed, Offer
    from uvx_policy.doctor.redact import Redaction
    from uvx_policy.terminal.command import Shell

#: sign, the same for terminals that cannot show it, style
_SIGNS: dict[Status, tuple[str, str, str]] = {
    "fail": ("✗", "x", "bold red"),
    "crash": ("‼", "#", "bold magenta"),
    "warn": ("!", "!", "bold yellow"),
    "skip": ("-", "-", "dim"),
    "pass": ("✓", "+", "green"),
}
#: paths of one finding that are shown; the JSON object has all of them
_MOST_PATHS = 5
#: lines do not grow beyond it: long lines are hard to follow
_WIDTH = 100
_INDENT = "    "
_FIX = command("linkpolicy", "doctor", "--fix")
#: statuses that the summary counts, as nouns
_NOUNS: tuple[tuple[Status, str], ...] = (
    ("fail", "failure"),
    ("crash", "crash"),
    ("warn", "warning"),
)


class Report:
    """Prints on one console. Lines are wrapped on a terminal and left whole in a pipe."""

    def __init__(
        self,
        console: Console,
        shell: Shell,
        *,
        everything: bool = False,
        hide: Redaction | None = None,
    ) -> None:
        """`shell`: where the commands of fixes are typed.

        `everything`: show also what passed, and what was skipped; `hide`: names of people.
        """
        self._console = console
        self._shell = shell
        self._everything = everything
        self._hide = hide
        self._column = max(map(len, GROUPS)) + 2
        self._sign_of = 0 if console.encoding.lower().startswith("utf") else 1

    def print_results(self, checks: Sequence[Check], results: Iterator[Result]) -> None:
        """Each group as soon as its last check has run, the worst of it first.

        `results`: one for each of the checks, in their order.
        """
        for group, members in itertools.groupby(checks, key=lambda check: check.group):
            count = len(tuple(members))
            self._print_group(group, tuple(itertools.islice(results, count)))

    def ask(self, offer: Offer) -> None:
        """Ask whether to fix this; the cursor stays behind the question."""
        self.print_line("")
        question = Text.assemble(self._text(offer.text.rstrip(".")), "? [y/N] ")
        self._console.print(question, end="", soft_wrap=True, highlight=False)

    def print_fixed(self, fixed: Fixed, offer: Offer, *, dry_run: bool) -> None:
        """What was done, or would be."""
        self.print_line("")
        ids = ", ".join(check.id for check in fixed.checks)
        verb = "Would fix" if dry_run else "Fixing"
        self.print_line(Text.assemble((f"{verb}: ", "bold"), self._text(offer.text), f"  ({ids})"))
        for line in fixed.done:
            self.print_line(Text.assemble("  ", self._text(line)))
        if fixed.fault:
            self.print_line(
                Text.assemble("  ", ("not done", "bold red"), ": ", self._text(fixed.fault))
            )

    def print_again(self, results: Sequence[Result]) -> None:
        """What is true after fixing, also when all is well."""
        self.print_line("")
        self.print_line(Text("Looked again:", "bold"))
        for finding in _worst_first(results):
            self._print_finding(finding)

    def print_summary(self, results: Sequence[Result], *, offer_fix: bool) -> None:
        """One line on what was found, and a second one on what to do about it."""
        findings = [finding for result in results for finding in result.findings]
        found = {
            status: sum(finding.status == status for finding in findings) for status in STATUSES
        }
        skipped = sum(result.worst == "skip" for result in results)
        told = [
            Text(counted(found[status], noun), _SIGNS[status][2])
            for status, noun in _NOUNS
            if found[status]
        ]
        checks = f"{counted(len(results), 'check')}"
        if skipped:
            checks += f", {skipped} skipped"
        self.print_line("")
        if not told:
            self.print_line(Text.assemble(("All well", "bold green"), f": {checks}."))
            return
        self.print_line(Text.assemble(Text(", ").join(told), f" ({checks})."))
        if offer_fix and offers(results):
            offer = Text.assemble(
                (_FIX.rendered(self._shell), "bold cyan"),
                " fixes what is marked as safe, and asks first.",
            )
            self._print_hanging(Text(""), offer, 0)

    def print_list(self, checks: Sequence[Check]) -> None:
        """Id, title and whether --fix can fix it, by group."""
        column = max((len(check.id) for check in checks), default=0) + 2
        for group, found in itertools.groupby(checks, key=lambda check: check.group):
            self.print_line(Text(group, "bold"))
            for check in found:
                first = Text.assemble("  ", (f"{check.id:<{column}}", "cyan"))
                text = Text(check.title)
                if check.thorough:
                    text.append("  (--verify)", "dim")
                if check.fix is not None:
                    text.append("  (--fix)", "green")
                self._print_hanging(first, text, column + 2)

    def print_line(self, line: Text | str) -> None:
        """One line, never wrapped."""
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _print_group(self, group: str, results: Sequence[Result]) -> None:
        head = Text(f"{group:<{self._column}}", "bold")
        ill = sum(not result.is_well for result in results)
        if ill:
            head.append(f"{ill} of {counted(len(results), 'check')} found something")
        else:
            head.append(f"{counted(len(results), 'check')}, all well", "green")
        self.print_line(head)
        shown = [result for result in results if self._everything or not result.is_well]
        for finding in _worst_first(shown):
            self._print_finding(finding)

    def _print_finding(self, finding: Finding) -> None:
        sign, plain, style = _SIGNS[finding.status]
        said = finding.detail or finding.title
        text = Text.assemble(self._text(said), "  ", (finding.id, "cyan"))
        if finding.bytes is not None:
            text.append(f"  {size(finding.bytes)}", "dim")
        first = Text.assemble("  ", ((sign, plain)[self._sign_of], style), " ")
        self._print_hanging(first, text, len(_INDENT))
        # All or none: some checks tell them in an order that matters.
        told = all(path in finding.detail for path in finding.paths)
        paths = () if told else finding.paths
        for path in paths[:_MOST_PATHS]:
            self.print_line(Text.assemble(_INDENT, (self._text(path), "dim")))
        if len(paths) > _MOST_PATHS:
            self.print_line(
                Text(f"{_INDENT}and {len(paths) - _MOST_PATHS} more (--json has all)", "dim")
            )
        if finding.fix is not None:
            self._print_fix(finding.fix)

    def _print_fix(self, fix: Fix) -> None:
        text = Text(self._text(fix.text))
        if fix.safe:
            text.append("  (safe)", "green")
        self._print_hanging(Text.assemble(_INDENT, ("fix: ", "bold")), text, len(_INDENT) + 5)
        if fix.commands:
            # Whole, whatever the width: it is there to be copied.
            typed = self._text(fix.typed(self._shell))
            self.print_line(Text.assemble(f"{_INDENT}     ", (typed, "bold cyan")))

    def _text(self, text: str) -> str:
        """Without names, if that was asked for, and with nothing that could steer a terminal."""
        return printable(self._hide(text) if self._hide is not None else text)

    def _print_hanging(self, first: Text, text: Text, indent: int) -> None:
        """`first` and `text`; what does not fit on the line goes on below, indented."""
        lines = [text]
        if self._console.is_terminal:
            width = max(min(self._console.width, _WIDTH) - indent, 20)
            lines = list(text.wrap(self._console, width))
        for line in lines:
            line.rstrip()
            self.print_line(Text.assemble(first, line))
            first = Text(" " * indent)


def counted(number: int, noun: str) -> str:
    """`1 check`, `2 checks`, `2 crashes`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('sh') else 's'}"


def _worst_first(results: Sequence[Result]) -> list[Finding]:
    findings = [finding for result in results for finding in result.findings]
    return sorted(findings, key=lambda finding: STATUSES.index(finding.status))
