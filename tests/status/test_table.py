"""What people see: which columns at which width, signs, names, remarks."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from rich.cells import cell_len

from tests.terminal.screen import HOME, Screen
from uvx_policy.installed.distinct import Distinct, inode_key
from uvx_policy.machine.policy import Policy
from uvx_policy.status import remarks
from uvx_policy.status.row import Row, Total, Where
from uvx_policy.status.table import COLUMNS, SORTS, bar, in_order, print_table
from uvx_policy.terminal.console import Signs

DISK = Where(device="8:1", mount_point="/mnt/data", file_system="btrfs")


def row(path: str = "/home/me/work/shop/.venv", **values: Any) -> Row:
    usual: dict[str, Any] = {
        "where": DISK, "cache": "/mnt/data/.uv-cache-1000", "in_fact": "hardlink", "files": 1234,
        "shared_bytes": 309_000_000, "private_bytes": 4_100_000,
    }  # fmt: skip
    return Row(path=path, **{**usual, **values})


def totals(*rows: Row) -> list[Total]:
    total = Total()
    for one in rows:
        distinct = Distinct()
        distinct.add(inode_key(1, 1), one.shared_bytes)
        total.add(one, distinct.sample())
    return [total]


def table(*rows: Row, width: int = 200, encoding: str = "utf-8") -> list[str]:
    screen = Screen(width, encoding=encoding)
    print_table(rows, totals(*rows), screen)
    return [line.rstrip() for line in screen.lines if line.strip()]


def told(*rows: Row, width: int = 0, forgotten: tuple[str, ...] = ()) -> str:
    screen = Screen(width)
    closed = ("/p/closed",) if forgotten else ()
    found = remarks.remarks(rows, totals(*rows), screen, forgotten=forgotten, unreadable=closed)
    remarks.print_remarks(list(found), screen)
    return screen.text


# Columns ------------------------------------------------------------------------------------------


def test_every_column_of_the_issue_is_there_when_there_is_room() -> None:
    header, _, line, total, legend = table(row(save_bytes=2_000_000, edited_files=2))

    assert header.split() == [
        "environment", "on", "fs", "cache", "policy", "links", "files", "shared", "private",
        "save", "up", "to", "edited",
    ]  # fmt: skip
    assert line.split() == [
        "~/work/shop", "/mnt/data", "btrfs", "/mnt/data/.uv-cache-1000", "auto", "hardlink",
        "1,234", "309", "MB", "4.1", "MB", "███████████▒", "2.0", "MB", "2",
    ]  # fmt: skip
    assert total.split()[:4] == ["1", "on", "/mnt/data,", "btrfs"]
    assert legend == "█ shared (once in totals)  ▒ could be shared  ░ private"


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("path", ["/a/.venv", f"/home/me/{'long/' * 30}project/.venv"])
def test_no_line_is_wider_than_the_terminal(width: int, path: str) -> None:
    lines = table(row(path, edited_files=3, save_bytes=5), row(), width=width)

    assert max(map(cell_len, lines)) <= width
    assert lines[0].split()[0] == "environment"
    assert {"shared", "private"} <= set(lines[0].split())


@pytest.mark.parametrize(
    ("width", "there", "left_out"),
    [
        (60, {"links", "shared", "private"}, {"cache", "on", "fs", "files", "policy"}),
        (80, {"links", "shared", "private"}, {"cache", "on", "fs", "files"}),
        (120, {"policy", "links", "files", "shared", "private", "save"}, {"cache"}),
        (200, {"cache", "on", "fs", "policy", "links", "files", "edited"}, set[str]()),
    ],
)
def test_the_less_important_columns_go_first(
    width: int, there: set[str], left_out: set[str]
) -> None:
    path = "/home/me/customers/somebody/project/.venv"
    header = set(table(row(path, save_bytes=10**6), width=width)[0].split())

    assert there <= header
    assert not left_out & header


def test_a_narrow_terminal_has_the_bar_before_an_empty_column() -> None:
    """80 columns are what most have."""
    header, _, line, *_ = table(row("/home/me/customers/somebody/.venv"), width=80)
    full = table(row(edited_files=1, save_bytes=10**6), width=80)

    assert "save" not in header
    assert "███████░" in line
    assert full[0].split() == [
        "environment", "links", "shared", "private", "save", "up", "to", "edited"
    ]  # fmt: skip
    assert "███████▒" in full[2]


@pytest.mark.parametrize("width", [110, 116, 120, 126])
def test_no_name_is_cut_for_an_empty_column(width: int) -> None:
    path = "/home/me/customers/somebody/work/app"
    header, _, line, *_ = table(row(f"{path}/.venv"), width=width)

    assert line.startswith(f"~{path.removeprefix(HOME)} ")
    assert "policy" in header
    assert table(row("/home/me/a/.venv"), width=140)[0].split()[-1] == "edited"


def test_a_pipe_gets_everything_but_the_bar_and_nothing_cut() -> None:
    path = f"/home/me/{'long/' * 60}project"
    lines = table(row(f"{path}/.venv"), width=0)

    assert lines[2].startswith(f"~{path.removeprefix(HOME)}  ")
    assert "/mnt/data/.uv-cache-1000" in lines[2]
    assert not any("█" in line for line in lines)


def test_a_long_path_is_cut_between_two_names_at_its_beginning() -> None:
    line = table(row(f"/home/me/{'long/' * 30}project/.venv"), width=80)[2]

    assert line.startswith("…/long/")
    assert "/long/project " in line


def test_an_environment_that_is_no_dot_venv_has_its_own_name() -> None:
    assert table(row("/home/me/envs/ml"))[2].startswith("~/envs/ml ")


def test_without_colours_and_unicode_everything_can_be_told_apart() -> None:
    lines = table(
        row(save_bytes=2_000_000, private_bytes=200_000_000, shared_exact=False),
        encoding="ascii",
    )

    assert all(line.isascii() for line in lines)
    assert ">=309 MB" in lines[2]
    assert "<=200 MB" in lines[2]
    assert "#######+...." in lines[2]
    assert lines[4] == "# shared (once in totals)  + could be shared  . private"


def test_an_estimate_is_marked() -> None:
    total = Total()
    distinct = Distinct()
    for inode in range(2000):
        distinct.add(inode_key(1, inode), 10**6)
    total.add(row(), distinct.sample())
    total.add(row(), distinct.sample())
    screen = Screen(200)
    print_table([row()], [total], screen)

    assert re.search(r" ~(1\.9|2\.0|2\.1) GB ", screen.text)


def test_what_is_not_there_has_no_line() -> None:
    gone = row("/home/me/gone/.venv", state="gone", where=Where())

    assert table(gone) == []
    assert len(table(gone, row())) == len(table(row()))


@pytest.mark.parametrize(
    ("shared", "save", "private", "expected"),
    [
        (100, 0, 0, "██████████"),
        (0, 0, 100, "░░░░░░░░░░"),
        (0, 100, 100, "▒▒▒▒▒▒▒▒▒▒"),
        (50, 25, 50, "█████▒▒░░░"),
        # What is there has a cell, and what is not has none.
        (1, 0, 10**9, "█░░░░░░░░░"),
        (10**9, 1, 1, "█████████▒"),
        (10**9, 0, 1, "█████████░"),
        (0, 0, 0, ""),
    ],
)
def test_the_bar_shows_the_parts(shared: int, save: int, private: int, expected: str) -> None:
    shown = bar(10, Signs(), shared=shared, save=save, private=private)

    assert "".join(part[0] for part in shown) == expected


# Order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("project", "abc"), ("device", "bca"), ("file-system", "cab"), ("cache", "bac"),
        ("policy", "bca"), ("links", "cba"), ("files", "cab"), ("shared", "bca"),
        ("private", "acb"), ("save", "bac"), ("edited", "cba"),
    ],
)  # fmt: skip
def test_each_column_sorts_text_upwards_and_numbers_downwards(by: str, expected: str) -> None:
    rows = [
        row(
            path=f"/{name}", where=Where(device=name, mount_point=point, file_system=kind),
            cache=cache, policy=Policy(name=policy), in_fact=links, files=files,
            shared_bytes=shared, private_bytes=private, save_bytes=save, edited_files=edited,
        )
        for name, point, kind, cache, policy, links, files, shared, private, save, edited in (
            ("a", "/3", "ext4", "/c2", "symlink", "mixed", 2, 1, 3, 2, 1),
            ("b", "/1", "xfs", "/c1", "auto", "hardlink", 1, 3, 1, 3, 2),
            ("c", "/2", "btrfs", "/c3", "copy", "copy", 3, 2, 2, 1, 3),
        )
    ]  # fmt: skip

    assert "".join(one.path[1:] for one in in_order(rows, by)) == expected


def test_every_column_but_the_bar_can_be_sorted_by() -> None:
    assert set(SORTS) == {column.name for column in COLUMNS} - {"bar"}


# Remarks ------------------------------------------------------------------------------------------


def test_nothing_is_remarked_where_all_is_well() -> None:
    assert told(row()) == ""


def test_remarks_say_what_is_wrong_where_and_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0 + 3 * 86400)
    drift, links = "hackable, but 2 files share an inode with others", "clone, but 1 file"
    text = told(
        row("/p/a/.venv", drift=drift, policy=Policy(name="hackable")),
        row("/p/a2/.venv", drift=links, policy=Policy(name="clone"), project="/p/a2"),
        row("/p/b/.venv", dangling_files=3),
        row("/p/c c/.venv", edited_files=1, edited=("a.py",)),
        row("/p/d/.venv", state="unreadable"),
        row("/p/e/.venv", unreadable_files=1),
        row("/p/f/.venv", state="gone"),
        row("/p/g/.venv", policy=Policy(name="unknown", origin="/p/g/pyproject.toml:3: bad\n")),
        row("/p/h/.venv", kept=True, counted_at=1000.0, edits_looked_for=False),
        forgotten=("/p/i/.venv",),
    )

    uv = "linkpolicy run -- uv sync --reinstall"
    assert text.splitlines() == [
        "settings    /p/g/pyproject.toml:3: bad\\n",
        f"drift       not stored as the policy says: /p/a ({drift}) and /p/a2 ({links})",
        "            hint: copy the shared files in place: linkpolicy detach -p /p/a/.venv",
        f"            hint: reinstall; no file was edited: cd /p/a2 && {uv}",
        "broken      files link to a cache entry that is gone: /p/b",
        "            hint: show the fix: cd /p/b && linkpolicy doctor environment",
        "edited      /p/c c: `a.py` was edited",
        "            hint: show them: linkpolicy verify '/p/c c/.venv'",
        "unreadable  not everything can be read: /p/d and /p/e",
        "closed      not searched because it cannot be read: /p/closed",
        "gone        no longer exists: /p/f/.venv",
        "forgotten   gone for a month: /p/i/.venv",
        "counts      1 of 7 counted before, the oldest 3 days ago; --refresh counts again",
        "edits       1 environment was not looked at again; --refresh looks at all",
    ]


def test_edits_are_named_as_the_doctor_names_them() -> None:
    hackable = Policy(name="hackable", origin="/p/b/pyproject.toml:3")
    others = "a cache or another environment"
    text = told(
        row("/p/a/.venv", edited_files=5, edited=("a.py", "b.py", "c.py")),
        row("/p/b/.venv", edited_files=1, edited=("a.py",), policy=hackable),
        row("/p/c/.venv", edited_files=1, edited=("a.py",), policy=hackable, edits_shared=True),
    )

    assert [line for line in text.splitlines() if "hint" not in line] == [
        "edited  /p/a: `a.py`, `b.py`, `c.py` and 2 more were edited",
        "edited  /p/b: `a.py` was edited, as intended: hackable (/p/b/pyproject.toml:3)",
        f"edited  /p/c: `a.py` was edited; {others} has the edit, too",
    ]
    assert text.count("linkpolicy verify") == 2


def test_drift_of_edited_files_is_fixed_without_losing_them() -> None:
    drift = row("/p/.venv", drift="x", policy=Policy(name="clone"), project="/p", edited_files=1)

    text = told(drift)

    assert "hint: copy the shared files in place: linkpolicy detach -p /p/.venv\n" in text
    # How it differs from the policy is not part of its name.
    assert "\nedited  /p: " in text


def test_many_environments_are_counted_and_not_named() -> None:
    text = told(*(row(f"/p/{number}/.venv", edited_files=1) for number in range(1200)))

    assert text.splitlines()[-1] == "edited  files of 1,197 more environments: --sort edited"
    assert text.count("hint: ") == 3


@pytest.mark.parametrize("width", [60, 80, 120])
def test_remarks_are_wrapped_beside_their_word_and_commands_stay_whole(width: int) -> None:
    drift = "hackable, but 2 files share an inode with others"
    lines = told(
        row("/p/some/where/.venv", drift=drift, policy=Policy(name="hackable")), width=width
    ).splitlines()

    *wrapped, hint = lines
    assert max(map(len, wrapped)) <= width
    assert all(line.startswith(" " * 7) for line in lines[1:])
    assert hint.endswith("linkpolicy detach -p /p/some/where/.venv")
