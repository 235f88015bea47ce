"""Facts for tests of the decision: a quiet default, changed field by field."""

from __future__ import annotations

from typing import Any

from uvx_policy.decide import Facts
from uvx_policy.filesystem.places import Place
from uvx_policy.model import DEFAULT, Capability, Destination, Origin, Sourced
from uvx_policy.settings.keys import CacheEntry
from uvx_policy.settings.reader import Setting, Settings

BOTH = Capability(clone="yes", hardlink="yes", detail="")
HARDLINKS = Capability(clone="no", hardlink="yes", detail="EOPNOTSUPP")
CLONES = Capability(clone="yes", hardlink="no", detail="EXDEV")
NEITHER = Capability(clone="no", hardlink="no", detail="EXDEV")
UNKNOWN = Capability(clone="unknown", hardlink="unknown", detail="EACCES")
HALF_KNOWN = Capability(clone="unknown", hardlink="no", detail="EACCES")

FLAG = Sourced(value="/flag", origin=Origin(kind="flag", name="--flag"))
VARIABLE = Sourced(value="/variable", origin=Origin(kind="variable", name="UV_VARIABLE"))
CONFIG = Sourced(value="/config", origin=Origin(kind="file", name="/p/uv.toml", line=3))

DEVICE_PLACE = Place(
    directory="/mnt/.uv-cache-0",
    code="device-cache",
    because="same device",
    origin=DEFAULT,
    probe_from="/mnt",
    exists=False,
)


ENTRY = CacheEntry(
    filesystem="/mnt",
    directory="/mnt/mine",
    origin=Origin(kind="file", name="/home/u/.config/linkpolicy/config.toml", line=2),
)


def setting(value: str, layer: int = 0) -> Setting:
    origin = Origin(kind="file", name="/p/pyproject.toml", line=9) if layer else DEFAULT
    return Setting(value=value, origin=origin, layer=layer)


def settings(**given: Setting) -> Settings:
    built_in = {
        "hackable": setting("false"),
        "link_mode": setting("auto"),
        "cache": setting("auto"),
        "fallback": setting("copy"),
        "symlinked_venv": setting("keep"),
    }
    return Settings(**{**built_in, **given}, caches=(), seed_from=())


def facts(**given: Any) -> Facts:
    """Default cache and project on one ext4, newest uv, no wishes."""
    base = {
        "platform": "linux",
        "version": (0, 13, 8),
        "destination": Destination(kind="project", path="/p/.venv", project="/p", workspace="/p"),
        "settings": settings(),
        "link_mode": None,
        "cache_dir": None,
        "no_cache": None,
        "offline": False,
        "cache": "/home/u/.cache/uv",
        "cache_usable": "yes",
        "cache_is_mount_point": False,
        "capability": HARDLINKS,
        "place": None,
        "place_lacks": "",
        "place_capability": UNKNOWN,
    }
    return Facts(**{**base, **given})
