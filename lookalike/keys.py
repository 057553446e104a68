"""Keys of a service: who may ask for what. A file of them holds SHA-256 digests, never the secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from lookalike.errors import KeysError
from lookalike.files import durable
from lookalike.files.printable import is_unicode

try:
    import fcntl
except ImportError:  # Windows: of two changes at once, one may be lost
    fcntl = None

Scope = Literal["read", "embed", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
VARIABLE = "LOOKALIKE_KEYS"  # a file, or its content
TOKEN = "LOOKALIKE_TOKEN"  # one secret with all rights
NO_KEYS = {VARIABLE: "[]", TOKEN: ""}  # for a service on its own machine that asks for none, whatever the user has
PREFIX = "lk_"  # by which scanners for leaked secrets know one
SECRET = re.compile(re.escape(PREFIX) + r"[\w-]{16,}", re.ASCII)  # as `new_key` makes it, or most of one
HIDDEN = f"{PREFIX}..."
LEAST_TOKEN = 16  # characters: a shorter text may well be the name of a camera
LONGEST_NAME, LONGEST_SECRET = 64, 1024  # characters; a longer secret is not compared
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Key:
    """Rights of one holder.

    digest: SHA-256 of the secret, hex. A secret has 256 random bits, so a slow hash would add nothing.
    scopes: `read` is search and view, `embed` is embeddings, `write` is to add and remove, `admin` is everything.
    cameras: the only ones that may be seen; empty for all. created_at: RFC 3339 UTC.
    """

    name: str
    digest: str
    scopes: tuple[Scope, ...]
    cameras: tuple[str, ...] = ()
    created_at: str = ""

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def matches(self, digest: str) -> bool:
        """Compare with the digest of a secret, in constant time."""
        return hmac.compare_digest(self.digest, digest)

    @classmethod
    def from_json(cls, entry: Any) -> Key:
        """Raises: ValueError if it is not a key."""
        if not isinstance(entry, dict) or set(entry) != {"name", "digest", "scopes", "cameras", "created_at"}:
            raise ValueError("an entry lacks a field, or has an unknown one")
        scopes, cameras = entry["scopes"], entry["cameras"]
        for texts in (scopes, cameras):
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError("scopes or cameras are not lists of texts")
        key = cls(entry["name"], entry["digest"], tuple(scopes), tuple(cameras), entry["created_at"])
        if not isinstance(key.digest, str) or not _DIGEST.fullmatch(key.digest) or not isinstance(key.created_at, str):
            raise ValueError("a digest is not 64 hexadecimal digits in lower case")
        check_rights(key.name, key.scopes, key.cameras)
        return key


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def check_rights(name: Any, scopes: tuple[str, ...], cameras: tuple[str, ...]) -> None:
    """Raises: ValueError for a name, scopes or cameras that a key cannot have."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"invalid name {str(name)[:80]!r}: expected 1 to {LONGEST_NAME} printable characters")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise ValueError(f"invalid scopes {', '.join(scopes) or '(none)'}: expected some of {', '.join(SCOPES)}")
    if not all(map(is_unicode, cameras)):
        raise ValueError("invalid camera: expected UTF-8")
    if cameras and not set(scopes) <= {"read", "embed"}:
        raise ValueError("a key that may write, or do everything, cannot be limited to cameras")


def new_key(name: str, scopes: tuple[Scope, ...], cameras: tuple[str, ...] = ()) -> tuple[Key, str]:
    """Make a key and its secret, which is stored nowhere.

    Raises: ValueError as `check_rights`, and for a camera without a name: such a key sees nothing.
    """
    check_rights(name, scopes, cameras)
    if not all(cameras):
        raise ValueError("a camera has no name")
    secret = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Key(name, digest_of(secret), scopes, cameras, now), secret


def default_file(env: Mapping[str, str] = os.environ) -> Path:
    """Return LOOKALIKE_KEYS, or the file in the user's configuration.

    Raises: KeysError if LOOKALIKE_KEYS holds the keys themselves.
    """
    if named := env.get(VARIABLE):
        if is_content(named):
            raise KeysError(f"{VARIABLE} holds keys, not the name of a file; name the file with --keys")
        return Path(named)
    return usual_file(env)


def usual_file(env: Mapping[str, str] = os.environ) -> Path:
    """Return the file in the user's configuration. Source: XDG Base Directory Specification."""
    return Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "lookalike" / "keys.json"


def keys_at_start(env: Mapping[str, str] = os.environ) -> KeyRing:
    """Return the keys of a service that starts.

    Raises: KeysError if they cannot be read, if LOOKALIKE_KEYS names a file that does not exist, such as one that is
    misspelt, or if LOOKALIKE_TOKEN is a key that is not known there.
    """
    ring, token, named = KeyRing(env), read_token(env), env.get(VARIABLE, "")
    if named and not is_content(named) and not ring.has_file:
        advice = "make it with `lookalike keys add NAME`, or unset the variable"
        raise KeysError(f"{named}: no such file, which {VARIABLE} names; {advice}")
    if token and ring.find(token) is None:
        advice = "it was revoked, or is of another service. Unset the variable, or set it to another secret"
        raise KeysError(
            f"{TOKEN} is a secret that `lookalike keys add` made, and not among the keys of this service: {advice}"
        )
    return ring


class KeyFile:
    """Keys in a JSON file that only its owner may read, and in a second one when each was used last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._used_path = path.parent / f"{path.name}.used"

    def read(self) -> list[Key]:
        """Raises: KeysError if the file cannot be read, or does not hold keys."""
        try:
            return parse_keys(self.path.read_text(encoding="utf-8"), str(self.path))
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise KeysError(f"{self.path}: cannot be read ({error})") from error

    def add(self, key: Key) -> None:
        """Raises: KeysError if there is a key of that name, or if the file cannot be written."""
        with self._changed() as keys:
            if any(other.name == key.name for other in keys):
                raise KeysError(f"{self.path}: there is a key {key.name!r} already; revoke it first, or choose a name")
            keys.append(key)

    def revoke(self, name: str) -> int:
        """Remove a key and return how many are left. Raises: KeysError if there is no such key."""
        with self._changed() as keys:
            kept = [key for key in keys if key.name != name]
            if len(kept) == len(keys):
                known = ", ".join(key.name for key in keys) or "none"
                raise KeysError(f"{self.path}: no key {name!r}; its keys: {known}")
            keys[:] = kept
        return len(kept)

    def last_used(self) -> dict[str, str]:
        """Return RFC 3339 UTC by digest. What cannot be read counts as never used."""
        try:
            entries = json.loads(self._used_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {name: str(used) for name, used in entries.items()} if isinstance(entries, dict) else {}

    def note_used(self, used: Mapping[str, str]) -> None:
        """Add to `last_used`. Raises: OSError if it cannot be written."""
        with self._locked():
            _replace(self._used_path, json.dumps(self.last_used() | dict(used)))

    @contextmanager
    def _changed(self) -> Iterator[list[Key]]:
        try:
            with self._locked():
                keys = self.read()
                yield keys
                _replace(self.path, json.dumps([asdict(key) for key in keys], indent=1))
        except OSError as error:
            raise KeysError(f"{self.path}: cannot be written ({error})") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold a lock that other processes respect; it ends with the process."""
        durable.make_folder(self.path.parent, 0o700)
        with open(os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
            _own_as(self.path, file.fileno())
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def parse_keys(text: str, where: str) -> list[Key]:
    """Raises: KeysError if the text is not a JSON list of keys, each with a name of its own."""
    try:
        entries = json.loads(text)
        keys = [Key.from_json(entry) for entry in (entries if isinstance(entries, list) else [entries])]
        if len({key.name for key in keys}) < len(keys):
            raise ValueError("two keys have the same name")
    except (ValueError, RecursionError) as error:
        raise KeysError(f"{where}: not a list of keys ({error}); make keys with `lookalike keys add`") from error
    return keys


class KeyRing:
    """All keys of a service, read again when their file has changed: a key is revoked without a restart.

    While a file that LOOKALIKE_KEYS names does not exist, nobody gets in. A service that finds the usual file names it
    there, so that this goes for workers that are started later, too. If the usual file came after the start, `mark`
    says so to other workers and later ones.
    """

    NOTE_EVERY_S = 60  # how exactly it is known when a key was used last

    def __init__(
        self,
        env: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        mark: Path | None = None,
    ):
        """mark: a file that the workers of one service share, made here. Raises: KeysError if no keys can be read."""
        self._now, self._mark = now, mark
        self._fixed: list[Key] = []
        self._file: KeyFile | None = None
        self._stamp: tuple[int, ...] | None = None
        self._from_file: list[Key] = []
        self._noted: dict[str, datetime] = {}
        content = env.get(VARIABLE, "")
        self._required = bool(content) and not is_content(content)
        if is_content(content):
            self._fixed += parse_keys(content, VARIABLE)
        else:
            self._file = KeyFile(default_file(env))
            self._refresh()
        token = read_token(env)
        self._required = self._required or bool(token)
        if token and not SECRET.fullmatch(token) and self.find(token) is None:  # else its rights are those of the key
            self._fixed.append(Key(TOKEN, digest_of(token), ("admin",)))

    @property
    def required(self) -> bool:
        """Whether each request needs a key: from the first one on, also when the last is revoked or the file removed.

        Raises: KeysError if the keys cannot be read.
        """
        self._refresh()
        if not self._required:
            self._required = bool(self._fixed) or self.has_file or bool(self._mark and self._mark.exists())
            if self._required and self._mark:
                with suppress(OSError):
                    self._mark.touch()
        return self._required

    @property
    def has_file(self) -> bool:
        """Whether there was a file of keys when it was looked at last."""
        return self._stamp is not None

    def find(self, secret: str) -> Key | None:
        """Return the key of a secret. Every key is compared, so that the time says nothing.

        Raises: KeysError if the keys cannot be read.
        """
        self._refresh()
        digest = digest_of(secret)
        matching = [key for key in (*self._fixed, *self._from_file) if key.matches(digest)]
        return matching[0] if matching else None

    def is_due(self, key: Key) -> bool:
        """Whether `note_used` has something to write: a key of the file, once a minute."""
        before = self._noted.get(key.digest)
        if before and (self._now() - before).total_seconds() < self.NOTE_EVERY_S:
            return False
        return any(key.digest == other.digest for other in self._from_file)

    def note_used(self, key: Key) -> None:
        """Keep for `lookalike keys list` when a key was used, once a minute. A full disk does not matter here."""
        if self._file is None or not self.is_due(key):
            return
        now = self._now()
        self._noted[key.digest] = now
        with suppress(OSError):
            self._file.note_used({key.digest: now.isoformat(timespec="seconds")})

    def _refresh(self) -> None:
        if self._file is None:
            return
        try:
            status = self._file.path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            stamp = None
        except OSError as error:
            raise KeysError(f"{self._file.path}: cannot be read ({error})") from error
        if stamp != self._stamp:
            self._from_file = self._file.read() if stamp else []
            self._stamp = stamp


def read_token(env: Mapping[str, str] = os.environ) -> str:
    """Return LOOKALIKE_TOKEN without spaces and line breaks around it, as it is sent; empty if it is not set.

    Raises: KeysError if there is nothing else, or no client can send it.
    """
    text = env.get(TOKEN, "")
    token = text.strip()
    if text and not token:
        raise KeysError(f"{TOKEN} is blank; set it to a secret, or unset it")
    if has_control(token) or len(token) > LONGEST_SECRET:
        limit = f"more than {LONGEST_SECRET} characters, a line break or another control character"
        raise KeysError(f"{TOKEN} has {limit}, so that no client can send it; set it again")
    return token


def secrets_pattern(token: str) -> re.Pattern[str]:
    """What in a text, also one of JSON, is a secret; a log has HIDDEN there. token: LOOKALIKE_TOKEN, if long enough."""
    own = {token, json.dumps(token)[1:-1]} if len(token) >= LEAST_TOKEN else ()
    return re.compile("|".join([SECRET.pattern, *map(re.escape, own)]), re.ASCII)


def has_control(secret: str) -> bool:
    """Whether a secret has a control character, which a header cannot hold."""
    return any(ord(letter) < 32 or ord(letter) == 127 for letter in secret)


def is_content(text: str) -> bool:
    """Whether LOOKALIKE_KEYS holds keys, and does not name a file."""
    return text.lstrip().startswith("[")


def _replace(path: Path, text: str) -> None:
    """The file is the old one or the new one, also after a power loss.

    Only its owner may read it, unless its mode says otherwise.
    """
    with (
        durable.replacing(path) as partial,
        open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file,
    ):
        _own_as(path, file.fileno())
        file.write(text + "\n")


def _own_as(path: Path, fd: int) -> None:
    """Give an open file the owner and the mode of another: root may change the keys of a service's account."""
    with suppress(OSError, AttributeError):  # there is none yet, or this is neither root nor the owner; Windows
        status = path.stat()
        os.fchown(fd, status.st_uid, status.st_gid)
        os.fchmod(fd, status.st_mode & 0o777)
