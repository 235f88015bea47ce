"""uv's command line, rule by rule; tests/uv/test_command_line_contract.py asks the real uvs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import uvx_policy
from uvx_policy.uv.invocation import Invocation, parse
from uvx_policy.uv.options import ALIASES, COMMANDS, EXTERNAL, GROUPS, NAMESPACES, spellings, words


def uv(line: str) -> Invocation:
    return parse("uv", tuple(line.split()))


def understood(line: str) -> tuple[str, dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Command, options and positionals of a line that must be understood completely."""
    invocation = uv(line)
    assert not invocation.uncertain
    return " ".join(invocation.command), invocation.options, invocation.positionals


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("sync --python 3.12", id="long, separate"),
        pytest.param("sync --python=3.12", id="long, attached"),
        pytest.param("sync -p 3.12", id="short, separate"),
        pytest.param("sync -p3.12", id="short, attached"),
        pytest.param("sync -p=3.12", id="short, attached with ="),
    ],
)
def test_every_form_of_a_value_is_read(line: str) -> None:
    assert understood(line) == ("sync", {"python": ("3.12",)}, ())


@pytest.mark.parametrize(
    ("line", "options"),
    [
        pytest.param("sync -qp3.12", {"quiet": ("",), "python": ("3.12",)}, id="attached"),
        pytest.param("sync -qp=3.12", {"quiet": ("",), "python": ("3.12",)}, id="attached with ="),
        pytest.param(
            "sync -qnp 3.12",
            {"quiet": ("",), "no-cache": ("",), "python": ("3.12",)},
            id="next word",
        ),
        pytest.param("sync -qq", {"quiet": ("", "")}, id="twice the same flag"),
        pytest.param("sync -p-x", {"python": ("-x",)}, id="an attached value may start with -"),
        pytest.param("sync -p==x", {"python": ("=x",)}, id="only one = is taken off"),
        pytest.param("sync --python=-x=y", {"python": ("-x=y",)}, id="the rest is the value"),
        pytest.param("sync -p -", {"python": ("-",)}, id="a lone - is a value"),
        pytest.param("sync --extra a --extra=b", {"extra": ("a", "b")}, id="values keep order"),
    ],
)
def test_clusters_and_odd_values_are_read(line: str, options: dict[str, tuple[str, ...]]) -> None:
    assert understood(line) == ("sync", options, ())


def test_an_empty_value_is_a_value() -> None:
    assert parse("uv", ("sync", "--python", "")).options == {"python": ("",)}
    assert uv("sync --python=").options == {"python": ("",)}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        pytest.param("-n sync", "no-cache", id="short"),
        pytest.param("sync --no-cache-dir", "no-cache", id="hidden alias of a global"),
        pytest.param("run -w x", "with", id="short of a value"),
        pytest.param("sync --trusted-host x", "allow-insecure-host", id="hidden alias"),
        pytest.param("pip install -t x", "target", id="-t of pip"),
        pytest.param("publish -t x", "token", id="-t of publish"),
        pytest.param("publish -p x", "password", id="-p of publish"),
        pytest.param("sync --config-settings x", "config-setting", id="plural"),
        pytest.param("pip install --constraint x", "constraints", id="singular"),
        pytest.param("run --no_workspace", "no-project", id="underscore"),
        pytest.param("venv --no-workspace", "no-project", id="hidden alias in venv"),
        pytest.param("init --no-project", "no-workspace", id="the other way round in init"),
        pytest.param("sync --force-reinstall", "reinstall", id="pip's word"),
        pytest.param("--preview-feature x sync", "preview-features", id="singular feature"),
        pytest.param("sync --no-exact", "inexact", id="negated alias"),
    ],
)
def test_options_are_known_by_their_canonical_name(line: str, name: str) -> None:
    invocation = uv(line)

    assert list(invocation.options) == [name]
    assert not invocation.uncertain


@pytest.mark.parametrize(
    ("line", "command"),
    [
        pytest.param("v", ("venv",), id="v"),
        pytest.param("virtualenv", ("venv",), id="virtualenv"),
        pytest.param("tool uvx", ("tool", "run"), id="tool uvx"),
        pytest.param("clean", ("cache", "clean"), id="clean"),
        pytest.param("cache clear", ("cache", "clean"), id="cache clear"),
        pytest.param("pip ls", ("pip", "list"), id="pip ls"),
        pytest.param("tool ls", ("tool", "list"), id="tool ls"),
        pytest.param("python ls", ("python", "list"), id="python ls"),
        pytest.param("tool update", ("tool", "upgrade"), id="tool update"),
        pytest.param("tool ensurepath", ("tool", "update-shell"), id="tool ensurepath"),
        pytest.param("python ensurepath", ("python", "update-shell"), id="python ensurepath"),
        pytest.param(
            "--generate-shell-completion bash", ("generate-shell-completion",), id="like an option"
        ),
        pytest.param("auth helper get", ("auth", "helper", "get"), id="three words"),
    ],
)
def test_command_aliases_give_the_canonical_words(line: str, command: tuple[str, ...]) -> None:
    invocation = uv(line)

    assert invocation.command == command
    assert not invocation.uncertain


@pytest.mark.parametrize("words_", [("pip install",), ("",), (" run",), ("pip", ""), ("run\n",)])
def test_a_word_that_only_resembles_a_command_is_uncertain(words_: tuple[str, ...]) -> None:
    assert parse("uv", words_).uncertain


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("-q pip install x", id="before"),
        pytest.param("pip -q install x", id="between"),
        pytest.param("pip install -q x", id="after"),
        pytest.param("pip install x -q", id="at the end"),
    ],
)
def test_globals_may_stand_at_every_level(line: str) -> None:
    assert understood(line) == ("pip install", {"quiet": ("",)}, ("x",))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        pytest.param("--cache-dir a cache --cache-dir m dir --cache-dir b", "b", id="three"),
        pytest.param("--cache-dir a cache --cache-dir m dir", "m", id="outer and middle"),
        pytest.param("--cache-dir a cache dir", "a", id="outer alone"),
    ],
)
def test_the_innermost_level_of_a_global_wins(line: str, value: str) -> None:
    assert understood(line) == ("cache dir", {"cache-dir": (value,)}, ())


def test_only_the_innermost_levels_values_are_kept() -> None:
    invocation = uv("--allow-insecure-host a -q -q sync -q --trusted-host b --trusted-host c")

    assert invocation.options == {"quiet": ("",), "allow-insecure-host": ("b", "c")}
    assert invocation.flag_order == ("quiet",)


def test_a_namespaces_own_option_reaches_its_commands() -> None:
    assert understood("pip --cert x install y") == ("pip install", {"cert": ("x",)}, ("y",))
    assert understood("pip install --cert x y") == ("pip install", {"cert": ("x",)}, ("y",))
    assert uv("--cert x pip install y").uncertain


@pytest.mark.parametrize(
    ("line", "options", "positionals", "external"),
    [
        pytest.param("sync --script x y", {"script": ("x",)}, ("y",), None, id="--script value"),
        pytest.param("run --script x y", {"script": ("",)}, (), ("x", "y"), id="--script flag"),
        pytest.param("init --script x", {"script": ("",)}, ("x",), None, id="--script flag, init"),
        pytest.param("add -m x y", {"marker": ("x",)}, ("y",), None, id="-m value"),
        pytest.param("run -m x y", {"module": ("",)}, (), ("x", "y"), id="-m flag"),
        pytest.param("add -c x y", {"constraints": ("x",)}, ("y",), None, id="-c value"),
        pytest.param("venv -c x", {"clear": ("",)}, ("x",), None, id="-c flag"),
        pytest.param("pip install --editable x", {"editable": ("x",)}, (), None, id="-e value"),
        pytest.param("add --editable x", {"editable": ("",)}, ("x",), None, id="--editable flag"),
        pytest.param("pip install -e x", {"editable": ("x",)}, (), None, id="-e value, short"),
        pytest.param("tool install -e x", {"editable": ("",)}, ("x",), None, id="-e flag"),
        pytest.param("pip install --no-binary x", {"no-binary": ("x",)}, (), None, id="binary v."),
        pytest.param("add --no-binary x", {"no-binary": ("",)}, ("x",), None, id="binary flag"),
        pytest.param("sync --package x", {"package": ("x",)}, (), None, id="--package value"),
        pytest.param("init --package x", {"package": ("",)}, ("x",), None, id="--package flag"),
        pytest.param("run -f x y", {"find-links": ("x",)}, (), ("y",), id="-f value"),
        pytest.param("python install -f x", {"force": ("",)}, ("x",), None, id="-f flag"),
        pytest.param("pip show -f x", {"files": ("",)}, ("x",), None, id="-f flag of pip show"),
        pytest.param("add -r x", {"requirements": ("x",)}, (), None, id="-r value"),
        pytest.param("python install -r x", {"reinstall": ("",)}, ("x",), None, id="-r flag"),
        pytest.param("python uninstall -i x y", {"install-dir": ("x",)}, ("y",), None, id="-i"),
        pytest.param("format --version x", {"version": ("x",)}, (), None, id="--version value"),
    ],
)
def test_arity_depends_on_the_command(
    line: str,
    options: dict[str, tuple[str, ...]],
    positionals: tuple[str, ...],
    external: tuple[str, ...] | None,
) -> None:
    invocation = uv(line)

    assert invocation.options == options
    assert invocation.positionals == positionals
    assert invocation.external == external
    assert not invocation.uncertain
    assert not invocation.informative


def test_generate_shell_completion_is_an_option_a_command_and_an_alias() -> None:
    option = parse("uvx", ("--generate-shell-completion", "bash"))
    alias = uv("--generate-shell-completion bash")

    assert (option.command, option.options) == (
        ("tool", "run"),
        {"generate-shell-completion": ("bash",)},
    )
    assert (alias.command, alias.positionals) == (("generate-shell-completion",), ("bash",))
    assert option.informative
    assert alias.informative
    assert uv("run --generate-shell-completion bash").uncertain


@pytest.mark.parametrize(
    ("line", "external"),
    [
        pytest.param("run x --foo", "x --foo", id="first word"),
        pytest.param("run -q -p 3.12 x -q", "x -q", id="after options"),
        pytest.param("run -- x --foo", "x --foo", id="after --"),
        pytest.param("run --frozen -- --foo", "--foo", id="-- protects"),
        pytest.param("run x -- y", "x -- y", id="a later -- is passed on"),
        pytest.param("run -- -- x", "-- x", id="only one -- is taken"),
        pytest.param("run -", "-", id="stdin"),
        pytest.param("run -q - a b", "- a b", id="stdin with arguments"),
        pytest.param("run -- - a", "- a", id="stdin after --"),
        pytest.param("run -m pytest -k x", "pytest -k x", id="module"),
        pytest.param("run -s a.py -p 3", "a.py -p 3", id="script"),
        pytest.param("run -qm pytest", "pytest", id="module in a cluster"),
        pytest.param("run help", "help", id="help is a program here"),
        pytest.param("run sync", "sync", id="so is the name of a command"),
        pytest.param("run x --help", "x --help", id="the program's own help"),
        pytest.param("tool run --from a b -c", "b -c", id="tool run"),
        pytest.param("tool uvx -w a b", "b", id="tool uvx"),
    ],
)
def test_the_external_command_is_passed_verbatim(line: str, external: str) -> None:
    invocation = uv(line)

    assert invocation.external == tuple(external.split())
    assert invocation.positionals == ()
    assert not invocation.uncertain
    assert not invocation.informative


def test_an_empty_word_is_an_external_command() -> None:
    assert parse("uv", ("run", "", "x")).external == ("", "x")


@pytest.mark.parametrize("line", ["run", "run --", "run -q", "sync", "run -p x"])
def test_there_may_be_no_external_command(line: str) -> None:
    assert uv(line).external is None


def test_uvx_has_the_options_of_tool_run() -> None:
    arguments = ("--from", "a==1", "-w", "b", "-qp3.12", "--isolated", "c", "--from", "d")

    invocation = parse("uvx", arguments)

    assert invocation == Invocation(
        program="uvx",
        arguments=arguments,
        command=("tool", "run"),
        options={
            "from": ("a==1",),
            "with": ("b",),
            "quiet": ("",),
            "python": ("3.12",),
            "isolated": ("",),
        },
        flag_order=("quiet", "isolated"),
        external=("c", "--from", "d"),
        significant=("-w", "b", "-qp3.12", "--isolated", "--", "_"),
        detailed=("--from", "a==1", "-w", "b", "-qp3.12", "--isolated", "--", "_"),
    )


def test_double_dash_ends_options_elsewhere() -> None:
    assert understood("pip install -q x -- -r --") == (
        "pip install",
        {"quiet": ("",)},
        ("x", "-r", "--"),
    )


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="nothing"),
        pytest.param("-q", id="no subcommand"),
        pytest.param("pip", id="namespace alone"),
        pytest.param("pip -q", id="namespace with an option"),
        pytest.param("--version", id="--version"),
        pytest.param("-V", id="-V"),
        pytest.param("-qV", id="-V in a cluster"),
        pytest.param("-V run x", id="-V before a command"),
        pytest.param("-h", id="-h"),
        pytest.param("sync --help", id="--help"),
        pytest.param("run -h x", id="-h before the external command"),
        pytest.param("run -qhx", id="uv reads no further than -h"),
        pytest.param("run --help --nonsense", id="nor than --help"),
        pytest.param("help", id="help"),
        pytest.param("help run", id="help of a command"),
        pytest.param("help --no-pager pip install", id="help with its option"),
        pytest.param("--show-settings sync", id="--show-settings outside"),
        pytest.param("sync --show-settings", id="--show-settings inside"),
        pytest.param("tool run", id="tool run without a tool lists tools"),
        pytest.param("generate-shell-completion fish", id="completion"),
    ],
)
def test_what_only_prints_is_informative(line: str) -> None:
    invocation = uv(line)

    assert invocation.informative
    assert not invocation.uncertain


@pytest.mark.parametrize("words_", [("-V",), ("--version",), ("-h",), ("-qV", "x"), ()])
def test_uvx_alone_is_informative(words_: tuple[str, ...]) -> None:
    assert parse("uvx", words_).informative


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("sync", id="sync"),
        pytest.param("run", id="run without a command syncs"),
        pytest.param("run x -h", id="the program's -h"),
        pytest.param("run -- --version", id="the program's --version"),
        pytest.param("pip install -- --help", id="after --"),
        pytest.param("version --bump minor --show-settings", id="old uv ignores it there"),
    ],
)
def test_what_may_act_is_not_informative(line: str) -> None:
    assert not uv(line).informative
    assert not uv(line).uncertain


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("--nonsense sync", id="unknown global"),
        pytest.param("sync --nonsense", id="unknown option"),
        pytest.param("sync --nonsense=x", id="unknown option with value"),
        pytest.param("sync -Z", id="unknown short"),
        pytest.param("sync -qZ", id="unknown short in a cluster"),
        pytest.param("sync --froz", id="no abbreviations"),
        pytest.param("sync --Frozen", id="case counts"),
        pytest.param("sync ---frozen", id="three dashes"),
        pytest.param("sync --=x", id="no name"),
        pytest.param("sync -=x", id="no short name"),
        pytest.param("--frozen sync", id="option of the command before it"),
        pytest.param("--link-mode copy sync", id="value option of the command before it"),
        pytest.param("nonsense", id="unknown command"),
        pytest.param("pip add x", id="unknown subcommand"),
        pytest.param("pip -", id="a lone - is no subcommand"),
        pytest.param("-- run x", id="-- before the command"),
        pytest.param("pip -- install x", id="-- between"),
        pytest.param("sync --frozen=1", id="flag with a value"),
        pytest.param("sync --frozen=", id="flag with an empty value"),
        pytest.param("sync --help=1", id="help with a value"),
        pytest.param("sync -n=1", id="short flag with a value"),
        pytest.param("sync -nq=1", id="cluster of flags with a value"),
        pytest.param("sync -n-", id="dash in a cluster"),
        pytest.param("sync --python", id="no value"),
        pytest.param("sync -qp", id="no value for a cluster"),
        pytest.param("sync --python --frozen", id="an option is no value"),
        pytest.param("sync -p -5", id="a negative number is no value"),
        pytest.param("run -p -- x", id="-- is no value"),
        pytest.param("sync -p --help", id="a missing value is an error before the help"),
        pytest.param("help --nonsense", id="unknown option of help"),
        pytest.param("pip install --editable", id="value option as the last word"),
    ],
)
def test_what_uv_rejects_is_uncertain(line: str) -> None:
    assert uv(line).uncertain


def test_uncertainty_outside_reaches_the_result() -> None:
    invocation = uv("--nonsense=1 run -p 3 x")

    assert invocation.uncertain
    assert invocation.command == ("run",)
    assert invocation.external == ("x",)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        pytest.param("run --active x", True, id="on"),
        pytest.param("run --no-active x", False, id="off"),
        pytest.param("run --active --no-active x", False, id="last is off"),
        pytest.param("run --no-active --active x", True, id="last is on"),
        pytest.param("run x --active", None, id="neither"),
    ],
)
def test_the_last_of_a_pair_wins(line: str, *, wanted: bool | None) -> None:
    assert uv(line).switch("active", "no-active") is wanted


def test_value_is_the_last_one() -> None:
    invocation = uv("run --with a --with b")

    assert invocation.value("with") == "b"
    assert invocation.value("python") is None
    assert invocation.has("with")
    assert not invocation.has("python")


def test_any_bytes_are_parsed_and_kept() -> None:
    arguments = ("--cache-dir", "/\udcff", "run", "-p\udcfe", "\udcfd", "--\udcff")

    invocation = parse("uv", arguments)

    assert invocation.arguments == arguments
    assert invocation.options == {"cache-dir": ("/\udcff",), "python": ("\udcfe",)}
    assert invocation.external == ("\udcfd", "--\udcff")
    assert parse("uv", ("run", "--\udcff")).uncertain
    assert parse("uv", ("run", "-\udcff")).uncertain
    assert parse("uv", ("\udcff",)).uncertain


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_no_spelling_twice(command: str) -> None:
    names = [name for word in words(COMMANDS[command]) for name in word.rstrip("=").split(",")]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_long_canonical_name(command: str) -> None:
    assert [name for name in spellings(command).values() if len(name.rstrip("=")) < 2] == []


def test_every_group_is_used_and_every_alias_leads_to_a_command() -> None:
    used = {word[1:] for text in (*COMMANDS.values(), *GROUPS.values()) for word in text.split()}

    assert set(GROUPS) <= used
    assert set(ALIASES.values()) <= set(COMMANDS)
    assert not set(ALIASES) & set(COMMANDS)
    assert set(EXTERNAL) <= set(COMMANDS)


def test_namespaces_are_the_commands_above_others() -> None:
    above = {name.rpartition(" ")[0] for name in COMMANDS if name}

    assert set(NAMESPACES) == above


def test_parsing_imports_nothing_but_the_table_and_record() -> None:
    code = (
        "import sys; before = set(sys.modules); import uvx_policy.uv.invocation; "
        "print(*sorted(set(sys.modules) - before))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(uvx_policy.__file__).parent.parent)},
    )

    assert set(done.stdout.split()) <= {
        "__future__",
        "uvx_policy",
        "uvx_policy.uv",
        "uvx_policy.uv.invocation",
        "uvx_policy.uv.options",
        "uvx_policy.value",
    }
