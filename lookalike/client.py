"""A client of the service: images in, embeddings or hits out. One connection is kept; what is busy is asked again.

    with Client("http://127.0.0.1:3000") as client:
        vectors = client.embed(["a.jpg", "b.jpg"])
        hits = client.search("crop.jpg", top=5, camera=["gate"])

`AsyncClient` is the same with `await`.
"""

from __future__ import annotations

import asyncio
import io
import random
import time
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from PIL import Image

from lookalike.errors import ServiceError
from lookalike.regular import read_regular

Picture = bytes | str | Path | np.ndarray
Got = httpx.Response | httpx.TransportError  # what came of one attempt
BATCH = 64  # images of one request, at most: what the service takes
ATTEMPTS = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 8.0  # between attempts, doubled each time; of it, a random part is waited
BUSY = 503
RAW = "application/octet-stream"


class Client:
    """Use as a context manager, from one thread."""

    def __init__(self, url: str, timeout_s: float = 90.0, token: str | None = None) -> None:
        """token: sent with each request, where the service wants one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=headers)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def embed(self, pictures: Iterable[Picture], batch: int = BATCH) -> np.ndarray:
        """Embed pictures: files by path, bytes of a file, or uint8 (H, W, 3) arrays.

        batch: pictures of one request. Returns: float32 (N, D), rows of length 1; N of 0 gives (0, 0).
        Raises: ServiceError that says what the service refused, or that it could not be reached.
        """
        parts = [_rows(self.post("/embed", **request)) for request in _embed_requests(pictures, batch)]
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    def search(self, picture: Picture | None = None, *, id: str | None = None, **filters: Any) -> list[dict[str, Any]]:
        """Find where else a picture, or the stored frame `id`, appears.

        filters: top, since, until, time_of_day, zone, region, by, min_score, min_percentile, diverse; colour and
        layout, 0 to 1, for an encoder with parts; and, one or several: camera, source, like, unlike.
        Returns: hits, best first, as the service words them.
        Raises: as `embed`.
        """
        return self.post("/search", **_search_request(picture, id, filters)).json()["hits"]

    def post(self, path: str, **request: Any) -> httpx.Response:
        """One request, as httpx takes it; asked again while the service is busy or not reached.

        Raises: as `embed`.
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
        """The lines of an answer as they come; asked once. Raises: as `embed`, also when the answer breaks off."""
        try:
            with self._http.stream("POST", path, **request) as answer:
                if not answer.is_success:
                    answer.read()
                    raise ServiceError(f"{answer.url}: {answer.status_code}, {_reason(answer)}")
                yield from answer.iter_lines()
        except httpx.TransportError as error:
            raise ServiceError(f"{error.request.url}: {type(error).__name__}: {error}") from error


class AsyncClient:
    """As `Client`; requests of one call follow each other, calls run side by side."""

    def __init__(self, url: str, timeout_s: float = 90.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def embed(self, pictures: Iterable[Picture], batch: int = BATCH) -> np.ndarray:
        """As `Client.embed`."""
        parts = [_rows(await self._post("/embed", **request)) for request in _embed_requests(pictures, batch)]
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    async def search(
        self, picture: Picture | None = None, *, id: str | None = None, **filters: Any
    ) -> list[dict[str, Any]]:
        """As `Client.search`."""
        return (await self._post("/search", **_search_request(picture, id, filters))).json()["hits"]

    async def _post(self, path: str, **request: Any) -> httpx.Response:
        for attempt in count(1):
            try:
                got: Got = await self._http.post(path, **request)
            except httpx.TransportError as error:
                got = error
            if isinstance(settled := _settle(got, attempt), httpx.Response):
                return settled
            await asyncio.sleep(settled)
        raise AssertionError("counting does not end")


def _embed_requests(pictures: Iterable[Picture], batch: int) -> Iterator[dict[str, Any]]:
    """What to post, a batch at a time; files are read as they are sent."""
    left = iter(pictures)
    while part := list(islice(left, min(batch, BATCH))):
        yield {"files": [("images", _named(picture)) for picture in part], "headers": {"Accept": RAW}}


def _search_request(picture: Picture | None, id: str | None, filters: dict[str, Any]) -> dict[str, Any]:
    if (picture is not None and id is not None) or (picture is None and id is None and not filters.get("like")):
        raise ValueError("expected a picture or an id, or only what it shall be like")
    fields = {name: value for name, value in filters.items() if value is not None}
    if picture is None:
        return {
            "json": {**({"id": id} if id else {}), **{name: _listed(name, value) for name, value in fields.items()}}
        }
    return {"files": {"image": _named(picture)}, "data": fields}


def _listed(name: str, value: Any) -> Any:
    return list(value) if name in ("camera", "source", "like", "unlike") and not isinstance(value, str) else value


def _named(picture: Picture) -> tuple[str, bytes]:
    """(file name, bytes) of a picture; arrays are sent without loss."""
    if isinstance(picture, bytes):
        return "image", picture
    if isinstance(picture, np.ndarray):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG", compress_level=1)
        return "array.png", file.getvalue()
    return Path(picture).name, read_regular(picture)


def _rows(answer: httpx.Response) -> np.ndarray:
    return np.frombuffer(answer.content, "<f4").reshape(-1, int(answer.headers["x-lookalike-dim"]))


def _settle(got: Got, attempt: int) -> httpx.Response | float:
    """The answer, or seconds to wait before the next attempt. attempt: from 1. Raises: ServiceError."""
    if isinstance(got, httpx.Response) and got.is_success:
        return got
    if isinstance(got, httpx.Response) and got.status_code != BUSY:
        raise ServiceError(f"{got.url}: {got.status_code}, {_reason(got)}")
    if attempt == ATTEMPTS:
        said = _reason(got) if isinstance(got, httpx.Response) else f"{type(got).__name__}: {got}"
        raise ServiceError(f"{got.request.url}: {said}; asked {ATTEMPTS} times")
    return _wait_s(attempt, got)


def _reason(answer: httpx.Response) -> str:
    try:
        return answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):  # a proxy's page, not ours
        return answer.reason_phrase


def _wait_s(attempt: int, last: Got) -> float:
    """Full jitter, so that clients who were refused together do not come back together; never before Retry-After.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    wait = random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)))
    stated = last.headers.get("retry-after", "") if isinstance(last, httpx.Response) else ""
    return wait + (float(stated) if stated.isdecimal() else 0)
