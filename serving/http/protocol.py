"""uvicorn's HTTP/1.1 protocol with bounds: on the head of a request, on the time it takes, on connections.

uvicorn bounds none of these with httptools: the event loop would parse one endless header while everyone waits.
"""

from __future__ import annotations

import asyncio
import http

import orjson
import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http.limits import HEAD_S, LINGER_S, MAX_HEAD_BYTES, RESERVED_FILES, RETRY_AFTER_S
from serving.http.request_log import log_refused
from serving.http.traffic import count_refused
from serving.inference.metrics import REJECTS
from serving.open_files import allow_open_files

LINGERING = RESERVED_FILES // 4  # refused connections that still wait for their client, at most


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Past a bound it is answered with 431, 408 or 503, and closed."""

    max_connections = 0  # of this process; set by `install`
    lingering = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._head_bytes, self._in_head, self._refused = 0, True, False
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_S, self._too_slow)
        if len(self.connections) > self.max_connections:
            self._refuse(503, "busy", f"more than {self.max_connections:,} connections; try again later")

    def data_received(self, data: bytes) -> None:
        while data and not self._refused and not self.transport.is_closing():
            room = MAX_HEAD_BYTES - self._head_bytes if self._in_head else len(data)
            if room:
                self._feed(data[:room])
            else:
                self._refuse(431, "head_too_large", f"the head of the request has more than {MAX_HEAD_BYTES:,} bytes")
            data = data[room:]

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP: uvicorn's own response is text, without an id, and is not counted."""
        cycle = self.cycle
        in_body = bool(cycle and not cycle.response_complete and cycle.more_body)
        if in_body and cycle.response_started:
            self.transport.close()
        else:
            self._refuse(400, "bad_request", "this is not a valid HTTP/1.1 request", at_once=in_body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def _feed(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._refused:
            return
        if not self._in_head:
            self._head_bytes = 0
        elif self._head_bytes and self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)

    def _stop_head_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if self._head_bytes:
            self._refuse(408, "timeout", f"the head of the request was not complete within {HEAD_S:g} s")
        else:
            self.transport.close()  # nothing was asked

    def _refuse(self, status: int, kind: str, message: str, at_once: bool = False) -> None:
        """Answer, and close a little later: a client that still sends would not get to read the answer else.

        at_once: before the response to an earlier request, which will not come.
        """
        self._refused = True
        self._stop_head_timer()
        count_refused(status)
        REJECTS.labels(kind).inc()
        if self.cycle and not self.cycle.response_complete and not at_once:
            self.cycle.keep_alive = False  # the response to an earlier request comes first, and is the last
            return
        request_id = log_refused(status, kind, self.client)
        self.transport.write(_response(status, kind, message, request_id))
        if BoundedProtocol.lingering >= LINGERING:
            self.transport.close()
            return
        BoundedProtocol.lingering += 1
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self._close_refused)

    def _close_refused(self) -> None:
        BoundedProtocol.lingering -= 1
        self.transport.abort()


def _response(status: int, kind: str, message: str, request_id: str) -> bytes:
    body = orjson.dumps({"error": {"type": kind, "message": message}})
    head = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", "content-type: application/json"]
    head += [f"content-length: {len(body)}", "connection: close", f"x-request-id: {request_id}"]
    head += [f"retry-after: {RETRY_AFTER_S}"] if status == 503 else []
    return "\r\n".join([*head, "", ""]).encode() + body


def install() -> None:
    """Let uvicorn use this protocol, with as many connections as there may be open files.

    BentoML gives uvicorn no protocol, so that it looks up "auto". Call it before uvicorn is configured.
    """
    files = allow_open_files()
    BoundedProtocol.max_connections = files - min(RESERVED_FILES, files // 2)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedProtocol.__name__}"
