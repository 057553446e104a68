"""One decode and one resize: what every picture looks like to the encoder."""

from __future__ import annotations

import csv
import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from lookalike import pixels
from lookalike.errors import ImageError, ImageTooLarge
from tests.conftest import SHARED_DATA

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112
BAD_IMAGES = SHARED_DATA / "badfiles"
LOSSLESS = {"WEBP": {"lossless": True, "exact": True}}

UPRIGHT = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
# As stored for each EXIF orientation; by the standard its value says which side row 0 and column 0 of the file are.
STORED = {
    1: UPRIGHT,  # top, left
    2: UPRIGHT[:, ::-1],  # top, right
    3: UPRIGHT[::-1, ::-1],  # bottom, right
    4: UPRIGHT[::-1],  # bottom, left
    5: UPRIGHT.transpose(1, 0, 2),  # left, top
    6: UPRIGHT.transpose(1, 0, 2)[::-1],  # right, top
    7: UPRIGHT.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
    8: UPRIGHT.transpose(1, 0, 2)[:, ::-1],  # left, bottom
}


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.ascontiguousarray(image))
    picture.save(buffer, kind, **(LOSSLESS.get(kind, {}) | options))
    return buffer.getvalue()


def flat(mode: str, colour, size=(8, 8)) -> Image.Image:
    return Image.new(mode, size, colour)


def decoded_colour(data: bytes) -> tuple[int, ...]:
    """The one colour of a picture."""
    rgb = pixels.decode(data)
    assert (rgb.dtype, rgb.ndim, rgb.shape[2]) == (np.uint8, 3, 3)
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) == 1
    return tuple(rgb[0, 0].tolist())


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a picture and holds none."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")]
    packed = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_comes_out_upright(orientation, kind):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    np.testing.assert_array_equal(pixels.decode(encoded(STORED[orientation], kind, exif=exif)), UPRIGHT)


def test_orientation_is_applied_next_to_exif_that_cannot_be_written_again():
    """Tag 257, the height, is a number; some cameras write text there, and Pillow cannot write that back."""
    height = struct.pack("<HHI4s", 257, 2, 4, b"big\0")
    orientation = struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + height + orientation + struct.pack("<I", 0)
    np.testing.assert_array_equal(pixels.decode(encoded(STORED[6], "PNG", exif=exif)), UPRIGHT)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    levels = np.array([[0, 1, 127, 128, 200, 255]], np.uint16)
    rgb = pixels.decode(encoded(levels * 257, kind))  # 65535 / 255 = 257
    np.testing.assert_array_equal(rgb, np.repeat(levels[..., None], 3, axis=2))


def test_big_endian_16_bit_grey_is_the_same():
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">HH", 100 * 257, 200 * 257))
    np.testing.assert_array_equal(pixels.decode(encoded(image, "TIFF"))[0, :, 0], [100, 200])


def test_dark_16_bit_grey_stays_dark():
    """A 12-bit camera in 16-bit samples: 1000 * 255 / 65535 = 3.9."""
    assert decoded_colour(encoded(np.full((4, 4), 1000, np.uint16))) == (4, 4, 4)


def test_float_samples_of_0_to_255_are_taken_as_they_are():
    assert decoded_colour(encoded(np.full((4, 4), 77.4, np.float32), "TIFF")) == (77, 77, 77)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (*RED, 255), RED),
        ("RGBA", (*RED, 0), WHITE),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),  # 255 * (1 - 128 / 255)
        ("LA", (0, 0), WHITE),
        ("LA", (0, 204), (51, 51, 51)),  # 255 * (1 - 204 / 255)
    ],
)
def test_transparency_is_laid_over_white(mode, colour, expected):
    assert decoded_colour(encoded(flat(mode, colour))) == expected


def test_a_palette_gives_its_colours_and_its_transparent_one_white():
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    np.testing.assert_array_equal(pixels.decode(encoded(image)), [[RED, BLUE]])
    np.testing.assert_array_equal(pixels.decode(encoded(image, transparency=0)), [[WHITE, BLUE]])


def test_cmyk_becomes_rgb():
    """No cyan, all magenta and yellow, no black: red."""
    image = flat("CMYK", (0, 255, 255, 0))
    assert decoded_colour(encoded(image, "TIFF")) == RED
    assert decoded_colour(encoded(image, "JPEG")) == pytest.approx(RED, abs=3)


@pytest.mark.parametrize(("mode", "colour", "expected"), [("1", 1, WHITE), ("L", 90, (90, 90, 90))])
def test_grey_and_bilevel_become_rgb(mode, colour, expected):
    assert decoded_colour(encoded(flat(mode, colour))) == expected


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_taken(kind):
    """MPO is what phones write as .jpg when they add a second picture."""
    data = encoded(flat("RGB", RED), kind, save_all=True, append_images=[flat("RGB", BLUE)])
    assert decoded_colour(data) == pytest.approx(RED, abs=3)


@pytest.mark.parametrize("kind", pixels.FORMATS)
def test_every_format_named_decodes(kind):
    """AVIF and JPEG lose a little of a flat colour."""
    assert decoded_colour(encoded(flat("RGB", (200, 100, 50), (32, 32)), kind)) == pytest.approx((200, 100, 50), abs=3)


@pytest.mark.parametrize("kind", pixels.FORMATS)
def test_a_file_cut_in_half_is_refused(kind):
    data = encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), kind)
    with pytest.raises(ImageError, match=r"^half\.img: (broken image|not an image)"):
        pixels.decode(data[: len(data) // 2], "half.img")


def test_bytes_after_the_picture_do_not_matter():
    assert decoded_colour(encoded(flat("RGB", RED)) + b"garbage" * 100) == RED


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty file"),
        (b"just text, named .jpg", "not an image, expected one of AVIF, BMP, GIF, HEIF, JPEG, JPEG2000, PNG"),
        (b"<html><body>404 Not Found</body></html>", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),  # Pillow would run Ghostscript
        (b"\xff\xd8\xff", "image"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(data, says):
    with pytest.raises(ImageError) as caught:
        pixels.decode(data, "upload.jpg")
    assert str(caught.value).startswith("upload.jpg: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.http_status == 400


@pytest.mark.parametrize("side_px", [8001, 30_000, 65_500])
def test_a_bomb_is_refused_by_its_header(monkeypatch, side_px):
    """8001 squared is just above our limit, 30000 squared above Pillow's own; memory is taken in `load`."""
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("the picture was decoded"))
    with pytest.raises(ImageTooLarge, match="64,000,000") as caught:
        pixels.decode(png_header(side_px, side_px))
    assert caught.value.http_status == 413


def test_the_limit_itself_is_allowed(monkeypatch):
    monkeypatch.setattr(pixels, "MAX_PIXELS", 12)
    assert pixels.decode(encoded(flat("RGB", RED, (4, 3)))).shape == (3, 4, 3)
    with pytest.raises(ImageTooLarge, match="13x1 is 13 pixels, at most 12"):
        pixels.decode(encoded(flat("RGB", RED, (13, 1))))


@pytest.mark.parametrize("kind", pixels.FORMATS)
def test_damaged_bytes_raise_nothing_but_image_errors(kind):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    good = encoded(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8), kind, exif=exif)
    chance = random.Random(0)
    refused = 0
    for _ in range(100):
        data = bytearray(good)
        for _ in range(4):
            data[chance.randrange(min(len(data), 300))] = chance.randrange(256)
        try:
            assert pixels.decode(bytes(data)).dtype == np.uint8
        except ImageError:
            refused += 1
    assert refused > 0


def smooth(width: int, height: int) -> np.ndarray:
    """A picture without detail: red grows from left to right, green from top to bottom."""
    x, y = np.linspace(0, 255, width), np.linspace(0, 255, height)
    return np.stack(np.broadcast_arrays(x[None], y[:, None], 128), -1).astype(np.uint8)


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same() -> None:
    """Of 800 x 640, for 64 px, a quarter is enough: 200 x 160 is at least 128 x 128, an eighth would not be."""
    data = encoded(smooth(800, 640), "JPEG", quality=95)
    seen = pixels._decode(data, "image", pixels.DETAIL * 64)
    assert seen.size == (200, 160)
    difference = pixels.decode_to_fit(data, 64).astype(int) - pixels.fit(pixels.decode(data), 64)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize(("kind", "size"), [("PNG", (800, 640)), ("JPEG", (255, 640))])
def test_what_cannot_be_decoded_smaller_is_the_same_to_the_bit(kind: str, size: tuple[int, int]) -> None:
    """A PNG has no smaller form; half of 255 is less than twice 64."""
    data = encoded(smooth(*size), kind)
    assert np.array_equal(pixels.decode_to_fit(data, 64), pixels.fit(pixels.decode(data), 64))


def test_a_jpeg_that_is_decoded_smaller_is_turned_upright_too() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(smooth(800, 640), "JPEG", quality=95, exif=exif)
    upright = pixels.decode_to_fit(data, 64)
    assert upright[32, 60, 1] < 60  # stored: green grows downwards; turned right by 90 degrees, it grows to the left
    assert upright[32, 4, 1] > 200


def test_fit_keeps_a_constant_picture_constant():
    assert np.array_equal(pixels.fit(np.full((37, 91, 3), 123, np.uint8), 16), np.full((16, 16, 3), 123))


def test_fit_returns_a_picture_of_the_right_size_as_it_is():
    rgb = np.zeros((16, 16, 3), np.uint8)
    assert pixels.fit(rgb, 16) is rgb


def test_fit_halves_with_a_triangle_filter():
    """Antialiased: the triangle is 2 pixels wide to each side, so pixels at .5, .5, 1.5 weigh .75, .75, .25.

    From black, black, white: 255 * .25 / 1.75 = 36.4; mirrored, 218.6.
    """
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[:, 2:] = 255
    expected = np.broadcast_to(np.array([36, 219])[None, :, None], (2, 2, 3))
    np.testing.assert_array_equal(pixels.fit(rgb, 2), expected)
    np.testing.assert_array_equal(pixels.fit(rgb.transpose(1, 0, 2), 2), expected.transpose(1, 0, 2))


def test_fit_squashes_and_crops_nothing():
    """A third of the width each, 96 by 8: the ends are still there, and a third wide."""
    rgb = np.repeat(np.array([[RED, WHITE, BLUE]], np.uint8), 32, axis=1).repeat(8, axis=0)
    square = pixels.fit(rgb, 24)
    assert square.shape == (24, 24, 3)
    for column, colour in ((0, RED), (6, RED), (12, WHITE), (17, BLUE), (23, BLUE)):
        np.testing.assert_array_equal(square[:, column], np.broadcast_to(colour, (24, 3)))


def test_fit_of_a_large_picture_averages_whole_pixels_first():
    """24 x 24 pixels of stripes, each 1 wide, to 2: first to 6 by means of 4 x 4 pixels, all 127 or 128 then."""
    rgb = np.zeros((24, 24, 3), np.uint8)
    rgb[:, ::2] = 255
    assert set(np.unique(pixels.fit(rgb, 2))) <= {127, 128}


def manifest() -> list[tuple[str, str]]:
    path = BAD_IMAGES / "manifest.csv"
    if not path.exists():
        return [("none", "")]
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["file"], row["expected"]) for row in csv.DictReader(file) if row["file"].startswith("images/")]


@pytest.mark.skipif(
    not BAD_IMAGES.exists(), reason="COLLECTION OF BAD IMAGES ABSENT: only those generated above were tried"
)
@pytest.mark.parametrize(("name", "expected"), manifest())
def test_the_collection_of_bad_images_does_what_its_manifest_says(name, expected):
    try:
        outcome, rgb = "ok", pixels.decode((BAD_IMAGES / name).read_bytes(), name)
    except ImageError:
        outcome, rgb = "reject", np.zeros((1, 1, 3), np.uint8)
    assert (rgb.dtype, rgb.shape[2]) == (np.uint8, 3)
    if " or " not in expected and "either" not in expected:
        assert outcome == ("ok" if expected.startswith("ok") else "reject")
