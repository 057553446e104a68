"""Find out whether browsers can play a recording, and convert it if not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from lookalike.errors import FootageError
from lookalike.footage.container import is_known
from lookalike.footage.decode import recorded, timed, video_stream
from lookalike.footage.demux import demuxed, packets_of
from lookalike.footage.picture import AS_STORED, Converter, display_of, size_px
from lookalike.footage.playlist import is_playlist
from lookalike.footage.still import has_one_clock
from lookalike.footage.timeline import Timeline, has_no_timestamps
from lookalike.footage.tracks import film, open_named
from lookalike.proxy_encoders import SETTINGS, USUAL, ProxyEncoder

How = Literal["as it is", "rewrapped", "encoded"]
Progress = Callable[[float], None]  # called at every frame with the share that is done; an exception stops the work

# Source: MDN, "Web video codec guide" and "Media container formats".
CODECS = {"video/mp4": {"h264", "vp9", "av1"}, "video/webm": {"vp8", "vp9", "av1"}}
SOUND = {"aac", "mp3", "opus", "vorbis"}
MP4 = "video/mp4"
MP4_SOUND = {"aac", "mp3"}
PIXEL_FORMATS = {"yuv420p", "yuvj420p"}
EARLY_S = 0.01  # browsers differ in the time of a file that does not begin at zero
WIDEST_PX = 1280
MOST_FPS = 120  # that an encoder plans for; SVT-AV1 refuses more than 240, which AVI may state
TICK = Fraction(1, 90_000)
INDEX_FIRST = {"movflags": "+faststart"}


@dataclass(frozen=True)
class Playable:
    """How a browser plays a recording. how: the necessary conversion. media_type: of the result.

    offset_s: how far a browser's time is ahead of ours, which counts from the first frame; sound may begin earlier.
    fps: mean frames a second; None if not stated.
    """

    how: How
    media_type: str
    offset_s: float
    fps: float | None


def judge(path: str) -> Playable:
    """Find out how a browser plays a recording. Raises: FootageError if it is not a readable video."""
    try:
        with open_named(path) as container:
            stream = video_stream(container)
            fps = float(stream.average_rate) if stream.average_rate else None
            first, timeline = _begun(container, stream)
            began = _first_shown(container, timeline)
            kind = _media_type(container, path) if _is_alone(stream, container) and not is_playlist(path) else None
            copies = began is not None and not display_of(first).reflects  # players that rotate may not mirror
            if (
                began is not None
                and copies
                and kind
                and _plays(container, stream, kind)
                and has_one_clock(path, container, timeline)
            ):
                return Playable("as it is", kind, float(began), fps)
            rewraps = copies and _codec(stream) in CODECS[MP4] and stream.pix_fmt in PIXEL_FORMATS
            return Playable("rewrapped" if rewraps else "encoded", MP4, 0.0, fps)
    except FFmpegError as error:
        raise FootageError(f"{path}: not a readable video ({error.strerror})") from error


def choose_encoder(asked: ProxyEncoder | None) -> ProxyEncoder:
    """The encoder for proxies that was asked for, else the first that is there. Raises: FootageError without it."""
    there: list[ProxyEncoder] = [name for name in SETTINGS if name in av.codecs_available]
    if asked and asked not in there:
        raise FootageError(f"no encoder {asked} in this build of av, expected one of {', '.join(there) or 'none'}")
    return asked or (there[0] if there else USUAL)


def make_playable(path: str, out: Path, how: How, progress: Progress, encoder: ProxyEncoder = USUAL) -> None:
    """Write a recording as MP4, with its first frame at 0 s: rewrapped if possible, else encoded.

    encoder: for what cannot be rewrapped. Raises: FootageError if it cannot be read; OSError.
    """
    progress = _Rising(progress)
    try:
        if how == "rewrapped" and _rewrap(path, out, progress):
            return
        _encode(path, out, encoder, progress)
    except FFmpegError as error:
        raise FootageError(f"{path}: cannot be made playable ({error.strerror})") from error


class _Rising:
    """Progress that does not go back if rewrapping fails and encoding starts."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._most = progress, 0.0

    def __call__(self, share: float) -> None:
        self._most = max(self._most, share)
        self._progress(self._most)


def _codec(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if is_known(stream) else ""


def _is_alone(stream: VideoStream, container: InputContainer) -> bool:
    """Whether a browser has no other video track to choose; covers do not count, since they are stored apart."""
    others = (track for track in container.streams.video if track.index != stream.index)
    return all(track.disposition == Disposition.attached_pic for track in others)


def _media_type(container: InputContainer, path: str) -> str | None:
    if container.format.name.startswith("mov,"):
        return MP4
    with Path(path).open("rb") as file:  # WebM is Matroska that says so in its header
        return "video/webm" if container.format.name.startswith("matroska") and b"webm" in file.read(64) else None


def _plays(container: InputContainer, stream: VideoStream, kind: str) -> bool:
    return (
        _codec(stream) in CODECS[kind]
        and stream.pix_fmt in PIXEL_FORMATS
        and all(_codec(sound) in SOUND for sound in container.streams.audio)
        and abs(container.start_time or 0) <= EARLY_S * 1e6
    )


def _begun(container: InputContainer, stream: VideoStream) -> tuple[VideoFrame, Timeline]:
    """Decode the first frame. Raises: FootageError if no frame decodes."""
    timeline = Timeline(container, stream)
    first = next(timed(timeline, demuxed(container, stream), []), None)
    if first is None:
        raise FootageError(f"{container.name}: no frame could be decoded")
    return first[0], timeline


def _first_shown(container: InputContainer, timeline: Timeline) -> Fraction | None:
    """Return when the first frame is shown, seconds; None if frames have no times, or only decoding times."""
    if has_no_timestamps(container) or timeline.by_decoding_order or timeline.first is None:
        return None
    return timeline.first * timeline.tick


def _rewrap(path: str, out: Path, progress: Progress) -> bool:
    """Copy the packets to an MP4. Returns: whether this worked.

    It fails if frames have no display times, as in AVI, and if the clock restarts, where sound would have to be moved
    together with the pictures.
    """
    with open_named(path) as source:
        began = _first_shown(source, _begun(source, video_stream(source))[1])
    try:
        with open_named(path) as source, _mp4(out) as target:
            copies = _copied(source, target)
            timeline = Timeline(source, film(source))
            for packet in _from_key_frame(_on_timeline(packets_of(source, *copies), timeline)):
                copied = copies[packet.stream]
                if packet.pts is None or packet.dts is None or began is None or not timeline.plain:
                    return False
                late = round(began / packet.time_base)
                packet.pts, packet.dts = packet.pts - late, packet.dts - late
                if isinstance(packet.stream, AudioStream) and packet.pts < 0:
                    continue
                if isinstance(packet.stream, VideoStream):
                    progress(_share(float(packet.pts * packet.time_base) * 1e6, source))
                packet.stream = copied
                target.mux(packet)
        return True
    except (FFmpegError, ValueError):  # times that do not rise, or a stream that MP4 cannot hold
        return False


def _copied(source: InputContainer, target: OutputContainer) -> dict[Stream, Stream]:
    """Add the streams to keep to the target. Returns: the target's stream of each."""
    sounds = [sound for sound in source.streams.audio if _codec(sound) in MP4_SOUND]
    kept: list[Stream] = [film(source), *sounds[:1]]
    return {stream: target.add_stream_from_template(cast(VideoStream, stream)) for stream in kept}


def _on_timeline(packets: Iterable[Packet], timeline: Timeline) -> Iterator[Packet]:
    """Pass the packets of the pictures through a timeline."""
    for packet in packets:
        yield from timeline.packets((packet,)) if isinstance(packet.stream, VideoStream) else (packet,)


def _from_key_frame(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Yield the packets from the first key frame on. In Matroska, the first have no decoding times."""
    begun, undated = False, list[Packet]()
    for packet in packets:
        seen = isinstance(packet.stream, VideoStream)
        begun = begun or (seen and packet.is_keyframe)
        if not begun or packet.size == 0:
            continue
        if seen and packet.dts is None:
            undated.append(packet)
            continue
        if seen and packet.dts is not None:
            _date(undated, packet)
            yield from undated
            undated.clear()
        yield packet
    yield from undated


def _date(undated: list[Packet], following: Packet) -> None:
    """Set decoding times before the packet that follows, at the largest distance between pictures.

    With a smaller distance, Chromium shows later pictures instead of some.
    """
    shown = sorted(packet.pts for packet in (*undated, following) if packet.pts is not None)
    apart = max((later - earlier for earlier, later in pairwise(shown) if later > earlier), default=1)
    for before, packet in enumerate(reversed(undated), start=1):
        packet.dts = (following.dts or 0) - before * apart


def _encode(path: str, out: Path, encoder: ProxyEncoder, progress: Progress) -> None:
    with open_named(path) as source, _mp4(out) as target:
        rate = min(film(source).average_rate or 25, MOST_FPS)
        stream = target.add_stream(encoder, rate=rate, options=SETTINGS[encoder])
        last, prepare = -1, _Prepare()
        try:
            for frame, pts_us in recorded(source):
                pts = max(round(pts_us / 1_000_000 / TICK), last + 1)
                picture = prepare(frame)
                if last < 0:
                    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
                    stream.codec_context.time_base = TICK
                picture.pts, picture.time_base, picture.pict_type = pts, TICK, PictureType.NONE
                target.mux(stream.encode(picture))
                last = pts
                progress(_share(pts_us, source))
        except FootageError:
            if last < 0:
                raise  # else it is damaged or cut off, and the frames before can be played
        target.mux(stream.encode())


def _share(at_us: float, source: InputContainer) -> float:
    """Which part of a file lies before a time; 0 for a file that does not state its length."""
    return min(max(at_us / source.duration, 0.0), 1.0) if source.duration else 0.0


class _Prepare:
    """Converts decoded frames to upright ones of one size, for the encoder."""

    def __init__(self) -> None:
        self._reformat, self._rgb = VideoReformatter(), Converter()
        self._size: tuple[int, int] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        self._size = self._size or _fitting(*size_px(frame))
        turned = display_of(frame) != AS_STORED
        upright = VideoFrame.from_ndarray(np.ascontiguousarray(self._rgb(frame))) if turned else frame
        return self._reformat.reformat(upright, *self._size, "yuv420p")


def _fitting(width: int, height: int) -> tuple[int, int]:
    """Return a size no wider than WIDEST_PX, and even, since colours are subsampled by two."""
    share = min(WIDEST_PX / width, 1.0)
    return max(round(width * share / 2) * 2, 2), max(round(height * share / 2) * 2, 2)


def _mp4(out: Path) -> OutputContainer:
    return av.open(str(out), "w", format="mp4", options=INDEX_FIRST)
