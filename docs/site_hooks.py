"""What mkdocs.yml cannot say: hooks of MkDocs for the documentation site.

The navigation is what index.md lists, so that a page has one place where it is listed. Links to
files outside docs/, which GitHub resolves, lead to GitHub. Each JSON schema is at the address that
its `$id` names.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"\]\((?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation."""
    text = Path(config.docs_dir, "index.md").read_text(encoding="utf-8")
    config.nav = [{"Overview": "index.md"}, *_navigation(text)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the schemas."""
    for path in sorted(ROOT.glob("uvx_policy/schema/*.json")):
        address = json.loads(path.read_text(encoding="utf-8"))["$id"]
        inside = address.removeprefix(config.site_url)
        files.append(File.generated(config, inside, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links that leave docs/ lead to the repository."""
    del files
    return _LINK.sub(lambda link: _outside(link, page.file, config), markdown)


def _navigation(text: str) -> list[dict[str, Any]]:
    """The sections of index.md that list pages."""
    sections = re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    listed = ((title, re.findall(r"^- \[(.+)\]\((.+\.md)\)$", body, re.MULTILINE))
              for title, body in sections)  # fmt: skip
    return [
        {title: [{name.replace("`", ""): path} for name, path in pages]}
        for title, pages in listed
        if pages
    ]


def _outside(link: re.Match[str], file: File, config: MkDocsConfig) -> str:
    """The link; if it leaves docs/, the same on GitHub. A dangling one stays, and fails."""
    here = os.path.join(config.docs_dir, os.path.dirname(file.src_uri))
    target = Path(os.path.normpath(os.path.join(here, link["path"])))
    if target.is_relative_to(config.docs_dir) or not target.exists():
        return link[0]
    kind = "tree" if target.is_dir() else "blob"
    inside = target.relative_to(ROOT).as_posix()
    return f"]({config.repo_url}/{kind}/main/{inside}{link['anchor'] or ''})"
