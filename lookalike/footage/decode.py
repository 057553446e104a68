"""Decode a container to its undamaged frames, each with its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field
from itertools import chain, dropwhile, islice

from av.container import InputContainer
from av.error import InvalidDataError, PatchWelcomeError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lookalike.errors import FootageError
from lookalike.footage.demux import Extent, begins_anew, broken, demuxed, unread
from lookalike.footage.timeline import TIMELESS, UNORDERED, Timeline
from lookalike.footage.tracks import film

LONGEST_LEAD_US = 24 * 3_600_000_000  # from a container's start to its first frame; more is an error of the start
SHORTEST_REPORTED_S = 0.05
UNDECODABLE = (InvalidDataError, PatchWelcomeError)
WHOLE_DURATION = ("matroska", "flv")
FIRST_PACKETS = 64  # of which some have no time, if any has none
MOST_HIDDEN = 4096  # packets to look for the first frame that an edit list does not hide


@dataclass
class Reading:
    """What was noticed while a video was read.

    damaged: positions of packets that did not decode, or not to a whole frame. torn: positions where the file breaks
    the rules of its format, which decoders may not notice. clock_restarts: how often its clock restarted or was set
    back. lead_us: from the container's start to its first frame.
    """

    damaged: list[int] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    clock_restarts: int = 0
    lead_us: int = 0


def video_stream(container: InputContainer, keyframes: bool = False) -> VideoStream:
    """Return the stream of the recording, decoded in threads. keyframes: decode only these.

    Raises: FootageError if there is no such stream.
    """
    stream = film(container)
    stream.thread_type = "SLICE" if begins_anew(container) else "AUTO"  # see demux._kept
    if keyframes:
        stream.codec_context.skip_frame = "NONKEY"
    return stream


def decode(packets: Iterable[Packet], damaged: MutableSequence[int]) -> Iterator[VideoFrame]:
    """Yield the frames, packet by packet: a broken packet loses its own frames, not the rest of the recording.

    Damaged frames are included, since they take time as well; `timed` leaves them out.
    packets: of one video stream. damaged: the position of each packet that did not decode to a whole frame is appended.
    """
    for packet in packets:
        if packet.size == 0 and packet.pts is not None:
            continue  # Theora repeats a frame this way; the decoder would take it for the end
        try:
            for frame in packet.decode():
                if frame.is_corrupt:
                    damaged.append(packet.pos or 0)
                yield frame
        except UNDECODABLE:
            damaged.append(packet.pos or 0)


def decode_keys(packets: Iterable[Packet], damaged: MutableSequence[int]) -> Iterator[VideoFrame]:
    """Yield all key frames in order; otherwise as `decode`. The stream decodes key frames only.

    A decoder that reorders frames holds key frames back and loses some: it is flushed after each.
    """
    for packet in packets:
        codec = packet.stream.codec_context
        if not codec.has_b_frames:
            yield from decode((packet,), damaged)
        elif packet.is_keyframe and packet.size:
            try:
                for frame in (*codec.decode(packet), *codec.decode(None)):
                    if frame.is_corrupt:
                        damaged.append(packet.pos or 0)
                    yield frame
            except UNDECODABLE:
                damaged.append(packet.pos or 0)
            codec.flush_buffers()


def stands_alone(packets: Sequence[Packet], stream: VideoStream) -> bool:
    """Whether key frames state when they are shown, so that the frames between need not be decoded.

    packets: the first of the stream.
    """
    if packets and packets[-1].is_discard:  # which frame is the first one is not known
        return False
    if not stream.codec_context.has_b_frames:
        return True
    stated = [packet.pts for packet in packets if packet.size]
    ordered = stream.codec_context.name not in UNORDERED and _is_reordered(packets)
    return None not in stated and (stream.container.format.name != TIMELESS or ordered)


def _is_reordered(packets: Sequence[Packet]) -> bool:
    ahead = {packet.pts - packet.dts for packet in packets if packet.pts is not None and packet.dts is not None}
    return len(ahead) > 1


def timed(
    timeline: Timeline, packets: Iterable[Packet], damaged: MutableSequence[int], keyframes: bool = False
) -> Iterator[tuple[VideoFrame, int]]:
    """Yield the undamaged frames with their microseconds since the first. damaged, keyframes: as for `decode`."""
    decoded = (decode_keys if keyframes else decode)(timeline.packets(packets), damaged)
    # Before a key frame some decoders invent pictures.
    for frame in dropwhile(lambda frame: timeline.makes_up and not frame.key_frame, decoded):
        time_us = timeline.time_us(frame)
        if time_us is not None and not frame.is_corrupt:
            yield frame, time_us


def _beginning(packets: Iterator[Packet]) -> list[Packet]:
    """Return the first packets, enough that some are shown: an edit list may hide the first ones."""
    begin = list(islice(packets, FIRST_PACKETS))
    while begin and begin[-1].is_discard and len(begin) < MOST_HIDDEN:
        begin += islice(packets, FIRST_PACKETS)
    return begin


def _first_shown(begin: Sequence[Packet]) -> int | None:
    """Return when the first frame is shown, ticks, if an edit list hides others before it; else None."""
    decoded = list(dropwhile(lambda packet: not packet.is_keyframe, begin))
    shown = [packet.pts for packet in decoded if packet.pts is not None and not packet.is_discard]
    return min(shown) if shown and any(packet.is_discard for packet in decoded) else None


def _truncated(container: InputContainer, stream: VideoStream, end_s: float) -> list[str]:
    """Report a recording that ends well before its header says. end_s: since the stream's start."""
    if stream.duration is not None and stream.time_base is not None:
        stated_s = float(stream.duration * stream.time_base)
    elif container.format.name.startswith(WHOLE_DURATION) and container.duration and len(container.streams) == 1:
        # These state only the duration of the whole file, counted from zero; with sound it may not be the pictures'.
        stated_s = (container.duration - (container.start_time or 0)) / 1e6
    else:
        return []
    if stated_s - end_s > max(1.0, 0.02 * stated_s):
        return [f"ends at {end_s:.1f} s of the {stated_s:.1f} s that its header states"]
    return []


def recorded(
    container: InputContainer, keyframes: bool = False, reading: Reading | None = None
) -> Iterator[tuple[VideoFrame, int]]:
    """Yield the undamaged frames of a recording with their microseconds since the first.

    reading: filled with what is noticed; its `lead_us` before the first frame is yielded.
    Raises: FootageError after the last frame, if there was no frame, the beginning or end is missing, or there is
    damage.
    """
    reading, stream, last, extent = reading or Reading(), video_stream(container, keyframes), None, Extent()
    packets = demuxed(container, stream, extent)
    begin = _beginning(packets) if keyframes else []
    alone = keyframes and stands_alone(begin, stream)
    if not alone:
        stream.codec_context.skip_frame = "DEFAULT"
    timeline = Timeline(container, stream, _first_shown(begin) if alone else None, keyframes=alone)
    missing_s = end_s = 0.0
    try:
        for frame, pts_us in timed(timeline, chain(begin, packets), reading.damaged, alone):
            if keyframes and not frame.key_frame:
                continue
            if last is None:
                missing_s = timeline.missing_s
                reading.lead_us = _lead_us(container, timeline)
            last, end_s = frame, pts_us / 1e6
            yield frame, pts_us
    finally:
        reading.clock_restarts = timeline.restarts
    if last is None:
        raise FootageError("no frame could be decoded")
    faults = [f"the first {missing_s:.1f} s have no key frame"] if missing_s >= SHORTEST_REPORTED_S else []
    if not keyframes and not timeline.restarts:  # the last key frame may be long before the end
        end_s += float((last.duration or 0) * (last.time_base or 0))
        faults += _truncated(container, stream, missing_s + end_s)
    if not faults and (rest := unread(container, extent)):
        faults.append(rest)
    reading.torn += [at for at in broken(container, stream, extent) if not faults or at < extent.end]
    if reading.torn:
        places = f"{len(reading.torn)} place(s), the first at byte {min(reading.torn):,}"
        faults.append(f"bytes are missing or damaged in {places}: frames there are damaged or missing")
    if reading.damaged:
        faults.append(f"{len(reading.damaged)} damaged packets or frames left out; the rest was read")
    if faults:
        raise FootageError("; ".join(faults))


def _lead_us(container: InputContainer, timeline: Timeline) -> int:
    """Return the microseconds from the container's start to its first frame.

    Pictures may begin after the sound, or without a key frame.
    """
    if timeline.first is None or container.start_time is None or container.format.name == TIMELESS:
        return round(timeline.missing_s * 1e6)
    lead_us = round(timeline.first * timeline.tick * 1_000_000) - container.start_time
    return lead_us if 0 <= lead_us < LONGEST_LEAD_US else round(timeline.missing_s * 1e6)
