"""Find where a file's bytes break the rules of its format, by walking from one element to the next.

libavformat continues behind a hole without an error, and decoders repeat the last picture there.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Bytes = mmap.mmap | bytes
STEP = 1 << 20
ASF = "asf"


@dataclass(frozen=True)
class Form:
    """How a format is walked.

    after: returns where the element at a position ends, or where its first child begins; None if no element is there.
    May be beyond the file. marks: matches where the walk can resume. pad: bytes of padding allowed between elements.
    """

    after: Callable[[Bytes, int], int | None]
    marks: re.Pattern[bytes]
    pad: int = 0


def breaks(path: Path, format_name: str) -> Iterator[int]:
    """Yield each position where an element should begin and does not, or is cut off by the end of the file.

    Padding at the end is allowed. Formats without an entry in FORMS are not checked.
    """
    kind = format_name.partition(",")[0]
    if (kind not in FORMS and kind != ASF) or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield from _unlike_the_first(data) if kind == ASF else _walk(data, FORMS[kind])


def _walk(data: Bytes, form: Form) -> Iterator[int]:
    at, size = 0, len(data)
    while at < size:
        end = form.after(data, at)
        if end is not None and end <= size:
            at = end
            continue
        resumes_at = _next(data, at, form)
        if resumes_at is None and is_padding(data, at, size):
            return
        if resumes_at is None or resumes_at - at > form.pad or not is_padding(data, at, resumes_at):
            yield at
        if resumes_at is None:
            return
        at = resumes_at


def _next(data: Bytes, at: int, form: Form) -> int | None:
    """Return the first position after this one from which two elements can be walked."""
    for mark in form.marks.finditer(data, at + 1):
        end = form.after(data, mark.start())
        if end is not None and (end == len(data) or (end < len(data) and form.after(data, end) is not None)):
            return mark.start()
    return None


def is_padding(data: Bytes, start: int, end: int) -> bool:
    """Whether all bytes from `start` up to `end` are unused room: zeros, or 0xFF as in erased flash memory."""
    return not any(data[at : min(at + STEP, end)].strip(b"\0\xff") for at in range(start, end, STEP))


def _number(data: Bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "big")


# Matroska: elements of an ID, a length, and content. Source: RFC 8794, section 4; RFC 9559, sections 5 and 27.1.

OUTER = {0x1A45DFA3, 0x18538067, 0x1F43B675}  # EBML header, Segment, Cluster: the walk goes into the latter two
INNER = {
    *(0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367),  # of a Segment
    *(0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF),  # of a Cluster
    *(0xEC, 0xBF),  # Void, CRC-32
}


def _after_ebml(data: Bytes, at: int) -> int | None:
    head = _ebml_head(data, at)
    if head is None:
        return None
    name, start, length = head
    if name in OUTER and name != 0x1A45DFA3:
        return start
    if length is None:
        return None
    if name in OUTER or name in INNER:
        return start + length
    follows = _ebml_head(data, start + length)  # an element of another version of the format, if the walk can go on
    return start + length if follows and follows[0] in OUTER | INNER else None


def _ebml_head(data: Bytes, at: int) -> tuple[int, int, int | None] | None:
    """Return the ID, where the content begins, and its length; None as the length if it is not stated."""
    head = data[at : at + 12]
    wide = 9 - head[0].bit_length() if head else 9
    if wide > 4 or len(head) <= wide or not head[wide]:
        return None
    long = 9 - head[wide].bit_length()
    length = _number(head, wide, long) & ((1 << 7 * long) - 1)
    return _number(head, 0, wide), at + wide + long, None if length == (1 << 7 * long) - 1 else length


# MPEG-PS: packs and packets, each with a start code. Source: ISO/IEC 13818-1, 2.5.3.


def _after_pack(data: Bytes, at: int) -> int | None:
    if data[at : at + 3] != b"\0\0\1" or at + 4 > len(data):
        return None
    code = data[at + 3]
    if code == 0xB9:
        return at + 4
    if code != 0xBA:
        return at + 6 + _number(data, at + 4, 2) if code > 0xBA else None
    head = data[at : at + 14]
    if len(head) < 14:
        return at + 14
    return at + 14 + (head[13] & 7) if head[4] >> 6 == 1 else at + 12


# FLV: tags, each followed by its own length. Source: Adobe Flash Video File Format 10.1, E.3 and E.4.


def _after_tag(data: Bytes, at: int) -> int | None:
    if data[at : at + 3] == b"FLV":
        return at + _number(data, at + 5, 4) + 4
    head = data[at : at + 11]
    if not head or head[0] & 0x1F not in (8, 9, 18) or head[8:11].strip(b"\0"):
        return None
    return at + 11 + _number(head, 1, 3) + 4


# Fragmented MP4: boxes. The walk goes into fragments. Source: ISO/IEC 14496-12, 4.2 and 8.8.

FRAGMENT = {b"moof", b"traf"}
BOX = re.compile(rb"[A-Za-z0-9 ]{4}")


def _after_box(data: Bytes, at: int) -> int | None:
    head = data[at : at + 16]
    length, name = _number(head, 0, 4), head[4:8]
    if not BOX.fullmatch(name):
        return None
    if length == 0:
        return len(data)
    if length == 1:
        length = _number(head, 8, 8)
    if length < 8:
        return None
    return at + 8 if name in FRAGMENT else at + length


# AVI: chunks, in little endian, padded to even lengths. Source: Microsoft, AVI RIFF File Reference.

CHUNK = re.compile(rb"[A-Za-z0-9 _]{4}")


def _after_chunk(data: Bytes, at: int) -> int | None:
    name = data[at : at + 4]
    if name in (b"RIFF", b"LIST"):
        return at + 12
    if not CHUNK.fullmatch(name) or at + 8 > len(data):
        return None
    length: int = struct.unpack_from("<I", data, at + 4)[0]
    return at + 8 + length + length % 2


# DHAV: frames with a head and a tail, both of which state the length. Source: libavformat, dhav.c.


def _after_dhav(data: Bytes, at: int) -> int | None:
    if data[at : at + 4] != b"DHAV" or at + 24 > len(data):
        return None
    end = at + int(struct.unpack_from("<I", data, at + 12)[0])
    return end if end > len(data) or data[end - 8 : end - 4] == b"dhav" else None


# Ogg: pages. Source: RFC 3533, section 6.


def _after_page(data: Bytes, at: int) -> int | None:
    if data[at : at + 4] != b"OggS" or at + 27 > len(data):
        return None
    segments = data[at + 26]
    return at + 27 + segments + sum(data[at + 27 : at + 27 + segments])


# ASF: packets of one size, which all begin alike. Source: ASF specification, 3.2, 5.1 and 5.2.1.

ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


def _unlike_the_first(data: mmap.mmap) -> Iterator[int]:
    properties, begin = data.find(ASF_PROPERTIES), data.find(ASF_DATA)
    if not 0 <= properties < begin <= len(data) - 50:
        return
    size: int = struct.unpack_from("<I", data, properties + 92)[0]
    end = min(begin + int(struct.unpack_from("<Q", data, begin + 16)[0]), len(data))
    if size:
        alike = data[begin + 50 : begin + 53]
        yield from (at for at in range(begin + 50, end, size) if data[at : at + 3] != alike)


FORMS = {
    "matroska": Form(_after_ebml, re.compile(rb"\x1f\x43\xb6\x75|\x1a\x45\xdf\xa3")),
    "mpeg": Form(_after_pack, re.compile(rb"\x00\x00\x01\xba"), pad=2047),
    "flv": Form(_after_tag, re.compile(rb"[\x08\x09\x12](?=.{7}\0\0\0)", re.DOTALL)),
    "live_flv": Form(_after_tag, re.compile(rb"[\x08\x09\x12](?=.{7}\0\0\0)", re.DOTALL)),
    "mov": Form(_after_box, re.compile(rb"....(?=moof|ftyp|moov)", re.DOTALL)),
    "avi": Form(_after_chunk, re.compile(rb"\d\d(?:dc|db|wb|tx)|RIFF|LIST|idx1|ix\d\d")),
    "dhav": Form(_after_dhav, re.compile(rb"DHAV")),
    "ogg": Form(_after_page, re.compile(rb"OggS")),
}
