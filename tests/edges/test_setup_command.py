"""`linkpolicy setup` and `uninstall` on a home directory: what is there afterwards."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.edges.setup_home import STAND_IN, Home, stranger, without_directories
from uvx_policy import locate
from uvx_policy.errors import LinkPolicyError, UsageError
from uvx_policy.setup import command as setup_command
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import shells, startup_file

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
    bashrc, profile = record.files
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
        older.setitem(shells._TEMPLATES, "fish", b"set -gx PATH @SHIMS@ $PATH # 0.0.1\n")
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
    assert lines[-2] == "To be done by hand, at the end of ~/.bashrc:"
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
    assert any("~/.bashrc: was changed by somebody else" in line for line in lines)
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


# --- which shell, and what is said ----------------------------------------------------------------


def test_an_unknown_shell_gets_the_shims_and_the_line_to_add(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "detect", lambda _: None)

    lines = home.setup(None)

    assert sorted(home.tree()) == [
        ".local",
        ".local/share",
        ".local/share/linkpolicy",
        ".local/share/linkpolicy/shims",
        ".local/share/linkpolicy/shims/.linkpolicy",
        f".local/share/linkpolicy/shims/{STAND_IN}",
        ".local/share/linkpolicy/shims/uv",
        ".local/share/linkpolicy/shims/uvx",
        ".local/state",
        ".local/state/linkpolicy",
        ".local/state/linkpolicy/setup.json",
    ]
    assert "could not tell which shell you use: no start-up file is changed" in lines
    assert lines[-1] == f"  export PATH='{home.shims}':\"$PATH\""
    assert not lines.complete


def test_without_modifying_path_only_the_shims_are_written(home: Home) -> None:
    lines = home.setup("fish", modify_path=False)

    assert not (home.root / ".config").exists()
    assert (home.shims / "uv").exists()
    assert lines[-2:] == [
        "To be done by hand, at the end of the start-up file of your shell:",
        f"  set -gx PATH '{home.shims}' $PATH",
    ]
    assert lines.complete


def test_another_uv_that_would_still_come_first_is_named(home: Home) -> None:
    stranger(home.root / ".local/bin/uv")
    home.environ["PATH"] = f"{home.root}/.local/bin:{home.shims}:/usr/bin"

    lines = home.setup()

    assert "note: in this shell `uv` is still ~/.local/bin/uv" in lines
    assert lines[-2] == "Open a new shell, or type here:"


def test_when_the_shims_come_first_already_nothing_is_left_to_do(home: Home) -> None:
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
    patch = shown[shown.index("--- ~/.bashrc") : shown.index("\n--- /dev/null")]

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
    assert str(home.root / "second") in (home.root / ".bashrc").read_text()
    home.uninstall()
    assert home.tree() == {}


@pytest.mark.parametrize("program", ["uv", "uvx"])
def test_the_shims_never_live_beside_a_real_uv(home: Home, program: str) -> None:
    real = stranger(home.root / "bin" / program)
    before = home.tree()

    with pytest.raises(LinkPolicyError, match="not ours"):
        home.plan(shim_dir=str(real.parent))

    assert home.tree() == before


def test_a_link_of_the_name_uv_is_a_stranger_s_even_when_it_leads_to_a_shim(home: Home) -> None:
    home.setup()
    (home.root / "bin").mkdir()
    (home.root / "bin/uv").symlink_to(home.shims / "uv")

    with pytest.raises(LinkPolicyError, match="not ours"):
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

    with pytest.raises(LinkPolicyError, match="everybody can replace"):
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


def test_windows_is_refused_with_another_way(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(LinkPolicyError, match="Windows") as caught:
        home.plan()

    assert [str(each) for each in caught.value.commands] == ["linkpolicy run -- uv sync"]


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
        with pytest.raises(LinkPolicyError, match="at work"):
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

    assert stored["shims"] == [str(home.shims / name) for name in (STAND_IN, "uv", "uvx")]
    assert stored["files"][0]["inserted"].startswith(BEGIN)
