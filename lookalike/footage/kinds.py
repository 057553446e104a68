"""Find the kind of a file: by its suffix, else by its first bytes, else with libavformat."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from av.error import FFmpegError

from lookalike.errors import FootageError
from lookalike.files.regular import open_regular
from lookalike.footage.archive import inside, read_head
from lookalike.footage.container import open_video
from lookalike.pixels import begins_as_image

Kind = Literal["image", "video", "stream"]

IMAGE_SUFFIXES = frozenset(
    ".avif .bmp .gif .heic .heics .heif .heifs .hif .j2k .jfif .jp2 .jpe .jpeg .jpf .jpg .jpx .mpo .png .apng .tif"
    " .tiff .webp".split()
)
VIDEO_SUFFIXES = frozenset(
    ".264 .265 .26l .360 .3g2 .3gp .3gpp .asf .avc .avi .dav .dif .divx .dv .evo .f4v .flv .h261 .h263 .h264 .h265"
    " .hevc .insv .ivf .lrf .lrv .m1v .m2p .m2t .m2ts .m2v .m4v .mj2 .mjpeg .mjpg .mkv .mod .mov .mp2v .mp4 .mpe .mpeg"
    " .mpg .mpv .mts .mxf .nut .obu .ogm .ogv .qt .rm .rmvb .tod .tp .trp .ts .vc1 .vob .vro .webm .wmv .wtv .xvid"
    " .m3u8 .y4m".split()
)
# Named one by one, since a user may expect them to be read.
REFUSED = {
    **dict.fromkeys(
        ".3fr .ai .arw .cr2 .cr3 .dcm .dng .eps .erf .exr .hdr .jxl .jxr .kdc .mrw .nef .nrw .orf .pef .psd .raf .raw"
        " .rw2 .sr2 .srw .svg .x3f".split(),
        "pictures of this kind are not read; convert it to JPEG, PNG or TIFF",
    ),
    **dict.fromkeys(
        ".7z .bz2 .gz .rar .tar .tbz .tgz .txz .xz .zst".split(),
        "an archive; unpack it first, or make it a zip of images",
    ),
    **dict.fromkeys(
        ".crdownload .download .filepart .part .partial .tmp".split(),
        "an unfinished file, by its name; rename it if not",
    ),
}
# Only counted, since they cannot be footage.
NOT_FOOTAGE = frozenset(
    ".aac .aae .aif .aiff .ass .bat .cfg .conf .css .csv .db .db3 .dll .doc .docx .exe .flac .geojson .gpx .htm .html"
    " .ini .js .json .jsonl .kml .lnk .log .m3u .m4a .md .md5 .mp3 .mpd .nfo .npy .npz .oga .onnx .opus .parquet"
    " .pdf .pkl .ppt .pptx .pt .pth .py .rtf .safetensors .sfv .sha256 .sh .sqlite .sqlite3 .srt .ssa .sub .thm .toml"
    " .tsv .txt .url .vtt .wav .wma .xls .xlsx .xml .xmp .yaml .yml".split()
)

HEAD = 4096  # bytes by which most kinds are recognised
PROBED = 16 * 1024  # bytes for libavformat to recognise the rest: 3 ms for an unknown file, 80 ms without a limit
_ATOMS = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_VIDEOS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"0&\xb2u\x8ef\xcf\x11",  # ASF
    b"\0\0\x01\xba",  # MPEG-PS
    b"\0\0\x01\xb3",  # MPEG video
    b"\0\0\0\x01",  # H.264 and H.265 as they are
    b"DHAV",
    b"DAHUA",
    b"\x06\x0e+4",  # MXF
    b".RMF",
    b"DKIF",
    b"YUV4MPEG2",
    b"nut/multimedia",
    b"OggS",
)
_OTHERS = (
    *(b"\x7fELF", b"MZ", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"%PDF", b"%!PS"),
    *(b"SQLite format 3", b"PAR1", b"\x93NUMPY", b"\xd0\xcf\x11\xe0", b"\xca\xfe\xba\xbe", b"\x80\x02", b"\x80\x03"),
    *(
        b"\x80\x04",
        b"\x80\x05",
        b"\x28\xb5\x2f\xfd",
        b"\x89HDF",
        b"ID3",
        b"fLaC",
        b"wOFF",
        b"\0asm",
        b"\0\0\0\0\0\0\0\0",
    ),
)

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def kind_by_suffix(path: str | Path) -> Kind | None:
    suffix = Path(path).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return "video" if suffix in VIDEO_SUFFIXES else None


def kind_by_name(path: str) -> Kind | None:
    """Return the kind by the suffix, except that a picture with the suffix of a video is a picture; None if unknown.

    Files with the suffix of a picture are not read: there may be a million of them. Raises: FootageError, OSError.
    """
    by_suffix = kind_by_suffix(path)
    if by_suffix != "video":
        return by_suffix
    if inside(path):  # MJPEG begins like a picture
        is_mjpeg = Path(path).suffix.lower() in (".mjpg", ".mjpeg")
        return "image" if not is_mjpeg and kind_by_head(read_head(path, HEAD)) == "image" else "video"
    about = os.stat(path)
    return _cached_named_video(path, about.st_size, about.st_mtime_ns)


def kind_by_content(path: str) -> Kind | Literal["text"] | None:
    """Return the kind of a file, or of a member of a zip, by its content; None if it is unknown.

    Reads HEAD bytes, and PROBED bytes of a file that may be a recording. Raises: FootageError, OSError.
    """
    if inside(path):
        head = read_head(path, HEAD)
        return kind_by_head(head) or ("text" if is_text(head) else None)
    about = os.stat(path)
    return _cached(path, about.st_size, about.st_mtime_ns)


def is_image(path: str) -> bool:
    """Whether a source is a still image, by its name or its content; by its name if it no longer exists."""
    try:
        return (kind_by_name(path) or kind_by_content(path)) == "image"
    except (FootageError, OSError, KeyError):
        return kind_by_suffix(path) == "image"


@lru_cache(maxsize=65_536)  # watched folders are listed every two seconds
def _cached_named_video(path: str, size_bytes: int, changed_ns: int) -> Kind:
    with open_regular(path) as file:
        begins_as_image = kind_by_head(file.read(HEAD)) == "image"
    # MJPEG begins like a picture.
    return "image" if begins_as_image and not _opens_as_video(path, probe_bytes=None) else "video"


@lru_cache(maxsize=65_536)
def _cached(path: str, size_bytes: int, changed_ns: int) -> Kind | Literal["text"] | None:
    with open_regular(path) as file:
        head = file.read(HEAD)
    if kind := kind_by_head(head):
        return kind
    if is_text(head):
        return "text"
    return "video" if len(head) == HEAD and not head.startswith(_OTHERS) and _opens_as_video(path) else None


def kind_by_head(head: bytes) -> Kind | None:
    """Return the kind by the first bytes, at least some hundred; None if they do not determine it."""
    if begins_as_image(head):
        return "image"
    if head[4:8] == b"ftyp":
        return "video"
    if head[:4] == b"RIFF":
        return {b"WEBP": "image", b"AVI ": "video"}.get(head[8:12])  # type: ignore[return-value]
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "image"
    if head.startswith(_VIDEOS) or head[4:8] in _ATOMS or _is_transport_stream(head):
        return "video"
    return None


def is_text(head: bytes) -> bool:
    """Whether bytes are text in UTF-8, or empty; the last character may be cut off."""
    if _CONTROL.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and error.start > 0
    return True


def _is_transport_stream(head: bytes) -> bool:
    """Whether packets of 188, 192 or 204 bytes all begin with 0x47; those of 192 have a clock before each."""
    for start, length in ((0, 188), (4, 192), (0, 204)):
        syncs = head[start::length]
        if len(syncs) >= 4 and set(syncs) == {0x47}:
            return True
    return False


def _opens_as_video(path: str, probe_bytes: int | None = PROBED) -> bool:
    try:
        with open_video(path, probe_bytes) as container:
            return any(stream.width and stream.height for stream in container.streams.video)
    except (FFmpegError, FootageError, OSError, ValueError):
        return False
