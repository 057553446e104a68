"""A client of the service: images in, embeddings or hits out. It keeps one connection, and retries while it is busy.

    with Client("http://127.0.0.1:3000") as client:
        vectors = client.embed(["a.jpg", "b.jpg"])
        hits = client.search("crop.jpg", top=5, camera=["gate"])

`AsyncClient` has the same methods, with `await`. Errors are LookalikeErrors, see `lookalike.errors`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from lookalike.errors import FootageError
from lookalike.files.regular import read_regular
from lookalike.index import Hit
from lookalike.search import SearchRequest
from lookalike.search.fields import read_values, write_values
from lookalike.session import AsyncSession, Session

Picture = bytes | str | Path | np.ndarray
BATCH = 64  # images of one request, the service's limit
RAW = "application/octet-stream"


class Client(Session):
    """A client of one service. Use as a context manager, or close it; from one thread."""

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


class AsyncClient(AsyncSession):
    """As `Client`, to be awaited; the requests of one call follow each other, calls run concurrently."""

    async def embed(self, pictures: Iterable[Picture], batch: int = BATCH) -> np.ndarray:
        """As `Client.embed`."""
        parts = [_rows(await self.post("/embed", **request)) for request in _embed_requests(pictures, batch)]
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    async def search(self, asked: Picture | SearchRequest | None = None, **fields: Any) -> list[Hit]:
        """As `Client.search`."""
        return _hits(await self.post("/search", **_search_request(asked, fields)))


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
