"""The ids of a request: its own, which is sent back, and that of its trace. Every line of the log has both."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from secrets import token_hex

HEADER = b"x-request-id"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")
# Source: W3C, "Trace Context", traceparent: version, trace id, parent id, flags. Ids of zeros are invalid.
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True)
class RequestIds:
    """request_id: what the client sent as X-Request-Id, else a new one. trace_id: of its traceparent, 32 hex digits."""

    request_id: str
    trace_id: str | None = None


CURRENT: ContextVar[RequestIds | None] = ContextVar("request_ids", default=None)


def read_ids(headers: Iterable[tuple[bytes, bytes]]) -> RequestIds:
    """headers: names in lower case, as ASGI has them. An id that is too long, or has other characters, is replaced."""
    request_id, trace_id = None, None
    for name, value in headers:
        if name == HEADER and request_id is None and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and trace_id is None:
            trace_id = read_traceparent(value)
    return RequestIds(request_id or token_hex(16), trace_id)


def read_traceparent(value: bytes) -> str | None:
    """The trace id of a traceparent header; None if it is invalid. Later versions may have more fields."""
    match = _TRACEPARENT.fullmatch(value)
    if match is None or (match[1] == b"00" and match[3]):
        return None
    return match[2].decode()
