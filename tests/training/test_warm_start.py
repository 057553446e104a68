"""A run may start from weights that exist, and says clearly when they do not fit."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from lookalike.errors import TrainingError
from training.checkpoint import save_encoder
from training.encoders import build_encoder
from training.warm_start import warm_start


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture(scope="module")
def resnet() -> torch.nn.Module:
    return torchvision.models.resnet18(weights=None)


@pytest.mark.parametrize("wrapped", ["bare", "state_dict", "model", "module."])
def test_a_torchvision_state_dict_becomes_the_network_without_its_classifier(
    resnet: torch.nn.Module, tmp_path: Path, wrapped: str
) -> None:
    weights: dict = resnet.state_dict()
    if wrapped == "module.":
        weights = {f"module.{name}": tensor for name, tensor in weights.items()}
    torch.save({wrapped: weights} if wrapped in ("state_dict", "model") else weights, tmp_path / "weights.pt")
    encoder = build_encoder("resnet18")
    warm_start(encoder, "resnet18", str(tmp_path / "weights.pt"))
    given, loaded = resnet.state_dict(), encoder[1].state_dict()
    assert set(given) - set(loaded) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(loaded[name], given[name]) for name in loaded)


def test_safetensors_and_the_encoder_of_another_run_are_taken(resnet: torch.nn.Module, tmp_path: Path) -> None:
    save_file(resnet.state_dict(), tmp_path / "weights.safetensors")
    one = build_encoder("resnet18")
    warm_start(one, "resnet18", str(tmp_path / "weights.safetensors"))
    save_encoder(tmp_path / "encoder.safetensors", one)
    other = build_encoder("resnet18")
    assert not equal(one, other)
    warm_start(other, "resnet18", str(tmp_path / "encoder.safetensors"))
    assert equal(one, other)


def refusal(arch: str, init: str | Path) -> str:
    encoder = build_encoder(arch)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with pytest.raises(TrainingError) as caught:
        warm_start(encoder, arch, str(init))
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_of_another_network_are_refused_by_name(resnet: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(resnet.state_dict(), tmp_path / "weights.pt")
    assert "not the weights of compact" in refusal("compact", tmp_path / "weights.pt")
    wide = torchvision.models.resnet18(weights=None, width_per_group=64).state_dict()
    wide["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    torch.save(wide, tmp_path / "stem.pt")
    assert "conv1.weight, got (64, 3, 3, 3), expected (64, 3, 7, 7)" in refusal("resnet18", tmp_path / "stem.pt")


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal("compact", tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("weights")
    assert "cannot read it" in refusal("compact", tmp_path / "text.pt")
    (tmp_path / "text.safetensors").write_text("weights")
    assert "cannot read it" in refusal("compact", tmp_path / "text.safetensors")
    torch.save([1, 2], tmp_path / "list.pt")
    assert "holds no state dict" in refusal("compact", tmp_path / "list.pt")


def test_imagenet_without_a_network_says_how_to_get_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    said = refusal("resnet18", "imagenet")
    assert "no route to host" in said
    assert "resnet18-f37072fd.pth here and give --init resnet18-f37072fd.pth" in said
    assert "no such weights of compact" in refusal("compact", "imagenet")
