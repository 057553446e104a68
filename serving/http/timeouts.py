"""A time limit for each request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import ApiError
from serving.http.limits import TIMEOUT_S

Handler = Callable[[Request], Awaitable[Response]]


def within_time(handler: Handler) -> Handler:
    """After TIMEOUT_S respond 504, and drop the queued work of the request: BentoML's own limit would let it run on."""

    @wraps(handler)
    async def limited(request: Request) -> Response:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await handler(request)
        except TimeoutError as error:
            raise ApiError(504, "timeout", f"not done within {TIMEOUT_S:g} s") from error

    return limited
