"""A container -> its whole frames, each with its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from fractions import Fraction

from av.container import InputContainer
from av.error import InvalidDataError
from av.format import Flags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lookalike.errors import FootageError
from lookalike.footage.tracks import film


class Damaged(FootageError):
    """A recording that was read to its end has damage."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} damaged packets or frames left out; the rest was read")
        self.count = count


def video_stream(container: InputContainer, keyframes: bool = False) -> VideoStream:
    """The recording, decoded in threads. keyframes: nothing else. Raises: FootageError if there is none."""
    stream = film(container)
    stream.thread_type = "AUTO"
    if keyframes:
        stream.codec_context.skip_frame = "NONKEY"
    return stream


def decode(packets: Iterable[Packet], damaged: MutableSequence[int]) -> Iterator[VideoFrame]:
    """Yield the whole frames, packet by packet: a broken one loses its own frames, not the rest of the recording.

    packets: of one video stream. damaged: told the position of each that did not decode, or not to a whole frame.
    """
    for packet in packets:
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


def has_no_timestamps(container: InputContainer) -> bool:
    """Whether the format is nothing but frames (.h264, MJPEG)."""
    return bool(container.format.flags & Flags.no_timestamps.value)


def timed(
    frames: Iterable[VideoFrame], container: InputContainer, first: Fraction | None = None
) -> Iterator[tuple[VideoFrame, int]]:
    """Yield each frame with its microseconds since `first`, or since the first frame.

    Raw streams (.h264) carry no timestamps: only there the rate that they state counts.
    """
    stream, untimed = film(container), has_no_timestamps(container)
    for number, frame in enumerate(frames):
        if frame.pts is not None and frame.time_base is not None:
            shown = frame.pts * frame.time_base
        elif untimed and stream.guessed_rate:
            shown = number / stream.guessed_rate
        else:
            continue
        first = shown if first is None else first
        yield frame, round((shown - first) * 1_000_000)


def raise_if_truncated(container: InputContainer, stream: VideoStream, end_s: float) -> None:
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


def recorded(container: InputContainer, keyframes: bool = False) -> Iterator[tuple[VideoFrame, int]]:
    """Yield the whole frames of a recording with their microseconds since the first.

    Raises: FootageError after the last, if there was none, or the recording was cut off or has damage.
    """
    stream, end_us = video_stream(container, keyframes), -1
    damaged: list[int] = []
    for frame, pts_us in timed(decode(container.demux(stream), damaged), container):
        end_us = pts_us + round((frame.duration or 0) * (frame.time_base or 0) * 1_000_000)
        yield frame, pts_us
    if end_us < 0:
        raise FootageError("no frame could be decoded")
    if not keyframes:  # the last key frame may be long before the end
        raise_if_truncated(container, stream, end_us / 1e6)
    if damaged:
        raise Damaged(len(damaged))
