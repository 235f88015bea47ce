"""The page of `status --html` in a real browser: at the width of a phone and of a desktop."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.status.test_page import NAMES
from tests.status.test_table import DISK, row, totals
from tests.terminal.screen import HOME
from uvx_policy.machine.policy import Policy
from uvx_policy.status import page, remarks
from uvx_policy.status.disks import Hoard
from uvx_policy.status.row import Row

pytestmark = pytest.mark.slow

PHONE, DESKTOP = 360, 1100
#: what it looks like is told by the script of another page, around it: it has none itself
FRAME = """\
<!doctype html><body style="margin:0"><iframe style="border:0;width:{width}px;height:1800px"
srcdoc="{page}"></iframe><pre></pre><script>
window.alert = () => {{ throw "a name ran" }}
document.querySelector("iframe").onload = event => {{
  const inside = event.target.contentDocument, view = event.target.contentWindow;
  const of = element => view.getComputedStyle(element);
  const text = [...inside.querySelectorAll("p, li, h2, code, .tag, b")];
  document.querySelector("pre").textContent = JSON.stringify({{
    width: inside.documentElement.scrollWidth,
    past: text.filter(each => each.getBoundingClientRect().right > {width}).length,
    maps: [...inside.querySelectorAll("svg")].map(each => [
      each.getAttribute("class"), of(each).display, each.getBoundingClientRect().width]),
    scripts: inside.querySelectorAll("script, img, iframe, link, object, [onload], a").length,
    page: of(inside.body).backgroundColor,
    text: of(inside.body).color,
    height: of(inside.querySelector(".bar i.shared")).height,
    rects: [...inside.querySelectorAll("svg")].filter(each => of(each).display != "none")
      .map(each => each.querySelectorAll("rect").length),
    says: inside.body.innerText,
    requests: view.performance.getEntriesByType("resource").length,
  }})
}}
</script>"""


@pytest.fixture
def chromium() -> str:
    """Debian's. Never skipped in CI."""
    found = shutil.which("chromium")
    if found is None and not os.environ.get("CI"):
        pytest.skip("no chromium")
    assert found
    return found


def run(chromium: str, directory: Path, *words: str) -> str:
    return subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--disable-background-networking", "--hide-scrollbars",
         f"--user-data-dir={directory / 'profile'}", *words],
        check=True, capture_output=True, text=True, timeout=200,
    ).stdout  # fmt: skip


@pytest.fixture
def text() -> str:
    """Some of everything, and every hostile name."""
    rows: list[Row] = [
        row("/mnt/data/shop/.venv", save_bytes=2_000_000, edited_files=1, edited=("x.py",)),
        row(
            "/mnt/data/django/.venv", shared_bytes=9_000_000, private_bytes=120_000_000,
            policy=Policy(name="hackable", origin="/p:1"), in_fact="copy",
            drift="hackable, but 412 files share an inode with others",
        ),
        row(f"/mnt/data/{'long' * 40}/.venv", private_bytes=300_000_000, save_bytes=200_000_000),
        *(row(f"/mnt/data/{name}/.venv", cache=f"/c/{name}") for name in NAMES),
    ]  # fmt: skip
    console = page.words_of({"HOME": HOME})
    counted = totals(*rows)
    found = list(remarks.remarks(rows, counted, console))
    hoards = [Hoard(path="/mnt/data/.uv-cache-1000", where=DISK, own_bytes=90_000_000)]
    return page.page(rows, counted, found, console, hoards=hoards, now=0)


def looked_at(chromium: str, text: str, tmp_path: Path, width: int, *, dark: bool) -> Any:
    file = tmp_path / "frame.html"
    file.write_text(FRAME.format(width=width, page=html.escape(text)), encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    dumped = run(chromium, tmp_path, scheme, "--dump-dom", file.as_uri())
    (found,) = re.findall(r"<pre>(.*)</pre>", dumped, re.DOTALL)
    return json.loads(html.unescape(found))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "size"), [(PHONE, "narrow"), (DESKTOP, "wide")])
def test_everything_is_in_sight(
    chromium: str, text: str, tmp_path: Path, width: int, size: str, *, dark: bool
) -> None:
    seen = looked_at(chromium, text, tmp_path, width, dark=dark)
    shown = [(name, wide) for name, display, wide in seen["maps"] if display != "none"]
    brightness = [
        sum(map(int, re.findall(r"\d+", seen[name])[:3])) / 3 for name in ("page", "text")
    ]

    assert seen["width"] == width
    assert seen["past"] == 0
    assert [name for name, _ in shown] == [f"map {size}"]
    assert 0.8 * min(width, 992) < shown[0][1] < width
    assert seen["height"] == "12px"
    assert (brightness[0] < brightness[1]) is dark
    assert abs(brightness[0] - brightness[1]) > 150
    for words in ("linkpolicy reclaim would free", "412 files share an inode", "policy: hackable"):
        assert words in seen["says"]


def test_names_are_shown_and_do_nothing(chromium: str, text: str, tmp_path: Path) -> None:
    seen = looked_at(chromium, text, tmp_path, DESKTOP, dark=False)

    assert (seen["scripts"], seen["requests"]) == (0, 0)
    for name in NAMES:
        if name.isprintable():
            assert f"/c/{name}" in seen["says"]


@pytest.mark.parametrize(("width", "window"), [(PHONE, 500), (DESKTOP, DESKTOP)])
def test_a_screenshot_has_every_color(
    chromium: str, text: str, tmp_path: Path, width: int, window: int
) -> None:
    """In a frame: Chromium makes no window of less than 500 pixels."""
    file, picture = tmp_path / "frame.html", tmp_path / "page.png"
    file.write_text(FRAME.format(width=width, page=html.escape(text)), encoding="utf-8")
    run(
        chromium, tmp_path, f"--screenshot={picture}", f"--window-size={window},1800",
        "--blink-settings=preferredColorScheme=1", file.as_uri(),
    )  # fmt: skip
    shares = colors(picture.read_bytes(), window, 1800)

    # The style sheet's shared, save, private, cache, page and card.
    for color in ("3a9a74", "e0a21b", "9aa8b8", "7aa7d9", "f6f7f9", "ffffff"):
        assert shares.get(bytes.fromhex(color), 0) > 0.002, color


def colors(png: bytes, width: int, height: int) -> dict[bytes, float]:
    """Color -> its part of the picture: RGB or RGBA with 8 bits, not interlaced."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, depth = 8, b"", 0
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            assert struct.unpack(">II", data[:8]) == (width, height)
            assert (data[8], data[12]) == (8, 0)
            depth = {2: 3, 6: 4}[data[9]]
        elif kind == b"IDAT":
            packed += data
        at += length + 12
    raw, stride = zlib.decompress(packed), width * depth
    before = bytearray(stride)
    found: dict[bytes, int] = {}
    for number in range(height):
        start = number * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        unfiltered(raw[start], line, before, depth)
        before = line
        for x in range(0, stride, depth * 4):
            color = bytes(line[x : x + 3])
            found[color] = found.get(color, 0) + 1
    return {color: count / sum(found.values()) for color, count in found.items()}


def unfiltered(kind: int, line: bytearray, before: bytearray, depth: int) -> None:
    """PNG (ISO 15948), 9.2: each byte is a difference from those beside and above it."""
    for x in range(len(line)):
        left = line[x - depth] if x >= depth else 0
        up, corner = before[x], before[x - depth] if x >= depth else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            estimate = left + up - corner
            _, _, guess = min(
                (abs(each - estimate), at, each) for at, each in enumerate((left, up, corner))
            )
        else:
            return
        line[x] = (line[x] + guess) & 0xFF
