from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.host import Host
from uvx_policy.toml_file import TomlFile, parse_toml, read_toml

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = '''\
# [tool.linkpolicy] in a comment
name = "a"                          # 2
"quoted.key".inner = 1
text = """
[tool.linkpolicy]
hackable = 1 \\""" still inside
""" # 7
literal = \'\'\'
[[rules]] ''
\'\'\' # 10

[tool.linkpolicy]
hackable = true # 13

[ tool . "x y" . deep ]
list = [ 1, "]", # ] no end
  { p = 1,                          # 17
    q.r = '#' },
  [ [ ], 1979-05-27 07:32:00 ],
]
after = 1                           # 21

[[rules]]
path = "one"                        # 24
[[rules]]
path = "two"                        # 26
[rules.nested]
key = 1                             # 28
[[rules.inner]]
a = 1                               # 30
[[rules.inner]]
a = 2                               # 32
when = 1979-05-27 07:32:00          # 33
"\\u0061\\"b" = 'escaped'              # 34
inline = { x = { y = 1 } }          # 35
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        pytest.param(("name",), 2, id="bare key"),
        pytest.param(("quoted.key", "inner"), 3, id="quoted key with a dot"),
        pytest.param(("quoted.key",), 3, id="parent of a dotted key"),
        pytest.param(("text",), 4, id="multi-line string"),
        pytest.param(("literal",), 8, id="multi-line literal string"),
        pytest.param(("tool", "linkpolicy"), 12, id="table header, not its look-alikes"),
        pytest.param(("tool", "linkpolicy", "hackable"), 13, id="key of a table"),
        pytest.param(("tool",), 12, id="table that only its children imply"),
        pytest.param(("tool", "x y", "deep"), 15, id="header with blanks and quotes"),
        pytest.param(("tool", "x y", "deep", "list"), 16, id="array"),
        pytest.param(("tool", "x y", "deep", "list", 1), 16, id="string element with a bracket"),
        pytest.param(("tool", "x y", "deep", "list", 2, "p"), 17, id="inline table in an array"),
        pytest.param(("tool", "x y", "deep", "list", 2, "q", "r"), 18, id="dotted key inline"),
        pytest.param(("tool", "x y", "deep", "list", 3, 1), 19, id="array in an array"),
        pytest.param(("tool", "x y", "deep", "after"), 21, id="key after an array of many lines"),
        pytest.param(("rules",), 23, id="array of tables"),
        pytest.param(("rules", 0), 23, id="first element"),
        pytest.param(("rules", 0, "path"), 24, id="key of the first element"),
        pytest.param(("rules", 1), 25, id="second element"),
        pytest.param(("rules", 1, "path"), 26, id="key of the second element"),
        pytest.param(("rules", 1, "nested", "key"), 28, id="table below the last element"),
        pytest.param(("rules", 1, "inner", 1), 31, id="array of tables below an element"),
        pytest.param(("rules", 1, "inner", 1, "a"), 32, id="key in both arrays"),
        pytest.param(("rules", 1, "inner", 1, "when"), 33, id="date with a blank"),
        pytest.param(("rules", 1, "inner", 1, 'a"b'), 34, id="key with escapes"),
        pytest.param(("rules", 1, "inner", 1, "inline", "x", "y"), 35, id="nested inline tables"),
        pytest.param(("hackable",), 0, id="look-alike in a string"),
        pytest.param(("rules", 2), 0, id="element that is not there"),
        pytest.param(("rules", 0, "nested"), 0, id="table of another element"),
        pytest.param(("nowhere",), 0, id="absent"),
        pytest.param((), 0, id="the document"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_line_of_finds_the_definition(keys: tuple[str | int, ...], line: int, newline: str) -> None:
    file = parse_toml("p", DOCUMENT.replace("\n", newline))

    assert file.line_of(*keys) == line


def test_a_header_counts_more_than_an_earlier_child_of_its_table() -> None:
    file = parse_toml("p", "[a.b]\nx = 1\n[a]\ny = 1\n")

    assert file.line_of("a") == 3


def test_a_byte_order_mark_is_skipped_as_uv_does() -> None:
    file = parse_toml("p", "\ufeffa = 1\n")

    assert file.data == {"a": 1}
    assert file.line_of("a") == 1


def test_asking_for_lines_does_not_change_the_value() -> None:
    one, other = parse_toml("p", "a = 1\n"), parse_toml("p", "a = 1\n")

    one.line_of("a")

    assert one == other


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("a = 1\nb =\n", "p:2: Invalid value", id="line"),
        pytest.param("a = 1\r\nb =\r\n", "p:2: Invalid value", id="line of a CRLF file"),
        pytest.param("a = 1\na = 2\n", "p:2: ", id="twice"),
        pytest.param("a = 1\n\nb = [\n", "p:", id="end of the document"),
        pytest.param("a = 1\nb = [", "p:2: ", id="end of a last line"),
        pytest.param("a = " + "[" * 5000, "p: values are nested too deeply", id="nested"),
        pytest.param("a = " + "9" * 5000, "p: Exceeds the limit", id="an integer too long"),
        pytest.param("a = 1\rb = 2\n", "p:1: ", id="carriage returns alone"),
    ],
)
def test_broken_toml_is_one_fault_with_its_line(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse_toml("p", text)

    fault = str(*told.value.faults)
    assert fault.startswith(place)
    assert "\n" not in fault
    assert "(at " not in fault


def test_tomllib_is_enough_where_tomli_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tomllib")
    monkeypatch.setitem(sys.modules, "tomli", None)

    assert parse_toml("p", "a = 1\n").data == {"a": 1}
    with pytest.raises(ConfigError, match="p:2: "):
        parse_toml("p", "a = 1\nb =\n")


def test_an_absent_file_is_none(tmp_path: Path) -> None:
    assert read_toml(Host(environ={}), str(tmp_path / "no.toml")) is None


def test_a_file_is_read_through_the_host(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 'b'\r\n")

    file = read_toml(Host(environ={}), str(tmp_path / "a.toml"))

    assert file is not None
    assert file.data == {"a": "b"}
    assert file.path == str(tmp_path / "a.toml")


def test_what_cannot_be_read_is_not_absent(tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()

    with pytest.raises(Unreadable):
        read_toml(Host(environ={}), str(tmp_path / "a.toml"))


# --- generated documents: every statement has a value that tells its own line ---

_names = st.sampled_from(["a", "b", "c-d", "x y", 'q"q', "a.b", "#", "[t]", "é"])


def _quoted(name: str) -> str:
    bare = name.replace("-", "").isalnum() and name.isascii()
    escaped = name.replace('"', '\\"')
    return name if bare else f'"{escaped}"'


_noise = st.sampled_from([
    "",
    "# [a] b = 1",
    'noise{} = """\n[a]\nb = 1\n\\"""\n"""""',
    "noise{} = '''\na = [\n'''",
    "noise{} = [ # ]\n 'a]', [\n\"\\\"]\" ], {{ z = ']' }},\n]",
    'noise{} = "\\\\" # "',
    "noise{} = 1979-05-27 07:32:00Z",
    "noise{} = {{ a = 1, b.c = '}}' }}",
])  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Text whose every `key = LINE` has its own line number as the value."""
    lines: list[str] = []

    def put(text: str) -> None:
        lines.extend(text.split("\n"))

    def body() -> None:
        used: set[str] = set()
        for _ in range(draw(st.integers(0, 3))):
            noise = draw(_noise)
            put(noise.format(len(lines)) if noise.startswith("noise") else noise)
            path = draw(st.lists(_names, min_size=1, max_size=2))
            if path[0] not in used:
                used.add(path[0])
                put(f"{' . '.join(map(_quoted, path))} = {len(lines) + 1}")

    body()
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["[{}]", "[[{}]]"]))
        # Names of tables differ from those of keys, so that any order of them is valid.
        put(kind.format(f"t{number if kind == '[{}]' else ''}.{_quoted(draw(_names))}"))
        body()
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


def _leaves(
    value: Any, keys: tuple[str | int, ...] = ()
) -> list[tuple[tuple[str | int, ...], int]]:
    if isinstance(value, dict):
        inside = [_leaves(v, (*keys, k)) for k, v in value.items() if not k.startswith("noise")]
    elif isinstance(value, list):
        inside = [_leaves(v, (*keys, i)) for i, v in enumerate(value)]
    else:
        return [(keys, value)]
    return [leaf for leaves in inside for leaf in leaves]


@given(documents())
def test_line_of_points_at_the_line_of_every_key(text: str) -> None:
    for newline in ("\n", "\r\n"):
        file = parse_toml("p", text.replace("\n", newline))

        for keys, line in _leaves(file.data):
            assert file.line_of(*keys) == line, (keys, text)


@given(st.text(alphabet="ab=.[]{}\"'#\n\r\\, 1", max_size=60))
def test_a_scan_of_broken_text_ends_without_an_error(text: str) -> None:
    file = TomlFile(path="p", text=text, data={})

    assert 0 <= file.line_of("a") <= text.count("\n") + 1
