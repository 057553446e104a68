"""Image bytes -> upright RGB -> uint8 (S, S, 3): the only decode and the only resize.

Training, indexing and serving all come through here, so they cannot disagree.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from itertools import islice, takewhile

import numpy as np
import pillow_heif
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from lookalike.errors import ImageError, ImageTooLarge
from lookalike.samples import check_planes, count_strips, describe_tiff, grey_of, is_scaled

MAX_PIXELS = 64_000_000  # checked from the header, before anything is allocated
MAX_SCANS = 64  # of a JPEG, each over all of its pixels; encoders write up to 20
MAX_RLE = 4_000_000  # pixels, and bytes, of a BMP with runs of pixels, which Pillow decodes in Python
LEAST_PARTS, BYTES_A_PART = 4000, 512  # an image may have so many parts, and one more for each so many bytes
MAX_PROFILES = 8  # colour profiles in a PNG, which has one: each may take a megabyte
MAX_TABLES = 1024 * 1024  # bytes of a JPEG's quantisation tables and of Photoshop's entries; most have some hundred
DETAIL = 2  # times the input's side: what a JPEG is decoded at, at least, where it may be decoded smaller
GAP = 3  # a large picture is averaged down to at least this many times the input's side; 2 changes embeddings too much
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP")
# How files of these formats begin, also if the rest cannot be read. Source: each format's specification.
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
BEGINNINGS = (
    *(JPEG, PNG, b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx"}  # after `ftyp`
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # of a JPEG, without restarts and what stands for a byte of ff
ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")  # in other formats, further pictures are pages, thumbnails or depths

pillow_heif.register_heif_opener(
    thumbnails=False, depth_images=False, aux_images=False
)  # the picture, whole and upright
ImageFile.LOAD_TRUNCATED_IMAGES = False  # a grey tail would be embedded as if it were real


def decode(data: bytes, name: str = "image") -> np.ndarray:
    """Decode a still image; of an animation, its first frame.

    EXIF orientation is applied, transparency is composited over white, other samples than bytes are scaled: `samples`.
    Returns: uint8 (H, W, 3) RGB.
    Raises: ImageError if the bytes are not a whole image; ImageTooLarge above MAX_PIXELS.
    """
    return np.asarray(_decode(data, name, None))


def decode_to_fit(data: bytes, size_px: int, name: str = "image") -> np.ndarray:
    """Decode and `fit` at a fraction of the cost: a large JPEG is decoded at a half, quarter or eighth.

    It is never decoded below DETAIL times the input, so that the resize determines the result.
    Returns: uint8 (size_px, size_px, 3). Raises: as `decode`.
    """
    image = _decode(data, name, DETAIL * size_px)
    return np.asarray(_squash(image, size_px))


def decode_within(data: bytes, longest_px: int, name: str = "image") -> np.ndarray:
    """Decode an image, and reduce it so that no side is longer than `longest_px`, for display.

    Returns: uint8 (H, W, 3) RGB. Raises: as `decode`.
    """
    image = _decode(data, name, longest_px)
    share = min(longest_px / max(image.size), 1.0)
    size = (max(round(image.width * share), 1), max(round(image.height * share), 1))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=GAP))


def decoding_cost(data: bytes) -> int:
    """Estimate from its header how many pixels an image costs to decode; 0 for an image that `decode` refuses.

    A JPEG is decoded at a fraction and counts an eighth, unless it is progressive; samples of 16 bits count twice.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(data) as image:
                pixels = image.width * image.height
                if pixels > MAX_PIXELS:
                    return 0
                if image.format == "JPEG" and not image.info.get("progressive"):
                    return pixels // 8
                return pixels * 2 if image.mode[0] in "IF" else pixels
    except Exception:  # noqa: BLE001 (decoding reports the error)
        return 0


class _Bytes(io.BytesIO):
    """The bytes of an image. Pillow handles each chunk, block or tag in Python: millions would take minutes."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self._most = self._left = _most_parts(data)
        self._name = name

    def read(self, size: int | None = -1, /) -> bytes:
        """Raises: ImageTooLarge past the number of parts."""
        self.take(1)
        return super().read(size)

    def take(self, parts: int) -> None:
        """Count parts. Raises: as `read`."""
        self._left -= parts
        if self._left < 0:
            raise ImageTooLarge(f"{self._name}: an image of more than {self._most:,} parts; save it again")


def _most_parts(data: bytes) -> int:
    return LEAST_PARTS + len(data) // BYTES_A_PART


def _opened(data: bytes, name: str = "image", formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Read the header of an image. Raises: ImageTooLarge if that takes long; what Pillow raises."""
    file = _Bytes(data, name)
    file.take(count_strips(data))
    if data.startswith(PNG) and data.count(b"iCCP") > MAX_PROFILES:
        raise ImageTooLarge(f"{name}: a PNG of more than {MAX_PROFILES} colour profiles; save it again")
    if data.startswith(JPEG) and (size := _table_bytes(data)) > MAX_TABLES:
        raise ImageTooLarge(f"{name}: a JPEG of {size:,} bytes of tables, at most {MAX_TABLES:,}; save it again")
    return Image.open(file, formats=formats)


def begins_as_image(data: bytes) -> bool:
    """Whether the first bytes, 16 or more, are those of a supported format, except WebP and BMP."""
    return data.startswith(BEGINNINGS) or (data[4:8] == b"ftyp" and data[8:12] in BRANDS)


def is_animation(data: bytes) -> bool:
    """Whether an image that has been decoded has more frames than the first."""
    try:
        with _opened(data, formats=ANIMATED) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - another format, or broken after the first frame
        return False


def _decode(data: bytes, name: str, least_px: int | None) -> Image.Image:
    """Decode to upright RGB. least_px: a sufficient side, beyond which a JPEG may lose detail. Source: Image.draft."""
    if not data:
        raise ImageError(f"{name}: empty file, expected an image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's size warning; the limit below is ours
            with _opened(data, name) as image:
                _check_size(image, name)
                check_planes(image)
                if image.format == "HEIF":
                    _check_whole_boxes(data)
                _check_effort(image, data, name)
                if least_px:
                    image.draft(None, (least_px, least_px))
                image.load()
                return _to_rgb(_upright(image))
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        if what := describe_tiff(data):
            expected = "8 or 16 bits of grey or colour, or grey of float32"
            raise ImageError(f"{name}: a TIFF of {what}, expected {expected}") from error
        if begins_as_image(data):
            raise ImageError(f"{name}: broken image (its header cannot be read; it may be cut off)") from error
        raise ImageError(f"{name}: not an image, expected one of {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"{name}: far more pixels than the {MAX_PIXELS:,} allowed") from error
    except Exception as error:  # on broken files Pillow also raises RuntimeError, TypeError, struct.error
        why = " ".join(str(error).split())  # it may quote the file
        raise ImageError(f"{name}: broken image ({why})") from error


def fit(rgb: np.ndarray, size_px: int) -> np.ndarray:
    """Squash a picture to the encoder's square, antialiased; nothing is cropped away.

    rgb: uint8 (H, W, 3). Returns: uint8 (size_px, size_px, 3).
    """
    return rgb if rgb.shape[:2] == (size_px, size_px) else np.asarray(_squash(Image.fromarray(rgb), size_px))


def _squash(image: Image.Image, size_px: int) -> Image.Image:
    """Resize to a square, antialiased, as Pillow's filters are.

    A large picture is first averaged down to at least GAP times the square, which is twice as fast. Source: Pillow,
    Image.resize, reducing_gap.
    """
    return image.resize((size_px, size_px), Image.Resampling.BILINEAR, reducing_gap=GAP)


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageTooLarge(f"{name}: {width}x{height} is {width * height:,} pixels, at most {MAX_PIXELS:,}")


def _check_effort(image: Image.Image, data: bytes, name: str) -> None:
    """Refuse an image that takes minutes to decode, though it has few pixels. Source: libjpeg-turbo, djpeg -maxscans.

    Raises: ImageTooLarge.
    """
    if image.format in ("JPEG", "MPO") and (scans := _scans(data)) > MAX_SCANS:
        raise ImageTooLarge(f"{name}: a JPEG of {scans:,} scans, at most {MAX_SCANS}; save it again")
    size = max(image.width * image.height, len(data))
    if size > MAX_RLE and any(tile[0] == "bmp_rle" for tile in getattr(image, "tile", ())):
        raise ImageTooLarge(f"{name}: a BMP with runs of pixels, {size:,} bytes or pixels, at most {MAX_RLE:,}")


def _scans(data: bytes) -> int:
    """Count the scans of a JPEG up to its end; 0 for a few."""
    samples = np.frombuffer(data, np.uint8)  # a fifth of the time of data.count
    if np.count_nonzero((samples[:-1] == 0xFF) & (samples[1:] == 0xDA)) <= MAX_SCANS:
        return 0
    return sum(kind == 0xDA for kind, _ in _segments(data))


def _table_bytes(data: bytes) -> int:
    """Return the size of a JPEG's tables (DQT) and of Photoshop's entries (APP13) before its first scan."""
    if len(data) <= MAX_TABLES or data.count(b"\xff\xdb") + data.count(b"\xff\xed") <= MAX_TABLES >> 16:
        return 0  # a segment has 64 KiB at most
    head = takewhile(lambda segment: segment[0] != 0xDA, islice(_segments(data), _most_parts(data)))
    return sum(length for kind, length in head if kind in (0xDB, 0xED))


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the kind and the length of each segment of a JPEG up to its end. Source: ITU-T T.81, B.1.1."""
    at = 2
    while match := _MARKER.search(data, at):
        kind, at = match[1][0], match.end()
        if kind == 0xD9:  # end of the image; others may follow
            return
        length = 0 if kind in (0x01, 0xD8) else int.from_bytes(data[at : at + 2], "big")
        yield kind, length
        at += length


def _check_whole_boxes(data: bytes) -> None:
    """Refuse a truncated HEIF, whose missing tiles libheif fills with green. Source: ISO 14496-12, boxes.

    Raises: ValueError if a top-level box ends after the file.
    """
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        if size == 0:  # to the end of the file
            return
        if size < 8 or at + size > len(data):
            raise ValueError("it is cut off")
        at += size


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation."""
    image.getexif()  # Pillow keeps it
    for entry in ("exif", "Raw profile type exif"):
        image.info.pop(entry, None)  # else Pillow rewrites it, and fails on tags of an unexpected type
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if is_scaled(image):
        image = Image.fromarray(grey_of(image))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == "RGB" else image.convert("RGB")
