"""More than a live service can do in time: it refuses at once what would wait too long, and answers the rest."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from benchmarks.load import load, request
from serving.http.limits import MAX_IMAGES, MAX_PIXELS
from tests.serving.conftest import Shown, encoded

REQUESTS = 8 * min(max(os.cpu_count() or 1, 2), 32)  # of 64 images each, some 5 s of decoding


@pytest.fixture(scope="module")
def slow_picture() -> bytes:
    """A small file, so that it is sent in no time, and takes long to decode: as large as 64 of a request may be."""
    return encoded(np.asarray(Image.new("RGB", (1500, MAX_PIXELS // MAX_IMAGES // 1500), "teal")))


def test_past_capacity_is_503_at_once_with_retry_after(service: httpx.Client, slow_picture: bytes) -> None:
    body = [("images", (f"{number}.png", slow_picture)) for number in range(MAX_IMAGES)]

    def post(_: int) -> tuple[float, httpx.Response]:
        answer = service.post("/embed", files=body, headers={"Accept": "application/octet-stream"})
        return time.monotonic(), answer

    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = list(pool.map(post, range(REQUESTS)))
    answered_at = {status: [at for at, one in answers if one.status_code == status] for status in (200, 503)}
    assert len(answered_at[200]) + len(answered_at[503]) == REQUESTS
    assert answered_at[200]  # what can be done in time is answered
    assert min(answered_at[503]) < max(answered_at[200])  # refused at once, not after a wait
    for _, refused in answers:
        if refused.status_code == 503:
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["type"] == "busy"
    assert service.post("/embed", files=body[:1]).status_code == 200  # and all room is given back


@pytest.mark.long
@pytest.mark.trust
def test_half_a_minute_past_capacity(
    service: httpx.Client, footage: list[Shown], record_property: Callable[[str, object], None]
) -> None:
    """256 clients, then requests at twice the rate that these get: all are answered, or refused with 503."""
    url, body = service.base_url, request("/embed", "image/png", footage[0].png)
    closed = asyncio.run(load(url.host, url.port or 0, [body], 256, 10))
    opened = asyncio.run(load(url.host, url.port or 0, [body], 1000, 20, 2 * closed["rate"]))
    assert closed["errors"] == opened["errors"] == 0
    assert closed["rate"] > 0
    assert opened["rate"] > 0
    assert service.post("/embed", content=footage[0].png, headers={"Content-Type": "image/png"}).status_code == 200
    record_property("tried", f"256 clients for 10 s, then {2 * closed['rate']:.0f} requests a second for 20 s")
    counts = [f"{found['rate']:.0f} a second accepted, {found['refused']:.0f} refused" for found in (closed, opened)]
    record_property("survived", "; ".join(counts))
