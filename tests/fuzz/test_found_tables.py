"""Tables from strangers that were faults once, kept small, and what each is answered now."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lookalike.errors import FootageError
from lookalike.ingest import table_pages
from lookalike.ingest.table import read_tables, schema
from lookalike.ingest.table_try import check_survives
from tests.ingest.test_table import table
from tests.tiny import SPEC

pytestmark = pytest.mark.trust


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
