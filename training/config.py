"""The settings of a training run, in one frozen dataclass that is saved with the run as config.json."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lookalike.contract import Device
from lookalike.errors import TrainingError
from lookalike.files import durable
from lookalike.parts import FRAME, PHOTO, Weights

BuiltIn = Literal["compact", "resnet18", "resnet18-small", "resnet50"]
Optimizer = Literal["lars", "sgd", "adamw"]
Precision = Literal["auto", "fp32", "bf16"]
Switch = Literal["auto", "on", "off"]
Views = Literal["auto", "camera", "photo", "paper", "simclr"]
Light = Literal["relative", "absolute"]
LightChoice = Literal["auto", "relative", "absolute"]
_POSITIVE = ("input_px", "batch", "accumulate", "hidden", "projection", "checkpoint_every", "fps", "lr")
CONFIG = "config.json"  # of a run
TIMM = "timm:"
DEFAULT_ARCH = "timm:tf_efficientnet_lite0"  # its pretrained weights come with a package
TEMPORAL_MIN_S = 0.5  # nearer moments are the same picture


@dataclass(frozen=True)
class TrainConfig:
    """The settings of one run.

    The fields' docstrings are the help texts of the flags. Source: BYOL, arXiv 2006.07733, section 3.3 and appendix J.
    """

    arch: str = DEFAULT_ARCH
    """Encoder: `timm:NAME`, any convolutional network of timm; `compact` (for small machines); `resnet18-small` (3x3
    stem, for pictures of 32 px), torchvision's `resnet18` and `resnet50`; or your own, `FILE.py:NAME` or
    `MODULE:NAME`: a callable that returns a module."""
    init: str = "auto"
    """Initial weights: `pretrained`, those that the network is published with; a state dict (.pt, .safetensors); `none`
    for random weights; `auto` for pretrained weights where they are available."""
    input_px: int = 96
    """Side of the encoder's square input, pixels."""
    cache_scale: float = 1.15
    """Frames are cached at this many times --input-px, so that crops keep detail."""
    fps: float = 4.0
    """Frames taken from each second of video."""
    teacher: str | None = None
    """An exported encoder (.onnx) to distil: the network also learns to predict its embeddings."""
    steps: int = 900
    """Optimiser steps of the whole run; 0 for none: the initial weights, with a head fitted to the footage."""
    batch: int = 48
    """Pictures per step, over all processes."""
    accumulate: int = 1
    """Split each batch into this many parts (gradient accumulation); batch norm sees one part at a time."""
    camera_batches: bool = False
    """Fill each batch from one camera, so that batch norm in projector and predictor removes what its frames share."""
    novelty: bool = True
    """Show frames in which something changes more often than idle ones, so that quiet hours do not fill the epoch."""
    region_share: float = 0.8
    """Share of each batch that is regions in which something moves, if there are any; the rest is whole frames."""
    track_s: float = 2.5
    """Take the second view of a region from its track, at most this many seconds away; 0 takes the same picture."""
    temporal_s: float = 0.0
    """Take half of the second views of whole frames from another moment, .5 s to this many seconds away; 0 for none."""
    views: Views = "auto"
    """Augmentations: `camera` mimics what happens to a fixed camera (small shifts, zoom, exposure); `photo` is for
    pictures of one thing: smaller crops, mirrors, colours kept; `auto` is `photo` if all sources are images, else
    `camera`. `paper` and `simclr` are for pictures of one object whose colour does not matter; `simclr` draws both
    views from one distribution, without solarisation, and varies saturation more."""
    crop_area_min: float | None = None
    """Smallest share of the picture that a view keeps (the paper's is .08). Default: .3 for `photo`, else .5."""
    blur: bool = True
    """Blur some views. Turn it off for pictures of 32 px, which have little detail to lose."""
    light: LightChoice = "auto"
    """`relative` removes exposure and white balance from each picture; `absolute` keeps them, as pretrained weights
    expect; `auto` follows --init."""
    optimizer: Optimizer = "adamw"
    """LARS is the paper's, for large batches."""
    lr: float | None = None
    """Peak learning rate at a batch of 256; scaled by batch / 256. Default: 2e-3 from loaded weights, 4e-3 from random
    weights."""
    heads_first: int = 60
    """Steps in which projector and predictor train alone, before loaded weights change."""
    frozen_stages: int = 5
    """Freeze this many first stages of a timm network with loaded weights: edges and textures are alike everywhere."""
    frozen_views: int = 16
    """On CPUs: views of each picture that pass the frozen stages once, before training, so that a step computes the
    other stages alone; 0 draws new views at every step."""
    freeze_norms: bool = True
    """Keep the batch norm statistics of loaded weights: a batch of one camera says little about other cameras."""
    weight_decay: float = 1e-4
    """On weights; on biases and normalisation parameters too with --decay-norms."""
    decay_norms: bool = False
    """Apply weight decay to biases and normalisation parameters, as lightly does; the paper does not."""
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises."""
    tau0: float = 0.99
    """Where the target's moving average starts."""
    tau_end: float = 1.0
    """Where the target's moving average ends; equal to --tau0, it is constant."""
    pooled: bool = True
    """Train the mean over the encoder's grid, which `content` is computed from; without it, the whole grid."""
    hidden: int = 1024
    """Width of the hidden layer of projector and predictor (the paper's 4096 is for ImageNet)."""
    projection: int = 256
    """Width of the projection that is compared."""
    head: bool = True
    """Fit linear layers to the footage that suppress what a perturbed camera changes; without them, an embedding is the
    encoder's features in one part."""
    content: int = 192
    """Length of the content part of an embedding: what is shown, wherever it is; 0 for none."""
    layout: int = 128
    """Length of the layout part: what is shown where; 0 for none."""
    colour: int = 64
    """Length of the colour part, at most 64; 0 for none."""
    precision: Precision = "auto"
    """`auto` is bf16 where the device supports it, else fp32."""
    compile: Switch = "auto"
    """torch.compile; `auto` uses it on a GPU if a C compiler is found, with CUDA graphs in a single process."""
    device: Device = "auto"
    """Where to train."""
    seed: int = 0
    """Determines random initial weights, order and views."""
    stop_on_collapse: bool = False
    """Stop with an error when feature_std, the collapse meter, falls below .1."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    monitor_every: int = 200
    """Steps between measurements of the encoder (rank, alignment, uniformity, retrieval); 0 for none."""
    events: str | None = None
    """Labelled intervals of the footage (clip,start_s,end_s,label): the monitor also measures precision@5."""
    labelled: str | None = None
    """A folder or zip of class folders: the monitor also measures kNN accuracy."""

    @property
    def cache_px(self) -> int:
        """Side of the cached frames, pixels."""
        return round(self.input_px * self.cache_scale)

    @property
    def frame_weights(self) -> Weights:
        return frame_weights(self.views)

    def check(self) -> None:
        """Check all values. Raises: ValueError that names the flag whose value is out of range."""
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"--{name.replace('_', '-')} is {value}, expected more than 0")
        for name in ("crop_area_min", "tau0", "tau_end", "warmup", "region_share"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected 0 to 1")
        for name in ("steps", "heads_first", "frozen_stages", "frozen_views", "track_s", "content", "layout", "colour"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected 0 or more")
        if self.head and not (self.content or self.layout):
            raise ValueError("--content and --layout are both 0, expected a length for at least one of them")
        if self.tau_end < self.tau0:
            raise ValueError(f"--tau-end is {self.tau_end}, expected at least --tau0, {self.tau0}")
        if self.temporal_s and self.temporal_s <= TEMPORAL_MIN_S:
            raise ValueError(f"--temporal-s is {self.temporal_s}, expected 0 or more than {TEMPORAL_MIN_S}")
        if self.cache_scale < 1:
            raise ValueError(f"--cache-scale is {self.cache_scale}, expected at least 1")
        if self.batch % self.accumulate:
            raise ValueError(f"--batch is {self.batch}, expected a multiple of --accumulate, {self.accumulate}")
        if self.batch // self.accumulate < 2:
            raise ValueError(
                f"--batch is {self.batch} in {self.accumulate} part(s), expected at least 2 in each:"
                " batch norm needs more than one picture"
            )

    def save(self, path: Path) -> None:
        """Replace a file. Raises: OSError."""
        with durable.replacing(path) as partial:
            partial.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path, arch: str | None = None) -> TrainConfig:
        """Read what `save` wrote.

        arch: an architecture that is code and may run: the file alone is not enough, since building it executes it.
        Raises: TrainingError if the file is missing, was written by another version, or names other code.
        """
        try:
            config = cls(**json.loads(path.read_text()))
            config._check_types()
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(f"{path}: cannot read the run's config ({error})") from error
        if is_code(config.arch) and config.arch != arch:
            code = config.arch.rpartition(":")[0]
            raise TrainingError(
                f"{path}: the run's architecture is code in {code}, which is not executed without permission;"
                f" allow it with `--arch {config.arch}`"
            )
        return config

    def _check_types(self) -> None:
        """Check the types of all fields. Raises: TypeError for a value that no flag would give."""
        for field in dataclasses.fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            kinds = {type(None): (str, int, float, type(None)), float: (int, float)}.get(kind, (kind,))
            if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
                expected = " or ".join(one.__name__ for one in kinds).replace("NoneType", "null")
                raise TypeError(f"{field.name} is {str(value)[:50]!r}, expected {expected}")


def is_code(arch: str) -> bool:
    """Return whether an architecture is a callable of the user's, `FILE.py:NAME` or `MODULE:NAME`."""
    return ":" in arch and not arch.startswith(TIMM)


def frame_weights(views: Views) -> Weights:
    """Return how a search weighs the parts of a whole picture by default."""
    return PHOTO if views == "photo" else FRAME


RECIPE_FOLDER = Path(__file__).parents[1] / "recipes"
RECIPES = sorted(path.stem for path in RECIPE_FOLDER.glob("*.toml"))


def find_recipe(name: str) -> Path:
    """Find a recipe by its name or its path. Raises: TrainingError if there is no such file."""
    path = RECIPE_FOLDER / f"{name}.toml" if name in RECIPES else Path(name)
    if not path.is_file():
        raise TrainingError(f"--recipe {name}: no such file; expected {', '.join(RECIPES)}, or a TOML file")
    return path


def read_recipe(path: Path) -> dict[str, Any]:
    """Read the settings of a recipe. Raises: TrainingError if it is not TOML, or has an unknown setting."""
    try:
        settings = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: cannot read the recipe ({error})") from error
    known = {field.name for field in dataclasses.fields(TrainConfig)}
    if unknown := sorted(settings.keys() - known):
        raise TrainingError(f"{path}: unknown setting {unknown[0]}; expected {', '.join(sorted(known))}")
    if is_code(str(settings.get("arch", ""))):
        raise TrainingError(
            f"{path}: arch is code ({settings['arch']}), which a recipe may not name; give it as --arch"
        )
    return settings
