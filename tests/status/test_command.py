"""`linkpolicy status` as it is called: many environments, faults of the disk, exit codes, JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.filesystems import FileSystems
from tests.ordinary_user import UID, as_user
from tests.test_docs import first_column, reference, section
from tests.uv.world import PYTHON
from uvx_policy import cli
from uvx_policy.installed import survey_store as counts
from uvx_policy.installed.distinct import Distinct, inode_key
from uvx_policy.installed.model import Survey
from uvx_policy.installed.survey import survey
from uvx_policy.setup import shim_file
from uvx_policy.state import register
from uvx_policy.state.register import Environment
from uvx_policy.status import as_json, gather, table
from uvx_policy.status.gather import FORGOTTEN_AFTER, WORKERS, Gathering, in_parallel
from uvx_policy.status.row import Row, Total

CLI = (sys.executable, "-m", "uvx_policy.cli", "status")


@pytest.fixture
def state(isolation: Path) -> str:
    """The state directory of this test's user."""
    return str(isolation / ".local" / "state" / "linkpolicy")


def make_environment(project: Path, *, packages: int = 1, name: str = ".venv") -> Path:
    """Something that looks like an environment; each package has one file of 5,000 bytes."""
    site = project / name / "lib" / "python3.12" / "site-packages"
    for number in range(packages):
        (site / f"pkg{number}").mkdir(parents=True)
        (site / f"pkg{number}" / "__init__.py").write_bytes(b"x" * 5000)
        (site / f"pkg{number}-1.0.dist-info").mkdir()
        (site / f"pkg{number}-1.0.dist-info" / "METADATA").write_text("Name: pkg\n")
    site.mkdir(parents=True, exist_ok=True)
    (project / name / "pyvenv.cfg").touch()
    (project / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\n')
    return project / name


def remember(state: str, path: Path, **values: Any) -> None:
    usual = {"project": str(path.parent), "seen": int(time.time())}
    register.remember(state, Environment(path=str(path), **{**usual, **values}))


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert cli.main(["status", "--json", *words]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["status", *words]) == 0
    return capsys.readouterr().out


def paths(answer: dict[str, Any]) -> list[str]:
    return [row["path"] for row in answer["environments"]]


# Many ---------------------------------------------------------------------------------------------


@pytest.fixture
def many(tmp_path: Path, state: str) -> list[Path]:
    """300 environments in the register, which share 700 files of a cache.

    1,000 are measured by benchmarks/looking.py.
    """
    cache = tmp_path / "cache"
    cache.mkdir()
    files = [cache / str(number) for number in range(700)]
    for number, file in enumerate(files):
        file.write_bytes(b"x" * (4096 * (1 + number % 5)))
    environments = []
    for number in range(300):
        environment = make_environment(tmp_path / f"p{number:04}", packages=0)
        package = environment / "lib" / "python3.12" / "site-packages" / "shared"
        package.mkdir()
        for file in files[number % 100 :: 100]:
            (package / file.name).hardlink_to(file)
        remember(state, environment)
        environments.append(environment)
    return environments


def gathered(state: str, most: int = 4096) -> Gathering:
    gathering = Gathering(dict(os.environ), state)
    for _ in gathering.gather(list(register.known(state))[:most]):
        pass
    return gathering


def test_many_environments_are_counted_once_and_then_known(many: list[Path], state: str) -> None:
    gathered(state, 50)
    counted, known = gathered(state), gathered(state)
    cache = many[0].parent.parent / "cache"
    shared = sum(file.stat().st_blocks * 512 for file in cache.iterdir())

    assert sum(row.kept for row in counted.rows) == 50
    assert all(row.kept for row in known.rows)
    for gathering in (counted, known):
        (total,) = gathering.totals
        assert total.environments == len(gathering.rows) == 300
        assert total.shared_bytes == pytest.approx(shared, rel=0.1)
        assert total.estimated


def test_where_there_is_no_time_to_look_again_that_is_said(
    many: list[Path], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered(state, 20)
    assert all(row.edits_looked_for for row in gathered(state, 20).rows)

    monkeypatch.setattr(gather, "LOOKING_AGAIN", -1.0)
    again = gathered(state, 21)

    assert len(many) > 21
    assert sorted(row.kept for row in again.rows) == [False, *[True] * 20]
    assert [row.edits_looked_for for row in again.rows if row.kept] == [False] * 20
    assert [row.edits_looked_for for row in again.rows if not row.kept] == [True]


def test_memory_does_not_grow_with_what_is_in_environments(
    tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(160):
        (tmp_path / f"p{number}" / ".venv").mkdir(parents=True)
        remember(state, tmp_path / f"p{number}" / ".venv")
    distinct = Distinct()
    for inode in range(600):
        distinct.add(inode_key(1, inode), 4096)
    sample = distinct.sample()

    def large(path: str, *, sampled: bool, **_: object) -> Survey:
        """150 kB."""
        assert sampled
        edited = tuple(f"{path}/{number:0100}" for number in range(1000))
        return Survey(environment=path, files=600, edited=edited, shared_sample=f"{sample} ")

    monkeypatch.setattr(gather, "survey", large)
    monkeypatch.setattr(counts, "kept", lambda *_: None)
    monkeypatch.setattr(counts, "keep", lambda *_: None)
    peaks = []
    for most in (40, 160):
        tracemalloc.start()
        assert len(gathered(state, most).rows) == most
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    # 18 MB, were the surveys kept.
    assert peaks[1] - peaks[0] < 5_000_000


def test_in_parallel_holds_few_items_and_gives_each_answer() -> None:
    taken, most = 0, 0

    def items() -> Any:
        nonlocal taken
        for number in range(500):
            taken += 1
            yield number

    answers = []
    for done, answer in enumerate(in_parallel(lambda number: number * 2, items())):
        most = max(most, taken - done)
        answers.append(answer)

    assert sorted(answers) == [number * 2 for number in range(500)]
    assert most <= 4 * WORKERS


def test_only_looks_that_wait_are_made_side_by_side() -> None:
    here = threading.get_ident()

    assert set(in_parallel(lambda _: threading.get_ident(), range(100))) == {here}

    def wait(_: int) -> int:
        time.sleep(0.1)
        return threading.get_ident()

    assert len(set(in_parallel(wait, range(20))) - {here}) > 1


def test_in_parallel_begins_nothing_more_after_an_error() -> None:
    begun = []

    def look(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise RuntimeError("no")
        return number

    with pytest.raises(RuntimeError, match="no"):
        list(in_parallel(look, iter(range(10_000))))
    assert len(begun) <= 4 * WORKERS


# What vanishes, or cannot be read -----------------------------------------------------------------


def test_what_is_gone_is_named_and_forgotten_after_a_month(
    tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk may just not be mounted."""
    long_ago = int(time.time()) - FORGOTTEN_AFTER - 100
    here = make_environment(tmp_path / "here")
    remember(state, here, seen=long_ago)
    remember(state, tmp_path / "lately" / ".venv")
    remember(state, tmp_path / "once" / ".venv", seen=long_ago)
    (tmp_path / "file").touch()
    remember(state, tmp_path / "file" / ".venv")
    text = said(capsys)
    answer = told(capsys)

    assert f"gone       no longer exists: {tmp_path}/file/.venv and {tmp_path}/l" in text
    assert f"forgotten  gone for a month: {tmp_path}/once/.venv\n" in text
    assert paths(answer) == [
        f"{tmp_path}/file/.venv", str(here), f"{tmp_path}/lately/.venv"
    ]  # fmt: skip
    assert [row["state"] for row in answer["environments"]] == ["gone", "present", "gone"]
    gone = answer["environments"][0]
    assert (gone["files"], gone["links"], gone["device"]) == (None, None, None)
    assert len(list(register.known(state))) == 3


def test_only_what_is_gone_is_no_table(
    tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(state, tmp_path / "p" / ".venv")

    assert said(capsys) == f"gone  no longer exists: {tmp_path}/p/.venv\n"


def test_an_environment_that_vanishes_while_it_is_counted_is_gone(
    tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = make_environment(tmp_path / "p")
    remember(state, environment)

    def too_late(path: str, **options: Any) -> Any:
        environment.rename(tmp_path / "elsewhere")
        return survey(path, **options)

    monkeypatch.setattr(gather, "survey", too_late)
    answer = told(capsys)

    assert [row["state"] for row in answer["environments"]] == ["gone"]
    assert answer["devices"] == []


def test_environments_that_come_and_go_never_show_a_traceback(tmp_path: Path, state: str) -> None:
    stop = threading.Event()

    def restless() -> None:
        while not stop.is_set():
            for number in range(5):
                environment = make_environment(tmp_path / f"p{number}", packages=5)
                remember(state, environment)
                subprocess.run(["rm", "-rf", tmp_path / f"p{number}"], check=False)

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        for _ in range(3):
            for words in ([], [str(tmp_path)]):
                done = subprocess.run(
                    [*CLI, "--json", *words], capture_output=True, text=True, check=False
                )
                assert (done.returncode, done.stderr) == (0, "")
                json.loads(done.stdout)
    finally:
        stop.set()
        thread.join()


@pytest.mark.filesystem
def test_what_an_ordinary_user_may_not_read_is_said(fs: FileSystems) -> None:
    """The suite is root: it may read everything."""
    make_environment(fs.ext4 / "readable", packages=2)
    make_environment(fs.ext4 / "inside" / "closed")
    closed = make_environment(fs.ext4 / "closed")
    partly = make_environment(fs.ext4 / "partly", packages=2)
    for environment in (closed, partly, fs.ext4 / "inside" / "closed" / ".venv"):
        remember(str(fs.ext4 / ".local" / "state" / "linkpolicy"), environment)
    subprocess.run(["chown", "-R", f"{UID}:{UID}", fs.ext4], check=True)
    for path in (closed, partly / "lib/python3.12/site-packages/pkg0", fs.ext4 / "inside"):
        os.lchown(path, 0, 0)
        path.chmod(0o700)
    told = {}
    for words in ([], ["."]):
        done = subprocess.run(
            as_user([PYTHON, *CLI[1:], *words]),
            env={
                "HOME": str(fs.ext4), "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                "PYTHONPATH": ":".join(shim_file.package_paths()),
            },
            cwd=fs.ext4, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        told[bool(words)] = done.stdout
    known, found = told[False], told[True]

    assert (
        "unreadable  not everything can be read: ~/closed, ~/inside/closed and ~/partly\n" in known
    )
    assert "~/partly " in known.partition("unreadable")[0]
    assert "~/readable " in found
    # What lies in a closed directory is not found; that it is closed is said.
    assert "unreadable  not everything can be read: ~/partly\n" in found
    assert "closed      not searched because it cannot be read: " in found
    assert "~/closed/.venv and ~/inside\n" in found


def test_faulty_settings_are_said_and_the_rest_is_shown(
    tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = make_environment(tmp_path / "p")
    (tmp_path / "p" / "pyproject.toml").write_text("[tool.linkpolicy]\nhackabel = true\n")
    remember(state, environment)
    text = said(capsys)
    (row,) = told(capsys)["environments"]

    assert f"settings  {tmp_path}/p/pyproject.toml:2" in text
    assert (row["policy"], row["files"], row["save_bytes"]) == ("unknown", 3, 0)
    assert row["policy_origin"].startswith(f"{tmp_path}/p/pyproject.toml:2")


@pytest.mark.parametrize("name", [b"caf\xe9", b"new\nline", b"\x1b[31mred", "日本".encode()])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_name_can_be_shown_and_told(tmp_path: Path, name: bytes, encoding: str) -> None:
    project = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    make_environment(project)
    environ = {**os.environ, "PYTHONIOENCODING": encoding}
    shown, answer = (
        subprocess.run([*CLI, str(tmp_path), *words], env=environ, capture_output=True, check=False)
        for words in ([], ["--json"])
    )

    assert (shown.returncode, shown.stderr, answer.returncode, answer.stderr) == (0, b"", 0, b"")
    assert b"\x1b" not in shown.stdout + answer.stdout
    (path,) = paths(json.loads(answer.stdout))
    assert os.fsencode(path) == os.fsencode(project / ".venv")


# How it is called ---------------------------------------------------------------------------------


def test_without_any_environment_it_says_how_to_find_some(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "linkpolicy status ." in said(capsys)
    assert said(capsys, str(tmp_path)) == f"No environment in {tmp_path}.\n"
    assert told(capsys) == {"schema": 1, "environments": [], "devices": [], "unreadable": []}


@pytest.mark.parametrize("words", [["absent"], ["file"], ["--sort", "colour"], ["--what"]])
def test_a_wrong_call_is_exit_2(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    try:
        code: Any = cli.main(["status", *words])
    except SystemExit as stopped:
        code = stopped.code

    assert code == 2


def test_ctrl_c_is_exit_130_without_a_word(tmp_path: Path) -> None:
    for number in range(100):
        make_environment(tmp_path / f"p{number}")
    program = f"""
import os, signal, sys, time
from uvx_policy import cli
from uvx_policy.installed.model import Survey
from uvx_policy.status import gather
begun = 0
def survey(path, **options):
    global begun
    begun += 1
    if begun == 3:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    return Survey(environment=path)
gather.survey = survey
code = cli.main(["status", {str(tmp_path)!r}])
assert begun < 50, begun
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_sorted_by_what_was_asked_for(
    tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, packages in (("a", 2), ("b", 3), ("c", 1)):
        remember(state, make_environment(tmp_path / name, packages=packages))

    def names(*words: str) -> str:
        return "".join(Path(path).parent.name for path in paths(told(capsys, *words)))

    assert names() == "abc"
    assert names("--sort", "private") == "bac"
    assert names("--sort", "files") == "bac"


def test_a_link_below_a_root_is_followed_where_the_register_knows_it(
    tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = make_environment(tmp_path / "outside", name="env")
    make_environment(tmp_path / "roots" / "twice", name="env")
    for name, target in (("known", outside), ("unknown", outside), ("gone", tmp_path / "gone")):
        (tmp_path / "roots" / name).mkdir(parents=True)
        (tmp_path / "roots" / name / ".venv").symlink_to(target)
    (tmp_path / "roots" / "twice" / ".venv").symlink_to("env")
    for name in ("known", "gone", "twice"):
        remember(state, tmp_path / "roots" / name / ".venv")
    remember(state, tmp_path / "elsewhere" / ".venv")

    assert sorted(paths(told(capsys, str(tmp_path / "roots")))) == [
        str(tmp_path / "roots/known/.venv"), str(tmp_path / "roots/twice/env"),
    ]  # fmt: skip


def test_a_root_does_not_enter_the_register(
    tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_environment(tmp_path / "p")
    told(capsys, str(tmp_path))

    assert list(register.known(state)) == []


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    for number in range(3):
        make_environment(tmp_path / f"p{number}")
    line = f"{' '.join(CLI)} {tmp_path} | head -1"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)

    assert done.stdout.startswith("environment ")
    assert done.stderr == ""


def test_progress_stays_on_a_terminal(tmp_path: Path) -> None:
    make_environment(tmp_path / "p")
    done = subprocess.run([*CLI, str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert "\x1b" not in done.stdout


# The reference ------------------------------------------------------------------------------------


def test_every_field_of_the_object_is_told_and_no_other() -> None:
    text = reference("status-json")
    (line,) = (json.loads("".join(as_json.lines([], []))),)

    assert first_column(text.partition("\n## ")[0]) == list(line)
    environment = section(text, "## An environment").partition("\n\n| `links` |")[0]
    assert first_column(environment) == list(as_json.environment(Row(path="/p")))
    device = section(text, "## A file system")
    assert first_column(device) == list(as_json.device(Total()))
    assert line["schema"] == as_json.SCHEMA == 1


def test_every_way_of_linking_and_every_column_is_told() -> None:
    ways = section(reference("status-json"), "## An environment").partition("\n\n| `links` |")[2]
    text = section(reference("cli"), "## linkpolicy status")
    titles = [column.title or "bar" for column in table.COLUMNS]
    told = re.findall(r"^\| ([a-z, ]+) \| ", text.partition("`≥`")[0], re.MULTILINE)

    assert first_column(ways) == ["hardlink", "clone", "symlink", "copy", "mixed", "none"]
    assert [name for row in told[1:] for name in row.split(", ")] == titles
    assert all(f"`{name}`" in text for name in table.SORTS)
