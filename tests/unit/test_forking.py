"""Whether this process may be forked."""

from __future__ import annotations

import os
import threading

import pytest

from uvx_policy.forking import processors

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork(2)")


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.parametrize(("count", "expected"), [(1, 2), (2, 1)])
def test_with_threads_around_no_process_is_started(
    monkeypatch: pytest.MonkeyPatch, count: int, expected: int
) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: count)

    assert processors() == expected


def test_where_nothing_can_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.delattr(os, "fork")

    assert processors() == 1
