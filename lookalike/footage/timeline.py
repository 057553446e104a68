"""Give the decoded frames of one video their times: microseconds that rise strictly. No other module does this.

Containers state times that restart, wrap, are equal, or are missing. No frame is left out for that.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# Bits of the counters that wrap. libavformat corrects only one wrap, and only in some formats.
# Source: libavformat, avpriv_set_pts_info of each demuxer; wrap_timestamp.
COUNTER_BITS = {"mpegts": 33, "mpeg": 33, "flv": 32, "live_flv": 32, "asf": 32}
DISORDER_S, DISORDER_FRAMES = 0.25, 4  # a smaller step back of a decoding time is disorder, not a restart
USUAL_FPS, HIGHEST_FPS = 25, 240  # a higher stated rate is the ticks of a clock
RECENT = 9
SHARES_TIMES = "mpeg"  # a packet holds several frames; the last frame before it may get its time, too
GUESSES_DTS = "matroska"  # has no decoding times; those that libavformat derives are wrong after a restart
TIMELESS = "avi"  # counts packets in decoding order, and does not state the display order
UNORDERED = frozenset(("h264", "hevc"))  # codecs whose display order libavformat cannot derive from the packets
# In DHAV, libavformat takes a counter that is set back within a second for a wrap of 16 bits. Source: dhav.c, get_pts.
SECONDS, COUNTED_ON_MS = "dhav", 65_535


class Timeline:
    """The times of one reading of a stream, from its start, or after a seek in a recording whose clock never restarts.

    Pass the packets through `packets` before they are decoded, then each decoded frame to `time_us`, in order.

    tick: seconds. restarts: how often the clock restarted or was set back; times continue there.
    plain: whether a frame's time is its stated time minus the first stated time, so that a seek finds it.
    has_untimed: whether a packet stated no time.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, first: int | None = None, keyframes: bool = False
    ) -> None:
        """first: after a seek, the ticks that the recording's first frame states; else None.

        keyframes: only key frames will be decoded, although all packets are passed.
        """
        self.tick = stream.time_base or Fraction(1, 1_000_000)
        self._period = 1 << COUNTER_BITS[container.format.name] if container.format.name in COUNTER_BITS else 0
        self._furthest = self._period // 2 or 1 << 63
        self._apart = 1 / (_stated_fps(container, stream) * self.tick)  # ticks
        self.restarts, self.plain, self.has_untimed = 0, True, False
        self._begins: int | None = None  # ticks, of the first packet that states a time
        self._whole: bool | None = None  # whether the first packet holds a key frame
        self._guesses_dts = container.format.name.startswith(GUESSES_DTS)
        self._shares_times = container.format.name == SHARES_TIMES
        self._after_key = False
        self._may_make_up = stream.codec_context.name != "h264"
        # Of packets, ticks
        self._shift, self._untimed = 0, 0
        self._dts: int | None = None
        self._guess = False  # whether `_dts` is the display time of a key frame
        self._end: int | None = None  # the latest at which any is shown
        self._recent: deque[int] = deque(maxlen=RECENT)
        # Of frames, ticks
        self._first: int | Fraction | None = first
        self._anchor: int | Fraction | None = None  # the last frame with a time
        self._since = 0  # number of frames without a time after it
        self._border: int | None = None  # frames shown from then on follow a restart
        self._slip = Fraction(0)  # how late frames are after some without times
        self._floating = False
        self._observed = deque(
            [self._apart], maxlen=5
        )  # ticks from frame to frame: stated, and measured between stated times
        self._last_us = -1 if first is None else None
        timeless, codec = container.format.name == TIMELESS, stream.codec_context
        reorders = timeless and codec.has_b_frames and not keyframes
        self._order = _DecodingOrder(codec.name in UNORDERED) if reorders else None
        self._in_order = timeless and codec.name in UNORDERED and not codec.has_b_frames
        self._seconds = _Seconds() if container.format.name == SECONDS else None
        self._keyframes = keyframes

    @property
    def by_decoding_order(self) -> bool:
        """Whether times follow the decoding order, which a seek would lose."""
        return self._order is not None

    @property
    def first(self) -> int | None:
        """Ticks that the first frame states; None if it states none."""
        return self._first if isinstance(self._first, int) and not self._floating else None

    @property
    def missing_s(self) -> float:
        """How much of the beginning has no key frame and cannot be decoded; known after the first frame."""
        if self._whole or self._begins is None or not isinstance(self._first, int):
            return 0.0
        return max(float((self._first - self._begins) * self.tick), 0.0)

    @property
    def makes_up(self) -> bool:
        """Whether the decoder may show invented pictures before the first key frame."""
        return self._may_make_up and not self._whole

    def packets(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Yield the packets with times on one clock. Decoding times rise, so a step back is a restart."""
        for packet in self._without_doubles(packets) if self._shares_times else packets:
            if self._in_order and packet.dts is not None:
                packet.pts = packet.dts
            if self._seconds:
                self._seconds.mend(packet)
            dts, pts = packet.dts, packet.pts
            if self._whole is None:
                self._whole = packet.is_keyframe
            decoded = pts if dts is None and packet.is_keyframe else dts
            if decoded is not None and pts is not None and not 0 <= pts - decoded <= self._furthest:
                decoded = pts  # no packet is decoded after it is shown: guessed from packets before a restart
            if decoded is not None:
                self._see(packet, decoded)
            elif pts is None and packet.size:
                self._count_untimed(packet)
            self._after_key = packet.is_keyframe
            if pts is not None:
                self._end = pts + self._shift if self._end is None else max(self._end, pts + self._shift)
                if self._order and not self._order.fed(packet, self._shift):
                    self._order = None
            if self._shift and pts is not None:
                packet.pts = pts + self._shift
            if self._shift and dts is not None:
                packet.dts = dts + self._shift
            yield packet

    def _without_doubles(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Keep a time that several packets state only for the last of them, where a PES packet begins."""
        held: Packet | None = None
        for packet in packets:
            if held is not None:
                if held.pts is not None and held.pts == packet.pts:
                    held.pts = held.dts = None
                yield held
            held = packet
        if held is not None:
            yield held

    def _see(self, packet: Packet, dts: int) -> None:
        """Follow the clock. dts: when the packet is decoded; for a key frame without that, when it is shown."""
        if self._dts is None or (self._guess and packet.dts is not None):
            if self._keyframes and self._untimed:
                self._shift = round(self._untimed * self._apart) - dts
            if self._begins is None:
                self._begins = dts if packet.pts is None or self._order else packet.pts
            self._dts, self._guess, self._untimed = dts + self._shift, packet.dts is None, 0
            return
        if packet.is_keyframe and packet.pts is not None and self._end is not None:
            self._begin_group(packet)
            self._dts = dts + self._shift
        elif not 0 < dts + self._shift - self._dts <= self._furthest:
            self._mend(dts)
        if packet.dts is not None or self._guess:
            self._dts = max(dts + self._shift, self._dts)
            self._recent.append(self._dts)
        self._untimed = 0

    def _step(self, ticks: int, last: int) -> int:
        """Return the step from the last ticks to unshifted ticks; the counter may have wrapped in between."""
        step = ticks + self._shift - last
        return (step + self._furthest) % self._period - self._furthest if self._period else step

    def _begin_group(self, packet: Packet) -> None:
        """Detect a restart at a key frame, which is shown after all frames that were decoded before it."""
        pts, end = packet.pts or 0, self._end or 0
        if 0 < pts + self._shift - end <= self._furthest:
            return
        step, apart = self._step(pts, end), self._spacing()
        first = -1 if self._untimed else apart // 2
        allowed = self._disorder(apart) if self._after_key else first  # streams of key frames alone may be in disorder
        if step >= -allowed:
            self._move(end + step - pts)
        else:
            self._restart(end + round(self._untimed * self._apart) + apart, pts)

    def _disorder(self, apart: int) -> int:
        if self._seconds:  # frames are in order, only the counter within a second is inexact
            return max(2 * apart, round(0.1 / self.tick))
        return max(DISORDER_FRAMES * apart, round(DISORDER_S / self.tick))

    def _mend(self, dts: int) -> None:
        """Continue the clock at a packet whose decoding time is not after the one before."""
        last, apart = self._dts or 0, self._spacing()
        step = self._step(dts, last)
        if self._guesses_dts or step >= -self._disorder(apart):
            self._move(last + step - dts)
        else:
            self._restart(last + round(self._untimed * self._apart) + apart, dts)

    def _move(self, shift: int) -> None:
        self._shift, self.plain = shift, self.plain and shift == 0

    def _restart(self, ticks: int, stated: int) -> None:
        """Continue after a restart. ticks: the time of the packet. stated: the time that it states."""
        self.restarts += 1
        self.plain, self._shift, self._border = False, ticks - stated, ticks
        self._recent.clear()

    def _count_untimed(self, packet: Packet) -> None:
        """Count a packet without a time. For key frames alone, the frames between them are counted only here."""
        self._untimed, self.plain, self.has_untimed = self._untimed + 1, False, True
        if self._keyframes and packet.is_keyframe:
            packet.pts = round((self._untimed - (self._dts is None)) * self._apart) + (self._dts or 0)

    def _spacing(self) -> int:
        """Return the ticks from packet to packet."""
        steps = [later - earlier for earlier, later in pairwise(self._recent) if later > earlier]
        if self._untimed or len(steps) < RECENT // 2:
            return max(round(self._apart), 1)
        return round(statistics.median_low(steps))

    def time_us(self, frame: VideoFrame) -> int | None:
        """Return the microseconds from the first frame to this one, strictly more than for the previous frame.

        None after a seek, until a frame states its time.
        """
        ticks = self._order.shown(frame) if self._order else frame.pts
        if ticks is None:
            if self._anchor is None and self._first is not None:
                return None
            ticks = self._guessed()
        else:
            ticks = self._anchored(ticks)
        since_us = _in_us(ticks - (self._first or 0), self.tick)
        if self._last_us is not None and since_us <= self._last_us:
            since_us = self._last_us + 1
        self._last_us = since_us
        return since_us

    def _anchored(self, ticks: int) -> int | Fraction:
        if self._floating:
            self._first, self._floating = ticks - (self._since + 1) * self._between(), False
        if self._since and self._anchor is not None:
            if self._border is not None and ticks >= self._border:
                self._slip = max(self._anchor + (self._since + 1) * self._between() - ticks, Fraction(0))
                self._border = None
            elif ticks + self._slip > self._anchor and self._border is None:
                self._observed.append((ticks + self._slip - self._anchor) / (self._since + 1))
        self._first = ticks if self._first is None else self._first
        self._anchor, self._since = ticks + self._slip if self._slip else ticks, 0
        return self._anchor

    def _guessed(self) -> Fraction:
        """Return the ticks of a frame without a time: one frame distance after the previous frame."""
        self.plain = False
        if self._anchor is None:
            self._first = self._anchor = 0
            self._floating = True
            return Fraction(0)
        self._since += 1
        return self._anchor + self._since * self._between()

    def _between(self) -> Fraction:
        """Return the ticks from frame to frame: the median, since measured distances may include gaps."""
        return statistics.median_low(self._observed)


class _Seconds:
    """Times of a format that states whole seconds, and counts milliseconds within each second."""

    def __init__(self) -> None:
        self._last: int | None = None  # milliseconds, as stated
        self._ahead = 0  # how far times are ahead, until the next second

    def mend(self, packet: Packet) -> None:
        """Undo libavformat's correction where the counter was set back; a new second begins at a whole second."""
        if packet.pts is None:
            return
        stated, step = packet.pts, 0 if self._last is None else packet.pts - self._last
        if COUNTED_ON_MS - 1000 <= step <= COUNTED_ON_MS and stated % 1000:
            self._ahead += COUNTED_ON_MS
        elif step < 0 or not stated % 1000:
            self._ahead = 0
        self._last = stated
        packet.pts = packet.dts = stated - self._ahead


class _DecodingOrder:
    """Times of frames whose packets state only decoding times: frames take these in display order."""

    def __init__(self, unordered: bool) -> None:
        """unordered: whether the display times of packets are invented."""
        self._unordered = unordered
        self._ahead: int | None = None  # stated display time minus decoding time, the same for all packets
        self._times: deque[int] = deque()  # of packets whose frames have not been shown yet
        self._held: int | None = None  # number of packets that the decoder takes before it shows a frame

    def fed(self, packet: Packet, shift: int) -> bool:
        """Take the next packet. Returns: whether the packets still do not state their display order."""
        if packet.pts is None or packet.dts is None:
            return packet.size == 0
        if self._ahead is None:
            self._ahead = packet.pts - packet.dts
        self._times.append(packet.dts + shift)
        return self._unordered or packet.pts - packet.dts == self._ahead

    def shown(self, frame: VideoFrame) -> int | None:
        """Return the ticks of the next frame; None if unknown. Frames that the decoder left out leave a gap."""
        if self._held is None and frame.pts is not None:
            self._drop_before(frame.pts - (self._ahead or 0))
            self._held = self._place(frame.dts)
        elif self._held is not None and (place := self._place(frame.dts)) is not None:
            for _ in range(place - self._held):
                self._times.popleft()
        return self._times.popleft() if self._times else None

    def _drop_before(self, ticks: int) -> None:
        while self._times and self._times[0] < ticks:
            self._times.popleft()

    def _place(self, dts: int | None) -> int | None:
        return self._times.index(dts) if dts is not None and dts in self._times else None


def _stated_fps(container: InputContainer, stream: VideoStream) -> Fraction | int:
    """Return the stated frame rate: that of the codec if packets have times, since counted rates may be wrong then."""
    counted = (stream.guessed_rate, stream.average_rate)
    rates = counted if has_no_timestamps(container) else (stream.codec_context.framerate, *reversed(counted))
    return next((rate for rate in rates if rate and rate <= HIGHEST_FPS), USUAL_FPS)


def has_no_timestamps(container: InputContainer) -> bool:
    """Whether the format is only frames, without times (.h264, MJPEG)."""
    return bool(container.format.flags & Flags.no_timestamps.value)


def _in_us(ticks: int | Fraction, tick: Fraction) -> int:
    """Convert ticks to microseconds, rounded half to even, as in stored ids."""
    if isinstance(ticks, Fraction):
        return round(ticks * tick * 1_000_000)
    whole, rest = divmod(ticks * tick.numerator * 1_000_000, tick.denominator)
    double = 2 * rest - tick.denominator
    return whole + (double > 0 or (double == 0 and whole % 2 == 1))
