"""What one file may ask of the machine: frames, hours, pixels, bytes and members."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import Frame, archive, container, find_sources
from lookalike.footage.limits import LIMITS, Limits
from lookalike.footage.read import Ended, read_source
from lookalike.footage.sources import LeftOut
from lookalike.pixels import decoding_cost
from tests.clips import number_of, write_clip
from tests.conftest import SHARED_DATA

CASES = SHARED_DATA / "cases" / "hostile"
cases = pytest.mark.skipif(not CASES.exists(), reason="SHARED CASES ABSENT: only what is made here was tried")


def read(path: Path, limits: Limits = LIMITS) -> tuple[list[Frame], list[Ended]]:
    items = [
        item
        for source in find_sources([path])
        for item in read_source(dataclasses.replace(source, limits=limits), fit_px=None)
    ]
    return [one for one in items if isinstance(one, Frame)], [one for one in items if isinstance(one, Ended)]


def jpeg(grey: int = 90) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(file, "JPEG")
    return file.getvalue()


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, data in files.items():
            out.writestr(zipfile.ZipInfo(name), data, method)
    return path


def understate(path: Path, name: str, stated: int) -> Path:
    """Let both headers of a zip's only member state another size."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = stated.to_bytes(4, "little")
    path.write_bytes(data)
    return path


def test_frames_of_a_file_are_bounded_and_what_was_read_is_kept(tmp_path):
    path = write_clip(tmp_path / "a.mp4", [0, 40, 80, 120])
    frames, (ended,) = read(path, Limits(max_frames=3))
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2]
    assert ended.reason == "stopped after 3 frames, which --max-frames allows; these are kept"
    assert ended.source_id is None  # not complete: with another limit it is read again
    frames, (ended,) = read(path, Limits(max_frames=4))
    assert (len(frames), ended.reason) == (4, None)


def test_hours_of_a_file_are_bounded(tmp_path):
    path = write_clip(tmp_path / "a.mkv", [0, 40, 3_600_000, 7_200_040])
    frames, (ended,) = read(path, Limits(max_hours=1))
    assert [frame.time_s for frame in frames] == [0, 0.04, 3600]
    assert ended.reason == "stopped at 1 h, which --max-hours allows; the frames before are kept"


@pytest.mark.parametrize(
    ("given", "flag"), [(Limits(max_frames=0), "--max-frames"), (Limits(max_hours=0), "--max-hours")]
)
def test_limits_that_let_nothing_through_are_refused_by_flag(given, flag):
    with pytest.raises(ValueError, match=flag):
        given.check()


def test_frames_with_too_many_pixels_are_refused_before_one_is_decoded(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", [0, 40])
    monkeypatch.setattr(container, "LIMITS", Limits(frame_pixels=64 * 48 - 1))
    frames, (ended,) = read(path)
    assert (frames, ended.reason) == ([], "frames of 64x48 are 3,072 pixels, at most 3,071")


def test_a_stream_that_grows_on_the_way_is_bounded_too(tmp_path, monkeypatch):
    """H.264 of two sizes one after the other: what a header states is of the first."""
    small = write_clip(tmp_path / "a.h264", [0, 40, 80]).read_bytes()
    large = large_clip(tmp_path / "b.h264").read_bytes()
    path = tmp_path / "x.h264"
    path.write_bytes(small + large)
    frames, _ = read(path)
    assert {frame.size_px for frame in frames} == {(64, 48), (128, 96)}
    monkeypatch.setattr(container, "MAX_PIXELS", {"max_pixels": "4000"})
    frames, (ended,) = read(path)
    assert {frame.size_px for frame in frames} == {(64, 48)}
    assert ended.reason is not None


def large_clip(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((96, 128, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode())
    return path


OUT = [
    "/abs/x.jpg",
    "../up/y.jpg",
    "C:\\x.jpg",
    "C:x.jpg",
    "a/../../y.jpg",
    "a\\b.jpg",
    "./z.jpg",
    "a//b.jpg",
]


@pytest.mark.parametrize("name", OUT)
def test_a_member_whose_name_leads_out_is_skipped_by_name(tmp_path, name):
    path = zipped(tmp_path / "pictures.zip", {"good.jpg": jpeg(), name: jpeg(80), "z/good.jpg": jpeg(70)})
    left_out = list[LeftOut]()
    found = find_sources([path], on_left_out=left_out.append)
    assert [source.name for source in found] == [f"{path}/good.jpg", f"{path}/z/good.jpg"]
    assert left_out == [LeftOut(f"{path}/{name}", "skipped", "its name leads out of the zip")]


@cases
def test_the_zip_of_the_collection_gives_its_good_picture():
    path = CASES / "zip_absolute_member.zip"
    left_out = list[LeftOut]()
    assert [source.name for source in find_sources([path], on_left_out=left_out.append)] == [f"{path}/good.jpg"]
    assert [one.path for one in left_out] == [f"{path}/../up/y.jpg", f"{path}//abs/x.jpg"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_is_bounded_whatever_its_header_states(tmp_path, method):
    """200 MB of zeros behind a header that says ten bytes; the process stays far below that."""
    path = understate(zipped(tmp_path / "a.zip", {"a.jpg": bytes(200_000_000)}, method), "a.jpg", 10)
    reason, peak_mb = peak_of(path)
    assert "a.zip" not in reason
    assert peak_mb < 150


@cases
def test_the_bomb_of_the_collection_is_refused():
    reason, peak_mb = peak_of(CASES / "zip_says_10_bytes_inflates_to_1GB.zip")
    assert reason.startswith("cannot read it from the zip (")
    assert peak_mb < 150


PEAK = """
import resource, sys
from lookalike.footage import find_sources
from lookalike.footage.read import read_source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(ended,) = [item for source in find_sources([sys.argv[1]]) for item in read_source(source)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(ended.reason)
"""


def peak_of(path: Path) -> tuple[str, float]:
    """Why a zip's only picture was not read, and how many MB that took at most."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    kilobytes, reason = done.stdout.splitlines()
    return reason, int(kilobytes) / 1000


def test_a_member_larger_than_an_image_may_be_is_refused(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", {"a.jpg": jpeg() + bytes(5000)})
    with pytest.raises(FootageError, match=r"more than 2,000 bytes, the limit for an image$"):
        archive.read_bytes(f"{path}/a.jpg", 2000)
    understate(path, "a.jpg", 1000)
    with pytest.raises(FootageError, match=r"a\.zip/a\.jpg"):
        archive.read_bytes(f"{path}/a.jpg", 2000)


def test_the_members_of_a_zip_are_bounded(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", {f"{number}.jpg": b"" for number in range(11)})
    monkeypatch.setattr(archive, "LIMITS", Limits(zip_members=10))
    with pytest.raises(FootageError, match=r"a\.zip: 11 files, at most 10; split it$"):
        find_sources([path])
    monkeypatch.setattr(archive, "LIMITS", Limits(zip_directory_bytes=100))
    path = zipped(tmp_path / "b.zip", {f"{number}.jpg": b"" for number in range(11)})
    with pytest.raises(FootageError, match=r"b\.zip: its list of files has 562 bytes, at most 100; split it$"):
        find_sources([path])


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_a_zip_that_is_cut_off_is_one_line(tmp_path, keep):
    path = zipped(tmp_path / "a.zip", {"a.jpg": jpeg(), "b.jpg": jpeg(80)})
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * keep)])
    with pytest.raises(FootageError, match=r"a\.zip: not a readable zip"):
        find_sources([path])


def image(kind: str, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def test_what_an_image_costs_to_decode_is_known_from_its_header():
    assert decoding_cost(image("PNG", (300, 200))) == 60_000
    assert decoding_cost(image("PNG", (300, 200), "I;16")) == 120_000
    assert decoding_cost(image("JPEG", (300, 200))) == 7_500
    assert decoding_cost(image("JPEG", (300, 200), progressive=True)) == 60_000
    assert decoding_cost(image("GIF", (300, 200), "P")[:40]) == 60_000  # nothing but a header
    assert decoding_cost(image("GIF", (9000, 9000), "P")) == 0  # is refused
    assert decoding_cost(b"no image") == 0
