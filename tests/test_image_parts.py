"""Images of few pixels that Pillow would read for minutes: in Python, one chunk, segment, block or strip at a time.

Uploads are read in the process of the service, where nobody else gets a turn meanwhile.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import ImageTooLarge
from lookalike.pixels import LEAST_PARTS, decode, decoding_cost, is_animation

COUNT = 300_000  # of parts, each of few bytes


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def after(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at:]


def strips(count: int) -> bytes:
    """A TIFF, one pixel wide, of strips of one pixel."""
    tags = [(256, 4, 1, 1), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    end = 8 + 2 + 12 * 9 + 4
    tags += [(273, 4, count, end), (278, 4, 1, 1), (279, 4, count, end + 4 * count)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return head + struct.pack("<I", end) * count + struct.pack("<I", 1) * count


def big_tiff(count: int) -> bytes:
    """A BigTIFF of this many tags."""
    tags = b"".join(struct.pack("<HHQQ", 256 + number % 2, 4, 1, 8) for number in range(2))
    return b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, count) + tags * (count // 2) + bytes(8)


def boxes(count: int) -> bytes:
    """A JPEG 2000 with empty boxes before its header."""
    return after(encoded("JPEG2000"), 12, (b"\0\0\0\x08free") * count)


def photoshop(size: int) -> bytes:
    """A segment of a JPEG with empty entries of Photoshop."""
    entry = b"8BIM\0\1\0\0" + bytes(4)
    entries = b"Photoshop 3.0\0" + entry * (size // len(entry))
    return b"\xff\xed" + struct.pack(">H", 2 + len(entries)) + entries


PNG_HEAD, EMPTY_COMMENT = 8 + 25, b"\xff\xfe\0\x02"
GIF_HEAD = 13 + 3 * (2 << (encoded("GIF")[10] & 7))  # with its palette
MANY: dict[str, Callable[[], bytes]] = {
    "chunks of a PNG": lambda: after(encoded("PNG"), PNG_HEAD, chunk(b"prVt", b"") * COUNT),
    "empty parts of its picture": lambda: after(encoded("PNG"), PNG_HEAD, chunk(b"IDAT", b"") * COUNT),
    "comments of a JPEG": lambda: after(encoded("JPEG"), 2, EMPTY_COMMENT * COUNT),
    "zeros between segments": lambda: after(encoded("JPEG"), 2, EMPTY_COMMENT + bytes(COUNT)),
    "fill bytes": lambda: after(encoded("JPEG"), 2, b"\xff" * COUNT),
    "tables of a JPEG": lambda: after(encoded("JPEG"), 2, (b"\xff\xdb\xfd\xa9" + bytes(0xFDA9 - 2)) * 20),
    "entries of Photoshop": lambda: after(encoded("JPEG"), 2, photoshop(60_000) * 20),
    "blocks of a GIF": lambda: after(encoded("GIF"), GIF_HEAD, b"!\x01\0" * COUNT),
    "a comment in small blocks": lambda: after(encoded("GIF"), GIF_HEAD, b"!\xfe" + b"\x01a" * COUNT + b"\0"),
    "tags of a TIFF": lambda: big_tiff(COUNT),
    "strips of a TIFF": lambda: strips(COUNT),
    "boxes of a JPEG 2000": lambda: boxes(COUNT),
    "profiles of a PNG": lambda: after(
        encoded("PNG"), PNG_HEAD, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 1000
    ),
}


@pytest.mark.trust
@pytest.mark.parametrize("kind", MANY)
def test_an_image_of_too_many_parts_is_refused(kind: str) -> None:
    data = MANY[kind]()
    with pytest.raises(ImageTooLarge, match=r"^x: .*; save it again$"):
        decode(data, "x")
    assert not is_animation(data)


@pytest.mark.trust
@pytest.mark.parametrize("kind", sorted(set(MANY) - {"empty parts of its picture"}))
def test_the_look_at_its_header_before_it_is_decoded_ends_as_soon(kind: str) -> None:
    assert decoding_cost(MANY[kind]()) == 0


def test_as_many_parts_as_encoders_write_are_decoded() -> None:
    """A PNG in chunks of 2 KiB, and a JPEG with a megabyte of metadata."""
    rgb = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", compress_level=1)
    data = file.getvalue()
    pixels = b"".join(part for kind, part in chunks_of(data) if kind == b"IDAT")
    parts = [chunk(b"IDAT", pixels[at : at + 2048]) for at in range(0, len(pixels), 2048)]
    assert 2 * len(parts) > LEAST_PARTS
    assert np.array_equal(decode(data[:PNG_HEAD] + b"".join(parts) + chunk(b"IEND", b"")), rgb)
    segment = b"\xff\xe5" + struct.pack(">H", 1000) + bytes(998)
    assert np.array_equal(decode(after(encoded("JPEG"), 2, segment * 1000)), decode(encoded("JPEG")))


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    at, chunks = 8, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks
