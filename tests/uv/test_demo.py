"""`linkpolicy demo` shows what it promises, with real uvs, and leaves nothing behind."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, MountedFileSystems
from uvx_policy import errors, locate
from uvx_policy.demo import command as demo
from uvx_policy.demo import evidence as demo_evidence
from uvx_policy.demo import places as demo_places
from uvx_policy.demo import problems as demo_problems
from uvx_policy.demo import report as demo_report
from uvx_policy.demo import stage as demo_stage
from uvx_policy.demo import tiny_wheel
from uvx_policy.demo.places import Device
from uvx_policy.demo.problems import PROBLEMS, Finding, Problem
from uvx_policy.demo.report import Outcome
from uvx_policy.setup import shim_file

pytestmark = [pytest.mark.uv, pytest.mark.filesystem, pytest.mark.slow]

REPOSITORY = Path(__file__).resolve().parent.parent.parent
RUN = (
    "import sys\n"
    "from uvx_policy.demo import command as demo\n"
    "try: sys.exit(demo.run(json_output='--json' in sys.argv, keep='--keep' in sys.argv))\n"
    "except KeyboardInterrupt: sys.exit(130)\n"
)
ACROSS = next(problem for problem in PROBLEMS if problem.across)
DANGLING = next(problem for problem in PROBLEMS if problem.issue == 14670)
EDITED = next(problem for problem in PROBLEMS if problem.issue == 10896)


class Machine(NamedTuple):
    """A user's home full of things that must not count, and an empty temporary directory.

    No `World`: the demo makes one of its own, and must see nothing of this one.
    """

    home: Path
    temporary: Path
    uv: Path

    @classmethod
    def below(cls, base: Path, uv: Path) -> Machine:
        machine = cls(base / "home", base / "tmp", uv)
        machine.temporary.mkdir()
        for path, text in {
            ".config/uv/uv.toml": 'link-mode = "copy"\ncache-dir = "/nowhere"\n',
            ".config/linkpolicy/config.toml": "[defaults]\nthis-is = 'wrong'\n",
        }.items():
            (machine.home / path).parent.mkdir(parents=True)
            (machine.home / path).write_text(text, encoding="utf-8")
        return machine

    def start(self, *options: str, within: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        hostile = {
            "UV_LINK_MODE": "copy", "UV_CACHE_DIR": "/nowhere", "UV_OFFLINE": "1",
            "UV_PROJECT_ENVIRONMENT": "/nowhere", "LINKPOLICY_BYPASS": "1",
            "VIRTUAL_ENV": "/nowhere", "CONDA_PREFIX": "/nowhere",
        }  # fmt: skip
        return subprocess.Popen(
            [*within, sys.executable, "-c", RUN, *options],
            cwd=REPOSITORY,
            env={
                "PATH": f"{self.uv.parent}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "TMPDIR": str(self.temporary),
                **hostile,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def mounts(self) -> list[str]:
        rows = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        points = [row.split(" ")[4] for row in rows]
        return [point for point in points if point.startswith(f"{self.temporary}/")]

    def files_at_home(self) -> list[str]:
        return sorted(path.name for path in self.home.rglob("*") if path.is_file())

    def assert_untouched(self) -> None:
        assert self.mounts() == []
        assert list(self.temporary.iterdir()) == []
        assert self.files_at_home() == ["config.toml", "uv.toml"]


class Played(NamedTuple):
    machine: Machine
    told: dict[str, Any]
    code: int
    errors: str


@pytest.fixture(scope="module", params=[real_uv.SUPPORTED[0], "newest"])
def played(request: pytest.FixtureRequest, mounted: MountedFileSystems) -> Iterator[Played]:
    """One whole run for each uv, on ext4, where files are hard linked and not cloned."""
    with tempfile.TemporaryDirectory(dir=mounted.ext4) as base:
        machine = Machine.below(Path(base), real_uv.provide(request.param) / "uv")
        process = machine.start("--json")
        output, said = process.communicate(timeout=100)
        yield Played(machine, json.loads(output), process.returncode, said)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, newest_uv: Path, fs: FileSystems) -> Machine:
    """For runs within this process."""
    machine = Machine.below(fs.ext4, newest_uv)
    monkeypatch.setenv("PATH", f"{newest_uv.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.setattr(tempfile, "tempdir", str(machine.temporary))
    return machine


@pytest.mark.parametrize("issue", [problem.issue for problem in PROBLEMS])
def test_each_problem_shows_without_the_policy_and_not_with_it(played: Played, issue: int) -> None:
    (problem,) = [each for each in played.told["problems"] if each["issue"] == issue]

    assert problem["shown"] is True, problem
    assert (problem["without"]["ok"], problem["with"]["ok"]) == (False, True), problem
    assert problem["without"]["result"] != problem["with"]["result"]


def test_a_run_as_promised_succeeds_without_a_word_on_stderr(played: Played) -> None:
    assert (played.code, played.errors) == (0, "")


def test_nothing_is_left_behind_and_nothing_of_the_user_counts(played: Played) -> None:
    played.machine.assert_untouched()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unmounts_and_removes(
    fs: FileSystems, newest_uv: Path, number: signal.Signals
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # nohup ignores one of them, for children too
    machine = Machine.below(fs.ext4, newest_uv)
    process = machine.start()
    signal.signal(number, before)
    deadline = time.monotonic() + 30
    while not machine.mounts() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert machine.mounts()

    process.send_signal(number)
    process.communicate(timeout=30)

    assert process.returncode == 128 + number
    machine.assert_untouched()


def test_an_interrupted_script_and_what_it_started_are_gone_at_once(tmp_path: Path) -> None:
    stage = demo_stage.Stage(
        str(tmp_path / "base"),
        projects=str(tmp_path / "projects"),
        wheels="",
        uv="/nowhere/uv",
        environ=os.environ,
    )
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    begin = time.monotonic()

    try:
        # The sleeper holds the pipe that `run_script` reads to its end.
        with pytest.raises(KeyboardInterrupt):
            stage.run_script("sleep 60 & wait", str(tmp_path))
    finally:
        signal.signal(signal.SIGALRM, previous)

    assert time.monotonic() - begin < 30


def test_what_is_kept_is_named_and_no_longer_mounted(
    here: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "PROBLEMS", (DANGLING,))

    assert demo.run(json_output=True, keep=True) == 0

    (kept,) = json.loads(capsys.readouterr().out)["kept"]
    assert [str(path) for path in here.temporary.iterdir()] == [kept]
    assert (Path(kept) / "14670-with" / "projects" / "project" / ".venv").is_symlink()
    assert here.mounts() == []


def test_a_machine_without_a_second_device_says_so(
    here: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_places, "_mounted_image", lambda *_: Device("", "no room for one"))
    monkeypatch.setattr(demo, "PROBLEMS", (ACROSS, DANGLING))

    assert demo.run(json_output=False, keep=False) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert "Cannot show here: no room for one; it shows where you can write to two" in said
    assert "uv sync works" in said
    here.assert_untouched()


def test_root_that_may_not_mount_hears_why_and_sees_the_rest(
    fs: FileSystems, newest_uv: Path
) -> None:
    """As in most containers."""
    machine = Machine.below(fs.ext4, newest_uv)
    process = machine.start("--json", within=("setpriv", "--bounding-set=-sys_admin"))
    output, _ = process.communicate(timeout=60)

    hidden = [each for each in json.loads(output)["problems"] if not each["shown"]]
    assert [each["issue"] for each in hidden] == [3886]
    assert "no second device could be made: mount: " in hidden[0]["reason"]
    assert process.returncode == 0
    machine.assert_untouched()


def test_a_policy_that_does_not_hold_is_told_with_exit_code_1(
    here: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = f"#!/bin/sh\necho 'linkpolicy: out of order' >&2\nexec {here.uv} \"$@\"\n"
    monkeypatch.setattr(shim_file, "render", lambda _: content.encode())
    monkeypatch.setattr(demo, "PROBLEMS", (EDITED,))

    assert demo.run(json_output=False, keep=False) == errors.EXIT_FINDINGS

    said = capsys.readouterr().out
    assert "Went wrong: linkpolicy: out of order." in said
    assert "Not as expected." in said
    here.assert_untouched()


@pytest.mark.usefixtures("here")
def test_a_problem_that_clones_prevent_is_shown_on_the_second_device(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(fs.btrfs))
    monkeypatch.setattr(demo, "PROBLEMS", (EDITED,))

    assert demo.run(json_output=True, keep=False) == 0

    (told,) = json.loads(capsys.readouterr().out)["problems"]
    assert told["reason"].startswith("Shown on a second device: in `")
    assert told["without"] == {"ok": False, "result": "edit leaked to the other project"}
    assert list(fs.btrfs.iterdir()) == []


def test_on_a_borrowed_device_the_policy_stays_in_the_demos_own_directory(
    here: Machine, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = fs.other_ext4
    before = sorted(os.listdir(device.parent))
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    monkeypatch.setenv("HOME", str(device))
    monkeypatch.setattr(demo, "PROBLEMS", (ACROSS,))

    assert demo.run(json_output=True, keep=False) == 0

    assert sorted(os.listdir(device.parent)) == before
    assert list(device.iterdir()) == []
    here.assert_untouched()


def test_memory_is_no_second_device(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as temporary,
        demo_places.second_device(temporary, {"HOME": str(fs.tmpfs)}, keep=False) as device,
    ):
        assert device == Device(
            "", "no directory of yours is on another local device than `/var/tmp`"
        )
    assert list(fs.tmpfs.iterdir()) == []


def test_a_machine_without_uv_hears_how_to_get_it(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(locate, "embedded_directories", list)

    with pytest.raises(errors.RealUvNotFound) as caught:
        demo.run(json_output=False, keep=False)

    assert "install uv" in caught.value.hint
    here.assert_untouched()


@pytest.mark.usefixtures("here")
def test_a_shim_of_another_manager_that_fails_in_a_foreign_home_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv").write_text("#!/bin/sh\necho 'uv: version not set' >&2\nexit 1\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(demo, "PROBLEMS", (DANGLING,))

    assert demo.run(json_output=True, keep=False) == 0


def test_a_temporary_directory_that_is_noexec_is_a_usage_error(
    fs: FileSystems, tmp_path: Path
) -> None:
    point = fs.bind(tmp_path, noexec=True)

    with pytest.raises(errors.UsageError) as caught:
        demo_stage.write_shims(str(point / "shims"))

    assert "TMPDIR=" in str(caught.value.commands[0])


# What people see ---------------------------------------------------------------------------------


def outcome(problem: Problem, *, holds: bool = True, reason: str = "") -> Outcome:
    return Outcome(
        problem,
        Finding(ok=False, result="bad"),
        Finding(ok=holds, result="good" if holds else "bad"),
        reason,
    )


def rendered(capsys: pytest.CaptureFixture[str], *outcomes: Outcome) -> list[str]:
    demo_report.print_table(outcomes, (0, 13, 8), [])
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("columns", "limit"), [("80", 80), ("120", 120), ("300", 120), ("60", 60)])
def test_no_line_is_longer_than_the_terminal_or_readable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, limit: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = rendered(capsys, *(outcome(problem, reason="x " * 80) for problem in PROBLEMS))

    assert max(map(len, lines)) <= limit
    assert not re.search("\x1b", "".join(lines))


@pytest.mark.parametrize(
    ("colours", "shown"),
    [
        pytest.param({"FORCE_COLOR": "1"}, True, id="forced"),
        pytest.param({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="refused"),
        pytest.param({}, False, id="not a terminal"),
    ],
)
def test_colours_come_as_asked(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    colours: dict[str, str],
    shown: bool,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in colours.items():
        monkeypatch.setenv(name, value)

    assert ("\x1b[31m" in "\n".join(rendered(capsys, outcome(EDITED)))) is shown


def test_equal_remarks_are_said_once_for_all_their_issues(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = rendered(
        capsys, *(Outcome(each, None, None, "no such thing") for each in (EDITED, DANGLING))
    )

    assert "\n".join(lines).count("Cannot show here: no such thing.") == 1
    assert sum("#14670" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("outcomes", "promised"),
    [
        pytest.param((outcome(EDITED),), True, id="one holds"),
        pytest.param((outcome(EDITED), outcome(ACROSS, holds=False)), False, id="one does not"),
        pytest.param(
            (outcome(EDITED), Outcome(ACROSS, None, None, "")), True, id="one cannot show"
        ),
        pytest.param((Outcome(ACROSS, None, None, ""),), False, id="nothing shows"),
    ],
)
def test_success_needs_something_shown_and_all_of_it_as_promised(
    outcomes: tuple[Outcome, ...], promised: bool
) -> None:
    assert demo_report.as_promised(outcomes) is promised


# What it is built on -----------------------------------------------------------------------------


def test_the_wheel_is_what_its_record_says(tmp_path: Path) -> None:
    with zipfile.ZipFile(tiny_wheel.build_wheel(str(tmp_path), weight=1000)) as archive:
        (record,) = [name for name in archive.namelist() if name.endswith("/RECORD")]
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        told = {name: (digest, size) for name, digest, size in rows}

        assert set(told) == set(archive.namelist())
        for name in set(told) - {record}:
            content = archive.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            assert told[name] == (f"sha256={digest.rstrip('=')}", str(len(content)))


@pytest.mark.parametrize(
    ("share", "kind"),
    [
        pytest.param("link", "ext4", id="hard link"),
        pytest.param("clone", "btrfs", id="clone on btrfs"),
        pytest.param("clone", "xfs", id="clone on XFS"),
    ],
)
def test_shared_bytes_are_not_private(fs: FileSystems, share: str, kind: str) -> None:
    directory: Path = getattr(fs, kind)
    original, first, second = directory / "original", directory / "first", directory / "second"
    for each in (first, second):
        each.mkdir()
    original.write_bytes(os.urandom(100_000))
    clone_or_link = ["cp", "--reflink=always"] if share == "clone" else ["ln"]
    subprocess.run([*clone_or_link, original, first / "shared"], check=True)
    (second / "copied").write_bytes(original.read_bytes())

    assert demo_evidence.private_bytes(str(first)) == 0
    assert demo_evidence.private_bytes(str(second)) >= 100_000


def test_an_edit_in_place_keeps_the_inode_and_is_found(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(tiny_wheel.MODULE_TEXT)
    os.link(file, link)
    assert not demo_evidence.is_edited(str(link))

    demo_evidence.edit(str(file))

    assert demo_evidence.is_edited(str(link))


def test_the_heavy_wheel_outweighs_an_empty_environment() -> None:
    assert ACROSS.weight == demo_problems.WEIGHT > 100 * 50_000
