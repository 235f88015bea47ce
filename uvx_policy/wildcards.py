"""The one matcher of patterns with wildcards. Pure; its steps are bounded, whatever the pattern.

Dialects differ in what they make of a pattern (`settings.path_glob`, `uv.member_glob`), and in
whether a wildcard stands for a slash. Why not `re`: there `*a*a*a*b` takes exponential time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: tokens besides single characters, `ANY` and classes such as `[!a-z]`
MANY, DIRECTORIES = "*", "**"
ANY = "?"
WILD = "*?["


def split(pattern: str) -> list[str]:
    """`a[bc]*` -> `a`, `[bc]`, `*`. A `[` that is never closed stands for itself."""
    tokens: list[str] = []
    position = 0
    while position < len(pattern):
        end = -1
        if pattern[position] == "[":
            # The first character of a class, after `!`, is never its end: `[]]`, `[!]]`.
            first = position + (3 if pattern.startswith("[!", position) else 2)
            end = pattern.find("]", first)
        end = end + 1 or position + 1
        tokens.append(pattern[position:end])
        position = end
    return tokens


def matches(tokens: Sequence[str], text: str, *, crossing: bool) -> bool:
    """Tell whether the whole of `text` matches.

    `MANY` stands for any characters, none included; `DIRECTORIES`, where a component begins, for
    any number of components with their slashes, and at the end for everything. `crossing`: `MANY`,
    `ANY` and classes stand for slashes, too. Takes one step for each character of the text.
    """
    characters = [token for token in tokens if token not in (MANY, DIRECTORIES)]
    if len(characters) > len(text):
        return False
    # All ways to match are followed at once (Thompson, 1968). Bit n of `states`: what was read can
    # be what the first n single characters of the pattern stand for.
    many, directories = _places(tokens, MANY), _places(tokens, DIRECTORIES)
    known: dict[str, int] = {}
    states, inside = 1, 0
    for char in text:
        if char not in known:
            known[char] = _standing_for(char, characters, crossing=crossing)
        wild = crossing or char != "/"
        # Once there, `DIRECTORIES` goes on to the end of every further component.
        inside |= states & directories
        stay = (states & many if wild else 0) | (0 if char != "/" else inside)
        states = (states & known[char]) << 1 | stay
        if not states | inside:
            return False
    return bool((states | inside) >> len(characters) & 1)


def _places(tokens: Sequence[str], wanted: str) -> int:
    """Bit n: such a token stands behind the first n single characters."""
    bits = count = 0
    for token in tokens:
        if token == wanted:
            bits |= 1 << count
        elif token not in (MANY, DIRECTORIES):
            count += 1
    return bits


def _standing_for(char: str, characters: Sequence[str], *, crossing: bool) -> int:
    """Bit n: the single character n of the pattern stands for this one."""
    bits = 0
    wild = crossing or char != "/"
    for index, token in enumerate(characters):
        if token == char or (wild and (token == ANY or (len(token) > 1 and _is_in(char, token)))):
            bits |= 1 << index
    return bits


def _is_in(char: str, token: str) -> bool:
    """Is it one of `[a-z]`, none of `[!a-z]`? A range the wrong way round is empty."""
    inside = token[1:-1]
    negated = inside.startswith("!")
    inside = inside[negated:]
    found = False
    position = 0
    while position < len(inside) and not found:
        if inside[position + 1 : position + 2] == "-" and position + 2 < len(inside):
            found = inside[position] <= char <= inside[position + 2]
            position += 3
        else:
            found = inside[position] == char
            position += 1
    return found != negated
