"""The spec of an encoder: one JSON entry in the metadata of its ONNX file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lookalike.errors import EncoderError
from lookalike.files.printable import short
from lookalike.parts import CROP, FRAME, Part, PartName, Weights

Device = Literal["auto", "cpu", "cuda"]  # where torch runs; auto takes a GPU when there is one
RunDevice = Literal["auto", "cpu", "cuda", "tensorrt", "openvino"]  # where an exported encoder runs, see runtime.py
Precision = Literal["fp32", "fp16", "int8"]  # what the network computes in; input and output are the same for all

METADATA_KEY = "lookalike"
DIGEST_KEY = "lookalike_graph_sha256"  # of the graph as it is written: a file that was damaged is not taken
FORMAT_VERSION = 1
INPUT_NAME = "pixels"  # uint8 (N, S, S, 3) RGB
LONGEST_NAME = 200  # characters of an encoder's name, which messages and file names show
OUTPUT_NAME = "embedding"  # float32 (N, D), unit length
# Squash the whole picture to a square, antialiased, averaging whole pixels first; decode a JPEG at twice the side or
# more: see pixels.py.
RESIZE_RULE = "squash-bilinear-gap3-jpeg2"


@dataclass(frozen=True)
class EncoderSpec:
    """What an exported encoder is, and how pictures must be prepared for it.

    input_px: side S of the square input, pixels. dim: length D of an embedding.
    weights_sha256: hex digest of the weights. steps, frames: what it was trained on.
    precision: what its network computes in; for int8, the digest is of the quantised weights.
    arch, light, whitened: what it was built from, as in training.config; empty for an encoder from elsewhere.
    parts: of an embedding, in order; empty if it has no parts. crop, frame: their default weights in a search by a
    region and by a whole picture. fitted_to: the footage that its head was fitted to, in words.
    parity: how well it agreed with the PyTorch encoder when it was exported, see exporters.parity.
    """

    name: str
    input_px: int
    dim: int
    weights_sha256: str
    steps: int
    frames: int
    precision: Precision = "fp32"
    arch: str = ""
    light: str = ""
    whitened: bool = False
    parts: tuple[Part, ...] = ()
    crop: Weights = CROP
    frame: Weights = FRAME
    fitted_to: str = ""
    parity: dict[str, Any] = field(default_factory=dict)
    resize: str = RESIZE_RULE
    format_version: int = FORMAT_VERSION

    @property
    def space(self) -> str:
        """Name of the vector space. Embeddings can be compared only if it is equal.

        Made from the weights' digest, the preprocessing and the precision, so an index refuses queries from other
        encoders.
        """
        identity = f"{self.weights_sha256}|{self.input_px}|{self.resize}|{self.precision}"
        return f"{self.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    def _check(self) -> None:
        """Check the values. Raises: ValueError, TypeError for a value that no export writes."""
        bounds = {"input_px": (1, 4096), "dim": (1, 65_536), "steps": (0, 2**53), "frames": (0, 2**53)}
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"{name} is {short(value)!r}, expected {least:,} to {most:,}")
        for name in ("name", "weights_sha256", "precision", "arch", "light", "fitted_to", "resize"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is {short(getattr(self, name))!r}, expected text")
            getattr(self, name).encode()  # fails for lone surrogates, which JSON can spell
        if not self.name.isprintable() or len(self.name) > LONGEST_NAME:
            raise ValueError(f"name is {short(self.name)!r}, expected at most {LONGEST_NAME} printable characters")
        if type(self.whitened) is not bool or type(self.parity) is not dict:
            raise TypeError("whitened is not true or false, or parity is not an object")
        self._check_parts()

    def _check_parts(self) -> None:
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names) or set(names) - set(get_args(PartName)):
            raise ValueError(f"its parts are {short(names)}, expected some of {', '.join(get_args(PartName))}")
        if any(type(part.dim) is not int or part.dim < 1 for part in self.parts):
            raise ValueError(f"its parts have {short([part.dim for part in self.parts])} numbers, expected 1 or more")
        if self.parts and (total := sum(part.dim for part in self.parts)) != self.dim:
            raise ValueError(f"its parts have {total} numbers, expected {self.dim}")

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self) | {"space": self.space}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str) -> EncoderSpec:
        """Read the spec that `to_json` wrote.

        Raises: EncoderError, naming `where`, if the entry is of another format or incomplete.
        """
        try:
            entry = json.loads(text)
            version = entry.pop("format_version")
            if version != FORMAT_VERSION:
                raise EncoderError(
                    f"{where}: encoder format {short(version)}, expected {FORMAT_VERSION};"
                    " export it again with this version"
                )
            entry.pop("space")
            entry["parts"] = tuple(Part(**part) for part in entry.get("parts", ()))
            entry |= {name: Weights(**entry[name]) for name in ("crop", "frame") if name in entry}
            spec = cls(**entry)
            spec._check()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = " ".join(str(error).split())[:200]  # it may quote a name of the file
            raise EncoderError(f"{where}: unreadable encoder metadata ({why}); export it again") from error
        if spec.resize != RESIZE_RULE:
            raise EncoderError(
                f"{where}: resize rule {spec.resize[:50]!r}, this version knows {RESIZE_RULE!r}; export it again"
            )
        return spec
