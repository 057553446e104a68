"""Read when a recording began from its container or its frame headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from av.container import InputContainer

from lookalike.footage.written_dates import is_set, read_moment

# Keys of the time of recording come before those that may hold the time at which the file was written.
# Sources: QuickTime metadata keys (Apple); Matroska tags, "Temporal Information"; AVI's IDIT chunk, which libavformat
# calls creation_time; FLV's creationdate; ©day of QuickTime and ICRD of RIFF, which it calls date.
KEYS = ("com.apple.quicktime.creationdate", "date_recorded", "date_digitized", "creation_time", "creationdate", "date")

HEAD = 1024 * 1024  # bytes in which the first picture of a .dav begins, and the header of an AVI ends
IDIT_BYTES = 64  # of a date
# Frame header: "DHAV", type, subtype, channel, number within the frame; frame number and length; the date at byte 16.
# FC and FD are pictures. Source: FFmpeg, libavformat/dhav.c, read_chunk and get_timeinfo.
DHAV_PICTURE = re.compile(rb"DHAV[\xfc\xfd].{11}(.{4})", re.DOTALL)


def began_at(container: InputContainer, path: str) -> datetime | None:
    """Return when a recording began, with the zone if one is stated; None if it is not stated.

    Raises: OSError.
    """
    tags: dict[str, str] = {}
    for stream in container.streams.video:
        tags = _lowered(stream.metadata) | tags
    tags |= _lowered(container.metadata)
    stated = (read_moment(tags[key]) for key in KEYS if key in tags)
    moment = next(filter(None, stated), None)
    if moment is None and (of_format := {"dhav": _dhav_began, "avi": _avi_digitised}.get(container.format.name)):
        return of_format(path)
    return moment


def _lowered(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in tags.items()}


def _avi_digitised(path: str) -> datetime | None:
    """Read the IDIT chunk; libavformat reads only two ways to write a date. Source: its avidec.c."""
    head = _head(path)
    at = head.find(b"IDIT")
    length = min(int.from_bytes(head[at + 4 : at + 8], "little"), IDIT_BYTES) if at >= 0 else 0
    return read_moment(head[at + 8 : at + 8 + length].decode("ascii", "replace"))


def _dhav_began(path: str) -> datetime | None:
    """Return the date of the first picture, by the recorder's clock."""
    head = _head(path)
    for picture in DHAV_PICTURE.finditer(head):
        if moment := _unpacked(int.from_bytes(picture[1], "little")):
            return moment
    return None


def _head(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(HEAD)


def _unpacked(packed: int) -> datetime | None:
    """Unpack a date: year since 2000 in 6 bits, month 4, day 5, hour 5, minute 6, second 6; the last are the lowest."""
    widths, parts = (6, 6, 5, 5, 4, 6), list[int]()
    for width in widths:
        parts.append(packed & ((1 << width) - 1))
        packed >>= width
    second, minute, hour, day, month, year = parts
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second)
    except ValueError:
        return None
    return moment if is_set(moment) else None
