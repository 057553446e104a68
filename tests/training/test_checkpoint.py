"""What a run leaves on disk survives what can happen to a disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lookalike.errors import TrainingError
from training.checkpoint import (
    load_checkpoint,
    load_encoder,
    save_checkpoint,
    save_encoder,
    weights_digest,
    write_atomically,
)

STATE = {"step": 7, "network": {"weight": torch.arange(6.0).view(2, 3)}, "optimizer": {"lr": 0.1}}


def disk_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint.pt", STATE)
    loaded = load_checkpoint(tmp_path / "checkpoint.pt")
    assert (loaded["step"], loaded["optimizer"]) == (7, {"lr": 0.1})
    assert torch.equal(loaded["network"]["weight"], torch.arange(6.0).view(2, 3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("fails", ["os.fsync", "Path.replace"])
def test_a_full_disk_keeps_the_last_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if fails == "os.fsync" else (Path, "replace")), disk_full)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: cannot write \(No space left on device\); the last"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_disk_that_fills_up_while_writing_keeps_the_last_whole_file(tmp_path: Path) -> None:
    """/dev/full takes no byte: the partial file is a link to it."""
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"old")
    (tmp_path / "checkpoint.pt.partial").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_crash_before_the_rename_keeps_the_last_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_no_checkpoint_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such checkpoint; start the run without --resume"):
        load_checkpoint(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("broken", ["empty", "text", "half", "no end", "pickled code"])
def test_a_broken_checkpoint_is_told_in_one_line(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    if broken == "pickled code":
        torch.save(Path, path)  # anything but tensors and plain values must not be run
    else:
        contents = {"empty": b"", "text": b"hello\nworld", "half": whole[: len(whole) // 2], "no end": whole[:-1]}
        path.write_bytes(contents[broken])
    with pytest.raises(TrainingError, match=r"corrupt checkpoint \(.+\); start again with another --out$") as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_an_encoder_comes_back_with_weights_and_statistics(tmp_path: Path) -> None:
    saved, loaded = network(0), network(1)
    saved(torch.rand(5, 3))  # moves the running statistics
    save_encoder(tmp_path / "encoder.safetensors", saved)
    load_encoder(tmp_path / "encoder.safetensors", loaded)
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in saved.state_dict().items())
    assert weights_digest(loaded) == weights_digest(saved)


def test_channels_last_weights_are_saved_in_their_own_order(tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved, loaded = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    digest = weights_digest(saved)
    saved.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    save_encoder(tmp_path / "encoder.safetensors", saved)
    load_encoder(tmp_path / "encoder.safetensors", loaded)
    assert torch.equal(loaded.weight, saved.weight)
    assert weights_digest(saved) == digest


@pytest.mark.parametrize("what", ["missing", "broken", "another network"])
def test_weights_that_do_not_fit_are_told_in_one_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "encoder.safetensors"
    if what == "broken":
        path.write_bytes(b"\x00" * 20)
    if what == "another network":
        save_encoder(path, nn.Linear(4, 4))
    with pytest.raises(TrainingError, match=r"^.*encoder\.safetensors: cannot read the encoder's weights \(.+\)$"):
        load_encoder(path, network())


class Named(nn.Module):
    """Tensors in the order given."""

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)


def test_the_digest_changes_with_every_part_of_the_weights() -> None:
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])
    others = [
        Named(a=torch.tensor([[1.0, 2.0000002]]), b=b),  # the next float32 but one
        Named(a=a.T, b=b),  # a shape
        Named(a=a.int(), b=b),  # a type: 1.0 and 1 differ in bytes, 0 would not
        Named(a=a, c=b),  # a name
        Named(a=torch.zeros(1, 2), b=b),
        Named(a=torch.zeros(1, 2, dtype=torch.int32), b=b),  # the same bytes as the one before
    ]
    digests = {weights_digest(one) for one in (Named(a=a, b=b), *others)}
    assert len(digests) == 7
    assert all(len(one) == 64 and set(one) <= set("0123456789abcdef") for one in digests)


def test_the_digest_does_not_depend_on_the_order_of_the_parts() -> None:
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])
    assert weights_digest(Named(a=a, b=b)) == weights_digest(Named(b=b, a=a))
