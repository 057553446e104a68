"""What a job over footage did, in numbers that add up."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lookalike.footage import Ended, Frame, Skipped

NAMED_ROWS = 5  # of a table, of those that are refused


@dataclass
class Summary:
    """What a job did. frames: read. added: newly stored, with their regions. skipped: what could not be read.

    regions: parts of frames among what was read. regions_s: seconds of work on them: to find, to cut and to embed them.

    refused: rows of tables that were left out.

    black, frozen: frames that show nothing. damaged: packets or frames that did not decode. All of what was read now.
    not_footage, system, excluded: entries of folders and zips that are not sources: by what they are, since the system
    keeps them there, or by a flag. Together with the sources these are all entries.
    clock_restarts: how often the clock of a recording restarted or was set back; its times continue there.
    """

    sources: int = 0
    frames: int = 0
    added: int = 0
    black: int = 0
    frozen: int = 0
    damaged: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    regions: int = 0
    regions_s: float = 0.0
    refused: int = 0
    not_footage: int = 0
    system: int = 0
    excluded: int = 0
    clock_restarts: int = 0

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in dataclasses.fields(self)}
        )

    def saw(self, frames: Sequence[Frame]) -> None:
        faults = [frame.fault for frame in frames if frame.region is None]
        self.frames += len(faults)
        self.regions += len(frames) - len(faults)
        self.black += faults.count("black")
        self.frozen += faults.count("frozen")

    def refuse(self, path: Path, rows: Mapping[int, str]) -> None:
        """rows: of a table, by number from 0, why they are left out; the first few are named."""
        named = list(rows.items())[: max(NAMED_ROWS - self.refused, 0)]
        self.skipped += [Skipped(f"{path}, row {number}", reason, 0) for number, reason in named]
        self.refused += len(rows)

    def ended(self, ended: Ended) -> None:
        self.damaged += ended.damaged
        self.regions_s += ended.regions_s
        self.clock_restarts += ended.clock_restarts
        if ended.reason:
            self.skipped.append(Skipped(ended.source.name, ended.reason, ended.frames))

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
