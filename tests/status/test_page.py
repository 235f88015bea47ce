"""The page of `status --html`: what is in it, and that no name in it can become markup."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.status.test_command import make_environment, remember, said, state
from tests.status.test_table import DISK, row, totals
from tests.terminal.screen import HOME
from uvx_policy import cli
from uvx_policy.machine.policy import Policy
from uvx_policy.status import page, remarks
from uvx_policy.status.disks import Hoard
from uvx_policy.status.drawing import Tile, treemap
from uvx_policy.status.markup import Markup, element
from uvx_policy.status.row import Row, Where
from uvx_policy.status.treemap import Box, squarified

__all__ = ("state",)

VOID = ("meta", "br")
#: everything that a browser may be asked to draw; nothing of it loads or runs anything
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "h1",
    "h2", "h3", "p", "ul", "li", "b", "i", "span", "small", "code", "div", "svg", "g", "rect",
    "text",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "style", "role", "aria-label",
    "title", "viewbox", "x", "y", "width", "height",
}  # fmt: skip
NAMES = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='alert(1)",
    "</code></li></style>", "&lt;b&gt; & &#60;", "`rm -rf`", "a\nb", "\x1b[31mred", "\u202egpj.exe",
    "caf\udce9", "日本", "javascript:alert(1)", "</title><!--",
)  # fmt: skip


class Parsed(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.css = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.css += data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def all(self, tag: str, class_: str = "") -> list[dict[str, str | None]]:
        return [
            attributes for name, attributes in self.elements
            if name == tag and {*class_.split()} <= {*(attributes.get("class") or "").split()}
        ]  # fmt: skip


def drawn(*rows: Row, hoards: Sequence[Hoard] = ()) -> Parsed:
    console = page.words_of({"HOME": HOME})
    present = [each for each in rows if each.state == "present"]
    counted = totals(*present) if present else []
    found = list(remarks.remarks(rows, counted, console))
    return Parsed(page.page(rows, counted, found, console, hoards=hoards, now=0))


# What is in it ------------------------------------------------------------------------------------


def test_each_device_has_its_caches_with_their_environments() -> None:
    shown = drawn(
        row("/mnt/data/a/.venv"), row("/mnt/data/b/.venv", cache="/mnt/data/other"),
        row("/mnt/data/env", cache=""), row("/mnt/gone/.venv", state="gone"),
    )  # fmt: skip

    assert "/mnt/data btrfs, 8:1" in shown.text
    places = [
        shown.text.index(each)
        for each in (
            "Cache /mnt/data/.uv-cache-1000", "/mnt/data/a policy", "Cache /mnt/data/other",
            "/mnt/data/b policy", "No cache is known", "/mnt/data/env policy", "Not counted",
            "/mnt/gone/.venv no longer exists",
        )
    ]  # fmt: skip
    assert places == sorted(places)


def test_an_environment_says_what_the_table_says() -> None:
    shown = drawn(
        row(
            policy=Policy(name="hackable", origin="/p/pyproject.toml:3"), shared_exact=False,
            save_bytes=2_000_000, edited_files=5, edited=("a.py", "b.py", "c.py"),
            drift="hackable, but 2 files share an inode with others", dangling_files=2,
            unreadable_files=1,
        )
    )  # fmt: skip

    for text in (
        "~/work/shop", "policy: hackable", "links: hardlink", "≥309 MB shared", "≤4.1 MB private",
        "2.0 MB could be shared, at most", "a.py, b.py, c.py and 2 more",
        "hackable, but 2 files share an inode with others", "2 files of a cache entry",
        "1 entry cannot be read", "linkpolicy reclaim would free 2.0 MB of this at most",
        "linkpolicy detach -p /home/me/work/shop/.venv",
    ):  # fmt: skip
        assert text in shown.text, text
    assert {"/p/pyproject.toml:3"} <= {each.get("title") for each in shown.all("span", "tag")}


def test_bars_are_as_long_as_bytes_are_many() -> None:
    shown = drawn(
        row("/mnt/data/a/.venv", shared_bytes=600, private_bytes=400, save_bytes=300),
        row("/mnt/data/b/.venv", shared_bytes=0, private_bytes=500),
    )
    text = [style for _, attributes in shown.elements if (style := attributes.get("style"))]

    # Of the device: 600 (once) + 900; then each environment, of the largest one's 1,000.
    assert text == [
        *(f"width:{part / 15:.2f}%" for part in (600, 300, 600)),
        "width:60.00%", "width:30.00%", "width:10.00%", "width:50.00%",
    ]  # fmt: skip


def test_the_map_has_what_is_shared_once_and_what_each_has_alone() -> None:
    shown = drawn(
        row("/mnt/data/a/.venv", shared_bytes=600, private_bytes=400, save_bytes=300),
        row("/mnt/data/b/.venv", shared_bytes=600, private_bytes=500),
        row("/mnt/data/link/.venv", private_bytes=500, is_counted_elsewhere=True),
    )
    areas: dict[str, float] = {}
    for name in ("shared", "save", "private"):
        for each in shown.all("rect", name):
            area = float(each["width"] or 0) * float(each["height"] or 0)
            areas[name] = areas.get(name, 0) + area
    whole = 760 * 300 + 328 * 380

    # The two with the link in it are 600 + 1,400; it is not in the map.
    assert len(shown.all("svg")) == 2
    assert areas["save"] / areas["private"] == pytest.approx(300 / 600, rel=0.02)
    assert sum(areas.values()) == pytest.approx(whole, rel=0.02)


def test_what_only_a_cache_holds_is_shown_on_the_file_system_of_the_cache() -> None:
    here = Hoard(path="/mnt/data/.uv-cache-1000", where=DISK, own_bytes=700_000_000)
    root = Where(device="8:2", mount_point="/", file_system="ext4")
    away = Hoard(
        path="/home/me/.cache/uv", named="/cache", where=root, own_bytes=5_000_000, is_exact=False
    )
    shown = drawn(
        row("/mnt/data/a/.venv"), row("/mnt/data/b/.venv", cache="/cache"), hoards=[here, away]
    )  # fmt: skip
    root_part, _, data_part = shown.text.partition("/mnt/data btrfs, 8:1")

    assert "2 environments on 2 file systems" in root_part
    assert root_part.count("≤5.0 MB only in a cache") == 2
    assert "Cache ~/.cache/uv ≤5.0 MB only in a cache" in root_part.replace("≤", " ≤")
    assert "No known environment was linked from it" in root_part
    assert "700 MB only in a cache" in data_part
    assert "Cache ~/.cache/uv on /" in data_part
    assert "5.0 MB" not in data_part
    assert "No cache is known" not in shown.text
    assert len(shown.all("rect", "cache")) == 2 * 2


def test_a_cache_is_measured_for_the_page(
    known: Path, tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    (cache / "archive-v0" / "a").mkdir(parents=True)
    (cache / "archive-v0" / "a" / "own").write_bytes(b"x" * 3_000_000)
    (cache / "archive-v0" / "a" / "shared").write_bytes(b"x" * 2_000_000)
    os.link(cache / "archive-v0/a/shared", known / "lib/python3.12/site-packages/pkg0/shared")
    remember(state, known, cache=str(cache))
    file = tmp_path / "page.html"
    said(capsys, "--html", str(file))
    shown = Parsed(file.read_text(encoding="utf-8"))

    assert re.search(rf"Cache {re.escape(str(cache))}≤?3.0 MB only in a cache", shown.text)
    assert "2.0 MB shared" in shown.text


def test_a_map_of_many_has_few_tiles_and_says_how_many_it_leaves_out() -> None:
    many = [Tile(name=f"/p{number}", bytes=(("private", 10 + number),)) for number in range(500)]
    wide, narrow = treemap([Tile(name="shared", bytes=(("shared", 4),))], many, "all")

    for text in (wide, narrow):
        assert text.count("<title>") == 61
        assert "<title>441 others: 101 kB private" in text
    assert "<title>/p499: 509 B private" in wide
    assert treemap([Tile(name="shared", bytes=(("shared", 0),))], [], "none") == []


def test_nothing_at_all_is_a_page_as_well() -> None:
    shown = drawn()

    assert "0 environments on 0 file systems" in shown.text
    assert shown.all("svg") == []


# The treemap --------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40))
def test_boxes_fill_the_whole_and_are_as_large_as_the_numbers(sizes: list[int]) -> None:
    sizes.sort(reverse=True)
    boxes = list(squarified(sizes, Box(5, 7, 760, 300)))
    scale = 760 * 300 / sum(sizes)

    assert len(boxes) == len(sizes)
    for size, box in zip(sizes, boxes, strict=True):
        assert box.width * box.height == pytest.approx(size * scale, rel=1e-6)
        assert box.x >= 5 - 1e-6
        assert box.y >= 7 - 1e-6
        assert box.x + box.width <= 765 + 1e-6
        assert box.y + box.height <= 307 + 1e-6
    for number, (x, y, width, height) in enumerate(boxes):
        for other in boxes[number + 1 :]:
            across = min(x + width, other.x + other.width) - max(x, other.x)
            down = min(y + height, other.y + other.height) - max(y, other.y)
            assert min(across, down) <= 1e-6


def test_equal_numbers_are_squares() -> None:
    boxes = squarified([1] * 16, Box(0, 0, 400, 400))

    assert {(round(box.width), round(box.height)) for box in boxes} == {(100, 100)}


# What cannot get in -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_wherever_it_stands(name: str) -> None:
    usual = drawn(
        row("/mnt/data/p/.venv", edited_files=1, edited=("x",), save_bytes=3),
        row("/mnt/data/q/.venv", state="gone"),
    )
    where = Where(device=name, mount_point=f"/{name}", file_system=name)
    shown = drawn(
        row(
            f"/{name}/.venv", where=where, cache=f"/c/{name}", edited_files=1, edited=(name,),
            save_bytes=3, policy=Policy(name="auto", origin=name), drift="",
        ),
        row(f"/q/{name}/.venv", state="gone"),
    )  # fmt: skip

    # Backticks in a remark make code, and a map names what there is room for.
    varying = ("text", "code")
    assert [tag for tag, _ in shown.elements if tag not in varying] == [
        tag for tag, _ in usual.elements if tag not in varying
    ]
    assert {tag for tag, _ in shown.elements} <= ALLOWED
    assert {key for _, attributes in shown.elements for key in attributes} <= ATTRIBUTES
    everything = " ".join([shown.text, *(
        value or "" for _, attributes in shown.elements for value in attributes.values()
    )])  # fmt: skip
    assert everything.isprintable()
    if name.isprintable():
        assert f"/c/{name}" in shown.text


def test_nothing_is_loaded_and_nothing_runs() -> None:
    shown = drawn(row(edited_files=1, save_bytes=2))
    policy = [each["content"] for each in shown.all("meta") if each.get("http-equiv")]

    assert {tag for tag, _ in shown.elements} <= ALLOWED
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not re.search(r"url\(|@import|https?:|expression", shown.css)
    assert not re.search(r"https?:", shown.text)


def test_only_elements_are_markup() -> None:
    assert element("p", "<b>") == "<p>&lt;b&gt;</p>"
    assert element("p", element("b", "1 & 2"), title='"') == (
        '<p title="&quot;"><b>1 &amp; 2</b></p>'
    )
    assert element("p", f"{element('b')}") == "<p>&lt;b&gt;&lt;/b&gt;</p>"
    assert isinstance(element("p"), Markup)
    assert element("meta", http_equiv="a") == '<meta http-equiv="a">'


# The file -----------------------------------------------------------------------------------------


@pytest.fixture
def known(tmp_path: Path, state: str) -> Path:
    """One environment that the register knows."""
    environment = make_environment(tmp_path / "project")
    remember(state, environment)
    return environment


def test_the_file_is_the_page_and_nothing_stays_beside_it(
    known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "report.html"

    assert said(capsys, "--html", str(file)) == f"Wrote {file}\n"
    shown = Parsed(file.read_text(encoding="utf-8"))
    assert str(known.parent) in shown.text
    assert os.listdir(tmp_path / "out") == ["report.html"]
    assert not stat.S_IMODE(file.stat().st_mode) & 0o111


def test_a_page_replaces_an_earlier_one_and_keeps_its_mode_and_its_link(
    known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert known.exists()
    (tmp_path / "real.html").write_text("before")
    (tmp_path / "real.html").chmod(0o640)
    (tmp_path / "link.html").symlink_to("real.html")
    said(capsys, "--html", str(tmp_path / "link.html"))

    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text().startswith("<!doctype html>")
    assert stat.S_IMODE((tmp_path / "real.html").stat().st_mode) == 0o640


def linked(path: Path) -> None:
    path.touch()
    path.with_name("other").hardlink_to(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "is not a regular file"),
        (lambda path: path.symlink_to("absent"), "is a dangling symbolic link"),
        (lambda path: os.mkfifo(path), "is not a regular file"),
        (lambda path: path.touch(0o400), "is read-only"),
        (linked, "has another hard link"),
    ],
    ids=["directory", "dangling", "fifo", "read-only", "linked"],
)
def test_what_cannot_be_replaced_is_an_error_before_anything_is_counted(
    make: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from uvx_policy.status import gather

    monkeypatch.setattr(gather, "survey", lambda *_, **__: pytest.fail("counted"))
    make_environment(tmp_path / "p")
    make(tmp_path / "out")

    assert cli.main(["status", "--html", str(tmp_path / "out"), str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: cannot write `{tmp_path}/out`: {reason}")


def test_a_missing_directory_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--html", str(tmp_path / "absent" / "page.html")]) == 1
    assert "its directory does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_dash_is_stdout_in_utf_8(tmp_path: Path, encoding: str) -> None:
    project = Path(os.fsdecode(os.fsencode(tmp_path) + "/日本".encode() + b"\xe9"))
    make_environment(project)
    done = subprocess.run(
        [sys.executable, "-m", "uvx_policy.cli", "status", "--html", "-", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
    assert rf"{tmp_path}/日本\xe9" in Parsed(done.stdout.decode("utf-8")).text


@pytest.mark.parametrize("other", ["--json", "--openmetrics"])
def test_one_form_at_a_time(other: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--html", "-", other]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_two_paths_to_one_environment_are_one_tile(
    known: Path, tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "again").symlink_to(known.parent)
    remember(state, tmp_path / "again" / ".venv")
    file = tmp_path / "page.html"
    said(capsys, "--html", str(file))
    shown = Parsed(file.read_text(encoding="utf-8"))
    (device,) = json.loads(said(capsys, "--json"))["devices"]

    assert device["environments"] == 1
    assert f"{tmp_path}/again" in shown.text
    # In each of the two sizes.
    assert len(shown.all("rect", "outline")) == 2
    assert DISK.mount_point not in shown.text
