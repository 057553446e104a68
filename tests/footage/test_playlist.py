"""HLS recordings on disk: each is its segments, read in order; what a playlist may not name is refused in a line."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from lookalike.encoder import Encoder
from lookalike.footage import Ended, Frame, duration_s, find_sources, frame_at, read_source
from lookalike.footage.container import open_video
from lookalike.footage.playable import judge, make_playable
from lookalike.footage.playlist import Joined, read_playlist, segments_of
from lookalike.footage.read import identify
from lookalike.footage.sampling import Sampling
from lookalike.footage.sources import stored_source
from lookalike.index import open_index
from lookalike.index.maintenance import is_there, verify
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES
from serving.recordings.source_verifier import SourceVerifier
from tests.clips import number_of, picture, write_clip
from tests.conftest import SHARED_DATA
from tests.tiny import SPEC
from tests.two_clips import done

ALL = Sampling(regions=None)
CASES = SHARED_DATA / "cases" / "hls"
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
MPEG_TS = {"hls_time": "0.4", "hls_list_size": "0"}
KINDS = {
    "ts": MPEG_TS,
    "fmp4": MPEG_TS | {"hls_segment_type": "fmp4"},
    "single_file": MPEG_TS | {"hls_flags": "single_file"},
    "single_fmp4": MPEG_TS | {"hls_segment_type": "fmp4", "hls_flags": "single_file"},
}


def write_hls(folder: Path, first: int = 0, kind: str = "ts") -> Path:
    """30 pictures, 40 ms apart, in three segments of ten."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [picture(first + number) for number in range(30)]
    options = KINDS[kind]
    codec = {"g": "10", "bf": "0", "sc_threshold": "0"}
    return write_clip(folder / "index.m3u8", range(0, 1200, 40), pictures, options=options, codec_options=codec)


def numbers_and_end(path: Path | str) -> tuple[list[int], str | None]:
    (source,) = find_sources([path])
    *frames, ended = read_source(source, ALL)
    assert isinstance(ended, Ended)
    return [number_of(frame.image) for frame in frames if isinstance(frame, Frame)], ended.reason


def reason(path: Path) -> str:
    numbers, why = numbers_and_end(path)
    assert numbers == []
    return why or ""


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_playlist_is_a_recording_made_of_its_segments(tmp_path: Path, kind: str) -> None:
    path = write_hls(tmp_path / "gate", kind=kind)
    assert numbers_and_end(path) == (list(range(30)), None)
    for number in (0, 9, 10, 15, 29, 3):
        assert number_of(frame_at(str(path), number * 0.04)) == number
    assert duration_s(str(path)) == pytest.approx(1.2, abs=0.05)
    assert is_there(str(path))


@pytest.mark.parametrize("kind", list(KINDS))
def test_browsers_get_one_file_of_it(tmp_path: Path, kind: str) -> None:
    path = write_hls(tmp_path, kind=kind)
    assert judge(str(path)).how == "rewrapped"
    make_playable(str(path), tmp_path / "out.mp4", "rewrapped", lambda share: None)
    assert numbers_and_end(tmp_path / "out.mp4") == (list(range(30)), None)


@pytest.mark.parametrize("kind", list(KINDS))
def test_in_a_folder_a_playlist_takes_the_place_of_its_segments(tmp_path: Path, kind: str) -> None:
    first, second = (write_hls(tmp_path / name, kind=kind) for name in ("cam1", "cam2"))
    write_clip(tmp_path / "cam1" / "another.ts", [0, 40])
    (tmp_path / "cam3").mkdir()
    shutil.copy(next(first.parent.glob("index*[0-9s]*.ts"), first.parent / "another.ts"), tmp_path / "cam3" / "own.ts")
    found = [source.path for source in find_sources([tmp_path])]
    assert found == [str(first.parent / "another.ts"), str(first), str(second), str(tmp_path / "cam3" / "own.ts")]


def test_two_cameras_with_the_same_playlist_are_two_recordings(tmp_path: Path, tiny: Encoder) -> None:
    first, second = write_hls(tmp_path / "cam1"), write_hls(tmp_path / "cam2", first=30)
    assert first.read_bytes() == second.read_bytes()
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        summary = index_footage(find_sources([first.parent, second.parent]), tiny, index, WHOLE_FRAMES, done)
        assert (summary.sources, summary.added, summary.skipped) == (2, 60, [])
        assert index_footage(find_sources([first, second]), tiny, index, WHOLE_FRAMES, done).added == 0
        assert verify(index).good


def test_its_identity_is_that_of_its_segments_bytes(tmp_path: Path) -> None:
    path = write_hls(tmp_path)
    parts = b"".join((tmp_path / f"index{number}.ts").read_bytes() for number in range(3))
    source_id = hashlib.sha256(parts).hexdigest()
    assert identify(stored_source(str(path))) == source_id
    path.write_text(path.read_text().replace("#EXTM3U", "#EXTM3U\n# a remark"))
    assert identify(stored_source(str(path))) == source_id
    assert read_playlist(str(path)).size_bytes == len(parts)
    unchanged = SourceVerifier()
    unchanged.check(str(path), source_id)
    (tmp_path / "index1.ts").write_bytes(b"other")
    with pytest.raises(Exception, match="another file than the one that was indexed"):
        unchanged.check(str(path), source_id)


def test_reading_and_seeking_give_the_bytes_of_the_pieces(tmp_path: Path) -> None:
    for name, data in (("a.ts", b"0123456789"), ("b.ts", b""), ("c.ts", b"abcdef")):
        (tmp_path / name).write_bytes(data)
    ranges = "a.ts|#EXT-X-BYTERANGE:2@8|a.ts|b.ts|#EXT-X-BYTERANGE:2@1|c.ts|#EXT-X-BYTERANGE:3|c.ts"
    (tmp_path / "x.m3u8").write_text(HEAD + ranges.replace("|", "\n"))
    whole = b"012345678989bcdef"
    with Joined(read_playlist(str(tmp_path / "x.m3u8")), "x") as file:
        assert file.readall() == whole
        rng = np.random.default_rng(0)
        for at, count in rng.integers(0, 20, (50, 2)).tolist():
            assert file.seek(at) == file.tell() == at
            got = b""
            while len(got) < count and (more := file.read(count - len(got))):
                got += more
            assert got == whole[at : at + count]
        assert file.seek(-3, os.SEEK_END) == 14
        assert file.seek(-2, os.SEEK_CUR) == 12


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an HLS playlist"),
        ("index0.ts\n", "not an HLS playlist, expected #EXTM3U"),
        ("#EXTM3U\n#EXTINF:1,a song\nindex0.ts\n", "not an HLS playlist, expected #EXT-X-TARGETDURATION"),
        (HEAD, "no segments"),
        (HEAD + "#EXT-X-KEY:METHOD=AES-128,URI=key.bin\nindex0.ts\n", "its segments are encrypted"),
        (HEAD + "https://example.org/0.ts\n", "expected the name of a file next to the playlist"),
        (HEAD + "file:index0.ts\n", "expected the name of a file next to the playlist"),
        (HEAD + "//example.org/0.ts\n", "expected the name of a file next to the playlist"),
        (HEAD + "/etc/passwd\n", "expected the name of a file next to the playlist"),
        (HEAD + "../index0.ts\n", "leads out of the playlist's folder"),
        (HEAD + "%2e%2e/index0.ts\n", "leads out of the playlist's folder"),
        (HEAD + "link.ts\n", "leads out of the playlist's folder"),
        (HEAD + "pipe.ts\n", "is not a regular file"),
        (HEAD + "gone.ts\n", "the segment 'gone.ts': no such file"),
        (HEAD + "index0.ts\0\n", "expected the name of a file next to the playlist"),
        (HEAD + "#EXT-X-BYTERANGE:9999999@0\nindex0.ts\n", "is past its end"),
        (HEAD + "#EXT-X-BYTERANGE:10\nindex0.ts\n", "expected LENGTH@START"),
        (HEAD + '#EXT-X-MAP:URI="index0.ts"\nindex1.ts\n#EXT-X-MAP:URI="index2.ts"\nindex1.ts\n', "another #EXT-X-MAP"),
        (HEAD + '#EXT-X-MAP:URI="http://example.org/i.mp4"\nindex1.ts\n', "expected the name of a file next"),
        (
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh.m3u8\n",
            "a master playlist, expected one of its variants: low/index.m3u8, high.m3u8",
        ),
        (HEAD + "song.mp4\n", "not a readable video"),
        (HEAD + "index.m3u8\n", "not a readable video"),
    ],
)
def test_what_is_no_recording_is_refused_in_a_line(tmp_path: Path, text: str, says: str) -> None:
    path = write_hls(tmp_path / "hls")
    shutil.copy(path.parent / "index0.ts", tmp_path / "index0.ts")
    (path.parent / "link.ts").symlink_to(tmp_path / "index0.ts")
    os.mkfifo(path.parent / "pipe.ts")
    write_clip(path.parent / "song.mp4", [0, 40])
    path.write_text(text)
    why = reason(path)
    assert says in why
    assert "\n" not in why
    assert str(path) not in why  # it is reported next to the path


def test_segments_of_a_playlist_that_cannot_be_read_are_recordings_of_their_own(tmp_path: Path) -> None:
    path = write_hls(tmp_path)
    (tmp_path / "index1.ts").unlink()
    assert [Path(source.path).name for source in find_sources([tmp_path])] == ["index.m3u8", "index0.ts", "index2.ts"]
    assert "'index1.ts': no such file" in reason(path)


def test_a_master_playlist_stands_for_the_variants_that_are_found(tmp_path: Path) -> None:
    write_hls(tmp_path / "low")
    master = tmp_path / "main.m3u8"
    master.write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n")
    assert [source.path for source in find_sources([tmp_path])] == [str(tmp_path / "low" / "index.m3u8")]
    assert segments_of([str(master)]) == set()
    master.write_text(master.read_text() + "#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh/index.m3u8\n")
    assert str(master) in [source.path for source in find_sources([tmp_path])]


def test_a_segment_that_was_never_written_is_passed_over(tmp_path: Path) -> None:
    path = write_hls(tmp_path)
    path.write_text(path.read_text().replace("index1.ts", "#EXT-X-GAP\nlost.ts"))
    assert numbers_and_end(path)[0] == [*range(10), *range(20, 30)]


def test_names_may_hold_spaces_and_hashes_and_be_escaped(tmp_path: Path) -> None:
    path = write_hls(tmp_path / "gate #2.mp4")
    for number, name in enumerate(("a b.ts", "50%.ts", "x#1.ts")):
        (path.parent / f"index{number}.ts").rename(path.parent / name)
    path.write_text(HEAD + "a%20b.ts\r\n50%.ts\r\nx#1.ts\r\n")
    assert numbers_and_end(path) == (list(range(30)), None)


def test_ffmpeg_opens_nothing_that_a_playlist_names(tmp_path: Path) -> None:
    """By its content alone a playlist is none: its name says that segments are meant."""
    path = write_hls(tmp_path)
    shutil.copy(path, tmp_path / "copy.mp4")
    with pytest.raises(Exception, match="Invalid data"):
        open_video(str(tmp_path / "copy.mp4"))


@pytest.mark.skipif(not CASES.is_dir(), reason="NO CASES: the shared inputs are not beside the checkout")
def test_the_collected_cameras_are_both_indexed(tiny: Encoder, tmp_path: Path) -> None:
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        summary = index_footage(find_sources([CASES]), tiny, index, WHOLE_FRAMES, done)
        assert (summary.sources, summary.added, summary.skipped) == (2, 80, [])
        assert {fields.camera for fields in index.frames()} == {"cam1", "cam2"}


@pytest.mark.parametrize("name", ["index.m3u8", "playlist.m3u8", "stream.m3u8"])
def test_a_playlist_that_is_called_as_all_are_has_its_folders_name(tmp_path: Path, name: str) -> None:
    given = list[Path]()
    for camera in ("gate", "yard"):
        write_hls(tmp_path / camera)
        given.append((tmp_path / camera / "index.m3u8").rename(tmp_path / camera / name))
    assert [source.camera for source in find_sources(given)] == ["gate", "yard"]
    assert [source.camera for source in find_sources([tmp_path / "yard"])] == ["yard"]
    other = (tmp_path / "yard" / name).rename(tmp_path / "yard" / "door.m3u8")
    assert [source.camera for source in find_sources([other])] == ["door"]
