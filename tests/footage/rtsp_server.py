"""A camera on loopback that can misbehave: RTSP (RFC 2326), with H.264 in RTP interleaved in the same connection.

FFmpeg's own RTP muxer makes the packets (RFC 6184), so that only the talk about them is written here.
"""

from __future__ import annotations

import base64
import select
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
from av.video.stream import VideoStream

MAX_PACKET_BYTES = 1400
RTCP = range(200, 208)  # the second byte of what is no picture (RFC 3550)


@dataclass(frozen=True)
class Visit:
    """What one who plays the stream gets: so many frames of the clip, None for all of them, and then what happens.

    drop: the connection is closed. stall: it stays open and nothing more comes. refuse: DESCRIBE is answered with 503.
    """

    then: Literal["drop", "stall", "refuse"]
    frames: int | None = None


class RtspServer(socketserver.ThreadingTCPServer):
    """Each visit plays the clip from its start; the last of `visits` is what all who come later get.

    speed: how many times real time. length_s: stated to clients, as a recorder does and a camera does not.
    played: how many visits were answered with frames. gone: how many of all connections are over.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, clip: Path, visits: Iterable[Visit], speed: float, length_s: float | None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.clip, self.speed, self.length_s = clip, speed, length_s
        self.played, self.came, self.gone = 0, 0, 0
        self._visits = list(visits)
        self._counting = threading.Lock()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.server_address[1]}/gate"

    def next_visit(self) -> Visit:
        with self._counting:
            self.came += 1
            return self._visits.pop(0) if len(self._visits) > 1 else self._visits[0]

    def count(self, name: Literal["played", "gone"]) -> None:
        with self._counting:
            setattr(self, name, getattr(self, name) + 1)


@contextmanager
def rtsp_server(clip: Path, *visits: Visit, speed: float = 1.0, length_s: float | None = None) -> Iterator[RtspServer]:
    server = RtspServer(clip, visits, speed, length_s)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Connection(socketserver.StreamRequestHandler):
    server: RtspServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        visit = self.server.next_visit()
        try:
            while request := self._read_request():
                method, sequence = request
                if visit.then == "refuse":
                    self._answer(sequence, status="503 Service Unavailable")
                    return
                self._answer(sequence, *self._headers(method), body=self._sdp() if method == "DESCRIBE" else "")
                if method == "TEARDOWN":
                    return
                if method == "PLAY":
                    self.server.count("played")
                    return self._play(visit)
        except OSError:
            return  # the client has gone
        finally:
            self.server.count("gone")

    def _read_request(self) -> tuple[str, str] | None:
        """Method and CSeq; None if the client has gone."""
        lines = []
        while (line := self.rfile.readline().decode().strip()) or not lines:
            if not line:
                return None
            lines.append(line)
        fields = dict(one.split(": ", 1) for one in lines[1:])
        return lines[0].split()[0], fields["CSeq"]

    def _answer(self, sequence: str, *headers: str, status: str = "200 OK", body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {sequence}", *headers]
        lines += [f"Content-Length: {len(body)}"] if body else []
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _headers(self, method: str) -> list[str]:
        return {
            "OPTIONS": ["Public: DESCRIBE, SETUP, PLAY, TEARDOWN"],
            "DESCRIBE": ["Content-Type: application/sdp", f"Content-Base: {self.server.url}/"],
            "SETUP": ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"],
        }.get(method, ["Session: 1"])

    def _sdp(self) -> str:
        with av.open(str(self.server.clip)) as container:
            sets = [base64.b64encode(one).decode() for one in _parameter_sets(container.streams.video[0])]
        until = f"0-{self.server.length_s}" if self.server.length_s else "now-"
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=clip", "c=IN IP4 0.0.0.0", "t=0 0", f"a=range:npt={until}"]
        lines += ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=control:trackID=0"]
        lines += [f"a=fmtp:96 packetization-mode=1; sprop-parameter-sets={','.join(sets)}"]
        return "\r\n".join(lines) + "\r\n"

    def _play(self, visit: Visit) -> None:
        for packets in _paced(self.server.clip, visit.frames, self.server.speed):
            if self._has_left(0):
                return
            for packet in packets:
                channel = 1 if packet[1] in RTCP else 0
                self.wfile.write(bytes([ord("$"), channel]) + len(packet).to_bytes(2) + packet)
        if visit.then == "stall":
            while not self._has_left(0.1):
                continue

    def _has_left(self, wait_s: float) -> bool:
        """Whether the client asked to stop, or closed the connection; else it only reports what it received."""
        if not select.select([self.connection], [], [], wait_s)[0]:
            return False
        heard = self.connection.recv(65536)
        return not heard or b"TEARDOWN" in heard


def _paced(clip: Path, count: int | None, speed: float) -> Iterator[list[bytes]]:
    """The RTP packets of each frame, when it is due."""
    written: list[bytes] = []
    started = time.monotonic()
    with av.open(str(clip)) as container, av.open(_Written(written), "w", "rtp", buffer_size=MAX_PACKET_BYTES) as rtp:
        stream = container.streams.video[0]
        out = rtp.add_stream_from_template(stream)
        for number, packet in enumerate(container.demux(stream)):
            if number == count or packet.dts is None:
                return
            due_s = float((packet.dts - (stream.start_time or 0)) * packet.time_base) / speed
            time.sleep(max(0.0, started + due_s - time.monotonic()))
            packet.stream = out
            rtp.mux(packet)
            yield written.copy()
            written.clear()


class _Written:
    """A file that takes each packet as one write. Has no `close`: what is muxed at the end is not for the client."""

    def __init__(self, packets: list[bytes]) -> None:
        self._packets = packets

    def write(self, data: bytes) -> int:
        self._packets.append(bytes(data))
        return len(data)


def _parameter_sets(stream: VideoStream) -> list[bytes]:
    """SPS and PPS, from the avcC box that MP4 and Matroska keep them in (ISO 14496-15)."""
    data = stream.codec_context.extradata
    assert data is not None
    sets, at = [], 5
    for mask in (0x1F, 0xFF):
        count, at = data[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2])
            sets.append(data[at + 2 : at + 2 + size])
            at += 2 + size
    return sets


def wait_until(condition: Callable[[], bool], deadline_s: float = 20.0) -> None:
    """Raises: TimeoutError if it does not come true in time."""
    until = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.01)
