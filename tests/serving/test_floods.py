"""Bodies that are small to send and large to read are refused before they are read."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serving.http.bodies import Budget, read_body
from serving.http.errors import HANDLERS, ApiError
from serving.http.json_bodies import MAX_VALUES, count_values, load_object
from tests.serving.conftest import refused

MIB = 1024 * 1024
HEAD = b'--cut\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'


@pytest.mark.parametrize(
    ("body", "count"),
    [(b"1", 0), (b"{}", 1), (b'{"a":1}', 2), (b'{"a":1,"b":[1,2]}', 6), (b'["a,b"]', 2), (b"[[[]]]", 3)],
)
def test_values_are_counted_by_the_marks_before_them(body: bytes, count: int) -> None:
    assert count_values(body) == count


@pytest.mark.trust
@pytest.mark.parametrize(
    "body",
    [
        b"{" + b",".join(b'"%x":1' % number for number in range(3_500_000)) + b"}",
        b'{"images":[' + b"1," * MAX_VALUES + b"1]}",
        b"[" * (MAX_VALUES + 1),
        b'{"a":' * (MAX_VALUES + 1),
    ],
    ids=["35 MB of keys", "numbers", "depth", "objects"],
)
def test_more_values_than_may_be_are_not_parsed(body: bytes, record_property: Callable[[str, object], None]) -> None:
    with pytest.raises(ApiError, match=f"more than {MAX_VALUES:,} values") as error:
        load_object(body)
    assert error.value.status == 413
    record_property("tried", f"{len(body):,} bytes of JSON")
    record_property("survived", "413")


def test_large_images_as_text_are_few_values() -> None:
    assert load_object(b'{"images":["' + b"A" * 8 * MIB + b'"]}')["images"] == ["A" * 8 * MIB]


@pytest.mark.parametrize(("body", "reason"), [(b"{", "is not JSON"), (b"[]", "is not a JSON object")])
def test_anything_else_is_400(body: bytes, reason: str) -> None:
    with pytest.raises(ApiError, match=reason) as error:
        load_object(body)
    assert error.value.status == 400


async def read(request: Request) -> Response:
    """How many bytes the files of a form have."""
    with Budget(128 * MIB).lease() as lease:
        body = await read_body(request, lease)
    return PlainTextResponse(str(sum(len(file.data) for file in body.files)))


def post(content: bytes, boundary: str = "cut", chunk_bytes: int = 65_536) -> httpx.Response:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), chunk_bytes):
            yield content[start : start + chunk_bytes]

    async def ask() -> httpx.Response:
        app = Starlette(routes=[Route("/", read, methods=["POST"])], exception_handlers=HANDLERS)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            return await client.post("/", content=chunks(), headers=headers)

    return asyncio.run(ask())


@pytest.mark.trust
@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"\r\n--cutX" * (4 * MIB),
        HEAD + b"\r\n--cut" * MIB,
        b"--cut\r\n" * MIB,
        b"--cut\r\n\r\n" * MIB,
        b"--cut\r\n" + b"a: b\r\n" * MIB,
        b"--cut\r\n" + b"a" * MIB,
        HEAD * 3000,
        (HEAD + b"\r\n") * 3000,
        b"\r\n" * MIB,
        b"-" * MIB,
    ],
    ids=[
        "near-boundaries",
        "boundaries in a row",
        "boundaries without parts",
        "empty heads",
        "headers",
        "a header without end",
        "parts without end",
        "parts",
        "line breaks",
        "hyphens",
    ],
)
def test_a_flood_of_boundaries_is_400(content: bytes) -> None:
    refused(post(content), 400)


@pytest.mark.trust
@pytest.mark.parametrize("boundary", ["", '""', "a" * 300, "a" * 60_000, "%00"])
def test_a_boundary_that_cannot_be_is_400(boundary: str) -> None:
    refused(post(HEAD + b"x\r\n--cut--\r\n", boundary), 400)


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000, MIB])
def test_a_form_is_read_however_it_arrives(chunk_bytes: int) -> None:
    image = b"\r\n--cu" * 500
    content = b"".join(HEAD + image + b"\r\n" for _ in range(3)) + b"--cut--\r\n"
    response = post(content, chunk_bytes=chunk_bytes)
    assert (response.status_code, response.text) == (200, str(3 * len(image)))


@pytest.mark.trust
def test_a_form_is_read_while_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A photograph is larger than the megabyte that Starlette keeps in memory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    content = HEAD + b"a" * (3 * MIB) + b"\r\n--cut--\r\n"
    response = post(content)
    assert (response.status_code, response.text) == (200, str(3 * MIB))
