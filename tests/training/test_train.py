"""Whole runs, of a few steps each: they learn, they stop, they go on as if nothing had happened."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lookalike import cli
from lookalike.errors import TrainingError
from lookalike.footage import Frame
from tests.training.small import SMALL, noise_frames, small_cache, small_config
from training.byol import Byol, tau_at
from training.checkpoint import CHECKPOINT, ENCODER, load_checkpoint
from training.config import CONFIG, TrainConfig
from training.data import FrameCache
from training.distributed import ALONE, World
from training.encoders import build_encoder, embedding_dim
from training.optim import lr_at
from training.record import METRICS, read_metrics
from training.run import continue_run, pretrain, start_run
from training.train import Progress, pick_bf16, pick_device, pick_forward, train

CLI_STEPS, CLI_CHECKPOINT = 60, 4
LARS = small_config(optimizer="lars", steps=14, lr=1.0, tau_end=0.995)


def ignore(_: object) -> None:
    pass


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    return small_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def whole(cache: FrameCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 14 steps that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole")
    assert train(cache, LARS, run) == 14
    return run


def same_tensors(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_tensors(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(same_tensors(*pair) for pair in zip(one, other, strict=True))
    return one == other


def test_a_run_records_every_tenth_step_and_the_last(cache: FrameCache, whole: Path) -> None:
    lines = [json.loads(line) for line in (whole / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 14]
    for line in lines:
        assert set(line) == {"step", "loss", "feature_std", "lr", "tau", "images_per_s"}
        assert line["lr"] == lr_at(line["step"] - 1, LARS)  # as they were in that step
        assert line["tau"] == tau_at(line["step"] - 1, 14, LARS.tau0, LARS.tau_end)
        assert 0 < line["loss"] < 8
        assert 0 < line["feature_std"] < 2
        assert line["images_per_s"] > 0


def test_the_encoder_that_is_left_is_the_trained_online_one(whole: Path) -> None:
    state, kept = load_checkpoint(whole / CHECKPOINT), load_file(whole / ENCODER)
    network = state["network"]
    assert state["step"] == 14
    assert {f"online.0.{name}" for name in kept} == {name for name in network if name.startswith("online.0.")}
    assert all(torch.equal(tensor, network[f"online.0.{name}"]) for name, tensor in kept.items())
    weights = [name for name, tensor in kept.items() if name.endswith("weight") and tensor.ndim == 4]
    assert weights
    assert not any(torch.equal(kept[name], network[f"target.0.{name}"]) for name in weights)  # it lags behind


def test_the_learning_rate_of_a_step_is_the_one_that_it_is_taken_with(whole: Path) -> None:
    groups = load_checkpoint(whole / CHECKPOINT)["optimizer"]["param_groups"]
    assert [group["lr"] for group in groups] == [lr_at(13, LARS)] * 2
    assert lr_at(13, LARS) < 0.1 * lr_at(2, LARS)  # near the end of the cosine, far from what the optimiser began with


def test_the_target_moves_after_the_step_by_the_tau_of_it(cache: FrameCache, tmp_path: Path) -> None:
    """One step of one, tau .5: half of where both began, and half of where the step has taken the online network."""
    config = small_config(steps=1, tau0=0.5)
    torch.manual_seed(config.seed)
    encoder = build_encoder(config.arch)
    before = Byol(encoder, embedding_dim(encoder, config.input_px), config.hidden, config.projection).state_dict()
    train(cache, config, tmp_path)
    after = load_checkpoint(tmp_path / CHECKPOINT)["network"]
    name = next(name for name in after if name.startswith("online.1") and name.endswith("0.weight"))
    target = name.replace("online", "target")
    assert not torch.allclose(after[name], before[name], atol=1e-5)
    assert torch.allclose(after[target], (before[target] + after[name]) / 2, atol=1e-7)


def test_training_on_two_pictures_brings_their_views_together(tmp_path: Path) -> None:
    """From a loss of about 4 (two orthogonal directions) to well below: the step goes downhill."""
    told: list[Progress] = []
    config = small_config(steps=60, lr=0.1, tau0=0.9, crop_area_min=0.9)
    train(small_cache(tmp_path / "cache", count=2), config, tmp_path, on_progress=told.append)
    assert [line.step for line in told] == [10, 20, 30, 40, 50, 60]
    assert told[-1].loss < 0.6 * told[0].loss


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_run_that_was_stopped_goes_on_to_the_very_same_weights(
    cache: FrameCache, whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert train(cache, LARS, tmp_path, on_progress=lambda progress: os.kill(os.getpid(), number)) == 10
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert load_checkpoint(tmp_path / CHECKPOINT)["step"] == 10
    assert (tmp_path / ENCODER).read_bytes() != (whole / ENCODER).read_bytes()
    assert train(cache, LARS, tmp_path, resume=True) == 14
    assert (tmp_path / ENCODER).read_bytes() == (whole / ENCODER).read_bytes()
    assert same_tensors(load_checkpoint(tmp_path / CHECKPOINT), load_checkpoint(whole / CHECKPOINT))
    assert without_rates(tmp_path) == without_rates(whole)


def test_chance_inside_a_network_goes_on_where_it_was(cache: FrameCache, tmp_path: Path) -> None:
    """Dropout draws from torch's own generator, which the checkpoint has to hold."""
    config = small_config(arch="tests/training/own.py:with_dropout", steps=14)
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    assert train(cache, config, tmp_path / "whole") == 14
    stopped = train(
        cache, config, tmp_path / "stopped", on_progress=lambda progress: os.kill(os.getpid(), signal.SIGINT)
    )
    assert stopped == 10
    torch.manual_seed(99)
    assert train(cache, config, tmp_path / "stopped", resume=True) == 14
    assert (tmp_path / "stopped" / ENCODER).read_bytes() == (tmp_path / "whole" / ENCODER).read_bytes()


def without_rates(run: Path) -> list[dict[str, float]]:
    return [
        {name: value for name, value in line.items() if name != "images_per_s"} for line in read_metrics(run / METRICS)
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_second_signal_stops_at_once(cache: FrameCache, tmp_path: Path, number: signal.Signals) -> None:
    def twice(progress: Progress) -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        time.sleep(5)  # the signal ends this

    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        train(cache, small_config(steps=11), tmp_path, on_progress=twice)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert not (tmp_path / CHECKPOINT).exists()


def test_another_seed_ends_elsewhere_and_the_same_one_at_the_same_place(cache: FrameCache, tmp_path: Path) -> None:
    ends = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        train(cache, small_config(steps=2, seed=seed), tmp_path / name)
        ends.append((tmp_path / name / ENCODER).read_bytes())
    assert ends[0] == ends[1] != ends[2]


def test_lines_of_steps_that_are_done_again_are_dropped(cache: FrameCache, whole: Path, tmp_path: Path) -> None:
    """A crash after step 13's line, with a checkpoint of step 10: its lines end at 10, and one is cut off."""
    train(cache, LARS, tmp_path, on_progress=lambda progress: os.kill(os.getpid(), signal.SIGINT))
    kept = (tmp_path / METRICS).read_text()
    (tmp_path / METRICS).write_text(kept + kept.replace('"step": 10', '"step": 13') + '{"step": 14, "lo')
    train(cache, LARS, tmp_path, resume=True)
    assert without_rates(tmp_path) == without_rates(whole)


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text('{"step": 10}\n{"step": 20}\n{"st')
    assert read_metrics(tmp_path / METRICS) == [{"step": 10}, {"step": 20}]
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_a_loss_that_is_not_a_number_stops_the_run(cache: FrameCache, tmp_path: Path) -> None:
    """An infinite learning rate makes infinite weights in step 1, and not-a-numbers of them in step 2."""
    with pytest.raises(TrainingError, match=r"loss is nan at step 10, expected a finite number; lower --lr"):
        train(cache, small_config(lr=math.inf), tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_collapse_ends_the_run_only_where_that_was_asked_for(
    cache: FrameCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.train.feature_std", lambda projection: torch.tensor(0.02))
    for name in ("on", "off"):
        (tmp_path / name).mkdir()
    assert train(cache, small_config(steps=11), tmp_path / "off") == 11
    with pytest.raises(TrainingError, match=r"^collapsed at step 10: feature_std is 0\.020, expected at least 0\.1;"):
        train(cache, small_config(steps=11, stop_on_collapse=True), tmp_path / "on")


def test_weights_that_are_not_numbers_never_replace_a_checkpoint(cache: FrameCache, tmp_path: Path) -> None:
    """A checkpoint is due at step 3, before the loss is looked at for the first time."""
    with pytest.raises(TrainingError, match=r"loss is nan at step 3, expected a finite number; lower --lr"):
        train(cache, small_config(lr=math.inf, checkpoint_every=3), tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_asking_for_a_gpu_where_there_is_none_is_an_error(
    cache: FrameCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=r"--device cuda: torch sees no NVIDIA GPU.*--device cpu"):
        train(cache, small_config(device="cuda"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert (pick_device("cpu").type, pick_device("auto").type) == ("cpu", "cpu")


def test_a_gpu_is_taken_unless_the_cpu_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [pick_device(one).type for one in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    monkeypatch.setenv("LOCAL_RANK", "1")  # as torchrun tells its second process
    assert pick_device("auto") == torch.device("cuda", 1)


@pytest.mark.parametrize("has", [True, False])
def test_auto_takes_bf16_only_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch, has: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    cpu = torch.device("cpu")
    dense, depthwise = torch.nn.Conv2d(4, 4, 3), torch.nn.Conv2d(4, 4, 3, groups=4)
    assert [pick_bf16(one, cpu, dense) for one in ("auto", "bf16", "fp32")] == [has, True, False]
    assert [pick_bf16(one, cpu, depthwise) for one in ("auto", "bf16", "fp32")] == [False, True, False]


@pytest.mark.parametrize(
    ("device", "accumulate", "world", "mode"),
    [
        ("cuda", 1, ALONE, "reduce-overhead"),
        ("cuda", 2, ALONE, "default"),  # the second part's gradients would be written over the first's
        ("cuda", 1, World(0, 2), "default"),
        ("cpu", 1, ALONE, "default"),
    ],
)
def test_cuda_graphs_are_for_whole_steps_of_one_process(
    monkeypatch: pytest.MonkeyPatch, device: str, accumulate: int, world: World, mode: str
) -> None:
    monkeypatch.setattr("training.train.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(torch, "compile", lambda network, mode: mode)
    config = small_config(compile="on", accumulate=accumulate)
    assert pick_forward(torch.nn.Identity(), config, torch.device(device), world) == mode
    network = torch.nn.Identity()
    assert pick_forward(network, small_config(compile="off"), torch.device(device), world) is network


def test_a_checkpoint_of_another_network_does_not_go_on(cache: FrameCache, whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / CHECKPOINT, tmp_path)
    with pytest.raises(
        TrainingError, match=r"checkpoint\.pt: does not match the run's config \(Error.* in loading state"
    ):
        train(cache, small_config(optimizer="lars", steps=14, hidden=48), tmp_path, resume=True)


def test_a_checkpoint_that_lacks_its_step_is_told_in_one_line(cache: FrameCache, whole: Path, tmp_path: Path) -> None:
    state = load_checkpoint(whole / CHECKPOINT)
    torch.save({name: value for name, value in state.items() if name != "step"}, tmp_path / CHECKPOINT)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: does not match the run's config \('step'\)"):
        train(cache, LARS, tmp_path, resume=True)


def test_a_full_disk_ends_a_run_with_one_line(cache: FrameCache, tmp_path: Path) -> None:
    """/dev/full takes no byte: metrics.jsonl is a link to it."""
    (tmp_path / METRICS).symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"cannot write \(No space left on device\); the last checkpoint is kept"):
        pretrain(cache, small_config(steps=1), tmp_path, False, ignore)


def test_a_full_disk_ends_reading_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "frames.u8").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"cannot write \(No space left on device\)"):
        start_run(noise_frames(8), SMALL, tmp_path, ignore)


def test_a_new_run_has_its_settings_and_its_frames(tmp_path: Path) -> None:
    told: list[Frame] = []
    cache, config = start_run(noise_frames(4), SMALL, tmp_path / "deep" / "run", told.append)
    assert (len(cache), len(told), config) == (4, 4, SMALL)
    assert TrainConfig.load(tmp_path / "deep" / "run" / CONFIG) == SMALL
    again, continued = continue_run(tmp_path / "deep" / "run", SMALL)
    assert (again.frames.tolist(), continued) == (cache.frames.tolist(), SMALL)


def test_an_out_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(TrainingError, match="neither an empty folder nor a run; choose another --out"):
        start_run(noise_frames(4), SMALL, tmp_path, ignore)
    with pytest.raises(TrainingError, match="neither an empty folder nor a run; choose another --out"):
        start_run(noise_frames(4), SMALL, tmp_path / "thesis.txt", ignore)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_an_out_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file/run: cannot write \(Not a directory\)"):
        start_run(noise_frames(4), SMALL, tmp_path / "file" / "run", ignore)


def test_an_out_that_holds_a_run_is_not_trained_over(whole: Path) -> None:
    before = (whole / CHECKPOINT).read_bytes()
    with pytest.raises(
        TrainingError, match="already contains a run; continue it with --resume, or choose another --out"
    ):
        start_run(noise_frames(4), SMALL, whole, ignore)
    assert (whole / CHECKPOINT).read_bytes() == before


def test_a_run_that_died_before_its_first_checkpoint_can_be_started_again(tmp_path: Path) -> None:
    """Killed in the very writing of it, it leaves a partial one."""
    start_run(noise_frames(4), SMALL, tmp_path, ignore)
    (tmp_path / METRICS).write_text("")
    (tmp_path / f"{CHECKPOINT}.partial").write_bytes(b"half")
    cache, _ = start_run(noise_frames(6), SMALL, tmp_path, ignore)
    assert len(cache) == 6


def test_too_little_footage_can_be_followed_by_more(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"^too little footage: got 1 readable frame\(s\)"):
        start_run(noise_frames(1), SMALL, tmp_path / "run", ignore)
    cache, _ = start_run(noise_frames(2), SMALL, tmp_path / "run", ignore)
    assert len(cache) == 2


def test_going_on_refuses_a_flag_that_contradicts_the_run(tmp_path: Path) -> None:
    start_run(noise_frames(4), SMALL, tmp_path, ignore)
    with pytest.raises(TrainingError) as caught:
        continue_run(tmp_path, small_config(checkpoint_every=77))
    assert str(caught.value) == (
        f"{tmp_path}: started with --checkpoint-every 1000, cannot continue with 77; omit --checkpoint-every"
    )


def test_going_on_without_flags_keeps_the_settings_of_the_run(tmp_path: Path) -> None:
    start_run(noise_frames(4), SMALL, tmp_path, ignore)
    assert continue_run(tmp_path, TrainConfig())[1] == SMALL


def test_there_is_no_going_on_where_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot read the run's config"):
        continue_run(tmp_path / "none", SMALL)


# The command line: what a person at a terminal sees.


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for row, frame in enumerate(noise_frames(16)):
        Image.fromarray(frame.image).save(folder / f"{row:03}.png")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run from the command line, and the JSON that it printed."""
    run = tmp_path_factory.mktemp("runs") / "uninterrupted"
    return run, run_verb(pretrain_arguments(footage, run))


def run_verb(arguments: list[str]) -> dict[str, Any]:
    """What a verb prints, run in this process on one thread: more would sum in another order."""
    threads, out = torch.get_num_threads(), io.StringIO()
    torch.set_num_threads(1)
    try:
        with redirect_stdout(out):
            cli.main(arguments)  # returns: exit code 0
    finally:
        torch.set_num_threads(threads)
    return json.loads(out.getvalue())


def pretrain_arguments(footage: Path, run: Path) -> list[str]:
    flags = {
        "arch": "compact",
        "input-px": 32,
        "steps": CLI_STEPS,
        "batch": 8,
        "hidden": 32,
        "projection": 16,
        "optimizer": "adamw",
        "precision": "fp32",
        "device": "cpu",
        "seed": 5,
        "checkpoint-every": CLI_CHECKPOINT,
    }
    given = [text for name, value in flags.items() for text in (f"--{name}", str(value))]
    return ["pretrain", str(footage), "--out", str(run), *given]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_a_stopped_pretrain_goes_on_to_the_very_same_encoder(
    footage: Path, uninterrupted: tuple[Path, dict[str, Any]], tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "lookalike", *pretrain_arguments(footage, run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        while process.poll() is None and not (run / CHECKPOINT).exists():
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    stopped_at = load_checkpoint(run / CHECKPOINT)["step"]
    assert CLI_CHECKPOINT <= stopped_at < CLI_STEPS
    assert out == ""
    if number == signal.SIGINT:
        last = f"lookalike: interrupted at step {stopped_at} of {CLI_STEPS}, checkpoint saved;"
        assert err.splitlines()[-1] == f"{last} continue with `lookalike pretrain --out {run} --resume`"
        assert process.returncode == 1
    else:
        assert process.returncode == -signal.SIGKILL
        assert stopped_at % CLI_CHECKPOINT == 0
    assert "Traceback" not in err

    found = run_verb(["pretrain", "--out", str(run), "--resume"])
    reference, printed = uninterrupted
    assert (run / ENCODER).read_bytes() == (reference / ENCODER).read_bytes()
    assert same_tensors(load_checkpoint(run / CHECKPOINT), load_checkpoint(reference / CHECKPOINT))
    assert without_rates(run) == without_rates(reference)
    expected = {name: printed[name] for name in ("steps", "frames", "loss", "feature_std", "effective_rank")}
    assert {name: found[name] for name in expected} == expected
    assert (expected["steps"], expected["frames"]) == (CLI_STEPS, 16)


def test_a_finished_run_that_is_resumed_is_done_without_training(
    uninterrupted: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a view was drawn")

    run = shutil.copytree(uninterrupted[0], tmp_path / "run")
    before = {name: (run / name).read_bytes() for name in (ENCODER, METRICS)}
    monkeypatch.setattr("training.feed.make_view", never)
    assert run_verb(["pretrain", "--out", str(run), "--resume"])["steps"] == CLI_STEPS
    assert {name: (run / name).read_bytes() for name in before} == before
    assert load_checkpoint(run / CHECKPOINT)["step"] == CLI_STEPS


def test_resuming_with_a_contradicting_flag_is_one_line(
    uninterrupted: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture
) -> None:
    run = uninterrupted[0]
    with pytest.raises(SystemExit) as exited:
        cli.main(["pretrain", "--out", str(run), "--resume", "--steps", "41"])
    assert exited.value.code == 1
    line = f"lookalike: {run}: started with --steps {CLI_STEPS}, cannot continue with 41; omit --steps\n"
    assert capsys.readouterr() == ("", line)


def test_the_report_of_a_run_names_it_and_shows_its_neighbours(uninterrupted: tuple[Path, dict[str, Any]]) -> None:
    page = (uninterrupted[0] / "report.html").read_text(encoding="utf-8")
    assert "Training run uninterrupted" in page
    assert f"{CLI_STEPS} x 8" in page
    assert page.count("data:image/jpeg;base64,") >= 8  # a query at least for each of eight rows
