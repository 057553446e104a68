"""What a console prints: one line is one line, whatever a file is called."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Text in one line, in which nothing acts on a terminal: line ends, controls and changes of direction, which names
    of files may hold, are written as escapes (\\n, \\x1b, \\u202e)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or _is_space(char) else _escape(char) for char in text)


def _is_space(char: str) -> bool:
    return unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    """As Python writes it; of a byte that is not UTF-8, the byte."""
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
