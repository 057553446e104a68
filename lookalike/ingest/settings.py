"""How footage is ingested, as one value: the same for a file, an index, a watch and a reindex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from lookalike.footage.sampling import ALL, Sampling
from lookalike.footage.sampling import USUAL as USUAL_SAMPLING


def _check(type_: type[Sampling], sampling: Sampling) -> None:
    sampling.check()


@dataclass(frozen=True)
class IngestSettings:
    """Which frames are taken, and how they are batched and stored.

    The docstrings of `Sampling`'s fields are the help texts of the flags. The other fields are not flags.
    """

    sampling: Annotated[Sampling, Parameter(name="*", group="Which frames", validator=_check)] = USUAL_SAMPLING
    batch_frames: Annotated[int, Parameter(parse=False)] = 32
    """Frames in one run of the encoder."""
    queue_frames: Annotated[int, Parameter(parse=False)] = 128
    """Small frames that wait for the encoder: this bounds memory, whatever the length of the footage."""
    flush_batches: Annotated[int, Parameter(parse=False)] = 64
    """Batches after which an index is made durable."""
    flush_s: Annotated[float, Parameter(parse=False)] = 30.0
    """Seconds after which it is, also where a stream gives few frames."""


USUAL = IngestSettings()
WHOLE_FRAMES = IngestSettings(ALL)  # every frame, without its regions
