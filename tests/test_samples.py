"""Pictures whose samples are no bytes of red, green and blue: scaled, or refused by what they are."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from lookalike import pixels
from lookalike.errors import ImageError
from tests.clips import picture
from tests.conftest import SHARED_DATA

CASES = SHARED_DATA / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="COLLECTION OF CASES ABSENT: made inputs only were tried")


def tiff(samples: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "TIFF", **options)
    return buffer.getvalue()


def ramp(low: float, high: float, kind: type) -> np.ndarray:
    """(64, 64) from one corner to the other."""
    return np.linspace(low, high, 64 * 64).round(3 if kind is np.float32 else 0).astype(kind).reshape(64, 64)


@pytest.mark.parametrize(
    ("samples", "first", "last"),
    [
        (ramp(0, 255, np.uint16), 0, 255),  # bytes in sixteen bits
        (ramp(0, 1023, np.uint16), 0, 255),
        (ramp(320, 3760, np.uint16), 20, 234),  # 320 / 4095 * 255
        (ramp(0, 16383, np.uint16), 0, 255),
        (ramp(0, 32767, np.uint16), 0, 127),  # half of sixteen bits is half
        (ramp(7000, 8000, np.uint16), 0, 255),  # counts of a thermal camera
        (ramp(28000, 31000, np.uint16), 0, 255),  # hundredths of a kelvin
        (ramp(-2000, 4000, np.int32), 0, 255),
        (ramp(0, 1, np.float32), 0, 255),
        (ramp(0.2, 0.8, np.float32), 51, 204),
        (ramp(-0.02, 1.1, np.float32), 0, 255),
        (ramp(0, 255, np.float32), 0, 255),
        (ramp(280, 310, np.float32), 0, 255),  # kelvin
        (ramp(-1, 1, np.float32), 0, 255),
    ],
)
def test_samples_that_are_no_bytes_are_scaled(samples: np.ndarray, first: int, last: int) -> None:
    grey = pixels.decode(tiff(samples))[..., 1].reshape(-1)
    assert (grey[0], grey[-1]) == (first, last)
    assert (np.diff(grey.astype(int)) >= 0).all()


def test_a_stated_largest_sample_counts() -> None:
    """A dark picture of 12 bits: 900 of 4095 is 56; without the statement it would fill ten bits."""
    assert pixels.decode(tiff(ramp(0, 900, np.uint16), tiffinfo={281: 4095})).max() == 56
    assert pixels.decode(tiff(ramp(0, 900, np.uint16))).max() == 224


def test_hot_and_dead_pixels_and_nan_decide_nothing() -> None:
    counts = ramp(7000, 8000, np.uint16)
    counts[5, 5], counts[6, 6] = 16383, 0
    grey = pixels.decode(tiff(counts))[..., 0]
    assert (grey[5, 5], grey[6, 6]) == (255, 0)
    assert abs(int(grey[32, 0]) - 127) <= 2
    floats = ramp(0, 1, np.float32)
    floats[5, 5] = np.nan
    grey = pixels.decode(tiff(floats))[..., 0]
    assert (grey[5, 5], grey[-1, -1]) == (0, 255)
    with pytest.raises(ImageError, match="no sample of it is a number"):
        pixels.decode(tiff(np.full((8, 8), np.nan, np.float32)), "a.tif")


def test_a_flat_thermal_picture_keeps_its_noise_faint() -> None:
    """7500 with a noise of 3 counts either way: a range of 7500 / 64 is the least, so 6 of 117 counts are 13 levels."""
    noise = np.random.default_rng(0).integers(7497, 7504, (64, 64)).astype(np.uint16)
    grey = pixels.decode(tiff(noise))
    assert (grey.min(), grey.max()) == (121, 134)


def header_of_tiff(bands: int, bits: int, sample_format: int) -> bytes:
    """A TIFF whose samples nobody reads: 8 x 8, with the data behind the tags."""
    values = [(256, 3, 1, 8), (257, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, bands)]
    values += [(278, 3, 1, 8), (279, 4, 1, 64 * bands * bits // 8), (273, 4, 1, 400)]
    extra, at = b"", 8 + 2 + 12 * (len(values) + 2) + 4
    for tag, value in ((258, bits), (339, sample_format)):
        values.append((tag, 3, bands, at + len(extra)))
        extra += struct.pack("<H", value) * bands
    entries = b"".join(struct.pack("<HHII", *value) for value in sorted(values))
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(values)) + entries + struct.pack("<I", 0) + extra
    return head.ljust(400, b"\0") + b"\0" * (64 * bands * bits // 8)


@pytest.mark.parametrize(
    ("bands", "bits", "sample_format", "what"),
    [(3, 32, 3, "3 x float32"), (5, 8, 1, "5 x uint8"), (7, 16, 1, "7 x uint16"), (4, 64, 3, "4 x float64")],
)
def test_a_tiff_that_is_not_read_says_what_it_is(bands: int, bits: int, sample_format: int, what: str) -> None:
    expected = rf"^a\.tif: a TIFF of {what}, expected 8 or 16 bits of grey or colour, or grey of float32$"
    with pytest.raises(ImageError, match=expected):
        pixels.decode(header_of_tiff(bands, bits, sample_format), "a.tif")


def tiff_of(samples: np.ndarray, kind: int = 1, zero_is_white: bool = False) -> bytes:
    """A TIFF of (H, W), or of (C, H, W) in planes, that Pillow does not write; its tags lie behind the data."""
    planes = samples.reshape(-1, *samples.shape[-2:])
    count, height, width = planes.shape
    ends = 8 + np.cumsum([plane.nbytes for plane in planes])
    at = int(ends[-1]) + 2 + 12 * 11 + 4
    lists, extra = {}, b""
    for tag, size, numbers in (
        (258, "H", [samples.itemsize * 8] * count),
        (273, "I", [int(end) - planes[0].nbytes for end in ends]),
        (279, "I", [planes[0].nbytes] * count),
        (339, "H", [kind] * count),
    ):
        packed = struct.pack(f"<{count}{size}", *numbers)
        lists[tag] = (
            3 if size == "H" else 4,
            count,
            packed if len(packed) <= 4 else struct.pack("<I", at + len(extra)),
        )
        extra += packed if len(packed) > 4 else b""
    colour = 2 if count == 3 else 0 if zero_is_white else 1
    plain = {256: width, 257: height, 259: 1, 262: colour, 277: count, 278: height, 284: 2 if count > 1 else 1}
    lists |= {tag: (4, 1, struct.pack("<I", value)) for tag, value in plain.items()}
    entries = b"".join(
        struct.pack("<HHI", tag, *lists[tag][:2]) + lists[tag][2].ljust(4, b"\0") for tag in sorted(lists)
    )
    return (
        b"II*\0"
        + struct.pack("<I", int(ends[-1]))
        + planes.tobytes()
        + struct.pack("<H", 11)
        + entries
        + bytes(4)
        + extra
    )


@pytest.mark.parametrize(
    ("samples", "kind", "zero_is_white", "first", "last"),
    [
        (ramp(-100, 100, np.int8), 2, False, 0, 255),
        (ramp(-1000, 1000, np.int16), 2, False, 0, 255),
        (ramp(0, 4_000_000_000, np.uint32), 1, False, 0, 255),
        (ramp(0, 65535, np.uint16), 1, True, 255, 0),
        (ramp(0, 255, np.uint8), 1, True, 255, 0),
        (ramp(0, 1, np.float32), 3, True, 255, 0),
    ],
)
def test_signs_and_inversion_are_as_a_tiff_states_them(
    samples: np.ndarray, kind: int, zero_is_white: bool, first: int, last: int
) -> None:
    grey = pixels.decode(tiff_of(samples, kind, zero_is_white))[..., 0].reshape(-1).astype(int)
    assert (grey[0], grey[-1]) == (first, last)
    assert (np.diff(grey) * np.sign(last - first) >= 0).all()


def test_planes_of_sixteen_bits_are_refused_and_those_of_bytes_are_read() -> None:
    """Pillow reads the former as bytes, two of which are a sample."""
    planes = np.stack([ramp(0, 255, np.uint8)] * 3) // np.array([[[1]], [[2]], [[4]]], np.uint8)
    assert (pixels.decode(tiff_of(planes)) == planes.transpose(1, 2, 0)).all()
    with pytest.raises(ImageError, match=r"16-bit colours in separate planes"):
        pixels.decode(tiff_of(planes.astype(np.uint16) * 257))


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "TIFF"])
def test_a_picture_whose_header_is_cut_off_is_broken(kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(3)).save(buffer, kind)
    with pytest.raises(ImageError, match=r"^a: broken image \(its header cannot be read; it may be cut off\)$"):
        pixels.decode(buffer.getvalue()[:60], "a")


@needs_cases
@pytest.mark.parametrize("name", ["float_0_to_1.tif", "gray_12_of_16_bits.tif"])
def test_the_cases_of_samples_are_neither_black_nor_white(name: str) -> None:
    grey = pixels.decode((CASES / "picture" / name).read_bytes())
    assert (grey.min(), abs(int(grey.max()) - 235) <= 1) == (20, True)


@needs_cases
def test_the_case_of_three_floats_says_so() -> None:
    with pytest.raises(ImageError, match="a TIFF of 3 x float32"):
        pixels.decode((CASES / "picture" / "float_rgb.tif").read_bytes())
