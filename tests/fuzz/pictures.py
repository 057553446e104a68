"""Images: `lookalike.pixels`, and what is read of their metadata."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from lookalike import pixels
from lookalike.errors import ImageError
from lookalike.footage import exif
from tests.fuzz.target import Target, refused

SIDE_PX, LONGEST_PX = 32, 64
pixels.MAX_PIXELS = 1_000_000  # what takes long at 64 times that is not a fault of its own


def run(data: bytes) -> None:
    assert 0 <= pixels.decoding_cost(data) <= 2 * pixels.MAX_PIXELS
    pixels.begins_as_image(data)
    with refused(ImageError):
        assert pixels.decode_to_fit(data, SIDE_PX).shape == (SIDE_PX, SIDE_PX, 3)
        assert max(pixels.decode_within(data, LONGEST_PX).shape[:2]) <= LONGEST_PX
        assert min(exif.size_px(data)) >= 1
        exif.taken_at(data)
        pixels.is_animation(data)


def seeds() -> list[bytes]:
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    tags = Image.Exif()
    tags[0x0112], tags[0x0132] = 6, "2026:01:05 08:00:00"
    made = [_encoded(rgb, kind) for kind in pixels.FORMATS]
    made += [_encoded(rgb, kind, exif=tags) for kind in ("JPEG", "PNG", "WEBP", "TIFF")]
    made += [_encoded(rgb, "JPEG", progressive=True), _encoded(rgb.convert("P"), "PNG"), _encoded(rgb, "MPO")]
    made += [_encoded(rgb.convert("I;16"), kind) for kind in ("PNG", "TIFF")]
    made += [_encoded(rgb.convert("F"), "TIFF"), _encoded(rgb, "TIFF", compression="tiff_lzw")]
    made += [_encoded(rgb, kind, save_all=True, append_images=[rgb.rotate(90)]) for kind in pixels.ANIMATED]
    return made


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


TARGET = Target(run, seeds)
