"""Real shells read what `linkpolicy setup` wrote, among the lines of other installers.

bash, zsh, fish and sh must be here in CI; nushell is tested where `nu` is on PATH. PowerShell is
tested by its text alone (tests/unit/test_shells.py): no PowerShell has run these lines.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from uvx_policy import __version__
from uvx_policy.setup import command as setup_command
from uvx_policy.setup.shell_lines import CLIENT_VARIABLES

#: what uv's own installer writes to ~/.local/bin/env, and pyenv's and mise's habits
INSTALLER_ENV = """\
case ":${PATH}:" in
    *:"$HOME/.local/bin":*) ;;
    *) export PATH="$HOME/.local/bin:$PATH" ;;
esac
"""
OTHERS = {
    "sh": '. "$HOME/.local/bin/env"\nexport PATH="$HOME/.pyenv/shims:$PATH"\n',
    "fish": "fish_add_path $HOME/.local/bin\nset -gx PATH $HOME/.pyenv/shims $PATH\n",
    "nushell": '$env.PATH = ($env.PATH | prepend [$"($env.HOME)/.pyenv/shims"])\n',
}
OTHERS |= {"bash": OTHERS["sh"], "zsh": OTHERS["sh"]}
PROGRAM = {"nushell": "nu"}
#: prints the uv that the shell would start
WHICH = {
    "sh": "command -v uv",
    "bash": "command -v uv",
    "zsh": "command -v uv",
    "fish": "command -v uv",
    "nushell": "which uv | get path.0",
}
#: prints PATH, one entry a line
PATH = {
    "sh": "printf '%s\\n' \"$PATH\" | tr : '\\n'",
    "bash": "printf '%s\\n' \"$PATH\" | tr : '\\n'",
    "zsh": "print -rl -- $path",
    "fish": "string join \\n $PATH",
    "nushell": 'print ($env.PATH | str join "\\n")',
}


#: pytest-xdist has a thread when we fork for a terminal; the child does nothing but exec
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


class Machine:
    """A home with two uvs that only say who they are, and one shell that reads its files there.

    No `World`: nothing is installed; it is about which of the programs a shell finds.
    """

    def __init__(self, root: Path, shell: str) -> None:
        self.shell = shell
        self.home = root / "me"
        self.shims = self.home / ".local/share/linkpolicy/shims"
        for directory in (".local/bin", ".pyenv/shims"):
            real = self.home / directory / "uv"
            real.parent.mkdir(parents=True)
            real.write_text("#!/bin/sh\necho a real uv\n")
            real.chmod(0o755)
        (self.home / ".local/bin/env").write_text(INSTALLER_ENV)
        # Without it fish reads all manual pages of the machine first, and the terminal waits.
        (self.home / ".local/share/fish/generated_completions").mkdir(parents=True)
        self.environ = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(root),  # else fish shares /tmp/fish.USER with everybody
        }
        self.program = shutil.which(PROGRAM.get(shell, shell)) or ""

    def setup(self, shim_directory: str | None = None) -> None:
        plan = setup_command.plan_setup(
            environ=self.environ,
            shells_to_set_up=(self.shell,),
            shim_directory=shim_directory,
            modify_path=True,
        )
        assert setup_command.carry_out(plan).complete

    def append(self, text: str) -> None:
        """Let other installers write to every start-up file of this shell."""
        names = {
            "sh": (".profile",),
            "bash": (".bashrc", ".profile"),
            "zsh": (".zshenv", ".zprofile", ".zshrc"),
            "fish": (".config/fish/config.fish",),
            "nushell": (".config/nushell/config.nu",),
        }[self.shell]
        for name in names:
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as stream:
                stream.write(text)

    def run(self, options: Sequence[str], command: str) -> str:
        """What the shell prints on stdout; it must not complain at start-up."""
        done = subprocess.run(
            [self.program, *options, command],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        noise = ("no job control in this shell", "cannot set terminal process group")
        assert not [line for line in done.stderr.splitlines() if not line.endswith(noise)
                    and "cannot set terminal process group" not in line]  # fmt: skip
        return done.stdout.strip()

    def at_prompt(self, options: Sequence[str], *commands: str) -> str:
        """What the last of the commands, typed into a terminal, prints."""
        result = self.home.parent / "typed"
        saved = f"save -f '{result}'" if self.shell == "nushell" else None
        redirect = f"{commands[-1]} | {saved}" if saved else f"{{ {commands[-1]}; }} > '{result}'"
        if self.shell == "fish":
            redirect = f"begin; {commands[-1]}; end > '{result}'"
        typed = "".join(f"{line}\n" for line in (*commands[:-1], redirect, "exit"))
        _type([self.program, *options], self.environ, typed)
        return result.read_text().strip()

    def transcript(self, options: Sequence[str], *commands: str) -> str:
        """What is on the terminal in which these commands were typed."""
        typed = "".join(f"{line}\n" for line in (*commands, "exit"))
        return _type([self.program, *options], self.environ, typed)


def _type(words: Sequence[str], environ: dict[str, str], typed: str) -> str:
    """Type into a program in a terminal of its own, one line for each prompt's worth of quiet.

    Returns what was on the terminal.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir("/")  # a prompt shows where it is
        os.execve(words[0], list(words), environ)
    lines = typed.encode().splitlines(keepends=True)
    deadline = time.monotonic() + 30
    prompted = False
    shown = b""
    try:
        while time.monotonic() < deadline:
            quiet = not select.select([terminal], [], [], 0.4)[0]
            if quiet and lines and prompted:
                os.write(terminal, lines.pop(0).replace(b"\n", b"\r"))
            elif not quiet:
                said = os.read(terminal, 65536)
                if not said:
                    break
                shown += said
                prompted = True
                if b"\x1b[6n" in said:  # nushell's editor asks where the cursor is
                    os.write(terminal, b"\x1b[1;1R")
    except OSError:  # EIO: the program has gone
        pass
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            if time.monotonic() >= deadline:
                os.kill(child, 9)
        os.waitpid(child, 0)
    return shown.decode(errors="replace")


SHELLS = ("sh", "bash", "zsh", "fish", "nushell")


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    shell: str = request.param
    machine = Machine(tmp_path, shell)
    if not machine.program:
        if os.environ.get("CI") and shell != "nushell":
            pytest.fail(f"{shell} must be installed in CI")
        pytest.skip(f"no {PROGRAM.get(shell, shell)} on PATH")
    return machine


#: how each shell is started without a prompt so that it reads its start-up files
WITHOUT_PROMPT = [
    pytest.param("sh", ["-lc"], id="sh -lc"),
    pytest.param("bash", ["-lc"], id="bash -lc"),
    pytest.param("bash", ["-ic"], id="bash -ic"),
    pytest.param("bash", ["-lic"], id="bash -lic, as editors ask for PATH"),
    pytest.param("zsh", ["-c"], id="zsh -c, as in scripts"),
    pytest.param("zsh", ["-lc"], id="zsh -lc"),
    pytest.param("zsh", ["-ic"], id="zsh -ic"),
    pytest.param("zsh", ["-lic"], id="zsh -lic, as editors ask for PATH"),
    pytest.param("fish", ["-c"], id="fish -c"),
    pytest.param("fish", ["-ic"], id="fish -ic"),
    pytest.param("nushell", ["-l", "-c"], id="nu -l -c"),
]
#: ... and with one
WITH_PROMPT = [
    pytest.param("bash", ["-i"], id="bash in a terminal"),
    pytest.param("bash", ["-li"], id="bash as login shell in a terminal"),
    pytest.param("zsh", ["-i"], id="zsh in a terminal"),
    pytest.param("zsh", ["-li"], id="zsh as login shell in a terminal"),
    pytest.param("fish", ["-i"], id="fish in a terminal"),
    pytest.param("nushell", ["-l"], id="nushell in a terminal"),
]


@pytest.mark.parametrize(("machine", "options"), WITHOUT_PROMPT, indirect=["machine"])
def test_the_real_uv_comes_first_before_setup(machine: Machine, options: list[str]) -> None:
    machine.append(OTHERS[machine.shell])

    assert machine.run(options, WHICH[machine.shell]) == str(machine.home / ".pyenv/shims/uv")


@pytest.mark.parametrize(("machine", "options"), WITHOUT_PROMPT, indirect=["machine"])
def test_the_shim_comes_before_what_other_installers_wrote(
    machine: Machine, options: list[str]
) -> None:
    machine.append(OTHERS[machine.shell])
    machine.setup()

    assert machine.run(options, WHICH[machine.shell]) == str(machine.shims / "uv")


@pytest.mark.parametrize(("machine", "options"), WITHOUT_PROMPT, indirect=["machine"])
def test_after_later_installers_a_second_setup_puts_the_shim_first_again(
    machine: Machine, options: list[str]
) -> None:
    machine.setup()
    machine.append(OTHERS[machine.shell])
    machine.setup()

    assert machine.run(options, WHICH[machine.shell]) == str(machine.shims / "uv")


@pytest.mark.parametrize(("machine", "options"), WITH_PROMPT, indirect=["machine"])
def test_in_a_terminal_the_shim_comes_first_though_installers_wrote_below_our_block(
    machine: Machine, options: list[str]
) -> None:
    machine.append(OTHERS[machine.shell])
    machine.setup()
    machine.append(OTHERS[machine.shell])

    assert machine.at_prompt(options, WHICH[machine.shell]) == str(machine.shims / "uv")


@pytest.mark.parametrize("machine", SHELLS, indirect=True)
def test_read_twice_the_directory_is_on_path_once_and_in_front(machine: Machine) -> None:
    machine.append(OTHERS[machine.shell])
    machine.setup()
    source = {
        "sh": '. "$HOME/.profile"',
        "bash": '. "$HOME/.bashrc"; . "$HOME/.profile"',
        "zsh": '. "$HOME/.zshrc"; . "$HOME/.zprofile"',
        "fish": "source $HOME/.config/fish/config.fish",
        "nushell": f"source {machine.home}/.config/nushell/config.nu",
    }[machine.shell]
    options = ["-l", "-c"] if machine.shell == "nushell" else ["-lc"]
    machine.environ["PATH"] = f"/usr/bin:{machine.shims}:/bin:{machine.shims}"

    entries = machine.run(options, f"{source}; {PATH[machine.shell]}").splitlines()

    assert entries[0] == str(machine.shims)
    assert entries.count(str(machine.shims)) == 1
    assert "/usr/bin" in entries


@pytest.mark.parametrize("machine", SHELLS, indirect=True)
def test_a_directory_with_an_awkward_name_is_found(machine: Machine) -> None:
    directory = machine.home / 'it\'s $HOME "x" `y` \\n*[é]\u2019 {z}'
    machine.append(OTHERS[machine.shell])
    machine.setup(str(directory))
    options = ["-l", "-c"] if machine.shell == "nushell" else ["-lc"]

    entries = machine.run(options, PATH[machine.shell]).splitlines()

    assert entries[0] == str(directory)


@pytest.mark.parametrize("machine", ["sh", "bash", "zsh"], indirect=True)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param("set -eu", id="errexit and nounset"),
        pytest.param("unset PATH", id="no PATH"),
        pytest.param("PATH=", id="empty PATH"),
    ],
)
def test_a_strict_or_bare_shell_reads_the_block(machine: Machine, options: str) -> None:
    machine.setup()
    file = {"sh": ".profile", "bash": ".bashrc", "zsh": ".zshrc"}[machine.shell]

    said = machine.run(["-c"], f'{options}; . "$HOME/{file}"; echo "$PATH"')

    assert said.split(":")[0] == str(machine.shims)
    assert "" not in said.split(":")


@pytest.mark.parametrize("machine", ["zsh"], indirect=True)
def test_zsh_with_arrays_as_in_ksh_keeps_the_hooks_of_others(machine: Machine) -> None:
    machine.setup()

    said = machine.run(
        ["-fic"],
        "setopt ksharrays; precmd_functions=(one two three);"
        ' . "$HOME/.zshrc"; _linkpolicy_prompt; echo ${precmd_functions[@]}',
    )

    assert said == "one two three"


@pytest.mark.parametrize(
    ("machine", "before", "after"),
    [
        pytest.param("bash", "PROMPT_COMMAND='MINE=1;'", "declare -p PROMPT_COMMAND", id="bash"),
        pytest.param(
            "bash",
            "PROMPT_COMMAND=('MINE=1' 'ALSO=1')",
            "declare -p PROMPT_COMMAND",
            id="bash with an array",
        ),
        pytest.param(
            "zsh", "mine() { }; precmd_functions=(mine)", "echo $precmd_functions", id="zsh"
        ),
        pytest.param("fish", "", "functions --names --all | grep linkpolicy_p", id="fish"),
    ],
    indirect=["machine"],
)
def test_after_the_first_prompt_our_hook_is_gone_and_the_others_remain(
    machine: Machine, before: str, after: str
) -> None:
    expected = {
        "PROMPT_COMMAND='MINE=1;'": 'declare -- PROMPT_COMMAND="MINE=1;"',
        "PROMPT_COMMAND=('MINE=1' 'ALSO=1')": (
            'declare -a PROMPT_COMMAND=([0]="MINE=1" [1]="ALSO=1")'
        ),
        "mine() { }; precmd_functions=(mine)": "mine",
        "": "_linkpolicy_path",
    }[before]
    machine.append(f"{before}\n")
    machine.setup()
    file = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}

    # Read twice, as by `. ~/.bashrc` in a login shell.
    machine.append(f". {machine.home}/again\n")
    shutil.copy(machine.home / file[machine.shell], machine.home / "again")
    (machine.home / "again").write_text(
        (machine.home / "again").read_text().rpartition(f". {machine.home}/again")[0]
    )

    assert machine.at_prompt(["-i"], "true", after) == expected


@pytest.mark.parametrize("machine", ["bash"], indirect=True)
def test_the_shim_itself_starts_the_next_uv_on_path(machine: Machine) -> None:
    machine.append(OTHERS["bash"])
    machine.setup()

    assert machine.run(["-lic"], "uv --version") == "a real uv"


# Variables, and linkpolicy itself -----------------------------------------------------------------

#: prints a variable, "" when it is unset
VALUE = {"nushell": "print ($env.{}? | default '')", "fish": "echo ${}"}
#: ... in a shell that has read its start-up files
LOGIN = {"nushell": ["-l", "-c"], "bash": ["-lic"], "zsh": ["-lic"]}


def value(machine: Machine, name: str) -> str:
    shown = VALUE.get(machine.shell, 'echo "${{{}-}}"').format(name)
    return machine.run(LOGIN.get(machine.shell, ["-lc"]), shown)


@pytest.mark.parametrize("name", CLIENT_VARIABLES)
@pytest.mark.parametrize("machine", SHELLS, indirect=True)
def test_programs_that_do_not_look_at_path_find_the_shim_in_a_variable(
    machine: Machine, name: str
) -> None:
    machine.setup()

    assert value(machine, name) == str(machine.shims / "uv")
    machine.environ[name] = "/usr/bin/mine"
    assert value(machine, name) == "/usr/bin/mine"
    machine.environ[name] = ""
    assert value(machine, name) == ""
    del machine.environ[name]
    (machine.shims / "uv").unlink()
    assert value(machine, name) == ""


@pytest.mark.parametrize("machine", ["bash", "zsh", "fish"], indirect=True)
def test_a_variable_that_a_later_line_unsets_stays_unset_at_the_prompt(machine: Machine) -> None:
    machine.setup()
    machine.append("set -e UV\n" if machine.shell == "fish" else "unset UV\n")

    assert machine.at_prompt(["-i"], "true", "echo $UV") == ""


@pytest.mark.parametrize("machine", SHELLS, indirect=True)
def test_linkpolicy_is_a_command_in_the_next_shell(machine: Machine) -> None:
    machine.setup()

    said = machine.run(LOGIN.get(machine.shell, ["-lc"]), "linkpolicy --version")

    assert said == f"linkpolicy {__version__}"


@pytest.mark.parametrize("machine", SHELLS, indirect=True)
def test_a_shell_whose_file_of_ours_is_gone_says_nothing(machine: Machine) -> None:
    machine.setup()
    for path in machine.shims.parent.glob("env.*"):
        path.unlink()
    options = LOGIN.get(machine.shell, ["-lc"])

    assert machine.run(options, "echo well") == "well"
    if machine.shell in ("sh", "bash", "zsh"):
        assert machine.run(["-ec"], '. "$HOME/.profile"; echo well') == "well"


@pytest.mark.parametrize("machine", SHELLS, indirect=True)
def test_a_shell_in_a_shell_has_the_same_path(machine: Machine) -> None:
    machine.append(OTHERS[machine.shell])
    machine.setup()
    options = LOGIN.get(machine.shell, ["-lc"])

    machine.environ["PATH"] = outer = ":".join(
        machine.run(options, PATH[machine.shell]).splitlines()
    )

    inner = machine.run(options, PATH[machine.shell]).splitlines()
    assert inner[0] == str(machine.shims)
    assert inner.count(str(machine.shims)) == outer.split(":").count(str(machine.shims)) == 1


# Completion and the man page ----------------------------------------------------------------------

COMPINIT = "autoload -Uz compinit; compinit -u -D\n"
COMPLETING = [
    pytest.param("bash", "", "", id="bash"),
    pytest.param("bash", "set -u\n", "", id="bash, nounset"),
    pytest.param("bash", "set -o posix\n", "", id="bash, posix"),
    pytest.param("zsh", COMPINIT, "", id="zsh, compinit above our line"),
    pytest.param("zsh", "", COMPINIT, id="zsh, compinit below our line"),
    pytest.param("zsh", COMPINIT, "alias -g typeset=no\n", id="zsh, aliases"),
    pytest.param("zsh", COMPINIT, "setopt ksh_arrays sh_word_split nounset\n", id="zsh, options"),
    pytest.param("fish", "", "", id="fish"),
]


def with_its_words_said(machine: Machine) -> None:
    """A `linkpolicy` further back on PATH, which ours starts, and which says how it was called."""
    program = machine.home / ".local/bin/linkpolicy"
    program.write_text('#!/bin/sh\necho "called with:$*."\n')
    program.chmod(0o755)
    machine.environ["PATH"] += f":{program.parent}"


@pytest.mark.parametrize(("machine", "above", "below"), COMPLETING, indirect=["machine"])
def test_tab_completes_a_command(machine: Machine, above: str, below: str) -> None:
    with_its_words_said(machine)
    machine.append(above)
    machine.setup()
    machine.setup()
    machine.append(below)

    said = machine.transcript(["-i"], "linkpolicy ver\t", "linkpolicy cache pru\t--dry\t")

    assert "called with:verify." in said
    assert "called with:cache prune --dry-run." in said
    assert "rror" not in said


@pytest.mark.parametrize("machine", ["bash", "zsh", "fish"], indirect=True)
def test_without_its_script_tab_completes_files_and_says_nothing(machine: Machine) -> None:
    with_its_words_said(machine)
    machine.append(COMPINIT if machine.shell == "zsh" else "")
    machine.setup()
    for name in ("linkpolicy.bash", "_linkpolicy", "linkpolicy.fish"):
        (machine.shims / ".linkpolicy" / name).unlink()
    (machine.home / "a-file").touch()

    said = machine.transcript(["-i"], f"cd {machine.home}", "linkpolicy a-f\t")

    assert "called with:a-file." in said
    assert "o such file" not in said


@pytest.mark.parametrize("machine", ["bash"], indirect=True)
def test_in_a_restricted_bash_tab_says_nothing(machine: Machine) -> None:
    machine.setup()

    said = machine.transcript(["-r", "-i"], "linkpolicy --vers\t", "echo the end")

    assert "the end" in said
    assert "restricted" not in said


@pytest.mark.parametrize("machine", ["fish"], indirect=True)
def test_fish_prefers_a_completion_of_the_user_s_own(machine: Machine) -> None:
    with_its_words_said(machine)
    machine.setup()
    own = machine.home / ".config/fish/completions/linkpolicy.fish"
    own.parent.mkdir()
    own.write_text("complete -c linkpolicy -f -a version-of-mine\n")

    said = machine.transcript(["-i"], "linkpolicy ver\t")

    assert "called with:version-of-mine." in said


@pytest.mark.parametrize("machine", ["zsh"], indirect=True)
def test_zsh_keeps_a_completion_of_the_user_s_own(machine: Machine) -> None:
    with_its_words_said(machine)
    machine.append(f"{COMPINIT}_mine() {{ compadd version-of-mine }}; compdef _mine linkpolicy\n")
    machine.setup()

    said = machine.transcript(["-i"], "linkpolicy ver\t")

    assert "called with:version-of-mine." in said


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("machine", ["sh", "bash", "zsh", "fish"], indirect=True)
def test_man_has_a_page(machine: Machine) -> None:
    machine.setup()
    options = LOGIN.get(machine.shell, ["-lc"])

    assert machine.run(options, "man -w linkpolicy") == str(machine.shims / "man/man1/linkpolicy.1")
    assert "linkpolicy reclaim" in machine.run(options, "man linkpolicy")
    assert machine.run(options, "command -v man") == shutil.which("man")


# Shells that refuse -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "line"),
    [
        pytest.param("bash", "readonly PROMPT_COMMAND", id="bash, unset PROMPT_COMMAND"),
        pytest.param("bash", "readonly PROMPT_COMMAND='MINE=1'", id="bash, PROMPT_COMMAND"),
        pytest.param("bash", "readonly PATH", id="bash, PATH"),
        pytest.param("bash", "readonly UV=/x", id="bash, UV"),
        pytest.param("bash", "set -eu", id="bash, errexit and nounset"),
        pytest.param("bash", "set -o posix", id="bash, posix"),
        pytest.param("bash", "set -o noclobber -o noglob; IFS=x", id="bash, noclobber and noglob"),
        pytest.param("zsh", "typeset -gar precmd_functions=(true)", id="zsh, precmd_functions"),
        pytest.param("zsh", "typeset -r PATH", id="zsh, PATH"),
        pytest.param("zsh", "typeset -r UV=/x", id="zsh, UV"),
        pytest.param("zsh", "setopt nounset warn_create_global ksh_arrays", id="zsh, options"),
        pytest.param("sh", "readonly PATH", id="sh, PATH"),
        pytest.param("sh", "readonly UV=/x; set -eu", id="sh, UV"),
    ],
    indirect=["machine"],
)
@pytest.mark.parametrize("where", ["above", "below"])
def test_no_shell_complains_about_our_line(machine: Machine, line: str, where: str) -> None:
    file = {"sh": ".profile", "bash": ".bashrc", "zsh": ".zshrc"}[machine.shell]
    if where == "above":
        (machine.home / file).write_text(f"{line}\n")
    machine.setup()
    with (machine.home / file).open("a") as stream:
        stream.write(f"{line}\necho the end\n" if where == "below" else "echo the end\n")
    machine.environ["ENV"] = f"{machine.home}/.profile"  # sh reads this in a terminal

    said = machine.transcript(["-i"], "true", "true")

    assert "the end" in said
    assert not [word for word in ("linkpolicy", "readonly", "read-only", "rror") if word in said], (
        said
    )


@pytest.mark.parametrize("machine", ["bash", "sh"], indirect=True)
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_last_line_that_goes_on_is_ended(machine: Machine, end: str) -> None:
    file = machine.home / {"sh": ".profile", "bash": ".bashrc"}[machine.shell]
    file.write_text(f"MINE=1\\{end}")
    machine.setup()
    machine.environ["ENV"] = f"{machine.home}/.profile"

    said = machine.transcript(["-i"], 'echo "mine: $MINE"', "command -v uv")

    assert "mine: 1" in said
    assert f"{machine.shims}/uv" in said
    assert "rror" not in said


@pytest.mark.parametrize("machine", ["bash"], indirect=True)
@pytest.mark.parametrize("other", ["", 'PATH="/usr/bin:$PATH"\n'], ids=["alone", "with another"])
def test_a_restricted_bash_does_not_complain_at_its_prompt(machine: Machine, other: str) -> None:
    machine.setup()
    with (machine.home / ".bashrc").open("a") as stream:
        stream.write(f"{other}echo the end\n")

    said = machine.transcript(["-r", "-i"], "true", "true")

    assert "the end" in said
    assert "restricted" not in said
    assert "readonly" not in said
