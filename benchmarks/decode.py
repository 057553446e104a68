"""Measure the cost of decoding a JPEG in several ways, and whether the embeddings agree.

    python -m benchmarks.decode encoder.onnx recordings/

The ways take turns on the same JPEGs of 1280 x 720; the figure is processor time. The reference decodes all pixels and
resizes them in one step. The project averages whole pixels first, and lets the decoder skip detail of an image that a
small input cannot show. simplejpeg, a binding of libjpeg-turbo, is installed temporarily.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cyclopts import App
from PIL import Image

from benchmarks.install import install
from benchmarks.machine import describe
from benchmarks.serve import jpegs
from lookalike.encoder import Encoder
from lookalike.pixels import DETAIL, decode, decode_to_fit, fit
from training.train import pick_device

SIMPLEJPEG = "simplejpeg==1.9.0"
SIZE_PX = (1280, 720)

Way = Callable[[bytes], np.ndarray]

app = App(name="benchmarks.decode", help=__doc__, help_format="plaintext")


@app.default
def main(encoder: Path, *sources: str, rounds: int = 5, simplejpeg: bool = True) -> None:
    """Measure, and print a Markdown table."""
    pictures, model = jpegs(sources, SIZE_PX), Encoder(encoder, "cpu")
    side = model.spec.input_px
    ways: dict[str, Way] = {
        "all pixels, one filter (reference)": lambda data: _one_filter(decode(data), side),
        "as frames of videos are": lambda data: fit(decode(data), side),
        "as images are": lambda data: decode_to_fit(data, side),
    }
    with tempfile.TemporaryDirectory() as folder:
        if simplejpeg:
            install(SIMPLEJPEG, Path(folder), "--no-simplejpeg")
            ways["simplejpeg, all pixels"] = _simplejpeg(side, 0)
            ways["simplejpeg, as few as the project"] = _simplejpeg(side, DETAIL * side)
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                started = time.process_time()
                for data in pictures:
                    way(data)
                took[name].append((time.process_time() - started) / len(pictures))
        embeddings = {name: model.embed(np.stack([way(data) for data in pictures])) for name, way in ways.items()}
    print(f"{describe(pick_device('cpu'))}; {model.spec.name}, {len(pictures)} JPEGs of {SIZE_PX[0]} x {SIZE_PX[1]}\n")
    print("| | ms | of the reference | min cosine | mean |")
    print("|---|---|---|---|---|")
    reference = next(iter(ways))
    for name, seconds in took.items():
        ratio = statistics.median(one / all_px for one, all_px in zip(seconds, took[reference], strict=True))
        cosines = (embeddings[name] * embeddings[reference]).sum(1)
        cells = [name, f"{statistics.median(seconds) * 1e3:.2f}", f"{ratio:.2f}"]
        print(f"| {' | '.join([*cells, f'{cosines.min():.6f}', f'{cosines.mean():.6f}'])} |")


def _simplejpeg(side: int, least_px: int) -> Way:
    """least_px: a side that is enough to decode; 0 for all pixels."""
    from simplejpeg import decode_jpeg  # pyright: ignore[reportMissingImports]

    fewer = {"min_height": least_px, "min_width": least_px} if least_px else {}

    def way(data: bytes) -> np.ndarray:
        return _one_filter(decode_jpeg(data, "RGB", **fewer), side)

    return way


def _one_filter(rgb: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BILINEAR))


if __name__ == "__main__":
    app()
