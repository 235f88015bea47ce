from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.ordinary_user import as_user
from tests.test_docs import first_column, names_of_type, reference, section
from tests.verify.making import Machine, at, distribution, edit, environment
from uvx_policy import cli
from uvx_policy.verify import hashing, report

ROOT = Path(cli.__file__).parent.parent
PROGRAM = (
    f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n"
    "from uvx_policy.cli import main; sys.exit(main())"
)


class Done(NamedTuple):
    """One call."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def states(self) -> list[tuple[str, str]]:
        return sorted(
            (each["state"], os.path.basename(each["path"])) for each in self.json["findings"]
        )


class User:
    """Has the environments `first` and `second`, linked from `cache`, and `first` is at hand."""

    def __init__(self, machine: Machine, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
        self.machine = machine
        self._capsys = capsysbinary

    def verify(self, *words: object) -> Done:
        self._capsys.readouterr()
        try:
            code = cli.main(["verify", *map(str, words)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        out, err = self._capsys.readouterr()
        assert b"Traceback" not in err
        return Done(code, os.fsdecode(out), os.fsdecode(err))


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> User:
    # The cache is uv's own; neither caches nor environments of this machine are known.
    monkeypatch.setattr("uvx_policy.host.Host.mount_table", lambda _: "")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    machine = Machine(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", machine.first.owner)
    monkeypatch.chdir(tmp_path)
    return User(machine, capsysbinary)


# Exit codes ---------------------------------------------------------------------------------------


def test_all_is_well(user: User) -> None:
    done = user.verify()

    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"5 files of 1 package match what was installed \(\d+ B\)\.\n", done.out)


def test_something_is_edited(user: User) -> None:
    edit(user.machine.first)

    done = user.verify()

    assert (done.code, done.err) == (1, "")
    assert "edited" in done.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("absent",), "there is no `absent`"),
        ((".",), "`.` is not an environment, a cache, or a file in one"),
        (("first/pyvenv.cfg",), "it cannot be verified"),
        (("first/bin",), "it cannot be verified"),
        (("--nonsense",), "unexpected option `--nonsense`"),
    ],
)
def test_what_cannot_be_verified(user: User, words: tuple[str, ...], says: str) -> None:
    done = user.verify(*words)

    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_nowhere_is_nothing_to_verify(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV")

    done = user.verify()

    assert done.code == 2
    assert "there is no environment here" in done.err
    assert "--all" in done.err


def test_an_empty_environment_is_well(user: User, tmp_path: Path) -> None:
    environment(tmp_path / "empty")

    done = user.verify("empty")

    assert (done.code, done.out) == (0, "No package is installed there.\n")


# Targets ------------------------------------------------------------------------------------------


def test_environments_and_caches_by_name(user: User) -> None:
    edit(user.machine.first)

    done = user.verify("--json", "first", "second", "cache")

    assert [each["kind"] for each in done.json["targets"]] == ["environment"] * 2 + ["cache"]
    assert done.states == [("edited", "a.py")] * 3
    assert user.verify("--json", "--cache").states == [("edited", "a.py")]
    # `first` is active, and so it is known; of `second` nobody told.
    assert user.verify("--json", "--all").states == [("edited", "a.py")] * 2


def test_only_a_part_of_an_environment(user: User) -> None:
    edit(user.machine.first, "one/a.py")
    edit(user.machine.first, "one/b.py")
    site = user.machine.first.path

    assert user.verify("--json", f"{site}/one/a.py").states == [("edited", "a.py")]
    assert user.verify("--json", f"{site}/one").states == [("edited", "a.py"), ("edited", "b.py")]
    assert user.verify("--json", f"{site}/one-1.0.dist-info").code == 0
    both = user.verify("--json", f"{site}/one/a.py", f"{site}/one/b.py")
    assert both.states == [("edited", "a.py"), ("edited", "b.py")]


def test_a_file_that_nobody_brought(user: User) -> None:
    extra = Path(user.machine.first.path) / "one" / "extra.py"
    extra.touch()

    assert user.verify("--json", extra).states == [("extra", "extra.py")]
    assert user.verify(Path(user.machine.first.path) / "one").code == 1


# What it says -------------------------------------------------------------------------------------


def test_an_edited_file_names_every_other_place(user: User, tmp_path: Path) -> None:
    edit(user.machine.first)
    os.link(at(user.machine.first), tmp_path / "somewhere")

    done = user.verify("first", "second")

    lines = done.out.splitlines()
    assert lines[0].endswith("/first")
    assert lines[1:5] == [
        "  edited  one/a.py  one 1.0",
        f"    the same file in the cache {user.machine.archive.path}",
        f"    the same file in {user.machine.second.owner}",
        "    1 more hard link to the same file in unknown environments or caches",
    ]
    assert lines[-3] == "Found 2 problems in 10 files of 2 packages: 2 edited."
    both = f"{user.machine.first.owner} {user.machine.second.owner}"
    assert lines[-2:] == [
        f"hint: show what was changed: linkpolicy verify --diff {both}",
        f"hint: restore the original files: linkpolicy repair {both}",
    ]


def test_a_file_of_a_content_store_is_named(user: User) -> None:
    edit(user.machine.first)
    stored = user.machine.cache / "files-v0" / "ab" / "abcd"
    stored.parent.mkdir(parents=True)
    stored.hardlink_to(at(user.machine.first))

    assert f"    the same file in the cache {stored}" in user.verify("first").out.splitlines()


def test_a_script_is_named_by_its_place_in_the_environment(user: User, tmp_path: Path) -> None:
    tree = environment(tmp_path / "scripts")
    distribution(tree, {"one.py": b"", "../../../bin/tool": b"original"})
    (tmp_path / "scripts/bin/tool").write_bytes(b"edited")
    Path(at(tree, "one.py")).unlink()

    assert user.verify("scripts").out.splitlines()[1:3] == [
        "  edited   bin/tool  one 1.0",
        "  missing  one.py  one 1.0",
    ]


def test_many_findings_and_places_are_cut_short(user: User, tmp_path: Path) -> None:
    tree = environment(tmp_path / "many")
    distribution(tree, {f"one/{n:02}.py": b"x" for n in range(50)})
    for number in range(50):
        edit(tree, f"one/{number:02}.py", b"yy")

    done = user.verify("many")

    assert "  and 30 more (--json has all)" in done.out.splitlines()
    assert len(user.verify("--json", "many").json["findings"]) == 50


def test_a_name_of_bytes_does_no_harm(user: User, tmp_path: Path) -> None:
    tree = environment(tmp_path / "odd")
    name = os.fsdecode(b"one/\xff\x1b[31m\n.py")
    distribution(tree, {"one/__init__.py": b"", name: b"x"})
    edit(tree, name, b"y")

    assert "\x1b" not in user.verify("odd").out
    assert user.verify("--json", "odd").json["findings"][0]["path"].endswith("\udcff\x1b[31m\n.py")


def test_the_difference(user: User) -> None:
    Path(at(user.machine.first)).unlink()
    edit(user.machine.first, content=b"original\nand more\n")

    done = user.verify("--diff")

    assert "+and more" in done.out
    assert "-original" in done.out
    assert "--diff" in user.verify().out


# JSON ---------------------------------------------------------------------------------------------


def test_every_field_of_the_json_object_is_told_and_no_other(user: User) -> None:
    edit(user.machine.first)

    told = user.verify("--json", "first").json

    text = section(reference("verify"), "## verify --json")
    above, _, text = text.partition("`targets` has")
    targets, _, text = text.partition("`counts` has")
    counts, _, text = text.partition("`findings` has")
    findings, _, places = text.partition("`elsewhere` has")
    assert first_column(above) == list(told)
    assert first_column(targets) == list(told["targets"][0])
    assert first_column(counts) == list(told["counts"])
    assert first_column(findings) == list(told["findings"][0])
    assert first_column(places) == list(told["findings"][0]["elsewhere"][0])


def test_every_state_is_told_and_no_other() -> None:
    told = first_column(section(reference("verify"), "## What it finds"))

    assert told == list(report.STATES)
    assert sorted(told) == sorted(names_of_type("installed.finding", "State"))


def test_the_json_object(user: User) -> None:
    edit(user.machine.first)

    told = user.verify("--json").json

    assert told["schema"] == 1
    assert told["targets"] == [
        {"path": user.machine.first.owner, "kind": "environment", "part": None}
    ]
    assert told["counts"]["hashed_files"] == 3
    (finding,) = told["findings"]
    assert finding["path"] == at(user.machine.first)
    assert finding["environment"] == user.machine.first.owner
    assert (finding["distribution"], finding["version"]) == ("one", "1.0")
    assert finding["expected"]["algorithm"] == "sha256"
    assert finding["expected"]["size"] == 8
    assert (finding["detail"], finding["diff"], finding["unknown_names"]) == (None, None, 1)
    assert finding["elsewhere"] == [
        {
            "path": at(user.machine.archive),
            "how": "same-inode",
            "environment": None,
            "cache": str(user.machine.cache),
        },
    ]
    assert user.verify("--json", "--diff").json["findings"][0]["diff"]


@pytest.mark.parametrize(
    ("words", "hints"),
    [
        ((), ["linkpolicy verify --diff", "linkpolicy repair"]),
        (("--all",), ["linkpolicy verify --diff --all", "linkpolicy repair --all"]),
        (("--cache",), ["linkpolicy verify --diff --cache", "linkpolicy repair --cache"]),
        (("--diff", "first"), ["linkpolicy repair FIRST"]),
        (("FILE",), ["linkpolicy verify --diff FILE", "linkpolicy repair FILE"]),
    ],
)
def test_a_hint_finds_the_same_again(user: User, words: tuple[str, ...], hints: list[str]) -> None:
    edit(user.machine.first)
    file = os.path.relpath(at(user.machine.first))
    words = tuple(word.replace("FILE", file) for word in words)
    hints = [hint.replace("FIRST", os.path.abspath("first")) for hint in hints]
    hints = [hint.replace("FILE", str(at(user.machine.first))) for hint in hints]

    done = user.verify(*words)

    lines = [line for line in done.out.splitlines() if line.startswith("hint: ")]
    assert [line.rpartition(": ")[2] for line in lines] == hints
    for hint in hints:
        _, command, *rest = shlex.split(hint)
        if command == "verify":
            assert user.verify(*rest, "--json").states == user.verify(*words, "--json").states


# Remembered, progress, and others' files ----------------------------------------------------------


def test_the_second_run_reads_nothing_unless_told(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_FRESH", 0)

    told = [user.verify("--json", *words).json["counts"] for words in ((), (), ("--full",))]

    assert [each["hashed_files"] for each in told] == [3, 0, 3]


#: shows progress from the first file on
IMPATIENT = (
    f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n"
    "from uvx_policy.terminal import progress; progress._PATIENCE = progress._PAUSE = 0\n"
    "from uvx_policy.cli import main; sys.exit(main())"
)


def on_a_terminal(*words: str, program: str, **environ: str) -> tuple[str, str]:
    """stdout in a pipe, and what the terminal gets, which is stderr."""
    parent, child = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", program, "verify", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=child,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environ},
    )  # fmt: skip
    os.close(child)
    told = bytearray()
    try:
        while chunk := os.read(parent, 65536):
            told += chunk
    except OSError:  # the other end is closed: Linux says EIO
        pass
    os.close(parent)
    out, _ = done.communicate()
    return out.decode(), told.decode()


@pytest.mark.usefixtures("user")
def test_a_short_run_shows_no_progress() -> None:
    out, err = on_a_terminal("first", program=PROGRAM)

    assert "match what was installed" in out
    assert err == ""


@pytest.mark.usefixtures("user")
def test_a_long_run_shows_files_bytes_and_time_on_the_terminal_alone() -> None:
    out, err = on_a_terminal("first", "second", "cache", program=IMPATIENT)

    assert re.fullmatch(r"\S+ files of 3 packages match what was installed .*\n", out)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err)
    shown = re.findall(r"(\d+) files?, (\d+) B of (\d+) B, \d+ s left", text)
    assert int(shown[-1][0]) == 15
    assert {total for _, _, total in shown} == {shown[-1][2]}
    assert 0 < int(shown[-1][1]) <= int(shown[-1][2])


@pytest.mark.usefixtures("user")
def test_in_a_pipe_there_is_no_progress() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT, "verify", "first"],
        capture_output=True, check=False, text=True,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


def test_what_an_ordinary_user_may_not_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    # Up to `pytest-of-root`; how many directories that are depends on pytest-xdist.
    for above in tmp_path.parents:
        above.chmod(above.stat().st_mode | 0o055)
        if above.name.startswith("pytest-of-"):
            break
    tree = environment(tmp_path / "shared")
    distribution(tree, {"one/a.py": b"", "one/closed/b.py": b"", "one/c.py": b""})
    (Path(tree.path) / "one/closed").chmod(0o700)
    (Path(tree.path) / "one/c.py").chmod(0o600)
    words = [sys.executable, "-c", PROGRAM, "verify", "--json", tree.owner]

    done = subprocess.run(
        as_user(words),
        capture_output=True, check=False, text=True, cwd="/",
        env={**os.environ, "HOME": "/nowhere", "UV_CACHE_DIR": "/nowhere/cache"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (1, "")
    told = {
        (each["state"], Path(each["path"]).name) for each in json.loads(done.stdout)["findings"]
    }
    assert told >= {("unreadable", "b.py"), ("unreadable", "c.py")}
