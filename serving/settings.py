"""What the service is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from lookalike.contract import RunDevice
from lookalike.errors import DeviceError

DEFAULT_ENCODER = Path(__file__).resolve().parents[1] / "encoder.onnx"  # beside this package, as a bento has it


@dataclass(frozen=True)
class Settings:
    """encoder: an ONNX file. index: a folder, a Qdrant URL, or None for a service without search."""

    encoder: Path
    index: str | None
    device: RunDevice

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read LOOKALIKE_ENCODER, LOOKALIKE_INDEX and LOOKALIKE_DEVICE; an empty one counts as not set.

        Raises: DeviceError if the device is none that we know.
        """
        device = env.get("LOOKALIKE_DEVICE") or "auto"
        if device not in get_args(RunDevice):
            raise DeviceError(f"LOOKALIKE_DEVICE is {device!r}, expected one of {', '.join(get_args(RunDevice))}")
        return cls(
            Path(env.get("LOOKALIKE_ENCODER") or DEFAULT_ENCODER),
            env.get("LOOKALIKE_INDEX") or None,
            cast(RunDevice, device),
        )

    def to_env(self) -> dict[str, str]:
        """The same settings for a process in another folder: every path absolute."""
        is_folder = self.index is not None and "://" not in self.index
        index = str(Path(self.index).absolute()) if self.index and is_folder else self.index
        return {
            "LOOKALIKE_ENCODER": str(self.encoder.absolute()),
            "LOOKALIKE_INDEX": index or "",
            "LOOKALIKE_DEVICE": self.device,
        }
