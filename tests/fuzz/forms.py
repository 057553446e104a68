"""Multipart bodies, as `/search` and `/embed` read them. The first line of an input is the Content-Type."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import Message

from serving.http.bodies import Body, Budget, check_fields, read_body
from serving.http.errors import ApiError
from serving.http.search_fields import read_request
from tests.fuzz.target import Target, refused

LOOP = asyncio.new_event_loop()
PART_BYTES = 100  # of a body that is received at a time
HEADER_BYTES = 65_536  # that the server takes


def run(data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    if b"\0" in kind or b"\r" in kind or len(kind) > HEADER_BYTES:  # no header can be so
        return
    with refused(ApiError):
        read = LOOP.run_until_complete(_read(kind, body))
        assert sum(len(upload.data) for upload in read.files) <= len(body)
        read_request(read.fields, len(read.files))
        check_fields(read.files, [name for name, _ in read.fields], "image")


async def _read(kind: bytes, body: bytes) -> Body:
    parts = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)] or [b""]

    async def receive() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    scope = {"type": "http", "method": "POST", "path": "/search", "query_string": b""}
    with Budget(len(body)).lease() as lease:
        return await read_body(Request({**scope, "headers": [(b"content-type", kind)]}, receive), lease)


def seeds() -> list[bytes]:
    file = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nPNG'
    fields = [
        b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % field
        for field in ((b"top", b"3"), (b"camera", b"gate"), (b"like", b"7#0,0,.5,1"), (b"since", b"2026-01-05"))
    ]
    whole = b"".join(b"--x\r\n" + part + b"\r\n" for part in [file, *fields]) + b"--x--\r\n"
    kind = b"multipart/form-data; boundary=x"
    kinds = (kind, kind + b"; charset=utf-8", kind + b"; charset=idna", b'multipart/form-data; boundary="x"')
    return [*(one + b"\n" + whole for one in kinds), b"image/png\nPNG", kind + b"\n" + whole[:-30]]


TARGET = Target(run, seeds)
