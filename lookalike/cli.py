"""The command line: one verb, one function. Heavy imports stay inside the verb that needs them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import App, ArgumentCollection, Parameter
from cyclopts.config import Dict
from rich.console import Console
from rich.text import Text

from lookalike import __version__
from lookalike.contract import Device, Precision, RunDevice
from lookalike.errors import LookalikeError
from training.config import CONFIG, RECIPES, Light, TrainConfig, find_recipe, read_recipe
from training.disturbance import Disturbance

if TYPE_CHECKING:
    from lookalike.footage import Source
    from lookalike.ingest import Summary

DEFAULT_CONFIG = TrainConfig()
DEFAULT_DISTURBANCE = Disturbance()
ON_FOOTAGE, ON_LABELS = "On footage", "On labelled pictures"  # groups of flags in --help
ELSEWHERE = "Weights that were trained elsewhere"


def _check_disturbance(type_: type[Disturbance], disturbance: Disturbance) -> None:
    disturbance.check()


def _check_config(type_: type[TrainConfig], config: TrainConfig) -> None:
    config.check()


app = App(
    name="lookalike",
    version=__version__,
    help="Turn unlabelled footage into a search engine for it: pretrain, export, index, search, serve.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # main says in one line what is kept
    error_console=Console(stderr=True, soft_wrap=True),
    error_formatter=lambda error: Text(f"lookalike: {error}"),
)

Source_ = Annotated[
    str, Parameter(name="SOURCE", help="Images, folders (searched recursively), videos or stream URLs.")
]
EncoderFile = Annotated[Path, Parameter(name="--encoder", help="ONNX file made by `lookalike export`.")]
IndexAt = Annotated[
    str,
    Parameter(
        name="--index", help="Folder of an embedded index, or URL of a Qdrant server (http://host:6333[/collection])."
    ),
]
CameraName = Annotated[
    str | None,
    Parameter(help="Name of the camera; else sub-folders name their files' camera, and other videos their own."),
]
Cameras = Annotated[tuple[str, ...], Parameter(help="Only these cameras; may be repeated.", negative="")]
Sources = Annotated[
    tuple[str, ...], Parameter(help="Only these sources, named as hits name them; may be repeated.", negative="")
]
RunOn = Annotated[RunDevice, Parameter(help="Where to run the encoder; one that is not there is an error.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON lines.")]


def _apply_recipe(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take the settings of --recipe where no flag gives them."""
    given = [token.value for argument in arguments if argument.name == "--recipe" for token in argument.tokens]
    if given:
        path = find_recipe(given[-1])
        Dict(read_recipe(path), source=str(path), use_commands_as_keys=False)(app, commands, arguments)


@app.command(
    help_epilogue="Example: `lookalike pretrain recordings/ --out runs/first --recipe footage-cpu`",
    config=_apply_recipe,
)
def pretrain(
    *sources: Source_,
    out: Annotated[
        Path, Parameter(help="Folder of the run: checkpoint.pt, encoder.safetensors, metrics.jsonl, report.html.")
    ],
    resume: Annotated[
        bool, Parameter(negative="", help="Go on with the run in --out; it keeps its footage and its settings.")
    ] = False,
    camera: CameraName = None,
    recipe: Annotated[
        str | None,
        Parameter(help=f"Settings to start from, which flags override: {', '.join(RECIPES)}, or a TOML file."),
    ] = None,
    config: Annotated[TrainConfig, Parameter(name="*", validator=_check_config)] = DEFAULT_CONFIG,
) -> None:
    """Train an encoder on unlabelled footage (BYOL). Ctrl-C leaves a checkpoint; --resume goes on."""
    from lookalike.console import frame_counter, print_data, say, step_bar, warn_skipped
    from lookalike.footage import find_sources, read_frames
    from training.distributed import joined
    from training.health import COLLAPSED
    from training.run import continue_run, finish_run, join_run, pretrain, start_run
    from training.train import Progress, pick_device

    if not resume and not sources:
        _fail("no SOURCE given; expected images, folders, videos or stream URLs, or --resume", code=2)
    device = TrainConfig.load(out / CONFIG).device if resume else config.device
    with joined(pick_device(device).type == "cuda") as world:
        if not resume:
            world.part(config.batch, config.accumulate)  # what cannot be shared out is told before footage is decoded
        if world.first and resume:
            continue_run(out, config)
        elif world.first:
            with frame_counter("reading") as count:
                frames = read_frames(find_sources(sources, camera), config.fps, warn_skipped)
                start_run(frames, config, out, lambda frame: count([frame]))
        world.barrier()
        cache, config = join_run(out)
        if not world.first:
            pretrain(cache, config, out, resume, lambda now: None, world)
            return
        say(f"{len(cache):,} frames of {len(cache.cameras)} camera(s); {config.steps} steps of {config.batch}")
        with step_bar("training", config.steps) as update:

            def show(now: Progress) -> None:
                alarm = "  COLLAPSED: these features say nothing" if now.spread < COLLAPSED else ""
                measured = f"loss {now.loss:.3f}  spread {now.spread:.2f}{alarm}  {now.images_per_s:.0f} images/s"
                update(now.step, measured)

            pretrain(cache, config, out, resume, show, world)
    print_data(json.dumps(finish_run(out)))


@app.command(help_epilogue="Example: `lookalike export runs/first --out encoder.onnx`")
def export(
    run: Annotated[Path | None, Parameter(help="Folder made by `lookalike pretrain --out`.")] = None,
    *,
    out: Annotated[Path, Parameter(help="ONNX file to write.")],
    precision: Annotated[
        Precision, Parameter(help="fp32; fp16, for GPUs; int8, for CPUs, calibrated on frames of the footage.")
    ] = "fp32",
    min_top10: Annotated[
        float | None,
        Parameter(help="Share of the ten nearest neighbours that must agree: .99 for fp32, else .95, if not given."),
    ] = None,
    from_: Annotated[
        Path | None,
        Parameter(
            name="--from",
            help="Instead of a run: a state dict of --arch that was trained elsewhere (.pt, .safetensors).",
            group=ELSEWHERE,
        ),
    ] = None,
    footage: Annotated[
        tuple[str, ...],
        Parameter(help="Fits the last layer, and verifies.", negative="", consume_multiple=True, group=ELSEWHERE),
    ] = (),
    arch: Annotated[str, Parameter(help="What the weights are of, as for pretrain.", group=ELSEWHERE)] = "resnet18",
    input_px: Annotated[int, Parameter(help="Side of its square input, pixels.", group=ELSEWHERE)] = 224,
    light: Annotated[
        Light, Parameter(help="absolute if it was trained with ImageNet's mean and deviation.", group=ELSEWHERE)
    ] = "absolute",
    embedding: Annotated[int, Parameter(help="Length of embeddings, as for pretrain.", group=ELSEWHERE)] = 256,
) -> None:
    """Write an encoder as one ONNX file, verified on real frames; prints its parity as JSON."""
    from exporters.onnx import export_run
    from exporters.weights import export_weights
    from lookalike.console import frame_counter, print_data, say, warn_skipped
    from lookalike.footage import find_sources, read_frames

    if (run is None) == (from_ is None):
        _fail("expected the folder of a run, or --from with weights", code=2)
    if bool(footage) != bool(from_):
        _fail("--from and --footage go together: the one is fitted to the other, and verified on it", code=2)
    if min_top10 is not None and not 0 <= min_top10 <= 1:
        _fail(f"--min-top10 is {min_top10:g}, expected 0 to 1", code=2)
    if run:
        exported = export_run(run, out, precision, say, min_top10)
    elif from_:
        try:
            config = TrainConfig(arch, str(from_), input_px, light=light, embedding=embedding)
            config.check()
        except ValueError as error:
            _fail(str(error), code=2)
        with frame_counter("reading") as count:
            frames = read_frames(find_sources(footage), config.fps, warn_skipped)
            exported = export_weights(config, frames, out, precision, lambda frame: count([frame]), say, min_top10)
    print_data(exported.to_json())


@app.command(help_epilogue="Example: `lookalike info encoder.onnx`")
def info(encoder: Annotated[Path, Parameter(help="ONNX file made by `lookalike export`.")]) -> None:
    """Print what an encoder says about itself, as JSON."""
    from lookalike.console import print_data
    from lookalike.encoder import Encoder

    print_data(Encoder(encoder, "cpu").spec.to_json())


@app.command(help_epilogue="Example: `lookalike embed recordings/ --encoder encoder.onnx --out frames.parquet --fps 5`")
def embed(
    *sources: Source_,
    encoder: EncoderFile,
    out: Annotated[Path, Parameter(help="Parquet file to write: source, camera, time_s, captured_at, id, embedding.")],
    fps: Annotated[float | None, Parameter(help="Frames taken from each second of video; else all.")] = None,
    camera: CameraName = None,
    device: RunOn = "auto",
) -> None:
    """Embed every frame of footage into a Parquet file. Stopped, it goes on where it was when run again."""
    from lookalike.console import frame_counter, print_data
    from lookalike.encoder import Encoder
    from lookalike.ingest import embed_footage

    found = _find(sources, fps, camera)
    with frame_counter("embedding") as count:
        summary = embed_footage(found, Encoder(encoder, device), out, fps, count)
    print_data(json.dumps({"out": str(out)} | _report_skipped(summary)))


@app.command(help_epilogue="Example: `lookalike index recordings/ --encoder encoder.onnx --index index/ --fps 2`")
def index(
    *sources: Source_,
    encoder: EncoderFile,
    index: IndexAt,
    fps: Annotated[float | None, Parameter(help="Frames taken from each second of video; else all.")] = None,
    camera: CameraName = None,
    device: RunOn = "auto",
) -> None:
    """Embed footage into an index. What is there is not added again, nor decoded: stop it, and run it again."""
    from lookalike.console import frame_counter, print_data
    from lookalike.encoder import Encoder
    from lookalike.index import open_index
    from lookalike.ingest import index_footage

    found = _find(sources, fps, camera)
    model = Encoder(encoder, device)
    with open_index(index, model.spec, create=True) as store, frame_counter("indexing") as count:
        summary = index_footage(found, model, store, fps, count)
        points = store.count()
    print_data(json.dumps({"index": index, "points": points} | _report_skipped(summary)))


@app.command(
    help_epilogue="Example: `lookalike search crop.jpg --encoder encoder.onnx --index index/ --top 5 --camera gate`"
)
def search(
    image: Annotated[Path | None, Parameter(help="Picture to look for.")] = None,
    *,
    encoder: EncoderFile,
    index: IndexAt,
    id_: Annotated[
        str | None, Parameter(name="--id", help="Instead of a picture: a stored frame, by the id in a hit.")
    ] = None,
    at: Annotated[
        str | None, Parameter(help="Instead of a picture: a moment of a recording, as gate.mp4@12.5, seconds.")
    ] = None,
    region: Annotated[
        str | None, Parameter(help="Look for this part of it only: x,y,w,h in pixels, or in shares as .5,0,.5,1.")
    ] = None,
    like: Annotated[
        tuple[str, ...],
        Parameter(help="More of what to look for: pictures, ids or moments; may be repeated.", negative=""),
    ] = (),
    unlike: Annotated[tuple[str, ...], Parameter(help="What not to look for; as --like.", negative="")] = (),
    top: Annotated[int, Parameter(help="How many moments to answer.")] = 10,
    camera: Cameras = (),
    source: Sources = (),
    since: Annotated[
        str | None, Parameter(help="Not before: seconds into the clip, or a date and time (ISO 8601).")
    ] = None,
    until: Annotated[str | None, Parameter(help="Not after; as --since.")] = None,
    json_: Json = False,
) -> None:
    """Find the moments that look most like a picture. Neighbouring frames are answered as one hit with its span."""
    from lookalike.console import print_data
    from lookalike.encoder import Encoder
    from lookalike.examples import Region, combine, vector_of
    from lookalike.index import Where, open_index
    from lookalike.index.schema import parse_moment

    try:
        start, end = (parse_moment(bound) if bound else None for bound in (since, until))
        where = Where(camera, start, end, source)
        part = Region.parse(region) if region else None
    except ValueError as error:
        _fail(str(error), code=2)
    if top < 1:
        _fail(f"--top is {top}, expected at least 1", code=2)
    asked = [str(one) for one in (image, id_, at) if one is not None]
    if len(asked) > 1 or (not asked and (region or not like)):
        _fail("expected one of a picture, --id or --at; or --like alone, of which there is no --region", code=2)
    model = Encoder(encoder, "cpu")
    with open_index(index, model.spec) as store:
        wanted = [vector_of(one, model, store, part) for one in asked] + [vector_of(one, model, store) for one in like]
        try:
            vector = combine(wanted, [vector_of(one, model, store) for one in unlike])
        except ValueError as error:
            _fail(str(error), code=2)
        hits = store.search(vector, top, where)
    if not json_:
        print_data(f"{'score':>6}  {'time':>9}  {'span':>15}  camera  source")
    for hit in hits:
        span = f"{hit.span_s[0]:.1f}-{hit.span_s[1]:.1f} s"
        line = f"{hit.score:6.3f}  {hit.time_s:7.1f} s  {span:>15}  {hit.camera}  {hit.source}"
        print_data(json.dumps(hit.to_dict()) if json_ else line)


@app.command(help_epilogue="Example: `lookalike stats --encoder encoder.onnx --index index/`")
def stats(*, encoder: EncoderFile, index: IndexAt, json_: Json = False) -> None:
    """Say what an index holds, camera by camera."""
    from lookalike.console import print_data
    from lookalike.encoder import Encoder
    from lookalike.index import open_index
    from lookalike.index.upkeep import stats

    with open_index(index, Encoder(encoder, "cpu").spec) as store:
        found = stats(store)
    if not json_:
        print_data(f"{'frames':>10}  {'sources':>8}  {'first':>27}  {'last':>27}  camera")
    for one in found:
        line = f"{one.frames:10,}  {one.sources:8,}  {one.first or '-':>27}  {one.last or '-':>27}  {one.camera}"
        print_data(json.dumps(one.to_dict()) if json_ else line)


@app.command(help_epilogue="Example: `lookalike verify --encoder encoder.onnx --index index/`")
def verify(*, encoder: EncoderFile, index: IndexAt) -> None:
    """Check that each stored frame still has its source, and that none is missing; prints what it found as JSON."""
    from lookalike.console import print_data, say
    from lookalike.encoder import Encoder
    from lookalike.index import open_index
    from lookalike.index.upkeep import verify

    with open_index(index, Encoder(encoder, "cpu").spec) as store:
        found = verify(store)
    print_data(json.dumps(found.to_dict()))
    for source in found.gone:
        say(f"gone: {source}; if it is not to come back: lookalike forget --source")
    for source, stored, said in found.short:
        say(f"short: {source}: {stored} frames of {said}; forget it and index it again")
    if not found.good:
        sys.exit(1)


@app.command(
    help_epilogue="Example: `lookalike forget --camera gate --before 2026-01-05 --encoder encoder.onnx --index index/`"
)
def forget(
    *,
    encoder: EncoderFile,
    index: IndexAt,
    before: Annotated[
        str | None,
        Parameter(help="Frames recorded before this date and time (ISO 8601); those of unknown date are kept."),
    ] = None,
    camera: Cameras = (),
    source: Sources = (),
) -> None:
    """Remove frames from an index: those that meet all of the conditions. The recordings are not touched."""
    from lookalike.console import print_data
    from lookalike.encoder import Encoder
    from lookalike.index import Where, open_index
    from lookalike.index.schema import parse_before

    if not (before or camera or source):
        _fail("expected --before, --camera or --source; to remove a whole index, remove its folder", code=2)
    try:
        where = Where(camera, until=parse_before(before) if before else None, sources=source)
    except ValueError as error:
        _fail(str(error), code=2)
    with open_index(index, Encoder(encoder, "cpu").spec) as store:
        removed = store.forget(where)
        points = store.count()
    print_data(json.dumps({"index": index, "removed": removed, "points": points}))


@app.command(help_epilogue="Example: `lookalike serve --encoder encoder.onnx --index index/ --port 3000`")
def serve(
    *,
    encoder: EncoderFile,
    index: Annotated[
        str | None, Parameter(help="Folder of an embedded index, or URL of a Qdrant server; without one, only /embed.")
    ] = None,
    host: Annotated[str, Parameter(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on.")] = 3000,
    device: RunOn = "auto",
    workers: Annotated[
        int, Parameter(help="Processes that serve, sharing the cores; several only without an embedded index.")
    ] = 1,
) -> None:
    """Serve POST /embed and POST /search over HTTP, with a page at /ui."""
    from serving.settings import Settings

    if workers < 1:
        _fail(f"--workers is {workers}, expected at least 1", code=2)
    settings = Settings(encoder, index, device, workers)
    settings.check()
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "serving.service:Lookalike",
        "--host",
        host,
        "--port",
        str(port),
    ]
    # BentoML's own process takes this one's place, so that signals and the exit code are its own.
    os.execve(sys.executable, command, {"BENTOML_DO_NOT_TRACK": "True"} | os.environ | settings.to_env())


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
        _fail("expected one of --footage, --images, or --train with --test", code=2)
    if bool(train) != bool(test):
        _fail(f"{'--train' if train else '--test'} without {'--test' if train else '--train'}; give both", code=2)
    if finetune and (not train or encoder.is_file()):
        _fail("--finetune needs --train and --test, and the folder of a run: an ONNX file cannot be trained", code=2)
    if events and not footage:
        _fail("--events without --footage; they are about recordings", code=2)
    for flag, value, least in (("--seeds", seeds, 1), ("--limit", limit or 2, 2), ("--fps", fps, 1e-9)):
        if value < least:
            _fail(f"{flag} is {value}, expected {'more than 0' if least < 1 else f'at least {least}'}", code=2)
    if not 0 <= guard_s < window_s:
        _fail(f"--guard-s is {guard_s:g}, expected 0 or more, and less than --window-s, {window_s:g}", code=2)
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
        _fail("interrupted; of an evaluation nothing is kept, run it again")
    if json_:
        print_data(json.dumps(result))
    else:
        _print_evaluation(result)


@app.command(help_epilogue="Example: `lookalike demo --out demo/`")
def demo(
    *sources: Annotated[str, Parameter(help="Your own footage; without any, four cameras are rendered.")],
    out: Annotated[Path, Parameter(help="Folder to write encoder.onnx, index/, results.json and report.html to.")],
    steps: Annotated[int, Parameter(help="Training steps.")] = 300,
) -> None:
    """Do all of it once: pretrain, export, index, serve, search, evaluate; and write a report to look at."""
    from lookalike.demo.tour import run_demo

    run_demo(sources, out, steps)


def main(arguments: list[str] | None = None) -> None:
    """Run a verb. Exits with 0 when the job was done, 2 for bad arguments, 1 for anything else."""
    try:
        app(arguments, result_action="return_value")
    except LookalikeError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted; what was done is kept, run it again to go on")
    except BrokenPipeError:
        # The reader of our output has seen enough; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _find(sources: tuple[str, ...], fps: float | None, camera: str | None) -> list[Source]:
    from lookalike.footage import find_sources

    if not sources:
        _fail("no SOURCE given; expected images, folders, videos or stream URLs", code=2)
    if fps is not None and fps <= 0:
        _fail(f"--fps is {fps}, expected more than 0", code=2)
    return find_sources(sources, camera)


def _report_skipped(summary: Summary) -> dict[str, Any]:
    from lookalike.console import say, warn_skipped

    for one in summary.skipped:
        warn_skipped(one)
    skipped = f"{len(summary.skipped)} of {summary.sources} source(s) skipped or cut short"
    say(f"{summary.frames:,} frames, {summary.added:,} new, {skipped}")
    return summary.to_dict()


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


def _fail(message: str, code: int = 1) -> NoReturn:
    print(f"lookalike: {message}", file=sys.stderr)
    sys.exit(code)
