"""Read single frames of a video, by the time at which they are shown."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import dropwhile, islice
from pathlib import Path
from typing import Literal, Self

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame

from lookalike import pixels
from lookalike.errors import FootageError
from lookalike.files.regular import check_regular
from lookalike.footage.archive import inside, read_bytes
from lookalike.footage.decode import timed, video_stream
from lookalike.footage.demux import MOV, demuxed, file_of, is_fragmented, segment
from lookalike.footage.kinds import is_image
from lookalike.footage.picture import Converter, within
from lookalike.footage.playlist import stamp
from lookalike.footage.sources import split_track
from lookalike.footage.timeline import TIMELESS, Timeline
from lookalike.footage.tracks import film, open_named
from lookalike.footage.url import shown_url

SEEK_BACK_S = (0, 2, 10, 50)  # how far before a time to start decoding; more if less does not reach it
TWINS_US = 100  # frames with equal stated times are a microsecond apart
GO_ON_US = 2_000_000  # how far to continue decoding instead of seeking, if the positions of key frames are unknown

ONE_CLOCK = ("mov,", "asf", "mxf", "avi", "gif", "nut")  # formats in which a time is that of one frame only
# Formats in which libavformat derives times from the packets before.
GUESSED = ("mpeg", "dhav", TIMELESS)

Timed = tuple[VideoFrame, int]
Way = Literal["seek", "skip", "decode"]  # seek to a key frame; skip all packets before it; decode all frames
Keys = Sequence[tuple[int, int]]  # of each key frame: the number of its packet, and when it is shown, ticks


class Recording:
    """A video to read single frames of, fastest in the order of their times. Use as a context manager."""

    def __init__(self, path: str) -> None:
        """Open a video. Raises: FootageError if it has no pictures; FFmpegError."""
        self._path = path
        self._scout: InputContainer | None = None
        self._begin(iter(()))
        self._open()
        try:
            self.first = next((frame for frame, _ in self._frames), None)
            self._way, self._keys = _way_to_find(path, self._container, self._timeline)
        except BaseException:
            self._container.close()
            raise
        self._first_ticks = self._timeline.first
        self._begin(iter(()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        if self._scout:
            self._scout.close()

    def at(self, time_us: int) -> VideoFrame | None:
        """Return the last frame that starts by `time_us`, microseconds since the first; the first if all start later.

        This is the frame that has this time when the recording is read from its start.
        None if no frame can be decoded.
        """
        if self._leads_to(time_us):
            return self._until(time_us)
        starts = self._starts(time_us)
        return next(
            (shown for _ in starts if (shown := self._until(time_us)) and not self._has_twin(time_us)), self.first
        )

    def _open(self) -> None:
        """Decode from the start."""
        self._container = open_named(self._path)
        self._stream = video_stream(self._container)
        self._timeline = Timeline(self._container, self._stream)
        self._begin(timed(self._timeline, demuxed(self._container, self._stream), []))

    def _skip_to(self, time_us: int) -> None:
        """Decode from the last key frame before a time on, without a seek: all times are as in a full reading."""
        self._container.close()
        self._container = open_named(self._path)
        self._stream = video_stream(self._container)
        packets = Timeline(self._container, self._stream).packets(demuxed(self._container, self._stream))
        self._timeline = Timeline(self._container, self._stream, self._first_ticks)
        frames = timed(self._timeline, islice(packets, self._key_before(time_us)[0], None), [])
        self._begin(dropwhile(lambda coming: not coming[0].key_frame, frames))

    def _key_before(self, time_us: int) -> tuple[int, int]:
        """Return number and ticks of the packet of the last key frame that is shown by a time, else of the first."""
        ticks = (self._first_ticks or 0) + int(time_us / 1_000_000 / self._timeline.tick)
        return self._keys[max(bisect_right(self._keys, ticks, key=lambda key: key[1]) - 1, 0)]

    def _starts(self, time_us: int) -> Iterator[None]:
        """Start decoding before a time, each time further back, and finally from the start.

        Without an index (MPEG-TS, MPEG-PS) a seek may land past the time, or between key frames where nothing decodes.
        Before a key frame some decoders invent pictures.
        """
        if self._way == "skip" and self._keys:
            self._skip_to(time_us)
            yield
        if self._way == "seek" and self._first_ticks is not None:
            for back_s in SEEK_BACK_S:
                from_us = time_us - back_s * 1_000_000
                if from_us <= 0:
                    break
                ticks = self._first_ticks + round(from_us / 1_000_000 / self._timeline.tick)
                try:
                    self._container.seek(ticks, stream=self._stream)
                except FFmpegError:
                    break
                self._timeline = Timeline(self._container, self._stream, self._first_ticks)
                frames = timed(self._timeline, demuxed(self._container, self._stream), [])
                self._begin(dropwhile(lambda coming: not coming[0].key_frame, frames))
                self._landed = self._ahead = next(self._frames, None)
                yield
        self._container.close()
        self._open()
        yield

    def _begin(self, frames: Iterator[Timed]) -> None:
        self._frames = frames
        self._shown: Timed | None = None
        self._landed: Timed | None = None  # the first after a seek
        self._ahead: Timed | None = None  # decoded, and shown after that

    def _leads_to(self, time_us: int) -> bool:
        """Whether to continue decoding instead of seeking: there is no key frame in between."""
        if self._shown is None or time_us < self._shown[1]:
            return False
        frame, shown_us = self._shown
        if self._way == "skip" and self._keys:
            return self._key_before(time_us) == self._key_before(shown_us)
        if self._way != "seek":
            return True
        entries = self._stream.index_entries
        if not len(entries) or frame.pts is None or frame.time_base is None:
            return time_us - shown_us <= GO_ON_US
        key = entries.search_timestamp(frame.pts + round((time_us - shown_us) / 1_000_000 / frame.time_base))
        return key >= 0 and entries[key].timestamp <= frame.pts

    def _has_twin(self, time_us: int) -> bool:
        """Whether a frame before the key frame that a seek led to states the same time, and may be meant."""
        landed = self._landed
        if landed is None or landed[0].pts is None or not 0 <= time_us - landed[1] <= TWINS_US:
            return False
        if self._container.format.name == TIMELESS:  # it counts packets, so times differ
            return False
        if self._scout is None:
            self._scout = open_named(self._path)
        stream = video_stream(self._scout)
        try:
            self._scout.seek(landed[0].pts - 1, stream=stream)
        except FFmpegError:
            return False
        stated = list[int | None]()
        for packet in demuxed(self._scout, stream):
            if packet.pts == landed[0].pts and packet.is_keyframe:
                break
            stated.append(packet.pts)
            if packet.dts is not None and packet.dts > landed[0].pts:
                break
        return landed[0].pts in stated

    def _until(self, time_us: int) -> VideoFrame | None:
        while (coming := self._ahead or next(self._frames, None)) is not None:
            self._ahead = coming if coming[1] > time_us else None
            if self._ahead:
                break
            self._shown = coming
        return self._shown[0] if self._shown else None


def has_one_clock(path: str, container: InputContainer, timeline: Timeline) -> bool:
    """Whether each stated time is that of one frame only. timeline: after the first frame was decoded."""
    return _way_to_find(path, container, timeline)[0] == "seek"


def _way_to_find(path: str, container: InputContainer, timeline: Timeline) -> tuple[Way, Keys]:
    """Return how to find a frame by its time, and the key frames if it is by skipping.

    Recordings that may have been cut and joined are read through, without decoding.
    """
    if timeline.by_decoding_order or timeline.first is None:
        return "decode", ()
    one_clock = container.format.name.startswith(ONE_CLOCK)
    if container.format.name.startswith(MOV) and is_fragmented(file_of(container)):
        one_clock = False
    if container.format.name == TIMELESS and film(container).codec_context.has_b_frames:
        one_clock = False
    if one_clock or (container.format.name.startswith("matroska") and _is_one_segment(split_track(path)[0])):
        return ("seek", ()) if timeline.plain else ("decode", ())
    file = split_track(path)[0]
    stat = os.stat(file)
    return _look_through(os.path.abspath(path), stat.st_size, stat.st_mtime_ns, stamp(file))


@lru_cache(maxsize=64)
def _look_through(path: str, size: int, changed_ns: int, segments: tuple[int, int]) -> tuple[Way, Keys]:
    """Read a recording through. size, changed_ns, segments: of the file or playlist, since the result is cached."""
    keys: list[tuple[int, int]] = []
    with open_named(path) as container:
        stream = video_stream(container)
        timeline = Timeline(container, stream)
        for number, packet in enumerate(timeline.packets(demuxed(container, stream))):
            if packet.is_keyframe and packet.pts is not None:
                keys.append((number, packet.pts))
            if timeline.has_untimed:
                return "decode", ()
        if timeline.plain and container.format.name not in GUESSED:
            return "seek", ()
    return "skip", tuple(keys)


def _is_one_segment(path: str) -> bool:
    """Whether a Matroska file ends at its stated length: an appended recording would have its own clock."""
    stated = segment(Path(path))
    return stated is not None and stated[1] >= Path(path).stat().st_size


@contextmanager
def pictures_of(source: str) -> Iterator[Callable[[float, int | None], np.ndarray]]:
    """Open a video, or an image, to read several of its pictures.

    Yields: a function of a time in seconds, and a side in pixels or None. It returns the picture shown at that time,
    uint8 (H, W, 3), upright RGB; whole, or with no side longer than that. Raises: FootageError if there is no picture.
    """
    _check_there(source)
    if is_image(source):
        data = read_bytes(source)
        yield (
            lambda _, longest_px: (
                pixels.decode_within(data, longest_px, source) if longest_px else pixels.decode(data, source)
            )
        )
        return
    whole = Converter()
    try:
        with Recording(source) as recording:

            def picture(time_s: float, longest_px: int | None) -> np.ndarray:
                frame = _shown(recording, source, time_s)
                return within(frame, longest_px) if longest_px else whole(frame)

            yield picture
    except FFmpegError as error:
        raise _unreadable(source, error) from error


def frame_at(source: str, time_s: float, fit_px: int | None = None) -> np.ndarray:
    """Read the picture shown at `time_s` of a video (or the image itself).

    fit_px: side of the encoder's square input, as for `read_source`; None for the whole picture.
    Returns: uint8 (H, W, 3), upright RGB. Raises: FootageError if there is no picture.
    """
    _check_there(source)
    if is_image(source):
        data = read_bytes(source)
        return pixels.decode_to_fit(data, fit_px, source) if fit_px else pixels.decode(data, source)
    try:
        with Recording(source) as recording:
            return Converter(fit_px)(_shown(recording, source, time_s))
    except FFmpegError as error:
        raise _unreadable(source, error) from error


def _check_there(source: str) -> None:
    path = split_track(source)[0]
    check_regular(path)
    if not Path(path).is_file() and inside(source) is None:
        raise FootageError(f"{shown_url(source)}: no such file")


def _shown(recording: Recording, source: str, time_s: float) -> VideoFrame:
    shown = recording.at(round(time_s * 1_000_000))
    if shown is None:
        raise FootageError(f"{source}: no frame at {time_s:.3f} s")
    return shown


def _unreadable(source: str, error: FFmpegError) -> FootageError:
    return FootageError(f"{source}: not a readable video ({error.strerror})")
