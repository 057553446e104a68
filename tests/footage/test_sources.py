"""What a user's SOURCE arguments stand for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lookalike.errors import FootageError
from lookalike.footage import Source, find_sources
from lookalike.footage.naming import Naming
from lookalike.footage.selection import Selection
from lookalike.footage.sources import LeftOut, find_in_folders


@pytest.fixture
def recordings(tmp_path):
    """A folder as users have it; the files are empty: their suffixes decide."""
    names = """
        recordings/still.jpg
        recordings/entrance.mp4
        recordings/notes.txt
        recordings/.hidden.mp4
        recordings/.trash/old.mp4
        recordings/Dock/2026-01-05.MKV
        recordings/Dock/2026-01-06.mkv
        recordings/Dock/night/a.TIFF
        recordings/dock2/.cache/b.mp4
    """
    for name in names.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "recordings"


def test_a_folder_is_searched_recursively_in_the_order_of_names(recordings):
    left_out: list[LeftOut] = []
    assert find_sources([recordings], on_left_out=left_out.append) == [
        Source(str(recordings / "entrance.mp4"), "video", "entrance"),
        Source(str(recordings / "still.jpg"), "image", "recordings"),
        Source(str(recordings / "Dock" / "2026-01-05.MKV"), "video", "Dock"),
        Source(str(recordings / "Dock" / "2026-01-06.mkv"), "video", "Dock"),
        Source(str(recordings / "Dock" / "night" / "a.TIFF"), "image", "Dock"),
    ]
    assert [(Path(one.path).name, one.group) for one in left_out] == [
        (".hidden.mp4", "system"),
        (".trash", "system"),
        ("notes.txt", "not footage"),
        (".cache", "system"),
    ]


def test_a_camera_given_names_every_source(recordings):
    found = find_sources([recordings, "rtsp://10.0.0.7/live"], Naming("gate"))
    assert len(found) == 6
    assert {source.camera for source in found} == {"gate"}


def test_a_relative_path_stays_relative_and_names_its_folder(recordings, monkeypatch):
    monkeypatch.chdir(recordings)
    assert find_sources(["."])[1] == Source("still.jpg", "image", "recordings")
    assert find_sources(["still.jpg"]) == [Source("still.jpg", "image", "recordings")]


def test_a_file_given_by_name_is_taken_whatever_its_name(recordings):
    """Recorders write names without a known suffix; the reader will say if it is no video."""
    hidden, notes = find_sources([recordings / ".hidden.mp4", recordings / "notes.txt"])
    assert (hidden.kind, hidden.camera) == ("video", ".hidden")
    assert (notes.kind, notes.camera) == ("video", "notes")


def test_links_that_lead_out_are_followed_if_asked_and_loops_are_not(recordings, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.png").touch()
    (recordings / "yard").symlink_to(tmp_path / "elsewhere")
    (recordings / "Dock" / "loop").symlink_to(recordings)
    left_out: list[LeftOut] = []
    assert len(find_sources([recordings], on_left_out=left_out.append)) == 5
    (skipped,) = (one for one in left_out if one.group == "skipped")
    assert skipped.path == str(recordings / "yard")
    assert skipped.reason.startswith(f"a link that leads out of {recordings}, to {tmp_path / 'elsewhere'}")
    found = find_sources([recordings], selection=Selection(follow_links=True))
    assert len(found) == 6
    assert found[-1] == Source(str(recordings / "yard" / "c.png"), "image", "yard")


@pytest.mark.parametrize(
    ("url", "camera"),
    [
        ("rtsp://10.0.0.7/live", "10.0.0.7/live"),
        ("rtsp://user:secret@10.0.0.7:554/live/", "10.0.0.7:554/live"),
        ("http://user:sec@ret@cam.local/video.mjpg?pwd=secret", "cam.local/video.mjpg"),
    ],
)
def test_a_stream_is_named_without_its_secrets(url, camera):
    (source,) = find_sources([url])
    assert (source.kind, source.path, source.camera) == ("stream", url, camera)
    assert source.name == f"{url.split(':')[0]}://{camera}"


def test_a_file_is_named_by_its_path(recordings):
    (source,) = find_sources([recordings / "entrance.mp4"])
    assert source.name == str(recordings / "entrance.mp4")


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FootageError, match=f"^{tmp_path / 'gone.mp4'}: no such file or folder; expected an image"):
        find_sources([tmp_path / "gone.mp4"])


def test_a_folder_without_footage_is_an_error(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FootageError, match=f"^no images or videos in {tmp_path}; expected files such as .mp4"):
        find_sources([tmp_path])


def test_in_a_folder_that_is_watched_a_name_with_no_time_is_left_out_and_reported(tmp_path):
    for name in ("gate_20260105.mp4", "gate_20261301.mp4"):
        (tmp_path / name).touch()
    told: list[LeftOut] = []
    naming = Naming(pattern=re.compile(r"_(?P<time>\d+)"))
    assert [Path(one.path).name for one in find_in_folders([tmp_path], naming, told.append)] == ["gate_20260105.mp4"]
    assert [(one.path, one.group) for one in told] == [(str(tmp_path / "gate_20261301.mp4"), "skipped")]
    assert list(find_in_folders([tmp_path / "gone"])) == []
