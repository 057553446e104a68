"""The verbs that make an encoder: pretrain, export, info."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import App, ArgumentCollection, Parameter
from cyclopts.config import Dict

from lookalike.cli.flags import CameraName, Source_, app, fail
from lookalike.cli.footage import EVERY_ENTRY, WhichFiles, find
from lookalike.contract import Precision
from lookalike.footage.naming import Naming
from training.config import CONFIG, RECIPES, Light, TrainConfig, find_recipe, read_recipe

DEFAULT_CONFIG = TrainConfig()
FITTING = "fitting the head"
ELSEWHERE = "Weights trained elsewhere"  # a group of flags in --help


def _check_config(type_: type[TrainConfig], config: TrainConfig) -> None:
    config.check()


def _apply_recipe(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Apply the settings of --recipe that no flag gives."""
    given = [token.value for argument in arguments if argument.name == "--recipe" for token in argument.tokens]
    if given:
        path = find_recipe(given[-1])
        Dict(read_recipe(path), source=str(path), use_commands_as_keys=False)(app, commands, arguments)


@app.command(help_epilogue="Example: `lookalike pretrain recordings/ --out run`", config=_apply_recipe)
def pretrain(
    *sources: Source_,
    out: Annotated[
        Path, Parameter(help="Folder of the run: checkpoint.pt, encoder.safetensors, metrics.jsonl, report.html.")
    ],
    resume: Annotated[
        bool, Parameter(negative="", help="Resume the run in --out, with its footage and settings.")
    ] = False,
    camera: CameraName = None,
    selection: WhichFiles = EVERY_ENTRY,
    recipe: Annotated[
        str | None,
        Parameter(help=f"Settings that flags override: {', '.join(RECIPES)}, or a TOML file."),
    ] = None,
    config: Annotated[TrainConfig, Parameter(name="*", validator=_check_config)] = DEFAULT_CONFIG,
) -> None:
    """Train an encoder on unlabelled footage or photos (BYOL). Ctrl-C saves a checkpoint; --resume continues.

    If all sources are images, they are treated as photos; use --views camera for stills of a fixed camera.
    """
    from lookalike.console import frame_counter, print_data, say, step_bar, warn_skipped, work_bar
    from lookalike.footage import read_frames
    from training.distributed import joined
    from training.health import COLLAPSED
    from training.photos import are_photos
    from training.run import continue_run, finish_run, held_run, join_run, pretrain, start_run
    from training.train import Progress, pick_device

    if not resume and not sources:
        fail("no SOURCE given; expected images, folders, videos or stream URLs, or --resume", code=2)
    device = TrainConfig.load(out / CONFIG, config.arch).device if resume else config.device
    with joined(pick_device(device).type == "cuda") as world, ExitStack() as held:
        if world.first:
            held.enter_context(held_run(out))
        if not resume:
            world.part(
                config.batch, config.accumulate
            )  # report a batch that cannot be divided before footage is decoded
        if world.first and resume:
            continue_run(out, config)
        elif world.first:
            with frame_counter("reading") as count:
                found, _ = find(sources, selection, Naming(camera))
                frames = read_frames(found, config.fps, warn_skipped, regions="auto")
                start_run(frames, config, out, lambda frame: count([frame]), say, are_photos(found))
        world.barrier()
        cache, config = join_run(out, config.arch)
        if not world.first:
            pretrain(cache, config, out, resume, lambda now: None, world)
            return
        network = f"{config.arch}, initial weights: {config.init}"
        say(f"{len(cache):,} frames and {len(cache.regions):,} regions of {len(cache.cameras)} camera(s); {network}")
        with step_bar("training", config.steps) as update:

            def show(now: Progress) -> None:
                alarm = "  COLLAPSED: the features carry no information" if now.feature_std < COLLAPSED else ""
                health = f"feature_std {now.feature_std:.2f}{alarm}"
                update(now.step, f"loss {now.loss:.3f}  {health}  {now.images_per_s:.0f} images/s")

            pretrain(cache, config, out, resume, show, world)
    with work_bar(FITTING) as fitting:
        found = finish_run(out, config.arch, fitting)
    print_data(json.dumps(found))


@app.command(help_epilogue="Example: `lookalike export run --out encoder.onnx`")
def export(
    run: Annotated[Path | None, Parameter(help="Folder made by `lookalike pretrain --out`.")] = None,
    *,
    out: Annotated[Path, Parameter(help="ONNX file to write.")],
    precision: Annotated[
        Precision, Parameter(help="fp32; fp16, for GPUs; int8, for CPUs, calibrated on the footage.")
    ] = "fp32",
    min_top10: Annotated[
        float | None,
        Parameter(help="Share of the ten nearest neighbours that must agree. Default: .99 for fp32, else .95."),
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
        Parameter(
            help="Fit the head to this footage and verify on it, instead of the footage of the run.",
            negative="",
            consume_multiple=True,
        ),
    ] = (),
    arch: Annotated[
        str | None,
        Parameter(
            help="Architecture of the weights of --from, as for pretrain. Default: resnet18. For a run whose"
            " architecture is code: the same value, which permits executing it.",
            group=ELSEWHERE,
        ),
    ] = None,
    input_px: Annotated[int, Parameter(help="Side of the encoder's square input, pixels.", group=ELSEWHERE)] = 224,
    light: Annotated[
        Light,
        Parameter(help="absolute if it was trained with ImageNet's mean and standard deviation.", group=ELSEWHERE),
    ] = "absolute",
    selection: WhichFiles = EVERY_ENTRY,
) -> None:
    """Write an encoder as one ONNX file, verify it on real frames, and print its parity as JSON."""
    from exporters.onnx import export_run
    from exporters.weights import export_weights
    from lookalike.console import frame_counter, print_data, say, warn_skipped, work_bar
    from lookalike.footage import read_frames
    from training.data import temporary_cache

    if (run is None) == (from_ is None):
        fail("expected either the folder of a run or --from with weights", code=2)
    if from_ and not footage:
        fail("--from without --footage; give footage to fit the head to and to verify on", code=2)
    if min_top10 is not None and not 0 <= min_top10 <= 1:
        fail(f"--min-top10 is {min_top10:g}, expected 0 to 1", code=2)
    if run and footage:
        config = TrainConfig.load(run / CONFIG, arch)
        frames = read_frames(find(footage, selection)[0], config.fps, warn_skipped, regions="auto")
        with (
            frame_counter("reading") as count,
            temporary_cache(frames, config.cache_px, lambda frame: count([frame])) as cache,
            work_bar(FITTING) as fitting,
        ):
            exported = export_run(run, out, precision, say, min_top10, cache, arch, fitting)
    elif run:
        with work_bar(FITTING) as fitting:
            exported = export_run(run, out, precision, say, min_top10, arch=arch, on_fit=fitting)
    elif from_:
        try:
            config = TrainConfig(arch or "resnet18", str(from_), input_px, light=light)
            config.check()
        except ValueError as error:
            fail(str(error), code=2)
        with frame_counter("reading") as count, work_bar(FITTING) as fitting:
            frames = read_frames(find(footage, selection)[0], config.fps, warn_skipped, regions="auto")
            exported = export_weights(
                config, frames, out, precision, lambda frame: count([frame]), say, min_top10, fitting
            )
    print_data(exported.to_json())


@app.command(help_epilogue="Example: `lookalike refit encoder.onnx --footage recordings/ --out here.onnx`")
def refit(
    encoder: Annotated[Path, Parameter(help="ONNX file made by `lookalike export`.")],
    *,
    footage: Annotated[
        tuple[str, ...],
        Parameter(help="Footage to fit the head to and to verify on.", negative="", consume_multiple=True),
    ],
    out: Annotated[Path, Parameter(help="ONNX file to write.")],
    fps: Annotated[float, Parameter(help="Frames taken from each second of video.")] = DEFAULT_CONFIG.fps,
    selection: WhichFiles = EVERY_ENTRY,
) -> None:
    """Fit the head of an encoder to other footage, without training, and print its parity as JSON.

    An encoder from other footage finds much more once its head is fitted to the footage that is searched.
    """
    from exporters.refit import refit
    from lookalike.console import frame_counter, print_data, warn_skipped, work_bar
    from lookalike.footage import read_frames
    from training.photos import are_photos

    if fps <= 0:
        fail(f"--fps is {fps:g}, expected more than 0", code=2)
    with frame_counter("reading") as count, work_bar(FITTING) as fitting:
        found, _ = find(footage, selection)
        frames = read_frames(found, fps, warn_skipped, regions="auto")
        views = "photo" if are_photos(found) else "camera"
        exported = refit(encoder, frames, out, lambda frame: count([frame]), views, fitting)
    print_data(exported.to_json())


@app.command(help_epilogue="Example: `lookalike info encoder.onnx`")
def info(encoder: Annotated[Path, Parameter(help="ONNX file made by `lookalike export`.")]) -> None:
    """Print the spec of an encoder as JSON: name, input, parts, precision, parity."""
    from lookalike.console import print_data
    from lookalike.encoder import Encoder

    print_data(Encoder(encoder, "cpu").spec.to_json())
