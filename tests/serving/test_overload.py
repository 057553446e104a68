"""More than the queue may hold, sent to a live service: it refuses at once what does not fit, and answers the rest."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from serving.http.limits import MAX_CONCURRENT_PIXELS, MAX_IMAGES, MAX_PIXELS, MAX_QUEUED_IMAGES
from tests.serving.conftest import encoded

REQUESTS = 2 * MAX_QUEUED_IMAGES // MAX_IMAGES


@pytest.fixture(scope="module")
def slow_picture() -> bytes:
    """A small file, so that it is sent in no time, which takes two processors some ten milliseconds to decode, and
    more of them, which decode more at a time, as much longer: else they would be done before the queue is full."""
    processors = min(max(os.cpu_count() or 1, 2), 32)
    side = (
        min(MAX_PIXELS // MAX_IMAGES, MAX_CONCURRENT_PIXELS // MAX_QUEUED_IMAGES) // 1500
    )  # the bound is that of images
    return encoded(np.asarray(Image.new("RGB", (1500, min(500 * processors, side)), "teal")))


def test_past_capacity_is_503_at_once_with_retry_after(service: httpx.Client, slow_picture: bytes) -> None:
    body = [("images", (f"{number}.png", slow_picture)) for number in range(MAX_IMAGES)]

    def post(_: int) -> tuple[float, httpx.Response]:
        answer = service.post("/embed", files=body, headers={"Accept": "application/octet-stream"})
        return time.monotonic(), answer

    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = list(pool.map(post, range(REQUESTS)))
    answered_at = {status: [at for at, one in answers if one.status_code == status] for status in (200, 503)}
    assert len(answered_at[200]) + len(answered_at[503]) == REQUESTS
    assert len(answered_at[200]) >= MAX_QUEUED_IMAGES // MAX_IMAGES  # what fits is answered
    assert min(answered_at[503]) < max(answered_at[200])  # refused while the queue was full, not after a wait for it
    for _, refused in answers:
        if refused.status_code == 503:
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["type"] == "busy"
    assert service.post("/embed", files=body[:1]).status_code == 200  # and all room is given back
