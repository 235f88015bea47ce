"""What `linkpolicy repair` says, asks, refuses, and lets uv do."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.caches.machine import Machine, snapshot
from tests.filesystems import same_inode
from tests.ordinary_user import UID, as_user
from tests.repair.scene import EDITED, Scene, module, printed
from tests.test_docs import first_column, names_of_type, reference, section
from tests.uv.world import NAME, ORIGINAL, build_wheel, installed
from uvx_policy import cli
from uvx_policy.repair import backup as keep
from uvx_policy.replace import shop
from uvx_policy.replace.build import Builder, Way

ROOT = Path(cli.__file__).parent.parent
PROGRAM = (
    f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n"
    "from uvx_policy.cli import main; sys.exit(main())"
)

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def everything(scene: Scene) -> list[dict[str, tuple[int, int]]]:
    return [snapshot(each) for each in (scene.cache, scene.a, scene.b)]


def test_where_all_is_well_nothing_is_done(scene: Scene) -> None:
    before = everything(scene)

    done = scene.repair("--all")

    told = r"\d+ files of \d+ packages match what was installed \(.*\)\.\n"
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(told, done.out)
    assert everything(scene) == before
    assert scene.saved() == []


def test_a_dry_run_shows_the_plan_and_changes_nothing(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)
    before = everything(scene)

    done = scene.repair("--dry-run")

    assert done.code == 1
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert (
        f"restore archive-v0/{scene.archive.parent.name}/tinypkg/__init__.py tinypkg 1.0" in lines
    )
    assert "hard link of the file restored in the cache" in lines
    assert any(line.startswith("uv downloads tinypkg 1.0:") for line in lines)
    assert everything(scene) == before
    assert scene.saved() == []


def test_where_all_that_is_edited_is_meant_there_is_nothing_to_do(scene: Scene) -> None:
    with (scene.a / "pyproject.toml").open("a") as stream:
        stream.write("\n[tool.linkpolicy]\nhackable = true\n")
    with scene.machine.working_in(scene.a):
        assert scene.machine.linkpolicy("detach").code == 0
    module(scene.a).write_text(EDITED)
    before = everything(scene)

    codes = [scene.repair(*words).code for words in (("--dry-run",), ())]

    assert codes == [0, 0]
    assert everything(scene) == before
    assert scene.saved() == []


def test_without_a_terminal_it_wants_to_be_told(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)
    before = everything(scene)

    with scene.machine.working_in(scene.a):
        done = scene.machine.linkpolicy("repair")

    assert done.code == 2
    assert "--yes" in done.err
    assert everything(scene) == before


@pytest.mark.parametrize(("answer", "text"), [("y", ORIGINAL), ("n", EDITED), ("", EDITED)])
def test_on_a_terminal_it_asks(scene: Scene, answer: str, text: str) -> None:
    module(scene.a).write_text(EDITED)
    outer, inner = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "uvx_policy.cli", "repair", "--offline"],
        cwd=scene.a, env={**scene.world.environ(), "TERM": "xterm", "COLUMNS": "80"},
        stdin=inner, stdout=inner, stderr=inner,
    ) as process:  # fmt: skip
        os.close(inner)
        os.write(outer, f"{answer}\n".encode())
        told = b""
        while True:
            try:
                told += os.read(outer, 4096)
            except OSError:  # noqa: PERF203 (it ends so)
                break
    os.close(outer)

    assert b"Continue? [y/N]" in told
    assert process.returncode == (0 if text == ORIGINAL else 1), told
    assert module(scene.b).read_text() == text
    assert (b"Nothing was changed." in told) is (text == EDITED)


def test_the_report_for_machines(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)

    done = scene.repair("--json").json

    assert done["schema"] == 1
    assert done["done"] is True
    assert done["left"] == []
    assert done["unknown_names"] == 0
    assert done["fetch"] == [
        {
            "name": "tinypkg", "version": "1.0", "environment": str(scene.a / ".venv"),
            "failed": None,
        }
    ]  # fmt: skip
    steps = {step["path"]: step for step in done["steps"]}
    assert set(steps) == {
        str(path) for path in (module(scene.a), module(scene.b), scene.archive / "__init__.py")
    }
    step = steps[str(module(scene.b))]
    assert step["environment"] == str(scene.b / ".venv")
    assert [step[key] for key in ("action", "state", "result", "detail", "distribution")] == [
        "relink", "edited", "done", "hardlink", "tinypkg-1.0",
    ]  # fmt: skip
    assert steps[str(scene.archive / "__init__.py")]["cache"] == str(scene.cache)
    assert (Path(done["saved"]) / keep.MANIFEST).exists()
    again = scene.repair("--json").json
    assert (again["steps"], again["saved"]) == ([], None)


def test_every_field_of_the_report_is_told_and_no_other(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)
    text = reference("repair-json")
    steps, saved = section(text, "## Steps"), section(text, "## What is saved")

    report = scene.repair("--json").json

    assert first_column(text.partition("## Steps")[0]) == list(report)
    fields, actions = steps.partition("| action |")[::2]
    keys = {key for step in report["steps"] for key in step}
    assert set(first_column(fields)) == keys
    # "apply" is for `linkpolicy edits`.
    actions_told = {*first_column(actions), "fetch", "apply"}
    assert actions_told == set(names_of_type("repair.model", "Action"))
    told = [name for name in names_of_type("repair.model", "ResultState") if name]
    assert [state for state in told if f"`{state}`" not in fields] == []
    manifest = json.loads((Path(report["saved"]) / keep.MANIFEST).read_text())
    assert list(manifest) == ["schema", "edits"]
    assert first_column(saved) == list(manifest["edits"][0])


def test_uninstalling_leaves_saved_edits(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)
    scene.repair()
    before = scene.saved()

    assert scene.machine.linkpolicy("uninstall").code == 0
    assert before
    assert scene.saved() == before


def test_edits_go_where_they_are_wanted(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)

    assert scene.repair("--keep-edits", "kept", cwd=scene.b).code == 0

    (saved,) = (scene.b / "kept").glob("*/tinypkg-1.0/tinypkg/__init__.py")
    assert saved.read_text() == EDITED
    assert saved.stat().st_mode & 0o777 == 0o600
    assert saved.parent.stat().st_mode & 0o777 == 0o700
    assert scene.saved() == []


def test_only_the_file_that_was_named(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)
    data = module(scene.a).with_name("data.bin")
    data.write_bytes(b"edited")

    done = scene.repair(str(module(scene.a)))

    assert done.code == 0, done.out
    assert printed(scene.b) == "original"
    assert data.read_bytes() == b"edited"


def test_when_nobody_has_the_original_that_is_told(scene: Scene) -> None:
    scene.world.wheels.rename(scene.base / "away")
    module(scene.a).write_text(EDITED)
    before = everything(scene)

    done = scene.repair()

    assert done.code == 1
    assert "uv: " in done.out
    assert "1 file still does not match what was installed" in done.out
    assert everything(scene) == before


def test_when_the_index_has_other_content_now_uv_installs_it_anew(scene: Scene) -> None:
    """A wheel that was built here: another build of the same version has other bytes."""
    content = "VALUE = 'built again'\n"
    wheel = build_wheel(scene.world.wheels)
    _rebuild(wheel, content)
    module(scene.a).write_text(EDITED)
    archive = scene.archive

    done = scene.repair()

    assert done.code == 0, done.out + done.err
    assert [module(each).read_text() for each in (scene.a, scene.b)] == [content] * 2
    assert not archive.exists()
    assert printed(scene.project("c")) == "built again"
    assert EDITED in [path.read_text() for path in scene.saved() if path.suffix == ".py"]


def _rebuild(wheel: Path, content: str) -> None:
    import zipfile

    with zipfile.ZipFile(wheel) as old:
        members = {name: old.read(name) for name in old.namelist()}
    told = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=")
    record = f"{NAME}-1.0.dist-info/RECORD"
    rows = members[record].decode().splitlines()[1:]
    rows.append(f"{NAME}/__init__.py,sha256={told.decode()},{len(content)}")
    members[f"{NAME}/__init__.py"] = content.encode()
    members[record] = "\n".join(rows).encode()
    with zipfile.ZipFile(wheel, "w") as new:
        for name, each in members.items():
            new.writestr(name, each)


def test_a_record_cannot_lead_it_out_of_the_environment(scene: Scene) -> None:
    """A package may name any file and any digest; what it brings along would be written there."""
    victim = scene.base / "victim"
    victim.write_text("mine\n")
    (record,) = module(scene.a).parent.parent.glob(f"{NAME}-*/RECORD")
    path = os.path.relpath(victim, module(scene.a).parent.parent)
    told = base64.urlsafe_b64encode(hashlib.sha256(ORIGINAL.encode()).digest()).rstrip(b"=")
    with record.open("a") as stream:
        stream.write(f"{path},sha256={told.decode()},{len(ORIGINAL)}\n")
    (theirs,) = scene.archive.parent.glob(f"{NAME}-*/RECORD")
    path = os.path.relpath(victim, scene.archive.parent)
    with theirs.open("a") as stream:
        stream.write(f"\n{path},sha256={told.decode()},{len(ORIGINAL)}\n")

    done = scene.repair("--all")

    assert done.code == 1
    assert "outside of its environment" in done.out.replace("\n", " ")
    assert victim.read_text() == "mine\n"


def test_a_link_out_of_the_environment_is_not_followed(scene: Scene) -> None:
    """The package's directory became a link: what lies there is not of this environment."""
    elsewhere = scene.base / "elsewhere"
    package = module(scene.a).parent
    shutil.move(package, elsewhere)
    package.symlink_to(elsewhere)
    (elsewhere / "__init__.py").unlink()
    (elsewhere / "__init__.py").write_text(EDITED)

    done = scene.repair()

    assert done.code == 1
    assert (elsewhere / "__init__.py").read_text() == EDITED


def test_what_an_ordinary_user_may_not_read_is_restored_if_it_is_hers(machine: Machine) -> None:
    world = machine.world
    env = machine.environment(world.base / "env", world.default_cache)
    file = installed(env) / "__init__.py"
    file.write_text(EDITED)
    clean = world.base / "clean"
    world.plain(
        "pip", "install", "--target", str(clean), "--cache-dir", str(world.base / "other"),
        "--no-index", "--find-links", str(world.wheels), NAME, cwd=world.base,
    )  # fmt: skip
    for directory in (world.base, world.home):
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, UID, UID, follow_symlinks=False)
    file.chmod(0)
    words = [sys.executable, "-c", PROGRAM, "repair", "--yes", "--offline", str(env), str(clean)]

    done = subprocess.run(
        as_user(words),
        env=world.environ(), cwd=world.base, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert file.read_text() == ORIGINAL
    assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o644, UID)
    saved = world.home / ".local/state/linkpolicy/edits"
    assert EDITED in [path.read_text() for path in saved.rglob("__init__.py")]
    assert world.default_cache.is_dir()
    (archived,) = world.default_cache.glob(f"archive-v0/*/{NAME}/__init__.py")
    assert same_inode(archived, file)


def test_root_does_not_work_where_another_user_can_rename(scene: Scene) -> None:
    """Whoever can rename chooses what root's calls reach: it is for the owner to repair."""
    environment = scene.a / ".venv"
    for path in environment.rglob("*"):
        os.chown(path, UID, UID, follow_symlinks=False)
    module(scene.a).unlink()
    module(scene.a).write_text(EDITED)

    done = scene.repair("--keep-edits", str(scene.base / "kept"))

    assert done.code == 1
    where = environment / "lib"
    assert f"root does not work in `{where}`, which belongs to user {UID}" in done.out
    assert f"sudo -u '#{UID}' linkpolicy repair {environment}" in done.out
    assert module(scene.a).read_text() == EDITED
    assert [*environment.rglob(f"{shop.PREFIX}*")] == []


# What is asked, and what is said -----------------------------------------------------------------


def test_it_speaks_of_what_was_asked_for_alone(scene: Scene) -> None:
    """One file of one package was looked at, and not the whole environment."""
    file = module(scene.a)

    assert scene.repair(str(file)).out.startswith("1 file of 1 package matches what was installed")
    file.write_text(EDITED)
    done = scene.repair(str(file), "--keep-edits", "kept")
    assert done.out.splitlines()[-1].startswith("1 file of 1 package matches what was installed")
    assert "3 files restored." in done.out


def typed(output: str) -> list[list[str]]:
    """The commands of hints, as a shell would split them."""
    lines = [line for line in output.splitlines() if line.startswith("hint: ")]
    found = [line[line.index("linkpolicy ") :] for line in lines if "linkpolicy " in line]
    return [shlex.split(line)[1:] for line in found]


@pytest.mark.parametrize(
    "asked",
    [
        ["--all"],
        ["--cache"],
        ["{cache}"],
        ["../home/.cache/uv"],
        ["b"],
        ["b/.venv"],
        ["{archived}"],
    ],
    ids=["all", "cache", "a cache", "relative", "project", "environment", "file"],
)
def test_hints_find_the_same_again_from_anywhere(scene: Scene, asked: list[str]) -> None:
    """`verify --all` finds what plain `repair` would not see: it is in the cache alone."""
    archived = scene.archive / "__init__.py"
    shutil.rmtree(scene.a / ".venv")
    archived.unlink()
    archived.write_text(EDITED)
    module(scene.b).unlink()
    module(scene.b).write_text(EDITED)
    words = [word.format(cache=scene.cache, archived=archived) for word in asked]

    verified = scene.verify(*words, cwd=scene.base)
    (_, repair) = typed(verified.out)
    done = scene.machine.linkpolicy(*repair, "--yes", "--offline")

    assert verified.code == 1
    assert repair[0] == "repair"
    assert done.code == 0, done.out + done.err
    assert scene.verify(*words, cwd=scene.base).code == 0


def test_the_hint_for_extra_files_finds_them_again(scene: Scene) -> None:
    added = module(scene.b).with_name("notes.txt")
    added.write_text("mine\n")

    done = scene.repair("b", cwd=scene.base)
    (again,) = typed(done.out)

    assert done.code == 1
    assert scene.machine.linkpolicy(*again, "--yes", "--offline").code == 0
    assert not added.exists()


def test_of_what_was_removed_nothing_is_missed_afterwards(scene: Scene) -> None:
    directory = module(scene.a).with_name("added")
    directory.mkdir()
    (directory / "notes.txt").write_text("mine\n")
    (directory / "__pycache__").mkdir()

    done = scene.repair("--remove-extra", str(directory), str(module(scene.b)))

    assert (done.code, done.err) == (0, ""), done.out
    assert not (directory / "notes.txt").exists()
    assert done.out.splitlines()[-1].startswith("1 file of 1 package matches")


def test_outside_of_a_project_it_names_its_own_options(scene: Scene) -> None:
    done = scene.machine.linkpolicy("repair", "--dry-run")

    assert done.code == 2
    assert "there is no environment here" in done.err
    assert done.err.rstrip().endswith("linkpolicy repair --all")


def test_where_nothing_is_to_be_fetched_no_uv_is_started(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(scene.a).write_text(ORIGINAL + "MORE = 1\n")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(subprocess, "run", _no_program)
    monkeypatch.setattr(subprocess, "Popen", _no_program)

    assert scene.repair().code == 0
    assert module(scene.b).read_text() == ORIGINAL


def _no_program(*words: object, **_: object) -> None:
    raise AssertionError(words)


def test_without_any_uv_what_it_would_fetch_is_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = module(scene.a).with_name("data.bin")
    content = data.read_bytes()
    module(scene.a).write_text(EDITED)
    data.write_bytes(content + b"more")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("uvx_policy.locate.embedded_directories", tuple)

    done = scene.repair()

    assert done.code == 1
    assert "there is no uv on PATH" in done.out
    assert module(scene.a).read_text() == EDITED
    assert data.read_bytes() == content


@pytest.mark.parametrize("is_done", [False, True])
def test_interrupted_it_says_what_was_done_and_how_to_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    module(scene.a).write_text(ORIGINAL + "MORE = 1\n")
    real = Builder.take
    calls = 0

    def interrupted(*words: Any) -> Way:
        nonlocal calls
        calls += 1
        way = real(*words) if is_done or calls > 1 else "copy"
        if calls == 1:
            raise KeyboardInterrupt
        return way

    monkeypatch.setattr(Builder, "take", interrupted)

    done = scene.repair(str(scene.a))

    number = 2 if is_done else 1
    assert done.code == 130
    were = "were" if number == 2 else "was"
    assert f"Interrupted: {number} of 3 steps {were} done." in done.out
    assert "Your edits are saved in ~/.local/state/linkpolicy/edits/" in done.out
    paths = (scene.archive / "__init__.py", module(scene.a), module(scene.b))
    assert sum(path.read_text() == ORIGINAL for path in paths) == number
    (again,) = typed(done.out)
    assert again == ["repair", str(scene.a)]
    assert scene.machine.linkpolicy(*again, "--yes", "--offline").code == 0
    assert [path.read_text() for path in paths] == [ORIGINAL] * 3


def test_two_hackable_projects_with_one_edit_are_told_the_same_by_all(scene: Scene) -> None:
    """Each has its own copy: nothing leaks, and `verify` and `repair` agree."""
    for project in (scene.a, scene.b):
        with (project / "pyproject.toml").open("a") as stream:
            stream.write("\n[tool.linkpolicy]\nhackable = true\n")
        with scene.machine.working_in(project):
            assert scene.machine.linkpolicy("detach").code == 0
        module(project).write_text(EDITED)
    before = everything(scene)

    verified, repaired = scene.verify("--all"), scene.repair("--all")

    assert (verified.code, repaired.code) == (0, 0), verified.out + repaired.out
    assert "2 files differ as intended." in verified.out
    assert "2 files differ as intended." in repaired.out
    assert everything(scene) == before
    intended = scene.repair("--json").json["intended"]
    assert {each["environment"] for each in intended} == {str(scene.a / ".venv")}
