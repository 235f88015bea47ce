"""Requirements and versions, compared with what PEP 440 and PEP 508 say."""

from __future__ import annotations

import itertools

import pytest

from uvx_policy.uv.requirement import (
    Requirement,
    is_before_release,
    newest,
    normalized,
    order_of,
    takes,
)

#: in their order
VERSIONS = (
    "0", "1.0.dev1", "1.0a1.dev2", "1.0a1", "1.0a1.post1", "1.0b2", "1.0rc1", "1.0",
    "1.0.post1.dev1", "1.0.post1", "1.0.1", "1.1", "1.7", "1.7.post1", "2.0.dev3", "2.0rc1", "2.0",
    "10.0", "2024.1.1", "1!0.5",
)  # fmt: skip


def test_versions_have_an_order() -> None:
    for (at, one), (other_at, other) in itertools.combinations(enumerate(VERSIONS), 2):
        first, second = order_of(one), order_of(other)
        assert first is not None
        assert second is not None
        assert (first < second) is (at < other_at), (one, other)


@pytest.mark.parametrize(
    "same", [("1", "1.0", "1.0.0", "v1"), ("1.0-1", "1.0.post1"), ("1.0.RC1", "1.0c1", "1.0-rc.1")]
)
def test_one_version_has_several_spellings(same: tuple[str, ...]) -> None:
    assert len({order_of(each) for each in same}) == 1


@pytest.mark.parametrize("text", ["", "one", "1.0.x", "1..0", "1.0 "])
def test_what_is_no_version_has_no_order(text: str) -> None:
    assert order_of(text) is None
    assert takes("<1", text)


@pytest.mark.parametrize(
    ("specifier", "those"),
    [
        ("==1.0", "1.0"),
        ("==1.0.*",  " ".join(VERSIONS[1:11])),
        ("~=1.0", "1.0 1.0.post1.dev1 1.0.post1 1.0.1 1.1 1.7 1.7.post1"),
        ("~=1.0.0", "1.0 1.0.post1.dev1 1.0.post1 1.0.1"),
        ("<1.0", "0"),
        ("<1.0rc1", "0 1.0.dev1 1.0a1.dev2 1.0a1 1.0a1.post1 1.0b2"),
        (">1.7,<2024", "2.0.dev3 2.0rc1 2.0 10.0"),
        (">=2.0,!=10.*,<1!0", "2.0 2024.1.1"),
        ("===2.0", "2.0"),
        (">=1!0", "1!0.5"),
    ],
)  # fmt: skip
def test_a_specifier_takes_some(specifier: str, those: str) -> None:
    assert [each for each in VERSIONS if takes(specifier, each)] == those.split()


def test_the_newest_is_no_preview_unless_it_is_asked_for() -> None:
    versions = ("1.0", "1.1", "2.0rc1")

    assert newest(versions, ()) == "1.1"
    assert newest(versions, (">=2.0rc1",)) == "2.0rc1"
    assert newest(versions, (">1.1",)) == "2.0rc1"
    assert newest(versions, ("<2", ">=1.1")) == "1.1"
    assert newest(versions, (">3",)) == ""
    assert is_before_release("2.0.dev3")
    assert not is_before_release("2.0.post1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rich", Requirement(name="rich")),
        (" Foo._Bar [A_b, c] ~= 1.0 , != 1.1", Requirement(
            name="foo-bar", extras=frozenset(("a-b", "c")), specifier="~= 1.0 , != 1.1")),
        ("old (>=1,<2)", Requirement(name="old", specifier=">=1,<2")),
        ("x; python_version < '3'", Requirement(name="x", is_conditional=True)),
        ("x>1 ; sys_platform == 'a' and extra == 'Some_Thing'", Requirement(
            name="x", specifier=">1", if_extras=frozenset(("some-thing",)), is_conditional=True)),
        ("x; 'b' == extra or extra == 'c'", Requirement(
            name="x", if_extras=frozenset("bc"), is_conditional=True)),
    ],
)  # fmt: skip
def test_a_requirement_is_understood(text: str, expected: Requirement) -> None:
    assert Requirement.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "./x", "-e .", "x @ https://nowhere/x.whl", "x y", "git+https://nowhere/x", "x>"]
)
def test_what_is_none_is_none(text: str) -> None:
    assert Requirement.parse(text) is None


def test_names_have_one_spelling() -> None:
    assert {normalized(each) for each in ("A.b", "a-b", "a__b", " A_.-b ")} == {"a-b"}
