"""What tests of seeding have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from uvx_policy.seed import fill


@pytest.fixture(params=[1, 3])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(fill, "processors", lambda: request.param)
    yield request.param
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
