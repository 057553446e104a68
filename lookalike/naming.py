"""Which camera a recording is of and when it began, read from its name, its metadata, or told by a flag."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

GROUPS = ("camera", "time", "epoch")
FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits


@dataclass(frozen=True)
class Naming:
    """camera, captured_at: of every source; they come first.

    pattern: searched in each source's path; its groups `camera`, `time` (date and time, whatever stands between the
    digits) and `epoch` (seconds since 1970) say what they find. zone: of times that state none.
    """

    camera: str | None = None
    captured_at: datetime | None = None
    pattern: re.Pattern[str] | None = None
    zone: tzinfo = field(default=UTC)

    def camera_of(self, path: str, otherwise: str) -> str:
        """otherwise: the camera of a path that says nothing."""
        return self.camera or self._groups(path).get("camera") or otherwise

    def captured_of(self, path: str) -> datetime | None:
        """When the recording at a path began, in UTC; None if neither the flag nor its name says."""
        groups = self._groups(path)
        if self.captured_at:
            return self.in_utc(self.captured_at)
        if epoch := groups.get("epoch"):
            return datetime.fromtimestamp(float(epoch), UTC)
        found = groups.get("time")
        return self.in_utc(_read_time(found, path)) if found else None

    def in_utc(self, moment: datetime) -> datetime:
        """A time that states no zone is of `zone`."""
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)

    def _groups(self, path: str) -> dict[str, str | None]:
        found = self.pattern.search(path) if self.pattern else None
        return found.groupdict() if found else {}


@dataclass(frozen=True)
class NamingFlags:
    """What a user says of cameras and times. The fields' docstrings are the help texts of the flags."""

    camera: str | None = None
    """Name of the camera; else the pattern says, or the sub-folder, or a video's own name."""
    captured_at: str | None = None
    """When each source began (ISO 8601); else the pattern says, or the metadata inside."""
    name_pattern: str | None = None
    """Regular expression searched in paths, with groups camera, time (20260105_080000) or epoch (seconds)."""
    zone: str = "UTC"
    """Zone of times that state none, such as Europe/Zurich."""

    def read(self) -> Naming:
        """Raises: ValueError that names the flag that is wrong."""
        return Naming(self.camera, _moment(self.captured_at), _compiled(self.name_pattern), _zone(self.zone))

    def matches(self, path: str) -> bool:
        return self.name_pattern is not None and re.search(self.name_pattern, path) is not None


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ValueError(f"--captured-at is {text!r}, expected a date and time such as 2026-01-05T08:00:00") from None


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"--name-pattern is {pattern!r}, no regular expression ({error})") from None
    if not set(GROUPS) & set(compiled.groupindex):
        raise ValueError(f"--name-pattern is {pattern!r}, expected a group such as (?P<time>...) or (?P<camera>...)")
    return compiled


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"--zone is {name!r}, expected one such as Europe/Zurich or UTC") from None


def _read_time(text: str, path: str) -> datetime:
    """Raises: ValueError if the digits are no date."""
    digits = re.sub(r"\D", "", text)
    try:
        if len(digits) > 14:  # a fraction of a second
            return datetime.strptime(f"{digits[:14]}.{digits[14:20]}", "%Y%m%d%H%M%S.%f")
        return datetime.strptime(digits, FORMATS[len(digits)])
    except (KeyError, ValueError):
        expected = "YYYYMMDD, and hhmm or hhmmss after it"
        raise ValueError(f"{path}: the group `time` of --name-pattern found {text!r}, expected {expected}") from None
