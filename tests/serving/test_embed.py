"""POST /embed on the running service."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.conftest import Shown, encoded, expected_embedding, picture
from tests.tiny import SPEC


def files(*uploads: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("images", (f"{number}.png", data)) for number, data in enumerate(uploads)]


def batch_sizes(service: httpx.Client) -> tuple[float, float]:
    """(runs, images in them) so far, as /metrics tells it."""
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(service.get("/metrics").text)
        if family.name == "lookalike_batch_images"
        for sample in family.samples
    }
    return samples.get("lookalike_batch_images_count", 0), samples.get("lookalike_batch_images_sum", 0)


def test_each_image_gets_its_own_unit_vector(service: httpx.Client, footage: list[Shown]) -> None:
    uploads = [footage[0].png, encoded(picture(99), "JPEG")]
    answer = service.post("/embed", files=files(*uploads)).json()
    assert (answer["space"], answer["dim"]) == (SPEC.space, SPEC.dim)
    embeddings = np.array(answer["embeddings"])
    np.testing.assert_allclose(embeddings, [expected_embedding(data) for data in uploads], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), [1, 1], atol=1e-5)


def test_an_image_is_the_same_alone_and_among_sixteen(service: httpx.Client) -> None:
    uploads = [encoded(picture(seed)) for seed in range(100, 116)]
    together = service.post("/embed", files=files(*uploads)).json()["embeddings"]
    alone = [service.post("/embed", files=files(data)).json()["embeddings"][0] for data in uploads]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_images_that_come_together_are_run_together(service: httpx.Client) -> None:
    """Those that are decoded while a batch runs share the next: with 64 at a time, some do."""
    uploads = files(*[encoded(picture(seed)) for seed in range(64)])
    for _ in range(20):
        runs, images = batch_sizes(service)
        service.post("/embed", files=uploads).raise_for_status()
        later_runs, later_images = batch_sizes(service)
        assert later_images == images + 64
        if later_runs < runs + 64:
            return
    pytest.fail("20 requests of 64 images, and each image was run alone")


def test_a_broken_upload_fails_alone(service: httpx.Client) -> None:
    uploads = [encoded(picture(seed), "JPEG") for seed in range(12)]
    uploads[5] = uploads[5][:-200]  # its header is whole

    def post(data: bytes) -> httpx.Response:
        return service.post("/embed", files={"images": ("photo.jpg", data)})

    with ThreadPoolExecutor(len(uploads)) as pool:
        answers = list(pool.map(post, uploads))
    assert [answer.status_code for answer in answers] == [200] * 5 + [400] + [200] * 6
    error = answers[5].json()["error"]
    assert (error["type"], error["index"], error["file"]) == ("bad_image", 0, "photo.jpg")
    assert "truncated" in error["message"]
    for number in (*range(5), *range(6, 12)):
        embedding = answers[number].json()["embeddings"][0]
        np.testing.assert_allclose(embedding, expected_embedding(uploads[number]), atol=1e-5)


def test_a_raw_body_is_one_image(service: httpx.Client, footage: list[Shown]) -> None:
    for kind in ("image/png", "application/octet-stream"):
        answer = service.post("/embed", content=footage[0].png, headers={"Content-Type": kind}).json()
        np.testing.assert_allclose(answer["embeddings"], [expected_embedding(footage[0].png)], atol=1e-5)


def test_npy_when_asked_for(service: httpx.Client, footage: list[Shown]) -> None:
    uploads = [shown.png for shown in footage]
    answer = service.post("/embed", files=files(*uploads), headers={"Accept": "application/x-npy"})
    assert answer.headers["content-type"] == "application/x-npy"
    embeddings = np.load(io.BytesIO(answer.content))
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, [expected_embedding(data) for data in uploads], atol=1e-5)


def test_raw_floats_when_asked_for(service: httpx.Client, footage: list[Shown]) -> None:
    uploads = [shown.png for shown in footage[:2]]
    answer = service.post("/embed", files=files(*uploads), headers={"Accept": "application/octet-stream, */*"})
    assert answer.headers["x-lookalike-space"] == SPEC.space
    embeddings = np.frombuffer(answer.content, "<f4").reshape(-1, int(answer.headers["x-lookalike-dim"]))
    np.testing.assert_allclose(embeddings, [expected_embedding(data) for data in uploads], atol=1e-5)
