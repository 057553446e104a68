"""Every response that is not 2xx or 3xx: one JSON shape, and one line that says why."""

from __future__ import annotations

from typing import NotRequired

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from serving.http.limits import RETRY_AFTER_S
from serving.inference.backlog import Busy
from serving.inference.batching import RunFailed
from serving.inference.metrics import REJECTS


class ApiError(Exception):
    """A request that fails.

    status: HTTP. kind: for programs, one word. message: for people. index, file: which image of the request.
    """

    def __init__(self, status: int, kind: str, message: str, index: int | None = None, file: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.index, self.file = status, kind, index, file


class ErrorDetail(TypedDict):
    """Why a request failed."""

    type: str
    """One word for programs."""
    message: str
    """One line for people."""
    index: NotRequired[int]
    """Which image of the request, from 0."""
    file: NotRequired[str]
    """The file name of this image."""


class ErrorResponse(TypedDict):
    """Every error has this shape."""

    error: ErrorDetail


def one_line(text: str) -> str:
    """Client text made safe for a log line, a header or JSON: no line breaks, no lone surrogates, limited length."""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:300]


def error_response(error: ApiError) -> Response:
    """A 503 has Retry-After. Each is counted by its type."""
    REJECTS.labels(error.kind).inc()
    detail: ErrorDetail = {"type": error.kind, "message": one_line(str(error))}
    if error.index is not None:
        detail["index"], detail["file"] = error.index, one_line(error.file or "")
    headers = {"Retry-After": str(RETRY_AFTER_S)} if error.status == 503 else None
    return JSONResponse(ErrorResponse(error=detail), error.status, headers)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _busy(request: Request, error: Exception) -> Response:
    return error_response(ApiError(503, "busy", f"{error}; try again in {RETRY_AFTER_S} s"))


async def _failed(request: Request, error: Exception) -> Response:
    return error_response(ApiError(503, "encoder_failed", str(error)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    response = error_response(ApiError(error.status_code, "bad_request", message))
    response.headers.update(error.headers or {})
    return response


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it; the access log shows that the request failed


HANDLERS = {
    ApiError: _api_error,
    Busy: _busy,
    RunFailed: _failed,
    HTTPException: _http,
    ClientDisconnect: _gone,
}
