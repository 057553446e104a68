"""Decode sources to frames. What cannot be read is reported and skipped; the job goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import av.container
import numpy as np
from av.error import FFmpegError, InvalidDataError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lookalike import pixels
from lookalike.errors import FootageError
from lookalike.footage.frame import Frame
from lookalike.footage.sources import Source

MAX_IMAGE_BYTES = 256 * 1024 * 1024
STREAM_TIMEOUT_S = 10.0
EPSILON_S = 1e-6  # a frame at 0.199999 s belongs to the slot that starts at 0.2 s


@dataclass(frozen=True)
class Skipped:
    """A source, or the rest of one, that could not be read. frames: how many had been read before."""

    source: str
    reason: str
    frames: int


def read_frames(
    sources: Iterable[Source], fps: float | None = None, on_skip: Callable[[Skipped], None] = lambda skipped: None
) -> Iterator[Frame]:
    """Yield the frames of all sources, in order.

    fps: the first frame in each 1/fps seconds of a video; None takes all. Images are always taken.
    on_skip: told of every source that could not be read, or not to its end.
    """
    for source in sources:
        count = 0
        try:
            for frame in _read_one(source, fps):
                yield frame
                count += 1
            if count == 0:
                raise FootageError("no frame could be decoded")
        except (FootageError, FFmpegError, OSError, ValueError) as error:
            on_skip(Skipped(source.path, _reason(error, source), count))


def frame_at(source: str, time_s: float) -> np.ndarray:
    """The picture shown at `time_s` of a video (or the image itself).

    Returns: uint8 (H, W, 3), upright RGB. Raises: FootageError if there is none.
    """
    path = Path(source)
    if not path.is_file():
        raise FootageError(f"{source}: no such file")
    try:
        with av.open(source) as container:
            if not _is_video(container):
                return pixels.decode(path.read_bytes(), source)
            best = _seek(container, time_s)
    except FFmpegError:
        return pixels.decode(path.read_bytes(), source)
    if best is None:
        raise FootageError(f"{source}: no frame at {time_s:.3f} s")
    return _upright(best)


def _read_one(source: Source, fps: float | None) -> Iterator[Frame]:
    if source.kind == "image":
        yield _read_image(source)
        return
    started = datetime.now(UTC)
    if source.kind == "stream":
        source_id = hashlib.sha256(f"{source.path}|{started.isoformat()}".encode()).hexdigest()
        options, timeout_s = {"rtsp_transport": "tcp"}, STREAM_TIMEOUT_S
    else:
        if Path(source.path).stat().st_size == 0:
            raise FootageError("empty file")
        source_id, options, timeout_s = _sha256(Path(source.path)), {}, None
    with av.open(source.path, options=options, timeout=timeout_s) as container:
        captured_from = started if source.kind == "stream" else _creation_time(container)
        for image, pts_us in _sample(container, fps):
            captured_at = captured_from + timedelta(microseconds=pts_us) if captured_from else None
            yield Frame(image, source.path, source_id, source.camera, pts_us / 1e6, pts_us, captured_at)


def _read_image(source: Source) -> Frame:
    path = Path(source.path)
    if path.stat().st_size > MAX_IMAGE_BYTES:
        raise FootageError(f"{path.stat().st_size:,} bytes, at most {MAX_IMAGE_BYTES:,} for an image")
    data = path.read_bytes()
    image = pixels.decode(data, source.path)
    return Frame(image, source.path, hashlib.sha256(data).hexdigest(), source.camera, 0.0, 0)


def _sample(container: av.container.InputContainer, fps: float | None) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (upright RGB picture, microseconds since the first frame) at the rate asked for."""
    if not container.streams.video:
        raise FootageError("no video stream")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    first_pts: int | None = None
    last_slot, pts_us = -1, 0
    broken: list[int] = []  # sizes of the packets that did not decode
    for frame in _decode(container, stream, broken):
        if frame.is_corrupt or frame.pts is None or frame.time_base is None:
            continue
        first_pts = frame.pts if first_pts is None else first_pts
        pts_us = round((frame.pts - first_pts) * frame.time_base * 1_000_000)
        slot = int((pts_us / 1e6 + EPSILON_S) * fps) if fps else last_slot + 1
        if slot > last_slot:
            last_slot = slot
            yield _upright(frame), pts_us
    _raise_if_truncated(stream, pts_us / 1e6)
    if broken:
        raise FootageError(f"{len(broken)} broken packets left out; the rest was read")


def _decode(container: av.container.InputContainer, stream: VideoStream, broken: list[int]) -> Iterator[VideoFrame]:
    """Decode packet by packet: a broken one loses its own frames, not the rest of the recording."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except InvalidDataError:
            broken.append(packet.size)


def _raise_if_truncated(stream: VideoStream, last_s: float) -> None:
    """A recording that ends well before its header says was cut off; what decoded has been yielded."""
    if stream.duration is None or stream.time_base is None:
        return
    stated_s = float(stream.duration * stream.time_base)
    if stated_s - last_s > max(1.0, 0.02 * stated_s):
        raise FootageError(f"ends at {last_s:.1f} s of the {stated_s:.1f} s that its header states")


def _upright(frame: VideoFrame) -> np.ndarray:
    """RGB with the display rotation applied: PyAV reports it, counter-clockwise, but does not apply it."""
    rgb = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb


def _seek(container: av.container.InputContainer, time_s: float) -> VideoFrame | None:
    stream = container.streams.video[0]
    first = next(container.decode(stream), None)
    if first is None or first.pts is None or first.time_base is None:
        return None
    target = first.pts + round(time_s / first.time_base)
    container.seek(target, stream=stream, backward=True)
    best: VideoFrame | None = None
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        if best is not None and frame.pts > target:
            break
        best = frame
    return best or first


def _is_video(container: av.container.InputContainer) -> bool:
    image_demuxers = ("image2", "_pipe", "gif", "webp_anim")
    return bool(container.streams.video) and not container.format.name.endswith(image_demuxers)


def _creation_time(container: av.container.InputContainer) -> datetime | None:
    stated = container.metadata.get("creation_time")
    if not stated:
        return None
    try:
        parsed = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception, source: Source) -> str:
    """One line, without the path that it is reported beside."""
    if isinstance(error, FFmpegError):
        return f"not a readable {source.kind} ({error.strerror})"
    return str(error).removeprefix(f"{source.path}: ").strip() or type(error).__name__
