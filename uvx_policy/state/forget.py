"""Remove what linkpolicy keeps below its state directory; the user's own work stays."""

from __future__ import annotations

import contextlib
import os

from uvx_policy.state import files
from uvx_policy.state.layout import SETUP_RECORD, STORES


def forgettable(state: str) -> tuple[str, ...]:
    """Existing directories that can be computed anew, no symbolic links; `state`: "" for none."""
    found = [files.path_of(state, store) for store in STORES if state and not store.is_users]
    return tuple(path for path in found if os.path.isdir(path) and not os.path.islink(path))


def strangers(state: str) -> tuple[str, ...]:
    """What lies in the state directory and was not put there by linkpolicy. Never raises."""
    try:
        names = sorted(os.listdir(state)) if state else []
    except OSError:
        return ()
    ours = {SETUP_RECORD, *(store.directory for store in STORES if store.is_users)}
    ours |= {os.path.basename(path) for path in forgettable(state)}
    return tuple(
        os.path.join(state, name)
        for name in names
        if name not in ours and not name.startswith(files.UNFINISHED)
    )


def forget(directory: str) -> str:
    """Remove the directory and the files in it. Why that failed, "" when it is gone."""
    try:
        for name in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, name))
        os.rmdir(directory)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot delete `{error.filename}`: {error.strerror}"
    return ""
