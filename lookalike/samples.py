"""Scale samples of still images that are not unsigned bytes: find their black and white."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from PIL import Image, TiffImagePlugin

BITS = (8, 10, 12, 14, 16)  # of sensors whose samples are stored in 16
MAX_SAMPLE_VALUE, PLANES, COMPRESSION, STRIPS = 281, 284, 259, (273, 324)  # tags of TIFF; strips, or tiles
MOST_TAGS = 4096  # of a TIFF
SIZES = {1: 1, 3: 2, 4: 4}  # bytes of a whole number, by its type in TIFF
BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of a TIFF, and of a BigTIFF
UNSIGNED, SIGNED = 1, 2  # kinds of samples of TIFF
STRIP = 1_000_000  # samples converted at a time
TAILS = (0.1, 99.9)  # percentiles: what is beyond them is dead and hot pixels
SAMPLES = 1_000_000  # that the percentiles are computed from
NARROW = 4  # a range narrower than 1/4 of its top is of counts with an offset, as from thermal cameras ...
OFFSET = 1024  # ... if it begins here or above; below, it is a dark picture
FAINT = 64  # a range is at least 1/64 of its top, so that noise stays faint
BEYOND_ONE = 0.5  # samples of 0 to 1 may overshoot, where a picture was resized or sharpened


def is_scaled(image: Image.Image) -> bool:
    """Whether an image has other samples than unsigned bytes; signed bytes occur in TIFF."""
    return image.mode.startswith("I") or image.mode == "F" or _layout(image) == (SIGNED, 8)


def check_planes(image: Image.Image) -> None:
    """Refuse a TIFF whose colours are in planes of 16 bits, which Pillow reads as bytes. Raises: ValueError."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(PLANES) == 2 and image.mode in ("RGB", "RGBA", "RGBX", "CMYK") and _layout(image)[1] > 8:
        raise ValueError("a TIFF with 16-bit colours in separate planes; save it with interleaved colours")


def grey_of(image: Image.Image) -> np.ndarray:
    """Scale an image that `is_scaled` to grey.

    Samples of PNG and HEIF fill 16 bits. In other formats they fill the fewest bits that hold them (or TIFF's
    MaxSampleValue), floats 0 to 1 or 0 to 255. Counts with an offset, negative and larger samples are scaled by their
    own range. NaN is black. If a TIFF states that zero is white, the picture is inverted.
    Returns: uint8 (H, W). Raises: ValueError if no sample is a number.
    """
    samples, tags = _samples(image), getattr(image, "tag_v2", {})
    if image.format in ("PNG", "HEIF"):  # libheif scales
        return _scaled(samples, 0.0, 65535.0)
    if image.mode == "F":
        grey = _scaled(samples, *_float_range(samples))
    else:
        stated = tags.get(MAX_SAMPLE_VALUE)
        stated = max(stated, default=0) if isinstance(stated, tuple) else stated
        grey = _scaled(samples, *_count_range(samples, float(stated or 0)))
    return 255 - grey if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0 else grey


def _samples(image: Image.Image) -> np.ndarray:
    """Return the samples of a grey image, (H, W), with the sign that its TIFF states."""
    samples, layout = np.asarray(image), _layout(image)
    if layout == (SIGNED, 8):  # Pillow has no mode for it, and returns bytes
        return samples.view(np.int8)
    return samples.view(np.uint32) if layout == (UNSIGNED, 32) and image.mode == "I" else samples


def _layout(image: Image.Image) -> tuple[int, int]:
    """Return kind and bits of the first samples of a TIFF; zeros for other formats."""
    tags = getattr(image, "tag_v2", None)
    if not tags:
        return 0, 0
    return int(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]), int(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))[0])


def describe_tiff(data: bytes) -> str | None:
    """Describe the samples of a TIFF that cannot be read, such as `3 x float32`.

    None for other files, if the list of tags is cut off, and for samples that can be read.
    """
    if data[:4] not in BEGINNINGS:
        return None
    try:
        file = io.BytesIO(data)
        header = file.read(16 if data[2:4] in (b"+\0", b"\0+") else 8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        if not _is_whole(data, tags.next, is_big=len(header) == 16):
            return None
        file.seek(tags.next)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags that are cut off
            tags.load(file)
        bits = int(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))[0])  # a tag may be text
        sample = int(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0])
        count = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
    except Exception:  # noqa: BLE001 - Pillow raises anything over a broken header
        return None
    if sample == UNSIGNED and bits in (1, 8, 16) and count in (1, 3, 4):
        return None
    kind = {1: "uint", 2: "int", 3: "float", 5: "complex int", 6: "complex"}.get(sample, "samples of ")
    return f"{count} x {kind}{bits}"


def _is_whole(data: bytes, at: int, is_big: bool) -> bool:
    """Whether the list of tags at byte `at` of a TIFF ends within the file. Source: TIFF 6.0; BigTIFF."""
    count_bytes, entry_bytes = (8, 20) if is_big else (2, 12)
    order = "little" if data[:1] == b"I" else "big"
    count = int.from_bytes(data[at : at + count_bytes], order)
    return 0 < count <= MOST_TAGS and at + count_bytes + count * entry_bytes <= len(data)


def count_strips(data: bytes) -> int:
    """Count the tags of a TIFF, and its strips or tiles if they are not compressed: Pillow makes an object of each.

    Returns: 0 for other files. Source: TIFF 6.0; BigTIFF.
    """
    if data[:4] not in BEGINNINGS:
        return 0
    order = "<" if data[:1] == b"I" else ">"
    head, kind, entry = ("Q", "Q", "HHQ8s") if b"+" in data[2:4] else ("I", "H", "HHI4s")
    try:
        (at,) = struct.unpack_from(order + head, data, 8 if head == "Q" else 4)
        (count,) = struct.unpack_from(order + kind, data, at)
        first, size = at + struct.calcsize(kind), struct.calcsize("=" + entry)
        tags = [struct.unpack_from(order + entry, data, first + size * row) for row in range(min(count, MOST_TAGS))]
    except (struct.error, OverflowError):  # cut off, or far beyond the end
        return 0
    byteorder = "little" if order == "<" else "big"
    stated = [int.from_bytes(value[: SIZES.get(of, 0)], byteorder) for tag, of, _, value in tags if tag == COMPRESSION]
    is_raw = not stated or bool({0, 1} & {*stated})
    strips = max((values for tag, _, values, _ in tags if tag in STRIPS), default=0)
    return max(count, strips if is_raw else 0)


def _float_range(samples: np.ndarray) -> tuple[float, float]:
    """Return black and white of floats."""
    low, high = _range(samples)
    if low >= -BEYOND_ONE and high <= 1 + BEYOND_ONE:
        return 0.0, 1.0
    if low >= -BEYOND_ONE and high <= 255:
        return 0.0, 255.0
    return _own(low, high) if low < 0 or high > 65535 or high - low < high / NARROW else (0.0, _fewest_bits(samples))


def _count_range(samples: np.ndarray, stated: float) -> tuple[float, float]:
    """Return black and white of integers. stated: the largest possible value; 0 if it is not stated."""
    low, high = _range(samples)
    if stated >= high > 0 and low >= 0:
        return 0.0, stated
    offset = low >= OFFSET and high - low < high / NARROW
    return _own(low, high) if offset or low < 0 or high > 65535 else (0.0, _fewest_bits(samples))


def _fewest_bits(samples: np.ndarray) -> float:
    top = float(
        samples.max() if samples.dtype.kind in "iu" else np.nanmax(samples, initial=0, where=np.isfinite(samples))
    )
    return float(next((1 << bits) - 1 for bits in BITS if top < 1 << bits or bits == BITS[-1]))


def _own(low: float, high: float) -> tuple[float, float]:
    span = max(high - low, max(abs(low), abs(high)) / FAINT, 1e-6)
    middle = (low + high) / 2
    return middle - span / 2, middle + span / 2


def _range(samples: np.ndarray) -> tuple[float, float]:
    """Return the range of the samples without the TAILS. Raises: ValueError if no sample is a number."""
    seen = samples.reshape(-1)[:: max(samples.size // SAMPLES, 1)]
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        raise ValueError("no sample of it is a number")
    low, high = np.percentile(seen, TAILS)
    return float(low), float(high)


def _scaled(samples: np.ndarray, black: float, white: float) -> np.ndarray:
    """Scale to uint8 of the same shape: 16 bits by a table, others in strips, to save memory."""
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
        return _scaled_strip(np.arange(1 << 16, dtype=np.float32), black, white)[samples]
    grey = np.empty(samples.shape, np.uint8)
    rows = max(STRIP // max(samples.shape[1], 1), 1)
    for top in range(0, len(samples), rows):
        grey[top : top + rows] = _scaled_strip(samples[top : top + rows].astype(np.float32), black, white)
    return grey


def _scaled_strip(samples: np.ndarray, black: float, white: float) -> np.ndarray:
    """Scale one strip. samples: float32 of any shape. Returns: uint8 of the same shape."""
    grey = ((samples - np.float32(black)) * np.float32(255 / (white - black))).round().clip(0, 255)
    return np.nan_to_num(grey, nan=0.0).astype(np.uint8)
