"""Images as text in JSON: base64, or a data URL. Nothing is ever fetched."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from lookalike.files.printable import short
from serving.http.bodies import Upload
from serving.http.errors import ApiError
from serving.http.json_bodies import load_object
from serving.http.limits import MAX_IMAGE_BYTES, MAX_IMAGES

EncodingFormat = Literal["float", "base64"]  # of embeddings in JSON
FORMATS = get_args(EncodingFormat)
ANY_MODEL = "lookalike"  # for clients that must name a model and take any


@dataclass(frozen=True)
class JsonImages:
    """uploads: the images. encoding_format: None where it is not stated. rest: the other fields."""

    uploads: list[Upload]
    encoding_format: EncodingFormat | None
    rest: dict[str, Any]


def read_images(body: bytes, of: type, field: str) -> JsonImages:
    """Read {field: [image, ...] or image, ...}, an image being base64 or a data URL.

    of: a dataclass of the fields that may be there. Takes time by the size of the body: call it in a thread.
    Raises: ApiError 400 or 413, which names the image at fault.
    """
    entries = load_object(body)
    known = [each.name for each in fields(of)]
    if unknown := sorted(entries.keys() - set(known)):
        raise _bad(f"unknown field {unknown[0]!r}, expected {', '.join(known)}")
    images = entries.pop(field, None)
    images = [images] if isinstance(images, str) else images
    if not isinstance(images, list) or not images:
        raise _bad(f"no image, expected {field!r}: base64 or data URLs, one or a list")
    if len(images) > MAX_IMAGES:
        raise ApiError(413, "too_large", f"{len(images)} images in one request, at most {MAX_IMAGES}")
    encoding_format = entries.pop("encoding_format", None)
    if encoding_format not in (None, *FORMATS):
        raise _bad(f"invalid encoding_format: got {short(encoding_format)!r}, expected one of {', '.join(FORMATS)}")
    return JsonImages([_upload(index, image) for index, image in enumerate(images)], encoding_format, entries)


def _upload(index: int, text: object) -> Upload:
    name = f"image {index}"
    if not isinstance(text, str):
        raise ApiError(400, "bad_image", f"{name}: not a string, expected base64 or a data URL", index, name)
    head, comma, data = text.partition(",")
    if not comma:
        data = text
    elif not (head.startswith("data:image/") and head.endswith(";base64")):
        raise ApiError(400, "bad_image", f"{name}: expected base64, or data:image/...;base64,...", index, name)
    if "://" in data[:16]:
        message = f"{name}: a URL is not fetched; send the image itself, as base64 or a data URL"
        raise ApiError(400, "bad_image", message, index, name)
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "bad_image", f"{name}: not base64 ({error})", index, name) from error
    if len(content) > MAX_IMAGE_BYTES:
        message = f"{name}: {len(content):,} bytes, at most {MAX_IMAGE_BYTES:,} for an image"
        raise ApiError(413, "too_large", message, index, name)
    return Upload(None, name, content)


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)
