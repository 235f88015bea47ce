"""docs/reference/clients.md says what the tests of this directory do."""

from __future__ import annotations

import re
from pathlib import Path

from tests.clients.table import CLIENTS, Client

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "clients.md"
WAYS = {
    "path": "automatically: it looks on PATH",
    "itself": "not needed: it has a cache of its own beside what it installs",
    "setup": "by `linkpolicy setup`",
    "adopt": "by `linkpolicy adopt`",
    "run": "by `linkpolicy run`",
}


def row(client: Client) -> str:
    adopted = "yes" if client.can_be_adopted else "it has no uv of its own"
    under_run = "not needed" if client.way == "itself" else "yes"
    return f"| `{client.name}` | {client.version} | {WAYS[client.way]} | {adopted} | {under_run} |"


def test_the_page_has_the_table_that_is_tested() -> None:
    rows = re.findall(r"^\| `.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [row(client) for client in CLIENTS]
