"""The documentation says what the code does: what exists is documented, what is told exists."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import real_uv
from tests.test_architecture import MODULES, ROOMS, room_of
from uvx_policy import __version__, errors, explain, locate
from uvx_policy.command_line.here import split
from uvx_policy.command_line.parser import GLOBAL_OPTIONS
from uvx_policy.command_line.tree import build_parser, overview
from uvx_policy.decide import Outcome
from uvx_policy.doctor.clients import CLIENTS
from uvx_policy.edits import NOTHING
from uvx_policy.faults import Fault
from uvx_policy.filesystem import probe
from uvx_policy.model import DEFAULT, Decision, Destination, Refusal
from uvx_policy.pipeline import Plan
from uvx_policy.replay.prediction import Prediction
from uvx_policy.replay.witness import Witnesses
from uvx_policy.settings.check import PROJECT_TABLE, Checker
from uvx_policy.settings.keys import CONFIG_TABLES, KEYS, Key
from uvx_policy.setup import shells, startup_file
from uvx_policy.state import layout
from uvx_policy.toml_file import parse_toml
from uvx_policy.uv import invocation

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "uvx_policy"

PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder, pattern in ((ROOT, "*.md"), (ROOT / "docs", "**/*.md"), (ROOT / "shims", "*.md"))
    for path in folder.glob(pattern)
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def reference(name: str) -> str:
    return read(f"docs/reference/{name}.md")


def section(text: str, title: str) -> str:
    """The lines below one heading, up to the next of its level or above."""
    level = len(title) - len(title.lstrip("#"))
    found = re.search(
        rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found, f"no heading {title!r}"
    return found[1]


def first_column(text: str) -> list[str]:
    """What stands in backticks in the first column of every table, headings aside."""
    rows = re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages."""
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [content for language, content in fences if language in languages]


def prose(text: str) -> str:
    """The text without fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def constants(tree: ast.AST) -> Iterator[str]:
    """Every string in the code, docstrings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def parsed(*names: str) -> ast.Module:
    """Some modules of the package as one; all of them when none is named."""
    found = ast.Module(body=[], type_ignores=[])
    for name in names or MODULES:
        path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
        found.body += ast.parse(path.read_text(encoding="utf-8")).body
    return found


# Commands -----------------------------------------------------------------------------------------


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (choices,) = (
        action.choices
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(choices)


def options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Of a command and of its own subcommands."""
    found: dict[str, argparse.Action] = {}
    for action in parser._actions:
        found |= dict.fromkeys(action.option_strings, action)
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= options(below)
    return {option: found[option] for option in found if option not in GLOBAL_OPTIONS}


def test_every_command_has_a_section_and_no_other() -> None:
    told = re.findall(r"^## linkpolicy (\S+)$", reference("cli"), re.MULTILINE)

    assert sorted(told) == sorted(subcommands())


@pytest.mark.parametrize("command", sorted(subcommands()))
def test_every_option_of_a_command_is_told_and_no_other(command: str) -> None:
    text = section(reference("cli"), f"## linkpolicy {command}")
    told = {word.split()[0] for word in first_column(text) if word.startswith("-")}

    assert told == set(options(subcommands()[command]))


def test_every_global_option_is_told_and_no_other() -> None:
    told = first_column(section(reference("cli"), "## Global options"))

    assert {word.split()[0] for word in told} == {
        name for action in overview().global_options for name in action.option_strings
    }


@pytest.mark.parametrize("command", sorted(subcommands()))
def test_every_choice_of_an_option_is_told(command: str) -> None:
    text = section(reference("cli"), f"## linkpolicy {command}")
    choices = {
        str(choice)
        for action in options(subcommands()[command]).values()
        for choice in action.choices or ()
    }

    assert {choice for choice in choices if f"`{choice}`" not in text} == set()


def called(text: str) -> Iterator[list[str]]:
    """The words after `linkpolicy`, wherever the text calls it."""
    examples = blocks(text, "console", "sh", "dockerfile")
    lines = [
        line for block in examples for line in block.replace("\\\n", " ").splitlines()
        if line.startswith(("$ ", "RUN ", "python3 "))
    ]  # fmt: skip
    inline = re.findall(r"`((?:[^`\s]*/)?linkpolicy [^`\n]+)`", prose(text))
    for line in [*lines, *inline]:
        for call in re.findall(r"(?:^|[ /(])linkpolicy((?: [^|&>)#\"]+)?)", line):
            if call.strip():
                yield shlex.split(call)


@pytest.mark.parametrize("page", PAGES)
def test_every_call_of_ours_in_an_example_is_valid(page: str) -> None:
    parser = build_parser()

    for words in called(read(page)):
        own, rest = split(words)
        if own[0] == "run":
            assert rest or not words[1:]
        try:
            parser.parse_args(own)
        except SystemExit as stopped:
            assert stopped.code == 0, words  # noqa: PT017 (0: --version, --help)


@pytest.mark.parametrize("page", PAGES)
def test_every_call_of_uv_in_an_example_is_understood(page: str) -> None:
    lines = [line for block in blocks(read(page), "console") for line in block.splitlines()]
    calls = [
        shlex.split(found[1], comments=True)
        for line in lines
        if (found := re.match(r"\$ (?:[A-Z_]+=\S+ )*uv ([^|&]*)$", line))
    ]

    assert [words for words in calls if invocation.parse("uv", tuple(words)).uncertain] == []


def test_the_package_speaks_of_no_command_that_does_not_exist() -> None:
    told = {
        word
        for text in constants(parsed())
        for word in re.findall(r"`?linkpolicy ([a-z]+)(?:`| -)", text)
    }

    assert told
    assert told <= set(subcommands())


# Settings -----------------------------------------------------------------------------------------


def test_every_setting_is_told_with_its_values_and_no_other() -> None:
    rows = re.findall(
        r"^\| \[`([a-z-]+)`\]\(#[a-z-]+\) \| ([^|]+) \|",
        section(reference("settings"), "## The seven settings"),
        re.MULTILINE,
    )
    told = {name: tuple(re.findall(r'`"?([a-z]+)"?`', values)) for name, values in rows}

    assert told == {key.name: key.allowed for key in KEYS}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_value_of_a_setting_is_explained(key: Key) -> None:
    text = section(reference("settings"), f"### {key.name}")
    values = [value for value in (*key.allowed, *key.aliases) if value != "false"]

    assert [value for value in values if not re.search(rf'`"?{value}"?`|= {value}`', text)] == []


def test_every_table_of_the_configuration_is_told_and_no_other() -> None:
    told = first_column(section(reference("settings"), "## Tables of config.toml"))

    assert {word.strip("[]") for word in told} == set(CONFIG_TABLES)


@pytest.mark.parametrize("page", PAGES)
def test_every_toml_example_is_valid(page: str) -> None:
    faults: list[Fault] = []
    for text in blocks(read(page), "toml"):
        own = "[tool.linkpolicy]" in text
        name = "pyproject.toml" if own else layout.CONFIG_FILE
        checker = Checker(parse_toml(f"/{name}", text), home="/home/me")
        if own:
            checker.project()
        else:
            checker.config(defaults=1, rules=2)
        faults += checker.faults

    assert faults == []


def test_the_table_is_called_what_the_documentation_says() -> None:
    assert f"[{'.'.join(map(str, PROJECT_TABLE))}]" == "[tool.linkpolicy]"
    assert layout.PROJECT_FILE in reference("settings")


# Environment variables ----------------------------------------------------------------------------

_FAMILY = re.compile(r"_?(?:UV|XDG|CONDA)_[A-Z_]+")
_OURS = re.compile(r"\b_?LINKPOLICY_[A-Z]+\b")


def variables_in_code() -> set[str]:
    """Names that the code looks up in, or puts into, an environment; the demo's children aside."""
    names = [name for name in MODULES if not name.startswith("demo.")]
    tree = parsed(*names)
    found = {text for text in constants(tree) if _FAMILY.fullmatch(text)}
    # The text of a shim is a string, too.
    found |= {word for text in constants(tree) for word in _OURS.findall(text)}
    found |= {client.variable for client in CLIENTS} - {"", "UV"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            place, key = node.func.value, node.args[0] if node.args else None
            if node.func.attr in ("variable", "of_user"):  # of other programs
                found |= {word for word in constants(node) if word.isupper()}
            if node.func.attr != "get":
                continue
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pdm_setting":
            found |= {word for word in constants(node) if word.isupper()}
            continue
        elif isinstance(node, ast.Subscript):
            place, key = node.value, node.slice
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            place, key = node.comparators[0], node.left
        else:
            continue
        if (
            ast.unparse(place).endswith("environ")
            and isinstance(key, ast.Constant)
            and isinstance(key.value, str)
        ):
            found.add(key.value)
    return found


def test_every_environment_variable_is_told_and_no_other() -> None:
    text = reference("environment-variables")
    words = {word.split("=")[0] for word in re.findall(r"`([^`\n]+)`", text)}
    told = {word for word in words if re.fullmatch(r"_?[A-Z][A-Z_]+", word)}

    assert told - {"HOME", "PATH"} == variables_in_code() - {"HOME", "PATH"}


# Reason codes -------------------------------------------------------------------------------------


def codes_in_code() -> set[str]:
    """Every word of a code's shape in the modules that decide: a new one cannot go unnoticed."""
    found = set()
    for node in ast.walk(parsed("decide", "filesystem.places", "symlinked_venv")):
        if isinstance(node, ast.keyword) and node.arg == "code":
            found |= set(constants(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"\A[a-z]{2,}(?:-[a-z]{2,})+\Z", node.value))
    return found


def test_every_reason_code_is_told_and_no_other() -> None:
    told = first_column(reference("reason-codes"))

    assert set(told) == codes_in_code()
    assert [code for code in told if told.count(code) > 1] == ["cannot-tell"] * 2


# Exit codes, JSON, versions, files ----------------------------------------------------------------


def test_every_exit_code_is_told_and_no_other() -> None:
    ours = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    told = re.findall(r"^\| (\d+) \|", reference("exit-codes"), re.MULTILINE)

    assert set(map(int, told)) == {0, *ours}


def test_every_field_of_the_json_object_is_told_and_no_other() -> None:
    decision = Decision(value="copy", code="hackable", because="why")
    refusal = Refusal(code="nothing-links", because="why", origin=DEFAULT)
    plan = Plan(
        uv="/bin/uv",
        version=(0, 13, 8),
        invocation=invocation.parse("uv", ("sync",)),
        destination=Destination(kind="project", path="/p/.venv"),
        device=1,
        facts=None,
        outcome=Outcome(link_mode=decision, cache_dir=decision, refusal=refusal),
        link=None,
        edits=NOTHING,
        witnesses=Witnesses(0),
        state="",
    )
    printed = explain.as_object(plan, Prediction(state="new", because="why"), copied="why")
    text = reference("explain-json")
    told = first_column(text.partition("Each decision")[0])
    fields = section(text, "# `linkpolicy explain --json`").partition("Each decision")[2]

    assert {name.partition(".")[0] for name in told} == set(printed)
    within = {f"{name}.{inner}" for name in ("destination", "record") for inner in printed[name]}
    assert {name for name in told if "." in name} == within
    assert first_column(fields.partition("States")[0]) == list(printed["link_mode"])
    assert set(printed["refusal"]) <= set(printed["link_mode"])
    assert printed["schema"] == 1


def test_every_state_of_a_record_is_told_and_no_other() -> None:
    text = reference("explain-json").partition("States of the record")[2]

    assert first_column(text.partition("Kinds")[0]) == names_of_type("replay.prediction", "State")


def names_of_type(module: str, name: str) -> list[str]:
    """What a `Literal` type that the module declares allows."""
    (allowed,) = (
        list(constants(node.value))
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name
        if node.value is not None
    )
    return allowed


def test_every_kind_of_destination_is_told_and_no_other() -> None:
    kinds = names_of_type("model", "DestinationKind")
    told = first_column(reference("explain-json").partition("Kinds of destination")[2])

    assert sorted(told) == sorted(kinds)


def test_every_tested_version_of_uv_is_told() -> None:
    named = [version for version in real_uv.SUPPORTED if version != "newest"]

    assert ", ".join(named) + " and the newest" in reference("supported-uv")


def test_every_version_that_a_rule_depends_on_is_told() -> None:
    found = {
        ".".join(ast.unparse(node).strip("()").split(", "))
        for node in ast.walk(parsed())
        if isinstance(node, ast.Tuple)
        if re.fullmatch(r"\(0, \d+, \d+\)", ast.unparse(node))
    }
    text = reference("supported-uv")

    assert {version for version in found if not re.search(rf"\b{version}\b", text)} == set()


def test_every_file_that_we_write_is_told() -> None:
    text = reference("files")
    ours = [
        layout.PROJECT_CACHE, layout.device_cache_name("7").replace("7", "<uid>"),
        layout.shim_directory({"HOME": "~"}, "linux"), layout.state_home({"HOME": "~"}, "linux"),
        layout.PROJECT_FILE, layout.SETUP_RECORD, f"{probe.HIDDEN}*",
        startup_file.BEGIN.decode().strip(), startup_file.END.decode().strip(),
    ]  # fmt: skip

    assert [name for name in ours if name not in text] == []
    for store in layout.STORES:
        (row,) = [line for line in text.splitlines() if f"/linkpolicy/{store.directory}/" in line]
        assert store.prefix in row
        assert not store.most or f"at most {store.most} files" in row
        assert ("nothing deletes it" in row) == store.is_users
    assert locate.MARKER.decode() in read("shims/README.md")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "nushell", "powershell"])
def test_every_start_up_file_is_told(shell: str) -> None:
    text = section(reference("files"), "## The block in start-up files")
    found = shells.start_up_files(shell, environ={}, home="~", platform="linux")

    assert [file.path for file in found if file.path.rpartition("/")[2] not in text] == []


# Architecture -------------------------------------------------------------------------------------


def test_architecture_explains_every_room() -> None:
    table = section(read("ARCHITECTURE.md"), "## The floor plan")
    cells = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+)", table, re.MULTILINE)
    explained = {name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)}

    assert explained == set(ROOMS) - {"cli"}


def test_architecture_names_only_modules_that_exist() -> None:
    text = read("ARCHITECTURE.md")
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", text)) - {"shims/launcher.c"}
    modules = {*MODULES, *(f"{room_of(each)}.{each}" for each in MODULES)}
    functions = {"shim.become", "decide.decide", "edits.edits_for"}
    functions |= {"launch.execute", "pipeline.make_plan", "prepare.filled"}

    assert {each for each in named if each not in modules} <= functions


def test_architecture_opens_with_its_sentence_and_a_picture() -> None:
    text = read("ARCHITECTURE.md")

    assert text.split("\n")[2].startswith("**Facts are gathered at the edges")
    assert text.index("```text") < text.index("\n## A walk")


# README -------------------------------------------------------------------------------------------


def test_the_readme_has_one_test_command_that_ci_can_take() -> None:
    """`.ci/run` runs the lines between the fences after the comment."""
    found = re.findall(r"<!-- test command -->\n```sh\n(.*?)```", read("README.md"), re.DOTALL)

    (command,) = found
    assert command.count("\n") == 1
    assert not command.startswith("$")
    assert "-m pytest" in command
    assert f"$ {command}" in read("CONTRIBUTING.md")


def test_what_a_run_leaves_out_is_run_by_the_same_command_with_a_mark() -> None:
    (command,) = re.findall(r"(\.venv-test/bin/python -m pytest .*)\n", read("README.md"))

    assert f"$ {command} -m exhaustive\n" in read("CONTRIBUTING.md")
    assert f"{command} -m exhaustive\n" in (ROOT / ".ci" / "run").read_text()
    assert f'$ {command} -m "slow and not exhaustive"\n' in read("CONTRIBUTING.md")
    assert f'{command} -m "slow and not exhaustive"\n' in (ROOT / ".ci" / "run").read_text()


def test_the_readme_has_one_install_command_that_sets_up_and_shows() -> None:
    (command,) = re.findall(
        r"<!-- install command -->\n```console\n\$ (.*)\n```", read("README.md")
    )

    assert [words[0] for words in called(f"```console\n$ {command}\n```\n")] == ["setup", "demo"]


def test_the_changelog_knows_this_version() -> None:
    assert f"\n## {__version__}" in read("CHANGELOG.md")


# All pages ----------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(read(page))):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.is_file() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(link)

    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = read("docs/index.md")
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}

    assert {page for page in pages - {"index.md"} if f"]({page})" not in index} == set()


_HOSTS = {"github.com", "docs.astral.sh", "keepachangelog.com", "semver.org"}


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_a_machine_or_a_registry_is_in_it(page: str) -> None:
    text = read(page)
    here = {str(ROOT), sys.base_prefix, sys.prefix} - {"/usr", "/usr/local"}

    assert set(re.findall(r"https?://([^/)\s]+)", text)) <= _HOSTS
    assert set(re.findall(r"/home/(\w+)", text)) <= {"me"}
    assert [path for path in here if path in text] == []


@pytest.mark.parametrize("page", PAGES)
def test_one_sentence_stands_on_a_line(page: str) -> None:
    lines = [
        re.sub(r"^\d+\. ", "", line)
        for line in prose(read(page)).splitlines()
        if not line.startswith("|")
    ]

    assert [line for line in lines if re.search(r"[\w`)*][.?!] [A-Z]", line)] == []


@pytest.mark.parametrize("page", PAGES)
def test_uv_is_never_capitalised(page: str) -> None:
    text = re.sub(r"`[^`\n]*`", "", prose(read(page)))

    assert re.findall(r".*\b(?:UV|Uv)\b.*", text) == []


# The traps ----------------------------------------------------------------------------------------


def test_every_trap_names_tests_that_exist() -> None:
    text = read("tests/traps.md")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", text))
    rows = set(re.findall(r"rows? `([^`]+)`", text))

    assert [name for name in sorted(named) if f"def {name}(" not in code] == []
    assert [row for row in sorted(rows) if row not in code] == []


@pytest.mark.parametrize(("title", "count"), [("## Traps", 25), ("## Addenda", 13)])
def test_no_trap_is_left_out(title: str, count: int) -> None:
    listed = re.findall(
        r"^\| (\d+) \|.*`test_\w+`", section(read("tests/traps.md"), title), re.MULTILINE
    )

    assert listed == [str(number) for number in range(1, count + 1)]
