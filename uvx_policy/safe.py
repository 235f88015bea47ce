"""Text that is safe to show on a terminal. Here, so that the shim's warnings can have it."""


def safe(text: str) -> str:
    """The text with everything escaped that does not show as itself.

    Control characters and escape sequences, line and paragraph separators, characters that turn
    the writing direction or have no width (U+202E, U+200B), and bytes that are not UTF-8 (lone
    surrogates): file names may hold any of them.
    """
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escaped(char) for char in text])


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"  # the byte that it stands for
    return ascii(char)[1:-1]
