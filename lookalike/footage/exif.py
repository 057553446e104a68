"""Read the upright size of a photograph, and when it was taken."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import ExifTags, Image

from lookalike.footage.written_dates import read_moment, zone_of
from lookalike.pixels import FORMATS

# (when, its fraction of a second, its zone): taken, digitised, changed. Source: Exif 2.32, tags of 4.6.5 D and F.
_MOMENTS = (
    (0x9003, 0x9291, 0x9011),
    (0x9004, 0x9292, 0x9012),
    (0x0132, 0x9290, 0x9010),
)


def taken_at(data: bytes) -> datetime | None:
    """Return DateTimeOriginal, else DateTimeDigitized, else DateTime, with its zone if stated; else the GPS time, UTC.

    None if none of them can be read. data: of an image that has been decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            exif = image.getexif()
            tags = {0x0132: exif.get(0x0132), **exif.get_ifd(ExifTags.IFD.Exif)}
            satellites = exif.get_ifd(ExifTags.IFD.GPSInfo)
        return next((moment for tag in _MOMENTS if (moment := _moment(tags, *tag))), None) or _by_satellites(satellites)
    except Exception:  # noqa: BLE001 - Pillow raises any exception for broken metadata, which costs only the date
        return None


def size_px(data: bytes) -> tuple[int, int]:
    """Return the upright width and height of an image that has been decoded."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
        return (image.height, image.width) if turned else image.size


def _moment(tags: Mapping[int, Any], when: int, fraction: int, zone: int) -> datetime | None:
    moment = read_moment(_text(tags, when))
    if moment is None:
        return None
    digits = _text(tags, fraction)
    if digits.isascii() and digits.isdigit() and not moment.microsecond:
        moment = moment.replace(microsecond=int(digits[:6].ljust(6, "0")))
    return moment if moment.tzinfo else moment.replace(tzinfo=zone_of(_text(tags, zone)))


def _by_satellites(tags: Mapping[int, Any]) -> datetime | None:
    """Read GPSDateStamp and GPSTimeStamp: hours, minutes and seconds as fractions. Source: Exif 2.32, 4.6.6.

    Raises: TypeError, ValueError, ZeroDivisionError for invalid numbers.
    """
    hour, minute, second = (float(part) for part in tags[ExifTags.GPS.GPSTimeStamp])
    day = read_moment(f"{_text(tags, ExifTags.GPS.GPSDateStamp)} 00:00:00")
    if day is None or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return None
    return day.replace(tzinfo=UTC) + timedelta(hours=hour, minutes=minute, seconds=second)


def _text(tags: Mapping[int, Any], tag: int) -> str:
    value = tags.get(tag, "")
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")
