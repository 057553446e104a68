"""The evaluate verb, which measures an encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lookalike.cli.flags import Json, app, fail
from lookalike.cli.footage import EVERY_ENTRY, Tally, WhichFiles, find, say_skipped
from lookalike.contract import Device
from lookalike.footage.selection import Selection
from training.evaluation.perturb import Perturbation

if TYPE_CHECKING:
    from training.evaluation.footage import Protocol
    from training.evaluation.gallery import Gallery
    from training.evaluation.labels import Labelled

DEFAULT_PERTURBATION = Perturbation()
FITTING = "fitting heads"
ON_FOOTAGE, ON_LABELS = "On footage", "On labelled pictures"  # groups of flags in --help


def _check_perturbation(type_: type[Perturbation], perturbation: Perturbation) -> None:
    perturbation.check()


@app.command(help_epilogue="Example: `lookalike evaluate encoder.onnx --footage recordings/ --events events.csv`")
def evaluate(
    encoder: Annotated[Path, Parameter(help="ONNX file, or folder of a run.")],
    *,
    footage: Annotated[
        tuple[str, ...],
        Parameter(help="Footage to search in.", negative="", consume_multiple=True, group=ON_FOOTAGE),
    ] = (),
    events: Annotated[
        Path | None,
        Parameter(
            help="CSV of labelled intervals: clip,start_s,end_s,label and optionally kind. Boxes are read from a"
            " tracks.csv next to it.",
            group=ON_FOOTAGE,
        ),
    ] = None,
    states: Annotated[
        tuple[str, ...],
        Parameter(
            help="Labels that are states of the scene, not things that pass. Default: found by rule.",
            negative="",
            consume_multiple=True,
            group=ON_FOOTAGE,
        ),
    ] = (),
    tracks: Annotated[
        Literal["all", "even", "odd"],
        Parameter(help="Tracks to take queries from, so as to skip those that a head was fitted to.", group=ON_FOOTAGE),
    ] = "all",
    fps: Annotated[float, Parameter(help="Frames taken from each second of video.", group=ON_FOOTAGE)] = 4.0,
    guard_s: Annotated[
        float, Parameter(help="Seconds around a query that count as its own moment.", group=ON_FOOTAGE)
    ] = 3.0,
    window_s: Annotated[
        float, Parameter(help="Seconds around a query, beyond the guard, that count as near in time.", group=ON_FOOTAGE)
    ] = 10.0,
    perturbation: Annotated[
        Perturbation, Parameter(name="*", group=ON_FOOTAGE, validator=_check_perturbation)
    ] = DEFAULT_PERTURBATION,
    images: Annotated[
        Path | None,
        Parameter(
            help="A folder or zip of class folders: leave-one-out kNN with whole pictures as queries.",
            group=ON_LABELS,
        ),
    ] = None,
    train: Annotated[
        Path | None,
        Parameter(help="A folder or zip of class folders to learn from: kNN and a linear probe.", group=ON_LABELS),
    ] = None,
    test: Annotated[
        Path | None, Parameter(help="Other pictures of the same classes, to test on.", group=ON_LABELS)
    ] = None,
    limit: Annotated[
        int | None, Parameter(help="At most this many pictures of each set, evenly spaced.", group=ON_LABELS)
    ] = None,
    finetune: Annotated[
        bool,
        Parameter(
            help="With --train and a run: also fine-tune its encoder end to end, and the same network from scratch.",
            negative="",
            group=ON_LABELS,
        ),
    ] = False,
    compare: Annotated[
        tuple[Path, ...],
        Parameter(help="Another encoder, an ONNX file, as an additional row; may be repeated.", negative=""),
    ] = (),
    seed: Annotated[int, Parameter(help="Determines the perturbations, and the random draws of fine-tuning.")] = 0,
    seeds: Annotated[
        int,
        Parameter(
            help="Number of seeds, from --seed on: mean and standard deviation (kNN and probe are deterministic)."
        ),
    ] = 1,
    device: Annotated[Device, Parameter(help="Where to run the encoder.")] = "auto",
    arch: Annotated[
        str | None, Parameter(help="For a run whose architecture is code: the same value, which permits executing it.")
    ] = None,
    selection: WhichFiles = EVERY_ENTRY,
    json_: Json = False,
) -> None:
    """Measure an encoder and its baselines: raw pixels, colour histogram, untrained and pretrained encoders.

    On footage, queries are perturbed crops of what moves, to be found later in their own track; with --events, crops
    and frames, to be found at another pass and at other cameras. The verdict has a sentence for each measure.
    """
    from lookalike.console import print_data

    if sum((bool(footage), bool(images), bool(train or test))) != 1:
        fail("expected one of --footage, --images, or --train with --test", code=2)
    if bool(train) != bool(test):
        fail(f"{'--train' if train else '--test'} without {'--test' if train else '--train'}; give both", code=2)
    if finetune and (not train or encoder.is_file()):
        fail("--finetune needs --train and --test, and the folder of a run: an ONNX file cannot be trained", code=2)
    if events and not footage:
        fail("--events without --footage; give the footage that they label", code=2)
    if states and not events:
        fail("--states without --events; give the file that has these labels", code=2)
    for flag, value, least in (("--seeds", seeds, 1), ("--limit", limit or 2, 2), ("--fps", fps, 1e-9)):
        if value < least:
            fail(f"{flag} is {value}, expected {'more than 0' if least < 1 else f'at least {least}'}", code=2)
    if not 0 <= guard_s < window_s:
        fail(f"--guard-s is {guard_s:g}, expected 0 or more, and less than --window-s, {window_s:g}", code=2)
    try:
        if train and test:
            result = _evaluate_transfer(
                encoder, compare, train, test, limit, (seed, seeds) if finetune else None, device, arch, selection
            )
        elif images:
            result = _evaluate_images(encoder, compare, images, limit, device, arch, selection)
        else:
            from training.evaluation.footage import Protocol
            from training.evaluation.labels import read_labelled

            protocol = Protocol(perturbation, tuple(range(seed, seed + seeds)), guard_s, window_s, tracks)
            labelled = read_labelled(events, states) if events else None
            result = _evaluate_footage(encoder, compare, footage, labelled, fps, protocol, device, arch, selection)
    except KeyboardInterrupt:
        fail("interrupted: an evaluation keeps no partial results; start it again")
    if json_:
        print_data(json.dumps(result))
    else:
        _print_evaluation(result)


def _evaluate_footage(
    encoder: Path,
    compare: tuple[Path, ...],
    footage: tuple[str, ...],
    labelled: Labelled | None,
    fps: float,
    protocol: Protocol,
    device: Device,
    arch: str | None,
    selection: Selection,
) -> dict[str, Any]:
    from lookalike.console import say, step_bar, work_bar
    from training.evaluation.contenders import contenders
    from training.evaluation.footage import evaluate_footage

    gallery = _read_gallery(footage, fps, selection)
    frames, cameras = int(gallery.whole.sum()), len(set(gallery.camera.tolist()))
    say(f"{frames:,} frames of {cameras} camera(s), {len(gallery) - frames:,} regions in which something moves")
    with work_bar(FITTING) as fitting:
        found = contenders(encoder, gallery, device, compare, arch=arch, on_fit=fitting)
    with step_bar("searching", len(protocol.seeds)) as update:
        return evaluate_footage(found, gallery, labelled, protocol, on_seed=lambda done: update(done, "seed(s)"))


def _read_gallery(footage: tuple[str, ...], fps: float, selection: Selection) -> Gallery:
    """Read frames, each with its regions if OpenCV is installed."""
    from lookalike.console import frame_counter, say, warn_skipped
    from lookalike.errors import FootageError
    from lookalike.footage import read_frames
    from lookalike.footage.changes import Motion
    from lookalike.footage.sampling import Regions
    from training.evaluation.gallery import gather

    regions: Regions | None = "motion"
    try:
        Motion()
    except FootageError:
        say('crops are not measured: regions need OpenCV; pip install "lookalike[explore]"')
        regions = None
    with frame_counter("reading") as count:
        frames = read_frames(find(footage, selection)[0], fps, warn_skipped, regions)
        return gather(frames, lambda frame: count([frame]))


def _evaluate_images(
    encoder: Path,
    compare: tuple[Path, ...],
    images: Path,
    limit: int | None,
    device: Device,
    arch: str | None,
    selection: Selection,
) -> dict[str, Any]:
    from lookalike.console import work_bar
    from training.evaluation.contenders import contenders
    from training.evaluation.gallery import of_pictures
    from training.evaluation.images import embed_labelled, evaluate_images, sample_pictures
    from training.evaluation.probe import find_labelled

    tally = Tally()
    found = find_labelled(images, limit, tally.add, selection)
    _print_tally(tally)
    with work_bar(FITTING) as fitting:
        gallery = of_pictures(sample_pictures(found))
        rivals = contenders(encoder, gallery, device, compare, "photo", arch, fitting)
    with _picture_counter(len(found)) as (count, skip):
        vectors, labels = embed_labelled(rivals, found, count, skip)
    return evaluate_images(rivals, vectors, labels, found.names)


def _evaluate_transfer(
    encoder: Path,
    compare: tuple[Path, ...],
    train: Path,
    test: Path,
    limit: int | None,
    tuning: tuple[int, int] | None,
    device: Device,
    arch: str | None,
    selection: Selection,
) -> dict[str, Any]:
    """tuning: seed and number of seeds of fine-tuning; None for no fine-tuning."""
    from lookalike.console import step_bar, work_bar
    from training.evaluation import images
    from training.evaluation.contenders import contenders
    from training.evaluation.finetune import SCHEDULE
    from training.evaluation.gallery import of_pictures
    from training.evaluation.probe import find_pair

    tally = Tally()
    known, asked = find_pair(train, test, limit, tally.add, selection)
    _print_tally(tally)
    with work_bar(FITTING) as fitting:
        gallery = of_pictures(images.sample_pictures(known))
        rivals = contenders(encoder, gallery, device, compare, "photo", arch, fitting)
    with _picture_counter(len(known) + len(asked)) as (count, skip):
        of_known, of_asked = (images.embed_labelled(rivals, part, count, skip) for part in (known, asked))
    names = images.entry_names(rivals)
    with step_bar("scoring", len(names)) as update:
        result = images.evaluate_transfer(
            rivals, of_known, of_asked, known.names, lambda done: update(done, names[done - 1])
        )
    if tuning:
        seed, seeds = tuning
        with step_bar("fine-tuning", 2 * seeds * SCHEDULE.steps(len(of_known[1]))) as update:
            result["finetune"] = images.evaluate_finetune(
                encoder,
                known,
                asked,
                seed,
                seeds,
                device,
                on_step=lambda done, loss: update(done, f"loss {loss:.3f}"),
                arch=arch,
            )
    return result


def _print_tally(tally: Tally) -> None:
    from lookalike.console import say

    say_skipped(tally)
    if line := tally.line():
        say(line)


@contextmanager
def _picture_counter(total: int) -> Iterator[tuple[Callable[[int], None], Callable[[str, str], None]]]:
    """Yield a function that counts embedded pictures, and one that reports a picture that cannot be read."""
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
            for line in part["verdict"].splitlines():
                print_data(line)
