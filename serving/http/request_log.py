"""Each request is measured once: for its line of the log, for /metrics, and for the audit log.

BentoML's own line has no id, and prints paths as they come, line breaks too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lookalike.files.printable import printable
from serving.http.request_ids import CURRENT, HEADER, RequestIds, read_ids
from serving.http.traffic import IN_PROGRESS, OTHER, count_request, template

logger = logging.getLogger("bentoml.access")  # BentoML sets up the loggers below its own name

PROBES = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds, and not logged
LONGEST_PATH = 300
LINES_A_SECOND = 10  # about requests that were refused before they were read; /metrics counts all
_OUTCOME = "lookalike.outcome"  # in the scope


@dataclass
class Outcome:
    """status: of the response; 500 for a request that fails before it has one."""

    status: int = 500
    _began_s: float = field(default_factory=time.perf_counter)

    @property
    def took_s(self) -> float:
        """Until now."""
        return time.perf_counter() - self._began_s


class RequestLog:
    """ASGI middleware: gives each request its ids, sends X-Request-Id back, and counts and logs it when it is done."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        ids, outcome = _ids_of(scope), Outcome()
        header, scope[_OUTCOME] = (HEADER, ids.request_id.encode()), outcome

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                outcome.status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        CURRENT.set(ids)  # not reset: each request has a task of its own, in which uvicorn logs how it failed
        with IN_PROGRESS.track_inprogress():
            try:
                await self._app(scope, receive, identified)
            finally:
                took_s = outcome.took_s
                count_request(scope, outcome.status, took_s)
                if scope["path"] not in PROBES:
                    _log(scope, outcome.status, took_s)


def outcome_of(scope: Scope) -> Outcome:
    """Raises: KeyError outside of RequestLog."""
    return scope[_OUTCOME]


def _ids_of(scope: Scope) -> RequestIds:
    """The ids that the client sent; with OpenTelemetry, the trace is that of its span."""
    ids = read_ids(scope["headers"])
    span = trace.get_current_span().get_span_context()
    return RequestIds(ids.request_id, f"{span.trace_id:032x}") if span.is_valid else ids


def _log(scope: Scope, status: int, took_s: float) -> None:
    client, path = scope.get("client"), printable(scope["path"][:LONGEST_PATH])
    fields = {
        "method": printable(scope["method"][:LONGEST_PATH]),
        "path": path,
        "route": template(scope),
        "status": status,
        "seconds": round(took_s, 6),
        "client": client[0] if client else None,
    }
    logger.info("%s %s %d in %.1f ms", fields["method"], path, status, took_s * 1000, extra={"fields": fields})


def log_refused(
    status: int,
    reason: str,
    client: tuple[str, int] | None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    route: str = OTHER,
) -> str:
    """Log a request that was refused before it was read. Returns: its id, which is a new one unless it has one.

    Past LINES_A_SECOND, lines are left out: to write them cost a twentieth of what a service past its capacity did.
    """
    ids = read_ids(headers)
    if (left_out := _lines.next()) is None:
        return ids.request_id
    CURRENT.set(ids)
    others = f", and {left_out:,} others since the last line" if left_out else ""
    fields = {"route": route, "status": status, "client": client[0] if client else None}
    logger.info("refused a request before it was read: %d %s%s", status, reason, others, extra={"fields": fields})
    CURRENT.set(None)
    return ids.request_id


class FewLines:
    """At most LINES_A_SECOND lines of a flood."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._second, self._lines, self._left_out = clock, 0, 0, 0

    def next(self) -> int | None:
        """None if the next line is to be left out; else how many were left out since the last one."""
        if (second := int(self._clock())) != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > LINES_A_SECOND:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        return left_out


_lines = FewLines()  # of this worker
