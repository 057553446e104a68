"""The benchmark of the training step runs, and what it counts is what can be counted by hand."""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch

from benchmarks.machine import Spent, Stopwatch, describe
from benchmarks.train_step import PRESETS, Round, draw_pictures, main, stages, step_flops, table, take_turns
from tests.training.small import small_config
from training.train import RECORD_EVERY

CPU = torch.device("cpu")


def test_both_presets_run_on_a_cpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.train_step.WARM_UP", 0)
    for preset in ("compact-cpu", "cifar10"):
        tiny = dataclasses.replace(PRESETS[preset], arch="compact", input_px=32, hidden=8, projection=8)
        monkeypatch.setitem(PRESETS, preset, tiny)
        main(preset=preset, device="cpu", batch=8, rounds=1, peer=False)
        printed = capsys.readouterr().out
        assert "| configuration | compact, 32 px, batch 8, " in printed
        for row in (
            "Lookalike",
            "of which feed",
            "of which views",
            "of which optimiser",
            "of which target",
            "lower bound",
        ):
            assert f"| {row} |" in printed
        assert "| ratio |" not in printed  # the peer was left out


def test_the_peer_takes_as_many_steps_in_every_turn(tmp_path: Path) -> None:
    config, asked = small_config(steps=3 * RECORD_EVERY), []

    def peer(steps: int) -> Spent:
        asked.append(steps)
        return Spent(steps * 2.0, steps * 3.0)

    found = take_turns(draw_pictures(tmp_path / "cache", config), config, tmp_path, peer)
    assert asked == [RECORD_EVERY] * 3
    assert [one.peer for one in found] == [Spent(2.0, 3.0)] * 3
    assert all(one.ours.wall_s > 0 and one.ours.cpu_s > 0 for one in found)


def test_rates_and_their_ratio_are_medians_with_their_range() -> None:
    config = small_config(batch=8)
    ours, theirs = [Spent(1, 0.8), Spent(2, 0.8), Spent(4, 0.8)], [Spent(2, 1.6), Spent(2, 0.8), Spent(12, 2.4)]
    rounds = [Round(*pair) for pair in zip(ours, theirs, strict=True)]
    text = table(config, CPU, rounds, {"feed": 0.25, "views": 0.75})
    assert "| Lookalike | 4.0 (2.0-8.0) images/s; 100.0 ms of processor an image |" in text
    assert "| lightly 1.6.0 | 4.0 (0.7-4.0) images/s; 200.0 ms of processor an image |" in text
    assert "| ratio | 2.00 (1.00-3.00) |" in text
    assert "| ratio of processor time | 2.00 (1.00-3.00) |" in text
    assert "| of which feed | 250.0 ms, 25.0% |" in text


def test_the_heads_work_is_counted_as_their_layers_have_it() -> None:
    """A linear layer of m x n does 2mn a picture forward, and twice that backward.

    The online projector D-h-p goes both ways (3), the target's forward (1), the predictor p-h-p both ways (3): so 16
    more hidden units cost 2 * 16 * (4 (D + p) + 3 (p + p)) for each view of a picture. D is 128 channels of 4x4.
    """
    dim, projection, batch = 2048, 16, 8
    narrow, wide = (step_flops(small_config(hidden=hidden, projection=projection, batch=batch)) for hidden in (16, 32))
    per_view = 2 * 16 * (4 * (dim + projection) + 3 * 2 * projection)
    assert wide - narrow == 2 * batch * per_view


def test_stages_are_those_of_a_step(tmp_path: Path) -> None:
    found = stages(draw_pictures(tmp_path, small_config()), small_config(), CPU)
    assert list(found) == ["feed", "views", "forward, backward", "optimiser", "target"]
    assert all(seconds > 0 for seconds in found.values())


def test_a_stopwatch_adds_up_the_spans_of_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([1.0, 3.0, 10.0, 10.5, 20.0, 24.0])
    monkeypatch.setattr("benchmarks.machine.time.perf_counter", lambda: next(now))
    watch = Stopwatch(CPU)
    for name in ("a", "b", "a"):
        with watch.stage(name):
            pass
    assert watch.seconds() == {"a": 6.0, "b": 0.5}


def test_the_machine_is_named_with_threads_and_torch() -> None:
    assert f"{torch.get_num_threads()} torch threads" in describe(CPU)
    assert f"torch {torch.__version__}" in describe(CPU)


def test_work_of_children_counts() -> None:
    context, before = multiprocessing.get_context("fork"), Spent.so_far()
    release = context.Event()
    child = context.Process(target=burn, args=(0.3, release), daemon=True)
    child.start()
    while (spent := Spent.so_far() - before).cpu_s < 0.3 and spent.wall_s < 60:
        time.sleep(0.05)
    release.set()
    child.join()
    assert spent.cpu_s >= 0.3


def burn(seconds: float, release: Event) -> None:
    """Use so much processor time, then wait."""
    while time.process_time() < seconds:
        pass
    release.wait(60)
