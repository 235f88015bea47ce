"""`linkpolicy setup --launcher`: native shims, Python shims, and the way from one to the other.

The native launcher is a stand-in here; tests/packaging has the real one.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edges.setup_home import HELP, STAND_IN, Home, killed_at, stranger, without_directories
from tests.ordinary_user import only_root
from uvx_policy import cli, locate
from uvx_policy.errors import LinkPolicyError
from uvx_policy.setup import command as setup_command
from uvx_policy.setup import launcher as setup_launcher
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import shim_directories, startup_file
from uvx_policy.state.remembered import remembered_by

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    root = tmp_path / "me"
    root.mkdir()
    return Home(root)


MAGIC = b"linkpolicy-launcher-config-v2\n"
#: What setup needs of a native launcher: it ends with 126 as long as it is not configured, and has
#: one place for its configuration. The real one is in tests/packaging.
SCRIPT = b"#!/bin/sh\nexit 126\n"
BLANK = MAGIC.ljust(8192, b"\0")
PACKAGE = os.fsencode(locate.package()) + b"\0"


def built(path: Path, content: bytes = SCRIPT + BLANK + b"\nthe end", mode: int = 0o755) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the native launcher, where setup finds it."""
    path = built(tmp_path / "launcher")
    monkeypatch.setattr(setup_launcher, "compiled", lambda: str(path))
    return path


def files_below(directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()
    )


PROGRAMS = ["uv", "uvx"]
NATIVE = sorted([*HELP, ".linkpolicy/uv", ".linkpolicy/uvx", "linkpolicy", *PROGRAMS])
PYTHON = sorted([*HELP, STAND_IN, "linkpolicy", *PROGRAMS])


@pytest.mark.parametrize("launcher", ["auto", "native"])
def test_a_native_shim_is_the_launcher_with_its_configuration_and_our_marker(
    home: Home, launcher: str
) -> None:
    lines = home.setup(launcher=launcher)

    assert "launcher: native" in lines
    assert files_below(home.shims) == NATIVE
    for program in PROGRAMS:
        content = (home.shims / program).read_bytes()
        before, _, rest = content.partition(MAGIC)
        fields = rest[: 8192 - len(MAGIC)].split(b"\0")
        fallback = home.shims / ".linkpolicy" / program
        embedded = os.fsencode(locate.embedded_directories()[0])
        assert before == SCRIPT
        package = PACKAGE.rstrip(b"\0")
        assert fields[:5] == [program.encode(), os.fsencode(fallback), package, embedded, b""]
        assert set(fields[5:]) == {b""}
        assert rest[8192 - len(MAGIC) :] == b"\nthe end\nlinkpolicy-shim-v1\n"
        assert shim_directories.is_shim(str(home.shims / program))
        assert stat.S_IMODE((home.shims / program).stat().st_mode) == 0o755


def test_the_fallback_of_a_native_shim_speaks_of_the_shim_on_path(home: Home) -> None:
    home.setup(launcher="native")

    text = (home.shims / ".linkpolicy/uvx").read_text()

    assert f"'uvx', '{home.shims}/uvx', [" in text
    assert locate.MARKER in text.encode()[:1024]


@pytest.mark.parametrize("launcher", ["auto", "native", "python"])
def test_with_either_launcher_a_second_setup_changes_nothing(home: Home, launcher: str) -> None:
    home.setup(launcher=launcher)
    inodes = {path: path.stat().st_ino for path in home.root.rglob("*")}

    plan = home.plan(launcher=launcher)
    lines = setup_command.carry_out(plan)

    assert not plan.changes_anything
    assert lines[0].startswith("Nothing to do")
    assert {path: path.stat().st_ino for path in home.root.rglob("*")} == inodes


def test_the_dry_run_shows_both_ways_and_changes_nothing(home: Home) -> None:
    shown = home.plan(launcher="native").render()

    assert "shims/.linkpolicy/uv\n" in shown
    assert "\nlauncher: native\n" in shown
    assert home.tree() == {}

    home.setup(launcher="native")
    before = home.tree()
    shown = home.plan(launcher="python").render()

    assert "  delete  ~/.local/share/linkpolicy/shims/.linkpolicy/uv\n" in shown
    assert f"  write   ~/.local/share/linkpolicy/shims/{STAND_IN}\n" in shown
    assert "\nlauncher: Python\n" in shown
    assert home.tree() == before


@pytest.mark.parametrize(
    "way",
    [
        ("python", "native"),
        ("native", "python"),
        ("python", "native", "python"),
        ("native", "python", "native"),
    ],
)
def test_switching_leaves_what_the_last_setup_would_have_made_alone(
    home: Home, way: tuple[str, ...]
) -> None:
    before = home.tree()
    home.setup(launcher=way[-1])
    alone = home.tree()
    home.uninstall()
    assert home.tree() == before

    for launcher in way:
        assert home.setup(launcher=launcher).complete

    assert home.tree() == alone
    assert home.uninstall().complete
    assert home.tree() == before


@pytest.mark.parametrize("with_record", [True, False])
def test_uninstall_takes_native_shims_and_their_fallbacks_away(
    home: Home, with_record: bool
) -> None:
    elsewhere = home.root / "elsewhere"
    elsewhere.mkdir()
    home.setup(shim_dir=str(elsewhere), launcher="native")
    if not with_record:
        home.record.unlink()

    lines = home.uninstall(shim_dir=None if with_record else str(elsewhere))

    assert lines.complete
    assert list(elsewhere.iterdir()) == []
    assert without_directories(home.tree()) == {}


def test_the_record_of_an_installation_before_the_launchers_is_enough(home: Home) -> None:
    home.setup(launcher="python")
    stored = json.loads(home.record.read_text())
    del stored["launcher"], stored["adopted"], stored["variables"]
    assert sorted(stored) == ["directories", "files", "shims", "version"]
    home.record.write_text(json.dumps(stored))
    for program in PROGRAMS:  # what the version before wrote
        old = (
            (home.shims / program).read_bytes().replace(b"SHIM, ", b"").replace(b"__file__, ", b"")
        )
        (home.shims / program).write_bytes(old)

    assert home.setup(launcher="native").complete

    assert files_below(home.shims) == NATIVE
    home.uninstall()
    assert home.tree() == {}


def test_the_record_tells_which_launcher_was_asked_for(home: Home) -> None:
    for launcher in ("python", "auto"):
        home.setup(launcher=launcher)
        record = setup_record.load(str(home.record))
        assert record is not None
        assert record.launcher == launcher


def test_a_stranger_s_file_beside_the_fallbacks_stays(home: Home) -> None:
    home.setup(launcher="native")
    (home.shims / ".linkpolicy/note").write_text("mine")

    home.setup(launcher="python")
    assert files_below(home.shims) == sorted([".linkpolicy/note", *PYTHON])
    assert not home.plan(launcher="python").changes_anything
    home.uninstall()

    assert files_below(home.root) == [".local/share/linkpolicy/shims/.linkpolicy/note"]


def test_a_stranger_s_program_in_the_place_of_a_fallback_is_refused(home: Home) -> None:
    stranger(home.shims / ".linkpolicy/uv")

    with pytest.raises(LinkPolicyError, match="not a shim"):
        home.plan(launcher="native")


def test_a_directory_of_fallbacks_that_others_can_write_to_is_refused(home: Home) -> None:
    home.setup(launcher="native")
    (home.shims / ".linkpolicy").chmod(0o777)

    with pytest.raises(LinkPolicyError, match="others can write"):
        home.plan(launcher="native")


def test_a_native_shim_that_lost_its_mode_or_content_is_fixed(home: Home) -> None:
    home.setup(launcher="native")
    before = home.tree()
    (home.shims / "uv").chmod(0o644)
    (home.shims / "uvx").write_bytes((home.shims / "uvx").read_bytes().replace(b"end", b"END"))
    (home.shims / ".linkpolicy/uv").unlink()

    home.setup(launcher="native")

    assert home.tree() == before


def test_what_a_kill_left_half_written_goes_with_the_next_setup_or_uninstall(home: Home) -> None:
    home.setup(launcher="native")
    left = home.shims / ".linkpolicy/uv.linkpolicy-new"
    left.write_bytes(b"#!/us")

    home.setup(launcher="python")
    assert files_below(home.shims) == PYTHON

    left = home.shims / "uvx.linkpolicy-new"
    left.write_bytes(b"#!/us")
    home.uninstall()
    assert home.tree() == {}


def test_a_native_shim_in_the_way_is_no_other_uv(home: Home) -> None:
    home.setup(shim_dir=str(home.root / "old"), launcher="native")
    home.environ["PATH"] = f"{home.root}/old:{home.root}/new"

    lines = home.setup(shim_dir=str(home.root / "new"), launcher="native")

    assert not [line for line in lines if "still" in line]


BROKEN = [
    pytest.param(
        lambda path: path.unlink(), "no native launcher in this installation", id="built without"
    ),
    pytest.param(lambda path: path.chmod(0o644), "Permission denied", id="is not executable"),
    pytest.param(
        lambda path: built(path, b"\x7fELF\x02\x01\x01" + BLANK),
        "Exec format error",
        id="of another architecture",
    ),
    pytest.param(
        lambda path: built(path, b"#!/lib/ld-nowhere.so\n" + BLANK),
        "built for another C library",
        id="its loader is not here",
    ),
    pytest.param(
        lambda path: built(path, b"#!/bin/sh\nkill -SEGV $$\n" + BLANK),
        "it ended with -11",
        id="it dies",
    ),
    pytest.param(
        lambda path: built(path, b"#!/bin/sh\nexit 0\n" + BLANK),
        "it ended with 0",
        id="it is something else",
    ),
    pytest.param(lambda path: built(path, SCRIPT), "no room for its configuration", id="no place"),
    pytest.param(
        lambda path: built(path, SCRIPT + BLANK + BLANK),
        "no room for its configuration",
        id="two places",
    ),
    pytest.param(
        lambda path: built(path, SCRIPT + BLANK[:-1]),
        "no room for its configuration",
        id="cut short",
    ),
    pytest.param(
        lambda path: built(path, SCRIPT + MAGIC + b"uv".ljust(9000, b"\0")),
        "no room for its configuration",
        id="configured already",
    ),
]


@pytest.mark.parametrize(("spoil", "told"), BROKEN)
def test_where_the_native_launcher_is_of_no_use_auto_takes_python_and_says_why(
    home: Home, compiled: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(compiled)

    lines = home.setup(launcher="auto")

    (said,) = [line for line in lines if line.startswith("launcher:")]
    assert said.startswith("launcher: Python (")
    assert told in said
    assert files_below(home.shims) == PYTHON
    assert lines.complete


@pytest.mark.parametrize(("spoil", "told"), BROKEN)
def test_where_the_native_launcher_is_of_no_use_asking_for_it_is_one_clear_error(
    home: Home, compiled: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(compiled)

    with pytest.raises(LinkPolicyError, match=told) as caught:
        home.plan(launcher="native")

    assert "\n" not in str(caught.value)
    assert [str(each) for each in caught.value.commands] == ["linkpolicy setup --launcher python"]
    assert home.tree() == {}


def test_paths_that_have_no_room_in_the_launcher_make_it_python(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "embedded_directories", lambda: ["/" + "x" * 9000])

    assert any("Python (the native launcher cannot be used: the paths" in line
               for line in home.setup(launcher="auto"))  # fmt: skip


def test_a_configuration_may_fill_its_place_to_the_last_byte() -> None:
    binary = SCRIPT + BLANK
    room = 8192 - len(MAGIC) - len(b"uv\0/f\0\0\0" + PACKAGE)

    full = setup_launcher.configured(binary, program="uv", fallback="/f", embedded=["x" * room])

    assert len(full) == len(binary) + len(b"\nlinkpolicy-shim-v1\n")
    with pytest.raises(ValueError, match="too long"):
        setup_launcher.configured(binary, program="uv", fallback="/f", embedded=["x" * (room + 1)])


def test_paths_of_any_bytes_reach_the_launcher_and_empty_ones_do_not_end_them() -> None:
    content = setup_launcher.configured(
        BLANK, program="uv", fallback=os.fsdecode(b"/\xff/uv"), embedded=["", "/bin"]
    )

    assert content.startswith(MAGIC + b"uv\0/\xff/uv\0" + PACKAGE + b"/bin\0\0\0")


def test_a_shim_that_is_running_is_replaced(home: Home) -> None:
    """Writing into it would be ETXTBSY."""
    home.setup(launcher="python")
    binary = shutil.which("sleep")
    assert binary
    (home.shims / "uv").write_bytes(Path(binary).read_bytes() + locate.MARKER)
    running = subprocess.Popen([home.shims / "uv", "60"])
    try:
        home.setup(launcher="native")
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()

    assert (home.shims / "uv").read_bytes().startswith(SCRIPT)


def test_the_command_says_which_launcher_it_took(
    home: Home, compiled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(home.root))

    assert cli.main(["setup", "--shell", "sh", "--launcher", "native"]) == 0
    assert "\nlauncher: native\n" in capsys.readouterr().out
    compiled.unlink()
    assert cli.main(["setup", "--shell", "sh", "--launcher", "native"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "no native launcher in this installation" in told.err
    assert cli.main(["setup", "--shell", "sh"]) == 0
    assert "launcher: Python (no native launcher in this inst" in capsys.readouterr().out
    assert cli.main(["setup", "--launcher", "rust"]) == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # pytest-xdist
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_killed_anywhere_setup_and_uninstall_can_be_repeated(tmp_path: Path, shell: str) -> None:
    launchers = {"bash": ("native", "python"), "fish": ("python", "native")}[shell]
    step, kills = 0, 3
    while kills:
        home = Home(tmp_path / str(step))
        home.root.mkdir()
        (home.root / ".bashrc").write_bytes(b"alias l=ls\n# no line end")
        before = home.tree()

        kills = killed_at(
            step,
            lambda home=home: home.setup(shell, launcher=launchers[0]),  # type: ignore[misc]
        )
        old_or_new = (home.root / ".bashrc").read_bytes()
        assert old_or_new.startswith(b"alias l=ls\n# no line end")
        assert len(startup_file.blocks(old_or_new)) in (0, 1)
        assert home.setup(shell, launcher=launchers[0]).complete
        complete = home.tree()
        assert not any(name.endswith("-new") or "/.new-" in name for name in complete)
        kills += killed_at(
            step,
            lambda home=home: home.setup(shell, launcher=launchers[1]),  # type: ignore[misc]
        )
        for program in PROGRAMS:  # there at every moment, and whole
            assert shim_directories.is_shim(str(home.shims / program))
        if step % 2:
            assert home.setup(shell, launcher=launchers[1]).complete
        kills += killed_at(step, lambda home=home: home.uninstall())  # type: ignore[misc]
        assert home.uninstall().complete
        assert without_directories(home.tree()) == before
        step += 1

    assert step > 10


# Which uv the shims remember ----------------------------------------------------------------------


def remembered(home: Home) -> list[str | None]:
    return [remembered_by(str(home.shims), program) for program in PROGRAMS]


@pytest.mark.parametrize("launcher", ["native", "python"])
def test_the_shims_remember_where_setup_saw_uv_as_path_names_it(home: Home, launcher: str) -> None:
    versioned = stranger(home.root / "uv-0.9.1/bin/uv").parent
    (home.root / "current").symlink_to("uv-0.9.1")
    stranger(home.root / "other/uvx")
    home.environ["PATH"] = f"{home.root}/current/bin:{home.root}/other:/usr/bin"

    home.setup(launcher=launcher)

    assert versioned.is_dir()
    assert remembered(home) == [f"{home.root}/current/bin", f"{home.root}/other"]
    if launcher == "native":
        for program, directory in zip(PROGRAMS, remembered(home), strict=True):
            fields = (home.shims / program).read_bytes().partition(MAGIC)[2].split(b"\0")
            assert fields[3:5] == [
                os.fsencode(path) for path in (str(directory), locate.embedded_directories()[0])
            ]


@pytest.mark.parametrize("launcher", ["native", "python"])
def test_setup_again_renews_what_is_remembered_and_loses_nothing(home: Home, launcher: str) -> None:
    old, new = stranger(home.root / "old/uv"), stranger(home.root / "new/uv")
    home.environ["PATH"] = f"{old.parent}:/usr/bin"
    home.setup(launcher=launcher)

    home.environ["PATH"] = "/usr/bin:/bin"  # sees none, and that one still serves
    assert not home.plan(launcher=launcher).changes_anything
    home.environ["PATH"] = f"{new.parent}:{old.parent}:/usr/bin"
    home.setup(launcher=launcher)
    assert remembered(home) == [str(new.parent)] * 2
    home.environ["PATH"] = "/usr/bin:/bin"
    new.unlink()
    home.setup(launcher=launcher)
    assert remembered(home) == ["", ""]


def in_environment(place: Path) -> None:
    (place.parent / "pyvenv.cfg").write_text("")


def in_conda(place: Path) -> None:
    (place.parent / "conda-meta").mkdir()


def in_base_of_conda(place: Path) -> None:
    in_conda(place)
    (place.parent / "condabin").mkdir()


def open_to_all(place: Path) -> None:
    place.chmod(0o777)


def somebody_else_s(place: Path) -> None:
    os.chown(place, 12345, -1)


def nothing_special(place: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("place", "make", "lasts"),
    [
        ("home/bin", nothing_special, True),
        ("home/venv/bin", in_environment, False),
        ("home/conda/envs/x/bin", in_conda, False),
        ("home/conda/bin", in_base_of_conda, True),
        ("home/.cache/uv/archive-v0/abc/bin", nothing_special, False),
        ("elsewhere/bin", nothing_special, False),  # below a temporary directory
        ("home/open/bin", open_to_all, False),
        pytest.param("home/theirs/bin", somebody_else_s, False, marks=only_root),
    ],
)
def test_only_what_lasts_is_remembered(
    tmp_path: Path, place: str, make: Callable[[Path], None], lasts: bool
) -> None:
    root = tmp_path / "home"
    root.mkdir()
    home = Home(root)
    directory = stranger(tmp_path / place / "uv").parent
    make(directory)
    second = stranger(root / "second/uv").parent
    home.environ["PATH"] = f"relative:{directory}:{second}:/usr/bin"

    home.setup()

    assert remembered(home) == [str(directory if lasts else second)] * 2


@pytest.mark.parametrize("launcher", ["native", "python"])
def test_our_own_shims_are_not_remembered(home: Home, launcher: str) -> None:
    home.setup(launcher=launcher)
    shutil.copytree(home.shims, home.root / "copy")
    home.environ["PATH"] = f"{home.shims}:{home.root}/copy:/usr/bin"

    home.setup(launcher=launcher)

    assert remembered(home) == ["", ""]


def test_root_s_directory_is_private_enough_to_run_but_not_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = tmp_path / "shims"
    shims.mkdir(mode=0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    owner = shims.stat().st_uid

    with pytest.raises(LinkPolicyError, match="another user"):
        shim_directories.check_private(str(shims))
    if owner == 0:
        shim_directories.check_private(str(shims), roots=True)
        os.chown(shims, 12346, -1)
    with pytest.raises(LinkPolicyError, match="another user"):
        shim_directories.check_private(str(shims), roots=True)
    monkeypatch.setattr(os, "geteuid", lambda: shims.stat().st_uid)
    shims.chmod(0o775)
    with pytest.raises(LinkPolicyError, match="others can write"):
        shim_directories.check_private(str(shims), roots=True)
