"""Files of several video tracks: cameras, covers and previews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from tests.clips import MILLISECONDS, SIZE_PX, picture

COVER = (16, 16)


@dataclass(frozen=True, eq=False)
class Track:
    """Numbered pictures, so many milliseconds apart."""

    numbers: Sequence[int]
    apart_ms: int = 40
    codec: str = "libx264"
    size_px: tuple[int, int] = SIZE_PX
    disposition: Disposition | None = None
    options: dict[str, str] = field(default_factory=lambda: {"g": "4"})


def film(first: int, count: int = 12, codec: str = "libx264", apart_ms: int = 40) -> Track:
    return Track(range(first, first + count), apart_ms, codec)


def preview(count: int = 1, apart_ms: int = 1000) -> Track:
    return Track([50] * count, apart_ms, "mjpeg", COVER)


def cover() -> Track:
    return Track([50], 40, "mjpeg", COVER, Disposition.attached_pic)


def write_tracks(path: Path, tracks: Iterable[Track], options: dict[str, str] | None = None) -> Path:
    """Write packets of all tracks in the order of their times."""
    with av.open(str(path), "w", options=options or {}) as container:
        streams = [_add(container, track) for track in tracks]
        packets = []
        for track, stream in zip(tracks, streams, strict=True):
            for at, number in enumerate(track.numbers):
                frame = av.VideoFrame.from_ndarray(_scaled(number, track.size_px), format="rgb24")
                frame.pts, frame.time_base = at * track.apart_ms, MILLISECONDS
                packets += stream.encode(frame)
            packets += stream.encode()
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _add(container: OutputContainer, track: Track) -> VideoStream:
    stream = container.add_stream(track.codec, rate=25, options=track.options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = track.size_px
    stream.pix_fmt = "yuvj420p" if track.codec == "mjpeg" else "yuv420p"
    stream.codec_context.time_base = MILLISECONDS
    if track.disposition:
        stream.disposition = track.disposition
    return stream


def _scaled(number: int, size_px: tuple[int, int]) -> np.ndarray:
    across, down = (whole // side for whole, side in zip(SIZE_PX, size_px, strict=True))
    return np.ascontiguousarray(picture(number)[::down, ::across][: size_px[1], : size_px[0]])


def cover_before_film(path: Path) -> Path:
    """Move `udta` of an MP4 before its tracks; FFmpeg then lists the cover first."""
    data = bytearray(path.read_bytes())
    moov = data.index(b"moov") - 4
    end = moov + int.from_bytes(data[moov : moov + 4], "big")
    assert end == len(data), "the header is last, so no offset into the pictures changes"
    at, boxes = moov + 8, []
    while at < end:
        size = int.from_bytes(data[at : at + 4], "big")
        boxes.append(bytes(data[at : at + size]))
        at += size
    order = {b"mvhd": 0, b"udta": 1}
    boxes.sort(key=lambda box: order.get(box[4:8], 2))
    path.write_bytes(bytes(data[: moov + 8]) + b"".join(boxes))
    return path
