"""Tables from elsewhere: each row is checked, bad ones are refused by number, and no path that one names is opened."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lookalike.errors import FootageError
from lookalike.footage import Frame, find_sources
from lookalike.index import open_index
from lookalike.ingest.import_table import import_frames
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES
from lookalike.ingest.table import NO_PICTURE, schema, to_table
from lookalike.search_fields import SearchOptions
from tests.clips import write_clip
from tests.e2e.conftest import run_here, run_verb
from tests.tiny import SPEC
from tests.two_clips import done

ROWS = 6
BAD = 2  # the row that a test spoils


@pytest.fixture
def index(tmp_path):
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        yield opened


def table(source: str = "gate.mp4", source_id: str = "0" * 64) -> pa.Table:
    at = datetime(2026, 1, 5, 8, tzinfo=UTC)
    frames = [
        Frame(NO_PICTURE, source, source_id, "gate", n / 10, n * 100_000, at, (64, 48), 90.0) for n in range(ROWS)
    ]
    vectors = np.random.default_rng(0).normal(size=(ROWS, SPEC.dim)).astype(np.float32)
    return to_table(frames, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), SPEC)


def with_value(name: str, value: Any, row: int = BAD) -> pa.Table:
    """A table with one value changed; the embedding as a list."""
    good = table()
    values = good.column(name).to_pylist()
    values[row] = value
    return good.set_column(good.schema.get_field_index(name), name, pa.array(values, good.schema.field(name).type))


UNIT = [1.0] + [0.0] * (SPEC.dim - 1)
BAD_VALUES = [
    *((name, None, f"{name} is null") for name in ("source", "camera", "source_id")),
    *((name, "", f"{name} is empty") for name in ("source", "camera", "source_id")),
    ("source", "a\0b", "invalid source"),
    ("camera", "x" * 5000, "invalid camera"),
    ("time_s", None, "time_s is null"),
    ("time_s", -1.0, "time_s is -1"),
    ("time_s", float("nan"), "time_s is nan"),
    ("time_s", float("inf"), "time_s is inf"),
    ("time_s", 7.0, "time_s is 7, pts_us is 200000"),
    ("pts_us", None, "pts_us is null"),
    ("pts_us", -1, "pts_us is -1"),
    ("pts_us", 2**62, "pts_us is 4611686018427387904"),
    ("end_us", 100, "end_us is 100, expected at least pts_us, 200000"),
    ("end_us", 2**62, "end_us is 4611686018427387904"),
    ("captured_at", datetime(1, 1, 1, tzinfo=UTC), "captured_at is 0001-01-01"),
    ("captured_at", datetime(9999, 12, 31, tzinfo=UTC), "captured_at is 9999-12-31"),
    ("captured_at", 2**62, "captured_at is an invalid date"),
    ("stands_for", 0, "stands_for is 0"),
    ("stands_for", None, "stands_for is null"),
    ("width", -1, "width is -1"),
    ("height", None, "height is null"),
    ("luma", float("nan"), "luma is nan"),
    ("luma", None, "luma is null"),
    ("scene", -3, "scene is -3"),
    ("fault", "<script>", "fault is '<script>'"),
    ("region", "everything", "region is 'everything'"),
    ("region", "nan,0,1,1", "region is 'nan,0,1,1'"),
    ("region", "inf,0,1,1", "region is 'inf,0,1,1'"),
    ("region", "0,0,99,99", "region is '0,0,99,99'"),
    ("embedding", None, "embedding is null"),
    ("embedding", [None, *UNIT[1:]], "embedding is null"),
    ("embedding", [float("nan"), *UNIT[1:]], "embedding is null, or has a value that is not finite"),
    ("embedding", [float("inf"), *UNIT[1:]], "embedding is null, or has a value that is not finite"),
    ("embedding", [0.0] * SPEC.dim, "embedding has length 0"),
    ("embedding", [2.0, *UNIT[1:]], "embedding has length 2"),
    ("embedding", [1.002, *UNIT[1:]], "embedding has length 1.002"),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD_VALUES)
def test_a_bad_row_is_refused_by_number_and_the_others_are_stored(tmp_path, index, name, value, reason):
    path = tmp_path / "x.parquet"
    pq.write_table(with_value(name, value), path)
    summary = import_frames(path, index, done)
    assert (summary.added, summary.refused, index.count()) == (ROWS - 1, 1, ROWS - 1)
    (skipped,) = summary.skipped
    assert skipped.source == f"{path}, row {BAD}"
    assert skipped.reason.startswith(reason)
    assert sorted(round(one.time_s * 10) for one in index.frames()) == [0, 1, 3, 4, 5]
    first = table().column("embedding")[0].as_py()  # the vectors of the others are still theirs
    best = index.search(np.array(first, np.float32), options=SearchOptions(1))[0]
    assert (best.time_s, round(best.score, 4)) == (0.0, 1.0)


def test_good_values_at_the_edge_are_stored(tmp_path, index):
    path = tmp_path / "x.parquet"
    pq.write_table(with_value("embedding", [1.0005, *UNIT[1:]]), path)
    assert import_frames(path, index, done).refused == 0


def test_text_that_is_not_utf8_is_refused(tmp_path, index):
    good = table()
    names = pa.array([b"gate.mp4", b"\xff\xfe", *[b"gate.mp4"] * (ROWS - 2)], pa.binary())
    bad = pa.Array.from_buffers(pa.string(), ROWS, names.buffers())
    path = tmp_path / "x.parquet"
    pq.write_table(good.set_column(good.schema.get_field_index("source"), "source", bad), path)
    summary = import_frames(path, index, done)
    assert [(one.source, one.reason) for one in summary.skipped] == [(f"{path}, row 1", "source is not UTF-8")]


def test_a_named_pipe_is_refused_at_once(tmp_path, index):
    """Opening it waits until something writes to it."""
    os.mkfifo(tmp_path / "frames.parquet")
    with pytest.raises(FootageError, match="a named pipe, expected a file"):
        import_frames(tmp_path / "frames.parquet", index, done)


def test_the_first_few_bad_rows_are_named_and_the_rest_counted(tmp_path, index):
    path = tmp_path / "x.parquet"
    bad = table().slice(0, 4)
    nulls = bad.set_column(0, "source", pa.nulls(4, pa.string()))
    pq.write_table(pa.concat_tables([nulls] * 500 + [table()]), path)  # 2,000 rows, of several parts
    summary = import_frames(path, index, done)
    assert (summary.refused, summary.added) == (2000, ROWS)
    assert [one.source for one in summary.skipped] == [*(f"{path}, row {n}" for n in range(5)), str(path)]
    assert summary.skipped[-1].reason == "1,995 more rows refused"


@pytest.mark.parametrize("name", ["time_s", "source", "embedding", "captured_at"])
def test_a_column_of_another_type_or_none_is_one_line(tmp_path, index, name):
    good, path = table(), tmp_path / "x.parquet"
    filters = good.schema.get_field_index(name)
    pq.write_table(good.set_column(filters, name, pa.array([1] * ROWS, pa.int8())), path)
    with pytest.raises(FootageError, match=rf"^{path}: column {name} is int8, expected .*; embed it again$"):
        import_frames(path, index, done)
    pq.write_table(good.remove_column(filters), path)
    with pytest.raises(FootageError, match=rf"^{path}: column {name} is missing, expected .*; embed it again$"):
        import_frames(path, index, done)
    assert index.count() == 0


def test_lists_of_another_length_are_one_line(tmp_path, index):
    good, path = table(), tmp_path / "x.parquet"
    short = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(ROWS, np.float32)), 1)
    pq.write_table(good.set_column(good.schema.get_field_index("embedding"), "embedding", short), path)
    with pytest.raises(FootageError, match="column embedding is "):
        import_frames(path, index, done)
    assert schema(SPEC).field("embedding").type.list_size == SPEC.dim


def test_the_verb_says_so_and_exits_with_1(tmp_path, tiny_encoder):
    path = tmp_path / "x.parquet"
    pq.write_table(with_value("camera", None), path)
    process = run_verb("index", path, "--encoder", tiny_encoder, "--index", tmp_path / "index")
    assert process.returncode == 1
    assert json.loads(process.stdout)["points"] == ROWS - 1
    assert f"skipped {path}, row {BAD}: camera is null\n" in process.stderr
    assert process.stderr.endswith("lookalike: 1 rows of tables were refused; the others are stored\n")


def test_what_a_table_names_is_marked_until_it_is_indexed_here(tmp_path, tiny, index):
    clip = write_clip(tmp_path / "gate.mp4", range(0, 100 * ROWS, 100))
    path = tmp_path / "x.parquet"
    pq.write_table(table(str(clip), hashlib.sha256(clip.read_bytes()).hexdigest()), path)
    import_frames(path, index, done)
    assert {one.remote for one in index.frames()} == {True}
    (frame, *_) = index.frames()
    with pytest.raises(FootageError, match="named over HTTP or by an imported table, so not opened"):
        index.place(frame.id)
    index_footage(find_sources([clip]), tiny, index, WHOLE_FRAMES, done)
    assert [(one.source, one.camera, one.remote) for one in index.frames()] == [(str(clip), "gate", False)] * 6


def test_a_sheet_opens_no_path_that_only_a_table_names(tmp_path, tiny_encoder, capsys):
    clip = write_clip(tmp_path / "gate.mp4", range(0, 100 * ROWS, 100))
    path, sheet = tmp_path / "x.parquet", tmp_path / "sheet.html"
    pq.write_table(table(str(clip), hashlib.sha256(clip.read_bytes()).hexdigest()), path)
    flags, closed = ("--encoder", tiny_encoder, "--index", tmp_path / "index"), f"{clip}: named over HTTP or by an"
    for source, pictures in ((path, 0), (clip, 1)):
        run_here("index", source, *flags)
        capsys.readouterr()
        run_here("outliers", *flags, "--top", 1, "--sheet", sheet)
        said = capsys.readouterr().err
        assert (closed in said) == (pictures == 0)
        assert f"{sheet}: {pictures} pictures" in said
        assert sheet.read_text("utf-8").count("data:image/jpeg") == pictures


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_text_of_megabytes_is_refused_before_it_is_read(tmp_path, index, dictionary):
    path, size = tmp_path / "x.parquet", 20_000_000
    long = with_value("camera", "a" * size)
    pq.write_table(long, path, compression="zstd", use_dictionary=dictionary)
    assert path.stat().st_size < 30_000
    with pytest.raises(FootageError, match=r"column camera has 20,\d{3},\d{3} bytes in 6 rows, at most 1,146,880$"):
        import_frames(path, index, done)


def test_a_long_text_that_many_rows_have_is_held_once(tmp_path, index):
    """1,000 rows that name one camera of a megabyte: within what their chunk may have, and refused one by one."""
    many = pa.concat_tables([table()] * 200)
    cameras = pa.array(["a" * 1_000_000] * len(many))
    path = tmp_path / "x.parquet"
    pq.write_table(many.set_column(1, "camera", cameras), path)
    summary = import_frames(path, index, done)
    assert (summary.refused, index.count()) == (len(many), 0)
    assert "invalid camera 'aaaa" in summary.skipped[0].reason
