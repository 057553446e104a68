"""URLs of streams: which text is one, what may be shown of it, and what is opened."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote

from lookalike.errors import FootageError

SCHEMES = ("http", "https", "rtmp", "rtsp", "rtsps", "srt", "udp")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Recorders take user and password in the path: /user=admin_password=x_channel=1, /user=admin&password=x, /a;token=x.
_SECRET = re.compile(
    r"(?P<name>(?:^|[/&;,_])(?:[^/&;,=_]*(?:pass|pwd|psw|token|secret|credential|session)[^/&;,=_]*"
    r"|auth(?:basic|[._-]?key)?|authorization|user|username|usr|login|pw|key|apikey|sig|sign|signature|hash|ticket|jwt|sid|pin|code|u|p)=)"
    r"[^/&;]*?(?=_[A-Za-z]+=|[/&;]|$)",
    re.IGNORECASE,
)


def scheme_of(text: str) -> str | None:
    """The scheme of a stream's URL, in small letters; None for anything else."""
    scheme, separator, _ = text.partition("://")
    return scheme.lower() if separator and scheme.lower() in SCHEMES else None


def is_stream(text: str) -> bool:
    return scheme_of(text) is not None


def shown_url(url: str) -> str:
    """A URL as it is stored and shown: without user, password, query and fragment. Text that is none stays as it is."""
    if _SCHEME.match(url.lstrip()):
        url = url.lstrip()  # as it was pasted
    scheme, _, rest = url.partition(":/")
    if scheme.lower() in SCHEMES and not rest.startswith("/"):
        url = f"{scheme}://{rest}"  # one that went through a `Path`
    if not _SCHEME.match(url):
        return url
    return f"{url.partition('://')[0].lower()}://{stream_camera(url)}"


def stream_camera(url: str) -> str:
    """Host and path, without user, password, query and fragment; what the path says of them is `***`."""
    rest = _without_user(url.split("://", 1)[1])
    shown = re.split("[?#]", rest, maxsplit=1)[0].rstrip("/")
    if _SECRET.search(unquote(shown)):  # they may be percent-encoded
        shown = unquote(shown)
    return _SECRET.sub(r"\g<name>***", shown)


def _without_user(rest: str) -> str:
    """Leave out all up to the last `@` before the query: a password that is not encoded may hold `@` and `/`.

    What follows a colon and is no port is a password, too, which `?` or `#` may be part of.
    """
    head, authority = re.split("[?#]", rest, maxsplit=1)[0], re.split("[/?#]", rest, maxsplit=1)[0]
    port = "" if authority.startswith("[") else authority.partition(":")[2]
    is_cut = bool(port) and not port.isdecimal() and "@" not in head
    return rest[(rest if is_cut else head).rfind("@") + 1 :]


def check_url(url: str) -> None:
    """Raises: FootageError if a variable that it names is not set."""
    opened_url(url)


def opened_url(url: str) -> str:
    """The URL to open: its scheme in small letters, `${NAME}` replaced by that environment variable, encoded.

    Raises: FootageError if there is no such variable.
    """

    def value(found: re.Match[str]) -> str:
        if (known := os.environ.get(found[1])) is None:
            raise FootageError(f"{shown_url(url)}: the environment variable {found[1]} is not set")
        return quote(known, safe="")

    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{_VARIABLE.sub(value, rest)}"
