"""uvicorn's HTTP/1.1 protocol with bounds: on the head of a request, on the time it takes, on connections.

uvicorn bounds none of these with httptools: the event loop would parse one endless header while everyone waits. Headers
may also come after a body that is sent in chunks; they count as the head does.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable
from typing import ClassVar

import orjson
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.auth.headers import SECURITY_HEADERS
from serving.http.door import DROPPED_BYTES, Door, stated_size
from serving.http.limits import HEAD_S, LINGER_S, MAX_HEAD_BYTES, RESERVED_FILES, RETRY_AFTER_S, TIMEOUT_S
from serving.http.request_log import log_refused
from serving.http.traffic import count_refused
from serving.inference.backlog import Busy
from serving.inference.metrics import REJECTS

LINGERING = RESERVED_FILES // 4  # refused connections that still wait for their client, at most
MAX_PIPELINED = 16  # requests of one connection that are parsed before their turn
PIECE_BYTES = 4096  # of heads that are parsed at a time
BODY_S = TIMEOUT_S + HEAD_S  # until a body has come, also of a request that was answered before: longer than its 504


class _Flow(FlowControl):
    """is_full: while it is set, nothing is read."""

    is_full = False

    def resume_reading(self) -> None:
        if not self.is_full:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Past a bound it is answered with 400, 408, 431 or 503, and closed.

    With images that would wait too long it is answered with 503 before they are read, and stays.
    """

    max_connections = 0  # of this process; set by `install`
    door: Door | None = None  # of this process; set when it has loaded
    lingering = 0
    idle: ClassVar[dict[BoundedProtocol, None]] = {}  # connections without a request, the longest first
    flow: _Flow  # pyright: ignore[reportIncompatibleVariableOverride]

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self.flow, self._held = _Flow(transport), b""  # held: read, and not parsed yet
        self._head_bytes, self._in_head = 0, True  # bytes: since the last one of a body
        self._refused = self._turned_away = False
        self._leave: Callable[[], None] | None = None  # to call when a request that was let in is over
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_S, self._too_slow)
        self.idle[self] = None
        if len(self.connections) > self.max_connections and not self._takes_place():
            self._refuse(503, "busy", f"more than {self.max_connections:,} connections; try again later")

    def data_received(self, data: bytes) -> None:
        while data and not self._refused and not self.transport.is_closing():
            if len(self.pipeline) >= MAX_PIPELINED:
                return self._hold(data)
            room = MAX_HEAD_BYTES - self._head_bytes
            if room <= 0:
                return self._too_large()
            piece = data[: min(room, PIECE_BYTES)] if self._in_head else data  # bodies are not copied
            self._feed(piece)
            data = data[len(piece) :]

    def on_message_begin(self) -> None:
        self._unset_keepalive_if_required()  # it may come in one piece with a request that was turned away
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._refused:
            return  # what comes behind it in the same piece
        self._in_head, self._head_bytes = False, 0
        self._stop_timer()
        self.idle.pop(self, None)
        path, size = self.url.partition(b"?")[0], stated_size(self.headers)
        try:
            if self.door and self._may_be_shut_out():
                self._leave = self.door.let_in(path, self.headers)
        except Busy as busy:
            message = f"{busy}; try again in {RETRY_AFTER_S} s"
            if size and size <= DROPPED_BYTES and not self.expect_100_continue and self._stays():
                self._turn_away(path.decode(), message)
            else:
                self._refuse(503, "busy", message)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if not (self._turned_away or self._refused):
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._stop_timer()
        if self._turned_away:
            self._turned_away = False
            self.idle[self] = None
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        elif not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP: uvicorn's own response is text, without an id, and is not counted."""
        cycle = self.cycle
        in_body = bool(cycle and not cycle.response_complete and cycle.more_body)
        if in_body and cycle.response_started:
            self.transport.close()
        else:
            self._refuse(400, "bad_request", "this is not a valid HTTP/1.1 request", at_once=in_body)

    def on_response_complete(self) -> None:
        self._leave_door()
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.idle[self] = None
        if held := self._held:
            self._held, self.flow.is_full = b"", False
            self.flow.resume_reading()
            self.data_received(held)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._leave_door()
        self.idle.pop(self, None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End when the response is sent; a client may read none of it, and BentoML waits for a day."""
        super().shutdown()
        if not self.transport.is_closing():
            self.loop.call_later(BODY_S, self.transport.abort)

    def _feed(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._refused:
            return
        is_begun = not self._in_head or self._head_bytes > 0
        if is_begun and self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEAD_S if self._in_head else BODY_S, self._too_slow)

    def _takes_place(self) -> bool:
        """Whether another connection ends for this one: that which has had no request for the longest time.

        A flood of them would keep all others out else: each has ten seconds for a head.
        """
        longest = next(iter(self.idle))
        if longest is self:
            return False
        del self.idle[longest]
        longest.transport.abort()
        return True

    def _hold(self, data: bytes) -> None:
        """Read on when a request is done. Else each response would have a further piece read, of thousands."""
        self._held, self.flow.is_full = data, True
        self.flow.pause_reading()
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _too_large(self) -> None:
        if self._in_head:
            self._refuse(431, "head_too_large", f"the head of the request has more than {MAX_HEAD_BYTES:,} bytes")
        else:
            self._drop(431, "head_too_large")

    def _drop(self, status: int, kind: str) -> None:
        """Close without an answer: the request that is at fault may have one already. Its handler notices."""
        self._refused = True
        REJECTS.labels(kind).inc()
        log_refused(status, kind, self.client)
        self.transport.abort()

    def _too_slow(self) -> None:
        if not self._in_head:
            self._drop(408, "timeout")
        elif self._head_bytes:
            self._refuse(408, "timeout", f"the head of the request was not complete within {HEAD_S:g} s")
        else:
            self.transport.close()  # nothing was asked

    def _leave_door(self) -> None:
        if self._leave:
            self._leave()
            self._leave = None

    def _may_be_shut_out(self) -> bool:
        """Whether this is a POST, and no earlier request of the connection waits for its response."""
        is_post = self.parser is not None and self.parser.get_method() == b"POST"
        return is_post and (not self.cycle or self.cycle.response_complete)

    def _stays(self) -> bool:
        """Whether the client wants to keep the connection."""
        return self.parser is not None and self.parser.should_keep_alive()

    def _turn_away(self, route: str, message: str) -> None:
        """Answer 503 at once, read the body without looking at it, and keep the connection."""
        self._turned_away = True
        self._timer = self.loop.call_later(HEAD_S, self.transport.close)  # unless the body is complete by then
        count_refused(503, "POST", route)
        REJECTS.labels("busy").inc()
        request_id = log_refused(503, "busy", self.client, self.headers, route)
        self.transport.write(_response(503, "busy", message, request_id, "keep-alive"))

    def _refuse(self, status: int, kind: str, message: str, at_once: bool = False) -> None:
        """Answer, and close a little later: a client that still sends would not get to read the answer else.

        at_once: before the response to an earlier request, which will not come.
        """
        self._refused = True
        self._stop_timer()
        self.idle.pop(self, None)
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


def _response(status: int, kind: str, message: str, request_id: str, connection: str = "close") -> bytes:
    body = orjson.dumps({"error": {"type": kind, "message": message}})
    head = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", "content-type: application/json"]
    head += [f"content-length: {len(body)}", f"connection: {connection}", f"x-request-id: {request_id}"]
    head += [f"retry-after: {RETRY_AFTER_S}"] if status == 503 else []
    head += [f"{name.lower()}: {value}" for name, value in SECURITY_HEADERS.items()]
    return "\r\n".join([*head, "", ""]).encode() + body
