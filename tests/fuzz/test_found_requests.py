"""Bodies of requests from strangers that were faults once, kept small, and what each is answered now."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from lookalike.index import open_index
from lookalike.index.operations import OPERATIONS
from serving.http.bodies import Body, Budget, read_body
from serving.http.errors import ApiError
from serving.http.json_images import read_images
from serving.http.search_fields import read_json
from serving.routes.embed import Images
from tests.index.circle import SPEC as CIRCLE
from tests.index.circle import at, frame
from tests.tiny import SPEC

pytestmark = pytest.mark.trust

DEEP = b"[" * 1000 + b"]" * 1000


@pytest.mark.parametrize("depth", [100, 960, 980, 990, 1000])
def test_json_of_any_depth_is_refused(depth: int) -> None:
    """Near the interpreter's limit a value was read, and could not be shown."""
    with pytest.raises(ApiError) as caught:
        read_json(b'{"id": ' + b"[" * depth + b"]" * depth + b"}")
    assert caught.value.status == 400


def test_images_and_operations_of_any_depth_are_refused() -> None:
    with pytest.raises(ApiError, match="invalid encoding_format: got '"):
        read_images(b'{"images": "AAAA", "encoding_format": ' + DEEP + b"}", Images, "images")
    nested: Any = []
    for _ in range(2000):
        nested = [nested]
    with pytest.raises(ValueError, match="ids: got '"):
        OPERATIONS["existing"].read({"ids": [nested]}, SPEC.dim)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("captured_at", "0001-01-01T00:00:00Z", "captured_at of a payload is '0001-01-01T00:00:00Z', expected 1900 to"),
        ("ended_at", "9999-12-31T23:59:59-10:00", "ended_at of a payload is '9999-12-31T23:59:59-10:00', expected"),
        ("region", "everything", "invalid region 'everything'"),
    ],
)
def test_a_frame_from_a_client_that_cannot_be_shown_is_refused(field: str, value: str, reason: str) -> None:
    """It was stored, and every request for the library failed from then on."""
    entry = {"id": "0" * 32, "source": "a.mp4", "source_id": "a", "camera": "gate", "time_s": 1, "pts_us": 1_000_000}
    entry |= {"end_s": 1, "stands_for": 1, "width": 64, "height": 48, "luma": 90}
    assert OPERATIONS["upsert"].arguments["frames"].read([entry], 2)[0].time_s == 1
    with pytest.raises(ValueError, match="^" + reason):
        OPERATIONS["upsert"].arguments["frames"].read([entry | {field: value}], 2)


def test_hours_that_are_not_of_a_day_are_refused() -> None:
    hours = {"start_s": -1e308, "end_s": 1e308, "zone": "UTC"}
    with pytest.raises(ValueError, match="time_of_day: start_s: got '-1e\\+308', expected seconds of a day"):
        OPERATIONS["delete"].read({"filters": {"time_of_day": hours}}, 2)


def spelled(frame_id: str) -> list[str]:
    digits = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    return [f"urn:uuid:{frame_id}", f"{{{frame_id}}}", frame_id.upper(), frame_id.translate(digits)]


def test_the_id_of_a_frame_may_be_spelled_as_python_reads_it(tmp_path: Path) -> None:
    """The engine does not read every spelling, and a search by such an id was an error of the index."""
    with open_index(tmp_path / "index", CIRCLE, create=True) as index:
        index.add([frame("a", 0)], at(30))
        (stored,) = index.frames()
        for text in spelled(stored.id):
            assert index.vector(text) == pytest.approx(at(30)[0])
            assert OPERATIONS["points"].read({"ids": [text]}, 2) == [[stored.id]]


def read_form(kind: bytes, body: bytes) -> Body:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}, receive)
    with Budget(len(body)).lease() as lease:
        return asyncio.run(read_body(request, lease))


def form(*fields: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="camera"\r\n\r\n'
    return b"".join(head + field + b"\r\n" for field in fields) + b"--x--\r\n"


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "utf-16", "latin-1", "x" * 100])
def test_a_form_in_a_codec_of_python_is_refused(charset: str) -> None:
    """`undefined` was a 500; `punycode` takes quadratic time."""
    with pytest.raises(ApiError, match=f"the form is in '{charset[:50]}', expected utf-8") as caught:
        read_form(f"multipart/form-data; boundary=x; charset={charset}".encode(), form(b"gate"))
    assert caught.value.status == 415


@pytest.mark.parametrize("charset", [b"", b"; charset=UTF-8", b'; charset="utf8"'])
def test_a_form_in_utf_8_is_read(charset: bytes) -> None:
    kind = b"multipart/form-data; boundary=x" + charset
    assert read_form(kind, form("Höfe".encode())).fields == [("camera", "Höfe")]


def test_the_text_fields_of_a_form_are_bounded_together() -> None:
    with pytest.raises(ApiError, match="80,000 characters in text fields, at most 65,536") as caught:
        read_form(b"multipart/form-data; boundary=x", form(b"a" * 40_000, b"b" * 40_000))
    assert caught.value.status == 413
