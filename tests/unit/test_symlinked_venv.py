"""A link at `.venv`: what is done for which command and which uv."""

from __future__ import annotations

import pytest

from uvx_policy.model import DEFAULT, Destination, Origin
from uvx_policy.symlinked_venv import LinkFacts, LinkPlan, keep_link
from uvx_policy.uv.invocation import Invocation

WORKING = LinkFacts(target="/data/env", target_exists=True, parent_exists=True, into_cache=False)
DANGLING = WORKING.replace(target_exists=False)
ORPHAN = DANGLING.replace(parent_exists=False)
UPE = Origin(kind="variable", name="UV_PROJECT_ENVIRONMENT")


def plan(
    link: LinkFacts,
    command: str,
    version: tuple[int, int, int] | None,
    *,
    root: bool = True,
    origin: Origin = DEFAULT,
) -> LinkPlan:
    words = tuple(command.split())
    return keep_link(
        link,
        invocation=Invocation(program="uv", arguments=words, command=words),
        destination=Destination(
            kind="new" if command == "venv" else "project", path="/p/.venv", origin=origin
        ),
        version=version,
        at_workspace_root=root,
    )


@pytest.mark.parametrize(
    ("link", "command", "version", "code", "make", "variable", "word"),
    [
        pytest.param(WORKING, "sync", (0, 13, 8), "link-kept", "", None, "", id="new uv keeps it"),
        pytest.param(
            WORKING, "sync", (0, 8, 15), "link-resolved", "", "/data/env", "", id="old sync"
        ),
        pytest.param(
            WORKING, "add", (0, 11, 24), "link-resolved", "", "/data/env", "", id="last old add"
        ),
        pytest.param(WORKING, "add", (0, 11, 25), "link-kept", "", None, "", id="first new add"),
        pytest.param(
            WORKING,
            "run",
            (0, 5, 23),
            "link-left-alone",
            "",
            None,
            "",
            id="run starts programs: no",
        ),
        pytest.param(
            DANGLING,
            "run",
            (0, 5, 23),
            "link-target-made",
            "/data/env",
            None,
            "",
            id="run dangling",
        ),
        pytest.param(
            DANGLING, "sync", (0, 13, 8), "link-target-made", "/data/env", None, "", id="dangling"
        ),
        pytest.param(
            DANGLING,
            "sync",
            (0, 5, 23),
            "link-resolved",
            "/data/env",
            "/data/env",
            "",
            id="dangling, old sync",
        ),
        pytest.param(ORPHAN, "sync", (0, 5, 23), "link-dangles", "", None, "", id="no parent"),
        pytest.param(
            WORKING, "venv", (0, 5, 23), "link-resolved", "", "/data/env", "", id="old venv"
        ),
        pytest.param(WORKING, "venv", (0, 8, 15), "link-kept", "", None, "", id="new venv"),
        pytest.param(
            WORKING, "sync", None, "link-resolved", "", "/data/env", "", id="unknown version"
        ),
        pytest.param(
            WORKING.replace(into_cache=True),
            "sync",
            (0, 11, 24),
            "link-into-cache",
            "",
            None,
            "",
            id="uv's own central environment",
        ),
    ],
)
def test_plan(
    link: LinkFacts,
    command: str,
    version: tuple[int, int, int] | None,
    code: str,
    make: str,
    variable: str | None,
    word: str,
) -> None:
    told = plan(link, command, version)

    assert (told.code, told.make_directory, told.project_environment, told.path_argument) == (
        code,
        make,
        variable,
        word,
    )


def test_venv_outside_the_workspace_root_gets_an_argument() -> None:
    told = plan(WORKING, "venv", (0, 5, 23), root=False)

    assert (told.path_argument, told.project_environment) == ("/data/env", None)


@pytest.mark.parametrize("command", ["sync", "venv"])
def test_a_path_that_somebody_named_stays_theirs(command: str) -> None:
    told = plan(WORKING, command, (0, 5, 23), origin=UPE)

    assert (told.code, told.project_environment, told.path_argument) == (
        "link-left-alone",
        None,
        "",
    )


@pytest.mark.parametrize("command", ["sync", "venv", "run", "add"])
@pytest.mark.parametrize("version", [None, (0, 8, 15), (0, 13, 8)])
def test_the_user_base_is_no_environment(
    command: str, version: tuple[int, int, int] | None
) -> None:
    told = plan(DANGLING.replace(is_user_base=True), command, version)

    assert (told.code, told.make_directory, told.project_environment) == ("link-dangles", "", None)
