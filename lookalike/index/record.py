"""A frame as the index holds it, and the payload that an engine stores of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Literal, Self
from uuid import UUID

from lookalike.errors import IndexStoreError
from lookalike.footage import Frame
from lookalike.footage.kinds import is_image
from lookalike.index.clock import utc_day_s, utc_text

FROM_ELSEWHERE = "over HTTP or by an imported table"


@dataclass(frozen=True, kw_only=True)
class HitFrame:
    """What a search reads of each of hundreds of frames: all that moments and hits are made of.

    source_id: SHA-256 of the source's bytes. time_s: seconds since the source's first frame. end_s: the same, when the
    frames that it stands for end. stands_for: how many these are, itself included. captured_at: RFC 3339 UTC, where
    it is known. region: x,y,w,h in shares; None for a whole frame.
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
        """Read what `StoredFrame.to_payload` made. What is not there has its default; fields of others do not count.

        Past `__init__`, which sets one field after the other: a scroll would take 2.5 times as long.
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

    pts_us: as `time_s`, in microseconds, exact. width, height: of the picture as it was recorded, pixels. luma: mean
    brightness, 0 to 255. scene: its number within the source. fault: why there is nothing to be seen. ended_at: as
    `captured_at`, of `end_s`. utc_day_s: seconds since midnight UTC. None is what is not known, or not so.
    remote: its source was named from elsewhere, so that no such path is opened.
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
        """All fields but the id; what is None is not stored, nor is `remote` where it is false."""
        stored = ((name, getattr(self, name)) for name in PAYLOAD_FIELDS)
        return {name: value for name, value in stored if value is not None and value is not False}

    @property
    def kind(self) -> Literal["video", "picture"]:
        """What its source is."""
        return "picture" if is_image(self.source) else "video"

    @property
    def began_at(self) -> str | None:
        """Wall-clock time of the first moment of its source, RFC 3339 UTC, where it is known."""
        if self.captured_at is None:
            return None
        return utc_text(datetime.fromisoformat(self.captured_at) - timedelta(microseconds=self.pts_us))


def renamed(source: str, camera: str, remote: bool | None) -> dict[str, Any]:
    """What of the payloads of a source is another when it is renamed. remote: None leaves it."""
    return {"source": source, "camera": camera} | ({} if remote is None else {"remote": remote})


HIT_FIELDS = tuple(one.name for one in fields(HitFrame) if one.name != "id")
PAYLOAD_FIELDS = tuple(one.name for one in fields(StoredFrame) if one.name != "id")
_REQUIRED: dict[type[HitFrame], Callable[[Mapping[str, Any]], object]] = {
    kind: itemgetter(*(one.name for one in fields(kind) if one.name != "id" and one.default is MISSING))
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
_LARGEST = 2**53  # of a number that JSON readers agree on


def check_payload(payload: Any) -> None:
    """Raises: ValueError for what `to_payload` would not make of a frame that is not marked as `remote`: nothing else
    can be filtered by, or answered as a hit."""
    if missing := sorted(_TYPES.keys() - (payload.keys() if isinstance(payload, dict) else set())):
        raise ValueError(f"a payload has no {missing[0]}")
    for name, value in payload.items():
        kind = (_TYPES | _OPTIONAL).get(name)
        if kind is None:
            raise ValueError(f"unknown payload field {name[:50]!r}")
        if not isinstance(value, kind) or isinstance(value, bool) or (kind is _NUMBER and not abs(value) < _LARGEST):
            raise ValueError(f"{name} of a payload is {str(value)[:50]!r}")
        if name in ("captured_at", "ended_at"):
            datetime.fromisoformat(value)


def is_frame_id(text: str) -> bool:
    """Whether it has the form of an id; there may be no such frame."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
