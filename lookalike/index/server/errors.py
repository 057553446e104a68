"""Convert the errors of a Qdrant server and its client to one line for people.

Source of the statuses and texts: qdrant/qdrant, `src/actix/helpers.rs` (errors as HTTP statuses), `src/common/auth`
(401), `lib/storage/src/rbac` (403), `lib/collection/src/operations/verification` (strict mode), and for gRPC
`impl From<StorageError> for Status`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from lookalike.errors import IndexStoreError, IndexUnavailable
from lookalike.network import scheme_advice

API_KEY = "QDRANT_API_KEY"
CLIENT_ERRORS = (
    ResponseHandlingException,
    UnexpectedResponse,
    QdrantException,  # a 429 with Retry-After, also with one that the client cannot read
    grpc.RpcError,
    json.JSONDecodeError,  # from a page of another server; the client does not wrap it
    RecursionError,  # the same, nested deeply
    AssertionError,  # the same, from one that answers without a result
)
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})  # 500: a part of the collection has no live node
REFUSED, EXISTS, FULL = 400, 409, 507
STRICT_MODE = ". Help: "  # in every error of strict mode
LONGEST_TEXT = 300

_GRPC = {
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.CANCELLED: 503,
    grpc.StatusCode.ABORTED: 503,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
}


@dataclass(frozen=True)
class Failure:
    """status: of HTTP, for gRPC its counterpart; None if there was no response. text: the server's message, one line.

    transient: whether the same request may succeed later.
    """

    status: int | None
    text: str
    transient: bool


@contextmanager
def answered() -> Iterator[None]:
    """Convert the client's errors.

    Raises: IndexUnavailable if the server does not answer, or fails for now; IndexStoreError, with the reason, if it
    refuses the request.
    """
    try:
        yield
    except CLIENT_ERRORS as error:
        raise explained(failure_of(error)) from error


def failure_of(error: Exception) -> Failure:
    """Read an error of REST or gRPC. error: one of CLIENT_ERRORS."""
    if isinstance(error, UnexpectedResponse):
        text, is_json = _said(error.content)
        status = error.status_code
        if status == 404 and not is_json:
            return Failure(None, f"404 {text}", False)
        return Failure(status, text or error.reason_phrase, status in TRANSIENT)
    if isinstance(error, grpc.Call):  # every error of a call is one as well
        status = _GRPC.get(error.code(), 0)
        return Failure(status, _one_line(error.details() or error.code().name), status in TRANSIENT)
    if isinstance(error, QdrantException):
        return Failure(429, _one_line(str(error)), True)
    if isinstance(error, ResponseHandlingException) and isinstance(error.source, httpx.TransportError):
        return Failure(None, _one_line(_lost(error.source)), True)
    cause = error.source if isinstance(error, ResponseHandlingException) else error
    return Failure(None, _one_line(f"{type(cause).__name__}: {cause}"), False)


def explained(failure: Failure) -> IndexStoreError:
    """Make the error with a message for people."""
    status, text = failure.status, failure.text
    if failure.transient:
        what = "does not answer" if status is None else f"cannot answer now ({status})"
        return IndexUnavailable(f"the Qdrant server {what}: {text}")
    if status is None:
        return IndexStoreError(f"the address is not that of a Qdrant server: {text}")
    if status == 401:
        if os.environ.get(API_KEY):
            return IndexStoreError(f"the Qdrant server refuses the API key: set {API_KEY} to a key of it ({text})")
        return IndexStoreError(f"the Qdrant server asks for an API key: set {API_KEY} ({text})")
    if status == 403:
        return IndexStoreError(
            f"the Qdrant server forbids this to the API key in {API_KEY}: {text}. A key that may only read is enough"
            " to search; to change an index, set one that may write"
        )
    if status == FULL:
        return IndexStoreError(f"the disk of the Qdrant server is full: {text}")
    if STRICT_MODE in text:
        return IndexStoreError(f"strict mode of the Qdrant collection is in the way: {text}{_advice(text)}")
    return IndexStoreError(f"the Qdrant server refuses the request ({status}): {text}")


def _advice(text: str) -> str:
    if "Index required" not in text:
        return ""
    return " `lookalike index` into it adds the payload indexes that are missing."


def _said(content: bytes) -> tuple[str, bool]:
    """Return the message of a response, and whether it is Qdrant's JSON; some of its errors are plain text."""
    try:
        return _one_line(json.loads(content)["status"]["error"]), True
    except (ValueError, KeyError, TypeError):
        return _one_line(content.decode("utf-8", "replace")), False


def _lost(error: httpx.TransportError) -> str:
    try:
        where = f" ({error.request.url.scheme}://{error.request.url.netloc.decode()})"
    except RuntimeError:  # the error has no request
        where = ""
    return f"{type(error).__name__}{where}: {error}{scheme_advice(error)}".removesuffix(": ")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_TEXT]
