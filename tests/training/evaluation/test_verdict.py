"""What may be said of a measure, and what may not."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.verdict import Comparison, Measured, chance, compare, conclusion, outcome, sentence

PASSES = np.repeat(np.arange(10), 3)  # ten passes of three queries


def test_a_difference_that_every_pass_shows_is_won() -> None:
    """All of .2: every resample has .2."""
    found = compare(np.full(30, 0.7), Measured("raw pixels", np.full(30, 0.5)), PASSES)
    assert (found.value, found.won, found.level) == (0.5, True, False)
    assert (found.difference, found.low, found.high) == (pytest.approx(0.2),) * 3


def test_a_difference_of_one_pass_is_chance() -> None:
    """One of ten passes has 1 more, the others none: of resamples .9^10 = .35 do not hold it and differ by 0."""
    found = compare((PASSES == 0).astype(float), Measured("raw pixels", np.zeros(30)), PASSES)
    assert (found.difference, found.low, found.won, found.level) == (pytest.approx(0.1), 0, False, True)


def test_queries_of_one_pass_are_no_evidence_of_their_own() -> None:
    """Ninety queries, of which two thirds are won by much: on their own they would settle it, from three passes no."""
    own = np.repeat([1.0, 1, -1], 30)
    assert compare(own, Measured("raw pixels", np.zeros(90)), np.arange(90)).won
    assert not compare(own, Measured("raw pixels", np.zeros(90)), np.repeat([0, 1, 2], 30)).won


def test_of_two_passes_nothing_is_claimed() -> None:
    found = compare(np.ones(6), Measured("raw pixels", np.zeros(6)), np.repeat([0, 1], 3))
    assert not found.won
    assert outcome([found], "passes") == (
        "better than raw pixels (0.00), but fewer than 3 passes cannot rule out chance"
    )


WON, LEVEL = Comparison("raw pixels", 0.5, 0.11, 0.05, 0.17), Comparison("untrained", 0.58, 0.03, -0.02, 0.08)
LOST, WORSE = Comparison("HSV histogram", 0.74, -0.13, -0.2, -0.1), Comparison("other", 0.9, -0.3, -0.4, -0.2)


@pytest.mark.parametrize(
    ("comparisons", "says"),
    [
        ([WON], "beats every baseline, the best raw pixels 0.50 (+0.11, 95% of resampled tracks +0.05 to +0.17)"),
        (
            [WON, LEVEL],
            "not better than untrained (0.58) by more than chance (+0.03, 95% of resampled tracks -0.02 to +0.08)",
        ),
        ([WON, LEVEL, LOST], "does not beat HSV histogram (0.74)"),
        ([WON, LEVEL, LOST, WORSE], "does not beat other (0.90) or HSV histogram (0.74)"),
    ],
)
def test_a_win_is_claimed_over_all_or_the_one_that_is_not_beaten_is_named(
    comparisons: list[Comparison], says: str
) -> None:
    assert outcome(comparisons, "tracks", ["HSV histogram"]) == says


def test_the_verdict_counts_what_was_won_and_has_a_line_for_each_measure() -> None:
    one = sentence("Crops, another pass", "212 queries of 24 passes", [(" perturbed", 0.613, "does not beat x (0.74)")])
    assert one == "Crops, another pass (212 queries of 24 passes): mAP 0.61 perturbed, does not beat x (0.74)."
    assert conclusion([one, "Other."], 0) == f"Beats every baseline in 0 of 2 measure(s).\n{one}\nOther."


def test_without_a_measure_nothing_is_claimed() -> None:
    assert conclusion([], 0).startswith("No verdict: no measure has queries on this footage.")


def test_chance_of_two_accuracies() -> None:
    """Of 100 pictures each: .5 * .5 / 100 = .0025, twice; the root of .005 is .0707, times 1.96."""
    assert chance(0.5, 0.5, 100) == pytest.approx(1.96 * 0.0707, rel=1e-3)
    assert chance(1.0, 0.0, 5) == 0
