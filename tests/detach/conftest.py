"""Fixtures of the tests of `linkpolicy detach`."""

from __future__ import annotations

from tests.repair.conftest import disk, machine, scene

__all__ = ("disk", "machine", "scene")
