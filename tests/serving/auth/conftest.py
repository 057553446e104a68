"""Keys of several people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lookalike.keys import KeyFile, Scope, new_key

HOLDERS: dict[str, tuple[tuple[Scope, ...], tuple[str, ...]]] = {
    "viewer": (("read",), ()),
    "gatekeeper": (("read", "embed"), ("gate",)),
    "embedder": (("embed",), ()),
    "recorder": (("read", "write"), ()),
    "owner": (("admin",), ()),
}


@dataclass(frozen=True)
class Keys:
    """path: of the file. secrets: by the name of the holder."""

    path: Path
    secrets: dict[str, str]

    def bearer(self, name: str) -> dict[str, str]:
        """Headers of a request of a holder."""
        return {"Authorization": f"Bearer {self.secrets[name]}"}


def write_keys(path: Path) -> Keys:
    secrets = {}
    for name, (scopes, cameras) in HOLDERS.items():
        key, secrets[name] = new_key(name, scopes, cameras)
        KeyFile(path).add(key)
    return Keys(path, secrets)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return write_keys(tmp_path / "keys.json")
