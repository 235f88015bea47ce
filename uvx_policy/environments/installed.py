"""What is installed in an environment: its distributions, and the rows of their RECORD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator


class Distribution(Record):
    """One installed distribution, as its `.dist-info` directory names it."""

    #: as the directory's name has it (`Foo_Bar`), "" when the name has no version in it
    name: str
    version: str
    #: absolute path of the `.dist-info` or `.egg-info`
    dist_info: str
    #: the directory that it is installed in
    site: str
    #: first line of INSTALLER: "uv", "pip"; "" when not told
    installer: str = ""
    #: "url" of direct_url.json, "" for what came from an index
    direct_url: str = ""
    editable: bool = False
    #: absolute path of RECORD, "" when there is none
    record: str = ""


class Row(Record):
    """One row of a RECORD."""

    #: as written, relative to the site directory: "/" between names, `..` possible
    path: str
    #: "sha256", "" when there is no digest
    algorithm: str = ""
    #: base64 of RFC 4648, for URLs, without "="
    digest: str = ""
    #: bytes, `None` when not told
    size: int | None = None
    #: why the row is no good, "" when it is
    problem: str = ""


def site_directories(environment: str) -> tuple[str, ...]:
    """Directories below `environment` that hold distributions; absolute as `environment` is."""
    raise NotImplementedError(environment)


def distributions(site: str) -> Iterator[Distribution]:
    """Each distribution that is installed in `site`, by name. Never raises."""
    raise NotImplementedError(site)


def record_rows(distribution: Distribution) -> Iterator[Row]:
    """Each row of the RECORD, none when there is no RECORD. Raises `OSError`."""
    raise NotImplementedError(distribution)
