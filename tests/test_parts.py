"""Parts of an embedding, weighed when a search is asked."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.parts import Part, Weights, join, split, weigh

PARTS = (Part("content", 2), Part("layout", 2), Part("colour", 1))


def embedding(content: float, layout: float, colour: float) -> np.ndarray:
    """One whose parts make these angles, radians; the colour is 1 or -1."""
    pieces = [[np.cos(content), np.sin(content)], [np.cos(layout), np.sin(layout)], [colour]]
    return join([np.array([piece], np.float32) for piece in pieces])[0]


def test_what_is_stored_has_length_one():
    assert np.linalg.norm(embedding(0.3, 1.0, 1)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        (Weights(0.2, 0.0), (0.8, 0.0, 0.2)),
        (Weights(0.2, 0.5), (0.4, 0.4, 0.2)),
        (Weights(1.0, 0.5), (0.0, 0.0, 1.0)),
        (Weights(0.0, 1.0), (0.0, 1.0, 0.0)),
    ],
)
def test_the_score_is_the_weighted_mean_of_the_parts_cosines(weights: Weights, shares: tuple[float, ...]):
    asked, stored = embedding(0, 0, 1), embedding(np.pi / 3, np.pi / 2, -1)
    cosines = (0.5, 0.0, -1.0)
    expected = sum(share * cosine for share, cosine in zip(shares, cosines, strict=True))
    assert weigh(asked, PARTS, weights) @ stored == pytest.approx(expected, abs=1e-6)


def test_the_same_picture_scores_one_whatever_the_weights():
    one = embedding(0.4, 1.2, 1)
    for weights in (Weights(0.2, 0.0), Weights(0.9, 0.5), Weights(0.0, 0.0)):
        assert weigh(one, PARTS, weights) @ one == pytest.approx(1, abs=1e-6)


def test_parts_of_a_mean_count_as_whole_ones():
    """Two examples that differ in their content have a shorter mean there; it counts as much as weighed."""
    mean = (embedding(0, 0, 1) + embedding(np.pi / 2, 0, 1)) / 2
    assert weigh(mean, PARTS, Weights(0.5, 0.0)) @ embedding(np.pi / 4, 0, 1) == pytest.approx(1, abs=1e-6)


def test_a_part_that_is_not_there_leaves_its_share_to_the_others():
    assert Weights(0.5, 0.5).shares(PARTS[:1]) == [1]
    assert Weights(0.2, 0.5).shares((PARTS[0], PARTS[2])) == pytest.approx([2 / 3, 1 / 3])


def test_weights_of_parts_that_are_not_there_are_an_error():
    with pytest.raises(ValueError, match="the encoder has content, got a weight of 0"):
        Weights(1.0, 0.0).shares(PARTS[:1])


def test_a_share_beyond_one_is_an_error():
    with pytest.raises(ValueError, match=r"invalid colour: got 1\.5"):
        Weights(1.5, 0.0)


def test_an_embedding_of_one_piece_is_left_as_it_is():
    vector = np.array([0.6, 0.8], np.float32)
    assert weigh(vector, (), Weights(1.0, 1.0)) is vector


def test_a_part_that_says_nothing_stays_zero():
    content, layout, _ = split(np.array([0, 0, 0, 2, 1], np.float32), PARTS)
    assert content.tolist() == [0, 0]
    assert layout.tolist() == [0, 1]
