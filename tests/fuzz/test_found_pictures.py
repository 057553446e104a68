"""Pictures from strangers that were faults once, kept small, and what each is answered now."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from lookalike.errors import ImageError, ImageTooLarge
from lookalike.pixels import MAX_SCANS, decode

pytestmark = pytest.mark.trust


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


def test_a_tiff_whose_bits_are_text_is_one_line() -> None:
    """The message quoted the text, of any length and with line ends. Source: TIFF 6.0, type 2 is ASCII."""
    text = b"8\n8\n8\0"
    tags = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 2, len(text), 8 + 2 + 4 * 12 + 4), (339, 3, 1, 3)]
    entries = b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    data = b"II*\0" + struct.pack("<LH", 8, len(tags)) + entries + struct.pack("<L", 0) + text
    with pytest.raises(ImageError) as refused:
        decode(data, "x.tif")
    assert str(refused.value) == "x.tif: broken image (its header cannot be read; it may be cut off)"
