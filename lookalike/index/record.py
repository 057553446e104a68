"""A frame as the index holds it, and its payload in an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Literal, Self
from uuid import UUID

from lookalike.errors import IndexStoreError
from lookalike.files.printable import short
from lookalike.footage import Frame
from lookalike.footage.kinds import is_image
from lookalike.footage.written_dates import FIRST_YEAR, LAST_YEAR, is_in_range
from lookalike.index.clock import utc_day_s, utc_text
from lookalike.region import Region

FROM_ELSEWHERE = "over HTTP or by an imported table"


@dataclass(frozen=True, kw_only=True)
class HitFrame:
    """The fields that a search reads of hundreds of frames, to make moments and hits.

    source_id: SHA-256 of the source's bytes. time_s: seconds since the source's first frame. end_s: the end of the
    segment that it stands for. stands_for: how many frames that is, itself included. captured_at: RFC 3339 UTC, if
    known. region: x,y,w,h in shares; None for a whole frame.
    """

    id: str
    source: str
    source_id: str
    camera: str
    time_s: float
    end_s: float
    stands_for: int
    captured_at: str | None = None
    region: str | None = None

    @classmethod
    def from_payload(cls, frame_id: str, payload: Mapping[str, Any]) -> Self:
        """Read what `StoredFrame.to_payload` wrote. Missing optional fields get their default.

        This bypasses `__init__`, with which a scroll would take 2.5 times as long.
        Raises: IndexStoreError if a field is missing.
        """
        try:
            _REQUIRED[cls](payload)
        except KeyError as error:
            raise IndexStoreError(f"frame {frame_id}: not stored as frames are (no {error}); index it again") from None
        frame = object.__new__(cls)
        values = frame.__dict__
        values.update(payload)
        values["id"] = frame_id
        return frame


@dataclass(frozen=True, kw_only=True)
class StoredFrame(HitFrame):
    """A frame, or a region of one, as the index holds it.

    pts_us: as `time_s`, in microseconds, exact. width, height: of the recorded picture, pixels. luma: mean brightness,
    0 to 255. scene: its number within the source. fault: why the picture shows nothing. ended_at: as `captured_at`, for
    `end_s`. utc_day_s: seconds since midnight UTC. None: unknown, or not applicable. remote: its source was named from
    elsewhere, so its path is not opened.
    """

    pts_us: int
    width: int
    height: int
    luma: float
    scene: int | None = None
    fault: str | None = None
    ended_at: str | None = None
    utc_day_s: float | None = None
    remote: bool = False

    @classmethod
    def from_frame(cls, frame: Frame, remote: bool = False) -> Self:
        end_us, captured_at = frame.pts_us if frame.end_us is None else frame.end_us, frame.captured_at
        ended_at = captured_at and captured_at + timedelta(microseconds=end_us - frame.pts_us)
        return cls(
            id=frame.id,
            source=frame.source,
            source_id=frame.source_id,
            camera=frame.camera,
            time_s=frame.time_s,
            pts_us=frame.pts_us,
            end_s=end_us / 1e6,
            stands_for=frame.stands_for,
            width=frame.size_px[0],
            height=frame.size_px[1],
            luma=frame.luma,
            scene=frame.scene,
            fault=frame.fault,
            region=str(frame.region) if frame.region else None,
            captured_at=utc_text(captured_at) if captured_at else None,
            ended_at=utc_text(ended_at) if ended_at else None,
            utc_day_s=utc_day_s(captured_at) if captured_at else None,
            remote=remote,
        )

    def to_payload(self) -> dict[str, Any]:
        """Return all fields except the id. None is not stored, and neither is `remote` if it is false."""
        stored = ((name, getattr(self, name)) for name in PAYLOAD_FIELDS)
        return {name: value for name, value in stored if value is not None and value is not False}

    @property
    def kind(self) -> Literal["video", "picture"]:
        """The kind of its source."""
        return "picture" if is_image(self.source) else "video"

    @property
    def began_at(self) -> str | None:
        """Wall-clock time of the first frame of its source, RFC 3339 UTC, if known."""
        if self.captured_at is None:
            return None
        return utc_text(datetime.fromisoformat(self.captured_at) - timedelta(microseconds=self.pts_us))


def renamed(source: str, camera: str, remote: bool | None) -> dict[str, Any]:
    """Return the payload fields to change when a source is renamed. remote: None leaves it."""
    return {"source": source, "camera": camera} | ({} if remote is None else {"remote": remote})


HIT_FIELDS = tuple(field.name for field in fields(HitFrame) if field.name != "id")
PAYLOAD_FIELDS = tuple(field.name for field in fields(StoredFrame) if field.name != "id")
_REQUIRED: dict[type[HitFrame], Callable[[Mapping[str, Any]], object]] = {
    kind: itemgetter(*(field.name for field in fields(kind) if field.name != "id" and field.default is MISSING))
    for kind in (HitFrame, StoredFrame)
}

_TEXT, _NUMBER = str, (int, float)
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("source", "source_id", "camera"), _TEXT),
    **dict.fromkeys(("time_s", "pts_us", "end_s", "stands_for", "width", "height", "luma"), _NUMBER),
}
_OPTIONAL: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("fault", "region", "captured_at", "ended_at"), _TEXT),
    **dict.fromkeys(("scene", "utc_day_s"), _NUMBER),
}
_LARGEST = 2**53  # above it, JSON readers round


def check_payload(payload: Any) -> None:
    """Check a payload from elsewhere. Raises: ValueError for what `to_payload` does not write for a local frame."""
    if missing := sorted(_TYPES.keys() - (payload.keys() if isinstance(payload, dict) else set())):
        raise ValueError(f"a payload has no {missing[0]}")
    for name, value in payload.items():
        kind = (_TYPES | _OPTIONAL).get(name)
        if kind is None:
            raise ValueError(f"unknown payload field {name[:50]!r}")
        if not isinstance(value, kind) or isinstance(value, bool) or (kind is _NUMBER and not abs(value) < _LARGEST):
            raise ValueError(f"{name} of a payload is {short(value)!r}")
        if name in ("captured_at", "ended_at") and not is_in_range(datetime.fromisoformat(value)):
            raise ValueError(f"{name} of a payload is {value[:50]!r}, expected {FIRST_YEAR} to {LAST_YEAR}")
        if name == "region":
            Region.parse(value)


def is_frame_id(text: str) -> bool:
    """Whether a text has the form of a frame's id; the frame may not exist."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
