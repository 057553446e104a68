"""What tests of a faulty Qdrant server have in common. Their fixtures are in conftest.py."""

from __future__ import annotations

import pytest

from lookalike.errors import IndexStoreError
from lookalike.index import SourceRecord, open_index
from tests.index.circle import SPEC, at

MARKS = [
    pytest.mark.trust,
    pytest.mark.usefixtures("key_of_the_facade"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning"),  # of the owner
]
QUERY = at(0)[0]
RECORD = SourceRecord("a", "all", "gate/a.mp4", 1, 1)


def name_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


def refusal(url: str, create: bool = False, kind: type[IndexStoreError] = IndexStoreError) -> str:
    with pytest.raises(kind) as caught:
        open_index(url, SPEC, create)
    assert "\n" not in str(caught.value)
    return str(caught.value)
