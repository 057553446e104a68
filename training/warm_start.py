"""Start from weights that exist: a file of the user's, or torchvision's ImageNet weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lookalike.errors import TrainingError

IMAGENET = "imagenet"
OWN_PREFIX = "1."  # of the network in our encoder, after its normalisation: see encoders.build_encoder


def warm_start(encoder: nn.Sequential, arch: str, init: str) -> None:
    """Load weights into the network of an encoder made by `build_encoder`.

    init: "imagenet", or a .pt, .pth or .safetensors file with a state dict: torchvision's names, or those of a run's
    encoder.safetensors. A classifier (`fc`) is left out.
    Raises: TrainingError if the weights cannot be had, or are another network's.
    """
    weights = _imagenet(arch) if init == IMAGENET else _read(Path(init))
    network = encoder[1]
    own = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    if any(name.startswith(OWN_PREFIX) for name in own):
        own = {name.removeprefix(OWN_PREFIX): tensor for name, tensor in own.items() if name.startswith(OWN_PREFIX)}
    own = {name: tensor for name, tensor in own.items() if not name.startswith("fc.")}
    wanted = network.state_dict()
    strange = sorted(own.keys() ^ wanted.keys()) or [name for name in own if own[name].shape != wanted[name].shape]
    if strange:
        got, expected = (tuple(of[strange[0]].shape) if strange[0] in of else "none" for of in (own, wanted))
        raise TrainingError(
            f"{init}: not the weights of {arch}: {len(strange)} tensors differ, the first is {strange[0]},"
            f" got {got}, expected {expected}; choose the --arch that they are of"
        )
    network.load_state_dict(own)


def _imagenet(arch: str) -> dict[str, Tensor]:
    import torchvision

    try:
        entry = torchvision.models.get_model_weights(arch).DEFAULT  # pyright: ignore[reportAttributeAccessIssue]
    except ValueError as error:
        raise TrainingError(f"--init imagenet: there are no such weights of {arch}; use --arch resnet18") from error
    try:
        return entry.get_state_dict(progress=False)
    except (URLError, OSError, RuntimeError) as error:
        name = entry.url.rsplit("/", 1)[-1]
        raise TrainingError(
            f"--init imagenet: cannot fetch {name} ({getattr(error, 'reason', error)}); where there is a network,"
            f" run `python -c \"import torchvision; torchvision.models.{arch}(weights='DEFAULT')\"`,"
            f" then copy {name} here and give --init {name}"
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: no such file, expected a state dict, or `imagenet`") from error
    except Exception as error:  # broken bytes make the unpickler raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0]
        raise TrainingError(f"{path}: cannot read it ({reason}); expected a .pt or .safetensors file") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(one, Tensor) for one in content.values()):
        raise TrainingError(f"{path}: holds no state dict, expected names and tensors")
    return content
