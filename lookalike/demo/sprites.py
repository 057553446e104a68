"""What passes by: vehicles, people and things, drawn from the side in metres, facing right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

RGB = tuple[int, int, int]
Fill = tuple[int, ...]  # RGB, or RGB and alpha
Point = tuple[float, float]

SPRITE_PX_PER_M = 120  # several times what a scene shows, so that scaling down smooths every edge
MARGIN_M = 0.35  # room around an object for the soft edge of its shadow

COLOURS: dict[str, RGB] = {
    "red": (188, 34, 30), "blue": (38, 78, 168), "white": (228, 228, 222), "yellow": (232, 186, 28),
    "green": (42, 128, 70), "black": (44, 44, 50), "brown": (142, 96, 54), "orange": (226, 112, 24),
}  # fmt: skip
RUBBER, METAL, GLASS, SKIN, DENIM = (26, 26, 28), (150, 153, 158), (52, 68, 82), (206, 160, 128), (48, 54, 74)


class Pen:
    """Draws on an image in the units of what is drawn: `scale` pixels each, from `origin`, y down or up."""

    def __init__(self, image: Image.Image, scale: float, origin: Point = (0.0, 0.0), up: bool = False) -> None:
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._scale, self._origin, self._sign = scale, origin, -1 if up else 1

    def poly(self, points: Sequence[Point], fill: Fill) -> None:
        self._draw.polygon(self._at(points), fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Fill, radius: float = 0.0) -> None:
        self._draw.rounded_rectangle(self._corners(x0, y0, x1, y1), radius * self._scale, fill=fill)

    def oval(self, x0: float, y0: float, x1: float, y1: float, fill: Fill) -> None:
        self._draw.ellipse(self._corners(x0, y0, x1, y1), fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: Fill) -> None:
        self.oval(x - radius, y - radius, x + radius, y + radius, fill)

    def line(self, points: Sequence[Point], width: float, fill: Fill, round_ends: bool = False) -> None:
        self._draw.line(self._at(points), fill=fill, width=max(1, round(width * self._scale)), joint="curve")
        for x, y in points if round_ends else ():
            self.disc(x, y, width / 2, fill)

    def _at(self, points: Sequence[Point]) -> list[Point]:
        (left, top), scale = self._origin, self._scale
        return [((left + x) * scale, (top + self._sign * y) * scale) for x, y in points]

    def _corners(self, x0: float, y0: float, x1: float, y1: float) -> list[Point]:
        (left, top), (right, bottom) = self._at([(x0, y0), (x1, y1)])
        return [(min(left, right), min(top, bottom)), (max(left, right), max(top, bottom))]


def shade(colour: RGB, factor: float) -> RGB:
    """Darker below 1, lighter above."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def _wheel(pen: Pen, x: float, radius: float, turn: float) -> None:
    pen.disc(x, radius, radius, RUBBER)
    pen.disc(x, radius, radius * 0.62, METAL)
    for spoke in range(5):
        angle = 2 * math.pi * (spoke / 5 - turn)
        tip = (x + 0.55 * radius * math.cos(angle), radius + 0.55 * radius * math.sin(angle))
        pen.line([(x, radius), tip], radius * 0.14, shade(METAL, 0.55))


def _car(pen: Pen, colour: RGB, turn: float) -> None:
    pen.poly([(-2.18, .3), (-2.2, .78), (-2.06, .94), (-1.55, .99), (-.98, 1.38), (-.3, 1.47), (.42, 1.4),
              (1.12, .97), (1.9, .85), (2.14, .7), (2.2, .3)], colour)  # fmt: skip
    pen.poly([(-1.36, 0.99), (-0.92, 1.31), (-0.32, 1.37), (-0.32, 0.99)], GLASS)
    pen.poly([(-0.22, 0.99), (-0.22, 1.37), (0.38, 1.31), (0.92, 0.99)], GLASS)
    pen.poly([(0.1, 0.99), (0.38, 1.28), (0.52, 1.22), (0.3, 0.99)], shade(GLASS, 1.7))
    pen.box(-2.18, 0.3, 2.2, 0.52, shade(colour, 0.62), 0.05)
    pen.line([(-2.0, 0.88), (1.75, 0.82)], 0.05, shade(colour, 1.4))
    for x in (-1.1, -0.27, 0.9):
        pen.line([(x, 0.4), (x, 0.98)], 0.025, shade(colour, 0.5))
    pen.box(-0.62, 0.76, -0.42, 0.81, METAL)
    pen.box(0.88, 0.96, 1.02, 1.08, shade(colour, 0.7), 0.03)
    pen.box(-1.8, 0.2, 1.8, 0.33, RUBBER)
    pen.box(1.92, 0.62, 2.17, 0.76, (248, 244, 214), 0.04)
    pen.box(-2.2, 0.68, -2.02, 0.86, (150, 16, 20), 0.03)
    for x in (-1.36, 1.36):
        pen.disc(x, 0.36, 0.42, shade(RUBBER, 0.6))
        _wheel(pen, x, 0.34, turn)


def _van(pen: Pen, colour: RGB, turn: float) -> None:
    pen.poly([(-2.6, .35), (-2.6, 2.05), (-2.48, 2.2), (.95, 2.2), (1.35, 2.1), (1.98, 1.32), (2.45, 1.12),
              (2.6, .85), (2.6, .35)], colour)  # fmt: skip
    pen.box(-2.6, 0.35, 2.6, 0.6, shade(colour, 0.6), 0.05)
    pen.poly([(0.85, 1.25), (0.85, 1.98), (1.28, 1.98), (1.82, 1.25)], GLASS)
    pen.poly([(1.2, 1.25), (1.42, 1.75), (1.55, 1.6), (1.4, 1.25)], shade(GLASS, 1.7))
    pen.box(-2.3, 1.2, 0.55, 1.45, (40, 96, 150))
    pen.disc(-1.8, 1.68, 0.22, (40, 96, 150))
    for x in (-0.85, 0.7, 1.75):
        pen.line([(x, 0.45), (x, 2.05 if x < 1 else 1.22)], 0.03, shade(colour, 0.6))
    pen.box(-2.6, 0.9, -2.5, 1.35, (160, 20, 22))
    pen.box(2.3, 0.85, 2.58, 1.04, (248, 244, 214), 0.04)
    for x in (-1.65, 1.7):
        pen.disc(x, 0.38, 0.46, shade(RUBBER, 0.6))
        _wheel(pen, x, 0.37, turn)


def _truck(pen: Pen, colour: RGB, turn: float) -> None:
    pen.box(-3.1, 0.55, 3.0, 0.85, (56, 58, 62))
    pen.box(-3.1, 0.85, 1.25, 2.95, colour)
    pen.box(-3.1, 2.8, 1.25, 2.95, shade(colour, 1.25))
    for step in range(1, 8):
        pen.line([(-3.1 + step * 0.54, 0.9), (-3.1 + step * 0.54, 2.8)], 0.04, shade(colour, 0.78))
    pen.box(-2.3, 1.5, 0.4, 2.25, (240, 238, 230), 0.08)
    pen.box(-2.1, 1.78, 0.2, 1.97, (60, 62, 66))
    pen.poly([(1.4, 0.55), (1.4, 2.45), (2.5, 2.45), (2.95, 1.55), (3.1, 1.4), (3.1, 0.55)], (214, 216, 216))
    pen.poly([(1.75, 1.5), (1.75, 2.25), (2.4, 2.25), (2.76, 1.5)], GLASS)
    pen.line([(1.65, 0.7), (1.65, 2.35)], 0.04, (120, 122, 124))
    pen.box(2.85, 0.8, 3.08, 1.0, (248, 244, 214), 0.03)
    for x in (-2.45, -1.45, 2.2):
        pen.disc(x, 0.5, 0.54, RUBBER)
        _wheel(pen, x, 0.46, turn)


def _leg(pen: Pen, hip: Point, swing: float, width: float, colour: RGB) -> None:
    """swing: metres that the foot is ahead of the hip. A leg that comes forward lifts its foot."""
    foot = (hip[0] + swing, 0.06 + max(0.0, 0.05 - abs(swing) * 0.15))
    knee = (hip[0] + swing * 0.55 + hip[1] * 0.06, hip[1] * 0.52)
    pen.line([hip, knee, foot], width, colour, round_ends=True)
    pen.box(foot[0] - width * 0.5, foot[1] - 0.06, foot[0] + width * 1.1, foot[1] + width * 0.35, RUBBER, 0.03)


def _person(pen: Pen, colour: RGB, turn: float) -> None:
    swing = 0.3 * math.sin(2 * math.pi * turn)
    pen.line([(0, 1.36), (swing * 0.6, 1.08), (swing * 0.9 + 0.06, 0.86)], 0.11, shade(colour, 0.55), round_ends=True)
    _leg(pen, (0, 0.84), -swing, 0.16, shade(DENIM, 0.65))
    _leg(pen, (0, 0.84), swing, 0.16, DENIM)
    pen.box(-0.19, 0.78, 0.19, 1.47, colour, 0.12)
    pen.box(-0.19, 0.78, -0.06, 1.4, shade(colour, 0.75), 0.06)
    pen.box(-0.34, 1.0, -0.16, 1.4, (58, 50, 44), 0.07)  # a backpack tells front from back
    pen.line([(0, 1.36), (-swing * 0.6, 1.08), (0.06 - swing * 0.9, 0.88)], 0.12, shade(colour, 1.2), round_ends=True)
    pen.disc(0.06 - swing * 0.9, 0.85, 0.06, SKIN)
    pen.box(-0.05, 1.42, 0.06, 1.54, shade(SKIN, 0.8))
    pen.oval(-0.11, 1.47, 0.13, 1.75, SKIN)
    pen.poly([(-0.12, 1.55), (-0.11, 1.7), (0.0, 1.77), (0.12, 1.71), (0.1, 1.67), (-0.02, 1.66)], (46, 32, 24))


def _dog(pen: Pen, colour: RGB, turn: float) -> None:
    for index, hip in enumerate((-0.3, 0.24, -0.34, 0.2)):
        swing = 0.15 * math.sin(2 * math.pi * (turn + (0.0, 0.5, 0.5, 0.0)[index]))
        tone = shade(colour, 0.6 if index < 2 else 0.9)
        pen.line([(hip, 0.4), (hip + swing * 0.4 - 0.03, 0.2), (hip + swing, 0.04)], 0.085, tone, round_ends=True)
    pen.line([(-0.4, 0.52), (-0.56, 0.66), (-0.6, 0.78)], 0.06, colour, round_ends=True)
    pen.oval(-0.46, 0.32, 0.34, 0.62, colour)
    pen.oval(-0.36, 0.31, 0.2, 0.44, shade(colour, 0.75))
    pen.poly([(0.12, 0.6), (0.32, 0.8), (0.44, 0.68), (0.32, 0.42)], colour)
    pen.line([(0.2, 0.68), (0.38, 0.56)], 0.05, (200, 40, 36))
    pen.oval(0.24, 0.62, 0.52, 0.86, shade(colour, 1.1))
    pen.box(0.42, 0.64, 0.65, 0.76, shade(colour, 1.25), 0.05)
    pen.disc(0.64, 0.74, 0.03, RUBBER)
    pen.poly([(0.26, 0.84), (0.2, 0.6), (0.34, 0.7)], shade(colour, 0.5))


def _bicycle(pen: Pen, colour: RGB, turn: float) -> None:
    crank = (-0.05, 0.33)
    angle = 2 * math.pi * turn
    near = (crank[0] + 0.15 * math.cos(angle), crank[1] - 0.15 * math.sin(angle))
    far = (2 * crank[0] - near[0], 2 * crank[1] - near[1])
    pen.line([(-0.25, 0.95), (0.12, 0.72), far], 0.13, shade(DENIM, 0.6), round_ends=True)
    for x in (-0.55, 0.58):
        rim = [(x + 0.32 * math.cos(a / 18 * math.pi), 0.35 + 0.32 * math.sin(a / 18 * math.pi)) for a in range(37)]
        pen.line(rim, 0.07, RUBBER)
        pen.line([(x, 0.03), (x, 0.67)], 0.015, METAL)
        pen.line([(x - 0.32, 0.35), (x + 0.32, 0.35)], 0.015, METAL)
    pen.line([(-0.55, 0.35), crank, (0.4, 0.82), (-0.2, 0.8), crank], 0.055, colour)
    pen.line([(-0.55, 0.35), (-0.2, 0.8), (-0.22, 0.92)], 0.05, colour)
    pen.line([(0.58, 0.35), (0.4, 0.82), (0.38, 1.0), (0.5, 1.02)], 0.05, METAL)
    pen.line([(-0.25, 0.95), (0.15, 0.74), near], 0.14, DENIM, round_ends=True)
    pen.disc(*near, 0.08, RUBBER)
    pen.line([(-0.22, 1.0), (0.12, 1.42)], 0.32, colour, round_ends=True)
    pen.line([(0.14, 1.4), (0.3, 1.15), (0.48, 1.05)], 0.1, shade(colour, 0.7), round_ends=True)
    pen.oval(0.12, 1.45, 0.36, 1.72, SKIN)
    pen.poly([(0.06, 1.62), (0.12, 1.76), (0.26, 1.8), (0.4, 1.7), (0.4, 1.62)], shade(colour, 1.3))


def _forklift(pen: Pen, colour: RGB, turn: float) -> None:
    for x in (0.78, 0.9):
        pen.line([(x, 0.1), (x, 2.15)], 0.06, (62, 64, 70))
    pen.box(0.92, 0.12, 1.7, 0.2, (70, 72, 78))
    pen.box(0.96, 0.2, 1.66, 0.32, (150, 116, 74))
    pen.box(1.0, 0.32, 1.62, 0.92, (176, 134, 86), 0.02)
    pen.box(1.0, 0.58, 1.62, 0.65, (206, 178, 130))
    pen.poly([(-1.6, 0.3), (-1.65, 0.9), (-1.5, 1.1), (-0.75, 1.1), (-0.6, 0.72), (0.25, 0.72), (0.45, 1.05),
              (0.72, 1.05), (0.72, 0.3)], colour)  # fmt: skip
    pen.poly([(-1.6, 0.3), (-1.65, 0.9), (-1.52, 1.06), (-1.28, 1.06), (-1.28, 0.3)], (58, 60, 64))
    pen.line([(-0.5, 0.9), (-0.42, 1.45)], 0.26, (196, 92, 24), round_ends=True)  # the driver
    pen.line([(-0.38, 1.35), (0.1, 1.15), (0.3, 1.2)], 0.1, (196, 92, 24), round_ends=True)
    pen.disc(-0.36, 1.68, 0.14, SKIN)
    pen.oval(-0.53, 1.68, -0.18, 1.88, (244, 208, 40))
    pen.line([(-1.1, 1.05), (-0.95, 2.1), (0.35, 2.1), (0.62, 1.0)], 0.07, (50, 52, 56))
    pen.box(-1.05, 2.06, 0.45, 2.15, (50, 52, 56), 0.03)
    pen.box(-1.5, 0.3, 0.7, 0.42, (50, 52, 56))
    for x, radius in ((-1.1, 0.28), (0.38, 0.33)):
        _wheel(pen, x, radius, turn)


def _box(pen: Pen, colour: RGB, turn: float) -> None:
    pen.line([(-0.62, 0.24), (-0.72, 1.1), (-0.62, 1.14)], 0.05, METAL)
    pen.box(-0.66, 0.2, 0.66, 0.28, (70, 74, 82))
    pen.box(-0.52, 0.28, 0.56, 0.95, colour, 0.02)
    pen.box(-0.52, 0.28, 0.56, 0.4, shade(colour, 0.75), 0.02)
    pen.box(-0.34, 0.95, 0.36, 1.35, shade(colour, 1.18), 0.02)
    for y0, y1, x in ((0.28, 0.95, 0.02), (0.95, 1.35, 0.01)):
        pen.box(x - 0.06, y0, x + 0.06, y1, shade(colour, 1.5))
    pen.box(0.2, 0.55, 0.44, 0.75, (236, 234, 226))
    for x in (-0.48, 0.48):
        _wheel(pen, x, 0.12, turn)


@dataclass(frozen=True)
class Kind:
    """draw(pen, colour, turn): the object with `turn` in [0, 1) of its cycle, which takes `cycle_m` of ground.

    slot_share: the least and the most of its slot of the schedule that a pass takes. walks: follows paths, not lanes.
    headlight_m: how high above the ground it carries headlights; 0 if it has none.
    """

    draw: Callable[[Pen, RGB, float], None]
    length_m: float
    height_m: float
    cycle_m: float
    slot_share: tuple[float, float]
    walks: bool = False
    headlight_m: float = 0.0


KINDS: dict[str, Kind] = {
    "car": Kind(_car, 4.4, 1.47, 2.1, (0.56, 0.68), headlight_m=0.69),
    "van": Kind(_van, 5.2, 2.2, 2.3, (0.64, 0.74), headlight_m=0.95),
    "truck": Kind(_truck, 6.2, 2.95, 2.9, (0.64, 0.74), headlight_m=0.9),
    "person": Kind(_person, 0.7, 1.77, 1.5, (0.56, 0.74), walks=True),
    "dog": Kind(_dog, 1.3, 0.86, 0.9, (0.5, 0.66), walks=True),
    "bicycle": Kind(_bicycle, 1.8, 1.8, 4.0, (0.5, 0.64)),
    "forklift": Kind(_forklift, 3.4, 2.15, 1.9, (0.52, 0.7)),
    "box": Kind(_box, 1.4, 1.35, 0.75, (0.54, 0.7), walks=True),
}


def draw_sprite(kind: Kind, colour: RGB, turn: float) -> Image.Image:
    """The object above its shadow, with MARGIN_M around it; the ground is MARGIN_M above the lower edge.

    Returns: RGBA, SPRITE_PX_PER_M pixels a metre, facing right.
    """
    width_m, height_m = kind.length_m + 2 * MARGIN_M, kind.height_m + 2 * MARGIN_M
    size = round(width_m * SPRITE_PX_PER_M), round(height_m * SPRITE_PX_PER_M)
    origin = (width_m / 2, height_m - MARGIN_M)
    shadow = Image.new("RGBA", size)
    half, depth = kind.length_m / 2 + 0.1, 0.07 + kind.length_m * 0.02
    Pen(shadow, SPRITE_PX_PER_M, origin, up=True).oval(-half, -depth, half, depth, (8, 10, 16, 150))
    shadow = shadow.filter(ImageFilter.GaussianBlur(0.06 * SPRITE_PX_PER_M))
    figure = Image.new("RGBA", size)
    kind.draw(Pen(figure, SPRITE_PX_PER_M, origin, up=True), colour, turn)
    return Image.alpha_composite(shadow, figure)
