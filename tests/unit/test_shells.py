"""What each shell is told, as text. Whether it understands is in tests/shim/test_shells_real.py."""

from __future__ import annotations

import os

import pytest
import shellingham  # type: ignore[import-untyped]

from tests.edges.older_blocks import OLDER, OLDER_FILES
from uvx_policy.errors import UsageError
from uvx_policy.setup import shell_lines, shells

HOME = "/home/me"


@pytest.mark.parametrize(
    ("shell", "environ", "platform", "present", "expected"),
    [
        pytest.param(
            "bash",
            {},
            "linux",
            (".bash_profile", ".bash_login", ".profile"),
            [("/home/me/.bashrc", True), ("/home/me/.bash_profile", True)],
            id="bash reads .bash_profile first",
        ),
        pytest.param(
            "bash",
            {},
            "linux",
            (".bash_login", ".profile"),
            [("/home/me/.bashrc", True), ("/home/me/.bash_login", True)],
            id="then .bash_login",
        ),
        pytest.param(
            "bash",
            {},
            "linux",
            (),
            [("/home/me/.bashrc", True), ("/home/me/.profile", True)],
            id="with no login file, .profile: a new .bash_profile would hide a later .profile",
        ),
        pytest.param(
            "sh",
            {},
            "linux",
            (".bash_profile",),
            [("/home/me/.profile", True)],
            id="sh knows only .profile",
        ),
        pytest.param(
            "zsh",
            {},
            "darwin",
            (),
            [
                ("/home/me/.zshenv", False),
                ("/home/me/.zprofile", True),
                ("/home/me/.zshrc", True),
            ],
            id="zsh; .zshenv, read by every script, is never made",
        ),
        pytest.param(
            "zsh",
            {"ZDOTDIR": "/home/me/.zsh"},
            "linux",
            (),
            [
                ("/home/me/.zsh/.zshenv", False),
                ("/home/me/.zsh/.zprofile", True),
                ("/home/me/.zsh/.zshrc", True),
            ],
            id="zsh with ZDOTDIR",
        ),
        pytest.param(
            "fish",
            {"XDG_CONFIG_HOME": "/cfg"},
            "darwin",
            (),
            [("/cfg/fish/config.fish", True)],
            id="fish follows XDG_CONFIG_HOME",
        ),
        pytest.param(
            "fish",
            {"XDG_CONFIG_HOME": "relative"},
            "darwin",
            (),
            [("/home/me/.config/fish/config.fish", True)],
            id="a relative XDG_CONFIG_HOME does not count",
        ),
        pytest.param(
            "nushell",
            {},
            "darwin",
            (),
            [("/home/me/Library/Application Support/nushell/config.nu", True)],
            id="nushell on macOS",
        ),
        pytest.param(
            "nushell",
            {},
            "linux",
            (),
            [("/home/me/.config/nushell/config.nu", True)],
            id="nushell on Linux",
        ),
        pytest.param(
            "nushell",
            {"XDG_CONFIG_HOME": "/cfg"},
            "darwin",
            (),
            [("/cfg/nushell/config.nu", True)],
            id="nushell on macOS with XDG_CONFIG_HOME",
        ),
        pytest.param(
            "powershell",
            {},
            "darwin",
            (),
            [("/home/me/.config/powershell/profile.ps1", True)],
            id="PowerShell: the profile of all hosts",
        ),
    ],
)
def test_the_block_goes_into(
    shell: str,
    environ: dict[str, str],
    platform: str,
    present: tuple[str, ...],
    expected: list[tuple[str, bool]],
) -> None:
    found = shells.start_up_files(
        shell,
        environ=environ,
        home=HOME,
        platform=platform,
        exists=lambda path: path in {f"{HOME}/{name}" for name in present},
    )

    assert [tuple(file) for file in found] == expected


def test_every_file_that_may_get_a_block_is_searched_without_a_record() -> None:
    everywhere = shells.every_start_up_file(environ={}, home=HOME, platform="linux")

    chosen = [
        file.path
        for shell in shells.SHELLS
        for present in ((), (".bash_login",), (".bash_profile",))
        for file in shells.start_up_files(
            shell,
            environ={},
            home=HOME,
            platform="linux",
            exists=lambda path, present=present: os.path.basename(path) in present,  # type: ignore[misc]
        )
    ]
    assert set(chosen) <= set(everywhere)


@pytest.mark.parametrize(
    ("running", "login", "expected"),
    [
        pytest.param("zsh", "/bin/bash", "zsh", id="the running shell beats the login shell"),
        pytest.param("nu", "", "nushell", id="nu is nushell"),
        pytest.param("pwsh", "", "powershell", id="pwsh is PowerShell"),
        pytest.param(None, "/usr/local/bin/fish", "fish", id="else the login shell"),
        pytest.param("sh", "/bin/zsh", "zsh", id="an sh around us is a script or a Makefile"),
        pytest.param("dash", "", "sh", id="dash is an sh"),
        pytest.param("tcsh", "/bin/tcsh", None, id="tcsh is not known"),
        pytest.param(None, "", None, id="nothing tells"),
    ],
)
def test_the_shell_is(
    running: str | None, login: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def detect_shell() -> tuple[str, str]:
        if running is None:
            raise shellingham.ShellDetectionFailure
        return running, f"/bin/{running}"

    monkeypatch.setattr(shellingham, "detect_shell", detect_shell)

    assert shells.detect({"SHELL": login}) == expected


def test_an_unknown_shell_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        shells.named("tcsh")

    assert "tcsh" in str(caught.value)
    assert "nushell" in caught.value.hint


AWKWARD = '/a b/it\'s $HOME "x" `y` \\n*[é]\u2019'


@pytest.mark.parametrize(
    ("shell", "quoted"),
    [
        pytest.param("bash", "'/a b/it'\\''s $HOME \"x\" `y` \\n*[é]\u2019'", id="bash"),
        pytest.param("fish", "'/a b/it\\'s $HOME \"x\" `y` \\\\n*[é]\u2019'", id="fish"),
        pytest.param("nushell", '"/a b/it\'s $HOME \\"x\\" `y` \\\\n*[é]\u2019"', id="nushell"),
        pytest.param(
            "powershell",
            "'/a b/it''s $HOME \"x\" `y` \\n*[é]\u2019\u2019'",
            id="PowerShell ends a string at a typographic quote, too",
        ),
    ],
)
def test_an_awkward_directory_is_quoted(shell: str, quoted: str) -> None:
    assert quoted in shell_lines.env_lines(shell, AWKWARD).decode()
    assert quoted in shell_lines.line_by_hand(shell, AWKWARD)


def test_the_powershell_file_compares_names_exactly_and_splits_without_a_pattern() -> None:
    assert shell_lines.env_lines("powershell", "/s").decode().splitlines()[:5] == [
        "$env:PATH = & {",
        "    $shims = '/s'",
        (
            '    $others = @("$env:PATH".Split([IO.Path]::PathSeparator)'
            " | Where-Object { $_ -cne $shims })"
        ),
        "    (@($shims) + $others) -join [IO.Path]::PathSeparator",
        "}",
    ]


@pytest.mark.parametrize("shell", shells.SHELLS)
@pytest.mark.parametrize("name", ["/a\nb", "/a:b", "/a\x1bb", "/a\x7fb"])
def test_a_directory_that_path_or_a_line_cannot_carry_is_refused(shell: str, name: str) -> None:
    with pytest.raises(shell_lines.UnsuitablePath):
        shell_lines.env_lines(shell, name)
    with pytest.raises(shell_lines.UnsuitablePath):
        shell_lines.line_by_hand(shell, name)


@pytest.mark.parametrize("shell", ["nushell", "powershell"])
def test_bytes_that_are_no_utf8_are_refused_where_scripts_must_be_utf8(shell: str) -> None:
    with pytest.raises(shell_lines.UnsuitablePath, match="UTF-8"):
        shell_lines.env_lines(shell, "/a\udcff")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_bytes_that_are_no_utf8_survive_elsewhere(shell: str) -> None:
    assert b"'/a\xff'" in shell_lines.env_lines(shell, "/a\udcff")


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_our_lines_are_known_again_whatever_their_directory(shell: str) -> None:
    assert shell_lines.is_ours(shell_lines.env_lines(shell, "/elsewhere/it's"))


@pytest.mark.parametrize("shell", shells.SHELLS)
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda lines: lines + b"export MINE=1\n", id="a line added below"),
        pytest.param(lambda lines: b"export MINE=1\n" + lines, id="a line added above"),
        pytest.param(
            lambda lines: lines.replace(b"/elsewhere", b"/x'\nexport MINE='1"), id="inside"
        ),
        pytest.param(lambda lines: lines[:-1], id="cut"),
        pytest.param(lambda _: b"", id="emptied"),
    ],
)
def test_lines_that_somebody_edited_are_not_ours(shell: str, edit: object) -> None:
    assert callable(edit)

    assert not shell_lines.is_ours(edit(shell_lines.env_lines(shell, "/elsewhere")))


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_lines_with_two_directories_are_not_ours(shell: str) -> None:
    lines = shell_lines.env_lines(shell, "/elsewhere")

    assert not shell_lines.is_ours(lines.replace(b"/elsewhere", b"/somewhere", 1))


@pytest.mark.parametrize("shell", [shell for shell in shells.SHELLS if shell != "nushell"])
def test_the_line_of_a_start_up_file_is_known_again(shell: str) -> None:
    line = shell_lines.source_line(shell, "/elsewhere/it's/env", "/home/me")

    assert line.count(b"\n") == 1
    assert shell_lines.is_ours(line)
    assert not shell_lines.is_ours(line.replace(b"/elsewhere", b"/somewhere", 1))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("/home/me/x y/env.sh", '"$HOME/x y/env.sh"', id="below the home directory"),
        pytest.param("/home/me/a$b/env.sh", "'/home/me/a$b/env.sh'", id="not in double quotes"),
        pytest.param("/home/mean/env.sh", "'/home/mean/env.sh'", id="beside it"),
    ],
)
def test_a_start_up_file_names_our_own_file(path: str, said: str) -> None:
    line = shell_lines.source_line("bash", path, HOME).decode()

    assert line == f"if [ -r {said} ]; then . {said}; fi\n"


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_the_block_of_an_older_version_is_known_without_a_record(shell: str) -> None:
    assert shell_lines.is_ours(OLDER[shell])
    assert not shell_lines.is_ours(OLDER[shell] + b"export MINE=1\n")
    assert not shell_lines.is_ours(OLDER[shell].replace(b"PATH", b"path", 1))


@pytest.mark.parametrize("name", OLDER_FILES)
def test_our_file_of_an_older_version_is_known_without_a_record(name: str) -> None:
    lines = OLDER_FILES[name]

    assert shell_lines.is_ours(lines)
    assert not shell_lines.is_ours(lines + b"export MINE=1\n")
    assert not shell_lines.is_ours(lines.replace(b"/elsewhere", b"/somewhere", 1))


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        pytest.param((), [], id="none"),
        pytest.param((".profile",), [], id="what all read tells of none"),
        pytest.param((".bash_login",), ["bash"], id="a login file of bash"),
        pytest.param(
            (".bashrc", ".zshenv", ".config/fish/config.fish", ".config/nushell/config.nu"),
            ["bash", "zsh", "fish", "nushell"],
            id="several",
        ),
    ],
)
def test_a_shell_is_in_use_when_it_has_a_start_up_file(
    present: tuple[str, ...], expected: list[str]
) -> None:
    there = {f"{HOME}/{name}" for name in present}

    found = shells.in_use(environ={}, home=HOME, platform="linux", exists=there.__contains__)

    assert list(found) == expected


@pytest.mark.parametrize(
    ("platform", "present", "expected"),
    [
        pytest.param("linux", "/nowhere", [True, False], id="no systemd"),
        pytest.param("linux", "/run/systemd/system", [True, True], id="systemd"),
        pytest.param("linux", f"{HOME}/.config/environment.d", [True, True], id="its directory"),
        pytest.param("darwin", "/run/systemd/system", [], id="macOS"),
    ],
)
def test_a_desktop_session_reads(platform: str, present: str, expected: list[bool]) -> None:
    found = shells.session_files(
        environ={}, home=HOME, platform=platform, exists=lambda path: path == present
    )

    assert [file.create for file in found] == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(
            'export PATH="$HOME/bin:$PATH"\ncase $- in\n  *i*) ;;\n  *) return;;\nesac\n',
            2,
            id="PATH is set above Debian's guard",
        ),
        pytest.param('. "$HOME/.cargo/env"\n[[ $- != *i* ]] && return\n', 2, id="a one-line guard"),
        pytest.param(
            '. "$HOME/.cargo/env"\nif [ -z "$PS1" ]; then\n  return\nfi\n', 2, id="PS1 and if"
        ),
        pytest.param("case $- in\n  *i*) ;;\n  *) return;;\nesac\nPATH=x\n", None, id="below it"),
        pytest.param("PATH=x\n[ -t 1 ] && echo hello\n", None, id="a test that does not return"),
        pytest.param("PATH=x\n", None, id="no guard"),
    ],
)
def test_a_bashrc_that_ends_early_after_setting_path_is_noticed(
    text: str, line: int | None
) -> None:
    assert shells.early_return(text.encode()) == line
