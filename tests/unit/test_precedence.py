"""Where the shims are on a PATH of Windows, before they are there."""

from __future__ import annotations

import pytest

from uvx_policy.setup import precedence

OURS = r"C:\shims"
MACHINE = [r"C:\Windows\system32", r"C:\Program Files\uv"]
USER = [r"C:\Users\ada\.local\bin", r"C:\Python311"]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([*MACHINE, *USER], 2),
        ([r"C:\profile", *MACHINE, *USER], 3),
        ([*MACHINE, r"c:\python311\\", *USER], 2),
        ([*MACHINE, "C:\\SHIMS\\", *USER], 2),
        ([OURS, *MACHINE], 0),
        ([r"C:\profile", *MACHINE], 3),  # the user's Path is empty
        ([r"C:\profile"], 0),
        ([""], 0),
    ],
)
def test_the_shims_come_where_the_user_s_path_begins(listed: list[str], expected: int) -> None:
    assert precedence.place(listed, OURS, machine=MACHINE, user=USER) == expected


def test_what_both_have_is_the_machine_s() -> None:
    listed = [*MACHINE, *USER]

    assert precedence.place(listed, OURS, machine=MACHINE, user=[MACHINE[1], *USER]) == 2
