"""A Qdrant server that is shared, lost, strict, slow or somebody else's.

Behind is the facade, or, for those tests that any server can take, the one that LOOKALIKE_TEST_QDRANT names.
"""

from __future__ import annotations

from contextlib import ExitStack, closing

import pytest

from tests.index.server.qdrant_facade import KEY, Facade, nodes_of
from tests.index.server.real_qdrant import KEY as REAL_KEY
from tests.index.server.real_qdrant import admin, own_collection, real_qdrant, why_none


@pytest.fixture
def key_of_the_facade(request, monkeypatch):
    if "qdrant" not in request.node.name:  # a real server has a key of its own
        monkeypatch.setenv("QDRANT_API_KEY", KEY)


@pytest.fixture
def behind():
    return Facade()


@pytest.fixture
def server(behind):
    with nodes_of(behind) as (urls, seen):
        yield f"{urls[0]}/frames", seen


@pytest.fixture(params=["facade"] + ([] if why_none() else ["qdrant"]))
def anywhere(request, behind):
    """The URL of a collection that is not there, on the facade and on a real server; and a client of its owner."""
    with ExitStack() as stack:
        if request.param == "qdrant":
            base, key = stack.enter_context(real_qdrant()), REAL_KEY
        else:
            (base,), _ = stack.enter_context(nodes_of(behind))
            key = KEY
        client = stack.enter_context(closing(admin(base, key)))
        yield stack.enter_context(own_collection(base, key)), client


@pytest.fixture
def cluster():
    """Three nodes."""
    behind = Facade(3)
    with nodes_of(behind) as (urls, _):
        yield ",".join(urls) + "/frames", behind
