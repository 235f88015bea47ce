"""`linkpolicy setup` and `uninstall` on a home directory: what is there afterwards."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import uvx_policy
from tests.edges.older_blocks import OLDER, OLDER_FILES
from tests.edges.setup_home import HELP, STAND_IN, Home, stranger, without_directories
from tests.filesystems import FileSystems
from uvx_policy import __version__, locate
from uvx_policy.demo import tiny_wheel
from uvx_policy.errors import LinkPolicyError, UsageError
from uvx_policy.setup import command as setup_command
from uvx_policy.setup import (
    lasting,
    own_command,
    shell_lines,
    shells,
    shim_directories,
    startup_file,
)
from uvx_policy.setup import record as setup_record

BEGIN, END = startup_file.BEGIN.decode(), startup_file.END.decode()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    root = tmp_path / "me"
    root.mkdir()
    return Home(root)


# --- setup ---------------------------------------------------------------------------------------


def test_setup_writes_two_shims_and_the_start_up_files(home: Home) -> None:
    (home.root / ".bashrc").write_text("alias l=ls\n")

    lines = home.setup()

    for program in ("uv", "uvx"):
        shim = home.shims / program
        assert locate.MARKER in shim.read_bytes()[:1024]
        assert stat.S_IMODE(shim.stat().st_mode) == 0o755
    assert stat.S_IMODE(home.shims.stat().st_mode) == 0o755
    expected = f"alias l=ls\n{BEGIN}"
    assert (home.root / ".bashrc").read_text().startswith(expected)
    assert (home.root / ".profile").read_text().startswith(BEGIN)
    assert lines.complete
    assert "changed  ~/.bashrc" in lines
    assert "created  ~/.profile" in lines


def test_the_record_is_private_and_tells_every_inserted_byte(home: Home) -> None:
    (home.root / ".bashrc").write_bytes(b"no line end \xff")

    home.setup()

    assert stat.S_IMODE(home.record.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.record.parent.stat().st_mode) == 0o700
    record = setup_record.load(str(home.record))
    assert record is not None
    own, bashrc, profile = record.files
    assert own.path == str(home.root / ".local/share/linkpolicy/env.sh")
    assert bashrc.path == str(home.root / ".bashrc")
    assert (bashrc.created, bashrc.newline_added) == (False, True)
    assert (home.root / ".bashrc").read_bytes() == b"no line end \xff" + bashrc.inserted
    assert (profile.created, profile.newline_added) == (True, False)
    assert (home.root / ".profile").read_bytes() == profile.inserted


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_a_second_setup_changes_nothing_and_says_so(home: Home, shell: str) -> None:
    home.setup(shell)
    before = home.tree()
    inodes = {path: path.stat().st_ino for path in home.root.rglob("*")}

    plan = home.plan(shell)
    lines = setup_command.carry_out(plan)

    assert not plan.changes_anything
    assert lines[0].startswith("Nothing to do")
    assert home.tree() == before
    assert {path: path.stat().st_ino for path in home.root.rglob("*")} == inodes


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_setup_then_uninstall_leaves_the_home_as_it_was(home: Home, shell: str) -> None:
    for name in (".bashrc", ".zshrc", ".config/fish/config.fish", ".profile", ".zshenv"):
        path = home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"# mine\n\xff no line end")
    before = home.tree()

    home.setup(shell)
    assert home.tree() != before
    lines = home.uninstall()

    assert home.tree() == before
    assert lines.complete


@settings(max_examples=40)
@given(content=st.one_of(st.none(), st.binary(max_size=80)))
def test_whatever_the_start_up_file_holds_uninstall_restores_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | None
) -> None:
    home = Home(tmp_path_factory.mktemp("me"))
    if content is not None:
        (home.root / ".profile").write_bytes(content)
    before = home.tree()

    home.setup("sh")
    once = home.tree()
    home.setup("sh")
    assert home.tree() == once
    home.uninstall()

    assert home.tree() == before


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_uninstall_needs_no_record(home: Home, shell: str) -> None:
    (home.root / ".bashrc").write_bytes(b"no line end")
    before = home.tree()
    home.setup(shell)
    home.record.unlink()

    home.uninstall()

    # Which empty directories were there before, only the record knew.
    assert without_directories(home.tree()) == before


def test_a_record_that_is_garbage_is_said_and_replaced_by_a_search(home: Home) -> None:
    home.setup()
    home.record.write_text('{"version": 1, "shims": [1], "directories": "x"}')

    lines = home.uninstall()

    assert any("cannot understand ~/.local/state/linkpolicy/setup.json" in line for line in lines)
    assert not (home.root / ".profile").exists()
    assert not home.shims.exists()


def test_the_record_finds_files_that_a_variable_named(home: Home) -> None:
    home.environ["ZDOTDIR"] = str(home.root / "zsh")
    (home.root / "zsh").mkdir()
    before = home.tree()
    home.setup("zsh")
    assert (home.root / "zsh/.zshrc").exists()
    del home.environ["ZDOTDIR"]

    home.uninstall()

    assert home.tree() == before


def test_two_shells_are_both_taken_back(home: Home) -> None:
    before = home.tree()
    home.setup("bash")
    home.setup("fish")

    home.uninstall()

    assert home.tree() == before


def test_uninstall_twice_says_that_nothing_is_left(home: Home) -> None:
    home.setup()
    home.uninstall()

    assert home.uninstall() == ["Nothing to do: nothing of linkpolicy was found."]


def test_what_the_user_wrote_since_is_kept(home: Home) -> None:
    (home.root / ".bashrc").write_text("alias l=ls\n")
    home.setup()
    with (home.root / ".bashrc").open("a") as stream:
        stream.write("alias m=make\n")
    with (home.root / ".profile").open("a") as stream:
        stream.write("umask 022\n")

    home.uninstall()

    assert (home.root / ".bashrc").read_text() == "alias l=ls\nalias m=make\n"
    assert (home.root / ".profile").read_text() == "umask 022\n"


def test_lines_added_below_our_block_make_setup_move_it_to_the_end(home: Home) -> None:
    home.setup()
    bashrc = home.root / ".bashrc"
    installer = '. "$HOME/.local/bin/env"\n'
    bashrc.write_text(bashrc.read_text() + installer)

    home.setup()

    assert bashrc.read_text().startswith(installer + BEGIN)
    assert bashrc.read_text().count(BEGIN) == 1


def test_half_a_block_is_reported_with_file_and_line_and_left_alone(home: Home) -> None:
    bashrc = home.root / ".bashrc"
    bashrc.write_text(f"alias l=ls\n{BEGIN}PATH=x\n")
    before = bashrc.read_bytes()

    setup_lines = home.setup()
    uninstall_lines = home.uninstall()

    for lines in (setup_lines, uninstall_lines):
        assert not lines.complete
        assert any("~/.bashrc: line 2: `# >>> linkpolicy >>>` without" in line for line in lines)
    assert bashrc.read_bytes() == before
    assert not (home.root / ".profile").exists()


def test_a_block_that_somebody_edited_is_left_alone_and_stays_on_record(home: Home) -> None:
    home.setup()
    bashrc = home.root / ".bashrc"
    bashrc.write_text(bashrc.read_text().replace(END, f"export MINE=1\n{END}"))
    before = bashrc.read_bytes()

    lines = home.uninstall()

    assert not lines.complete
    assert bashrc.read_bytes() == before
    record = setup_record.load(str(home.record))
    assert record is not None
    assert [file.path for file in record.files] == [str(bashrc)]

    bashrc.write_bytes(before.replace(b"export MINE=1\n", b""))
    assert home.uninstall().complete
    assert home.tree() == {}


def test_the_block_of_an_older_version_is_known_from_the_record(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setitem(shell_lines._SOURCES, "fish", b"source @SHIMS@ # 0.0.1\n")
        home.setup("fish")
    config = home.root / ".config/fish/config.fish"
    assert "0.0.1" in config.read_text()

    assert home.setup("fish").complete
    assert "0.0.1" not in config.read_text()
    assert home.uninstall().complete
    assert home.tree() == {}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.chmod(0o444), id="read-only"),
        pytest.param(lambda path: os.link(path, f"{path}.linked"), id="hard link"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="directory"),
        pytest.param(lambda path: (path.unlink(), path.symlink_to("no")), id="dangling link"),
    ],
)
def test_a_file_that_cannot_be_changed_is_told_and_the_rest_goes_on(
    home: Home, spoil: Callable[[Path], object]
) -> None:
    bashrc = home.root / ".bashrc"
    bashrc.write_text("alias l=ls\n")
    spoil(bashrc)

    plan = home.plan()
    lines = setup_command.carry_out(plan)

    assert [problem.path for problem in plan.problems] == [str(bashrc)]
    assert lines[-2] == "Add this by hand, at the end of ~/.bashrc:"
    assert not lines.complete
    assert (home.shims / "uv").exists()
    assert "created  ~/.profile" in lines
    assert lines[-1] == f"  export PATH='{home.shims}':\"$PATH\""


def test_a_file_that_changed_after_the_plan_is_told_and_the_rest_goes_on(home: Home) -> None:
    bashrc = home.root / ".bashrc"
    bashrc.write_text("alias l=ls\n")
    plan = home.plan()
    bashrc.write_text("alias l='ls -l'\n")

    lines = setup_command.carry_out(plan)

    assert bashrc.read_text() == "alias l='ls -l'\n"
    assert any("~/.bashrc: was changed by another program" in line for line in lines)
    assert "created  ~/.profile" in lines
    assert not lines.complete


def test_a_dotfile_manager_s_links_are_followed_and_kept(home: Home) -> None:
    (home.root / "dotfiles").mkdir()
    (home.root / "dotfiles/bashrc").write_text("alias l=ls\n")
    (home.root / ".bashrc").symlink_to("dotfiles/bashrc")
    before = home.tree()

    home.setup()
    assert os.readlink(home.root / ".bashrc") == "dotfiles/bashrc"
    assert BEGIN in (home.root / "dotfiles/bashrc").read_text()
    home.uninstall()

    assert home.tree() == before


def test_two_names_of_one_file_get_one_block(home: Home) -> None:
    (home.root / ".profile").write_text("umask 022\n")
    (home.root / ".bashrc").symlink_to(".profile")
    before = home.tree()

    lines = home.setup()
    assert lines.complete
    assert (home.root / ".profile").read_text().count(BEGIN) == 1
    home.uninstall()

    assert home.tree() == before


@pytest.mark.parametrize("shell", shells.SHELLS)
@pytest.mark.parametrize("with_record", [True, False])
def test_the_block_of_an_older_version_is_replaced_and_taken_back(
    home: Home, shell: str, with_record: bool
) -> None:
    files = shells.start_up_files(
        shell, environ=home.environ, home=str(home.root), platform=sys.platform
    )
    for file in files:
        Path(file.path).parent.mkdir(parents=True, exist_ok=True)
        Path(file.path).write_bytes(b"# mine\n\xff no line end")
    before = home.tree()
    for file in files:
        Path(file.path).write_bytes(
            startup_file.with_block(b"# mine\n\xff no line end", OLDER[shell], is_ours=bool)
        )
    older = home.tree()

    home.uninstall()
    assert home.tree() == before

    for name in files:
        Path(name.path).write_bytes(older[str(Path(name.path).relative_to(home.root))][1])  # type: ignore[index]
    lines = home.setup(shell)
    assert lines.complete
    for file in files:
        text = Path(file.path).read_bytes()
        assert text.count(BEGIN.encode()) == 1
        assert OLDER[shell] not in text
    if not with_record:
        home.record.unlink()
    assert home.uninstall().complete

    assert without_directories(home.tree()) == without_directories(before)


def test_a_start_up_file_gets_one_line_that_reads_our_own_file(home: Home) -> None:
    home.setup()

    _, _, made, line, _ = (home.root / ".bashrc").read_text().splitlines()
    assert made == "# linkpolicy made this file."
    path = "$HOME/.local/share/linkpolicy/env.sh"
    assert line == f'if [ -r "{path}" ]; then . "{path}"; fi'


def test_what_the_user_adds_to_our_own_file_stays(home: Home) -> None:
    home.setup()
    with home.env_file.open("a") as stream:
        stream.write("export MINE=1\n")

    home.uninstall()

    assert home.env_file.read_text() == "export MINE=1\n"
    assert not (home.root / ".profile").exists()


def test_our_own_file_that_somebody_edited_is_left_alone_and_stays_on_record(home: Home) -> None:
    home.setup()
    home.env_file.write_text(
        home.env_file.read_text().replace("export PATH=", "export PATH=/mine:")
    )
    before = home.env_file.read_bytes()

    for lines in (home.setup(), home.uninstall()):
        assert not lines.complete
        assert any("env.sh: line 1: the linkpolicy block" in line for line in lines)

    assert home.env_file.read_bytes() == before
    record = setup_record.load(str(home.record))
    assert record is not None
    assert [file.path for file in record.files] == [str(home.env_file)]


def test_uninstall_says_what_running_shells_still_have(home: Home) -> None:
    home.setup()

    (line,) = [line for line in home.uninstall() if "unset" in line]

    assert "`unset TOX_UV_PATH UV HATCH_ENV_TYPE_VIRTUAL_UV_PATH`" in line


# --- which shells ---------------------------------------------------------------------------------


def test_every_shell_that_has_a_start_up_file_is_set_up(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "detect", lambda _: "bash")
    for name in (".zshrc", ".config/fish/config.fish", ".tcshrc"):
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_text("# mine\n")
    before = home.tree()

    lines = home.setup(None)

    assert lines.complete
    for name in (".bashrc", ".profile", ".zshrc", ".zprofile", ".config/fish/config.fish"):
        assert BEGIN in (home.root / name).read_text()
    assert not (home.root / ".config/nushell").exists()
    assert "note: tcsh is skipped: linkpolicy does not support that shell (~/.tcshrc)" in lines
    assert not home.plan(None).changes_anything
    home.uninstall()
    assert home.tree() == before


def test_one_shell_can_be_chosen_and_the_others_are_named(home: Home) -> None:
    (home.root / ".zshrc").write_text("# mine\n")

    lines = home.setup("fish")

    assert (home.root / ".zshrc").read_text() == "# mine\n"
    assert not (home.root / ".bashrc").exists()
    assert "note: zsh is skipped: `--shell` names another" in lines


def test_a_zsh_with_its_files_elsewhere_is_left_out_when_that_is_not_known(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "detect", lambda _: "bash")
    (home.root / ".zshenv").write_text("export ZDOTDIR=~/.config/zsh\n")

    lines = home.setup(None)

    assert not (home.root / ".zshrc").exists()
    assert "note: zsh is skipped: ZDOTDIR is not known here; run it in zsh" in lines


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_desktop_sessions_are_set_up_for_every_shell(home: Home, shell: str) -> None:
    (home.root / ".bash_profile").write_text("# mine\n")
    (home.root / ".config/environment.d").mkdir(parents=True)
    before = home.tree()

    assert home.setup(shell).complete

    assert BEGIN in (home.root / ".profile").read_text()
    session = (home.root / ".config/environment.d/90-linkpolicy.conf").read_text()
    assert f'PATH="{home.shims}:${{PATH}}"\n' in session
    home.uninstall()
    assert home.tree() == before


_GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")


@pytest.mark.skipif(not _GENERATOR.exists(), reason="no systemd")
@pytest.mark.parametrize("name", ["plain", 'it\'s $HOME "x" `y` \\n*[é] {z}'])
def test_systemd_understands_our_file(home: Home, name: str) -> None:
    (home.root / ".config/environment.d").mkdir(parents=True)
    home.setup(shim_dir=str(home.root / name))

    said = subprocess.run(
        [_GENERATOR],
        env={"HOME": str(home.root), "PATH": "/usr/bin:/bin", "TOX_UV_PATH": "/mine/uv"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = (line.partition("=") for line in said.splitlines())
    given = {name: _unquoted(value) for name, _, value in lines}
    shim = f"{home.root}/{name}/uv"
    assert given["PATH"] == f"{home.root}/{name}:/usr/bin:/bin"
    assert (given["UV"], given["HATCH_ENV_TYPE_VIRTUAL_UV_PATH"]) == (shim, shim)
    assert given["TOX_UV_PATH"] == "/mine/uv"


def _unquoted(value: str) -> str:
    """As sh reads it."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"printf %s {value}"], capture_output=True, text=True, check=True
    )
    return done.stdout


# --- linkpolicy itself ----------------------------------------------------------------------------


def run_own(
    home: Home, *words: str, path: str = "/usr/bin:/bin"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [home.shims / "linkpolicy", *words],
        env={"HOME": str(home.root), "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_linkpolicy_lies_beside_the_shims_and_runs(home: Home) -> None:
    home.setup()

    assert run_own(home, "--version").stdout == f"linkpolicy {__version__}\n"


def test_another_linkpolicy_on_path_comes_first(home: Home) -> None:
    home.setup()
    other = stranger(home.root / "bin of mine/linkpolicy")

    for path in (f"{home.shims}:/usr/bin:{other.parent}", f"{other.parent}:{home.shims}:/usr/bin"):
        assert run_own(home, "--version", path=path).stdout == "the real uv\n"


def test_a_linkpolicy_that_was_removed_is_said_and_another_one_is_started(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "it's gone/linkpolicy"
    monkeypatch.setattr(own_command, "installed", lambda: str(gone))
    home.setup()
    (home.root / "loop").mkdir()
    shutil.copy2(home.shims / "linkpolicy", home.root / "loop/linkpolicy")
    other = stranger(home.root / "bin of mine/linkpolicy")

    alone = run_own(home, "setup", path=f"{home.root}/loop:{home.shims}:/usr/bin")
    beside = run_own(home, "setup", path=f"{home.root}/loop:{home.shims}:{other.parent}:/usr/bin")

    assert (alone.returncode, alone.stdout) == (127, "")
    assert f"error: linkpolicy was removed from {gone}\n" in alone.stderr
    assert "uv tool install uvx-policy" in alone.stderr
    assert (beside.returncode, beside.stdout, beside.stderr) == (0, "the real uv\n", "")

    gone.parent.mkdir()  # its Python was removed
    gone.write_text(f"#!{tmp_path}/no/python\n")
    gone.chmod(0o755)

    lame = run_own(home, "setup")
    assert lame.returncode == 127
    assert f"error: linkpolicy was removed from {gone}\n" in lame.stderr


def test_a_linkpolicy_of_the_user_s_own_there_stays(home: Home) -> None:
    own = stranger(home.shims / "linkpolicy")
    before = own.read_bytes()

    assert home.setup().complete
    assert own.read_bytes() == before
    home.uninstall()

    assert own.read_bytes() == before
    assert os.listdir(home.shims) == ["linkpolicy"]


def test_without_a_command_of_our_own_there_is_none_beside_the_shims(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_command, "installed", lambda: "")

    assert home.setup().complete

    assert sorted(os.listdir(home.shims)) == [".linkpolicy", "uv", "uvx"]


# --- completion and the man page ------------------------------------------------------------------


def test_completion_scripts_and_the_man_page_lie_beside_the_shims(home: Home) -> None:
    home.setup()

    for name in HELP:
        path = home.shims / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert shim_directories.is_ours(str(path))
        assert shim_directories.owner(str(path)) == str(home.shims)
        assert locate.MARKER in path.read_bytes()[-64:]
    assert (home.shims / HELP[0]).read_bytes().startswith(b"#compdef linkpolicy\n")
    assert not home.plan().changes_anything


@pytest.mark.parametrize("name", HELP)
def test_a_completion_script_that_changed_is_written_again(home: Home, name: str) -> None:
    home.setup()
    before = home.tree()
    path = home.shims / name
    path.write_bytes(path.read_bytes()[-64:])
    path.chmod(0o600)

    home.setup()

    assert home.tree() == before


@pytest.mark.parametrize("name", HELP)
def test_a_file_of_that_name_that_is_not_ours_stays(home: Home, name: str) -> None:
    own = home.shims / name
    own.parent.mkdir(parents=True)
    own.write_text("mine\n")
    before = home.tree()

    assert home.setup().complete
    assert own.read_text() == "mine\n"
    others = [other for other in HELP if other != name]
    assert all((home.shims / other).is_file() for other in others)
    home.uninstall()

    assert home.tree() == before


@pytest.mark.parametrize("what", ["a program", "a link"])
def test_a_man_of_the_user_s_own_beside_the_shims_stays(home: Home, what: str) -> None:
    own = home.root / "shims/man"
    if what == "a program":
        stranger(own)
    else:
        own.parent.mkdir()
        (home.root / "elsewhere").mkdir()
        own.symlink_to("../elsewhere")
    before = home.tree()

    assert home.setup(shim_dir=str(own.parent)).complete
    assert not (own / "man1").exists()
    home.uninstall()

    assert home.tree() == before


def test_a_directory_man_that_was_there_stays(home: Home) -> None:
    (home.root / "shims/man").mkdir(parents=True)
    before = home.tree()

    home.setup(shim_dir=str(home.root / "shims"))
    assert (home.root / "shims" / HELP[-1]).is_file()
    home.uninstall()

    assert home.tree() == before


@pytest.mark.parametrize("with_record", [True, False])
@pytest.mark.parametrize(("name", "shell"), [("env.sh", "bash"), ("env.fish", "fish")])
def test_our_file_of_an_older_version_is_replaced_and_taken_back(
    home: Home, name: str, shell: str, with_record: bool
) -> None:
    older = home.env_file.with_name(name)
    older.parent.mkdir(parents=True)
    older.write_bytes(startup_file.with_block(None, OLDER_FILES[name], is_ours=bool))
    before = home.tree()

    home.uninstall()
    assert not older.exists()

    older.parent.mkdir(parents=True)
    older.write_bytes(before[f".local/share/linkpolicy/{name}"][1])  # type: ignore[index]
    assert home.setup(shell).complete
    assert older.read_bytes().count(BEGIN.encode()) == 1
    assert b"linkpolicy_prompt" in older.read_bytes()
    assert OLDER_FILES[name] not in older.read_bytes()
    if not with_record:
        home.record.unlink()
    assert home.uninstall().complete

    assert without_directories(home.tree()) == {}


# --- where linkpolicy is installed ----------------------------------------------------------------


def installed_in(monkeypatch: pytest.MonkeyPatch, environment: Path) -> Path:
    """Let linkpolicy be installed in this environment."""
    package = environment / "lib/python3/site-packages/uvx_policy/__init__.py"
    package.parent.mkdir(parents=True)
    package.touch()
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(uvx_policy, "__file__", str(package))
    return environment


@pytest.fixture
def lasting_place(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is not in a temporary one, whatever pytest thinks of."""
    monkeypatch.setattr(lasting, "TEMPORARY", ())
    return home.root


@pytest.mark.parametrize(
    "environment",
    ["archive-v0/PIHVLmbSAP4OE", "environments-v2/tool-1", "builds-v0/.tmpAbCdEf"],
)
def test_an_environment_in_uv_s_cache_is_refused(
    home: Home, lasting_place: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    cache = lasting_place / "cache of uv"
    cache.mkdir()
    (cache / "CACHEDIR.TAG").touch()
    installed_in(monkeypatch, cache / environment)
    before = home.tree()

    with pytest.raises(LinkPolicyError, match="uv's cache") as caught:
        home.setup()

    assert [str(each) for each in caught.value.commands] == ["uv tool install uvx-policy"]
    assert home.tree() == before


@pytest.mark.uv
def test_uvx_itself_is_refused(home: Home, each_uv: Path, tmp_path: Path) -> None:
    """A real `uvx` makes the environment, and Python there runs this package."""
    wheel = tiny_wheel.build_wheel(str(tmp_path))
    words = ["tool", "run", "--no-index", "--offline", "--python", sys.executable, "--from", wheel]
    site = sysconfig.get_path("purelib")
    root = str(Path(uvx_policy.__file__).parent.parent)

    done = subprocess.run(
        [each_uv, *words, "python", "-m", "uvx_policy.cli", "setup", "--shell", "bash"],
        env={**home.environ, "PYTHONPATH": f"{root}:{site}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert f"runs from uv's cache `{home.root}/.cache/uv`" in done.stderr
    assert "uv tool install uvx-policy" in done.stderr
    assert not home.shims.exists()
    assert not (home.root / ".bashrc").exists()


@pytest.mark.parametrize("cache", [".cache/pipx", ".local/share/pipx/.cache"])
def test_an_environment_of_pipx_run_is_refused(
    home: Home, lasting_place: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    installed_in(monkeypatch, lasting_place / cache / "31e61817e45e44f")

    with pytest.raises(LinkPolicyError, match="pipx") as caught:
        home.plan()

    assert [str(each) for each in caught.value.commands] == ["pipx install uvx-policy"]


@pytest.mark.parametrize(
    "environment", [".local/share/uv/tools/uvx-policy", ".local/share/pipx/venvs/uvx-policy", "lp"]
)
def test_an_environment_that_stays_is_fine(
    home: Home, lasting_place: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    installed_in(monkeypatch, lasting_place / environment)

    assert [note for note in home.plan().notes if "installed" in note] == []


def test_an_environment_in_a_temporary_directory_is_refused(
    home: Home, lasting_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = lasting_place / "temporary"
    installed_in(monkeypatch, temporary / "tmpabc/venv")
    home.environ["TMPDIR"] = str(temporary)

    with pytest.raises(LinkPolicyError, match="temporary directory"):
        home.plan()
    # These shims go when it goes.
    assert home.plan(shim_dir=str(temporary / "shims")).changes_anything


@pytest.mark.parametrize("mark", ["pyproject.toml", ".git"])
def test_the_environment_of_a_project_or_a_clone_is_named(
    home: Home, lasting_place: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    installed_in(monkeypatch, lasting_place / "clone/.venv")
    (lasting_place / "clone" / mark).touch()
    # A clone may be made anywhere.
    home.environ["TMPDIR"] = str(lasting_place / "clone")

    (note,) = [note for note in home.plan().notes if "installed" in note]

    assert "in a project or clone, ~/clone:" in note
    assert "`uv tool install uvx-policy`" in note


def test_an_editable_installation_of_a_clone_is_named(
    home: Home, lasting_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_in(monkeypatch, lasting_place / "environment")
    (lasting_place / "clone/uvx_policy").mkdir(parents=True)
    (lasting_place / "clone/pyproject.toml").touch()
    package = lasting_place / "clone/uvx_policy/__init__.py"
    monkeypatch.setattr(uvx_policy, "__file__", str(package))
    home.environ["TMPDIR"] = str(lasting_place / "clone")

    (note,) = [note for note in home.plan().notes if "installed" in note]

    assert "in a project or clone, ~/clone:" in note


@pytest.mark.filesystem
def test_a_directory_where_nothing_can_be_run_is_refused(home: Home, fs: FileSystems) -> None:
    place = fs.bind(fs.tmpfs, noexec=True)

    with pytest.raises(LinkPolicyError, match="noexec") as caught:
        home.plan(shim_dir=str(place / "a/b"))

    assert [str(each) for each in caught.value.commands] == ["linkpolicy setup --shim-dir DIR"]
    assert os.listdir(place) == []


# --- what is said ---------------------------------------------------------------------------------


def test_an_unknown_shell_gets_the_shims_and_the_line_to_add(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "detect", lambda _: None)

    lines = home.setup(None)

    beside = (STAND_IN, "linkpolicy", "uv", "uvx", *HELP)
    assert set(without_directories(home.tree())) == {
        ".local/share/linkpolicy/env.sh",
        *(f".local/share/linkpolicy/shims/{name}" for name in beside),
        ".local/state/linkpolicy/setup.json",
        ".profile",
    }
    assert "could not detect your shell; name it with `--shell`" in lines
    assert lines[-1] == f"  export PATH='{home.shims}':\"$PATH\""
    assert not lines.complete


def test_without_modifying_path_only_the_shims_are_written(home: Home) -> None:
    lines = home.setup("fish", modify_path=False)

    assert not (home.root / ".config").exists()
    assert (home.shims / "uv").exists()
    assert lines[-2:] == [
        "Add this by hand, at the end of the start-up file of your shell:",
        f"  set -gx PATH '{home.shims}' $PATH",
    ]
    assert lines.complete


def test_another_uv_that_would_still_come_first_is_named(home: Home) -> None:
    stranger(home.root / ".local/bin/uv")
    home.environ["PATH"] = f"{home.root}/.local/bin:{home.shims}:/usr/bin"

    lines = home.setup()

    assert "note: in this shell `uv` is still ~/.local/bin/uv" in lines
    assert lines[-2] == "Open a new shell, or type here:"


def test_when_the_shims_come_first_already_nothing_is_left_to_do(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting, "check", lambda *_: "")
    stranger(home.root / ".local/bin/uv")
    home.environ["PATH"] = f"{home.root}/.local/bin:/usr/bin"
    home.setup()
    home.environ["PATH"] = f"{home.shims}:{home.environ['PATH']}"

    assert home.setup() == [
        "Nothing to do: the shims in ~/.local/share/linkpolicy/shims are in place.",
        "launcher: Python",
    ]


def test_in_github_actions_the_line_for_the_next_steps_is_given(home: Home) -> None:
    home.environ["GITHUB_PATH"] = "/tmp/path"

    assert home.setup()[-1] == f'  echo {home.shims} >> "$GITHUB_PATH"'


@pytest.mark.parametrize("before", [None, b"alias l=ls\n", b"no line end"])
def test_the_dry_run_changes_nothing_and_shows_every_file(home: Home, before: bytes | None) -> None:
    if before is not None:
        (home.root / ".bashrc").write_bytes(before)
    tree = home.tree()

    shown = home.plan().render()

    assert home.tree() == tree
    for part in ("shims/uv\n", "shims/uvx\n", "~/.bashrc\n", "~/.profile\n", "setup.json"):
        assert part in shown
    assert f"\n+{BEGIN}" in shown
    assert ("\\ No newline at end of file" in shown) == (before == b"no line end")


@pytest.mark.skipif(not shutil.which("patch"), reason="no patch(1)")
def test_the_diff_of_the_dry_run_applies(home: Home, tmp_path: Path) -> None:
    (home.root / ".bashrc").write_bytes(b"a\n\nno line end")
    plan = home.plan()
    shown = plan.render()
    patch = shown[shown.index("--- ~/.bashrc") :]
    patch = patch[: patch.index("\n--- /dev/null")]

    copy = tmp_path / "copy"
    copy.write_bytes(b"a\n\nno line end")
    subprocess.run(["patch", str(copy)], input=patch.encode(), check=True, capture_output=True)

    home.setup()
    assert copy.read_bytes() == (home.root / ".bashrc").read_bytes()


def test_the_dry_run_of_uninstall_changes_nothing(home: Home) -> None:
    (home.root / ".bashrc").write_bytes(b"alias l=ls\n")
    home.setup()
    tree = home.tree()

    shown = home.plan_uninstall().render()

    assert home.tree() == tree
    assert "  change  ~/.bashrc\n" in shown
    assert "  delete  ~/.profile\n" in shown
    assert "  delete  ~/.local/share/linkpolicy/shims/uvx\n" in shown
    assert f"\n-{BEGIN}" in shown


def test_nothing_in_a_diff_can_steer_the_terminal(home: Home) -> None:
    (home.root / ".bashrc").write_bytes(b"\x1b]0;title\x07\xff\n")

    shown = home.plan().render()

    assert "\\x1b]0;title\\x07\\xff" in shown
    assert shown.isascii()


# --- the directory of the shims -------------------------------------------------------------------


def test_a_relative_directory_is_made_absolute(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert home.plan(shim_dir="here/shims").shim_directory == str(tmp_path / "here/shims")
    assert home.plan(shim_dir="~/shims").shim_directory == str(home.root / "shims")


def test_shims_elsewhere_are_used_and_taken_back(home: Home) -> None:
    before = home.tree()
    elsewhere = home.root / "it's $mine"

    home.setup(shim_dir=str(elsewhere))
    assert (elsewhere / "uvx").exists()
    home.uninstall()

    assert home.tree() == before


def test_without_a_record_uninstall_can_be_told_where_the_shims_are(home: Home) -> None:
    elsewhere = home.root / "elsewhere"
    home.setup(shim_dir=str(elsewhere))
    home.record.unlink()

    home.uninstall(shim_dir=str(elsewhere))

    assert list(elsewhere.iterdir()) == []


def test_shims_that_stay_in_another_directory_are_told(home: Home) -> None:
    home.setup(shim_dir=str(home.root / "first"))

    lines = home.setup(shim_dir=str(home.root / "second"))

    assert "note: the shims in ~/first stay until `linkpolicy uninstall`" in lines
    assert (home.root / ".bashrc").read_text().count(BEGIN) == 1
    assert str(home.root / "second") in home.env_file.read_text()
    assert str(home.root / "first") not in home.env_file.read_text()
    home.uninstall()
    assert home.tree() == {}


@pytest.mark.parametrize("program", ["uv", "uvx"])
def test_the_shims_never_live_beside_a_real_uv(home: Home, program: str) -> None:
    real = stranger(home.root / "bin" / program)
    before = home.tree()

    with pytest.raises(LinkPolicyError, match="not a shim"):
        home.plan(shim_dir=str(real.parent))

    assert home.tree() == before


def test_a_link_of_the_name_uv_is_a_stranger_s_even_when_it_leads_to_a_shim(home: Home) -> None:
    home.setup()
    (home.root / "bin").mkdir()
    (home.root / "bin/uv").symlink_to(home.shims / "uv")

    with pytest.raises(LinkPolicyError, match="not a shim"):
        home.plan(shim_dir=str(home.root / "bin"))


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        pytest.param({}, "{home}/.local/bin", id="the usual place"),
        pytest.param({}, "{home}/.cargo/bin", id="the place of old installers"),
        pytest.param({"UV_INSTALL_DIR": "{home}/opt"}, "{home}/opt", id="UV_INSTALL_DIR"),
        pytest.param({"UV_TOOL_BIN_DIR": "{home}/opt"}, "{home}/opt", id="UV_TOOL_BIN_DIR"),
        pytest.param({"XDG_BIN_HOME": "{home}/opt"}, "{home}/opt", id="XDG_BIN_HOME"),
        pytest.param({"XDG_DATA_HOME": "{home}/opt/x"}, "{home}/opt/bin", id="XDG_DATA_HOME"),
    ],
)
def test_where_uv_installs_itself_is_no_place_for_the_shims(
    home: Home, environ: dict[str, str], directory: str
) -> None:
    for name, value in environ.items():
        home.environ[name] = value.format(home=home.root)

    with pytest.raises(LinkPolicyError, match="installer"):
        home.plan(shim_dir=directory.format(home=home.root))


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(home: Home, mode: int) -> None:
    shims = home.root / "shims"
    shims.mkdir()
    shims.chmod(mode)

    with pytest.raises(LinkPolicyError, match="others can write") as caught:
        home.plan(shim_dir=str(shims))

    assert [str(each) for each in caught.value.commands] == [f"chmod go-w {shims}"]


def test_a_directory_below_one_that_is_open_to_all_is_refused(home: Home) -> None:
    shims = home.root / "open/shims"
    shims.mkdir(parents=True)
    shims.parent.chmod(0o777)

    with pytest.raises(LinkPolicyError, match="everyone can replace"):
        home.plan(shim_dir=str(shims))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give directories away")
def test_somebody_else_s_directory_is_refused(home: Home) -> None:
    shims = home.root / "shims"
    shims.mkdir()
    os.chown(shims, 12345, -1)

    with pytest.raises(LinkPolicyError, match="another user"):
        home.plan(shim_dir=str(shims))


def test_a_file_is_no_directory(home: Home) -> None:
    (home.root / "shims").write_text("")

    with pytest.raises(LinkPolicyError, match="not a directory"):
        home.plan(shim_dir=str(home.root / "shims"))


@pytest.mark.parametrize("name", ["a\nb", "a:b"])
def test_a_directory_that_cannot_be_on_path_is_refused_before_anything_changes(
    home: Home, name: str
) -> None:
    with pytest.raises(LinkPolicyError):
        home.plan(shim_dir=str(home.root / name))


@pytest.mark.parametrize("empty", [""])
def test_an_empty_directory_name_is_a_usage_error(home: Home, empty: str) -> None:
    with pytest.raises(UsageError):
        home.plan(shim_dir=empty)


def test_a_stranger_s_uv_that_appears_after_the_plan_is_not_overwritten(home: Home) -> None:
    plan = home.plan()
    real = stranger(home.shims / "uv")

    with pytest.raises(LinkPolicyError, match="another program"):
        setup_command.carry_out(plan)

    assert real.read_text() == "#!/bin/sh\necho the real uv\n"
    assert not (home.root / ".profile").exists()


def test_a_directory_that_was_opened_to_others_after_the_plan_gets_no_shim(home: Home) -> None:
    home.shims.mkdir(parents=True)
    plan = home.plan()
    home.shims.chmod(0o777)

    with pytest.raises(LinkPolicyError, match="others can write to"):
        setup_command.carry_out(plan)

    assert not [path for path in home.shims.rglob("*") if path.is_file()]


def test_uninstall_never_deletes_a_stranger_s_uv(home: Home) -> None:
    home.setup()
    (home.shims / "uv").unlink()
    stranger(home.shims / "uv")
    (home.shims / "other").write_text("")

    lines = home.uninstall()

    assert sorted(os.listdir(home.shims)) == ["other", "uv"]
    assert "note: ~/.local/share/linkpolicy/shims/uv is not ours and stays" in lines


def test_a_shim_that_lost_its_mode_or_content_is_fixed(home: Home) -> None:
    home.setup()
    good = (home.shims / "uv").read_bytes()
    (home.shims / "uv").chmod(0o644)
    (home.shims / "uvx").write_bytes(good[:600])

    home.setup()

    assert stat.S_IMODE((home.shims / "uv").stat().st_mode) == 0o755
    assert b"uvx" in (home.shims / "uvx").read_bytes()[600:]


def test_a_tight_umask_does_not_matter(home: Home) -> None:
    before = os.umask(0o077)
    try:
        home.setup()
    finally:
        os.umask(before)

    assert stat.S_IMODE((home.shims / "uv").stat().st_mode) == 0o755


# --- who, and on which system ---------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo makes one root")
def test_root_by_sudo_does_not_write_into_the_caller_s_home(home: Home) -> None:
    os.chown(home.root, 12345, -1)
    home.environ["SUDO_UID"] = "12345"

    with pytest.raises(LinkPolicyError, match="sudo"):
        home.plan()


def test_a_relative_home_is_refused(home: Home) -> None:
    home.environ["HOME"] = "somewhere"

    with pytest.raises(LinkPolicyError, match="home"):
        home.plan()


def test_two_runs_at_once_keep_out_of_each_other_s_way(home: Home) -> None:
    home.setup()

    with setup_record.exclusive(str(home.record.parent)) as alone:
        assert alone
        with pytest.raises(LinkPolicyError, match="is running"):
            home.setup("fish")

    assert not (home.root / ".config/fish/config.fish").exists()


# --- faults and kills -----------------------------------------------------------------------------


def test_without_room_for_the_record_nothing_else_is_touched(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = home.plan()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(LinkPolicyError, match="No space left"):
        setup_command.carry_out(plan)

    assert without_directories(home.tree()) == {}


def test_a_record_can_be_read_by_people(home: Home) -> None:
    home.setup("fish")

    stored = json.loads(home.record.read_text())

    names = sorted((STAND_IN, "linkpolicy", "uv", "uvx", *HELP))
    assert stored["shims"] == [str(home.shims / name) for name in names]
    assert stored["files"][0]["inserted"].startswith(BEGIN)
