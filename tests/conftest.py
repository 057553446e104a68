"""What several tests need: a tiny encoder, and footage: the shared recordings where they are, else rendered ones."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from xdist.remote import Producer

from lookalike.encoder import Encoder
from tests.schedule import ByUnit, place_of
from tests.tiny import write_parts_encoder, write_tiny_encoder
from tests.two_clips import write_two_clips

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# What is trained in tests starts from this seed: what they assert must hold for any, as it must on any machine.
TEST_SEED = int(os.environ.get("LOOKALIKE_TEST_SEED", "0"))
LOOPBACK = "127.0.0.1,localhost"
NO_KEYS = {"LOOKALIKE_KEYS": "[]", "LOOKALIKE_AUDIT_LOG": "off"}
SET_ELSEWHERE = {"FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE", "WORLD_SIZE", "RANK", "LOCAL_RANK"}


def _forget_the_shell() -> None:
    """Whatever the shell says of services, terminals, torchrun and proxies decides no test, nor what tests start."""
    for name in list(os.environ):
        if name.startswith("LOOKALIKE_TEST_"):
            continue  # meant for the tests; other processes of pytest read it after this one
        if name.startswith(("LOOKALIKE_", "QDRANT_")) or name in SET_ELSEWHERE:
            del os.environ[name]
    os.environ |= NO_KEYS
    for name in ("NO_PROXY", "no_proxy"):  # Chromium may have to be fetched through one
        os.environ[name] = f"{os.environ.get(name, '')},{LOOPBACK}".strip(",")


_forget_the_shell()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same in each worker, and stable: within a file the order stays."""
    items.sort(key=lambda item: place_of(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByUnit | None:
    return ByUnit(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny.onnx")


@pytest.fixture(scope="session")
def parts_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts_encoder(tmp_path_factory.mktemp("encoder") / "parts.onnx")


@pytest.fixture(scope="session")
def tiny(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, "cpu", threads=1)


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_clips(tmp_path_factory.mktemp("footage"))
