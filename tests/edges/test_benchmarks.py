"""The benchmarks run and print their rows. What they print is never judged here: no timed test."""

from __future__ import annotations

import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks import (
    finders,
    harness,
    instructions,
    looking,
    peers,
    project,
    reclaim_targets,
    workload,
)
from benchmarks import verify as benchmark_verify
from tests import filesystems, real_uv
from tests.launcher.programs import need_compiler
from tests.uv.world import build_wheel

BENCHMARKS = Path(harness.__file__).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the shim is a script on POSIX only"),
]

#: what is only about one of the ways to start a benchmark
rarely = pytest.mark.exhaustive

needs_launcher = pytest.mark.skipif(sys.platform != "linux", reason="the launcher is for Linux")

PEERS = [
    "uv --version: mise, shim",
    "uv --version: mise exec",
    "uv --version: direnv exec",
    "uv --version: pyenv, shim",
    "uv --version: rbenv, shim",
    "uv --version: rustup, proxy",
]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark works in the directory of what it measures; the next test works here again."""
    monkeypatch.chdir(Path.cwd())


def run(script: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(BENCHMARKS / script), *words],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def rows_of(table: str) -> list[str]:
    """First cells of the printed tables, their heads left out."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [line.split("|")[1].strip() for line in lines]
    return [cell for cell in cells if cell.strip("-")]


def row_of(table: str, name: str) -> str:
    return next(line for line in table.splitlines() if line.startswith(f"| {name} "))


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """Stands in for the real uv where only the wiring counts: no package index needed."""
    need_compiler()
    answer = write_script(tmp_path / "answer", "echo uv 0.13.8")
    return Path(harness.compile_stand_in(str(tmp_path / "real"), uv=str(answer)))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that is on PATH: a C compiler, and what the test adds."""
    directory = tmp_path / "programs"
    need_compiler()
    compiler = shutil.which("cc")
    write_script(directory / "cc", f"PATH='{os.environ['PATH']}' exec '{compiler}' \"$@\"")
    monkeypatch.setenv("PATH", str(directory))
    return directory


@needs_launcher
@pytest.mark.usefixtures("programs")
def test_startup_prints_its_rows(uv: Path) -> None:
    done = run("startup.py", "--pairs", "2", "--uv", str(uv))

    assert rows_of(done.stdout) == [
        "bare interpreter: python -IS -c pass",
        "uv --version: real uv",
        "uv --version: bare exec",
        "uv --version: native launcher",
        "uv --version: Python shim",
        *PEERS,
        "uv sync: real uv",
        "uv sync: native launcher, replayed",
        "uv sync: Python shim, replayed",
        "uv sync: manager's shim",
        "uv sync: manager's shim behind native launcher, replayed",
        "uv sync: manager's shim behind Python shim, replayed",
        "uv sync, same device: stand-in",
        "uv sync, same device: native launcher, replayed",
        "uv sync, same device: Python shim, replayed",
        "uv sync, same device: Python shim, first time",
        "uv sync, same device: Python shim, no record",
        "uv sync, same device: native launcher, first time",
        "uv --version: real uv",
        "uv --version: bare exec",
        "uv --version: native launcher",
        "uv --version: Python shim",
        "uv sync: native launcher, replayed",
        "uv sync: Python shim, replayed",
        "uv sync: native launcher",
        "uv sync: Python shim",
    ]
    assert "uv 0.13.8" in done.stdout
    for name in ("uv sync: native launcher", "uv sync: Python shim"):
        told = row_of(done.stdout, name).split("|")[2:4]
        assert told[0].strip() == "20"
        assert re.fullmatch(r"\d+|not counted: .+", told[1].strip())
    assert all("not installed (" in row_of(done.stdout, name) for name in PEERS)
    assert "not counted: valgrind is not installed" in done.stdout


@needs_launcher
@rarely
def test_startup_finds_uv_on_path_and_tells_programs(
    uv: Path, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{uv.parent}:{programs}")

    done = run("startup.py", "--pairs", "2", "--json")

    told: dict[str, Any] = json.loads(done.stdout)
    rows = {row["name"]: row for row in told["rows"]}
    assert told["about"]["uv"] == "0.13.8"
    assert told["decided"] == {"same device": "hardlink-works, same-device"}
    assert "target" not in rows["uv --version: real uv"]
    assert rows["uv --version: native launcher"]["target"] == "1.10x"
    assert rows["uv --version: Python shim"]["ratio"]["median"] > 0
    assert rows["uv --version: direnv exec"]["missing"].startswith("not installed")
    assert str(tmp_path) not in done.stdout


def is_timed(row: str) -> bool:
    """Tell whether a row has a factor. Two pairs may say that anything is the faster."""
    return re.search(r" \d+\.\d+x ", row) is not None


@rarely
def test_startup_goes_on_without_a_native_launcher(uv: Path, programs: Path) -> None:
    compiler = (programs / "cc").rename(programs / "other-cc")
    write_script(programs / "cc", f'case "$*" in *launcher.c) exit 1;; esac\n{compiler} "$@"')

    done = run("startup.py", "--pairs", "2", "--uv", str(uv))

    for name in (
        "uv --version: native launcher",
        "uv sync: native launcher, replayed",
        "uv sync, same device: native launcher, replayed",
        "uv sync, same device: native launcher, first time",
    ):
        assert "not built: cannot compile launcher.c" in row_of(done.stdout, name)
    assert is_timed(row_of(done.stdout, "uv sync, same device: Python shim, replayed"))


@rarely
def test_peers_are_timed_only_when_they_start_the_uv_that_is_measured(
    uv: Path, programs: Path
) -> None:
    write_script(programs / "direnv", 'test "$1" = allow || exec "$2/../started" "$4"')
    write_script(programs / "mise", "echo uv 0.13.8")
    write_script(programs / "rustup", "echo no home >&2; exit 1")

    done = run("startup.py", "--pairs", "2", "--uv", str(uv))

    assert is_timed(row_of(done.stdout, "uv --version: direnv exec"))
    assert "it starts something else" in row_of(done.stdout, "uv --version: mise exec")
    assert "does not work here: no home" in row_of(done.stdout, "uv --version: rustup, proxy")


def test_peers_are_downloaded_once_and_what_cannot_be_had_is_said(
    tmp_path: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked"
    write_script(
        programs / "npm",
        f"""echo "$5" >>'{asked}'
        /bin/mkdir -p "$4/node_modules/$5/bin"
        echo >"$4/node_modules/$5/bin/mise\"""",
    )
    write_script(programs / "apt-get", "echo no such package >&2; exit 100")
    directory = str(tmp_path / "installed")

    for _ in range(2):
        peers.install(directory)

    assert peers.find("mise", directory) is not None
    assert peers.find("direnv", directory) is None
    assert len(asked.read_text(encoding="utf-8").splitlines()) == 1
    assert "apt-get download direnv: no such package" in capsys.readouterr().err


def decided_by(shim: Path, state: Path) -> project.Decided:
    """A call of this script, with a record that it may or may not heed."""
    decisions = state / "linkpolicy" / "decisions"
    decisions.mkdir(parents=True)
    (decisions / "0123456789abcdef").write_bytes(b".\0")
    return project.Decided(harness.Call([str(shim)], {}, str(decisions)), str(state))


def test_a_shim_that_replays_nothing_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = write_script(tmp_path / "shims" / "uv", "exit 0")
    monkeypatch.setattr(project, "_PATIENCE", 0)

    with pytest.raises(harness.BenchmarkError, match="nothing is replayed: exit code 0"):
        project.Replayed(decided_by(shim, tmp_path))


def test_a_decision_made_anew_is_not_timed_as_a_replay(tmp_path: Path) -> None:
    # Heeds its record, like one that replays; replaces it as well when it is told to.
    shim = write_script(
        tmp_path / "shims" / "uv",
        """if test -e ../anew
        then /bin/cp 0123456789abcdef ../new && /bin/mv ../new 0123456789abcdef
        fi
        read -r line <0123456789abcdef
        case $line in *planted*) exit 2;; *) exit 0;; esac""",
    )
    replayed = project.Replayed(decided_by(shim, tmp_path))
    replayed.timed()

    (tmp_path / "linkpolicy" / "anew").touch()

    with pytest.raises(harness.BenchmarkError, match="made anew each time"):
        replayed.timed()


@pytest.mark.skipif(bool(instructions.why_not()), reason="needs valgrind")
def test_instructions_are_those_before_exec(tmp_path: Path, uv: Path) -> None:
    bare_exec = harness.compile_bare_exec(str(tmp_path / "bare"), uv=str(uv))

    few, more = (
        instructions.count(harness.Call(words, {}, str(tmp_path)), harness.Call.output)
        for words in ([bare_exec, "sync"], [sys.executable, "-c", "pass"])
    )

    assert 0 < few < 1_000_000 < more


@pytest.mark.filesystem
@pytest.mark.usefixtures("programs")
@rarely
def test_startup_decides_for_another_device_and_leaves_nothing_there(
    uv: Path, fs: filesystems.FileSystems
) -> None:
    device = fs.image("ext4")
    before = sorted(os.listdir(device))

    done = run("startup.py", "--pairs", "2", "--uv", str(uv), "--device", str(device))

    assert "uv sync, other device: Python shim, first time" in rows_of(done.stdout)
    assert "decided on other device: hardlink-works, device-cache" in done.stdout
    assert sorted(os.listdir(device)) == before


@pytest.mark.parametrize(
    "script", ["startup.py", "second_environment.py", "looking.py", "verify.py", "reclaim.py"]
)
def test_one_pair_is_refused_because_it_has_no_spread(script: str, tmp_path: Path) -> None:
    done = run(
        script, "--pairs", "1", *(["--device", str(tmp_path)] * (script[0:2] == "se")), code=2
    )

    assert "at least 2 pairs" in done.stderr


@pytest.mark.uv
def test_second_environment_on_the_same_device_has_nothing_to_compare(
    newest_uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    small = ("--pairs", "2", "--files", "2", "--megabytes", "1", "--uv", str(newest_uv))

    done = run("second_environment.py", "--device", str(tmp_path), *small, code=1)

    assert "the device is the one that uv's own cache lies on" in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.uv
@pytest.mark.filesystem
@pytest.mark.parametrize("kind", [pytest.param("btrfs", marks=rarely), "ext4"])
def test_second_environment_prints_its_rows(
    newest_uv: Path, fs: filesystems.FileSystems, kind: str
) -> None:
    device = fs.image(kind)
    before = sorted(os.listdir(device))
    small = ("--pairs", "2", "--files", "20", "--megabytes", "2", "--uv", str(newest_uv))

    done = run("second_environment.py", "--device", str(device), *small)

    assert rows_of(done.stdout) == [
        "seconds until uv exits",
        "seconds until it is on disk",
        "MB that the device lost",
        "MB in files that share nothing",
    ]
    assert sorted(os.listdir(device)) == before


def test_one_command_runs_both_with_its_options(tmp_path: Path) -> None:
    """They look at the number of rounds after all options were understood."""
    options = ("--install-peers", str(tmp_path), "--device", str(tmp_path), "--uv", "/nowhere/uv")

    done = run("", *options, "--rounds", "1", code=2)

    complaints = [line for line in done.stderr.splitlines() if "error:" in line]
    assert [line.partition(":")[0] for line in complaints] == [
        "startup.py", "second_environment.py",
    ]  # fmt: skip
    assert all("at least 2 pairs" in line for line in complaints)


def test_without_a_device_it_says_what_is_missing(tmp_path: Path) -> None:
    done = run("", "--rounds", "2", "--uv", str(tmp_path / "none"), code=1)

    assert "no --image and no --device" in done.stderr
    assert "error: " in done.stderr


@pytest.mark.uv
@pytest.mark.filesystem
@rarely
def test_second_environment_mounts_an_image_of_its_own_and_takes_it_away(
    newest_uv: Path, fs: filesystems.FileSystems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.image("ext4")  # skips where nothing can be mounted
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    small = ("--pairs", "2", "--files", "20", "--megabytes", "2", "--uv", str(newest_uv))

    done = run("second_environment.py", "--image", "ext4", "--json", *small)

    told: dict[str, Any] = json.loads(done.stdout)
    without = sum(cost["private"] for cost in told["without"])
    assert without > 2 * 2_000_000
    assert sum(cost["private"] for cost in told["with"]) < without / 10
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert os.listdir(tmp_path) == []


@pytest.mark.uv
@pytest.mark.filesystem
def test_looking_prints_its_rows_and_leaves_nothing_behind(
    newest_uv: Path, fs: filesystems.FileSystems
) -> None:
    device = fs.image("btrfs")
    before = sorted(os.listdir(device))
    few = ("--pairs", "2", "--files", "50", "--packages", "3")
    many = ("--environments", "10", "--each", "5")

    done = run("looking.py", "--device", str(device), *few, *many, "--uv", str(newest_uv))

    assert rows_of(done.stdout) == [
        "bare interpreter: python -IS -c pass",
        "linkpolicy --version",
        "linkpolicy explain",
        "linkpolicy doctor, 50 files",
        "linkpolicy status, 10 environments, counted",
        "linkpolicy status, 10 environments, known",
        "1 environments",
        "10 environments",
    ]
    assert row_of(done.stdout, "linkpolicy doctor, 50 files").split("|")[4].strip() == "300"
    assert sorted(os.listdir(device)) == before


@pytest.mark.uv
@rarely
def test_looking_stops_when_not_everything_is_looked_at(newest_uv: Path, tmp_path: Path) -> None:
    """A benchmark of a doctor that breaks down would be fast."""
    machine = looking.Machine(str(tmp_path), uv=str(newest_uv), files=20)
    machine.add_environments(3, each=5)

    looking.prove(machine, files=20, environments=3)
    with pytest.raises(harness.BenchmarkError, match="not everything was looked at"):
        looking.prove(machine, files=10_000, environments=3)
    with pytest.raises(harness.BenchmarkError, match="not everything was looked at"):
        looking.prove(machine, files=20, environments=300)


needs_xargs = pytest.mark.skipif(
    not (shutil.which("xargs") and shutil.which("sha256sum")), reason="needs xargs and sha256sum"
)
SMALL = ("--pairs", "2", "--files", "300", "--megabytes", "3", "--memory-files", "400")


@needs_xargs
def test_verify_prints_its_rows(tmp_path: Path) -> None:
    done = run("verify.py", *SMALL, "--directory", str(tmp_path))

    rows = [row for row in rows_of(done.stdout) if row != "openssl dgst"]
    assert rows == ["first run", "second run", "sha256sum", "first run", "second run"]
    assert "files 300; bytes 3,0" in done.stdout
    assert os.listdir(tmp_path) == []


@needs_xargs
@rarely
def test_verify_reads_all_that_an_environment_has_and_nothing_twice(tmp_path: Path) -> None:
    environment = benchmark_verify.generated(
        str(tmp_path / "environment"), benchmark_verify.Size(50, 100_000)
    )

    done = run("verify.py", "--json", "--environment", environment, *SMALL[:2], *SMALL[-2:])

    told: dict[str, Any] = json.loads(done.stdout)
    assert told["about"]["files"] == "50"
    assert {name: len(rounds) for name, rounds in told["rounds"].items()}["second run"] == 2
    assert min(told["memory"].values()) > 5_000_000


@rarely
def test_verify_measures_nothing_that_is_not_clean(tmp_path: Path) -> None:
    environment = benchmark_verify.generated(
        str(tmp_path / "environment"), benchmark_verify.Size(50, 100_000)
    )
    edited = next(Path(environment).rglob("module0.py"))
    edited.write_bytes(b"edited")

    done = run("verify.py", "--environment", environment, *SMALL[:2], *SMALL[-2:], code=1)

    assert "exit code 1 of" in done.stderr


@pytest.mark.uv
def test_popular_packages_says_what_it_installed_and_found(newest_uv: Path, tmp_path: Path) -> None:
    wheels = build_wheel(tmp_path / "wheels").parent
    ways = ("--modes", "hardlink", "target", "--packages", "tinypkg")

    done = run("popular_packages.py", "--uv", str(newest_uv), "--wheels", str(wheels), *ways)

    assert [row for row in rows_of(done.stdout) if row[0].isdigit()]
    assert "content-addressed-cache" in done.stdout
    assert {
        line.split("|")[-2].strip() for line in done.stdout.splitlines()[4:] if line[:1] == "|"
    } == {"0"}


@pytest.mark.uv
@rarely
def test_popular_packages_tells_what_is_not_clean(tmp_path: Path) -> None:
    wheels = build_wheel(tmp_path / "wheels").parent
    with zipfile.ZipFile(next(wheels.iterdir()), "a") as wheel:
        wheel.writestr("tinypkg/in_no_record.py", "")
    # A later uv adds it to the RECORD.
    uv = str(real_uv.provide("0.5.23") / "uv")
    ways = ("--modes", "copy", "--packages", "tinypkg")

    done = run("popular_packages.py", "--uv", uv, "--wheels", str(wheels), *ways, code=1)

    assert done.stderr.count("tinypkg 1.0: unlisted: ") == 2


def made(device: Path) -> Path:
    """An environment with a module that is compiled, and a cache; the module."""
    module = device / workload.ENVIRONMENTS / "a" / ".venv" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n", encoding="utf-8")
    (device / workload.CACHE).mkdir()
    (device / workload.CACHE / "module.py").symlink_to(module)
    py_compile.compile(str(module))
    return module


def test_what_a_run_broke_is_counted(tmp_path: Path) -> None:
    module = made(tmp_path)
    before = workload.manifest(str(tmp_path))
    whole = workload.Checked(missing=0, changed=0, mode=0, extra=0, stale=0)
    assert workload.check(str(tmp_path), before) == whole

    os.utime(module, (1, 1))
    assert workload.check(str(tmp_path), before) == whole._replace(stale=1)

    module.write_text("x = 20\n", encoding="utf-8")
    module.chmod(0o600)
    (tmp_path / workload.CACHE / "module.py").rename(tmp_path / workload.CACHE / "other.py")
    broken = workload.Checked(missing=1, changed=1, mode=1, extra=1, stale=1)
    assert workload.check(str(tmp_path), before) == broken


def test_bytecode_with_the_new_time_of_its_source_is_not_changed(tmp_path: Path) -> None:
    module = made(tmp_path)
    before = workload.manifest(str(tmp_path))

    os.utime(module, (1, 1))
    py_compile.compile(str(module))

    assert not any(workload.check(str(tmp_path), before))


def test_what_was_not_measured_reaches_no_target() -> None:
    nothing = reclaim_targets.Measured.none({})
    missing = {each.name: finders.why_not(each) for each in finders.FINDERS}
    nothing.missing.update(btrfs=missing, xfs=missing)

    rows = reclaim_targets.rows(nothing)

    assert {row[-1] for row in rows} == {"?"}
    assert any("oans" in row[1] and "in no registry" in row[2] for row in rows)


@pytest.mark.uv
@pytest.mark.filesystem
@rarely
def test_reclaim_measures_what_is_freed_and_leaves_no_mount(
    newest_uv: Path, fs: filesystems.FileSystems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.image("ext4")  # skips where nothing can be mounted
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    some = ("--file-systems", "ext4", "xfs", "--only", "hardlink", "oans")

    done = run("reclaim.py", "--quick", *some, "--json", "--uv", str(newest_uv))

    told: dict[str, Any] = json.loads(done.stdout)
    ours = [row for row in told["runs"] if row["name"] == reclaim_targets.OURS]
    assert {row["file_system"] for row in ours} == {"ext4", "xfs"}
    for row in ours:
        for each in row["runs"]:
            assert each["freed"] > 1_000_000
            assert not any(each["checked"].values())
    assert min(told["memory"].values()) > 1_000_000
    assert set(told["seeding"]["ext4"]) == set(told["seeding"]["xfs"]) != set()
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert os.listdir(tmp_path) == []
