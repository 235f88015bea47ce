"""The settings as plain data: their names, values and meaning, and the values in force.

Whoever checks, writes or documents a setting takes it from here.
"""

from __future__ import annotations

from uvx_policy.model import DEFAULT, Origin
from uvx_policy.value import Value

#: layers, least specific first; project tables count on from PROJECT towards the environment
BUILT_IN, MACHINE_DEFAULTS, USER_DEFAULTS, MACHINE_RULES, USER_RULES, PROJECT = range(6)


class Key(Value):
    """One setting."""

    name: str
    #: the valid values, the default first
    allowed: tuple[str, ...]
    #: one sentence for people
    meaning: str
    #: other accepted spellings -> the value they stand for
    aliases: dict[str, str] = {}  # noqa: RUF012 (never mutated)

    @property
    def default(self) -> str:
        """The built-in value."""
        return self.allowed[0]

    @property
    def is_boolean(self) -> bool:
        """Tell whether the TOML value is `true` or `false`, not a string."""
        return self.allowed == ("false", "true")

    @property
    def field(self) -> str:
        """Name of the field in `Settings`."""
        return self.name.replace("-", "_")


KEYS = (
    Key(
        name="hackable",
        allowed=("false", "true"),
        meaning="Give the environment private copies: edit anything in it, nothing leaks",
    ),
    Key(
        name="link-mode",
        allowed=("auto", "clone", "hardlink", "copy", "symlink"),
        meaning="How uv puts files into the environment; auto takes the best that really works",
        aliases={"reflink": "clone"},
    ),
    Key(
        name="cache",
        allowed=("auto", "default", "project"),
        meaning="Which cache: on the environment's file system, uv's own, or the project's own",
    ),
    Key(
        name="fallback",
        allowed=("copy", "error"),
        meaning="When nothing can be linked: copy quietly, or refuse before uv starts",
    ),
    Key(
        name="seed",
        allowed=("auto", "never"),
        meaning="Fill the cache on the environment's file system from uv's own, or leave it empty",
    ),
    Key(
        name="symlinked-venv",
        allowed=("keep", "ignore"),
        meaning="When .venv is a symbolic link: keep the link, or leave it to uv",
    ),
    Key(
        name="programs",
        allowed=("auto", "private", "shared"),
        meaning="Private copies for what a Python program makes: where it could not be deleted "
        "later (Windows), always, or never",
    ),
)

BY_NAME = {key.name: key for key in KEYS}
NAMES = tuple(BY_NAME)

#: the key of `[caches]` that does not name a file system: an array of directories
SEED_FROM = "seed-from"
#: top-level keys of config.toml -> what they hold
CONFIG_TABLES = {
    "defaults": "The same keys, for every project that does not say otherwise",
    "caches": "File system -> cache directory; both absolute, `~/` allowed; `seed-from`",
    "rules": "Array of tables: `path`, a pattern, and any of the keys; the last match wins",
}


class Setting(Value):
    """One value in force."""

    #: one of the key's `allowed`; "true" or "false" for a boolean
    value: str
    origin: Origin
    #: `BUILT_IN` to `PROJECT` and on
    layer: int


class CacheEntry(Value):
    """One line of `[caches]`: the user's own choice of a directory for a file system."""

    #: absolute path of a directory on that file system, commonly its mount point
    filesystem: str
    #: absolute path of the cache directory
    directory: str
    origin: Origin


class SeedSource(Value):
    """One directory of `seed-from`: a cache that others fill, and ours are filled from."""

    #: absolute path
    directory: str
    origin: Origin


class Settings(Value):
    """Every setting in force for one environment; `Settings()` is the built-in policy."""

    hackable: Setting = Setting(value="false", origin=DEFAULT, layer=BUILT_IN)
    link_mode: Setting = Setting(value="auto", origin=DEFAULT, layer=BUILT_IN)
    cache: Setting = Setting(value="auto", origin=DEFAULT, layer=BUILT_IN)
    fallback: Setting = Setting(value="copy", origin=DEFAULT, layer=BUILT_IN)
    seed: Setting = Setting(value="auto", origin=DEFAULT, layer=BUILT_IN)
    symlinked_venv: Setting = Setting(value="keep", origin=DEFAULT, layer=BUILT_IN)
    programs: Setting = Setting(value="auto", origin=DEFAULT, layer=BUILT_IN)
    #: the user's entries before the machine's; one for each file system
    caches: tuple[CacheEntry, ...] = ()
    #: the user's before the machine's
    seed_from: tuple[SeedSource, ...] = ()
