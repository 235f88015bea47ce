"""Record the picture of the README: `python docs/picture.py [FILE]`.

It runs `linkpolicy demo` in a terminal of 84 columns with a home of its own, and draws what that
prints. Needs uv on PATH, root or two disks (see the demo), and files that are hard linked: ext4.
"""

from __future__ import annotations

import argparse
import html
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).resolve().parent / "images" / "before-after.svg"
TITLE = "linkpolicy demo: five problems, with uv alone and with linkpolicy"
DESCRIPTION = (
    "A terminal in which `linkpolicy demo` reproduces five issues of uv. Each row says what "
    "happens, what came of it with plain uv, in red, and with linkpolicy, in green."
)
TYPED = ("demo",)
_COLUMNS = 84
#: with a background of its own, it can be read on a light page and on a dark one
_THEME = TerminalTheme(
    (30, 34, 40),
    (215, 220, 226),
    [
        (30, 34, 40), (240, 113, 120), (134, 200, 120), (229, 192, 100),
        (110, 170, 240), (200, 140, 220), (90, 200, 210), (215, 220, 226),
    ],
)  # fmt: skip
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
#: rich's own loads fonts from a server
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img"
 aria-labelledby="title description">
<title id="title">TITLE</title>
<desc id="description">DESCRIPTION</desc>
<style>
.{unique_id}-matrix {{ font: {char_height}px FONTS; white-space: pre; }}
.{unique_id}-title {{ font: bold 16px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> int:
    """Write the picture; the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", nargs="?", type=Path, default=PICTURE)
    file = options.parse_args().file
    shown = recorded()
    if "cannot show here" in shown:
        sys.stderr.write(f"{shown}\nnot all of the problems can show on this machine\n")
        return 1
    file.parent.mkdir(exist_ok=True)
    file.write_text(drawn(shown), encoding="utf-8")
    return 0


def recorded() -> str:
    """What the command prints on a terminal, colors included. Raises `CalledProcessError`."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [sys.executable, "-m", "uvx_policy", *TYPED],
            env={
                "PATH": os.environ["PATH"], "HOME": home, "TMPDIR": tempfile.gettempdir(),
                "COLUMNS": str(_COLUMNS), "FORCE_COLOR": "1", "PYTHONIOENCODING": "utf-8",
            },
            check=True, stdout=subprocess.PIPE, encoding="utf-8",
        ).stdout  # fmt: skip


def drawn(shown: str) -> str:
    """The picture of a terminal in which the command was typed and has printed this."""
    console = Console(
        record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True,
        color_system="standard", legacy_windows=False,
    )  # fmt: skip
    console.print(Text.assemble(("$ ", "dim"), (" ".join(("linkpolicy", *TYPED)), "bold")))
    console.print(Text.from_ansi(shown.strip("\n")))
    form = (
        _SVG.replace("TITLE", html.escape(TITLE))
        .replace("DESCRIPTION", html.escape(DESCRIPTION))
        .replace("FONTS", _FONTS)
    )
    picture = console.export_svg(
        title="linkpolicy", theme=_THEME, code_format=form, unique_id="demo"
    )
    return "".join(f"{line.strip()}\n" for line in picture.splitlines() if line.strip())


if __name__ == "__main__":
    sys.exit(main())
