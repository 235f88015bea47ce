"""Which versions of uv read a bucket of a cache: each looks into those of its own format alone.

From `CacheBucket::to_str` in uv's crates/uv-cache up to 0.12.5; later ones from caches that they
made: versions between two that are known may use either format.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: the first and the last version that is known to use it
_KNOWN = {
    "wheels-v3": ("0.5.0", "0.5.31"),
    "wheels-v4": ("0.6.0", "0.6.3"),
    "wheels-v5": ("0.6.4", "0.9.30"),
    "wheels-v6": ("0.10.0", "0.12.24"),
    "wheels-v7": ("0.13.8", "0.13.8"),
    "wheels-v8": ("0.13.9", "0.13.9"),
    "sdists-v6": ("0.5.0", "0.5.25"),
    "sdists-v7": ("0.5.26", "0.5.31"),
    "sdists-v8": ("0.6.0", "0.6.7"),
    "sdists-v9": ("0.6.8", "0.12.24"),
    "sdists-v10": ("0.13.8", "0.13.8"),
    "sdists-v11": ("0.13.9", "0.13.9"),
}


def served(bucket: str) -> str:
    """The versions for people, such as "uv 0.10.0 to 0.12.24"; "" when they are not known."""
    if bucket not in _KNOWN:
        return ""
    first, last = _KNOWN[bucket]
    return f"uv {first}" if first == last else f"uv {first} to {last}"


def described(buckets: Iterable[str]) -> list[str]:
    """Each bucket with the versions that it serves, as far as they are known."""
    return [f"{served(each)} ({each})" if served(each) else f"`{each}`" for each in buckets]
