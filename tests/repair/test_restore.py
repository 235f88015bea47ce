"""One file is replaced: by what, how, and what is left when it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from uvx_policy.installed.hash import Hash, of_pieces
from uvx_policy.installed.record import Row, corrected
from uvx_policy.repair import restore
from uvx_policy.repair.restore import Mismatch, Target
from uvx_policy.verify.originals import Original

OLD, NEW = b"old\n", b"new content\n"


def target(path: Path, content: bytes = NEW, mode: int = 0o644) -> Target:
    return Target(
        path=str(path), hash=of_pieces([content], "sha256"), mode=mode,
        time=1_600_000_000 * 10**9,
    )  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file.py"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.py"
    path.write_bytes(NEW)
    path.chmod(0o644)
    return path


def test_other_names_of_the_old_file_keep_it(tmp_path: Path, old: Path, source: Path) -> None:
    other = tmp_path / "other name"
    other.hardlink_to(old)

    with restore.workshop(str(tmp_path)) as shop:
        restore.write(target(old, mode=0o755), Original(path=str(source)), shop)

    assert (old.read_bytes(), other.read_bytes()) == (NEW, OLD)
    assert (old.stat().st_mode & 0o7777, old.stat().st_mtime) == (0o755, 1_600_000_000)
    assert not list(tmp_path.glob(f"{restore.PREFIX}*"))


def test_what_has_not_the_digest_is_put_nowhere(tmp_path: Path, old: Path, source: Path) -> None:
    source.write_bytes(b"something else\n")
    inode = old.stat().st_ino

    with restore.workshop(str(tmp_path)) as shop:
        for deed in (
            lambda: restore.write(target(old), Original(path=str(source)), shop),
            lambda: restore.take(target(old), str(source), ("hardlink", "copy"), shop),
            lambda: restore.take(target(old), str(source), ("symlink",), shop),
        ):
            with pytest.raises(Mismatch):
                deed()
        assert os.listdir(shop) == []

    assert (old.read_bytes(), old.stat().st_ino) == (OLD, inode)


def test_a_poisoned_name_of_the_same_inode_is_no_source(tmp_path: Path, old: Path) -> None:
    other = tmp_path / "in the cache"
    other.hardlink_to(old)

    with restore.workshop(str(tmp_path)) as shop, pytest.raises(Mismatch):
        restore.take(target(old), str(other), ("hardlink",), shop)


@pytest.mark.parametrize("way", ["hardlink", "symlink", "copy"])
def test_each_way(tmp_path: Path, old: Path, source: Path, way: restore.Way) -> None:
    with restore.workshop(str(tmp_path)) as shop:
        assert restore.take(target(old), str(source), (way,), shop) == way

    assert old.read_bytes() == NEW
    assert old.is_symlink() is (way == "symlink")
    assert os.path.samefile(old, source) is (way != "copy")


def test_a_source_with_other_permissions_is_copied(tmp_path: Path, old: Path, source: Path) -> None:
    source.chmod(0o600)

    with restore.workshop(str(tmp_path)) as shop:
        assert restore.take(target(old), str(source), ("hardlink", "copy"), shop) == "copy"

    assert old.stat().st_mode & 0o777 == 0o644


def test_two_names_of_one_file_are_left_alone(tmp_path: Path, old: Path, source: Path) -> None:
    """rename(2) would do nothing, and leave the new name."""
    old.unlink()
    old.hardlink_to(source)

    with restore.workshop(str(tmp_path)) as shop:
        assert restore.take(target(old), str(source), ("hardlink",), shop) == "hardlink"
        assert os.listdir(shop) == []


def test_a_directory_that_is_gone_is_made_again(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "a/b/file.py"

    with restore.workshop(str(tmp_path)) as shop:
        restore.write(target(path), Original(path=str(source)), shop)

    assert path.read_bytes() == NEW


def test_a_directory_in_the_way_stays(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "file.py"
    (path / "inside").mkdir(parents=True)

    with restore.workshop(str(tmp_path)) as shop, pytest.raises(OSError, match="directory") as told:
        restore.write(target(path), Original(path=str(source)), shop)

    assert told.value.errno == errno.EISDIR
    assert (path / "inside").is_dir()


def test_what_is_private_is_not_copied_again(tmp_path: Path, old: Path) -> None:
    inode = old.stat().st_ino

    with restore.workshop(str(tmp_path)) as shop:
        assert not restore.detach(str(old), shop)

    assert old.stat().st_ino == inode


def test_a_workshop_of_somebody_who_lives_is_left(tmp_path: Path) -> None:
    program = (
        "import sys; from uvx_policy.repair import restore\n"
        "with restore.workshop(sys.argv[1]) as shop:\n"
        "    print(shop, flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as living:
        assert living.stdout is not None
        shop = Path(os.fsdecode(living.stdout.readline().rstrip()))
        (shop / "half").touch()
        restore.clean_up(str(tmp_path))
        assert (shop / "half").exists()
        living.kill()
    restore.clean_up(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / ".tmpAbC").mkdir()
    (tmp_path / f"{restore.PREFIX}file").touch()

    restore.clean_up(str(tmp_path))
    restore.clean_up(str(tmp_path / "nowhere"))

    assert len(list(tmp_path.iterdir())) == 2


# RECORD ------------------------------------------------------------------------------------------


RIGHT = Row("pkg/a.py", Hash("sha256", "right"), 7)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("pkg/a.py,sha256=x,1\n", "pkg/a.py,sha256=right,7\n", id="plain"),
        pytest.param("pkg/a.py,sha256=x,1\r\n", "pkg/a.py,sha256=right,7\r\n", id="CRLF"),
        pytest.param("pkg/a.py,sha256=x,1", "pkg/a.py,sha256=right,7", id="no newline"),
        pytest.param('"pkg/a.py",sha256=x,1\n', "pkg/a.py,sha256=right,7\n", id="quoted"),
        pytest.param("./pkg//a.py,sha256=x,1\n", "./pkg//a.py,sha256=right,7\n", id="odd path"),
        pytest.param("pkg/b.py,sha256=x,1\n", "pkg/b.py,sha256=x,1\n", id="another file"),
        pytest.param("\n\0,\n", "\n\0,\n", id="damage"),
        pytest.param('"a\nb",sha256=x,1\n', '"a\nb",sha256=x,1\n', id="several lines"),
    ],
)
def test_only_its_row_is_put_back(before: str, after: str) -> None:
    text = f"first,,\n{before}"

    found = corrected(text.encode(), "/site", {"/site/pkg/a.py": RIGHT})

    assert found == f"first,,\n{after}".encode()


def test_a_name_with_a_comma_stays_quoted() -> None:
    told = corrected(b'"a,b",sha256=x,1\n', "/site", {"/site/a,b": RIGHT})

    assert told == b'"a,b",sha256=right,7\n'
