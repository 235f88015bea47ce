from __future__ import annotations

import base64
import hashlib
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.odd_files import bound_socket, fifo
from uvx_policy.installed import hash as hashes
from uvx_policy.installed.hash import NO_HASH, knows, of_file
from uvx_policy.verify import hashing
from uvx_policy.verify.hashing import Answer, Hashers, Order, answer

LATER = time.time_ns() + 3600 * 10**9


def order(path: Path, content: bytes = b"", algorithm: str = "sha256") -> Order:
    told = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
    return Order(str(path), f"{algorithm}={told}", len(content))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "sha1", "md5", "blake2b"])
def test_a_file_that_is_as_it_should_be(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "file").write_bytes(b"content" * 300_000)

    told = answer(order(tmp_path / "file", b"content" * 300_000, algorithm), LATER)

    assert (told.state, told.size, len(told.in_state)) == ("", 2_100_000, 40)


@pytest.mark.parametrize("size", [0, 1, hashes._CHUNK - 1, hashes._CHUNK, 2 * hashes._CHUNK + 1])
@pytest.mark.parametrize("at_once", [1000, 10**9])
def test_files_of_any_size_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, at_once: int
) -> None:
    real = os.read
    # Some file systems give less than was asked for although there is more.
    monkeypatch.setattr(os, "read", lambda handle, most: real(handle, min(most, at_once)))
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "file").write_bytes(content)

    told = answer(order(tmp_path / "file", content), LATER)

    assert (told.state, told.size) == ("", size)


def test_a_file_that_grows_while_it_is_read_is_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    real = os.read

    def reading(handle: int, size: int) -> bytes:
        with path.open("ab") as stream:
            stream.write(b" and more")
        return real(handle, size)

    monkeypatch.setattr(os, "read", reading)

    assert answer(order(path, b"content and more"), LATER) == Answer("", 16, b"")


@pytest.mark.parametrize(
    ("content", "told"), [(b"other", "edited"), (b"", "edited"), (b"content", "")]
)
def test_a_file_that_was_edited(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "file").write_bytes(content)

    assert answer(order(tmp_path / "file", b"content"), LATER).state == told


def test_what_is_no_file_is_told_at_once(tmp_path: Path) -> None:
    fifo(tmp_path / "fifo")
    bound_socket(tmp_path / "socket")
    (tmp_path / "directory").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(b"")

    names = ["fifo", "socket", "directory", "dangling", "loop", "file/below", "absent", "\0"]
    states = {name: answer(order(tmp_path / name), LATER).state for name in names}

    assert states == {
        "fifo": "edited",
        "socket": "unreadable",
        "directory": "edited",
        "dangling": "missing",
        "loop": "unreadable",
        "file/below": "missing",
        "absent": "missing",
        "\0": "unreadable",
    }


def test_only_algorithms_that_can_be_computed_are_known(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert [knows(name) for name in ("sha256", "sha3_512", "shake_128", "crc32", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert of_file(str(tmp_path / "file"), "crc32") == NO_HASH
    assert of_file(str(tmp_path / "absent"), "sha256") == NO_HASH
    assert answer(Order(str(tmp_path / "file"), "crc32=x", 0), LATER).state == "unreadable"


# What is remembered of a file ---------------------------------------------------------------------


def test_a_fresh_file_has_no_token(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")

    told = answer(order(tmp_path / "file", b"content"), time.time_ns())

    assert told == Answer("", 7, b"")


def test_a_file_from_the_future_has_no_token(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    os.utime(tmp_path / "file", ns=(2 * LATER, 2 * LATER))

    assert answer(order(tmp_path / "file", b"content"), LATER).in_state == b""


def test_a_file_that_changes_while_it_is_read_has_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    real = os.read

    def reading(handle: int, size: int) -> bytes:
        os.utime(path, ns=(1, 1))
        return real(handle, size)

    monkeypatch.setattr(os, "read", reading)

    assert answer(order(path, b"content"), LATER) == Answer("", 7, b"")


@pytest.mark.parametrize(
    "field", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "digest"]
)
def test_a_token_stands_for_all_of_it(tmp_path: Path, field: str) -> None:
    told = os.stat(tmp_path)
    fields = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")

    class Status:
        def __init__(self, other: str) -> None:
            for name in fields:
                setattr(self, name, getattr(told, name) + (name == other))

    def token(other: str) -> bytes:
        state = hashing.state_of(Status(other))  # type: ignore[arg-type]
        return hashing.token_of(state, "sha256=" + "x" * (1 + (other == "digest")))

    assert token("") == token("") != token(field)
    assert len(token("")) == 16


# Other processes ----------------------------------------------------------------------------------


def hashed(orders: list[Order], workers: int | None) -> list[tuple[int, str]]:
    with Hashers[int](workers) as hashers:
        done = [each for n, one in enumerate(orders) for each in hashers.take(one, n)]
        done += hashers.finish()
    return [(number, told.state) for number, told in done]


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Twelve batches of three; every fifth file is edited."""
    monkeypatch.setattr(hashing, "_MOST_FILES", 3)
    made = []
    for number in range(36):
        path = tmp_path / str(number)
        path.write_bytes(b"content" if number % 5 else b"edited")
        made.append(order(path, b"content"))
    return made


EXPECTED = [(number, "" if number % 5 else "edited") for number in range(36)]


@pytest.mark.parametrize("workers", [0, 1, 3, None])
def test_every_order_is_answered_once_and_in_turn(orders: list[Order], workers: int | None) -> None:
    assert hashed(orders, workers) == EXPECTED


def test_few_files_start_no_process(orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_pool", None)

    assert hashed(orders[:3], 2) == EXPECTED[:3]
    assert hashed(orders[:2], 2) == EXPECTED[:2]
    assert hashed([], 2) == []


def test_a_big_file_is_a_batch_of_its_own(orders: list[Order]) -> None:
    with Hashers[int](0) as hashers:
        assert list(hashers.take(orders[0], 0)) == []
        big = orders[1]._replace(size=hashing._MOST_BYTES)
        assert [number for number, _ in hashers.take(big, 1)] == [0, 1]


def test_a_killed_process_costs_nothing_but_time(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.getpid()
    real = hashing.answer

    def dying(one: Order, now: int) -> Answer:
        if os.getpid() != here and one.path.endswith("/17"):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(one, now)

    monkeypatch.setattr(hashing, "answer", dying)

    assert hashed(orders, 2) == EXPECTED


@pytest.mark.parametrize("error", [OSError(11, "no"), RuntimeError("no"), ImportError("no")])
def test_where_no_process_can_be_started_none_is_needed(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(_: int) -> None:
        raise error

    monkeypatch.setattr(hashing, "_pool", failing)

    assert hashed(orders, 2) == EXPECTED


@pytest.mark.skipif(sys.platform != "linux", reason="forks only there")
def test_a_pool_that_is_never_complete_is_given_up(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fork
    started: list[int] = []

    def fork() -> int:
        if started:
            raise OSError(11, "no more")
        started.append(real())
        return started[0]

    monkeypatch.setattr(os, "fork", fork)

    assert hashed(orders, 3) == EXPECTED
    assert multiprocessing.active_children() == []


def test_what_is_in_flight_is_given_up_when_the_block_ends_early(orders: list[Order]) -> None:
    with Hashers[int](2) as hashers:
        for number, one in enumerate(orders[:21]):
            list(hashers.take(one, number))
        assert multiprocessing.active_children() != []

    assert multiprocessing.active_children() == []


def test_children_leave_ctrl_c_to_the_parent(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.getpid()
    real = hashing.answer

    def interrupted(one: Order, now: int) -> Answer:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGINT)
        return real(one, now)

    monkeypatch.setattr(hashing, "answer", interrupted)

    assert hashed(orders, 2) == EXPECTED
