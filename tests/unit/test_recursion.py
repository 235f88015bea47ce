"""What an outer shim's guard lets conclude; tests/shim/test_recursion.py has the processes."""

from __future__ import annotations

import pytest

from uvx_policy import recursion
from uvx_policy.guard import Guard

TRIED = ("/foreign/uv",)
#: not among the ancestors of this process
GONE = "1.1"


@pytest.mark.parametrize(
    ("outer", "mark", "turn", "tried"),
    [
        pytest.param({}, {"process": "5.5"}, 1, TRIED, id="the same process"),
        pytest.param({"depth": 1}, {"process": "5.5", "depth": 2}, 0, (), id="uv run in between"),
        pytest.param({"depth": 2}, {"process": "5.5", "depth": 1}, 1, TRIED, id="depth removed"),
        pytest.param({"turn": 3}, {"uv": "/uv"}, 4, (), id="UV is new"),
        pytest.param({"turn": 3, "uv": "/a"}, {"uv": "/uv"}, 4, (), id="UV is another one"),
        pytest.param({"turn": 3, "uv": "/a"}, {"uv": "/a"}, 11, (), id="UV is as before"),
        pytest.param({"turn": 3, "uv": "/a"}, {}, 11, (), id="UV was removed"),
        pytest.param({"process": ""}, {"process": ""}, 8, (), id="nobody knows who he is"),
        pytest.param({"turn": 192}, {}, 200, (), id="as often as may be"),
        pytest.param({"turn": 193}, {}, 201, TRIED, id="too often"),
    ],
)
def test_follow(
    outer: dict[str, object], mark: dict[str, object], turn: int, tried: tuple[str, ...]
) -> None:
    above = {"process": "5.5" if mark.get("process") else GONE, "tried": TRIED, **outer}
    below = Guard(**{"process": "6.6", **mark})  # type: ignore[arg-type]

    recursion.follow(below, Guard(**above))  # type: ignore[arg-type]

    assert (below.turn, below.tried) == (turn, tried)
