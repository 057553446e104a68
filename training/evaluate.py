"""Measure an encoder beside the floors that it has to beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast, get_args

import numpy as np
import torch
from PIL import Image

from lookalike import pixels
from lookalike.contract import Device, EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Frame
from training.config import BuiltIn, Light, TrainConfig
from training.encoders import TIMM, build_encoder
from training.finetune import SCHEDULE, Schedule, fine_tune_beside_scratch, store_examples
from training.fit import fit_head
from training.floors import Embedder, hsv_histogram, raw_pixels
from training.head import EncoderWithHead, embed_pixels
from training.pictures import fit_all, sample_rows
from training.probe import Labelled, Vote, knn_accuracy, knn_transfers, linear_probe, read_pictures
from training.retrieval import (
    OWN_MOMENT_S,
    WINDOW_S,
    Disturbance,
    Event,
    Gallery,
    camera_share,
    disturb_all,
    event_precision,
    self_retrieval,
    temporal_recall,
)
from training.train import pick_device
from training.trained import load_trained

MAX_SIDE_PX = 384  # pictures are kept at most this large: no encoder here looks closer
PICTURES = 256  # decoded at a time
LABELLED = 500  # pictures that stand for all of a labelled folder
WAYS: list[Vote] = [(200, 0.1), (10, None)]  # k and temperature
UNTRAINED = "the same encoder, untrained"
Row = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """Something that embeds pictures; `trained` for the encoder in question, not for the floors."""

    name: str
    embed: Embedder
    trained: bool = False


def candidates(encoder_or_run: Path, pictures: list[np.ndarray], device: Device = "auto") -> list[Candidate]:
    """The encoder (an ONNX file, or a run) and its floors; the untrained one's last layer is fitted to `pictures`.

    pictures: uint8 (H, W, 3) each.
    Raises: TrainingError or EncoderError if there is no such encoder; DeviceError if there is no such device.
    """
    if encoder_or_run.is_dir():
        served, config = load_trained(encoder_or_run)
        return run_candidates(served, config, pictures, device)
    exported = Encoder(encoder_or_run, device)
    input_px = exported.spec.input_px
    trained = Candidate("this encoder", _prepared(exported.embed, input_px), trained=True)
    return [trained, *floors(_config_of(exported.spec), pictures, device)]


def _config_of(spec: EncoderSpec) -> TrainConfig | None:
    """The settings that decide an untrained encoder of the same kind, if the file says them."""
    if spec.arch not in get_args(BuiltIn) and not spec.arch.startswith(TIMM):
        return None
    lengths = {part.name: part.dim for part in spec.parts} or {"layout": spec.dim}
    none = dict.fromkeys(("content", "layout", "colour"), 0)
    kind = TrainConfig(arch=spec.arch, init="none", light=cast(Light, spec.light), input_px=spec.input_px)
    return dataclasses.replace(kind, head=spec.whitened, **none | lengths)


def run_candidates(
    served: EncoderWithHead, config: TrainConfig, pictures: list[np.ndarray], device: Device = "auto"
) -> list[Candidate]:
    """As `candidates`, of a run that is loaded already."""
    trained = Candidate("this encoder", _torch_embedder(served, config.input_px, device), trained=True)
    return [trained, *floors(config, pictures, device)]


def floors(config: TrainConfig | None, pictures: list[np.ndarray], device: Device = "auto") -> list[Candidate]:
    """What an encoder has to beat; without the config that it was built from, there is no untrained one among them."""
    found = [
        Candidate("raw pixels 8x8", raw_pixels(8)),
        Candidate("raw pixels 32x32", raw_pixels(32)),
        Candidate("HSV histogram", hsv_histogram),
    ]
    if config is not None:
        torch.manual_seed(0)
        encoder = build_encoder(config.arch, config.light)
        untrained = fit_head(encoder, fit_all(pictures, config.cache_px), config)
        found.append(Candidate(UNTRAINED, _torch_embedder(untrained, config.input_px, device)))
    return found


def gather(frames: Iterable[Frame], on_frame: Callable[[Frame], None] = lambda frame: None) -> Gallery:
    """Collect frames to search among, made smaller. Raises: FootageError if there are fewer than two."""
    pictures: list[np.ndarray] = []
    about: list[tuple[str, float, str]] = []
    for frame in frames:
        pictures.append(_shrink(frame.image))
        about.append((Path(frame.source).name, frame.time_s, frame.camera))
        on_frame(frame)
    if len(pictures) < 2:
        raise FootageError(f"{len(pictures)} readable frame(s), expected at least 2 to search among")
    clips, times, cameras = zip(*about, strict=True)
    return Gallery(pictures, np.array(clips), np.array(times), np.array(cameras))


def evaluate_footage(
    contenders: list[Candidate],
    gallery: Gallery,
    events: list[Event] | None,
    guard_s: float,
    how: Disturbance,
    seed: int,
    seeds: int = 1,
    window_s: float = WINDOW_S,
) -> dict[str, Any]:
    """For each contender, how well disturbed frames find their moments, and what else its embeddings hold.

    With events, precision@5, clean and disturbed; always, self-retrieval, disturbed, and temporal recall, clean and
    disturbed; with several cameras, their share of the variance. See training.retrieval for each.
    seeds: how many times to disturb, from `seed` on; values are means, and `std` has their standard deviations.
    Returns: what `lookalike evaluate --json` prints.
    Raises: FootageError if there are events, but none that could be found again in this footage.
    """
    _require_findable(gallery, events, guard_s)
    vectors = [one.embed(gallery.pictures) for one in contenders]
    clean = [_clean(found, gallery, events, guard_s, window_s) for found in vectors]
    disturbed: list[list[Row]] = [[] for _ in contenders]
    for number in range(seed, seed + seeds):
        pictures = disturb_all(gallery.pictures, how, number)
        for one, found, rows in zip(contenders, vectors, disturbed, strict=True):
            rows.append(_disturbed(one.embed(pictures), found, gallery, events, guard_s, window_s))
    rows = [
        {"name": one.name, "trained": one.trained} | over_seeds(found) | fixed
        for one, found, fixed in zip(contenders, disturbed, clean, strict=True)
    ]
    if events:
        text = verdict(rows, lambda row: row["precision5_disturbed"]["mean"], "precision@5 of disturbed queries")
    else:
        text = verdict(rows, lambda row: row["self_retrieval_disturbed"], "disturbed self-retrieval")
    about = {"frames": len(gallery.clip), "guard_s": guard_s, "window_s": window_s}
    return about | {"seeds": list(range(seed, seed + seeds)), "rows": rows, "verdict": text}


def _clean(vectors: np.ndarray, gallery: Gallery, events: list[Event] | None, guard_s: float, window_s: float) -> Row:
    """What is measured on frames as they are; what is not defined on this footage is left out."""
    row: Row = {"precision5_clean": event_precision(vectors, vectors, gallery, events, guard_s)} if events else {}
    measures = {
        "temporal_recall_clean": temporal_recall(vectors, vectors, gallery, guard_s, window_s),
        "camera_share": camera_share(vectors, gallery.camera),
    }
    return row | _defined(measures)


def _disturbed(
    queries: np.ndarray,
    vectors: np.ndarray,
    gallery: Gallery,
    events: list[Event] | None,
    guard_s: float,
    window_s: float,
) -> Row:
    row: Row = {"precision5_disturbed": event_precision(queries, vectors, gallery, events, guard_s)} if events else {}
    measures = {
        "self_retrieval_disturbed": self_retrieval(queries, vectors, gallery, OWN_MOMENT_S),
        "temporal_recall_disturbed": temporal_recall(queries, vectors, gallery, guard_s, window_s),
    }
    return row | _defined(measures)


def _defined(measures: dict[str, float]) -> Row:
    return {name: value for name, value in measures.items() if not np.isnan(value)}


def _require_findable(gallery: Gallery, events: list[Event] | None, guard_s: float) -> None:
    nothing = np.zeros((len(gallery.clip), 1))
    if events and np.isnan(event_precision(nothing, nothing, gallery, events, guard_s)["mean"]):
        clips = ", ".join(sorted(set(gallery.clip.tolist()))[:5])
        raise FootageError(
            f"no event is seen at two moments more than {guard_s:g} s apart;"
            f" expected events whose `clip` is a file name of this footage ({clips}), or a smaller --guard-s"
        )


def over_seeds(found: Sequence[Row]) -> Row:
    """Means of what was measured once for each seed; of several, `std` has the standard deviations (n - 1).

    found: the same names in each, with numbers, or with numbers by name.
    """
    means = {name: _combine([one[name] for one in found], np.mean) for name in found[0]}
    if len(found) == 1:
        return means
    deviations = {
        name: _combine([one[name] for one in found], lambda values: np.std(values, ddof=1)) for name in found[0]
    }
    return means | {"std": deviations}


def _combine(values: list[Any], how: Callable[[list[float]], Any]) -> Any:
    if isinstance(values[0], dict):
        return {name: float(how([one[name] for one in values])) for name in values[0]}
    return float(how(values))


def sample_pictures(found: Labelled) -> list[np.ndarray]:
    """An even sample of labelled pictures, made smaller: uint8 (H, W, 3) each.

    Raises: FootageError if fewer than two classes have readable pictures.
    """
    rows = sample_rows(len(found), LABELLED)
    part = Labelled(found.source, [found.paths[row] for row in rows], found.labels[rows], found.names)
    return [_shrink(picture) for picture, _ in read_pictures(part)]


def embed_labelled(
    contenders: list[Candidate],
    found: Labelled,
    on_pictures: Callable[[int], None] = lambda count: None,
    on_unreadable: Callable[[str, str], None] = lambda path, reason: None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Decode each picture once and embed it with every contender; PICTURES of them are held at a time.

    on_pictures: told how many more are done.
    Returns: vectors, float32 (N, D), one array for each contender; and the class numbers, int64 (N,).
    Raises: FootageError if fewer than two classes have readable pictures.
    """
    vectors: list[list[np.ndarray]] = [[] for _ in contenders]
    labels: list[int] = []
    pictures = ((_shrink(picture), label) for picture, label in read_pictures(found, on_unreadable))
    while batch := list(islice(pictures, PICTURES)):
        for one, parts in zip(contenders, vectors, strict=True):
            parts.append(one.embed([picture for picture, _ in batch]))
        labels += [label for _, label in batch]
        on_pictures(len(batch))
    return [np.concatenate(parts) for parts in vectors], np.array(labels)


def evaluate_images(
    contenders: list[Candidate], vectors: list[np.ndarray], labels: np.ndarray, names: list[str]
) -> dict[str, Any]:
    """Leave-one-out kNN accuracy on labelled pictures, as `embed_labelled` gives them."""
    rows = [
        {"name": one.name, "trained": one.trained, "knn10": knn_accuracy(found, labels)}
        for one, found in zip(contenders, vectors, strict=True)
    ]
    text = verdict(rows, lambda row: row["knn10"], "kNN accuracy")
    return {"images": len(labels), "classes": names, "rows": rows, "verdict": text}


def evaluate_transfer(
    contenders: list[Candidate],
    train: tuple[list[np.ndarray], np.ndarray],
    test: tuple[list[np.ndarray], np.ndarray],
    names: list[str],
    on_scored: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Accuracy on `test` of what was learned from `train`: two kinds of kNN, and a linear probe.

    train, test: vectors of each contender and labels, as `embed_labelled` gives them.
    on_scored: told how many contenders are done.
    """
    rows: list[Row] = []
    for number, one in enumerate(contenders):
        known, asked = (train[0][number], train[1]), (test[0][number], test[1])
        weighted, plain = knn_transfers(*known, *asked, WAYS)
        rows.append({"name": one.name, "trained": one.trained, "knn200_weighted": weighted, "knn10": plain})
        rows[-1]["linear_probe"] = linear_probe(*known, *asked)
        on_scored(number + 1)
    text = verdict(rows, lambda row: row["linear_probe"], "linear probe")
    counts = {"train": len(train[1]), "test": len(test[1])}
    return counts | {"classes": names, "rows": rows, "verdict": text}


def evaluate_finetune(
    run: Path,
    train: Labelled,
    test: Labelled,
    seed: int,
    seeds: int = 1,
    device: Device = "auto",
    schedule: Schedule = SCHEDULE,
    on_step: Callable[[int, float], None] = lambda done, loss: None,
) -> dict[str, Any]:
    """Accuracy on `test` of a run's encoder, trained on with the labels of `train`, and of the same from new weights.

    seeds: how many times, from `seed` on. on_step: told the steps done, of `2 * seeds *
        schedule.steps`, and the loss.
    Raises: TrainingError if the run is incomplete, or on Ctrl-C; FootageError if too little can be read.
    """
    served, config = load_trained(run)
    with TemporaryDirectory(prefix="lookalike-") as folder:
        known, asked = (
            store_examples(read_pictures(part), config.input_px, Path(folder, name))
            for part, name in ((train, "train"), (test, "test"))
        )
        steps = schedule.steps(len(known.labels))
        found: list[tuple[float, float]] = []
        for number in range(seeds):
            told = partial(_told, on_step, 2 * steps * number)
            one = fine_tune_beside_scratch(served.encoder, config, known, asked, seed + number, device, schedule, told)
            found.append(one)
    names = ("this encoder, fine-tuned", "the same network, from scratch")
    rows = [
        {"name": name, "trained": not number} | over_seeds([{"accuracy": one[number]} for one in found])
        for number, name in enumerate(names)
    ]
    text = verdict(rows, lambda row: row["accuracy"], "fine-tuned accuracy")
    about = {"train": len(known.labels), "test": len(asked.labels), "steps": steps}
    about |= {"epochs": schedule.epochs, "batch": schedule.batch, "seeds": list(range(seed, seed + seeds))}
    return about | {"rows": rows, "verdict": text}


def _told(on_step: Callable[[int, float], None], before: int, step: int, loss: float) -> None:
    on_step(before + step, loss)


def verdict(rows: list[Row], measure: Callable[[Row], float], name: str) -> str:
    """One plain sentence: does the encoder beat every floor?"""
    own = next(row for row in rows if row["trained"])
    best = max((row for row in rows if not row["trained"]), key=measure)
    if measure(own) > measure(best):
        return (
            f"Beats every floor: {name} {_said(own, measure)}, the best floor ({best['name']}) {_said(best, measure)}."
        )
    return (
        f"Does not beat {best['name']}: {name} {_said(own, measure)}, the floor {_said(best, measure)}."
        " Try more steps, more footage, or a larger --input-px."
    )


def _said(row: Row, measure: Callable[[Row], float]) -> str:
    return f"{measure(row):.2f}" + (f" +-{measure(row['std']):.2f}" if "std" in row else "")


def _torch_embedder(served: EncoderWithHead, input_px: int, device: Device) -> Embedder:
    where = pick_device(device)
    served = served.to(where)
    return _prepared(lambda batch: embed_pixels(served, torch.from_numpy(batch).to(where)).cpu().numpy(), input_px)


def _prepared(run: Callable[[np.ndarray], np.ndarray], input_px: int) -> Embedder:
    return lambda pictures: run(np.stack([pixels.fit(picture, input_px) for picture in pictures]))


def _shrink(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = MAX_SIDE_PX / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
