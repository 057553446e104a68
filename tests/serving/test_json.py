"""Images as text in JSON: base64 and data URLs, as our own clients and OpenAI's send them."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from serving.http.limits import MAX_IMAGES
from tests.serving.conftest import Shown, encoded, expected_embedding, picture
from tests.tiny import SPEC


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def floats(encoded_row: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(encoded_row), "<f4")


def openai_client(service: httpx.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.base_url}/v1", api_key="none", max_retries=0)


def test_base64_and_data_urls_are_images(service: httpx.Client, footage: list[Shown]) -> None:
    one, other = footage[0].png, encoded(picture(7), "JPEG")
    images = [text(one), f"data:image/jpeg;base64,{text(other)}"]
    answer = service.post("/embed", json={"images": images}).raise_for_status().json()
    assert (answer["space"], answer["dim"]) == (SPEC.space, SPEC.dim)
    wanted = [expected_embedding(one), expected_embedding(other)]
    np.testing.assert_allclose(answer["embeddings"], wanted, atol=1e-5)


def test_embeddings_as_base64_where_asked_for(service: httpx.Client, footage: list[Shown]) -> None:
    wanted = expected_embedding(footage[0].png)
    image = text(footage[0].png)
    by_field = service.post("/embed", json={"images": [image], "encoding_format": "base64"}).json()
    by_query = service.post("/embed?encoding_format=base64", files={"images": footage[0].png}).json()
    for answer in (by_field, by_query):
        np.testing.assert_allclose(floats(answer["embeddings"][0]), wanted, atol=1e-5)


@pytest.mark.parametrize("encoding_format", ["float", "base64", None])
def test_openai_s_client_gets_embeddings_of_data_urls(
    service: httpx.Client, footage: list[Shown], encoding_format: Any
) -> None:
    """Left to itself, the client asks for base64 and decodes it."""
    urls = [f"data:image/png;base64,{text(shown.png)}" for shown in footage[:2]]
    chosen = {"encoding_format": encoding_format} if encoding_format else {}
    answer = openai_client(service).embeddings.create(model="lookalike", input=urls, **chosen)
    assert answer.model == SPEC.space
    assert [one.index for one in answer.data] == [0, 1]
    for one, shown in zip(answer.data, footage, strict=False):
        found = floats(one.embedding) if isinstance(one.embedding, str) else np.array(one.embedding)
        np.testing.assert_allclose(found, expected_embedding(shown.png), atol=1e-5)


def test_one_input_need_not_be_a_list(service: httpx.Client, footage: list[Shown]) -> None:
    url = f"data:image/png;base64,{text(footage[0].png)}"
    answer = openai_client(service).embeddings.create(model=SPEC.space, input=url, dimensions=SPEC.dim)
    np.testing.assert_allclose(answer.data[0].embedding, expected_embedding(footage[0].png), atol=1e-5)


def test_openai_s_client_is_told_what_is_wrong(service: httpx.Client, footage: list[Shown]) -> None:
    url = f"data:image/png;base64,{text(footage[0].png)}"
    client = openai_client(service)
    with pytest.raises(openai.NotFoundError, match=f"model 'clip' is not here, this is {SPEC.space}"):
        client.embeddings.create(model="clip", input=url)
    with pytest.raises(openai.BadRequestError, match=f"dimensions is 512, embeddings have {SPEC.dim}"):
        client.embeddings.create(model="lookalike", input=url, dimensions=512)
    with pytest.raises(openai.BadRequestError, match="image 0: not base64"):
        client.embeddings.create(model="lookalike", input="a photograph of a gate")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b"{}", "no image, expected 'images'"),
        (b'{"images": []}', "no image, expected 'images'"),
        (b'{"images": {"a": "b"}}', "no image, expected 'images'"),
        (b'{"images": ["aGk="], "size": 3}', "unknown field 'size', expected images, encoding_format"),
        (
            b'{"images": ["aGk="], "encoding_format": "hex"}',
            "invalid encoding_format: got 'hex', expected one of float, base64",
        ),
        (b'{"images": [3]}', "image 0: not a string"),
        (b'{"images": ["http://127.0.0.1:1/cat.png"]}', "image 0: a URL is not fetched; send the image itself"),
        (b'{"images": ["https://127.0.0.1:1/a,b.png"]}', "image 0: expected base64, or data:image/...;base64"),
        (b'{"images": ["data:text/html;base64,aGk="]}', "image 0: expected base64, or data:image/...;base64"),
        (b'{"images": ["not base64!"]}', "image 0: not base64"),
        (b'{"images": ["aGk="]}', "image 0: not an image, expected one of"),
    ],
)
def test_json_that_brings_no_image_is_400(service: httpx.Client, content: bytes, reason: str) -> None:
    answer = service.post("/embed", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]["message"]


def test_the_image_that_is_wrong_is_named(service: httpx.Client, footage: list[Shown]) -> None:
    images = [text(footage[0].png), text(footage[1].png[:-40])]
    error = service.post("/embed", json={"images": images}).json()["error"]
    assert (error["type"], error["index"], error["file"]) == ("bad_image", 1, "image 1")


def test_too_many_images_are_413(service: httpx.Client, footage: list[Shown]) -> None:
    answer = service.post("/embed", json={"images": [text(footage[0].png)] * (MAX_IMAGES + 1)})
    assert answer.status_code == 413
    assert f"at most {MAX_IMAGES}" in answer.json()["error"]["message"]


def test_v1_takes_nothing_but_json(service: httpx.Client, footage: list[Shown]) -> None:
    answer = service.post("/v1/embeddings", files={"input": footage[0].png})
    assert answer.status_code == 415
    assert "expected application/json" in answer.json()["error"]["message"]
