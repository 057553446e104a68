"""The measurements of a run, as lines and for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from training.record import METRICS, TENSORBOARD, Recorder, read_metrics


def test_tensorboard_begins_with_the_first_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 0)
    recorder.flush()
    assert not (tmp_path / TENSORBOARD).exists()
    recorder.write({"step": 1, "loss": 0.5})
    recorder.close()
    assert len(list((tmp_path / TENSORBOARD).iterdir())) == 1
    assert read_metrics(tmp_path / METRICS) == [{"step": 1, "loss": 0.5}]


def test_a_run_that_does_not_train_has_lines_and_no_board(tmp_path: Path) -> None:
    Recorder(tmp_path, 0).close()
    assert [path.name for path in tmp_path.iterdir()] == [METRICS]
