"""URLs of streams: recognise them, hide their secrets, and fill in variables."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote

from lookalike.errors import FootageError

SCHEMES = ("http", "https", "rtmp", "rtsp", "rtsps", "srt", "udp")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Recorders have user and password in the path: /user=admin_password=x_channel=1, /user=admin&password=x, /a;token=x.
_SECRET = re.compile(
    r"(?P<name>(?:^|[/&;,_])(?:[^/&;,=_]*(?:pass|pwd|psw|token|secret|credential|session)[^/&;,=_]*"
    r"|auth(?:basic|[._-]?key)?|authorization|user|username|usr|login|pw|key|apikey|sig|sign|signature|hash|ticket|jwt|sid|pin|code|u|p)=)"
    r"[^/&;]*?(?=_[A-Za-z]+=|[/&;]|$)",
    re.IGNORECASE,
)


def scheme_of(text: str) -> str | None:
    """Return the scheme of a stream's URL, in lower case; None for other texts."""
    scheme, separator, _ = text.partition("://")
    return scheme.lower() if separator and scheme.lower() in SCHEMES else None


def is_stream(text: str) -> bool:
    return scheme_of(text) is not None


def shown_url(url: str) -> str:
    """Return a URL as it is stored and shown: without user, password, query and fragment. Other texts are unchanged."""
    if _SCHEME.match(url.lstrip()):
        url = url.lstrip()  # pasted with spaces
    scheme, _, rest = url.partition(":/")
    if scheme.lower() in SCHEMES and not rest.startswith("/"):
        url = f"{scheme}://{rest}"  # a `Path` had joined the slashes
    if not _SCHEME.match(url):
        return url
    return f"{url.partition('://')[0].lower()}://{stream_camera(url)}"


def stream_camera(url: str) -> str:
    """Return host and path, without user, password, query and fragment; secrets in the path become `***`."""
    rest = _without_user(url.split("://", 1)[1])
    shown = re.split("[?#]", rest, maxsplit=1)[0].rstrip("/")
    if _SECRET.search(unquote(shown)):  # secrets may be percent-encoded
        shown = unquote(shown)
    return _SECRET.sub(r"\g<name>***", shown)


def _without_user(rest: str) -> str:
    """Remove everything up to the last `@` before the query: a password that is not encoded may contain `@` and `/`.

    After a colon, a text that is not a port number is also a password, which may contain `?` or `#`.
    """
    head, authority = re.split("[?#]", rest, maxsplit=1)[0], re.split("[/?#]", rest, maxsplit=1)[0]
    port = "" if authority.startswith("[") else authority.partition(":")[2]
    is_cut = bool(port) and not port.isdecimal() and "@" not in head
    return rest[(rest if is_cut else head).rfind("@") + 1 :]


def check_url(url: str) -> None:
    """Check that the variables in a URL are set. Raises: FootageError."""
    opened_url(url)


def opened_url(url: str) -> str:
    """Return the URL to open: its scheme in lower case, `${NAME}` replaced by the environment variable, encoded.

    Raises: FootageError if a variable is not set.
    """

    def value(variable: re.Match[str]) -> str:
        if (text := os.environ.get(variable[1])) is None:
            raise FootageError(f"{shown_url(url)}: the environment variable {variable[1]} is not set")
        return quote(text, safe="")

    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{_VARIABLE.sub(value, rest)}"
