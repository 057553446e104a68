"""What the running service refuses: the status, and one line that says why."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest
from PIL import Image

from lookalike.pixels import MAX_PIXELS
from serving.http.limits import MAX_BODY_BYTES, MAX_IMAGE_BYTES, MAX_IMAGES
from tests.conftest import SHARED_DATA
from tests.serving.conftest import Shown, encoded, picture

CASES = SHARED_DATA / "cases" / "hostile"
PNG = {"Content-Type": "image/png"}
PART = b'--cut\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert "\n" not in error["message"]
    return error


def png_header(width: int, height: int) -> bytes:
    """A PNG that states a size and holds nothing."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT")
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize("body", [b"garbage", b"http://127.0.0.1:1/cat.png", b"file:///etc/hostname"])
def test_what_is_no_image_is_400_and_no_url_is_fetched(service: httpx.Client, body: bytes) -> None:
    error = refused(service.post("/embed", content=body, headers=PNG), 400)
    assert error["type"] == "bad_image"
    assert error["message"].startswith("image: not an image, expected one of")


def test_one_bad_image_refuses_the_whole_request_by_name(service: httpx.Client, footage: list[Shown]) -> None:
    uploads = [("images", ("good.png", footage[0].png)), ("images", ("bad.png", b"garbage"))]
    error = refused(service.post("/embed", files=uploads), 400)
    assert (error["index"], error["file"]) == (1, "bad.png")


def test_a_file_name_cannot_break_the_line(service: httpx.Client) -> None:
    name = b"a.png\x0bb" + b"x" * 1000  # a vertical tab, and too long
    body = PART.replace(b"a.png", name) + b"garbage\r\n--cut--\r\n"
    answer = service.post("/embed", content=body, headers={"Content-Type": "multipart/form-data; boundary=cut"})
    assert refused(answer, 400)["file"] == ("a.png b" + "x" * 1000)[:300]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"content": b"", "headers": PNG}, "the body is empty"),
        ({"files": {"images": ("empty.png", b"")}}, "empty.png: empty file"),
        ({"files": {"picture": encoded(picture(0))}}, "file field 'picture', expected files as 'images'"),
        ({"files": {"images": (None, "text")}}, "text field 'images', expected files as 'images'"),
        ({"content": b"--cut--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=cut"}}, "no image"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, "broken form: Missing boundary"),
        (
            {"content": PART + encoded(picture(0)), "headers": {"Content-Type": "multipart/form-data; boundary=cut"}},
            "broken form: it ends before its last boundary",
        ),
    ],
)
def test_a_request_without_a_whole_image_is_400(service: httpx.Client, request_: dict[str, Any], reason: str) -> None:
    assert reason in refused(service.post("/embed", **request_), 400)["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_other_bodies_are_415(service: httpx.Client, kind: str) -> None:
    error = refused(service.post("/embed", content=b"{}", headers={"Content-Type": kind}), 415)
    assert "expected multipart/form-data, or one image" in error["message"]


@pytest.mark.parametrize("side", [10_000, 100_000])  # past our limit, and past where Pillow itself stops
def test_a_picture_of_too_many_pixels_is_413_from_its_header(service: httpx.Client, side: int) -> None:
    error = refused(service.post("/embed", content=png_header(side, side), headers=PNG), 413)
    assert error["type"] == "too_large"
    assert f"{MAX_PIXELS:,}" in error["message"]


def test_an_image_of_too_many_bytes_is_413(service: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:  # sent in chunks, without a stated length
        for _ in range(MAX_IMAGE_BYTES // 2**20 + 1):
            yield bytes(2**20)

    assert (
        f"{MAX_IMAGE_BYTES:,} bytes" in refused(service.post("/embed", content=endless(), headers=PNG), 413)["message"]
    )
    error = refused(service.post("/embed", files={"images": ("big.png", bytes(MAX_IMAGE_BYTES + 1))}), 413)
    assert (error["type"], error["file"]) == ("too_large", "big.png")


def test_a_stated_length_is_refused_before_it_is_sent(service: httpx.Client) -> None:
    connection = HTTPConnection("127.0.0.1", service.base_url.port or 0, timeout=60)
    connection.putrequest("POST", "/embed")
    connection.putheader("Content-Type", "multipart/form-data; boundary=cut")
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_too_many_images_are_413(service: httpx.Client, footage: list[Shown]) -> None:
    uploads = [("images", ("a.png", footage[0].png))] * (MAX_IMAGES + 1)
    assert "65 files in one request, at most 64" in refused(service.post("/embed", files=uploads), 413)["message"]


def large(count: int, side: int = 7000) -> list[tuple[str, tuple[str, bytes]]]:
    """Images of 49 megapixels in small files."""
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "GIF")
    return [("images", (f"{number}.gif", file.getvalue())) for number in range(count)]


def test_pixels_of_one_request_are_bounded_from_the_headers(service: httpx.Client) -> None:
    error = refused(service.post("/embed", files=large(3)), 413)
    assert error["type"] == "too_large"
    assert error["message"] == "3 images of 147,000,000 pixels to decode, at most 128,000,000 in one request"
    assert service.post("/embed", files=large(2)).status_code == 200


def test_pixels_of_all_requests_are_bounded_and_given_back(service: httpx.Client) -> None:
    body, requests = large(2), 6 * (os.cpu_count() or 1)  # some 4 s of decoding
    with ThreadPoolExecutor(requests) as pool:
        answers = list(pool.map(lambda _: service.post("/embed", files=body), range(requests)))
    assert {one.status_code for one in answers} == {200, 503}
    assert all("too many concurrent requests" in one.text for one in answers if one.status_code == 503)
    assert service.post("/embed", files=large(2)).status_code == 200


@pytest.mark.skipif(not CASES.exists(), reason="SHARED CASES ABSENT: only the images made here were tried")
@pytest.mark.parametrize("name", ["gif_64mp_48KB.gif", "png16_64mp_559KB.png"])
def test_the_large_images_of_the_collection_are_413_together(service: httpx.Client, name: str) -> None:
    body = [("images", (name, (CASES / name).read_bytes()))] * MAX_IMAGES
    assert "64 images of " in refused(service.post("/embed", files=body), 413)["message"]


def test_another_method_is_405(service: httpx.Client) -> None:
    answer = service.get("/embed")
    assert refused(answer, 405)["message"] == "GET /embed: Method Not Allowed"
    assert answer.headers["allow"] == "POST"
