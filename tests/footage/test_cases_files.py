"""Which files are read, and what becomes of every other entry of a folder."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import unicodedata
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from lookalike import pixels
from lookalike.errors import FootageError, ImageError
from lookalike.footage import Skipped, find_sources, frame_at, read_frames
from lookalike.footage.container import open_video
from lookalike.footage.kinds import is_text, kind_by_head
from lookalike.footage.sources import LeftOut, find_in_folders
from lookalike.index import Filters
from lookalike.naming import Naming, NamingFlags
from lookalike.printable import printable
from lookalike.search import Example, Searcher
from lookalike.selection import Selection
from tests.clips import picture, write_clip
from tests.conftest import SHARED_DATA
from training.evaluation.gallery import gather
from training.evaluation.labels import label_gallery, read_events, read_labelled

CASES = SHARED_DATA / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="COLLECTION OF CASES ABSENT: made inputs only were tried")
WAIT_S = 120  # of a job that must end by itself


def listed(*given: Path | str, selection: Selection | None = None) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Names of what is read, in order; and of each other entry, its group and why."""
    left_out: list[LeftOut] = []
    try:
        found = find_sources(given, on_left_out=left_out.append, selection=selection or Selection())
    except FootageError:
        found = []
    return [Path(one.path).name for one in found], {Path(one.path).name: (one.group, one.reason) for one in left_out}


def write_image(path: Path, kind: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(3)).save(path, kind)
    return path


# --- what is read ---------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_clip_is_found_in_either_form_of_unicode(tmp_path: Path, form: Literal["NFC", "NFD"]) -> None:
    name = "h\N{LATIN SMALL LETTER U WITH DIAERESIS}lle.mp4"
    events = tmp_path / "events.csv"
    events.write_text(f"clip,start_s,end_s,label\n{unicodedata.normalize(form, name)},0,1,car\n", "utf-8")
    clip = write_clip(tmp_path / unicodedata.normalize("NFD" if form == "NFC" else "NFC", name), [0, 40])
    gallery = gather(read_frames(find_sources([clip])))
    assert label_gallery(gallery, read_labelled(events)).shows.all()


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


# --- what is left out -----------------------------------------------------------------------------------------------

SYSTEM = "@eaDir #recycle $RECYCLE.BIN .Trash-1000 .Trashes __MACOSX lost+found .cache".split()


def test_what_systems_keep_is_left_out_and_counted(tmp_path: Path) -> None:
    for folder in [*SYSTEM, "System Volume Information"]:
        write_image(tmp_path / folder / "a.jpg")
    for name in ("._a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\x05\x16\x07")
    write_image(tmp_path / "a.jpg")
    read, others = listed(tmp_path)
    assert read == ["a.jpg"]
    assert {group for group, _ in others.values()} == {"system"}
    assert len(others) == len(SYSTEM) + 1 + 4


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("*_low.jpg",), ["a.jpg", "b.jpg", "c.jpg"]),
        (("night",), ["a.jpg", "a_low.jpg"]),
        (("./night/",), ["a.jpg", "a_low.jpg"]),
        (("*/",), ["a.jpg", "a_low.jpg"]),
        (("*_low.jpg", "a*/"), ["a.jpg", "b.jpg", "c.jpg"]),
        (("night/b.*",), ["a.jpg", "a_low.jpg", "c.jpg"]),
        (("*_low.jpg", "night"), ["a.jpg"]),
        (("*/deep/*",), ["a.jpg", "a_low.jpg", "b.jpg"]),
    ],
)
def test_what_a_flag_excludes_is_left_out(tmp_path: Path, patterns: tuple[str, ...], expected: list[str]) -> None:
    for name in ("a.jpg", "a_low.jpg", "night/b.jpg", "night/deep/c.jpg"):
        write_image(tmp_path / "cams" / name)
    read, others = listed(tmp_path / "cams", selection=Selection(patterns))
    assert read == expected
    assert {group for group, _ in others.values()} == {"excluded"}
    watched = find_in_folders([tmp_path / "cams"], selection=Selection(patterns))
    assert [Path(one.path).name for one in watched] == expected


def test_where_all_is_excluded_that_is_said(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    with pytest.raises(FootageError, match=r"no images or videos in .*; excluded 1$"):
        find_sources([tmp_path], selection=Selection(exclude=("*.jpg",)))


def test_a_pattern_of_one_form_of_unicode_excludes_names_of_the_other(tmp_path: Path) -> None:
    write_image(tmp_path / unicodedata.normalize("NFD", "tür.jpg"))
    assert listed(tmp_path, selection=Selection((unicodedata.normalize("NFC", "tür*"),)))[0] == []


def special_files(folder: Path) -> list[Path]:
    """A named pipe, a socket and a link to /dev/zero, named as if they were footage."""
    made = [folder / "pipe.jpg", folder / "sock.mp4", folder / "zero.jpg"]
    os.mkfifo(made[0])
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(made[1]) if len(str(made[1])) > 100 else str(made[1]))
    made[2].symlink_to("/dev/zero")
    return made


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    pipe, sock, zero = special_files(tmp_path)
    write_image(tmp_path / "good.jpg")
    read, others = listed(tmp_path)
    assert read == ["good.jpg"]
    assert others["pipe.jpg"] == ("skipped", "a named pipe, expected a file")
    assert others["sock.mp4"] == ("skipped", "a socket, expected a file")
    assert others["zero.jpg"][1].startswith("a link that leads out of")
    assert listed(tmp_path, selection=Selection(follow_links=True))[1]["zero.jpg"][1].startswith("a character device")
    for path, what in ((pipe, "a named pipe"), (sock, "a socket"), (zero, "a character device")):
        with pytest.raises(FootageError, match=f"^{path}: {what}, expected a file$"):
            find_sources([path])
        with pytest.raises(FootageError, match=f"{path}: {what}"):
            frame_at(str(path), 0)
        with pytest.raises(FootageError, match=f"{path}: {what}"):
            open_video(str(path))


def test_pictures_and_tables_that_are_named_are_not_waited_for(tmp_path: Path, tiny) -> None:
    pipe, _, zero = special_files(tmp_path)
    for path in (pipe, zero):
        with pytest.raises(FootageError, match="expected a file"):
            Searcher(tiny, None).embedded(Example(str(path)))  # type: ignore[arg-type]
        with pytest.raises(FootageError, match="expected a file"):
            read_events(path)


def test_links_stay_within_the_folder_unless_asked(tmp_path: Path) -> None:
    cams, other = tmp_path / "cams", tmp_path / "cams2"
    write_image(other / "b.jpg")
    write_image(cams / "a.jpg")
    (cams / "inside.jpg").symlink_to(cams / "a.jpg")
    (cams / "file.jpg").symlink_to(other / "b.jpg")
    (cams / "folder").symlink_to(other)
    (cams / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    read, others = listed(cams)
    assert read == ["a.jpg", "inside.jpg"]
    assert others["file.jpg"][1] == f"a link that leads out of {cams}, to {other / 'b.jpg'}; --follow-links follows it"
    assert others["folder"][0] == "skipped"
    assert others["broken.jpg"] == ("skipped", "a link to nothing")
    assert listed(cams, selection=Selection(follow_links=True))[0] == ["a.jpg", "file.jpg", "inside.jpg", "b.jpg"]
    (tmp_path / "named").symlink_to(cams)
    assert listed(tmp_path / "named")[0] == ["a.jpg", "inside.jpg"]  # a link that was named itself is meant


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root reads everything, so the refusal is made here."""
    write_image(tmp_path / "good.jpg")
    (tmp_path / "secret").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert listed(tmp_path) == (["good.jpg"], {"secret": ("skipped", "cannot be listed (Permission denied)")})


# --- cameras and names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", [None, r"(?P<camera>\w+)/[^/]*$", r"cams/(?P<camera>\w+)"])
def test_a_camera_is_the_same_however_its_folder_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str | None
) -> None:
    for name in ("top.jpg", "gate/a.jpg", "yard/deep/b.jpg"):
        write_image(tmp_path / "cams" / name)
    write_clip(tmp_path / "cams" / "film.mp4", [0])
    naming = NamingFlags(name_pattern=pattern).read()
    found = []
    for folder, given in (
        (tmp_path, ["cams", "./cams/", str(tmp_path / "cams"), "cams/../cams", "cams/gate/.."]),
        (tmp_path / "cams", [".", "./", "../cams"]),
    ):
        monkeypatch.chdir(folder)
        found += [[(Path(one.path).name, one.camera) for one in find_sources([one], naming)] for one in given]
    assert all(one == found[0] for one in found)
    expected = {
        None: {"film.mp4": "film", "top.jpg": "cams", "a.jpg": "gate", "b.jpg": "yard"},
        r"(?P<camera>\w+)/[^/]*$": {"film.mp4": "cams", "top.jpg": "cams", "a.jpg": "gate", "b.jpg": "deep"},
        r"cams/(?P<camera>\w+)": {"film.mp4": "film", "top.jpg": "top", "a.jpg": "gate", "b.jpg": "yard"},
    }
    assert dict(found[0]) == expected[pattern]


def test_a_camera_of_macos_is_found_as_it_is_typed(tmp_path: Path) -> None:
    nfd, nfc = unicodedata.normalize("NFD", "für"), unicodedata.normalize("NFC", "für")
    path = write_image(tmp_path / nfd / "a.jpg")
    (source,) = find_sources([tmp_path])
    assert source.camera == nfc
    assert source.path == str(path)  # as it is on the disk, or it could not be opened
    assert find_sources([tmp_path], Naming(camera=nfd))[0].camera == nfc
    named = NamingFlags(name_pattern=r"(?P<camera>\w+)/a\.jpg").read()  # a mark on its own is no letter
    assert find_sources([tmp_path], named)[0].camera == nfc
    assert nfc in Filters(cameras=(nfd,)).cameras
    assert str(path) in Filters(sources=(unicodedata.normalize("NFC", str(path)),)).sources
    assert Filters(cameras=("gate",)).cameras == ("gate",)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nskipped b.mp4", r"a\nskipped b.mp4"),
        ("\x1b[31mred\x1b[0m\x07", r"\x1b[31mred\x1b[0m\x07"),
        ("gpj.\u202etxt", r"gpj.\u202etxt"),
        ("bad\udcff", r"bad\xff"),
        ("a\u2028b\x9b", r"a\u2028b\x9b"),
        ("tür [x] \\ 日本\u00a0😀", "tür [x] \\ 日本\u00a0😀"),
    ],
)
def test_names_do_not_act_on_the_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown


# --- one job over all of it -----------------------------------------------------------------------------------------

# Root may list what nobody may: for it the refusal is made.
WITHOUT_RIGHTS = """
import os, sys
scandir = os.scandir
def refuse(path="."):
    if os.path.basename(path) == "secret":
        raise PermissionError(13, "Permission denied", path)
    return scandir(path)
os.scandir = refuse
from lookalike.cli import main
from lookalike.search import Example, Searcher
main(sys.argv[1:])
"""


def test_a_job_over_all_kinds_of_entries_ends_with_one_summary(tmp_path: Path, tiny_encoder: Path) -> None:
    folder = tmp_path / "in"
    write_clip(folder.parent / "film.mp4", range(0, 400, 40))
    write_image(folder / "good.jpg")
    (tmp_path / "film.mp4").rename(folder / "recording")
    special_files(folder)
    for name, data in (
        ("broken.mp4", b"just text"),
        ("broken.jpg", b"\xff\xd8\xff"),
        ("notes.txt", b"x"),
        ("e.csv", b"x"),
    ):
        (folder / name).write_bytes(data)
    write_image(folder / "@eaDir" / "thumb.jpg")
    write_image(folder / "low.png")
    write_image(folder / "a\n\x1b[31mb.dng", "PNG")
    (folder / "secret").mkdir(mode=0)
    words = ("index", folder, "--encoder", tiny_encoder, "--index", tmp_path / "index", "--exclude", "low.*")
    command = [sys.executable, "-c", WITHOUT_RIGHTS, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    skipped = {Path(one["source"]).name for one in summary["skipped"]}
    assert skipped == {"pipe.jpg", "sock.mp4", "zero.jpg", "broken.mp4", "broken.jpg", "secret", "a\n\x1b[31mb.dng"}
    assert (summary["not_footage"], summary["system"], summary["excluded"]) == (2, 1, 1)
    left_out = summary["not_footage"] + summary["system"] + summary["excluded"]
    assert summary["sources"] + left_out == len(os.listdir(folder))
    assert summary["frames"] == 11
    assert "skipped " + str(folder / r"a\n\x1b[31mb.dng") in done.stderr
    assert "\x1b" not in done.stderr
    assert "left out: 2 not footage (.csv, .txt), 1 of the system (@eaDir), 1 excluded (low.png)" in done.stderr
    assert "7 of 9 source(s) skipped or cut short, 2 not footage, 1 of the system, 1 excluded" in done.stderr


def test_a_file_that_is_no_file_ends_the_verb_in_one_line(tmp_path: Path, tiny_encoder: Path) -> None:
    pipe, _, zero = special_files(tmp_path)
    for path, what in ((pipe, "a named pipe"), (zero, "a character device")):
        for verb in (
            ("embed", path, "--encoder", tiny_encoder, "--stdout"),
            ("search", path, "--encoder", tiny_encoder, "--index", tmp_path / "index"),
            ("evaluate", tiny_encoder, "--footage", tmp_path, "--events", path),
        ):
            command = [sys.executable, "-m", "lookalike", *map(str, verb)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
            assert (done.returncode, done.stdout) == (1, "")
            said = f"lookalike: {path}: {what}, expected a file\n"
            assert done.stderr == said or verb[0] == "search"  # where the index is looked for first


def test_a_watch_names_what_it_does_not_read(tmp_path: Path) -> None:
    special_files(tmp_path)
    write_image(tmp_path / "good.jpg")
    left_out: list[LeftOut] = []
    for _ in range(2):  # as it looks every two seconds
        found = find_in_folders([tmp_path, tmp_path / "gone"], on_left_out=left_out.append)
        assert [Path(one.path).name for one in found] == ["good.jpg"]
    assert {(Path(one.path).name, one.group) for one in left_out} == {
        ("pipe.jpg", "skipped"),
        ("sock.mp4", "skipped"),
        ("zero.jpg", "skipped"),
        ("gone", "skipped"),
    }
