"""Make folders of pictures by class for `benchmarks.images`: rendered things, or frames of clips.

    python -m benchmarks.things render FOLDER --count 40
    python -m benchmarks.things render FOLDER --count 16 --by product
    python -m benchmarks.things cut FOLDER CLIPS --count 12

`render` draws the eight kinds of things of the demo, each picture with random colour, pose, size, place and light; by
product, a class is a kind in one colour. `cut` takes evenly spaced frames of each clip; the clip's name is the class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from cyclopts import App
from PIL import Image

from lookalike.demo.backdrops import draw_backdrop
from lookalike.demo.sprites import COLOURS, KINDS, RGB, Kind, draw_sprite
from lookalike.footage import find_sources, read_frames

SIDE_PX = 160
PLACES = ("gate", "road", "dock", "hall", "yard")
BACKDROP_PX = (640, 360)
TILT_DEG = 25.0  # at most, to either side
FRACTION = (0.45, 0.9)  # of the picture's side that the thing spans
GAIN = (0.6, 1.3)  # of each picture's light; each channel has up to TINT more or less
TINT = 0.1
PRODUCTS = ("red", "blue", "white")  # colours that each kind is sold in
Classes = Literal["kind", "product"]

app = App(name="benchmarks.things", help=__doc__, help_format="plaintext")


@app.command
def render(folder: Path, count: int = 40, seed: int = 0, by: Classes = "kind") -> None:
    """Write `count` pictures of each class: folder/CLASS/NUMBER.png."""
    rng = np.random.default_rng(seed)
    places = [Image.fromarray(draw_backdrop(place, BACKDROP_PX).astype(np.uint8)) for place in PLACES]
    for name, (kind, colours) in classes(by).items():
        _folder(folder, name)
        for number in range(count):
            colour = colours[rng.integers(len(colours))]
            render_thing(kind, colour, places, rng).save(folder / name / f"{number:03}.png")


def classes(by: Classes) -> dict[str, tuple[Kind, list[RGB]]]:
    """What is rendered, and in which colours. A product is a kind in one of PRODUCTS' colours, so colour matters."""
    if by == "kind":
        return {name: (kind, list(COLOURS.values())) for name, kind in KINDS.items()}
    return {f"{tone} {name}": (kind, [COLOURS[tone]]) for name, kind in KINDS.items() for tone in PRODUCTS}


def render_thing(kind: Kind, colour: RGB, places: list[Image.Image], rng: np.random.Generator) -> Image.Image:
    """One picture, RGB, SIDE_PX a side."""
    thing = draw_sprite(kind, colour, rng.random())
    if rng.random() < 0.5:
        thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    thing = thing.rotate(rng.uniform(-TILT_DEG, TILT_DEG), Image.Resampling.BICUBIC, expand=True)
    longest = rng.uniform(*FRACTION) * SIDE_PX
    scale = longest / max(thing.size)
    thing = thing.resize((max(1, round(thing.width * scale)), max(1, round(thing.height * scale))))
    picture = _background(places[rng.integers(len(places))], rng)
    free = (SIDE_PX - thing.width, SIDE_PX - thing.height)
    picture.paste(thing, (int(rng.integers(free[0] + 1)), int(rng.integers(free[1] + 1))), thing)
    light = rng.uniform(*GAIN) * rng.uniform(1 - TINT, 1 + TINT, 3)  # (3,)
    return Image.fromarray((np.asarray(picture, np.float32) * light).clip(0, 255).astype(np.uint8))


def _background(place: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A square part of a place, RGB, SIDE_PX a side."""
    side = int(rng.integers(120, place.height))
    x, y = (int(rng.integers(length - side)) for length in place.size)
    return place.crop((x, y, x + side, y + side)).resize((SIDE_PX, SIDE_PX))


@app.command
def cut(folder: Path, *clips: str, count: int = 12) -> None:
    """Write `count` frames of each clip, evenly spaced: folder/CLIP/NUMBER.png."""
    for source in find_sources(clips):
        frames = [Image.fromarray(frame.image) for frame in read_frames([source], 2.0)]
        name = Path(source.path).stem
        _folder(folder, name)
        for number, row in enumerate(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)):
            frames[row].save(folder / name / f"{number:03}.png")


def _folder(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    app()
