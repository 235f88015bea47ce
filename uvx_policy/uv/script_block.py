"""The `# /// script` block (PEP 723) of a Python file, found the way uv finds it."""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.toml_file import TomlFile, parse_toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.uv.invocation import Invocation

_OPENING = "# /// script"


def find_script(host: Host, invocation: Invocation) -> str | None:
    """Path of the local script that this call names, `None` when it names none.

    Only where uv would look for a block: `--script FILE`, and what `uv run` takes for a script.
    Raises `Unreadable` for a script on stdin or behind a URL.
    """
    if invocation.command != ("run",):
        named = invocation.value("script")
        return os.path.join(host.cwd, named) if named else None
    if not invocation.external or invocation.has("module"):
        return None
    target = invocation.external[0]
    path = os.path.join(host.cwd, target)
    forced = invocation.has("script") or invocation.has("gui-script")
    if target == "-":
        raise Unreadable(target, "uv reads the script from stdin")
    if target.startswith(("http://", "https://")) and host.kind(path) != "file":
        raise Unreadable(target, "uv downloads the script")
    if forced or (target.lower().endswith((".py", ".pyw")) and host.kind(path) == "file"):
        return path
    return None


def read_block(host: Host, path: str) -> TomlFile | None:
    """Read the block's TOML; `None` when the file has no block or does not exist.

    Lines are counted from the block's first line. Raises `Unreadable` and `ConfigError`.
    """
    text = host.read_text(path)
    inside = None if text is None else block_text(text)
    if inside == _OPENING:
        raise Unreadable(path, "the `# /// script` block is not closed")
    return None if inside is None else parse_toml(path, inside)


def block_text(text: str) -> str | None:
    """Extract the block's TOML; `None` when there is none, the opening line when it never ends."""
    start = text.find(_OPENING)
    if start < 0 or (start > 0 and text[start - 1] not in "\r\n"):
        return None
    lines = text[start:].replace("\r\n", "\n").split("\n")
    if lines[0] != _OPENING:
        return None
    content: list[str] = []
    for line in lines[1:]:
        if line == "#":
            content.append("")
        elif line.startswith("# "):
            content.append(line[2:])
        else:
            break
    if "///" not in content:
        return _OPENING
    while content.pop() != "///":
        pass
    return "\n".join(content) + "\n"
