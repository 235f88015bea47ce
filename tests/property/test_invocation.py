"""What holds for every command line, also for those that nobody has typed yet."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from uvx_policy.uv.invocation import Invocation, parse
from uvx_policy.uv.options import COMMANDS, EXTERNAL, NAMESPACES, spellings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

ALL_SPELLINGS = sorted({spelling for command in COMMANDS for spelling in spellings(command)})
ALL_WORDS = sorted({word for command in COMMANDS for word in command.split()})
LEAVES = sorted(set(COMMANDS) - set(NAMESPACES))
#: options after which uv reads no further
FINAL = ("help", "version")

programs = st.sampled_from(["uv", "uvx"])
#: argv words are any bytes but NUL; what is not UTF-8 comes as lone surrogates
raw = st.binary(max_size=8).map(
    lambda text: text.replace(b"\0", b"x").decode("utf-8", "surrogateescape")
)
spelled = st.sampled_from(ALL_SPELLINGS)
likely = st.one_of(
    raw,
    spelled,
    st.tuples(spelled, raw).map("=".join),
    st.tuples(spelled, raw).map("".join),
    st.sampled_from(ALL_WORDS),
    st.sampled_from(["-", "--", "", "x", "3.12"]),
)
lines = st.lists(likely, max_size=12).map(tuple)
#: a word that uv takes for a value
values = raw.filter(lambda word: word == "-" or not word.startswith("-"))


def meaning(invocation: Invocation) -> tuple[object, ...]:
    """Everything but the words themselves."""
    return (
        invocation.command,
        invocation.options,
        invocation.flag_order,
        invocation.positionals,
        invocation.external,
        invocation.informative,
        invocation.uncertain,
    )


@st.composite
def given_options(draw: st.DrawFn, command: str, without: Collection[str] = ()) -> tuple[str, ...]:
    """Words of valid options for `command` that do not end the reading."""
    table = {
        spelling: name
        for spelling, name in spellings(command).items()
        if name not in without and name.rstrip("=") not in without
    }
    found: list[str] = []
    for spelling in draw(
        st.lists(st.sampled_from(sorted(table)), max_size=5) if table else st.just([])
    ):
        name = table[spelling]
        if name.endswith("="):
            found += [spelling, draw(values)]
        elif name not in FINAL:
            found.append(spelling)
    return tuple(found)


@given(programs, lines)
@example("uv", ("",))
@example("uv", ("\udcff", "-\udcff", "--\udcff"))
def test_parsing_never_raises_and_keeps_every_word(program: str, line: tuple[str, ...]) -> None:
    invocation = parse(program, line)

    assert invocation.arguments == line
    assert invocation.program == program
    assert invocation.command == () or " ".join(invocation.command) in COMMANDS


@given(programs, lines)
def test_the_external_command_is_a_suffix(program: str, line: tuple[str, ...]) -> None:
    external = parse(program, line).external

    assert external is None or (external and line[-len(external) :] == external)


@given(programs, lines)
def test_flags_are_in_the_order_and_number_of_the_options(
    program: str, line: tuple[str, ...]
) -> None:
    invocation = parse(program, line)

    flags = {name for name in invocation.options if name in invocation.flag_order}
    assert {name: len(invocation.options[name]) for name in flags} == {
        name: invocation.flag_order.count(name) for name in invocation.flag_order
    }


@given(data=st.data(), dashes=st.booleans(), program=raw, one=lines, other=lines)
def test_words_of_the_external_command_mean_nothing_to_uv(
    *,
    data: st.DataObject,
    dashes: bool,
    program: str,
    one: tuple[str, ...],
    other: tuple[str, ...],
) -> None:
    command = data.draw(st.sampled_from(EXTERNAL))
    before = (*command.split(), *data.draw(given_options(command)))
    if dashes or (program.startswith("-") and program != "-"):
        before += ("--",)

    first = parse("uv", (*before, program, *one))
    second = parse("uv", (*before, program, *other))

    assert first.external == (program, *one)
    assert first.positionals == ()
    assert not first.uncertain
    assert meaning(first.replace(external=None)) == meaning(second.replace(external=None))


@given(st.sampled_from(LEAVES), st.data(), values)
def test_all_forms_of_a_value_are_equal(command: str, data: st.DataObject, value: str) -> None:
    table = spellings(command)
    valued = sorted(spelling for spelling, name in table.items() if name.endswith("="))
    spelling = data.draw(st.sampled_from(valued))
    start = command.split()

    separate = parse("uv", (*start, spelling, value, "x"))
    attached = parse("uv", (*start, f"{spelling}={value}", "x"))

    assert separate.options == {table[spelling][:-1]: (value,)}
    assert not separate.uncertain
    assert meaning(separate) == meaning(attached)


@given(st.sampled_from(LEAVES), st.data(), values.filter(lambda word: word[:1] not in ("", "=")))
def test_a_value_may_follow_its_letter_in_any_cluster(
    command: str, data: st.DataObject, value: str
) -> None:
    table = {
        spelling[1]: name for spelling, name in spellings(command).items() if spelling[1] != "-"
    }
    flags = [letter for letter, name in table.items() if name[-1] != "=" and name not in FINAL]
    valued = [letter for letter, name in table.items() if name[-1] == "="]
    letters = "".join(data.draw(st.lists(st.sampled_from(flags), min_size=1, max_size=4)))
    last = data.draw(st.sampled_from(valued)) if valued else ""
    apart = [f"-{letter}" for letter in letters] + ([f"-{last}", value] if last else [])

    clustered = parse("uv", (*command.split(), f"-{letters}{last}{value if last else ''}"))
    separate = parse("uv", (*command.split(), *apart))

    assert meaning(clustered) == meaning(separate)
    assert not clustered.uncertain


@given(st.sampled_from(LEAVES), st.data())
def test_globals_mean_the_same_at_every_level(command: str, data: st.DataObject) -> None:
    options = data.draw(given_options(""))
    # `format --version` and `run --isolated` hide a global of the same name.
    own = data.draw(given_options(command, without=spellings("").values()))
    start = command.split()

    inside = parse("uv", (*start, *options, *own))
    before = parse("uv", (*options, *start, *own))
    between = parse("uv", (*start[:1], *options, *start[1:], *own))

    assert inside.options == before.options == between.options
    assert inside.command == before.command == between.command
    assert not inside.uncertain
    assert not before.uncertain
    assert not between.uncertain


@given(st.sampled_from(LEAVES), st.data())
def test_an_unknown_option_in_one_word_shifts_nothing(command: str, data: st.DataObject) -> None:
    options = data.draw(given_options(command))
    start = command.split()

    known = parse("uv", (*start, *options, "x"))
    unknown = parse("uv", (*start, "--not-of-uv=1", *options, "x"))

    assert unknown.uncertain
    assert meaning(known) == meaning(unknown.replace(uncertain=False))
