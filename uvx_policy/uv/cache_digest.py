"""The name by which uv's cache knows a URL: of a directory, an archive, an index.

It is SeaHash of the URL's text, which uv has never changed (0.5.23 to 0.13.9). Where it did, there
would be nothing of that name.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_PRIME = 0x6EED0E9DA4D94A4F
_LANES = (0x16F11FE89B0D677C, 0xB480A793D8E6C86C, 0x6FE2E5AAF078EBC9, 0x14F994A4C5259381)
#: bytes that are hashed at once
_WORD = 8
#: what Rust ends a text with
_END = b"\xff"


def cache_digest(url: str) -> str:
    """16 digits for a URL as uv writes it: `file:///home/me/project`."""
    content = url.encode("utf-8", "surrogateescape") + _END
    first, second, third, fourth = _LANES
    for start in range(0, len(content), _WORD):
        word = int.from_bytes(content[start : start + _WORD], "little")
        first, second, third, fourth = second, third, fourth, _diffused(first ^ word)
    return _diffused(first ^ second ^ third ^ fourth ^ len(content)).to_bytes(8, "little").hex()


def file_url(path: str) -> str:
    """The URL of an absolute path, as uv writes it."""
    from urllib.parse import quote

    return f"file://{quote(path, safe=_PLAIN)}"


#: characters that the `url` crate leaves as they are in a path
_PLAIN = "/!$&'()*+,;=:@|[]^~"


def _diffused(number: int) -> int:
    number = number * _PRIME & _MASK
    number ^= (number >> 32) >> (number >> 60)
    return number * _PRIME & _MASK
