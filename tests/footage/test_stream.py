"""Streams that drop, stall, are refused and come again, from real servers on loopback."""

from __future__ import annotations

import http.server
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import Ended, Frame, find_sources, read_source
from lookalike.footage.decode import Reading
from lookalike.footage.stream import Patience, stream_frames
from tests.clips import number_of, picture, write_clip
from tests.footage.rtsp_server import Visit, rtsp_server, wait_until

FRAMES = 50  # two seconds
HELD = 2  # so many frames are lost with a connection that breaks: FFmpeg waits for what shows where they end
QUICK = Patience(stall_s=2, first_frame_s=2, first_wait_s=0.05, longest_wait_s=0.2, attempts=3)
CAMERA = {"bf": "0", "g": "10", "sc_threshold": "0"}  # as cameras encode: no frame refers to a later one


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream") / "gate.mp4"
    return write_clip(path, range(0, 40 * FRAMES, 40), codec_options=CAMERA)


def taken(frames: Iterator[tuple[VideoFrame, int]], count: int | None = None) -> tuple[list[int], list[int]]:
    """Which pictures so many frames show, and their microseconds."""
    found = [(number_of(frame.to_ndarray(format="rgb24")), pts_us) for frame, pts_us in itertools.islice(frames, count)]
    return [number for number, _ in found], [pts_us for _, pts_us in found]


def visits(numbers: list[int]) -> list[list[int]]:
    """Cut where a clip begins anew."""
    cuts = [at for at in range(1, len(numbers)) if numbers[at] < numbers[at - 1]]
    return [numbers[since:until] for since, until in itertools.pairwise([0, *cuts, len(numbers)])]


# FFmpeg gives the first frame of an RTSP connection no time; it is shown as long before the next as frames are apart.


def test_a_recording_over_rtsp_comes_through_with_its_times(clip):
    with rtsp_server(clip, Visit("drop"), speed=20, length_s=2) as server:
        numbers, times_us = taken(stream_frames(server.url, patience=QUICK))
        assert server.played == 1
    assert numbers == list(range(FRAMES))
    assert times_us == list(range(0, 40_000 * FRAMES, 40_000))


def test_a_camera_that_drops_is_taken_up_again_and_its_times_go_on(clip):
    """Ten frames in each visit but the last."""
    told: list[str] = []
    with rtsp_server(clip, Visit("drop", 10), Visit("drop", 10), Visit("drop")) as server:
        started = time.monotonic()
        numbers, times_us = taken(stream_frames(server.url, on_reconnect=told.append, patience=QUICK), 10 + 10 + 21)
        took_us = (time.monotonic() - started) * 1e6
        wait_until(lambda: server.gone == 3)
        assert server.played == 3
    assert numbers == [*range(10), *range(10), *range(21)]
    steps = np.diff(times_us)
    assert (np.delete(steps, [9, 19]) == 40_000).all()
    assert (steps > 0).all()
    assert times_us[-1] <= took_us  # the clip is played in real time, and the gaps are those of the clock
    assert [line.split(";")[0].split(" after")[0] for line in told] == ["the connection was closed", "frames again"] * 2
    assert told[0].endswith("attempt 1 of 3")


def test_what_is_read_of_a_camera_across_connections_is_one_source(clip):
    told: list[str] = []
    with rtsp_server(clip, Visit("drop", 10), Visit("drop"), speed=4) as server:
        source = find_sources([server.url])[0]
        first = list(itertools.islice(read_source(source, on_reconnect=told.append), 20))
        second = list(itertools.islice(read_source(source), 5))
    frames = [item for item in first + second if isinstance(item, Frame)]
    assert len({frame.id for frame in frames}) == len(frames) == 25
    assert len({frame.source_id for frame in frames}) == 2  # one for each time that it is read
    starts = {frame.captured_at - timedelta(microseconds=frame.pts_us) for frame in frames if frame.captured_at}
    assert len(starts) == 2
    assert all(line.startswith(f"{source.name}: ") for line in told)
    assert len(told) == 2


def test_a_stall_is_noticed_and_the_connection_made_anew(clip):
    told: list[str] = []
    with rtsp_server(clip, Visit("stall", 10), Visit("drop"), speed=4) as server:
        numbers, times_us = taken(stream_frames(server.url, on_reconnect=told.append, patience=QUICK), 30)
        wait_until(lambda: server.gone == 2)
    before, after = visits(numbers)
    assert before == list(range(len(before)))
    assert 10 - HELD <= len(before) <= 10
    assert after == list(range(len(after)))
    steps = np.diff(times_us)
    assert (steps > 0).all()
    assert steps[len(before) - 1] > (QUICK.stall_s - 0.5) * 1e6  # from the start of each connection
    assert told[0].startswith("no data for 2 s; connecting again in ")


def test_a_camera_that_is_gone_for_good_ends_with_its_reason_and_keeps_its_frames(clip):
    frames: list[int] = []
    with rtsp_server(clip, Visit("drop", 10), Visit("refuse"), speed=4) as server:
        with pytest.raises(FootageError, match=r"^Server returned 5XX .*; 3 attempts in \d+ s brought no frame$"):
            frames.extend(pts_us for _, pts_us in stream_frames(server.url, patience=QUICK))
        assert (server.played, server.came) == (1, 1 + QUICK.attempts)
    assert frames == list(range(0, 40_000 * 10, 40_000))


def test_a_server_that_is_switched_off_ends_it_too(clip):
    with rtsp_server(clip, Visit("drop"), speed=4) as server:
        frames = stream_frames(server.url, patience=QUICK)
        next(frames)
    with pytest.raises(FootageError, match=r"^Connection refused; 3 attempts"):
        list(frames)


def test_of_a_camera_key_frames_alone_can_be_taken(clip):
    """Each tenth is one, and the first states no time."""
    with rtsp_server(clip, Visit("stall"), speed=4) as server:
        numbers, times_us = taken(stream_frames(server.url, keyframes=True, patience=QUICK), 3)
    assert (numbers, times_us) == ([0, 10, 20], [0, 400_000, 800_000])


def test_one_that_does_not_answer_at_first_is_not_waited_for(clip):
    with rtsp_server(clip, Visit("refuse"), Visit("drop")) as server:
        (ended,) = read_source(find_sources([server.url])[0])
        assert isinstance(ended, Ended)
        assert ended.reason == "not a readable stream (Server returned 5XX Server Error reply)"
        assert server.came == 1


def test_one_that_gives_no_data_at_first_is_named(clip):
    with rtsp_server(clip, Visit("stall", 0)) as server, pytest.raises(FootageError, match=r"^no data for 0\.5 s$"):
        next(stream_frames(server.url, patience=Patience(stall_s=0.5)))


def test_closing_lets_the_camera_go(clip):
    with rtsp_server(clip, Visit("stall")) as server:
        frames = read_source(find_sources([server.url])[0])
        next(frames)
        assert server.gone == 0
        frames.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator
        wait_until(lambda: server.gone == 1)


def test_waiting_doubles_up_to_a_bound():
    patience = Patience(first_wait_s=1, longest_wait_s=30)
    for attempt, longest in enumerate([1, 2, 4, 8, 16, 30, 30], 1):
        waits = [patience.wait_s(attempt) for _ in range(100)]
        assert longest / 2 <= min(waits) < max(waits) <= longest


@dataclass(frozen=True)
class Sent:
    """What one who asks over HTTP gets: pieces of a body, and then what happens. length: stated, as of a file."""

    pieces: list[bytes]
    then: str = "close"
    length: int | None = None
    kind: str = "video/mp2t"
    every_s: float = 0.0


@contextmanager
def http_camera(*answers: Sent, sent: list[float] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the paths that were asked for; the last answer is what all who come later get.

    sent: takes when each piece was about to be sent, by the clock that never goes back.
    """
    asked: list[str] = []
    moments = [] if sent is None else sent
    done = threading.Event()

    class Camera(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", answer.kind)
            if answer.length is not None:
                self.send_header("Content-Length", str(answer.length))
            self.end_headers()
            for piece in answer.pieces:
                moments.append(time.monotonic())
                self.wfile.write(piece)
                done.wait(answer.every_s)
            if answer.then == "stall":
                done.wait()

        def log_message(self, *arguments) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # the client has gone

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/live", asked
    finally:
        done.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("stream") / "live.ts"
    return write_clip(path, range(0, 40 * FRAMES, 40), codec_options=CAMERA).read_bytes()


def test_a_file_over_http_is_read_once(transport):
    with http_camera(Sent([transport], length=len(transport))) as (url, asked):
        numbers, times_us = taken(stream_frames(url, patience=QUICK))
        assert asked == ["/live"]
    assert numbers == list(range(FRAMES))
    assert times_us == list(range(0, 40_000 * FRAMES, 40_000))


def test_a_file_over_http_that_breaks_off_is_not_begun_anew(transport):
    with http_camera(Sent([transport[:-5000]], length=len(transport))) as (url, asked):
        *frames, ended = read_source(find_sources([url])[0])
        assert asked == ["/live"]
    assert isinstance(ended, Ended)
    assert ended.reason == "not a readable stream (Input/output error)"
    assert len(frames) == ended.frames > 10


@pytest.mark.parametrize(("then", "reason"), [("close", "Input/output error"), ("stall", "no data for 2 s")])
def test_a_live_stream_over_http_is_taken_up_again(transport, then, reason):
    told: list[str] = []
    with http_camera(Sent([transport], then), Sent([transport])) as (url, asked):
        numbers, times_us = taken(stream_frames(url, on_reconnect=told.append, patience=QUICK), FRAMES + 10)
        assert len(asked) == 2
    before, after = visits(numbers)
    assert before == list(range(len(before)))
    assert FRAMES - HELD <= len(before) <= FRAMES
    assert after == list(range(len(after)))
    assert (np.diff(times_us) > 0).all()
    assert told[0].startswith(f"{reason}; connecting again in ")


def test_sound_that_goes_on_does_not_hide_that_the_pictures_stopped(tmp_path):
    """A second of both, then sound alone, a piece of it every 50 ms."""
    path = tmp_path / "live.ts"
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("mp2", rate=48_000)
        assert isinstance(sound, AudioStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        container.mux(video.encode())
        for number in range(60 * 48_000 // 1152):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 1152, Fraction(1, 48_000)
            container.mux(sound.encode(frame))
    data, told = path.read_bytes(), []
    pieces = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    with http_camera(Sent(pieces, every_s=0.05)) as (url, asked):
        frames = stream_frames(url, on_reconnect=told.append, patience=Patience(stall_s=1, first_wait_s=0.01))
        taken(frames, 26)
        assert len(asked) == 2
    assert told[0].startswith("no frame for 1 s; ")


def test_a_camera_whose_clock_went_back_goes_on(tmp_path, transport):
    """Every picture of both parts comes, each 40 ms after the one before, over one connection."""
    late = write_clip(tmp_path / "late.ts", range(10_000, 12_000, 40), codec_options=CAMERA).read_bytes()
    reading = Reading()
    with http_camera(Sent([late, transport])) as (url, asked):
        numbers, times_us = taken(stream_frames(url, reading=reading, patience=QUICK), 2 * FRAMES - HELD)
        assert asked == ["/live"]
    assert numbers == [*range(FRAMES), *range(FRAMES - HELD)]
    assert times_us == list(range(0, 40_000 * (2 * FRAMES - HELD), 40_000))
    assert reading.clock_restarts == 1


def test_pictures_without_times_have_those_of_the_clock(tmp_path):
    """MJPEG over HTTP, ten a second, which FFmpeg takes for 25. None has a time before it was sent."""
    pieces, sent = [], []
    for number in range(30):
        Image.fromarray(picture(number)).save(tmp_path / "one.jpg")
        data = (tmp_path / "one.jpg").read_bytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        pieces.append(head.encode() + data + b"\r\n")
    camera = Sent(pieces, kind="multipart/x-mixed-replace; boundary=frame", every_s=0.1)
    with http_camera(camera, sent=sent) as (url, _):
        frames = stream_frames(url, patience=QUICK)
        started = time.monotonic()
        first = next(frames)
        first_at = time.monotonic()  # or before: some are read ahead to see what it is
        numbers, times_us = taken(itertools.chain([first], frames), 15)
        took_us = (time.monotonic() - started) * 1e6
    assert numbers == list(range(15))
    assert times_us == sorted(set(times_us))
    assert (sent[14] - first_at) * 1e6 <= times_us[-1] <= took_us
