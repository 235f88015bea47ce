"""A host for those who decide nothing: what was asked once is remembered, nothing is witnessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.errors import Unreadable
from uvx_policy.host import Host
from uvx_policy.replay.witness import Witnesses

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from uvx_policy.model import Status

#: statuses that are remembered at most: of directories that many environments lie in
_MOST = 4096
#: texts: one project's files are read for several reasons
_MOST_TEXTS = 32


class Onlooker(Host):
    """Looks at many environments in the moment of one command, also from several threads."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Relative paths are seen from `/`."""
        super().__init__(environ=dict(environ), cwd="/")
        self.witnesses = _NoWitnesses(0)
        self._statuses: dict[tuple[str, bool], Status | Unreadable | None] = {}
        self._texts: dict[str, str | None] = {}

    def read_text(self, path: str) -> str | None:
        """As `Host.read_text`."""
        try:
            return self._texts[path]
        except KeyError:
            text = super().read_text(path)
        if len(self._texts) >= _MOST_TEXTS:
            self._texts.clear()
        self._texts[path] = text
        return text

    def _status(self, path: str, *, follow: bool) -> Status | None:
        key = (path, follow)
        try:
            found = self._statuses[key]
        except KeyError:
            try:
                found = super()._status(path, follow=follow)
            except Unreadable as error:
                found = error
            if len(self._statuses) >= _MOST:
                self._statuses.clear()
            self._statuses[key] = found
        if isinstance(found, Unreadable):
            raise found
        return found


class _NoWitnesses(Witnesses):
    """Keeps nothing: nobody will ask."""

    def add(self, token: str, path: str, sight: str) -> None:
        pass

    def add_status(self, token: str, path: str, told: os.stat_result | None) -> None:
        pass

    def spoil(self, reason: str, *, passing: bool = False) -> None:
        pass

    def knows(self, token: str, path: str) -> bool:  # noqa: ARG002 (nothing has to be read for it)
        return True
