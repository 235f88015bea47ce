"""A RECORD that is gone, empty or cut short is put back, and until then nothing is concluded."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.caches.machine import Machine, snapshot
from tests.repair.scene import EDITED, Scene, module, printed
from tests.repair.wheels import Members, record_name, rewritten
from tests.uv.world import NAME, ORIGINAL, PYTHON, build_wheel
from tests.verify import making
from tests.verify import test_with_uv as schemes
from uvx_policy.repair.records import rows_at
from uvx_policy.repair.uv import Uv, UvFailed
from uvx_policy.replace import place, shop
from uvx_policy.replace.place import Place

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def delete(record: Path) -> None:
    record.unlink()


def empty(record: Path) -> None:
    os.truncate(record, 0)


def fill_with_zeros(record: Path) -> None:
    """What XFS leaves of a file that was not on the disk yet."""
    record.write_bytes(bytes(record.stat().st_size))


def cut(record: Path) -> None:
    record.write_bytes(record.read_bytes()[:60])


each_damage = pytest.mark.parametrize("spoil", [delete, empty, fill_with_zeros, cut])


def record_of(project: Path, name: str = NAME) -> Path:
    (found,) = project.glob(f".venv/lib/*/site-packages/{name}-*.dist-info/RECORD")
    return found


def archived_record(scene: Scene) -> Path:
    (found,) = scene.archive.parent.glob(f"{NAME}-*.dist-info/RECORD")
    return found


def other_cache(scene: Scene) -> Path:
    """Another cache with the package, and no environment that was made from it."""
    cache = scene.base / "other"
    shutil.rmtree(scene.machine.environment(scene.base / "made from other", cache))
    return cache


# The RECORD of a cache ---------------------------------------------------------------------------


@each_damage
def test_in_a_cache_it_comes_from_another_cache(
    scene: Scene, spoil: Callable[[Path], None]
) -> None:
    other = other_cache(scene)
    scene.world.wheels.rename(scene.base / "away")
    record = archived_record(scene)
    content = record.read_bytes()
    spoil(record)
    spoilt = record.read_bytes() if record.exists() else None
    before = snapshot(scene.archive.parent)

    done = scene.repair(str(scene.cache), str(other))

    (scene.base / "away").rename(scene.world.wheels)
    assert done.code == 0, done.out + done.err
    assert f"from {other}/archive-v0/" in done.out
    assert record.read_bytes() == content
    after = snapshot(scene.archive.parent)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert changed <= {str(record), str(record.parent)}
    saved = [path.read_bytes() for path in scene.saved() if path.name == "RECORD"]
    assert saved == ([spoilt] if spoilt is not None else [])
    assert printed(scene.project("c")) == "original"
    assert scene.verify("--all", str(other)).code == 0


@each_damage
def test_in_a_cache_it_comes_from_the_wheel(scene: Scene, spoil: Callable[[Path], None]) -> None:
    record = archived_record(scene)
    content = record.read_bytes()
    spoil(record)

    done = scene.repair("--cache")

    assert done.code == 0, done.out + done.err
    assert record.read_bytes() == content
    assert scene.verify("--all").code == 0


def test_what_a_power_cut_emptied_is_whole_again(scene: Scene) -> None:
    """uv #16841: all files of the wheel, METADATA, WHEEL and RECORD among them."""
    shutil.rmtree(scene.a / ".venv")
    shutil.rmtree(scene.b / ".venv")
    before = {path: path.read_bytes() for path in scene.archive.parent.rglob("*") if path.is_file()}
    for path in before:
        os.truncate(path, 0)

    done = scene.repair("--all")

    assert done.code == 0, done.out + done.err
    after = {path: path.read_bytes() for path in scene.archive.parent.rglob("*") if path.is_file()}
    assert after == before
    assert printed(scene.project("c")) == "original"


def test_a_wheel_of_another_build_is_not_taken_for_it(scene: Scene) -> None:
    """Wheels for two platforms have one name: here METADATA and WHEEL are not the same."""

    def for_another_platform(members: Members) -> None:
        name = record_name(members)
        wheel = name.replace("RECORD", "WHEEL")
        members[wheel] = members[wheel].replace(b"py3-none-any", b"cp39-cp39-win32")
        rows = members[name].decode().splitlines()
        row = schemes_row(wheel, members[wheel])
        kept = [row if line.startswith(wheel) else line for line in rows]
        members[name] = "".join(f"{line}\n" for line in kept).encode()

    def with_other_files(members: Members) -> None:
        for path in [path for path in members if path.startswith(f"{NAME}/")]:
            members[path] += b"# of another build\n"
        metadata = record_name(members).replace("RECORD", "METADATA")
        members[metadata] += b"Summary: another build\n"
        wheel = record_name(members).replace("RECORD", "WHEEL")
        members[wheel] = members[wheel].replace(b"cp39-cp39-win32", b"py3-none-any")
        rows = [schemes_row(path, content) for path, content in members.items()]
        members[record_name(members)] = (
            "".join(f"{row}\n" for row in rows if "/RECORD" not in row).encode()
            + f"{record_name(members)},,\n".encode()
        )

    other = scene.base / "other"
    scene.world.wheels.rename(scene.base / "away")
    rewritten(build_wheel(scene.base / "built"), for_another_platform)
    _unpack(scene.base / "built", other)
    empty(archived_record(scene))

    done = scene.repair(str(scene.cache), str(other))

    assert done.code == 1, done.out
    assert archived_record(scene).read_bytes() == b""
    assert "once uv can fetch what is missing, repair again: linkpolicy repair" in done.out
    # Nor when the index has nothing else: only then is it time to unpack it again.
    (scene.base / "built").rename(scene.world.wheels)
    rewritten(next(scene.world.wheels.glob("*.whl")), with_other_files)
    done = scene.repair(str(scene.cache), str(other))
    assert done.code == 1, done.out
    assert archived_record(scene).read_bytes() == b""
    assert f"linkpolicy cache clean --cache-dir {scene.cache} {NAME}" in done.out


def schemes_row(path: str, content: bytes) -> str:
    import base64
    import hashlib

    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


def _unpack(wheels: Path, cache: Path) -> None:
    """As an archive of a cache: uv refuses to install what is for another platform."""
    import zipfile

    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(cache / "archive-v0" / "abcdefghijklmnop")


def test_where_it_cannot_be_had_nothing_is_changed(scene: Scene) -> None:
    scene.world.wheels.rename(scene.base / "away")
    empty(archived_record(scene))
    before = snapshot(scene.cache)

    done = scene.repair("--cache")

    assert done.code == 1
    assert snapshot(scene.cache) == before
    assert done.out.endswith("repair again: linkpolicy repair --cache\n")
    assert "cache clean" not in done.out


# The RECORD of an environment --------------------------------------------------------------------


@pytest.fixture
def rich(machine: Machine) -> Scene:
    """A project with a wheel that has files in every scheme, and entry points."""
    schemes.build_wheel(machine.world.wheels)
    scene = Scene(machine)
    for project in (scene.a, scene.b):
        text = (project / "pyproject.toml").read_text()
        text = text.replace(f'["{NAME}"]', f'["{NAME}", "{schemes.NAME}"]')
        (project / "pyproject.toml").write_text(text)
        scene.world.uv("sync", "--offline", cwd=project)
    return scene


@pytest.mark.parametrize(
    ("uv_version", "spoil"),
    [
        ("0.5.23", delete), ("0.8.15", empty), ("0.10.12", cut), ("newest", delete),
        ("newest", cut), ("newest", fill_with_zeros),
    ],
)  # fmt: skip
def test_in_an_environment_it_is_computed_from_the_wheel(
    rich: Scene, spoil: Callable[[Path], None]
) -> None:
    rich.world.wheels.rename(rich.base / "away")
    record = record_of(rich.a, schemes.NAME)
    content, time = record.read_bytes(), record.stat().st_mtime
    spoil(record)

    done = rich.repair()

    (rich.base / "away").rename(rich.world.wheels)
    assert done.code == 0, done.out + done.err
    assert record.read_bytes() == content
    assert abs(record.stat().st_mtime - time) < 1
    assert record.stat().st_nlink == 1
    # uv is content, and removes all of it.
    synced = rich.world.uv("sync", "--offline", cwd=rich.a)
    assert "Installed" not in synced.stderr
    rich.world.uv("pip", "uninstall", schemes.NAME, cwd=rich.a)
    left = [path for path in (rich.a / ".venv").rglob("*") if _is_of_schemes(path)]
    assert left == []


def _is_of_schemes(path: Path) -> bool:
    own = ("entry", "window", "rewritten", "rewritten-windowed", "shell", "binary")
    return path.is_file() and (schemes.NAME in str(path) or path.name in own)


@pytest.mark.parametrize("form", ["--target", "--prefix"])
def test_in_other_forms_of_an_environment_too(rich: Scene, form: str) -> None:
    place = rich.base / "place"
    rich.world.plain(
        "pip", "install", "-p", PYTHON, form, str(place), "--offline", "--no-index",
        "--find-links", str(rich.world.wheels), schemes.NAME, cwd=rich.base,
    )  # fmt: skip
    (record,) = place.rglob(f"{schemes.NAME}-*.dist-info/RECORD")
    content = record.read_bytes()
    empty(record)

    done = rich.repair(str(place))

    assert done.code == 0, done.out + done.err
    assert record.read_bytes() == content


def test_where_uv_wrote_it_from_a_damaged_one_both_are_restored(scene: Scene) -> None:
    """A power cut, and the next `uv sync`: the files are right, and both RECORDs are short."""
    right, rights = archived_record(scene).read_bytes(), record_of(scene.a).read_bytes()
    # uv refuses to install a script that is not named.
    archived_record(scene).write_bytes(b"".join(right.splitlines(keepends=True)[:3]))
    shutil.rmtree(scene.a / ".venv")
    scene.world.uv("sync", "--offline", cwd=scene.a)
    assert record_of(scene.a).read_bytes() != rights
    inode = module(scene.a).stat().st_ino

    done = scene.repair()

    assert done.code == 0, done.out + done.err
    assert archived_record(scene).read_bytes() == right
    assert record_of(scene.a).read_bytes() == rights
    assert module(scene.a).stat().st_ino == inode
    assert scene.verify("--all").code == 0


def test_edits_under_a_damaged_record_are_found_as_soon_as_it_is_back(scene: Scene) -> None:
    empty(record_of(scene.a))
    module(scene.a).write_text(EDITED)

    done = scene.repair()

    assert done.code == 0, done.out + done.err
    assert [printed(scene.a), printed(scene.b)] == ["original", "original"]
    assert EDITED in [path.read_text() for path in scene.saved() if path.suffix == ".py"]
    edits = scene.world.home / ".local/state/linkpolicy/edits"
    assert len(list(edits.iterdir())) == 1


def test_what_nobody_named_is_not_removed_while_its_record_is_damaged(scene: Scene) -> None:
    mine = module(scene.a).with_name("mine.py")
    mine.write_text("MINE = 1\n")
    cut(record_of(scene.a))
    scene.world.wheels.rename(scene.base / "away")
    shutil.rmtree(scene.cache)

    done = scene.repair("--remove-extra")

    assert done.code == 1
    assert mine.exists()
    assert module(scene.a).read_text() == ORIGINAL
    assert (module(scene.a).with_name("data.bin")).exists()


def test_a_script_that_was_edited_is_made_by_uv(rich: Scene) -> None:
    """Its hash is no longer known: uv reinstalls this one package, and the edit is saved."""
    script = rich.a / ".venv/bin/rewritten"
    original = script.read_text()
    script.write_text("#!/bin/sh\necho mine\n")
    empty(record_of(rich.a, schemes.NAME))

    done = rich.repair()

    assert done.code == 0, done.out + done.err
    assert "1 package reinstalled" in done.out
    assert script.read_text() == original
    assert "#!/bin/sh\necho mine\n" in [path.read_text() for path in rich.saved() if path.is_file()
                                        and path.name == "rewritten"]  # fmt: skip


def half(*_: object, **__: object) -> None:
    """What uv does when the disk fills up: the old package is gone, the new one is not there."""
    environment = Path.cwd() / ".venv"
    (site,) = environment.glob("lib/*/site-packages")
    for path in site.glob(f"{schemes.NAME}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (environment / "bin/rewritten").unlink()
    raise UvFailed("uv: No space left on device")


def contents(project: Path) -> dict[str, bytes]:
    environment = project / ".venv"
    files = (path for path in environment.rglob("*") if path.is_file())
    return {str(path.relative_to(environment)): path.read_bytes() for path in files}


def spoilt(rich: Scene) -> dict[str, bytes]:
    """Only uv can help: a script was edited, and its hash is not known. What is there then."""
    (rich.a / ".venv/bin/rewritten").write_text("#!/bin/sh\necho mine\n")
    empty(record_of(rich.a, schemes.NAME))
    return contents(rich.a)


def test_what_uv_removed_and_did_not_install_comes_back(
    rich: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spoilt(rich)
    monkeypatch.setattr(Uv, "reinstall", half)

    done = rich.repair()

    assert done.code == 1
    assert "No space left on device" in done.out
    assert contents(rich.a) == before


def test_what_cannot_be_brought_back_now_is_brought_back_by_the_next_repair(
    rich: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spoilt(rich)
    monkeypatch.setattr(Uv, "reinstall", half)
    real = place.put_where_nothing_is
    where = "uvx_policy.replace.aside.put_where_nothing_is"
    calls = 0

    def full(*places: Place) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*places)

    monkeypatch.setattr(where, full)
    assert rich.repair().code == 1
    assert contents(rich.a) != before
    monkeypatch.setattr(where, real)

    rich.repair()

    assert contents(rich.a) == before


def test_what_uv_removed_before_all_was_killed_comes_back(
    rich: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spoilt(rich)

    def killed(*words: object, **named: object) -> None:
        with contextlib.suppress(UvFailed):
            half(*words, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        monkeypatch.setattr(Uv, "reinstall", killed)
        try:
            rich.repair()
        finally:
            os._exit(70)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not (rich.a / ".venv/bin/rewritten").exists()

    rich.repair("--dry-run")
    assert not (rich.a / ".venv/bin/rewritten").exists()
    done = rich.repair()

    assert (rich.a / ".venv/bin/rewritten").exists(), done.out
    assert contents(rich.a).keys() == before.keys()
    assert rich.repair().code == 0


def test_a_hackable_project_gets_its_record_and_keeps_its_edits(scene: Scene) -> None:
    with (scene.a / "pyproject.toml").open("a") as stream:
        stream.write("\n[tool.linkpolicy]\nhackable = true\n")
    with scene.machine.working_in(scene.a):
        assert scene.machine.linkpolicy("detach").code == 0
    content = record_of(scene.a).read_bytes()
    module(scene.a).write_text(EDITED)
    empty(record_of(scene.a))

    done = scene.repair()

    assert done.code == 0, done.out + done.err
    assert record_of(scene.a).read_bytes() == content
    assert module(scene.a).read_text() == EDITED
    assert "1 file differs as intended." in done.out


def test_an_editable_installation_stays_editable(scene: Scene) -> None:
    """No wheel has its files, and reinstalled from its URL it would be a copy."""
    source = scene.base / "mine"
    source.mkdir()
    (source / "mine.py").write_text("VALUE = 1\n")
    (source / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "2"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (source / "backend.py").write_text(_EDITABLE_BACKEND)
    scene.world.uv("pip", "install", "--offline", "-e", str(source), cwd=scene.a)
    shutil.rmtree(scene.cache)
    empty(record_of(scene.a, "mine"))
    before = snapshot(scene.a)

    done = scene.repair()

    assert done.code == 1
    assert "editable" in done.out
    assert snapshot(scene.a) == before


_EDITABLE_BACKEND = """
import os, zipfile

def build_editable(directory, settings=None, metadata=None):
    name = "mine-2-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("mine.pth", os.getcwd())
        wheel.writestr("mine-2.dist-info/METADATA",
                       "Metadata-Version: 2.1\\nName: mine\\nVersion: 2\\n")
        wheel.writestr("mine-2.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\n"
                       "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-2.dist-info/RECORD", "mine.pth,,\\nmine-2.dist-info/METADATA,,\\n"
                       "mine-2.dist-info/WHEEL,,\\nmine-2.dist-info/RECORD,,\\n")
    return name

build_wheel = build_editable
"""


def test_a_file_of_that_name_in_a_package_is_a_file_like_any_other(tmp_path: Path) -> None:
    tree = making.archive(tmp_path)
    info = making.distribution(tree, {"one/RECORD": b"music", "one/a.py": b""})

    rows = dict(rows_at(str(info / "RECORD"), tree))

    assert [path for path in rows if path.endswith("RECORD")] == [f"{tree.path}/one/RECORD"]


def test_digests_with_padding_are_the_same(scene: Scene) -> None:
    """Some builders write it: `verify` and `repair` see no difference."""
    for record in (record_of(scene.a), record_of(scene.b), archived_record(scene)):
        rows = record.read_text().splitlines()
        padded = [
            ",".join([path, f"{digest}=" if digest else "", size])
            for path, digest, size in (row.split(",") for row in rows)
        ]
        record.write_text("".join(f"{row}\n" for row in padded))
    before = snapshot(scene.a)

    assert scene.verify("--all").code == 0
    assert scene.repair("--all").code == 0
    assert snapshot(scene.a) == before


# Killed ------------------------------------------------------------------------------------------


def test_killed_at_any_time_it_is_the_old_or_the_new_one(scene: Scene) -> None:
    from tests.repair.test_kill import is_killed

    other = other_cache(scene)
    records = (archived_record(scene), record_of(scene.a))
    contents = [record.read_bytes() for record in records]
    words = (str(scene.cache), str(other), str(scene.a / ".venv"))

    def spoil() -> None:
        for record in records:
            empty(record)
        with module(scene.a).open("a") as stream:
            stream.write("VALUE = 'more'\n")

    kills = 0
    while is_killed(scene, before=kills, spoil=spoil, words=words):
        for record, content in zip(records, contents, strict=True):
            assert record.read_bytes() in (b"", content), kills
        assert (scene.archive / "data.bin").exists()
        assert scene.repair(*words).code == 0, kills
        assert [record.read_bytes() for record in records] == contents
        assert module(scene.a).read_text() == ORIGINAL
        assert [*scene.base.rglob(f"{shop.PREFIX}*"), *scene.cache.glob(".tmp*")] == []
        # `test_kill` takes each step of what restores files.
        kills += 2

    assert kills > 25
