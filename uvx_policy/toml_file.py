"""A TOML file with the line of every key, because every value we use must tell where it came from.

tomli gives values without positions and tomlkit is far too slow for the hot path, so the lines are
found by a second, tolerant scan of the text, made only when somebody asks.
"""

from __future__ import annotations

from uvx_policy.errors import ConfigError
from uvx_policy.faults import Fault
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from uvx_policy.host import Host

    #: keys from the top of the document; an int selects an element of an array
    KeyPath = tuple[str | int, ...]


class TomlFile(Value):
    """One parsed file."""

    path: str
    #: as read, without a byte order mark; line ends as they are in the file
    text: str
    data: dict[str, Any]

    def line_of(self, *keys: str | int) -> int:
        """1-based line where this key, table header or array element is defined, 0 if nowhere.

        An int selects the element of an array: `line_of("rules", 1, "path")`. A table that only
        exists because of its children (`tool` in `[tool.uv]`) has the line of the first of them.
        """
        known = vars(self)
        if "_offsets" not in known:
            known["_offsets"] = _Scan(self.text).offsets
        offset = known["_offsets"].get(keys)
        return 0 if offset is None else self.text.count("\n", 0, offset) + 1


def read_toml(host: Host, path: str) -> TomlFile | None:
    """Read and parse; `None` when absent. Raises `Unreadable`; `ConfigError` for broken TOML."""
    text = host.read_text(path)
    return None if text is None else parse_toml(path, text)


def parse_toml(path: str, text: str) -> TomlFile:
    """Parse what was read from `path`. Raises `ConfigError` with one fault.

    A leading byte order mark is skipped: uv does so too (0.5.23 to 0.13), tomli does not.
    """
    text = text.removeprefix("\ufeff")
    try:
        return TomlFile(path=path, text=text, data=_loads(text))
    except (ValueError, RecursionError) as error:
        # Not only TOMLDecodeError: an integer of 5000 digits is a plain ValueError of int().
        message, line = _reason(text, error)
        raise ConfigError(Fault(kind="toml", path=path, line=line, message=message)) from error


def _loads(text: str) -> dict[str, Any]:
    try:
        import tomli as toml
    except ImportError:  # a distribution may drop the dependency where Python has its own
        import tomllib as toml  # type: ignore[no-redef, unused-ignore]
    return toml.loads(text)


def _reason(text: str, error: Exception) -> tuple[str, int]:
    """Reason and line of tomli's "reason (at line 3, column 5)" or "(at end of document)"."""
    if isinstance(error, RecursionError):
        return "values are nested too deeply", 0
    # The attribute `lineno` would be simpler; tomllib before Python 3.14 has only the sentence.
    reason, found, place = str(error).rpartition(" (at ")
    if not found:
        return str(error).splitlines()[0] if str(error) else "not valid TOML", 0
    digits = place.removeprefix("line ").partition(",")[0]
    return reason, int(digits) if digits.isdecimal() else text.rstrip("\r\n").count("\n") + 1


class _Scan:
    """Offsets of all definitions in a document that a parser has accepted.

    Broken text gives a meaningless result but always ends: every step moves forward.
    """

    def __init__(self, text: str) -> None:
        self.text = text + "\n"
        self.position = 0
        #: offset of what is written out; where only children are, offset of the first child
        self.offsets: dict[KeyPath, int] = {}
        self._implied: dict[KeyPath, int] = {}
        self._lengths: dict[KeyPath, int] = {}  # of [[arrays]] so far
        self._document()
        for keys, offset in self._implied.items():
            self.offsets.setdefault(keys, offset)

    def _document(self) -> None:
        table: KeyPath = ()
        while self._skip_blank(" \t\r\n"):
            start = self.position
            if self.text[start] == "[":
                table = self._header()
            else:
                self._value(self._key(table))
            if self.position <= start:
                self.position = start + 1

    def _header(self) -> KeyPath:
        """At `[` or `[[`: the table that the following keys belong to."""
        start = self.position
        is_array = self.text.startswith("[[", start)
        brackets = 2 if is_array else 1
        self.position += brackets
        keys = self._dotted_key("]")
        self.position += brackets
        table: KeyPath = ()
        for index, key in enumerate(keys):
            table = (*table, key)
            if index < len(keys) - 1:
                self._implied.setdefault(table, start)
            elif is_array:
                self._lengths[table] = self._lengths.get(table, 0) + 1
                self.offsets.setdefault(table, start)
            if table in self._lengths:
                # `[rules.sub]` belongs to the element of `[[rules]]` that was opened last.
                table = (*table, self._lengths[table] - 1)
        self.offsets.setdefault(table, start)
        return table

    def _key(self, table: KeyPath) -> KeyPath:
        """At a key of `table`: define it, and go on behind its `=`."""
        start = self.position
        keys = self._dotted_key("=")
        self.position += 1
        for length in range(1, len(keys)):
            self._implied.setdefault((*table, *keys[:length]), start)
        self.offsets.setdefault((*table, *keys), start)
        return (*table, *keys)

    def _dotted_key(self, end: str) -> tuple[str, ...]:
        """Read `a."b.c".d` up to the character `end`, on which the position is left."""
        keys: list[str] = []
        while True:
            self._skip(" \t")
            char = self.text[self.position : self.position + 1]
            if char in ("", "\n", end):
                return tuple(keys)
            if char in "\"'":
                start = self.position
                self._string()
                keys.append(_unquote(self.text[start : self.position]))
            elif char == ".":
                self.position += 1
            else:
                start = self.position
                self._skip(" \t\n\"'.#" + end, until=True)
                keys.append(self.text[start : self.position])
                if self.position == start:
                    return tuple(keys)

    def _value(self, keys: KeyPath) -> None:
        """Skip one value; define what is inside arrays and inline tables.

        A stack and no recursion: what a parser accepts must not be a RecursionError here.
        """
        #: (key path of the container, its closing bracket, number of elements so far)
        stack: list[tuple[KeyPath, str, int]] = []
        inside: KeyPath | None = keys
        while inside is not None:
            self._skip(" \t\r")
            char = self.text[self.position : self.position + 1]
            if char in ("[", "{"):
                stack.append((inside, "]" if char == "[" else "}", 0))
                self.position += 1
            elif char in ('"', "'"):
                self._string()
            else:
                start = self.position
                self._skip("\n,]}#", until=True)  # not at blanks: a date may hold one
                self.position = max(self.position, start + (char not in ("\n", "#")))
            inside = self._next_inside(stack)

    def _next_inside(self, stack: list[tuple[KeyPath, str, int]]) -> KeyPath | None:
        """Close the containers that end here; keys of the next value, `None` after the last."""
        while stack and self._skip_blank(" \t\r\n,"):
            container, closing, index = stack.pop()
            start = self.position
            if self.text[start] == closing:
                self.position += 1
                continue
            stack.append((container, closing, index + 1))
            if closing == "]":
                self.offsets.setdefault((*container, index), start)
                return (*container, index)
            return self._key(container)
        return None

    def _string(self) -> None:
        """Skip a string of any of the four kinds."""
        quote = self.text[self.position]
        if self.text.startswith(quote * 3, self.position):
            end = self._find_unescaped(quote * 3, self.position + 3) + 3
            # Up to two quotes may stand right before the closing three.
            while self.text[end : end + 1] == quote:
                end += 1
        else:
            end = self._find_unescaped(quote, self.position + 1) + 1
        self.position = min(end, len(self.text))

    def _find_unescaped(self, delimiter: str, position: int) -> int:
        while True:
            found = self.text.find(delimiter, position)
            if found < 0:
                return len(self.text)
            before = self.text[position:found]
            escapes = len(before) - len(before.rstrip("\\"))
            if delimiter[0] == "'" or escapes % 2 == 0:
                return found
            position = found + 1

    def _skip(self, chars: str, *, until: bool = False) -> None:
        """Skip what is one of these, or `until` one of these."""
        text = self.text
        while self.position < len(text) and (text[self.position] in chars) is not until:
            self.position += 1

    def _skip_blank(self, blank: str) -> bool:
        """Skip blanks and comments; `False` at the end of the text."""
        while True:
            self._skip(blank)
            if not self.text.startswith("#", self.position):
                return self.position < len(self.text)
            self.position = self.text.index("\n", self.position)


def _unquote(quoted: str) -> str:
    if "\\" not in quoted or quoted[0] == "'":
        return quoted[1:-1]
    try:
        value = _loads(f"key = {quoted}")["key"]
    except ValueError:
        return quoted
    return value if isinstance(value, str) else quoted
