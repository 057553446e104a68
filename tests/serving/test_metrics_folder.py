"""Each service counts in a folder of its own, which is in memory: not on a disk that others empty or fill."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.running import ROOT, bentoml_env, served
from tests.small_disk import fill, small_disk


def counted(client: httpx.Client, route: str) -> float:
    """How many requests to a route were answered 404."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    labels = {"route": route, "status": "404"}.items()
    return sum(one.value for one in samples if one.name == "lookalike_requests_total" and labels <= one.labels.items())


@pytest.mark.trust
def test_a_service_that_starts_later_leaves_the_counts_of_another(tiny_encoder: Path, tmp_path: Path) -> None:
    """Two services of one account: BentoML has one folder for both, and empties it."""
    env = bentoml_env(tmp_path, {"LOOKALIKE_ENCODER": tiny_encoder})
    with ExitStack() as stack:
        first = stack.enter_context(served("serving.service:Lookalike", env, ROOT, tmp_path / "first"))
        first.get("/nowhere")
        second = stack.enter_context(served("serving.service:Lookalike", env, ROOT, tmp_path / "second"))
        for _ in range(3):
            second.get("/nowhere")
        first.get("/nowhere")
        assert (counted(first, "other"), counted(second, "other")) == (2, 3)


@pytest.mark.trust
def test_a_full_disk_ends_no_worker(tiny_encoder: Path, tmp_path: Path) -> None:
    """The files of the counts are mapped: a new label without room on the disk is a SIGBUS."""
    with small_disk(tmp_path / "disk", 16) as disk:
        env = bentoml_env(disk, {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_CACHE": tmp_path / "cache"})
        with served("serving.service:Lookalike", env, ROOT, tmp_path / "log") as client:
            fill(disk, 0)
            for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"):
                for path in ("/ui", "/embed", "/search", "/frames/x", "/library", "/explore/outliers", "/docs.json"):
                    assert client.request(method, path).status_code < 500
            assert client.get("/metrics").status_code == 200
        assert "SIGBUS" not in (tmp_path / "log").read_text()
