"""Compare pretrained weights, trained encoders and baselines by the measures of `evaluate`.

    python -m benchmarks.finding rendered
    python -m benchmarks.finding recordings/ --events recordings/events.csv --steps 300
    python -m benchmarks.finding rendered --steps 500 --vary frozen_views=6 --vary init=none,steps=300

`rendered` renders the footage of lookalike.demo.benchmark. Without --steps nothing is trained: the encoder in question
is the pretrained one, with a head fitted to the footage. Prints Markdown: mAP of every measure side by side, then a
table for each measure, and by label. docs/footage.md explains them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import App, Parameter

from benchmarks.machine import describe
from benchmarks.varied import with_settings
from lookalike.console import frame_counter, say, step_bar, warn_skipped, work_bar
from lookalike.contract import Device
from lookalike.demo.benchmark import render_benchmark
from lookalike.footage import Frame, find_sources, read_frames
from lookalike.parts import Weights
from lookalike.report.page import Table
from lookalike.report.retrieval import judged_tables, moments_table
from training.config import TrainConfig, find_recipe, read_recipe
from training.evaluation.baselines import Embedder
from training.evaluation.contenders import PRETRAINED, Contender, Role, baselines, of_run
from training.evaluation.footage import Found, Protocol, evaluate_footage
from training.evaluation.gallery import gather
from training.evaluation.labels import read_labelled
from training.run import pretrain, start_run
from training.train import pick_device
from training.trained import load_trained
from training.warm_start import settle

RENDERED = "rendered"
COMPACT = "footage-compact"
Variant = Literal["content", "content+colour", "content+layout", "layout", "colour"]
VARIANTS: dict[Variant, Weights] = {
    "content": Weights(colour=0, layout=0),
    "content+colour": Weights(colour=0.2, layout=0),
    "content+layout": Weights(colour=0, layout=0.25),
    "layout": Weights(colour=0, layout=1),
    "colour": Weights(colour=1, layout=0),
}

app = App(name="benchmarks.finding", help=__doc__, help_format="plaintext")


@app.default
def main(
    *sources: str,
    events: Path | None = None,
    variants: Annotated[tuple[Variant, ...], Parameter(consume_multiple=True)] = tuple(VARIANTS),
    steps: int = 0,
    recipe: str = "footage-cpu",
    compact: bool = False,
    vary: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    seeds: int = 3,
    seed: int = 0,
    duration_s: float = 120,
    device: Device = "auto",
) -> None:
    """Measure, and print Markdown.

    sources: footage, or `rendered`. variants: how the parts of the pretrained encoder are weighed, a row each.
    steps: of training. recipe: its settings; heads of the baselines have its lengths, too. compact: train that from
    random weights, too. vary: NAME=VALUE[,NAME=VALUE], settings of one more run of the recipe; may be given several
    times. seeds: of the perturbation, from `seed` on; `seed` decides what is rendered and how training
    begins, too. duration_s: of each rendered camera.
    """
    given = {"steps": steps, "seed": seed, "device": device, "monitor_every": 0}
    config = TrainConfig(**read_recipe(find_recipe(recipe)) | given)
    configs = {f"trained, {steps} steps": config} if steps else {}
    if steps and compact:
        configs[f"compact, {steps} steps"] = TrainConfig(**read_recipe(find_recipe(COMPACT)) | given)
    configs |= {f"trained, {one}": with_settings(config, one.split(",")) for one in vary} if steps else {}
    protocol = Protocol(seeds=tuple(range(seed, seed + seeds)))
    print(describe(pick_device(device)))
    with _footage(sources, events, duration_s, seed) as (footage, known):
        print("\n".join(measure(footage, known, settle(config), configs, variants, protocol)))


def measure(
    footage: Sequence[str],
    events: Path | None,
    config: TrainConfig,
    configs: dict[str, TrainConfig],
    variants: Sequence[Variant],
    protocol: Protocol,
) -> list[str]:
    """Read, fit, train and ask. config: of the baselines. configs: of what is trained, by name. Returns: Markdown."""
    gallery = gather(_read(footage, config.fps))
    began = time.perf_counter()
    with work_bar("fitting heads") as fitting:
        rivals = list(with_variants(baselines(config, gallery, config.device, on_fit=fitting), variants))
    heads_s, seconds = time.perf_counter() - began, {}
    for name, one in configs.items():
        with tempfile.TemporaryDirectory() as folder:
            encoder, seconds[name] = trained(name, one, _read(footage, one.fps), Path(folder, "run"))
        rivals.append(encoder)
    labelled, count = read_labelled(events) if events else None, len(protocol.seeds)
    with step_bar("searching", count) as update:
        found = evaluate_footage(
            with_own(rivals), gallery, labelled, protocol, on_seed=lambda done: update(done, "seed(s)")
        )
    about = (
        f"{found['frames']:,} frames ({config.fps:g} a second) and {found['regions']:,} regions of {found['cameras']}"
        f" camera(s); {count} seed(s); fitting the heads of the baselines took {heads_s:.0f} s\n"
    )
    return [about, *report(found, seconds)]


@contextmanager
def _footage(
    sources: Sequence[str], events: Path | None, duration_s: float, seed: int
) -> Iterator[tuple[Sequence[str], Path | None]]:
    """The footage that is meant, and its events; what is rendered is gone afterwards."""
    if list(sources) != [RENDERED]:
        yield sources, events
        return
    with tempfile.TemporaryDirectory() as folder:
        say(f"rendering {duration_s:g} s of each camera")
        render_benchmark(Path(folder), seed, duration_s)
        yield [folder], Path(folder, "events.csv")


def _read(sources: Sequence[str], fps: float) -> Iterator[Frame]:
    """Each frame, and its regions after it."""
    with frame_counter("reading") as count:
        for frame in read_frames(find_sources(sources), fps, warn_skipped, regions="motion"):
            if frame.region is None:
                count([frame])
            yield frame


def with_variants(found: Iterable[Contender], variants: Sequence[Variant]) -> Iterator[Contender]:
    """The same, and after the pretrained encoder its variants, if it has all parts; it looks at pictures once."""
    for one in found:
        if one.name != PRETRAINED:
            yield one
            continue
        yield (shared := replace(one, embed=remembered(one.embed)))
        if {part.name for part in one.parts} == {"content", "layout", "colour"}:
            for name in variants:
                weights = VARIANTS[name]
                yield replace(shared, name=f"pretrained, {name}", role="compared", crop=weights, frame=weights)


def remembered(embed: Embedder) -> Embedder:
    """The same; asked for the very pictures that it was asked for last, it answers as before."""
    last: tuple[list[np.ndarray], np.ndarray] | None = None

    def embed_once(pictures: list[np.ndarray]) -> np.ndarray:
        nonlocal last
        if last is None or last[0] is not pictures:
            last = pictures, embed(pictures)
        return last[1]

    return embed_once


def with_own(rivals: Sequence[Contender]) -> list[Contender]:
    """The encoder in question is the first that was trained, else the pretrained one; others of those are compared."""
    trained = [one.name for one in rivals if one.role == "own"] or [PRETRAINED]
    others: dict[str, Role] = dict.fromkeys(trained[1:], "compared")
    return [replace(one, role="own" if one.name == trained[0] else others.get(one.name, one.role)) for one in rivals]


def trained(name: str, config: TrainConfig, frames: Iterable[Frame], run: Path) -> tuple[Contender, float]:
    """Train on the footage that is searched. Returns: the encoder with its head, and the seconds of both."""
    cache, config = start_run(frames, config, run, lambda frame: None, say)
    began = time.perf_counter()
    with step_bar(name, config.steps) as update:
        pretrain(cache, config, run, False, lambda now: update(now.step, f"loss {now.loss:.3f}"))
    with work_bar("fitting the head") as fitting:
        head, config = load_trained(run, on_fit=fitting)
    return replace(of_run(head, config, config.device), name=name), time.perf_counter() - began


def report(found: Found, seconds: dict[str, float]) -> list[str]:
    """Markdown of what `evaluate_footage` found. seconds: of what was trained."""
    measures = [one for one in found["measures"] if one["queries"]]
    lines = ["mAP of perturbed queries\n", *markdown(summary(measures, seconds))]
    for measure, table in zip(measures, judged_tables(found), strict=True):
        lines += [f"\n### {table.title}\n", table.note, "", *markdown(table)]
        if measure["labels"]:
            lines += ["\nmAP, P@5 of perturbed queries, by label (queries)\n", *markdown(by_label(measure))]
    moments = moments_table(found)
    lines += [f"\n### {moments.title}\n", moments.note, "", *markdown(moments)]
    lines += [f"\nNot measured: {one['title']}: {one['reason']}." for one in found["measures"] if not one["queries"]]
    return [*lines, "", found["verdict"]]


def summary(measures: Sequence[Found], seconds: dict[str, float]) -> Table:
    """A column for each measure, and one for the seconds of training if anything was trained."""
    header = ["", *(f"{one['title']} ({one['queries']:,} queries)" for one in measures)]
    rows = [
        [many[0]["name"], *(f"{row['map']:.3f}" + _deviation(row) for row in many)]
        for many in zip(*(one["rows"] for one in measures), strict=True)
    ]
    if seconds:
        header.append("training, s")
        rows = [[*row, f"{seconds[row[0]]:.0f}" if row[0] in seconds else ""] for row in rows]
    return Table("", header, rows)


def _deviation(row: Found) -> str:
    return f" +-{row['std']['map']:.3f}" if "std" in row else ""


def by_label(measure: Found) -> Table:
    """Tabulate mAP and P@5 of perturbed queries by label, over all cameras."""
    labels: dict[str, list[Found]] = {}
    for one in measure["labels"]:
        if one["queries"]:
            labels.setdefault(one["label"], []).append(one)
    counts = {label: [one["queries"] for one in many] for label, many in labels.items()}
    header = ["", *(f"{label} ({sum(count)})" for label, count in counts.items())]
    rows = [
        [name, *(_both_scores(name, many, counts[label]) for label, many in labels.items())]
        for name in (row["name"] for row in measure["rows"])
    ]
    return Table("", header, rows)


def _both_scores(name: str, many: Sequence[Found], weights: Sequence[int]) -> str:
    return ", ".join(f"{_mean([one[score][name] for one in many], weights):.3f}" for score in ("map", "p5"))


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return float(np.average(values, weights=weights))


def markdown(table: Table) -> list[str]:
    lines = [f"| {' | '.join(table.header)} |", "|---" * len(table.header) + "|"]
    return lines + [f"| {' | '.join(row)} |" for row in table.rows]


if __name__ == "__main__":
    app()
