"""Measure an encoder beside the floors that it has to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from PIL import Image

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Frame
from training.config import BuiltIn
from training.encoders import build_encoder, embedding_dim
from training.floors import Embedder, hsv_histogram, raw_pixels
from training.probe import knn_accuracy
from training.retrieval import OWN_MOMENT_S, Disturbance, Event, Gallery, embed_gallery, event_precision, self_retrieval
from training.trained import ServedEncoder, embed_pixels, load_trained

MAX_SIDE_PX = 384  # pictures are kept at most this large: no encoder here looks closer


@dataclass(frozen=True)
class Candidate:
    """Something that embeds pictures; `trained` for the encoder in question, not for the floors."""

    name: str
    embed: Embedder
    trained: bool = False


def candidates(encoder_or_run: Path, pictures: list[np.ndarray]) -> list[Candidate]:
    """The encoder (an ONNX file, or a run) and its floors; the untrained one is centred on `pictures`."""
    if encoder_or_run.is_dir():
        served, config = load_trained(encoder_or_run)
        trained, arch, input_px = _torch_embedder(served, config.input_px), config.arch, config.input_px
    else:
        exported = Encoder(encoder_or_run)
        trained, input_px = _prepared(exported.embed, exported.spec.input_px), exported.spec.input_px
        own = exported.spec.name.rpartition("-")[0]
        arch = own if own in get_args(BuiltIn) else None
    floors = [
        Candidate("raw pixels 8x8", raw_pixels(8)),
        Candidate("raw pixels 32x32", raw_pixels(32)),
        Candidate("HSV histogram", hsv_histogram),
    ]
    if arch is not None:
        torch.manual_seed(0)
        encoder = build_encoder(arch)
        untrained = ServedEncoder(encoder, embedding_dim(encoder, input_px)).eval()
        untrained.center_on(torch.from_numpy(np.stack([pixels.fit(one, input_px) for one in pictures])))
        floors.append(Candidate("the same encoder, untrained", _torch_embedder(untrained, input_px)))
    return [Candidate("this encoder", trained, trained=True), *floors]


def gather(frames: Iterable[Frame]) -> Gallery:
    """Collect frames to search among, made smaller."""
    kept = [(_shrink(frame.image), frame) for frame in frames]
    if len(kept) < 2:
        raise FootageError(f"{len(kept)} readable frame(s), expected at least 2 to search among")
    return Gallery(
        [image for image, _ in kept],
        np.array([Path(frame.source).name for _, frame in kept]),
        np.array([frame.time_s for _, frame in kept]),
        np.array([frame.camera for _, frame in kept]),
    )


def evaluate_footage(
    contenders: list[Candidate],
    gallery: Gallery,
    events: list[Event] | None,
    guard_s: float,
    how: Disturbance,
    seed: int,
) -> dict[str, Any]:
    """For each contender: with events, precision@5 clean and disturbed; always, disturbed self-retrieval.

    Raises: FootageError if there are events, but none that could be found again in this footage.
    """
    rows: list[dict[str, Any]] = []
    for one in contenders:
        queries, vectors = embed_gallery(one.embed, gallery, how, seed)
        row: dict[str, Any] = {"name": one.name, "trained": one.trained}
        if events:
            row["precision5_disturbed"] = event_precision(queries, vectors, gallery, events, guard_s)
            row["precision5_clean"] = event_precision(vectors, vectors, gallery, events, guard_s)
            if np.isnan(row["precision5_clean"]["mean"]):
                raise FootageError(
                    f"no event is seen at two moments more than {guard_s:g} s apart;"
                    " expected events whose `clip` is a file name of this footage, or a smaller --guard-s"
                )
        row["self_retrieval_disturbed"] = self_retrieval(queries, vectors, gallery, OWN_MOMENT_S)
        rows.append(row)
    measure: Callable[[dict[str, Any]], float] = (
        (lambda row: row["precision5_disturbed"]["mean"]) if events else (lambda row: row["self_retrieval_disturbed"])
    )
    name = "precision@5 of disturbed queries" if events else "disturbed self-retrieval"
    return {"frames": len(gallery.clip), "guard_s": guard_s, "rows": rows, "verdict": verdict(rows, measure, name)}


def evaluate_images(
    contenders: list[Candidate], pictures: list[np.ndarray], labels: np.ndarray, names: list[str]
) -> dict[str, Any]:
    """Leave-one-out kNN accuracy on labelled pictures, as `probe.read_labelled` gives them."""
    rows = [
        {"name": one.name, "trained": one.trained, "knn10": knn_accuracy(one.embed(pictures), labels)}
        for one in contenders
    ]
    text = verdict(rows, lambda row: row["knn10"], "kNN accuracy")
    return {"images": len(pictures), "classes": names, "rows": rows, "verdict": text}


def verdict(rows: list[dict[str, Any]], measure: Callable[[dict[str, Any]], float], name: str) -> str:
    """One plain sentence: does the encoder beat every floor?"""
    own = next(measure(row) for row in rows if row["trained"])
    best = max((row for row in rows if not row["trained"]), key=measure)
    if own > measure(best):
        return f"Beats every floor: {name} {own:.2f}, the best floor ({best['name']}) {measure(best):.2f}."
    return (
        f"Does not beat {best['name']}: {name} {own:.2f}, the floor {measure(best):.2f}."
        " Try more steps, more footage, or a larger --input-px."
    )


def _torch_embedder(served: ServedEncoder, input_px: int) -> Embedder:
    return _prepared(lambda batch: embed_pixels(served, torch.from_numpy(batch)).numpy(), input_px)


def _prepared(run: Callable[[np.ndarray], np.ndarray], input_px: int) -> Embedder:
    return lambda pictures: run(np.stack([pixels.fit(picture, input_px) for picture in pictures]))


def _shrink(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = MAX_SIDE_PX / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
