"""HTML, made of elements: the only place where text becomes markup, and so the one that escapes."""

from __future__ import annotations

import html

from uvx_policy.safe import safe

#: elements without an end tag
_VOID = ("br", "meta")


class Markup(str):
    """Complete HTML, which is not escaped again. Made by `element` and `style_sheet` alone."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """An element. Children that are no `Markup` are text, and every attribute's value is.

    An attribute whose name Python reserves has a `_` behind it, `_` within stands for `-`:
    `element("p", path, class_="path", aria_label="where")`. Empty children are left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    inside = "".join(map(_markup, children))
    return Markup(f"<{name}{given}>{inside}</{name}>")


def style_sheet(css: str) -> Markup:
    """A style sheet of ours; nothing of the user's may be in it."""
    return Markup(f"<style>{css}</style>")


def _markup(child: str) -> str:
    return child if isinstance(child, Markup) else _escaped(child)


def _escaped(text: str) -> str:
    """What a person is to read: neither markup, nor characters that hide or turn the text."""
    return html.escape(safe(text))
