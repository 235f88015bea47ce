"""What is in a cache after it was filled, and after that was interrupted."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from tests.seed.made import SHELF, add, describe, names
from uvx_policy.host import Host
from uvx_policy.seed import archive, fill, refused
from uvx_policy.seed.entries import packages_in
from uvx_policy.seed.fill import CannotSeed
from uvx_policy.seed.workshop import PREFIX

BOTH: dict[str, tuple[str, ...]] = {"one": ("1.0",), "two": ("1.0",)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for package in BOTH:
        add(tmp_path / "source", package)
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir(mode=0o700)
    return tmp_path / "target"


@pytest.mark.usefixtures("processes")
def test_all_of_it_is_there(source: Path, target: Path) -> None:
    done = fill.fill(str(source), str(target), BOTH)
    again = fill.fill(str(source), str(target), BOTH)

    assert (done.brought, again.brought, again.there) == (("one", "two"), (), ("one", "two"))
    assert done.buckets == ("wheels-v6",)
    assert names(target) == names(source)
    assert packages_in(str(target)) == BOTH


@pytest.mark.usefixtures("processes")
def test_other_versions_stay_where_they_are(source: Path, target: Path) -> None:
    add(source, "one", "2.0")

    fill.fill(str(source), str(target), {"one": ("2.0",)})

    assert packages_in(str(target)) == {"one": ("2.0",)}
    assert [path.name for path in (target / "archive-v0").iterdir()] == ["id-of-one-2.0"]


@pytest.mark.usefixtures("processes")
def test_one_that_was_edited_stays_and_the_others_go(source: Path, target: Path) -> None:
    (source / "archive-v0/id-of-one-1.0/one/__init__.py").write_text("edited")

    done = fill.fill(str(source), str(target), BOTH)

    assert done.brought == ("two",)
    assert "is not what its RECORD says" in done.left["one"]
    assert packages_in(str(target)) == {"two": ("1.0",)}
    assert not (target / "archive-v0/id-of-one-1.0").exists()


def test_a_pointer_to_another_archive_than_its_link_is_not_passed_on(
    source: Path, target: Path
) -> None:
    (source / SHELF / "one/1.0-py3-none-any.http").write_text("... of-another ...")

    done = fill.fill(str(source), str(target), BOTH)

    assert (done.brought, done.absent) == (("two",), ("one",))


def test_a_link_that_leads_to_nothing_is_replaced(source: Path, target: Path) -> None:
    shelf = target / SHELF / "one"
    shelf.mkdir(parents=True)
    (shelf / "1.0-py3-none-any").symlink_to("../../../../archive-v0/gone")
    (shelf / "1.0-py3-none-any.http").write_text("... gone ...")

    fill.fill(str(source), str(target), BOTH)

    assert (shelf / "1.0-py3-none-any/one/__init__.py").is_file()
    assert "id-of-one" in (shelf / "1.0-py3-none-any.http").read_text()


def test_what_the_target_has_of_its_own_stays(source: Path, target: Path) -> None:
    own = add(target, "one")
    (own / "one/__init__.py").write_text("of its own")

    done = fill.fill(str(source), str(target), BOTH)

    assert (done.brought, done.there) == (("two",), ("one",))
    assert (own / "one/__init__.py").read_text() == "of its own"


@pytest.mark.parametrize(("there", "expected"), [(1, "brought"), (9, "of its own")])
def test_what_the_target_knows_of_an_index_is_not_made_older(
    source: Path, target: Path, there: int, expected: str
) -> None:
    """What was asked of an index later names what was downloaded later."""
    for cache, content, time in ((source, "brought", 5), (target, "of its own", there)):
        index = cache / "simple-v20/index/0123456789abcdef/one.rkyv"
        index.parent.mkdir(parents=True)
        index.write_text(content)
        os.utime(index, (time, time))

    fill.fill(str(source), str(target), BOTH)

    assert (target / "simple-v20/index/0123456789abcdef/one.rkyv").read_text() == expected


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("in_use", [False, True])
@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_when_the_disk_is_full_the_room_is_given_back(
    source: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    in_use: bool,
    order: tuple[str, str],
) -> None:
    add(target, "before")
    before = names(target)
    copy_file = archive.copy_file

    def full(path: str, *rest: object) -> None:
        if "two" in path:
            raise OSError(number, os.strerror(number))
        copy_file(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(archive, "copy_file", full)
    with (target / ".lock").open("w") as other:
        if in_use:  # another uv may install from what is there by now
            fcntl.flock(other, fcntl.LOCK_SH)

        with pytest.raises(CannotSeed):
            fill.fill(str(source), str(target), {name: BOTH[name] for name in order})

    if in_use:
        kept = {"before", "one"} if order[0] == "one" else {"before"}
        assert packages_in(str(target)).keys() == kept
    else:
        assert names(target) == before


def test_where_there_is_no_room_nothing_is_begun(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "_RESERVE", 1 << 60)

    with pytest.raises(CannotSeed, match="MiB of free space"):
        fill.fill(str(source), str(target), BOTH)

    assert names(target) == set()


@pytest.mark.parametrize("which", ["source", "target"])
def test_who_prunes_is_not_waited_for_long(source: Path, target: Path, which: str) -> None:
    lock = {"source": source, "target": target}[which] / ".lock"
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CannotSeed, match="in use"):
            fill.fill(str(source), str(target), BOTH, wait=0)

    assert names(target) == set()


def test_what_was_left_is_cleaned_up_but_not_what_is_in_use(source: Path, target: Path) -> None:
    left, used = target / f"{PREFIX}left", target / f"{PREFIX}used"
    for each in (left, used):
        (each / "part-1/two").mkdir(parents=True)
        (each / "part-1/two/__init__.py").write_text("half")
    handle = os.open(used, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)

    fill.fill(str(source), str(target), BOTH)

    os.close(handle)
    assert (left.exists(), used.exists()) == (False, True)


def test_to_look_is_not_to_touch(source: Path, target: Path) -> None:
    done = fill.fill(str(source), str(target), BOTH, dry_run=True)

    assert done.brought == ("one", "two")
    assert list(target.iterdir()) == []


def test_wheels_for_another_python_stay_where_they_are(source: Path, target: Path) -> None:
    tags = ("cp310-cp310-x", "cp311-cp311-x", "cp38-abi3-x", "cp310.cp311-none-any", "pp311-y-x")
    for tag in tags:
        add(source, "three", tag=tag)

    fill.fill(str(source), str(target), {"three": ("1.0",)}, python="cp311")

    brought = {path.name.partition("-")[2] for path in (target / SHELF / "three").glob("*.http")}
    assert brought == {f"{tag}.http" for tag in tags[1:]}


def test_what_is_described_is_not_unpacked(source: Path, target: Path) -> None:
    """And what the target has of it stays: it may be newer."""
    index = "simple-v1/index/0123456789abcdef/two.rkyv"
    for cache, text in ((source, "old"), (target, "new")):
        (cache / index).parent.mkdir(parents=True)
        (cache / index).write_text(text)
    (source / index).with_name("one.rkyv").write_text("one")
    describe(source, "one", "1.0")
    describe(source, "one", "2.0")

    fill.fill(str(source), str(target), {}, described=BOTH)

    assert not (target / "archive-v0").exists()
    assert {path.name for path in target.rglob("*") if path.is_file()} == {
        ".lock", "one.rkyv", "two.rkyv", "1.0-py3-none-any.msgpack",
    }  # fmt: skip
    assert (target / index).read_text() == "new"


def test_without_being_asked_for_no_index_is_brought(source: Path, target: Path) -> None:
    (source / "simple-v1/pypi").mkdir(parents=True)
    (source / "simple-v1/pypi/one.rkyv").write_text("")

    fill.fill(str(source), str(target), BOTH, described={})

    assert not (target / "simple-v1").exists()


def test_of_what_was_built_the_revision_that_counts_is_brought(source: Path, target: Path) -> None:
    below = "sdists-v9/editable/0123456789abcdef"
    for name in ("former", "present"):
        archive = add(source, name)
        (source / below / name).mkdir(parents=True)
        (source / below / name / "me-1-py3-none-any").symlink_to(archive)
    (source / below / "revision.rev").write_bytes(b"...present...")

    done = fill.fill(str(source), str(target), {}, built=[below, "sdists-v9/path/absent"])

    assert (done.brought, done.absent) == ((below,), ("sdists-v9/path/absent",))
    assert (target / below / "present/me-1-py3-none-any/present/__init__.py").is_file()
    assert not (target / below / "former").exists()
    assert [path.name for path in (target / "archive-v0").iterdir()] == ["id-of-present-1.0"]


def test_a_repository_is_found_once_all_of_it_is_there(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = "git-v0/db/0123456789abcdef"
    git = source / below / ".git"
    for name in ("objects/ab/cdef", "objects/pack/p.pack", "refs/heads/main", "HEAD", "config",
                 "hooks/post-checkout", "index.lock"):  # fmt: skip
        (git / name).parent.mkdir(parents=True, exist_ok=True)
        (git / name).write_text(name)
    (target / below / ".git").mkdir(parents=True)
    (target / below / ".git/config").write_text("its own")
    order: list[str] = []
    copy_file = archive.copy_file

    def copied(path: str, *rest: object) -> None:
        order.append(path.removeprefix(f"{git}/"))
        copy_file(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(archive, "copy_file", copied)

    fill.fill(str(source), str(target), {}, built=[below])

    assert sorted(order[:2]) == ["objects/ab/cdef", "objects/pack/p.pack"]
    assert order[2:] == ["refs/heads/main", "HEAD"]
    assert (target / below / ".git/config").read_text() == "its own"
    assert not (target / below / ".git/hooks").exists()


@pytest.mark.parametrize("damage", ["changed", "missing", "extra", "unlisted", "no RECORD"])
@pytest.mark.parametrize("repair", ["in place", "by exchange"])
def test_a_refusal_is_forgotten_when_the_archive_is_repaired(
    source: Path, target: Path, tmp_path: Path, damage: str, repair: str
) -> None:
    state = str(tmp_path / "state")
    unpacked = source / "archive-v0/id-of-one-1.0"
    module, record = unpacked / "one/__init__.py", unpacked / "one-1.0.dist-info/RECORD"
    before = {path: path.read_bytes() for path in (module, record)}
    if damage == "changed":
        module.write_text("edited")
    elif damage == "missing":
        module.unlink()
    elif damage == "extra":
        module.with_name("extra.py").write_text("")
    elif damage == "unlisted":
        record.write_bytes(before[record].replace(b"one/__init__.py", b"one/other.py"))
    else:
        record.unlink()

    def recalled() -> str | None:
        host = Host(environ={})
        return refused.recall(host, state, source=str(source), package="one", versions=("1.0",))

    done = fill.fill(str(source), str(target), BOTH)
    refused.remember(
        Host(environ={}), state, done.left["one"], done.blamed["one"], source=str(source),
        package="one", versions=("1.0",),
    )  # fmt: skip
    then = recalled()
    module.with_name("extra.py").unlink(missing_ok=True)
    for path, content in before.items():
        if not path.exists() or path.read_bytes() != content:
            new = path.with_name("new") if repair == "by exchange" else path
            new.write_bytes(content)
            new.rename(path)

    assert (then, recalled()) == (done.left["one"], None)


def test_a_refusal_is_forgotten_when_its_reason_may_be_gone(source: Path, tmp_path: Path) -> None:
    state = str(tmp_path / "state")

    def recalled() -> str | None:
        host = Host(environ={})
        return refused.recall(host, state, source=str(source), package="one", versions=("1.0",))

    before = recalled()
    refused.remember(
        Host(environ={}), state, "edited", source=str(source), package="one", versions=("1.0",)
    )
    then = recalled()
    pointer = source / SHELF / "one/1.0-py3-none-any.http"
    new = pointer.with_name("new")
    new.write_bytes(pointer.read_bytes())
    new.rename(pointer)

    assert (before, then, recalled()) == (None, "edited", None)
