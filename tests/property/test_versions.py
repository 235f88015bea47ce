"""What is decided without knowing uv's version is what every version would get."""

from __future__ import annotations

import ast
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from uvx_policy import pipeline
from uvx_policy.errors import ConfigError
from uvx_policy.filesystem import capability
from uvx_policy.model import Capability
from uvx_policy.pipeline import Plan
from uvx_policy.uv.version import OLDEST, RealUv, assumptions

if TYPE_CHECKING:
    from uvx_policy.model import Support, UvVersion

_PROJECT = "[project]\nname = 'p'\nversion = '1'\n"


class World(NamedTuple):
    """A project with a member, and one call there; each part can make uv's version matter."""

    words: tuple[str, ...]
    variables: Mapping[str, str]
    #: of the root's pyproject.toml, after the name of the project
    root: str
    #: of the member's pyproject.toml
    member: str
    #: of uv.toml in the root, "" for none
    uv_toml: str
    #: what is at `.venv` in the root
    environment: str
    clone: Support
    in_member: bool


_SUPPORT: list[Support] = ["yes", "no", "unknown"]
worlds = st.builds(
    World,
    words=st.sampled_from(
        [
            ("sync",),
            ("sync", "--active"),
            ("run", "x.py"),
            ("run", "packages/a/x.py"),
            ("run", "--isolated", "x.py"),
            ("add", "x"),
            ("venv",),
            ("venv", "--seed"),
            ("pip", "install", "x"),
            ("tool", "install", "x"),
            ("version", "--bump", "minor"),
            ("sync", "--project", "packages/a/pyproject.toml"),
        ]
    ),
    variables=st.dictionaries(
        st.sampled_from(
            ["UV_NO_PROJECT", "UV_ISOLATED", "UV_NO_SYSTEM_CONFIG", "UV_PREVIEW", "UV_NO_CONFIG"]
        ),
        st.sampled_from(["1", "0"]),
        max_size=1,
    )
    | st.sampled_from(
        [
            {"UV_PROJECT": "packages/a"},
            {"UV_WORKING_DIR": "packages"},
            {"UV_WORKING_DIRECTORY": "packages"},
            {"UV_PREVIEW_FEATURES": "target-workspace-discovery"},
            {"UV_TOOL_DIR": ""},
            {"VIRTUAL_ENV": "elsewhere"},
            {"UV_LINK_MODE": "hardlink"},
        ]
    ),
    root=st.sampled_from(
        [
            "",
            "[tool.uv.workspace]\nmembers = ['packages/a']\n",
            "[tool.uv.workspace]\nmembers = ['packages/a/']\n",
            "[tool.uv.workspace]\nmembers = ['./packages/*']\n",
            "[tool.uv.workspace]\nmembers = ['*']\n",
            "[tool.linkpolicy]\nhackable = true\n",
            "[tool.linkpolicy]\nlink-mode = 'hardlink'\n",
            "[tool.linkpolicy]\nlink-mode = 'nonsense'\n",
            "[tool.uv]\nlink-mode = 'reflink'\n",
        ]
    ),
    member=st.sampled_from(
        [_PROJECT, "", "[tool.x]\n", _PROJECT + "[tool.linkpolicy]\nhackable = true\n"]
    ),
    uv_toml=st.sampled_from(["", "link-mode = 'copy'\n", "exclude-dependencies = []\n"]),
    environment=st.sampled_from(["none", "directory", "file", "link", "dangling"]),
    clone=st.sampled_from(_SUPPORT),
    in_member=st.booleans(),
)
several = st.lists(st.tuples(st.just(0), st.integers(6, 14), st.integers(0, 30)), max_size=5)


class _Asked(BaseException):
    """The version was wanted. Nothing of the plan catches it."""


def _plan(version: UvVersion | None, world: World) -> Plan | ConfigError:
    """The plan for a uv of this version, `None`: of one that is not remembered."""
    with mock.patch.object(RealUv, "remembered", return_value=version):
        try:
            return pipeline.make_plan("uv", world.words, environ=dict(os.environ), uv="../uv")
        except ConfigError as error:
            return error


def _effect(plan: Plan | ConfigError) -> object:
    return str(plan) if isinstance(plan, ConfigError) else (plan.edits, plan.outcome.refusal)


@settings(deadline=None, max_examples=60)  # a dozen plans each
@given(worlds, several)
def test_where_the_version_is_not_asked_every_version_gets_the_same(
    world: World, some: list[UvVersion]
) -> None:
    with _standing_in(world):
        try:
            with mock.patch.object(RealUv, "version", side_effect=_Asked):
                unasked = _plan(None, world)
        except _Asked:
            return
        for version in (*some, *_edges(world)):
            known = _plan(version, world)
            assert _effect(known) == _effect(unasked), version
            assert isinstance(known, Plan)
            assert isinstance(unasked, Plan)
            assert known.destination.path == unasked.destination.path


@settings(deadline=None, max_examples=60)  # a dozen plans each
@given(worlds, several)
def test_what_an_unknown_version_gets_suits_every_version(
    world: World, some: list[UvVersion]
) -> None:
    """Copies instead of clones or hard links; the cache that all of them get; a link that stays."""
    with _standing_in(world):
        unknown = _plan(None, world)
        if isinstance(unknown, ConfigError):
            return
        for version in (*some, *_edges(world)):
            known = _plan(version, world)
            if not unknown.edits.variables or isinstance(known, ConfigError):
                continue
            ours, theirs = (dict(plan.edits.variables) for plan in (unknown, known))
            if known.destination.kind == "none":  # it installs nothing, in whichever way
                ours.pop("UV_LINK_MODE", "")
            assert ours.pop("UV_LINK_MODE", "") in ("copy", theirs.pop("UV_LINK_MODE", ""))
            # To what uv does by itself, keeping the link, the resolved path makes no difference.
            if "UV_PROJECT_ENVIRONMENT" not in theirs:
                ours.pop("UV_PROJECT_ENVIRONMENT", "")
            assert ours == theirs, version


def _edges(world: World) -> list[UvVersion]:
    """The versions with which the decision becomes another one, and what comes before each."""
    edges: list[UvVersion] = []
    for version in assumptions():
        _plan(version, world)
        first, second, third = ast.literal_eval(tuple.__repr__(version))
        edges += [(first, second, third), (first, second - (third == 0), (third or 99) - 1)]
    return [edge for edge in edges if edge >= OLDEST]


@contextlib.contextmanager
def _standing_in(world: World) -> Iterator[None]:
    """Build the world, and stand in it."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        root, member = base / "root", base / "root/packages/a"
        for made in (member, base / "home", base / "target", root / "elsewhere"):
            made.mkdir(parents=True)
        (base / "uv").write_text("#!/bin/sh\n")
        (root / "pyproject.toml").write_text(_PROJECT + world.root)
        (root / "x.py").touch()
        (member / "x.py").touch()
        if world.member:
            (member / "pyproject.toml").write_text(world.member)
        if world.uv_toml:
            (root / "uv.toml").write_text(world.uv_toml)
        _ENVIRONMENTS[world.environment](root / ".venv")
        links = Capability(clone=world.clone, hardlink="yes")
        environ = {"HOME": str(base / "home"), "PATH": "/usr/bin:/bin", **world.variables}
        os.chdir(member if world.in_member else root)
        try:
            with (
                mock.patch.dict(os.environ, environ, clear=True),
                mock.patch.object(capability, "probe_links", return_value=links),
            ):
                yield
        finally:
            os.chdir(before)


_ENVIRONMENTS: dict[str, Callable[[Path], object]] = {
    "none": lambda _: None,
    "directory": Path.mkdir,
    "file": Path.touch,
    "link": lambda path: path.symlink_to("../target"),
    "dangling": lambda path: path.symlink_to("../missing"),
}
