"""Names of cameras and files, in either form of Unicode, and as a terminal shows them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from lookalike.files.printable import printable
from lookalike.footage import find_sources, read_frames
from lookalike.footage.naming import Naming, NamingFlags
from lookalike.index import Filters
from tests.clips import write_clip
from tests.footage.entries import write_image
from training.evaluation.gallery import gather
from training.evaluation.labels import label_gallery, read_labelled


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


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_clip_is_found_in_either_form_of_unicode(tmp_path: Path, form: Literal["NFC", "NFD"]) -> None:
    name = "h\N{LATIN SMALL LETTER U WITH DIAERESIS}lle.mp4"
    events = tmp_path / "events.csv"
    events.write_text(f"clip,start_s,end_s,label\n{unicodedata.normalize(form, name)},0,1,car\n", "utf-8")
    clip = write_clip(tmp_path / unicodedata.normalize("NFD" if form == "NFC" else "NFC", name), [0, 40])
    gallery = gather(read_frames(find_sources([clip])))
    assert label_gallery(gallery, read_labelled(events)).shows.all()


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
