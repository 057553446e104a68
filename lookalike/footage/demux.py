"""Demux a container up to the end of its file, and report what was not read.

libavformat stops without an error where another recording was appended, or where it finds no more packets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from lookalike.footage.structure import breaks
from lookalike.footage.transport import lost

MOV = "mov,"
RESYNC_BYTES = 1024  # libavformat raises EAGAIN after 64 KiB of MPEG-TS without a packet, in other formats after fewer
# How a recording begins, for formats of which libavformat reads only the first recording, or the first two.
# Source: RFC 9559, 5.1; ISO/IEC 14496-12, 4.3; Adobe Flash Video File Format 10.1, E.2; ASF specification, 10.1.
BEGINNINGS = {
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3.{1,64}?\x42\x82.(?:matroska|webm)", re.DOTALL),
    "mov": re.compile(rb"\0\0\0[\x10-\xff]ftyp"),
    "flv": re.compile(rb"FLV\x01"),
    "asf": re.compile(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")),
    "nut": re.compile(rb"nut/multimedia container\0"),
    "avi": re.compile(rb"RIFF.{4}AVI LIST", re.DOTALL),
}
SPARSE = "nut"  # libavformat reads only some key frames of a second recording
CLUSTER = re.compile(rb"\x1f\x43\xb6\x75")  # Matroska element that holds pictures and sound
SEGMENT_ID = b"\x18\x53\x80\x67"
CHUNK, LONGEST_BEGINNING = 1 << 20, 128
DECODE_TIME = re.compile(rb"tfdt[\0\1]\0\0\0.{8}", re.DOTALL)


@dataclass
class Extent:
    """How far a file was read, in bytes. end: where the last packet of any track ends. keys: where key frames begin."""

    end: int = 0
    keys: list[int] = field(default_factory=list)


def packets_of(container: InputContainer, *streams: Stream) -> Iterator[Packet]:
    """Yield packets as `container.demux` does, and skip tracks that begin later: PyAV raises IndexError for these.

    Raises: FFmpegError.
    """
    emptied = False  # packets without content come last, one per track
    while True:
        try:
            for packet in container.demux(*streams):
                emptied = not packet.size and packet.pts is None
                yield packet
            return
        except IndexError:
            if emptied:
                return


def demuxed(container: InputContainer, stream: VideoStream, extent: Extent | None = None) -> Iterator[Packet]:
    """Yield the packets of a stream of a file, and continue after a stretch that holds none.

    extent: updated with how far the file was read. Raises: FFmpegError.
    """
    extent, patience = extent or Extent(), max(container.size, 0) // RESYNC_BYTES + 16
    while True:
        try:
            yield from _own(container, stream, extent)
            return
        except BlockingIOError:
            patience -= 1
            if not patience:
                raise


def _own(container: InputContainer, stream: VideoStream, extent: Extent) -> Iterator[Packet]:
    latest: int | None = None
    hides = begins_anew(container)
    for packet in packets_of(container):
        if packet.pos is not None:
            extent.end = max(extent.end, packet.pos + packet.size)
        if packet.stream.index != stream.index:
            continue
        if packet.is_keyframe and packet.pos is not None:
            extent.keys.append(packet.pos)
        if packet.dts is not None:
            if hides and packet.is_discard and latest is not None and packet.dts <= latest:
                packet = _kept(packet)
            latest = packet.dts if latest is None else max(latest, packet.dts or 0)
        yield packet


def _kept(packet: Packet) -> Packet:
    """Copy a packet without its discard flag: libavformat hides the frames of MP4 fragments whose times restart.

    The copy's bytes belong to Python. Decoders with frame threads must not get it: such a thread waits for the GIL to
    free the bytes, while PyAV holds the GIL and waits for the thread when it frees the decoder.
    """
    kept = Packet(bytes(packet))
    kept.stream, kept.time_base = packet.stream, packet.time_base
    kept.pts, kept.dts, kept.duration, kept.is_keyframe = packet.pts, packet.dts, packet.duration, packet.is_keyframe
    return kept


def file_of(container: InputContainer) -> Path | None:
    """Return the path of a container's file; None for a playlist or a stream."""
    return Path(container.name.removeprefix("file:")) if container.name.startswith("file:") else None


def is_fragmented(path: Path | None) -> bool:
    """Whether an MP4 is fragmented. path: None for a playlist, whose segments are fragments."""
    return path is None or next(_fragment_times(path), None) is not None


def begins_anew(container: InputContainer) -> bool:
    """Whether a container holds joined MP4 fragments whose times restart; those of a playlist may."""
    if not container.format.name.startswith(MOV):
        return False
    if (path := file_of(container)) is None:
        return True
    about = path.stat()
    return _fragments_restart(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=64)  # asked by the decoder and by the demuxer of each recording
def _fragments_restart(path: Path, size_bytes: int, changed_ns: int) -> bool:
    """size_bytes, changed_ns: of the file, since the result is cached."""
    latest: list[int] = []
    for times in _fragment_times(path):
        if any(time <= before for time, before in zip(times, latest, strict=False)):
            return True
        latest = times or latest
    return False


def _fragment_times(path: Path) -> Iterator[list[int]]:
    """Yield the start of each fragment, ticks for each of its tracks. Source: ISO/IEC 14496-12, 8.8.4 and 8.8.12."""
    with path.open("rb") as file:
        at, end = 0, path.stat().st_size
        while at < end:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            if size < 8:
                return
            if head[4:8] == b"moof":
                file.seek(at)
                yield [_decode_time(box[0]) for box in DECODE_TIME.finditer(file.read(min(size, CHUNK)))]
            at += size


def _decode_time(box: bytes) -> int:
    return int.from_bytes(box[8:16] if box[4] else box[8:12], "big")


def unread(container: InputContainer, extent: Extent) -> str | None:
    """Describe in one line what the file holds after the last packet that was read; None if nothing is missing."""
    path, kind = file_of(container), container.format.name.partition(",")[0]
    if path is None or not extent.end:
        return None
    size = path.stat().st_size
    if kind == "matroska" and (missing := _segment_end(path) - size) > 0:
        return f"cut off: {missing:,} bytes are missing that its header states"
    read_up_to = f"read up to byte {extent.end:,} of {size:,}: "
    start = 1 if kind == SPARSE else extent.end
    if kind in BEGINNINGS and (begins := _find(path, BEGINNINGS[kind], start)) is not None:
        return f"{read_up_to}another recording begins at byte {begins:,}, which was not read; split the file there"
    if kind == "matroska" and _find(path, CLUSTER, extent.end) is not None:
        return f"{read_up_to}the rest could not be read"
    return None


def broken(container: InputContainer, stream: VideoStream, extent: Extent) -> list[int]:
    """Return the positions where bytes of the file are missing, or break the rules of its format."""
    path, kind = file_of(container), container.format.name
    if path is None or (kind.startswith(MOV) and not is_fragmented(path)):
        return []  # the index of an MP4 states all frames
    return lost(path, stream.id, extent.keys) if kind == "mpegts" else list(breaks(path, kind))


def _find(path: Path, pattern: re.Pattern[bytes], start: int) -> int | None:
    """Return the position of the first match from byte `start` on."""
    for at, data in _chunks(path, start):
        if match := pattern.search(data):
            return at + match.start()
    return None


def _chunks(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield positions and the bytes there; they overlap by LONGEST_BEGINNING."""
    with path.open("rb") as file:
        while True:
            file.seek(start)
            data = file.read(CHUNK + LONGEST_BEGINNING)
            if not data:
                return
            yield start, data
            start += CHUNK


def segment(path: Path) -> tuple[int, int] | None:
    """Return where the first Segment of a Matroska file begins, and its stated end; None if no length is stated.

    Source: RFC 9559, section 7 (EBML header, then a Segment); RFC 8794, section 4 (IDs, and lengths of 1 to 8 bytes).
    """
    with path.open("rb") as file:
        head = file.read(4096)
    start = head.find(SEGMENT_ID) + len(SEGMENT_ID)
    if start < len(SEGMENT_ID) or start >= len(head) or not head[start]:
        return None
    width = 9 - head[start].bit_length()
    stated = int.from_bytes(head[start : start + width], "big") & ((1 << 7 * width) - 1)
    unknown = stated == (1 << 7 * width) - 1
    return None if unknown else (start - len(SEGMENT_ID), start + width + stated)


def _segment_end(path: Path) -> int:
    stated = segment(path)
    return stated[1] if stated else 0
