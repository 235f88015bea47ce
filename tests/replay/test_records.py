"""What is believed of a file in the directory of records, by Python and by the launcher."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.filesystems import FileSystems
from tests.replay.machine import Call, Machine, wait_for_tick
from uvx_policy.edits import Edits
from uvx_policy.replay import key, records
from uvx_policy.replay.witness import Witnesses
from uvx_policy.state import layout

_texts = st.binary(max_size=12).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"\n")))
_names = st.text("ABC_", min_size=1, max_size=4)
_tokens = st.sampled_from(["s", "l", "n", "a3", "f1f"])
_witnesses = st.lists(st.tuples(_tokens, _texts, st.text("abc:-019", min_size=1)), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    of_key=st.binary(max_size=40).map(lambda raw: raw + b"\0"),
    words=st.lists(_texts, max_size=2),
    variables=st.dictionaries(_names, _texts, max_size=3),
    seen=_witnesses,
)
def test_what_is_written_is_what_is_read(
    tmp_path: Path,
    of_key: bytes,
    words: list[str],
    variables: dict[str, str],
    seen: list[tuple[str, str, str]],
) -> None:
    edits = Edits(words=tuple(words), variables=variables)
    collected = Witnesses(0)
    for token, path, sight in seen:
        collected.add(token, path, sight)
    directory = tmp_path / layout.DECISIONS.directory
    directory.mkdir(mode=0o700, exist_ok=True)
    file = directory / records.file_name(of_key)
    file.touch(0o600)
    file.write_bytes(records.render(of_key, edits, collected))

    found = records.find(str(tmp_path), of_key)

    assert found is not None
    assert found.edits == edits
    assert list(found.witnesses) == [
        (token.encode(), os.fsencode(path), sight.encode())
        for token, path, sight in collected.needed()
    ]


@pytest.fixture
def recorded(here: Machine, patient: None) -> tuple[Machine, Call]:  # noqa: ARG001
    """A call that would be replayed."""
    wait_for_tick()
    call = here.call("sync")
    here.in_python(call)
    assert _replayed(here, call) == (True, True)
    return here, call


def _replayed(machine: Machine, call: Call) -> tuple[bool, bool]:
    """By Python, by the launcher; and nothing becomes of looking."""
    in_python = records.replay(machine.state, machine.key_of(call)) is not None
    return in_python, machine.in_native(call)[1]


def _record(machine: Machine) -> Path:
    (file,) = machine.decisions.iterdir()
    return file


def test_bytes_that_are_no_text_go_through_everything(fs: FileSystems) -> None:
    """In the directory, words, variables, real uv and edits."""
    machine = Machine(fs.ext4 / "\udcff;%\n")
    odd = "\udc80 =\n"
    state = str(machine.base / "state")
    call = machine.call(
        "sync", "--project", odd, VIRTUAL_ENV=odd, XDG_STATE_HOME=state, _ODD=odd, UV_LINK_MODE=""
    )
    of_key = machine.key_of(call)
    assert os.fsencode(odd) in of_key
    collected = Witnesses(0)
    collected.add("s", str(machine.base / odd), "-")
    content = records.render(
        of_key, Edits(variables={"UV_LINK_MODE": odd}, words=(odd,)), collected
    )
    directory = machine.base / "state/linkpolicy" / layout.DECISIONS.directory
    directory.mkdir(parents=True, mode=0o700)
    (directory / records.file_name(of_key)).write_bytes(content)
    (directory / records.file_name(of_key)).chmod(0o600)

    python, hit = machine.in_python(call)
    native, native_hit = machine.in_native(call)

    assert (hit, native_hit) == (True, True)
    assert python == native
    assert native.words[-1] == odd == native.environ["UV_LINK_MODE"]
    (machine.base / odd).touch()
    assert not machine.in_native(call)[1]
    assert not machine.in_python(call)[1]


def _ends_early(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _of_another_version(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"decision-v1", b"decision-v2", 1))


def _of_another_call(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"\0sync\0", b"\0sink\0", 1))


def _with_more(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def _with_an_unknown_field(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2] + b"xyz\0.\0")


def _with_an_end_in_the_middle(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"s=- /absent\0.\0")


def _too_long(file: Path) -> None:
    more = b"ws=- /absent\0" * (layout.DECISIONS.longest // 13)
    file.write_bytes(file.read_bytes()[:-2] + more + b".\0")


def _behind_a_link(file: Path) -> None:
    file.rename(file.parent.parent / "record")
    file.symlink_to("../record")


def _a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def _a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir(mode=0o700)


def _directory_behind_a_link(file: Path) -> None:
    file.parent.rename(file.parent.parent / "elsewhere")
    file.parent.symlink_to("elsewhere")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "garbage": lambda file: file.write_bytes(os.urandom(999)),
    "its end is missing": _ends_early,
    "another version": _of_another_version,
    "another call": _of_another_call,
    "more than whole": _with_more,
    "an unknown field": _with_an_unknown_field,
    "an end in the middle": _with_an_end_in_the_middle,
    "too long": _too_long,
    "a link": _behind_a_link,
    "a fifo": _a_fifo,
    "a directory": _a_directory,
    "readable for the group": lambda file: file.chmod(0o640),
    "writable for others": lambda file: file.chmod(0o602),
    "executable for others": lambda file: file.chmod(0o601),
    "somebody else's": lambda file: os.chown(file, 12345, 12345),
    "in somebody else's directory": lambda file: os.chown(file.parent, 12345, 12345),
    "in a directory that others may enter": lambda file: file.parent.chmod(0o711),
    "in a directory that others may read": lambda file: file.parent.chmod(0o744),
    "in a directory behind a link": _directory_behind_a_link,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_record_that_is_not_whole_and_ours_alone_is_none(
    recorded: tuple[Machine, Call], damage: str
) -> None:
    machine, call = recorded
    if "somebody" in damage and os.geteuid() != 0:
        pytest.skip("only root can give files away")

    DAMAGES[damage](_record(machine))

    assert _replayed(machine, call) == (False, False)
    assert machine.decide(call) == machine.in_python(call)[0]


def test_wherever_a_record_is_cut_short_it_is_none(recorded: tuple[Machine, Call]) -> None:
    machine, call = recorded
    file, of_key = _record(machine), machine.key_of(call)
    whole = file.read_bytes()

    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert records.find(machine.state, of_key) is None, length
    file.write_bytes(whole)
    assert _replayed(machine, call) == (True, True)


def test_a_record_under_a_name_that_collides_is_not_taken(recorded: tuple[Machine, Call]) -> None:
    machine, call = recorded
    other = machine.call("sync", "--frozen")

    _record(machine).rename(machine.decisions / records.file_name(machine.key_of(other)))

    assert _replayed(machine, call) == _replayed(machine, other) == (False, False)


@pytest.mark.parametrize("state", ["", "/absent", "relative"])
def test_without_a_directory_there_is_no_record(state: str) -> None:
    assert records.find(state, b"key\0") is None
    assert records.replay(state, b"key\0") is None


def test_without_a_key_there_is_no_record(recorded: tuple[Machine, Call]) -> None:
    assert records.find(recorded[0].state, b"") is None


def test_a_record_that_is_longer_than_allowed_is_none(tmp_path: Path) -> None:
    of_key = b"key\0"
    directory = tmp_path / layout.DECISIONS.directory
    directory.mkdir(mode=0o700)
    file = directory / records.file_name(of_key)
    file.touch(0o600)
    fixed = len(records.render(of_key, Edits(words=("",)), Witnesses(0)))
    for more, is_read in ((0, True), (1, False)):
        word = "x" * (layout.DECISIONS.longest - fixed + more)
        file.write_bytes(records.render(of_key, Edits(words=(word,)), Witnesses(0)))

        assert (records.find(str(tmp_path), of_key) is not None) is is_read


def test_a_key_fits_into_a_record() -> None:
    assert layout.DECISIONS.longest // 2 > key.LONGEST
