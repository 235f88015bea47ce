"""The folders that cloud services have registered with Windows (StorageProviderSyncRootManager)."""

from __future__ import annotations

import sys

from uvx_policy.windows import registry

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: below HKEY_LOCAL_MACHINE: a key for each service and account, which is called
#: `<service>!<SID>!<account>` and has the folders in `UserSyncRoots`, SID -> path
KEY = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Explorer\\SyncRootManager"


def registered() -> Iterator[tuple[str, str]]:
    """Name of the service and path of each folder. Never raises."""
    for account in registry.keys(KEY):
        for folder in registry.texts(f"{KEY}\\{account}\\UserSyncRoots"):
            yield account.partition("!")[0], folder
