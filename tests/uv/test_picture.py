"""The picture of the README is what `linkpolicy demo` prints today."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs import picture
from tests.filesystems import FileSystems

ROOT = Path(__file__).resolve().parent.parent.parent
SVG = "{http://www.w3.org/2000/svg}"
#: bytes, and the version of uv
VARYING = re.compile(r"[\d.]+ [kMG]?B\b|\b\d+\.\d+\.\d+\b")
BACKGROUND = "#1e2228"


def tree(file: Path) -> ET.Element:
    return ET.fromstring(file.read_text(encoding="utf-8"))  # noqa: S314 (ours)


def styles(file: Path) -> dict[str, str]:
    """Class -> its style."""
    css = tree(file).findtext(f"{SVG}style") or ""
    return dict(re.findall(r"\.(demo-r\d+) \{ (.*?) \}", css))


def words(file: Path) -> Counter[tuple[str, str]]:
    """Every word with its color: how a table is wrapped changes with a version's length."""
    looks = styles(file)
    found: Counter[tuple[str, str]] = Counter()
    for element in tree(file).iter(f"{SVG}text"):
        text = VARYING.sub("*", (element.text or "").replace("\xa0", " "))
        style = looks.get(element.get("class", ""), "")
        if not set(text) <= {"─", " "}:
            found.update((word, style) for word in text.split())
    return found


@pytest.mark.uv
@pytest.mark.filesystem
@pytest.mark.slow
def test_it_is_what_a_run_prints(fs: FileSystems, newest_uv: Path) -> None:
    again = fs.ext4 / "again.svg"
    (fs.ext4 / "tmp").mkdir()
    subprocess.run(
        [sys.executable, "docs/picture.py", again], cwd=ROOT, check=True,
        env={
            "PATH": f"{newest_uv.parent}:{os.environ['PATH']}", "TMPDIR": str(fs.ext4 / "tmp"),
            "PYTHONPATH": str(ROOT),
        },
    )  # fmt: skip

    assert words(again) == words(picture.PICTURE)
    assert list((fs.ext4 / "tmp").iterdir()) == []


def test_it_shows_all_five_with_and_without() -> None:
    found = words(picture.PICTURE)

    assert {f"#{number}" for number in (10896, 15700, 7918, 3886, 14670)} <= {
        word for word, _ in found
    }
    assert ("leaked", "fill: #f07178") in found
    assert ("stayed", "fill: #86c878") in found
    assert "cannot show here" not in picture.PICTURE.read_text(encoding="utf-8")


def test_it_says_what_it_is_and_loads_nothing() -> None:
    text = picture.PICTURE.read_text(encoding="utf-8")
    root = tree(picture.PICTURE)

    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == picture.TITLE
    assert root.findtext(f"{SVG}desc") == picture.DESCRIPTION
    assert root.get("aria-labelledby", "").split() == [
        element.get("id") for name in ("title", "desc") for element in root.iter(f"{SVG}{name}")
    ]
    assert re.findall(r"https?:[^\"]*", text) == [SVG.strip("{}")]
    assert not re.search(r"<script|@import|@font-face|<image|href", text)
    assert len(text.encode()) < 60_000


def test_it_can_be_read_on_any_page() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1, against its own background."""
    fills = {value for style in styles(picture.PICTURE).values() for value in style.split(";")}
    colors = {value.partition(": ")[2] for value in fills if value.startswith("fill")}

    assert f'fill="{BACKGROUND}"' in picture.PICTURE.read_text(encoding="utf-8")
    assert len(colors) >= 4
    assert {color for color in colors if contrast(color, BACKGROUND) < 4.5} == set()


def contrast(color: str, other: str) -> float:
    light, dark = sorted((luminance(color), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    def linear(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(channel) for channel in bytes.fromhex(color.lstrip("#")))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("page", "link"),
    [("README.md", "docs/images/before-after.svg"), ("docs/index.md", "images/before-after.svg")],
)
def test_it_is_shown_with_words_for_who_cannot_see_it(page: str, link: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (alternative,) = re.findall(rf"!\[(.*)\]\({re.escape(link)}\)", text)

    assert "linkpolicy demo" in alternative
    if "## Numbers" in text:
        assert text.index(link) < text.index("## Numbers")
