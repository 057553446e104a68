"""Settings of the service, from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from lookalike.contract import RunDevice
from lookalike.errors import DeviceError, IndexStoreError, LookalikeError
from lookalike.index.embedded.disk_space import MIN_FREE_MB, read_min_free
from lookalike.index.embedded.disk_space import VARIABLE as MIN_FREE
from lookalike.keys import VARIABLE as KEYS
from lookalike.keys import is_content, usual_file
from lookalike.proxy_encoders import ProxyEncoder
from serving.auth.hosts import allowed_name
from serving.http.limits import MAX_WAIT_S, TIMEOUT_S
from serving.log import VARIABLE as LOG_FORMAT
from serving.log import LogFormat, read_log_format

OFF = "off"  # LOOKALIKE_AUDIT_LOG for no log
DEFAULT_ENCODER = Path(__file__).resolve().parents[1] / "encoder.onnx"  # next to this package, as in a bento


@dataclass(frozen=True, kw_only=True)
class Settings:
    """encoder: an ONNX file. index: a folder, a Qdrant URL, or None for a service without search.

    workers: processes that serve, which share the cores. writable: clients may add and remove frames.
    cache: the folder of thumbnails, proxies and uploaded pictures.
    url: of the service, noted in an embedded index for processes that find it in use; empty if unknown.
    max_wait_s: how long a request may wait for its turn. min_free_mb: room on the disk of an embedded index, MiB, below
    which nothing is written to it.
    host: address that it listens on; empty if unknown. allowed_hosts: further names that clients reach it by.
    keys: the file of keys, or its content; empty for the usual file. audit_log: a folder; None for no log.
    log_format: of the lines of the log. proxy_encoder: None for the first that this FFmpeg has.
    """

    encoder: Path
    index: str | None
    device: RunDevice
    workers: int = 1
    writable: bool = False
    cache: Path = field(default_factory=lambda: default_cache(os.environ))
    url: str = ""
    max_wait_s: float = MAX_WAIT_S
    min_free_mb: int = MIN_FREE_MB
    host: str = ""
    allowed_hosts: tuple[str, ...] = ()
    keys: str = ""
    audit_log: Path | None = None
    log_format: LogFormat = "text"
    proxy_encoder: ProxyEncoder | None = None

    @property
    def embedded(self) -> bool:
        """Whether the index is a folder, which one process opens at a time."""
        return self.index is not None and "://" not in self.index

    @property
    def threads(self) -> int | None:
        """Cores for one run of the encoder in one worker; None for all."""
        return max(1, (os.cpu_count() or 1) // self.workers) if self.workers > 1 else None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read LOOKALIKE_ENCODER, _INDEX, _DEVICE, _WORKERS, _WRITABLE (1 or 0), _CACHE, _URL, _MAX_WAIT_S,
        _MIN_FREE_MB, _HOST, _ALLOWED_HOSTS (with commas), _KEYS, _AUDIT_LOG (a folder, or off), _LOG_FORMAT,
        _PROXY_ENCODER; empty counts as not set.

        Raises: DeviceError for an unknown device; IndexStoreError for workers that cannot share the index, or an index
        that the service cannot write; LookalikeError for an invalid number, name, or yes or no.
        """
        device = env.get("LOOKALIKE_DEVICE") or "auto"
        if device not in get_args(RunDevice):
            raise DeviceError(f"LOOKALIKE_DEVICE is {device!r}, expected one of {', '.join(get_args(RunDevice))}")
        settings = cls(
            encoder=Path(env.get("LOOKALIKE_ENCODER") or DEFAULT_ENCODER),
            index=env.get("LOOKALIKE_INDEX") or None,
            device=cast(RunDevice, device),
            workers=read_workers(env),
            writable=_read_writable(env),
            cache=Path(env.get("LOOKALIKE_CACHE") or default_cache(env)),
            url=env.get("LOOKALIKE_URL") or "",
            max_wait_s=read_wait(env),
            min_free_mb=read_min_free(env),
            host=env.get("LOOKALIKE_HOST") or "",
            allowed_hosts=read_allowed_hosts(env),
            keys=env.get(KEYS) or "",
            audit_log=read_audit_log(env),
            log_format=read_log_format(env),
            proxy_encoder=read_proxy_encoder(env),
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Raises: IndexStoreError for several workers with an embedded index, or a writable service without any."""
        if self.writable and self.index is None:
            raise IndexStoreError("a writable service needs an index: a folder, or the URL of a Qdrant server")
        if self.workers > 1 and self.embedded:
            raise IndexStoreError(
                f"{self.index}: an embedded index belongs to one process, got {self.workers} workers;"
                " serve with one, without an index, or with a Qdrant server's URL"
            )

    def to_env(self) -> dict[str, str]:
        """Return the same settings for a process in another folder: every path is absolute."""
        index = str(Path(self.index).absolute()) if self.index and self.embedded else self.index
        return {
            "LOOKALIKE_ENCODER": str(self.encoder.absolute()),
            "LOOKALIKE_INDEX": index or "",
            "LOOKALIKE_DEVICE": self.device,
            "LOOKALIKE_WORKERS": str(self.workers),
            "LOOKALIKE_WRITABLE": str(int(self.writable)),
            "LOOKALIKE_CACHE": str(self.cache.absolute()),
            "LOOKALIKE_URL": self.url,
            "LOOKALIKE_MAX_WAIT_S": str(self.max_wait_s),
            MIN_FREE: str(self.min_free_mb),
            "LOOKALIKE_HOST": self.host,
            "LOOKALIKE_ALLOWED_HOSTS": ",".join(self.allowed_hosts),
            KEYS: _named(self.keys),
            "LOOKALIKE_AUDIT_LOG": str(self.audit_log.absolute()) if self.audit_log else OFF,
            LOG_FORMAT: self.log_format,
            "LOOKALIKE_PROXY_ENCODER": self.proxy_encoder or "",
        }


def _named(keys: str) -> str:
    """The keys, or their file, the usual one if it exists: a worker that finds it gone must still ask for a key."""
    if is_content(keys):
        return keys
    path = Path(keys) if keys else usual_file()
    return str(path.absolute()) if keys or os.path.exists(path) else ""  # which is False where nothing may be looked at


def default_cache(env: Mapping[str, str]) -> Path:
    """Return the folder for caches. Source: XDG Base Directory Specification."""
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lookalike"


def read_allowed_hosts(env: Mapping[str, str]) -> tuple[str, ...]:
    """Read LOOKALIKE_ALLOWED_HOSTS: names with commas between them. Raises: LookalikeError for an invalid one."""
    names = [name for name in env.get("LOOKALIKE_ALLOWED_HOSTS", "").split(",") if name.strip()]
    try:
        return tuple(map(allowed_name, names))
    except ValueError as error:
        raise LookalikeError(f"LOOKALIKE_ALLOWED_HOSTS: {error}") from error


def read_audit_log(env: Mapping[str, str]) -> Path | None:
    """Return LOOKALIKE_AUDIT_LOG, else the folder for logs; None if it is off.

    Source: XDG Base Directory Specification.
    """
    named = env.get("LOOKALIKE_AUDIT_LOG")
    if named == OFF:
        return None
    return Path(named or Path(env.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "lookalike", "audit"))


def _read_writable(env: Mapping[str, str]) -> bool:
    text = env.get("LOOKALIKE_WRITABLE") or "0"
    if text not in ("0", "1"):
        raise LookalikeError(f"LOOKALIKE_WRITABLE is {text!r}, expected 1 or 0")
    return text == "1"


def read_wait(env: Mapping[str, str] = os.environ) -> float:
    """Read LOOKALIKE_MAX_WAIT_S; MAX_WAIT_S if it is not set.

    Raises: LookalikeError if it is not a time that a request can wait.
    """
    text = env.get("LOOKALIKE_MAX_WAIT_S") or str(MAX_WAIT_S)
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = 0.0
    if not 0 < wait_s < TIMEOUT_S:
        raise LookalikeError(f"LOOKALIKE_MAX_WAIT_S is {text!r}, expected seconds above 0 and below {TIMEOUT_S}")
    return wait_s


def read_proxy_encoder(env: Mapping[str, str] = os.environ) -> ProxyEncoder | None:
    """Read LOOKALIKE_PROXY_ENCODER; None if it is not set. Raises: LookalikeError for an unknown one."""
    name, known = env.get("LOOKALIKE_PROXY_ENCODER") or None, get_args(ProxyEncoder)
    if name is not None and name not in known:
        raise LookalikeError(f"LOOKALIKE_PROXY_ENCODER is {name!r}, expected one of {', '.join(known)}")
    return cast(ProxyEncoder | None, name)


def read_workers(env: Mapping[str, str] = os.environ) -> int:
    """Read LOOKALIKE_WORKERS; 1 if it is not set. Raises: LookalikeError if it is not a whole number from 1."""
    text = env.get("LOOKALIKE_WORKERS") or "1"
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise LookalikeError(f"LOOKALIKE_WORKERS is {text!r}, expected a whole number from 1")
    return int(text)
