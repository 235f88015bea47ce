"""The names of directories in uv's cache. The tests in `tests/uv` compare them with real ones."""

from __future__ import annotations

import pytest

from uvx_policy.uv.cache_digest import cache_digest, file_url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        # as uv 0.5.23, 0.8.15 and 0.13.9 have made them
        ("file:///tmp/pathpkg", "89a8392d1f314252"),
        ("file:///tmp/edpkg", "fe4eea6f53f0d177"),
    ],
)
def test_a_url_has_the_name_that_uv_gives_it(url: str, name: str) -> None:
    assert cache_digest(url) == name


def test_a_path_is_written_as_uv_does() -> None:
    assert file_url("/a b/ü/100%/x+y") == "file:///a%20b/%C3%BC/100%25/x+y"
