"""What becomes of every entry of a folder that is not read, and one job over all kinds of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from lookalike.errors import FootageError
from lookalike.footage import find_sources, frame_at
from lookalike.footage.container import open_video
from lookalike.footage.selection import Selection
from lookalike.footage.sources import LeftOut, find_in_folders
from lookalike.search import Example, Searcher
from tests.clips import write_clip
from tests.footage.entries import listed, special_files, write_image
from training.evaluation.labels import read_events

WAIT_S = 120  # of a job that must end by itself
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


# In a process of its own, which can be ended where a verb waits; in one, as each takes seconds to begin.
ONE_AFTER_THE_OTHER = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from lookalike.cli import main
for words in json.loads(sys.argv[1]):
    out, err, code = StringIO(), StringIO(), 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(words)
    except SystemExit as exit_:
        code = exit_.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def test_a_file_that_is_no_file_ends_the_verb_in_one_line(tmp_path: Path, tiny_encoder: Path) -> None:
    pipe, _, zero = special_files(tmp_path)
    verbs: list[list[str]] = []
    for path in (pipe, zero):
        verbs += [
            ["embed", str(path), "--encoder", str(tiny_encoder), "--stdout"],
            ["search", str(path), "--encoder", str(tiny_encoder), "--index", str(tmp_path / "index")],
            ["evaluate", str(tiny_encoder), "--footage", str(tmp_path), "--events", str(path)],
        ]
    command = [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(verbs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True)
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert [end[:2] for end in ends] == [[1, ""]] * 6
    for number, (path, what) in enumerate(((pipe, "a named pipe"), (zero, "a character device"))):
        said = f"lookalike: {path}: {what}, expected a file\n"
        embed, search, evaluate = (end[2] for end in ends[3 * number : 3 * number + 3])
        assert embed == evaluate == said
        assert search.startswith("lookalike: ")  # the index is looked for first


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
