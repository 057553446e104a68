"""Decode sources to frames. What cannot be read is reported and skipped; the job goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import dropwhile
from pathlib import Path

import av
import av.container
import numpy as np
from av.error import FFmpegError, InvalidDataError
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from lookalike import pixels
from lookalike.errors import FootageError
from lookalike.footage.archive import inside, read_bytes, size_bytes
from lookalike.footage.frame import Frame
from lookalike.footage.sources import IMAGE_SUFFIXES, Source

MAX_IMAGE_BYTES = 256 * 1024 * 1024
STREAM_TIMEOUT_S = 10.0
EPSILON_S = 1e-3  # a frame at 0.033 s belongs to the slot that starts at 1/30 s: Matroska and FLV keep milliseconds
SEEK_BACK_S = (0, 2, 10, 50)  # how far before a moment to start decoding, where less did not reach it


@dataclass(frozen=True)
class Skipped:
    """A source, or the rest of one, that could not be read. frames: how many had been read before."""

    source: str
    reason: str
    frames: int


@dataclass(frozen=True)
class Ended:
    """A source was read as far as it can be, or left out because it was not wanted.

    source_id: SHA-256 of its bytes; None for a stream, and where it could not be read at all.
    frames: how many were read. reason: why there are no more, or what is wrong with it; None if nothing is.
    """

    source: Source
    source_id: str | None
    frames: int
    reason: str | None


def read_frames(
    sources: Iterable[Source], fps: float | None = None, on_skip: Callable[[Skipped], None] = lambda skipped: None
) -> Iterator[Frame]:
    """Yield the frames of all sources, in order.

    fps: the first frame in each 1/fps seconds of a video; None takes all. Images are always taken.
    on_skip: told of every source that could not be read, or not to its end.
    """
    for source in sources:
        for item in read_source(source, fps):
            if isinstance(item, Frame):
                yield item
            elif item.reason:
                on_skip(Skipped(source.name, item.reason, item.frames))


def read_source(
    source: Source, fps: float | None = None, wanted: Callable[[str], bool] = lambda source_id: True
) -> Iterator[Frame | Ended]:
    """Yield the frames of one source, then how it ended. fps: as for `read_frames`.

    wanted: asked with the source's id before anything is decoded; if not, no frame is read.
    """
    count, source_id, reason = 0, None, None
    try:
        source_id = None if source.kind == "stream" else _identify(source)
        if source_id is None or wanted(source_id):
            for frame in _read_one(source, fps, source_id):
                yield frame
                count += 1
            if count == 0:
                raise FootageError("no frame could be decoded")
    except (FootageError, FFmpegError, OSError, ValueError) as error:
        reason = _reason(error, source)
    yield Ended(source, source_id, count, reason)


def frame_at(source: str, time_s: float) -> np.ndarray:
    """The picture shown at `time_s` of a video (or the image itself).

    Returns: uint8 (H, W, 3), upright RGB. Raises: FootageError if there is none.
    """
    if not Path(source).is_file() and inside(source) is None:
        raise FootageError(f"{source}: no such file")
    if Path(source).suffix.lower() in IMAGE_SUFFIXES:
        return pixels.decode(read_bytes(source), source)
    try:
        shown = _shown_at(source, round(time_s * 1_000_000))
    except FFmpegError as error:
        raise FootageError(f"{source}: not a readable video ({error.strerror})") from error
    if shown is None:
        raise FootageError(f"{source}: no frame at {time_s:.3f} s")
    return _upright(shown, VideoReformatter())


def _identify(source: Source) -> str:
    """SHA-256 of a file's bytes. Raises: FootageError if it cannot be a source."""
    if source.path != source.path.encode(errors="replace").decode():
        raise FootageError("its name is not UTF-8 and cannot be stored; rename it")
    size = size_bytes(source.path)
    if source.kind == "image":
        if size > MAX_IMAGE_BYTES:
            raise FootageError(f"{size:,} bytes, at most {MAX_IMAGE_BYTES:,} for an image")
        return hashlib.sha256(read_bytes(source.path)).hexdigest()
    if size == 0:
        raise FootageError("empty file")
    with Path(source.path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_one(source: Source, fps: float | None, source_id: str | None) -> Iterator[Frame]:
    """source_id: of a file; a stream gets one of its own each time."""
    if source.kind == "image":
        image = pixels.decode(read_bytes(source.path), source.path)
        yield Frame(image, source.path, source_id or "", source.camera, 0.0, 0)
        return
    started = datetime.now(UTC)
    options, timeout_s = {}, None
    if source_id is None:
        source_id = hashlib.sha256(f"{source.path}|{started.isoformat()}".encode()).hexdigest()
        options, timeout_s = {"rtsp_transport": "tcp"}, STREAM_TIMEOUT_S
    with av.open(source.path, options=options, timeout=timeout_s) as container:
        captured_from = started if source.kind == "stream" else _creation_time(container)
        for image, pts_us in _sample(container, fps):
            captured_at = captured_from + timedelta(microseconds=pts_us) if captured_from else None
            yield Frame(image, source.name, source_id, source.camera, pts_us / 1e6, pts_us, captured_at)


def _sample(container: av.container.InputContainer, fps: float | None) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (upright RGB picture, microseconds since the first frame) at the rate asked for.

    Of frames with equal timestamps, which containers of milliseconds make of high rates, the first: a frame is known
    by its time.
    """
    stream = _video_stream(container)
    last_slot, last_us, end_us, converter = -1, -1, 0, VideoReformatter()
    damaged: list[int] = []
    for frame, pts_us in _timed(_decode(container, stream, damaged), container):
        end_us = pts_us + round((frame.duration or 0) * (frame.time_base or 0) * 1_000_000)
        slot = int((pts_us / 1e6 + EPSILON_S) * fps) if fps else last_slot + 1
        if slot > last_slot and pts_us != last_us:
            last_slot, last_us = slot, pts_us
            yield _upright(frame, converter), pts_us
    _raise_if_truncated(container, stream, end_us / 1e6)
    if damaged:
        raise FootageError(f"{len(damaged)} damaged packets or frames left out; the rest was read")


def _video_stream(container: av.container.InputContainer) -> VideoStream:
    if not container.streams.video:
        raise FootageError("no video stream")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _decode(container: av.container.InputContainer, stream: VideoStream, damaged: list[int]) -> Iterator[VideoFrame]:
    """Yield the whole frames, packet by packet: a broken one loses its own frames, not the rest of the recording.

    damaged: told the position of each packet that did not decode, or not to a whole frame.
    """
    for packet in container.demux(stream):
        if packet.size == 0 and packet.pts is not None:
            continue  # Theora repeats a frame so; the decoder would take it for the end
        try:
            for frame in packet.decode():
                if frame.is_corrupt:
                    damaged.append(packet.pos or 0)
                else:
                    yield frame
        except InvalidDataError:
            damaged.append(packet.pos or 0)


def _timed(
    frames: Iterable[VideoFrame], container: av.container.InputContainer, first: Fraction | None = None
) -> Iterator[tuple[VideoFrame, int]]:
    """Yield each frame with its microseconds since `first`, or since the first frame.

    Raw streams (.h264) carry no timestamps: only there the rate that they state counts.
    """
    stream = container.streams.video[0]
    untimed = container.format.flags & Flags.no_timestamps.value
    for number, frame in enumerate(frames):
        if frame.pts is not None and frame.time_base is not None:
            shown = frame.pts * frame.time_base
        elif untimed and stream.guessed_rate:
            shown = number / stream.guessed_rate
        else:
            continue
        first = shown if first is None else first
        yield frame, round((shown - first) * 1_000_000)


def _raise_if_truncated(container: av.container.InputContainer, stream: VideoStream, end_s: float) -> None:
    """A recording that ends well before its header says was cut off; what decoded has been yielded."""
    if stream.duration is not None and stream.time_base is not None:
        stated_s = float(stream.duration * stream.time_base)
    elif container.format.name.startswith("matroska") and container.duration and len(container.streams) == 1:
        # Matroska states only the whole file's, counted from zero; beside sound it may not be the pictures'.
        stated_s = (container.duration - (container.start_time or 0)) / 1e6
    else:
        return
    if stated_s - end_s > max(1.0, 0.02 * stated_s):
        raise FootageError(f"ends at {end_s:.1f} s of the {stated_s:.1f} s that its header states")


def _upright(frame: VideoFrame, converter: VideoReformatter) -> np.ndarray:
    """RGB with the display rotation applied: PyAV reports it, counter-clockwise, but does not apply it.

    converter: one for all frames of a video; to set it up takes as long as to convert a small frame.
    """
    rgb = converter.reformat(frame, format="rgb24").to_ndarray()
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb


def _shown_at(source: str, time_us: int) -> VideoFrame | None:
    """The last frame that starts by `time_us`, microseconds since the first; the first if all start later.

    Without an index (MPEG-TS, MPEG-PS) a seek may land past the moment, or between key frames where nothing decodes:
    then decode from further back, at last from the start. Before a key frame some decoders make pictures up.
    """
    with av.open(source) as container:
        stream = _video_stream(container)
        first = next(_decode(container, stream, []), None)
        if first is not None and first.pts is not None and first.time_base is not None:
            for back_s in SEEK_BACK_S:
                from_us = time_us - back_s * 1_000_000
                if from_us <= 0:
                    break
                try:
                    container.seek(first.pts + round(from_us / 1_000_000 / first.time_base), stream=stream)
                except FFmpegError:
                    break
                decoded = dropwhile(lambda frame: not frame.key_frame, _decode(container, stream, []))
                frames = _timed(decoded, container, first.pts * first.time_base)
                if (shown := _last_by(frames, time_us)) is not None:
                    return shown
    with av.open(source) as container:
        frames = _timed(_decode(container, _video_stream(container), []), container)
        return _last_by(frames, time_us) or first


def _last_by(frames: Iterable[tuple[VideoFrame, int]], time_us: int) -> VideoFrame | None:
    last = None
    for frame, pts_us in frames:
        if pts_us > time_us:
            break
        last = frame
    return last


def _creation_time(container: av.container.InputContainer) -> datetime | None:
    stated = container.metadata.get("creation_time")
    if not stated:
        return None
    try:
        parsed = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _reason(error: Exception, source: Source) -> str:
    """One line, without the path that it is reported beside."""
    if isinstance(error, FFmpegError):
        return f"not a readable {source.kind} ({error.strerror})"
    return str(error).removeprefix(f"{source.path}: ").strip() or type(error).__name__
