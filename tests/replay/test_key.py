"""What belongs into the key of a record: all of a call that a decision may read, and no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.replay.machine import Machine
from uvx_policy.replay import key
from uvx_policy.replay.key import Variables, key_of_call, make_key
from uvx_policy.uv import invocation, options

#: whatever execve(2) can pass on, bytes that are no UTF-8 included
_texts = st.binary(max_size=8).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"\n")))
_names = st.sampled_from([*key.VARIABLES[:8], *key.VARIABLES[-3:], "TERM", "PWD", "HOME "])
_calls = st.tuples(
    st.sampled_from(["uv", "uvx"]),
    _texts,
    st.lists(_texts, max_size=3),
    _texts.map("/".__add__),
    st.integers(0, 2**32 - 1),
    st.dictionaries(_names, _texts, max_size=3),
)


def _key(call: tuple[str, str, list[str], str, int, dict[str, str]]) -> bytes:
    program, uv, words, cwd, uid, environ = call
    return make_key(program, uv, words, cwd=cwd, user=str(uid), environ=environ)


@given(one=_calls, other=_calls)
def test_two_calls_share_a_key_only_if_all_that_counts_is_the_same(
    one: tuple[str, str, list[str], str, int, dict[str, str]],
    other: tuple[str, str, list[str], str, int, dict[str, str]],
) -> None:
    def counts(environ: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in environ.items() if name in key.VARIABLES}

    same = one[:5] == other[:5] and counts(one[5]) == counts(other[5])

    assert (_key(one) == _key(other)) is same


@given(call=_calls, variable=st.sampled_from(key.VARIABLES))
def test_unset_and_empty_are_two_things(
    call: tuple[str, str, list[str], str, int, dict[str, str]], variable: str
) -> None:
    *rest, environ = call
    without = {name: value for name, value in environ.items() if name != variable}

    assert _key((*rest, without)) != _key((*rest, {**without, variable: ""}))  # type: ignore[arg-type]


@given(call=_calls)
def test_a_key_is_made_of_fields_that_end(
    call: tuple[str, str, list[str], str, int, dict[str, str]],
) -> None:
    fields = _key(call).split(b"\0")

    assert fields[0] == f"linkpolicy-key-v2:{key.table_fingerprint()}".encode()
    assert fields[-1] == b""
    assert int(fields[6]) == len(call[2])


def test_words_and_variables_cannot_be_taken_for_each_other() -> None:
    word = make_key("uv", "/uv", ["HOME=/x"], cwd="/", user="0", environ={})
    variable = make_key("uv", "/uv", [], cwd="/", user="0", environ={"HOME": "/x"})

    assert word != variable


@pytest.mark.parametrize("name", ["TERM", "UV_INDEX", "home", "", "PATH ", "UV_CACHE_DIR\n"])
def test_a_decision_cannot_ask_for_a_variable_that_is_not_in_the_key(name: str) -> None:
    environ = Variables({name: "x", "HOME": "/x"})

    for ask in (environ.get, environ.__getitem__, environ.__contains__):
        with pytest.raises(LookupError, match="VARIABLES"):
            ask(name)


@pytest.mark.parametrize("name", key.VARIABLES)
def test_it_can_ask_for_every_other(name: str) -> None:
    environ = Variables({name: "x"})

    assert (environ.get(name), environ[name], name in environ) == ("x", "x", True)
    assert (Variables().get(name), Variables().get(name, ""), name in Variables()) == (
        None, "", False,
    )  # fmt: skip


def test_a_decision_cannot_ask_for_an_option_that_is_not_in_the_key() -> None:
    understood = invocation.parse_detailed("uv", ("sync", "--group", "dev", "--quiet"))
    in_short = invocation.parse_significant("uv", ("sync", "--group", "dev", "--quiet"))

    assert understood.values("group") == ("dev",)
    with pytest.raises(LookupError, match="SIGNIFICANT"):
        in_short.values("group")
    for name in ("quiet", "unheard-of"):
        for ask in (understood.has, understood.value, understood.values):
            with pytest.raises(LookupError, match="SIGNIFICANT"):
                ask(name)
        with pytest.raises(LookupError, match="SIGNIFICANT"):
            understood.switch("active", name)


def test_all_names_are_of_variables_that_can_be() -> None:
    assert len(set(key.VARIABLES)) == len(key.VARIABLES)
    assert not [name for name in key.VARIABLES if "=" in name or not name.isascii()]


@pytest.mark.parametrize(
    "table",
    ["GROUPS", "COMMANDS", "NAMESPACES", "ALIASES", "EXTERNAL", "SIGNIFICANT", "KEEPS_POSITIONALS",
     "DETAILS", "DETAILED_POSITIONALS", "SCRIPT_FLAGS"],
)  # fmt: skip
def test_other_tables_make_other_keys(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key.table_fingerprint()
    assert len(before) == 16

    known = getattr(options, table)
    less = (
        dict(list(known.items())[1:]) if isinstance(known, dict) else type(known)(sorted(known)[1:])
    )
    monkeypatch.setattr(options, table, less)

    assert key.table_fingerprint() != before


def test_other_variables_make_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key.table_fingerprint()

    monkeypatch.setattr(key, "VARIABLES", key.VARIABLES[:-1])

    assert key.table_fingerprint() != before


def test_a_key_that_is_too_long_is_none() -> None:
    def of_size(size: int) -> bytes:
        return make_key("uv", "/uv", ["x" * size], cwd="/", user="0", environ={})

    most = key.LONGEST - len(of_size(0))

    assert len(of_size(most)) == key.LONGEST
    assert of_size(most + 1) == b""


@pytest.mark.parametrize("cwd", ["", "relative", "(unreachable)/x", "/a\0b"])
def test_without_an_absolute_directory_there_is_none(cwd: str) -> None:
    assert make_key("uv", "/uv", [], cwd=cwd, user="0", environ={}) == b""


@pytest.mark.parametrize("words", [["--unheard-of"], ["unheard-of"], ["sync", "--quiet=1"]])
def test_what_is_not_understood_has_none(words: list[str]) -> None:
    assert key_of_call("uv", words, environ={"HOME": "/x"}, uv="/uv") == (b"", b"")
    assert key_of_call("uv", ["sync"], environ={"HOME": "/x"}, uv="/uv") != (b"", b"")


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}])
def test_without_home_there_is_none(environ: dict[str, str]) -> None:
    assert key_of_call("uv", ["sync"], environ=environ, uv="/uv") == (b"", b"")


def test_in_a_directory_that_has_vanished_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert key_of_call("uv", ["sync"], environ={"HOME": "/x"}, uv="/uv") == (b"", b"")


SAME = (
    ("add requests", "add httpx rich==1.0"),
    ("run pytest -k slow", "run mypy --strict src"),
    ("run -- pytest", "run tool"),
    ("pip install rich", "pip install -r requirements.txt -c constraints.txt"),
    ("sync", "sync --quiet --group dev --no-dev --upgrade"),
    ("remove rich", "remove httpx"),
)
DIFFERENT = (
    ("sync", "sync --frozen"),
    ("sync", "sync --active"),
    ("sync", "--offline sync"),
    ("sync", "sync --reinstall"),
    ("sync", "sync --reinstall-package rich"),
    ("sync --project a", "sync --project b"),
    ("sync --directory a", "sync --directory=a"),
    ("run script.py", "run other.py"),
    ("run script.py", "run -s script.py"),
    ("run ./tool", "run tool"),
    ("venv", "venv .venv"),
    ("pip install rich", "pip install --target t rich"),
    ("pip install -p 3.12 rich", "pip install -p 3.13 rich"),
    ("tool install ruff", "tool install black"),
    ("version", "version 1.0"),
    ("sync --active --no-active", "sync --no-active --active"),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_share_a_key(here: Machine, one: str, other: str) -> None:
    first, second = here.call(*one.split()), here.call(*other.split(), TERM="dumb", EDITOR="vi")

    assert here.key_of(first) == here.key_of(second) != b""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pip install rich", "pip install httpx"),
        ("pip install", "pip install -r requirements.txt"),
        ("add rich", "add rich httpx"),
        ("pip sync one.txt", "pip sync -- other.txt"),
        ("sync", "sync --upgrade"),
        ("sync", "sync --frozen"),
    ],
)
def test_these_share_none_in_detail(one: str, other: str) -> None:
    environ = {"HOME": "/x"}
    keys = [key_of_call("uv", words.split(), environ=environ, uv="/uv") for words in (one, other)]

    assert keys[0][1] != keys[1][1]
    assert {keys[0][0], keys[1][0]}.isdisjoint({keys[0][1], keys[1][1]})


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_these_do_not(here: Machine, one: str, other: str) -> None:
    keys = {here.key_of(here.call(*words.split())) for words in (one, other)}

    assert len(keys) == 2
    assert b"" not in keys
