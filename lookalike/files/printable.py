"""Make text safe to print on one line, whatever a file is called."""

from __future__ import annotations

import reprlib
import unicodedata


def printable(text: str) -> str:
    """Escape line ends, controls and changes of direction (\\n, \\x1b, \\u202e), which file names may hold."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or _is_space(char) else _escape(char) for char in text)


def is_unicode(text: str) -> bool:
    """Whether a text can be stored: it has no lone surrogate, which JSON can spell and a name that is not UTF-8 has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def short(value: object, most: int = 50) -> str:
    """Show a value of any kind in a message, in at most `most` characters, however long or deeply nested it is."""
    return (value if isinstance(value, str) else reprlib.repr(value))[:most]


def _is_space(char: str) -> bool:
    return unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    """Escape a character as Python does; for a byte that is not UTF-8, escape the byte."""
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
