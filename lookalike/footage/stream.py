"""Read the frames of a network stream, across dropped connections: cameras restart, and networks stall."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.error import ExitError, FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lookalike.errors import FootageError
from lookalike.footage.container import FORMATS, MAX_PIXELS, bounded
from lookalike.footage.decode import Reading, recorded, timed, video_stream
from lookalike.footage.demux import packets_of
from lookalike.footage.timeline import Timeline, has_no_timestamps
from lookalike.footage.url import opened_url, scheme_of, shown_url

OPTIONS = {"rtsp_transport": "tcp", "allowed_media_types": "video"}
# Protocols that a stream may use, by scheme; never files. HTTP: HLS playlists name segments, keys (crypto) and data.
HTTP = "http,https,tcp,tls,httpproxy,crypto,data"
RTSP = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy"
RTMP = "rtmp,rtmps,rtmpt,rtmpts,rtmpe,rtmpte,ffrtmphttp,ffrtmpcrypt,tcp,tls,http,https"
PROTOCOLS = {"http": HTTP, "https": HTTP, "rtsp": RTSP, "rtsps": RTSP, "rtmp": RTMP, "srt": "srt,udp", "udp": "udp,rtp"}
STREAM_FORMATS = f"{FORMATS},hls,rtsp,aac,ac3,eac3,mp3,webvtt"  # HLS has separate segments for sound and captions


@dataclass(frozen=True)
class Patience:
    """Timeouts of a stream.

    stall_s: time without data, or without another frame, after which a connection is dropped.
    first_frame_s: the same for the first frame: many cameras send a key frame only now and then.
    first_wait_s: before the first attempt to reconnect; doubled before each further one, up to longest_wait_s.
    attempts: in a row without a frame, after which the stream ends.
    """

    stall_s: float = 10.0
    first_frame_s: float = 60.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    attempts: int = 20

    def wait_s(self, attempt: int) -> float:
        """Return the wait before an attempt, from 1. Half is random, so that cameras do not reconnect together."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1)


PATIENT = Patience()  # twenty attempts take about six minutes, and ten seconds more for each without a response


def stream_frames(
    url: str,
    keyframes: bool = False,
    on_reconnect: Callable[[str], None] = lambda message: None,
    reading: Reading | None = None,
    patience: Patience = PATIENT,
) -> Iterator[tuple[VideoFrame, int]]:
    """Yield every frame with its microseconds since the first; they rise, and continue by the clock after an outage.

    A stream that states its length or duration is a recording, and read once. Any other is live, and reconnected when
    it drops or stalls, if it gave a frame before.
    keyframes: decode only these. on_reconnect: called with a line before each attempt, and when frames arrive again.
    reading: filled with what is noticed. For a live stream damage is not counted, and `lead_us` stays 0.
    Raises: FootageError, FFmpegError if it cannot be read, or not to its end, or after too many attempts.
    """
    opened, last_us, live = time.monotonic(), -1, False
    outage, reading = _Outage(patience, on_reconnect), reading or Reading()
    while True:
        from_us = max(last_us + 1, _since_us(opened)) if live else 0
        try:
            with _connected(url, patience) as container:
                live = live or not _is_recording(container)
                how = (container, keyframes, reading)
                for frame, since_us in _live(*how, patience) if live else recorded(*how):
                    outage.over()
                    last_us = from_us + since_us
                    yield frame, last_us
            return
        except (FootageError, FFmpegError) as error:
            if last_us < 0 or not live:
                raise
            reason = (error.strerror or type(error).__name__) if isinstance(error, FFmpegError) else str(error)
        outage.wait(reason)


@contextmanager
def _connected(url: str, patience: Patience) -> Iterator[InputContainer]:
    """Connect to a stream. Raises: FootageError if no data arrives in time, or frames are too large; FFmpegError."""
    options = OPTIONS | MAX_PIXELS | {"protocol_whitelist": PROTOCOLS[scheme_of(url) or ""]}
    options |= {"format_whitelist": STREAM_FORMATS}
    try:
        with av.open(opened_url(url), options=options, timeout=patience.stall_s) as container:
            yield bounded(container, shown_url(url))
    except ExitError as error:
        raise FootageError(f"no data for {patience.stall_s:g} s") from error


class _Outage:
    """The time from when frames stop until they arrive again."""

    def __init__(self, patience: Patience, on_reconnect: Callable[[str], None]) -> None:
        self._patience, self._on_reconnect = patience, on_reconnect
        self._attempts, self._since = 0, 0.0

    def wait(self, reason: str) -> None:
        """Wait until the next attempt. Raises: FootageError after too many attempts."""
        attempts = self._patience.attempts
        if self._attempts == 0:
            self._since = time.monotonic()
        elif self._attempts == attempts:
            spent_s = time.monotonic() - self._since
            raise FootageError(f"{reason}; {attempts} attempts in {spent_s:.0f} s brought no frame")
        self._attempts += 1
        wait_s = self._patience.wait_s(self._attempts)
        self._on_reconnect(f"{reason}; connecting again in {wait_s:.1f} s, attempt {self._attempts} of {attempts}")
        time.sleep(wait_s)

    def over(self) -> None:
        if self._attempts:
            self._on_reconnect(f"frames again after {time.monotonic() - self._since:.1f} s")
            self._attempts = 0


class _Watchdog:
    """Measures the time since the last frame, or since the start."""

    def __init__(self, patience: Patience) -> None:
        self._since, self._limit_s, self._stall_s = time.monotonic(), patience.first_frame_s, patience.stall_s

    def fed(self) -> None:
        self._since, self._limit_s = time.monotonic(), self._stall_s

    def check(self) -> None:
        """Check the time. Raises: FootageError if it is too long."""
        if time.monotonic() - self._since > self._limit_s:
            raise FootageError(f"no frame for {self._limit_s:g} s")


def _is_recording(container: InputContainer) -> bool:
    """Whether a stream has an end. HLS always states a size, but a duration only if the stream has an end."""
    return container.duration is not None or (container.size > 0 and container.format.name != "hls")


def _live(
    container: InputContainer, keyframes: bool, reading: Reading, patience: Patience
) -> Iterator[tuple[VideoFrame, int]]:
    """Yield the frames of one connection, with rising microseconds since its first, even if its clock restarts.

    Raises: FootageError, FFmpegError when it ends.
    """
    stream, watchdog, before = video_stream(container, keyframes), _Watchdog(patience), reading.clock_restarts
    timeline, packets = Timeline(container, stream, keyframes=keyframes), _packets(container, stream, watchdog)
    frames = timed(timeline, _feeding(packets, watchdog) if keyframes else packets, deque(maxlen=0), keyframes)
    for frame, since_us in _arrived(frames) if has_no_timestamps(container) else frames:
        reading.clock_restarts = before + timeline.restarts
        yield frame, since_us
        watchdog.fed()  # after the yield, since the caller's time is not the camera's delay
    raise FootageError("the connection was closed")


def _packets(container: InputContainer, stream: VideoStream, watchdog: _Watchdog) -> Iterator[Packet]:
    """Yield the stream's packets; packets of sound do not hide that there are no pictures.

    Raises: FootageError, FFmpegError when they stop, after the decoder was flushed.
    """
    try:
        for packet in packets_of(container):
            if packet.stream.index == stream.index:
                yield packet
            watchdog.check()
    except (FootageError, FFmpegError):
        last = Packet()
        last.stream = stream
        yield last
        raise


def _feeding(packets: Iterable[Packet], watchdog: _Watchdog) -> Iterator[Packet]:
    """Feed the watchdog with every packet: key frames may be far apart."""
    for packet in packets:
        watchdog.fed()
        yield packet


def _arrived(frames: Iterable[tuple[VideoFrame, int]]) -> Iterator[tuple[VideoFrame, int]]:
    """Yield frames with times of arrival, for cameras that send pictures without times (MJPEG)."""
    first, last_us = 0.0, -1
    for frame, _ in frames:
        first = time.monotonic() if last_us < 0 else first
        last_us = max(_since_us(first), last_us + 1)
        yield frame, last_us


def _since_us(moment: float) -> int:
    return round((time.monotonic() - moment) * 1_000_000)
