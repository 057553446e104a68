"""Average precision and precision among the first five, of rankings that are written down."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.ranking import rank


def ranked(order: str) -> tuple[float, float]:
    """Of a ranking, the best first: r is right, w is wrong, - is not searched."""
    similarity = -np.arange(len(order), dtype=np.float32)
    relevant, searched = (np.array([[letter in of for letter in order]]) for of in ("r-", "rw"))
    found = rank(similarity[None], np.eye(len(order), dtype=np.float32), relevant, searched)
    return float(found.ap[0]), float(found.p5[0])


@pytest.mark.parametrize(
    ("order", "ap", "p5"),
    [
        ("rrw", 1, 1),
        ("wr", 1 / 2, 0),  # one to find, and the first is another
        ("rwr", (1 + 2 / 3) / 2, 1 / 2),
        ("wwwwwr", 1 / 6, 0),
        ("rwrwrwr", (1 + 2 / 3 + 3 / 5 + 4 / 7) / 4, 2 / 4),  # four to find: the first four count
        ("rwrwrwrrr", (1 + 2 / 3 + 3 / 5 + 4 / 7 + 5 / 8 + 6 / 9) / 6, 3 / 5),
        ("-r-w-r", (1 + 2 / 3) / 2, 1 / 2),  # what is not searched has no place
    ],
)
def test_what_is_right_first_counts_most(order: str, ap: float, p5: float) -> None:
    assert ranked(order) == (pytest.approx(ap), pytest.approx(p5))


def test_what_is_equal_keeps_the_gallerys_order() -> None:
    """So an encoder that takes all for the same gets what chance has put first."""
    searched = np.ones((1, 4), bool)
    found = rank(np.zeros((1, 2)), np.zeros((4, 2)), np.array([[False, True, False, True]]), searched)
    assert found.ap[0] == (1 / 2 + 2 / 4) / 2


def test_queries_are_ranked_alike_however_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, vectors = rng.normal(size=(5, 3)), rng.normal(size=(9, 3))
    relevant, searched = rng.random((5, 9)) < 0.4, np.ones((5, 9), bool)
    relevant[:, 0] = True
    whole = rank(queries, vectors, relevant, searched)
    monkeypatch.setattr("training.evaluation.ranking.CHUNK", 2)
    parts = rank(queries, vectors, relevant, searched)
    assert whole.ap.tolist() == parts.ap.tolist()
    assert whole.p5.tolist() == parts.p5.tolist()
