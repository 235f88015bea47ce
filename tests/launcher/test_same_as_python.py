"""What the launcher makes of a call is what Python makes of it: words, key, guard, environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shims import generate_tables
from tests.launcher.programs import Asked
from tests.launcher.random_calls import GUARD_PIECES, IDENTITY, NAMES, UV, VALUES, Calls
from tests.property.test_invocation import LEAVES, given_options, lines, programs, raw
from uvx_policy import guard, locate, recursion, shim, trace
from uvx_policy.fingerprint import fingerprint
from uvx_policy.replay import key, witness
from uvx_policy.uv.invocation import parse

#: random calls of each kind
MANY = 10_000
CWD = "/work/\udcffplace"


def test_the_tables_are_those_of_the_python_modules() -> None:
    assert not generate_tables.is_stale(), "run: python shims/generate_tables.py"


class Answer(NamedTuple):
    """What `ask.c` says of a call."""

    #: the environment could be cleaned (else nothing below counts)
    clean: bool
    came_back: bool
    left_alone: bool
    #: the words could be understood
    understood: bool
    key: bytes
    guard: str
    name: str
    significant: tuple[str, ...]
    environ: list[str]


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    running = Asked()
    yield running
    running.close()


def call(
    asked: Asked,
    program: str,
    words: Sequence[str],
    environ: Sequence[str] = (),
    added: Sequence[str] = (),
    *,
    cwd: str = CWD,
    uv: str = UV,
    in_detail: bool = False,
) -> Answer:
    strings = [
        "call in detail" if in_detail else "call",
        locate.package(), program, uv, cwd, IDENTITY, str(len(words)), *words,
        str(len(environ)), *environ, *added,
    ]  # fmt: skip
    answer = asked.ask(*map(os.fsencode, strings))
    texts = [os.fsdecode(string) for string in answer]
    count = int(texts[7])
    clean, came_back, left_alone, understood = (text == "1" for text in texts[:4])
    return Answer(
        clean=clean,
        came_back=came_back,
        left_alone=left_alone,
        understood=understood,
        key=answer[4],
        guard=texts[5],
        name=texts[6],
        significant=tuple(texts[8 : 8 + count]),
        environ=texts[8 + count :],
    )


def seen_by_python(entries: Sequence[str]) -> dict[str, str]:
    """`os.environ` of a process that is started with these entries."""
    found: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if equals:
            found.setdefault(name, value)
    return found


@st.composite
def plausible_lines(draw: st.DrawFn) -> tuple[str, ...]:
    """Words that uv would take, with a word of any kind put in somewhere."""
    command = draw(st.sampled_from(LEAVES)).split()
    words: list[str] = list(draw(given_options("")))
    above = ""
    for word in command:
        above = f"{above} {word}".strip()
        words += [word, *draw(given_options(above))]
    words += draw(st.lists(raw, max_size=3))
    if draw(st.booleans()):
        words.insert(draw(st.integers(0, len(words))), draw(raw))
    return tuple(words)


words_of_any_kind = st.one_of(lines, plausible_lines())


@given(program=programs, words=words_of_any_kind)
@example("uv", ("run", "--script", "ruff"))
@example("uv", ("run", ""))
@example("uv", ("run", "-"))
@example("uv", ("run", "--"))
@example("uv", ("run", "--", "-x"))
@example("uv", ("venv", "--", "-x", "--", "y"))
@example("uv", ("--generate-shell-completion", "zsh"))
@example("uv", ("pip install",))
@example("uv", ("-nqp", "3.12", "-n=", "sync"))
@example("uv", ("run", "-p=", "-p", "-", "x"))
@example("uv", ("sync", "--python"))
@example("uv", ("sync", "--frozen="))
@example("uv", ("sync", "--=x"))
@example("uv", ("-hq", "sync"))
@example("uv", ("format", "--version", "sync"))
@example("uvx", ("x.py", "--python", "3.12"))
def test_the_significant_words_are_pythons(
    asked: Asked, program: str, words: tuple[str, ...]
) -> None:
    _same_words(asked, program, words)


def test_the_significant_words_of_many_calls_are_pythons(asked: Asked) -> None:
    calls = Calls(seed=1)
    understood = [_same_words(asked, calls.program(), calls.line()) for _ in range(MANY)]

    # Otherwise little would be shown.
    assert understood.count(True) > MANY / 5
    assert understood.count(False) > MANY / 5


def _same_words(asked: Asked, program: str, words: tuple[str, ...]) -> bool:
    """The words were understood, on both sides."""
    answer = call(asked, program, words)
    understood = parse(program, words)

    assert answer.understood is not understood.uncertain
    if answer.understood:
        assert answer.significant == understood.significant
        expected = key.make_key(
            program, UV, understood.significant, cwd=CWD, user=str(os.geteuid()), environ={}
        )
        assert answer.key == expected
        closer = call(asked, program, words, in_detail=True)
        detailed = (key.DETAILED, *understood.detailed)
        assert closer.significant == detailed
        assert closer.key == key.make_key(
            program, UV, detailed, cwd=CWD, user=str(os.geteuid()), environ={}
        )
    assert answer.left_alone is (not words or words[0] in shim.QUICK)
    return answer.understood


@given(
    mask=st.sampled_from([0x57FF, 0x17FF, 0x7FF, 0x4FFF, 0x1000, 0x4000, 0x800, 0]),
    answer=st.binary(min_size=252, max_size=252),
)
def test_the_mount_of_a_path_is_pythons(asked: Asked, mask: int, answer: bytes) -> None:
    """Whatever the kernel tells of it: also one that knows no unique ids, no ids, no births."""
    told = mask.to_bytes(4, sys.byteorder) + answer

    # Half bytes, because a string of the request ends with a NUL.
    halves = bytes(0x10 | half for byte in told for half in (byte >> 4, byte & 15))
    assert asked.ask(b"mount", halves) == [os.fsencode(witness.mount_sight(told))]


guard_pieces = st.one_of(st.sampled_from(GUARD_PIECES), raw.map(lambda text: f"set=A={text}"), raw)
values = st.one_of(st.sampled_from(VALUES), raw)
names = st.sampled_from((*NAMES, *key.VARIABLES))
entries = st.one_of(
    st.tuples(names, values).map("=".join),
    st.lists(guard_pieces, max_size=8).map(lambda pieces: f"{guard.NAME}={';'.join(pieces)}"),
    st.lists(guard_pieces, max_size=8).map(lambda pieces: f"{guard.NAME}=1;{';'.join(pieces)}"),
    raw,
)
environments = st.lists(entries, max_size=12)


@given(program=programs, environ=environments)
@example("uv", [f"{guard.NAME}=1;set=A=%2%3b5", "A=%2;5"])
@example("uv", [f"{guard.NAME}=1;set=A=%253b", "A=%3b"])
@example("uv", [f"{guard.NAME}=1", "A", "=", "=x"])
@example("uv", ["PATH=1", "PATH=2", "HOME"])
def test_the_environment_is_cleaned_as_python_does(
    asked: Asked, program: str, environ: list[str]
) -> None:
    _same_environment(asked, program, environ)


def test_the_environment_of_many_calls_is_cleaned_as_python_does(asked: Asked) -> None:
    calls = Calls(seed=2)
    dropped = [_same_environment(asked, calls.program(), calls.environ()) for _ in range(MANY)]

    assert dropped.count(-1) < MANY / 2  # those that are left to Python
    assert sum(count > 0 for count in dropped) > MANY / 20


def _same_environment(asked: Asked, program: str, environ: list[str]) -> int:
    """How many variables are dropped, of both sides; -1 for what the launcher leaves to Python."""
    answer = call(asked, program, ("sync",), environ)
    given_to_python = seen_by_python(environ)
    outer = guard.read(given_to_python)
    ours = [guard.NAME, *(name for name, _ in outer.values)] if outer else [guard.NAME]

    if not answer.clean:
        several = [name for name in ours if sum(e.startswith(f"{name}=") for e in environ) > 1]
        assert several or len(set(ours)) != len(ours) or "" in ours
        return -1
    kept = guard.without_ours(given_to_python)
    assert seen_by_python(answer.environ) == kept
    dropped = set(given_to_python) - set(kept)
    assert answer.environ == [
        entry for entry in environ if "=" not in entry or entry.partition("=")[0] not in dropped
    ]
    assert answer.key == key.make_key(
        program, UV, ("sync",) if program == "uv" else ("--", "_"),
        cwd=CWD, user=str(os.geteuid()), environ=kept,
    )  # fmt: skip
    assert answer.name == f"{fingerprint(answer.key):016x}"
    bypass = kept.get("LINKPOLICY_BYPASS", "").lower() not in ("", "0", "false", "no", "off")
    assert answer.left_alone is bypass
    return len(dropped - {guard.NAME})


@given(
    program=programs,
    words=st.lists(raw, max_size=4),
    added=st.lists(st.tuples(st.sampled_from(["UV_CACHE_DIR", "UV_LINK_MODE", "X"]), values)),
    uv=raw.map(lambda text: f"/{text}/uv"),
)
def test_the_guard_is_pythons_byte_for_byte(
    asked: Asked, program: str, words: list[str], added: list[tuple[str, str]], uv: str
) -> None:
    answer = call(asked, program, words, added=["=".join(pair) for pair in added], uv=uv)

    expected = guard.Guard(process=IDENTITY, tried=(uv,), values=tuple(added))
    assert answer.guard == f"{guard.NAME}={guard.render(expected)}"


@given(environ=environments)
def test_a_guard_is_followed_as_python_does(asked: Asked, environ: list[str]) -> None:
    _same_guard(asked, environ)


def test_the_guards_of_many_calls_are_followed_as_python_does(asked: Asked) -> None:
    calls = Calls(seed=3)
    followed = [_same_guard(asked, calls.environ()) for _ in range(MANY)]

    for turn in (0, 1, 2, recursion.UNKNOWN_TURNS):
        assert followed.count(turn) > MANY / 1000
    assert followed.count(-1) > MANY / 1000


def _same_guard(asked: Asked, environ: list[str]) -> int:
    """The turn of both sides; -1 for what the launcher leaves to Python."""
    answer = call(asked, "uv", ("sync",), environ)
    given_to_python = seen_by_python(environ)
    mark, outer = guard.fresh(given_to_python), guard.read(given_to_python)
    mark.process = IDENTITY
    came_back = False
    if outer is not None:
        outer.tried = ("something",)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trace, "stop", _raise_endless)
            try:
                recursion.follow(mark, outer)
                came_back = mark.tried == outer.tried
            except EndlessError:
                came_back = True
    if not answer.clean:
        return -1
    # No ancestor has the identity in the guard, and so Python has read no program.
    assert answer.came_back is came_back
    if answer.came_back:
        return -1
    mark.tried = (UV,)
    assert answer.guard == f"{guard.NAME}={guard.render(mark)}"
    return mark.turn


class EndlessError(Exception):
    """Instead of the end of this process."""


def _raise_endless(*_: object) -> None:
    raise EndlessError


@pytest.mark.parametrize(
    "value", ["", "0", "false", "FALSE", "no", "nO", "off", "1", "yes", "o", "noo", "\udcff", " "]
)
def test_the_bypass_is_understood_as_python_does(asked: Asked, value: str) -> None:
    environ = {"LINKPOLICY_BYPASS": value}

    answer = call(asked, "uv", ("sync",), [f"LINKPOLICY_BYPASS={value}"])

    assert answer.left_alone is shim.is_bypassed(environ)


@pytest.mark.parametrize("size", [65_000, 65_536, 65_537, 70_000])
def test_a_key_has_a_greatest_length(asked: Asked, size: int) -> None:
    empty = key.make_key("uv", UV, ("venv", ""), cwd=CWD, user=str(os.geteuid()), environ={})
    words = ("venv", "x" * (size - len(empty)))

    answer = call(asked, "uv", words)

    expected = key.make_key("uv", UV, words, cwd=CWD, user=str(os.geteuid()), environ={})
    assert len(expected) == (size if size <= key.LONGEST else 0)
    assert answer.key == expected


@pytest.mark.parametrize("count", [7999, 8000, 8001, 20_000])
def test_more_words_or_variables_than_fit_go_to_python(asked: Asked, count: int) -> None:
    words = call(asked, "uv", ("run", "--no-sync") * (count // 2) + ("x",) * (count % 2))
    variables = call(asked, "uv", ("sync",), [f"V{index}=x" for index in range(count)])

    assert words.clean is (count <= 8000)
    assert variables.clean is (count <= 8000)
