"""The documentation site: built without a warning, and what it must contain."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tomli

from tests.index_programs import environment
from tests.sandbox import ROOT
from uvx_policy.command_line.pages import DOCUMENTATION, PAGES

pytestmark = pytest.mark.slow

#: all that the site is made of
_SOURCES = ("mkdocs.yml", "docs", "uvx_policy/schema")


def build(tree: Path, site: Path) -> subprocess.CompletedProcess[str]:
    pyproject = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    mkdocs = environment("docs", *pyproject["dependency-groups"]["docs"]) / "mkdocs"
    return subprocess.run(
        # Not `--quiet`: warnings that are not printed do not count as such.
        [mkdocs, "build", "--strict", "--site-dir", site],
        # A banner about the next MkDocs, in each build.
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        cwd=tree, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    done = build(ROOT, made)
    assert (done.returncode, done.stdout) == (0, "")
    assert [line for line in done.stderr.splitlines() if not line.startswith("INFO")] == []
    return made


class Page(HTMLParser):
    """What a reader sees outside of code, and what a browser loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.prose = ""
        self.loaded: list[str] = []
        self.tables = 0
        self._code = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._code += tag in ("code", "pre", "script", "style")
        self.tables += tag == "table" and named.get("class") != "highlighttable"
        if tag in ("script", "img", "iframe"):
            self.loaded.append(named.get("src") or "")
        if tag == "link" and named.get("rel") in ("stylesheet", "preconnect", "icon"):
            self.loaded.append(named.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.prose += data


def pages() -> list[str]:
    return sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def rendered(site: Path, page: str) -> Path:
    return site / "index.html" if page == "index.md" else site / page[:-3] / "index.html"


@pytest.mark.parametrize("page", pages())
def test_each_page_is_shown_as_it_is_meant(site: Path, page: str) -> None:
    seen = Page(rendered(site, page))
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")

    assert seen.tables == len(re.findall(r"^\|[-| ]+\|$", text, re.MULTILINE))
    assert re.findall(r"```|`|\*\*|\]\(", seen.prose) == []
    assert [name for name in seen.loaded if re.match(r"(?:https?:)?//", name)] == []


def test_a_reader_can_search_and_choose_dark_mode(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    home = (site / "index.html").read_text(encoding="utf-8")

    assert any("reflink" in entry["text"] for entry in index["docs"])
    assert 'data-md-color-scheme="slate"' in home
    assert 'data-md-component="search"' in home


def test_each_schema_is_at_the_address_that_it_names(site: Path) -> None:
    schemas = sorted((ROOT / "uvx_policy/schema").glob("*.json"))

    assert schemas
    for schema in schemas:
        address = json.loads(schema.read_text(encoding="utf-8"))["$id"]
        inside = address.removeprefix(f"{DOCUMENTATION}/")
        assert (site / inside).read_bytes() == schema.read_bytes()


@pytest.mark.parametrize("address", sorted({page.address for page in PAGES.values()}))
def test_the_pages_that_the_help_names_exist(site: Path, address: str) -> None:
    page, _, heading = address.partition("#")

    text = (site / page / "index.html").read_text(encoding="utf-8")
    assert not heading or f'id="{heading}"' in text


def test_no_program_of_ours_is_published(site: Path) -> None:
    assert [*site.rglob("*.py")] == []


@pytest.mark.parametrize(
    "text",
    ["[x](no-such-page.md)", "[x](reference/settings.md#no-such-heading)", "[x](../NONE.md)"],
)
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, text: str) -> None:
    for name in _SOURCES:
        source, copied = ROOT / name, tmp_path / name
        copied.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copied)
    with (tmp_path / "docs/index.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{text}\n")

    done = build(tmp_path, tmp_path / "site")

    assert done.returncode == 1
    assert "WARNING" in done.stderr
