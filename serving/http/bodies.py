"""A request's body -> its files and fields. Bytes are counted while they stream in: no body is buffered unbounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from serving.http.errors import ApiError, one_line
from serving.http.limits import MAX_BODY_BYTES, MAX_IMAGE_BYTES, MAX_IMAGES, MAX_TEXT_BYTES, SMALL_BODY_BYTES
from serving.http.media_types import BINARY, JSON, MULTIPART
from serving.inference.backlog import Busy

MAX_BOUNDARIES = 2000  # in a form: far more than it may have files and fields
CROWDED = "too many concurrent uploads"
CHARSETS = (b"utf-8", b"utf8", b"us-ascii", b"ascii")  # of forms


@dataclass(frozen=True)
class Upload:
    """One image as it was sent. field: of the form, or None for a raw body. name: the file's, for messages."""

    field: str | None
    name: str
    data: bytes


@dataclass(frozen=True)
class Body:
    files: list[Upload]
    fields: list[tuple[str, str]]


class Budget:
    """A limit of bytes in memory that all requests share.

    A client may send a large body and hold back its end. So a small one that finds no room takes that of the largest
    that is still arriving, which is refused.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._arriving: dict[Lease, asyncio.Timeout] = {}

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Yields: the share of one request, which is given back at the end."""
        lease = Lease(self.take, self._arriving)
        try:
            yield lease
        finally:
            self._free += lease.size

    def take(self, lease: Lease, count: int) -> None:
        """Raises: Busy if there is no room, and none to be made."""
        while count > self._free:
            largest = max(self._arriving, key=lambda other: other.size, default=lease)
            if not lease.size + count <= min(SMALL_BODY_BYTES, largest.size - 1):
                raise Busy(CROWDED)
            self._arriving.pop(largest).reschedule(0)
            self._free, largest.size = self._free + largest.size, 0
        self._free, lease.size = self._free - count, lease.size + count


class Lease:
    """The bytes that one request has reserved."""

    def __init__(self, take: Callable[[Lease, int], None], arriving: dict[Lease, asyncio.Timeout]) -> None:
        self.size, self._take, self._arriving = 0, take, arriving

    def reserve(self, count: int) -> None:
        """Raises: Busy past the limit."""
        self._take(self, count)

    @asynccontextmanager
    async def arriving(self) -> AsyncIterator[None]:
        """In its block the body is read, and its room may be given to another. Raises: Busy then."""
        try:
            async with asyncio.timeout(None) as given_away:
                self._arriving[self] = given_away
                yield
        except TimeoutError as error:
            raise Busy(CROWDED) from error
        finally:
            self._arriving.pop(self, None)


def media_type(request: Request) -> str:
    """The Content-Type of the body without parameters, in lower case; empty if it is not stated."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def check_json(request: Request) -> None:
    """Raises: ApiError 415 if the body is not JSON."""
    if (kind := media_type(request)) != JSON:
        raise ApiError(415, "unsupported_media_type", f"the body is {kind or 'unnamed'}, expected {JSON}")


async def read_body(request: Request, lease: Lease) -> Body:
    """Read a form, or an image that is the whole body.

    Raises: ApiError 400 for a broken form, 413 for too much, 415 for anything else; Busy.
    """
    kind = media_type(request)
    if kind == MULTIPART:
        return await _read_form(request, lease)
    if kind.startswith("image/") or kind == BINARY:
        data = await read_bytes(request, lease, MAX_IMAGE_BYTES)
        if not data:
            raise ApiError(400, "bad_request", "the body is empty, expected an image")
        return Body([Upload(None, "image", data)], [])
    raise ApiError(
        415,
        "unsupported_media_type",
        f"the body is {kind or 'of no stated Content-Type'}, expected multipart/form-data,"
        " or one image as image/* or application/octet-stream",
    )


async def read_bytes(request: Request, lease: Lease, limit: int) -> bytes:
    """The whole body. Raises: ApiError 413 past `limit` bytes; Busy."""
    async with lease.arriving():
        return b"".join([chunk async for chunk in _stream(request, lease, limit)])


async def _stream(request: Request, lease: Lease, limit: int) -> AsyncGenerator[bytes, None]:
    stated = request.headers.get("content-length", "")
    received = 0
    too_large = ApiError(413, "too_large", f"the body has more than {limit:,} bytes")
    if stated.isdecimal() and int(stated) > limit:
        raise too_large
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise too_large
        lease.reserve(len(chunk))
        yield chunk


class _WholeFormParser(MultiPartParser):
    """Records whether the form is complete: of a truncated one the last image would be lost silently.

    Counts the boundaries before they are parsed: each costs the parser far more than its bytes, inside a part as well.
    """

    ended = False
    spool_max_size = MAX_BODY_BYTES  # the budget bounds memory; a temporary file would be a 500 on a full disk

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], max_part_size: int) -> None:
        super().__init__(headers, self._counted(stream), max_part_size=max_part_size)

    async def _counted(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        boundary = parse_options_header(self.headers["Content-Type"])[1].get(b"boundary", b"")
        count = 0
        async for chunk in stream:
            count += chunk.count(b"--" + boundary)
            if count > MAX_BOUNDARIES:
                raise MultiPartException(f"more than {MAX_BOUNDARIES:,} boundaries")
            yield chunk

    def on_end(self) -> None:
        self.ended = True


async def _read_form(request: Request, lease: Lease) -> Body:
    _check_charset(request)
    parser = _WholeFormParser(request.headers, _stream(request, lease, MAX_BODY_BYTES), max_part_size=MAX_TEXT_BYTES)
    try:
        async with lease.arriving():
            form = await parser.parse()
    except MultiPartException as error:
        raise ApiError(400, "bad_request", f"broken form: {error.message}") from error
    try:
        if not parser.ended:
            raise ApiError(400, "bad_request", "broken form: it ends before its last boundary")
        return await _read_parts(form.multi_items())
    finally:
        await form.close()


def _check_charset(request: Request) -> None:
    """Starlette decodes with any codec of Python that a client names, also with ones that fail or take minutes."""
    charset = parse_options_header(request.headers["content-type"])[1].get(b"charset", b"utf-8")
    if charset.lower() not in CHARSETS:
        shown = one_line(charset.decode("latin-1"))[:50]
        raise ApiError(415, "unsupported_media_type", f"the form is in {shown!r}, expected utf-8")


async def _read_parts(parts: list[tuple[str, UploadFile | str]]) -> Body:
    files: list[Upload] = []
    fields: list[tuple[str, str]] = []
    uploads = sum(isinstance(value, UploadFile) for _, value in parts)
    characters = sum(len(value) for _, value in parts if isinstance(value, str))
    if characters > MAX_TEXT_BYTES:
        raise ApiError(413, "too_large", f"{characters:,} characters in text fields, at most {MAX_TEXT_BYTES:,}")
    if uploads > MAX_IMAGES:
        raise ApiError(413, "too_large", f"{uploads} files in one request, at most {MAX_IMAGES}")
    for field, value in parts:
        if isinstance(value, str):
            fields.append((field, value))
            continue
        name = one_line(value.filename or "") or f"image {len(files)}"
        if (value.size or 0) > MAX_IMAGE_BYTES:
            message = f"{name}: {value.size:,} bytes, at most {MAX_IMAGE_BYTES:,} for an image"
            raise ApiError(413, "too_large", message, len(files), name)
        files.append(Upload(field, name, await value.read()))
    return Body(files, fields)


def check_fields(files: list[Upload], texts: list[str], expected: str) -> None:
    """Raises: ApiError 400 for any other field, so that an image in a misspelt one is not dropped silently."""
    if texts:
        raise ApiError(400, "bad_request", f"text field {texts[0]!r}, expected files as {expected!r}")
    for upload in files:
        if upload.field not in (expected, None):
            raise ApiError(400, "bad_request", f"file field {upload.field!r}, expected files as {expected!r}")
    if not files:
        raise ApiError(400, "bad_request", f"no image, expected files as {expected!r}")
