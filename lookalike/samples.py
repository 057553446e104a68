"""Samples of still images that are no bytes: what is black, and what is white."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, TiffImagePlugin

BITS = (8, 10, 12, 14, 16)  # of sensors whose samples are stored in 16
MAX_SAMPLE_VALUE = 281  # tag of TIFF
TAILS = (0.1, 99.9)  # percentiles: what is beyond them is dead and hot pixels
SAMPLES = 1_000_000  # looked at for them
NARROW = 4  # a range that begins so far up is of counts with an offset, as of thermal cameras: less than 1/4 of its top
OFFSET = 1024  # and begins here at least: below, it is a dark picture
FAINT = 64  # a range is taken as at least this share of its top, so that noise stays faint
BEYOND_ONE = 0.5  # samples of 0 to 1 may overshoot, where a picture was resized or sharpened


def grey_of(image: Image.Image) -> np.ndarray:
    """The grey picture of an image of the modes I;16, I or F.

    PNG and HEIF say that their samples fill 16 bits. Those of other formats are taken to fill the fewest bits that hold
    them (or what TIFF's MaxSampleValue says), floats 0 to 1 or 0 to 255. Counts with an offset, negative and larger
    samples are scaled by their own range. NaN is black.
    Returns: uint8 (H, W). Raises: ValueError if there is no number at all.
    """
    samples = np.asarray(image, dtype=np.float32)
    if image.format in ("PNG", "HEIF"):  # libheif scales
        return _scaled(samples, 0.0, 65535.0)
    if image.mode == "F":
        return _scaled(samples, *_float_range(samples))
    stated = getattr(image, "tag_v2", {}).get(MAX_SAMPLE_VALUE)
    stated = max(stated, default=0) if isinstance(stated, tuple) else stated
    return _scaled(samples, *_count_range(samples, float(stated or 0)))


def describe_tiff(data: bytes) -> str | None:
    """The samples of a TIFF that is not read, as `3 x float32`; None if it is no TIFF whose header can be read."""
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    try:
        file = io.BytesIO(data)
        header = file.read(16 if data[2:4] in (b"+\0", b"\0+") else 8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags that are cut off
            tags.load(file)
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        kinds = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))
        count = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
    except Exception:  # noqa: BLE001 - Pillow raises anything over a broken header
        return None
    kind = {1: "uint", 2: "int", 3: "float", 5: "complex int", 6: "complex"}.get(kinds[0], "samples of ")
    return f"{count} x {kind}{bits[0]}"


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
    top = float(np.nanmax(samples, initial=0, where=np.isfinite(samples)))
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
    """uint8 of the same shape."""
    grey = ((samples - np.float32(black)) * np.float32(255 / (white - black))).round().clip(0, 255)
    return np.nan_to_num(grey, nan=0.0).astype(np.uint8)
