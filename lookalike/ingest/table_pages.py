"""Check what a Parquet file from elsewhere takes to read, before it is read: a few kilobytes can take all memory.

The reader believes the header of each page, whatever the end of the file states, so all of them are read here.
Source: Parquet format 2.12, parquet.thrift; Thrift compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from lookalike.errors import FootageError
from lookalike.files.varint import read_varint

LONGEST_TEXT = 4096  # characters
SLACK_BYTES = 1024 * 1024  # that a column chunk may have in addition to its values
SLACK_ROWS = 100_000  # that a file may have in addition to one for each byte
GROUP_VALUES = 2**26  # of the embeddings of a row group: 256 MiB
HEADER_BYTES = 128 * 1024  # of a page; it has the least and the greatest text
DELTA_BYTE_ARRAY = 7  # an encoding in which a text repeats the one before: kilobytes may take gigabytes

_BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _STRUCT = 3, 4, 5, 6, 7, 8, 12  # types of Thrift; a page has no others
_Struct = dict[int, "int | _Struct"]  # by number of the field: what is needed here


@dataclass(frozen=True)
class _Page:
    """The header of a page. values: of a data page, 0 of a dictionary. end: where the page ends in the file."""

    bytes: int
    values: int
    encoding: int
    end: int


def check_sizes(path: Path, metadata: pq.FileMetaData, dim: int) -> None:
    """Check rows, bytes and pages. dim: of the embeddings. Raises: FootageError; OSError."""
    file_bytes, rows = path.stat().st_size, 0
    with path.open("rb") as file:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            rows += group.num_rows
            if rows > file_bytes + SLACK_ROWS:
                raise FootageError(f"{path}: states {rows:,} rows or more in {file_bytes:,} bytes")
            if group.num_rows * dim > GROUP_VALUES:
                most = f"at most {GROUP_VALUES // dim:,}; write it again in smaller ones"
                raise FootageError(f"{path}: a row group has {group.num_rows:,} rows, {most}")
            for column in map(group.column, range(group.num_columns)):
                _check_column(path, file, column, group.num_rows, dim)


def _check_column(path: Path, file: BinaryIO, column: pq.ColumnChunkMetaData, rows: int, dim: int) -> None:
    name = column.path_in_schema[:50]
    most_values = rows * (dim if name.startswith("embedding") else 1)
    most_bytes = most_values * (4 * LONGEST_TEXT if column.physical_type == "BYTE_ARRAY" else 16) + SLACK_BYTES
    if column.total_uncompressed_size > most_bytes:
        size = f"{column.total_uncompressed_size:,} bytes in {rows:,} rows"
        raise FootageError(f"{path}: column {name} has {size}, at most {most_bytes:,}")
    size, values = 0, 0
    try:
        for page in _pages(file, column):
            size, values = size + page.bytes, values + page.values
            if size > most_bytes or values > most_values:
                has = f"{size:,} bytes and {values:,} values in pages of {rows:,} rows"
                raise FootageError(f"{path}: column {name} has {has}, at most {most_bytes:,} and {most_values:,}")
            if page.encoding == DELTA_BYTE_ARRAY:
                raise FootageError(f"{path}: column {name} is encoded as DELTA_BYTE_ARRAY; write it again without")
    except (IndexError, ValueError) as error:
        raise FootageError(f"{path}: column {name} has a page that cannot be read ({error})") from error


def _pages(file: BinaryIO, column: pq.ColumnChunkMetaData) -> Iterator[_Page]:
    """Yield the pages that the reader reads. Raises: IndexError, ValueError for bytes that are not a page."""
    at, values = column.data_page_offset, 0
    if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < at:
        at = column.dictionary_page_offset
    end = at + column.total_compressed_size
    while at < end and values < column.num_values:
        page = _page(file, at)
        yield page
        at, values = page.end, values + page.values


def _page(file: BinaryIO, at: int) -> _Page:
    file.seek(at)
    header, length = _struct(file.read(HEADER_BYTES), 0)
    of_data, number = (header[8], 4) if 8 in header else (header.get(5), 2)
    size, compressed = header.get(2), header.get(3)
    if not (isinstance(size, int) and isinstance(compressed, int) and size >= 0 and compressed >= 0):
        raise ValueError("a size is missing or negative")
    if not isinstance(of_data, dict):
        return _Page(size, 0, 0, at + length + compressed)
    values, encoding = of_data.get(1), of_data.get(number)
    if not (isinstance(values, int) and isinstance(encoding, int) and values >= 0):
        raise ValueError("a number of values is missing or negative")
    return _Page(size, values, encoding, at + length + compressed)


def _struct(data: bytes, at: int, depth: int = 0) -> tuple[_Struct, int]:
    """Read a struct of the compact protocol. Returns: its numbers and structs, and where it ends."""
    if depth > 8:
        raise ValueError("nested too deeply")
    fields, number = _Struct(), 0
    while head := data[at]:
        at, kind = at + 1, head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _number(data, at)
        if kind in (_I16, _I32, _I64):
            fields[number], at = _number(data, at)
        elif kind == _STRUCT:
            fields[number], at = _struct(data, at, depth + 1)
        else:
            at = _after(data, at, kind)
    return fields, at + 1


def _after(data: bytes, at: int, kind: int) -> int:
    """Return where a value ends that is not needed here."""
    if kind in (1, 2):  # a truth, which is in its head
        return at
    if kind in (_BYTE, _DOUBLE):
        return at + (1 if kind == _BYTE else 8)
    if kind == _BINARY:
        length, at = read_varint(data, at)
        return at + length
    raise ValueError(f"type {kind}")


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a signed number, which is written in zigzag. Returns: the number, and where it ends."""
    value, at = read_varint(data, at)
    return (value >> 1) ^ -(value & 1), at
