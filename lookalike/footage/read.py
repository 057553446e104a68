"""Decode sources to frames. Sources that cannot be read are reported and skipped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import av
import av.container
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from lookalike import pixels
from lookalike.errors import FootageError
from lookalike.footage import exif
from lookalike.footage.archive import check_member, read_bytes, read_head, size_bytes
from lookalike.footage.bounds import Stopped, within
from lookalike.footage.dates import began_at
from lookalike.footage.decode import Reading, recorded
from lookalike.footage.faults import Fault, is_black
from lookalike.footage.frame import Frame
from lookalike.footage.kinds import HEAD, is_text, kind_by_head
from lookalike.footage.limits import LIMITS
from lookalike.footage.naming import Naming
from lookalike.footage.picture import Converter, luma, size_px
from lookalike.footage.playlist import is_playlist, open_bytes, read_playlist
from lookalike.footage.sampler import GRID, Spent, take
from lookalike.footage.sampling import ALL, Regions, Sampling
from lookalike.footage.sources import Source
from lookalike.footage.stream import stream_frames
from lookalike.footage.tracks import every_track, open_named, open_track
from lookalike.region import Region

CHANGED = "it changed while it was read; index it again"  # its id is a hash of what it was before


@dataclass(frozen=True)
class Skipped:
    """A source, or the rest of one, that could not be read. frames: how many were read before."""

    source: str
    reason: str
    frames: int


@dataclass(frozen=True)
class Ended:
    """A source was read as far as possible, or left out because it was not wanted.

    source_id: SHA-256 of its bytes; None for a stream, if it could not be read at all, or if a limit ended it.
    frames: how many were read. regions: how many of their regions. reason: why it ended early, or what is wrong with
    it, if so. damaged: how many packets or frames were left out. regions_s: seconds spent on finding and cutting
    regions. clock_restarts: how often its clock restarted or was set back; times continue there. began_at: wall-clock
    time, UTC, of its container's start, if known and a frame was read.
    """

    source: Source
    source_id: str | None
    frames: int
    reason: str | None
    damaged: int = 0
    regions: int = 0
    regions_s: float = 0.0
    clock_restarts: int = 0
    began_at: datetime | None = None


def read_frames(
    sources: Iterable[Source],
    fps: float | None = None,
    on_skip: Callable[[Skipped], None] = lambda skipped: None,
    regions: Regions | None = None,
) -> Iterator[Frame]:
    """Yield the frames of all sources, in order.

    fps: take the first frame in each 1/fps seconds of a video; None takes all. Images are always taken.
    on_skip: called with every source that could not be read, or not to its end. regions: as in `Sampling`; each frame
    is followed by its regions.
    """
    for source in sources:
        for item in read_source(source, Sampling(fps, regions=regions)):
            if isinstance(item, Frame):
                yield item
            elif item.reason:
                on_skip(Skipped(item.source.name, item.reason, item.frames))


def read_source(
    source: Source,
    sampling: Sampling = ALL,
    fit_px: int | None = None,
    wanted: Callable[[str], bool] = lambda source_id: True,
    on_reconnect: Callable[[str], None] = lambda message: None,
) -> Iterator[Frame | Ended]:
    """Yield the frames of one source, each followed by its regions, then how it ended. A file of several cameras is
    read as one source after the other.

    fit_px: side of the encoder's square input; pictures are reduced to it when they are decoded.
    wanted: called with the source's id before anything is decoded; if it returns false, no frame is read.
    on_reconnect: called with a line when a stream drops and is reconnected.
    """
    for track in every_track([source]):
        yield from _read_track(track, sampling, fit_px, wanted, on_reconnect)


def _read_track(
    source: Source,
    sampling: Sampling,
    fit_px: int | None,
    wanted: Callable[[str], bool],
    on_reconnect: Callable[[str], None],
) -> Iterator[Frame | Ended]:
    count, regions, source_id, reason, began = 0, 0, None, None, None
    spent, reading, before = Spent(), Reading(), _state(source)
    try:
        source_id = None if source.kind == "stream" else identify(source)
        if source_id is None or wanted(source_id):
            for frame in _read_one(source, sampling, fit_px, source_id, on_reconnect, spent, reading):
                yield frame
                began = began or _began_at(frame, reading)
                count, regions = count + (frame.region is None), regions + (frame.region is not None)
    except (FootageError, FFmpegError, OSError, OverflowError, ValueError) as error:
        reason = _reason(error, source)
        source_id = None if isinstance(error, Stopped) else source_id  # with higher limits there is more to read
    if source_id and count and _state(source) not in (before, None):  # a file that was removed was read to its end
        source_id, reason = None, CHANGED
    details = (len(reading.damaged) + len(reading.torn), regions, spent.seconds, reading.clock_restarts, began)
    yield Ended(source, source_id, count, reason, *details)


def _state(source: Source) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced: its inode, size and time of change.

    None for a stream, a playlist, a member of a zip, and a file that is missing.
    """
    try:
        status = os.stat(source.path) if source.kind != "stream" and not is_playlist(source.path) else None
    except OSError:
        return None
    return status and (status.st_ino, status.st_size, status.st_mtime_ns)


def duration_s(path: str) -> float | None:
    """Return the duration that a video's header states; None if it states none, or is not readable."""
    try:
        with open_named(path) as container:
            return container.duration / 1e6 if container.duration else None
    except (FootageError, FFmpegError, OSError, ValueError):
        return None


def identify(source: Source) -> str:
    """Return the SHA-256 of a file's bytes or of its playlist's segments; for a further track, also of its number.

    Raises: FootageError if it cannot be a source.
    """
    if source.path != source.path.encode(errors="replace").decode():
        raise FootageError("its name is not UTF-8 and cannot be stored; rename it")
    check_member(source.path)
    size = read_playlist(source.path).size_bytes if is_playlist(source.path) else size_bytes(source.path)
    if source.kind == "image":
        if kind_by_head(read_head(source.path, HEAD)) == "video":
            raise FootageError("a video with the suffix of a picture; rename it, such as to .mp4")
        if size > LIMITS.image_bytes:
            raise FootageError(f"{size:,} bytes, at most {LIMITS.image_bytes:,} for an image")
        return hashlib.sha256(read_bytes(source.path)).hexdigest()
    if size == 0:
        raise FootageError("empty file")
    with open_bytes(source.path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    later = source.track is not None and source.track > 1
    return hashlib.sha256(f"{digest}#{source.track}".encode()).hexdigest() if later else digest


def _read_one(
    source: Source,
    sampling: Sampling,
    fit_px: int | None,
    source_id: str | None,
    on_reconnect: Callable[[str], None],
    spent: Spent,
    reading: Reading,
) -> Iterator[Frame]:
    """Yield the frames of one track. source_id: of a file; None for a stream."""
    if source.kind == "image":
        yield from _read_image(source, sampling, fit_px, source_id or "", spent)
    elif source_id is None:
        yield from _read_stream(source, sampling, fit_px, on_reconnect, spent, reading)
    else:
        with open_track(source.path, source.track or 1) as container:
            captured_from = source.captured_at or _creation_time(container, source)
            frames = within(recorded(container, sampling.keyframes, reading), source.limits)
            yield from _sample(frames, source, source_id, captured_from, sampling, fit_px, spent, reading)


def _read_stream(
    source: Source,
    sampling: Sampling,
    fit_px: int | None,
    on_reconnect: Callable[[str], None],
    spent: Spent,
    reading: Reading,
) -> Iterator[Frame]:
    """Yield the frames of a stream, which is another source each time that it is read, but one across connections."""
    started = datetime.now(UTC)
    source_id = hashlib.sha256(f"{source.name}|{started.isoformat()}".encode()).hexdigest()

    def named(message: str) -> None:
        on_reconnect(f"{source.name}: {message}")

    frames = stream_frames(source.path, sampling.keyframes, named, reading)
    yield from _sample(frames, source, source_id, started, sampling, fit_px, spent, reading)


def _fault(image: np.ndarray, frozen: bool) -> Fault | None:
    return "black" if is_black(image) else "frozen" if frozen else None


def _read_image(
    source: Source, sampling: Sampling, fit_px: int | None, source_id: str, spent: Spent
) -> Iterator[Frame]:
    data = read_bytes(source.path)
    image = pixels.decode_to_fit(data, fit_px, source.path) if fit_px else pixels.decode(data, source.path)
    taken = exif.taken_at(data)
    frame = Frame(
        image=image,
        source=source.path,
        source_id=source_id,
        camera=source.camera,
        time_s=0.0,
        pts_us=0,
        captured_at=source.captured_at or (taken and Naming(zone=source.zone).in_utc(taken)),
        size_px=exif.size_px(data),
        luma=luma(image),
        fault=_fault(image, frozen=False),
    )
    yield frame
    if sampling.regions == "grid":
        yield from _parts(frame, pixels.decode(data, source.path), GRID, fit_px, spent)
    if pixels.is_animation(data):
        raise FootageError("an animation, of which the first frame was read; convert it to a video to read all frames")


def _parts(
    frame: Frame, rgb: np.ndarray, regions: Iterable[Region], fit_px: int | None, spent: Spent
) -> Iterator[Frame]:
    """Yield a frame for each of its regions. rgb: the whole picture, uint8 (H, W, 3)."""
    for region in regions:
        with spent.timed():
            image = np.ascontiguousarray(region.crop(rgb))
            image = pixels.fit(image, fit_px) if fit_px else image
        yield replace(frame, image=image, region=region, luma=luma(image))


def _sample(
    frames: Iterable[tuple[VideoFrame, int]],
    source: Source,
    source_id: str,
    captured_from: datetime | None,
    sampling: Sampling,
    fit_px: int | None,
    spent: Spent,
    reading: Reading,
) -> Iterator[Frame]:
    """Yield the sampled frames of a video. frames: all of them, in order, each with its microseconds since the first.

    captured_from: wall-clock time of the container's start.
    """
    to_rgb, whole = Converter(fit_px), Converter()
    for taken in take(frames, sampling, spent):
        image = to_rgb(taken.frame)
        frame = Frame(
            image=image,
            source=source.name,
            source_id=source_id,
            camera=source.camera,
            time_s=taken.pts_us / 1e6,
            pts_us=taken.pts_us,
            captured_at=_captured_at(captured_from, reading.lead_us + taken.pts_us),
            size_px=size_px(taken.frame),
            luma=luma(image),
            scene=taken.scene,
            fault=_fault(image, taken.frozen),
        )
        yield frame
        if taken.regions:
            with spent.timed():
                rgb = whole(taken.frame)
            yield from _parts(frame, rgb, taken.regions, fit_px, spent)


def _captured_at(began_at: datetime | None, since_us: int) -> datetime | None:
    return began_at + timedelta(microseconds=since_us) if began_at else None


def _began_at(frame: Frame, reading: Reading) -> datetime | None:
    return frame.captured_at and frame.captured_at - timedelta(microseconds=reading.lead_us + frame.pts_us)


def _creation_time(container: av.container.InputContainer, source: Source) -> datetime | None:
    stated = began_at(container, source.path)
    try:
        return Naming(zone=source.zone).in_utc(stated) if stated else None
    except ValueError:
        return None


def _reason(error: Exception, source: Source) -> str:
    """Describe an error in one line, without the path, which is reported next to it."""
    if isinstance(error, FFmpegError):
        if source.kind == "video" and _is_text(source.path):
            return "not a readable video (it is text)"
        return f"not a readable {source.kind} ({error.strerror})"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    return str(error).removeprefix(f"{source.name}: ").removeprefix(f"{source.path}: ").strip() or type(error).__name__


def _is_text(path: str) -> bool:
    try:
        return is_text(read_head(path, HEAD))
    except (FootageError, OSError):
        return False
