"""The networks that can be trained: float (B, 3, S, S) in [0, 1] -> (B, D).

A network with an attribute `grid` returns a square of that many cells a side, flattened from (B, C, grid, grid).
Without it, a network returns one vector for the whole picture.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lookalike.errors import TrainingError
from training.config import TIMM, BuiltIn, LightChoice

# Of ImageNet, as torchvision's weights expect; timm has its own for each network. They are stored in the graph only.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
GRID = 3  # cells a side: at 96 px, the whole output of a network of stride 32
GROUPS = 8  # channels are normalised in this many groups


class Normalize(nn.Module):
    """Pictures in [0, 1] -> zero mean, unit variance, with constants that travel in the graph."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class Standardize(nn.Module):
    """Pictures in [0, 1] -> logarithms, each channel with mean 0 and deviation 1 over the picture.

    Exposure and white balance act as gamma and gain, which multiply and shift logarithms, so they nearly cancel.
    OFFSET keeps the logarithm of black finite; DEVIATION keeps flat pictures from being stretched. Without both, and
    without clipping, they would cancel exactly.
    """

    OFFSET, DEVIATION = 0.1, 0.05

    def forward(self, images: Tensor) -> Tensor:
        logs = torch.log(images + self.OFFSET)
        centred = logs - logs.mean((2, 3), keepdim=True)
        return centred / (centred.square().mean((2, 3), keepdim=True).sqrt() + self.DEVIATION)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, group normalised.

    Source: ResNet, arXiv 1512.03385, fig. 2; group norm, arXiv 1803.08494.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.GroupNorm(GROUPS, channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.GroupNorm(GROUPS, channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.GroupNorm(GROUPS, channels_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class CompactNet(nn.Module):
    """A small residual network for CPUs: 1/16 of the resolution, then a 4x4 grid that keeps positions.

    Fixed cameras show the same place all day: what distinguishes two moments is small, and its position matters.
    It has group norm, since batch norm's running statistics mix all cameras; projector and predictor, which are not
    kept, have the batch norm that BYOL relies on. Source for that: arXiv 2010.10241.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 192), out: int = 128, grid: int = 4) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.GroupNorm(GROUPS, widths[0]), nn.ReLU(inplace=True)]
        blocks = [BasicBlock(a, b, 2) for a, b in itertools.pairwise(widths)]
        head = [nn.Conv2d(widths[-1], out, 1, bias=False), nn.GroupNorm(GROUPS, out), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*stem, *blocks, *head)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.grid = grid

    def forward(self, images: Tensor) -> Tensor:
        # (B, 3, S, S) -> (B, out, S/16, S/16) -> (B, out, grid, grid) -> (B, D)
        return self.pool(self.features(images)).flatten(1)


class TimmNet(nn.Module):
    """A convolutional network of timm without its classifier, and a grid of its features.

    Of networks of stages with a widening convolution at the end (EfficientNet, MobileNet), the last stage and the
    widening are left out, since they retrieve things worse, see docs/footage.md.
    """

    def __init__(self, name: str, grid: int = GRID) -> None:
        """Raises: TrainingError if timm has no such network."""
        super().__init__()
        import timm

        if set(":/") & set(name):
            raise TrainingError(
                f"--arch {TIMM}{name}: expected the name of a timm network; names of hubs are not supported"
            )
        try:
            self.model = timm.create_model(name, pretrained=False, num_classes=0, global_pool="")
        except (RuntimeError, TypeError, ValueError) as error:
            raise TrainingError(f"--arch {TIMM}{name}: timm cannot build it ({error})") from error
        self.left_out = ("classifier.", "fc.", "head.")  # names of weights that are not loaded
        if hasattr(self.model, "conv_head") and isinstance(self.model.blocks, nn.Sequential):
            last = len(self.model.blocks) - 1
            self.model.blocks = self.model.blocks[:last]
            self.model.conv_head = self.model.bn2 = nn.Identity()
            self.left_out += (f"blocks.{last}.", "conv_head.", "bn2.")
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.grid = grid

    def forward(self, images: Tensor) -> Tensor:
        # (B, 3, S, S) -> (B, C, S/32, S/32) -> (B, C, grid, grid) -> (B, D)
        maps = self.model.forward_features(images)  # pyright: ignore[reportCallIssue]
        if maps.ndim != 4:
            raise TrainingError(f"the network returns {tuple(maps.shape)}, expected feature maps, (B, C, H, W)")
        return self.pool(maps).flatten(1)

    def in_two(self, stages: int) -> tuple[nn.Module, nn.Module] | None:
        """Split the network into its stem with the first `stages` stages, and the rest. Modules are the same objects.

        Returns: None if the network does not have that many stages.
        """
        blocks = getattr(self.model, "blocks", None)
        if not (hasattr(self.model, "conv_head") and isinstance(blocks, nn.Sequential) and stages < len(blocks)):
            return None
        early = nn.Sequential(self.model.get_submodule("conv_stem"), self.model.get_submodule("bn1"), *blocks[:stages])
        return early, nn.Sequential(*blocks[stages:], self.pool, nn.Flatten())


def _torchvision(name: str, grid: int) -> nn.Module:
    import torchvision

    network = getattr(torchvision.models, name)(weights=None)
    network.fc, network.avgpool, network.grid = nn.Identity(), nn.AdaptiveAvgPool2d(grid), grid
    return network


def _small_stem(network: nn.Module) -> nn.Module:
    """Adapt a ResNet to 32 px: a 3x3 stem of stride 1, no max pool. Source: SimCLR, arXiv 2002.05709, appendix B.9."""
    network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()
    return network


_BUILDERS: dict[BuiltIn, Callable[[], nn.Module]] = {
    "compact": CompactNet,
    "resnet18": lambda: _torchvision("resnet18", GRID),
    "resnet18-small": lambda: _small_stem(_torchvision("resnet18", 1)),
    "resnet50": lambda: _torchvision("resnet50", GRID),
}


def build_encoder(arch: str, light: LightChoice = "absolute") -> nn.Sequential:
    """Build a randomly initialised encoder: float (B, 3, S, S) in [0, 1] -> (B, D).

    arch: a BuiltIn, `timm:NAME`, or `FILE.py:NAME` or `MODULE:NAME`, a callable that returns a module taking normalised
    pictures. light: whether each picture is normalised by its own statistics, or all by those of the network's
    pretrained weights.
    Raises: TrainingError if there is no such network.
    """
    network = _build_network(arch)
    return nn.Sequential(Standardize() if light == "relative" else _normalize(arch), network)


def _build_network(arch: str) -> nn.Module:
    if arch.startswith(TIMM):
        return TimmNet(arch.removeprefix(TIMM))
    return (_BUILDERS[arch] if arch in _BUILDERS else _own_builder(arch))()


def _normalize(arch: str) -> Normalize:
    if not arch.startswith(TIMM):
        return Normalize()
    import timm

    config = timm.get_pretrained_cfg(arch.removeprefix(TIMM))
    return Normalize(config.mean, config.std) if config else Normalize()


def _own_builder(arch: str) -> Callable[[], nn.Module]:
    where, _, name = arch.rpartition(":")
    if not where:
        raise TrainingError(
            f"--arch {arch}: expected one of {', '.join(_BUILDERS)}, timm:NAME, or your own as FILE.py:NAME"
            " or MODULE:NAME"
        )
    try:
        return getattr(_load_module(where), name)
    except (ImportError, OSError, SyntaxError, AttributeError) as error:
        raise TrainingError(f"--arch {arch}: cannot load it ({error})") from error


def _load_module(where: str):
    if not where.endswith(".py"):
        return importlib.import_module(where)
    spec = importlib.util.spec_from_file_location(Path(where).stem, where)
    if spec is None or spec.loader is None:
        raise ImportError(f"{where} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def grid_of(encoder: nn.Module) -> int:
    """Return the cells a side of the grid of an encoder made by `build_encoder`; 1 if it returns one vector."""
    return getattr(encoder[1], "grid", 1) if isinstance(encoder, nn.Sequential) and len(encoder) > 1 else 1


def device_of(encoder: nn.Module) -> torch.device:
    """Return the device of its parameters; the CPU if it has none."""
    return next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))


def embedding_dim(encoder: nn.Module, input_px: int) -> int:
    """Run the encoder to find D. Raises: TrainingError if it does not return (B, D)."""
    was_training = encoder.training
    device = device_of(encoder)
    try:
        with torch.no_grad():
            found = encoder.eval()(torch.zeros(2, 3, input_px, input_px, device=device))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"the encoder does not accept pictures of {input_px} px ({reason})") from error
    encoder.train(was_training)
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != 2:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise TrainingError(f"the encoder returns {got} for two pictures, expected (2, D)")
    return found.shape[1]
