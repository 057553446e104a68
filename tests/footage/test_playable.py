"""What browsers play as it is, and that what is made for them shows the same frames at the same times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from lookalike.errors import FootageError
from lookalike.footage import playable
from lookalike.footage.playable import WIDEST_PX, How, choose_encoder, judge, make_playable
from lookalike.proxy_encoders import ProxyEncoder
from tests.clips import LEVELS, MILLISECONDS, RED, SIZE_PX, number_of, picture, turn, write_clip

VARIABLE_MS = [0, 40, 120, 160, 1160, 1200, 1240, 3000]
LATE_MS = [17_811 + moment for moment in VARIABLE_MS]
B_FRAMES = {"g": "4", "bf": "2"}


def write_with_sound(path: Path, later_ms: int) -> Path:
    """A clip whose pictures begin so much later than its sound."""
    with av.open(str(path), "w") as container:
        stream, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=48_000)
        assert isinstance(stream, VideoStream)
        assert isinstance(sound, AudioStream)
        (stream.width, stream.height), stream.pix_fmt = SIZE_PX, "yuv420p"
        stream.codec_context.time_base = MILLISECONDS
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = later_ms + 40 * number, MILLISECONDS
            container.mux(stream.encode(frame))
        for number in range(50):
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48_000, 1024 * number, Fraction(1, 48_000)
            container.mux(sound.encode(heard))
        container.mux(stream.encode())
        container.mux(sound.encode())
    return path


def made(path: Path, out: Path) -> list[tuple[int, int]]:
    """When each frame of what is made is shown, milliseconds of the container's own time, and which it is."""
    shares: list[float] = []
    make_playable(str(path), out, judge(str(path)).how, shares.append)
    assert judge(str(out)).how == "as it is"
    assert shares == sorted(shares)
    with av.open(str(out)) as container:
        shown = [
            (
                round(float((frame.pts or 0) * (frame.time_base or 0)) * 1000),
                number_of(frame.to_ndarray(format="rgb24")),
            )
            for frame in container.decode(video=0)
        ]
        assert container.start_time == 0
    return shown


@pytest.mark.parametrize(
    ("name", "codec", "how"),
    [
        ("a.mp4", "libx264", "as it is"),
        ("a.mov", "libx264", "as it is"),
        ("a.webm", "libvpx-vp9", "as it is"),
        ("a.mkv", "libx264", "rewrapped"),
        ("a.ts", "libx264", "rewrapped"),
        ("a.flv", "libx264", "rewrapped"),
        ("a.mkv", "libvpx-vp9", "rewrapped"),
        ("a.mkv", "libvpx", "encoded"),
        ("a.mp4", "mpeg4", "encoded"),
        ("a.avi", "mpeg4", "encoded"),
        ("a.h264", "libx264", "encoded"),
    ],
)
def test_what_has_to_be_done(tmp_path: Path, name: str, codec: str, how: str) -> None:
    path = str(write_clip(tmp_path / name, VARIABLE_MS, codec=codec))
    assert judge(path).how == how
    if how == "as it is":
        assert judge(path).offset_s == pytest.approx(0, abs=0.001)


def test_colours_that_browsers_do_not_know_are_encoded(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        (stream.width, stream.height), stream.pix_fmt = SIZE_PX, "yuv444p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0), format="rgb24")))
        container.mux(stream.encode())
    assert judge(str(tmp_path / "a.mp4")).how == "encoded"


def test_sound_that_begins_earlier_moves_the_time_of_browsers(tmp_path: Path) -> None:
    """They count from the container's start, we from the first frame."""
    for name, how in (("a.mp4", "as it is"), ("a.mkv", "rewrapped")):
        path = write_with_sound(tmp_path / name, later_ms=480)
        assert judge(str(path)).how == how
    assert judge(str(tmp_path / "a.mp4")).offset_s == pytest.approx(0.48, abs=0.001)
    assert made(tmp_path / "a.mkv", tmp_path / "out.mp4") == [(40 * number, number) for number in range(25)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mkv", "libx264", B_FRAMES),
        ("a.ts", "libx264", B_FRAMES),
        ("a.mp4", "libx264", B_FRAMES),
        ("a.avi", "mpeg4", {"b": "2M"}),
        ("a.mp4", "mpeg4", {"b": "2M"}),
        ("a.mkv", "libvpx", {"b": "1M"}),
    ],
)
def test_frames_keep_their_times_counted_from_the_first(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    moments = [40 * number for number in range(8)] if name.endswith("avi") else VARIABLE_MS
    late = moments if name.endswith("avi") else [LATE_MS[0] + moment for moment in moments]
    path = write_clip(tmp_path / name, late, codec=codec, codec_options=options)
    assert made(path, tmp_path / "out.mp4") == [(moment, number) for number, moment in enumerate(moments)]


@pytest.mark.parametrize(("encoder", "codec"), [("libx264", "h264"), ("libvpx-vp9", "vp9"), ("libsvtav1", "av1")])
def test_a_proxy_is_encoded_as_was_asked(tmp_path: Path, encoder: ProxyEncoder, codec: str) -> None:
    path = write_clip(tmp_path / "a.avi", range(0, 2800, 40), codec="mpeg4", codec_options={"b": "2M"})
    make_playable(str(path), tmp_path / "out.mp4", "encoded", lambda share: None, encoder)
    assert judge(str(tmp_path / "out.mp4")).how == "as it is"
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec.canonical_name == codec
        packets = [packet for packet in container.demux(stream) if packet.size]
        keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
        assert (keys[0], 0 < keys[1] <= 60) == (0, True)
        container.seek(0)
        frames = list(container.decode(video=0))
    assert [round((frame.time or 0) * 1000) for frame in frames] == list(range(0, 2800, 40))
    numbers = [number_of(frame.to_ndarray(format="rgb24")) for frame in frames]
    assert numbers == [number % LEVELS for number in range(70)]


def test_an_encoder_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [choose_encoder(None), choose_encoder("libsvtav1")] == ["libx264", "libsvtav1"]
    monkeypatch.setattr(av, "codecs_available", {"h264", "libvpx-vp9", "libsvtav1"})  # built without the GPL
    assert choose_encoder(None) == "libvpx-vp9"
    with pytest.raises(FootageError, match="no encoder libx264 in this build of av, expected one of libvpx-vp9"):
        choose_encoder("libx264")
    monkeypatch.setattr(av, "codecs_available", {"h264"})
    assert choose_encoder(None) == "libx264"  # a recording that needs a proxy says that it cannot be made


def test_pictures_are_decoded_early_enough_where_the_recording_does_not_say_when(tmp_path: Path) -> None:
    """When the first pictures are decoded Matroska leaves out; guessed too late, Chromium shows others instead."""
    path = write_clip(tmp_path / "a.mkv", range(0, 12_000, 500), codec_options=B_FRAMES)
    made(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        decoded_s = [
            float(packet.dts * packet.time_base) for packet in container.demux(video=0) if packet.dts is not None
        ]
    assert decoded_s == pytest.approx([number / 2 - 1 for number in range(24)])  # two B-frames, half a second apart


def test_h264_without_times_for_its_pictures_is_encoded(tmp_path: Path) -> None:
    """AVI counts packets, and with B-frames those are not in the order of the pictures."""
    path = write_clip(tmp_path / "a.avi", range(0, 400, 40), codec_options=B_FRAMES)
    assert len(made(path, tmp_path / "out.mp4")) == 10


def test_what_was_recorded_turned_and_large_is_upright_and_small(tmp_path: Path) -> None:
    path = turn(write_clip(tmp_path / "phone.mp4", [0, 40], codec="mpeg4"), (0, 1, -1, 0))
    make_playable(str(path), tmp_path / "out.mp4", judge(str(path)).how, lambda share: None)
    wide = np.zeros((91, WIDEST_PX + 101, 3), np.uint8)
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (64, 48, 3)
    np.testing.assert_allclose(shown[:, -16:].mean((0, 1)), RED, atol=8)
    with av.open(str(tmp_path / "wide.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = *wide.shape[:2], "yuvj420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(wide, format="rgb24")))
        container.mux(stream.encode())
    make_playable(str(tmp_path / "wide.avi"), tmp_path / "out.mp4", "encoded", lambda share: None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (WIDEST_PX, 84)


def test_the_display_rotation_is_kept_when_rewrapped(tmp_path: Path) -> None:
    path = turn(write_clip(tmp_path / "phone.mp4", LATE_MS), (0, 1, -1, 0))
    assert judge(str(path)).how == "rewrapped"
    make_playable(str(path), tmp_path / "out.mp4", "rewrapped", lambda share: None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).rotation == -90


def test_a_recording_that_was_cut_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", range(0, 4000, 40), codec="mpeg4", codec_options={"b": "2M"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    shown = made(path, tmp_path / "out.mp4")
    assert 30 < len(shown) < 70
    assert shown == [(40 * number, number % 60) for number in range(len(shown))]


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"just text")
    with pytest.raises(FootageError, match=r"a\.mp4: not a readable video"):
        judge(str(tmp_path / "a.mp4"))


def test_a_recording_whose_clock_restarts_is_played_on_its_timeline(tmp_path: Path) -> None:
    """`cat a.ts b.ts`: rewrapped, the second part would be shown in the place of the first."""
    parts = [
        write_clip(
            tmp_path / f"{part}.ts", range(0, 800, 40), map(picture, range(part, part + 20)), codec_options=B_FRAMES
        )
        for part in (0, 20)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert made(path, tmp_path / "out.mp4") == [(40 * number, number) for number in range(40)]


def test_a_webm_with_another_appended_is_made_anew(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "a.webm", range(0, 400, 40), codec="libvpx-vp9").read_bytes()
    assert judge(str(tmp_path / "a.webm")).how == "as it is"
    (tmp_path / "two.webm").write_bytes(one + one)
    shown = made(tmp_path / "two.webm", tmp_path / "out.mp4")
    assert shown == [(40 * number, number % 10) for number in range(20)]


def test_frames_of_equal_times_are_all_played(tmp_path: Path) -> None:
    """.0 and .3 ms in a container of milliseconds: a tick of 1/90,000 s apart."""
    options = {"b": "2M"}
    path = write_clip(
        tmp_path / "a.mkv", [0, 3, 400, 800], None, Fraction(1, 10_000), codec="mpeg4", codec_options=options
    )
    assert [number for _, number in made(path, tmp_path / "out.mp4")] == [0, 1, 2, 3]


@pytest.mark.trust
@pytest.mark.parametrize("how", ["rewrapped", "encoded"])
def test_a_proxy_can_be_stopped_at_every_frame(tmp_path: Path, how: How, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a file that states no length, of which no share is known."""
    path = write_clip(tmp_path / "clip.mkv", range(0, 400, 40))
    monkeypatch.setattr(playable, "_share", lambda at_us, source: 0.0)
    shares: list[float] = []
    make_playable(str(path), tmp_path / "whole.mp4", how, shares.append)
    assert len(shares) >= 10
    stopped: list[float] = []

    def stop(share: float) -> None:
        stopped.append(share)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_playable(str(path), tmp_path / "part.mp4", how, stop)
    assert len(stopped) == 1


@pytest.mark.parametrize(("length_us", "share"), [(None, 0.0), (0, 0.0), (4_000_000, 0.5), (1_000_000, 1.0)])
def test_the_share_that_is_done(length_us: int | None, share: float) -> None:
    assert playable._share(2e6, cast(InputContainer, SimpleNamespace(duration=length_us))) == share
