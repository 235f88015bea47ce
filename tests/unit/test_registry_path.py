"""`Path` in the registry: our directory in front of it and out of it again."""

from __future__ import annotations

import pytest

from uvx_policy.setup import registry_path
from uvx_policy.setup.registry_path import NotText, UnsuitableDirectory
from uvx_policy.windows.user_environment import REG_EXPAND_SZ, REG_SZ, Stored

OURS = r"C:\Users\ada\AppData\Local\linkpolicy\shims"
HOME = {"UserProfile": r"C:\Users\ada", "LOCALAPPDATA": r"C:\Users\ada\AppData\Local"}


def stored(text: str, kind: int = REG_EXPAND_SZ) -> Stored:
    return Stored(kind, f"{text}\0".encode("utf-16-le"))


@pytest.mark.parametrize(
    "before",
    [
        None,
        stored(""),
        stored("", REG_SZ),
        stored(r"C:\Python311;C:\uv"),
        stored(r"C:\Python311;C:\uv;", REG_SZ),
        stored(r";;%USERPROFILE%\bin;;"),
        stored(r'"C:\a;b";C:\c'),
        stored(r'"C:\never closed;C:\c'),
        stored("C:\\\u00fcbung;C:\\\U0001f40d"),
        Stored(REG_EXPAND_SZ, b"C\0:\0\\\0x\0\0\0y\0\0\0"),  # more behind its end
        Stored(REG_SZ, b"\x00\xd8\0\0"),  # half of a character
    ],
)
def test_what_is_put_in_front_can_be_taken_out_without_a_trace(before: Stored | None) -> None:
    after = registry_path.with_first(before, OURS)

    assert registry_path.is_first(after, OURS, {})
    assert registry_path.with_first(after, OURS) == after
    assert registry_path.without(after, OURS) == before


def test_no_value_and_an_empty_one_are_told_apart() -> None:
    assert registry_path.with_first(None, OURS) == stored(OURS)
    assert registry_path.with_first(stored(""), OURS) == stored(f"{OURS};")


def test_the_type_stays_and_is_the_one_that_windows_uses_where_there_was_none() -> None:
    assert registry_path.with_first(stored("x", REG_SZ), OURS).kind == REG_SZ
    assert registry_path.with_first(stored("x"), OURS).kind == REG_EXPAND_SZ
    assert registry_path.with_first(None, OURS).kind == REG_EXPAND_SZ


def test_a_value_without_an_end_gets_one() -> None:
    unended = Stored(REG_SZ, "C:\\x".encode("utf-16-le"))

    assert registry_path.with_first(unended, OURS) == stored(f"{OURS};C:\\x", REG_SZ)
    assert registry_path.with_first(Stored(REG_SZ, b""), OURS) == stored(f"{OURS};", REG_SZ)


def test_what_others_put_in_front_stays_when_ours_moves_there_again() -> None:
    after = registry_path.with_first(stored(f"C:\\new;{OURS};C:\\old"), OURS)

    assert after == stored(f"{OURS};C:\\new;C:\\old")


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (rf"C:\new;{OURS};C:\old", r"C:\new;C:\old"),
        (rf"C:\old;{OURS}", r"C:\old"),
        (rf"{OURS};{OURS};C:\old;{OURS}", r"C:\old"),
        (rf"C:\old;{OURS};", r"C:\old;"),
        (rf'"C:\a;{OURS};b"', rf'"C:\a;{OURS};b"'),
        (rf"{OURS}\below;C:\old", rf"{OURS}\below;C:\old"),
        (rf"%LOCALAPPDATA%\linkpolicy\shims;{OURS}", r"%LOCALAPPDATA%\linkpolicy\shims"),
    ],
)
def test_only_what_we_wrote_is_taken_out(now: str, left: str) -> None:
    assert registry_path.without(stored(now), OURS) == stored(left)


@pytest.mark.parametrize(
    "spelled",
    [
        OURS,
        f"{OURS}\\",
        OURS.upper(),
        OURS.replace("\\", "/"),
        f'"{OURS}"',
        r"%LocalAppData%\linkpolicy\shims",
        r"%userprofile%\AppData\Local\linkpolicy\shims\\",
        f";;{OURS}",
    ],
)
def test_our_directory_is_first_however_it_is_spelled(spelled: str) -> None:
    value = stored(f"{spelled};C:\\uv")

    assert registry_path.is_first(value, OURS, HOME)


def test_percent_signs_mean_nothing_in_a_plain_text() -> None:
    text = r"%LOCALAPPDATA%\linkpolicy\shims;C:\uv"

    assert not registry_path.is_first(stored(text, REG_SZ), OURS, HOME)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (r"%A%", "1"),
        (r"%A%%B%", "12"),
        (r"%A%B%", "1B%"),
        (r"%x%A%", "%x1"),
        (r"50%;%A", None),
        (r"%%A%%", "%1%"),
    ],
)
def test_variables_are_expanded_as_windows_does(text: str, named: str | None) -> None:
    found = list(registry_path.entries(stored(text), {"a": "1", "b": "2"}))

    assert [each.directory for each in found] == ([named] if named else ["50%", "%A"])


@pytest.mark.parametrize("directory", ['C:\\a"b', "C:\\a;b", "C:\\%TEMP%"])
def test_a_directory_that_path_cannot_name_is_refused(directory: str) -> None:
    with pytest.raises(UnsuitableDirectory):
        registry_path.with_first(None, directory)


def test_one_percent_sign_is_a_name_like_any_other() -> None:
    assert registry_path.with_first(None, "C:\\50%") == stored("C:\\50%")


@pytest.mark.parametrize("value", [Stored(3, b"C\0"), Stored(7, b""), Stored(REG_SZ, b"C\0:")])
def test_what_is_no_text_is_left_alone(value: Stored) -> None:
    with pytest.raises(NotText):
        registry_path.with_first(value, OURS)
    with pytest.raises(NotText):
        registry_path.without(value, OURS)


def test_the_length_is_that_of_what_a_session_gets() -> None:
    machine, user = stored(r"%A%\x"), stored("y;")

    assert registry_path.length(machine, user, {"A": "C:"}) == len(r"C:\x;y") + 1
