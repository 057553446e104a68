"""What a photograph says of itself: its upright size, and when it was taken."""

from __future__ import annotations

import io
from datetime import datetime

from PIL import ExifTags, Image


def taken_at(data: bytes) -> datetime | None:
    """DateTimeOriginal, with its zone where that is stated; None if there is none that can be read.

    data: of an image that has been decoded. Source: Exif 2.32, tags 0x9003, 0x9011 and 0x9291.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        taken = str(tags[ExifTags.Base.DateTimeOriginal]).strip("\0 ")
        moment = datetime.strptime(taken, "%Y:%m:%d %H:%M:%S")
    except Exception:  # noqa: BLE001 - Pillow raises anything over broken metadata, which costs only the time
        return None
    fraction, offset = (str(tags.get(tag, "")).strip("\0 ") for tag in (0x9291, 0x9011))
    try:
        return datetime.fromisoformat(f"{moment.isoformat()}{f'.{fraction[:6]}' if fraction else ''}{offset}")
    except ValueError:
        return moment


def size_px(data: bytes) -> tuple[int, int]:
    """Width and height, upright, of an image that has been decoded."""
    with Image.open(io.BytesIO(data)) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
        return (image.height, image.width) if turned else image.size
