"""A block goes into a start-up file and comes out again; nothing else changes."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from uvx_policy.setup import startup_file
from uvx_policy.setup.startup_file import BEGIN, END, EditedBlock, HalfBlock
from uvx_policy.state import user_file
from uvx_policy.state.user_file import NotEditable

LINES = b"PATH=/shims:$PATH\n"
OLDER = b"PATH=/older:$PATH\n"


def is_ours(lines: bytes) -> bool:
    return lines in (LINES, OLDER)


def with_block(content: bytes | None) -> bytes:
    return startup_file.with_block(content, LINES, is_ours=is_ours)


def without_block(content: bytes) -> bytes:
    return startup_file.without_block(content, is_ours=is_ours)


#: arbitrary bytes, and texts that look like what is really there
contents = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            [
                *(b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"a", b" ", b"\\", b"#", b"\xc2\x85"),
                *(BEGIN.strip(), b"# linkpolicy ended the line above.\n", LINES, b"fi\n"),
            ]
        ),
        max_size=12,
    ).map(b"".join),
)


def has_no_marker(content: bytes) -> bool:
    try:
        return not startup_file.blocks(content)
    except HalfBlock:
        return False


@given(contents)
@example(b"no line end")
@example(b"goes on \\")
@example(b"goes on \\\n")
@example(b"goes on \\\r\n")
@example(b"alias l=ls\r\n")
@example(b"ends with a carriage return\r")
@example(b"")
@example(b"\n\n")
def test_setup_then_uninstall_restores_every_byte(content: bytes) -> None:
    assume(has_no_marker(content))

    changed = with_block(content)

    assert changed.startswith(content)
    assert without_block(changed) == content
    assert not startup_file.would_be_deleted(changed, is_ours=is_ours)


@given(contents)
def test_setup_twice_is_setup_once(content: bytes) -> None:
    assume(has_no_marker(content))

    assert with_block(with_block(content)) == with_block(content)


@given(contents, contents)
def test_what_others_add_below_is_kept_and_the_block_moves_to_the_end(
    content: bytes, added: bytes
) -> None:
    assume(has_no_marker(content) and has_no_marker(added) and has_no_marker(content + added))
    changed = with_block(content) + added

    moved = with_block(changed)

    # What we gave to an unfinished line now keeps two lines of the user's apart.
    goes_on = content.removesuffix(b"\n").removesuffix(b"\r").endswith(b"\\")
    ends = (bool(content) and not content.endswith(b"\n")) + goes_on
    line_end = b"\n" * ends if added else b""
    assert without_block(changed) == content + line_end + added
    assert without_block(moved) == content + line_end + added
    assert with_block(moved) == moved
    assert moved.endswith(LINES + END)


def test_a_file_that_we_made_is_known_as_ours_until_somebody_writes_into_it() -> None:
    made = with_block(None)

    assert startup_file.would_be_deleted(made, is_ours=is_ours)
    assert startup_file.would_be_deleted(with_block(made), is_ours=is_ours)
    assert not startup_file.would_be_deleted(b"mine\n" + made, is_ours=is_ours)
    assert not startup_file.would_be_deleted(made + b"mine\n", is_ours=is_ours)


def test_an_older_block_is_replaced() -> None:
    older = startup_file.with_block(b"a\n", OLDER, is_ours=is_ours)

    assert with_block(older + b"b\n") == with_block(b"a\nb\n")


def test_a_block_whose_file_was_converted_to_crlf_is_still_ours() -> None:
    converted = with_block(b"no line end").replace(b"\n", b"\r\n")

    assert without_block(converted) == b"no line end"


def test_two_blocks_become_one() -> None:
    doubled = with_block(b"a\n") + with_block(b"b\n")

    assert with_block(doubled) == with_block(b"a\nb\n")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(b"a\n" + BEGIN + LINES, 2, id="begin without end"),
        pytest.param(b"a\n\n" + END, 3, id="end without begin"),
        pytest.param(BEGIN + BEGIN + LINES + END, 1, id="two begins"),
        pytest.param(BEGIN + LINES + END + b"x\n" + BEGIN, 5, id="a whole one, then half of one"),
    ],
)
def test_half_a_block_is_reported_with_its_line(content: bytes, line: int) -> None:
    for attempt in (with_block, without_block):
        with pytest.raises(HalfBlock) as caught:
            attempt(content)
        assert caught.value.line == line


def test_a_block_with_a_line_of_somebody_else_is_reported_with_its_line() -> None:
    edited = with_block(b"a\n").replace(LINES, LINES + b"export MINE=1\n")

    for attempt in (with_block, without_block):
        with pytest.raises(EditedBlock) as caught:
            attempt(edited)
        assert caught.value.line == 2


# --- the file itself ---------------------------------------------------------------------------


@pytest.fixture
def rc(tmp_path: Path) -> Path:
    path = tmp_path / "rc"
    path.write_bytes(b"alias l=ls\n")
    return path


def test_a_symbolic_link_stays_one_and_its_target_changes(tmp_path: Path, rc: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("rc")

    user_file.write(user_file.read(str(link)), b"new\n")

    assert os.readlink(link) == "rc"
    assert rc.read_bytes() == b"new\n"
    assert sorted(os.listdir(tmp_path)) == ["link", "rc"]


def test_mode_and_extended_attributes_are_kept(rc: Path) -> None:
    rc.chmod(0o640)
    try:
        os.setxattr(rc, "user.mine", b"yes")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")

    user_file.write(user_file.read(str(rc)), b"new\n")

    assert stat.S_IMODE(rc.stat().st_mode) == 0o640
    assert os.getxattr(rc, "user.mine") == b"yes"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept(rc: Path) -> None:
    os.chown(rc, 12345, 23456)

    user_file.write(user_file.read(str(rc)), b"new\n")

    assert (rc.stat().st_uid, rc.stat().st_gid) == (12345, 23456)


def test_a_missing_file_is_made_and_an_unwanted_one_deleted(tmp_path: Path) -> None:
    path = str(tmp_path / "new")

    user_file.write(user_file.read(path), b"x\n")
    assert Path(path).read_bytes() == b"x\n"
    user_file.write(user_file.read(path), None)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "after", [pytest.param(b"new\n", id="write"), pytest.param(None, id="delete")]
)
@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(lambda path: path.write_bytes(b"other\n"), id="changed"),
        pytest.param(lambda path: path.unlink(), id="deleted"),
        pytest.param(
            lambda path: (path.rename(path.with_name("moved")), path.symlink_to("moved")),
            id="became a link",
        ),
    ],
)
def test_a_file_that_changed_after_the_plan_is_left_alone(
    rc: Path, meanwhile: object, after: bytes | None
) -> None:
    assert callable(meanwhile)
    snapshot = user_file.read(str(rc))
    meanwhile(rc)
    before = {path.name: path.read_bytes() for path in rc.parent.iterdir()}

    with pytest.raises(NotEditable):
        user_file.write(snapshot, after)

    assert {path.name: path.read_bytes() for path in rc.parent.iterdir()} == before


def test_a_change_in_the_last_moment_is_seen(rc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = user_file.read(str(rc))
    real_fsync = os.fsync

    def fsync(handle: int) -> None:
        real_fsync(handle)
        rc.write_bytes(b"somebody else\n")

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(NotEditable, match="changed by another program"):
        user_file.write(snapshot, b"new\n")

    assert rc.read_bytes() == b"somebody else\n"
    assert os.listdir(rc.parent) == ["rc"]


def test_a_file_that_appears_after_the_plan_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new"
    snapshot = user_file.read(str(path))
    path.write_bytes(b"mine\n")

    with pytest.raises(NotEditable):
        user_file.write(snapshot, b"ours\n")

    assert path.read_bytes() == b"mine\n"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    rc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = user_file.read(str(rc))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(NotEditable, match="No space left"):
        user_file.write(snapshot, b"new\n")

    assert rc.read_bytes() == b"alias l=ls\n"
    assert os.listdir(rc.parent) == ["rc"]


def test_what_a_killed_run_left_behind_is_replaced_not_followed(rc: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.write_bytes(b"precious\n")
    Path(f"{rc}{user_file.UNFINISHED}").symlink_to(stranger)

    user_file.write(user_file.read(str(rc)), b"new\n")

    assert stranger.read_bytes() == b"precious\n"
    assert sorted(os.listdir(tmp_path)) == ["rc", "stranger"]


def test_a_read_only_file_is_left_alone_even_by_root(rc: Path) -> None:
    rc.chmod(0o444)

    with pytest.raises(NotEditable, match="read-only"):
        user_file.write(user_file.read(str(rc)), b"new\n")

    assert rc.read_bytes() == b"alias l=ls\n"


def test_a_hard_link_is_not_cut_off(rc: Path, tmp_path: Path) -> None:
    os.link(rc, tmp_path / "dotfiles-rc")

    with pytest.raises(NotEditable, match="hard link"):
        user_file.write(user_file.read(str(rc)), b"new\n")

    assert rc.stat().st_nlink == 2


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda path: path.symlink_to("nowhere"), "dangling", id="a dangling link"),
        pytest.param(lambda path: path.symlink_to(path.name), "symbolic links", id="a loop"),
        pytest.param(lambda path: path.mkdir(), "not a regular file", id="a directory"),
        pytest.param(lambda path: os.mkfifo(path), "not a regular file", id="a FIFO"),
    ],
)
def test_what_is_no_file_is_not_read(tmp_path: Path, make: object, reason: str) -> None:
    assert callable(make)
    path = tmp_path / "rc"
    make(path)

    with pytest.raises(NotEditable, match=reason):
        user_file.read(str(path))
