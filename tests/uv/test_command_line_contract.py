"""The table of uv's command line against the oldest and the newest uv.

Three witnesses, because none knows everything: the help names what is visible, the completion for
bash also what is hidden (but no alias), and the usage errors tell what each spelling really is.
No call here can do anything: each ends in an option that no uv has, or in `--show-settings`.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests import real_uv
from uvx_policy.uv.invocation import parse
from uvx_policy.uv.options import ALIASES, COMMANDS, EXTERNAL, NAMESPACES, spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from typing_extensions import Self

pytestmark = pytest.mark.uv

OLDEST, NEWEST = real_uv.SUPPORTED[0], real_uv.SUPPORTED[-1]
GUARD = "--no-uv-has-this-option"
FINAL = ("help", "version")
#: values for options that tell neither their name nor "invalid value" when they get "zz"
VALUES = {"bump": "minor"}
#: what only versions between the oldest and the newest have
BETWEEN = {
    "publish --direct",
    "workspace metadata --dry-run",
    *(
        f"audit --{name}"
        for name in ("extra", "all-extras", "no-all-extras", "group", "all-groups", "dev")
    ),
}
#: commands that lack an option which the table gives them with a group, or with the namespace
LACKING = {
    "auth helper get --protocol",
    "generate-shell-completion --no-cache-dir",
    # an error everywhere but in 0.5 and 0.6: uv does nothing either way
    *(f"{name} {spelling}" for name in COMMANDS for spelling in ("-V", "--version")),
}
#: spellings that meant another option of the same command, with the same arity, in the oldest uv
MOVED = {"pip compile -p"}
#: spellings that the completion lists, and that uv rejects as unknown, whatever their value
REJECTED = {"init --backend"}


class Uv:
    """One real uv, asked in an empty home and directory, without network or Python."""

    def __init__(self, program: Path, scratch: Path) -> None:
        self.program = program
        self.scratch = scratch
        self.listed = _completion(self("generate-shell-completion", "bash")[1])

    def __call__(self, *words: str, path: str = "/nonexistent") -> tuple[int, str]:
        """Exit code, and both outputs."""
        done = subprocess.run(
            [self.program, *words],
            cwd=self.scratch,
            env={
                "HOME": str(self.scratch),
                "PATH": path,
                "NO_COLOR": "1",
                "COLUMNS": "400",
                "UV_OFFLINE": "1",
                "UV_PYTHON_DOWNLOADS": "never",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode, (done.stderr + done.stdout).decode("utf-8", "replace")

    def refusal(self, *words: str) -> str:
        """First line of the usage error of a call that must fail before it acts."""
        code, output = self(*words, GUARD)
        assert code == 2, f"{words} ended with {code}"
        return output.partition("\n")[0]

    def for_each_command(self, check: Callable[[Self, str], list[str]]) -> list[str]:
        """What `check` finds wrong with each command that this uv and the table have."""
        names = [name for name in self.listed if name in COMMANDS]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda name: check(self, name), names)
            return [
                f"{name} {line}" for name, lines in zip(names, found, strict=True) for line in lines
            ]


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def uv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Uv:
    return Uv(real_uv.provide(request.param) / "uv", tmp_path_factory.mktemp("uv"))


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Uv:
    return Uv(real_uv.provide(NEWEST) / "uv", tmp_path_factory.mktemp("uv"))


def _completion(script: str) -> dict[str, dict[str, bool]]:
    """Command -> spelling -> does it take a value? From clap's completion for bash."""
    functions = {"uv": ""}
    for above, word, name in re.findall(
        r'^ {12}(uv\w*),(\S+)\)\n\s+cmd="(\w+)"', script, re.MULTILINE
    ):
        functions[name] = f"{functions[above]} {word}".strip()
    found = {}
    for function, options, rest in re.findall(
        r'^ {8}(uv\w*)\)\n\s+opts="([^"]*)"\n(.*?)^ {12}COMPREPLY=',
        script,
        re.MULTILINE | re.DOTALL,
    ):
        valued = set(re.findall(r"^ {16}(-\S+)\)$", rest, re.MULTILINE))
        found[functions[function]] = {
            word: word in valued for word in options.split() if word.startswith("-")
        }
    return found


def _help(text: str) -> dict[str, bool]:
    """Spelling -> does it take a value? From the long help of one command."""
    return {
        spelling: bool(value)
        for short, long, value in re.findall(
            r"^ {2}(-\w, | {4})(--[\w-]+)(?:\.\.\.)?( <.+)?$", text, re.MULTILINE
        )
        for spelling in (short[:2].strip(), long)
        if spelling
    }


def differences(known: Mapping[str, str], seen: Mapping[str, bool]) -> list[str]:
    """What a uv says (`seen`) that the table (`known`) does not say."""
    found = []
    for spelling, takes_value in seen.items():
        if spelling not in known:
            found.append(f"{spelling} is not in the table")
        elif known[spelling].endswith("=") != takes_value:
            found.append(f"{spelling} {'takes a value' if takes_value else 'is a flag'}")
    return found


def claims(uv: Uv, command: str) -> dict[str, str]:
    """What the table says of options that this uv has by at least one of their spellings."""
    known = spellings(command)
    present = {known.get(spelling) for spelling in uv.listed[command]}
    return {
        spelling: name
        for spelling, name in known.items()
        if name in present and name not in FINAL and f"{command} {spelling}" not in MOVED
    }


def rounds(claimed: Mapping[str, str]) -> list[list[str]]:
    """Spellings in groups without two of the same option, which uv would not accept."""
    found: list[list[str]] = []
    used: list[set[str]] = []
    for spelling, name in claimed.items():
        for group, names in zip(found, used, strict=True):
            if name not in names:
                group.append(spelling)
                names.add(name)
                break
        else:
            found.append([spelling])
            used.append({name})
    return found


def disagreements(uv: Uv, command: str, claimed: Mapping[str, str]) -> list[str]:
    """What this uv's usage errors say against the arity that is claimed for each spelling."""
    return [
        line for group in rounds(claimed) for line in _disagreements(uv, command, claimed, group)
    ]


def _disagreements(uv: Uv, command: str, claimed: Mapping[str, str], group: list[str]) -> list[str]:
    """The same for a group of `rounds`: all in one call, and again without what uv names."""
    found: list[str] = []
    group = sorted(group, key=lambda spelling: claimed[spelling].endswith("="))
    while True:
        words = [
            f"{spelling}={VALUES.get(claimed[spelling][:-1], 'zz')}"
            if claimed[spelling].endswith("=")
            else spelling
            for spelling in group
        ]
        if "--cache-dir" not in group:
            # That a "flag" wants a value shows only when a known option follows it.
            words.append("--cache-dir=zz")
        said = uv.refusal(*command.split(), *words)
        if f"unexpected argument '{GUARD}' found" in said:
            return found
        # uv may call an option by another of its spellings than the one that it got.
        named = re.search(r"'(--?[\w-]+)", said)
        option = claimed.get(named[1]) if named else None
        blamed = [spelling for spelling in group if option and claimed[spelling] == option]
        if not blamed:
            return [*found, f"nobody to blame: {said}"]
        absent = "unexpected argument" in said and blamed[0] not in uv.listed[command]
        if not absent and "invalid value" not in said:
            found.append(f"{blamed[0]}: {said}")
        group = [spelling for spelling in group if spelling not in blamed]


def misnamed(uv: Uv, command: str, claimed: Mapping[str, str]) -> list[str]:
    """Spellings which uv takes for another option than the table says."""
    found = []
    for spelling, name in claimed.items():
        if spelling == "--" + name.rstrip("="):
            continue
        if name.endswith("="):
            # `--no-config` is a known option: now the value is missing.
            said = uv.refusal(*command.split(), spelling, "--no-config")
            named = re.search(r"a value is required for '(--[\w-]+)", said)
        elif spelling.startswith("--"):
            said = uv.refusal(*command.split(), f"{spelling}=zz")
            named = re.search(r"unexpected value 'zz' for '(--[\w-]+)", said)
        else:
            # uv never names a short flag's option here; the help does.
            continue
        if f"unexpected argument '{spelling}' found" in said:
            continue
        if not named or claimed.get(named[1]) != name:
            found.append(f"{spelling}: {said}")
    return found


def test_every_command_and_option_of_the_completion_is_in_the_table(uv: Uv) -> None:
    unknown = [name for name in uv.listed if ALIASES.get(name, name) not in COMMANDS]
    wrong = [
        f"{name} {line}"
        for name, seen in uv.listed.items()
        if name not in unknown
        for line in differences(spellings(ALIASES.get(name, name)), seen)
        if f"{name} {line.split()[0]}" not in REJECTED
    ]

    assert len(uv.listed) > 50
    assert sum(map(len, uv.listed.values())) > 2000
    assert (unknown, wrong) == ([], [])


def test_every_command_and_option_of_the_help_is_in_the_table(uv: Uv) -> None:
    def check(uv: Uv, name: str) -> list[str]:
        code, text = uv("help", "--no-pager", *name.split())
        assert code == 0, text
        seen = _help(text)
        known = spellings(name)
        shorts = re.findall(r"^ {2}(-\w), (--[\w-]+)", text, re.MULTILINE)
        assert seen or name == "help" or name.startswith(("auth helper", "build-backend"))
        below = re.search(r"^Commands:\n((?: {2}.*\n)+)", text, re.MULTILINE)
        words = re.findall(r"^ {2}([\w-]+)", below[1], re.MULTILINE) if below else []
        children = [f"{name} {word}".strip() for word in words]
        return [
            *differences(known, seen),
            *(
                f"{short} is {long}"
                for short, long in shorts
                if known.get(short) != known.get(long) and f"{name} {short}" not in MOVED
            ),
            *(f"{child} is not in the table" for child in children if child not in COMMANDS),
            *([] if bool(below) == (name in NAMESPACES) else ["is or is not a namespace"]),
        ]

    assert uv.for_each_command(check) == []


def test_every_spelling_of_the_table_is_what_it_says(uv: Uv) -> None:
    def check(uv: Uv, name: str) -> list[str]:
        return disagreements(uv, name, claims(uv, name))

    assert uv.for_each_command(check) == []


def test_every_alias_belongs_to_the_option_of_its_canonical_name(uv: Uv) -> None:
    def check(uv: Uv, name: str) -> list[str]:
        return misnamed(uv, name, claims(uv, name))

    assert uv.for_each_command(check) == []


def test_the_table_says_nothing_that_neither_the_oldest_nor_the_newest_knows(
    tmp_path: Path,
) -> None:
    uvs = [Uv(real_uv.provide(version) / "uv", tmp_path) for version in (OLDEST, NEWEST)]
    commands = {name for uv in uvs for name in uv.listed}

    unknown = {name for name in COMMANDS if name not in commands}
    for name in commands & set(COMMANDS):
        names = {spellings(name).get(known) for uv in uvs for known in uv.listed.get(name, ())}
        unknown |= {
            f"{name} {spelling}"
            for spelling, option in spellings(name).items()
            if option not in names and f"{name} {spelling}" not in LACKING
        }

    assert unknown == BETWEEN


def test_every_command_alias_is_accepted(newest: Uv) -> None:
    ends = {alias: newest(*alias.split(), "--help")[0] for alias in ALIASES}

    assert ends == dict.fromkeys(ALIASES, 0)


def test_help_is_printed_before_anything_else_is_read(uv: Uv) -> None:
    def check(uv: Uv, name: str) -> list[str]:
        code, _ = uv(*name.split(), "-h", GUARD)
        return [f"-h ended with {code}"] if code else []

    assert uv.for_each_command(check) == []


def test_only_two_commands_pass_words_on(uv: Uv) -> None:
    def check(uv: Uv, name: str) -> list[str]:
        if name in EXTERNAL or name in NAMESPACES:
            return []
        said = uv.refusal(*name.split(), "x")
        return [] if "unexpected argument '" in said else [said]

    assert uv.for_each_command(check) == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param("", id="no words"),
        pytest.param("-q --frozen", id="options"),
        pytest.param("a -q -- --frozen", id="any words"),
        pytest.param("-- a", id="a further --"),
    ],
)
@pytest.mark.parametrize(
    "start",
    [
        pytest.param("run --no-project -q tell", id="first word"),
        pytest.param("run --no-project -q -- tell", id="after --"),
        pytest.param("-q run --no-project -- --", id="a program called --"),
        pytest.param("run --no-project -qnp PYTHON tell", id="after a cluster"),
        pytest.param("run --isolated --no-project -q --with-editable= tell", id="empty value"),
    ],
)
def test_the_program_gets_the_words_that_we_call_external(
    uv: Uv, tmp_path: Path, start: str, arguments: str
) -> None:
    for name in ("tell", "--"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@"\n')
        program.chmod(0o755)
    words = [word.replace("PYTHON", sys.executable) for word in f"{start} {arguments}".split()]
    path = os.pathsep.join((str(tmp_path), os.path.dirname(sys.executable), "/usr/bin", "/bin"))

    code, output = uv(*words, path=path)

    assert code == 0, output
    assert parse("uv", tuple(words)).external == tuple(output.splitlines())


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("--cache-dir a cache --cache-dir b dir --cache-dir c", id="three levels"),
        pytest.param("--cache-dir a cache --cache-dir b dir", id="outer and middle"),
        pytest.param("--cache-dir a cache dir", id="outer"),
        pytest.param("cache dir --cache-dir=a", id="inner"),
    ],
)
def test_uv_uses_the_value_that_we_call_the_last(uv: Uv, line: str) -> None:
    _, output = uv(*line.split())

    assert output.strip().rpartition("/")[2] == parse("uv", tuple(line.split())).value("cache-dir")


#: words that make an option's word or two
_FORMS = ("{0}", "{0}", "{0}=3", "{0} 3", "{0}3", "{0} -", "{0} --", "{0} -5")


#: commands that take any number of positional words or an external command; not `pip sync`, because
#: an option before it that takes "pip" for its value leaves `uv sync`, which takes none
_TALKATIVE = ("run", "tool run", "tool uvx", "pip install", "pip compile", "add", "remove")


def _random_options(choice: random.Random, command: str, most: int) -> list[str]:
    """Words that are options of `command`, or nearly."""
    table = sorted(spellings(command))
    shorts = [
        spelling[1] for spelling in table if len(spelling) == 2 and spelling not in ("-h", "-V")
    ]
    line: list[str] = []
    for _ in range(choice.randrange(most + 1)):
        option = choice.choice([choice.choice(table), "-" + "".join(choice.sample(shorts, 2))])
        line += choice.choice(_FORMS).format(option).split()
    return line


def _random_line(choice: random.Random) -> tuple[str, ...]:
    """Words for one of the commands, right and wrong ones, options at every level."""
    command = choice.choice(_TALKATIVE)
    line = ["--show-settings"]
    for word in command.split():
        line += [*_random_options(choice, "", choice.choice([0, 0, 1])), word]
    line += _random_options(choice, ALIASES.get(command, command), 3)
    return (*line, *choice.choice([(), ("x",), ("--", "x"), ("x", "-Z"), ("--", "-Z")]))


def judged(said: str) -> bool | None:
    """Does uv, by the first line that it `said`, find an option or a subcommand wrong?

    `None` for what is no business of `parse`: bad values, options that exclude each other, too many
    positional words, and `--version` where only old uvs know it.
    """
    if re.match(
        r"error: (invalid|the argument|the following|unexpected argument '(-'|[^-]))", said
    ):
        return None
    if re.match(r"error: unexpected argument '(-V|--version)'", said):
        return None
    return bool(
        re.match(
            r"error: (unexpected (argument|value)|a value is required|unrecognized subcommand)",
            said,
        )
    )


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(1, 4))]
)
def test_what_uv_calls_wrong_is_uncertain_and_nothing_else(newest: Uv, seed: int) -> None:
    choice = random.Random(seed)  # noqa: S311 (no secret)
    lines = [_random_line(choice) for _ in range(250)]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(lambda line: newest(*line)[1].partition("\n")[0], lines))

    verdicts = {line: judged(text) for line, text in zip(lines, said, strict=True)}
    assert {True, False} <= set(verdicts.values())
    assert [
        line
        for line, wrong in verdicts.items()
        if wrong is not None and parse("uv", line).uncertain != wrong
    ] == []


@pytest.mark.parametrize(
    ("spelling", "doctored"),
    [
        pytest.param("--frozen", None, id="flag removed"),
        pytest.param("--python", None, id="value option removed"),
        pytest.param("-p", None, id="short removed"),
        pytest.param("--frozen", "frozen=", id="flag turned into a value option"),
        pytest.param("--python", "python", id="value option turned into a flag"),
        pytest.param("-m", "module=", id="short flag turned"),
    ],
)
def test_a_faulty_table_would_be_noticed(newest: Uv, spelling: str, doctored: str | None) -> None:
    table = {name: option for name, option in spellings("run").items() if name != spelling}
    if doctored:
        table[spelling] = doctored

    (found,) = differences(table, newest.listed["run"])

    assert found.startswith(spelling)


@pytest.mark.parametrize(
    ("spelling", "doctored"),
    [
        pytest.param("--frozen", "frozen=", id="flag as a value option"),
        pytest.param("--python", "python", id="value option as a flag"),
        pytest.param("--force-reinstall", "reinstall=", id="hidden flag as a value option"),
        pytest.param("--trusted-host", "allow-insecure-host", id="hidden value option as a flag"),
        pytest.param("-m", "module=", id="short flag as a value option"),
        pytest.param("-w", "with", id="short value option as a flag"),
    ],
)
def test_a_wrong_arity_would_be_noticed(newest: Uv, spelling: str, doctored: str) -> None:
    claimed = claims(newest, "run") | {spelling: doctored}

    assert disagreements(newest, "run", claimed) != []


@pytest.mark.parametrize(
    ("spelling", "doctored"),
    [
        pytest.param("--trusted-host", "cache-dir=", id="value option"),
        pytest.param("--force-reinstall", "refresh", id="flag"),
        pytest.param("-w", "with-editable=", id="short"),
    ],
)
def test_an_alias_of_the_wrong_option_would_be_noticed(
    newest: Uv, spelling: str, doctored: str
) -> None:
    claimed = claims(newest, "run") | {spelling: doctored}

    (found,) = misnamed(newest, "run", claimed)

    assert found.startswith(spelling)
