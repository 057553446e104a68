"""Where it passes: five places, each drawn once, on a plane of 320 x 180 units with y down."""

from __future__ import annotations

import itertools
import math

import numpy as np
from PIL import Image

from lookalike.demo.sprites import RGB, Pen, shade

PLANE = (320, 180)
SUPERSAMPLING = 3


def draw_backdrop(place: str, size_px: tuple[int, int]) -> np.ndarray:
    """The place that a camera looks at. It is the same under every seed: only what happens there differs.

    Returns: float32 (H, W, 3), 0..255.
    """
    draw = {"gate": _gate, "road": _road, "dock": _dock, "hall": _hall, "yard": _yard}[place]
    rng = np.random.default_rng(sum(place.encode()))
    scale = SUPERSAMPLING * max(1.0, size_px[0] / PLANE[0])
    image = Image.new("RGB", (round(PLANE[0] * scale), round(PLANE[1] * scale)))
    draw(Pen(image, scale), rng)
    flat = np.asarray(image.resize(size_px, Image.Resampling.LANCZOS), np.float32)
    return (flat + _texture(size_px, rng)).clip(0, 255).astype(np.float32)


def smooth_noise(size_px: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Normal noise on a grid of `cells`, interpolated. Returns: float32 (H, W)."""
    grid = rng.standard_normal((cells[1], cells[0])).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize(size_px, Image.Resampling.BICUBIC))


def _texture(size_px: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Stains, wear and grain, so that no surface is one flat colour. Returns: float32 (H, W, 1)."""
    layers = ((12, 7, 3.5), (60, 34, 3.0), (320, 180, 3.0))
    return np.sum([amount * smooth_noise(size_px, (x, y), rng) for x, y, amount in layers], axis=0)[..., None]


def _bands(pen: Pen, y0: float, y1: float, top: RGB, bottom: RGB) -> None:
    """A vertical gradient over the plane's width."""
    steps = max(1, round(y1 - y0))
    for step in range(steps):
        share = step / steps
        colour = tuple(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        pen.box(0, y0 + (y1 - y0) * share, PLANE[0], y1, colour)


def _tree(pen: Pen, rng: np.random.Generator, x: float, ground_y: float, size: float) -> None:
    pen.poly([(x - size * .08, ground_y), (x - size * .04, ground_y - size), (x + size * .04, ground_y - size),
              (x + size * .08, ground_y)], (78, 62, 48))  # fmt: skip
    for leaf in range(70):
        angle, reach = rng.uniform(0, 2 * math.pi), size * 0.5 * math.sqrt(rng.random())
        centre_x, centre_y = x + reach * math.cos(angle), ground_y - size * 1.15 + reach * 0.85 * math.sin(angle)
        tone = 0.62 + 0.5 * leaf / 70 * rng.random()  # later leaves lie on top, where the light is
        pen.disc(centre_x, centre_y, size * rng.uniform(0.06, 0.16), shade((92, 124, 70), tone))


def _gate(pen: Pen, rng: np.random.Generator) -> None:
    _bands(pen, 0, 60, (176, 196, 214), (214, 220, 220))
    for x in range(-10, 340, 16):
        pen.disc(x, 62, rng.uniform(10, 22), shade((94, 116, 96), rng.uniform(0.8, 1.1)))
    _bands(pen, 66, 180, (112, 132, 84), (86, 112, 62))
    pen.poly([(172, 66), (206, 66), (262, 112), (150, 128)], (150, 142, 132))
    pen.poly([(0, 116), (320, 88), (320, 150), (0, 200)], (138, 134, 128))
    pen.line([(0, 117), (320, 89)], 2.2, (176, 172, 164))
    pen.line([(0, 181), (320, 146)], 2.6, (176, 172, 164))
    for x in range(-20, 330, 44):
        pen.line([(x, 151 - x * 0.1), (x + 22, 148.8 - x * 0.1)], 1.4, (196, 192, 178))
    for x, size in ((24, 52), (92, 40), (286, 58)):
        _tree(pen, rng, x, 92 - x * 0.03, size)
    for start, end in ((0, 164), (214, 320)):
        for x in range(start, end, 6):
            pen.box(x, 74 - x * 0.03, x + 2, 102 - x * 0.03, (70, 76, 80))
        for rail in (78, 97):
            pen.line([(start, rail - start * 0.03), (end, rail - end * 0.03)], 1.6, (58, 64, 68))
    for x in (160, 210):
        pen.box(x, 58, x + 9, 101, (152, 118, 100))
        pen.box(x - 1.5, 54, x + 10.5, 59, (196, 190, 180))
        for y in range(64, 100, 6):
            pen.line([(x, y), (x + 9, y)], 0.6, (120, 90, 76))
    for stripe in range(7):  # the barrier, raised
        pen.line([(170 + stripe * 4, 84 - stripe * 7), (174 + stripe * 4, 77 - stripe * 7)], 2.6,
                 (196, 40, 36) if stripe % 2 else (236, 234, 228))  # fmt: skip
    pen.box(224, 54, 262, 100, (204, 198, 182))
    pen.poly([(220, 55), (266, 55), (258, 46), (228, 46)], (92, 70, 62))
    pen.box(230, 62, 246, 80, (70, 92, 108))
    pen.poly([(232, 78), (238, 64), (242, 64), (236, 78)], (128, 150, 162))
    pen.box(250, 64, 259, 100, (110, 86, 66))


def _house(pen: Pen, rng: np.random.Generator, x0: float, x1: float, roof_y: float, wall: RGB, base_y: float) -> None:
    pen.box(x0, roof_y, x1, base_y, wall)
    pen.box(x0, roof_y, x1, roof_y + 4, shade(wall, 0.6))
    pen.box(x1 - 2, roof_y, x1, base_y, shade(wall, 0.75))
    for row, y in enumerate((roof_y + 10, roof_y + 32)):
        for x in np.arange(x0 + 7, x1 - 12, 17):
            pen.box(x - 1, y - 1, x + 10, y + 14, shade(wall, 1.25))
            lit = (216, 190, 120) if rng.random() < 0.12 else shade((66, 82, 96), rng.uniform(0.7, 1.2))
            pen.box(x, y, x + 9, y + 13, lit)
            pen.line([(x + 4.5, y), (x + 4.5, y + 13)], 0.8, shade(wall, 1.25))
            if row:
                pen.box(x - 2, y + 14, x + 11, y + 16, shade(wall, 0.7))
    pen.box(x0 + 4, base_y - 21, x0 + 14, base_y, shade(wall, 0.45))


def _road(pen: Pen, rng: np.random.Generator) -> None:
    _bands(pen, 0, 40, (168, 184, 204), (206, 212, 216))
    walls: tuple[RGB, ...] = ((164, 104, 84), (196, 184, 160), (138, 142, 150), (184, 150, 116))
    for index, (x0, x1, roof_y) in enumerate(((-4, 70, 14), (70, 158, 4), (158, 232, 20), (232, 324, 10))):
        _house(pen, rng, x0, x1, roof_y, walls[index], 96 - 10 * index / 3)
    pen.poly([(0, 92), (320, 78), (320, 94), (0, 110)], (170, 166, 158))
    for x in range(0, 330, 12):
        pen.line([(x, 92 - x * 0.044), (x - 5, 110 - x * 0.05)], 0.6, (142, 138, 132))
    pen.poly([(0, 108), (320, 92), (320, 160), (0, 176)], (84, 86, 90))
    pen.line([(0, 109), (320, 93)], 2.4, (196, 192, 184))
    for x in range(-10, 330, 34):
        pen.line([(x, 141 - x * 0.05), (x + 18, 140 - x * 0.05)], 1.8, (214, 212, 204))
    pen.line([(0, 114), (320, 98)], 0.9, (206, 184, 76))
    pen.poly([(0, 172), (320, 156), (320, 180), (0, 180)], (164, 160, 152))
    pen.line([(0, 172), (320, 156)], 2.8, (200, 196, 188))
    pen.oval(218, 142, 234, 147, (58, 60, 62))
    pen.poly([(40, 118), (92, 115), (96, 126), (44, 130)], (76, 78, 82))  # a patched trench
    _tree(pen, rng, 132, 98, 40)
    for x, y in ((52, 103), (258, 92)):
        pen.line([(x, y), (x, y - 84), (x + 16, y - 88)], 2, (62, 66, 72))
        pen.box(x + 12, y - 90, x + 24, y - 86, (210, 208, 190))
    pen.line([(196, 98), (196, 62)], 1.4, (120, 122, 124))
    pen.disc(196, 60, 6, (36, 74, 150))
    pen.poly([(193, 62), (196, 56), (199, 62)], (236, 236, 236))


def _dock_door(pen: Pen, x: float, number: int) -> None:
    pen.box(x - 5, 24, x + 57, 98, (52, 54, 58))
    pen.box(x, 32, x + 52, 98, (190, 194, 196))
    for y in range(34, 98, 4):
        pen.line([(x, y), (x + 52, y)], 0.8, (150, 154, 158))
    pen.box(x + 18, 44, x + 34, 50, (70, 90, 104))
    pen.box(x + 18, 12, x + 34, 23, (30, 62, 122))
    for bar in range(number):
        bar_x = x + 26.8 + 3.6 * bar - 1.8 * number
        pen.box(bar_x, 14, bar_x + 2, 21, (240, 240, 240))
    for buffer_x in (x - 2, x + 46):
        pen.box(buffer_x, 88, buffer_x + 8, 99, (24, 24, 26))
    pen.box(x + 56, 40, x + 60, 52, (180, 34, 30) if number == 2 else (50, 150, 80))


def _dock(pen: Pen, rng: np.random.Generator) -> None:
    pen.box(0, 0, 320, 100, (140, 152, 160))
    for x in range(0, 320, 5):
        pen.line([(x, 0), (x, 100)], 1.2, (126, 138, 146))
    pen.box(0, 0, 320, 7, (84, 94, 102))
    for number, x in enumerate((28, 128, 228), 1):
        _dock_door(pen, x, number)
    pen.box(0, 97, 320, 103, (112, 110, 106))
    for x in range(0, 320, 12):
        pen.poly([(x, 103), (x + 6, 103), (x + 9, 98), (x + 3, 98)], (222, 184, 40))
    _bands(pen, 103, 180, (146, 144, 140), (168, 166, 160))
    for edge in range(-500, 830, 70):  # joints run to a vanishing point above the wall
        pen.line([(160 + (edge - 160) * 0.4, 103), (edge, 180)], 0.8, (122, 120, 118))
    for y in (112, 126, 148):
        pen.line([(0, y), (320, y)], 0.8, (124, 122, 120))
    for left, right in ((24, -16), (88, 78), (124, 118), (186, 198), (222, 240), (288, 342)):
        pen.line([(left, 104), (right, 150)], 2, (226, 194, 62))
    for _ in range(14):
        x, y = rng.uniform(0, 320), rng.uniform(112, 178)
        pen.oval(x - 9, y - 1.6, x + rng.uniform(2, 14), y + 1.6, (104, 102, 100, 90))
    for x in (104, 204, 308):
        pen.box(x, 84, x + 5, 112, (236, 196, 36), 1.5)
        pen.box(x, 90, x + 5, 95, (30, 30, 30))
    for layer in range(5):
        pen.box(2, 100 - layer * 5, 24, 103 - layer * 5, shade((168, 128, 84), 0.8 + 0.08 * layer))
        pen.box(4, 103 - layer * 5, 22, 105 - layer * 5, (86, 64, 44))
    pen.poly([(104, 8), (120, 8), (116, 14), (108, 14)], (236, 232, 206))


def _hall(pen: Pen, rng: np.random.Generator) -> None:
    pen.box(0, 0, 320, 180, (196, 190, 178))
    pen.poly([(0, 0), (320, 0), (210, 22), (110, 22)], (214, 212, 206))
    pen.poly([(0, 0), (110, 22), (110, 78), (0, 131)], (176, 170, 158))
    pen.poly([(320, 0), (210, 22), (210, 78), (320, 131)], (186, 180, 168))
    _hall_floor(pen)
    for side in (1, -1):
        pen.line([(160 - side * 160, 129.5), (160 - side * 50, 77)], 3, (112, 96, 80))
        for near, far in ((160, 128), (112, 92), (82, 70)):
            xs, slope = (160 - side * near, 160 - side * far), 0.47
            glass = (148, 176, 196) if side > 0 else (132, 92, 66)
            top, low = (-0.14, 0.2) if side > 0 else (-0.1, slope)
            pen.poly([(xs[0], 54 + near * top), (xs[1], 54 + far * top), (xs[1], 54 + far * low),
                      (xs[0], 54 + near * low)], shade(glass, 0.8 + 0.2 * rng.random()))  # fmt: skip
    pen.line([(110, 78), (210, 78)], 2, (112, 96, 80))
    pen.box(142, 34, 178, 78, (92, 70, 56))
    for x in (145, 161):
        pen.box(x, 38, x + 14, 76, (122, 92, 70))
        pen.box(x + 2, 41, x + 12, 56, (160, 186, 196))
    pen.box(150, 26, 170, 32, (40, 130, 80))
    for y, half, deep in ((3, 44, 3.5), (12, 26, 2.2), (18, 17, 1.4)):
        pen.poly([(160 - half, y), (160 + half, y), (160 + half * .85, y + deep), (160 - half * .85, y + deep)],
                 (240, 240, 228))  # fmt: skip
    pen.box(186, 44, 202, 62, (226, 222, 210))
    pen.box(188, 46, 200, 55, (196, 84, 60))
    for x, size in ((118, 11), (34, 26)):
        base_y = 78 + (118 - x) * 0.38
        pen.poly([(x - size * .3, base_y), (x + size * .3, base_y), (x + size * .4, base_y - size * .6),
                  (x - size * .4, base_y - size * .6)], (150, 84, 60))  # fmt: skip
        for _ in range(40):
            tip = (x + rng.normal(0, size * 0.4), base_y - size * rng.uniform(0.9, 1.9))
            pen.line([(x, base_y - size * 0.6), tip], size * 0.09, shade((64, 116, 62), rng.uniform(0.6, 1.2)))


def _hall_floor(pen: Pen) -> None:
    """Square tiles in perspective: a point X to the side and Z ahead lands at (160 + 50 X / Z, 54 + 24 / Z).

    The walls stand at X = -1 and 1, the far wall at Z = 1.
    """
    depths = [0.175 + 0.075 * row for row in range(12)]
    for row, (near, far) in enumerate(itertools.pairwise(depths)):
        for column in range(-6, 6):
            left, right = column / 6, (column + 1) / 6
            corners = [(left, near), (right, near), (right, far), (left, far)]
            tile = (178, 172, 160) if (row + column) % 2 else (140, 132, 122)
            tone = 1.0 + 0.04 * ((row * 7 + column * 13) % 5 - 2)
            pen.poly([(160 + 50 * x / z, 54 + 24 / z) for x, z in corners], shade(tile, tone))


def _container(pen: Pen, x0: float, x1: float, top_y: float, base_y: float, colour: RGB) -> None:
    pen.box(x0, top_y, x1, base_y, colour)
    for x in np.arange(x0 + 2, x1, 4):
        pen.line([(x, top_y + 2), (x, base_y - 2)], 1.2, shade(colour, 0.78))
    pen.box(x0, top_y, x1, top_y + 2, shade(colour, 1.2))
    pen.box(x0, base_y - 2, x1, base_y, shade(colour, 0.6))


def _yard(pen: Pen, rng: np.random.Generator) -> None:
    _bands(pen, 0, 50, (150, 170, 190), (206, 208, 204))
    pen.box(0, 50, 320, 90, (70, 84, 70))  # a hedge
    for x in range(-10, 340, 14):
        pen.disc(x, 58, rng.uniform(8, 18), shade((84, 100, 82), rng.uniform(0.8, 1.1)))
    pen.box(14, 22, 150, 92, (156, 112, 92))
    pen.poly([(8, 24), (156, 24), (140, 12), (24, 12)], (84, 84, 90))
    for y in range(28, 92, 5):
        pen.line([(14, y), (150, y)], 0.5, (140, 98, 80))
    for x in (26, 88):
        pen.box(x, 44, x + 48, 92, (96, 108, 112))
        for y in range(46, 92, 4):
            pen.line([(x, y), (x + 48, y)], 0.7, (78, 88, 92))
    for x in (26, 52, 88, 114):
        pen.box(x, 29, x + 20, 39, shade((80, 100, 116), rng.uniform(0.8, 1.3)))
    _container(pen, 196, 262, 58, 90, (60, 104, 128))
    _container(pen, 206, 272, 28, 58, (150, 78, 52))
    for x in range(272, 330, 5):  # a fence to the right, before the trees
        pen.line([(x, 56), (x, 90)], 0.7, (120, 124, 126))
    pen.line([(272, 57), (320, 57)], 1.2, (100, 104, 106))
    _bands(pen, 88, 180, (118, 118, 116), (142, 140, 136))
    pen.box(0, 88, 320, 92, (160, 158, 150))
    for x in range(160, 330, 30):  # bays along the back
        pen.line([(x, 92), (x + (x - 160) * 0.16 - 4, 112)], 1.6, (214, 212, 202))
    pen.line([(0, 150), (320, 150)], 1.2, (206, 184, 76))
    for _ in range(18):
        x, y = rng.uniform(0, 320), rng.uniform(100, 178)
        pen.oval(x - 12, y - 1.8, x + rng.uniform(2, 16), y + 1.8, (88, 88, 88, 70))
    for layer in range(4):
        pen.box(164, 86 - layer * 5, 188, 89 - layer * 5, shade((168, 128, 84), 0.8 + 0.08 * layer))
        pen.box(166, 89 - layer * 5, 186, 91 - layer * 5, (86, 64, 44))
    pen.line([(290, 94), (290, 6), (274, 3)], 2.4, (72, 76, 80))
    pen.box(266, 1, 278, 5, (214, 212, 196))
