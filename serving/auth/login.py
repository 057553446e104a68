"""The page that asks for a key once, and the cookie that then holds it.

The cookie has the secret itself: of a stolen file of keys nobody can make one, and it ends with the key.
"""

from __future__ import annotations

import asyncio
import re
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, quote, unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lookalike.keys import Key
from serving.http.errors import ApiError
from serving.http.limits import HEAD_S
from serving.http.media_types import FORM

COOKIE, NAME_COOKIE = "lookalike_key", "lookalike_name"  # the second one is for the page, which shows who is logged in
MAX_AGE_S = 30 * 24 * 3600
MAX_FORM_BYTES = 8192  # a secret, and an address of the page
HOME = "ui"
OWN = ("login", "logout", "login.css")  # after logging in, these lead to the form again, or nowhere
STYLE = Path(__file__).with_name("login.css")
_PAGE = Template(Path(__file__).with_name("login.html").read_text(encoding="utf-8"))
# An address below this service, relative, so that it leads nowhere else: no scheme, no host.
_NEXT = re.compile(r"[\w-]+(/[\w.-]*)*(\?[!-~]*)?", re.ASCII)


def login_page(request: Request, message: str = "", next_: str | None = None) -> Response:
    """401 with a form. next_: where to go after it, as `safe_next` gives; None for the address that was asked for."""
    path, query = request.scope["path"].removeprefix("/"), request.scope["query_string"].decode("latin-1")
    if next_ is None:
        next_ = safe_next(f"{path}?{query}" if query else path)
    fields = {"base": "../" * path.count("/"), "next": escape(next_), "message": escape(message)}
    headers = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
    return HTMLResponse(_PAGE.substitute(fields), 401, headers)


def safe_next(text: str) -> str:
    """An address of this service, relative; that of the page for any other."""
    return text if _NEXT.fullmatch(text) and text.partition("?")[0] not in OWN else HOME


async def read_login(request: Request) -> tuple[str, str]:
    """The secret, and where to go next. Raises: ApiError 408, 413, 415."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        raise ApiError(415, "unsupported_media_type", f"expected {FORM} with the field key")
    try:
        async with asyncio.timeout(HEAD_S):
            body = await _read(request)
    except TimeoutError as error:
        raise ApiError(408, "timeout", f"the form was not complete within {HEAD_S:g} s") from error
    fields = parse_qs(body.decode("ascii", "replace"), errors="surrogateescape")
    return fields.get("key", [""])[-1].strip(), safe_next(fields.get("next", [HOME])[-1])


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise ApiError(413, "too_large", f"the form has more than {MAX_FORM_BYTES:,} bytes")
    return body


def logged_in(request: Request, key: Key, secret: str, next_: str) -> Response:
    """303 with the cookies of a key. They are for TLS only if this request came by TLS."""
    response = RedirectResponse(next_, 303)
    secure = request.url.scheme == "https"
    for name, value, hidden in ((COOKIE, quoted(secret), True), (NAME_COOKIE, quote(key.name, safe=""), False)):
        response.set_cookie(name, value, MAX_AGE_S, secure=secure, httponly=hidden, samesite="strict")
    return response


def logged_out() -> Response:
    """303 to the page, without the cookies."""
    response = RedirectResponse(HOME, 303)
    for name in (COOKIE, NAME_COOKIE):
        response.delete_cookie(name, samesite="strict")
    return response


def secret_of_cookie(request: Request) -> str:
    """The secret that the cookie holds; empty without one.

    `quoted` leaves nothing to unescape, for which Python takes quadratic time: gh-123067.
    """
    pairs = [pair.strip().partition("=") for header in request.headers.getlist("cookie") for pair in header.split(";")]
    values = [value for name, _, value in pairs if name == COOKIE]
    return unquote(values[-1], errors="surrogateescape") if values else ""


def quoted(secret: str) -> str:
    """As cookies can hold it: LOOKALIKE_TOKEN may be any text."""
    return quote(secret, safe="", errors="surrogateescape")
