"""Requests to a service. One connection is kept, and requests are retried while the service is busy."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any, Self

import httpx

from lookalike.errors import ServiceError
from lookalike.keys import has_control
from lookalike.network import checked_environment, scheme_advice

Got = httpx.Response | httpx.TransportError  # the result of one attempt
ATTEMPTS = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 8.0  # upper bounds of the random wait between attempts, doubled each time
BUSY = (502, 503)  # 502 is a proxy's, while its service restarts


class Session:
    """Requests to one service. Use as a context manager, or close it; from one thread."""

    def __init__(self, url: str, timeout_s: float = 90.0, token: str | None = None) -> None:
        """url: of the service, such as http://127.0.0.1:3000. timeout_s: for each step of a request.

        token: a key of the service, sent with each request; LOOKALIKE_TOKEN by default.
        Raises: ServiceError for a token that cannot be sent, and for certificates or a proxy of the environment that
        cannot be used.
        """
        with checked_environment(ServiceError):
            self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=_headers(token))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def post(self, path: str, **request: Any) -> httpx.Response:
        """Send one POST request; retry while the service is busy or cannot be reached.

        request: arguments of httpx: json, files, data, headers. Raises: ServiceError.
        """
        for attempt in count(1):
            try:
                got: Got = self._http.post(path, **request)
            except httpx.TransportError as error:
                got = error
            if isinstance(settled := _settle(got, attempt), httpx.Response):
                return settled
            time.sleep(settled)
        raise AssertionError("counting does not end")

    def lines(self, path: str, **request: Any) -> Iterator[str]:
        """Send one POST request, and yield the lines of the response as they arrive; retry while the service is busy.

        Raises: ServiceError, also if the response breaks off.
        """
        for attempt in count(1):
            try:
                with self._http.stream("POST", path, **request) as response:
                    if response.is_success:
                        yield from response.iter_lines()
                        return
                    response.read()
                    wait_s = _wait_if_busy(response, attempt)
            except httpx.TransportError as error:
                raise _lost(error) from error
            time.sleep(wait_s)


class AsyncSession:
    """As `Session`, to be awaited; calls run concurrently."""

    def __init__(self, url: str, timeout_s: float = 90.0, token: str | None = None) -> None:
        """As `Session`."""
        with checked_environment(ServiceError):
            self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, headers=_headers(token))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def post(self, path: str, **request: Any) -> httpx.Response:
        """As `Session.post`."""
        for attempt in count(1):
            try:
                got: Got = await self._http.post(path, **request)
            except httpx.TransportError as error:
                got = error
            if isinstance(settled := _settle(got, attempt), httpx.Response):
                return settled
            await asyncio.sleep(settled)
        raise AssertionError("counting does not end")

    async def lines(self, path: str, **request: Any) -> AsyncIterator[str]:
        """As `Session.lines`; use `async for`."""
        for attempt in count(1):
            try:
                async with self._http.stream("POST", path, **request) as response:
                    if response.is_success:
                        async for line in response.aiter_lines():
                            yield line
                        return
                    await response.aread()
                    wait_s = _wait_if_busy(response, attempt)
            except httpx.TransportError as error:
                raise _lost(error) from error
            await asyncio.sleep(wait_s)


def _headers(token: str | None) -> dict[bytes, bytes]:
    """Raises: ServiceError if the token cannot be sent; the error of the client would show it."""
    token = (token or os.environ.get("LOOKALIKE_TOKEN") or "").strip()
    if has_control(token):
        raise ServiceError("LOOKALIKE_TOKEN, or `token`, has a line break or another control character; set it again")
    return {b"Authorization": b"Bearer " + token.encode("utf-8", "surrogateescape")} if token else {}


def _settle(got: Got, attempt: int) -> httpx.Response | float:
    """Return the response, or the seconds to wait before the next attempt. attempt: from 1. Raises: ServiceError."""
    if isinstance(got, httpx.Response) and got.is_success:
        return got
    if isinstance(got, httpx.Response) and got.status_code not in BUSY:
        raise _refused(got)
    if attempt == ATTEMPTS:
        busy = isinstance(got, httpx.Response)
        reason = f"{_reason(got)}{_request_id(got)}" if busy else _text(got)
        status = got.status_code if busy else None
        raise ServiceError(f"{got.request.url}: {reason}; {ATTEMPTS} attempts failed", status)
    return _wait_s(attempt, got)


def _wait_if_busy(response: httpx.Response, attempt: int) -> float:
    """Return the seconds to wait before the next attempt, of a response that is not a success. Raises: as `_settle`."""
    settled = _settle(response, attempt)
    assert isinstance(settled, float)
    return settled


def _refused(response: httpx.Response) -> ServiceError:
    reason = f"{response.status_code}, {_reason(response)}{_request_id(response)}"
    if response.status_code == 401:
        has_key = "authorization" in response.request.headers
        reason += "; the key that was sent is not known there" if has_key else "; set LOOKALIKE_TOKEN to a key"
    return ServiceError(f"{response.url}: {reason}", response.status_code)


def _request_id(response: httpx.Response) -> str:
    """The id to look for in the log of the service, of a response that says that the service failed."""
    request_id = response.headers.get("x-request-id")
    return f" (request {request_id})" if response.is_server_error and request_id else ""


def _lost(error: httpx.TransportError) -> ServiceError:
    return ServiceError(f"{error.request.url}: {_text(error)}")


def _text(error: httpx.TransportError) -> str:
    return f"{type(error).__name__}: {error}{scheme_advice(error)}"


def _reason(answer: httpx.Response) -> str:
    try:
        return answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):  # a proxy's page, not ours
        return answer.reason_phrase


def _wait_s(attempt: int, last: Got) -> float:
    """Return seconds to wait with full jitter, so that clients do not retry together; at least Retry-After.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    wait = random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)))
    stated = last.headers.get("retry-after", "") if isinstance(last, httpx.Response) else ""
    return wait + (float(stated) if stated.isdecimal() else 0)
