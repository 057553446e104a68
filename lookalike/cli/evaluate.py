"""The verb that measures an encoder: evaluate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from lookalike.cli.flags import Json, app, fail
from lookalike.contract import Device
from training.disturbance import Disturbance

DEFAULT_DISTURBANCE = Disturbance()
ON_FOOTAGE, ON_LABELS = "On footage", "On labelled pictures"  # groups of flags in --help


def _check_disturbance(type_: type[Disturbance], disturbance: Disturbance) -> None:
    disturbance.check()


@app.command(help_epilogue="Example: `lookalike evaluate encoder.onnx --footage recordings/ --events events.csv`")
def evaluate(
    encoder: Annotated[Path, Parameter(help="ONNX file, or folder of a run.")],
    *,
    footage: Annotated[
        tuple[str, ...],
        Parameter(help="Footage to search in.", negative="", consume_multiple=True, group=ON_FOOTAGE),
    ] = (),
    events: Annotated[
        Path | None, Parameter(help="Labelled intervals: clip,start_s,end_s,label.", group=ON_FOOTAGE)
    ] = None,
    fps: Annotated[float, Parameter(help="Frames taken from each second of video.", group=ON_FOOTAGE)] = 2.0,
    guard_s: Annotated[float, Parameter(help="Frames this close to the query do not count.", group=ON_FOOTAGE)] = 3.0,
    window_s: Annotated[
        float, Parameter(help="Frames beyond the guard, and this close, are near in time.", group=ON_FOOTAGE)
    ] = 10.0,
    disturbance: Annotated[
        Disturbance, Parameter(name="*", group=ON_FOOTAGE, validator=_check_disturbance)
    ] = DEFAULT_DISTURBANCE,
    images: Annotated[
        Path | None, Parameter(help="A folder or zip of class folders: leave-one-out kNN.", group=ON_LABELS)
    ] = None,
    train: Annotated[
        Path | None,
        Parameter(help="A folder or zip of class folders, to learn from: kNN and a linear probe.", group=ON_LABELS),
    ] = None,
    test: Annotated[
        Path | None, Parameter(help="The same classes, other pictures: what is asked.", group=ON_LABELS)
    ] = None,
    limit: Annotated[
        int | None, Parameter(help="At most so many pictures of each, evenly spaced.", group=ON_LABELS)
    ] = None,
    finetune: Annotated[
        bool,
        Parameter(
            help="With --train, of a run: train on with the labels, end to end, beside the same network from scratch.",
            negative="",
            group=ON_LABELS,
        ),
    ] = False,
    seed: Annotated[int, Parameter(help="Decides the disturbances, and what is drawn in fine-tuning.")] = 0,
    seeds: Annotated[
        int, Parameter(help="How many seeds, from --seed on: mean and deviation (kNN and probe draw nothing).")
    ] = 1,
    device: Annotated[Device, Parameter(help="Where to run the encoder.")] = "auto",
    json_: Json = False,
) -> None:
    """Measure an encoder beside the floors: raw pixels, colour histogram, the same encoder untrained."""
    from lookalike.console import print_data

    if sum((bool(footage), bool(images), bool(train or test))) != 1:
        fail("expected one of --footage, --images, or --train with --test", code=2)
    if bool(train) != bool(test):
        fail(f"{'--train' if train else '--test'} without {'--test' if train else '--train'}; give both", code=2)
    if finetune and (not train or encoder.is_file()):
        fail("--finetune needs --train and --test, and the folder of a run: an ONNX file cannot be trained", code=2)
    if events and not footage:
        fail("--events without --footage; they are about recordings", code=2)
    for flag, value, least in (("--seeds", seeds, 1), ("--limit", limit or 2, 2), ("--fps", fps, 1e-9)):
        if value < least:
            fail(f"{flag} is {value}, expected {'more than 0' if least < 1 else f'at least {least}'}", code=2)
    if not 0 <= guard_s < window_s:
        fail(f"--guard-s is {guard_s:g}, expected 0 or more, and less than --window-s, {window_s:g}", code=2)
    try:
        if train and test:
            result = _evaluate_transfer(encoder, train, test, limit, (seed, seeds) if finetune else None, device)
        elif images:
            result = _evaluate_images(encoder, images, limit, device)
        else:
            result = _evaluate_footage(
                encoder, footage, events, fps, (guard_s, window_s), disturbance, (seed, seeds), device
            )
    except KeyboardInterrupt:
        fail("interrupted; of an evaluation nothing is kept, run it again")
    if json_:
        print_data(json.dumps(result))
    else:
        _print_evaluation(result)


def _evaluate_footage(
    encoder: Path,
    footage: tuple[str, ...],
    events: Path | None,
    fps: float,
    band_s: tuple[float, float],
    disturbance: Disturbance,
    draws: tuple[int, int],
    device: Device,
) -> dict[str, Any]:
    """band_s: guard and window. draws: seed and number of seeds."""
    from lookalike.console import frame_counter, say, warn_skipped
    from lookalike.footage import find_sources, read_frames
    from training.evaluate import candidates, evaluate_footage, gather
    from training.retrieval import read_events

    labelled = read_events(events) if events else None
    with frame_counter("reading") as count:
        gallery = gather(read_frames(find_sources(footage), fps, warn_skipped), lambda frame: count([frame]))
    say(f"{len(gallery.clip):,} frames of {len(set(gallery.camera.tolist()))} camera(s)")
    contenders = candidates(encoder, gallery.pictures, device)
    (guard_s, window_s), (seed, seeds) = band_s, draws
    return evaluate_footage(contenders, gallery, labelled, guard_s, disturbance, seed, seeds, window_s)


def _evaluate_images(encoder: Path, images: Path, limit: int | None, device: Device) -> dict[str, Any]:
    from training.evaluate import candidates, embed_labelled, evaluate_images, sample_pictures
    from training.probe import find_labelled

    found = find_labelled(images, limit)
    contenders = candidates(encoder, sample_pictures(found), device)
    with _picture_counter(len(found)) as (count, skip):
        vectors, labels = embed_labelled(contenders, found, count, skip)
    return evaluate_images(contenders, vectors, labels, found.names)


def _evaluate_transfer(
    encoder: Path, train: Path, test: Path, limit: int | None, tuning: tuple[int, int] | None, device: Device
) -> dict[str, Any]:
    """tuning: seed and number of seeds of fine-tuning, if there is to be any."""
    from lookalike.console import step_bar
    from training.evaluate import candidates, embed_labelled, evaluate_finetune, evaluate_transfer, sample_pictures
    from training.finetune import SCHEDULE
    from training.probe import find_pair

    known, asked = find_pair(train, test, limit)
    contenders = candidates(encoder, sample_pictures(known), device)
    with _picture_counter(len(known) + len(asked)) as (count, skip):
        of_known, of_asked = (embed_labelled(contenders, part, count, skip) for part in (known, asked))
    with step_bar("scoring", len(contenders)) as update:
        result = evaluate_transfer(
            contenders, of_known, of_asked, known.names, lambda done: update(done, contenders[done - 1].name)
        )
    if tuning:
        seed, seeds = tuning
        with step_bar("fine-tuning", 2 * seeds * SCHEDULE.steps(len(of_known[1]))) as update:
            result["finetune"] = evaluate_finetune(
                encoder, known, asked, seed, seeds, device, on_step=lambda done, loss: update(done, f"loss {loss:.3f}")
            )
    return result


@contextmanager
def _picture_counter(total: int) -> Iterator[tuple[Callable[[int], None], Callable[[str, str], None]]]:
    """What counts pictures as they are embedded, and what names those that cannot be read."""
    from lookalike.console import step_bar, warn_skipped
    from lookalike.footage import Skipped

    done = 0
    with step_bar("embedding", total) as update:

        def count(pictures: int) -> None:
            nonlocal done
            done += pictures
            update(done, "pictures")

        yield count, lambda path, reason: warn_skipped(Skipped(path, reason, 0))


def _print_evaluation(result: dict[str, Any]) -> None:
    from lookalike.console import print_data
    from lookalike.report.retrieval import evaluation_tables
    from lookalike.report.text import table_lines

    for table in evaluation_tables(result):
        for line in [*table_lines(table), ""]:
            print_data(line)
    for part in (result, result.get("finetune", {})):
        if "verdict" in part:
            print_data(part["verdict"])
