"""Every answer that is not 200: one JSON shape, one line that says why."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from serving.http.limits import RETRY_AFTER_S
from serving.inference.batching import Busy, RunFailed


class ApiError(Exception):
    """A request that is not answered.

    status: HTTP. kind: for programs, one word. message: for people. index, file: which image of the request.
    """

    def __init__(self, status: int, kind: str, message: str, index: int | None = None, file: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.index, self.file = status, kind, index, file


def one_line(text: str) -> str:
    """Client text made fit for a log line, a header or JSON: no line breaks, no lone surrogates, not endless."""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:300]


def refuse(refusal: ApiError) -> Response:
    error: dict[str, Any] = {"type": refusal.kind, "message": one_line(str(refusal))}
    if refusal.index is not None:
        error |= {"index": refusal.index, "file": one_line(refusal.file or "")}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if refusal.status == 503 else None
    return JSONResponse({"error": error}, refusal.status, headers)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return refuse(error)


async def _busy(request: Request, error: Exception) -> Response:
    return refuse(ApiError(503, "busy", f"{error}; try again in {RETRY_AFTER_S} s"))


async def _failed(request: Request, error: Exception) -> Response:
    return refuse(ApiError(503, "encoder_failed", str(error)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = refuse(
        ApiError(error.status_code, "bad_request", f"{request.method} {request.url.path}: {error.detail}")
    )
    response.headers.update(error.headers or {})
    return response


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it; the access log shows that the request came to nothing


HANDLERS = {ApiError: _refusal, Busy: _busy, RunFailed: _failed, HTTPException: _http, ClientDisconnect: _gone}
