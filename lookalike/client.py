"""A client of the service: images in, embeddings or hits out. It keeps one connection, and retries while it is busy.

    with Client("http://127.0.0.1:3000") as client:
        vectors = client.embed(["a.jpg", "b.jpg"])
        hits = client.search("crop.jpg", top=5, camera=["gate"])

`AsyncClient` has the same methods, with `await`. Errors are LookalikeErrors, see `lookalike.errors`.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from PIL import Image

from lookalike.errors import FootageError, ServiceError
from lookalike.index import Hit
from lookalike.regular import read_regular
from lookalike.search import SearchRequest
from lookalike.search.fields import read_values, write_values

Picture = bytes | str | Path | np.ndarray
Got = httpx.Response | httpx.TransportError  # the result of one attempt
BATCH = 64  # images of one request, the service's limit
ATTEMPTS = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 8.0  # upper bounds of the random wait between attempts, doubled each time
BUSY = 503
RAW = "application/octet-stream"


class Client:
    """A client of one service. Use as a context manager, or close it; from one thread."""

    def __init__(self, url: str, timeout_s: float = 90.0, token: str | None = None) -> None:
        """url: of the service, such as http://127.0.0.1:3000. timeout_s: for each step of a request.

        token: a key of the service, sent with each request; LOOKALIKE_TOKEN by default.
        """
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=_headers(token))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def embed(self, pictures: Iterable[Picture], batch: int = BATCH) -> np.ndarray:
        """Embed pictures: files by path, bytes of a file, or uint8 (H, W, 3) arrays.

        batch: pictures of one request. Returns: float32 (N, D), rows of length 1; N of 0 gives (0, 0).
        Raises: ServiceError if the service refuses or cannot be reached; FootageError for a file that cannot be read.
        """
        parts = [_rows(self.post("/embed", **request)) for request in _embed_requests(pictures, batch)]
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    def search(self, asked: Picture | SearchRequest | None = None, **fields: Any) -> list[Hit]:
        """Find where else something appears.

        asked: a picture; or a whole request, whose examples are ids, `SOURCE@SECONDS` or `picture:ID`.
        fields: of a request, as over HTTP: id, at, region, like, unlike, and those of `lookalike.search_fields`, such
        as `top=5, camera=["gate"]`. Without `asked`, one of id, at and like.
        Returns: hits, best first.
        Raises: as `embed`; ValueError that names an invalid field, before anything is sent.
        """
        return _hits(self.post("/search", **_search_request(asked, fields)))

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
        """Send one POST request, without retries, and yield the lines of the response as they arrive.

        Raises: ServiceError, also if the response breaks off.
        """
        try:
            with self._http.stream("POST", path, **request) as response:
                if not response.is_success:
                    response.read()
                    raise _refused(response)
                yield from response.iter_lines()
        except httpx.TransportError as error:
            raise _lost(error) from error


class AsyncClient:
    """As `Client`, to be awaited; the requests of one call follow each other, calls run concurrently."""

    def __init__(self, url: str, timeout_s: float = 90.0, token: str | None = None) -> None:
        """As `Client`."""
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, headers=_headers(token))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def embed(self, pictures: Iterable[Picture], batch: int = BATCH) -> np.ndarray:
        """As `Client.embed`."""
        parts = [_rows(await self.post("/embed", **request)) for request in _embed_requests(pictures, batch)]
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    async def search(self, asked: Picture | SearchRequest | None = None, **fields: Any) -> list[Hit]:
        """As `Client.search`."""
        return _hits(await self.post("/search", **_search_request(asked, fields)))

    async def post(self, path: str, **request: Any) -> httpx.Response:
        """As `Client.post`."""
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
        """As `Client.lines`; use `async for`."""
        try:
            async with self._http.stream("POST", path, **request) as response:
                if not response.is_success:
                    await response.aread()
                    raise _refused(response)
                async for line in response.aiter_lines():
                    yield line
        except httpx.TransportError as error:
            raise _lost(error) from error


def _headers(token: str | None) -> dict[bytes, bytes]:
    token = token or os.environ.get("LOOKALIKE_TOKEN")
    return {b"Authorization": b"Bearer " + token.encode("utf-8", "surrogateescape")} if token else {}


def _embed_requests(pictures: Iterable[Picture], batch: int) -> Iterator[dict[str, Any]]:
    """Yield a request for each batch; files are read as they are sent."""
    left = iter(pictures)
    while part := list(islice(left, min(batch, BATCH))):
        yield {"files": [("images", _named(picture)) for picture in part], "headers": {"Accept": RAW}}


def _search_request(asked: Picture | SearchRequest | None, fields: dict[str, Any]) -> dict[str, Any]:
    if isinstance(asked, SearchRequest):
        if fields:
            raise ValueError(f"got a whole request and {', '.join(fields)}, expected one of the two")
        return {"json": write_values(asked)}
    values = write_values(read_values(fields, 0 if asked is None else 1))
    return {"json": values} if asked is None else {"files": {"image": _named(asked)}, "data": values}


def _hits(response: httpx.Response) -> list[Hit]:
    return [Hit.from_dict(hit) for hit in response.json()["hits"]]


def _named(picture: Picture) -> tuple[str, bytes]:
    """Return (file name, bytes) of a picture; arrays become PNGs. Raises: FootageError if a file is not readable."""
    if isinstance(picture, bytes):
        return "image", picture
    if isinstance(picture, np.ndarray):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG", compress_level=1)
        return "array.png", file.getvalue()
    try:
        return Path(picture).name, read_regular(picture)
    except FileNotFoundError as error:
        raise FootageError(f"{picture}: no such file, expected an image") from error
    except OSError as error:
        raise FootageError(f"{picture}: cannot be read ({error.strerror})") from error


def _rows(answer: httpx.Response) -> np.ndarray:
    return np.frombuffer(answer.content, "<f4").reshape(-1, int(answer.headers["x-lookalike-dim"]))


def _settle(got: Got, attempt: int) -> httpx.Response | float:
    """Return the response, or the seconds to wait before the next attempt. attempt: from 1. Raises: ServiceError."""
    if isinstance(got, httpx.Response) and got.is_success:
        return got
    if isinstance(got, httpx.Response) and got.status_code != BUSY:
        raise _refused(got)
    if attempt == ATTEMPTS:
        busy = isinstance(got, httpx.Response)
        reason = f"{_reason(got)}{_request_id(got)}" if busy else f"{type(got).__name__}: {got}"
        raise ServiceError(f"{got.request.url}: {reason}; {ATTEMPTS} attempts failed", BUSY if busy else None)
    return _wait_s(attempt, got)


def _refused(response: httpx.Response) -> ServiceError:
    reason = f"{response.status_code}, {_reason(response)}{_request_id(response)}"
    return ServiceError(f"{response.url}: {reason}", response.status_code)


def _request_id(response: httpx.Response) -> str:
    """The id to look for in the log of the service, of a response that says that the service failed."""
    request_id = response.headers.get("x-request-id")
    return f" (request {request_id})" if response.is_server_error and request_id else ""


def _lost(error: httpx.TransportError) -> ServiceError:
    return ServiceError(f"{error.request.url}: {type(error).__name__}: {error}")


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
