"""Inputs from strangers that were faults once, kept small, and what each is answered now."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import hashlib
import io
import json
import sqlite3
import struct
import tarfile
import unicodedata
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from starlette.requests import Request
from starlette.types import Message

from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import EncoderError, FootageError, ImageError, ImageTooLarge, IndexStoreError
from lookalike.index import open_index
from lookalike.index.clock import TimeOfDay
from lookalike.index.folder import FolderLocation
from lookalike.index.ledger import LEDGER, Ledger
from lookalike.index.operations import OPERATIONS
from lookalike.index.schema import SourceRecord
from lookalike.index.snapshot import MANIFEST, Manifest, restore, snapshot
from lookalike.ingest import table_pages
from lookalike.ingest.table import read_tables, schema
from lookalike.ingest.table_try import check_survives
from lookalike.pixels import MAX_SCANS, decode
from lookalike.region import Region
from lookalike.search import Example
from lookalike.search.fields import read_pairs, read_values, write_values
from serving.http.bodies import Body, read_body
from serving.http.errors import ApiError
from serving.http.json_images import read_images
from serving.http.search_fields import read_json
from serving.routes.embed import Images
from tests.index.circle import SPEC as CIRCLE
from tests.index.circle import at, frame
from tests.index.test_snapshot import write
from tests.ingest.test_table import table
from tests.tiny import SPEC, write_tiny_encoder

pytestmark = pytest.mark.trust

DEEP = b"[" * 1000 + b"]" * 1000


def test_a_region_that_begins_at_infinity_is_refused() -> None:
    with pytest.raises(ValueError, match="expected x and y from 0"):
        Region.parse("inf,0,1,1")
    with pytest.raises(FootageError, match="the region begins at 10000000000"):
        Region.parse("1e300,0,1,1").crop(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("text", ["0.1234567,0,0.5,1", "1234567,0,1234567.25,9", "0,0,1e-07,0.3333333333333333"])
def test_a_region_is_written_as_it_was_read(text: str) -> None:
    assert str(Region.parse(text)) == text
    request = read_pairs([("like", f"7#{text}")])
    assert read_values(write_values(request)) == request


def test_an_example_of_many_commas_takes_no_quadratic_time() -> None:
    text = "#" + "," * 60_000 + "#"  # took a minute
    assert Example.parse(text) == Example(text)


@pytest.mark.parametrize("field", ["like", "unlike", "id", "at"])
def test_a_region_of_nothing_is_refused(field: str) -> None:
    """It was taken for the picture that comes with the request."""
    reason = f"{field}: got the region '#0,0,.5,1', expected a picture, an id or a moment before it"
    with pytest.raises(ValueError, match=f"^{reason}$"):
        read_pairs([("like", "7"), (field, "#0,0,.5,1")])


@pytest.mark.parametrize("text", ["24:00-00:00", "24:00-24:00", "00:00-00:00"])
def test_a_time_of_day_without_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid time of day"):
        TimeOfDay.parse(text)


def test_a_name_that_takes_quadratic_time_to_compare_is_refused() -> None:
    """Marks in the wrong order are sorted one by one: 64 KiB of them took 2.5 s."""
    camera = "a" + "\u0301\u0327" * 2048
    assert unicodedata.normalize("NFD", camera) != camera
    with pytest.raises(ValueError, match=r"^camera has 4,097 characters, expected at most 4,096$"):
        read_pairs([("like", "7"), ("camera", camera)])


@pytest.mark.parametrize("depth", [100, 960, 980, 990, 1000])
def test_json_of_any_depth_is_refused(depth: int) -> None:
    """Near the interpreter's limit a value was read, and could not be shown."""
    with pytest.raises(ApiError) as caught:
        read_json(b'{"id": ' + b"[" * depth + b"]" * depth + b"}")
    assert caught.value.status == 400


def test_images_and_operations_of_any_depth_are_refused() -> None:
    with pytest.raises(ApiError, match="invalid encoding_format: got '"):
        read_images(b'{"images": "AAAA", "encoding_format": ' + DEEP + b"}", Images, "images")
    nested: Any = []
    for _ in range(2000):
        nested = [nested]
    with pytest.raises(ValueError, match="ids: got '"):
        OPERATIONS["existing"].read({"ids": [nested]}, SPEC.dim)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("captured_at", "0001-01-01T00:00:00Z", "captured_at of a payload is '0001-01-01T00:00:00Z', expected 1900 to"),
        ("ended_at", "9999-12-31T23:59:59-10:00", "ended_at of a payload is '9999-12-31T23:59:59-10:00', expected"),
        ("region", "everything", "invalid region 'everything'"),
    ],
)
def test_a_frame_from_a_client_that_cannot_be_shown_is_refused(field: str, value: str, reason: str) -> None:
    """It was stored, and every request for the library failed from then on."""
    entry = {"id": "0" * 32, "source": "a.mp4", "source_id": "a", "camera": "gate", "time_s": 1, "pts_us": 1_000_000}
    entry |= {"end_s": 1, "stands_for": 1, "width": 64, "height": 48, "luma": 90}
    assert OPERATIONS["upsert"].arguments["frames"].read([entry], 2)[0].time_s == 1
    with pytest.raises(ValueError, match="^" + reason):
        OPERATIONS["upsert"].arguments["frames"].read([entry | {field: value}], 2)


def test_hours_that_are_not_of_a_day_are_refused() -> None:
    hours = {"start_s": -1e308, "end_s": 1e308, "zone": "UTC"}
    with pytest.raises(ValueError, match="time_of_day: start_s: got '-1e\\+308', expected seconds of a day"):
        OPERATIONS["delete"].read({"filters": {"time_of_day": hours}}, 2)


def spelled(frame_id: str) -> list[str]:
    digits = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    return [f"urn:uuid:{frame_id}", f"{{{frame_id}}}", frame_id.upper(), frame_id.translate(digits)]


def test_the_id_of_a_frame_may_be_spelled_as_python_reads_it(tmp_path: Path) -> None:
    """The engine does not read every spelling, and a search by such an id was an error of the index."""
    with open_index(tmp_path / "index", CIRCLE, create=True) as index:
        index.add([frame("a", 0)], at(30))
        (stored,) = index.frames()
        for text in spelled(stored.id):
            assert index.vector(text) == pytest.approx(at(30)[0])
            assert OPERATIONS["points"].read({"ids": [text]}, 2) == [[stored.id]]


def read_form(kind: bytes, body: bytes) -> Body:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}, receive)
    return asyncio.run(read_body(request, lambda count: None))


def form(*fields: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="camera"\r\n\r\n'
    return b"".join(head + field + b"\r\n" for field in fields) + b"--x--\r\n"


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "utf-16", "latin-1", "x" * 100])
def test_a_form_in_a_codec_of_python_is_refused(charset: str) -> None:
    """`undefined` was a 500; `punycode` takes quadratic time."""
    with pytest.raises(ApiError, match=f"the form is in '{charset[:50]}', expected utf-8") as caught:
        read_form(f"multipart/form-data; boundary=x; charset={charset}".encode(), form(b"gate"))
    assert caught.value.status == 415


@pytest.mark.parametrize("charset", [b"", b"; charset=UTF-8", b'; charset="utf8"'])
def test_a_form_in_utf_8_is_read(charset: bytes) -> None:
    kind = b"multipart/form-data; boundary=x" + charset
    assert read_form(kind, form("Höfe".encode())).fields == [("camera", "Höfe")]


def test_the_text_fields_of_a_form_are_bounded_together() -> None:
    with pytest.raises(ApiError, match="80,000 characters in text fields, at most 65,536") as caught:
        read_form(b"multipart/form-data; boundary=x", form(b"a" * 40_000, b"b" * 40_000))
    assert caught.value.status == 413


def with_scans(count: int, progressive: bool = True) -> bytes:
    """A JPEG of 16x16 pixels whose last scan is repeated."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(file, "JPEG", progressive=progressive)
    whole, end = file.getvalue(), b"\xff\xd9"
    last, first = whole.rindex(b"\xff\xda"), whole.count(b"\xff\xda")
    return whole.removesuffix(end) + whole[last:].removesuffix(end) * (count - first) + end


def test_a_jpeg_of_many_scans_is_refused() -> None:
    """Each scan is a pass over all pixels: a megabyte of them took minutes at 64 megapixels."""
    assert decode(with_scans(MAX_SCANS)).shape == (16, 16, 3)
    with pytest.raises(ImageTooLarge, match=r"^x\.jpg: a JPEG of 65 scans, at most 64; save it again$"):
        decode(with_scans(MAX_SCANS + 1), "x.jpg")
    other = with_scans(MAX_SCANS) + with_scans(MAX_SCANS)  # a second picture, as phones append
    assert decode(other).shape == (16, 16, 3)


def test_scans_are_those_of_the_picture_not_of_what_its_metadata_hold() -> None:
    whole, thumbnails = with_scans(10), b"\xff\xe1" + (2 + 200).to_bytes(2, "big") + b"\xff\xda" * 100
    assert decode(whole[:2] + thumbnails + whole[2:]).shape == (16, 16, 3)


def test_what_pillow_says_of_an_image_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It quotes what it found, which may be line ends."""

    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("bad\n entry")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageError, match=r"^x: broken image \(bad entry\)$"):
        decode(b"anything", "x")


@pytest.mark.parametrize(("side", "more"), [(2001, 0), (16, 2_000_000)])
def test_a_large_bmp_with_runs_is_refused(side: int, more: int) -> None:
    """Pillow decodes it in Python, a microsecond for each run."""
    assert decode(bmp_with_runs(16)).tolist() == [[[5, 5, 5]] * 16] * 16
    with pytest.raises(
        ImageTooLarge, match=r"^x: a BMP with runs of pixels, 4,00\d,\d{3} bytes or pixels, at most 4,000,0"
    ):
        decode(bmp_with_runs(side, more), "x")


def bmp_with_runs(side: int, more: int = 0) -> bytes:
    """A grey BMP in which each run is of two pixels. more: runs after its last. Source: BITMAPINFOHEADER, BI_RLE8."""
    runs = (b"\2\5" * (side // 2) + b"\0\0") * side + b"\2\5" * more + b"\0\1"
    palette = b"".join(bytes((grey, grey, grey, 0)) for grey in range(256))
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + palette + runs


def spec_entry(**changes: object) -> str:
    return json.dumps(json.loads(SPEC.to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "recursion"),
        (spec_entry(weights_sha256="\ud800"), "surrogates not allowed"),
        (spec_entry(name="\udfff"), "surrogates not allowed"),
        (spec_entry(parts=[{"name": "content", "dim": -1}, {"name": "layout", "dim": 49}]), "its parts have [-1, 49]"),
        (spec_entry(parts=[{"name": "content", "dim": 48.0}]), "its parts have [48.0] numbers, expected 1 or more"),
        (spec_entry(parts=[{"name": "content", "dim": 24}] * 2), "its parts are ['content', 'content'], expected some"),
        (spec_entry(parts=[{"name": "sound", "dim": 48}]), "its parts are ['sound'], expected some of content, layout"),
        (spec_entry(parts=[{"name": [], "dim": 48}]), "unhashable"),
        (spec_entry(name="a\nb"), "name is 'a\\nb', expected at most 200 printable characters"),
        (spec_entry(name="a" * 201), "name is 'aaaa"),
        (spec_entry(whitened="yes"), "whitened is not true or false"),
        (spec_entry(**{"a\nb": 1}), "a b"),
        (spec_entry(format_version="1" * 10_000), "encoder format 1111"),
        (spec_entry(resize="1" * 10_000), "resize rule '1111"),
    ],
)
def test_a_spec_that_no_export_writes_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(EncoderError) as caught:
        EncoderSpec.from_json(text, "encoder.onnx")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.fixture
def content(tmp_path: Path) -> dict[str, bytes]:
    """The members of a snapshot, with a ledger of one source; the engine never comes to open its shard."""
    with closing(Ledger(tmp_path / "made.sqlite")) as ledger:
        ledger.write([SourceRecord("a", "all", "a.mp4", 5, 3)])
    data = (tmp_path / "made.sqlite").read_bytes()
    return {"lookalike.json": SPEC.to_json().encode(), LEDGER: data, "shard/edge_config.json": b"{}"}


def manifest_of(content: dict[str, bytes]) -> bytes:
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    return json.dumps(asdict(Manifest(json.loads(SPEC.to_json()), 0, 1, "qdrant-edge", hashes))).encode()


def refusal(archive: Path) -> str:
    with pytest.raises(IndexStoreError) as caught:
        restore(archive, archive.with_name("index"))
    assert not archive.with_name("index").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{archive}: ")


def with_headers(archive: Path, manifest: bytes, headers: bytes) -> Path:
    """A compressed tar that begins with a manifest, and has `headers` after it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
    archive.write_bytes(gzip.compress(file.getvalue().rstrip(b"\0") + bytes(-len(manifest) % 512) + headers))
    return archive


def header(name: str, kind: bytes, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse_header(name: str) -> bytes:
    """A header that says that more of its map of holes follows. Source: GNU tar manual, sparse formats."""
    block = bytearray(header(name, tarfile.GNUTYPE_SPARSE))
    block[482], block[148:156] = 1, b" " * 8  # isextended, and the checksum, which counts as spaces
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(manifest: bytes) -> bytes:
    """A manifest whose length is a multiple of a block, so that headers follow at once."""
    return manifest + b" " * (-len(manifest) % 512)


HEADERS: dict[str, Callable[[], bytes]] = {
    "long names of long names": lambda: (
        (header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2) + b"a\0".ljust(512)) * 400
    ),
    "pax headers of pax headers": lambda: (header("x", tarfile.XHDTYPE, 6) + b"6 a=b\n".ljust(512, b"\0")) * 400,
    "a map of holes without end": lambda: sparse_header("lookalike.json") + (b"0" * 504 + b"\1" * 8) * 400,
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_follow_each_other_are_bounded_together(tmp_path, content, kind) -> None:
    """tarfile goes one call deeper for each, or holds all of them in memory."""
    archive = with_headers(tmp_path / "x.tar.gz", padded(manifest_of(content)), HEADERS[kind]())
    said = refusal(archive)
    assert said.startswith("cut off or altered at its beginning (a header of ")


def test_a_manifest_that_is_repeated_is_refused(tmp_path, content) -> None:
    """Each was skipped and remembered: a gigabyte for each megabyte of a compressed file."""
    manifest = padded(manifest_of(content))
    archive = with_headers(tmp_path / "x.tar.gz", manifest, header(MANIFEST, tarfile.REGTYPE) * 3)
    assert refusal(archive) == f"{MANIFEST} is not in its manifest; nothing was restored"


def test_a_sidecar_that_would_fill_the_memory_is_refused(tmp_path, content) -> None:
    content["lookalike.json"] += b" " * (5 * 1024 * 1024)
    write(tmp_path / "x.tar", {MANIFEST: manifest_of(content)} | content)
    assert refusal(tmp_path / "x.tar") == "lookalike.json is not what was written; nothing was restored"


def test_a_sidecar_that_states_another_space_is_refused(tmp_path, content) -> None:
    other = json.loads(SPEC.to_json()) | {"space": "other"}
    content["lookalike.json"] = json.dumps(other).encode()
    manifest = json.dumps(json.loads(manifest_of(content)) | {"spec": other}).encode()
    write(tmp_path / "x.tar", {MANIFEST: manifest} | content)
    said = f"lookalike.json states the space 'other', expected {SPEC.space}; nothing was restored"
    assert refusal(tmp_path / "x.tar") == said


@pytest.mark.parametrize(
    ("change", "reason"), [({"region": "x"}, "invalid region 'x'"), ({"luma": "dark"}, "luma of a")]
)
def test_a_snapshot_with_a_frame_that_cannot_be_shown_is_refused(tmp_path, change, reason) -> None:
    with open_index(tmp_path / "made", CIRCLE, create=True) as index:
        index.add([frame("a", 0), frame("a", 1)], at(30, 60))
        (first, _) = index.frames()
        index.engine.upsert([dataclasses.replace(first, **change)], at(30))
    snapshot(FolderLocation(tmp_path / "made"), tmp_path / "x.tar")
    assert refusal(tmp_path / "x.tar").startswith(f"cannot read the index ({reason}")


TABLES = [f"CREATE TABLE t{number} (a)" for number in range(1000)]
LEDGERS = {
    "a view behind a thousand tables": ([*TABLES, "CREATE VIEW v AS SELECT 1"], "has a view"),
    "a virtual table": (["CREATE VIRTUAL TABLE v USING fts5(a)"], "has a virtual table"),
    "an index": (["CREATE INDEX i ON finished (length(source))"], "has a index"),
    "a generated column": (["ALTER TABLE finished ADD COLUMN g AS (zeroblob(1000000000))"], "has a generated column"),
    "a check": (["ALTER TABLE finished ADD COLUMN c CHECK (c IS NOT zeroblob(1000000000))"], "has a constraint"),
    "a default": (["ALTER TABLE finished ADD COLUMN d DEFAULT 'x'"], "has a default"),
    "bytes for a text": (["UPDATE finished SET source_id = x'6162'"], "source_id: got \"b'ab'\", expected a string"),
    "text that is not UTF-8": (["UPDATE finished SET source = CAST(x'ff' AS TEXT)"], "cannot read the ledger"),
    "a negative count": (["UPDATE finished SET frames = -1"], "frames: got '-1', expected 0 to"),
}


@pytest.mark.parametrize("kind", LEDGERS)
def test_a_ledger_that_no_ingest_writes_is_refused(tmp_path, content, kind) -> None:
    statements, reason = LEDGERS[kind]
    made = tmp_path / "made.sqlite"
    with closing(sqlite3.connect(made, isolation_level=None)) as file:
        file.execute("BEGIN")
        for statement in statements:
            file.execute(statement)
        file.execute("COMMIT")
    content[LEDGER] = made.read_bytes()
    made.unlink()
    write(tmp_path / "x.tar", {MANIFEST: manifest_of(content)} | content)
    assert reason in refusal(tmp_path / "x.tar")


def test_a_ledger_with_a_broken_page_is_refused(tmp_path, content) -> None:
    whole = bytearray(content[LEDGER])
    whole[4096:4106] = b"\xff" * 10  # the first page of the table
    content[LEDGER] = bytes(whole)
    write(tmp_path / "x.tar", {MANIFEST: manifest_of(content)} | content)
    assert "cannot read the ledger (" in refusal(tmp_path / "x.tar")


def varint(number: int, length: int = 0) -> bytes:
    """A number as Thrift's compact protocol writes it, in zigzag. length: least bytes."""
    number, written = number << 1, bytearray()
    while number > 0x7F or len(written) + 1 < length:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def with_footer(data: bytes, numbers: dict[int, int]) -> bytes:
    """A Parquet file whose end states other numbers."""
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8]
    for number, other in numbers.items():
        footer = footer.replace(varint(number), varint(other, len(varint(number))))
    return data[: -8 - length] + footer + data[-8:]


def reading(path: Path) -> str:
    with pytest.raises(FootageError) as caught:
        list(read_tables(path, SPEC))
    return str(caught.value).removeprefix(f"{path}: ")


def test_pages_of_a_table_are_as_small_as_its_end_states(tmp_path: Path) -> None:
    """The reader believes each page: 15 kB that stated 6 rows took 500 MB, of at most 2 GiB for each column."""
    path, many = tmp_path / "x.parquet", pa.concat_tables([table()] * 20_000)
    pq.write_table(
        many, path, row_group_size=len(many), data_page_size=2**30, max_rows_per_page=2**30, compression="zstd"
    )
    group = pq.read_metadata(path).row_group(0)
    sizes = [group.column(number).total_uncompressed_size for number in range(group.num_columns)]
    states = {len(many): 6, len(many) * SPEC.dim: 6 * SPEC.dim, **dict.fromkeys((group.total_byte_size, *sizes), 60)}
    path.write_bytes(with_footer(path.read_bytes(), states))
    stated = pq.read_metadata(path).row_group(0).column(2)
    assert (pq.read_metadata(path).num_rows, stated.num_values, stated.total_uncompressed_size) == (6, 6, 60)
    assert reading(path).startswith("column source has ")
    assert "and 120,000 values in pages of 6 rows, at most 1,146,880 and 6" in reading(path)


def test_more_rows_than_a_file_can_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.concat_tables([table()] * 5000), path, compression="zstd")
    size = path.stat().st_size
    assert size < 30_000
    monkeypatch.setattr(table_pages, "SLACK_ROWS", 0)
    assert reading(path) == f"states 30,000 rows or more in {size:,} bytes"
    monkeypatch.setattr(table_pages, "SLACK_ROWS", 30_000)
    monkeypatch.setattr(table_pages, "GROUP_VALUES", SPEC.dim * 1000)
    assert reading(path) == "a row group has 30,000 rows, at most 1,000; write it again in smaller ones"


def test_texts_that_repeat_the_one_before_are_refused(tmp_path: Path) -> None:
    """A thousand rows may name one text of megabytes, which is written once, and read a thousand times."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path, use_dictionary=False, column_encoding={"camera": "DELTA_BYTE_ARRAY"})
    assert reading(path) == "column camera is encoded as DELTA_BYTE_ARRAY; write it again without"


@pytest.mark.parametrize(
    "header", [b"", b"\x15\x00", b"\x00", b"\xff" * 200, b"\x2c" * 200, b"\x15\x00\x15\x01\x15\x00\x00"]
)
def test_a_page_whose_header_cannot_be_read_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path)
    data, at = path.read_bytes(), pq.read_metadata(path).row_group(0).column(0).dictionary_page_offset
    path.write_bytes(data[:at] + header + data[at + len(header) :] if header else data[:at] + data[at + 1 :])
    assert "column source has a page that cannot be read (" in reading(path) or "not a readable Parquet" in reading(
        path
    )


def test_a_table_whose_spec_cannot_be_read_is_an_error_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table().replace_schema_metadata({b"lookalike": b"[1"}), path)
    assert reading(path) == "the spec of its encoder cannot be read; embed it again"


def test_a_table_that_ends_the_process_of_its_reader_is_refused(tmp_path: Path) -> None:
    """Its embeddings state another repetition, and so one level less than the statistics of their pages have.

    pyarrow throws where it may not, which ends the process.
    """
    path = tmp_path / "x.parquet"
    pq.write_table(table(), path)
    check_survives(path, SPEC)
    data, optional, required = path.read_bytes(), b"\x35\x02\x18\x09embedding", b"\x34\x02\x18\x09embedding"
    assert data.count(optional) == 1
    path.write_bytes(data.replace(optional, required))
    with pytest.raises(FootageError, match="its reader was stopped: what"):
        check_survives(path, SPEC)


def test_columns_that_are_not_ours_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table().append_column("extra", pa.array([[{"a": "b"}]] * 6)), path)
    assert [found.column_names for found in read_tables(path, SPEC)] == [schema(SPEC).names]


def test_a_graph_that_opens_and_cannot_be_run_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path / "encoder.onnx")
    model = onnx.load(path)
    norm = next(node for node in model.graph.node if node.op_type == "LpNormalization")
    next(attribute for attribute in norm.attribute if attribute.name == "axis").i = 9
    onnx.save(model, path)
    encoder = Encoder(path, "cpu")
    with pytest.raises(EncoderError, match=r"encoder\.onnx: cannot be run \(.*axis 9"):
        encoder.embed(np.zeros((1, encoder.spec.input_px, encoder.spec.input_px, 3), np.uint8))
