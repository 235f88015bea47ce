from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.verify.making import LIBRARY, archive, distribution, environment
from uvx_policy.doctor.case import Case
from uvx_policy.errors import UsageError
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.tree import Tree
from uvx_policy.state import layout, register
from uvx_policy.state.register import Environment
from uvx_policy.verify.targets import Target, index_of, targets_of


class Place:
    """A project with an environment, a cache, and nothing else that is known."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base = base
        self.project = base / "project"
        self.tree = environment(self.project / ".venv")
        distribution(self.tree, {"one/a.py": b""})
        self.cache = base / "cache"
        distribution(archive(self.cache), {"one/a.py": b""})
        monkeypatch.setattr("uvx_policy.host.Host.mount_table", lambda _: "")

    def case(self, cwd: Path | None = None, **environ: str) -> Case:
        variables = {"HOME": os.environ["HOME"], "PATH": "/nowhere", **environ}
        return Case(environ=variables, cwd=str(cwd or self.project))

    def asked(self, *words: str, cwd: Path | None = None, **environ: str) -> list[Target]:
        return targets_of(words, self.case(cwd, **environ))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("word", "path", "part"),
    [
        ("project/.venv", "project/.venv", ""),
        ("project", "project/.venv", ""),
        ("project/", "project/.venv", ""),
        ("./project/../project/.venv/.", "project/.venv", ""),
        (f"project/.venv/{LIBRARY}", "project/.venv", f"project/.venv/{LIBRARY}"),
        ("project/.venv/bin", "project/.venv", "project/.venv/bin"),
        ("project/.venv/pyvenv.cfg", "project/.venv", "project/.venv/pyvenv.cfg"),
    ],
)
def test_a_word_names_an_environment(place: Place, word: str, path: str, part: str) -> None:
    whole = str(place.base / part) if part else ""

    for spelled in (word, str(place.base / word)):
        assert place.asked(spelled, cwd=place.base) == [
            Target(path=str(place.base / path), part=whole)
        ]


def test_a_word_names_a_cache_or_a_part_of_one(place: Place) -> None:
    unpacked = place.cache / "archive-v0" / "abcdefghijklmnop"

    assert place.asked(str(place.cache)) == [Target(path=str(place.cache), is_cache=True)]
    for inside in (unpacked, unpacked / "one", unpacked / "one" / "a.py"):
        assert place.asked(str(inside)) == [
            Target(path=str(place.cache), is_cache=True, part=str(inside))
        ]


def test_the_environment_of_a_tool_in_a_cache_is_one(place: Place) -> None:
    tool = environment(place.cache / "archive-v0" / "tool")

    assert place.asked(tool.owner) == [Target(path=tool.owner)]


def test_a_target_in_an_environment_is_its_own(place: Place) -> None:
    vendored = place.project / ".venv" / "vendored"
    distribution(Tree(path=str(vendored), kind="site", owner=""), {"two.py": b""}, name="two")

    assert place.asked(str(vendored / "two.py")) == [
        Target(path=str(vendored), part=str(vendored / "two.py"))
    ]


def test_a_target_or_a_prefix_is_an_environment(place: Place) -> None:
    vendored = place.base / "vendored"
    distribution(Tree(path=str(vendored), kind="site", owner=""), {"two.py": b""}, name="two")
    prefix = place.base / "prefix"
    (prefix / "lib/python3.12/site-packages").mkdir(parents=True)

    assert place.asked(str(vendored)) == [Target(path=str(vendored))]
    assert place.asked(str(prefix)) == [Target(path=str(prefix))]
    assert [tree.path for tree in Target(path=str(vendored)).trees()] == [str(vendored)]


def test_a_file_of_a_target_or_of_a_prefix(place: Place) -> None:
    vendored = place.base / "vendored"
    distribution(Tree(path=str(vendored), kind="site", owner=""), {"two/a.py": b""}, name="two")
    prefix = place.base / "prefix" / "lib/python3.12/site-packages"
    distribution(Tree(path=str(prefix), kind="site", owner=""), {"two/a.py": b""}, name="two")

    for owner, file in ((vendored, vendored / "two/a.py"), (place.base / "prefix", prefix / "two")):
        assert place.asked(str(file)) == [Target(path=str(owner), part=str(file))]


def test_the_environment_here(place: Place) -> None:
    assert place.asked() == [Target(path=str(place.project / ".venv"))]


def test_the_active_environment_where_there_is_no_other(place: Place) -> None:
    nowhere = place.base / "nowhere"
    nowhere.mkdir()

    active = place.asked(cwd=nowhere, VIRTUAL_ENV=str(place.project / ".venv"))

    assert active == [Target(path=str(place.project / ".venv"))]
    with pytest.raises(UsageError, match="there is no environment here"):
        place.asked(cwd=nowhere)
    with pytest.raises(UsageError, match="there is no environment here"):
        place.asked(cwd=nowhere, VIRTUAL_ENV="/gone")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("absent", "there is no `absent`"),
        ("/", "`/` is not an environment, a cache, or a file in one"),
        ("/etc/passwd", "`/etc/passwd` is not an environment"),
        ("empty", "`empty` is not an environment"),
        ("", "`` is not an environment"),
    ],
)
def test_a_word_that_names_nothing_of_the_kind(place: Place, word: str, says: str) -> None:
    (place.base / "empty").mkdir()

    with pytest.raises(UsageError, match=says):
        place.asked(word, cwd=place.base)


def test_each_target_once(place: Place) -> None:
    told = place.asked("project", "project/.venv", str(place.cache), "project", cwd=place.base)

    assert [each.path for each in told] == [str(place.project / ".venv"), str(place.cache)]


def test_everything_that_is_known(place: Place) -> None:
    other = environment(place.base / "other")
    case = place.case(UV_CACHE_DIR=str(place.cache), XDG_DATA_HOME=str(place.base))
    tool = environment(place.base / "uv" / "tools" / "black")
    register.remember(case.state, Environment(path=other.owner))

    told = targets_of([], case, everything=True)

    assert {(each.path, each.is_cache) for each in told} >= {
        (other.owner, False), (tool.owner, False), (str(place.cache), True),
    }  # fmt: skip
    assert [each.path for each in targets_of([], case, caches=True)] == [str(place.cache)]


def test_no_known_cache_is_nothing_to_do(place: Place) -> None:
    assert targets_of([], place.case(), caches=True) == []


def test_the_index_has_what_was_named(place: Place) -> None:
    case = place.case()
    targets = place.asked(str(place.cache), str(place.project))

    index = index_of(case, targets)

    assert str(place.cache) in index.caches
    assert index.environments[0] == str(place.project / ".venv")


@pytest.mark.parametrize(
    ("part", "has"),
    [("", True), ("one", True), ("one/a.py", True), ("on", False), ("one/a.p", False)],
)
def test_a_part_has_what_lies_below_it(place: Place, part: str, *, has: bool) -> None:
    finding = Finding(
        path=f"{place.tree.path}/one/a.py", state="edited", tree=place.tree, distribution="one"
    )
    whole = f"{place.tree.path}/{part}" if part else ""

    assert Target(path=place.tree.owner, part=whole).has(finding) is has


def test_the_state_directory_is_what_the_layout_says(place: Place) -> None:
    case = place.case(XDG_STATE_HOME=str(place.base))

    assert case.state == layout.state_home({"XDG_STATE_HOME": str(place.base)}, "linux")
