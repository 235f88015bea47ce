"""uv's configuration files: which of them count for one call, and in which order.

A `pyproject.toml` whose `[tool.uv]` this uv does not understand is skipped by uv with a warning,
and the search goes on upward. What a given version understands is not known key by key, so where
it is in doubt both readings are kept, and a value counts only when all readings agree.
"""

from __future__ import annotations

import os

from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.model import Origin, Sourced
from uvx_policy.uv.directories import system_file, user_file
from uvx_policy.uv.version import OLDEST
from uvx_policy.uv.workspace import TomlFiles, ancestors, table
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from uvx_policy.host import Host
    from uvx_policy.model import UvVersion
    from uvx_policy.toml_file import TomlFile


class Layer(Value):
    """The table of one file that holds uv's settings."""

    file: TomlFile
    #: where the table is: ("tool", "uv") in a pyproject.toml, () in a uv.toml
    prefix: tuple[str, ...]

    def get(self, *keys: str) -> Sourced | None:
        """Look up one value; booleans become "true" and "false"."""
        found: Any = table(self.file.data, *self.prefix, *keys[:-1]).get(keys[-1])
        if found is None:
            return None
        line = self.file.line_of(*self.prefix, *keys)
        origin = Origin(kind="file", name=self.file.path, line=line)
        return Sourced(value=_text(found), origin=origin)


class Configuration(Value):
    """All layers, the most important first, in every reading that is possible."""

    readings: tuple[tuple[Layer, ...], ...] = ((),)

    def get(self, *keys: str) -> Sourced | None:
        """Return the value that uv uses, `None` when no file has one.

        Raises `Unreadable` when that depends on which tables this uv understands.
        """
        found = [
            next((value for layer in reading if (value := layer.get(*keys))), None)
            for reading in self.readings
        ]
        if any((one and one.value) != (found[0] and found[0].value) for one in found):
            sure = next(one for one in found if one is not None)
            raise Unreadable(
                sure.origin.name,
                f"whether this uv accepts all of [tool.uv] is not known: {keys[-1]}",
            )
        return found[0]

    def below(self, layer: Layer | None) -> Configuration:
        """Return this configuration with a more important layer on top."""
        above = () if layer is None else (layer,)
        return Configuration(readings=tuple((*above, *reading) for reading in self.readings))


def explicit_file(files: TomlFiles, path: str) -> Configuration:
    """Read the file of `--config-file` and nothing else. Raises `Unreadable`, `ConfigError`."""
    found = files.read(path)
    if found is None:
        raise Unreadable(path, "does not exist, which uv takes for an error")
    return Configuration(readings=((Layer(file=found, prefix=()),),))


def discovered(
    host: Host,
    files: TomlFiles,
    starts: tuple[str, ...],
    version: UvVersion | None,
    *,
    system: bool,
) -> Configuration:
    """Read project (looked for from each start upward, one after the other), user and system file.

    Raises `Unreadable` and `ConfigError`.
    """
    shared = tuple(
        Layer(file=found, prefix=())
        for path in (user_file(host), system_file(host, version) if system else "")
        if path and (found := files.read(path)) is not None
    )
    projects = _project_readings(files, starts, version)
    return Configuration(readings=tuple((*layers, *shared) for layers in projects))


def _project_readings(
    files: TomlFiles, starts: tuple[str, ...], version: UvVersion | None
) -> list[tuple[Layer, ...]]:
    """List what the project's layer may be: one layer or none for each reading."""
    readings: list[tuple[Layer, ...]] = []
    for start in starts:
        for layer in project_layers(files, start):
            readings.append((layer,))
            if not layer.prefix or _is_understood(layer, version):
                return readings
    readings.append(())
    return readings


def project_layers(files: TomlFiles, start: str) -> Iterator[Layer]:
    """What uv comes across from `start` upward: it takes the first that it understands."""
    for directory in ancestors(start):
        settings = files.read(os.path.join(directory, "uv.toml"))
        if settings is not None:
            yield Layer(file=settings, prefix=())
            continue
        try:
            project = files.read(os.path.join(directory, "pyproject.toml"))
        except ConfigError:
            continue  # uv warns and goes on
        if project is not None and isinstance(table(project.data, "tool").get("uv"), dict):
            yield Layer(file=project, prefix=("tool", "uv"))


def _is_understood(layer: Layer, version: UvVersion | None) -> bool:
    """Tell whether this uv surely accepts the whole table."""
    settings = table(layer.file.data, *layer.prefix)
    inside = settings.get("pip", {})
    return (
        isinstance(inside, dict)
        and _are_valid(settings, _KEYS, version)
        and _are_valid(inside, _PIP_KEYS, version)
    )


def _are_valid(
    settings: dict[str, Any], keys: dict[UvVersion, str], version: UvVersion | None
) -> bool:
    """Check the names, and the values that we use; of all others we trust that they are right."""
    unknown = set(settings)
    for since, names in keys.items():
        # Names first: the version is looked at only where it matters.
        known = unknown.intersection(names.split())
        if known and (since == OLDEST or (version is not None and version >= since)):
            unknown -= known
    return (
        not unknown
        and ("link-mode" not in settings or settings["link-mode"] in link_modes(version))
        and all(isinstance(settings.get(name, False), bool) for name in _BOOLEANS)
        and all(isinstance(settings.get(name, ""), str) for name in _STRINGS)
    )


def link_modes(version: UvVersion | None) -> tuple[str, ...]:
    """The values of `link-mode` that this uv takes; of an unknown one those that all take."""
    modes = ("clone", "copy", "hardlink", "symlink")
    is_new = version is not None and version >= _REFLINK_SINCE
    return (*modes, "reflink") if is_new else modes


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


_REFLINK_SINCE = (0, 9, 28)
_BOOLEANS = ("no-cache", "offline", "preview", "system")
_STRINGS = ("cache-dir", "target", "prefix", "python", "python-preference")

#: What uv itself lists when a uv.toml has an unknown key, for three versions. A key that is newer
#: than the uv at hand, or newer than this list, makes a reading doubtful, no more.
_KEYS: dict[UvVersion, str] = {
    OLDEST: """required-version native-tls offline no-cache cache-dir preview python-preference
        python-downloads concurrent-downloads concurrent-builds concurrent-installs index index-url
        extra-index-url no-index find-links index-strategy keyring-provider allow-insecure-host
        resolution prerelease fork-strategy dependency-metadata config-settings no-build-isolation
        no-build-isolation-package exclude-newer link-mode compile-bytecode no-sources upgrade
        upgrade-package reinstall reinstall-package no-build no-build-package no-binary
        no-binary-package python-install-mirror pypy-install-mirror publish-url trusted-publishing
        check-url pip cache-keys override-dependencies constraint-dependencies environments
        conflicts workspace sources managed package default-groups dev-dependencies
        build-backend""",
    (0, 8, 15): """config-settings-package extra-build-dependencies extra-build-variables
        exclude-newer-package python-downloads-json-url add-bounds build-constraint-dependencies
        required-environments dependency-groups""",
    (0, 13, 8): """system-certs preview-features http-proxy https-proxy no-proxy prerelease-package
        require-build-hashes no-sources-package torch-backend graalpy-install-mirror
        pyodide-install-mirror audit exclude-dependencies minimum-libc-version""",
}
_PIP_KEYS: dict[UvVersion, str] = {
    OLDEST: """python system break-system-packages target prefix index-url extra-index-url no-index
        find-links index-strategy keyring-provider no-build no-binary only-binary
        no-build-isolation no-build-isolation-package strict extra all-extras no-extra no-deps
        allow-empty-requirements resolution prerelease fork-strategy dependency-metadata
        output-file no-strip-extras no-strip-markers no-annotate no-header custom-compile-command
        generate-hashes config-settings python-version python-platform universal exclude-newer
        no-emit-package emit-index-url emit-find-links emit-build-options emit-marker-expression
        emit-index-annotation annotation-style link-mode compile-bytecode require-hashes
        verify-hashes no-sources upgrade upgrade-package reinstall reinstall-package""",
    (0, 8, 15): """extra-build-dependencies extra-build-variables group config-settings-package
        exclude-newer-package torch-backend""",
    (0, 13, 8): "require-build-hashes no-sources-package",
}
