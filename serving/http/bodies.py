"""A request's body -> its files and fields. Bytes are counted while they stream in: no body is buffered unbounded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from serving.http.errors import ApiError, one_line
from serving.http.limits import MAX_BODY_BYTES, MAX_IMAGE_BYTES, MAX_IMAGES, MAX_TEXT_BYTES
from serving.http.media_types import BINARY, JSON, MULTIPART
from serving.inference.backlog import Busy

MAX_BOUNDARIES = 2000  # in a form: far more than it may have files and fields
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
    """A limit of bytes in memory that all requests share."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Yields: a function that a request calls with each count to reserve; past the limit it raises Busy."""
        reserved = 0

        def reserve(count: int) -> None:
            nonlocal reserved
            if count > self._free:
                raise Busy("too many concurrent uploads")
            self._free -= count
            reserved += count

        try:
            yield reserve
        finally:
            self._free += reserved


def media_type(request: Request) -> str:
    """The Content-Type of the body without parameters, in lower case; empty if it is not stated."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def check_json(request: Request) -> None:
    """Raises: ApiError 415 if the body is not JSON."""
    if (kind := media_type(request)) != JSON:
        raise ApiError(415, "unsupported_media_type", f"the body is {kind or 'unnamed'}, expected {JSON}")


async def read_body(request: Request, reserve: Callable[[int], None]) -> Body:
    """Read a form, or an image that is the whole body.

    Raises: ApiError 400 for a broken form, 413 for too much, 415 for anything else; Busy.
    """
    kind = media_type(request)
    if kind == MULTIPART:
        return await _read_form(request, reserve)
    if kind.startswith("image/") or kind == BINARY:
        data = await read_bytes(request, reserve, MAX_IMAGE_BYTES)
        if not data:
            raise ApiError(400, "bad_request", "the body is empty, expected an image")
        return Body([Upload(None, "image", data)], [])
    raise ApiError(
        415,
        "unsupported_media_type",
        f"the body is {kind or 'of no stated Content-Type'}, expected multipart/form-data,"
        " or one image as image/* or application/octet-stream",
    )


async def read_bytes(request: Request, reserve: Callable[[int], None], limit: int) -> bytes:
    """The whole body. Raises: ApiError 413 past `limit` bytes; Busy."""
    return b"".join([chunk async for chunk in _stream(request, reserve, limit)])


async def _stream(request: Request, reserve: Callable[[int], None], limit: int) -> AsyncGenerator[bytes, None]:
    stated = request.headers.get("content-length", "")
    received = 0
    too_large = ApiError(413, "too_large", f"the body has more than {limit:,} bytes")
    if stated.isdecimal() and int(stated) > limit:
        raise too_large
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise too_large
        reserve(len(chunk))
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


async def _read_form(request: Request, reserve: Callable[[int], None]) -> Body:
    _check_charset(request)
    parser = _WholeFormParser(request.headers, _stream(request, reserve, MAX_BODY_BYTES), max_part_size=MAX_TEXT_BYTES)
    try:
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
