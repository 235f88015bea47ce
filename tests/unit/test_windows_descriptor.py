"""Access lists of Windows: read anywhere, by bytes as Windows stores them."""

from __future__ import annotations

import struct

import pytest

from uvx_policy.windows import descriptor
from uvx_policy.windows.descriptor import CHANGES_CONTENT, EXCHANGES_ENTRIES, EXCHANGES_ITSELF

ME = "S-1-5-21-1-2-3-1001"
SYSTEM, ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
EVERY_USER, EVERYBODY, COLLEAGUE = "S-1-5-11", "S-1-1-0", "S-1-5-21-1-2-3-1002"
FULL, MODIFY, READ = 0x1F01FF, 0x1301BF, 0x1200A9
ALLOW, REFUSE, INHERIT_ONLY = 0, 1, 8

#: what Wine 8 says of a directory that it made for its user, SYSTEM and Administrators
OF_WINE = bytes.fromhex(
    "0100048014000000000000000000000030000000010500000000000515000000000000000000000000000000"
    "e8030000020040000200000000031400ff011f0001010000000000051200000000032400ff011f0001050000"
    "0000000515000000000000000000000000000000e8030000"
)


def sid(text: str) -> bytes:
    _, revision, authority, *parts = text.split("-")
    head = bytes([int(revision), len(parts)]) + int(authority).to_bytes(6, "big")
    return head + b"".join(struct.pack("<I", int(part)) for part in parts)


def entry(trustee: str, rights: int, *, kind: int = ALLOW, flags: int = 0) -> bytes:
    body = struct.pack("<I", rights) + sid(trustee)
    return struct.pack("<BBH", kind, flags, 4 + len(body)) + body


def described(*entries: bytes, owner: str = ME) -> bytes:
    """A descriptor as Windows keeps it."""
    access = b"".join(entries)
    listed = struct.pack("<BBHHH", 2, 0, 8 + len(access), len(entries), 0) + access
    head = struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 0, 0, 20 + len(sid(owner)))
    return head + sid(owner) + listed


def who(rights: int, *entries: bytes) -> str:
    return descriptor.parse(described(*entries)).others(rights, user=ME)


def test_a_descriptor_of_wine_is_read() -> None:
    read = descriptor.parse(OF_WINE)

    assert read.owner == "S-1-5-21-0-0-0-1000"
    assert [each.trustee for each in read.allowed or ()] == [SYSTEM, read.owner]
    assert read.others(CHANGES_CONTENT, user=read.owner) == ""
    assert read.others(CHANGES_CONTENT, user=ME) == "`S-1-5-21-0-0-0-1000`"


def test_the_user_and_administrators_are_nobody_else() -> None:
    theirs = [entry(trustee, FULL) for trustee in (ME, SYSTEM, ADMINISTRATORS)]

    assert who(CHANGES_CONTENT, *theirs) == ""
    assert who(CHANGES_CONTENT, *theirs, entry(COLLEAGUE, READ)) == ""
    assert who(CHANGES_CONTENT, *theirs, entry(COLLEAGUE, MODIFY)) == f"`{COLLEAGUE}`"


def test_in_the_root_of_a_data_drive_others_make_directories_and_exchange_none() -> None:
    """What `format` gives D:\\: every user may make something, and change only what is theirs."""
    root = [
        entry(ADMINISTRATORS, FULL, flags=3),
        entry(SYSTEM, FULL, flags=3),
        entry(EVERY_USER, MODIFY),
        entry(EVERY_USER, 0xE0010000, flags=3 | INHERIT_ONLY),
    ]

    assert who(EXCHANGES_ENTRIES, *root) == ""
    assert who(CHANGES_CONTENT, *root) == "every user of this machine"
    assert who(EXCHANGES_ITSELF, *root) == "every user of this machine"


def test_what_is_only_handed_down_says_nothing_about_the_directory_itself() -> None:
    assert who(CHANGES_CONTENT, entry(EVERYBODY, FULL, flags=INHERIT_ONLY)) == ""


def test_an_entry_that_refuses_lets_nobody_in() -> None:
    assert who(CHANGES_CONTENT, entry(EVERYBODY, FULL, kind=REFUSE)) == ""


def test_without_an_access_list_everybody_may_do_everything() -> None:
    head = struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 0, 0, 0)
    read = descriptor.parse(head + sid(ME))

    assert read.allowed is None
    assert read.others(EXCHANGES_ENTRIES, user=ME) == "everybody"


def test_an_empty_access_list_lets_nobody_in() -> None:
    assert descriptor.parse(described()).others(CHANGES_CONTENT, user=ME) == ""


@pytest.mark.parametrize("right", [0x40, 0x40000, 0x80000, 0x10000000])
def test_each_right_that_exchanges_entries_counts(right: int) -> None:
    assert who(EXCHANGES_ENTRIES, entry(EVERYBODY, right)) == "everybody"


def test_an_entry_for_an_object_is_read() -> None:
    """ACCESS_ALLOWED_OBJECT_ACE: flags and identifiers come before the SID."""
    body = struct.pack("<II", FULL, 1) + bytes(16) + sid(EVERYBODY)
    of_object = struct.pack("<BBH", 5, 0, 4 + len(body)) + body

    assert who(CHANGES_CONTENT, of_object) == "everybody"


@pytest.mark.parametrize("length", range(len(OF_WINE)))
def test_a_descriptor_that_is_cut_short_is_not_understood(length: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        descriptor.parse(OF_WINE[:length])


def test_an_entry_of_an_unknown_kind_is_not_understood() -> None:
    with pytest.raises(ValueError, match="unknown kind 77"):
        descriptor.parse(described(entry(COLLEAGUE, FULL, kind=77)))


def test_a_private_directory_is_protected_and_lets_only_the_user_in() -> None:
    assert descriptor.private(ME) == f"O:{ME}D:P(A;OICI;FA;;;{ME})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
