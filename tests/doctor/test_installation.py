"""The installation: each fault is made for real, found, fixed by its own fix, and gone then."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import real_uv
from tests.doctor.conftest import Person, copied
from tests.doctor.standing import program
from tests.launcher import programs
from tests.replay.machine import STAND_IN
from tests.uv.world import PYTHON
from uvx_policy.doctor import shim_start, started
from uvx_policy.doctor.case import Case
from uvx_policy.errors import Unreadable
from uvx_policy.real_uv import MARKS
from uvx_policy.setup import launcher as setup_launcher
from uvx_policy.setup import startup_file
from uvx_policy.uv.version import OLDEST

pytestmark = pytest.mark.uv

BEGIN, END = startup_file.BEGIN, startup_file.END


# The real uv --------------------------------------------------------------------------------------


@pytest.fixture
def without_uv(person: Person) -> Person:
    """All is set up, and then uv is gone from where the shims remember it."""
    if (Path(PYTHON).parent / "uv").exists():
        pytest.skip("this Python has a uv of its own beside it")
    person.uv = copied(person.uv, person.home / "in stalled")
    person.path[0] = str(person.uv.parent)
    person.sets_up()
    person.path.remove(str(person.uv.parent))
    person.uv.unlink()
    return person


def test_no_real_uv(without_uv: Person, newest_uv: Path) -> None:
    assert without_uv.found("installation") == {"real-uv": "fail", "shims-current": "warn"}
    assert "no real uv" in without_uv.one("real-uv")["detail"]

    without_uv.path.append(str(copied(newest_uv, without_uv.uv.parent).parent))

    assert without_uv.found("installation") == {}


@pytest.mark.fixes("real-uv", by="typing")
def test_a_real_uv_that_may_not_be_executed(without_uv: Person, newest_uv: Path) -> None:
    path = copied(newest_uv, without_uv.uv.parent)
    path.chmod(0o644)
    without_uv.path.append(str(path.parent))

    finding = without_uv.one("real-uv")
    assert finding["status"] == "fail"
    assert finding["paths"] == [str(path)]
    without_uv.types_line(finding["fix"]["command"])

    assert without_uv.found("installation") == {}


def test_the_oldest_known_version_is_the_oldest_that_is_tested() -> None:
    assert ".".join(map(str, OLDEST)) == real_uv.SUPPORTED[0]


@pytest.mark.parametrize("version", real_uv.each())
def test_supported_versions_are_well(person: Person, version: str) -> None:
    person.path[0] = str(real_uv.provide(version))

    assert person.found("real-uv", "real-uv-version") == {}


_AN_UPDATE = pytest.mark.fixes("real-uv-version", by="hand: without a network nothing is updated")


@pytest.mark.parametrize(
    ("says", "finding"),
    [
        pytest.param("0.5.22", {"real-uv-version": "warn"}, marks=_AN_UPDATE),
        ("99.0.0 (unknown newer)", {}),
        pytest.param("what?", {"real-uv-version": "warn"}, marks=_AN_UPDATE),
    ],
)
def test_a_version_that_is_too_old_or_not_told(
    person: Person, says: str, finding: dict[str, str]
) -> None:
    flags = ("-O1", '-DWHO="uv"', f'-DVERSION="{says}"', programs.MARKS)
    copied(programs.compile_c(STAND_IN, flags), person.base / "odd")
    person.path.insert(0, str(person.base / "odd"))

    assert person.found("real-uv-version") == finding

    person.path.pop(0)  # what an update comes to
    assert person.found("real-uv-version") == {}


def test_a_program_that_starts_uv_is_told_of_where_uv_s_version_would_matter(
    person: Person,
) -> None:
    log = person.base / "started"
    variables = "$MISE_AUTO_INSTALL $MISE_NOT_FOUND_AUTO_INSTALL $PROTO_AUTO_INSTALL"
    program(
        person.base / "foreign" / "uv",
        f'#!/bin/sh\necho "$* {variables}" >>{log}\nexec {person.uv} "$@"\n',
    )
    person.path.insert(0, str(person.base / "foreign"))
    person.cwd = person.base / "project"
    person.cwd.mkdir()
    (person.cwd / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\n')
    assert person.found("real-uv-version") == {}

    (person.base / "environment").mkdir()
    (person.cwd / ".venv").symlink_to(person.base / "environment")
    finding = person.one("real-uv-version")
    assert finding["status"] == "warn"
    assert "not uv itself" in finding["detail"]

    person.found()
    # Started at all to see whether settings are accepted, and told not to install anything.
    assert set(log.read_text().splitlines()) == {"cache dir false false false"}


def test_what_takes_long_is_not_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another manager may be in the middle of an installation."""
    monkeypatch.setattr(started, "_PATIENCE", 0.1)
    script = f"sleep 0.5; echo working >&2; touch {tmp_path}/done"

    begun = started.begin(["/bin/sh", "-c", script], environ={}, cwd=str(tmp_path))
    ended = started.end("sh", begun)

    assert ended.code is None
    assert "did not end" in ended.said
    assert not isinstance(begun, OSError)
    assert begun[0].wait(20) == 0
    assert (tmp_path / "done").exists()


# The shims ----------------------------------------------------------------------------------------


def test_nothing_is_set_up(person: Person) -> None:
    assert person.found("installation") == {"shims": "fail"}

    person.types("linkpolicy", "doctor", "installation", code=1)
    told = person.fixes("installation")

    assert "wrote    ~/.local/share/linkpolicy/shims/uv" in told
    assert "Open a new shell" in told
    assert person.found("installation") == {"shims-first": "warn"}
    person.opens_shell()
    assert person.found("installation") == {}


@pytest.mark.parametrize("name", ["uv", "uvx"])
@pytest.mark.fixes("shims", by="fix")
def test_one_shim_is_gone(settled: Person, name: str) -> None:
    (settled.shims / name).unlink()

    assert settled.found("installation") == {"shims": "fail"}
    settled.fixes("shims")

    assert settled.found("installation") == {}


def stranger(path: Path) -> None:
    program(path, "#!/bin/sh\necho uv 1.2.3\n")


def link_to_true(path: Path) -> None:
    path.symlink_to("/bin/true")


@pytest.mark.parametrize("put", [stranger, link_to_true])
@pytest.mark.fixes("shims", by="typing")
def test_somebody_else_s_program_in_place_of_a_shim(
    settled: Person, put: Callable[[Path], None]
) -> None:
    (settled.shims / "uvx").unlink()
    put(settled.shims / "uvx")

    finding = settled.one("shims")
    assert finding["status"] == "fail"
    assert finding["paths"] == [str(settled.shims / "uvx")]
    assert not finding["fix"]["safe"]
    settled.types_line(finding["fix"]["command"])

    assert settled.found("installation") == {}
    assert (settled.shims / "uvx.other").exists()


@pytest.mark.fixes("shims-private", by="fix")
def test_others_can_write_where_the_shims_are(settled: Person) -> None:
    settled.shims.chmod(0o777)
    (settled.shims / "uv").chmod(0o775)

    assert settled.found("shims-private") == {"shims-private": "fail"}
    settled.fixes("shims-private")

    assert settled.found("installation") == {}
    for path in (settled.shims, settled.shims / "uv"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_several_faults_are_fixed_in_one_go(settled: Person, words: tuple[str, ...]) -> None:
    """`setup` refuses to write where others can write: that is fixed before it is called."""
    settled.shims.chmod(0o775)
    (settled.shims / "uvx").unlink()
    lose_block(settled.home)

    assert settled.found("installation") == {"shims-private": "fail", "shims": "fail"}
    settled.fixes("installation", *words)

    assert settled.found("installation") == {}


@pytest.mark.fixes("shims-private", by="typing")
def test_everybody_can_replace_the_directory_of_the_shims(settled: Person) -> None:
    settled.shims.parent.chmod(0o777)

    finding = settled.one("shims-private")
    assert not finding["fix"]["safe"]
    settled.types_line(finding["fix"]["command"])

    assert settled.found("installation") == {}


def test_the_directory_of_the_shims_belongs_to_another_user(settled: Person) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(settled.shims, 12345, -1)

    finding = settled.one("shims-private")
    assert finding["status"] == "fail"
    assert "another user" in finding["detail"]
    elsewhere = settled.home / "my shims"
    settled.types_line(finding["fix"]["command"].replace("DIR", f"'{elsewhere}'"))
    settled.opens_shell()

    assert settled.found("installation") == {}


@pytest.mark.fixes("shims-current", by="fix")
def test_the_uv_that_the_shims_remember_is_gone(settled: Person) -> None:
    old, new = settled.home / "old", settled.home / "new"
    for directory in (old, new):
        directory.mkdir()
        (directory / "uv").symlink_to(settled.uv)
    settled.path = [str(settled.shims), str(old), *settled.path]
    settled.types("linkpolicy", "setup", "--shell", "bash")
    assert settled.found("shims-current") == {}

    settled.path[1] = str(new)
    differs = settled.one("shims-current")
    (old / "uv").unlink()
    gone = settled.one("shims-current")

    assert f"remember `{old}/uv`" in differs["detail"]
    assert f"`{new}/uv`" in differs["detail"]
    assert gone["detail"].startswith(f"`{old}/uv`, which the shims remember")
    settled.fixes("shims-current")
    assert settled.found("shims-current") == {}


@pytest.mark.fixes("shims-current", by="fix")
def test_shims_of_another_linkpolicy(settled: Person) -> None:
    shims = [path for path in settled.shims.rglob("uv*") if path.is_file()]
    old = [path for path in shims if path.read_bytes().startswith(b"#!")]
    for path in old:
        path.write_bytes(path.read_bytes().replace(b"# Written by", b"# In old times written by"))

    finding = settled.one("installation")
    assert (finding["id"], finding["status"]) == ("shims-current", "warn")
    assert finding["paths"] == sorted(map(str, old))
    settled.fixes("shims-current")

    assert settled.found("installation") == {}


def test_the_launcher_that_was_asked_for_is_no_finding(person: Person) -> None:
    person.sets_up("--launcher", "python")

    assert person.found("installation") == {}
    told = json.loads(person.types("linkpolicy", "doctor", "--json", "shims-current"))
    assert "launcher: Python" in told["findings"][0]["detail"]


@pytest.mark.fixes("shims-current", by="fix")
def test_a_python_launcher_where_a_native_one_would_be_written(person: Person) -> None:
    if not os.path.exists(setup_launcher.compiled()):
        pytest.skip("this linkpolicy has no native launcher")
    person.sets_up("--launcher", "python")
    stored = json.loads(person.record.read_text())
    person.record.write_text(json.dumps({**stored, "launcher": "auto"}))

    finding = person.one("installation")
    assert finding["id"] == "shims-current"
    assert "native" in finding["detail"]
    person.fixes("shims-current")

    assert person.found("installation") == {}
    assert (person.shims / "uv").read_bytes().startswith(b"\x7fELF")


def python_shim(person: Person) -> Path:
    """The Python shim `uv`, in front or behind."""
    behind = person.shims / ".linkpolicy" / "uv"
    return behind if behind.exists() else person.shims / "uv"


@pytest.mark.parametrize("want", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM])
def test_what_has_run_out_is_no_fault_of_the_shims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, want: int
) -> None:
    shims = tmp_path / ".local" / "share" / "linkpolicy" / "shims"
    shims.mkdir(parents=True)
    (shims / "uv").touch(mode=0o755)

    def refused(*_: object, **__: object) -> None:
        raise OSError(want, os.strerror(want))

    monkeypatch.setattr(subprocess, "Popen", refused)
    case = Case(environ={"PATH": str(shims), "HOME": str(tmp_path)}, cwd=str(tmp_path))

    with pytest.raises(Unreadable, match=os.strerror(want)):
        shim_start.starts(case)


@pytest.mark.parametrize("launcher", ["auto", "python"])
@pytest.mark.fixes("shims-start", by="fix")
def test_a_shim_whose_interpreter_is_gone(person: Person, launcher: str) -> None:
    person.sets_up("--launcher", launcher)
    shim = python_shim(person)
    line, _, rest = shim.read_bytes().partition(b"\n")
    shim.write_bytes(b"#!/gone" + line[2:] + b"\n" + rest)

    finding = person.one("shims-start")
    assert finding["status"] == "fail"
    assert finding["paths"] == [str(shim)]
    assert "No such file" in finding["detail"]
    person.fixes("shims-start")

    assert person.found("installation") == {}


@pytest.mark.parametrize("launcher", ["auto", "python"])
@pytest.mark.fixes("shims-start", by="fix")
def test_a_shim_whose_package_is_gone(person: Person, launcher: str) -> None:
    person.sets_up("--launcher", launcher)
    shim = python_shim(person)
    shim.write_bytes(shim.read_bytes().replace(b"\nPATHS = [", b"\nPATHS = [][:0] and ["))

    finding = person.one("shims-start")
    assert finding["status"] == "fail"
    assert "without a policy" in finding["detail"]
    person.fixes("shims-start")

    assert person.found("installation") == {}


def test_a_real_uv_that_does_not_run(settled: Person) -> None:
    path = copied(settled.uv, settled.base / "broken")
    path.write_bytes(b"\x7fELF of another machine" + b"".join(MARKS))
    settled.path.insert(1, str(path.parent))

    told = {each["id"]: each for each in settled.asks("installation")}
    assert set(told) == {"shims-start", "real-uv-version"}
    assert str(path) in told["shims-start"]["detail"]
    assert not told["shims-start"]["fix"]["safe"]

    copied(settled.uv, path.parent)
    assert settled.found("installation") == {}


# PATH ---------------------------------------------------------------------------------------------


@pytest.mark.fixes("shims-first", by="typing")
def test_another_uv_comes_first_in_this_shell(settled: Person) -> None:
    first = copied(settled.uv, settled.base / "first")
    settled.path.insert(0, str(first.parent))

    finding = settled.one("installation")
    assert (finding["id"], finding["status"]) == ("shims-first", "warn")
    assert str(first) in finding["detail"]
    assert finding["paths"] == [str(first), str(settled.shims / "uv"), str(settled.uv)]
    settled.types_line(finding["fix"]["command"])

    assert settled.found("installation") == {}


@pytest.mark.fixes("shims-first", by="fix")
def test_the_shims_are_on_path_no_more_because_a_block_is_gone(settled: Person) -> None:
    lose_block(settled.home)
    (settled.home / ".profile").unlink()
    settled.opens_shell()

    assert settled.found("installation") == {"shims-first": "fail", "start-up-files": "warn"}
    settled.fixes("shims-first")
    settled.opens_shell()

    assert settled.found("installation") == {}


def test_another_uvx_comes_first(settled: Person) -> None:
    program(settled.base / "first" / "uvx", "#!/bin/sh\n")
    settled.path.insert(0, str(settled.base / "first"))

    assert "`uvx` is" in settled.one("installation")["detail"]

    settled.opens_shell()
    assert settled.found("installation") == {}


@pytest.mark.fixes("shims-first", by="typing")
def test_path_was_left_alone_and_the_shims_are_not_first(person: Person) -> None:
    person.sets_up("--no-modify-path")

    finding = person.one("installation")
    assert (finding["id"], finding["status"]) == ("shims-first", "fail")
    person.types("linkpolicy", "doctor", code=1)
    person.types_line(finding["fix"]["command"])

    assert person.found("installation") == {}


def test_every_uv_is_listed_in_order_also_when_all_is_well(settled: Person) -> None:
    told = json.loads(settled.types("linkpolicy", "doctor", "--json", "shims-first"))

    (finding,) = told["findings"]
    assert finding["status"] == "pass"
    assert finding["paths"] == [str(settled.shims / "uv"), str(settled.uv)]


def wheel_of_uv(directory: Path, real: Path) -> Path:
    """Something like the wheel of uv: a script that is uv."""
    script = f'#!/bin/sh\nexec {real} "$@"\n'.encode()
    files = {
        "uv-9.9.9.data/scripts/uv": script,
        "uv-9.9.9.dist-info/METADATA": b"Metadata-Version: 2.1\nName: uv\nVersion: 9.9.9\n",
        "uv-9.9.9.dist-info/WHEEL": (
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    rows = ["uv-9.9.9.dist-info/RECORD,,"]
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}")
    path = directory / "uv-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("uv-9.9.9.dist-info/RECORD", "\n".join(rows) + "\n")
    return path


@pytest.mark.fixes("active-environment", by="typing")
def test_an_active_environment_has_a_uv_of_its_own(settled: Person) -> None:
    environment = settled.base / "an environment"
    settled.types("uv", "venv", "-q", str(environment))
    wheel = wheel_of_uv(settled.base, settled.uv)
    settled.types("uv", "pip", "install", "-q", "--offline", "-p", str(environment), str(wheel))
    settled.path.insert(0, str(environment / "bin"))

    finding = settled.one("installation")
    assert (finding["id"], finding["status"]) == ("active-environment", "warn")
    assert finding["paths"][0] == str(environment / "bin/uv")
    settled.types_line(finding["fix"]["command"])

    assert settled.found("installation") == {}


def test_an_active_conda_environment_has_a_uv_of_its_own(settled: Person) -> None:
    environment = settled.base / "conda"
    (environment / "conda-meta").mkdir(parents=True)
    uv = copied(settled.uv, environment / "bin")
    settled.path.insert(0, str(uv.parent))

    finding = settled.one("active-environment")
    assert finding["fix"]["command"] == f"conda remove -p {environment} uv"

    uv.unlink()
    assert settled.found("installation") == {}


def test_an_environment_behind_the_shims_is_no_finding(settled: Person) -> None:
    environment = settled.base / "environment"
    settled.types("uv", "venv", "-q", str(environment))
    copied(settled.uv, environment / "bin")
    settled.path.insert(1, str(environment / "bin"))

    assert settled.found("installation") == {}


#: like the shims of other version managers: it starts the next `uv` on PATH, which is ours
FOREIGN = """#!/bin/sh
PATH=$(printf %s "$PATH" | sed "s|[^:]*/foreign:||")
exec uv "$@"
"""


@pytest.mark.fixes("recursion", by="hand: PATH is the shell's, and no command is told")
def test_another_manager_s_shim_starts_ours_again(settled: Person) -> None:
    program(settled.base / "foreign" / "uv", FOREIGN)
    settled.path.insert(1, str(settled.base / "foreign"))

    finding = settled.one("installation")
    assert (finding["id"], finding["status"]) == ("recursion", "warn")
    assert finding["paths"] == [str(settled.base / "foreign/uv"), str(settled.uv)]

    settled.path.remove(str(settled.base / "foreign"))
    assert settled.found("installation") == {}


def test_another_manager_s_shim_and_nothing_behind_it(without_uv: Person, newest_uv: Path) -> None:
    program(without_uv.base / "foreign" / "uv", FOREIGN)
    without_uv.path.insert(1, str(without_uv.base / "foreign"))

    found = without_uv.found("installation")
    assert found["recursion"] == "fail"
    assert found["shims-start"] == "fail"

    without_uv.path[1] = str(copied(newest_uv, without_uv.uv.parent).parent)
    assert without_uv.found("installation") == {}


# Start-up files -----------------------------------------------------------------------------------


def lose_block(home: Path) -> None:
    (home / ".bashrc").write_text("alias l=ls\n")


def lose_file(home: Path) -> None:
    (home / ".profile").unlink()


def add_below(home: Path) -> None:
    with (home / ".profile").open("a") as stream:
        stream.write('export PATH="/opt/other/bin:$PATH"\n')


def hide_behind_another(home: Path) -> None:
    (home / ".bash_profile").write_text("alias l=ls\n")


def damage_record(home: Path) -> None:
    (home / ".local/state/linkpolicy/setup.json").write_text("{}")


def contents(home: Path) -> dict[str, bytes]:
    """The start-up files and the record."""
    files = (*home.glob(".*"), home / ".local/state/linkpolicy/setup.json")
    return {str(path): path.read_bytes() for path in files if path.is_file()}


FAULTS = [lose_block, lose_file, add_below, hide_behind_another, damage_record]


@pytest.mark.parametrize("make", FAULTS)
@pytest.mark.fixes("start-up-files", by="fix")
def test_a_start_up_file_no_longer_does_what_it_should(
    settled: Person, make: Callable[[Path], None]
) -> None:
    make(settled.home)

    finding = settled.one("installation")
    assert (finding["id"], finding["status"]) == ("start-up-files", "warn")
    assert len(finding["paths"]) == 1
    before = contents(settled.home)
    dry = settled.types("linkpolicy", "doctor", "--fix", "--dry-run", "start-up-files")
    assert "Nothing was changed" in dry or "Nothing to do" in dry
    assert contents(settled.home) == before
    settled.fixes("start-up-files")

    settled.opens_shell()
    assert settled.found("installation") == {}


def cut_in_half(content: bytes) -> bytes:
    return content.replace(END, b"")


def edit(content: bytes) -> bytes:
    return content.replace(END, b"my own line\n" + END)


@pytest.mark.parametrize("change", [cut_in_half, edit])
def test_a_block_that_somebody_edited_is_left_to_be_fixed_by_hand(
    settled: Person, change: Callable[[bytes], bytes]
) -> None:
    file = settled.home / ".profile"
    file.write_bytes(change(file.read_bytes()))

    finding = settled.one("installation")
    assert finding["id"] == "start-up-files"
    assert "line 1" in finding["detail"]
    assert not finding["fix"]["safe"]
    file.write_bytes(b"")
    settled.types_line(finding["fix"]["command"] + " --shell bash")

    assert settled.found("installation") == {}


def test_fixing_uses_the_shell_and_the_directory_of_before(person: Person) -> None:
    person.types("linkpolicy", "setup", "--shell", "zsh", "--shim-dir", str(person.home / "own"))
    person.path.insert(0, str(person.home / "own"))
    assert person.asks("installation") == []
    (person.home / ".zshrc").write_text("")
    (person.home / "own" / "uvx").unlink()

    person.fixes("installation")

    assert person.found("installation") == {}
    assert BEGIN in (person.home / ".zshrc").read_bytes()
    assert not (person.home / ".bashrc").exists()
    assert not person.shims.exists()
