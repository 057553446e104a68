"""tracks.csv: what is written is read back, and what cannot be read is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.demo.tracks import TrackedRegion, read_tracks, write_tracks
from lookalike.errors import FootageError
from lookalike.region import Region

HEADER = "clip,time_s,pass_id,label,x,y,w,h,visible"
GOOD = "gate.mp4,1.5,gate-01,red_car,0,.25,.5,.75,1"


def test_tracks_are_read_as_they_were_written(tmp_path: Path) -> None:
    tracks = [
        TrackedRegion("gate.mp4", 0.1, "gate-01", "red_car", Region(0.0, 0.123456, 0.1, 0.2), 0.25),
        TrackedRegion("gate.mp4", 0.1, "gate-02", "blue_person", Region(0.5, 0.5, 0.5, 0.5), 1.0),
    ]
    write_tracks(tmp_path / "tracks.csv", tracks)
    assert read_tracks(tmp_path / "tracks.csv") == tracks


def test_tracks_saved_by_a_spreadsheet_are_read(tmp_path: Path) -> None:
    """It puts a byte order mark before the first column's name, ends lines its own way, and people add columns."""
    path = tmp_path / "tracks.csv"
    path.write_bytes(f"\ufeff{HEADER},note\r\n{GOOD},late\r\n".encode())
    assert read_tracks(path) == [
        TrackedRegion("gate.mp4", 1.5, "gate-01", "red_car", Region(0.0, 0.25, 0.5, 0.75), 1.0)
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "missing columns clip,time_s,pass_id,label,x,y,w,h,visible"),
        (HEADER, "no tracks below the header"),
        (f"{HEADER.replace('pass_id', 'pass')}\n{GOOD}", "missing columns pass_id"),
        (f"{HEADER}\n{GOOD}\n{GOOD.replace('1.5', 'soon')}", "line 3: could not convert string to float: 'soon'"),
        (f"{HEADER}\n{GOOD.replace('1.5', '-1')}", "line 2: time_s is -1, expected seconds from 0"),
        (f"{HEADER}\n{GOOD.replace('1.5', 'nan')}", "line 2: time_s is nan, expected seconds from 0"),
        (f"{HEADER}\n{GOOD.replace('red_car', '')}", "line 2: no value for label"),
        (f"{HEADER}\ngate.mp4,1.5,gate-01", "line 2: no value for label,x,y,w,h,visible"),
        (f"{HEADER}\n{GOOD.replace('.75', '.76')}", "line 2: region 0,0.25,0.5,0.76 is not within the picture"),
        (f"{HEADER}\n{GOOD.replace('.75', '0')}", "line 2: region 0,0.25,0.5,0 is not within the picture"),
        (f"{HEADER}\n{GOOD.replace('.75', 'nan')}", "line 2: region 0,0.25,0.5,nan is not within the picture"),
        (f"{HEADER}\n{GOOD[:-1]}1.2", "line 2: visible is 1.2, expected a share from 0 to 1"),
        ("\xff\xfe", "codec can't decode"),
    ],
)
def test_tracks_that_cannot_be_read_are_told_in_one_line(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "tracks.csv"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FootageError) as caught:
        read_tracks(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: cannot read tracks: ")
    assert reason in told
    assert told.endswith(f"; expected columns {HEADER}")
    assert "\n" not in told
