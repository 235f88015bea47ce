"""Whatever `Path` holds and whatever others do to it: theirs stays, ours comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from uvx_policy.setup import registry_path
from uvx_policy.windows.user_environment import REG_EXPAND_SZ, REG_SZ, Stored

OURS = r"C:\Users\ada\shims"
KINDS = st.sampled_from([REG_SZ, REG_EXPAND_SZ])
#: what entries are made of: separators, quotes, variables, near misses of our own
PIECES = [";", ";;", '"', "%", "%A%", "\\", "C:\\x", OURS + "2", OURS.lower(), "/", " ", "\u00e4"]
TEXTS = st.lists(st.sampled_from([*PIECES, OURS, f"{OURS};", f";{OURS}"])).map("".join)
THEIRS = st.lists(st.sampled_from(PIECES)).map("".join)
#: no separator, no quote: what an installer puts in front or at the end
ENTRIES = st.sampled_from(["C:\\new", "%A%\\bin", "C:\\new dir", ""])


def stored(text: str, kind: int) -> Stored:
    return Stored(kind, f"{text}\0".encode("utf-16-le"))


def names(value: Stored | None) -> list[str]:
    return [entry.directory for entry in registry_path.entries(value, {"A": "C:\\a"})]


@given(text=TEXTS, kind=KINDS)
def test_ours_comes_first_once_and_the_rest_keeps_its_order(text: str, kind: int) -> None:
    before = stored(text, kind)

    after = registry_path.with_first(before, OURS)

    assert after.kind == kind
    assert registry_path.with_first(after, OURS) == after
    assert names(after)[:1] == [OURS]
    assert names(after)[1:] == names(registry_path.without(before, OURS))


@given(text=THEIRS, kind=KINDS, tail=st.binary(max_size=4).filter(lambda data: len(data) % 2 == 0))
def test_what_was_there_is_restored_byte_for_byte(text: str, kind: int, tail: bytes) -> None:
    before = stored(text, kind)
    # Behind the end may stand anything, but the value has to end as a text does.
    before = Stored(kind, before.data + tail + b"\0\0" if tail else before.data)
    if registry_path.without(before, OURS) != before:
        return  # what hypothesis put together is our directory

    assert registry_path.without(registry_path.with_first(before, OURS), OURS) == before


@given(text=THEIRS, kind=KINDS, front=ENTRIES, end=ENTRIES)
def test_what_others_added_meanwhile_stays(text: str, kind: int, front: str, end: str) -> None:
    before = stored(text, kind)
    if registry_path.without(before, OURS) != before or text.count('"') % 2:
        return
    ours = registry_path.text_of(registry_path.with_first(before, OURS))

    left = registry_path.without(stored(f"{front};{ours};{end}", kind), OURS)

    assert left == stored(f"{front};{text};{end}", kind)
