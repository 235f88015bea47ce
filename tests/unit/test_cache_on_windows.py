r"""Where a cache may be kept on a drive of Windows: access lists of a machine that is made up."""

from __future__ import annotations

import ntpath

import pytest

from tests.fake_host import FakeHost
from tests.unit.test_windows_descriptor import (
    ADMINISTRATORS,
    COLLEAGUE,
    EVERY_USER,
    FULL,
    ME,
    MODIFY,
    SYSTEM,
    described,
    entry,
)
from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import of_windows, others
from uvx_policy.model import Status

TRUSTED = [entry(trustee, FULL) for trustee in (ADMINISTRATORS, SYSTEM)]
#: what `format` gives the root of a data drive, and what is made below it inherits
ROOT = described(*TRUSTED, entry(EVERY_USER, MODIFY), owner=ADMINISTRATORS)
INHERITED = described(*TRUSTED, entry(ME, FULL), entry(EVERY_USER, MODIFY))
MINE = described(*TRUSTED, entry(ME, FULL))
THEIRS = described(*TRUSTED, entry(COLLEAGUE, FULL), owner=COLLEAGUE)


class Windows(FakeHost):
    """Directories by their security descriptors."""

    def __init__(self, paths: dict[str, bytes]) -> None:
        super().__init__({}, platform="win32", uid=-1)
        self._descriptors = paths

    @property
    def user(self) -> str:
        return ME

    def link_status(self, path: str) -> Status | None:
        return super().link_status("/") if path in self._descriptors else None

    def access_list(self, path: str) -> bytes:
        if path not in self._descriptors:
            raise Unreadable(path, "is absent")
        return self._descriptors[path]


CACHE = f"D:\\.uv-cache-{ME}"


def why(paths: dict[str, bytes], directory: str = CACHE) -> str:
    return of_windows.why_open_to_others(Windows(paths), directory)


def test_in_the_root_of_a_drive_nobody_exchanges_what_is_mine() -> None:
    assert why({"D:\\": ROOT, CACHE: MINE}) == ""
    assert why({"D:\\": ROOT}) == ""


def test_a_directory_that_inherits_from_the_root_may_be_exchanged() -> None:
    told = why({"D:\\": ROOT, "D:\\data": INHERITED}, f"D:\\data\\{ntpath.basename(CACHE)}")

    assert told == "`D:\\data`, on the way to it, is writable by every user of this machine"


def test_a_directory_of_mine_alone_may_hold_one() -> None:
    assert why({"D:\\": ROOT, "D:\\me": MINE}, "D:\\me\\cache") == ""


def test_below_a_directory_of_another_user_nothing_is_safe() -> None:
    assert COLLEAGUE in why({"D:\\": ROOT, "D:\\c": THEIRS}, "D:\\c\\cache")


def test_in_a_root_where_others_may_remove_entries_nothing_is_safe() -> None:
    full = described(*TRUSTED, entry(EVERY_USER, FULL), owner=ADMINISTRATORS)

    assert "writable by every user" in why({"D:\\": full})


@pytest.mark.parametrize(
    ("descriptor", "who"),
    [
        (MINE, ""), (INHERITED, "every user of this machine"),
        (THEIRS, f"`{COLLEAGUE}`"),
    ],
)  # fmt: skip
def test_who_may_write_to_a_cache_is_told_by_its_access_list(descriptor: bytes, who: str) -> None:
    host = Windows({CACHE: descriptor})
    status = host.link_status(CACHE)

    assert status is not None
    assert others.who_may_write(host, CACHE, status) == who


def test_a_cache_that_another_user_made_under_my_name_is_not_mine() -> None:
    assert of_windows.is_own(Windows({CACHE: MINE}), CACHE)
    assert not of_windows.is_own(Windows({CACHE: THEIRS}), CACHE)


def test_what_is_no_descriptor_cannot_be_told() -> None:
    with pytest.raises(Unreadable):
        of_windows.is_own(Windows({CACHE: b""}), CACHE)


def test_directories_above_come_from_the_root_down() -> None:
    assert list(of_windows.above("D:\\a\\b\\c")) == ["D:\\", "D:\\a", "D:\\a\\b"]
    assert list(of_windows.above("D:\\a")) == ["D:\\"]
