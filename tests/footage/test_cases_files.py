"""Which files are read as pictures and videos, by their suffix or content."""

from __future__ import annotations

import io
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike import pixels
from lookalike.errors import ImageError
from lookalike.footage import Skipped, find_sources, frame_at, read_frames
from lookalike.footage.kinds import is_text, kind_by_head
from lookalike.footage.selection import Selection
from tests.clips import picture, write_clip
from tests.conftest import SHARED_DATA
from tests.footage.entries import listed, write_image

CASES = SHARED_DATA / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="COLLECTION OF CASES ABSENT: made inputs only were tried")


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        *(("jfif", "JPEG"), ("jpe", "JPEG"), ("JPG", "JPEG"), ("mpo", "MPO"), ("jp2", "JPEG2000"), ("j2k", "JPEG2000")),
        *(("avif", "AVIF"), ("webp", "WEBP"), ("apng", "PNG"), ("unknown", "PNG"), ("", "JPEG"), ("dat", "TIFF")),
        *(("heic", "HEIF"), ("HEIF", "HEIF"), ("hif", "HEIF"), ("phone", "HEIF")),
        *(("bin", "GIF"), ("img", "BMP"), ("x", "WEBP"), ("y", "AVIF"), ("z", "JPEG2000")),
    ],
)
def test_pictures_are_found_by_suffix_or_content(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / (f"a.{suffix}" if suffix else "a")
    write_image(tmp_path / "made", kind).rename(path)
    (frame,) = read_frames(find_sources([tmp_path]))
    assert (frame.source, frame.image.shape) == (str(path), (48, 64, 3))
    assert np.abs(frame.image.astype(int) - picture(3)).mean() < 8
    assert frame_at(str(path), 0).shape == (48, 64, 3)


@needs_cases
@pytest.mark.parametrize("folder", [True, False], ids=["in a folder", "by name"])
def test_a_photograph_of_tiles_is_read_whole(folder: bool) -> None:
    path = CASES / "picture" / "grid.heic"
    frames = read_frames(find_sources([path.parent if folder else path]))
    (frame,) = (frame for frame in frames if frame.source == str(path))
    assert frame.image.shape == (256, 512, 3)
    assert frame.size_px == (512, 256)
    blocks = frame.image[16:48].mean((0, 2)).reshape(512)[25::51][:10] > 128  # tools/gen.py writes 341 in ten blocks
    assert int("".join(str(int(block)) for block in blocks), 2) == 341


def test_a_photograph_of_a_phone_is_upright_and_dated(tmp_path: Path) -> None:
    """Its box irot turns it, which the encoder writes for the EXIF orientation; that is not applied once more."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2026:01:05 08:00:00"
    Image.fromarray(picture(0)).save(tmp_path / "a.heic", exif=exif.tobytes())
    (frame,) = read_frames(find_sources([tmp_path]))
    assert (frame.image.shape, frame.size_px) == ((64, 48, 3), (48, 64))
    assert frame.image[:, 40, 0].mean() > 150  # red, which was at the top, is on the right
    assert str(frame.captured_at) == "2026-01-05 08:00:00+00:00"


@needs_cases
def test_a_photograph_of_tiles_that_is_cut_off_is_refused() -> None:
    """libheif alone gives the tiles that are missing in green."""
    data = (CASES / "picture" / "grid.heic").read_bytes()
    for length in (len(data) - 1, len(data) // 2):
        with pytest.raises(ImageError, match=r"broken image \(it is cut off"):
            pixels.decode(data[:length])


VIDEOS = {  # how it is written, and under which names it is found
    "a.h264": ("264", "h264", "avc", "none"),
    "a.ts": ("m2t", "m2ts", "mod", "tod", "xyz"),
    "a.mp4": ("lrv", "insv", "f4v", "qt", "dashcam", ""),
    "a.mkv": ("mkv", "recorder"),
    "a.avi": ("divx", "cam"),
    "a.mpg": ("mpe", "mod", "m2p", "stream"),
    "a.m2v": ("mpv", "m2v", "es"),
    "a.flv": ("f4v", "flash"),
}


def write_some(path: Path, frames: int = 10) -> Path:
    codec = "mpeg2video" if path.suffix in (".mpg", ".m2v") else "libx264"
    return write_clip(path, range(frames), None, Fraction(1, 25), codec=codec, codec_options={"bf": "0"})


@pytest.mark.parametrize(("made", "suffix"), [(made, suffix) for made, names in VIDEOS.items() for suffix in names])
def test_videos_are_found_by_suffix_or_content(tmp_path: Path, made: str, suffix: str) -> None:
    path = tmp_path / "in" / (f"b.{suffix}" if suffix else "b")
    path.parent.mkdir()
    write_some(tmp_path / made).rename(path)
    (source,) = find_sources([path.parent])
    assert (source.path, source.kind) == (str(path), "video")
    assert next(read_frames([source])).image.shape == (48, 64, 3)


def test_a_recording_behind_a_header_of_its_maker_is_found_by_probing(tmp_path: Path) -> None:
    """MPEG-PS behind forty bytes that nobody knows, as some recorders write it."""
    data = write_some(tmp_path / "a.mpg", 50).read_bytes()
    (tmp_path / "a.mpg").unlink()
    (tmp_path / "hiv00001").write_bytes(b"IMKH\x01\x02\x81\x9d" + b"\xa5" * 32 + data)
    assert listed(tmp_path)[0] == ["hiv00001"]


def test_a_picture_that_is_named_as_a_video_is_a_picture(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg").rename(tmp_path / "picture.mp4")
    write_clip(tmp_path / "stream.mjpeg", range(0, 400, 40), codec="mjpeg", codec_options={"color_range": "pc"})
    (tmp_path / "text.jpg").write_bytes(b"just text")
    kinds = {Path(one.path).name: one.kind for one in find_sources([tmp_path])}
    assert kinds == {"picture.mp4": "image", "stream.mjpeg": "video", "text.jpg": "image"}
    for name, frames in (("picture.mp4", 1), ("stream.mjpeg", 10), ("text.jpg", 0)):
        assert len(list(read_frames(find_sources([tmp_path / name])))) == frames
        assert not frames or frame_at(str(tmp_path / name), 0).shape == (48, 64, 3)


def test_what_is_no_footage_is_counted_and_what_may_be_is_named(tmp_path: Path) -> None:
    write_image(tmp_path / "good.jpg")
    for name in ("a.txt", "b.csv", "c.JSON", "d.srt", "e.md", "f.log", "g.db", "h.mp3", "notes", "Makefile.am"):
        (tmp_path / name).write_text("just text, mit Umläuten: ü\n" * 400)
    (tmp_path / "nothing").touch()
    for name in ("a.dng", "b.7z", "c.part"):
        (tmp_path / name).write_bytes(b"\x01" * 5000)
    (tmp_path / "noise.idx").write_bytes(np.random.default_rng(0).bytes(20_000))
    (tmp_path / "program").write_bytes(b"\x7fELF" + bytes(range(256)) * 30)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(tmp_path / "good.jpg", "good.jpg")
    read, others = listed(tmp_path)
    assert read == ["good.jpg"]
    assert len(read) + len(others) == len(list(tmp_path.iterdir()))
    named = {name: reason for name, (group, reason) in others.items() if group == "skipped"}
    assert named == {
        "a.dng": "pictures of this kind are not read; convert it to JPEG, PNG or TIFF",
        "b.7z": "an archive; unpack it first, or make it a zip of images",
        "c.part": "an unfinished file, by its name; rename it if not",
        "noise.idx": "not a picture or video that can be read, by its content",
        "program": "not a picture or video that can be read, by its content",
        "z.zip": "a zip in a folder; name it as a separate SOURCE",
    }
    assert others["notes"] == ("not footage", "text")
    assert others["c.JSON"] == ("not footage", ".json")


def test_first_bytes_decide() -> None:
    assert kind_by_head(b"\0\0\0\x18ftypheic") == kind_by_head(b"RIFF\0\0\0\0WEBPVP8 ") == "image"
    assert kind_by_head(b"\0\0\0\x18ftypmp42") == kind_by_head(b"RIFF\0\0\0\0AVI LIST") == "video"
    assert kind_by_head(b"RIFF\0\0\0\0WAVEfmt ") is kind_by_head(b"BM, a text") is kind_by_head(b"G" * 100) is None
    assert kind_by_head(b"G" + b"\0" * 187 + b"G" + b"\xff" * 187 + (b"G" + b"\1" * 187) * 3) == "video"
    assert is_text("ü".encode() * 10 + b"\xc3")  # cut within a character
    assert not is_text(b"a\0b")
    assert not is_text(b"\xff\xfe" * 10)


def test_a_zip_accounts_for_its_members(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(0)).save(buffer, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("gate/1.png", "noname", "__MACOSX/gate/._1.png", "../up.png", "/abs.png", "low/2.png"):
            archive.writestr(name, buffer.getvalue())
        archive.writestr("gate/film.mp4", b"\0\0\0\x18ftypmp42")
        archive.writestr("labels.csv", "a,b\n")
    read, others = listed(tmp_path / "a.zip", selection=Selection(("low",)))
    assert sorted(read) == ["1.png", "noname"]
    assert others == {
        "._1.png": ("system", "__MACOSX"),
        "up.png": ("skipped", "its name leads out of the zip"),
        "abs.png": ("skipped", "its name leads out of the zip"),
        "2.png": ("excluded", "2.png"),
        "film.mp4": ("skipped", "a video inside a zip; unpack it first"),
        "labels.csv": ("not footage", ".csv"),
    }
    assert len(list(read_frames(find_sources([tmp_path / "a.zip"], selection=Selection(("low",)))))) == 2


def test_of_two_members_of_one_name_one_is_read_and_the_other_named(tmp_path: Path) -> None:
    data = write_image(tmp_path / "a.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("twice.png", b"not the last")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("twice.png", data)
    names, left_out = listed(tmp_path / "a.zip")
    assert names == ["twice.png"]
    assert left_out == {"twice.png": ("skipped", "there is another of this name in the zip")}
    assert len(list(read_frames(find_sources([tmp_path / "a.zip"])))) == 1


def test_a_picture_in_a_zip_that_is_named_as_a_video_is_read(tmp_path: Path) -> None:
    data = write_image(tmp_path / "a.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("picture.mp4", data)
        file.writestr("film.mjpeg", write_image(tmp_path / "a.jpg").read_bytes())
    names, left_out = listed(tmp_path / "a.zip")
    assert (names, set(left_out)) == (["picture.mp4"], {"film.mjpeg"})
    assert [one.image.shape for one in read_frames(find_sources([tmp_path / "a.zip"]))] == [(48, 64, 3)]


@pytest.mark.parametrize("place", ["folder", "zip", "by name"])
def test_a_video_that_is_named_as_a_picture_says_so(tmp_path: Path, place: str) -> None:
    write_clip(tmp_path / "made.mp4", [0, 40]).rename(tmp_path / "film.jpg")
    if place == "zip":
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            file.write(tmp_path / "film.jpg", "film.jpg")
    skipped: list[Skipped] = []
    given = {"folder": tmp_path, "zip": tmp_path / "a.zip", "by name": tmp_path / "film.jpg"}[place]
    assert list(read_frames(find_sources([given]), on_skip=skipped.append)) == []
    assert [one.reason for one in skipped] == ["a video with the suffix of a picture; rename it, such as to .mp4"]


def test_a_picture_that_may_not_be_read_says_so_without_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: str, *_: object) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    write_image(tmp_path / "a.jpg")
    monkeypatch.setattr("lookalike.footage.read.read_bytes", denied)
    skipped: list[Skipped] = []
    assert list(read_frames(find_sources([tmp_path]), on_skip=skipped.append)) == []
    assert [one.reason for one in skipped] == ["cannot be read (Permission denied)"]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG"])
def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(picture(number)) for number in (0, 50)]
    frames[0].save(tmp_path / f"moves.{kind.lower()}", kind, save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / f"still.{kind.lower()}", kind)
    skipped: list[Skipped] = []
    assert len(list(read_frames(find_sources([tmp_path]), None, skipped.append))) == 2
    assert skipped == [
        Skipped(
            str(tmp_path / f"moves.{kind.lower()}"),
            "an animation, of which the first frame was read; convert it to a video to read all frames",
            1,
        )
    ]
