"""Samples of still images that are no bytes: what is black, and what is white."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, TiffImagePlugin

BITS = (8, 10, 12, 14, 16)  # of sensors whose samples are stored in 16
MAX_SAMPLE_VALUE, PLANES = 281, 284  # tags of TIFF
UNSIGNED, SIGNED = 1, 2  # kinds of samples of TIFF
STRIP = 1_000_000  # samples converted at a time
TAILS = (0.1, 99.9)  # percentiles: what is beyond them is dead and hot pixels
SAMPLES = 1_000_000  # looked at for them
NARROW = 4  # a range that begins so far up is of counts with an offset, as of thermal cameras: less than 1/4 of its top
OFFSET = 1024  # and begins here at least: below, it is a dark picture
FAINT = 64  # a range is taken as at least this share of its top, so that noise stays faint
BEYOND_ONE = 0.5  # samples of 0 to 1 may overshoot, where a picture was resized or sharpened


def is_scaled(image: Image.Image) -> bool:
    """Whether the samples of an image are no bytes, or are bytes with a sign, as of a TIFF."""
    return image.mode.startswith("I") or image.mode == "F" or _layout(image) == (SIGNED, 8)


def check_planes(image: Image.Image) -> None:
    """Raises: ValueError for a TIFF whose colours lie in planes of 16 bits: Pillow takes them for bytes."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(PLANES) == 2 and image.mode in ("RGB", "RGBA", "RGBX", "CMYK") and _layout(image)[1] > 8:
        raise ValueError("a TIFF with each colour of 16 bits in a plane of its own; save it with interleaved colours")


def grey_of(image: Image.Image) -> np.ndarray:
    """The grey picture of an image that `is_scaled`.

    PNG and HEIF say that their samples fill 16 bits. Those of other formats are taken to fill the fewest bits that hold
    them (or what TIFF's MaxSampleValue says), floats 0 to 1 or 0 to 255. Counts with an offset, negative and larger
    samples are scaled by their own range. NaN is black. Filters TIFF says that zero is white, the picture is inverted.
    Returns: uint8 (H, W). Raises: ValueError if there is no number at all.
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
    """The numbers of a grey image, (H, W), with the sign that its TIFF states."""
    samples, layout = np.asarray(image), _layout(image)
    if layout == (SIGNED, 8):  # Pillow has no mode for it, and gives bytes
        return samples.view(np.int8)
    return samples.view(np.uint32) if layout == (UNSIGNED, 32) and image.mode == "I" else samples


def _layout(image: Image.Image) -> tuple[int, int]:
    """Kind and bits of the first samples of a TIFF; zeros of another format."""
    tags = getattr(image, "tag_v2", None)
    if not tags:
        return 0, 0
    return int(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]), int(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))[0])


def describe_tiff(data: bytes) -> str | None:
    """The samples of a TIFF that is not read, as `3 x float32`.

    None if it is no TIFF, its list of tags is cut off, or samples of this kind are read.
    """
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
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
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        kinds = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))
        count = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
    except Exception:  # noqa: BLE001 - Pillow raises anything over a broken header
        return None
    if kinds[0] == UNSIGNED and bits[0] in (1, 8, 16) and count in (1, 3, 4):
        return None
    kind = {1: "uint", 2: "int", 3: "float", 5: "complex int", 6: "complex"}.get(kinds[0], "samples of ")
    return f"{count} x {kind}{bits[0]}"


def _is_whole(data: bytes, at: int, is_big: bool) -> bool:
    """Whether the list of tags that begins at some byte of a TIFF ends within it. Source: TIFF 6.0; BigTIFF."""
    count_bytes, entry_bytes = (8, 20) if is_big else (2, 12)
    order = "little" if data[:1] == b"I" else "big"
    count = int.from_bytes(data[at : at + count_bytes], order)
    return count > 0 and at + count_bytes + count * entry_bytes <= len(data)


def _float_range(samples: np.ndarray) -> tuple[float, float]:
    """What is black and white among floats."""
    low, high = _range(samples)
    if low >= -BEYOND_ONE and high <= 1 + BEYOND_ONE:
        return 0.0, 1.0
    if low >= -BEYOND_ONE and high <= 255:
        return 0.0, 255.0
    return _own(low, high) if low < 0 or high > 65535 or high - low < high / NARROW else (0.0, _fewest_bits(samples))


def _count_range(samples: np.ndarray, stated: float) -> tuple[float, float]:
    """What is black and white among whole numbers. stated: the largest that there can be; 0 if that is not said."""
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
    """Where the samples begin and end, the TAILS aside. Raises: ValueError if none is a number."""
    seen = samples.reshape(-1)[:: max(samples.size // SAMPLES, 1)]
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        raise ValueError("no sample of it is a number")
    low, high = np.percentile(seen, TAILS)
    return float(low), float(high)


def _scaled(samples: np.ndarray, black: float, white: float) -> np.ndarray:
    """uint8 of the same shape. Of 16 bits by a table; of others in strips, which need no memory."""
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
        return _scaled_strip(np.arange(1 << 16, dtype=np.float32), black, white)[samples]
    grey = np.empty(samples.shape, np.uint8)
    rows = max(STRIP // max(samples.shape[1], 1), 1)
    for top in range(0, len(samples), rows):
        grey[top : top + rows] = _scaled_strip(samples[top : top + rows].astype(np.float32), black, white)
    return grey


def _scaled_strip(samples: np.ndarray, black: float, white: float) -> np.ndarray:
    """samples: float32 of any shape. Returns: uint8 of the same shape."""
    grey = ((samples - np.float32(black)) * np.float32(255 / (white - black))).round().clip(0, 255)
    return np.nan_to_num(grey, nan=0.0).astype(np.uint8)
