"""What can be found out about a machine and an index before something goes wrong, and what to do about it."""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lookalike.errors import IndexInUse, IndexUnavailable, LookalikeError
from lookalike.proxy_encoders import SETTINGS as PROXY_ENCODERS

State = Literal["good", "warning", "bad"]

PACKAGES = (
    "lookalike",
    "onnxruntime-gpu",
    "qdrant-edge-py",
    "qdrant-client",
    "av",
    "pillow",
    "numpy",
    "bentoml",
    "torch",
)
# The FFmpeg that this version was tested with, in the wheel of `av` that is pinned. Older than 8.1, a file of encrypted
# subsamples can write outside of memory: CVE-2026-40962.
FFMPEG_TESTED, FFMPEG_LEAST = (8, 1, 2), (8, 1)
DECODERS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg")
LEAST_FREE_BYTES = 2 * 1024**3  # a graph that is rebuilt needs as much again as the index
NOT_READ = "check the path, and what this account may read"
RELEASED = datetime(2026, 11, 1, tzinfo=UTC)  # a clock that is earlier is wrong
AHEAD = timedelta(days=1)
TIME_ERROR, TIMEX_LONGS = 5, 64  # Source: adjtimex(2); its structure has 26 longs or fewer


@dataclass(frozen=True)
class Finding:
    """what: what was looked at. text: what was found. advice: what to do, where it is not good."""

    what: str
    state: State
    text: str
    advice: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(encoder: Path | None, index: str | None, folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Yield a finding at a time. folders: by name, where something is written."""
    yield from check_versions()
    yield check_providers()
    yield from check_codecs()
    yield from (check_disk(name, folder) for name, folder in folders.items())
    yield check_temporary()
    yield check_clock(datetime.now(UTC), is_clock_synchronised())
    if encoder:
        yield check_encoder(encoder)
    if index and "://" in index:
        yield from check_index(index)
    elif index:
        yield from check_folder(index)


def check_versions() -> Iterator[Finding]:
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    good = sys.version_info >= (3, 11)
    yield Finding("python", "good" if good else "bad", python, "" if good else "install Python 3.11 or newer")
    found = {name: version for name in PACKAGES if (version := _version(name))}
    yield Finding("packages", "good", ", ".join(f"{name} {version}" for name, version in found.items()))


def check_providers() -> Finding:
    """Which hardware can run the encoder."""
    import onnxruntime as ort

    from lookalike import runtime

    available = [device for device, provider in runtime.PROVIDERS.items() if provider in ort.get_available_providers()]
    text = f"--device auto takes {runtime.pick('auto')}; this onnxruntime knows {', '.join(available)}"
    if runtime.has_nvidia_driver() and runtime.pick("auto") == "cpu":
        return Finding("providers", "warning", f"an NVIDIA driver is loaded, but {text}", runtime.REMEDIES["cuda"])
    return Finding("providers", "good", text)


def check_codecs() -> Iterator[Finding]:
    import av

    version = str(av.ffmpeg_version_info)
    number = _number(version)
    text = f"FFmpeg {version}, in av {av.__version__}"
    if number and number < FFMPEG_LEAST:
        yield Finding("ffmpeg", "bad", f"{text}: it has known faults", "upgrade the package av before opening footage")
    elif number and number < FFMPEG_TESTED:
        tested = ".".join(map(str, FFMPEG_TESTED))
        yield Finding("ffmpeg", "warning", f"{text}: older than {tested}", "upgrade the package av")
    else:
        yield Finding("ffmpeg", "good", text)
    missing = [name for name in DECODERS if name not in av.codecs_available]
    if missing:
        yield Finding("decoders", "warning", f"{', '.join(missing)} missing", "install the wheel of av, not a build")
    else:
        yield Finding("decoders", "good", ", ".join(DECODERS))
    encoders = [name for name in PROXY_ENCODERS if name in av.codecs_available]
    if encoders:
        yield Finding("playback", "good", f"what browsers do not play can be encoded by {', '.join(encoders)}")
    else:
        text = f"{', '.join(PROXY_ENCODERS)} missing: only what browsers play is played"
        yield Finding("playback", "warning", text, "install the wheel of av, not a build")


def check_disk(name: str, folder: Path) -> Finding:
    """folder: it may not exist yet; the nearest one above counts."""
    what = f"disk: {name}"
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        usage = shutil.disk_usage(there)
    except OSError as error:
        return Finding(what, "bad", f"{folder}: {error.strerror}", "check the disk that it is on")
    text = f"{folder}: {usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB are free"
    if usage.free < LEAST_FREE_BYTES:
        return Finding(what, "warning", text, "free some space, or choose a folder on another disk")
    return Finding(what, "good", text)


def check_temporary() -> Finding:
    """The folder for temporary files, which a container without a writable file system has only if it is given one."""
    try:
        return check_disk("temporary", Path(tempfile.gettempdir()))
    except FileNotFoundError as error:
        return Finding("disk: temporary", "bad", str(error.strerror), "set TMPDIR to a folder that can be written")


def check_clock(now: datetime, synchronised: bool | None) -> Finding:
    """synchronised: whether the system keeps the clock right; None if unknown."""
    text = f"{now.isoformat(timespec='seconds')}, local zone {time.tzname[0]}"
    if now < RELEASED:
        advice = "set the clock (NTP): when live footage was taken is read from it"
        return Finding("clock", "bad", f"{text}: earlier than this version", advice)
    if synchronised is False:
        advice = "run an NTP client, such as chrony: when live footage was taken is read from the clock"
        return Finding("clock", "warning", f"{text}: not synchronised", advice)
    return Finding("clock", "good", text if synchronised is None else f"{text}, synchronised")


def is_clock_synchronised() -> bool | None:
    """Ask the kernel whether an NTP client keeps its clock right. None where it cannot be asked: outside Linux."""
    try:
        state = ctypes.CDLL(None).adjtimex((ctypes.c_long * TIMEX_LONGS)())  # zeros: nothing is changed
    except (AttributeError, OSError, TypeError):
        return None
    return None if state < 0 else state != TIME_ERROR


def check_encoder(path: Path) -> Finding:
    """Load it, and embed a picture: damaged weights do not show in its metadata."""
    from lookalike.encoder import Encoder

    try:
        encoder = Encoder(path, "cpu")
        spec = encoder.spec
        encoder.embed(np.zeros((1, spec.input_px, spec.input_px, 3), np.uint8))
    except LookalikeError as error:
        return Finding("encoder", "bad", str(error), "export it again with `lookalike export`")
    except OSError as error:
        return Finding("encoder", "bad", f"{path}: {error.strerror}", NOT_READ)
    return Finding("encoder", "good", f"{path}: {spec.name}, {spec.input_px} px, {spec.dim} numbers, {spec.precision}")


def check_folder(folder: str) -> Iterator[Finding]:
    """Look at an embedded index in a process apart: its files are mapped, and a damaged one may end who reads it."""
    command = [sys.executable, "-m", "lookalike.doctor", folder]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    yield from (Finding(**json.loads(line)) for line in done.stdout.splitlines())
    if done.returncode:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
        yield Finding("index", "bad", f"{folder}: damaged; reading it ended the process ({how})", "restore a snapshot")


def check_index(location: str) -> Iterator[Finding]:
    from lookalike.index import open_index
    from lookalike.index.maintenance import stats, verify

    try:
        with open_index(location) as index:
            cameras, verdict = stats(index), verify(index)
    except IndexInUse as error:
        yield Finding("index", "warning", str(error), "ask the service instead: --index URL")
        return
    except IndexUnavailable as error:
        yield Finding("index", "bad", str(error), "check that the server runs, and that this machine reaches it")
        return
    except LookalikeError as error:
        is_folder = "://" not in location
        advice = "restore a snapshot, or index the footage again" if is_folder else "check the URL, and the API key"
        yield Finding("index", "bad", str(error), advice)
        return
    except OSError as error:
        yield Finding("index", "bad", f"{location}: {error.strerror}", NOT_READ)
        return
    text = f"{location}: {verdict.frames:,} frames and regions of {verdict.sources:,} sources, {len(cameras)} cameras"
    lost = f"{len(verdict.gone)} sources are gone, {len(verdict.short)} have fewer frames than were stored"
    advice = f"lookalike verify --index {location} names them"
    if verdict.short:  # frames are lost, and these sources are not read again
        yield Finding("index", "bad", f"{text}; {lost}", f"{advice}; restore a snapshot, or index these again")
    elif verdict.gone:
        yield Finding("index", "warning", f"{text}; {lost}", advice)
    else:
        yield Finding("index", "good", text)
    latest = max((datetime.fromisoformat(camera.last) for camera in cameras if camera.last), default=None)
    if latest and latest > datetime.now(UTC) + AHEAD:
        ahead = f"the latest frame is of {latest.isoformat(timespec='seconds')}, in the future"
        yield Finding("dates", "warning", ahead, "check the clocks of the cameras, and of this machine")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _number(version: str) -> tuple[int, ...]:
    """(8, 1, 2) of "8.1.2" and of "n8.1.2-3-gabc"; nothing of a build that does not say."""
    digits = version.lstrip("n").split("-")[0].split(".")
    return tuple(int(part) for part in digits) if all(part.isdecimal() for part in digits) else ()


if __name__ == "__main__":
    for finding in check_index(sys.argv[1]):
        print(json.dumps(finding.to_dict()))
