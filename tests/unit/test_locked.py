"""What a lock file asks of a cache, and what one cache lacks that another one holds."""

from __future__ import annotations

from tests.fake_host import Directory, FakeHost, File
from uvx_policy.uv import locked

LOCK = """\
version = 1

[[package]]
name = "mine"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "rich" }]

[[package]]
name = "rich"
version = "14.0.0"
source = { registry = "https://example.com/simple" }
wheels = [
    { url = "https://example.com/rich-14.0.0-py3-none-any.whl", hash = "sha256:0" },
]

[[package]]
name = "local"
version = "1"
source = { registry = "../wheels" }

[[package]]
name = "two-ways"
version = "1.0"
source = { url = "https://example.com/two_ways-1.0.tar.gz" }

[[package]]
name = "two-ways"
version = "2.0"
source = { registry = "https://example.com/simple" }
"""
GIT = (
    '\n[[package]]\nname = "gp"\nversion = "1"\nsource = { git = "https://example.com/gp?rev=x" }\n'
)


def wanted(text: str, *installed: str) -> dict[str, tuple[str, ...]] | None:
    return locked.wanted(FakeHost({"/p/uv.lock": File(text)}), "/p", installed=installed)


def test_what_comes_over_a_network_is_wanted() -> None:
    assert wanted(LOCK) == {"rich": ("14.0.0",), "two-ways": ("1.0", "2.0")}


def test_what_is_installed_is_not_wanted() -> None:
    assert wanted(LOCK, "rich-14.0.0.dist-info", "Two_Ways-2.0.dist-info") == {}
    assert wanted(LOCK, "rich-13.0.0.dist-info", "rich", "two_ways-1.0.dist-info") == {
        "rich": ("14.0.0",)
    }


def test_a_repository_that_is_not_installed_cannot_be_told() -> None:
    assert wanted(LOCK + GIT) is None
    assert wanted(LOCK + GIT, "gp-1.dist-info") == wanted(LOCK)


def test_without_a_lock_file_nothing_can_be_told() -> None:
    assert locked.wanted(FakeHost({"/p": Directory()}), "/p", installed=()) is None


def lacked(rich: list[str], poor: list[str]) -> list[str]:
    """Of `numpy` 1.0: files below the buckets of the one cache and the other."""
    files = {f"/rich/{path}": File() for path in rich} | {f"/poor/{path}": File() for path in poor}
    host = FakeHost({"/rich": Directory(), "/poor": Directory(), **files})
    return [
        name
        for name, _ in locked.lacking(host, {"numpy": ("1.0",)}, held_by="/rich", lacked_by="/poor")
    ]


CP312, CP313 = (f"wheels-v6/pypi/numpy/1.0-cp{n}-cp{n}-linux.http" for n in (312, 313))


def test_a_cache_lacks_what_only_the_other_one_holds() -> None:
    assert lacked([CP312], []) == ["numpy"]
    assert lacked([CP312], [CP312]) == []
    assert lacked([], [CP312]) == []


def test_a_wheel_for_another_python_is_not_the_same() -> None:
    assert lacked([CP312], [CP313]) == ["numpy"]
    assert lacked([CP312], [CP312, CP313]) == []


def test_metadata_and_other_versions_hold_nothing() -> None:
    assert lacked(["wheels-v6/pypi/numpy/1.0-cp312-cp312-linux.msgpack"], []) == []
    assert lacked([CP312.replace("1.0-", "1.0.1-")], []) == []


def test_a_newer_format_counts_and_an_older_one_does_not() -> None:
    newer = CP312.replace("v6", "v7")
    assert lacked([CP312], [newer]) == []
    assert lacked([newer], [CP312]) == ["numpy"]


def test_a_source_distribution_holds_as_well() -> None:
    source = "sdists-v9/index/0123/numpy/1.0/revision.http"
    assert lacked([source], []) == ["numpy"]
    assert lacked([source, CP312], [CP312]) == []
