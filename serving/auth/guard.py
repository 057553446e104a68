"""Authentication: only the probes are answered without a key, as soon as one exists."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from lookalike.errors import KeysError
from lookalike.keys import LONGEST_SECRET, Key, KeyRing
from serving.auth.hosts import HOSTS, PROBES, address_of
from serving.auth.login import STYLE, logged_in, logged_out, login_page, read_login, secret_of_cookie
from serving.auth.rules import Rule, check_rights, find_rule
from serving.auth.state import State, state_of
from serving.http.errors import ApiError, error_response

logger = logging.getLogger("bentoml.lookalike")

LOGIN, LOGOUT, LOGIN_STYLE = "/login", "/logout", "/login.css"
NO_KEYS = (
    "this service has no keys, so it only answers on its own machine;"
    " make one there: lookalike keys add NAME --scope admin"
)


class Guard:
    """ASGI middleware. It notes in the request's state which key was used, and what is asked."""

    def __init__(self, app: ASGIApp, ring: KeyRing, rules: Sequence[Rule]) -> None:
        self._app, self._ring, self._rules = app, ring, rules
        self._noting = ThreadPoolExecutor(1, "keys")
        self._logged = ""  # the last failure

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if connection["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})  # there is none to speak to
        if connection["type"] == "http" and connection["path"] not in PROBES:
            try:
                response = await self._response(Request(connection, receive))
            except ApiError as error:
                response = error_response(error)
            except KeysError as error:
                response = self._failed(error)
            except ClientDisconnect:
                response = Response(status_code=400)  # nobody reads it; as `serving.http.errors` has it
            if response is not None:
                return await response(connection, receive, send)
        await self._app(connection, receive, send)

    async def _response(self, request: Request) -> Response | None:
        """The response if the request goes no further. Raises: ApiError; KeysError."""
        asked, state = find_rule(self._rules, request.scope), state_of(request.scope)
        state.operation = asked.rule.name if asked else ""
        state.notes.update(asked.variables if asked else {})
        if not self._ring.required:
            _check_loopback(request.scope)
            return None
        if own := await self._own(request, state):
            return own
        state.key = self._key_of(_secret_of(request))
        if state.key is None:
            return _unauthorized(request)
        check_rights(state.key, asked, request.scope["path"])
        return None

    async def _own(self, request: Request, state: State) -> Response | None:
        """What is answered here: logging in and out."""
        path, method = request.scope["path"], request.method
        if path == LOGIN_STYLE and method in ("GET", "HEAD"):
            return FileResponse(STYLE)
        if path not in (LOGIN, LOGOUT):
            return None
        state.operation = path.removeprefix("/")
        if method != "POST":
            return login_page(request) if path == LOGIN else None
        if path == LOGOUT:
            return logged_out()
        secret, next_ = await read_login(request)
        state.key = self._key_of(secret)
        if state.key is None:
            return login_page(request, "This key is not known here.", next_)
        return logged_in(request, state.key, secret, next_)

    def _key_of(self, secret: str) -> Key | None:
        key = self._ring.find(secret) if 0 < len(secret) <= LONGEST_SECRET else None
        if key and self._ring.is_due(key):
            asyncio.get_running_loop().run_in_executor(self._noting, self._ring.note_used, key)
        return key

    def _failed(self, error: KeysError) -> Response:
        if str(error) != self._logged:
            logger.error("nobody gets in: %s", error)
            self._logged = str(error)
        return error_response(ApiError(503, "keys_failed", "the keys of this service cannot be read; see its log"))


def _secret_of(request: Request) -> str:
    """From `Authorization: Bearer`, else from the cookie; empty without either. A proxy may use other schemes."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip().encode("latin-1").decode("utf-8", "surrogateescape")
    return secret_of_cookie(request)


def _unauthorized(request: Request) -> Response:
    if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", ""):
        return login_page(request)
    message = "expected `Authorization: Bearer` with a key of this service, which `lookalike keys add` makes"
    response = error_response(ApiError(401, "unauthorized", message))
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _check_loopback(connection: Connection) -> None:
    """Raises: ApiError 403 if the connection came to an address that other machines reach."""
    server = connection.get("server")
    if server and _is_reachable(str(server[0])):
        raise ApiError(403, "no_keys", NO_KEYS)


@lru_cache(HOSTS)
def _is_reachable(host: str) -> bool:
    """Whether other machines reach an address; not one of a Unix socket."""
    address = address_of(host)
    return address is not None and not address.is_loopback
