"""Find the camera of a recording and when it began, from flags, its name or its metadata."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lookalike.files.printable import is_unicode, printable
from lookalike.footage.written_dates import FIRST_YEAR, LAST_YEAR, is_in_range, is_zero_day, of_half_day, zone_of

GROUPS = ("camera", "time", "epoch")
# Digits of a date, of a time after it, and of a fraction of a second, with any separators; a sign would belong to an
# unknown zone. (1) is the number of a copy.
TIME = re.compile(
    r"\D*(\d{4})\D*(\d{2})\D*(\d{2})(?:\D*(\d{2})(\D*)(\d{2})(?:(\D*)(\d{2})(?:[^\d+]*(\d{1,9}))??)?)?"
    r"(?:\s?\(\d+\))?(\D*)",
    re.ASCII,
)
# A time that ends with its zone. After hours and minutes alone, `-0900` is more likely the end of a span: 0800-0900.
# After dashes, `-05` is more likely the seconds.
ZONES = (
    (re.compile(r"(.*\d)[\s_]?(Z|UTC|GMT|(?:UTC|GMT)\s?[+-]\d{1,2}(?:[:.]?\d{2})?)", re.IGNORECASE), 12),
    (re.compile(r"(.*\d)[\s_]?([+]\d{2}(?:[:.]?\d{2})?)"), 12),
    (re.compile(r"(.*\d)[\s_]?(-\d{2}:?\d{2})"), 14),
    (
        re.compile(
            r"(.*(?:\d{8}T\d{4}(?:\d{2}(?:[.,]\d+)?)?|T\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?))(-\d{2}(?::?\d{2})?)"
        ),
        12,
    ),
)
UNKNOWN_ZONE = re.compile(r"[\s_]*[A-Z]{1,4}T")  # CET, EST, CEST: which one that is depends on where
HALF_DAY = re.compile(r"(.*\d)[\s_.-]*([ap])\.?m\.?", re.IGNORECASE)
# The unit of an epoch follows from its size: (less than this, how many make a second). Milliseconds begin in 1973.
EPOCHS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
LEAST_EPOCH = 10**8
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Naming:
    """How sources get their camera and date. camera, captured_at: of every source; they take precedence.

    pattern: searched in each source's path. Its groups are `camera`, `time` (date and time with any separators, and a
    zone if it ends with one) and `epoch` (since 1970, in s, ms, us or ns by its size). zone: of times without one.
    """

    camera: str | None = None
    captured_at: datetime | None = None
    pattern: re.Pattern[str] | None = None
    zone: tzinfo = field(default=UTC)

    def camera_of(self, paths: str | Sequence[str], otherwise: str) -> str:
        """Return the camera of a source, in Unicode NFC, so that a name is the same however it was typed.

        paths: names of the source; the first that the pattern matches counts. otherwise: the default.
        """
        return unicodedata.normalize("NFC", self.camera or self._groups(paths).get("camera") or otherwise)

    def captured_of(self, paths: str | Sequence[str]) -> datetime | None:
        """Return when a recording began, in UTC; None if neither the flag nor its name says. paths: as for `camera_of`.

        A date such as 1970-01-01, from a clock that was not set, is ignored.
        Raises: ValueError that names the path, if its time is invalid.
        """
        if self.captured_at:
            return self.in_utc(self.captured_at)
        groups, path = self._groups(paths), paths if isinstance(paths, str) else paths[-1]
        if epoch := groups.get("epoch"):
            return _read_epoch(epoch, path)
        written = groups.get("time")
        try:
            moment = _read_time(written) if written else None
            return self.in_utc(moment) if moment and not is_zero_day(moment) else None
        except ValueError:
            expected = "YYYYMMDD, and hhmm or hhmmss after it, and a zone after that"
            raise ValueError(
                f"{path}: the group `time` of --name-pattern found {written!r}, expected {expected}"
            ) from None

    def in_utc(self, moment: datetime) -> datetime:
        """Convert a time to UTC, from `zone` if it has none. Raises: ValueError at the ends of the calendar."""
        try:
            return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"{moment} is out of range") from error

    def matches(self, paths: str | Sequence[str]) -> bool:
        """Whether the pattern, if any, matches any of these names of a source."""
        return self.pattern is None or bool(self._groups(paths))

    def _groups(self, paths: str | Sequence[str]) -> dict[str, str | None]:
        for path in (paths,) if isinstance(paths, str) else paths:
            if self.pattern and (match := self.pattern.search(unicodedata.normalize("NFC", path))):
                return match.groupdict()
        return {}


def clip_of(source: str) -> str:
    """Return the file name of a recording, as in events.csv and tracks.csv, in Unicode NFC."""
    return unicodedata.normalize("NFC", Path(source).name)


@dataclass(frozen=True)
class NamingFlags:
    """The flags for cameras and times. The fields' docstrings are the help texts."""

    camera: str | None = None
    """Name of the camera. Default: from --name-pattern, else the sub-folder of the SOURCE, else the name of the video.
    It does not depend on how the SOURCE is written: cams, ./cams/ or /data/cams."""
    captured_at: str | None = None
    """When each source began (ISO 8601). Default: from --name-pattern, else the file's metadata."""
    name_pattern: str | None = None
    """Regular expression searched in paths, with groups camera, time (20260105_080000, also with a zone, as
    20260105T080000+0100) or epoch (s, ms, us or ns since 1970). Files whose time does not parse are skipped by name."""
    zone: str = "UTC"
    """Zone of times in names and files that state none, such as Europe/Zurich."""

    def read(self) -> Naming:
        """Parse the flags. Raises: ValueError that names the invalid flag."""
        if self.camera and not is_unicode(self.camera):
            raise ValueError(f"--camera is '{printable(self.camera)}', expected UTF-8")
        return Naming(self.camera, _moment(self.captured_at), _compiled(self.name_pattern), _zone(self.zone))


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ValueError(f"--captured-at is {text!r}, expected a date and time such as 2026-01-05T08:00:00") from None
    if moment and not is_in_range(moment):
        raise ValueError(f"--captured-at is {text!r}, expected a year from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(unicodedata.normalize("NFC", pattern))
    except re.error as error:
        raise ValueError(f"--name-pattern is {pattern!r}, expected a regular expression ({error})") from None
    if not set(GROUPS) & set(compiled.groupindex):
        raise ValueError(f"--name-pattern is {pattern!r}, expected a group such as (?P<time>...) or (?P<camera>...)")
    return compiled


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"--zone is {name!r}, expected one such as Europe/Zurich or UTC") from None


def _read_time(text: str) -> datetime:
    """Read a date, or a date and time. Raises: ValueError for other texts."""
    text = text.replace("\N{MINUS SIGN}", "-")
    zone: tzinfo | None = None
    for pattern, least_digits in ZONES:
        match = pattern.fullmatch(text)
        if match and len(_digits(match[1])) >= least_digits and (zone := zone_of(match[2])):
            text = match[1]
            break
    half = HALF_DAY.fullmatch(text)
    match = TIME.fullmatch(half[1] if half else text)
    if not match:
        raise ValueError("no date")
    *date, hour, after_hour, minute, after_minute, second, fraction, rest = match.groups()
    if second and after_minute and not after_hour:
        raise ValueError("no seconds: 0800-0900 is a span of hours")
    if hour and not zone and UNKNOWN_ZONE.fullmatch(rest):
        raise ValueError("unknown zone")
    time = (int(part or "0") for part in (*date, hour, minute, second, (fraction or "0")[:6].ljust(6, "0")))
    moment = datetime(*time, tzinfo=zone)  # type: ignore[misc]
    if not is_in_range(moment):
        raise ValueError("year out of range")
    return of_half_day(moment, half[2]) if half else moment


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _read_epoch(text: str, path: str) -> datetime:
    """Read a time since 1970. Raises: ValueError that names the path."""
    try:
        value = Decimal(text)
        per_second = next(per_second for limit, per_second in EPOCHS if LEAST_EPOCH <= value < limit)
        moment = EPOCH + timedelta(microseconds=int(value * 1_000_000 / per_second))
        if not is_in_range(moment):
            raise ValueError("year out of range")
        return moment
    except (InvalidOperation, StopIteration, OverflowError, ValueError):
        expected = "seconds since 1970 (10 digits), or ms (13), us (16) or ns (19)"
        raise ValueError(f"{path}: the group `epoch` of --name-pattern found {text!r}, expected {expected}") from None
