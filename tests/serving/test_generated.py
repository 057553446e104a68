"""A client that a generator makes from the service's own OpenAPI document, and what it gets."""

from __future__ import annotations

import base64
import importlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.serving.conftest import Shown, expected_embedding
from tests.tiny import SPEC

PACKAGE = "generated_client"


@pytest.fixture(scope="module")
def generated(service: httpx.Client, tmp_path_factory: pytest.TempPathFactory):
    """What openapi-python-client writes, imported; `of(name)` gives a module of it."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "docs.json").write_bytes(service.get("/docs.json").content)
    (folder / "config.yml").write_text("post_hooks: []\n")
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--path", "docs.json"]
    flags = ["--meta", "none", "--output-path", PACKAGE, "--config", "config.yml"]
    subprocess.run([*command, *flags], cwd=folder, check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"{PACKAGE}{name}")
    sys.path.remove(str(folder))


def client(generated: Any, service: httpx.Client) -> Any:
    return generated("").Client(base_url=str(service.base_url))


def test_it_embeds_by_form_and_by_json(generated: Any, service: httpx.Client, footage: list[Shown]) -> None:
    models, embed = generated(".models"), generated(".api.service_ap_is.embed")
    wanted = [expected_embedding(shown.png) for shown in footage[:2]]
    files = [
        generated(".types").File(payload=io.BytesIO(shown.png), file_name="frame.png", mime_type="image/png")
        for shown in footage[:2]
    ]
    by_form = embed.sync(client=client(generated, service), body=models.EmbedFilesBody(images=files))
    texts = [base64.b64encode(shown.png).decode() for shown in footage[:2]]
    by_json = embed.sync(client=client(generated, service), body=models.LookalikeImages(images=texts))
    for answer in (by_form, by_json):
        assert (answer.space, answer.dim) == (SPEC.space, SPEC.dim)
        np.testing.assert_allclose(answer.embeddings, wanted, atol=1e-5)


def test_it_searches_and_reads_what_is_wrong(generated: Any, service: httpx.Client, footage: list[Shown]) -> None:
    models, search = generated(".models"), generated(".api.service_ap_is.search")
    image = generated(".types").File(payload=io.BytesIO(footage[3].png), file_name="frame.png", mime_type="image/png")
    hits = search.sync(client=client(generated, service), body=models.SearchFilesBody(image=image, top=1)).hits
    assert [(hit.camera, hit.time_s) for hit in hits] == [(footage[3].frame.camera, footage[3].frame.time_s)]
    again = search.sync(
        client=client(generated, service), body=models.LookalikeSearchFields(id=str(hits[0].id), top=1)
    ).hits
    assert again[0].id == hits[0].id
    refused = search.sync_detailed(client=client(generated, service), body=models.LookalikeSearchFields(id="none"))
    assert refused.status_code == 404
    assert "none" in refused.parsed.error.message
